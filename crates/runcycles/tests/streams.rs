//! Streams: counted while they flow, cut or extended at their hold, settled once
//! however they end.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use cycles_protocol::Operation;
use cycles_testkit::{TestServer, Transport};
use futures_util::{StreamExt, TryStreamExt, stream};
use runcycles::models::{Amount, ListReservationsParams, ReservationStatus, Unit};
use runcycles::{
    CyclesClient, Error, Flow, Nested, OnLimit, Settlement, StreamOptions, StreamReservation,
    WithCyclesConfig, with_cycles,
};

const SEED: &str = "
tenants: [{tenant_id: acme}]
keys: [{name: default, secret: cyc_test_acme, tenant_id: acme}]
budgets: [{scope: 'tenant:acme', unit: TOKENS, allocated: 1000}, {scope: 'tenant:acme', unit: USD_MICROCENTS, allocated: 1000}]
";

struct World {
    server: TestServer,
    client: CyclesClient,
    journal: tempfile::TempDir,
}

impl World {
    async fn new() -> Self {
        let server = TestServer::start(SEED).await.unwrap();
        let journal = tempfile::tempdir().unwrap();
        let builder = CyclesClient::builder("", "").tenant("acme").journal_dir(journal.path());
        let client = server.client_with(builder, None, Transport::Http).unwrap();
        Self { server, client, journal }
    }

    /// Remaining, reserved and spent.
    fn budget(&self) -> (i64, i64, i64) {
        let budget = self.server.budget("tenant:acme", Unit::Tokens).unwrap();
        (budget.remaining.amount, budget.reserved.amount, budget.spent.amount)
    }

    async fn stream(&self, on_limit: OnLimit) -> StreamReservation {
        let options = StreamOptions::new().on_limit(on_limit).extend_by(50);
        self.client.reserve_stream(tokens(100), options).await.unwrap()
    }

    async fn flush(&self) {
        assert_eq!(self.client.flush_pending_commits().await, 0);
    }

    /// How many reservations ended how.
    async fn ended(&self, status: ReservationStatus) -> usize {
        let status = Some(status.to_string());
        let params = ListReservationsParams { status, ..Default::default() };
        self.client.list_reservations(&params).await.unwrap().reservations.len()
    }
}

fn tokens(estimate: i64) -> WithCyclesConfig {
    WithCyclesConfig::new(Amount::tokens(estimate)).action("llm", "m")
}

/// Ten pieces of 20 tokens each.
fn pieces(
    handle: &StreamReservation,
) -> impl futures_util::Stream<Item = Result<i64, &'static str>> + Send + Unpin + use<> {
    let handle = handle.clone();
    Box::pin(stream::iter(0..10).map(move |piece| {
        handle.add_output_tokens(20);
        Ok(piece)
    }))
}

fn charged(settlement: Option<Settlement>) -> i64 {
    match settlement {
        Some(Settlement::Committed(response)) => response.charged.amount,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn what_was_counted_is_committed_at_the_end_with_its_measurements() {
    let world = World::new().await;
    let stream = world.stream(OnLimit::Finish).await;
    stream.add_input_tokens(7);
    stream.add_output_tokens(30);
    stream.record(|usage| usage.metrics.model_version = Some("m-1".to_owned()));
    assert!(matches!(stream.proceed().await, Flow::Continue));
    assert_eq!((stream.used(), stream.held()), (Some(Amount::tokens(37)), Amount::tokens(100)));
    assert_eq!(charged(stream.finish().await), 37);
    assert!(stream.finish().await.is_none() && stream.abort("again").await.is_none());
    assert!(stream.is_settled() && stream.reservation_ids().is_empty());
    assert_eq!(world.budget(), (963, 0, 37));
}

#[tokio::test]
async fn a_stream_is_cut_at_its_hold() {
    let world = World::new().await;
    let handle = world.stream(OnLimit::Cut).await;
    let seen: Vec<_> = handle.clone().watch(pieces(&handle)).try_collect().await.unwrap();
    assert_eq!(seen, [0, 1, 2, 3, 4], "100 tokens are five pieces");
    assert!(handle.is_cut() && handle.is_settled());
    assert_eq!(world.budget(), (900, 0, 100));
    assert!(matches!(handle.proceed().await, Flow::Cut));
}

#[tokio::test]
async fn a_stream_that_is_let_finish_is_charged_by_the_overage_policy() {
    let world = World::new().await;
    let handle = world.stream(OnLimit::Finish).await;
    let seen: Vec<_> = handle.clone().watch(pieces(&handle)).try_collect().await.unwrap();
    assert_eq!(seen.len(), 10);
    assert!(!handle.is_cut());
    assert_eq!(world.budget(), (800, 0, 200));
}

#[tokio::test]
async fn a_further_hold_is_taken_before_more_output_flows() {
    let world = World::new().await;
    let handle = world.stream(OnLimit::Extend).await;
    let mut items = Box::pin(handle.clone().watch(pieces(&handle)));
    for piece in 0..5 {
        assert_eq!(items.next().await.unwrap().unwrap(), piece);
        assert_eq!(world.budget(), (900, 100, 0));
    }
    assert_eq!(items.next().await.unwrap().unwrap(), 5);
    assert_eq!(world.budget(), (850, 150, 0), "held before the sixth piece");
    assert_eq!(items.by_ref().count().await, 4);
    assert_eq!(world.budget(), (800, 0, 200), "100 + 50 + 50, each settled by its own commit");
    assert_eq!(world.server.count(Operation::Commit), 3);
    assert_eq!(world.ended(ReservationStatus::Committed).await, 3);
    world.flush().await;
    let left = std::fs::read_dir(world.journal.path()).unwrap();
    let left = left.flat_map(|dir| std::fs::read_dir(dir.unwrap().path()).unwrap());
    let left: Vec<_> = left.map(|file| file.unwrap().file_name()).collect();
    assert!(left.iter().all(|name| !name.to_string_lossy().ends_with(".json")), "{left:?}");
}

#[tokio::test]
async fn a_refused_further_hold_cuts_the_stream_and_says_why() {
    let world = World::new().await;
    let other = world.client.reserve_stream(tokens(900), StreamOptions::new()).await.unwrap();
    let handle = world.stream(OnLimit::Extend).await;
    handle.add_output_tokens(100);
    let Flow::Refused(error) = handle.proceed().await else { panic!("more than there is") };
    assert!(error.is_budget_exceeded(), "{error}");
    assert!(handle.is_cut());
    assert_eq!(charged(handle.finish().await), 100);
    other.abort("done").await;
    assert_eq!(world.budget(), (900, 0, 100));
}

#[tokio::test]
async fn concurrent_readers_take_one_further_hold() {
    let world = World::new().await;
    let handle = world.stream(OnLimit::Extend).await;
    handle.add_output_tokens(110);
    let flows = futures_util::future::join_all((0..8).map(|_| handle.proceed())).await;
    assert!(flows.iter().all(|flow| matches!(flow, Flow::Continue)));
    assert_eq!((handle.held(), handle.reservation_ids().len()), (Amount::tokens(150), 2));
    assert_eq!(charged(handle.finish().await), 110);
    assert_eq!(world.budget(), (890, 0, 110));
}

#[tokio::test]
async fn holds_that_were_not_needed_are_given_back() {
    let world = World::new().await;
    let handle = world.stream(OnLimit::Extend).await;
    handle.add_output_tokens(100);
    assert!(matches!(handle.proceed().await, Flow::Continue));
    handle.set_actual(60);
    assert_eq!(charged(handle.finish().await), 60);
    assert_eq!(world.budget(), (940, 0, 60));
    assert_eq!(world.ended(ReservationStatus::Released).await, 1);
}

#[tokio::test]
async fn a_failure_after_output_commits_what_was_used_and_before_it_releases() {
    let world = World::new().await;
    let handle = world.stream(OnLimit::Cut).await;
    let failing = pieces(&handle).take(2).chain(stream::once(async { Err("provider failed") }));
    let seen: Vec<_> = handle.clone().watch(Box::pin(failing)).collect().await;
    assert_eq!(seen, [Ok(0), Ok(1), Err("provider failed")]);
    assert_eq!(world.budget(), (960, 0, 40));

    let handle = world.stream(OnLimit::Cut).await;
    let failing = Box::pin(stream::once(async { Err::<(), _>("refused at once") }));
    handle.clone().watch(failing).collect::<Vec<_>>().await;
    assert!(handle.is_settled());
    assert_eq!(world.budget(), (960, 0, 40));
    assert_eq!(world.ended(ReservationStatus::Released).await, 1);
}

#[tokio::test]
async fn a_reader_that_goes_away_settles_what_was_used() {
    let world = World::new().await;
    let handle = world.stream(OnLimit::Cut).await;
    let mut items = Box::pin(handle.clone().watch(pieces(&handle)));
    items.next().await.unwrap().unwrap();
    drop(items);
    assert!(handle.is_settled(), "whoever else has the handle");
    world.flush().await;
    assert_eq!(world.budget(), (980, 0, 20));

    let handle = world.stream(OnLimit::Cut).await;
    handle.add_output_tokens(5);
    drop(handle);
    world.flush().await;
    assert_eq!(world.budget(), (975, 0, 25));

    drop(world.stream(OnLimit::Cut).await);
    world.flush().await;
    assert_eq!(world.budget(), (975, 0, 25), "nothing was produced");
}

#[tokio::test]
async fn a_cost_function_prices_other_units_and_without_one_the_estimate_is_booked() {
    let world = World::new().await;
    let usd = || WithCyclesConfig::new(Amount::usd_microcents(100)).action("llm", "m");
    let spent = || world.server.budget("tenant:acme", Unit::UsdMicrocents).unwrap().spent.amount;
    let priced = StreamOptions::new()
        .on_limit(OnLimit::Cut)
        .cost(|usage| usage.tokens_input + 3 * usage.tokens_output);
    let handle = world.client.reserve_stream(usd(), priced).await.unwrap();
    handle.add_input_tokens(10);
    handle.add_output_tokens(30);
    assert!(matches!(handle.proceed().await, Flow::Cut), "10 + 90 is all of it");
    assert_eq!(charged(handle.finish().await), 100);
    assert_eq!(spent(), 100);

    let handle = world.client.reserve_stream(usd(), StreamOptions::new()).await.unwrap();
    handle.add_output_tokens(1);
    let id = handle.context().reservation_id.clone();
    assert_eq!(charged(handle.abort("failed").await), 100, "output was produced");
    let metadata = world.client.get_reservation(&id).await.unwrap().committed_metadata.unwrap();
    assert_eq!(metadata["actual_source"], "estimate");

    let broken = StreamOptions::new().cost(|_| panic!("broken"));
    let handle = world.client.reserve_stream(usd(), broken).await.unwrap();
    assert!(matches!(handle.proceed().await, Flow::Continue));
    assert_eq!(charged(handle.finish().await), 100);
    assert_eq!(spent(), 300);
}

#[tokio::test]
async fn calls_inside_a_stream_draw_from_its_hold() {
    let world = World::new().await;
    let handle = world.stream(OnLimit::Cut).await;
    let inner = || {
        let config = tokens(40).nested(Nested::Inherit);
        with_cycles(&world.client, config, |_| async { Ok(((), Amount::tokens(40))) })
    };
    handle.around(inner()).await.unwrap();
    handle.add_output_tokens(30);
    assert_eq!(handle.used(), Some(Amount::tokens(70)));
    let refused = handle.around(inner()).await.unwrap_err();
    assert!(refused.to_string().contains("left=30"), "{refused}");
    assert_eq!(charged(handle.finish().await), 70);
    assert_eq!(world.budget(), (930, 0, 70));
}

#[tokio::test]
async fn what_makes_no_sense_is_refused_before_anything_is_held() {
    let world = World::new().await;
    for extend_by in [0, -1] {
        let options = StreamOptions::new().on_limit(OnLimit::Extend).extend_by(extend_by);
        let error = world.client.reserve_stream(tokens(100), options).await.unwrap_err();
        assert!(matches!(&error, Error::Validation(m) if m.contains("extend_by")), "{error}");
    }
    let error = world.client.reserve_stream(tokens(-1), StreamOptions::new()).await.unwrap_err();
    assert!(matches!(&error, Error::Validation(m) if m.contains("estimate")), "{error}");
    assert_eq!(world.budget(), (1000, 0, 0));
}

/// The surface of the language packages.
mod document {
    use super::*;
    use runcycles::document::{self, Stream, StreamOptionsDocument, UsageDocument};
    use serde_json::{Value, json};

    async fn stream(world: &World, options: Value) -> Stream {
        let request =
            json!({"estimate": {"unit": "TOKENS", "amount": 100}, "subject": {"tenant": "acme"}});
        let request = document::read("guarded call", request).unwrap();
        let options: StreamOptionsDocument = document::read("stream options", options).unwrap();
        document::begin_stream(&world.client, request, options, None).await.unwrap()
    }

    fn usage(usage: Value) -> UsageDocument {
        document::read("usage", usage).unwrap()
    }

    #[tokio::test]
    async fn usage_is_all_of_it_and_members_that_make_no_sense_are_dropped() {
        let world = World::new().await;
        let stream = stream(&world, json!({"on_limit": "cut"})).await;
        let so_far = usage(json!({"tokens_output": 60, "tokens_input": "many", "cost": -1}));
        assert_eq!(stream.proceed(so_far).await.flow, "continue");
        let so_far = usage(json!({"tokens_output": 99, "metrics": {"model_version": "m-1"}}));
        assert_eq!(stream.proceed(so_far).await.flow, "continue", "99 and not 159");
        let context = stream.context();
        assert_eq!(context["used"], json!({"unit": "TOKENS", "amount": 99}));
        assert_eq!(context["reservation_ids"].as_array().unwrap().len(), 1);
        assert_eq!(stream.proceed(usage(json!({"tokens_output": 100}))).await.flow, "cut");
        let settled = stream.finish(usage(json!({"tokens_output": 100, "cost": 70}))).await;
        let response: serde_json::Value = serde_json::to_value(settled.response.unwrap()).unwrap();
        assert_eq!(response["charged"]["amount"], 70, "a cost function wins");
        assert_eq!(stream.abort(usage(json!({})), None).await.outcome, "already_settled");
        assert!(stream.as_parent().is_none());
        assert_eq!(world.budget(), (930, 0, 70));
    }

    #[tokio::test]
    async fn a_refused_hold_is_reported_with_its_code() {
        let world = World::new().await;
        let stream = stream(&world, json!({"on_limit": "extend", "extend_by": 901})).await;
        let flow = stream.proceed(usage(json!({"actual": 100}))).await;
        assert_eq!((flow.flow, flow.error.unwrap().code), ("refused", Some("BUDGET_EXCEEDED")));
        assert_eq!(stream.abort(usage(json!({})), None).await.outcome, "released");
    }

    #[tokio::test]
    async fn options_that_make_no_sense_name_the_field() {
        let read = |options| document::read::<StreamOptionsDocument>("stream options", options);
        for (options, field) in
            [(json!({"on_limit": "stop"}), "on_limit"), (json!({"limit": 1}), "limit")]
        {
            let message = read(options).unwrap_err().message;
            assert!(message.contains(field), "{message}");
        }
        let world = World::new().await;
        let request = json!({"estimate": {"unit": "TOKENS", "amount": 1}, "dry_run": true});
        let request = document::read("guarded call", request).unwrap();
        let refused = document::begin_stream(&world.client, request, <_>::default(), None).await;
        assert_eq!(refused.unwrap_err().kind, "Validation");
    }
}
