//! Work that runs while the authority cannot be asked.

use super::*;

fn allow(builder: CyclesClientBuilder) -> CyclesClientBuilder {
    builder.on_unreachable(OnUnreachable::Allow)
}

#[tokio::test]
async fn work_that_was_allowed_unseen_is_booked_as_an_event_when_the_authority_is_back() {
    let world = world(allow).await;
    world.answers(CREATE, down()).await;
    world.answers_first(EVENTS, 2, down()).await;
    world.answers(EVENTS, applied()).await;

    let guard = world.guard().await;
    assert!(guard.is_unseen());
    assert_eq!((guard.decision(), guard.expires_at_ms()), (Decision::Allow, None));
    assert!(guard.reservation_id().as_str().starts_with("offline-"));
    assert!(matches!(guard.extend(1_000).await, Err(Error::Validation(_))));
    let id = guard.reservation_id().to_string();
    assert_eq!(world.client.unseen_work().running, 1);
    let outcome = guard.settle(spent(7)).await;
    assert!(matches!(outcome, Settlement::Queued), "{outcome:?}");
    let work = world.client.unseen_work();
    assert_eq!((work.running, work.unbooked), (0, 1));
    assert_eq!(work.amounts, [Amount::tokens(7)]);
    world.settle().await;

    let events = world.bodies(EVENTS).await;
    assert_eq!(events.len(), 3);
    assert!(events.iter().all(|event| event == &events[0]), "one key, one body");
    assert_eq!(events[0]["subject"], json!({"tenant": "acme"}));
    assert_eq!(events[0]["actual"], json!({"unit": "TOKENS", "amount": 7}));
    assert_eq!(events[0]["metadata"]["unseen_id"], id);
    assert_eq!(events[0]["metadata"]["recovery_reason"], "ALLOWED_WHILE_UNREACHABLE");
    assert_eq!(world.count(CREATE).await, 2, "the create's one repeat");
    assert_eq!(world.outcomes(), [(SettlementOutcome::RecoveredViaEvent, id)]);
    assert_eq!(world.client.unseen_work(), runcycles::UnseenWork::default());
}

#[tokio::test]
async fn the_spend_of_unseen_work_survives_the_process() {
    let journal = tempfile::tempdir().unwrap();
    let settings = |builder| allow(journalled(builder, journal.path())).retry_enabled(false);
    let world = world(settings).await;
    world.answers(CREATE, down()).await;
    world.answers(EVENTS, down()).await;
    assert!(matches!(world.guarded().await, (Ok(()), true)));
    until("the first attempt", || async { world.count(EVENTS).await > 0 }).await;
    let refused = world.requests(EVENTS).await;
    world.server.reset().await;
    world.answers(EVENTS, down()).await;
    let World { server, clock, client: first, .. } = world;
    assert_eq!(first.close(Duration::ZERO).await, 1);
    drop(first);

    let record = std::fs::read_dir(journal.path())
        .unwrap()
        .flat_map(|folder| std::fs::read_dir(folder.unwrap().path()).unwrap())
        .map(|file| std::fs::read_to_string(file.unwrap().path()).unwrap())
        .map(|text| serde_json::from_str::<Value>(&text).unwrap())
        .collect::<Vec<_>>();
    assert_eq!(record.len(), 1, "a record, and nothing besides: {record:?}");
    assert_eq!((&record[0]["version"], &record[0]["mode"]), (&json!(1), &json!("event")));
    assert!(record[0]["reservation_id"].as_str().unwrap().starts_with("offline-"));

    server.reset().await;
    Mock::given(path(EVENTS)).respond_with(applied()).mount(&server).await;
    let (second, reports) = client(&server, &clock, settings);
    assert_eq!(second.flush_pending_commits().await, 0);
    let requests = server.received_requests().await.unwrap();
    let [event] = &requests[..] else { panic!("{requests:?}") };
    assert_eq!(event.body, refused[0].body);
    assert_eq!(event.headers["x-idempotency-key"], refused[0].headers["x-idempotency-key"]);
    assert_eq!(reports.try_recv().unwrap().outcome, SettlementOutcome::RecoveredViaEvent);
}

#[tokio::test]
async fn unseen_work_is_bounded_until_it_is_booked() {
    let world = world(|builder| {
        builder
            .circuit_breaker_failures(0)
            .on_unreachable(OnUnreachable::AllowUpTo(Amount::tokens(12)))
    })
    .await;
    world.answers(CREATE, down()).await;
    world.answers_first(EVENTS, 1, down()).await;
    world.answers(EVENTS, applied()).await;
    assert!(matches!(world.guarded().await, (Ok(()), true)));
    // 7 are spent and not booked: the second estimate of 5 fits, a third does not.
    let second = world.guard().await;
    let (result, ran) = world.guarded().await;
    assert!(!ran);
    assert_eq!(result.unwrap_err().status(), Some(503), "the reserve's own error");
    drop(second);
    drop(world.guard().await);
    world.settle().await;
    assert_eq!(world.client.unseen_work().amounts, []);
    assert!(matches!(world.guarded().await, (Ok(()), true)));
    world.settle().await;
    assert_eq!(world.count(EVENTS).await, 3);
    assert_eq!(world.count(RELEASE).await, 0, "there is nothing to release");
}

#[tokio::test]
async fn a_clear_refusal_is_never_overridden() {
    for (status, code) in [(409, "BUDGET_EXCEEDED"), (429, "LIMIT_EXCEEDED"), (401, "UNAUTHORIZED")]
    {
        let world = world(allow).await;
        world.answers(CREATE, refused(status, code)).await;
        let (result, ran) = world.guarded().await;
        assert!(!ran, "{code}");
        assert_eq!(result.unwrap_err().error_code(), Some(ErrorCode::parse(code)));
    }
}

#[tokio::test]
async fn work_is_denied_unless_allowed_and_a_dry_run_always() {
    let denying = world(|builder| builder).await;
    denying.answers(CREATE, down()).await;
    let (result, ran) = denying.guarded().await;
    assert!(!ran && result.unwrap_err().status() == Some(503));
    let allowing = world(allow).await;
    allowing.answers(CREATE, down()).await;
    let mut dry = request();
    dry.dry_run = Some(true);
    assert_eq!(allowing.client.begin(dry).await.map(drop).unwrap_err().status(), Some(503));
}

#[tokio::test]
async fn nobody_there_and_an_open_circuit_are_reasons_too() {
    let clock = ManualClock::default();
    let client = CyclesClient::builder("key", "http://127.0.0.1:1")
        .tenant("acme")
        .journal_enabled(false)
        .clock(Arc::new(clock.clone()))
        .on_unreachable(OnUnreachable::Allow)
        .build();
    for _ in 0..8 {
        let guard = client.reserve(request()).await.unwrap();
        assert!(guard.is_unseen());
        guard.release("done").await.unwrap();
        clock.advance(Duration::from_millis(500));
    }
    assert_ne!(client.circuit(), CircuitState::Closed);
    assert_eq!(client.unseen_work(), runcycles::UnseenWork::default());
}

#[tokio::test]
async fn streams_are_allowed_unseen_too() {
    let world = world(allow).await;
    world.answers(CREATE, down()).await;
    world.answers(EVENTS, applied()).await;
    let config = WithCyclesConfig::new(Amount::tokens(5)).action("llm", "m");
    let stream = world.client.reserve_stream(config, StreamOptions::new()).await.unwrap();
    stream.set_actual(4);
    let outcome = stream.finish().await.unwrap();
    assert!(matches!(outcome, Settlement::Queued), "{outcome:?}");
    world.settle().await;
    let events = world.bodies(EVENTS).await;
    assert_eq!(events.len(), 1);
    assert_eq!(events[0]["actual"]["amount"], 4);
    assert_eq!(events[0]["metadata"]["recovery_reason"], "ALLOWED_WHILE_UNREACHABLE");
}

#[tokio::test]
async fn an_inner_call_that_inherits_is_booked_with_the_unseen_outer_one() {
    let world = world(|builder| allow(builder).nested(Nested::Inherit)).await;
    world.answers(CREATE, down()).await;
    world.answers(EVENTS, applied()).await;
    let guard = world.guard().await;
    let (result, ran) = guard
        .around(async {
            let config = WithCyclesConfig::new(Amount::tokens(2)).action("llm", "inner");
            let work = |_| async { Ok(((), Amount::tokens(2))) };
            (with_cycles(&world.client, config, work).await, true)
        })
        .await;
    assert!(result.is_ok() && ran);
    // What the inner call cost is booked, although the outer one failed.
    drop(guard);
    world.settle().await;
    let events = world.bodies(EVENTS).await;
    assert_eq!((events.len(), &events[0]["actual"]["amount"]), (1, &json!(2)));
    assert_eq!(world.client.unseen_work(), runcycles::UnseenWork::default());
    assert_eq!(world.count(CREATE).await, 2);
}
