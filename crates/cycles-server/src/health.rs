//! Health and metrics under the paths that probes and compose files know.

use std::sync::atomic::{AtomicBool, Ordering};

use axum::Router;
use axum::extract::{Request, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;

use crate::app::AppState;
use crate::missing;

/// Whether requests should still be sent here.
#[derive(Debug, Default)]
pub(crate) struct Health {
    is_withdrawn: AtomicBool,
}

impl Health {
    pub(crate) fn withdraw(&self) {
        self.is_withdrawn.store(true, Ordering::Relaxed);
    }

    fn is_ready(&self) -> bool {
        !self.is_withdrawn.load(Ordering::Relaxed)
    }
}

/// Whoever answers is alive; ready it is until it is about to stop.
pub(crate) fn routes() -> Router<AppState> {
    Router::new()
        .route("/actuator/health", get(ready))
        .route("/actuator/health/liveness", get(alive))
        .route("/actuator/health/readiness", get(ready))
        .route("/actuator/prometheus", get(metrics))
        .route("/metrics", get(metrics))
}

async fn alive() -> Response {
    status(StatusCode::OK, r#"{"status":"UP"}"#)
}

async fn ready(State(app): State<AppState>) -> Response {
    if app.health().is_ready() {
        return status(StatusCode::OK, r#"{"status":"UP"}"#);
    }
    status(StatusCode::SERVICE_UNAVAILABLE, r#"{"status":"OUT_OF_SERVICE"}"#)
}

fn status(code: StatusCode, body: &'static str) -> Response {
    (code, [(header::CONTENT_TYPE, "application/json")], body).into_response()
}

async fn metrics(State(app): State<AppState>, request: Request) -> Response {
    let Some(page) = app.metrics() else {
        return missing::path(State(app), request).await;
    };
    let (content_type, text) = page.render();
    ([(header::CONTENT_TYPE, content_type)], text).into_response()
}
