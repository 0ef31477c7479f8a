//! An authority that keeps failing.

use super::*;

#[tokio::test]
async fn an_open_circuit_asks_nothing_and_lets_settlement_and_extensions_pass() {
    let world = world(|builder| builder).await;
    world.answers_first(CREATE, 2, created()).await;
    world.answers(CREATE, down()).await;
    world.answers(COMMIT, committed()).await;
    let extended = json!({"status": "ACTIVE", "expires_at_ms": 1_800_000_120_000_i64});
    world.answers(EXTEND, ok(extended)).await;
    let given_back = json!({"status": "RELEASED", "released": {"unit": "TOKENS", "amount": 5}});
    world.answers(RELEASE, ok(given_back)).await;
    world.answers(EVENTS, applied()).await;
    let (one, other) = (world.guard().await, world.guard().await);
    world.open_circuit().await;
    let asked = world.count(CREATE).await;

    let error = world.client.reserve(request()).await.map(drop).unwrap_err();
    assert!(error.to_string().contains("retry_in_ms="), "{error}");
    assert!(error.retry_after().is_some() && error.is_retryable());
    let Error::Transport(error) = error else { panic!("{error}") };
    assert!(error.is_circuit_open() && !error.is_outcome_unknown());
    assert_eq!(world.count(CREATE).await, asked, "nothing was sent");

    one.extend(60_000).await.unwrap();
    assert!(matches!(one.settle(spent(5)).await, Settlement::Committed(_)));
    other.release("done").await.unwrap();
    let event = runcycles::models::EventCreateRequest::builder()
        .action(Action::new("llm", "m"))
        .actual(Amount::tokens(1))
        .build();
    world.client.create_event(&event).await.unwrap();
    assert_ne!(world.client.circuit(), CircuitState::Closed, "settlement says nothing about it");
}

#[tokio::test]
async fn a_circuit_closes_when_the_authority_answers_again() {
    let world = world(|builder| builder).await;
    world.answers_first(CREATE, 10, down()).await;
    world.answers(CREATE, refused(429, "LIMIT_EXCEEDED")).await;
    world.open_circuit().await;
    world.clock.advance(Duration::from_secs(5));
    let error = world.client.reserve(request()).await.map(drop).unwrap_err();
    assert_eq!(error.status(), Some(429), "throttling is an answer");
    assert_eq!(world.client.circuit(), CircuitState::Closed);
}

#[tokio::test]
async fn an_unclear_create_stays_unclear_when_the_circuit_opens_under_it() {
    let world = world(|builder| builder.circuit_breaker_failures(3)).await;
    world.answers(CREATE, down()).await;
    let _ = world.client.reserve(request()).await;
    world.clock.advance(Duration::from_secs(1));
    // The third failure is the first attempt of this call.
    let error = world.client.reserve(request()).await.map(drop).unwrap_err();
    assert_eq!(error.status(), Some(503), "{error}");
    assert_ne!(world.client.circuit(), CircuitState::Closed);
    assert_eq!(world.count(CREATE).await, 3);
}

#[tokio::test]
async fn calls_that_are_given_up_count_as_failures() {
    let world =
        world(|builder| builder.call_timeout(Duration::from_secs(1)).circuit_breaker_failures(2))
            .await;
    world.answers(CREATE, created().set_delay(Duration::from_secs(60))).await;
    for number in 1..=2 {
        let client = world.client.clone();
        let reserve = tokio::spawn(async move { client.reserve(request()).await.map(drop) });
        until("the request", || async { world.count(CREATE).await == number }).await;
        world.clock.advance(Duration::from_secs(1));
        reserve.await.unwrap().unwrap_err();
    }
    assert_ne!(world.client.circuit(), CircuitState::Closed);
}

#[tokio::test]
async fn a_circuit_breaker_can_be_switched_off() {
    let world = world(|builder| builder.circuit_breaker_failures(0)).await;
    world.answers(CREATE, down()).await;
    for _ in 0..10 {
        world.clock.advance(Duration::from_secs(1));
        let _ = world.client.reserve(request()).await;
    }
    assert_eq!(world.count(CREATE).await, 20);
}
