//! Health endpoints under the paths that probes and compose files know.

use axum::Router;
use axum::http::header;
use axum::response::IntoResponse;
use axum::routing::get;

use crate::app::AppState;

/// With the memory store, whoever answers is alive and ready.
pub(crate) fn routes() -> Router<AppState> {
    Router::new()
        .route("/actuator/health", get(up))
        .route("/actuator/health/liveness", get(up))
        .route("/actuator/health/readiness", get(up))
}

async fn up() -> impl IntoResponse {
    ([(header::CONTENT_TYPE, "application/json")], r#"{"status":"UP"}"#)
}
