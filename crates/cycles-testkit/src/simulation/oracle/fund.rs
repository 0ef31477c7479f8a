//! What operators do to budgets: semantics 2.11.

use cycles_protocol::control::{
    BudgetCreateRequest, BudgetFundingRequest, BudgetFundingResponse, BudgetRef, BudgetStatus,
    FundingOperation, TenantStatus,
};
use cycles_protocol::{Amount, ErrorCode, SignedAmount};

use super::ledger::{Budget, Entry, after};
use super::replay::{DAY_MS, Payload, Place};
use super::{Oracle, Ruling, no, validity};
use crate::simulation::answer::Answer;
use crate::simulation::world::BudgetPlan;

impl Oracle {
    fn budget(&mut self, budget: &BudgetRef, now: i64) -> Result<(usize, usize), Answer> {
        let missing = || no(ErrorCode::BudgetNotFound);
        let tenant = self.tenant_of(&budget.scope).ok_or_else(missing)?;
        self.look(tenant, now);
        let budgets = &self.tenants[tenant].budgets;
        let found = budgets
            .iter()
            .position(|known| known.scope == budget.scope && known.unit == budget.unit);
        Ok((tenant, found.ok_or_else(missing)?))
    }

    pub(super) fn fund(
        &mut self,
        budget: &BudgetRef,
        request: &BudgetFundingRequest,
        now: i64,
        seen: &Answer,
    ) -> Ruling {
        validity::funding(request.amount, request.spent, request.idempotency_key.as_ref())?;
        let (tenant, index) = self.budget(budget, now)?;
        let payload = Payload::Fund(request.clone());
        if let Some(key) = &request.idempotency_key {
            let replays = &self.tenants[tenant].replays;
            if let Some(answer) = replays.find(Place::Fund(index), key, &payload, now)? {
                return Ok(answer);
            }
        }
        if request.amount.unit != budget.unit {
            return Err(no(ErrorCode::UnitMismatch));
        }
        if self.tenants[tenant].status == TenantStatus::Closed {
            return Err(no(ErrorCode::TenantClosed));
        }
        match self.tenants[tenant].budgets[index].status {
            BudgetStatus::Closed => return Err(no(ErrorCode::BudgetClosed)),
            BudgetStatus::Frozen => return Err(no(ErrorCode::BudgetFrozen)),
            _ => {}
        }
        let before = self.sums(tenant, index);
        let amount = i128::from(request.amount.amount);
        let entry = match request.operation {
            // decision "Funding": leaves debt alone
            FundingOperation::Credit => Entry::Credited(amount),
            FundingOperation::Debit if before.remaining() < amount => {
                return Err(no(ErrorCode::BudgetExceeded));
            }
            FundingOperation::Debit => Entry::Debited(amount),
            FundingOperation::Reset => Entry::Reset { allocated: amount },
            FundingOperation::ResetSpent => {
                let spent = request.spent.map_or(0, |spent| spent.amount.into());
                Entry::ResetSpent { allocated: amount, spent }
            }
            _ => {
                let debt = amount.min(before.debt);
                Entry::Repaid { debt, rest: amount - debt }
            }
        };
        let sums = after(before, entry);
        if !sums.fits() {
            return Err(no(ErrorCode::InvalidRequest));
        }
        let model = &mut self.tenants[tenant].budgets[index];
        model.enter(entry);
        model.is_over_limit = sums.debt > model.overdraft_limit;
        if let (Some(period), Entry::Reset { .. } | Entry::ResetSpent { .. }) =
            (&mut model.period, entry)
        {
            // What is set anew is granted from then on; the rest is for this period.
            period.granted = sums.allocated;
        }
        let unsigned = |sum| Amount::new(budget.unit, super::ledger::narrow(sum));
        let signed = |sum| SignedAmount::new(budget.unit, super::ledger::narrow(sum));
        let answer = Answer::Fund(Box::new(BudgetFundingResponse {
            operation: request.operation,
            previous_allocated: unsigned(before.allocated),
            new_allocated: unsigned(sums.allocated),
            previous_remaining: signed(before.remaining()),
            new_remaining: signed(sums.remaining()),
            previous_debt: unsigned(before.debt),
            new_debt: unsigned(sums.debt),
            previous_spent: unsigned(before.spent),
            new_spent: unsigned(sums.spent),
            timestamp: timestamp(seen),
        }));
        if let Some(key) = request.idempotency_key.clone() {
            let replays = &mut self.tenants[tenant].replays;
            replays.keep(Place::Fund(index), key, payload, &answer, now + DAY_MS);
        }
        Ok(answer)
    }

    pub(super) fn freeze(&mut self, budget: &BudgetRef, frozen: bool, now: i64) -> Ruling {
        let (tenant, index) = self.budget(budget, now)?;
        if self.tenants[tenant].status == TenantStatus::Closed {
            return Err(no(ErrorCode::TenantClosed));
        }
        let model = &mut self.tenants[tenant].budgets[index];
        model.status = match (model.status, frozen) {
            (BudgetStatus::Active, true) => BudgetStatus::Frozen,
            (BudgetStatus::Frozen, false) => BudgetStatus::Active,
            // semantics 1.7: this code comes with 409 here
            _ => {
                return Err(Answer::Refused { code: ErrorCode::InvalidRequest, status: Some(409) });
            }
        };
        Ok(Answer::Budget(self.figures_of(tenant, index)))
    }

    pub(super) fn create_budget(&mut self, request: &BudgetCreateRequest, now: i64) -> Ruling {
        let tenant = self.tenant_of(&request.scope).ok_or_else(|| no(ErrorCode::TenantNotFound))?;
        self.look(tenant, now);
        // governance spec: Rule 2, TERMINAL-OWNER MUTATION GUARD
        if self.tenants[tenant].status == TenantStatus::Closed {
            return Err(no(ErrorCode::TenantClosed));
        }
        let budgets = &mut self.tenants[tenant].budgets;
        if budgets.iter().any(|known| known.scope == request.scope && known.unit == request.unit) {
            return Err(no(ErrorCode::DuplicateResource));
        }
        let plan = BudgetPlan {
            scope: request.scope.clone(),
            unit: request.unit,
            allocated: request.allocated.amount,
            spent: 0,
            debt: 0,
            overdraft_limit: request.overdraft_limit.map_or(0, |limit| limit.amount),
            is_over_limit: false,
            status: BudgetStatus::Active,
            overage_policy: request.commit_overage_policy,
            period: None,
        };
        budgets.push(Budget::from_plan(&plan, now));
        let index = budgets.len() - 1;
        Ok(Answer::Budget(self.figures_of(tenant, index)))
    }
}

/// How a time is written is the authority's; that it stays is not.
fn timestamp(seen: &Answer) -> String {
    match seen {
        Answer::Fund(answer) => answer.timestamp.clone(),
        _ => "<now>".to_owned(),
    }
}
