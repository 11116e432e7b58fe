//! The Kimberlite server: wires the log, the SQL engine and PostgreSQL's
//! protocol together into one process, and holds its tools.
//!
//! | Module | What it holds |
//! |---|---|
//! | [`cli`] | the command lines of `kimberlite` and `kimberlite-cli` |
//! | [`config`] | `kimberlite.toml` and the environment, checked |
//! | [`dev`], [`start`] | the two ways to run a node |
//! | [`server`] | the life of a node |
//! | [`wire`] | PostgreSQL's wire protocol |
//! | [`http`], [`metrics`] | health, readiness, status, Prometheus |
//! | [`listen`], [`tls`], [`signals`], [`logging`], [`os`] | what a node takes from the operating system |
//! | [`verifier`] | SCRAM verifiers |
//! | [`exit`] | exit statuses |

pub mod cli;
pub mod cluster;
pub mod config;
pub mod dev;
pub mod exit;
pub mod http;
pub mod listen;
pub mod logging;
pub mod metrics;
pub mod os;
pub mod scrub;
pub mod server;
pub mod signals;
pub mod start;
pub mod tls;
pub mod verifier;
pub mod wire;
