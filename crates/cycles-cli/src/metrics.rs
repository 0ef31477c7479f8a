//! Prometheus metrics: counters from what the server tells, gauges from what the
//! engine holds when somebody asks.

mod store;

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use cycles_engine::{Engine, TenantStatistics};
use cycles_protocol::{Call, Decision, ErrorCode, Operation, Principal};
use cycles_server::{Exchange, MetricsPage, Observer};
use parking_lot::Mutex;
use prometheus_client::encoding::{EncodeLabel, EncodeLabelSet, LabelSetEncoder, text};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

pub(crate) use store::StoreMetrics;

/// Budgets of a tenant that have series of their own; the rest is counted.
const BUDGETS_SHOWN: usize = 1_000;

/// Seconds; decisions take microseconds, durable ones a disk's write.
const BUCKETS: [f64; 11] =
    [0.000_05, 0.000_1, 0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.05, 0.25, 1.0];

/// The label of that name; none where tenants are not told apart.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Tenant(Option<String>);

impl EncodeLabelSet for Tenant {
    fn encode(&self, encoder: &mut LabelSetEncoder<'_>) -> fmt::Result {
        match &self.0 {
            Some(tenant) => ("tenant", tenant.as_str()).encode(encoder.encode_label()),
            None => Ok(()),
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Decided {
    #[prometheus(flatten)]
    tenant: Tenant,
    decision: &'static str,
    reason: String,
    overage_policy: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Settled {
    #[prometheus(flatten)]
    tenant: Tenant,
    decision: &'static str,
    reason: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Released {
    actor_type: &'static str,
    decision: &'static str,
    reason: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfTenant {
    #[prometheus(flatten)]
    tenant: Tenant,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfBudget {
    #[prometheus(flatten)]
    tenant: Tenant,
    scope: String,
    unit: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfOperation {
    operation: &'static str,
}

type Timings = Family<OfOperation, Histogram, fn() -> Histogram>;
type PerTenant<C> = Family<OfTenant, C>;
type PerBudget = Family<OfBudget, Gauge>;

/// All metrics of one server.
#[derive(Debug)]
pub(crate) struct Metrics {
    engine: Engine,
    tells_tenants: bool,
    registry: Registry,
    reserve: Family<Decided, Counter>,
    events: Family<Decided, Counter>,
    commit: Family<Settled, Counter>,
    extend: Family<Settled, Counter>,
    release: Family<Released, Counter>,
    took: Timings,
    store: Option<Arc<StoreMetrics>>,
    scrape: Mutex<Scraped>,
}

/// Set when somebody asks; the lock keeps two who ask at once apart.
#[derive(Debug, Default)]
struct Scraped {
    expired: PerTenant<Counter<u64, AtomicU64>>,
    overdrafts: PerTenant<Counter<u64, AtomicU64>>,
    open: PerTenant<Gauge>,
    waiting: PerTenant<Gauge>,
    budgets: PerTenant<Gauge>,
    used: PerBudget,
    remaining: PerBudget,
    reserved: PerBudget,
    debt: PerBudget,
}

impl Metrics {
    /// Of `engine`, and of the store that keeps it, if one does; with or without
    /// series of each tenant.
    pub(crate) fn new(
        engine: Engine,
        store: Option<Arc<StoreMetrics>>,
        tells_tenants: bool,
    ) -> Self {
        let mut metrics = Self {
            engine,
            tells_tenants,
            registry: Registry::default(),
            reserve: Family::default(),
            events: Family::default(),
            commit: Family::default(),
            extend: Family::default(),
            release: Family::default(),
            took: Family::new_with_constructor(|| Histogram::new(BUCKETS)),
            store,
            scrape: Mutex::default(),
        };
        metrics.register();
        if let Some(store) = &metrics.store {
            store.register(&mut metrics.registry);
        }
        metrics
    }

    // The names of the existing servers (features 2.10), which alerts rely on.
    fn register(&mut self) {
        let registry = &mut self.registry;
        registry.register(
            "cycles_reservations_reserve",
            "Requests to reserve",
            self.reserve.clone(),
        );
        registry.register("cycles_reservations_commit", "Commits", self.commit.clone());
        registry.register("cycles_reservations_release", "Releases", self.release.clone());
        registry.register("cycles_reservations_extend", "Extensions", self.extend.clone());
        registry.register("cycles_events", "Direct charges", self.events.clone());
        registry.register(
            "cycles_authority_seconds",
            "How long operations took, without HTTP",
            self.took.clone(),
        );
        let scraped = self.scrape.get_mut();
        registry.register(
            "cycles_reservations_expired",
            "Reservations that expired",
            scraped.expired.clone(),
        );
        registry.register(
            "cycles_overdraft_incurred",
            "Charges that made or raised a debt",
            scraped.overdrafts.clone(),
        );
        registry.register("cycles_reservations_open", "Open reservations", scraped.open.clone());
        registry.register(
            "cycles_tenant_waiting",
            "Requests that wait for the tenant's turn",
            scraped.waiting.clone(),
        );
        registry.register("cycles_budgets", "Budgets", scraped.budgets.clone());
        registry.register(
            "cycles_budget_utilization_percent",
            "Charged, held or owed, of what is allocated",
            scraped.used.clone(),
        );
        registry.register(
            "cycles_budget_remaining",
            "Free for new work, in the budget's unit",
            scraped.remaining.clone(),
        );
        registry.register(
            "cycles_budget_reserved",
            "Held, in the budget's unit",
            scraped.reserved.clone(),
        );
        registry.register(
            "cycles_budget_debt",
            "Charged beyond the budget, in its unit",
            scraped.debt.clone(),
        );
    }

    /// Whose call it is; operators' are nobody's, under the name that existing
    /// dashboards know.
    fn tenant(&self, call: &Call) -> Tenant {
        let tenant = || match &call.principal {
            Principal::Tenant { tenant_id, .. } => tenant_id.as_ref().to_owned(),
            _ => "UNKNOWN".to_owned(),
        };
        Tenant(self.tells_tenants.then(tenant))
    }
}

/// Why; `OK` where nothing is wrong.
fn code(exchange: &Exchange<'_>) -> &'static str {
    exchange.error.map_or("OK", |error| ErrorCode::as_str(error.code()))
}

fn decided(tenant: Tenant, exchange: &Exchange<'_>) -> Decided {
    let decision = match exchange.error {
        Some(_) => Decision::Deny,
        None => exchange.decision.unwrap_or(Decision::Allow),
    };
    let reason = exchange.reason_code.unwrap_or_else(|| code(exchange));
    let overage_policy = exchange.overage_policy.map_or("DEFAULT", |policy| policy.as_str());
    Decided { tenant, decision: decision.as_str(), reason: reason.to_owned(), overage_policy }
}

fn settled(tenant: Tenant, exchange: &Exchange<'_>, done: &'static str) -> Settled {
    let decision = if exchange.error.is_some() { "DENY" } else { done };
    Settled { tenant, decision, reason: code(exchange) }
}

impl Observer for Metrics {
    fn saw(&self, call: &Call, exchange: &Exchange<'_>) {
        match exchange.operation {
            Operation::CreateReservation => {
                self.reserve.get_or_create(&decided(self.tenant(call), exchange)).inc();
            }
            Operation::CreateEvent => {
                self.events.get_or_create(&decided(self.tenant(call), exchange)).inc();
            }
            Operation::Commit => {
                self.commit.get_or_create(&settled(self.tenant(call), exchange, "COMMITTED")).inc();
            }
            Operation::Extend => {
                self.extend.get_or_create(&settled(self.tenant(call), exchange, "EXTENDED")).inc();
            }
            Operation::Release => {
                let is_admin = matches!(call.principal, Principal::Admin);
                let labels = Released {
                    actor_type: if is_admin { "admin_on_behalf_of" } else { "api_key" },
                    decision: if exchange.error.is_some() { "DENY" } else { "RELEASED" },
                    reason: code(exchange),
                };
                self.release.get_or_create(&labels).inc();
            }
            _ => {}
        }
        let operation = OfOperation { operation: exchange.operation.as_str() };
        self.took.get_or_create(&operation).observe(exchange.took.as_secs_f64());
    }
}

impl Scraped {
    /// All tenants together.
    fn take_sums(&self, all: &[TenantStatistics]) {
        let of = OfTenant { tenant: Tenant(None) };
        let sum = |count: fn(&TenantStatistics) -> usize| self::count(all.iter().map(count).sum());
        raise(&self.expired.get_or_create(&of), all.iter().map(|it| it.expired).sum());
        raise(&self.overdrafts.get_or_create(&of), all.iter().map(|it| it.overdrafts).sum());
        self.open.get_or_create(&of).set(sum(|it| it.open_reservations));
        self.waiting.get_or_create(&of).set(sum(|it| it.waiting));
        self.budgets.get_or_create(&of).set(sum(|it| it.budget_count));
    }

    fn take(&self, all: &[TenantStatistics]) {
        // Budgets that left the first thousand must not stay as they were.
        for family in [&self.used, &self.remaining, &self.reserved, &self.debt] {
            family.clear();
        }
        for statistics in all {
            let of = OfTenant { tenant: Tenant(Some(statistics.tenant_id.clone())) };
            raise(&self.expired.get_or_create(&of), statistics.expired);
            raise(&self.overdrafts.get_or_create(&of), statistics.overdrafts);
            self.open.get_or_create(&of).set(count(statistics.open_reservations));
            self.waiting.get_or_create(&of).set(count(statistics.waiting));
            self.budgets.get_or_create(&of).set(count(statistics.budget_count));
            for budget in &statistics.budgets {
                let of = OfBudget {
                    tenant: Tenant(Some(budget.tenant_id.clone())),
                    scope: budget.scope.clone(),
                    unit: budget.unit.as_str(),
                };
                let allocated = i128::from(budget.allocated.amount);
                let used = allocated - i128::from(budget.remaining.amount);
                // Of a budget of nothing, nothing is left.
                let percent = (used * 100).checked_div(allocated).unwrap_or(100);
                self.used.get_or_create(&of).set(i64::try_from(percent).unwrap_or(i64::MAX));
                self.remaining.get_or_create(&of).set(budget.remaining.amount);
                self.reserved.get_or_create(&of).set(budget.reserved.amount);
                self.debt.get_or_create(&of).set(budget.debt.amount);
            }
        }
    }
}

/// Counters only rise, and so does what the engine counts.
fn raise(counter: &Counter<u64, AtomicU64>, to: u64) {
    counter.inc_by(to.saturating_sub(counter.get()));
}

fn count(count: usize) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

impl MetricsPage for Metrics {
    fn render(&self) -> (&'static str, String) {
        let scraped = self.scrape.lock();
        if self.tells_tenants {
            scraped.take(&self.engine.statistics(BUDGETS_SHOWN));
        } else {
            scraped.take_sums(&self.engine.statistics(0));
        }
        if let Some(store) = &self.store {
            store.scrape();
        }
        let mut page = String::new();
        // Writing to a String cannot fail.
        let _: fmt::Result = text::encode(&mut page, &self.registry);
        ("application/openmetrics-text; version=1.0.0; charset=utf-8", page)
    }
}
