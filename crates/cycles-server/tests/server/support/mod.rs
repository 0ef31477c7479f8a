//! A service per test, and raw requests to it.

use std::sync::Arc;

use axum::body::Body;
use axum::http::{HeaderMap, Method, Request, StatusCode};
use cycles_engine::{Engine, Seed};
use cycles_protocol::control::BudgetRef;
use cycles_protocol::{Control, SystemClock, SystemRandom, Unit};
use cycles_server::{AdminKey, AnswerCheck, App, AppState, app};
use http_body_util::BodyExt;
use serde_json::{Value, json};
use tower::ServiceExt;

pub(crate) use checked::Conforming;

mod checked;
pub(crate) mod connection;
pub(crate) mod stub;

pub(crate) const ADMIN_KEY: &str = "admin-test-key";
pub(crate) const ACME_KEY: &str = "cyc_test_acme";

pub(crate) const SEED: &str = r#"
tenants: [{tenant_id: acme}, {tenant_id: other}]
keys:
  - {name: default, secret: cyc_test_acme, tenant_id: acme}
  - {name: other, secret: cyc_test_other, tenant_id: other}
  - {name: reader, secret: cyc_test_reader, tenant_id: acme, permissions: ["balances:read"]}
  - {name: bot, secret: cyc_test_bot, tenant_id: acme, scope_filter: ["agent:bot"]}
budgets:
  - {scope: "tenant:acme", unit: TOKENS, allocated: 1000}
  - {scope: "tenant:other", unit: TOKENS, allocated: 1000}
"#;

pub(crate) fn engine() -> Engine {
    seeded(SEED)
}

fn seeded(seed: &str) -> Engine {
    let seed = Seed::from_yaml(seed).unwrap();
    Engine::with_seed(&seed, Arc::new(SystemClock::new()), Arc::new(SystemRandom)).unwrap()
}

/// The service without a socket.
pub(crate) struct Service {
    pub(crate) engine: Engine,
    router: App,
}

/// What a request was answered.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Value,
}

impl Service {
    pub(crate) fn new() -> Self {
        Self::over(engine())
    }

    pub(crate) fn seeded(seed: &str) -> Self {
        Self::over(seeded(seed))
    }

    fn over(engine: Engine) -> Self {
        let state = AppState::new(
            Arc::new(engine.clone()),
            Arc::new(engine.clone()),
            AdminKey::new(ADMIN_KEY),
            Arc::new(SystemRandom),
        );
        Self { engine, router: app(state) }
    }

    /// Sends a request with an optional JSON body.
    pub(crate) async fn send(
        &self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: impl Into<Body>,
    ) -> Reply {
        send(&self.router, request(method, path, headers, body.into())).await
    }

    pub(crate) async fn get(&self, path: &str, headers: &[(&str, &str)]) -> Reply {
        self.send(Method::GET, path, headers, Body::empty()).await
    }

    pub(crate) async fn post(&self, path: &str, headers: &[(&str, &str)], body: &Value) -> Reply {
        self.send(Method::POST, path, headers, body.to_string()).await
    }

    /// Reserves `amount` tokens with acme's key; answers the id.
    pub(crate) async fn reserve(&self, amount: i64) -> String {
        let reply = self.post("/v1/reservations", &[acme()], &reservation("r", amount)).await;
        assert_eq!(reply.status, 200, "{reply:?}");
        reply.body["reservation_id"].as_str().unwrap().to_owned()
    }

    /// The whole state of acme's budget, to see that nothing changed.
    pub(crate) fn ledger(&self) -> Value {
        let budget = BudgetRef::new("tenant:acme", Unit::Tokens).unwrap();
        serde_json::to_value(self.engine.get_budget(&budget).unwrap()).unwrap()
    }
}

pub(crate) fn request(
    method: Method,
    path: &str,
    headers: &[(&str, &str)],
    body: Body,
) -> Request<Body> {
    let mut request = Request::builder().method(method).uri(path);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    request.body(body).unwrap()
}

pub(crate) async fn send(router: &App, request: Request<Body>) -> Reply {
    let (method, path) = (request.method().clone(), request.uri().path().to_owned());
    let response = router.clone().oneshot(request).await.unwrap();
    let (parts, body) = response.into_parts();
    let bytes = body.collect().await.unwrap().to_bytes();
    let conforms = Conforming.check(&method, &path, parts.status, &parts.headers, &bytes);
    conforms.unwrap_or_else(|violation| panic!("{violation}"));
    let body = if bytes.is_empty() {
        Value::Null
    } else {
        serde_json::from_slice(&bytes).expect("every body is JSON")
    };
    Reply { status: parts.status, headers: parts.headers, body }
}

impl Reply {
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    /// Checks a refusal: status, code, and the ids in body and headers.
    #[track_caller]
    pub(crate) fn refused(&self, status: u16, code: &str) -> &Self {
        assert_eq!((self.status.as_u16(), &self.body["error"]), (status, &json!(code)), "{self:?}");
        assert!(self.body["message"].as_str().is_some_and(|text| !text.is_empty()), "{self:?}");
        self.identified();
        assert_eq!(self.body["request_id"], self.header("x-request-id"));
        assert_eq!(self.body["trace_id"], self.header("x-cycles-trace-id"));
        self
    }

    /// Checks the headers that every answer carries.
    #[track_caller]
    pub(crate) fn identified(&self) {
        assert!(!self.header("x-request-id").is_empty(), "{self:?}");
        let trace = self.header("x-cycles-trace-id");
        assert!(trace.len() == 32 && trace.bytes().all(|b| b.is_ascii_hexdigit()), "{self:?}");
    }
}

pub(crate) const fn acme() -> (&'static str, &'static str) {
    ("x-cycles-api-key", ACME_KEY)
}

pub(crate) const fn admin() -> (&'static str, &'static str) {
    ("x-admin-api-key", ADMIN_KEY)
}

pub(crate) fn reservation(key: &str, amount: i64) -> Value {
    json!({
        "idempotency_key": key,
        "subject": {"tenant": "acme"},
        "action": {"kind": "llm.completion", "name": "m"},
        "estimate": {"unit": "TOKENS", "amount": amount},
        "ttl_ms": 60000,
    })
}
