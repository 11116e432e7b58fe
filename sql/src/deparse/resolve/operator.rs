//! Operators: which one is meant, and the casts that it needs.

use super::super::tree::{Kind, Node};
use super::super::{Sure, Unsure};
use super::Resolver;
use super::coerce::{is_float, is_integer, is_moment, is_number, is_text};
use crate::query::{bare, unify};
use crate::types::PgType;

/// The types an operator takes, and the one it gives.
struct Chosen(PgType, PgType, PgType);

const COMPARISONS: [&str; 6] = ["=", "<>", "<", ">", "<=", ">="];
const MATCHES: [&str; 8] = ["~", "~*", "!~", "!~*", "~~", "~~*", "!~~", "!~~*"];
/// What is not known well enough.
const UNSURE: Unsure = Unsure("an operator");

impl Resolver<'_> {
    /// An operator between two expressions, which are cast as it needs.
    pub(super) fn operator(&self, symbol: &str, left: Node, right: Node) -> Sure<Node> {
        let Chosen(a, b, gives) = choose(symbol, left.ty, right.ty)?;
        let args = vec![self.operand(left, a)?, self.operand(right, b)?];
        Ok(Node::new(Kind::Operator(symbol.to_owned(), args), gives))
    }

    /// The sides of a comparison, cast as it needs.
    pub(super) fn compared(&self, symbol: &str, left: Node, right: Node) -> Sure<[Node; 2]> {
        let Chosen(a, b, _) = choose(symbol, left.ty, right.ty)?;
        Ok([self.operand(left, a)?, self.operand(right, b)?])
    }

    fn operand(&self, node: Node, ty: PgType) -> Sure<Node> {
        match ty {
            // Any type will do.
            PgType::Void => Ok(node),
            ty => self.coerce(node, ty),
        }
    }

    /// The type of what an operator gives for the elements of an array.
    pub(super) fn element_type(
        &self,
        symbol: &str,
        left: PgType,
        element: PgType,
    ) -> Sure<(PgType, PgType)> {
        let Chosen(a, b, gives) = choose(symbol, left, element)?;
        match gives {
            PgType::Bool => Ok((a, b)),
            _ => Err(UNSURE),
        }
    }

    /// A prefix operator.
    pub(super) fn prefix(&self, symbol: &str, arg: Node) -> Sure<Node> {
        let ty = arg.ty;
        let fits = match symbol {
            "-" | "+" => is_number(ty) || (symbol == "-" && ty == PgType::Interval),
            "~" => is_integer(ty),
            "@" => is_number(ty),
            _ => false,
        };
        if !fits {
            return Err(UNSURE);
        }
        let kind = Kind::Operator(symbol.to_owned(), vec![arg]);
        Ok(Node::new(kind, bare(ty)))
    }
}

fn choose(symbol: &str, left: PgType, right: PgType) -> Sure<Chosen> {
    let (a, b) = (bare(left.base()), bare(right.base()));
    if COMPARISONS.contains(&symbol) {
        return comparison(a, b);
    }
    if MATCHES.contains(&symbol) {
        return matching(a, b);
    }
    match symbol {
        "+" | "-" | "*" | "/" | "%" => arithmetic(symbol, a, b),
        "||" => concatenation(a, b),
        "^" => power(a, b),
        "&" | "|" | "#" if is_integer(a) && is_integer(b) => {
            let ty = unify(a, b).ok_or(UNSURE)?;
            Ok(Chosen(ty, ty, ty))
        }
        "<<" | ">>" if is_integer(a) && is_integer(b) => Ok(Chosen(a, PgType::Int4, a)),
        _ => json_or_array(symbol, a, b),
    }
}

fn same(ty: PgType, gives: PgType) -> Sure<Chosen> {
    Ok(Chosen(ty, ty, gives))
}

fn comparison(a: PgType, b: PgType) -> Sure<Chosen> {
    use PgType::{Float8, Int4, Name, Numeric, Oid, Text, Unknown, Void};
    let gives = PgType::Bool;
    match (a, b) {
        (Unknown, Unknown) => same(Text, gives),
        (Unknown, other) | (other, Unknown) => match other {
            PgType::Varchar(_) => same(Text, gives),
            PgType::Json | PgType::Composite(_) | PgType::Jsonpath | Void => Err(UNSURE),
            other => same(other, gives),
        },
        (a, b) if is_integer(a) && is_integer(b) => Ok(Chosen(a, b, gives)),
        (a, b) if is_float(a) && is_float(b) => Ok(Chosen(a, b, gives)),
        (Numeric(_), b) if is_integer(b) => same(a, gives),
        (a, Numeric(_)) if is_integer(a) => same(b, gives),
        (a, b) if is_float(a) && is_number(b) => Ok(Chosen(a, Float8, gives)),
        (a, b) if is_number(a) && is_float(b) => Ok(Chosen(Float8, b, gives)),
        (a, b) if is_text(a) && a.oid() == b.oid() => match a {
            PgType::Varchar(_) => same(Text, gives),
            a => same(a, gives),
        },
        (a, b) if is_text(a) && is_text(b) => same(Text, gives),
        (Name, Text | PgType::Varchar(_)) => Ok(Chosen(Name, Text, gives)),
        (Text | PgType::Varchar(_), Name) => Ok(Chosen(Text, Name, gives)),
        (a, b) if is_moment(a) && is_moment(b) => Ok(Chosen(a, b, gives)),
        (Oid, Int4) | (Int4, Oid) => same(Oid, gives),
        (PgType::Json, _) | (PgType::Composite(_), _) | (PgType::Jsonpath, _) => Err(UNSURE),
        (a, b) if a.oid() == b.oid() => Ok(Chosen(a, b, gives)),
        _ => Err(UNSURE),
    }
}

fn matching(a: PgType, b: PgType) -> Sure<Chosen> {
    let left = match a {
        PgType::Text | PgType::Varchar(_) | PgType::Unknown => PgType::Text,
        PgType::Name => PgType::Name,
        PgType::Char(_) => a,
        _ => return Err(UNSURE),
    };
    match b {
        PgType::Text | PgType::Varchar(_) | PgType::Unknown => {
            Ok(Chosen(left, PgType::Text, PgType::Bool))
        }
        _ => Err(UNSURE),
    }
}

fn arithmetic(symbol: &str, a: PgType, b: PgType) -> Sure<Chosen> {
    use PgType::{Float8, Int4, Numeric, Unknown};
    match (a, b) {
        (Unknown, other) | (other, Unknown) if is_number(other) => same(other, other),
        (a, b) if is_integer(a) && is_integer(b) => {
            let ty = unify(a, b).ok_or(UNSURE)?;
            match symbol {
                "%" => same(ty, ty),
                _ => Ok(Chosen(a, b, ty)),
            }
        }
        (Numeric(_), b) if is_integer(b) => same(a, a),
        (a, Numeric(_)) if is_integer(a) => same(b, b),
        (Numeric(_), Numeric(_)) => same(a, a),
        _ if symbol == "%" => Err(UNSURE),
        (a, b) if is_float(a) && a == b => same(a, a),
        (a, b) if is_float(a) && is_float(b) => Ok(Chosen(a, b, Float8)),
        (a, b) if is_float(a) && is_number(b) => Ok(Chosen(a, Float8, Float8)),
        (a, b) if is_number(a) && is_float(b) => Ok(Chosen(Float8, b, Float8)),
        (PgType::Interval, b) if matches!(symbol, "*" | "/") && is_number(b) => {
            Ok(Chosen(a, Float8, a))
        }
        (a, PgType::Interval) if symbol == "*" && is_number(a) => Ok(Chosen(Float8, b, b)),
        (PgType::Date, Int4) if matches!(symbol, "+" | "-") => Ok(Chosen(a, b, a)),
        (Int4, PgType::Date) if symbol == "+" => Ok(Chosen(a, b, b)),
        (a, b) if matches!(symbol, "+" | "-") => moments(symbol, a, b),
        _ => Err(UNSURE),
    }
}

/// What is added to and taken from dates and times.
fn moments(symbol: &str, a: PgType, b: PgType) -> Sure<Chosen> {
    use PgType::{Date, Int4, Interval, Time, Timestamp, Timestamptz, Timetz, Unknown};
    let minus = symbol == "-";
    match (a, b) {
        (Date, Date) if minus => Ok(Chosen(a, b, Int4)),
        (Date, Interval) => Ok(Chosen(a, b, Timestamp)),
        (Interval, Date) if !minus => Ok(Chosen(a, b, Timestamp)),
        (Date, Time) if !minus => Ok(Chosen(a, b, Timestamp)),
        (Timestamp | Timestamptz | Time | Timetz, Interval) => Ok(Chosen(a, b, a)),
        (Interval, Timestamp | Timestamptz | Time | Timetz) if !minus => Ok(Chosen(a, b, b)),
        (Interval, Interval) => Ok(Chosen(a, b, a)),
        (Interval, Unknown) | (Unknown, Interval) => same(Interval, Interval),
        (Timestamp, Timestamp) | (Timestamptz, Timestamptz) | (Time, Time) if minus => {
            Ok(Chosen(a, b, Interval))
        }
        (Timestamp | Timestamptz, Unknown) if minus => same(a, Interval),
        (Timestamp | Timestamptz, Unknown) => Ok(Chosen(a, Interval, a)),
        _ => Err(UNSURE),
    }
}

fn concatenation(a: PgType, b: PgType) -> Sure<Chosen> {
    use PgType::{Array, Bytea, Jsonb, Text, Unknown, Void};
    let text = |ty: PgType| is_text(ty) || matches!(ty, PgType::Unknown);
    let plain = |ty: PgType| {
        !matches!(
            ty,
            Array(_)
                | PgType::Int2Vector
                | PgType::OidVector
                | Jsonb
                | Bytea
                | PgType::Bit(_)
                | PgType::Varbit(_)
                | PgType::Composite(_)
                | Unknown
                | Void
        )
    };
    match (a, b) {
        (Jsonb, Jsonb | Unknown) | (Unknown, Jsonb) => same(Jsonb, Jsonb),
        (Bytea, Bytea | Unknown) | (Unknown, Bytea) => same(Bytea, Bytea),
        (a, b) if text(a) && text(b) => same(Text, Text),
        (a, b) if is_text(a) && plain(b) => Ok(Chosen(Text, Void, Text)),
        (a, b) if plain(a) && is_text(b) => Ok(Chosen(Void, Text, Text)),
        (Array(x), Array(y)) if x.oid() == y.oid() => Ok(Chosen(a, b, a)),
        (Array(x), y) if x.oid() == y.oid() => Ok(Chosen(a, b, a)),
        (x, Array(y)) if x.oid() == y.oid() => Ok(Chosen(a, b, b)),
        _ => Err(UNSURE),
    }
}

fn power(a: PgType, b: PgType) -> Sure<Chosen> {
    let numeric = |ty| matches!(ty, PgType::Numeric(_));
    if !is_number(a) || !is_number(b) {
        return Err(UNSURE);
    }
    let exact = (numeric(a) || numeric(b)) && !is_float(a) && !is_float(b);
    let ty = if exact {
        PgType::Numeric(None)
    } else {
        PgType::Float8
    };
    same(ty, ty)
}

fn json_or_array(symbol: &str, a: PgType, b: PgType) -> Sure<Chosen> {
    use PgType::{Array, Bool, Int4, Json, Jsonb, Text, Unknown, Varchar};
    let texts = PgType::array_of(Text).ok_or(UNSURE)?;
    match (symbol, a, b) {
        ("->" | "->>", Json | Jsonb, b) => {
            let gives = if symbol == "->" { a } else { Text };
            match b {
                Int4 => Ok(Chosen(a, b, gives)),
                Text | Varchar(_) | Unknown => Ok(Chosen(a, Text, gives)),
                _ => Err(UNSURE),
            }
        }
        ("#>" | "#>>", Json | Jsonb, b) if b == Unknown || b == texts => {
            let gives = if symbol == "#>" { a } else { Text };
            Ok(Chosen(a, texts, gives))
        }
        ("@>" | "<@", Jsonb, Jsonb | Unknown) | ("@>" | "<@", Unknown, Jsonb) => same(Jsonb, Bool),
        ("?", Jsonb, Text | Varchar(_) | Unknown) => Ok(Chosen(Jsonb, Text, Bool)),
        ("?|" | "?&", Jsonb, b) if b == Unknown || b == texts => Ok(Chosen(Jsonb, texts, Bool)),
        ("@>" | "<@" | "&&", Array(x), Array(y)) if x.oid() == y.oid() => Ok(Chosen(a, b, Bool)),
        ("@>" | "<@" | "&&", Array(_), Unknown) => same(a, Bool),
        ("@>" | "<@" | "&&", Unknown, Array(_)) => same(b, Bool),
        _ => Err(UNSURE),
    }
}
