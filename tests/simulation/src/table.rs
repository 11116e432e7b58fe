//! The scenarios and their results as lines for people.

use crate::scenario::Scenario;
use crate::world::Summary;

/// The table of the README.
#[must_use]
pub fn table(scenarios: &[Scenario]) -> String {
    let mut lines = String::from("| Scenario | Replicas | What it breaks |\n|---|---:|---|\n");
    for scenario in scenarios {
        let replicas = match scenario.spares {
            0 => scenario.replicas.to_string(),
            spares => format!("{} + {spares}", scenario.replicas),
        };
        let Scenario { name, what, .. } = scenario;
        lines.push_str(&format!("| `{name}` | {replicas} | {what} |\n"));
    }
    lines
}

/// What the runs of a scenario came to.
#[must_use]
pub fn result(scenario: &Scenario, total: &Summary) -> String {
    format!(
        "{:28} trace {:016x}  {} blocks, {} writes, {} reads; {} crashes, {} leaders, {} cuts, {} changes, {} ended",
        scenario.name,
        total.trace,
        total.committed,
        total.acknowledged,
        total.reads,
        total.crashes,
        total.elections,
        total.cuts,
        total.changes,
        total.fatal,
    )
}
