//! All ledger vectors against the engine in process.
#![expect(clippy::unwrap_used, reason = "tests")]

#[path = "../../cycles-testkit/src/vectors.rs"]
#[expect(unreachable_pub, reason = "public in the crate that owns the file")]
mod vectors;

use std::sync::Arc;

use cycles_engine::{Engine, Seed};
use cycles_protocol::{SystemClock, SystemRandom};

const VECTORS: &str = include_str!("../../../tests/vectors/ledger-vectors.yaml");

fn engine(seed: &str) -> Engine {
    let seed = Seed::from_yaml(seed).unwrap();
    Engine::with_seed(&seed, Arc::new(SystemClock::new()), Arc::new(SystemRandom)).unwrap()
}

async fn run(text: &str) -> Result<usize, Vec<String>> {
    vectors::run(text, async |seed: &str| {
        let engine = engine(seed);
        vectors::Ledger {
            authority: Arc::new(engine.local(vectors::API_KEY)),
            control: Arc::new(engine),
        }
    })
    .await
}

#[tokio::test]
async fn every_vector_holds() {
    assert_eq!(run(VECTORS).await, Ok(21));
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
        assert_eq!(run(&text).await.unwrap_err().len(), 1, "{to}");
    }
}
