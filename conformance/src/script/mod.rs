//! psql scripts: cut into statements and backslash commands, one at a time.
//!
//! A script cannot be cut beforehand: whether the lines after `COPY … FROM STDIN`
//! are data depends on whether the server took the command, and what a
//! variable stands for is pushed back into the text, where it may hold several
//! statements. So [`Script::next`] is asked again and again, with the
//! variables as they are by then.

mod arguments;
mod branches;
mod cursor;
mod statement;
mod variables;
mod words;

pub use arguments::arguments;
pub use branches::Branches;
pub use statement::{Item, Script, Statement};
pub use variables::Variables;
pub(crate) use words::dotted_names;
pub use words::{first_words, outer_words};
