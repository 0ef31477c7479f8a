//! Changing a budget's money.

use std::sync::Arc;

use cycles_ledger::{Funding, Refusal, UnitSet, fund};
use cycles_protocol::canonical::payload_hash;
use cycles_protocol::control::{
    BudgetFundingRequest, BudgetFundingResponse, BudgetRef, FundingOperation,
};
use cycles_protocol::strict::Validate;
use cycles_protocol::{Amount, Error, SignedAmount};

use crate::store::{Endpoint, ReplayKey, Stored};
use crate::{Engine, limits, time};

impl Engine {
    pub(super) fn fund_budget_now(
        &self,
        budget: &BudgetRef,
        request: BudgetFundingRequest,
    ) -> Result<BudgetFundingResponse, Error> {
        request.validate()?;
        let hash = payload_hash(&request);
        self.on_budget(budget, |state, id, now| {
            // The budget is part of the key (semantics 4.4: a reused key on
            // another scope replayed the wrong result).
            let key = request
                .idempotency_key
                .map(|key| ReplayKey::new(Endpoint::Fund, u128::from(id.get()), key));
            if let Some(key) = &key {
                state.recall_replay(key, now)?;
            }
            if let Some(key) = &key
                && let Some(Stored::Fund(answer)) = state.replays.find(key, &hash, now)?
            {
                return Ok((**answer).clone());
            }
            let row = state.budgets.row(id);
            let (unit, before, scopes) = (row.unit, row.budget, [row.scope.to_string()]);
            if request.amount.unit != unit {
                let expected = UnitSet::default().with(unit);
                let refusal = Refusal::NoBudgetInUnit { scope: 0, expected };
                return Err(state.refuse(refusal, &scopes, request.amount.unit));
            }
            let funding = Funding {
                operation: request.operation,
                amount: request.amount.amount,
                spent: request.spent.map(|spent| spent.amount),
            };
            let after = fund::fund(&state.settings, before, &funding)
                .map_err(|refusal| state.refuse(refusal, &scopes, unit))?;
            state.budgets.set(id, after);
            if matches!(request.operation, FundingOperation::Reset | FundingOperation::ResetSpent) {
                // Credits and debits are of this period only.
                state.budgets.set_granted(id, after.allocated());
            }
            let amount = |amount| Amount::new(unit, amount);
            let answer = BudgetFundingResponse {
                operation: request.operation,
                previous_allocated: amount(before.allocated()),
                new_allocated: amount(after.allocated()),
                previous_remaining: SignedAmount::new(unit, before.remaining()),
                new_remaining: SignedAmount::new(unit, after.remaining()),
                previous_debt: amount(before.debt()),
                new_debt: amount(after.debt()),
                previous_spent: amount(before.spent()),
                new_spent: amount(after.spent()),
                timestamp: time::iso(now),
            };
            if let Some(key) = key {
                let stored = Stored::Fund(Arc::new(answer.clone()));
                let until = now.saturating_add(limits::DECISION_REPLAY_MS);
                state.replays.insert(key, hash, stored, now, until);
            }
            Ok(answer)
        })
    }
}
