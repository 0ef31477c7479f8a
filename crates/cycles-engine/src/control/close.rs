//! Closing a tenant: everything that it owns ends with it, in one turn, and so
//! all at once on disk too (spec: CASCADE SEMANTICS, mode A).

use std::collections::BTreeMap;

use cycles_ledger::close as ledger;
use cycles_protocol::control::{ApiKeyStatus, AuditLogEntry};
use cycles_protocol::{Amount, Call, JsonMap};
use serde_json::Value;

use crate::durable::Change;
use crate::store::{BudgetId, TenantState};
use crate::{Engine, time};

/// What an entry of the audit log says of the close that it belongs to.
pub(super) fn provenance(kind: &str, tenant: &str, call: &Call) -> JsonMap {
    let correlation = format!("tenant_close_cascade:{tenant}:{}", call.request_id);
    [("event_kind", kind), ("correlation_id", &correlation)]
        .map(|(name, value)| (name.to_owned(), Value::from(value)))
        .into_iter()
        .collect()
}

impl Engine {
    /// Ends all that the tenant owns, in the order that the spec names. The
    /// tenant's own record is the caller's to change.
    pub(super) fn close(&self, state: &mut TenantState, call: &Call, now: i64) {
        let tenant = state.record.tenant_id.clone();
        let write = |state: &mut TenantState, kind: &str, resource, amount| {
            let mut entry = AuditLogEntry::on_behalf_of(&tenant, kind, resource);
            entry.amount = amount;
            entry.metadata.extend(provenance(kind, &tenant, call));
            self.write_audit_with(state, entry, call, now);
        };
        for (id, amount) in released(state, now) {
            let row = state.budgets.row(id);
            let (resource, amount) =
                (("budget", row.ledger_id.clone()), Amount::new(row.unit, amount));
            write(state, "reservation.released_via_tenant_cascade", resource, Some(amount));
        }
        for id in state.budgets.places() {
            let row = state.budgets.row(id);
            let Some(closed) = ledger::budget(row.budget) else { continue };
            let resource = ("budget", row.ledger_id.clone());
            // A further period would write over what it ended with.
            state.budgets.set_periods(id, None);
            state.budgets.set(id, closed);
            write(state, "budget.closed_via_tenant_cascade", resource, None);
        }
        for key_id in self.revoke_keys(state, now) {
            write(state, "api_key.revoked_via_tenant_cascade", ("api_key", key_id), None);
        }
    }

    /// Revokes every active key of the tenant; answers their ids.
    fn revoke_keys(&self, state: &mut TenantState, now: i64) -> Vec<String> {
        let tenant = &state.record.tenant_id;
        let revoked = self.keys().change_all(|key| {
            let is_its = key.record.tenant_id.eq_ignore_ascii_case(tenant);
            if !is_its || key.status(now) != ApiKeyStatus::Active {
                return false;
            }
            key.record.status = ApiKeyStatus::Revoked;
            key.record.revoked_at = Some(time::iso(now));
            key.record.revoked_reason = Some("tenant_closed".to_owned());
            true
        });
        let mut ids = Vec::new();
        for key in revoked {
            ids.push(key.record.key_id.clone());
            state.with_the_turn(|| Change::KeyRecord(Box::new(key.record.clone())));
        }
        ids.sort_unstable();
        ids
    }
}

/// Releases every open reservation; answers what each budget got back.
fn released(state: &mut TenantState, now: i64) -> BTreeMap<BudgetId, i64> {
    let mut given_back: BTreeMap<BudgetId, i64> = BTreeMap::new();
    while let Some(id) = state.reservations.next_open() {
        let Some(record) = state.reservations.get(id) else {
            state.reservations.quarantine(id);
            continue;
        };
        let (slots, estimate) = (record.slots, record.reservation.estimate);
        let Ok(after) = ledger::release(&state.budgets.load(&slots), &record.reservation, now)
        else {
            // Its budgets get back what is left on them when they are closed.
            state.reservations.quarantine(id);
            continue;
        };
        state.budgets.store(&slots, &after.budgets);
        state.reservations.update(id, after.reservation, None);
        for budget in slots.positions().iter().flatten() {
            let sum = given_back.entry(*budget).or_default();
            *sum = sum.saturating_add(estimate);
        }
    }
    given_back
}
