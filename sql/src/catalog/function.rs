//! Functions that users define, as the catalog keeps them.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::descriptor::type_code;
use super::names::QualifiedName;
use super::snapshot::Catalog;
use super::user_type::is_of;
use crate::types::PgType;

/// A function.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FunctionDescriptor {
    /// Object identifier.
    pub oid: u32,
    /// Schema that the function is in.
    pub schema: u32,
    /// Function name.
    pub name: String,
    /// Name of the owning role.
    pub owner: String,
    /// What it is given and what it gives, in the order in which they are written.
    pub parameters: Vec<Parameter>,
    /// The type of the result, where it is one value; nothing for rows of the
    /// parameters that are given back.
    #[serde(default)]
    pub returns: Option<ReturnType>,
    /// Whether it gives any number of results.
    pub returns_set: bool,
    /// Whether a NULL argument makes the result NULL without a call.
    pub strict: bool,
    /// How much results depend on more than the arguments.
    pub volatility: FunctionVolatility,
    /// What it does.
    pub body: FunctionBody,
    /// What the planner was told it costs, and how many rows it gives.
    #[serde(default)]
    pub cost: Option<String>,
    /// As `cost`.
    #[serde(default)]
    pub rows: Option<String>,
    /// `PARALLEL`, where it is not UNSAFE.
    #[serde(default)]
    pub parallel: Option<String>,
    /// `LEAKPROOF`.
    #[serde(default)]
    pub leakproof: bool,
}

/// A type that is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReturnType(#[serde(with = "type_code")] pub PgType);

/// A parameter.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Parameter {
    /// Its name, if it has one.
    pub name: Option<String>,
    /// Which way it goes.
    pub mode: ParameterMode,
    /// Its type.
    #[serde(with = "type_code")]
    pub ty: PgType,
    /// What it is when a call leaves it out, as SQL.
    #[serde(default)]
    pub default: Option<String>,
}

/// Which way a parameter goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ParameterMode {
    /// Given.
    In,
    /// Given back.
    Out,
    /// Both.
    InOut,
    /// Any number of further arguments, as an array.
    Variadic,
    /// A column of RETURNS TABLE.
    Table,
}

impl ParameterMode {
    /// Whether a call gives it.
    pub fn is_given(self) -> bool {
        matches!(self, Self::In | Self::InOut | Self::Variadic)
    }

    /// Whether it is part of the result.
    pub fn is_result(self) -> bool {
        matches!(self, Self::Out | Self::InOut | Self::Table)
    }
}

/// How much results depend on more than the arguments.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FunctionVolatility {
    /// Not at all.
    Immutable,
    /// On what the statement sees.
    Stable,
    /// On anything, or it changes something.
    #[default]
    Volatile,
}

/// What a function does.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FunctionBody {
    /// Statements in a string.
    Text(String),
    /// `RETURN` and an expression.
    Return(String),
    /// `BEGIN ATOMIC … END`: the statements.
    Atomic(Vec<String>),
}

impl FunctionDescriptor {
    /// The parameters that a call gives.
    pub fn inputs(&self) -> impl Iterator<Item = &Parameter> {
        self.parameters.iter().filter(|p| p.mode.is_given())
    }

    /// The types of the parameters that a call gives: what tells functions of one
    /// name apart.
    pub fn signature(&self) -> Vec<PgType> {
        self.inputs().map(|p| p.ty).collect()
    }

    /// The columns of its result: names and types.
    pub fn outputs(&self) -> Vec<(String, PgType)> {
        let results = self.parameters.iter().filter(|p| p.mode.is_result());
        let named = |(p, n): (&Parameter, usize)| {
            let name = p.name.clone().unwrap_or_else(|| format!("column{n}"));
            (name, p.ty)
        };
        results.zip(1..).map(named).collect()
    }

    /// Its name and the types of its arguments: `f(integer, text)`.
    pub fn shown(&self) -> String {
        let types: Vec<String> = self
            .inputs()
            .map(|p| p.ty.unmodified().sql_name())
            .collect();
        format!(
            "{}({})",
            crate::query::quote_ident(&self.name),
            types.join(",")
        )
    }

    fn uses(&self, catalog: &Catalog, ty: u32) -> bool {
        let returned = self.returns.iter().map(|r| r.0);
        let mut types = self.parameters.iter().map(|p| p.ty).chain(returned);
        types.any(|part| is_of(catalog.settled(part), ty))
    }
}

impl Catalog {
    /// All functions.
    pub fn functions(&self) -> impl Iterator<Item = &Arc<FunctionDescriptor>> {
        self.functions.values()
    }

    /// The function with this object identifier.
    pub fn function(&self, oid: u32) -> Option<&Arc<FunctionDescriptor>> {
        self.functions.get(&oid)
    }

    /// The functions that a name may mean: those of the first schema along
    /// `search_path` hide those of later ones with the same arguments.
    pub fn functions_named(
        &self,
        name: &QualifiedName,
        search_path: &[String],
    ) -> Vec<&Arc<FunctionDescriptor>> {
        if self.functions.is_empty() {
            return Vec::new();
        }
        let mut found: Vec<&Arc<FunctionDescriptor>> = Vec::new();
        for schema in self.schemas_to_search(name, search_path) {
            let here = self.functions.values();
            for function in here.filter(|f| f.schema == schema && f.name == name.name) {
                if !found.iter().any(|f| f.signature() == function.signature()) {
                    found.push(function);
                }
            }
        }
        found
    }

    /// The function of a schema with this name and these arguments.
    pub fn function_in(
        &self,
        schema: u32,
        name: &str,
        signature: &[PgType],
    ) -> Option<&Arc<FunctionDescriptor>> {
        let same = |f: &&Arc<FunctionDescriptor>| {
            let own = f.signature();
            f.schema == schema
                && f.name == name
                && own.len() == signature.len()
                && own.iter().zip(signature).all(|(a, b)| a.oid() == b.oid())
        };
        self.functions.values().find(same)
    }

    /// The functions that have a type among their arguments or as their result.
    pub(super) fn functions_with(&self, ty: u32) -> Vec<u32> {
        let functions = self.functions.values();
        functions
            .filter(|f| f.uses(self, ty))
            .map(|f| f.oid)
            .collect()
    }
}
