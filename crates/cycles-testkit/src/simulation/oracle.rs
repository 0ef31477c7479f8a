//! What the authority must answer, said a second time and independently: from
//! the spec's texts, server-semantics and the architecture's decisions, slowly
//! and plainly. It shares no code with the ledger or the engine.
//!
//! What is held on a budget is never stored, it is the sum over the open
//! reservations; what was spent is the sum over the budget's history.

mod access;
mod charge;
mod event;
mod fund;
mod ledger;
mod listing;
mod period;
mod replay;
mod reservation;
mod reserve;
mod settle;
mod validity;

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};

use cycles_protocol::control::{BudgetRef, TenantStatus};
use cycles_protocol::{CommitOveragePolicy, ErrorCode, IdempotencyKey, ReservationId};

use super::answer::{Answer, Figures};
use super::command::{Act, Command};
use super::world::{Rule, World};
use access::Key;
use ledger::Budget;
use listing::Cursors;
use replay::Replays;
use reservation::Record;

/// An answer, or the refusal that stands instead of it.
type Ruling = Result<Answer, Answer>;

/// Names a reservation within the oracle; the authority's ids are opaque.
pub(super) type Serial = u64;

/// The model.
#[derive(Debug)]
pub(super) struct Oracle {
    tenants: Vec<Tenant>,
    keys: Vec<Key>,
    records: BTreeMap<Serial, Record>,
    by_id: HashMap<ReservationId, Serial>,
    next: Serial,
    cursors: Cursors,
}

#[derive(Debug)]
struct Tenant {
    id: String,
    rule: Rule,
    status: TenantStatus,
    overage_policy: Option<CommitOveragePolicy>,
    ttl_ms_default: i64,
    ttl_ms_max: i64,
    extensions_max: i64,
    budgets: Vec<Budget>,
    /// Reservations that hold, as of the last look.
    open: BTreeSet<Serial>,
    /// Those that ended, first ended first.
    ended: VecDeque<Serial>,
    by_key: HashMap<IdempotencyKey, Serial>,
    replays: Replays,
}

impl Oracle {
    pub(super) fn new(world: &World, now: i64) -> Self {
        let budget = |plan| Budget::from_plan(plan, now);
        let tenants = world.tenants.iter().map(|plan| Tenant {
            id: plan.id.to_owned(),
            rule: plan.rule,
            status: plan.status,
            overage_policy: plan.overage_policy,
            // spec: `ttl_ms.default`; governance spec: the two maxima
            ttl_ms_default: plan.ttl_ms_default.unwrap_or(60_000),
            ttl_ms_max: plan.ttl_ms_max.unwrap_or(3_600_000),
            extensions_max: plan.extensions_max.unwrap_or(10),
            budgets: plan.budgets.iter().map(budget).collect(),
            open: BTreeSet::new(),
            ended: VecDeque::new(),
            by_key: HashMap::new(),
            replays: Replays::default(),
        });
        Self {
            tenants: tenants.collect(),
            keys: world.keys.iter().map(Key::from_plan).collect(),
            records: BTreeMap::new(),
            by_id: HashMap::new(),
            next: 0,
            cursors: Cursors::default(),
        }
    }

    /// What must be answered to `command` at `now`, and its consequences.
    ///
    /// `seen` is read only for what the authority may choose freely: fresh ids,
    /// cursors and the text of a time.
    pub(super) fn expect(&mut self, command: &Command, now: i64, seen: &Answer) -> Answer {
        let caller = command.caller;
        let ruling = match &command.act {
            Act::Create(request) => self.create(caller, request, now, seen),
            Act::Commit(id, request) => self.commit(caller, id, request, now),
            Act::Release(id, request) => self.release(caller, id, request, now),
            Act::Extend(id, request) => self.extend(caller, id, request, now),
            Act::Decide(request) => self.decide(caller, request, now),
            Act::Event(request) => self.event(caller, request, now, seen),
            Act::Balances(params) => self.balances(caller, params, now, seen),
            Act::List(params) => self.list(caller, params, now, seen),
            Act::Get(id) => self.get(caller, id, now),
            Act::Fund(budget, request) => self.fund(budget, request, now, seen),
            Act::Freeze(budget, frozen) => self.freeze(budget, *frozen, now),
            Act::CreateBudget(request) => self.create_budget(request, now),
            Act::Sweep => Ok(self.sweep(now)),
        };
        ruling.unwrap_or_else(|refusal| refusal)
    }

    /// Begins periods, ends what is due and forgets what is past its retention: exact to the
    /// clock for whoever asks about this tenant.
    ///
    /// Only the retention depends on when somebody looked first: it counts from
    /// then (semantics 2.3: records are kept 30 days after they ended).
    pub(super) fn look(&mut self, tenant: usize, now: i64) -> usize {
        const RETENTION_MS: i64 = 30 * 24 * 60 * 60 * 1_000;
        let Self { tenants, records, by_id, .. } = self;
        let tenant = &mut tenants[tenant];
        tenant.budgets.iter_mut().for_each(|budget| budget.roll(now));
        let due: Vec<Serial> =
            tenant.open.iter().copied().filter(|serial| records[serial].is_over(now)).collect();
        for serial in &due {
            tenant.open.remove(serial);
            tenant.ended.push_back(*serial);
            if let Some(record) = records.get_mut(serial) {
                record.expire(now);
            }
        }
        while let Some(serial) = tenant.ended.front().copied()
            && now > records[&serial].ended_at().unwrap_or(now) + RETENTION_MS
        {
            tenant.ended.pop_front();
            if let Some(record) = records.remove(&serial) {
                by_id.remove(&record.id);
                tenant.by_key.remove(&record.request.idempotency_key);
            }
        }
        due.len()
    }

    fn sweep(&mut self, now: i64) -> Answer {
        Answer::Swept((0..self.tenants.len()).map(|tenant| self.look(tenant, now)).sum())
    }

    /// Forgets what can no longer matter, so that long runs stay small.
    pub(super) fn tidy(&mut self, now: i64) {
        for tenant in &mut self.tenants {
            tenant.replays.forget(now);
            tenant.budgets.iter_mut().for_each(Budget::summarise);
        }
    }

    /// The tenants that a command can concern: the caller's, the reservation's,
    /// the budget's.
    pub(super) fn concerned(&self, command: &Command) -> Vec<usize> {
        let owner = command.act.reservation().and_then(|id| self.by_id.get(id));
        let owner = owner.map(|serial| self.records[serial].tenant);
        let named = command.act.scope().and_then(|scope| self.tenant_of(scope));
        let own = access::own_tenant(&self.keys, command.caller);
        let mut tenants: Vec<_> = [own, owner, named].into_iter().flatten().collect();
        tenants.sort_unstable();
        tenants.dedup();
        tenants
    }

    pub(super) fn tenants(&self) -> usize {
        self.tenants.len()
    }

    pub(super) fn tenant_id(&self, tenant: usize) -> &str {
        &self.tenants[tenant].id
    }

    pub(super) fn rule(&self, tenant: usize) -> Rule {
        self.tenants[tenant].rule
    }

    /// When the first period after `now` begins, of any budget.
    pub(super) fn next_period(&self, now: i64) -> Option<i64> {
        let budgets = self.tenants.iter().flat_map(|tenant| &tenant.budgets);
        budgets.filter_map(Budget::next_period).filter(|begins| *begins > now).min()
    }

    /// How many reservations hold, as of the last look.
    pub(super) fn open(&self) -> usize {
        self.tenants.iter().map(|tenant| tenant.open.len()).sum()
    }

    /// The budgets of a tenant, in the order in which they were made.
    pub(super) fn figures(&self, tenant: usize) -> Vec<(BudgetRef, Figures)> {
        (0..self.tenants[tenant].budgets.len())
            .map(|budget| {
                let figures = self.figures_of(tenant, budget);
                (BudgetRef { scope: figures.scope.clone(), unit: figures.unit }, figures)
            })
            .collect()
    }

    /// The reservation at or after a serial; for whoever wants to meddle.
    pub(super) fn some_reservation(&self, at: Serial) -> Option<&ReservationId> {
        self.records.range(at..).next().map(|(_, record)| &record.id)
    }

    /// The first serial that is still known, and the next one.
    pub(super) fn serials(&self) -> (Serial, Serial) {
        (self.records.keys().next().copied().unwrap_or(self.next), self.next)
    }

    fn tenant_of(&self, scope: &str) -> Option<usize> {
        let id = scope.split('/').next()?.strip_prefix("tenant:")?;
        self.tenants.iter().position(|tenant| tenant.id == id)
    }
}

/// A refusal; the statuses are those of server-semantics 1.7.
fn no(code: ErrorCode) -> Answer {
    use ErrorCode as E;
    let status = match code {
        E::InvalidRequest | E::UnitMismatch => 400,
        E::Unauthorized => 401,
        E::Forbidden => 403,
        E::NotFound | E::TenantNotFound | E::BudgetNotFound => 404,
        E::ReservationExpired => 410,
        E::LimitExceeded => 429,
        E::InternalError => 500,
        _ => 409,
    };
    Answer::Refused { code, status: Some(status) }
}
