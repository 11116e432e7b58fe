//! Functions that users write in SQL.
//!
//! A call in a query becomes a part of the query ([`crate::query`] puts it there);
//! a function with several statements, or with one that changes something, is
//! carried out by the session where it is called on its own.

mod body;
mod check;
mod shadow;

pub(crate) use body::{Body, parameter_uses, put_arguments};
pub(crate) use check::{check_body, check_default};
pub(crate) use shadow::Shadows;
