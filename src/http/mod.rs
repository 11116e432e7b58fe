//! The two small HTTP servers of a node: health and metrics.
//!
//! | Port | Path | Answers |
//! |---|---|---|
//! | 8080 | `/health` | 200 while the process lives |
//! | 8080 | `/ready` | 200 when clients are served, else 503 with the reason |
//! | 8080 | `/status` | one JSON object about the node, for `kimberlite-cli status` |
//! | 9090 | `/metrics` | Prometheus text format 0.0.4 |
//!
//! They carry no tenant data and ask for no password. They start before the
//! store opens, so that a long replay is visible, and stop after it closed.

mod bounded;
mod status;

use std::sync::Arc;

use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

pub use status::{Figures, NodeStatus, Phase};

use crate::metrics::Metrics;

/// Serves `/health`, `/ready` and `/status` until `stop`.
///
/// # Errors
/// What the operating system said of the listening socket.
pub async fn serve_health(
    listener: TcpListener,
    status: Arc<NodeStatus>,
    stop: CancellationToken,
) -> std::io::Result<()> {
    let router = Router::new()
        .route("/health", get(health))
        .route("/ready", get(ready))
        .route("/status", get(report))
        .with_state(status);
    serve(listener, router, stop).await
}

/// Serves `/metrics` until `stop`.
///
/// # Errors
/// What the operating system said of the listening socket.
pub async fn serve_metrics(
    listener: TcpListener,
    metrics: Arc<Metrics>,
    stop: CancellationToken,
) -> std::io::Result<()> {
    let router = Router::new()
        .route("/metrics", get(scrape))
        .with_state(metrics);
    serve(listener, router, stop).await
}

async fn serve(
    listener: TcpListener,
    router: Router,
    stop: CancellationToken,
) -> std::io::Result<()> {
    axum::serve(bounded::BoundedListener::new(listener), router)
        .with_graceful_shutdown(stop.cancelled_owned())
        .await
}

async fn health() -> Json<serde_json::Value> {
    Json(serde_json::json!({ "status": "ok" }))
}

async fn ready(State(status): State<Arc<NodeStatus>>) -> (StatusCode, Json<serde_json::Value>) {
    let phase = status.phase();
    let code = match phase {
        Phase::Ready => StatusCode::OK,
        _ => StatusCode::SERVICE_UNAVAILABLE,
    };
    let body = serde_json::json!({ "status": phase.name(), "detail": phase.detail() });
    (code, Json(body))
}

async fn report(State(status): State<Arc<NodeStatus>>) -> Json<serde_json::Value> {
    Json(status.report())
}

async fn scrape(State(metrics): State<Arc<Metrics>>) -> Response {
    match metrics.render() {
        Ok(text) => (
            [(
                header::CONTENT_TYPE,
                "text/plain; version=0.0.4; charset=utf-8",
            )],
            text,
        )
            .into_response(),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()).into_response(),
    }
}
