//! DROP TYPE and DROP DOMAIN.

use sqlparser::ast::ObjectName;

use super::super::super::Session;
use crate::catalog::{ObjectKind, QualifiedName};
use crate::error::{SqlError, state};

impl Session {
    pub(super) async fn drop_types(
        &mut self,
        domain: bool,
        names: &[ObjectName],
        if_exists: bool,
        cascade: bool,
    ) -> Result<String, SqlError> {
        let tag = if domain { "DROP DOMAIN" } else { "DROP TYPE" };
        let catalog = self.catalog_to_change(tag).await?;
        let mut roots = Vec::new();
        for name in names {
            match self.type_to_change(name, domain, &catalog) {
                Ok(entry) => roots.push(ObjectKind::Type(entry.oid)),
                Err(error)
                    if if_exists
                        && (error.is(state::UNDEFINED_OBJECT)
                            || error.is(state::INVALID_SCHEMA_NAME)) =>
                {
                    let name = QualifiedName::from_ast(name, &self.database)?;
                    self.notice(format!("type \"{name}\" does not exist, skipping"));
                }
                Err(error) => return Err(error),
            }
        }
        self.drop_with_dependents(catalog, &roots, cascade).await?;
        Ok(tag.to_owned())
    }
}
