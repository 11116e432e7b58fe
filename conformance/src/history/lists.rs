//! The order of the values in each list, and what contradicts every order.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::{Anomaly, Kind, Op, Outcome, Transaction};

/// The order of the values of each list, as far as reads tell it.
#[derive(Debug, Default)]
pub(super) struct Orders {
    /// Values by list, the oldest first.
    pub(super) lists: BTreeMap<u64, Vec<u64>>,
    /// Who appended a value to a list.
    pub(super) writers: HashMap<(u64, u64), usize>,
    /// Transactions that count as committed.
    pub(super) committed: Vec<bool>,
}

impl Orders {
    /// Who appended the value at a place of a list.
    pub(super) fn writer(&self, key: u64, at: usize) -> Option<usize> {
        let value = self.lists.get(&key)?.get(at)?;
        self.writers.get(&(key, *value)).copied()
    }
}

/// Finds the orders.
pub(super) fn orders(history: &[Transaction], found: &mut Vec<Anomaly>) -> Orders {
    let mut orders = Orders::default();
    let mut last_of: HashMap<(u64, usize), u64> = HashMap::new();
    for (number, transaction) in history.iter().enumerate() {
        for op in &transaction.ops {
            if let Op::Append { key, value } = op {
                orders.writers.insert((*key, *value), number);
                last_of.insert((*key, number), *value);
            }
        }
    }
    orders.committed = committed(history, &orders);
    for (number, transaction) in history.iter().enumerate() {
        own_writes(number, transaction, found);
        if !orders.committed.get(number).copied().unwrap_or(false) {
            continue;
        }
        for (key, list) in foreign_reads(transaction) {
            read_values(number, key, list, &orders, &last_of, history, found);
            match orders.lists.get_mut(&key) {
                None => {
                    orders.lists.insert(key, list.to_vec());
                }
                Some(known) => merge(number, key, known, list, found),
            }
        }
    }
    lost(history, &orders, found);
    orders
}

/// Which transactions are there: an open one is when somebody saw something of it.
fn committed(history: &[Transaction], orders: &Orders) -> Vec<bool> {
    let mut seen = BTreeSet::new();
    for transaction in history {
        for op in &transaction.ops {
            if let Op::Read { key, list } = op {
                let writers = list.iter().filter_map(|v| orders.writers.get(&(*key, *v)));
                seen.extend(writers.copied());
            }
        }
    }
    let is = |(number, transaction): (usize, &Transaction)| match transaction.outcome {
        Outcome::Committed => true,
        Outcome::RolledBack => false,
        Outcome::Open => seen.contains(&number),
    };
    history.iter().enumerate().map(is).collect()
}

/// The reads of a transaction before it appended to the list itself.
pub(super) fn foreign_reads(transaction: &Transaction) -> Vec<(u64, &[u64])> {
    let mut own = BTreeSet::new();
    let mut reads = Vec::new();
    for op in &transaction.ops {
        match op {
            Op::Append { key, .. } => {
                own.insert(*key);
            }
            Op::Read { key, list } if !own.contains(key) => reads.push((*key, list.as_slice())),
            Op::Read { .. } => {}
        }
    }
    reads
}

/// What a transaction appended it has to see behind everything else.
fn own_writes(number: usize, transaction: &Transaction, found: &mut Vec<Anomaly>) {
    let mut own: BTreeMap<u64, Vec<u64>> = BTreeMap::new();
    for op in &transaction.ops {
        match op {
            Op::Append { key, value } => own.entry(*key).or_default().push(*value),
            Op::Read { key, list } => {
                let mine = own.get(key).map(Vec::as_slice).unwrap_or_default();
                if !list.ends_with(mine) {
                    found.push(Anomaly {
                        kind: Kind::OwnWrites,
                        story: format!("T{number} appended {mine:?} to {key} and read {list:?}"),
                    });
                }
            }
        }
    }
}

/// Looks at the values of a list that was read.
fn read_values(
    number: usize,
    key: u64,
    list: &[u64],
    orders: &Orders,
    last_of: &HashMap<(u64, usize), u64>,
    history: &[Transaction],
    found: &mut Vec<Anomaly>,
) {
    let mut add = |kind, story| found.push(Anomaly { kind, story });
    let mut seen = BTreeSet::new();
    for value in list {
        if !seen.insert(value) {
            add(
                Kind::Twice,
                format!("T{number} read {value} twice in {key}"),
            );
        }
        match orders.writers.get(&(key, *value)) {
            None => add(Kind::Garbage, format!("T{number} read {value} in {key}")),
            Some(writer) => {
                let outcome = history.get(*writer).map(|t| t.outcome);
                if outcome == Some(Outcome::RolledBack) {
                    add(
                        Kind::G1a,
                        format!("T{number} read {value} in {key}, which T{writer} rolled back"),
                    );
                }
            }
        }
    }
    let newest = list.last().and_then(|value| {
        let writer = orders.writers.get(&(key, *value))?;
        Some((*value, *writer))
    });
    if let Some((value, writer)) = newest
        && writer != number
        && last_of
            .get(&(key, writer))
            .is_some_and(|last| *last != value)
    {
        add(
            Kind::G1b,
            format!("T{number} read {key} up to {value}, after which T{writer} appended more"),
        );
    }
}

/// One of two reads of a list has to be the beginning of the other.
fn merge(number: usize, key: u64, known: &mut Vec<u64>, list: &[u64], found: &mut Vec<Anomaly>) {
    let (longer, shorter) = match known.len() < list.len() {
        true => (list, known.as_slice()),
        false => (known.as_slice(), list),
    };
    if !longer.starts_with(shorter) {
        found.push(Anomaly {
            kind: Kind::NoOrder,
            story: format!("T{number} read {list:?} in {key}; others read {known:?}"),
        });
    } else if known.len() < list.len() {
        *known = list.to_vec();
    }
}

/// What was committed has to be in the lists at the end.
fn lost(history: &[Transaction], orders: &Orders, found: &mut Vec<Anomaly>) {
    for (number, transaction) in history.iter().enumerate() {
        if transaction.outcome != Outcome::Committed {
            continue;
        }
        for op in &transaction.ops {
            let Op::Append { key, value } = op else {
                continue;
            };
            let list = orders.lists.get(key);
            if !list.is_some_and(|list| list.contains(value)) {
                found.push(Anomaly {
                    kind: Kind::Lost,
                    story: format!("T{number} appended {value} to {key}, which nobody read"),
                });
            }
        }
    }
}
