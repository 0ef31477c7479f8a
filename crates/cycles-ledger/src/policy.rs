//! Whose word holds where request, policy, budget and tenant may each have one.

use cycles_protocol::CommitOveragePolicy;

use crate::{Budgets, TenantSettings};

/// What the policy that matches a command sets; nothing where none matches.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Terms {
    /// Overage policy where the request sets none.
    pub overage_policy: Option<CommitOveragePolicy>,
    /// Lease where the request sets none.
    pub ttl_ms_default: Option<i64>,
    /// Longest lease, in place of the tenant's.
    pub ttl_ms_max: Option<i64>,
    /// Most extensions of one reservation, in place of the tenant's.
    pub extensions_max: Option<i64>,
}

/// The lease: the request's, else the policy's, else the tenant's default,
/// cut silently to the policy's maximum, else the tenant's (semantics 2.4).
#[must_use]
pub fn ttl_ms(request: Option<i64>, terms: &Terms, tenant: &TenantSettings) -> i64 {
    let ttl_ms = request.or(terms.ttl_ms_default).unwrap_or(tenant.ttl_ms_default);
    ttl_ms.min(terms.ttl_ms_max.unwrap_or(tenant.ttl_ms_max))
}

/// The request's overage policy, else that of the policy that matches, else
/// that of the deepest budget that sets one, else the tenant's, else
/// `ALLOW_IF_AVAILABLE` (decision: "Overage policy").
#[must_use]
pub fn overage(
    request: Option<CommitOveragePolicy>,
    terms: &Terms,
    budgets: &Budgets,
    tenant: &TenantSettings,
) -> CommitOveragePolicy {
    request
        .or(terms.overage_policy)
        .or_else(|| budgets.iter().rev().find_map(|(_, budget)| budget.overage_policy()))
        .or(tenant.overage_policy)
        .unwrap_or(CommitOveragePolicy::AllowIfAvailable)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Budget;
    use crate::budget::Opening;
    use CommitOveragePolicy::{AllowIfAvailable, AllowWithOverdraft, Reject};

    #[test]
    fn nearer_wins() {
        let budget = |overage_policy| {
            Some(Budget::open(Opening { overage_policy, ..Opening::of(1) }).unwrap())
        };
        let budgets = Budgets::new([
            budget(Some(AllowIfAvailable)),
            budget(Some(AllowWithOverdraft)),
            budget(None),
            None,
            None,
            None,
        ]);
        let tenant = TenantSettings { overage_policy: Some(Reject), ..TenantSettings::default() };
        let none = Terms::default();
        let terms = Terms { overage_policy: Some(AllowIfAvailable), ..none };
        assert_eq!(overage(Some(Reject), &terms, &budgets, &tenant), Reject);
        assert_eq!(overage(None, &terms, &budgets, &tenant), AllowIfAvailable);
        assert_eq!(overage(None, &none, &budgets, &tenant), AllowWithOverdraft);
        assert_eq!(overage(None, &none, &Budgets::default(), &tenant), Reject);
        assert_eq!(
            overage(None, &none, &Budgets::default(), &TenantSettings::default()),
            AllowIfAvailable
        );
    }

    #[test]
    fn a_policys_lease_stands_in_for_the_tenants() {
        let tenant = TenantSettings {
            ttl_ms_default: 2_000,
            ttl_ms_max: 5_000,
            ..TenantSettings::default()
        };
        let terms =
            |ttl_ms_default, ttl_ms_max| Terms { ttl_ms_default, ttl_ms_max, ..Terms::default() };
        assert_eq!(ttl_ms(None, &terms(Some(3_000), None), &tenant), 3_000);
        assert_eq!(ttl_ms(Some(4_000), &terms(Some(3_000), None), &tenant), 4_000);
        assert_eq!(ttl_ms(Some(9_000), &terms(None, Some(8_000)), &tenant), 8_000);
        assert_eq!(ttl_ms(None, &terms(None, Some(1_000)), &tenant), 1_000);
        assert_eq!(ttl_ms(Some(9_000), &terms(Some(9_000), None), &tenant), 5_000);
    }
}
