//! Commands about the types that users define.

mod alter;
mod domain;
mod drop;
mod enumeration;

use sqlparser::ast::{ColumnDef, DataType, Expr, Ident, ObjectName};

use super::super::Session;
use crate::catalog::{
    AttributeDescriptor, Catalog, CatalogChange, CatalogEntry, QualifiedName, TypeDescriptor,
    TypeKind, fold_identifier,
};
use crate::error::{SqlError, state};
use crate::exec::ddl::storable;
use crate::txn::Layer;
use crate::types::PgType;
use crate::types::user::has_room;

/// A command about a type.
#[derive(Debug, Clone)]
pub(crate) enum TypeCommand {
    /// CREATE TYPE … AS ENUM: the labels.
    Enum(ObjectName, Vec<String>),
    /// CREATE TYPE … AS (…): names and types of the attributes.
    Composite(ObjectName, Vec<(Ident, DataType)>),
    /// CREATE DOMAIN: the definition is written as that of a column.
    Domain(ObjectName, Box<ColumnDef>),
    /// ALTER TYPE, or ALTER DOMAIN.
    Alter {
        domain: bool,
        name: ObjectName,
        change: Box<TypeChange>,
    },
    /// DROP TYPE, or DROP DOMAIN.
    Drop {
        domain: bool,
        names: Vec<ObjectName>,
        if_exists: bool,
        cascade: bool,
    },
}

/// What ALTER TYPE and ALTER DOMAIN change.
#[derive(Debug, Clone)]
pub(crate) enum TypeChange {
    /// ADD VALUE: the label, IF NOT EXISTS, and where: before or after which one.
    AddValue {
        label: String,
        if_not_exists: bool,
        place: Option<(bool, String)>,
    },
    /// RENAME VALUE.
    RenameValue(String, String),
    /// RENAME TO.
    Rename(Ident),
    /// RENAME ATTRIBUTE.
    RenameAttribute(Ident, Ident),
    /// ADD ATTRIBUTE.
    AddAttribute(Ident, DataType),
    /// OWNER TO.
    Owner(Ident),
    /// SET SCHEMA.
    SetSchema(Ident),
    /// SET DEFAULT or DROP DEFAULT.
    Default(Option<Expr>),
    /// SET NOT NULL or DROP NOT NULL.
    NotNull(bool),
    /// ADD CONSTRAINT: name, condition, NOT VALID.
    AddCheck(Option<Ident>, Expr, bool),
    /// DROP CONSTRAINT: name, IF EXISTS.
    DropCheck(Ident, bool),
    /// RENAME CONSTRAINT.
    RenameCheck(Ident, Ident),
    /// VALIDATE CONSTRAINT.
    Validate(Ident),
}

impl Session {
    pub(super) async fn type_command(&mut self, command: &TypeCommand) -> Result<String, SqlError> {
        match command {
            TypeCommand::Enum(name, labels) => self.create_enum(name, labels).await,
            TypeCommand::Composite(name, attributes) => {
                self.create_composite(name, attributes).await
            }
            TypeCommand::Domain(name, definition) => self.create_domain(name, definition).await,
            TypeCommand::Alter {
                domain,
                name,
                change,
            } => self.alter_type(*domain, name, change).await,
            TypeCommand::Drop {
                domain,
                names,
                if_exists,
                cascade,
            } => self.drop_types(*domain, names, *if_exists, *cascade).await,
        }
    }

    async fn create_composite(
        &mut self,
        name: &ObjectName,
        attributes: &[(Ident, DataType)],
    ) -> Result<String, SqlError> {
        let mut catalog = self.catalog_to_change("CREATE TYPE").await?;
        let mut made: Vec<AttributeDescriptor> = Vec::with_capacity(attributes.len());
        for (name, data_type) in attributes {
            let attribute = self.attribute(name, data_type, &catalog)?;
            if made.iter().any(|a| a.name == attribute.name) {
                return Err(SqlError::new(
                    state::DUPLICATE_COLUMN,
                    format!("column \"{}\" specified more than once", attribute.name),
                ));
            }
            made.push(attribute);
        }
        let entry = self.new_type(name, TypeKind::Composite(made), &mut catalog)?;
        self.keep_type(catalog, entry)?;
        Ok("CREATE TYPE".to_owned())
    }

    /// An attribute of a composite type.
    fn attribute(
        &self,
        name: &Ident,
        data_type: &DataType,
        catalog: &Catalog,
    ) -> Result<AttributeDescriptor, SqlError> {
        let name = fold_identifier(name);
        let ty = catalog.type_of_ast(data_type, self.settings.search_path())?;
        let ty = storable(&name, ty)?;
        if ty.has_domain() {
            return Err(SqlError::unsupported("attributes of a domain"));
        }
        Ok(AttributeDescriptor { name, ty })
    }

    /// A descriptor for a type that is made.
    ///
    /// # Errors
    /// 42710 for a name that is taken, 53400 when there are too many types.
    fn new_type(
        &self,
        name: &ObjectName,
        kind: TypeKind,
        catalog: &mut Catalog,
    ) -> Result<TypeDescriptor, SqlError> {
        let (schema, name) = self.creation_schema(name, catalog)?;
        room_for_type()?;
        free_type_name(catalog, schema, &name)?;
        Ok(TypeDescriptor {
            oid: catalog.allocate_oid(),
            array_oid: catalog.allocate_oid(),
            schema,
            array_name: catalog.array_type_name(schema, &name),
            name,
            owner: self.user.clone(),
            kind,
        })
    }

    fn keep_type(&mut self, catalog: Catalog, entry: TypeDescriptor) -> Result<(), SqlError> {
        let change = CatalogChange::Put(CatalogEntry::Type(Box::new(entry)));
        self.change_catalog(catalog, vec![change], Layer::default())
    }

    /// The type that a command changes or drops.
    ///
    /// # Errors
    /// 42704; 42809 for a type that is no user's.
    fn type_to_change(
        &self,
        name: &ObjectName,
        domain: bool,
        catalog: &Catalog,
    ) -> Result<TypeDescriptor, SqlError> {
        let written = QualifiedName::from_ast(name, &self.database)?;
        let found = catalog.find_type(&written, self.settings.search_path());
        let entry = found.and_then(|ty| catalog.user_type(ty.oid()));
        match entry {
            Some(entry) if domain && !matches!(entry.kind, TypeKind::Domain(_)) => {
                Err(SqlError::new(
                    state::WRONG_OBJECT_TYPE,
                    format!("\"{written}\" is not a domain"),
                ))
            }
            Some(entry) => Ok(entry.as_ref().clone()),
            None if written.schema.is_none() && PgType::from_name(&written.name).is_some() => {
                Err(SqlError::new(
                    state::WRONG_OBJECT_TYPE,
                    format!("\"{written}\" is not a type that a user made"),
                ))
            }
            None => Err(SqlError::new(
                state::UNDEFINED_OBJECT,
                format!("type \"{written}\" does not exist"),
            )),
        }
    }
}

/// Refuses another definition when there are too many.
fn room_for_type() -> Result<(), SqlError> {
    if has_room() {
        return Ok(());
    }
    Err(SqlError::new(
        state::CONFIGURATION_LIMIT_EXCEEDED,
        "too many types were defined since the server was started",
    ))
}

/// Checks that no type, and no relation with a row type, has the name.
///
/// # Errors
/// 42710.
fn free_type_name(catalog: &Catalog, schema: u32, name: &str) -> Result<(), SqlError> {
    if catalog.type_exists(schema, name) || catalog.relation_exists(schema, name) {
        return Err(SqlError::new(
            state::DUPLICATE_OBJECT,
            format!("type \"{name}\" already exists"),
        ));
    }
    Ok(())
}
