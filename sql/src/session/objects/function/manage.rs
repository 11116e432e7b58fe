//! ALTER FUNCTION and DROP FUNCTION.

use std::sync::Arc;

use super::super::super::Session;
use super::super::alter_view::known_role;
use super::create::apply_options;
use super::{FunctionChange, FunctionName};
use crate::catalog::{
    Catalog, CatalogChange, CatalogEntry, FunctionDescriptor, ObjectKind, QualifiedName,
    fold_identifier,
};
use crate::error::{SqlError, state};
use crate::txn::Layer;
use crate::types::PgType;

impl Session {
    /// The function that is meant.
    ///
    /// # Errors
    /// 42883 when there is none, 42725 when there are several.
    fn function_to_change(
        &self,
        name: &FunctionName,
        catalog: &Catalog,
    ) -> Result<Arc<FunctionDescriptor>, SqlError> {
        let path = self.settings.search_path();
        let written = QualifiedName::from_ast(&name.name, &self.database)?;
        let named = catalog.functions_named(&written, path);
        let Some(arguments) = &name.arguments else {
            return match named.as_slice() {
                [one] => Ok(Arc::clone(one)),
                [] => Err(SqlError::new(
                    state::UNDEFINED_FUNCTION,
                    format!("could not find a function named \"{written}\""),
                )),
                _ => Err(SqlError::new(
                    state::AMBIGUOUS_FUNCTION,
                    format!("function name \"{written}\" is not unique"),
                )
                .hint("Specify the argument list to select the function unambiguously.")),
            };
        };
        let types = arguments
            .iter()
            .filter(|a| a.mode.is_given())
            .map(|a| catalog.type_of_ast(&a.data_type, path))
            .collect::<Result<Vec<PgType>, _>>()?;
        let found = named.into_iter().find(|f| {
            let own = f.signature();
            own.len() == types.len() && own.iter().zip(&types).all(|(a, b)| a.oid() == b.oid())
        });
        found.cloned().ok_or_else(|| {
            let types: Vec<String> = types.iter().map(|ty| ty.unmodified().sql_name()).collect();
            SqlError::new(
                state::UNDEFINED_FUNCTION,
                format!("function {written}({}) does not exist", types.join(", ")),
            )
        })
    }

    pub(super) async fn alter_function(
        &mut self,
        name: &FunctionName,
        change: &FunctionChange,
    ) -> Result<String, SqlError> {
        let catalog = self.catalog_to_change("ALTER FUNCTION").await?;
        let mut function = self.function_to_change(name, &catalog)?.as_ref().clone();
        match change {
            FunctionChange::Rename(new) => {
                let new = fold_identifier(new);
                let schema = function.schema;
                free_signature(&catalog, schema, &new, &function)?;
                function.name = new;
            }
            FunctionChange::SetSchema(schema) => {
                let schema = fold_identifier(schema);
                let found = catalog.schema(&schema).ok_or_else(|| {
                    SqlError::new(
                        state::INVALID_SCHEMA_NAME,
                        format!("schema \"{schema}\" does not exist"),
                    )
                })?;
                if found.oid != function.schema {
                    free_signature(&catalog, found.oid, &function.name, &function)?;
                    function.schema = found.oid;
                }
            }
            FunctionChange::Owner(role) => function.owner = known_role(&catalog, role)?,
            FunctionChange::Options(options) => apply_options(options, &mut function),
        }
        let change = CatalogChange::Put(CatalogEntry::Function(Box::new(function)));
        self.change_catalog(catalog, vec![change], Layer::default())?;
        Ok("ALTER FUNCTION".to_owned())
    }

    pub(super) async fn drop_functions(
        &mut self,
        names: &[FunctionName],
        if_exists: bool,
        cascade: bool,
    ) -> Result<String, SqlError> {
        let catalog = self.catalog_to_change("DROP FUNCTION").await?;
        let mut roots = Vec::new();
        for name in names {
            match self.function_to_change(name, &catalog) {
                Ok(function) => roots.push(ObjectKind::Function(function.oid)),
                Err(error)
                    if if_exists
                        && [
                            state::UNDEFINED_FUNCTION,
                            state::UNDEFINED_OBJECT,
                            state::INVALID_SCHEMA_NAME,
                        ]
                        .iter()
                        .any(|code| error.is(code)) =>
                {
                    let written = QualifiedName::from_ast(&name.name, &self.database)?;
                    let arguments: Vec<String> = name
                        .arguments
                        .iter()
                        .flatten()
                        .map(|a| a.data_type.to_string().to_lowercase())
                        .collect();
                    self.notice(format!(
                        "function {written}({}) does not exist, skipping",
                        arguments.join(",")
                    ));
                }
                Err(error) => return Err(error),
            }
        }
        self.drop_with_dependents(catalog, &roots, cascade).await?;
        Ok("DROP FUNCTION".to_owned())
    }
}

fn free_signature(
    catalog: &Catalog,
    schema: u32,
    name: &str,
    function: &FunctionDescriptor,
) -> Result<(), SqlError> {
    if catalog
        .function_in(schema, name, &function.signature())
        .is_none()
    {
        return Ok(());
    }
    let types: Vec<String> = function.signature().iter().map(|t| t.sql_name()).collect();
    let schema = catalog
        .schema_by_oid(schema)
        .map_or("", |s| s.name.as_str());
    Err(SqlError::new(
        state::DUPLICATE_FUNCTION,
        format!(
            "function {name}({}) already exists in schema \"{schema}\"",
            types.join(", ")
        ),
    ))
}
