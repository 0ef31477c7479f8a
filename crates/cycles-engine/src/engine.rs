//! [`Engine`]: what everything else hangs on.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use cycles_protocol::{Clock, Error, ErrorCode, Random, ReservationId};
use dashmap::DashMap;
use hashbrown::DefaultHashBuilder;
use parking_lot::{Mutex, RwLock, RwLockReadGuard};
use uuid::Uuid;

use crate::durable::DurableStore;
use crate::store::{Audit, Keys, Owners, Tenant, Turn};
use crate::{LocalAuthority, Seed, SeedError, SeedRetention, ids};

/// An authority in process. Clones are cheap and share one ledger.
///
/// ```
/// use std::sync::Arc;
/// use cycles_engine::{Engine, Seed};
/// use cycles_protocol::control::BudgetRef;
/// use cycles_protocol::{
///     Action, Amount, Authority, Call, Control, ReservationCreateRequest, Subject, SystemClock,
///     SystemRandom, Unit,
/// };
///
/// let seed = Seed::from_yaml(
///     "keys: [{name: default, secret: cyc_test_acme, tenant_id: acme}]
/// budgets: [{scope: 'tenant:acme', unit: TOKENS, allocated: 1000}]",
/// )?;
/// let engine = Engine::with_seed(&seed, Arc::new(SystemClock::new()), Arc::new(SystemRandom))?;
/// let authority = engine.local("cyc_test_acme");
///
/// let request = ReservationCreateRequest::builder()
///     .subject(Subject { tenant: Some("acme".into()), ..Subject::default() })
///     .action(Action::new("llm.completion", "gpt-4o-mini"))
///     .estimate(Amount::tokens(100))
///     .build();
/// # tokio::runtime::Builder::new_current_thread().build()?.block_on(async {
/// let call = Call::new(&SystemRandom);
/// let answer = authority.create_reservation(&call, &request).await?;
/// assert!(answer.value.decision.is_allowed());
/// # Ok::<(), cycles_protocol::Error>(()) })?;
/// let budget = engine.get_budget(&BudgetRef::new("tenant:acme", Unit::Tokens)?)?;
/// assert_eq!(budget.remaining.amount, 900);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct Engine {
    shared: Arc<Shared>,
}

struct Shared {
    clock: Arc<dyn Clock>,
    random: Arc<dyn Random>,
    /// By lower-cased id, since scopes are lower-cased.
    tenants: DashMap<String, Arc<Tenant>, DefaultHashBuilder>,
    owners: Owners,
    keys: Keys,
    audit: Audit,
    retention: SeedRetention,
    store: Option<Arc<dyn DurableStore>>,
    /// Held while memory is made anew, and by whoever looks at it meanwhile.
    memory: RwLock<()>,
    /// Held by the one that makes it anew, so that nobody else waits for that.
    reloading: Mutex<()>,
}

impl fmt::Debug for Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Engine")
            .field("clock", &self.shared.clock)
            .field("tenants", &self.shared.tenants.len())
            .field("reservations", &self.shared.owners.len())
            .finish_non_exhaustive()
    }
}

impl Engine {
    /// An engine without tenants.
    #[must_use]
    pub fn new(clock: Arc<dyn Clock>, random: Arc<dyn Random>) -> Self {
        Self::keeping(SeedRetention::default(), clock, random, None)
    }

    pub(crate) fn keeping(
        retention: SeedRetention,
        clock: Arc<dyn Clock>,
        random: Arc<dyn Random>,
        store: Option<Arc<dyn DurableStore>>,
    ) -> Self {
        Self {
            shared: Arc::new(Shared {
                clock,
                random,
                tenants: DashMap::default(),
                owners: Owners::default(),
                keys: Keys::default(),
                audit: Audit::default(),
                retention,
                store,
                memory: RwLock::default(),
                reloading: Mutex::default(),
            }),
        }
    }

    /// An engine that starts with `seed`.
    ///
    /// # Errors
    /// Names the entry of the seed that cannot be used, like `budgets[2]`.
    pub fn with_seed(
        seed: &Seed,
        clock: Arc<dyn Clock>,
        random: Arc<dyn Random>,
    ) -> Result<Self, SeedError> {
        seed.retention
            .check()
            .map_err(|why| SeedError::new(format!("seed cannot be used, retention: {why}")))?;
        let engine = Self::keeping(seed.retention, clock, random, None);
        engine.apply(seed)?;
        Ok(engine)
    }

    /// The engine behind `api_key`, which is checked on every call as a server
    /// checks it.
    pub fn local(&self, api_key: impl AsRef<str>) -> LocalAuthority {
        LocalAuthority::new(self.clone(), api_key.as_ref())
    }

    /// The clock that decides expiry.
    #[must_use]
    pub fn clock(&self) -> &Arc<dyn Clock> {
        &self.shared.clock
    }

    /// Where ids and secrets come from.
    #[must_use]
    pub fn random(&self) -> &Arc<dyn Random> {
        &self.shared.random
    }

    /// Expires what is due and forgets what is past its retention, in every
    /// tenant; answers how many reservations expired.
    ///
    /// It only tidies: a command sees its tenant's expiry without it.
    pub fn sweep(&self) -> usize {
        let _memory = self.looking();
        let sweep = |tenant: Arc<Tenant>| {
            let Ok(mut state) = tenant.turn() else { return 0 };
            let now = self.shared.clock.now_ms();
            state.replays.prune(now);
            let durable = state.durable();
            state.catch_up(&self.shared.owners, now, durable)
        };
        let expired = self.all_tenants().into_iter().map(sweep).sum();
        if let Some(store) = self.store() {
            let now = self.shared.clock.now_ms();
            store.tidy(now, now.saturating_sub(self.shared.retention.finalized_ms));
        }
        expired
    }

    pub(crate) fn owners(&self) -> &Owners {
        &self.shared.owners
    }

    pub(crate) fn store(&self) -> Option<&Arc<dyn DurableStore>> {
        self.shared.store.as_ref()
    }

    /// While it is held, memory is not made anew. Nobody holds it twice, and nobody
    /// while they wait for the store.
    pub(crate) fn looking(&self) -> Option<RwLockReadGuard<'_, ()>> {
        self.store().map(|_| self.shared.memory.read())
    }

    pub(crate) fn memory(&self) -> &RwLock<()> {
        &self.shared.memory
    }

    pub(crate) fn reloading(&self) -> &Mutex<()> {
        &self.shared.reloading
    }

    pub(crate) fn retention(&self) -> SeedRetention {
        self.shared.retention
    }

    pub(crate) fn audit(&self) -> &Audit {
        &self.shared.audit
    }

    pub(crate) fn keys(&self) -> &Keys {
        &self.shared.keys
    }

    pub(crate) fn tenants(&self) -> &DashMap<String, Arc<Tenant>, DefaultHashBuilder> {
        &self.shared.tenants
    }

    /// Collected: a map's shard must not be held while a tenant waits.
    pub(crate) fn all_tenants(&self) -> Vec<Arc<Tenant>> {
        self.shared.tenants.iter().map(|tenant| Arc::clone(tenant.value())).collect()
    }

    pub(crate) fn find_tenant(&self, id: &str) -> Option<Arc<Tenant>> {
        let id = if id.bytes().any(|byte| byte.is_ascii_uppercase()) {
            Cow::Owned(id.to_ascii_lowercase())
        } else {
            Cow::Borrowed(id)
        };
        let tenant = self.shared.tenants.get(&*id)?;
        Some(Arc::clone(tenant.value()))
    }

    /// The tenant that a principal names.
    pub(crate) fn tenant(&self, id: &str) -> Result<Arc<Tenant>, Error> {
        self.find_tenant(id).ok_or_else(|| {
            Error::new(
                ErrorCode::Unauthorized,
                format!("the API key's tenant does not exist tenant={id}"),
            )
        })
    }

    /// Whose reservation it is.
    pub(crate) fn owner(&self, id: &ReservationId) -> Result<(Arc<Tenant>, Uuid), Error> {
        let uuid = ids::parse_reservation(id).ok_or_else(|| ids::not_found(id))?;
        if let Some(tenant) = self.shared.owners.get(&uuid) {
            return Ok((Arc::clone(tenant.value()), uuid));
        }
        let kept = self.store().map(|store| store.reservation(uuid)).transpose()?.flatten();
        let owner = kept.and_then(|(tenant, _)| self.find_tenant(&tenant));
        owner.map(|tenant| (tenant, uuid)).ok_or_else(|| ids::not_found(id))
    }

    /// The tenant's turn, with everything expired that is due by the time that
    /// comes with it.
    pub(crate) fn turn<'t>(&self, tenant: &'t Tenant) -> Result<(Turn<'t>, i64), Error> {
        let mut state = tenant.turn()?;
        // Read under the lock, so that commands see time in their own order.
        let now = self.shared.clock.now_ms();
        let durable = state.durable();
        state.catch_up(&self.shared.owners, now, durable);
        Ok((state, now))
    }

    /// As [`turn`](Self::turn), with a reservation in memory that only the store
    /// may have.
    pub(crate) fn turn_on<'t>(
        &self,
        tenant: &'t Arc<Tenant>,
        id: Uuid,
    ) -> Result<(Turn<'t>, i64), Error> {
        let (mut state, now) = self.turn(tenant)?;
        if state.recall(id, now)? {
            self.shared.owners.insert(id, Arc::clone(tenant));
        }
        Ok((state, now))
    }
}
