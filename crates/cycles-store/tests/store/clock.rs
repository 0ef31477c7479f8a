//! A clock that jumps back, under a server and between two of them.

use cycles_protocol::Control;
use cycles_protocol::Unit;
use cycles_protocol::control::{BudgetLedger, BudgetPeriod, BudgetRef, PeriodLength};

use crate::fixture::Plant;

const HOUR: i64 = 3_600_000;
const DAY: i64 = 24 * HOUR;

fn acme() -> BudgetRef {
    BudgetRef::new("tenant:acme", Unit::Tokens).unwrap()
}

fn budget(plant: &Plant) -> BudgetLedger {
    plant.engine().get_budget(&acme()).unwrap()
}

fn amounts(plant: &Plant) -> (i64, i64, i64) {
    let budget = budget(plant);
    (budget.remaining.amount, budget.reserved.amount, budget.spent.amount)
}

#[test]
fn leases_run_longer_by_that_much_and_nothing_else_happens() {
    let mut plant = Plant::new();
    let [committed, left] = ["a", "b"].map(|key| plant.client().hold(key, 100));
    plant.advance(-HOUR);
    assert_eq!(amounts(&plant), (99_800, 200, 0));
    plant.restart();
    assert_eq!(amounts(&plant), (99_800, 200, 0));
    assert!(plant.client().reserve_told("a", 100).contains(committed.as_str()), "it is repeated");
    let answer = plant.client().commit(&committed, "k", 60);
    plant.restart();
    assert_eq!(plant.client().commit(&committed, "k", 60), answer);
    // Its lease of 30 s, and the hour.
    plant.advance(HOUR + 30_000);
    assert_eq!(amounts(&plant), (99_840, 100, 60), "the grace is left");
    plant.advance(HOUR);
    assert_eq!(amounts(&plant), (99_940, 0, 60));
    assert!(plant.client().commit(&left, "l", 1).contains("RESERVATION_EXPIRED"));
    plant.stop();
    let checked = cycles_store::verify(plant.directory.path()).unwrap();
    assert!(checked.problems.is_empty(), "{:?}", checked.problems);
}

#[test]
fn a_period_that_began_stays_begun() {
    let mut plant = Plant::new();
    let period = BudgetPeriod::new(PeriodLength::Day);
    plant.engine().set_budget_period(&acme(), Some(period)).unwrap();
    let id = plant.client().hold("a", 100);
    plant.client().commit(&id, "k", 100);
    plant.advance(DAY);
    let begun = budget(&plant);
    assert_eq!(begun.spent.amount, 0, "a new day");
    let id = plant.client().hold("b", 10);
    plant.client().commit(&id, "l", 10);
    let spent = budget(&plant);
    plant.advance(-DAY);
    assert_eq!(budget(&plant), spent);
    plant.restart();
    assert_eq!(budget(&plant), spent, "yesterday does not come again");
    plant.advance(2 * DAY);
    assert_eq!(budget(&plant).spent.amount, 0);
}
