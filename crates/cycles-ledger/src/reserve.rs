//! Holding an estimate on every budgeted scope.

use cycles_protocol::{CommitOveragePolicy, Unit, limits};

use crate::{
    Budget, Budgets, Refusal, Reservation, State, TenantSettings, Terms, admission, policy,
};

/// What to hold, and for how long.
#[derive(Debug, Clone, Copy)]
pub struct Reserve {
    /// The budgets' unit.
    pub unit: Unit,
    /// How much; not negative.
    pub estimate: i64,
    /// Lease, where the request sets one.
    pub ttl_ms: Option<i64>,
    /// Grace, where the request sets one.
    pub grace_ms: Option<i64>,
    /// Overage policy, where the request sets one.
    pub overage_policy: Option<CommitOveragePolicy>,
}

/// The records after.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reserved {
    /// After.
    pub budgets: Budgets,
    /// New.
    pub reservation: Reservation,
}

/// The budgets with the estimate held on every one there is: what a decision
/// without a reservation needs.
///
/// # Errors
/// See [`admission::admit`]; [`Refusal::Overflow`].
pub fn hold(tenant: &TenantSettings, budgets: &Budgets, estimate: i64) -> Result<Budgets, Refusal> {
    if estimate < 0 {
        return Err(Refusal::Overflow);
    }
    admission::admit(tenant, budgets, estimate)?;
    budgets.map(|_, budget| {
        let reserved = budget.reserved.checked_add(estimate).ok_or(Refusal::Overflow)?;
        Budget { reserved, ..budget }.checked()
    })
}

/// Holds the estimate on every budget there is, under the terms of the policy
/// that matches.
///
/// # Errors
/// See [`hold`].
pub fn reserve(
    tenant: &TenantSettings,
    terms: &Terms,
    budgets: &Budgets,
    command: &Reserve,
    now: i64,
) -> Result<Reserved, Refusal> {
    let estimate = command.estimate;
    let after = hold(tenant, budgets, estimate)?;
    let ttl = policy::ttl_ms(command.ttl_ms, terms, tenant);
    let grace_ms = command.grace_ms.unwrap_or(limits::GRACE_MS_DEFAULT);
    let expires_at = now.checked_add(ttl).ok_or(Refusal::Overflow)?;
    expires_at.checked_add(grace_ms).ok_or(Refusal::Overflow)?;
    let reservation = Reservation {
        state: State::Active,
        unit: command.unit,
        estimate,
        scopes: budgets.scopes(),
        overage_policy: policy::overage(command.overage_policy, terms, budgets, tenant),
        created_at: now,
        expires_at,
        grace_ms,
        extensions: 0,
        extensions_max: terms.extensions_max.unwrap_or(tenant.extensions_max),
    };
    Ok(Reserved { budgets: after, reservation })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::budget::Opening;
    use crate::fixtures::{NOW, budgets};

    const HOLD: Reserve = Reserve {
        unit: Unit::Tokens,
        estimate: 60,
        ttl_ms: None,
        grace_ms: None,
        overage_policy: None,
    };

    fn reserve(
        tenant: &TenantSettings,
        budgets: &Budgets,
        command: &Reserve,
        now: i64,
    ) -> Result<Reserved, Refusal> {
        super::reserve(tenant, &Terms::default(), budgets, command, now)
    }

    #[test]
    fn the_hold_is_on_every_budget() {
        let budgets = budgets(&[Opening::of(100), Opening::of(60)]);
        let reserved = reserve(&TenantSettings::default(), &budgets, &HOLD, NOW).unwrap();
        let remaining: Vec<_> =
            reserved.budgets.iter().map(|(_, budget)| budget.remaining()).collect();
        assert_eq!(remaining, [40, 0]);
        assert_eq!(reserved.reservation.scopes, budgets.scopes());
        assert_eq!(reserved.reservation.expires_at, NOW + 60_000);
        assert_eq!(reserved.reservation.settles_until(), NOW + 65_000);
        assert!(reserve(&TenantSettings::default(), &reserved.budgets, &HOLD, NOW).is_err());
    }

    #[test]
    fn the_lease_comes_from_request_then_tenant_and_is_cut() {
        let budgets = budgets(&[Opening::of(100)]);
        let tenant = TenantSettings {
            ttl_ms_default: 2_000,
            ttl_ms_max: 5_000,
            extensions_max: 3,
            ..TenantSettings::default()
        };
        let lease = |ttl_ms| {
            let command = Reserve { ttl_ms, ..HOLD };
            reserve(&tenant, &budgets, &command, NOW).unwrap().reservation.expires_at - NOW
        };
        assert_eq!([lease(None), lease(Some(3_000)), lease(Some(9_000))], [2_000, 3_000, 5_000]);
        let made = reserve(&tenant, &budgets, &HOLD, NOW).unwrap().reservation;
        assert_eq!(made.extensions_max, 3);
    }

    #[test]
    fn a_policys_terms_are_frozen_into_the_reservation() {
        let terms = Terms {
            overage_policy: Some(CommitOveragePolicy::Reject),
            ttl_ms_default: Some(7_000),
            extensions_max: Some(1),
            ..Terms::default()
        };
        let (tenant, budgets) = (TenantSettings::default(), budgets(&[Opening::of(100)]));
        let made = super::reserve(&tenant, &terms, &budgets, &HOLD, NOW).unwrap().reservation;
        assert_eq!(made.overage_policy, CommitOveragePolicy::Reject);
        assert_eq!((made.expires_at, made.extensions_max), (NOW + 7_000, 1));
    }

    #[test]
    fn a_lease_beyond_time_is_refused() {
        let budgets = budgets(&[Opening::of(100)]);
        assert_eq!(
            reserve(&TenantSettings::default(), &budgets, &HOLD, i64::MAX),
            Err(Refusal::Overflow)
        );
    }
}
