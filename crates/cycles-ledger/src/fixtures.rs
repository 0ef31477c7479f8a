//! Records for the tests of this crate.

use cycles_protocol::{CommitOveragePolicy, Unit};

use crate::budget::Opening;
use crate::{Budget, Budgets, MAX_SCOPES, Reservation, ScopeSet, State};

pub(crate) const NOW: i64 = 1_800_000_000_000;

pub(crate) fn budgets(openings: &[Opening]) -> Budgets {
    let mut scopes = [None; MAX_SCOPES];
    for (slot, opening) in scopes.iter_mut().zip(openings) {
        *slot = Some(Budget::open(*opening).unwrap());
    }
    Budgets::new(scopes)
}

pub(crate) fn reservation(estimate: i64, scopes: ScopeSet) -> Reservation {
    Reservation {
        state: State::Active,
        unit: Unit::Tokens,
        estimate,
        scopes,
        overage_policy: CommitOveragePolicy::AllowIfAvailable,
        created_at: NOW,
        expires_at: NOW + 60_000,
        grace_ms: 5_000,
        extensions: 0,
        extensions_max: 10,
    }
}
