//! Columns that take their values from a sequence: serial and identity.

use sqlparser::ast::{
    ColumnDef, ColumnOption, ColumnOptionDef, CreateTable, DataType, GeneratedAs,
};

use crate::catalog::{
    Catalog, Identity, SequenceDescriptor, SequenceState, TableDescriptor, fold_identifier,
    sequence_mention,
};
use crate::error::{SqlError, state};
use crate::session::{SequenceOption, resolve_sequence};
use crate::types::PgType;

/// Longest name in bytes.
const NAME_MAX: usize = 63;

/// A sequence that a column asks for.
#[derive(Debug)]
pub(crate) struct SequenceRequest {
    column: String,
    ty: PgType,
    options: Vec<SequenceOption>,
    identity: Option<Identity>,
}

/// Takes the sequences out of the definitions of a new table's columns.
///
/// # Errors
/// As [`take_sequence`].
pub(crate) fn take_sequences(create: &mut CreateTable) -> Result<Vec<SequenceRequest>, SqlError> {
    let mut requests = Vec::new();
    for definition in &mut create.columns {
        requests.extend(take_sequence(definition)?);
    }
    Ok(requests)
}

/// Takes what is about a sequence out of a column's definition: what is left is an
/// integer that must not be NULL.
///
/// # Errors
/// 42601 for contradictions, 22023 for types that no sequence has.
pub(crate) fn take_sequence(
    definition: &mut ColumnDef,
) -> Result<Option<SequenceRequest>, SqlError> {
    let column = fold_identifier(&definition.name);
    let serial = serial_type(&definition.data_type);
    let mut identity = None;
    for option in &definition.options {
        let ColumnOption::Generated {
            generated_as,
            sequence_options,
            generation_expr: None,
            ..
        } = &option.option
        else {
            continue;
        };
        if identity.is_some() {
            return Err(SqlError::new(
                state::SYNTAX_ERROR,
                format!("multiple identity specifications for column \"{column}\" of table"),
            ));
        }
        let kind = match generated_as {
            GeneratedAs::Always => Identity::Always,
            GeneratedAs::ByDefault => Identity::ByDefault,
            GeneratedAs::ExpStored => continue,
        };
        let mut options = Vec::new();
        for option in sequence_options.iter().flatten() {
            options.push(SequenceOption::of_identity(option)?);
        }
        identity = Some((kind, options));
    }
    let has_default = definition
        .options
        .iter()
        .any(|o| matches!(o.option, ColumnOption::Default(_)));
    let nullable = definition
        .options
        .iter()
        .any(|o| matches!(o.option, ColumnOption::Null));
    let conflict = |what: &str| {
        Err(SqlError::new(
            state::SYNTAX_ERROR,
            format!("{what} for column \"{column}\" of table"),
        ))
    };
    let request = match (serial, identity) {
        (None, None) => return Ok(None),
        (Some(_), Some(_)) => {
            return conflict("both default and identity specified");
        }
        (Some(_), None) if has_default => {
            return conflict("multiple default values specified");
        }
        (None, Some(_)) if has_default => {
            return conflict("both default and identity specified");
        }
        _ if nullable => return conflict("conflicting NULL/NOT NULL declarations"),
        (Some((ty, data_type)), None) => {
            definition.data_type = data_type;
            SequenceRequest {
                column,
                ty,
                options: Vec::new(),
                identity: None,
            }
        }
        (None, Some((kind, options))) => SequenceRequest {
            column,
            ty: PgType::from_sql_ast(&definition.data_type)?,
            options,
            identity: Some(kind),
        },
    };
    definition.options.retain(|option| {
        !matches!(
            &option.option,
            ColumnOption::Generated {
                generation_expr: None,
                ..
            }
        )
    });
    definition.options.push(ColumnOptionDef {
        name: None,
        option: ColumnOption::NotNull,
    });
    Ok(Some(request))
}

/// The integer type behind `serial` and its like.
fn serial_type(data_type: &DataType) -> Option<(PgType, DataType)> {
    let DataType::Custom(name, modifiers) = data_type else {
        return None;
    };
    if !modifiers.is_empty() {
        return None;
    }
    let [part] = name.0.as_slice() else {
        return None;
    };
    match fold_identifier(part.as_ident()?).as_str() {
        "serial" | "serial4" => Some((PgType::Int4, DataType::Integer(None))),
        "bigserial" | "serial8" => Some((PgType::Int8, DataType::BigInt(None))),
        "smallserial" | "serial2" => Some((PgType::Int2, DataType::SmallInt(None))),
        _ => None,
    }
}

impl SequenceRequest {
    /// What ADD GENERATED … AS IDENTITY asks for.
    pub(crate) fn identity(
        column: &str,
        ty: PgType,
        kind: Identity,
        options: Vec<SequenceOption>,
    ) -> Self {
        Self {
            column: column.to_owned(),
            ty,
            options,
            identity: Some(kind),
        }
    }

    /// Makes the sequence, and lets the column of the table take its values from it.
    ///
    /// # Errors
    /// 22023 for options that contradict each other.
    pub(crate) fn attach(
        self,
        table: &mut TableDescriptor,
        catalog: &mut Catalog,
        taken: &[String],
        new_state: &dyn Fn(u32) -> SequenceState,
    ) -> Result<SequenceDescriptor, SqlError> {
        let options = resolve_sequence(&self.options, Some(self.ty), None)?;
        let oid = catalog.allocate_oid();
        let free = |name: &str| {
            !catalog.relation_exists(table.schema, name)
                && table.name != name
                && !taken.iter().any(|t| t == name)
        };
        let name = generated_name(&table.name, &self.column, free);
        let Some(column) = table
            .columns
            .iter_mut()
            .find(|c| !c.dropped && c.name == self.column)
        else {
            return Err(SqlError::internal("the column of a sequence is missing"));
        };
        column.default = Some(format!("nextval({})", sequence_mention(oid)));
        column.identity = self.identity;
        Ok(SequenceDescriptor {
            oid,
            schema: table.schema,
            name,
            owner: table.owner.clone(),
            first: (options.start, false),
            options,
            owned_by: Some((table.oid, column.attnum)),
            identity: self.identity.is_some(),
            state: new_state(oid),
        })
    }
}

/// `table_column_seq`, cut to the length of a name, with a number when taken.
fn generated_name(table: &str, column: &str, free: impl Fn(&str) -> bool) -> String {
    let name = |suffix: &str| {
        let (mut table, mut column) = (table.to_owned(), column.to_owned());
        while table.len() + column.len() + suffix.len() + 2 > NAME_MAX {
            let longer = if table.len() > column.len() {
                &mut table
            } else {
                &mut column
            };
            longer.pop();
        }
        format!("{table}_{column}_{suffix}")
    };
    let first = name("seq");
    if free(&first) {
        return first;
    }
    (1_u32..)
        .map(|n| name(&format!("seq{n}")))
        .find(|name| free(name))
        .unwrap_or(first)
}
