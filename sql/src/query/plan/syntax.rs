//! Rewrites of the AST before planning.
//!
//! What the planner would ignore or read differently is refused or rewritten
//! here: row locks, FETCH FIRST, number literals (integer before bigint before
//! numeric), names of result columns, operators that are functions.

use std::collections::HashMap;
use std::ops::ControlFlow;

use sqlparser::ast::{
    Distinct, Expr, GroupByExpr, Ident, LimitClause, LockClause, ObjectName, ObjectNamePart,
    OrderBy, OrderByKind, Query, Select, SelectFlavor, SelectItem, SetExpr, SetOperator,
    SetQuantifier, TableAlias, TableAliasColumnDef, TableFactor, TableWithJoins, Value, Values,
    Visit, VisitMut, Visitor, VisitorMut, WildcardAdditionalOptions,
};

use super::PlanContext;
use super::names::{column_name, marked, quoted};
use super::rewrite;
use super::{series_item, using};
use crate::catalog::fold_identifier;
use crate::error::{SqlError, state};

/// Catalog part of a table name that stands for "with hidden columns".
pub(super) const HIDDEN_CATALOG: &str = "\u{1f}hidden";

/// Most rows of a VALUES list in which subqueries are possible.
const VALUES_WITH_SUBQUERIES: usize = 64;

/// A query ready to be planned.
pub(super) struct Prepared {
    pub(super) query: Query,
    /// Row locks the outermost query asks for.
    pub(super) locks: Vec<LockClause>,
}

/// Prepares a query.
///
/// # Errors
/// 0A000 for syntax that is not supported; 42601 where PostgreSQL has none.
pub(super) fn prepare(mut query: Query, context: &PlanContext) -> Result<Prepared, SqlError> {
    let locks = std::mem::take(&mut query.locks);
    let mut names = CteNames(Vec::new());
    let _ = Visit::visit(&query, &mut names);
    let mut preparer = Preparer {
        context,
        depth: 0,
        ctes: names.0,
    };
    match VisitMut::visit(&mut query, &mut preparer) {
        ControlFlow::Continue(()) => Ok(Prepared { query, locks }),
        ControlFlow::Break(error) => Err(error),
    }
}

struct Preparer<'a> {
    context: &'a PlanContext,
    /// How many queries enclose the current place.
    depth: usize,
    /// Names that WITH gives anywhere in the statement.
    ctes: Vec<String>,
}

/// Collects the names that WITH gives.
struct CteNames(Vec<String>);

impl Visitor for CteNames {
    type Break = ();

    fn pre_visit_query(&mut self, query: &Query) -> ControlFlow<()> {
        for cte in query.with.iter().flat_map(|with| &with.cte_tables) {
            self.0.push(fold_identifier(&cte.alias.name));
        }
        ControlFlow::Continue(())
    }
}

/// Runs a step of the visitor.
fn step(result: Result<(), SqlError>) -> ControlFlow<SqlError> {
    match result {
        Ok(()) => ControlFlow::Continue(()),
        Err(error) => ControlFlow::Break(error),
    }
}

impl VisitorMut for Preparer<'_> {
    type Break = SqlError;

    fn pre_visit_query(&mut self, query: &mut Query) -> ControlFlow<SqlError> {
        self.depth += 1;
        step(self.enter_query(query))
    }

    fn post_visit_query(&mut self, query: &mut Query) -> ControlFlow<SqlError> {
        self.depth -= 1;
        restore_order_and_limit(query);
        ControlFlow::Continue(())
    }

    fn pre_visit_select(&mut self, select: &mut Select) -> ControlFlow<SqlError> {
        super::catalog_syntax::before(select, self.context);
        step(refuse_in_select(select))
    }

    fn post_visit_select(&mut self, select: &mut Select) -> ControlFlow<SqlError> {
        restore_select(select);
        super::catalog_syntax::after(select);
        ControlFlow::Continue(())
    }

    fn pre_visit_table_factor(&mut self, factor: &mut TableFactor) -> ControlFlow<SqlError> {
        using::complete_alias(factor, self.context, &self.ctes);
        step(table_factor(factor))
    }

    fn pre_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<SqlError> {
        step(rewrite::before(expr))
    }

    fn post_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<SqlError> {
        step(rewrite::after(expr))
    }
}

impl Preparer<'_> {
    fn enter_query(&self, query: &mut Query) -> Result<(), SqlError> {
        refuse_in_query(query)?;
        fetch_to_limit(query)?;
        if let Some(with) = &mut query.with {
            for cte in &mut with.cte_tables {
                // A recursive term must stay what it is; any other is wrapped so
                // that it is analysed as a whole before it is used.
                let recursive = with.recursive
                    && matches!(cte.query.body.as_ref(), SetExpr::SetOperation { .. });
                if recursive {
                    plain_columns(&mut cte.query.body);
                } else {
                    wrap(&mut cte.query);
                }
            }
        }
        using::name_sides(query, self.context, &self.ctes)?;
        series_item::move_to_from(&mut query.body)?;
        name_columns(&mut query.body, query.order_by.as_ref())?;
        if self.context.hidden_columns
            && self.depth == 1
            && let SetExpr::Select(select) = query.body.as_mut()
        {
            for table in &mut select.from {
                show_hidden(table)?;
            }
        }
        Ok(())
    }
}

fn refuse_in_query(query: &Query) -> Result<(), SqlError> {
    if let Some(lock) = query.locks.first() {
        return Err(SqlError::unsupported(format!("{lock} in a subquery")));
    }
    let unsupported = [
        (query.for_clause.is_some(), "FOR XML/JSON"),
        (query.settings.is_some(), "SETTINGS"),
        (query.format_clause.is_some(), "FORMAT"),
        (!query.pipe_operators.is_empty(), "|>"),
    ];
    for (present, what) in unsupported {
        if present {
            return Err(SqlError::new(
                state::SYNTAX_ERROR,
                format!("syntax error at or near \"{what}\""),
            ));
        }
    }
    Ok(())
}

fn fetch_to_limit(query: &mut Query) -> Result<(), SqlError> {
    let Some(fetch) = query.fetch.take() else {
        return Ok(());
    };
    if fetch.with_ties || fetch.percent {
        return Err(SqlError::unsupported("FETCH FIRST … WITH TIES"));
    }
    let rows = fetch.quantity.unwrap_or_else(|| number("1"));
    match &mut query.limit_clause {
        None => {
            query.limit_clause = Some(LimitClause::LimitOffset {
                limit: Some(rows),
                offset: None,
                limit_by: Vec::new(),
            });
            Ok(())
        }
        Some(LimitClause::LimitOffset {
            limit: limit @ None,
            ..
        }) => {
            *limit = Some(rows);
            Ok(())
        }
        Some(_) => Err(SqlError::new(
            state::SYNTAX_ERROR,
            "multiple LIMIT clauses not allowed",
        )),
    }
}

fn number(digits: &str) -> Expr {
    Expr::Value(Value::Number(digits.to_owned(), false).with_empty_span())
}

/// Makes the columns of both terms of a recursive query mere values, under the
/// names they have.
fn plain_columns(body: &mut SetExpr) {
    match body {
        SetExpr::SetOperation { left, right, .. } => {
            plain_columns(left);
            plain_columns(right);
        }
        SetExpr::Select(select) => {
            for item in &mut select.projection {
                let (expr, alias) = match item {
                    SelectItem::UnnamedExpr(expr) => {
                        let name = column_name(expr);
                        (std::mem::replace(expr, number("0")), quoted(name))
                    }
                    SelectItem::ExprWithAlias { expr, alias } => {
                        (std::mem::replace(expr, number("0")), alias.clone())
                    }
                    _ => continue,
                };
                *item = SelectItem::ExprWithAlias {
                    expr: rewrite::call("__plain", vec![expr]),
                    alias,
                };
            }
        }
        _ => {}
    }
}

/// `query` becomes `SELECT * FROM (query)`.
fn wrap(query: &mut Query) {
    let inner = std::mem::replace(query, query_of(star_from(Vec::new())));
    if let SetExpr::Select(select) = query.body.as_mut() {
        select.from = vec![TableWithJoins {
            relation: TableFactor::Derived {
                lateral: false,
                subquery: Box::new(inner),
                alias: None,
                sample: None,
            },
            joins: Vec::new(),
        }];
    }
}

/// A query that is only a SELECT.
pub(super) fn query_of(select: Select) -> Query {
    Query {
        with: None,
        body: Box::new(SetExpr::Select(Box::new(select))),
        order_by: None,
        limit_clause: None,
        fetch: None,
        locks: Vec::new(),
        for_clause: None,
        settings: None,
        format_clause: None,
        pipe_operators: Vec::new(),
    }
}

/// `SELECT * FROM from`.
pub(super) fn star_from(from: Vec<TableWithJoins>) -> Select {
    Select {
        select_token: sqlparser::ast::helpers::attached_token::AttachedToken::empty(),
        optimizer_hints: Vec::new(),
        distinct: None,
        select_modifiers: None,
        top: None,
        top_before_distinct: false,
        projection: vec![SelectItem::Wildcard(WildcardAdditionalOptions::default())],
        exclude: None,
        into: None,
        from,
        lateral_views: Vec::new(),
        prewhere: None,
        selection: None,
        connect_by: Vec::new(),
        group_by: GroupByExpr::Expressions(Vec::new(), Vec::new()),
        cluster_by: Vec::new(),
        distribute_by: Vec::new(),
        sort_by: Vec::new(),
        having: None,
        named_window: Vec::new(),
        qualify: None,
        window_before_qualify: false,
        value_table_mode: None,
        flavor: SelectFlavor::Standard,
    }
}

fn refuse_in_select(select: &Select) -> Result<(), SqlError> {
    if select.into.is_some() {
        return Err(SqlError::unsupported("SELECT INTO"));
    }
    let unsupported = [
        (select.top.is_some(), "TOP"),
        (select.exclude.is_some(), "EXCLUDE"),
        (!select.lateral_views.is_empty(), "LATERAL VIEW"),
        (select.prewhere.is_some(), "PREWHERE"),
        (!select.connect_by.is_empty(), "CONNECT BY"),
        (!select.cluster_by.is_empty(), "CLUSTER BY"),
        (!select.distribute_by.is_empty(), "DISTRIBUTE BY"),
        (!select.sort_by.is_empty(), "SORT BY"),
        (select.qualify.is_some(), "QUALIFY"),
        (select.value_table_mode.is_some(), "AS STRUCT"),
        (
            matches!(select.group_by, GroupByExpr::All(_)),
            "GROUP BY ALL",
        ),
    ];
    for (present, what) in unsupported {
        if present {
            return Err(SqlError::new(
                state::SYNTAX_ERROR,
                format!("syntax error at or near \"{what}\""),
            ));
        }
    }
    Ok(())
}

/// Names the columns of every SELECT of a set operation, and rewrites `TABLE t`.
fn name_columns(body: &mut SetExpr, order_by: Option<&OrderBy>) -> Result<(), SqlError> {
    match body {
        SetExpr::Select(select) => name_select(select, order_by),
        SetExpr::SetOperation {
            op: op @ (SetOperator::Except | SetOperator::Intersect),
            set_quantifier: SetQuantifier::All,
            ..
        } => Err(SqlError::unsupported(format!("{op} ALL"))),
        SetExpr::SetOperation { left, right, .. } => {
            name_columns(left, None)?;
            name_columns(right, None)
        }
        SetExpr::Table(table) => {
            let mut parts = Vec::new();
            for part in [&table.schema_name, &table.table_name]
                .into_iter()
                .flatten()
            {
                parts.push(ObjectNamePart::Identifier(Ident::new(part.clone())));
            }
            *body = SetExpr::Select(Box::new(star_from(vec![TableWithJoins {
                relation: plain_table(ObjectName(parts)),
                joins: Vec::new(),
            }])));
            Ok(())
        }
        SetExpr::Values(values) => match values_as_selects(values)? {
            Some(selects) => {
                *body = selects;
                name_columns(body, None)
            }
            None => Ok(()),
        },
        SetExpr::Query(_) => Ok(()),
        SetExpr::Insert(_) | SetExpr::Update(_) | SetExpr::Delete(_) | SetExpr::Merge(_) => {
            Err(SqlError::unsupported("a data-modifying statement in WITH"))
        }
    }
}

/// VALUES with subqueries as SELECTs under UNION ALL: the planner computes
/// VALUES before a subquery could have run.
fn values_as_selects(values: &mut Values) -> Result<Option<SetExpr>, SqlError> {
    let subquery = values
        .rows
        .iter()
        .any(|row| row.content.iter().any(has_subquery));
    if !subquery {
        return Ok(None);
    }
    if values.rows.len() > VALUES_WITH_SUBQUERIES {
        return Err(SqlError::unsupported(format!(
            "subqueries in VALUES of more than {VALUES_WITH_SUBQUERIES} rows"
        )));
    }
    let mut width = None;
    let mut union: Option<SetExpr> = None;
    for row in std::mem::take(&mut values.rows) {
        if *width.get_or_insert(row.content.len()) != row.content.len() {
            return Err(SqlError::new(
                state::SYNTAX_ERROR,
                "VALUES lists must all be the same length",
            ));
        }
        let mut select = star_from(Vec::new());
        select.projection = (1..)
            .zip(row.content)
            .map(|(number, expr)| SelectItem::ExprWithAlias {
                expr,
                alias: quoted(format!("column{number}")),
            })
            .collect();
        let select = SetExpr::Select(Box::new(select));
        union = Some(match union {
            None => select,
            Some(before) => SetExpr::SetOperation {
                op: SetOperator::Union,
                set_quantifier: SetQuantifier::All,
                left: Box::new(before),
                right: Box::new(select),
            },
        });
    }
    Ok(union)
}

fn has_subquery(expr: &Expr) -> bool {
    struct Subqueries;
    impl Visitor for Subqueries {
        type Break = ();
        fn pre_visit_query(&mut self, _: &Query) -> ControlFlow<()> {
            ControlFlow::Break(())
        }
    }
    expr.visit(&mut Subqueries).is_break()
}

fn plain_table(name: ObjectName) -> TableFactor {
    TableFactor::Table {
        name,
        alias: None,
        args: None,
        with_hints: Vec::new(),
        version: None,
        with_ordinality: false,
        partitions: Vec::new(),
        json_path: None,
        sample: None,
        index_hints: Vec::new(),
    }
}

/// Gives every column an alias that is unique within the SELECT and shows the
/// name PostgreSQL would choose.
fn name_select(select: &mut Select, order_by: Option<&OrderBy>) -> Result<(), SqlError> {
    let wildcard = select.projection.iter().any(|item| {
        matches!(
            item,
            SelectItem::Wildcard(_) | SelectItem::QualifiedWildcard(..)
        )
    });
    let mut uses: HashMap<String, usize> = HashMap::new();
    let mentioned = Mentioned::of(select, order_by);
    for item in &mut select.projection {
        refuse_string_alias(item)?;
        match item {
            SelectItem::UnnamedExpr(expr) => {
                let name = column_name(expr);
                let count = uses.entry(name.clone()).or_default();
                *count += 1;
                let plain = matches!(expr, Expr::Identifier(_) | Expr::CompoundIdentifier(_));
                if *count == 1 && plain && !wildcard {
                    continue;
                }
                let hidden = *count > 1 || wildcard || (!plain && mentioned.has(&name));
                let alias = if hidden { marked(&name, *count) } else { name };
                let expr = std::mem::replace(expr, number("0"));
                *item = SelectItem::ExprWithAlias {
                    expr,
                    alias: quoted(alias),
                };
            }
            SelectItem::ExprWithAlias { alias, .. } => {
                let name = fold_identifier(alias);
                let count = uses.entry(name.clone()).or_default();
                *count += 1;
                *alias = if *count > 1 {
                    quoted(marked(&name, *count))
                } else {
                    quoted(name)
                };
            }
            SelectItem::ExprWithAliases { .. } => {
                return Err(SqlError::unsupported("several aliases for one column"));
            }
            SelectItem::Wildcard(_) | SelectItem::QualifiedWildcard(..) => {}
        }
    }
    Ok(())
}

/// The parser takes a string for an alias, which PostgreSQL never does.
fn refuse_string_alias(item: &SelectItem) -> Result<(), SqlError> {
    match item {
        SelectItem::ExprWithAlias { alias, .. } if alias.quote_style == Some('\'') => {
            Err(SqlError::new(
                state::SYNTAX_ERROR,
                format!("syntax error at or near \"'{}'\"", alias.value),
            ))
        }
        _ => Ok(()),
    }
}

/// Names used where the planner would take an alias for an input column:
/// HAVING, and expressions in ORDER BY that are more than a name.
struct Mentioned(Vec<String>);

impl Mentioned {
    fn of(select: &Select, order_by: Option<&OrderBy>) -> Self {
        let mut found = Self(Vec::new());
        if let Some(having) = &select.having {
            let _ = having.visit(&mut found);
        }
        if let Some(OrderBy {
            kind: OrderByKind::Expressions(exprs),
            ..
        }) = order_by
        {
            for item in exprs {
                if !matches!(item.expr, Expr::Identifier(_)) {
                    let _ = item.expr.visit(&mut found);
                }
            }
        }
        found
    }

    fn has(&self, name: &str) -> bool {
        self.0.iter().any(|n| n == name)
    }
}

impl Visitor for Mentioned {
    type Break = ();

    fn pre_visit_expr(&mut self, expr: &Expr) -> ControlFlow<()> {
        if let Expr::Identifier(ident) = expr {
            self.0.push(fold_identifier(ident));
        }
        ControlFlow::Continue(())
    }
}

/// Marks the tables of the outermost FROM as showing their hidden columns.
fn show_hidden(table: &mut TableWithJoins) -> Result<(), SqlError> {
    show_hidden_in(&mut table.relation)?;
    for join in &mut table.joins {
        show_hidden_in(&mut join.relation)?;
    }
    Ok(())
}

fn show_hidden_in(factor: &mut TableFactor) -> Result<(), SqlError> {
    match factor {
        TableFactor::Table {
            name,
            alias,
            args: None,
            ..
        } => {
            let Some(ObjectNamePart::Identifier(table)) = name.0.last().cloned() else {
                return Err(SqlError::unsupported(format!("table name {name}")));
            };
            let schema = match name.0.len().checked_sub(2).and_then(|i| name.0.get(i)) {
                Some(ObjectNamePart::Identifier(schema)) => quoted(fold_identifier(schema)),
                _ => quoted(""),
            };
            if alias.is_none() {
                *alias = Some(TableAlias {
                    explicit: true,
                    name: quoted(fold_identifier(&table)),
                    columns: Vec::new(),
                    at: None,
                });
            }
            *name = ObjectName(vec![
                ObjectNamePart::Identifier(quoted(HIDDEN_CATALOG)),
                ObjectNamePart::Identifier(schema),
                ObjectNamePart::Identifier(table),
            ]);
            Ok(())
        }
        TableFactor::NestedJoin {
            table_with_joins, ..
        } => show_hidden(table_with_joins),
        _ => Ok(()),
    }
}

/// Functions in FROM name their column after themselves or their alias.
fn table_factor(factor: &mut TableFactor) -> Result<(), SqlError> {
    match factor {
        TableFactor::Table {
            name,
            alias,
            args: Some(_),
            with_ordinality,
            ..
        } => {
            if *with_ordinality {
                return Err(SqlError::unsupported("WITH ORDINALITY"));
            }
            if let Some(last) = name.0.pop() {
                name.0 = vec![last];
            }
            let function = name
                .0
                .first()
                .and_then(ObjectNamePart::as_ident)
                .map(fold_identifier);
            name_function_column(alias, &function.unwrap_or_default());
            Ok(())
        }
        TableFactor::Table {
            with_ordinality: true,
            ..
        } => Err(SqlError::unsupported("WITH ORDINALITY")),
        TableFactor::Table {
            sample: Some(_), ..
        } => Err(SqlError::unsupported("TABLESAMPLE")),
        TableFactor::Function {
            with_ordinality: true,
            ..
        }
        | TableFactor::UNNEST {
            with_ordinality: true,
            ..
        } => Err(SqlError::unsupported("WITH ORDINALITY")),
        TableFactor::Function { name, alias, .. } => {
            let function = name
                .0
                .last()
                .and_then(ObjectNamePart::as_ident)
                .map(fold_identifier);
            name_function_column(alias, &function.unwrap_or_default());
            Ok(())
        }
        TableFactor::UNNEST {
            alias, array_exprs, ..
        } => {
            if array_exprs.len() == 1 {
                name_function_column(alias, "unnest");
            }
            Ok(())
        }
        TableFactor::Derived {
            sample: Some(_), ..
        } => Err(SqlError::unsupported("TABLESAMPLE")),
        _ => Ok(()),
    }
}

fn name_function_column(alias: &mut Option<TableAlias>, function: &str) {
    let alias = alias.get_or_insert_with(|| TableAlias {
        explicit: true,
        name: quoted(function),
        columns: Vec::new(),
        at: None,
    });
    if alias.columns.is_empty() {
        alias.columns.push(TableAliasColumnDef {
            name: alias.name.clone(),
            data_type: None,
        });
    }
}

/// Numbers in ORDER BY are positions, and LIMIT wants plain numbers.
fn restore_order_and_limit(query: &mut Query) {
    if let Some(OrderBy {
        kind: OrderByKind::Expressions(exprs),
        ..
    }) = &mut query.order_by
    {
        for item in exprs {
            rewrite::restore_literal(&mut item.expr);
        }
    }
    match &mut query.limit_clause {
        Some(LimitClause::LimitOffset { limit, offset, .. }) => {
            if let Some(limit) = limit {
                rewrite::restore_literal(limit);
            }
            if let Some(offset) = offset {
                rewrite::restore_literal(&mut offset.value);
            }
        }
        Some(LimitClause::OffsetCommaLimit { offset, limit }) => {
            rewrite::restore_literal(offset);
            rewrite::restore_literal(limit);
        }
        None => {}
    }
}

/// Numbers in GROUP BY and DISTINCT ON are positions.
fn restore_select(select: &mut Select) {
    if let GroupByExpr::Expressions(exprs, _) = &mut select.group_by {
        exprs.iter_mut().for_each(rewrite::restore_literal);
    }
    if let Some(Distinct::On(exprs)) = &mut select.distinct {
        exprs.iter_mut().for_each(rewrite::restore_literal);
    }
    for window in &mut select.named_window {
        if let sqlparser::ast::NamedWindowExpr::WindowSpec(spec) = &mut window.1 {
            rewrite::restore_frame(spec);
        }
    }
}
