//! Random transactions that append to lists and read them.

use crate::random::Chance;

/// Lists that are in use at a time.
const LISTS: u64 = 8;
/// After so many transactions a list is left for good, and a new one begins.
const LIFE: u64 = 40;

/// One statement of a transaction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Statement {
    /// Appends a value to a list that may not be there yet.
    Append {
        /// The list.
        key: u64,
        /// The value.
        value: u64,
    },
    /// Reads one list by its key.
    Read {
        /// The list.
        key: u64,
    },
    /// Reads several lists in one statement.
    ReadSome {
        /// The lists.
        keys: Vec<u64>,
    },
    /// Reads all lists of a group, which is not the key.
    ReadGroup {
        /// The group.
        group: u64,
        /// The lists that may be in it.
        keys: Vec<u64>,
    },
}

/// A transaction to carry out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Planned {
    /// Its statements.
    pub statements: Vec<Statement>,
    /// Whether it is rolled back at its end.
    pub rolls_back: bool,
}

/// The group of a list.
fn group(key: u64) -> u64 {
    key % 3
}

impl Statement {
    /// As SQL on `lists (id int PRIMARY KEY, part int, items text)`.
    pub fn sql(&self) -> String {
        let some = |keys: &[u64]| {
            let keys: Vec<String> = keys.iter().map(u64::to_string).collect();
            keys.join(", ")
        };
        match self {
            Self::Append { key, value } => format!(
                "INSERT INTO lists VALUES ({key}, {}, '{value}') ON CONFLICT (id) \
                 DO UPDATE SET items = lists.items || ' ' || excluded.items",
                group(*key)
            ),
            Self::Read { key } => format!("SELECT id, items FROM lists WHERE id = {key}"),
            Self::ReadSome { keys } => {
                format!("SELECT id, items FROM lists WHERE id IN ({})", some(keys))
            }
            Self::ReadGroup { group, .. } => {
                format!("SELECT id, items FROM lists WHERE part = {group}")
            }
        }
    }
}

/// Transaction `number` of the workload of a seed.
pub fn plan(seed: u64, number: u64) -> Planned {
    let mut chance = Chance::new(seed.wrapping_mul(1_000_003).wrapping_add(number));
    let first = number / LIFE;
    let any = |chance: &mut Chance| first + chance.below(LISTS as usize) as u64;
    let mut statements = Vec::new();
    for at in 0..1 + chance.below(4) as u64 {
        let key = any(&mut chance);
        statements.push(match chance.below(10) {
            0..=4 => Statement::Append {
                key,
                value: number * 10 + at,
            },
            5 | 6 => Statement::Read { key },
            7 | 8 => {
                let mut keys = vec![key, any(&mut chance)];
                keys.dedup();
                Statement::ReadSome { keys }
            }
            _ => {
                let group = group(key);
                Statement::ReadGroup {
                    group,
                    keys: (first..first + LISTS).filter(|k| k % 3 == group).collect(),
                }
            }
        });
    }
    Planned {
        statements,
        rolls_back: chance.once_in(12),
    }
}
