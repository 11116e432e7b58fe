//! Expressions.

use super::super::tree::{Kind, Node, RelationKind, Sublink, SublinkKind, Syntax};
use super::super::{Sure, Unsure};
use super::query::NO_RELATION;
use super::{BRANCH, Part, Printer};
use crate::query::quote_ident;
use crate::types::PgType;

/// Whether the type of a constant is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Label {
    Never,
    IfNeeded,
    Always,
}

impl<'q> Printer<'q> {
    /// Writes an expression. Casts that nobody asked for are left out at its top
    /// unless `casts`.
    pub(super) fn node(&mut self, node: &'q Node, casts: bool) -> Sure<()> {
        match &node.kind {
            Kind::Column { .. } => self.column(node).map(|_| ()),
            Kind::Constant(value) => self.constant(value.as_deref(), node.ty, Label::IfNeeded),
            Kind::Operator(symbol, args) => self.closed(|p| p.operator(symbol, args, node)),
            Kind::Distinct(sides) => self.closed(|p| {
                let [left, right] = sides.as_ref();
                p.inner(left, true, node)?;
                p.put(" IS DISTINCT FROM ");
                p.inner(right, true, node)
            }),
            Kind::ArrayOperator { symbol, any, sides } => {
                self.closed(|p| p.array_operator(symbol, *any, sides, node))
            }
            Kind::And(args) => self.closed(|p| p.logic(args, " AND ", node)),
            Kind::Or(args) => self.closed(|p| p.logic(args, " OR ", node)),
            Kind::Not(arg) => self.closed(|p| {
                p.put("NOT ");
                p.inner(arg, false, node)
            }),
            Kind::Call { name, args } => {
                self.put(name);
                self.put("(");
                self.nodes(args)?;
                self.put(")");
                Ok(())
            }
            Kind::Cast { arg, implicit, .. } => {
                if *implicit && !casts {
                    self.inner(arg, false, node)
                } else {
                    self.cast(arg, node)
                }
            }
            Kind::Syntax(syntax, args) => self.syntax(syntax, args, node),
            Kind::Aggregate(call) => self.aggregate(call),
            Kind::Windowed { call, window } => self.windowed(call, *window),
            Kind::Grouping(args) => {
                self.put("GROUPING(");
                self.nodes(args)?;
                self.put(")");
                Ok(())
            }
            Kind::Case {
                operand,
                branches,
                otherwise,
            } => self.case(operand.as_deref(), branches, otherwise),
            Kind::Array(items) => {
                self.put("ARRAY[");
                self.nodes(items)?;
                self.put("]");
                if items.is_empty() {
                    let ty = self.type_name(node.ty)?;
                    self.put(&format!("::{ty}"));
                }
                Ok(())
            }
            Kind::Row(items) => self.named_list("ROW(", items),
            Kind::Coalesce(args) => self.named_list("COALESCE(", args),
            Kind::Extreme(word, args) => {
                self.put(word);
                self.named_list("(", args)
            }
            Kind::NullIf(args) => self.named_list("NULLIF(", args.as_ref()),
            Kind::Value(words) => {
                self.put(words);
                Ok(())
            }
            Kind::Test(arg, words) => self.closed(|p| {
                let casts = words.ends_with("NULL");
                p.inner(arg, casts, node)?;
                p.put(" ");
                p.put(words);
                Ok(())
            }),
            Kind::Collate(arg, collation) => self.closed(|p| {
                p.inner(arg, casts, node)?;
                p.put(&format!(" COLLATE {}", quote_ident(collation)));
                Ok(())
            }),
            Kind::Subscript(arg, places) => self.subscript(arg, places),
            Kind::Sublink(link) => self.sublink(link),
        }
    }

    fn named_list(&mut self, word: &str, items: &'q [Node]) -> Sure<()> {
        self.put(word);
        self.nodes(items)?;
        self.put(")");
        Ok(())
    }

    /// In parentheses unless pretty.
    fn closed(&mut self, write: impl FnOnce(&mut Self) -> Sure<()>) -> Sure<()> {
        let pretty = self.layout.pretty;
        self.put(if pretty { "" } else { "(" });
        write(self)?;
        self.put(if pretty { "" } else { ")" });
        Ok(())
    }

    /// A part of `parent`, in parentheses where pretty text needs them.
    fn inner(&mut self, node: &'q Node, casts: bool, parent: &'q Node) -> Sure<()> {
        let closed = self.layout.pretty && !super::simple::is_simple(node, parent);
        self.put(if closed { "(" } else { "" });
        self.node(node, casts)?;
        self.put(if closed { ")" } else { "" });
        Ok(())
    }

    /// What is sorted or grouped by.
    pub(super) fn key(&mut self, node: &'q Node) -> Sure<()> {
        if let Kind::Constant(value) = &node.kind {
            return self.constant(value.as_deref(), node.ty, Label::Always);
        }
        let closed = !node.is_column()
            && (self.layout.pretty
                || matches!(
                    node.kind,
                    Kind::Call { .. }
                        | Kind::Syntax(..)
                        | Kind::Aggregate(_)
                        | Kind::Windowed { .. }
                        | Kind::Cast {
                            form: super::super::tree::CastForm::Function,
                            ..
                        }
                ));
        self.put(if closed { "(" } else { "" });
        self.node(node, true)?;
        self.put(if closed { ")" } else { "" });
        Ok(())
    }

    /// Writes a column; its name without the relation's.
    pub(super) fn column(&mut self, node: &'q Node) -> Sure<String> {
        self.column_within(node, 0)
    }

    fn column_within(&mut self, node: &'q Node, further: usize) -> Sure<String> {
        let Kind::Column {
            up,
            relation,
            column,
        } = &node.kind
        else {
            return Err(Unsure("a column"));
        };
        let up = up + further;
        let space = self.space(up)?;
        let query = space.query;
        let entry = query.relations.get(*relation).ok_or(NO_RELATION)?;
        if let (RelationKind::Join(join), None) = (&entry.kind, &entry.alias)
            && let Some(below) = join.nodes.get(*column)
            && below.is_column()
        {
            return self.column_within(below, up);
        }
        let names = space.columns.get(*relation).ok_or(NO_RELATION)?;
        let name = names.get(*column).unwrap_or("?dropped?column?").to_owned();
        let qualifier = space.names.get(*relation).and_then(Option::as_ref);
        let text = match qualifier {
            Some(qualifier) if !space.query.is_expression => {
                format!("{}.{}", quote_ident(qualifier), quote_ident(&name))
            }
            _ => quote_ident(&name),
        };
        self.put(&text);
        Ok(name)
    }

    fn constant(&mut self, value: Option<&str>, ty: PgType, label: Label) -> Sure<()> {
        let Some(text) = value else {
            self.put("NULL");
            if label != Label::Never {
                let ty = self.type_name(ty)?;
                self.put(&format!("::{ty}"));
            }
            return Ok(());
        };
        let digit = text.starts_with(|c: char| c.is_ascii_digit());
        let bare = match ty {
            PgType::Bool => {
                self.put(if text == "t" { "true" } else { "false" });
                true
            }
            PgType::Int4 if digit => {
                self.put(text);
                true
            }
            PgType::Numeric(_) if digit && text.contains(['.', 'e', 'E']) => {
                self.put(text);
                true
            }
            _ => {
                self.put(&format!("'{}'", text.replace('\'', "''")));
                ty == PgType::Unknown
            }
        };
        if label == Label::Always || (label == Label::IfNeeded && !bare) {
            let ty = self.type_name(ty)?;
            self.put(&format!("::{ty}"));
        }
        Ok(())
    }

    fn operator(&mut self, symbol: &str, args: &'q [Node], node: &'q Node) -> Sure<()> {
        match args {
            [left, right] => {
                self.inner(left, true, node)?;
                self.put(&format!(" {symbol} "));
                self.inner(right, true, node)
            }
            [arg] => {
                self.put(&format!("{symbol} "));
                self.inner(arg, true, node)
            }
            _ => Err(Unsure("an operator")),
        }
    }

    fn array_operator(
        &mut self,
        symbol: &str,
        any: bool,
        sides: &'q [Node; 2],
        node: &'q Node,
    ) -> Sure<()> {
        let [left, right] = sides;
        self.inner(left, true, node)?;
        self.put(&format!(" {symbol} {} (", if any { "ANY" } else { "ALL" }));
        self.inner(right, true, node)?;
        if matches!(right.kind, Kind::Sublink(_)) {
            let ty = self.type_name(right.ty)?;
            self.put(&format!("::{ty}"));
        }
        self.put(")");
        Ok(())
    }

    fn logic(&mut self, args: &'q [Node], word: &str, node: &'q Node) -> Sure<()> {
        for (at, arg) in args.iter().enumerate() {
            if at > 0 {
                self.put(word);
            }
            self.inner(arg, false, node)?;
        }
        Ok(())
    }

    fn cast(&mut self, arg: &'q Node, node: &'q Node) -> Sure<()> {
        match &arg.kind {
            Kind::Constant(value) if arg.ty.oid() == node.ty.oid() && arg.ty.typmod() == -1 => {
                self.constant(value.as_deref(), arg.ty, Label::Never)?;
            }
            _ => {
                self.closed(|p| p.inner(arg, false, node))?;
            }
        }
        let ty = self.type_name(node.ty)?;
        self.put(&format!("::{ty}"));
        Ok(())
    }

    fn case(
        &mut self,
        operand: Option<&'q Node>,
        branches: &'q [(Node, Node)],
        otherwise: &'q Node,
    ) -> Sure<()> {
        self.line("CASE", 0, BRANCH, 0);
        if let Some(operand) = operand {
            self.put(" ");
            self.node(operand, true)?;
        }
        for (when, then) in branches {
            self.line("WHEN ", 0, 0, 0);
            self.node(when, false)?;
            self.put(" THEN ");
            self.node(then, true)?;
        }
        self.line("ELSE ", 0, 0, 0);
        self.node(otherwise, true)?;
        self.line("END", -BRANCH, 0, 0);
        Ok(())
    }

    fn subscript(&mut self, arg: &'q Node, places: &'q [Node]) -> Sure<()> {
        let closed = !arg.is_column();
        self.put(if closed { "(" } else { "" });
        self.node(arg, true)?;
        self.put(if closed { ")" } else { "" });
        for place in places {
            self.put("[");
            self.node(place, false)?;
            self.put("]");
        }
        Ok(())
    }

    fn syntax(&mut self, syntax: &'q Syntax, args: &'q [Node], node: &'q Node) -> Sure<()> {
        let mut args = args.iter();
        let mut next = || args.next().ok_or(Unsure("an argument"));
        match syntax {
            Syntax::Extract(field) => {
                self.put(&format!("EXTRACT({field} FROM "));
                self.node(next()?, false)?;
            }
            Syntax::AtTimeZone => {
                self.put("(");
                self.inner(next()?, false, node)?;
                self.put(" AT TIME ZONE ");
                self.inner(next()?, false, node)?;
            }
            Syntax::Position => {
                self.put("POSITION((");
                self.node(next()?, false)?;
                self.put(") IN (");
                self.node(next()?, false)?;
                self.put(")");
            }
            Syntax::Substring { from, length } => {
                self.put("SUBSTRING(");
                self.node(next()?, false)?;
                if *from {
                    self.put(" FROM ");
                    self.node(next()?, false)?;
                }
                if *length {
                    self.put(" FOR ");
                    self.node(next()?, false)?;
                }
            }
            Syntax::Trim(side) => {
                self.put(&format!("TRIM({side}"));
                let text = next()?;
                if let Ok(what) = next() {
                    self.put(" ");
                    self.node(what, false)?;
                }
                self.put(" FROM ");
                self.node(text, false)?;
            }
            Syntax::Overlay => {
                self.put("OVERLAY(");
                self.node(next()?, false)?;
                self.put(" PLACING ");
                self.node(next()?, false)?;
                self.put(" FROM ");
                self.node(next()?, false)?;
                if let Ok(length) = next() {
                    self.put(" FOR ");
                    self.node(length, false)?;
                }
            }
        }
        self.put(")");
        Ok(())
    }

    fn sublink(&mut self, link: &'q Sublink) -> Sure<()> {
        let array = link.kind == SublinkKind::Array;
        self.put(if array { "ARRAY(" } else { "(" });
        let mut symbol = "";
        if let Some((left, own)) = &link.test {
            match left.as_slice() {
                [one] => self.node(one, true)?,
                many => {
                    self.put("(");
                    self.nodes(many)?;
                    self.put(")");
                }
            }
            symbol = own;
        }
        let words = match link.kind {
            SublinkKind::Exists => "EXISTS (".to_owned(),
            SublinkKind::Any if symbol == "=" => " IN (".to_owned(),
            SublinkKind::Any => format!(" {symbol} ANY ("),
            SublinkKind::All => format!(" {symbol} ALL ("),
            SublinkKind::Value | SublinkKind::Array => String::new(),
        };
        self.put(&words);
        self.query(&Part::plain(&link.query, false))?;
        self.put(if words.is_empty() { ")" } else { "))" });
        Ok(())
    }
}
