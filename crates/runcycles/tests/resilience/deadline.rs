//! The longest time of a call in all.

use super::*;

#[tokio::test]
async fn a_call_ends_with_its_deadline_and_names_it() {
    let world = world(|builder| builder.call_timeout(Duration::from_secs(3))).await;
    world.answers(CREATE, created().set_delay(Duration::from_secs(60))).await;
    let client = world.client.clone();
    let reserve = tokio::spawn(async move { client.reserve(request()).await.map(drop) });
    until("the request", || async { world.count(CREATE).await == 1 }).await;
    world.clock.advance(Duration::from_secs(3));
    let error = reserve.await.unwrap().unwrap_err();
    assert!(error.to_string().contains("call_timeout_ms=3000"), "{error}");
    assert!(error.to_string().contains("operation=create_reservation"), "{error}");
    assert!(matches!(error, Error::Transport(error) if error.is_outcome_unknown()));
    assert_eq!(world.count(CREATE).await, 1, "there is no time for a second attempt");
}

#[tokio::test]
async fn low_level_calls_have_the_same_deadline() {
    let world = world(|builder| builder.call_timeout(Duration::from_secs(3))).await;
    let slow = ok(json!({"balances": []})).set_delay(Duration::from_secs(60));
    Mock::given(path("/v1/balances")).respond_with(slow).mount(&world.server).await;
    let client = world.client.clone();
    let params = BalanceParams { tenant: Some("acme".into()), ..BalanceParams::default() };
    let read = tokio::spawn(async move { client.get_balances(&params).await });
    until("the request", || async { world.count("/v1/balances").await == 1 }).await;
    world.clock.advance(Duration::from_secs(3));
    let error = read.await.unwrap().unwrap_err().to_string();
    assert!(error.contains("operation=get_balances"), "{error}");
}

#[tokio::test]
async fn a_settlement_goes_on_after_its_caller_s_deadline() {
    let world = world(|builder| builder.call_timeout(Duration::from_secs(3))).await;
    world.answers(CREATE, created()).await;
    world.answers(COMMIT, committed().set_delay(Duration::from_millis(300))).await;
    let guard = world.guard().await;
    let settle = tokio::spawn(guard.settle(spent(5)));
    until("the request", || async { world.count(COMMIT).await == 1 }).await;
    world.clock.advance(Duration::from_secs(3));
    let outcome = settle.await.unwrap();
    let Settlement::Pending(error) = outcome else { panic!("{outcome:?}") };
    assert!(error.message().contains("call_timeout_ms=3000"), "{error}");
    assert_eq!(world.client.flush_pending_commits().await, 0);
    assert_eq!(world.count(COMMIT).await, 1, "not sent again");
    assert_eq!(world.outcomes(), [(SettlementOutcome::Committed, "res_1".to_owned())]);
}
