//! PostgreSQL's parameters: what kind of value each takes, in which range.

use std::collections::HashMap;
use std::sync::LazyLock;

use super::known::DEFAULTS;
use super::number;
use super::value::{boolean, invalid, on_off};
use crate::error::{SqlError, state};

/// One line for each parameter that a session may set: name, category, kind, unit,
/// context, least, most, values of an enumeration, default.
const LINES: &str = include_str!("parameters.txt");

/// Parameters of PostgreSQL that only its configuration file or its start sets.
const OF_SERVER: &str = include_str!("server_parameters.txt");

/// What kind of value a parameter takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A switch.
    Bool,
    /// A whole number.
    Integer,
    /// A number.
    Real,
    /// One of several words.
    Enum,
    /// A text.
    Text,
}

impl Kind {
    /// As `pg_settings.vartype` has it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Bool => "bool",
            Self::Integer => "integer",
            Self::Real => "real",
            Self::Enum => "enum",
            Self::Text => "string",
        }
    }
}

/// A parameter that a session may set.
#[derive(Debug)]
pub(crate) struct Parameter {
    /// As PostgreSQL spells it.
    pub(crate) name: &'static str,
    /// `pg_settings.category`.
    pub(crate) category: &'static str,
    /// What it takes.
    pub(crate) kind: Kind,
    /// The unit of a number without one; empty when it has none.
    pub(crate) unit: &'static str,
    /// `user` or `superuser`.
    pub(crate) context: &'static str,
    /// The least number.
    pub(crate) min: &'static str,
    /// The greatest number.
    pub(crate) max: &'static str,
    /// The words of an enumeration.
    pub(crate) values: Vec<&'static str>,
    /// The value it has when nobody sets it, in its unit.
    pub(crate) boot: &'static str,
}

impl Parameter {
    fn read(line: &'static str) -> Option<Self> {
        let mut parts = line.split(';');
        let mut next = || parts.next().unwrap_or_default();
        let name = next();
        let category = next();
        let kind = match next() {
            "bool" => Kind::Bool,
            "integer" => Kind::Integer,
            "real" => Kind::Real,
            "enum" => Kind::Enum,
            "string" => Kind::Text,
            _ => return None,
        };
        let (unit, context, min, max) = (next(), next(), next(), next());
        let values = next().split(',').filter(|v| !v.is_empty()).collect();
        let boot = next();
        let ours = DEFAULTS.iter().find(|(known, _)| *known == name);
        Some(Self {
            name,
            category,
            kind,
            unit,
            context,
            min,
            max,
            values,
            boot: ours.map_or(boot, |(_, value)| value),
        })
    }

    /// Reads a value; gives it as it is shown, and as it is in its unit.
    ///
    /// # Errors
    /// 22023.
    pub(crate) fn value(&self, text: &str) -> Result<(String, String), SqlError> {
        let plain = |text: String| Ok((text.clone(), text));
        match self.kind {
            Kind::Bool => plain(on_off(boolean(self.name, text)?)),
            Kind::Integer => {
                let value = number::integer(self, text)?;
                let value = value as f64;
                Ok((number::shown(value, self.unit), number::plain(value)))
            }
            Kind::Real => {
                let value = number::real(self, text)?;
                Ok((number::shown(value, self.unit), number::plain(value)))
            }
            Kind::Enum => plain(self.word(text)?),
            Kind::Text => plain(text.to_owned()),
        }
    }

    /// The word of an enumeration that is meant.
    fn word(&self, text: &str) -> Result<String, SqlError> {
        let same = |word: &&&str| word.eq_ignore_ascii_case(text);
        if let Some(word) = self.values.iter().find(same) {
            return Ok((*word).to_owned());
        }
        if self.values.contains(&"on")
            && let Ok(switch) = boolean(self.name, text)
        {
            return Ok(on_off(switch));
        }
        match (self.name, text.to_ascii_lowercase().as_str()) {
            ("client_min_messages" | "log_min_messages", "debug") => Ok("debug2".to_owned()),
            ("client_min_messages", "info") => Ok("info".to_owned()),
            _ => {
                let known = self.values.join(", ");
                Err(invalid(self.name, text).hint(format!("Available values: {known}.")))
            }
        }
    }
}

static ALL: LazyLock<Vec<Parameter>> =
    LazyLock::new(|| LINES.lines().filter_map(Parameter::read).collect());

static BY_NAME: LazyLock<HashMap<String, &'static Parameter>> = LazyLock::new(|| {
    let named = |parameter: &'static Parameter| (parameter.name.to_ascii_lowercase(), parameter);
    ALL.iter().map(named).collect()
});

/// The parameters that a session may set, in the order of their names.
pub(crate) fn parameters() -> &'static [Parameter] {
    &ALL
}

/// The parameter of that name, in small letters.
pub(crate) fn parameter(lower: &str) -> Option<&'static Parameter> {
    BY_NAME.get(lower).copied()
}

/// Category, context and kind of a setting that is no parameter of a session.
pub(crate) fn reported_as(lower: &str) -> (&'static str, &'static str, &'static str) {
    match lower {
        "search_path" => (
            "Client Connection Defaults / Statement Behavior",
            "user",
            "string",
        ),
        "client_encoding" => (
            "Client Connection Defaults / Locale and Formatting",
            "user",
            "string",
        ),
        "max_identifier_length" | "server_version_num" => ("Preset Options", "internal", "integer"),
        "in_hot_standby" | "integer_datetimes" | "is_superuser" => {
            ("Preset Options", "internal", "bool")
        }
        "server_encoding" | "server_version" => ("Preset Options", "internal", "string"),
        "kimberlite.fast_path" => ("Customized Options", "user", "bool"),
        _ => ("Customized Options", "user", "string"),
    }
}

/// Why a parameter that PostgreSQL has cannot be set by a session, if it is such
/// a one.
pub(super) fn of_server(lower: &str) -> Option<SqlError> {
    let line = OF_SERVER.lines().find_map(|line| {
        let (context, names) = line.split_once(' ')?;
        names
            .split(' ')
            .any(|name| name == lower)
            .then_some(context)
    })?;
    let reason = match line {
        "internal" => "cannot be changed",
        "postmaster" => "cannot be changed without restarting the server",
        "sighup" => "cannot be changed now",
        _ => "cannot be set after connection start",
    };
    Some(SqlError::new(
        state::CANT_CHANGE_RUNTIME_PARAM,
        format!("parameter \"{lower}\" {reason}"),
    ))
}
