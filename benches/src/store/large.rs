//! A ledger with very many open reservations: how long a start takes, and a page
//! of its listing in every order.

use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use anyhow::Result;
use cycles_engine::durable::DurableStore;
use cycles_engine::{Engine, LocalAuthority, Seed};
use cycles_protocol::{
    Action, Amount, Authority, Call, ListReservationsParams, ReservationCreateRequest,
    SortDirection, SortKey, Subject, SystemClock, SystemRandom,
};
use cycles_store::SqliteStore;
use futures_util::future::try_join_all;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::sample::{median, percentile_us};

const SECRET: &str = "cyc_test_large";
const SEED: &str = "
tenants: [{tenant_id: acme, max_reservation_ttl_ms: 86400000}]
keys: [{name: large, secret: cyc_test_large, tenant_id: acme}]
budgets: [{scope: 'tenant:acme', unit: TOKENS, allocated: 1000000000000}]
";
/// Reservations that are asked for at once.
const AT_ONCE: usize = 10_000;
/// Starts, and pages of each order, that are measured.
const STARTS: usize = 3;
const PAGES: usize = 20;

pub(super) fn measure(
    place: impl FnOnce() -> Result<TempDir>,
    reservations: usize,
) -> Result<Value> {
    let place = place()?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let engine = open(place.path())?;
    runtime.block_on(fill(&engine.local(SECRET), reservations))?;
    drop(engine);
    let mut starts = Vec::new();
    for _ in 0..STARTS {
        let start = Instant::now();
        let engine = open(place.path())?;
        starts.push(start.elapsed().as_secs_f64() * 1e3);
        drop(engine);
    }
    let authority = open(place.path())?.local(SECRET);
    let page = |order: &SortKey| runtime.block_on(page(&authority, *order));
    let pages = SortKey::ALL.iter().map(page).collect::<Result<Vec<_>>>()?;
    let bytes = std::fs::metadata(place.path().join("ledger.db"))?.len();
    Ok(json!({
        "reservations": reservations,
        "megabytes": bytes / 1_000_000,
        "start_ms": median(starts),
        "pages": pages,
    }))
}

fn open(directory: &Path) -> Result<Engine> {
    let store: Arc<dyn DurableStore> = Arc::new(SqliteStore::open(directory)?);
    let (clock, random) = (Arc::new(SystemClock::new()), Arc::new(SystemRandom));
    Ok(Engine::open(&store, &Seed::from_yaml(SEED)?, clock, random)?.0)
}

async fn fill(authority: &LocalAuthority, reservations: usize) -> Result<()> {
    let call = Call::new(&SystemRandom);
    for first in (0..reservations).step_by(AT_ONCE) {
        let asked = (first..reservations.min(first + AT_ONCE)).map(|number| {
            let request = ReservationCreateRequest::builder()
                .idempotency_key(format!("3f1e6c2a-9d40-4a77-8c55-{number:012x}"))
                .subject(Subject {
                    tenant: Some("acme".to_owned()),
                    agent: Some(format!("agent-{}", number % 1_000)),
                    ..Subject::default()
                })
                .action(Action::new("llm.completion", "gpt-4o-mini"))
                .estimate(Amount::tokens(fastrand::i64(1..10_000)))
                .ttl_ms(86_400_000)
                .build();
            let call = &call;
            async move { authority.create_reservation(call, &request).await }
        });
        try_join_all(asked).await?;
    }
    Ok(())
}

/// Page after page, in both directions.
async fn page(authority: &LocalAuthority, order: SortKey) -> Result<Value> {
    let mut times = Vec::new();
    for direction in [SortDirection::Desc, SortDirection::Asc] {
        let mut params = ListReservationsParams {
            sort_by: Some(order),
            sort_dir: Some(direction),
            limit: Some(200),
            ..ListReservationsParams::default()
        };
        for _ in 0..PAGES {
            let call = Call::new(&SystemRandom);
            let start = Instant::now();
            let page = authority.list_reservations(&call, params.clone()).await?;
            times.push(start.elapsed());
            params.cursor = page.value.next_cursor;
        }
    }
    Ok(json!({
        "order": order.as_str(),
        "p50_ms": percentile_us(&mut times, 50) / 1e3,
        "worst_ms": percentile_us(&mut times, 100) / 1e3,
    }))
}
