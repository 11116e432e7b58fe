//! One script, several servers: every statement goes to all of them, and what
//! they answer is compared before the next one goes out.

mod commands;
mod consequences;
mod copy_command;
mod open;
mod run;
mod side;

pub(crate) use open::why_open;
pub use run::{Limits, Progress, Sides, run_script};
pub use side::Side;
pub(crate) use side::{administer, url_of};
