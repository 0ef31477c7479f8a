//! Where a run takes place: tenants, keys and budgets, all from the seed.

use cycles_engine::{Seed, SeedError};
use cycles_protocol::control::{BudgetStatus, RolloverPolicy, TenantStatus};
use cycles_protocol::scope::Level;
use cycles_protocol::{CommitOveragePolicy, Permission, Subject, Unit};
use serde_json::{Value, json};

use super::dice::Dice;

/// The units that budgets count in; a third one is asked for and never there.
pub(super) const UNITS: [Unit; 2] = [Unit::Tokens, Unit::UsdMicrocents];

/// What subjects say at each level below the tenant; few values, so that they
/// meet. Case does not matter to scopes, so one value comes in two spellings.
const NAMES: [(Level, &[&str]); 5] = [
    (Level::Workspace, &["eng", "ops"]),
    (Level::App, &["chat"]),
    (Level::Workflow, &["w-1", "w-2"]),
    (Level::Agent, &["bot-1", "Bot-1", "bot-2", "scout"]),
    (Level::Toolset, &["web"]),
];

/// Which overage policies a tenant's traffic uses. Under a single one the
/// invariants of server-semantics 4.2 hold on top of the ledger's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Rule {
    Only(CommitOveragePolicy),
    Any,
}

/// A tenant at the start.
#[derive(Debug)]
pub(super) struct TenantPlan {
    pub(super) id: &'static str,
    pub(super) rule: Rule,
    pub(super) status: TenantStatus,
    pub(super) overage_policy: Option<CommitOveragePolicy>,
    pub(super) ttl_ms_default: Option<i64>,
    pub(super) ttl_ms_max: Option<i64>,
    pub(super) extensions_max: Option<i64>,
    pub(super) budgets: Vec<BudgetPlan>,
}

/// A budget at the start.
#[derive(Debug)]
pub(super) struct BudgetPlan {
    pub(super) scope: String,
    pub(super) unit: Unit,
    pub(super) allocated: i64,
    pub(super) spent: i64,
    pub(super) debt: i64,
    pub(super) overdraft_limit: i64,
    pub(super) is_over_limit: bool,
    pub(super) status: BudgetStatus,
    pub(super) overage_policy: Option<CommitOveragePolicy>,
    pub(super) period: Option<PeriodPlan>,
}

/// How often a budget starts anew.
#[derive(Debug, Clone, Copy)]
pub(super) struct PeriodPlan {
    /// From midnight to midnight, UTC, or so many milliseconds from the start.
    pub(super) length_ms: Option<i64>,
    pub(super) rollover: RolloverPolicy,
}

/// A key.
#[derive(Debug)]
pub(super) struct KeyPlan {
    pub(super) name: &'static str,
    pub(super) secret: String,
    /// Index of its tenant.
    pub(super) tenant: usize,
    pub(super) permissions: Vec<Permission>,
    pub(super) scope_filter: Vec<String>,
}

/// All of it.
#[derive(Debug)]
pub(super) struct World {
    pub(super) tenants: Vec<TenantPlan>,
    pub(super) keys: Vec<KeyPlan>,
}

impl World {
    pub(super) fn new(dice: &mut Dice) -> Self {
        use CommitOveragePolicy::{AllowIfAvailable, AllowWithOverdraft, Reject};
        let tenants: Vec<_> = [
            ("rejecting", Rule::Only(Reject), TenantStatus::Active),
            ("available", Rule::Only(AllowIfAvailable), TenantStatus::Active),
            ("overdraft", Rule::Only(AllowWithOverdraft), TenantStatus::Active),
            ("acme", Rule::Any, TenantStatus::Active),
            ("globex", Rule::Any, TenantStatus::Active),
            ("paused", Rule::Any, TenantStatus::Suspended),
            ("gone", Rule::Any, TenantStatus::Closed),
        ]
        .into_iter()
        .map(|(id, rule, status)| TenantPlan::new(dice, id, rule, status))
        .collect();
        let keys = (0..tenants.len()).flat_map(|tenant| keys(&tenants, tenant)).collect();
        Self { tenants, keys }
    }

    /// The same world as an engine's seed.
    pub(super) fn seed(&self) -> Result<Seed, SeedError> {
        let budgets = self.tenants.iter().flat_map(|tenant| &tenant.budgets);
        let seed = json!({
            "tenants": self.tenants.iter().map(TenantPlan::seed).collect::<Vec<_>>(),
            "keys": self.keys.iter().map(|key| key.seed(&self.tenants)).collect::<Vec<_>>(),
            "budgets": budgets.map(BudgetPlan::seed).collect::<Vec<_>>(),
        });
        Seed::from_yaml(&seed.to_string())
    }
}

impl TenantPlan {
    fn new(dice: &mut Dice, id: &'static str, rule: Rule, status: TenantStatus) -> Self {
        let mut budgets: Vec<BudgetPlan> = Vec::new();
        for _ in 0..24 {
            let scope = scope(dice, id);
            let unit = dice.one_of(UNITS);
            // Most of the time the first unit has a budget at the root.
            let (scope, unit) = if budgets.is_empty() && dice.percent(80) {
                (format!("tenant:{id}"), UNITS[0])
            } else {
                (scope, unit)
            };
            if !budgets.iter().any(|budget| budget.scope == scope && budget.unit == unit) {
                budgets.push(BudgetPlan::new(dice, rule, scope, unit));
            }
        }
        let overage_policy = match rule {
            Rule::Only(policy) => Some(policy),
            Rule::Any => dice.maybe(50, policy),
        };
        Self {
            id,
            rule,
            status,
            overage_policy,
            ttl_ms_default: dice.maybe(50, |dice| dice.between(1_000..=180_000)),
            ttl_ms_max: dice.maybe(50, |dice| dice.between(1_000..=300_000)),
            extensions_max: dice.maybe(60, |dice| dice.between(0..=3)),
            budgets,
        }
    }

    fn seed(&self) -> Value {
        without_nulls(json!({
            "tenant_id": self.id,
            "status": self.status,
            "default_commit_overage_policy": self.overage_policy,
            "default_reservation_ttl_ms": self.ttl_ms_default,
            "max_reservation_ttl_ms": self.ttl_ms_max,
            "max_reservation_extensions": self.extensions_max,
        }))
    }
}

impl BudgetPlan {
    fn new(dice: &mut Dice, rule: Rule, scope: String, unit: Unit) -> Self {
        let overdraft_limit = if dice.percent(50) { 0 } else { dice.between(1..=5_000) };
        let mut plan = Self {
            scope,
            unit,
            allocated: dice.between(0..=15_000),
            spent: 0,
            debt: 0,
            overdraft_limit,
            is_over_limit: false,
            status: BudgetStatus::Active,
            overage_policy: None,
            period: None,
        };
        match rule {
            Rule::Only(policy) => plan.overage_policy = dice.percent(20).then_some(policy),
            Rule::Any => {
                plan.overage_policy = dice.maybe(30, policy);
                plan.spent = dice.maybe(20, |dice| dice.between(0..=1_000)).unwrap_or(0);
                plan.debt = dice
                    .maybe(20, |dice| match dice.below(3) {
                        0 => dice.between(1..=3_000),
                        // What may be owed, to the unit, or one more.
                        _ => overdraft_limit + dice.between(0..=1),
                    })
                    .unwrap_or(0);
                plan.is_over_limit = dice.percent(5);
                // A new period may leave holds that it does not cover, which the
                // invariants of a single policy do not expect.
                plan.period = dice.maybe(40, PeriodPlan::new);
                // A root that is closed would leave a tenant without work.
                let is_root = !plan.scope.contains('/');
                plan.status = match dice.below(20) {
                    0 => BudgetStatus::Frozen,
                    1 if !is_root => BudgetStatus::Closed,
                    _ => BudgetStatus::Active,
                };
            }
        }
        plan
    }

    fn seed(&self) -> Value {
        without_nulls(json!({
            "scope": self.scope,
            "unit": self.unit,
            "allocated": self.allocated,
            "spent": self.spent,
            "debt": self.debt,
            "overdraft_limit": self.overdraft_limit,
            "is_over_limit": self.is_over_limit,
            "status": self.status,
            "commit_overage_policy": self.overage_policy,
            "period": self.period.map(PeriodPlan::seed),
        }))
    }
}

impl PeriodPlan {
    fn new(dice: &mut Dice) -> Self {
        use RolloverPolicy::{CapAtAllocated, CarryForward, None};
        let length_ms = dice.maybe(50, |dice| dice.between(3_600_000..=40_000_000));
        Self { length_ms, rollover: dice.one_of([None, CarryForward, CapAtAllocated]) }
    }

    fn seed(self) -> Value {
        let every = if self.length_ms.is_some() { "ROLLING" } else { "DAY" };
        without_nulls(json!({
            "every": every,
            "length_ms": self.length_ms,
            "rollover_policy": self.rollover,
        }))
    }
}

impl KeyPlan {
    fn seed(&self, tenants: &[TenantPlan]) -> Value {
        json!({
            "name": format!("{}-{}", tenants[self.tenant].id, self.name),
            "secret": self.secret,
            "tenant_id": tenants[self.tenant].id,
            "permissions": self.permissions,
            "scope_filter": self.scope_filter,
        })
    }
}

/// Every tenant has the same set of keys; the first one may do everything.
fn keys(tenants: &[TenantPlan], tenant: usize) -> Vec<KeyPlan> {
    use Permission::{
        BalancesRead, Decide, EventsCreate, ReservationsCommit, ReservationsCreate,
        ReservationsExtend, ReservationsList, ReservationsRelease,
    };
    let all = Permission::DEFAULT.to_vec();
    let id = tenants[tenant].id;
    [
        ("all", all.clone(), &[][..]),
        ("reader", vec![ReservationsList, BalancesRead], &[]),
        ("worker", vec![ReservationsCreate, ReservationsCommit, ReservationsExtend], &[]),
        ("cleaner", vec![ReservationsRelease], &[]),
        ("asker", vec![Decide], &[]),
        ("biller", vec![EventsCreate], &[]),
        ("eng", all.clone(), &["workspace:eng"]),
        ("bots", all, &["agent:bot-*", "tenant:*"]),
    ]
    .into_iter()
    .map(|(name, permissions, filter)| KeyPlan {
        name,
        secret: format!("cyc_test_{id}_{name}"),
        tenant,
        permissions,
        scope_filter: filter.iter().map(|entry| (*entry).to_owned()).collect(),
    })
    .collect()
}

/// A subject of `tenant`; shallow ones are more frequent.
pub(super) fn subject(dice: &mut Dice, tenant: &str) -> Subject {
    let mut subject = Subject::default();
    for (level, names) in NAMES {
        if dice.percent(35) {
            *subject.get_mut(level) = dice.pick(names).map(|name| (*name).to_owned());
        }
    }
    if subject.levels().next().is_none() || dice.percent(70) {
        subject.tenant = Some(tenant.to_owned());
    }
    if dice.percent(5) {
        subject.dimensions = Some([("team".to_owned(), "red".to_owned())].into());
    }
    subject
}

/// A scope that some subject derives.
pub(super) fn scope(dice: &mut Dice, tenant: &str) -> String {
    let mut scope = format!("tenant:{tenant}");
    for (level, names) in NAMES {
        if dice.percent(30)
            && let Some(name) = dice.pick(names)
        {
            scope = format!("{scope}/{}:{}", level.as_str(), name.to_lowercase());
        }
    }
    scope
}

pub(super) fn policy(dice: &mut Dice) -> CommitOveragePolicy {
    dice.one_of([
        CommitOveragePolicy::Reject,
        CommitOveragePolicy::AllowIfAvailable,
        CommitOveragePolicy::AllowWithOverdraft,
    ])
}

fn without_nulls(mut value: Value) -> Value {
    if let Value::Object(fields) = &mut value {
        fields.retain(|_, value| !value.is_null());
    }
    value
}
