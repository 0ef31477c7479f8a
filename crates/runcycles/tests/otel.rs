//! The authority's trace joins the caller's, where that is an OpenTelemetry one.

#![cfg(feature = "otel")]

use opentelemetry::trace::TracerProvider;
use opentelemetry_sdk::trace::{InMemorySpanExporter, SdkTracerProvider};
use runcycles::models::Amount;
use runcycles::{CyclesClient, WithCyclesConfig, with_cycles};
use serde_json::json;
use tracing::Instrument;
use tracing_subscriber::layer::SubscriberExt;
use wiremock::matchers::path_regex;
use wiremock::{Mock, MockServer, ResponseTemplate};

async fn authority() -> MockServer {
    let server = MockServer::start().await;
    for (path, body) in [
        (
            "/v1/reservations$",
            json!({
                "decision": "ALLOW", "reservation_id": "res_1", "affected_scopes": ["tenant:acme"],
                "expires_at_ms": 1_800_000_060_000_i64, "remaining_ttl_ms": 60_000
            }),
        ),
        ("/commit$", json!({"status": "COMMITTED", "charged": {"unit": "TOKENS", "amount": 5}})),
    ] {
        let answer = ResponseTemplate::new(200).set_body_json(body);
        Mock::given(path_regex(path)).respond_with(answer).mount(&server).await;
    }
    server
}

#[test]
fn the_spans_of_the_calls_are_the_parents_of_what_the_authority_records() {
    let exporter = InMemorySpanExporter::default();
    let provider = SdkTracerProvider::builder().with_simple_exporter(exporter.clone()).build();
    let layer = tracing_opentelemetry::layer().with_tracer(provider.tracer("test"));
    let _subscribed = tracing::subscriber::set_default(tracing_subscriber::registry().with(layer));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let parents = runtime.block_on(async {
        let server = authority().await;
        let client = CyclesClient::builder("key", server.uri())
            .tenant("acme")
            .journal_enabled(false)
            .build();
        let config = WithCyclesConfig::new(Amount::tokens(5)).action("llm", "m");
        with_cycles(&client, config, |_| async { Ok(((), Amount::tokens(5))) })
            .instrument(tracing::info_span!("the caller's"))
            .await
            .unwrap();
        let requests = server.received_requests().await.unwrap();
        let parents = requests.iter().map(|request| {
            let header = |name: &str| request.headers[name].to_str().unwrap().to_owned();
            (header("traceparent"), header("x-cycles-trace-id"))
        });
        parents.collect::<Vec<_>>()
    });
    drop(runtime);
    let spans = exporter.get_finished_spans().unwrap();
    let caller = spans.iter().find(|span| span.name == "the caller's").unwrap();
    let trace = caller.span_context.trace_id().to_string();
    assert_eq!(parents.len(), 2);
    for (operation, (traceparent, trace_id)) in ["create_reservation", "commit"].iter().zip(parents)
    {
        let span = spans.iter().find(|span| span.name == *operation).unwrap();
        let span_id = span.span_context.span_id();
        assert_eq!(traceparent, format!("00-{trace}-{span_id}-01"), "{operation}");
        assert_eq!(trace_id, trace, "{operation}");
    }
}
