//! Evaluating row expressions.

use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, Int64Array, RecordBatch, RecordBatchOptions};
use arrow::datatypes::{Field, Int64Type, Schema, SchemaRef};
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::common::{DFSchema, Result as DataFusionResult};
use datafusion::execution::SessionState;
use datafusion::logical_expr::Expr;
use datafusion::logical_expr::simplify::SimplifyContext;
use datafusion::optimizer::simplify_expressions::ExprSimplifier;
use datafusion::physical_expr::PhysicalExpr;

use super::super::arrow_value::{array_of_refs, datum_at, scalar_of_datum};
use super::super::error::{external, from_arrow, from_datafusion};
use super::super::plan::{parameter_index, type_metadata};
use super::super::planned::OutputColumn;
use super::super::run::Run;
use super::super::session_info::SessionInfo;
use super::plan::ScalarForm;
use super::{Form, PlannedExpressions, Row};
use crate::error::SqlError;
use crate::types::{Datum, PgType};

/// Rows that are evaluated at once.
const ROWS_AT_ONCE: usize = 1_024;

/// Row expressions that are ready to be evaluated, for one execution of a statement.
#[derive(Debug)]
pub(crate) struct RowEvaluator {
    /// Relation and position of the values of each input column.
    sources: Vec<(usize, usize)>,
    input: SchemaRef,
    levels: Vec<Vec<Arc<dyn PhysicalExpr>>>,
    columns: Vec<PgType>,
}

impl PlannedExpressions {
    /// Makes scalar expressions ready for one execution.
    ///
    /// # Errors
    /// XX000 when they are not scalar; what constant parts of them may fail with.
    pub(crate) fn bind(
        &self,
        session: &Arc<SessionInfo>,
        params: &[Datum],
    ) -> Result<RowEvaluator, SqlError> {
        let Form::Scalar(form) = &self.parts.form else {
            return Err(SqlError::internal("an expression needs a query"));
        };
        let state = self.engine.state_for(session, &self.parts.catalog, None);
        let binding = Binding {
            state: &state,
            types: &self.parts.parameters,
            params,
        };
        let mut levels = Vec::with_capacity(form.levels.len());
        let mut input = &form.input;
        for level in &form.levels {
            let exprs = level.exprs.iter().map(|expr| binding.expr(expr, input));
            levels.push(
                exprs
                    .collect::<DataFusionResult<Vec<_>>>()
                    .map_err(from_datafusion)?,
            );
            input = &level.output;
        }
        Ok(RowEvaluator {
            sources: self.sources(form),
            input: Arc::clone(form.input.inner()),
            levels,
            columns: self.parts.columns.iter().map(|c| c.pg_type).collect(),
        })
    }

    fn sources(&self, form: &ScalarForm) -> Vec<(usize, usize)> {
        let positions = &self.parts.positions;
        let source = |at: &usize| positions.get(*at).copied().unwrap_or_default();
        form.used.iter().map(source).collect()
    }

    /// The values for each of `rows`, subqueries included: these see what `run` sees.
    ///
    /// # Errors
    /// Whatever the expressions fail with.
    pub(crate) async fn evaluate(
        &self,
        rows: &[Row<'_>],
        run: &Run,
    ) -> Result<Vec<Vec<Datum>>, SqlError> {
        let Form::Query { query, relation } = &self.parts.form else {
            return self.bind(&run.session, &run.params)?.evaluate(rows);
        };
        if rows.is_empty() {
            return Ok(Vec::new());
        }
        let numbers = (0i64..).take(rows.len());
        let schema = Arc::clone(&relation.schema);
        let mut arrays = Vec::with_capacity(schema.fields().len());
        for (field, (relation, position)) in schema.fields().iter().zip(&self.parts.positions) {
            arrays.push(column_of(rows, *relation, *position, field)?);
        }
        arrays.push(Arc::new(Int64Array::from_iter_values(numbers)));
        let batch = RecordBatch::try_new(schema, arrays).map_err(from_arrow)?;
        let mut bound = run.bound.as_ref().clone();
        bound.push((relation.name.clone(), batch));
        let run = Run {
            bound: Arc::new(bound),
            ..run.clone()
        };
        let mut stream = query.execute(run).await?;
        let mut results: Vec<Option<Vec<Datum>>> = vec![None; rows.len()];
        while let Some(batch) = stream.next().await {
            place(&batch?, query.columns(), &mut results)?;
        }
        let complete = results.into_iter().collect::<Option<Vec<_>>>();
        complete.ok_or_else(|| SqlError::internal("expressions gave no values for a row"))
    }
}

/// Puts results where their numbers say.
fn place(
    batch: &RecordBatch,
    columns: &[OutputColumn],
    results: &mut [Option<Vec<Datum>>],
) -> Result<(), SqlError> {
    let twice = || SqlError::internal("expressions gave more than one value for a row");
    let numbers = batch
        .columns()
        .last()
        .and_then(|last| last.as_primitive_opt::<Int64Type>())
        .ok_or_else(|| SqlError::internal("results of expressions have no numbers"))?;
    for at in 0..batch.num_rows() {
        let slot = usize::try_from(numbers.value(at))
            .ok()
            .and_then(|number| results.get_mut(number))
            .ok_or_else(twice)?;
        if slot.replace(values_at(batch, at, columns)?).is_some() {
            return Err(twice());
        }
    }
    Ok(())
}

fn values_at(
    batch: &RecordBatch,
    at: usize,
    columns: &[OutputColumn],
) -> Result<Vec<Datum>, SqlError> {
    columns
        .iter()
        .zip(batch.columns())
        .map(|(column, array)| datum_at(array, at, column.pg_type))
        .collect()
}

/// The values of one column of the rows.
fn column_of(
    rows: &[Row<'_>],
    relation: usize,
    position: usize,
    field: &Field,
) -> Result<ArrayRef, SqlError> {
    let values = rows.iter().map(|row| {
        row.get(relation)
            .and_then(|part| part.get(position))
            .unwrap_or(&Datum::Null)
    });
    array_of_refs(values, field.data_type())
}

/// What expressions are made ready with.
struct Binding<'a> {
    state: &'a SessionState,
    types: &'a [PgType],
    params: &'a [Datum],
}

impl Binding<'_> {
    fn expr(&self, expr: &Expr, schema: &Arc<DFSchema>) -> DataFusionResult<Arc<dyn PhysicalExpr>> {
        let expr = expr.clone().transform_up(|part| self.parameter(part))?.data;
        let context = SimplifyContext::builder()
            .with_schema(Arc::clone(schema))
            .with_config_options(Arc::clone(self.state.config_options()))
            .with_query_execution_start_time(
                self.state.execution_props().query_execution_start_time,
            )
            .build();
        let expr = ExprSimplifier::new(context).simplify(expr)?;
        self.state.create_physical_expr(expr, schema)
    }

    fn parameter(&self, expr: Expr) -> DataFusionResult<Transformed<Expr>> {
        let Expr::Placeholder(placeholder) = &expr else {
            return Ok(Transformed::no(expr));
        };
        let index = parameter_index(&placeholder.id).map_err(external)?;
        let (Some(ty), Some(value)) = (self.types.get(index), self.params.get(index)) else {
            return Err(external(SqlError::new(
                crate::error::state::UNDEFINED_PARAMETER,
                format!("there is no parameter {}", placeholder.id),
            )));
        };
        let scalar = scalar_of_datum(value, *ty).map_err(external)?;
        Ok(Transformed::yes(Expr::Literal(
            scalar,
            Some(type_metadata(*ty)),
        )))
    }
}

impl RowEvaluator {
    /// The values for each of `rows`.
    ///
    /// # Errors
    /// Whatever the expressions fail with.
    pub(crate) fn evaluate(&self, rows: &[Row<'_>]) -> Result<Vec<Vec<Datum>>, SqlError> {
        let mut results = Vec::with_capacity(rows.len());
        for rows in rows.chunks(ROWS_AT_ONCE) {
            self.evaluate_some(rows, &mut results)?;
        }
        Ok(results)
    }

    fn evaluate_some(
        &self,
        rows: &[Row<'_>],
        results: &mut Vec<Vec<Datum>>,
    ) -> Result<(), SqlError> {
        let mut arrays = Vec::with_capacity(self.sources.len());
        for (field, (relation, position)) in self.input.fields().iter().zip(&self.sources) {
            arrays.push(column_of(rows, *relation, *position, field)?);
        }
        let mut schema = Arc::clone(&self.input);
        for (depth, level) in self.levels.iter().enumerate() {
            let batch = batch_of(schema, arrays, rows.len())?;
            arrays = level
                .iter()
                .map(|expr| expr.evaluate(&batch)?.into_array(rows.len()))
                .collect::<DataFusionResult<_>>()
                .map_err(from_datafusion)?;
            schema = match depth + 1 < self.levels.len() {
                true => Arc::new(schema_of(&arrays)),
                false => batch.schema(),
            };
        }
        for at in 0..rows.len() {
            let values = self.columns.iter().zip(&arrays);
            let values = values.map(|(ty, array)| datum_at(array, at, *ty));
            results.push(values.collect::<Result<_, _>>()?);
        }
        Ok(())
    }
}

fn batch_of(
    schema: SchemaRef,
    arrays: Vec<ArrayRef>,
    rows: usize,
) -> Result<RecordBatch, SqlError> {
    let options = RecordBatchOptions::new().with_row_count(Some(rows));
    RecordBatch::try_new_with_options(schema, arrays, &options).map_err(from_arrow)
}

/// A schema for what expressions gave. Names do not matter to the next ones, which
/// look columns up by position.
fn schema_of(arrays: &[ArrayRef]) -> Schema {
    let fields = arrays.iter().enumerate();
    Schema::new(
        fields
            .map(|(at, array)| Field::new(format!("c{at}"), array.data_type().clone(), true))
            .collect::<Vec<_>>(),
    )
}
