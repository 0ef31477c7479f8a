//! What is not there: unknown paths, wrong methods, evidence.

use axum::extract::{Request, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::Response;
use cycles_protocol::{Error, ErrorCode, Operation};

use crate::answer::{self, http_refusal};
use crate::app::AppState;
use crate::{context, runtime};

/// How much of a path a message repeats.
const PATH_SHOWN: usize = 128;

/// No such path, or a runtime path with another method.
pub(crate) async fn path(State(app): State<AppState>, request: Request) -> Response {
    let methods: Vec<_> = runtime::at(request.uri().path()).map(Operation::method).collect();
    if !methods.is_empty() {
        let mut response = method(State(app), request).await;
        let allow = methods.join(",").replace("GET", "GET,HEAD");
        if let Ok(allow) = HeaderValue::try_from(allow) {
            response.headers_mut().insert(header::ALLOW, allow);
        }
        return response;
    }
    let shown: String = request.uri().path().chars().take(PATH_SHOWN).collect();
    let error = Error::new(ErrorCode::NotFound, format!("no such endpoint path={shown}"));
    refuse(&app, request, &error)
}

/// The path is there, the method is not; who calls adds `Allow`.
pub(crate) async fn method(State(app): State<AppState>, request: Request) -> Response {
    let message = format!("the endpoint has no such method method={}", request.method());
    refuse(&app, request, &http_refusal(StatusCode::METHOD_NOT_ALLOWED, &message))
}

/// Evidence and its keys: public, and not configured.
pub(crate) async fn evidence(State(app): State<AppState>, request: Request) -> Response {
    let error = Error::new(ErrorCode::NotFound, "this server does not sign evidence");
    refuse(&app, request, &error)
}

fn refuse(app: &AppState, request: Request, error: &Error) -> Response {
    let (mut parts, _body) = request.into_parts();
    answer::refused(&context::take(app, &mut parts), error)
}
