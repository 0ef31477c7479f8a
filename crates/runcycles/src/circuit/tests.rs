use cycles_protocol::{ErrorCode, ErrorResponse};
use cycles_testkit::ManualClock;

use super::*;

const COOLDOWN: Duration = Duration::from_secs(4);

fn breaker(failures: u32) -> (Breaker, ManualClock) {
    let clock = ManualClock::default();
    (Breaker::new(failures, COOLDOWN, Arc::new(clock.clone())), clock)
}

fn admit(breaker: &Breaker) -> Result<(), Error> {
    breaker.admit(Operation::CreateReservation)
}

fn opened() -> (Breaker, ManualClock) {
    let (breaker, clock) = breaker(3);
    breaker.failed("first");
    clock.advance(MIN_OUTAGE);
    breaker.failed("second");
    assert_eq!(breaker.state(), CircuitState::Closed);
    breaker.failed("third");
    (breaker, clock)
}

#[test]
fn it_opens_after_failures_in_a_row_and_says_since_when() {
    let (breaker, clock) = opened();
    clock.advance(Duration::from_secs(1));
    let error = admit(&breaker).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unreachable);
    assert!(error.message().contains("open_for_ms=1000"), "{error}");
    assert!(error.message().contains("last=\"third\""), "{error}");
    let opened_at = clock.now_ms() - 1_000;
    assert_eq!(error.details().unwrap()[DETAIL], opened_at);
    let pause = error.retry_after().unwrap() + Duration::from_secs(1);
    assert!(pause >= COOLDOWN / 2 && pause <= COOLDOWN, "{pause:?}");
    assert!(is_open(&error) && is_unreachable(&error));
}

#[test]
fn an_answer_in_between_starts_the_count_again() {
    let (breaker, clock) = breaker(2);
    breaker.failed("x");
    clock.advance(MIN_OUTAGE);
    breaker.answered();
    breaker.failed("x");
    assert_eq!(breaker.state(), CircuitState::Closed);
}

#[test]
fn a_moment_of_many_failures_is_not_an_outage() {
    let (breaker, clock) = breaker(3);
    for _ in 0..100 {
        breaker.failed("connection refused");
    }
    assert!(admit(&breaker).is_ok());
    clock.advance(MIN_OUTAGE);
    breaker.failed("connection refused");
    assert!(admit(&breaker).is_err());
}

#[test]
fn after_the_pause_one_call_is_let_through_and_decides() {
    let (breaker, clock) = opened();
    clock.advance(COOLDOWN);
    assert!(admit(&breaker).is_ok());
    assert!(matches!(breaker.state(), CircuitState::HalfOpen { .. }));
    assert!(admit(&breaker).is_err(), "one only");
    breaker.failed("again");
    assert!(matches!(breaker.state(), CircuitState::Open { .. }));
    assert!(admit(&breaker).is_err());
    clock.advance(COOLDOWN);
    assert!(admit(&breaker).is_ok());
    breaker.answered();
    assert_eq!(breaker.state(), CircuitState::Closed);
    assert!(admit(&breaker).is_ok() && admit(&breaker).is_ok());
}

#[test]
fn a_call_that_is_lost_on_the_way_does_not_keep_it_open_for_ever() {
    let (breaker, clock) = opened();
    clock.advance(COOLDOWN);
    assert!(admit(&breaker).is_ok());
    // Its caller was cancelled: no outcome is ever noted.
    clock.advance(COOLDOWN);
    assert!(admit(&breaker).is_ok());
}

#[test]
fn pauses_differ() {
    let waits: std::collections::HashSet<_> = (0..20)
        .map(|_| admit(&opened().0).unwrap_err().retry_after().unwrap())
        .inspect(|wait| assert!(*wait >= COOLDOWN / 2 && *wait <= COOLDOWN, "{wait:?}"))
        .collect();
    assert!(waits.len() > 1);
}

#[test]
fn only_what_is_no_answer_is_unreachable() {
    let body = |code| ErrorResponse {
        error: code,
        message: "no".to_owned(),
        request_id: "r".to_owned(),
        trace_id: None,
        details: None,
        cycles_evidence: None,
    };
    let refused = |status, code| Error::from_response(status, body(code), None);
    for (error, unreachable) in [
        (Error::unreachable("refused"), true),
        (Error::outcome_unknown(None, "timeout"), true),
        (Error::outcome_unknown(Some(502), "html"), true),
        (Error::outcome_unknown(Some(200), "html"), true),
        (Error::outcome_unknown(Some(302), "login"), true),
        (Error::outcome_unknown(Some(404), "html"), false),
        (refused(500, ErrorCode::InternalError), true),
        (refused(503, ErrorCode::LimitExceeded), true),
        (refused(429, ErrorCode::LimitExceeded), false),
        (refused(409, ErrorCode::BudgetExceeded), false),
        (refused(401, ErrorCode::Unauthorized), false),
        (refused(400, ErrorCode::Unknown), false),
        (Error::config("base_url"), false),
        (Error::invalid("amount"), false),
        (Error::internal("defect"), false),
    ] {
        assert_eq!(is_unreachable(&error), unreachable, "{error:?}");
        let (breaker, clock) = breaker(1);
        breaker.failed("before");
        clock.advance(MIN_OUTAGE);
        breaker.judge::<()>(&Err(error.clone()));
        assert_eq!(admit(&breaker).is_err(), unreachable, "{error:?}");
    }
}

#[test]
fn settlement_and_extensions_do_not_wait_for_it() {
    let passing: Vec<_> =
        Operation::ALL.into_iter().filter(|operation| !is_guarded(*operation)).collect();
    assert_eq!(
        passing,
        [Operation::Commit, Operation::Release, Operation::Extend, Operation::CreateEvent]
    );
}

#[cfg(feature = "metrics")]
#[test]
fn openings_closings_and_calls_that_were_not_made_are_counted() {
    use metrics_util::debugging::{DebugValue, DebuggingRecorder};
    let recorder = DebuggingRecorder::new();
    let snapshots = recorder.snapshotter();
    let seen = || {
        let mut seen: Vec<_> = snapshots
            .snapshot()
            .into_vec()
            .into_iter()
            .map(|(key, _, _, value)| match value {
                DebugValue::Counter(count) => format!("{} {count}", key.key().name()),
                DebugValue::Gauge(value) => format!("{} {value}", key.key().name()),
                DebugValue::Histogram(_) => key.key().name().to_owned(),
            })
            .collect();
        seen.sort_unstable();
        seen.join("; ")
    };
    let _recording = ::metrics::set_default_local_recorder(&recorder);
    let (breaker, clock) = opened();
    assert!(admit(&breaker).is_err() && admit(&breaker).is_err());
    assert_eq!(
        seen(),
        "cycles_client_circuit_opened_total 1; cycles_client_circuits_open 1; cycles_client_short_circuited_total 2"
    );
    clock.advance(COOLDOWN);
    assert!(admit(&breaker).is_ok());
    breaker.answered();
    // A snapshot says what happened since the one before.
    let closed = seen();
    assert!(closed.contains("cycles_client_circuit_closed_total 1"), "{closed}");
    assert!(closed.contains("cycles_client_circuits_open -1"), "{closed}");
    drop(opened());
    let gone = seen();
    assert!(
        gone.contains("cycles_client_circuits_open 0"),
        "a client that ended is not open: {gone}"
    );
}
