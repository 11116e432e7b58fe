//! Casts, and the types that several expressions have in common.

use super::super::tree::{CastForm, Kind, Node};
use super::super::{Sure, Unsure};
use super::Resolver;
use crate::query::{bare, implicit, unify};
use crate::types::PgType;

/// The type that branches, rows or sides of a set operation have in common.
pub(super) fn common_type(types: &[PgType]) -> Sure<PgType> {
    let known: Vec<PgType> = types
        .iter()
        .copied()
        .filter(|ty| *ty != PgType::Unknown)
        .collect();
    let Some(first) = known.first().copied() else {
        return Ok(PgType::Text);
    };
    if known.iter().all(|ty| *ty == first) {
        return Ok(first);
    }
    let mut result = first.base();
    for ty in known.iter().map(|ty| ty.base()) {
        result = match (result, ty) {
            (a, b) if a.oid() == b.oid() => bare(a),
            (a, b) if is_text(a) && is_text(b) && (a == PgType::Text || b == PgType::Text) => {
                PgType::Text
            }
            (a, b) if is_number(a) && is_number(b) => unify(a, b).ok_or(Unsure("types"))?,
            (a, b) if is_moment(a) && is_moment(b) => unify(a, b).ok_or(Unsure("types"))?,
            _ => return Err(Unsure("types that differ")),
        };
    }
    Ok(result)
}

pub(super) fn is_number(ty: PgType) -> bool {
    is_integer(ty) || is_float(ty) || matches!(ty, PgType::Numeric(_))
}

pub(super) fn is_integer(ty: PgType) -> bool {
    matches!(ty, PgType::Int2 | PgType::Int4 | PgType::Int8)
}

pub(super) fn is_float(ty: PgType) -> bool {
    matches!(ty, PgType::Float4 | PgType::Float8)
}

/// Whether the type is text of any length.
pub(super) fn is_text(ty: PgType) -> bool {
    matches!(ty, PgType::Text | PgType::Varchar(_) | PgType::Char(_))
}

/// A date or timestamp.
pub(super) fn is_moment(ty: PgType) -> bool {
    matches!(ty, PgType::Date | PgType::Timestamp | PgType::Timestamptz)
}

/// How a cast between two types is carried out.
fn form(from: PgType, to: PgType) -> CastForm {
    use PgType::{Bit, Char, Int4, InternalChar, Name, Oid, Text, Varbit, Varchar};
    let function = match (from.base(), to) {
        _ if to.typmod() != -1 => true,
        (Text | Varchar(_), Text | Varchar(_) | Char(_)) => false,
        (Bit(_), Varbit(_)) | (Varbit(_), Bit(_)) | (Int4, Oid) | (Oid, Int4) => false,
        (Char(_) | Name | InternalChar, Text | Varchar(_)) => true,
        (Text | Varchar(_) | Char(_), Name | InternalChar) => true,
        (a, b) if is_number(a) && is_number(b) => true,
        (a, b) if is_moment(a) && is_moment(b) => true,
        (PgType::Bool, Int4) | (Int4, PgType::Bool) | (PgType::Int8, Oid) => true,
        _ => false,
    };
    if function {
        CastForm::Function
    } else {
        CastForm::Relabel
    }
}

impl Resolver<'_> {
    /// An expression as one of type `to`, by a cast that nobody asked for.
    pub(super) fn coerce(&self, node: Node, to: PgType) -> Sure<Node> {
        if node.ty == PgType::Unknown {
            return self.typed(node, to);
        }
        if node.ty.oid() == to.oid() {
            return Ok(node);
        }
        if node.ty.base().oid() != to.oid() && !implicit(node.ty.base(), to) {
            return Err(Unsure("a cast"));
        }
        let kind = Kind::Cast {
            form: form(node.ty, to),
            arg: Box::new(node),
            implicit: true,
        };
        Ok(Node::new(kind, bare(to)))
    }

    /// A literal without type as one of type `to`, without modifier.
    pub(super) fn typed(&self, node: Node, to: PgType) -> Sure<Node> {
        let Kind::Constant(value) = node.kind else {
            return Err(Unsure("an expression without type"));
        };
        if let PgType::Domain(_) = to {
            let inner = self.typed(Node::new(Kind::Constant(value), node.ty), to.base())?;
            return Ok(Node::new(
                Kind::Cast {
                    arg: Box::new(inner),
                    implicit: true,
                    form: CastForm::Relabel,
                },
                to,
            ));
        }
        let to = bare(to);
        let value = match value {
            None => None,
            Some(text) => Some(self.canonical(&text, to)?),
        };
        Ok(Node::new(Kind::Constant(value), to))
    }

    /// A cast that was asked for.
    pub(super) fn cast(&self, node: Node, to: PgType) -> Sure<Node> {
        if let (Kind::Array(items), Some(element)) = (&node.kind, to.element())
            && node.ty.element().is_none_or(|own| own.element().is_none())
        {
            if element.typmod() != -1 {
                return Err(Unsure("an array with a modifier"));
            }
            let items = items.iter().cloned();
            let items = items.map(|item| self.cast(item, element));
            return Ok(Node::new(Kind::Array(items.collect::<Sure<_>>()?), to));
        }
        let node = match node.ty {
            PgType::Unknown => self.typed(node, to)?,
            _ => node,
        };
        if node.ty.oid() == to.oid() && node.ty.typmod() == to.typmod() {
            return Ok(match node.kind {
                // What only a literal needed was asked for here.
                Kind::Cast { arg, form, .. } => Node::new(
                    Kind::Cast {
                        arg,
                        implicit: false,
                        form,
                    },
                    node.ty,
                ),
                kind => Node::new(kind, node.ty),
            });
        }
        let kind = Kind::Cast {
            form: form(node.ty, to),
            arg: Box::new(node),
            implicit: false,
        };
        Ok(Node::new(kind, to))
    }
}
