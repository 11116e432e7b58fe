//! Types that users define, as the catalog keeps them.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use sqlparser::ast::{ArrayElemTypeDef, DataType};

use super::descriptor::type_code;
use super::names::QualifiedName;
use super::snapshot::Catalog;
use crate::error::{SqlError, SqlResult, state};
use crate::types::PgType;
use crate::types::user::{
    Attribute, Definition, DomainRules, EnumLabel, UserKind, UserType, intern,
};

/// A type.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TypeDescriptor {
    /// Object identifier.
    pub oid: u32,
    /// Object identifier of the type of its arrays.
    pub array_oid: u32,
    /// Schema that the type is in.
    pub schema: u32,
    /// Type name.
    pub name: String,
    /// Name of the type of its arrays.
    pub array_name: String,
    /// Name of the owning role.
    pub owner: String,
    /// What it is. Entries have a `kind` of their own.
    #[serde(rename = "definition")]
    pub kind: TypeKind,
}

/// What a type is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TypeKind {
    /// An enum: its labels in order.
    Enum(Vec<LabelDescriptor>),
    /// A domain.
    Domain(DomainDescriptor),
    /// A composite type: its attributes.
    Composite(Vec<AttributeDescriptor>),
}

/// A label of an enum.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LabelDescriptor {
    /// Object identifier.
    pub oid: u32,
    /// What stands for it in rows and keys.
    pub position: i64,
    /// The label.
    pub label: String,
}

/// What a domain asks for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DomainDescriptor {
    /// The type it is over.
    #[serde(with = "type_code")]
    pub base: PgType,
    /// Whether NULL is refused.
    pub not_null: bool,
    /// `DEFAULT` as SQL text.
    pub default: Option<String>,
    /// Its conditions.
    pub checks: Vec<DomainCheck>,
}

/// A condition of a domain.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DomainCheck {
    /// Object identifier.
    pub oid: u32,
    /// Name.
    pub name: String,
    /// The condition as SQL text about `VALUE`.
    pub expression: String,
    /// Whether all stored values were found to fulfil it.
    #[serde(default)]
    pub validated: bool,
}

/// An attribute of a composite type.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AttributeDescriptor {
    /// Name.
    pub name: String,
    /// Type.
    #[serde(with = "type_code")]
    pub ty: PgType,
}

impl TypeDescriptor {
    /// The definition, its parts looked up in `catalog`.
    pub(super) fn define(&self, catalog: &Catalog) -> &'static UserType {
        let kind = match &self.kind {
            TypeKind::Enum(labels) => {
                let label = |l: &LabelDescriptor| EnumLabel {
                    oid: l.oid,
                    position: l.position,
                    label: l.label.clone(),
                };
                UserKind::Enum(labels.iter().map(label).collect())
            }
            TypeKind::Domain(domain) => {
                let check = |c: &DomainCheck| (c.name.clone(), c.expression.clone());
                let mut checks: Vec<_> = domain.checks.iter().map(check).collect();
                checks.sort();
                UserKind::Domain(DomainRules {
                    base: catalog.settled(domain.base),
                    not_null: domain.not_null,
                    checks,
                    default: domain.default.clone(),
                })
            }
            TypeKind::Composite(attributes) => {
                let attribute = |a: &AttributeDescriptor| Attribute {
                    name: a.name.clone(),
                    ty: catalog.settled(a.ty),
                };
                UserKind::Composite(attributes.iter().map(attribute).collect())
            }
        };
        let number = |ty: PgType| ty.user().map(UserType::number);
        let parts = match &kind {
            UserKind::Enum(_) => Vec::new(),
            UserKind::Domain(rules) => number(rules.base).into_iter().collect(),
            UserKind::Composite(attributes) => {
                attributes.iter().filter_map(|a| number(a.ty)).collect()
            }
        };
        intern(Definition {
            oid: self.oid,
            array_oid: self.array_oid,
            name: self.name.clone(),
            array_name: self.array_name.clone(),
            kind,
            parts,
        })
    }

    /// The types it is made of.
    pub fn parts(&self) -> Vec<PgType> {
        match &self.kind {
            TypeKind::Enum(_) => Vec::new(),
            TypeKind::Domain(domain) => vec![domain.base],
            TypeKind::Composite(attributes) => attributes.iter().map(|a| a.ty).collect(),
        }
    }

    /// What messages call such a type: `type`, or `domain`.
    pub fn word(&self) -> &'static str {
        match self.kind {
            TypeKind::Domain(_) => "domain",
            _ => "type",
        }
    }
}

/// Where type names are looked up.
#[derive(Debug, Clone, Copy)]
pub struct TypeNames<'a> {
    /// The types.
    pub catalog: &'a Catalog,
    /// The schemas that a name without one may be in.
    pub search_path: &'a [String],
}

impl TypeNames<'_> {
    /// The type that a type name means.
    ///
    /// # Errors
    /// As [`Catalog::type_of_ast`].
    pub fn find(&self, ast: &DataType) -> SqlResult<PgType> {
        self.catalog.type_of_ast(ast, self.search_path)
    }
}

/// Whether a type is the user's type with this object identifier, or an array of it.
pub fn is_of(ty: PgType, oid: u32) -> bool {
    match ty {
        PgType::Array(element) => is_of(*element, oid),
        PgType::Enum(_) | PgType::Domain(_) | PgType::Composite(_) => ty.oid() == oid,
        _ => false,
    }
}

impl Catalog {
    /// A user's type as this catalog defines it; any other type as it is.
    pub fn settled(&self, ty: PgType) -> PgType {
        let oid = match ty {
            PgType::Stored(oid) => oid,
            PgType::Enum(user) | PgType::Domain(user) | PgType::Composite(user) => user.oid(),
            PgType::Array(_) if ty.user().is_some() => ty.oid(),
            _ => return ty,
        };
        self.defined.get(&oid).copied().unwrap_or(ty)
    }

    /// The type with this object identifier and modifier, whoever defined it.
    pub fn type_by_oid(&self, oid: u32, typmod: i32) -> Option<PgType> {
        PgType::from_oid(oid, typmod).or_else(|| self.defined.get(&oid).copied())
    }

    /// Finds a user's type, or the type of its arrays, by name along `search_path`.
    pub fn find_type(&self, name: &QualifiedName, search_path: &[String]) -> Option<PgType> {
        self.schemas_to_search(name, search_path)
            .find_map(|schema| self.type_names.get(&(schema, name.name.clone())))
            .and_then(|oid| self.defined.get(oid).copied())
    }

    /// Whether there is anything that statements are planned with besides relations.
    pub fn has_parts(&self) -> bool {
        !self.types.is_empty() || !self.functions.is_empty()
    }

    /// The descriptor of a type.
    pub fn user_type(&self, oid: u32) -> Option<&Arc<TypeDescriptor>> {
        self.types.get(&oid)
    }

    /// All types that users defined.
    pub fn user_types(&self) -> impl Iterator<Item = &Arc<TypeDescriptor>> {
        self.types.values()
    }

    /// Whether a type of that name exists in the schema.
    pub fn type_exists(&self, schema: u32, name: &str) -> bool {
        self.type_names.contains_key(&(schema, name.to_owned()))
    }

    /// The name that the type of arrays over a new type gets.
    pub fn array_type_name(&self, schema: u32, name: &str) -> String {
        let mut array = format!("_{name}");
        while self.type_exists(schema, &array) {
            array.insert(0, '_');
        }
        array.truncate(array.floor_char_boundary(crate::types::pg_type::MAX_NAME_BYTES));
        array
    }

    /// The type that a type name means.
    ///
    /// # Errors
    /// 42704 when there is none, 0A000 for one that PostgreSQL has and we do not.
    pub fn type_of_ast(&self, ast: &DataType, search_path: &[String]) -> SqlResult<PgType> {
        if let DataType::Array(
            ArrayElemTypeDef::SquareBracket(element, _) | ArrayElemTypeDef::AngleBracket(element),
        ) = ast
        {
            let element = self.type_of_ast(element, search_path)?;
            if element.user().is_none() {
                return PgType::from_sql_ast(ast);
            }
            return match element {
                PgType::Array(_) => Ok(element),
                element => PgType::array_of(element).ok_or_else(|| {
                    SqlError::unsupported(format!("arrays of {}", element.sql_name()))
                }),
            };
        }
        let error = match PgType::from_sql_ast(ast) {
            Err(error) if error.is(state::UNDEFINED_OBJECT) => error,
            other => return other,
        };
        let Some(name) = name_in(ast) else {
            return Err(error);
        };
        match self.find_type(&name, search_path) {
            Some(ty) => Ok(ty),
            None => Err(match &name.schema {
                Some(schema) if self.schema(schema).is_none() => SqlError::new(
                    state::INVALID_SCHEMA_NAME,
                    format!("schema \"{schema}\" does not exist"),
                ),
                _ => SqlError::new(
                    state::UNDEFINED_OBJECT,
                    format!("type \"{name}\" does not exist"),
                ),
            }),
        }
    }
}

/// The name that a type is written as, unless it has modifiers or no name.
fn name_in(ast: &DataType) -> Option<QualifiedName> {
    match ast {
        DataType::Custom(name, modifiers) if modifiers.is_empty() => {
            let mut parts = name.0.iter().filter_map(|part| part.as_ident());
            let parts: Vec<String> = parts.by_ref().map(super::fold_identifier).collect();
            match parts.as_slice() {
                [name] => Some(QualifiedName {
                    schema: None,
                    name: name.clone(),
                }),
                [schema, name] | [_, schema, name] => Some(QualifiedName {
                    schema: Some(schema.clone()),
                    name: name.clone(),
                }),
                _ => None,
            }
        }
        // Words that are types elsewhere.
        other => {
            let text = other.to_string().to_lowercase();
            let word = text.chars().all(|c| c.is_alphanumeric() || c == '_');
            word.then_some(QualifiedName {
                schema: None,
                name: text,
            })
        }
    }
}
