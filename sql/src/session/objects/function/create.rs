//! CREATE FUNCTION.

use sqlparser::ast::DataType;

use super::super::super::Session;
use super::{CreateFunction, FunctionOption, Returns};
use crate::catalog::{
    Catalog, CatalogChange, CatalogEntry, FunctionDescriptor, FunctionVolatility, Parameter,
    ParameterMode, ReturnType, fold_identifier,
};
use crate::error::{SqlError, state};
use crate::routine::{Body, check_body, check_default};
use crate::txn::Layer;
use crate::types::PgType;

/// Most arguments a function may have (PostgreSQL's limit).
const MOST_ARGUMENTS: usize = 100;
/// Types that stand for others in PostgreSQL.
const POLYMORPHIC: [&str; 9] = [
    "anyelement",
    "anyarray",
    "anynonarray",
    "anyenum",
    "anyrange",
    "anycompatible",
    "anycompatiblearray",
    "anycompatiblenonarray",
    "any",
];

fn invalid(message: impl Into<String>) -> SqlError {
    SqlError::new(state::INVALID_FUNCTION_DEFINITION, message)
}

impl Session {
    pub(super) async fn create_function(
        &mut self,
        create: &CreateFunction,
    ) -> Result<String, SqlError> {
        let tag = "CREATE FUNCTION";
        let mut catalog = self.catalog_to_change(tag).await?;
        check_language(create)?;
        let (schema, name) = self.creation_schema(&create.name, &catalog)?;
        let mut function = FunctionDescriptor {
            oid: 0,
            schema,
            name,
            owner: self.user.clone(),
            parameters: self.written_parameters(create, &catalog)?,
            returns: None,
            returns_set: false,
            strict: false,
            volatility: FunctionVolatility::Volatile,
            body: create
                .body
                .clone()
                .ok_or_else(|| invalid("no function body specified"))?,
            cost: None,
            rows: None,
            parallel: None,
            leakproof: false,
        };
        apply_options(&create.options, &mut function);
        self.set_result(create, &mut function, &catalog)?;
        check_names(&function)?;
        let old = catalog
            .function_in(schema, &function.name, &function.signature())
            .cloned();
        match &old {
            Some(_) if !create.or_replace => {
                return Err(SqlError::new(
                    state::DUPLICATE_FUNCTION,
                    format!(
                        "function \"{}\" already exists with same argument types",
                        function.name
                    ),
                ));
            }
            Some(old) => {
                check_replacement(old, &function)?;
                function.oid = old.oid;
                function.owner.clone_from(&old.owner);
            }
            None => function.oid = catalog.allocate_oid(),
        }
        self.check_defaults(&function)?;
        let body = Body::read(&function, &catalog, self.settings.search_path())?;
        let change = CatalogChange::Put(CatalogEntry::Function(Box::new(function.clone())));
        let mut planning = self.planning()?;
        // It may call itself.
        let mut with_it = catalog.clone();
        with_it.apply(&change);
        planning.catalog = std::sync::Arc::new(with_it);
        check_body(&body, &function, &planning)?;
        self.change_catalog(catalog, vec![change], Layer::default())?;
        Ok(tag.to_owned())
    }

    /// The type of a parameter or of a result.
    fn routine_type(&self, data_type: &DataType, catalog: &Catalog) -> Result<PgType, SqlError> {
        let name = data_type.to_string().to_lowercase();
        let bare = name.strip_prefix("pg_catalog.").unwrap_or(&name);
        if POLYMORPHIC.contains(&bare) {
            return Err(SqlError::unsupported(format!("functions of type {bare}")));
        }
        if matches!(bare, "trigger" | "event_trigger" | "internal" | "cstring") {
            return Err(SqlError::unsupported(format!("functions of type {bare}")));
        }
        let ty = catalog.type_of_ast(data_type, self.settings.search_path())?;
        // The length or precision of a parameter says nothing.
        Ok(match ty {
            PgType::Domain(_) => ty,
            ty => ty.unmodified(),
        })
    }

    fn written_parameters(
        &self,
        create: &CreateFunction,
        catalog: &Catalog,
    ) -> Result<Vec<Parameter>, SqlError> {
        let mut parameters = Vec::with_capacity(create.parameters.len());
        let mut defaults = false;
        for written in &create.parameters {
            let ty = self.routine_type(&written.data_type, catalog)?;
            if ty == PgType::Void {
                return Err(invalid("SQL functions cannot have arguments of type void"));
            }
            if written.mode == ParameterMode::Variadic && ty.element().is_none() {
                return Err(invalid("VARIADIC parameter must be an array"));
            }
            if written.mode.is_given() {
                if written.default.is_none() && defaults {
                    return Err(invalid(
                        "input parameters after one with a default value must also have defaults",
                    ));
                }
                defaults = written.default.is_some();
            } else if written.default.is_some() {
                return Err(invalid("only input parameters can have default values"));
            }
            parameters.push(Parameter {
                name: written.name.as_ref().map(fold_identifier),
                mode: written.mode,
                ty,
                default: written.default.as_ref().map(ToString::to_string),
            });
        }
        if parameters.len() > MOST_ARGUMENTS {
            return Err(SqlError::new(
                state::TOO_MANY_ARGUMENTS,
                format!("functions cannot have more than {MOST_ARGUMENTS} arguments"),
            ));
        }
        let variadic = parameters
            .iter()
            .filter(|p| p.mode.is_given())
            .position(|p| p.mode == ParameterMode::Variadic);
        let inputs = parameters.iter().filter(|p| p.mode.is_given()).count();
        if variadic.is_some_and(|at| at + 1 != inputs) {
            return Err(invalid(
                "VARIADIC parameter must be the last input parameter",
            ));
        }
        Ok(parameters)
    }

    fn set_result(
        &self,
        create: &CreateFunction,
        function: &mut FunctionDescriptor,
        catalog: &Catalog,
    ) -> Result<(), SqlError> {
        let outputs = |f: &FunctionDescriptor| -> Vec<PgType> {
            let outputs = f.parameters.iter().filter(|p| p.mode.is_result());
            outputs.map(|p| p.ty).collect()
        };
        match &create.returns {
            Some(Returns::Table(columns)) => {
                if !outputs(function).is_empty() {
                    return Err(invalid(
                        "OUT and INOUT arguments aren't allowed in TABLE functions",
                    ));
                }
                for (name, data_type) in columns {
                    function.parameters.push(Parameter {
                        name: Some(fold_identifier(name)),
                        mode: ParameterMode::Table,
                        ty: self.routine_type(data_type, catalog)?,
                        default: None,
                    });
                }
                function.returns_set = true;
                if let [one] = outputs(function).as_slice() {
                    function.returns = Some(ReturnType(*one));
                }
            }
            Some(Returns::Type(data_type, set)) => {
                function.returns_set = *set;
                let record = data_type.to_string().eq_ignore_ascii_case("record");
                let outs = outputs(function);
                if record {
                    if outs.len() < 2 {
                        return Err(match outs.as_slice() {
                            [one] => invalid(format!(
                                "function result type must be {} because of OUT parameters",
                                one.sql_name()
                            )),
                            _ => SqlError::unsupported("functions that return record"),
                        });
                    }
                    return Ok(());
                }
                let ty = self.routine_type(data_type, catalog)?;
                match outs.as_slice() {
                    [] => {}
                    [one] if one.oid() == ty.oid() => {}
                    [one] => {
                        return Err(invalid(format!(
                            "function result type must be {} because of OUT parameters",
                            one.sql_name()
                        )));
                    }
                    _ => {
                        return Err(invalid(
                            "function result type must be record because of OUT parameters",
                        ));
                    }
                }
                function.returns = Some(ReturnType(ty));
            }
            None => match outputs(function).as_slice() {
                [] => return Err(invalid("function result type must be specified")),
                [one] => function.returns = Some(ReturnType(*one)),
                _ => {}
            },
        }
        Ok(())
    }

    /// The defaults must be what their parameters can be.
    fn check_defaults(&mut self, function: &FunctionDescriptor) -> Result<(), SqlError> {
        let planning = self.planning()?;
        for parameter in &function.parameters {
            let Some(text) = &parameter.default else {
                continue;
            };
            check_default(text, parameter.ty, &planning)?;
        }
        Ok(())
    }
}

/// Only functions in SQL can be run.
fn check_language(create: &CreateFunction) -> Result<(), SqlError> {
    match create.language.as_deref() {
        Some("sql") => Ok(()),
        Some(language @ ("plpgsql" | "c" | "internal")) => {
            Err(SqlError::unsupported(format!("LANGUAGE {language}")))
        }
        Some(language) => Err(SqlError::new(
            state::UNDEFINED_OBJECT,
            format!("language \"{language}\" does not exist"),
        )),
        None => match &create.body {
            Some(crate::catalog::FunctionBody::Text(_)) | None => {
                Err(invalid("no language specified"))
            }
            Some(_) => Ok(()),
        },
    }
}

pub(super) fn apply_options(options: &[FunctionOption], function: &mut FunctionDescriptor) {
    for option in options {
        match option {
            FunctionOption::Volatility(volatility) => function.volatility = *volatility,
            FunctionOption::Strict(strict) => function.strict = *strict,
            FunctionOption::Leakproof(leakproof) => function.leakproof = *leakproof,
            FunctionOption::Invoker => {}
            FunctionOption::Parallel(word) => function.parallel = Some(word.clone()),
            FunctionOption::Cost(cost) => function.cost = Some(cost.clone()),
            FunctionOption::Rows(rows) => function.rows = Some(rows.clone()),
        }
    }
}

/// Names of the parameters that a body can tell apart.
fn check_names(function: &FunctionDescriptor) -> Result<(), SqlError> {
    let parameters = &function.parameters;
    for (at, parameter) in parameters.iter().enumerate() {
        let Some(name) = &parameter.name else {
            continue;
        };
        let same = |other: &&Parameter| {
            // What is given and what is given back may share a name, but not within
            // a TABLE.
            other.name.as_ref() == Some(name)
                && (other.mode.is_given() == parameter.mode.is_given()
                    || other.mode == ParameterMode::Table
                    || parameter.mode == ParameterMode::Table
                    || other.mode == ParameterMode::InOut
                    || parameter.mode == ParameterMode::InOut)
        };
        if parameters.iter().take(at).any(|other| same(&other)) {
            return Err(invalid(format!(
                "parameter name \"{name}\" used more than once"
            )));
        }
    }
    Ok(())
}

/// CREATE OR REPLACE keeps what others rely on.
fn check_replacement(old: &FunctionDescriptor, new: &FunctionDescriptor) -> Result<(), SqlError> {
    let hint = || format!("Use DROP FUNCTION {} first.", old.shown());
    let same_result = old.returns_set == new.returns_set
        && old.returns.map(|r| r.0.oid()) == new.returns.map(|r| r.0.oid());
    if !same_result {
        return Err(invalid("cannot change return type of existing function").hint(hint()));
    }
    let outputs = |f: &FunctionDescriptor| -> Vec<(String, u32)> {
        f.outputs().into_iter().map(|(n, t)| (n, t.oid())).collect()
    };
    if outputs(old) != outputs(new) {
        return Err(invalid("cannot change return type of existing function")
            .detail("Row type defined by OUT parameters is different.")
            .hint(hint()));
    }
    for (old_one, new_one) in old.inputs().zip(new.inputs()) {
        if let Some(name) = &old_one.name
            && new_one.name.as_ref() != Some(name)
        {
            return Err(
                invalid(format!("cannot change name of input parameter \"{name}\"")).hint(hint()),
            );
        }
        if old_one.default.is_some() && new_one.default.is_none() {
            return Err(
                invalid("cannot remove parameter defaults from existing function").hint(hint()),
            );
        }
    }
    Ok(())
}
