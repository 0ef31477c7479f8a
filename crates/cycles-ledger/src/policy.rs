//! Which overage policy holds.

use cycles_protocol::CommitOveragePolicy;

use crate::{Budgets, TenantSettings};

/// The request's policy, else that of the deepest budget that sets one, else
/// the tenant's, else `ALLOW_IF_AVAILABLE` (decision: "Overage policy").
#[must_use]
pub fn resolve(
    request: Option<CommitOveragePolicy>,
    budgets: &Budgets,
    tenant: &TenantSettings,
) -> CommitOveragePolicy {
    request
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
        assert_eq!(resolve(Some(Reject), &budgets, &tenant), Reject);
        assert_eq!(resolve(None, &budgets, &tenant), AllowWithOverdraft);
        assert_eq!(resolve(None, &Budgets::default(), &tenant), Reject);
        assert_eq!(
            resolve(None, &Budgets::default(), &TenantSettings::default()),
            AllowIfAvailable
        );
    }
}
