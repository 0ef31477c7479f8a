//! Small grammars: scopes, trace headers, dollars, queries and seeds.

use std::sync::Arc;

use cycles_engine::{Engine, Seed};
use cycles_protocol::control::BudgetRef;
use cycles_protocol::{Amount, Control, Subject, SystemClock, SystemRandom, query, scope, trace};

/// Reads one text by every grammar; what one accepts, it must be able to write
/// and read again.
pub fn texts(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    scopes(text);
    traces(text);
    dollars(text);
    queries(text);
    seeds(text);
}

fn scopes(text: &str) {
    let Ok(canonical) = scope::canonical(text) else { return };
    assert_eq!(canonical, text.to_ascii_lowercase());
    assert_eq!(scope::canonical(&canonical).ok().as_ref(), Some(&canonical));
    // A canonical scope is what the subject with the same levels derives.
    let tenant = scope::tenant(&canonical).expect("a scope starts with its tenant");
    let mut subject = Subject::default();
    for segment in text.split('/') {
        let (name, value) = segment.split_once(':').expect("a segment is level:value");
        let level = scope::Level::ALL.into_iter().find(|level| level.as_str() == name);
        *subject.get_mut(level.expect("levels are known")) = Some(value.to_owned());
    }
    let derived = scope::derive(&subject, tenant);
    assert_eq!(derived.last(), Some(&canonical));
    assert!(canonical.ends_with(scope::leaf(&canonical)));
}

fn traces(text: &str) {
    for id in [trace::inbound(Some(text), None), trace::inbound(None, Some(text))] {
        let Some(id) = id else { continue };
        let legal = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
        assert!(id.len() == 32 && id.bytes().all(legal) && text.contains(&id), "{id}");
        assert!(id.bytes().any(|byte| byte != b'0'), "an all-zero trace is invalid");
        let parent = trace::traceparent(&id, &SystemRandom);
        assert_eq!(trace::inbound(Some(&parent), None), Some(id));
    }
}

fn dollars(text: &str) {
    let exact = exact_microcents(text);
    let read = Amount::usd(text).ok();
    assert_eq!(read, exact.map(Amount::usd_microcents), "{text:?}");
    if let Some(read) = read {
        let written = format!("{}.{:08}", read.amount / 100_000_000, read.amount % 100_000_000);
        assert_eq!(Amount::usd(&written).ok(), Some(read));
    }
}

/// Dollars by the rule in words: digits, and at most eight after a point.
fn exact_microcents(text: &str) -> Option<i64> {
    let (whole, decimals) = match text.split_once('.') {
        Some((_, "")) => return None,
        Some(parts) => parts,
        None => (text, ""),
    };
    if whole.is_empty() || decimals.len() > 8 {
        return None;
    }
    let padding = std::iter::repeat_n('0', 8 - decimals.len());
    let mut sum: i64 = 0;
    for digit in whole.chars().chain(decimals.chars()).chain(padding) {
        let digit = i64::from(digit.to_digit(10)?);
        sum = sum.checked_mul(10)?.checked_add(digit)?;
    }
    Some(sum)
}

fn queries(text: &str) {
    let pairs: Vec<(String, String)> = text
        .split('&')
        .filter_map(|pair| pair.split_once('='))
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect();
    if let Ok(params) = query::list(&pairs) {
        assert_eq!(query::list(&params.to_query()).ok().as_ref(), Some(&params));
        assert!(params.limit.is_none_or(|limit| (1..=200).contains(&limit)));
    }
    if let Ok(params) = query::balances(&pairs) {
        assert_eq!(query::balances(&params.to_query()).ok().as_ref(), Some(&params));
        assert!(params.limit.is_none_or(|limit| (1..=200).contains(&limit)));
    }
}

fn seeds(text: &str) {
    let Ok(seed) = Seed::from_yaml(text) else { return };
    let json = serde_json::to_string(&seed).expect("a seed can be written");
    assert_eq!(Seed::from_yaml(&json).as_ref(), Ok(&seed), "{json}");
    let random = Arc::new(SystemRandom);
    let Ok(engine) = Engine::with_seed(&seed, Arc::new(SystemClock::new()), random) else {
        return;
    };
    for key in &seed.keys {
        engine.authenticate(&key.secret).expect("a key of the seed is one");
    }
    for budget in &seed.budgets {
        let budget = BudgetRef::new(&budget.scope, budget.unit).expect("it was accepted");
        let ledger = engine.get_budget(&budget).expect("a budget of the seed is there");
        let figures = [ledger.allocated, ledger.spent, ledger.reserved, ledger.debt];
        let [allocated, spent, reserved, debt] = figures.map(|figure| i128::from(figure.amount));
        assert_eq!(i128::from(ledger.remaining.amount), allocated - spent - reserved - debt);
    }
}
