//! What variables and documents make of a builder.

use std::path::PathBuf;

use super::*;

fn read(vars: &[(&str, &str)]) -> Result<CyclesClientBuilder, Error> {
    let base = [("CYCLES_BASE_URL", "http://h"), ("CYCLES_API_KEY", "secret")];
    CyclesClientBuilder::from_vars("CYCLES_", TimeUnit::Seconds, |name| {
        let found = base.iter().chain(vars).find(|(key, _)| *key == name);
        found.map(|(_, value)| (*value).to_owned())
    })
}

#[test]
fn the_journal_is_on_and_survives_power_failures_unless_set() {
    let builder = read(&[]).unwrap();
    assert!(builder.config.journal_enabled);
    assert_eq!(builder.settings.journal_sync, JournalSync::Power);
    let vars = [
        ("CYCLES_JOURNAL_ENABLED", "0"),
        ("CYCLES_JOURNAL_DIR", "/var/lib/journal"),
        ("CYCLES_JOURNAL_SYNC", "process"),
    ];
    let builder = read(&vars).unwrap();
    assert!(!builder.config.journal_enabled);
    assert_eq!(builder.config.journal_dir, Some(PathBuf::from("/var/lib/journal")));
    assert_eq!(builder.settings.journal_sync, JournalSync::Process);
    let error = read(&[("CYCLES_JOURNAL_SYNC", "disk")]).unwrap_err().to_string();
    assert!(error.contains("CYCLES_JOURNAL_SYNC") && error.contains("disk"), "{error}");
}

#[test]
fn what_to_do_in_an_outage_is_read_from_variables() {
    let vars = [
        ("CYCLES_SETTLEMENT", "background"),
        ("CYCLES_CALL_TIMEOUT_MS", "1500"),
        ("CYCLES_CIRCUIT_BREAKER_FAILURES", "3"),
        ("CYCLES_CIRCUIT_BREAKER_COOLDOWN_MS", "250"),
        ("CYCLES_ON_UNREACHABLE", "allow_up_to:5000:TOKENS"),
    ];
    let settings = read(&vars).unwrap().settings;
    assert_eq!(settings.settlement, SettlementMode::Background);
    assert_eq!(settings.call_timeout, Some(Duration::from_millis(1_500)));
    assert_eq!(settings.circuit_breaker_failures, 3);
    assert_eq!(settings.circuit_breaker_cooldown, Duration::from_millis(250));
    let limit = cycles_protocol::Amount::tokens(5_000);
    assert_eq!(settings.on_unreachable, OnUnreachable::AllowUpTo(limit));
    for (name, value) in [
        ("CYCLES_SETTLEMENT", "later"),
        ("CYCLES_CALL_TIMEOUT_MS", "1s"),
        ("CYCLES_CIRCUIT_BREAKER_FAILURES", "-1"),
        ("CYCLES_ON_UNREACHABLE", "allow_up_to:5000"),
    ] {
        let error = read(&[(name, value)]).unwrap_err().to_string();
        assert!(error.contains(name) && error.contains(value), "{error}");
    }
    for (name, setting) in [
        ("CYCLES_CALL_TIMEOUT_MS", "call_timeout"),
        ("CYCLES_CIRCUIT_BREAKER_COOLDOWN_MS", "circuit_breaker_cooldown"),
    ] {
        let error = read(&[(name, "0")]).unwrap_err().to_string();
        assert!(error.contains(setting), "{error}");
    }
}

#[test]
fn a_client_can_be_built_again_with_all_it_was_told() {
    let builder = read(&[("CYCLES_ON_UNREACHABLE", "allow")]).unwrap();
    let client = builder.journal_enabled(false).on_settlement(|_| {}).build();
    client.set_api_key("rotated").unwrap();
    let again = client.to_builder();
    assert_eq!(again.settings.on_unreachable, OnUnreachable::Allow);
    assert!(again.on_settlement.0.is_some());
    assert_eq!((&*again.config.api_key, &*again.config.base_url), ("rotated", "http://h"));
    let document = crate::document::ConfigDocument::from(again);
    let document = serde_json::to_value(document).unwrap();
    assert_eq!(document["on_unreachable"], "allow");
}

#[test]
fn a_document_says_what_to_do_in_an_outage() {
    let document = serde_json::json!({
        "settlement": "background", "call_timeout_ms": 1500, "circuit_breaker_failures": 0,
        "on_unreachable": "allow_up_to:7:TOKENS",
    });
    let document: crate::document::ConfigDocument = serde_json::from_value(document).unwrap();
    let settings = document.into_builder().unwrap().settings;
    assert_eq!(settings.settlement, SettlementMode::Background);
    assert_eq!(settings.circuit_breaker_failures, 0);
    let limit = cycles_protocol::Amount::tokens(7);
    assert_eq!(settings.on_unreachable, OnUnreachable::AllowUpTo(limit));
    let wrong = serde_json::json!({"on_unreachable": "allow_up_to:-1:TOKENS"});
    let wrong: crate::document::ConfigDocument = serde_json::from_value(wrong).unwrap();
    let error = wrong.into_builder().unwrap_err().message;
    assert!(error.contains("on_unreachable"), "{error}");
}
