//! What clients see of each fault, over both transports, and what the ledger
//! holds then.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::time::Duration;

use cycles_protocol::{ErrorCode, Operation, RawRequest, Unit};
use cycles_testkit::{Effect, Fault, ManualClock, TestServer, TestServerError, Transport};
use runcycles::models::{Action, Amount, EventCreateRequest, Subject};
use runcycles::{CyclesClient, Error, WithCyclesConfig, with_cycles};

const SEED: &str = "
keys: [{name: default, secret: cyc_test_acme, tenant_id: acme}]
budgets: [{scope: 'tenant:acme', unit: TOKENS, allocated: 1000}]";
const PATIENCE: Duration = Duration::from_secs(20);

struct Setup {
    server: TestServer,
    client: CyclesClient,
    clock: ManualClock,
}

async fn setup(transport: Transport, fault: Fault) -> Setup {
    let clock = ManualClock::default();
    let server = TestServer::start_with_clock(SEED, clock.clone()).await.unwrap();
    let client = server.client(None, transport).unwrap();
    server.inject(fault).unwrap();
    Setup { server, client, clock }
}

impl Setup {
    /// Spends ten tokens at once, with a typed call that nothing repeats.
    async fn spend(&self) -> Result<(), Error> {
        self.client.create_event(&event()).await.map(|_| ())
    }

    fn spent(&self) -> i64 {
        self.server.budget("tenant:acme", Unit::Tokens).unwrap().spent.amount
    }
}

fn event() -> EventCreateRequest {
    EventCreateRequest::builder()
        .subject(Subject { tenant: Some("acme".into()), ..Subject::default() })
        .action(Action::new("llm", "m"))
        .actual(Amount::tokens(10))
        .build()
}

fn fault(effect: Effect) -> Fault {
    Fault::new(Operation::CreateEvent, effect)
}

async fn on_both(test: impl AsyncFn(Transport)) {
    test(Transport::Http).await;
    test(Transport::Local).await;
}

fn unclear(outcome: &Result<(), Error>, status: Option<u16>) {
    let error = outcome.as_ref().unwrap_err();
    assert!(error.is_outcome_unknown(), "{error:?}");
    assert_eq!(error.status(), status);
}

#[tokio::test]
async fn a_lost_answer_is_charged_once() {
    let clock = ManualClock::default();
    let server = TestServer::start_with_clock(SEED, clock.clone()).await.unwrap();
    let client = server.client(None, Transport::Http).unwrap();
    // Applied, but the agent never hears of it.
    server.inject(Fault::new(Operation::Commit, Effect::DropAfter)).unwrap();

    let acme = Subject { tenant: Some("acme".into()), ..Subject::default() };
    let call = WithCyclesConfig::new(Amount::tokens(100)).subject(acme);
    let answer = with_cycles(&client, call, |_| async { Ok(("an answer", Amount::tokens(60))) });
    assert_eq!(answer.await.unwrap(), "an answer");
    clock.advance(Duration::from_millis(500)); // the first repeat is due within half a second
    // The lost answer, and the repeat's.
    assert!(server.wait_for(Operation::Commit, 2, Duration::from_secs(5)).await);
    assert_eq!(server.budget("tenant:acme", Unit::Tokens).unwrap().spent.amount, 60);
    assert_eq!(server.pending_faults(), []);
}

#[tokio::test]
async fn a_drop_before_applies_nothing_and_one_after_applies() {
    on_both(async |transport| {
        for (effect, spent, applied) in [(Effect::DropBefore, 0, 0), (Effect::DropAfter, 10, 1)] {
            let setup = setup(transport, fault(effect.clone())).await;
            unclear(&setup.spend().await, None);
            assert_eq!(setup.spent(), spent, "{transport:?} {effect:?}");
            assert_eq!(setup.server.count(Operation::CreateEvent), applied);
            setup.spend().await.unwrap();
            assert_eq!(setup.spent(), spent + 10, "it fires once");
        }
    })
    .await;
}

#[tokio::test]
async fn a_status_is_a_refusal_of_the_authority() {
    let throttled =
        Effect::Status { status: 429, code: None, retry_after: Some(Duration::from_millis(1_500)) };
    let denied =
        Effect::Status { status: 409, code: Some(ErrorCode::DebtOutstanding), retry_after: None };
    on_both(async |transport| {
        for (effect, code, wait) in [
            (throttled.clone(), ErrorCode::LimitExceeded, Some(Duration::from_secs(2))),
            (denied.clone(), ErrorCode::DebtOutstanding, None),
            (Effect::status(503), ErrorCode::InternalError, None),
            (Effect::status(410), ErrorCode::ReservationExpired, None),
        ] {
            let setup = setup(transport, fault(effect)).await;
            let error = setup.spend().await.unwrap_err();
            assert_eq!(error.error_code(), Some(code), "{transport:?}");
            assert_eq!(error.retry_after(), wait, "{transport:?} {code}");
            assert!(error.request_id().is_some_and(|id| !id.is_empty()), "{transport:?} {error:?}");
            assert_eq!(setup.spent(), 0);
        }
    })
    .await;
}

#[tokio::test]
async fn a_malformed_answer_was_applied_and_is_unclear() {
    on_both(async |transport| {
        let truncated = Effect::Malformed { body: r#"{"status":"APPL"#.to_owned() };
        for effect in [Effect::malformed(), truncated] {
            let setup = setup(transport, fault(effect)).await;
            let outcome = setup.spend().await;
            unclear(&outcome, None);
            assert!(matches!(outcome, Err(Error::Deserialization(_))), "{outcome:?}");
            assert_eq!(setup.spent(), 10, "{transport:?}");
        }
    })
    .await;
}

#[tokio::test]
async fn a_body_that_conforms_is_an_answer() {
    let body = r#"{"status":"APPLIED","event_id":"evt_of_the_test"}"#.to_owned();
    on_both(async |transport| {
        let setup = setup(transport, fault(Effect::Malformed { body: body.clone() })).await;
        let answer = setup.client.create_event(&event()).await.unwrap();
        assert_eq!(answer.event_id.as_str(), "evt_of_the_test", "{transport:?}");
    })
    .await;
}

#[tokio::test]
async fn a_delay_holds_one_call_by_the_clock_and_no_other() {
    on_both(async |transport| {
        let setup = setup(transport, fault(Effect::Delay(Duration::from_secs(60)))).await;
        let slow = tokio::spawn({
            let client = setup.client.clone();
            async move { client.create_event(&event()).await.map(|_| ()) }
        });
        assert!(setup.server.wait_for_faults(Operation::CreateEvent, PATIENCE).await);
        setup.clock.advance(Duration::from_millis(59_999));
        setup.spend().await.unwrap();
        assert!(!slow.is_finished(), "{transport:?}");
        assert_eq!(setup.spent(), 10, "it is held before it is applied");
        setup.clock.advance(Duration::from_millis(1));
        tokio::time::timeout(PATIENCE, slow).await.unwrap().unwrap().unwrap();
        assert_eq!(setup.spent(), 20);
    })
    .await;
}

#[tokio::test]
async fn clearing_forgets_faults_and_lets_held_calls_go() {
    on_both(async |transport| {
        let setup = setup(transport, fault(Effect::Delay(Duration::from_secs(60)))).await;
        setup.server.inject(fault(Effect::DropBefore)).unwrap();
        let held = tokio::spawn({
            let client = setup.client.clone();
            async move { client.create_event(&event()).await.map(|_| ()) }
        });
        while setup.server.pending_faults().len() == 2 {
            tokio::task::yield_now().await;
        }
        let waited = setup.server.wait_for_faults(Operation::CreateEvent, Duration::ZERO).await;
        assert!(!waited, "the second has not fired");
        setup.server.clear_faults();
        tokio::time::timeout(PATIENCE, held).await.unwrap().unwrap().unwrap();
        setup.spend().await.unwrap();
        assert_eq!(setup.spent(), 20);
        assert_eq!(setup.server.pending_faults(), []);
    })
    .await;
}

#[tokio::test]
async fn faults_of_an_operation_queue_up_and_leave_others_alone() {
    on_both(async |transport| {
        let second = fault(Effect::DropBefore).skip(1).times(2);
        let setup = setup(transport, second.clone()).await;
        setup.server.inject(fault(Effect::status(503))).unwrap();
        setup.server.inject(Fault::new(Operation::Commit, Effect::DropBefore)).unwrap();

        setup.spend().await.unwrap();
        unclear(&setup.spend().await, None);
        let left = setup.server.pending_faults();
        assert_eq!(left[0], second.skip(0).times(1), "{transport:?}");
        unclear(&setup.spend().await, None);
        assert_eq!(setup.spend().await.unwrap_err().status(), Some(503));
        setup.spend().await.unwrap();
        let left = setup.server.pending_faults();
        assert_eq!(left, [Fault::new(Operation::Commit, Effect::DropBefore)]);
    })
    .await;
}

#[tokio::test]
async fn low_level_calls_meet_the_same_faults() {
    on_both(async |transport| {
        let setup = setup(transport, fault(Effect::DropAfter)).await;
        for effect in [Effect::status(429), Effect::malformed()] {
            setup.server.inject(fault(effect)).unwrap();
        }
        let body = serde_json::to_vec(&event()).unwrap();
        let send = || setup.client.send(RawRequest::new(Operation::CreateEvent, body.clone()));
        assert!(matches!(send().await, Err(Error::Transport(error)) if error.is_outcome_unknown()));
        let refused = send().await.unwrap();
        assert_eq!(refused.status, 429);
        assert_eq!(refused.header("content-type"), Some("application/json"));
        assert_eq!(refused.header("x-cycles-trace-id").map(str::len), Some(32));
        let malformed = send().await.unwrap();
        assert_eq!(malformed.status, 201);
        assert!(malformed.body.starts_with(b"<html>"), "{malformed:?}");
        assert_eq!(setup.spent(), 10, "one key, one spend");
    })
    .await;
}

#[tokio::test]
async fn a_server_with_a_held_call_shuts_down() {
    let setup = setup(Transport::Http, fault(Effect::Delay(Duration::from_secs(60)))).await;
    let client = setup.client.clone();
    let held = tokio::spawn(async move { client.create_event(&event()).await.map(|_| ()) });
    assert!(setup.server.wait_for_faults(Operation::CreateEvent, PATIENCE).await);
    // Below the ten seconds for which a server waits for requests under way.
    tokio::time::timeout(Duration::from_secs(5), setup.server.shutdown()).await.unwrap().unwrap();
    held.await.unwrap().unwrap();
}

#[tokio::test]
async fn a_fault_that_could_not_fire_is_refused() {
    let server = TestServer::start(SEED).await.unwrap();
    let refused = |fault| {
        let TestServerError(message) = server.inject(fault).unwrap_err();
        message
    };
    assert!(refused(fault(Effect::DropAfter).times(0)).contains("times=0"));
    assert!(refused(fault(Effect::status(200))).contains("status=200"));
    assert!(refused(fault(Effect::status(409))).contains("name one"));
    assert_eq!(server.pending_faults(), []);
}
