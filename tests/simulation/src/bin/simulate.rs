//! Runs scenarios under seeds, or one of them again.

use std::process::ExitCode;

use clap::Parser;
use indicatif::{ProgressBar, ProgressStyle};
use kimberlite_simulation::scenario::{Scenario, all};
use kimberlite_simulation::table;
use kimberlite_simulation::world::{Summary, run};

/// Runs a simulated cluster under faults and checks that it keeps its promises.
///
/// The same seed gives the same run, in every process: its trace is printed.
#[derive(Parser)]
#[command(
    version,
    after_help = "Examples:
  Every scenario under the first hundred seeds:
    simulate --seeds 100

  One run that failed, again:
    simulate --scenario partitions --first 17 --seeds 1

Exit status: 0 when every rule held, 1 when one did not, 2 when there is no such
scenario."
)]
struct Arguments {
    /// Only this scenario; may be repeated
    #[arg(long, value_name = "NAME")]
    scenario: Vec<String>,
    /// The first seed
    #[arg(long, value_name = "NUMBER", default_value_t = 0)]
    first: u64,
    /// How many seeds of each scenario
    #[arg(long, value_name = "COUNT", default_value_t = 10)]
    seeds: u64,
    /// Print what the scenarios are, as the table of the README, and run nothing
    #[arg(long)]
    table: bool,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let scenarios = all();
    if arguments.table {
        print!("{}", table::table(&scenarios));
        return ExitCode::SUCCESS;
    }
    for name in &arguments.scenario {
        if !scenarios.iter().any(|scenario| scenario.name == name) {
            eprintln!("simulate: there is no scenario {name}; --table shows them");
            return ExitCode::from(2);
        }
    }
    let wanted = |scenario: &&Scenario| {
        let names = &arguments.scenario;
        names.is_empty() || names.iter().any(|name| name == scenario.name)
    };
    let chosen: Vec<&Scenario> = scenarios.iter().filter(wanted).collect();
    match run_all(&chosen, arguments.first, arguments.seeds) {
        true => ExitCode::SUCCESS,
        false => ExitCode::FAILURE,
    }
}

/// Runs the scenarios; whether every rule held.
fn run_all(scenarios: &[&Scenario], first: u64, seeds: u64) -> bool {
    let bar = ProgressBar::new(scenarios.len() as u64 * seeds);
    if let Ok(style) = ProgressStyle::with_template("{msg:28} {bar:40} {pos}/{len} {eta}") {
        bar.set_style(style);
    }
    let mut held = true;
    for scenario in scenarios {
        bar.set_message(scenario.name);
        let mut total = Summary::default();
        for seed in first..first + seeds {
            match run(scenario, seed) {
                Ok(summary) => total.add(&summary),
                Err(violation) => {
                    held = false;
                    bar.suspend(|| {
                        println!("{} seed {seed}: {violation}", scenario.name);
                        println!(
                            "  again: simulate --scenario {} --first {seed} --seeds 1",
                            scenario.name
                        );
                    });
                }
            }
            bar.inc(1);
        }
        bar.suspend(|| println!("{}", table::result(scenario, &total)));
    }
    bar.finish_and_clear();
    held
}
