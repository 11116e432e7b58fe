//! The forms PostgreSQL describes, and the statement that tries one.

use crate::error::{Error, Result};
use crate::wire::{Client, Outcome};

/// What a form is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// A type.
    Type,
    /// An operator.
    Operator,
    /// A function of one value, row or set.
    Function,
    /// An aggregate.
    Aggregate,
    /// A window function.
    Window,
}

/// A function, an operator or a type, for certain types of arguments.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Form {
    /// What it is.
    pub kind: Kind,
    /// The group it is listed in.
    pub group: &'static str,
    /// Its name.
    pub name: String,
    /// The types it takes, for people.
    pub arguments: String,
    /// The statement that tries it.
    pub probe: String,
}

/// Functions with a description that is not that of an implementation detail:
/// the form in which PostgreSQL itself tells the two apart.
const FUNCTIONS: &str = r"
SELECT p.proname, p.prokind::text, p.proretset::text, p.provariadic <> 0,
       coalesce(a.aggkind::text, ''), coalesce(a.aggnumdirectargs, 0),
       array_to_string(ARRAY(SELECT format_type(t, NULL) FROM unnest(p.proargtypes) t), '|')
FROM pg_proc p
JOIN pg_description d ON d.objoid = p.oid AND d.classoid = 'pg_proc'::regclass
LEFT JOIN pg_aggregate a ON a.aggfnoid = p.oid
WHERE p.pronamespace = 'pg_catalog'::regnamespace
  AND d.description !~ '^(implementation of|internal|I/O|deprecated|less-equal-greater|hash$)'
  AND d.description !~ '(\(internal\)|pg_upgrade|old version|wraparound)'
  AND NOT p.proargtypes::oid[] && ARRAY['internal'::regtype, 'cstring'::regtype]::oid[]
  AND p.prorettype NOT IN ('internal'::regtype, 'cstring'::regtype, 'trigger'::regtype,
                           'event_trigger'::regtype, 'language_handler'::regtype)
  -- What aggregates, casts, ranges and indexes are made of has no callers of its own.
  AND NOT EXISTS (SELECT FROM pg_aggregate g WHERE p.oid IN
      (g.aggtransfn, g.aggfinalfn, g.aggcombinefn, g.aggmtransfn, g.aggminvtransfn, g.aggmfinalfn))
  AND NOT EXISTS (SELECT FROM pg_cast c WHERE c.castfunc = p.oid)
  AND NOT EXISTS (SELECT FROM pg_range r WHERE p.oid IN (r.rngsubdiff, r.rngcanonical))
  AND NOT EXISTS (SELECT FROM pg_amproc x WHERE x.amproc = p.oid)
ORDER BY 1, 7";

const OPERATORS: &str = r"
SELECT oprname, CASE WHEN oprleft = 0 THEN '' ELSE format_type(oprleft, NULL) END,
       format_type(oprright, NULL)
FROM pg_operator o JOIN pg_description d ON d.objoid = o.oid AND d.classoid = 'pg_operator'::regclass
WHERE oprnamespace = 'pg_catalog'::regnamespace AND d.description !~ '^deprecated'
ORDER BY 1, 2, 3";

const TYPES: &str = r"
SELECT format_type(oid, NULL) FROM pg_type
WHERE typnamespace = 'pg_catalog'::regnamespace AND typtype IN ('b', 'r', 'm') AND typcategory <> 'Z'
  AND (typelem = 0 OR typsubscript <> 'array_subscript_handler'::regproc)
  AND typname NOT IN ('pg_node_tree', 'pg_ndistinct', 'pg_dependencies', 'pg_mcv_list', 'aclitem', 'gtsvector')
ORDER BY 1";

/// All forms of a PostgreSQL.
pub async fn forms(postgres: &mut Client) -> Result<Vec<Form>> {
    let mut found = Vec::new();
    for row in rows(postgres, TYPES).await? {
        found.push(type_form(&row[0], row[0].clone()));
        found.push(type_form(&row[0], format!("{}[]", row[0])));
    }
    for row in rows(postgres, OPERATORS).await? {
        found.extend(operator_form(&row[0], &row[1], &row[2]));
    }
    for row in rows(postgres, FUNCTIONS).await? {
        found.extend(function_form(&row));
    }
    Ok(found)
}

/// Whether an answer says that a form is there: any answer, or an error about
/// the values that were tried.
pub fn is_known(outcome: &Outcome) -> bool {
    let Some(answer) = outcome.answer() else {
        return false;
    };
    answer.error.as_ref().is_none_or(|error| {
        let state = error.sqlstate.as_str();
        !(state.starts_with("0A")
            || state.starts_with("XX")
            || matches!(
                state,
                "42883" | "42704" | "42601" | "42P01" | "42725" | "42804" | "42000"
            ))
    })
}

async fn rows(postgres: &mut Client, text: &str) -> Result<Vec<Vec<String>>> {
    let outcome = postgres.run(text).await;
    let results = match outcome.answer() {
        Some(answer) if answer.error.is_none() => answer.results.first(),
        _ => None,
    };
    let result = results.ok_or_else(|| Error::Server(format!("{text}: {}", outcome.shown(1))))?;
    let row =
        |row: &Vec<Option<String>>| row.iter().map(|v| v.clone().unwrap_or_default()).collect();
    Ok(result.rows.iter().map(row).collect())
}

fn type_form(base: &str, name: String) -> Form {
    Form {
        kind: Kind::Type,
        group: group("", &[base]),
        probe: format!("BEGIN; CREATE TABLE probe (c {name}); ROLLBACK; SELECT NULL::{name}"),
        arguments: name.clone(),
        name,
    }
}

fn operator_form(name: &str, left: &str, right: &str) -> Option<Form> {
    let operand = |t: &str| value(t);
    let probe = if left.is_empty() {
        format!("SELECT {name} {}", operand(right)?)
    } else {
        format!("SELECT {} {name} {}", operand(left)?, operand(right)?)
    };
    let arguments = if left.is_empty() {
        right.to_owned()
    } else {
        format!("{left}, {right}")
    };
    Some(Form {
        kind: Kind::Operator,
        group: group("", &[left, right]),
        name: name.to_owned(),
        arguments,
        probe,
    })
}

fn function_form(row: &[String]) -> Option<Form> {
    let [name, kind, is_set, variadic, aggregate, direct, types] = row else {
        return None;
    };
    let types: Vec<&str> = types.split('|').filter(|t| !t.is_empty()).collect();
    let mut values: Vec<String> = types.iter().map(|t| value(t)).collect::<Option<_>>()?;
    if variadic == "t"
        && let (Some(last), Some(kind)) = (values.last_mut(), types.last())
        && *kind != "\"any\""
    {
        *last = format!("VARIADIC {last}");
    }
    let call = |arguments: &[String]| format!("pg_catalog.{name}({})", arguments.join(", "));
    let (kind, probe) = match (kind.as_str(), aggregate.as_str()) {
        ("a", "o" | "h") => {
            let direct: usize = direct.parse().ok()?;
            let (direct, sorted) = values.split_at_checked(direct)?;
            let sorted = sorted.join(", ").replace("VARIADIC ", "");
            let text = format!("SELECT {} WITHIN GROUP (ORDER BY {sorted})", call(direct));
            (Kind::Aggregate, text)
        }
        ("a", _) if types.is_empty() => (Kind::Aggregate, format!("SELECT pg_catalog.{name}(*)")),
        ("a", _) => (Kind::Aggregate, format!("SELECT {}", call(&values))),
        ("w", _) => (Kind::Window, format!("SELECT {} OVER ()", call(&values))),
        // A list of columns is needed where the result is just "record".
        ("f", _) if name.ends_with("_to_recordset") || name.ends_with("_to_record") => (
            Kind::Function,
            format!("SELECT * FROM {} AS r (a int)", call(&values)),
        ),
        ("f", _) if is_set == "true" => {
            (Kind::Function, format!("SELECT * FROM {}", call(&values)))
        }
        ("f", _) => (Kind::Function, format!("SELECT {}", call(&values))),
        _ => return None,
    };
    Some(Form {
        kind,
        group: group(name, &types),
        name: name.clone(),
        arguments: types.join(", "),
        probe,
    })
}

/// A value of a type; nothing where only types of users could stand.
fn value(type_name: &str) -> Option<String> {
    let concrete = match type_name {
        "anyelement" | "anynonarray" | "anycompatible" | "anycompatiblenonarray" | "\"any\"" => {
            "integer"
        }
        "anyarray" | "anycompatiblearray" => "integer[]",
        "anyrange" | "anycompatiblerange" => "int4range",
        "anymultirange" | "anycompatiblemultirange" => "int4multirange",
        "record" => return Some("ROW(1, 'x')".to_owned()),
        "anyenum" | "void" | "index_am_handler" => return None,
        other => other,
    };
    Some(format!("NULL::{concrete}"))
}

/// The subject a form belongs to, by its name or the types it takes.
fn group(name: &str, types: &[&str]) -> &'static str {
    /// The first entry of which a type or the name's beginning matches.
    const GROUPS: [(&str, &[&str], &[&str]); 12] = [
        (
            "XML",
            &["xml"],
            &[
                "xml",
                "xpath",
                "table_to_xml",
                "query_to_xml",
                "cursor_to_xml",
                "schema_to_xml",
                "database_to_xml",
            ],
        ),
        (
            "Text search",
            &["tsvector", "tsquery", "regconfig", "regdictionary"],
            &["ts_", "to_ts", "pg_ts_"],
        ),
        (
            "Geometry",
            &["point", "line", "lseg", "box", "path", "polygon", "circle"],
            &[],
        ),
        ("Networks", &["inet", "cidr", "macaddr", "macaddr8"], &[]),
        (
            "JSON",
            &["json", "jsonb", "jsonpath"],
            &["json", "to_json", "row_to_json", "array_to_json"],
        ),
        ("Ranges", &["range"], &["range_", "multirange"]),
        (
            "Arrays",
            &["anyarray", "anycompatiblearray", "[]"],
            &["array_", "generate_subscripts"],
        ),
        (
            "Statistics and files of the server",
            &["pg_lsn", "pg_snapshot", "txid_snapshot", "xid", "xid8"],
            &[
                "pg_stat",
                "pg_ls_",
                "pg_read_",
                "pg_replication",
                "pg_logical",
                "pg_wal",
                "pg_current_wal",
                "pg_backup",
                "pg_control",
                "pg_last_",
                "pg_get_wal",
                "lo_",
                "pg_create_",
                "pg_drop_",
            ],
        ),
        (
            "System",
            &[
                "oid",
                "name",
                "regclass",
                "regprocedure",
                "regtype",
                "refcursor",
                "aclitem",
                "tid",
                "cid",
                "\"char\"",
                "regrole",
                "regnamespace",
            ],
            &[
                "pg_",
                "current_",
                "has_",
                "txid_",
                "set_config",
                "version",
                "inet_",
                "row_security",
            ],
        ),
        (
            "Dates and times",
            &["date", "time", "timestamp", "interval"],
            &[
                "now",
                "clock_timestamp",
                "statement_timestamp",
                "transaction_timestamp",
                "timeofday",
            ],
        ),
        (
            "Texts, bytes and bits",
            &["text", "character", "bytea", "bit", "uuid"],
            &["chr", "gen_random_uuid", "to_hex"],
        ),
        (
            "Numbers",
            &[
                "integer", "bigint", "smallint", "numeric", "double", "real", "money",
            ],
            &["pi", "random"],
        ),
    ];
    for (title, kinds, names) in GROUPS {
        let by_name = !name.is_empty() && names.iter().any(|n| name.starts_with(n));
        let by_type = types.iter().any(|t| {
            kinds.iter().any(|k| {
                let base = t.split(['[', ' ', '(']).next().unwrap_or_default();
                (*k == "[]" && t.ends_with("[]"))
                    || (*k == "range" && t.contains("range"))
                    || base == *k
            })
        });
        if by_name || by_type {
            return title;
        }
    }
    "Others"
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]
    use super::*;

    fn probe(row: [&str; 7]) -> String {
        let row: Vec<String> = row.iter().map(|s| (*s).to_owned()).collect();
        function_form(&row).unwrap().probe
    }

    #[test]
    fn every_kind_is_called_its_own_way() {
        assert_eq!(
            probe(["abs", "f", "false", "f", "", "0", "integer"]),
            "SELECT pg_catalog.abs(NULL::integer)"
        );
        assert_eq!(
            probe([
                "percentile_cont",
                "a",
                "false",
                "f",
                "o",
                "1",
                "double precision|interval"
            ]),
            "SELECT pg_catalog.percentile_cont(NULL::double precision) WITHIN GROUP (ORDER BY NULL::interval)"
        );
        assert_eq!(
            probe(["lag", "w", "false", "f", "", "0", "anyelement"]),
            "SELECT pg_catalog.lag(NULL::integer) OVER ()"
        );
        assert_eq!(
            probe(["num_nulls", "f", "false", "t", "", "0", "\"any\""]),
            "SELECT pg_catalog.num_nulls(NULL::integer)"
        );
    }

    #[test]
    fn groups_follow_types_and_names() {
        assert_eq!(group("abs", &["integer"]), "Numbers");
        assert_eq!(group("jsonb_each", &["jsonb"]), "JSON");
        assert_eq!(
            group("", &["timestamp with time zone", "interval"]),
            "Dates and times"
        );
        assert_eq!(group("", &["text[]"]), "Arrays");
        assert_eq!(group("pg_typeof", &["\"any\""]), "System");
    }
}
