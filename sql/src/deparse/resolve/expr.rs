//! Expressions.

use sqlparser::ast::{
    AccessExpr, BinaryOperator, CastKind, Expr, Subscript, TrimWhereField, UnaryOperator,
    ValueWithSpan,
};

use super::super::tree::{Kind, Node, SublinkKind, Syntax};
use super::super::{Sure, Unsure};
use super::Resolver;
use super::coerce::common_type;
use crate::catalog::fold_identifier;
use crate::types::PgType;

impl Resolver<'_> {
    pub(super) fn expr(&mut self, expr: &Expr) -> Sure<Node> {
        match expr {
            Expr::Nested(inner) => self.expr(inner),
            Expr::Identifier(name) => self.column(None, &fold_identifier(name)),
            Expr::CompoundIdentifier(parts) => match parts.as_slice() {
                [table, name] => {
                    let table = fold_identifier(table);
                    self.column(Some((None, &table)), &fold_identifier(name))
                }
                [schema, table, name] => {
                    let (schema, table) = (fold_identifier(schema), fold_identifier(table));
                    self.column(Some((Some(&schema), &table)), &fold_identifier(name))
                }
                _ => Err(Unsure("a name of several parts")),
            },
            Expr::Value(value) => self.value(&value.value),
            Expr::TypedString(typed) if !typed.uses_odbc_syntax => {
                let node = self.value(&typed.value.value)?;
                let ty = self.type_of(&typed.data_type)?;
                self.cast(node, ty)
            }
            Expr::Interval(interval)
                if interval.leading_field.is_none()
                    && interval.last_field.is_none()
                    && interval.leading_precision.is_none()
                    && interval.fractional_seconds_precision.is_none() =>
            {
                let node = self.expr(&interval.value)?;
                match node.ty {
                    PgType::Unknown => self.typed(node, PgType::Interval),
                    _ => Err(Unsure("an interval")),
                }
            }
            Expr::Cast {
                kind: CastKind::Cast | CastKind::DoubleColon,
                expr,
                data_type,
                array: false,
                format: None,
            } => {
                let node = self.expr(expr)?;
                let ty = self.type_of(data_type)?;
                self.cast(node, ty)
            }
            Expr::BinaryOp { left, op, right } => self.binary(left, op, right),
            Expr::UnaryOp { op, expr } => self.unary(*op, expr),
            Expr::Function(function) => self.call(function),
            Expr::Case {
                operand,
                conditions,
                else_result,
                ..
            } => self.case(operand.as_deref(), conditions, else_result.as_deref()),
            Expr::Array(array) => self.array(&array.elem),
            Expr::CompoundFieldAccess { root, access_chain } => self.subscript(root, access_chain),
            Expr::Exists { subquery, negated } => {
                self.test(SublinkKind::Exists, subquery, None, *negated)
            }
            Expr::Subquery(query) => self.value_of(SublinkKind::Value, query),
            other => self.predicate(other),
        }
    }

    pub(super) fn type_of(&self, ast: &sqlparser::ast::DataType) -> Sure<PgType> {
        let path = &self.facts.session.search_path;
        let ty = self.facts.catalog.type_of_ast(ast, path);
        ty.map_err(|_| Unsure("a type"))
    }

    fn predicate(&mut self, expr: &Expr) -> Sure<Node> {
        match expr {
            Expr::IsNull(inner) => self.null_test(inner, "IS NULL"),
            Expr::IsNotNull(inner) => self.null_test(inner, "IS NOT NULL"),
            Expr::IsTrue(inner) => self.truth(inner, "IS TRUE"),
            Expr::IsNotTrue(inner) => self.truth(inner, "IS NOT TRUE"),
            Expr::IsFalse(inner) => self.truth(inner, "IS FALSE"),
            Expr::IsNotFalse(inner) => self.truth(inner, "IS NOT FALSE"),
            Expr::IsUnknown(inner) => self.truth(inner, "IS UNKNOWN"),
            Expr::IsNotUnknown(inner) => self.truth(inner, "IS NOT UNKNOWN"),
            Expr::IsDistinctFrom(left, right) => self.distinct(left, right),
            Expr::IsNotDistinctFrom(left, right) => {
                let node = self.distinct(left, right)?;
                Ok(Node::new(Kind::Not(Box::new(node)), PgType::Bool))
            }
            Expr::InList {
                expr,
                list,
                negated,
            } if !matches!(expr.as_ref(), Expr::Tuple(_)) => self.in_list(expr, list, *negated),
            Expr::InSubquery {
                expr,
                subquery,
                negated,
            } => self.test(SublinkKind::Any, subquery, Some((expr, "=")), *negated),
            Expr::Between {
                expr,
                negated,
                low,
                high,
            } => self.between(expr, *negated, low, high),
            Expr::AnyOp {
                left,
                compare_op,
                right,
                ..
            } => self.quantified(left, compare_op, right, true),
            Expr::AllOp {
                left,
                compare_op,
                right,
            } => self.quantified(left, compare_op, right, false),
            Expr::Like {
                negated,
                any: false,
                expr,
                pattern,
                escape_char,
            } => {
                let symbol = if *negated { "!~~" } else { "~~" };
                self.like(symbol, expr, pattern, escape_char.as_ref())
            }
            Expr::ILike {
                negated,
                any: false,
                expr,
                pattern,
                escape_char,
            } => {
                let symbol = if *negated { "!~~*" } else { "~~*" };
                self.like(symbol, expr, pattern, escape_char.as_ref())
            }
            Expr::SimilarTo {
                negated,
                expr,
                pattern,
                escape_char,
            } => {
                let left = self.expr(expr)?;
                let pattern = self.escaped("similar_to_escape", pattern, escape_char.as_ref())?;
                self.operator(if *negated { "!~" } else { "~" }, left, pattern)
            }
            other => self.spelled(other),
        }
    }

    /// Functions that SQL spells in its own way.
    fn spelled(&mut self, expr: &Expr) -> Sure<Node> {
        match expr {
            Expr::Extract { field, expr, .. } => {
                let arg = self.expr(expr)?;
                let known = matches!(
                    arg.ty.base(),
                    PgType::Date
                        | PgType::Time
                        | PgType::Timetz
                        | PgType::Timestamp
                        | PgType::Timestamptz
                        | PgType::Interval
                );
                if !known {
                    return Err(Unsure("EXTRACT"));
                }
                let field = field.to_string().to_ascii_lowercase();
                if !field.bytes().all(|b| b.is_ascii_lowercase() || b == b'_') {
                    return Err(Unsure("EXTRACT"));
                }
                let kind = Kind::Syntax(Syntax::Extract(field), vec![arg]);
                Ok(Node::new(kind, PgType::Numeric(None)))
            }
            Expr::AtTimeZone {
                timestamp,
                time_zone,
            } => {
                let (at, zone) = (self.expr(timestamp)?, self.expr(time_zone)?);
                let gives = match at.ty {
                    PgType::Timestamp => PgType::Timestamptz,
                    PgType::Timestamptz => PgType::Timestamp,
                    _ => return Err(Unsure("AT TIME ZONE")),
                };
                let zone = match zone.ty {
                    PgType::Interval => zone,
                    _ => self.coerce(zone, PgType::Text)?,
                };
                Ok(Node::new(
                    Kind::Syntax(Syntax::AtTimeZone, vec![at, zone]),
                    gives,
                ))
            }
            Expr::Position { expr, r#in } => {
                let args = [expr.as_ref(), r#in.as_ref()];
                self.of_text(Syntax::Position, &args, PgType::Int4)
            }
            Expr::Substring {
                expr,
                substring_from,
                substring_for,
                special: false,
                shorthand: false,
            } => self.substring(expr, substring_from.as_deref(), substring_for.as_deref()),
            Expr::Substring {
                expr,
                substring_from: Some(from),
                substring_for,
                shorthand,
                ..
            } => {
                let mut args = vec![self.expr(expr)?, self.expr(from)?];
                if let Some(length) = substring_for {
                    args.push(self.expr(length)?);
                }
                self.named(if *shorthand { "substr" } else { "substring" }, args)
            }
            Expr::Trim {
                trim_where,
                trim_what,
                expr,
                trim_characters: None,
            } => {
                let side = match trim_where {
                    Some(TrimWhereField::Leading) => "LEADING",
                    Some(TrimWhereField::Trailing) => "TRAILING",
                    Some(TrimWhereField::Both) | None => "BOTH",
                };
                let mut args = vec![expr.as_ref()];
                args.extend(trim_what.as_deref());
                self.of_text(Syntax::Trim(side), &args, PgType::Text)
            }
            Expr::Overlay {
                expr,
                overlay_what,
                overlay_from,
                overlay_for,
            } => {
                let texts = [self.expr(expr)?, self.expr(overlay_what)?];
                let mut args = Vec::with_capacity(4);
                for text in texts {
                    args.push(self.coerce(text, PgType::Text)?);
                }
                for number in [Some(overlay_from), overlay_for.as_ref()]
                    .into_iter()
                    .flatten()
                {
                    let number = self.expr(number)?;
                    args.push(self.coerce(number, PgType::Int4)?);
                }
                Ok(Node::new(Kind::Syntax(Syntax::Overlay, args), PgType::Text))
            }
            Expr::Ceil { expr, field } if is_plain(field) => {
                let arg = self.expr(expr)?;
                self.named("ceil", vec![arg])
            }
            Expr::Floor { expr, field } if is_plain(field) => {
                let arg = self.expr(expr)?;
                self.named("floor", vec![arg])
            }
            Expr::Collate { expr, collation } => {
                let [name] = collation.0.as_slice() else {
                    return Err(Unsure("a collation"));
                };
                let name = name.as_ident().map(fold_identifier);
                let name = name.ok_or(Unsure("a collation"))?;
                let node = self.expr(expr)?;
                let node = self.settled(node)?;
                let ty = node.ty;
                Ok(Node::new(Kind::Collate(Box::new(node), name), ty))
            }
            _ => Err(Unsure("an expression")),
        }
    }

    fn of_text(&mut self, syntax: Syntax, args: &[&Expr], gives: PgType) -> Sure<Node> {
        let mut nodes = Vec::with_capacity(args.len());
        for arg in args {
            let node = self.expr(arg)?;
            nodes.push(self.coerce(node, PgType::Text)?);
        }
        Ok(Node::new(Kind::Syntax(syntax, nodes), gives))
    }

    fn substring(&mut self, text: &Expr, from: Option<&Expr>, length: Option<&Expr>) -> Sure<Node> {
        let text = self.expr(text)?;
        let mut args = vec![self.coerce(text, PgType::Text)?];
        let from = match from {
            Some(from) => self.expr(from)?,
            // Without a start, it is the first character.
            None => self.number("1")?,
        };
        match (from.ty, length) {
            (PgType::Unknown, None) => args.push(self.coerce(from, PgType::Text)?),
            (PgType::Int4 | PgType::Int2, _) => args.push(self.coerce(from, PgType::Int4)?),
            _ => return Err(Unsure("SUBSTRING")),
        }
        if let Some(length) = length {
            let length = self.expr(length)?;
            args.push(self.coerce(length, PgType::Int4)?);
        }
        let syntax = Syntax::Substring {
            from: true,
            length: args.len() == 3,
        };
        Ok(Node::new(Kind::Syntax(syntax, args), PgType::Text))
    }

    fn null_test(&mut self, expr: &Expr, words: &'static str) -> Sure<Node> {
        let node = self.expr(expr)?;
        let node = self.settled(node)?;
        Ok(Node::new(Kind::Test(Box::new(node), words), PgType::Bool))
    }

    fn truth(&mut self, expr: &Expr, words: &'static str) -> Sure<Node> {
        let node = self.condition(expr)?;
        Ok(Node::new(Kind::Test(Box::new(node), words), PgType::Bool))
    }

    fn distinct(&mut self, left: &Expr, right: &Expr) -> Sure<Node> {
        let (left, right) = (self.expr(left)?, self.expr(right)?);
        if left.ty == PgType::Unknown || right.ty == PgType::Unknown {
            let null = |node: &Node| matches!(node.kind, Kind::Constant(None));
            if null(&left) || null(&right) {
                return Err(Unsure("IS DISTINCT FROM NULL"));
            }
        }
        let sides = self.compared("=", left, right)?;
        Ok(Node::new(Kind::Distinct(Box::new(sides)), PgType::Bool))
    }

    fn like(
        &mut self,
        symbol: &str,
        expr: &Expr,
        pattern: &Expr,
        escape: Option<&ValueWithSpan>,
    ) -> Sure<Node> {
        let left = self.expr(expr)?;
        let pattern = match escape {
            None => self.expr(pattern)?,
            Some(_) => self.escaped("like_escape", pattern, escape)?,
        };
        self.operator(symbol, left, pattern)
    }

    /// A pattern with the character that escapes in it.
    fn escaped(
        &mut self,
        name: &str,
        pattern: &Expr,
        escape: Option<&ValueWithSpan>,
    ) -> Sure<Node> {
        let pattern = self.expr(pattern)?;
        let mut args = vec![self.coerce(pattern, PgType::Text)?];
        if let Some(escape) = escape {
            let escape = self.value(&escape.value)?;
            args.push(self.coerce(escape, PgType::Text)?);
        }
        let name = name.to_owned();
        Ok(Node::new(Kind::Call { name, args }, PgType::Text))
    }

    fn binary(&mut self, left: &Expr, op: &BinaryOperator, right: &Expr) -> Sure<Node> {
        if let BinaryOperator::And | BinaryOperator::Or = op {
            let mut parts = Vec::new();
            self.chain(left, op, &mut parts)?;
            parts.push(self.condition(right)?);
            let kind = match op {
                BinaryOperator::And => Kind::And(parts),
                _ => Kind::Or(parts),
            };
            return Ok(Node::new(kind, PgType::Bool));
        }
        let symbol = symbol(op).ok_or(Unsure("an operator"))?;
        if let (Expr::Tuple(left), Expr::Tuple(right)) = (left, right) {
            return self.rows(&symbol, left, right);
        }
        let (left, right) = (self.expr(left)?, self.expr(right)?);
        self.operator(&symbol, left, right)
    }

    /// The conditions on the left side of an AND or OR that are part of it.
    fn chain(&mut self, left: &Expr, op: &BinaryOperator, parts: &mut Vec<Node>) -> Sure<()> {
        match left {
            Expr::Nested(inner) => self.chain(inner, op, parts),
            Expr::BinaryOp {
                left,
                op: own,
                right,
            } if own == op => {
                self.chain(left, op, parts)?;
                parts.push(self.condition(right)?);
                Ok(())
            }
            other => {
                parts.push(self.condition(other)?);
                Ok(())
            }
        }
    }

    fn unary(&mut self, op: UnaryOperator, expr: &Expr) -> Sure<Node> {
        let symbol = match op {
            UnaryOperator::Not => {
                let node = self.condition(expr)?;
                return Ok(Node::new(Kind::Not(Box::new(node)), PgType::Bool));
            }
            UnaryOperator::Minus => match self.negative(expr) {
                Some(constant) => return constant,
                None => "-",
            },
            UnaryOperator::Plus => "+",
            UnaryOperator::BitwiseNot => "~",
            UnaryOperator::PGAbs => "@",
            _ => return Err(Unsure("an operator")),
        };
        let arg = self.expr(expr)?;
        self.prefix(symbol, arg)
    }

    fn quantified(
        &mut self,
        left: &Expr,
        op: &BinaryOperator,
        right: &Expr,
        any: bool,
    ) -> Sure<Node> {
        let symbol = symbol(op).ok_or(Unsure("an operator"))?;
        let mut inner = right;
        while let Expr::Nested(deeper) = inner {
            inner = deeper;
        }
        if let Expr::Subquery(query) = inner {
            let kind = if any {
                SublinkKind::Any
            } else {
                SublinkKind::All
            };
            return self.test(kind, query, Some((left, &symbol)), false);
        }
        let (left, right) = (self.expr(left)?, self.expr(right)?);
        self.array_operator(&symbol, any, left, right)
    }

    fn case(
        &mut self,
        operand: Option<&Expr>,
        conditions: &[sqlparser::ast::CaseWhen],
        otherwise: Option<&Expr>,
    ) -> Sure<Node> {
        let operand = match operand {
            Some(operand) => {
                let node = self.expr(operand)?;
                Some(self.settled(node)?)
            }
            None => None,
        };
        let mut branches = Vec::with_capacity(conditions.len());
        for branch in conditions {
            let when = match &operand {
                None => self.condition(&branch.condition)?,
                Some(operand) => {
                    let right = self.expr(&branch.condition)?;
                    let [_, right] = self.compared("=", operand.clone(), right)?;
                    right
                }
            };
            branches.push((when, self.expr(&branch.result)?));
        }
        let otherwise = match otherwise {
            Some(expr) => self.expr(expr)?,
            None => Node::null(PgType::Unknown),
        };
        let mut types = vec![otherwise.ty];
        types.extend(branches.iter().map(|(_, then)| then.ty));
        let ty = common_type(&types)?;
        for (_, then) in &mut branches {
            *then = self.coerce(then.clone(), ty)?;
        }
        let otherwise = Box::new(self.coerce(otherwise, ty)?);
        let kind = Kind::Case {
            operand: operand.map(Box::new),
            branches,
            otherwise,
        };
        Ok(Node::new(kind, ty))
    }

    fn array(&mut self, items: &[Expr]) -> Sure<Node> {
        let mut nodes = Vec::with_capacity(items.len());
        for item in items {
            nodes.push(self.expr(item)?);
        }
        if nodes.is_empty() {
            // Its type comes from the cast around it.
            return Ok(Node::new(Kind::Array(nodes), PgType::Void));
        }
        let types: Vec<PgType> = nodes.iter().map(|node| node.ty).collect();
        if types.iter().any(|ty| ty.element().is_some()) {
            return Err(Unsure("an array of arrays"));
        }
        let element = common_type(&types)?;
        let ty = PgType::array_of(element).ok_or(Unsure("an array"))?;
        // A cast of the array is one of what was written in it.
        for node in &mut nodes {
            *node = self.coerce(node.clone(), element)?;
        }
        Ok(Node::new(Kind::Array(nodes), ty))
    }

    fn subscript(&mut self, root: &Expr, chain: &[AccessExpr]) -> Sure<Node> {
        let node = self.expr(root)?;
        let element = node.ty.element().ok_or(Unsure("a subscript"))?;
        let mut places = Vec::with_capacity(chain.len());
        for access in chain {
            let AccessExpr::Subscript(Subscript::Index { index }) = access else {
                return Err(Unsure("a subscript"));
            };
            let index = self.expr(index)?;
            places.push(self.coerce(index, PgType::Int4)?);
        }
        Ok(Node::new(Kind::Subscript(Box::new(node), places), element))
    }
}

fn is_plain(field: &sqlparser::ast::CeilFloorKind) -> bool {
    use sqlparser::ast::{CeilFloorKind, DateTimeField};
    matches!(
        field,
        CeilFloorKind::DateTimeField(DateTimeField::NoDateTime)
    )
}

/// How an operator is written.
fn symbol(op: &BinaryOperator) -> Option<String> {
    use BinaryOperator as B;
    Some(match op {
        B::NotEq => "<>".to_owned(),
        B::PGExp | B::BitwiseXor => "^".to_owned(),
        B::PGBitwiseXor => "#".to_owned(),
        B::PGCustomBinaryOperator(_) | B::Custom(_) | B::And | B::Or | B::Xor | B::Overlaps => {
            return None;
        }
        other => other.to_string(),
    })
}
