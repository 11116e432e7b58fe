//! Calls of functions.

use sqlparser::ast::{
    DuplicateTreatment, Function, FunctionArg, FunctionArgExpr, FunctionArgumentClause,
    FunctionArgumentList, FunctionArguments, OrderByExpr,
};

use super::super::tree::{Aggregate, Kind, Node, Sort, SortKey, SublinkKind};
use super::super::{Sure, Unsure};
use super::Resolver;
use super::call_types::{aggregate_types, set_types, window_types};
use super::coerce::common_type;
use super::query::sorted;
use crate::catalog::{QualifiedName, fold_identifier};
use crate::query::{call_signature, is_aggregate, quote_ident};
use crate::types::PgType;

/// A call of what is not known well enough.
const UNSURE: Unsure = Unsure("a function");

impl Resolver<'_> {
    pub(super) fn call(&mut self, function: &Function) -> Sure<Node> {
        let last = function.name.0.last().and_then(|part| part.as_ident());
        let name = last.map(fold_identifier).ok_or(UNSURE)?;
        let unusual = function.uses_odbc_syntax
            || !matches!(function.parameters, FunctionArguments::None)
            || function.null_treatment.is_some()
            || name.contains('\u{1f}');
        if unusual {
            return Err(UNSURE);
        }
        let list = match &function.args {
            FunctionArguments::None => return value_function(&name, None).ok_or(UNSURE),
            FunctionArguments::Subquery(query) if name == "array" => {
                return self.value_of(SublinkKind::Array, query);
            }
            FunctionArguments::Subquery(_) => return Err(UNSURE),
            FunctionArguments::List(list) => list,
        };
        if let Some(node) = self.user_function(function, list)? {
            return Ok(node);
        }
        let qualified = match function.name.0.as_slice() {
            [_] => false,
            [schema, _] => {
                let schema = schema.as_ident().map(fold_identifier);
                if schema.as_deref() != Some("pg_catalog") {
                    return Err(UNSURE);
                }
                true
            }
            _ => return Err(UNSURE),
        };
        let aggregate =
            (is_aggregate(&name) && name != "grouping") || !function.within_group.is_empty();
        if aggregate || function.over.is_some() {
            return self.aggregate_call(&name, function, list);
        }
        let plain = list.duplicate_treatment.is_none()
            && list.clauses.is_empty()
            && function.filter.is_none();
        if !plain {
            return Err(UNSURE);
        }
        let args = self.arguments(&list.args)?;
        if let [arg] = args.as_slice()
            && !qualified
            && let Kind::Constant(Some(digits)) = &arg.kind
            && let Some(node) = value_function(&name, Some(digits))
        {
            return Ok(node);
        }
        match name.as_str() {
            _ if qualified => self.named(&name, args),
            "coalesce" => self.common(args, Kind::Coalesce),
            "greatest" => self.common(args, |args| Kind::Extreme("GREATEST", args)),
            "least" => self.common(args, |args| Kind::Extreme("LEAST", args)),
            "nullif" => {
                let [left, right] = args.try_into().map_err(|_| UNSURE)?;
                let sides = self.compared("=", left, right)?;
                let ty = sides.first().map_or(PgType::Text, |node| node.ty);
                Ok(Node::new(Kind::NullIf(Box::new(sides)), ty))
            }
            "grouping" => Ok(Node::new(Kind::Grouping(args), PgType::Int4)),
            "row" => {
                if args.iter().any(|arg| arg.ty == PgType::Unknown) {
                    return Err(UNSURE);
                }
                // A row of no type that has a name.
                Ok(Node::new(Kind::Row(args), PgType::Void))
            }
            name => self.named(name, args),
        }
    }

    /// The arguments of a call that names none of them.
    fn arguments(&mut self, args: &[FunctionArg]) -> Sure<Vec<Node>> {
        let mut nodes = Vec::with_capacity(args.len());
        for arg in args {
            let FunctionArg::Unnamed(FunctionArgExpr::Expr(expr)) = arg else {
                return Err(Unsure("an argument"));
            };
            nodes.push(self.expr(expr)?);
        }
        Ok(nodes)
    }

    fn common(&self, args: Vec<Node>, kind: impl FnOnce(Vec<Node>) -> Kind) -> Sure<Node> {
        let types: Vec<PgType> = args.iter().map(|arg| arg.ty).collect();
        let ty = common_type(&types)?;
        let args = args.into_iter().map(|arg| self.coerce(arg, ty));
        Ok(Node::new(kind(args.collect::<Sure<_>>()?), ty))
    }

    /// A call of a function of the system by name.
    pub(super) fn named(&self, name: &str, args: Vec<Node>) -> Sure<Node> {
        let types: Vec<PgType> = args.iter().map(|arg| arg.ty).collect();
        let (wanted, gives) = match set_types(name, &types) {
            Some(known) => known?,
            None => call_signature(name, &types).ok_or(UNSURE)?,
        };
        let args = self.as_wanted(args, &wanted)?;
        let name = quote_ident(name);
        Ok(Node::new(Kind::Call { name, args }, gives))
    }

    /// Arguments cast to the types that are wanted; nothing where any will do.
    fn as_wanted(&self, args: Vec<Node>, wanted: &[Option<PgType>]) -> Sure<Vec<Node>> {
        if wanted.len() != args.len() {
            return Err(UNSURE);
        }
        let cast = |(node, ty): (Node, &Option<PgType>)| match ty {
            Some(ty) => self.coerce(node, *ty),
            None => Ok(node),
        };
        args.into_iter().zip(wanted).map(cast).collect()
    }

    /// A call of a function that a user made.
    fn user_function(
        &mut self,
        function: &Function,
        list: &FunctionArgumentList,
    ) -> Sure<Option<Node>> {
        let name = QualifiedName::from_ast(&function.name, &self.facts.session.database)
            .map_err(|_| UNSURE)?;
        let catalog = self.facts.catalog;
        let path = &self.facts.session.search_path;
        let found = catalog.functions_named(&name, path);
        let found = match found.as_slice() {
            [] => return Ok(None),
            [one] => *one,
            _ => return Err(UNSURE),
        };
        let plain = list.duplicate_treatment.is_none()
            && list.clauses.is_empty()
            && function.filter.is_none()
            && function.over.is_none()
            && function.within_group.is_empty()
            && found.outputs().is_empty();
        let types = found.signature();
        if !plain || call_signature(&name.name, &types).is_some() {
            return Err(UNSURE);
        }
        let types: Vec<PgType> = types.into_iter().map(|ty| catalog.settled(ty)).collect();
        let gives = found.returns.ok_or(UNSURE)?.0;
        let gives = catalog.settled(gives);
        if matches!(gives, PgType::Composite(_)) {
            return Err(UNSURE);
        }
        let args = self.arguments(&list.args)?;
        let wanted: Vec<Option<PgType>> = types.into_iter().map(Some).collect();
        let args = self.as_wanted(args, &wanted)?;
        let bare = QualifiedName {
            schema: None,
            name: found.name.clone(),
        };
        let seen = catalog.functions_named(&bare, path);
        let own = quote_ident(&found.name);
        let name = match seen.iter().any(|f| f.oid == found.oid) {
            true => own,
            false => format!(
                "{}.{own}",
                quote_ident(self.facts.schema_name(found.schema))
            ),
        };
        Ok(Some(Node::new(Kind::Call { name, args }, gives)))
    }

    /// A call of an aggregate or over a window.
    fn aggregate_call(
        &mut self,
        name: &str,
        function: &Function,
        list: &FunctionArgumentList,
    ) -> Sure<Node> {
        let star = matches!(
            list.args.as_slice(),
            [FunctionArg::Unnamed(FunctionArgExpr::Wildcard)]
        );
        let args = match star {
            true => Vec::new(),
            false => self.arguments(&list.args)?,
        };
        let within = !function.within_group.is_empty();
        let mut order = self.sorts(&function.within_group)?;
        for clause in &list.clauses {
            match clause {
                FunctionArgumentClause::OrderBy(items) if !within => {
                    order.extend(self.sorts(items)?);
                }
                _ => return Err(UNSURE),
            }
        }
        let types: Vec<PgType> = args.iter().map(|arg| arg.ty).collect();
        let known = match (&function.over, is_aggregate(name)) {
            (Some(_), aggregate) if !aggregate || window_types(name, &types).is_ok() => {
                window_types(name, &types)?
            }
            _ if within => {
                let keys: Vec<PgType> = order.iter().map(sort_type).collect();
                super::call_types::ordered_types(name, &types, &keys)?
            }
            _ => aggregate_types(name, &types, star)?,
        };
        let (wanted, gives) = known;
        let args = self.as_wanted(args, &wanted)?;
        if within {
            order = self.ordered_keys(name, order)?;
        }
        let filter = function.filter.as_deref();
        let call = Aggregate {
            name: quote_ident(name),
            distinct: list.duplicate_treatment == Some(DuplicateTreatment::Distinct),
            star,
            args,
            order,
            within,
            filter: filter.map(|expr| self.condition(expr)).transpose()?,
        };
        let call = Box::new(call);
        let kind = match &function.over {
            None => Kind::Aggregate(call),
            Some(over) => Kind::Windowed {
                window: self.over(over)?,
                call,
            },
        };
        Ok(Node::new(kind, gives))
    }

    fn sorts(&mut self, items: &[OrderByExpr]) -> Sure<Vec<Sort>> {
        items
            .iter()
            .map(|item| {
                let node = self.expr(&item.expr)?;
                Ok(sorted(SortKey::Node(self.settled(node)?), item))
            })
            .collect()
    }

    /// What an ordered-set aggregate sorts, cast as it needs.
    fn ordered_keys(&self, name: &str, order: Vec<Sort>) -> Sure<Vec<Sort>> {
        if name != "percentile_cont" {
            return Ok(order);
        }
        let cast = |sort: Sort| match sort.key {
            SortKey::Node(node) if node.ty != PgType::Interval => Ok(Sort {
                key: SortKey::Node(self.coerce(node, PgType::Float8)?),
                ..sort
            }),
            key => Ok(Sort { key, ..sort }),
        };
        order.into_iter().map(cast).collect()
    }
}

fn sort_type(sort: &Sort) -> PgType {
    match &sort.key {
        SortKey::Node(node) => node.ty,
        SortKey::Column(_) => PgType::Unknown,
    }
}

/// `CURRENT_DATE` and the like, some with a number of digits.
fn value_function(name: &str, digits: Option<&str>) -> Option<Node> {
    let (ty, rounded) = match name {
        "current_date" => (PgType::Date, false),
        "current_time" => (PgType::Timetz, true),
        "current_timestamp" => (PgType::Timestamptz, true),
        "localtime" => (PgType::Time, true),
        "localtimestamp" => (PgType::Timestamp, true),
        "current_user" | "current_role" | "session_user" | "user" | "current_catalog"
        | "current_schema" => (PgType::Name, false),
        _ => return None,
    };
    let words = name.to_ascii_uppercase();
    let words = match digits {
        None => words,
        Some(digits) if rounded => format!("{words}({digits})"),
        Some(_) => return None,
    };
    Some(Node::new(Kind::Value(words), ty))
}
