//! ALTER TYPE and ALTER DOMAIN.

use sqlparser::ast::{Ident, ObjectName};

use super::super::super::Session;
use super::super::alter_view::known_role;
use super::domain::{add_check, rules_of, set_default};
use super::enumeration::rename_value;
use super::{TypeChange, free_type_name, room_for_type};
use crate::catalog::{Catalog, TypeDescriptor, TypeKind, fold_identifier};
use crate::error::{SqlError, state};

impl Session {
    pub(super) async fn alter_type(
        &mut self,
        domain: bool,
        name: &ObjectName,
        change: &TypeChange,
    ) -> Result<String, SqlError> {
        let tag = if domain { "ALTER DOMAIN" } else { "ALTER TYPE" };
        let mut catalog = self.catalog_to_change(tag).await?;
        room_for_type()?;
        let mut entry = self.type_to_change(name, domain, &catalog)?;
        match change {
            TypeChange::AddValue {
                label,
                if_not_exists,
                place,
            } => {
                let place = place.as_ref();
                if !self.add_value(&mut entry, label, *if_not_exists, place, &mut catalog)? {
                    return Ok(tag.to_owned());
                }
            }
            TypeChange::RenameValue(old, new) => rename_value(&mut entry, old, new)?,
            TypeChange::Rename(new) => {
                let new = fold_identifier(new);
                free_type_name(&catalog, entry.schema, &new)?;
                entry.array_name = catalog.array_type_name(entry.schema, &new);
                entry.name = new;
            }
            TypeChange::RenameAttribute(old, new) => rename_attribute(&mut entry, old, new)?,
            TypeChange::AddAttribute(name, data_type) => {
                let attribute = self.attribute(name, data_type, &catalog)?;
                refuse_cycle(&entry, &attribute.ty, &catalog)?;
                let word = entry.name.clone();
                let attributes = attributes_of(&mut entry)?;
                if attributes.iter().any(|a| a.name == attribute.name) {
                    return Err(exists_already(&attribute.name, &word));
                }
                attributes.push(attribute);
            }
            TypeChange::Owner(role) => entry.owner = known_role(&catalog, role)?,
            TypeChange::SetSchema(schema) => set_schema(&mut entry, schema, &catalog)?,
            TypeChange::Default(expr) => {
                set_default(&mut entry, expr.as_ref())?;
                self.try_domain(&entry, &catalog)?;
            }
            TypeChange::NotNull(not_null) => {
                rules_of(&mut entry)?.not_null = *not_null;
                if *not_null {
                    self.check_columns(&entry, None, &catalog).await?;
                }
            }
            TypeChange::AddCheck(name, expr, not_valid) => {
                let name = add_check(&mut entry, name.as_ref(), expr, *not_valid, &mut catalog)?;
                self.try_domain(&entry, &catalog)?;
                if !not_valid {
                    self.check_columns(&entry, Some(&name), &catalog).await?;
                }
            }
            TypeChange::DropCheck(name, if_exists) => {
                let name = fold_identifier(name);
                let rules = rules_of(&mut entry)?;
                let before = rules.checks.len();
                rules.checks.retain(|c| c.name != name);
                if rules.checks.len() == before {
                    let missing = no_constraint(&name, &entry.name);
                    if !if_exists {
                        return Err(missing);
                    }
                    self.notice(format!("{}, skipping", missing.message()));
                }
            }
            TypeChange::RenameCheck(old, new) => rename_check(&mut entry, old, new)?,
            TypeChange::Validate(name) => {
                let name = fold_identifier(name);
                let word = entry.name.clone();
                let rules = rules_of(&mut entry)?;
                let check = rules.checks.iter_mut().find(|c| c.name == name);
                check.ok_or_else(|| no_constraint(&name, &word))?.validated = true;
                self.check_columns(&entry, Some(&name), &catalog).await?;
            }
        }
        self.keep_type(catalog, entry)?;
        Ok(tag.to_owned())
    }
}

fn no_constraint(name: &str, domain: &str) -> SqlError {
    SqlError::new(
        state::UNDEFINED_OBJECT,
        format!("constraint \"{name}\" of domain \"{domain}\" does not exist"),
    )
}

fn rename_check(entry: &mut TypeDescriptor, old: &Ident, new: &Ident) -> Result<(), SqlError> {
    let (old, new) = (fold_identifier(old), fold_identifier(new));
    let word = entry.name.clone();
    let rules = rules_of(entry)?;
    if rules.checks.iter().any(|c| c.name == new) {
        return Err(SqlError::new(
            state::DUPLICATE_OBJECT,
            format!("constraint \"{new}\" for domain {word} already exists"),
        ));
    }
    let check = rules.checks.iter_mut().find(|c| c.name == old);
    let missing = || {
        SqlError::new(
            state::UNDEFINED_OBJECT,
            format!("constraint \"{old}\" for domain {word} does not exist"),
        )
    };
    check.ok_or_else(missing)?.name = new;
    Ok(())
}

fn attributes_of(
    entry: &mut TypeDescriptor,
) -> Result<&mut Vec<crate::catalog::AttributeDescriptor>, SqlError> {
    match &mut entry.kind {
        TypeKind::Composite(attributes) => Ok(attributes),
        _ => Err(SqlError::new(
            state::WRONG_OBJECT_TYPE,
            format!("\"{}\" is not a composite type", entry.name),
        )),
    }
}

fn exists_already(name: &str, ty: &str) -> SqlError {
    SqlError::new(
        state::DUPLICATE_COLUMN,
        format!("column \"{name}\" of relation \"{ty}\" already exists"),
    )
}

fn rename_attribute(entry: &mut TypeDescriptor, old: &Ident, new: &Ident) -> Result<(), SqlError> {
    let (old, new) = (fold_identifier(old), fold_identifier(new));
    let word = entry.name.clone();
    let attributes = attributes_of(entry)?;
    if attributes.iter().any(|a| a.name == new) {
        return Err(exists_already(&new, &word));
    }
    let attribute = attributes.iter_mut().find(|a| a.name == old);
    let missing = || {
        SqlError::new(
            state::UNDEFINED_COLUMN,
            format!("column \"{old}\" does not exist"),
        )
    };
    attribute.ok_or_else(missing)?.name = new;
    Ok(())
}

/// A type must not be part of itself.
fn refuse_cycle(
    entry: &TypeDescriptor,
    ty: &crate::types::PgType,
    catalog: &Catalog,
) -> Result<(), SqlError> {
    let mut open = vec![*ty];
    let mut seen = Vec::new();
    while let Some(ty) = open.pop() {
        let Some(user) = ty.user() else { continue };
        if user.oid() == entry.oid {
            return Err(SqlError::new(
                state::INVALID_TABLE_DEFINITION,
                format!(
                    "composite type {} cannot be made a member of itself",
                    entry.name
                ),
            ));
        }
        if !seen.contains(&user.oid()) {
            seen.push(user.oid());
            let parts = catalog.user_type(user.oid()).map(|t| t.parts());
            open.extend(parts.unwrap_or_default());
        }
    }
    Ok(())
}

fn set_schema(
    entry: &mut TypeDescriptor,
    schema: &Ident,
    catalog: &Catalog,
) -> Result<(), SqlError> {
    let schema = fold_identifier(schema);
    let found = catalog.schema(&schema).ok_or_else(|| {
        SqlError::new(
            state::INVALID_SCHEMA_NAME,
            format!("schema \"{schema}\" does not exist"),
        )
    })?;
    if found.oid != entry.schema {
        free_type_name(catalog, found.oid, &entry.name)?;
        entry.array_name = catalog.array_type_name(found.oid, &entry.name);
        entry.schema = found.oid;
    }
    Ok(())
}
