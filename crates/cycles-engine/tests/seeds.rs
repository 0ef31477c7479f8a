//! What a seed may say, and what it is told when it may not.
#![expect(clippy::unwrap_used, reason = "tests")]

mod fixture;

use std::sync::Arc;

use cycles_engine::{Engine, Seed, SeedError};
use cycles_protocol::control::{BudgetRef, BudgetStatus};
use cycles_protocol::{Control, SystemClock, SystemRandom, Unit};

fn load(text: &str) -> Result<Engine, SeedError> {
    let seed = Seed::from_yaml(text)?;
    Engine::with_seed(&seed, Arc::new(SystemClock::new()), Arc::new(SystemRandom))
}

#[track_caller]
fn refused(text: &str, says: &[&str]) {
    let message = load(text).map(|_| ()).expect_err(text).to_string();
    for says in says {
        assert!(message.contains(says), "{message:?} should say {says:?}");
    }
}

#[test]
fn any_starting_state() {
    let engine = load(
        "budgets:
  - {scope: 'tenant:t', unit: USD_MICROCENTS, allocated: $1.50, spent: $0.25, debt: 7, overdraft_limit: $0.00000009, is_over_limit: true, status: FROZEN}",
    )
    .unwrap();
    let budget = BudgetRef::new("tenant:t", Unit::UsdMicrocents).unwrap();
    let budget = engine.get_budget(&budget).unwrap();
    assert_eq!(budget.allocated.amount, 150_000_000);
    assert_eq!(budget.remaining.amount, 125_000_000 - 7);
    assert_eq!((budget.overdraft_limit.amount, budget.is_over_limit), (9, true));
    assert_eq!((budget.status, budget.reserved.amount), (BudgetStatus::Frozen, 0));
}

#[test]
fn json_is_yaml_and_a_seed_survives_the_way_there_and_back() {
    let text = r#"{"tenants":[{"tenant_id":"Acme_1","metadata":{"a":1}}],"keys":[{"name":"k","secret":"s","tenant_id":"Acme_1","scope_filter":["agent:*"]}],"budgets":[{"scope":"tenant:Acme_1","unit":"USD_MICROCENTS","allocated":"$1.00","caps":{"at_utilization":80,"max_tokens":5}}],"policies":[{"scope_pattern":"tenant:Acme_1/*","priority":1,"caps":{"cooldown_ms":5},"reservation_ttl_override":{"max_extensions":0},"status":"DISABLED"}]}"#;
    let seed = Seed::from_yaml(text).unwrap();
    assert!(load(text).is_ok());
    assert_eq!(Seed::from_yaml(&serde_json::to_string(&seed).unwrap()).unwrap(), seed);
    assert!(!format!("{seed:?}").contains("secret: \"s\""), "secrets are not printed");
    assert!(load("").is_ok() || load("{}").is_ok());
}

#[test]
fn budgets_for_short_are_scopes_with_their_amounts() {
    let short = Seed::from_yaml(
        "budgets: {tenant:acme: $5.00, 'tenant:acme/agent:x': 1000 tokens, tenant:b: [{unit: TOKENS, amount: 7}, 2 CREDITS]}",
    )
    .unwrap();
    let long = Seed::from_yaml(
        "budgets:
  - {scope: 'tenant:acme', unit: USD_MICROCENTS, allocated: 500000000}
  - {scope: 'tenant:acme/agent:x', unit: TOKENS, allocated: 1000}
  - {scope: 'tenant:b', unit: TOKENS, allocated: 7}
  - {scope: 'tenant:b', unit: CREDITS, allocated: 2}",
    )
    .unwrap();
    assert_eq!(short, long);
    assert_eq!(Seed::from_yaml("budgets: {}").unwrap(), Seed::default());
}

#[test]
fn a_short_budget_that_is_none_names_its_scope_and_what_to_write() {
    let budget = |value: &str| format!("budgets:\n  tenant:acme: {value}\n");
    for bad in ["5", "1.5", "true", "null", "5 euros", "-5 tokens", "$1.000000001", "[5]"] {
        refused(&budget(bad), &["line 2", "tenant:acme", "$5.00", "1000 TOKENS"]);
    }
    refused(&budget("[]"), &["line 2", "tenant:acme", "$5.00"]);
    refused(&budget("{}"), &["line 2", "unit", "tenant:acme"]);
    refused(&budget("{unit: TOKENS}"), &["line 2", "amount", "tenant:acme"]);
    refused(&budget("{unit: TOKENS, amount: -1}"), &["line 2", "-1", "tenant:acme"]);
    refused(&budget("{unit: TOKENS, amount: 1, spent: 1}"), &["line 2", "spent"]);
    refused(&budget("{unit: EUROS, amount: 1}"), &["budgets[0]", "unit", "tenant:acme"]);
    refused(&budget("{unit: TOKENS, amount: $1}"), &["budgets[0]", "dollars", "tenant:acme"]);
    refused("budgets: {acme: $5.00}", &["budgets[0]", "\"acme\"", "tenant:acme"]);
    refused("budgets: {tenant:acme: $5.00, tenant:acme: $6.00}", &["tenant:acme"]);
    refused("budgets: 5", &["budgets", "$5.00"]);
}

#[test]
fn where_there_are_no_keys_each_tenant_can_have_one() {
    let keys = |text: &str| {
        let seed = Seed::from_yaml(text).unwrap();
        assert!(seed.keys.len() < 2, "no key without being asked for it");
        let keyed = seed.with_default_keys().keys.into_iter();
        keyed.map(|key| (key.name, key.secret, key.tenant_id)).collect::<Vec<_>>()
    };
    let of = |tenant: &str| (tenant.into(), format!("cyc_embedded_{tenant}"), tenant.into());
    assert_eq!(
        keys("budgets: {tenant:b/agent:x: $1, tenant:a: $1, tenant:b: $1}"),
        [of("a"), of("b")]
    );
    assert_eq!(keys("{tenants: [{tenant_id: c}], budgets: {tenant:a: $1}}"), [of("a"), of("c")]);
    let given = ("k".into(), "s".into(), "a".into());
    assert_eq!(
        keys("{keys: [{name: k, secret: s, tenant_id: a}], budgets: {tenant:b: $1}}"),
        [given]
    );
    assert_eq!(keys("{}"), []);
}

#[test]
fn keys_that_nobody_wrote_are_not_what_is_wrong() {
    let load = |text: &str| {
        let seed = Seed::from_yaml(text)?.with_default_keys();
        Engine::with_seed(&seed, Arc::new(SystemClock::new()), Arc::new(SystemRandom))
            .map(|_| seed.keys.into_iter().map(|key| key.name).collect::<Vec<_>>())
    };
    for scope in ["", "tenant:", "tenant:a b", "tenant:café", "TENANT:a", "tenant:a/"] {
        let error = load(&format!("budgets: {{'{scope}': $5}}")).unwrap_err().to_string();
        assert!(error.contains("budgets[0]") && error.contains(scope), "{error}");
    }
    for text in [
        "budgets: {'tenant:acme/agent:x': $1, 'tenant:Acme': $5}",
        "{tenants: [{tenant_id: Acme}], budgets: {tenant:acme: $1}}",
    ] {
        assert_eq!(load(text).unwrap(), ["Acme"], "case does not tell tenants apart: {text}");
    }
}

#[test]
fn text_that_does_not_parse_names_line_and_column() {
    refused("tenants: [\n  {tenant_id: a\n", &["line", "3"]);
    refused("keys:\n  - {name: a, secret: b, tenant_id: c}\n  - nonsense\n", &["line 3"]);
    refused("tenants: []\nbudgetz: []\n", &["budgetz", "line 2"]);
    let amount = |amount: &str| {
        format!("budgets:\n  - scope: 'tenant:t'\n    unit: TOKENS\n    allocated: {amount}\n")
    };
    for bad in ["1.5", "-1", "'100'", "1e3", "$1.000000001", "9223372036854775808", "true", "[1]"] {
        refused(&amount(bad), &["line 4", "column"]);
    }
    refused(&amount("1\n    reserved: 5"), &["reserved", "line 5"]);
}

#[test]
fn entries_that_cannot_be_used_are_named() {
    refused(
        "budgets: [{scope: 'tenant:t', unit: TOKENS, allocated: $1.00}]",
        &["budgets[0]", "dollars"],
    );
    refused(
        "budgets: [{scope: 'tenant:t', unit: TOKENS, allocated: 1}, {scope: 'tenant:T', unit: TOKENS, allocated: 1}]",
        &["budgets[1]"],
    );
    refused(
        "budgets: [{scope: 'agent:x', unit: TOKENS, allocated: 1}]",
        &["budgets[0]", "tenant:"],
    );
    refused("budgets: [{scope: 'tenant:t', unit: EUROS, allocated: 1}]", &["budgets[0]", "unit"]);
    refused(
        "budgets: [{scope: 'tenant:t', unit: TOKENS, allocated: 0, spent: 9223372036854775807, debt: 2}]",
        &["budgets[0]"],
    );
    refused("tenants: [{tenant_id: a b}]", &["tenants[0]", "tenant_id"]);
    refused("tenants: [{tenant_id: a}, {tenant_id: a}]", &["tenants[1]", "repeats"]);
    refused("tenants: [{tenant_id: a}, {tenant_id: A}]", &["tenants[1]"]);
    refused(
        "tenants: [{tenant_id: a, max_reservation_ttl_ms: 1}]",
        &["tenants[0]", "max_reservation_ttl_ms"],
    );
    let key = |key: &str| format!("keys: [{{name: a, secret: s, tenant_id: t}}, {{{key}}}]");
    refused(&key("name: b, secret: s, tenant_id: t"), &["keys[1]", "secret repeats"]);
    refused(&key("name: a, secret: r, tenant_id: t"), &["keys[1]", "name repeats"]);
    refused(&key("name: b, secret: '', tenant_id: t"), &["keys[1]", "secret"]);
    refused(&key("name: b, secret: r, tenant_id: T"), &["keys[1]", "case"]);
    refused(&key("name: b, secret: r, tenant_id: t, permissions: [nope]"), &["keys[1]", "nope"]);
    refused(&key("name: b, secret: r, tenant_id: t, scope_filter: [nope]"), &["keys[1]", "nope"]);
}

#[test]
fn caps_and_policies_that_cannot_be_used_are_named() {
    let budget = |caps: &str| {
        format!("budgets:\n  - {{scope: 'tenant:t', unit: TOKENS, allocated: 1, caps: {{{caps}}}}}")
    };
    refused(&budget("at_utilization: 101"), &["budgets[0]", "at_utilization"]);
    refused(&budget("at_utilization: -1"), &["line 2"]);
    refused(&budget("at_utilization: 79.5"), &["line 2"]);
    refused(&budget("max_token: 5"), &["line 2", "max_token"]);
    refused(&budget("max_tokens: -5"), &["budgets[0]", "caps.max_tokens"]);
    let policy = |fields: &str| format!("policies:\n  - {{scope_pattern: 'tenant:t/*', {fields}}}");
    refused(&policy("caps: {at_utilization: 101}"), &["policies[0]", "at_utilization"]);
    refused(&policy("caps: {cooldown_ms: -1}"), &["policies[0]", "caps.cooldown_ms"]);
    refused(&policy("priority: -1"), &["policies[0]", "priority"]);
    refused(&policy("status: PAUSED"), &["policies[0]", "status"]);
    refused(&policy("tenant_id: u"), &["policies[0]", "another tenant"]);
    refused(&policy("effective_from: soon"), &["policies[0]", "effective_from"]);
    refused(&policy("commit_overage_policy: MAYBE"), &["policies[0]", "commit_overage_policy"]);
    refused(&policy("rate_limits: {}"), &["line 2", "rate_limits"]);
    refused(&policy("reservation_ttl_override: {ttl: 1}"), &["line 2", "ttl"]);
    refused(&policy("reservation_ttl_override: {max_ttl_ms: 1}"), &["policies[0]", "max_ttl_ms"]);
    refused("policies: [{scope_pattern: 'agent:*'}]", &["policies[0]", "tenant_id"]);
    refused("policies: [{tenant_id: t, scope_pattern: 'team:x'}]", &["policies[0]", "pattern"]);
    refused(
        "policies: [{tenant_id: t, name: a, scope_pattern: '*'}, {tenant_id: t, name: a, scope_pattern: '*'}]",
        &["policies[1]", "name"],
    );
}
