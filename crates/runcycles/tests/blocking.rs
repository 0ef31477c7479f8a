//! The client with calls that block.

#![cfg(feature = "blocking")]
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::time::Duration;

use cycles_protocol::Operation;
use cycles_testkit::TestServer;
use runcycles::models::{
    Action, Amount, BalanceParams, CommitRequest, ListReservationsParams, ReservationCreateRequest,
    Unit,
};
use runcycles::{
    BlockingCyclesClient, CyclesClient, Error, GuardedError, Nested, WithCyclesConfig,
};
use tokio::runtime::Runtime;

const SEED: &str = "
tenants: [{tenant_id: acme}]
keys: [{name: default, secret: cyc_test_acme, tenant_id: acme}]
budgets: [{scope: 'tenant:acme', unit: TOKENS, allocated: 1000}]
";

/// The server runs apart from the client.
struct World {
    server: TestServer,
    client: BlockingCyclesClient,
    _runtime: Runtime,
}

impl World {
    fn new() -> Self {
        let runtime = Runtime::new().unwrap();
        let server = runtime.block_on(TestServer::start(SEED)).unwrap();
        let client = client(&server);
        Self { server, client, _runtime: runtime }
    }

    /// Remaining and spent.
    fn budget(&self) -> (i64, i64) {
        let budget = self.server.budget("tenant:acme", Unit::Tokens).unwrap();
        (budget.remaining.amount, budget.spent.amount)
    }
}

fn client(server: &TestServer) -> BlockingCyclesClient {
    CyclesClient::builder(server.api_key(None).unwrap(), server.base_url())
        .tenant("acme")
        .journal_enabled(false)
        .build_blocking()
        .unwrap()
}

fn tokens(estimate: i64) -> ReservationCreateRequest {
    ReservationCreateRequest::builder()
        .action(Action::new("llm", "m"))
        .estimate(Amount::tokens(estimate))
        .build()
}

fn commit(actual: i64) -> CommitRequest {
    CommitRequest::builder().actual(Amount::tokens(actual)).build()
}

#[test]
fn a_guard_commits_extends_and_releases() {
    let world = World::new();
    let guard = world.client.reserve(tokens(100)).unwrap();
    assert_eq!((guard.estimate(), world.budget()), (Amount::tokens(100), (900, 0)));
    let before = guard.expires_at_ms().unwrap();
    guard.extend(5_000).unwrap();
    assert_eq!(guard.expires_at_ms(), Some(before + 5_000));
    assert!(matches!(guard.extend(0), Err(Error::Validation(_))));
    assert_eq!(guard.commit(commit(40)).unwrap().charged, Amount::tokens(40));
    assert_eq!(world.budget(), (960, 40));
    world.client.reserve(tokens(10)).unwrap().release("not needed").unwrap();
    assert_eq!(world.budget(), (960, 40));
}

#[test]
fn a_dropped_guard_is_released_even_if_the_program_ends_with_it() {
    let world = World::new();
    let guard = client(&world.server).reserve(tokens(100)).unwrap();
    drop(guard);
    assert_eq!(world.server.count(Operation::Release), 1);
    assert_eq!(world.budget(), (1_000, 0));
}

#[test]
fn a_function_is_wrapped_and_its_error_comes_through() {
    let world = World::new();
    let config = || WithCyclesConfig::new(Amount::tokens(100)).action("llm", "m");
    let reply = world.client.with_cycles(config(), |context| {
        assert_eq!(context.estimate, Amount::tokens(100));
        Ok(("done", Amount::tokens(30)))
    });
    assert_eq!(reply.unwrap(), "done");
    assert_eq!(world.budget(), (970, 30));
    let failed: Result<(), _> = world.client.with_cycles(config(), |_| Err("down".into()));
    let Err(Error::Guarded(error)) = failed else { panic!("{failed:?}") };
    assert_eq!((error.to_string(), world.budget()), ("down".to_owned(), (970, 30)));
    let denied = WithCyclesConfig::new(Amount::tokens(5_000));
    let denied: Result<(), _> = world.client.with_cycles(denied, |_| panic!("must not run"));
    assert!(denied.unwrap_err().is_budget_exceeded());
}

#[test]
fn a_wrapped_function_knows_those_around_it() {
    let world = World::new();
    let outer = WithCyclesConfig::new(Amount::tokens(100));
    let inner = WithCyclesConfig::new(Amount::tokens(60)).nested(Nested::Inherit);
    world
        .client
        .with_cycles(outer, |outer| {
            world.client.with_cycles(inner, |inner| -> Result<((), Amount), GuardedError> {
                assert_eq!(inner.parent_reservation_id, Some(outer.reservation_id));
                Ok(((), Amount::tokens(50)))
            })?;
            Ok(((), Amount::tokens(20)))
        })
        .unwrap();
    assert_eq!(world.budget(), (930, 70));
    assert_eq!(world.server.count(Operation::CreateReservation), 1);
}

#[test]
fn listings_are_iterated() {
    let world = World::new();
    for _ in 0..3 {
        world.client.create_reservation(&tokens(1)).unwrap();
    }
    let params = ListReservationsParams { limit: Some(2), ..Default::default() };
    let rows: Result<Vec<_>, _> = world.client.list_reservations_iter(params).collect();
    assert_eq!(rows.unwrap().len(), 3);
    let balances: Result<Vec<_>, _> =
        world.client.balances_iter(BalanceParams::default()).collect();
    assert_eq!(balances.unwrap().len(), 1);
    let unfiltered = BlockingCyclesClient::new(runcycles::CyclesConfig {
        tenant: None,
        ..world.client.config().clone()
    });
    let answers: Vec<_> = unfiltered.unwrap().balances_iter(BalanceParams::default()).collect();
    assert!(matches!(&answers[..], [Err(Error::Validation(_))]), "{answers:?}");
}

#[test]
fn a_closed_client_takes_no_new_work() {
    let world = World::new();
    assert_eq!(world.client.close(Duration::from_secs(5)), 0);
    assert!(world.client.reserve(tokens(1)).is_err());
}

fn is_refused<T: std::fmt::Debug>(answer: &Result<T, Error>) -> bool {
    matches!(answer, Err(Error::Config(message)) if message.contains("spawn_blocking"))
}

/// In an async function of each kind: the root, a task, and a task on one thread.
#[test]
fn async_functions_are_refused_with_what_to_do() {
    let world = World::new();
    let client = world.client.clone();
    let ask = move || {
        assert!(is_refused(&client.reserve(tokens(1))));
        assert!(is_refused(&client.create_reservation(&tokens(1))));
        assert_eq!(client.flush_pending_commits(), 0);
        drop(client);
    };
    let runtime = Runtime::new().unwrap();
    let root = ask.clone();
    runtime.block_on(async move { root() });
    let task = ask.clone();
    runtime.block_on(async move { tokio::spawn(async move { task() }).await.unwrap() });
    let single = tokio::runtime::Builder::new_current_thread().build().unwrap();
    single.block_on(async move { tokio::spawn(async move { ask() }).await.unwrap() });
    assert_eq!(world.server.count(Operation::CreateReservation), 0);
}

#[test]
fn spawn_blocking_is_where_it_may_be_used() {
    let world = World::new();
    let client = world.client.clone();
    let runtime = Runtime::new().unwrap();
    let work = move || client.reserve(tokens(100)).unwrap().commit(commit(10)).unwrap().charged;
    let charged = runtime.block_on(async move { tokio::task::spawn_blocking(work).await.unwrap() });
    assert_eq!((charged, world.budget()), (Amount::tokens(10), (990, 10)));
}

/// What was reserved before is settled wherever it ends: the work has run.
#[test]
fn a_guard_settles_inside_an_async_function_and_the_client_may_be_dropped_there() {
    let world = World::new();
    let other = client(&world.server);
    let guard = other.reserve(tokens(100)).unwrap();
    Runtime::new().unwrap().block_on(async move {
        assert_eq!(guard.commit(commit(10)).unwrap().charged, Amount::tokens(10));
        drop(other);
    });
    assert_eq!(world.budget(), (990, 10));
}
