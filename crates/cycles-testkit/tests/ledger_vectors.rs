//! All ledger vectors, in process and over HTTP.

use std::sync::Arc;

use cycles_engine::{Engine, Seed};
use cycles_protocol::{Authority, SystemClock, SystemRandom};
use cycles_server::EmbeddedServer;
use cycles_testkit::vectors::{self, Ledger};
use runcycles::{CyclesConfig, HttpAuthority};

const VECTORS: &str = include_str!("../../../tests/vectors/ledger-vectors.yaml");

fn engine(seed: &str) -> Engine {
    let seed = Seed::from_yaml(seed).expect("a vector's seed parses");
    Engine::with_seed(&seed, Arc::new(SystemClock::new()), Arc::new(SystemRandom))
        .expect("a vector's seed is valid")
}

async fn in_process(text: &str) -> Result<usize, Vec<String>> {
    vectors::run(text, async |seed: &str| {
        let engine = engine(seed);
        Ledger { authority: Arc::new(engine.local(vectors::API_KEY)), control: Arc::new(engine) }
    })
    .await
}

#[tokio::test]
async fn every_vector_holds_in_process() {
    assert_eq!(in_process(VECTORS).await, Ok(21));
}

#[tokio::test]
async fn every_vector_holds_over_http() {
    let servers = parking_lot::Mutex::new(Vec::new());
    let result = vectors::run(VECTORS, async |seed: &str| {
        let engine = engine(seed);
        let server = EmbeddedServer::start_with_engine("admin", &engine).await.expect("starts");
        let config = CyclesConfig::new(server.base_url(), vectors::API_KEY);
        let authority: Arc<dyn Authority> = Arc::new(HttpAuthority::new(config));
        servers.lock().push(server);
        Ledger { authority, control: Arc::new(engine) }
    })
    .await;
    assert_eq!(result, Ok(21));
}

#[tokio::test]
async fn a_wrong_expectation_fails() {
    for (from, to) in [
        ("charged: 300", "charged: 301"),
        ("released: 200", "released: 199"),
        ("remaining: 700", "remaining: 701"),
        ("reservation: ACTIVE", "reservation: RELEASED"),
        ("error: BUDGET_EXCEEDED}}", "error: BUDGET_FROZEN}}"),
        ("expected_units: [TOKENS]", "expected_units: [CREDITS]"),
        ("status: FROZEN", "status: ACTIVE"),
    ] {
        let text = VECTORS.replacen(from, to, 1);
        assert_ne!(text, VECTORS, "{from}");
        assert_eq!(in_process(&text).await.expect_err(to).len(), 1, "{to}");
    }
}
