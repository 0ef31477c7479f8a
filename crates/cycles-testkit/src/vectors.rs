//! The ledger vectors: arithmetic and precedence, one case each, against any
//! authority whose budgets can be set up and read back.
//!
//! One self-contained file: the engine's own tests include it by path, because
//! a crate may not depend on one above it.

use std::sync::Arc;

use cycles_protocol::control::{BudgetLedger, BudgetRef, BudgetStatus};
use cycles_protocol::scope::{self, Level};
use cycles_protocol::{
    Action, Amount, Authority, Balance, BalanceParams, Call, CommitOveragePolicy, CommitRequest,
    Control, Decision, Error, ErrorCode, EventCreateRequest, EventStatus, JsonMap,
    ReservationCreateRequest, ReservationId, ReservationStatus, Subject, SystemRandom, Unit,
};
use serde::Deserialize;
use serde_json::json;

/// The key that every vector's seed has; the authority must call with it.
pub const API_KEY: &str = "cyc_test_vectors";

/// The tenant of every vector.
const TENANT: &str = "t";

/// An authority that started with a vector's seed, and its provisioning.
pub struct Ledger {
    /// Calls with [`API_KEY`].
    pub authority: Arc<dyn Authority>,
    /// The same ledger, provisioned.
    pub control: Arc<dyn Control>,
}

/// Runs every case of a vector file, each against a fresh ledger that `start`
/// makes from a seed (JSON, which is YAML). Answers how many cases passed.
///
/// # Errors
/// One line for every case that failed, or for a file that does not parse.
pub async fn run(text: &str, start: impl AsyncFn(&str) -> Ledger) -> Result<usize, Vec<String>> {
    let file: File = serde_saphyr::from_str(text).map_err(|error| vec![error.to_string()])?;
    let mut failures = Vec::new();
    if file.version != 1 {
        failures.push(format!("version is not known version={}", file.version));
    }
    for case in &file.cases {
        let ledger = start(&case.seed()).await;
        if let Err(why) = case.run(&ledger).await {
            failures.push(format!("{}: {why}", case.id));
        }
    }
    if failures.is_empty() { Ok(file.cases.len()) } else { Err(failures) }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    version: u32,
    cases: Vec<Case>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    id: String,
    subject: Option<Subject>,
    budgets: Vec<Start>,
    steps: Vec<Step>,
    #[serde(default)]
    then: Option<Vec<End>>,
}

/// A budget at the start.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Start {
    scope: String,
    allocated: i64,
    #[serde(default)]
    overdraft_limit: i64,
    #[serde(default)]
    debt: i64,
    #[serde(default)]
    is_over_limit: bool,
    status: Option<BudgetStatus>,
}

/// A budget at the end.
#[derive(Deserialize, Debug, PartialEq)]
#[serde(deny_unknown_fields)]
struct End {
    remaining: i64,
    reserved: i64,
    spent: i64,
    debt: i64,
    is_over_limit: bool,
    status: Option<BudgetStatus>,
}

#[derive(Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
enum Step {
    Reserve(Spend),
    Commit(Spend),
    Event(Spend),
    Freeze(Freeze),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Spend {
    amount: i64,
    unit: Option<Unit>,
    policy: Option<Policy>,
    #[serde(default)]
    expect: Expect,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Freeze {
    scope: String,
}

#[derive(Deserialize, Clone, Copy)]
enum Policy {
    R,
    A,
    O,
}

impl From<Policy> for CommitOveragePolicy {
    fn from(policy: Policy) -> Self {
        match policy {
            Policy::R => Self::Reject,
            Policy::A => Self::AllowIfAvailable,
            Policy::O => Self::AllowWithOverdraft,
        }
    }
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
struct Expect {
    decision: Option<Decision>,
    status: Option<EventStatus>,
    charged: Option<i64>,
    released: Option<i64>,
    error: Option<ErrorCode>,
    details: Option<JsonMap>,
    /// Where the reservation stands after a refusal.
    reservation: Option<ReservationStatus>,
}

type Outcome = Result<(), String>;

impl Case {
    fn seed(&self) -> String {
        let budget = |budget: &Start| {
            json!({
                "scope": budget.scope,
                "unit": Unit::Tokens,
                "allocated": budget.allocated,
                "overdraft_limit": budget.overdraft_limit,
                "debt": budget.debt,
                "is_over_limit": budget.is_over_limit,
                "status": budget.status.unwrap_or(BudgetStatus::Active),
            })
        };
        json!({
            "tenants": [{"tenant_id": TENANT}],
            "keys": [{"name": "default", "secret": API_KEY, "tenant_id": TENANT}],
            "budgets": self.budgets.iter().map(budget).collect::<Vec<_>>(),
        })
        .to_string()
    }

    /// The subject that derives every budget's scope, unless one is given.
    fn subject(&self) -> Subject {
        self.subject.clone().unwrap_or_else(|| {
            let deepest = self.budgets.last().map_or("tenant:t", |budget| &budget.scope);
            let mut subject = Subject::default();
            for level in Level::ALL {
                let prefix = format!("{}:", level.as_str());
                *subject.get_mut(level) = deepest
                    .split('/')
                    .find_map(|segment| segment.strip_prefix(&prefix))
                    .map(str::to_owned);
            }
            subject
        })
    }

    async fn run(&self, ledger: &Ledger) -> Outcome {
        let mut held = None;
        for (index, step) in self.steps.iter().enumerate() {
            self.step(ledger, step, &mut held)
                .await
                .map_err(|why| format!("steps[{index}]: {why}"))?;
        }
        match &self.then {
            Some(then) => self.compare(ledger, then).await.map_err(|why| format!("then: {why}")),
            None => Ok(()),
        }
    }

    async fn step(
        &self,
        ledger: &Ledger,
        step: &Step,
        held: &mut Option<ReservationId>,
    ) -> Outcome {
        match step {
            Step::Reserve(spend) => {
                if let Some(id) = self.reserve(ledger, spend).await? {
                    *held = Some(id);
                }
                Ok(())
            }
            Step::Commit(spend) => {
                let id = held.as_ref().ok_or("nothing is reserved")?;
                commit(ledger, id, spend).await
            }
            Step::Event(spend) => self.event(ledger, spend).await,
            Step::Freeze(freeze) => {
                let budget = BudgetRef::new(&freeze.scope, Unit::Tokens).map_err(text)?;
                ledger.control.set_budget_frozen(&budget, true).map(|_| ()).map_err(text)
            }
        }
    }

    async fn reserve(
        &self,
        ledger: &Ledger,
        spend: &Spend,
    ) -> Result<Option<ReservationId>, String> {
        let request = ReservationCreateRequest::builder()
            .subject(self.subject())
            .action(action())
            .estimate(spend.amount())
            .maybe_overage_policy(spend.policy.map(Into::into))
            .build();
        let call = call();
        let answer = ledger.authority.create_reservation(&call, &request).await;
        let Some(answer) = spend.expect.refused_or(answer.map(|answer| answer.value))? else {
            return Ok(None);
        };
        same("decision", spend.expect.decision.unwrap_or(Decision::Allow), answer.decision)?;
        same("reserved", Some(spend.amount()), answer.reserved)?;
        answer.reservation_id.ok_or_else(|| "no reservation_id was answered".to_owned()).map(Some)
    }

    async fn event(&self, ledger: &Ledger, spend: &Spend) -> Outcome {
        let request = EventCreateRequest::builder()
            .subject(self.subject())
            .action(action())
            .actual(spend.amount())
            .maybe_overage_policy(spend.policy.map(Into::into))
            .build();
        let call = call();
        let answer = ledger.authority.create_event(&call, request).await;
        let Some(answer) = spend.expect.refused_or(answer.map(|answer| answer.value))? else {
            return Ok(());
        };
        same("status", spend.expect.status.unwrap_or(EventStatus::Applied), answer.status)?;
        // semantics 2.6: `charged` is only there where the charge was capped
        let charged = spend.expect.charged.filter(|charged| *charged < spend.amount);
        same("charged", charged, answer.charged.map(|amount| amount.amount))
    }

    async fn compare(&self, ledger: &Ledger, then: &[End]) -> Outcome {
        same("count of budgets", self.budgets.len(), then.len())?;
        for (start, end) in self.budgets.iter().zip(then) {
            let place = |why: String| format!("{}: {why}", start.scope);
            let budget = BudgetRef::new(&start.scope, Unit::Tokens).map_err(text)?;
            let found = ledger.control.get_budget(&budget).map_err(text)?;
            same("budget", end, &End::of(&found, end.status.is_some())).map_err(place)?;
            compare_balance(ledger, &start.scope, end).await.map_err(place)?;
        }
        Ok(())
    }
}

async fn commit(ledger: &Ledger, id: &ReservationId, spend: &Spend) -> Outcome {
    let request = CommitRequest::builder().actual(spend.amount()).build();
    let call = call();
    let answer = ledger.authority.commit(&call, id, &request).await;
    let answer = spend.expect.refused_or(answer.map(|answer| answer.value))?;
    if let Some(status) = spend.expect.reservation {
        let detail = ledger.authority.get_reservation(&call, id).await.map_err(text)?;
        same("status of the reservation", status, detail.value.status)?;
    }
    let Some(answer) = answer else { return Ok(()) };
    let charged = spend.expect.charged.ok_or("a commit must say what it charges")?;
    same("charged", charged, answer.charged.amount)?;
    same("released", spend.expect.released, answer.released.map(|amount| amount.amount))
}

/// The runtime plane must say what the governance plane says.
async fn compare_balance(ledger: &Ledger, scope: &str, end: &End) -> Outcome {
    let subject = Subject { tenant: Some(TENANT.to_owned()), ..Subject::default() };
    let params = BalanceParams { subject, include_children: true, ..BalanceParams::default() };
    let call = call();
    let answer = ledger.authority.get_balances(&call, params).await.map_err(text)?;
    let mut balances = answer.value.balances.iter();
    let balance = balances.find(|balance| balance.scope_path == scope).ok_or("no balance")?;
    same("balance.scope", scope::leaf(scope), balance.scope.as_str())?;
    let found = End::of_balance(balance).ok_or("the balance lacks fields")?;
    same("balance", &End { status: None, ..*end }, &found)
}

impl End {
    fn of(budget: &BudgetLedger, with_status: bool) -> Self {
        Self {
            remaining: budget.remaining.amount,
            reserved: budget.reserved.amount,
            spent: budget.spent.amount,
            debt: budget.debt.amount,
            is_over_limit: budget.is_over_limit,
            status: with_status.then_some(budget.status),
        }
    }

    fn of_balance(balance: &Balance) -> Option<Self> {
        Some(Self {
            remaining: balance.remaining.amount,
            reserved: balance.reserved?.amount,
            spent: balance.spent?.amount,
            debt: balance.debt?.amount,
            is_over_limit: balance.is_over_limit?,
            status: None,
        })
    }
}

impl Spend {
    fn amount(&self) -> Amount {
        Amount::new(self.unit.unwrap_or(Unit::Tokens), self.amount)
    }
}

impl Expect {
    /// The answer, unless a refusal was expected and came.
    fn refused_or<T>(&self, answer: Result<T, Error>) -> Result<Option<T>, String> {
        match (answer, self.error) {
            (Ok(answer), None) => Ok(Some(answer)),
            (Ok(_), Some(code)) => Err(format!("succeeded; expected {code}")),
            (Err(error), None) => Err(format!("refused: {error}")),
            (Err(error), Some(code)) => {
                same("error", code, error.code())?;
                same("HTTP status", Some(code.status()), error.status())?;
                for (key, value) in self.details.iter().flatten() {
                    let found = error.details().and_then(|details| details.get(key));
                    same(&format!("details.{key}"), Some(value), found)?;
                }
                Ok(None)
            }
        }
    }
}

#[expect(clippy::needless_pass_by_value, reason = "callers compare what they made")]
fn same<T: PartialEq + std::fmt::Debug>(what: &str, expected: T, found: T) -> Outcome {
    if expected == found {
        return Ok(());
    }
    Err(format!("{what} differs expected={expected:?} found={found:?}"))
}

fn action() -> Action {
    Action::new("test.vector", "ledger")
}

fn call() -> Call {
    Call::new(&SystemRandom)
}

#[expect(clippy::needless_pass_by_value, reason = "reads well in map_err")]
fn text(error: Error) -> String {
    error.to_string()
}
