//! An engine over a store: starting from it, waiting for it, and what happens
//! when it fails.

use std::sync::Arc;

use cycles_protocol::{Clock, Error, Random};

use crate::durable::{
    Change, Changes, Contents, DurableStore, Health, Standing, TenantContents, seen, unavailable,
};
use crate::store::Tenant;
use crate::{Engine, Seed, SeedError};

const RELOADING: &str = "the store failed; the server reloads from it";

/// Whether a call may change something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Access {
    Reads,
    Changes,
}

/// Why an engine did not start from its store.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The store cannot be read, or contradicts itself.
    #[error("{0}")]
    Store(String),
    /// The seed cannot be used; names the entry, like `budgets[2]`.
    #[error(transparent)]
    Seed(#[from] SeedError),
}

impl Engine {
    /// An engine that starts with what `store` holds, and that it keeps. A seed
    /// fills a store that has no tenant yet; one that has is left as it is, but
    /// for the retention, which always holds. Answers whether the seed was used.
    ///
    /// # Errors
    /// [`OpenError`].
    pub fn open(
        store: &Arc<dyn DurableStore>,
        seed: &Seed,
        clock: Arc<dyn Clock>,
        random: Arc<dyn Random>,
    ) -> Result<(Self, bool), OpenError> {
        seed.retention
            .check()
            .map_err(|why| SeedError::new(format!("seed cannot be used, retention: {why}")))?;
        let engine = Self::keeping(seed.retention, clock, random, Some(Arc::clone(store)));
        engine.restore(store.as_ref()).map_err(|error| refused(&error))?;
        let is_new = engine.tenants().is_empty();
        if is_new {
            // A start that fails halfway leaves nothing behind, whatever ends it.
            store.hold(true);
            // Read before anything is written: a failure is another generation's.
            let generation = store.standing().generation;
            let (applied, number) = seen::by(|| engine.apply(seed));
            applied?;
            store.hold(false);
            store.settled_now(number, generation).map_err(|error| refused(&error))?;
        }
        Ok((engine, is_new))
    }

    /// Gives the store something that is no tenant's turn.
    pub(crate) fn keep(&self, tenant: &str, change: impl FnOnce() -> Change) {
        if let Some(store) = self.store() {
            let changes = vec![change()];
            seen::note(store.append(Changes { tenant: tenant.into(), changes }));
        }
    }

    /// Runs a call, and answers once what it has seen is durable. A refusal
    /// waits too: it tells of what it has seen.
    pub(crate) async fn durably<T>(
        &self,
        access: Access,
        call: impl FnOnce() -> Result<T, Error>,
    ) -> Result<T, Error> {
        let Some(store) = self.store() else { return call() };
        let (outcome, number, generation) = self.within(store.as_ref(), access, call)?;
        // Most reads need not wait, nor make what would.
        if number > store.durable() || store.standing().generation != generation {
            store.settled(number, generation).await?;
        }
        outcome
    }

    /// As [`durably`](Self::durably), for a call that changes something and holds
    /// its thread.
    pub(crate) fn changing<T>(&self, call: impl FnOnce() -> Result<T, Error>) -> Result<T, Error> {
        self.durably_now(Access::Changes, call)
    }

    /// As [`durably`](Self::durably), for a call that holds its thread.
    pub(crate) fn reading<T>(&self, call: impl FnOnce() -> Result<T, Error>) -> Result<T, Error> {
        self.durably_now(Access::Reads, call)
    }

    fn durably_now<T>(
        &self,
        access: Access,
        call: impl FnOnce() -> Result<T, Error>,
    ) -> Result<T, Error> {
        let Some(store) = self.store() else { return call() };
        let (outcome, number, generation) = self.within(store.as_ref(), access, call)?;
        store.settled_now(number, generation)?;
        outcome
    }

    /// Runs a call on memory as one generation of the store has it; answers what
    /// it has seen of that.
    fn within<T>(
        &self,
        store: &dyn DurableStore,
        access: Access,
        call: impl FnOnce() -> Result<T, Error>,
    ) -> Result<(Result<T, Error>, u64, u64), Error> {
        if store.standing().health == Health::Failed {
            self.reload(store)?;
        }
        let _memory = self.looking();
        let Standing { health, generation } = store.standing();
        match (health, access) {
            (Health::Keeping, _) | (Health::ReadOnly, Access::Reads) => {
                let (outcome, number) = seen::by(call);
                Ok((outcome, number, generation))
            }
            (Health::ReadOnly, Access::Changes) => Err(unavailable(
                "the store failed and the server only reads; its log names the cause and what puts it right",
            )),
            (Health::Failed, _) => Err(unavailable(RELOADING)),
        }
    }

    /// Makes memory anew from what is on disk: it is ahead of a store that failed.
    fn reload(&self, store: &dyn DurableStore) -> Result<(), Error> {
        let Some(_one) = self.reloading().try_lock() else {
            return Err(unavailable(RELOADING));
        };
        // Whoever has begun on what is there now comes to an end first; nobody
        // finds a tenant that is not of the store any more.
        let _alone = self.memory().write();
        if store.standing().health == Health::Failed {
            self.tenants().clear();
            self.owners().clear();
            self.restore(store)?;
            store.reloaded();
        }
        Ok(())
    }

    fn restore(&self, store: &dyn DurableStore) -> Result<(), Error> {
        let Contents { tenants, keys, audit } = store.contents()?;
        self.keys().restore(keys);
        self.audit().restore(audit);
        let tenants: Vec<_> = tenants.into_iter().map(|it| self.restore_tenant(it)).collect();
        let tenants = tenants.into_iter().collect::<Result<Vec<_>, Error>>()?;
        let mut first_problem = None;
        store.open_reservations(&mut |tenant, id, record| {
            let restored =
                tenants[tenant].turn().and_then(|mut state| state.restore_open(id, record));
            match restored {
                Ok(()) => _ = self.owners().insert(id, Arc::clone(&tenants[tenant])),
                Err(error) => _ = first_problem.get_or_insert(error),
            }
        })?;
        first_problem.map_or(Ok(()), Err)
    }

    fn restore_tenant(&self, contents: TenantContents) -> Result<Arc<Tenant>, Error> {
        let record = contents.record.clone();
        let id = record.tenant_id.to_ascii_lowercase();
        let tenant = Arc::new(Tenant::new(record, self.retention(), self.store().cloned()));
        tenant.turn()?.restore(contents)?;
        self.tenants().insert(id, Arc::clone(&tenant));
        Ok(tenant)
    }
}

fn refused(error: &Error) -> OpenError {
    OpenError::Store(error.message().to_owned())
}
