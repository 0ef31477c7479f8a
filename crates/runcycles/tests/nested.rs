//! Guarded calls inside guarded calls, and who pays for the inner one.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use cycles_testkit::{TestServer, Transport};
use runcycles::models::{Amount, CommitRequest, ErrorCode, ReservationCreateRequest, Unit};
use runcycles::{CyclesClient, Error, Nested, Settlement, WithCyclesConfig, with_cycles};

const SEED: &str = "
tenants: [{tenant_id: acme}]
keys: [{name: default, secret: cyc_test_acme, tenant_id: acme}]
budgets: [{scope: 'tenant:acme', unit: TOKENS, allocated: 1000}]
";

struct World {
    server: TestServer,
    client: CyclesClient,
}

impl World {
    async fn new(nested: Nested) -> Self {
        let server = TestServer::start(SEED).await.unwrap();
        let builder = CyclesClient::builder("", "").tenant("acme").nested(nested);
        let client = server.client_with(builder, None, Transport::Http).unwrap();
        Self { server, client }
    }

    /// Remaining, reserved and spent.
    fn budget(&self) -> (i64, i64, i64) {
        let budget = self.server.budget("tenant:acme", Unit::Tokens).unwrap();
        (budget.remaining.amount, budget.reserved.amount, budget.spent.amount)
    }

    async fn call(&self, estimate: i64, actual: i64) -> Result<i64, Error> {
        with_cycles(&self.client, tokens(estimate), |_| async move {
            Ok((actual, Amount::tokens(actual)))
        })
        .await
    }

    /// Waits for what runs in the background.
    async fn flush(&self) {
        assert_eq!(self.client.flush_pending_commits().await, 0);
    }
}

fn tokens(estimate: i64) -> WithCyclesConfig {
    WithCyclesConfig::new(Amount::tokens(estimate)).action("llm", "m")
}

fn request(estimate: i64) -> ReservationCreateRequest {
    ReservationCreateRequest::builder()
        .action(runcycles::models::Action::new("llm", "m"))
        .estimate(Amount::tokens(estimate))
        .build()
}

#[tokio::test]
async fn an_inner_call_has_its_own_reservation_unless_it_inherits() {
    let world = World::new(Nested::Own).await;
    let outer = with_cycles(&world.client, tokens(100), |outer| {
        let world = &world;
        async move {
            let inner = with_cycles(&world.client, tokens(50), |inner| async move {
                assert_eq!(inner.parent_reservation_id, Some(outer.reservation_id.clone()));
                assert_ne!(inner.reservation_id, outer.reservation_id);
                assert_eq!(inner.trace_id, outer.trace_id, "one logical operation");
                Ok((world.budget(), Amount::tokens(30)))
            });
            assert_eq!(inner.await?, (850, 150, 0));
            Ok((outer.parent_reservation_id, Amount::tokens(60)))
        }
    });
    assert_eq!(outer.await.unwrap(), None, "the outermost call has no parent");
    assert_eq!(world.budget(), (910, 0, 90));
}

#[tokio::test]
async fn what_an_inheriting_call_costs_is_committed_with_the_outer_one() {
    let world = World::new(Nested::Inherit).await;
    let outer = with_cycles(&world.client, tokens(100), |outer| {
        let world = &world;
        async move {
            let inner = with_cycles(&world.client, tokens(50), |inner| async move {
                assert_eq!(inner.reservation_id, outer.reservation_id);
                // As deep as it goes: the innermost draws from its parent's part.
                assert_eq!(world.call(50, 20).await.unwrap(), 20);
                Ok((world.budget(), Amount::tokens(10)))
            });
            assert_eq!(inner.await?, (900, 100, 0), "nothing more is held");
            Ok(((), Amount::tokens(40)))
        }
    });
    outer.await.unwrap();
    assert_eq!(world.budget(), (930, 0, 70), "40 + 10 + 20");
}

#[tokio::test]
async fn an_estimate_that_does_not_fit_into_what_is_left_is_refused() {
    let world = World::new(Nested::Inherit).await;
    let outer = with_cycles(&world.client, tokens(100), |_| {
        let world = &world;
        async move {
            assert_eq!(world.call(70, 60).await.unwrap(), 60);
            let error = world.call(41, 1).await.unwrap_err();
            assert_eq!(error.error_code(), Some(ErrorCode::BudgetExceeded));
            assert!(error.to_string().contains("left=40"), "{error}");
            let own = tokens(41).nested(Nested::Own);
            with_cycles(&world.client, own, |_| async { Ok(((), Amount::tokens(1))) }).await?;
            let usd = WithCyclesConfig::new(Amount::usd_microcents(1)).action("llm", "m");
            let error =
                with_cycles(&world.client, usd, |_| async { Ok(((), Amount::usd_microcents(1))) });
            assert_eq!(error.await.unwrap_err().error_code(), Some(ErrorCode::UnitMismatch));
            Ok(((), Amount::tokens(5)))
        }
    });
    outer.await.unwrap();
    assert_eq!(world.budget(), (934, 0, 66));
}

#[tokio::test]
async fn a_forbidden_inner_call_sends_nothing() {
    let world = World::new(Nested::Forbid).await;
    let outer = with_cycles(&world.client, tokens(100), |outer| {
        let world = &world;
        async move {
            let error = world.call(1, 1).await.unwrap_err();
            let Error::Validation(message) = &error else { panic!("{error:?}") };
            assert!(message.contains(outer.reservation_id.as_str()), "{message}");
            Ok((world.budget(), Amount::tokens(5)))
        }
    });
    assert_eq!(outer.await.unwrap(), (900, 100, 0));
}

#[tokio::test]
async fn an_outer_failure_does_not_lose_what_inner_calls_have_cost() {
    let world = World::new(Nested::Inherit).await;
    let outer = with_cycles(&world.client, tokens(100), |_| {
        let world = &world;
        async move {
            world.call(50, 30).await?;
            Err::<((), Amount), _>("outer failed".into())
        }
    });
    assert!(matches!(outer.await, Err(Error::Guarded(_))));
    assert_eq!(world.budget(), (970, 0, 30));

    let guard = world.client.reserve(request(100)).await.unwrap();
    assert_eq!(guard.around(world.call(50, 20)).await.unwrap(), 20);
    drop(guard);
    world.flush().await;
    assert_eq!(world.budget(), (950, 0, 50));

    let guard = world.client.reserve(request(100)).await.unwrap();
    guard.around(world.call(50, 20)).await.unwrap();
    let released = guard.release("not needed").await.unwrap().released;
    assert_eq!(released, Amount::tokens(80));
    assert_eq!(world.budget(), (930, 0, 70));
}

#[tokio::test]
async fn an_inner_call_that_outlives_the_outer_one_is_booked_directly() {
    let world = World::new(Nested::Inherit).await;
    let outer = world.client.reserve(request(100)).await.unwrap();
    let inner = outer.around(world.client.reserve(request(50))).await.unwrap();
    let commit = |amount| CommitRequest::builder().actual(Amount::tokens(amount)).build();
    outer.commit(commit(10)).await.unwrap();
    let settlement = inner.settle(commit(25)).await;
    assert!(matches!(settlement, Settlement::RecoveredViaEvent(_)), "{settlement:?}");
    assert_eq!(world.budget(), (965, 0, 35));

    let outer = world.client.reserve(request(100)).await.unwrap();
    let inner = outer.around(world.client.reserve(request(50))).await.unwrap();
    drop(outer);
    inner.release("not needed").await.unwrap();
    world.flush().await;
    assert_eq!(world.budget(), (965, 0, 35), "nothing was spent");
}

#[tokio::test]
async fn tasks_that_are_spawned_are_not_inside() {
    let world = World::new(Nested::Forbid).await;
    let client = world.client.clone();
    with_cycles(&world.client, tokens(100), |_| async move {
        let spawned = tokio::spawn(async move { client.reserve(request(10)).await });
        spawned.await?.unwrap().release("seen").await?;
        Ok(((), Amount::tokens(1)))
    })
    .await
    .unwrap();
}
