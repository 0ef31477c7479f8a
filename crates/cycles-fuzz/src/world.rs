//! An engine of which everything is determined: clock, ids, state.

use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, LazyLock};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use cycles_engine::{Engine, Seed};
use cycles_protocol::{Call, Clock, Control, Random, RawRequest, RawResponse, dispatch};

/// The key that most calls are made with.
pub(crate) const ACME: &str = "cyc_test_acme";
/// A key that may only see agent a.
pub(crate) const FILTERED: &str = "cyc_test_filtered";
/// Another tenant's key.
pub(crate) const GLOBEX: &str = "cyc_test_globex";

/// What a [`World`] starts with.
const SEED: &str = "
tenants: [{tenant_id: acme}, {tenant_id: globex}]
keys:
  - {name: default, secret: cyc_test_acme, tenant_id: acme}
  - {name: filtered, secret: cyc_test_filtered, tenant_id: acme, scope_filter: ['agent:a']}
  - {name: other, secret: cyc_test_globex, tenant_id: globex}
budgets:
  - {scope: 'tenant:acme', unit: TOKENS, allocated: 1000}
  - {scope: 'tenant:acme/agent:a', unit: TOKENS, allocated: 300, commit_overage_policy: ALLOW_IF_AVAILABLE}
  - {scope: 'tenant:acme/agent:b', unit: TOKENS, allocated: 500, overdraft_limit: 50, commit_overage_policy: ALLOW_WITH_OVERDRAFT}
  - {scope: 'tenant:acme/app:x/agent:a', unit: TOKENS, allocated: 9223372036854775807}
  - {scope: 'tenant:acme', unit: USD_MICROCENTS, allocated: $1.00, overdraft_limit: $0.10, commit_overage_policy: ALLOW_WITH_OVERDRAFT}
  - {scope: 'tenant:globex', unit: TOKENS, allocated: 100}
";

/// Where the clock starts.
const START_MS: i64 = 1_800_000_000_000;

/// Moves only when told.
#[derive(Debug)]
struct Moved(AtomicI64);

impl Clock for Moved {
    fn now_ms(&self) -> i64 {
        self.0.load(Ordering::Relaxed)
    }

    fn monotonic(&self) -> Duration {
        Duration::ZERO
    }

    fn sleep_until(&self, _: Duration) -> Pin<Box<dyn Future<Output = ()> + Send>> {
        Box::pin(std::future::ready(()))
    }
}

/// The same bytes in every run, and never twice in one.
#[derive(Debug, Default)]
struct Counted(AtomicU64);

impl Random for Counted {
    fn fill(&self, bytes: &mut [u8]) {
        for chunk in bytes.chunks_mut(8) {
            let count = self.0.fetch_add(1, Ordering::Relaxed) + 1;
            // Spread over all bits, so that ids are not in the order of creation.
            let spread = count.wrapping_mul(0x9E37_79B9_7F4A_7C15).to_be_bytes();
            chunk.copy_from_slice(&spread[..chunk.len()]);
        }
    }
}

/// Read once: that takes longer than most inputs.
static READ: LazyLock<Seed> = LazyLock::new(|| Seed::from_yaml(SEED).expect("the seed is one"));

/// An engine with [`SEED`].
pub(crate) struct World {
    pub(crate) engine: Engine,
    clock: Arc<Moved>,
    random: Arc<Counted>,
}

impl World {
    pub(crate) fn new() -> Self {
        let clock = Arc::new(Moved(AtomicI64::new(START_MS)));
        let random = Arc::new(Counted::default());
        let engine =
            Engine::with_seed(&READ, Arc::<Moved>::clone(&clock), Arc::<Counted>::clone(&random));
        Self { engine: engine.expect("the seed can be used"), clock, random }
    }

    pub(crate) fn advance(&self, ms: i64) {
        self.clock.0.fetch_add(ms, Ordering::Relaxed);
    }

    /// A call with that key.
    pub(crate) fn call(&self, key: &str) -> Call {
        let principal = self.engine.authenticate(key).expect("the seed has the key");
        Call::new(&*self.random).by(principal)
    }

    /// Answers as a server would.
    pub(crate) fn send(&self, key: &str, request: RawRequest) -> RawResponse {
        now(dispatch::dispatch(&self.engine, &self.call(key), request))
    }
}

/// The engine never waits, so its futures are ready at the first poll.
pub(crate) fn now<T>(future: impl Future<Output = T>) -> T {
    let mut future = std::pin::pin!(future);
    match future.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(value) => value,
        Poll::Pending => panic!("the engine waited"),
    }
}
