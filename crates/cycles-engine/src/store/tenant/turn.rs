//! [`Turn`]: a tenant's lock, and what happens when it is let go.

use std::ops::{Deref, DerefMut};

use cycles_protocol::{Error, IdempotencyKey};
use parking_lot::MutexGuard;
use uuid::Uuid;

use super::{Tenant, TenantState};
use crate::durable::{DurableStore, seen};
use crate::store::ReplayKey;

/// A tenant's turn. At its end, what it changed is given to the store, all of it
/// or nothing, and in the order of turns.
#[derive(Debug)]
pub(crate) struct Turn<'t> {
    state: MutexGuard<'t, TenantState>,
    tenant: &'t Tenant,
}

impl<'t> Turn<'t> {
    pub(super) const fn new(tenant: &'t Tenant, state: MutexGuard<'t, TenantState>) -> Self {
        Self { state, tenant }
    }

    /// What the store has on disk, if there is one.
    pub(crate) fn durable(&mut self) -> Option<u64> {
        let durable = self.tenant.store.as_ref()?.durable();
        self.state.let_go_until(durable);
        Some(durable)
    }

    /// The store, if it may know what memory has forgotten.
    fn history(&self) -> Option<&'t dyn DurableStore> {
        self.tenant.store.as_deref().filter(|_| self.state.has_history())
    }

    /// Brings back a reservation that memory has forgotten; whether it did.
    pub(crate) fn recall(&mut self, id: Uuid, now: i64) -> Result<bool, Error> {
        let Some(store) = self.history() else {
            return Ok(false);
        };
        if self.state.reservations.get(id).is_some() {
            return Ok(false);
        }
        let Some((_, record)) = store.reservation(id)? else { return Ok(false) };
        if self.state.reservations.is_forgotten(&record, now) {
            return Ok(false);
        }
        self.state.reservations.restore(id, record);
        Ok(true)
    }

    /// The reservation that a live reserve with `key` made, if only the store
    /// remembers it; it is back in memory then.
    pub(crate) fn recall_key(
        &mut self,
        key: &IdempotencyKey,
        now: i64,
    ) -> Result<Option<Uuid>, Error> {
        let Some(store) = self.history() else {
            return Ok(None);
        };
        if self.state.reservations.by_key(key).is_some() {
            return Ok(None);
        }
        let Some((id, record)) = store.reservation_by_key(&self.tenant.id, key)? else {
            return Ok(None);
        };
        if self.state.reservations.is_forgotten(&record, now) {
            return Ok(None);
        }
        self.state.reservations.restore(id, record);
        Ok(Some(id))
    }

    /// Brings back an answer that memory has forgotten, if the store has it.
    pub(crate) fn recall_replay(&mut self, key: &ReplayKey, now: i64) -> Result<(), Error> {
        let Some(store) = self.history() else {
            return Ok(());
        };
        if self.state.replays.get(key).is_some() {
            return Ok(());
        }
        if let Some(replay) = store.replay(&self.tenant.id, key)?.filter(|it| now <= it.until) {
            let key = ReplayKey::new(key.endpoint, key.target, key.key.clone());
            self.state.replays.put(key.into(), replay);
        }
        Ok(())
    }
}

impl Deref for Turn<'_> {
    type Target = TenantState;

    fn deref(&self) -> &TenantState {
        &self.state
    }
}

impl DerefMut for Turn<'_> {
    fn deref_mut(&mut self) -> &mut TenantState {
        &mut self.state
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        if let Some(store) = &self.tenant.store {
            seen::note(self.state.give_to(store.as_ref()));
        }
    }
}
