//! The spans of a guarded call. In a program of its own: what a subscriber of one
//! thread sees depends on those of the others.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use cycles_testkit::{ManualClock, TestServer, Transport};
use runcycles::models::Amount;
use runcycles::{CyclesClient, WithCyclesConfig, with_cycles};
use tracing::span::{Attributes, Id, Record};
use tracing_subscriber::layer::{Context, Layer, SubscriberExt};

const SEED: &str = r#"
tenants: [{tenant_id: acme}]
keys: [{name: default, secret: cyc_test_acme, tenant_id: acme}]
budgets: [{scope: "tenant:acme", unit: TOKENS, allocated: 1000}]
"#;

type Spans = Arc<Mutex<Vec<(u64, Option<u64>, HashMap<String, String>)>>>;

/// Keeps spans with their parents and fields.
struct Keep(Spans);

struct Fields<'a>(&'a mut HashMap<String, String>);

impl tracing::field::Visit for Fields<'_> {
    fn record_debug(&mut self, field: &tracing::field::Field, value: &dyn std::fmt::Debug) {
        let value = format!("{value:?}").trim_matches('"').to_owned();
        self.0.insert(field.name().to_owned(), value);
    }
}

impl<S> Layer<S> for Keep
where
    S: tracing::Subscriber + for<'a> tracing_subscriber::registry::LookupSpan<'a>,
{
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        let parent = context.span(id).unwrap().parent().map(|parent| parent.id().into_u64());
        let mut fields =
            HashMap::from([("name".to_owned(), attributes.metadata().name().to_owned())]);
        attributes.record(&mut Fields(&mut fields));
        self.0.lock().unwrap().push((id.into_u64(), parent, fields));
    }

    fn on_record(&self, id: &Id, values: &Record<'_>, _: Context<'_, S>) {
        let mut spans = self.0.lock().unwrap();
        let span = spans.iter_mut().rfind(|(span, _, _)| *span == id.into_u64()).unwrap();
        values.record(&mut Fields(&mut span.2));
    }
}

#[test]
fn a_guarded_call_is_one_span_with_its_reserve_and_its_settlement_in_it() {
    let spans = Spans::default();
    let subscriber = tracing_subscriber::registry().with(Keep(Arc::clone(&spans)));
    let _subscribed = tracing::subscriber::set_default(subscriber);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let server = TestServer::start_with_clock(SEED, ManualClock::default()).await.unwrap();
        let builder = CyclesClient::builder("", "").tenant("acme").journal_enabled(false);
        let client = server.client_with(builder, None, Transport::Http).unwrap();
        let config = WithCyclesConfig::new(Amount::tokens(100)).action("llm", "m");
        with_cycles(&client, config, |_| async { Ok(((), Amount::tokens(60))) }).await.unwrap();
    });
    let spans = spans.lock().unwrap();
    let named = |field: &str, value: &str| {
        let found = spans
            .iter()
            .find(|(_, _, fields)| fields.get(field).map(String::as_str) == Some(value));
        found.unwrap_or_else(|| panic!("{field}={value} {spans:?}"))
    };
    let guarded = named("name", "cycles.guarded");
    let settle = named("name", "cycles.settle");
    let reserve = named("operation", "create_reservation");
    let commit = named("operation", "commit");
    assert_eq!(reserve.1, Some(guarded.0));
    assert_eq!(settle.1, Some(guarded.0));
    assert_eq!(commit.1, Some(settle.0));
    assert_eq!(named("name", "cycles.lease").1, Some(guarded.0));
    for (_, _, fields) in [guarded, settle, commit] {
        assert_eq!(fields["reservation_id"], guarded.2["reservation_id"]);
        assert_eq!(fields["trace_id"], guarded.2["trace_id"]);
    }
    assert_eq!(guarded.2["action_kind"], "llm");
    assert_eq!(commit.2["outcome"], "ok");
    let text = format!("{spans:?}");
    assert!(!text.contains("cyc_test_acme"), "no key in any span");
}
