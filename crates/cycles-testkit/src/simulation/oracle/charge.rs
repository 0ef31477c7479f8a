//! Overage arithmetic: server-semantics 2.6, in its words.

use cycles_protocol::{CommitOveragePolicy, ErrorCode};

use super::ledger::{Entry, Sums, after, narrow};
use super::{Oracle, no};
use crate::simulation::answer::Answer;

/// What a charge does, before it is done.
pub(super) struct Charge {
    pub(super) charged: i64,
    /// Per budget: what it pays, what it owes, and whether it is marked.
    parts: Vec<(usize, Entry, bool)>,
}

impl Oracle {
    /// Charges `actual` where `estimate` was held; an event holds nothing.
    pub(super) fn charge(
        &self,
        tenant: usize,
        budgets: &[usize],
        policy: CommitOveragePolicy,
        estimate: Option<i64>,
        actual: i64,
    ) -> Result<Charge, Answer> {
        let held = i128::from(estimate.unwrap_or(0));
        let actual = i128::from(actual);
        let delta = actual - held;
        let sums: Vec<Sums> = budgets.iter().map(|budget| self.sums(tenant, *budget)).collect();
        let limits: Vec<i128> = budgets
            .iter()
            .map(|budget| self.tenants[tenant].budgets[*budget].overdraft_limit)
            .collect();
        let free: Vec<i128> = sums.iter().map(|sums| sums.remaining().max(0)).collect();

        // spec: `EventCreateRequest.overage_policy`, REJECT: actual > remaining
        let is_event = estimate.is_none();
        let is_short = sums.iter().any(|sums| actual > sums.remaining());
        if policy == CommitOveragePolicy::Reject && (is_event && is_short || !is_event && delta > 0)
        {
            return Err(no(ErrorCode::BudgetExceeded));
        }

        // What of the delta is charged at all.
        let capped_by = |limited: &dyn Fn(i128) -> bool| {
            let capping = free.iter().zip(&limits).filter(|(_, limit)| limited(**limit));
            capping.map(|(free, _)| *free).fold(delta, i128::min)
        };
        let granted = match policy {
            _ if delta <= 0 => delta,
            CommitOveragePolicy::AllowIfAvailable => capped_by(&|_| true),
            CommitOveragePolicy::AllowWithOverdraft => capped_by(&|limit| limit == 0),
            _ => delta,
        };

        let mut parts = Vec::new();
        for (index, budget) in budgets.iter().enumerate() {
            let may_owe = policy == CommitOveragePolicy::AllowWithOverdraft && limits[index] > 0;
            let deficit = if may_owe { (granted - free[index]).max(0) } else { 0 };
            if deficit > 0 && sums[index].debt + deficit > limits[index] {
                return Err(no(ErrorCode::OverdraftLimitExceeded));
            }
            let is_marked = granted < delta && !may_owe && free[index] < delta;
            let entry = Entry::Charged { paid: held + granted - deficit, owed: deficit };
            let settled = Sums { reserved: sums[index].reserved - held, ..sums[index] };
            if !after(settled, entry).fits() {
                return Err(no(ErrorCode::InvalidRequest));
            }
            parts.push((*budget, entry, is_marked));
        }
        Ok(Charge { charged: narrow(held + granted), parts })
    }

    /// Does it.
    pub(super) fn book(&mut self, tenant: usize, charge: &Charge) {
        for (budget, entry, is_marked) in &charge.parts {
            let budget = &mut self.tenants[tenant].budgets[*budget];
            budget.enter(*entry);
            budget.is_over_limit |= is_marked;
        }
    }
}
