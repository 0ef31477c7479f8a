//! [`TenantStatistics`]: how things stand, for gauges.

use cycles_protocol::control::BudgetLedger;

use crate::Engine;
use crate::control::budgets::ledger;

/// How things stand with one tenant.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct TenantStatistics {
    /// Whose.
    pub tenant_id: String,
    /// Reservations that hold something.
    pub open_reservations: usize,
    /// Requests that wait for the tenant's lock.
    pub waiting: usize,
    /// Reservations that expired since the start.
    pub expired: u64,
    /// Charges that made or raised a debt since the start.
    pub overdrafts: u64,
    /// The first budgets, as many as were asked for.
    pub budgets: Vec<BudgetLedger>,
    /// All budgets.
    pub budget_count: usize,
}

impl Engine {
    /// How things stand, tenant by tenant, with at most `budgets` budgets of each.
    /// A tenant that too many wait for is left out.
    #[must_use]
    pub fn statistics(&self, budgets: usize) -> Vec<TenantStatistics> {
        let mut all = Vec::new();
        for tenant in self.all_tenants() {
            let waiting = tenant.waiting();
            let Ok((state, _)) = self.turn(&tenant) else { continue };
            let rows = state.budgets.rows();
            all.push(TenantStatistics {
                tenant_id: tenant.id.clone(),
                open_reservations: state.reservations.open(),
                waiting,
                expired: state.expired,
                overdrafts: state.budgets.overdrafts(),
                budgets: rows.iter().take(budgets).map(|row| ledger(&tenant.id, row)).collect(),
                budget_count: rows.len(),
            });
        }
        all
    }
}
