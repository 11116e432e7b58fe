//! What can be said of the pieces without a catalog.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use super::names::numbered;
use super::print::is_simple;
use super::tree::{CastForm, Kind, Node};
use crate::types::PgType;

fn one() -> Node {
    Node::new(Kind::Constant(Some("1".to_owned())), PgType::Int4)
}

fn operator(symbol: &str, left: Node, right: Node) -> Node {
    let kind = Kind::Operator(symbol.to_owned(), vec![left, right]);
    Node::new(kind, PgType::Int4)
}

/// Whether the sides of `outer` between two `inner` go without parentheses.
fn sides(inner: &str, outer: &str) -> [bool; 2] {
    let part = || operator(inner, one(), one());
    let whole = operator(outer, part(), part());
    let Kind::Operator(_, args) = &whole.kind else {
        panic!("an operator");
    };
    [0, 1].map(|at| is_simple(&args[at], &whole))
}

#[test]
fn arithmetic_keeps_the_parentheses_that_it_needs() {
    assert_eq!(sides("*", "+"), [true, true]);
    assert_eq!(sides("+", "*"), [false, false]);
    assert_eq!(sides("-", "-"), [true, false]);
    assert_eq!(sides("/", "*"), [true, false]);
    assert_eq!(sides("||", "||"), [false, false]);
    assert_eq!(sides("+", "="), [false, false]);
}

#[test]
fn logic_keeps_the_parentheses_that_it_needs() {
    let truth = || Node::new(Kind::Constant(Some("t".to_owned())), PgType::Bool);
    let and = || Node::new(Kind::And(vec![truth(), truth()]), PgType::Bool);
    let or = || Node::new(Kind::Or(vec![truth(), truth()]), PgType::Bool);
    let not = |inner| Node::new(Kind::Not(Box::new(inner)), PgType::Bool);
    assert!(is_simple(&and(), &or()));
    assert!(!is_simple(&or(), &and()));
    assert!(is_simple(&or(), &or()));
    assert!(is_simple(&not(truth()), &and()));
    assert!(!is_simple(&and(), &not(and())));
}

#[test]
fn casts_hold_together_as_what_carries_them_out_does() {
    let cast = |form| {
        let arg = Box::new(operator("+", one(), one()));
        let kind = Kind::Cast {
            arg,
            implicit: false,
            form,
        };
        Node::new(kind, PgType::Int8)
    };
    let parent = operator("||", one(), one());
    assert!(is_simple(&cast(CastForm::Function), &parent));
    assert!(!is_simple(&cast(CastForm::Relabel), &parent));
}

#[test]
fn numbered_names_are_never_too_long() {
    assert_eq!(numbered("t", 1), "t_1");
    let long = "x".repeat(63);
    assert_eq!(numbered(&long, 12), format!("{}_12", "x".repeat(60)));
    let wide = "ä".repeat(31);
    assert!(numbered(&wide, 1).len() <= 63);
    assert!(numbered(&wide, 1).ends_with("ä_1"));
}
