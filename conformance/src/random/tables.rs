//! The tables that random statements ask, and their rows.

use super::chance::Chance;
use super::expressions::literal;
use super::tree::Type;

/// The columns of every table besides its key `id`: one of each type.
pub(crate) const COLUMNS: [(&str, Type); 18] = [
    ("i", Type::Int),
    ("g", Type::Big),
    ("n", Type::Numeric),
    ("f", Type::Float),
    ("t", Type::Text),
    ("b", Type::Bool),
    ("d", Type::Date),
    ("s", Type::Timestamp),
    ("v", Type::Interval),
    ("y", Type::Bytes),
    ("u", Type::Uuid),
    ("m", Type::Small),
    ("r", Type::Real),
    ("z", Type::Instant),
    ("c", Type::Time),
    ("a", Type::Ints),
    ("x", Type::Texts),
    ("j", Type::Json),
];
/// The tables; the last one is often empty.
pub(crate) const TABLES: [&str; 3] = ["t1", "t2", "t3"];
/// Rows of a table at most.
const ROWS_MAX: usize = 24;

/// Statements that make the tables anew, with rows that depend on the seed.
pub fn setup(seed: u64) -> Vec<String> {
    let mut chance = Chance::new(!seed);
    let mut statements = Vec::new();
    for (number, table) in TABLES.iter().enumerate() {
        statements.push(format!("DROP TABLE IF EXISTS {table}"));
        let columns: Vec<String> = COLUMNS
            .iter()
            .map(|(name, kind)| format!("{name} {}", kind.name()))
            .collect();
        statements.push(format!(
            "CREATE TABLE {table} (id int PRIMARY KEY, {})",
            columns.join(", ")
        ));
        if chance.once_in(3) {
            statements.push(format!("CREATE INDEX {table}_i ON {table} (i)"));
        }
        let rows = if number == 2 {
            chance.below(4)
        } else {
            3 + chance.below(ROWS_MAX)
        };
        for id in 0..rows {
            let values: Vec<String> = COLUMNS
                .iter()
                .map(|(_, kind)| match chance.below(5) {
                    0 => "NULL".to_owned(),
                    _ => literal(&mut chance, *kind),
                })
                .collect();
            statements.push(format!(
                "INSERT INTO {table} VALUES ({id}, {})",
                values.join(", ")
            ));
        }
    }
    statements
}
