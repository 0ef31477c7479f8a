//! Budgets that start anew by the calendar, whenever they are looked at.
#![expect(clippy::unwrap_used, reason = "tests")]

mod fixture;

use cycles_protocol::control::{
    BudgetFundingRequest, BudgetPeriod, BudgetRef, FundingOperation, PeriodLength, RolloverPolicy,
};
use cycles_protocol::{Amount, Control, Error, ErrorCode, Unit};
use fixture::{START, amounts, budget, client, create, refused, start};

const HOUR: i64 = 3_600_000;
const DAY: i64 = 24 * HOUR;

/// `acme` with 1000 tokens for every period, and a day's lease.
fn seed(period: &str) -> String {
    format!(
        "tenants: [{{tenant_id: acme, max_reservation_ttl_ms: 86400000}}]
keys: [{{name: default, secret: cyc_test_acme, tenant_id: acme}}]
budgets: [{{scope: 'tenant:acme', unit: TOKENS, allocated: 1000, period: {period}}}]"
    )
}

fn acme() -> BudgetRef {
    BudgetRef::new("tenant:acme", Unit::Tokens).unwrap()
}

#[test]
fn a_month_ends_without_anybody_doing_anything() {
    // 2027-01-15, 08:00 UTC
    let (engine, clock) = start(&seed("{every: MONTH, time_zone: Europe/Berlin}"));
    let client = client(&engine);
    let mut long = create(300);
    long.ttl_ms = Some(DAY);
    let spent = client.hold(500);
    client.commit(&spent, 500).unwrap();
    let shown = budget(&engine, "tenant:acme");
    assert_eq!(shown.period_start.as_deref(), Some("2026-12-31T23:00:00Z"));
    assert_eq!(shown.period_end.as_deref(), Some("2027-01-31T23:00:00Z"));
    assert_eq!(shown.rollover_policy, Some(RolloverPolicy::None));

    let end = 1_801_436_400_000; // 2027-01-31T23:00:00Z
    clock.advance(end - HOUR - START);
    let held = client.reserve(long).unwrap().reservation_id.unwrap();
    assert_eq!(amounts(&engine), (200, 300, 500));
    clock.advance(HOUR - 1);
    assert_eq!(amounts(&engine), (200, 300, 500), "the last millisecond of the month");
    clock.advance(1);
    assert_eq!(amounts(&engine), (700, 300, 0), "the hold is carried over");
    client.commit(&held, 250).unwrap();
    assert_eq!(amounts(&engine), (750, 0, 250), "it settles where it is committed");
    let shown = budget(&engine, "tenant:acme");
    assert_eq!(shown.period_end.as_deref(), Some("2027-02-28T23:00:00Z"));
}

#[test]
fn periods_that_nobody_saw_are_made_up_for() {
    let seed = seed("{every: DAY, rollover_policy: CARRY_FORWARD}");
    let (engine, clock) = start(&seed);
    client(&engine).event("e", 400).unwrap();
    clock.advance(3 * DAY);
    assert_eq!(amounts(&engine), (3_600, 0, 0));
    // Only the server's own look tidied, and it is the same.
    clock.advance(DAY);
    engine.sweep();
    assert_eq!(amounts(&engine), (4_600, 0, 0));
}

#[test]
fn a_clock_that_goes_back_gives_nothing_twice() {
    let (engine, clock) = start(&seed("{every: ROLLING, length_ms: 3600000}"));
    let client = client(&engine);
    client.event("a", 900).unwrap();
    clock.advance(HOUR);
    client.event("b", 900).unwrap();
    clock.advance(-2 * HOUR);
    refused(client.reserve(create(101)), ErrorCode::BudgetExceeded);
    clock.advance(2 * HOUR);
    assert_eq!(amounts(&engine), (100, 0, 900), "the same period still");
    clock.advance(HOUR);
    assert_eq!(amounts(&engine), (1_000, 0, 0));
}

#[test]
fn a_denial_says_when_the_next_period_begins() {
    let (engine, clock) = start(&seed("{every: ROLLING, length_ms: 3600000}"));
    let client = client(&engine);
    client.event("e", 900).unwrap();
    clock.advance(HOUR - 5_000);
    let hint = |error: &Error| error.details()?.get("retry_after_ms")?.as_i64();
    let refuse = |amount| refused(client.reserve(create(amount)), ErrorCode::BudgetExceeded);
    assert_eq!(hint(&refuse(200)), Some(5_000));
    assert_eq!(hint(&refuse(1_001)), None, "no period covers that");
    clock.advance(5_000);
    assert!(client.reserve(create(200)).is_ok());
}

#[test]
fn funding_counts_for_the_running_period_and_a_reset_for_all() {
    let (engine, clock) = start(&seed("{every: ROLLING, length_ms: 3600000}"));
    let fund = |operation, amount| {
        let request = BudgetFundingRequest {
            operation,
            amount: Amount::tokens(amount),
            spent: None,
            reason: None,
            idempotency_key: None,
            metadata: None,
        };
        engine.fund_budget(&acme(), request).unwrap();
    };
    fund(FundingOperation::Credit, 500);
    assert_eq!(amounts(&engine), (1_500, 0, 0));
    clock.advance(HOUR);
    assert_eq!(amounts(&engine), (1_000, 0, 0));
    fund(FundingOperation::Reset, 300);
    clock.advance(HOUR);
    assert_eq!(amounts(&engine), (300, 0, 0));
}

#[test]
fn periods_are_set_and_ended_on_a_budget_that_is_there() {
    let (engine, clock) = start(fixture::SEED);
    client(&engine).event("e", 400).unwrap();
    let month = BudgetPeriod::new(PeriodLength::Month);
    let set = engine.set_budget_period(&acme(), Some(month)).unwrap();
    assert_eq!(set.spent.amount, 400, "what was spent stays spent");
    clock.advance(31 * DAY);
    assert_eq!(amounts(&engine), (1_000, 0, 0));
    let ended = engine.set_budget_period(&acme(), None).unwrap();
    assert_eq!((ended.period_end, ended.rollover_policy), (None, None));
    client(&engine).event("f", 100).unwrap();
    clock.advance(62 * DAY);
    assert_eq!(amounts(&engine), (900, 0, 100));
}

#[test]
fn what_is_wrong_is_named() {
    let (engine, _) = start(fixture::SEED);
    let day = || BudgetPeriod::new(PeriodLength::Day);
    let rolling =
        |length_ms| BudgetPeriod { length_ms, ..BudgetPeriod::new(PeriodLength::Rolling) };
    for (period, field) in [
        (BudgetPeriod { time_zone: Some("Europe/Berlino".into()), ..day() }, "time_zone"),
        (BudgetPeriod { length_ms: Some(HOUR), ..day() }, "length_ms"),
        (rolling(None), "length_ms"),
        (rolling(Some(1)), "length_ms"),
        (BudgetPeriod::new(PeriodLength::Unknown), "every"),
        (
            BudgetPeriod { rollover_policy: Some(RolloverPolicy::Unknown), ..day() },
            "rollover_policy",
        ),
    ] {
        let error = engine.set_budget_period(&acme(), Some(period)).unwrap_err();
        assert_eq!(error.code(), ErrorCode::InvalidRequest);
        assert!(error.message().contains(field), "{field}: {error}");
    }
}
