//! `cycles budget`.

mod list;

use clap::{Args, Subcommand, ValueEnum};
use cycles_protocol::control::{
    BudgetCreateRequest, BudgetFundingRequest, BudgetFundingResponse, BudgetLedger, BudgetPeriod,
    BudgetStatusTransitionRequest, FundingOperation, PeriodLength, RolloverPolicy,
};
use cycles_protocol::{CommitOveragePolicy, IdempotencyKey, Unit, scope};

use crate::failure::Failure;
use crate::money::{self, Money};
use crate::output::Table;
use crate::remote::{As, Remote};
use crate::settings::Connection;

use list::List;

/// Budgets: how much may be spent where.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLE)]
pub(crate) struct Budget {
    #[command(subcommand)]
    action: Action,
    #[command(flatten)]
    connection: Connection,
}

const EXAMPLE: &str = "\
Amounts are dollars (5, $5.00, 0.02) or integers with their unit (\"50000 tokens\").

  cycles budget create tenant:acme/agent:bot '50000 tokens'
  cycles budget create tenant:acme '$100' --every month --time-zone Europe/Berlin
  cycles budget fund tenant:acme '$20'
  cycles budget fund tenant:acme '$100' --operation reset-spent
  cycles budget list --scope-prefix tenant:acme
  cycles budget freeze tenant:acme --reason incident

The admin key is used where one is set, else the tenant's key.

Exit codes: 0 done, 1 failed, 2 wrong arguments or settings, 3 the server refused,
4 the server cannot be reached.";

#[derive(Debug, Subcommand)]
enum Action {
    /// Create the budget of a scope in one unit.
    Create {
        /// Like tenant:acme/agent:bot; it starts at a tenant.
        scope: String,
        /// How much, like $10 or "50000 tokens".
        allocated: Money,
        /// Most debt, in the same unit; none unless given.
        #[arg(long, value_name = "AMOUNT")]
        overdraft_limit: Option<Money>,
        /// What happens when work costs more than its reservation.
        #[arg(long, value_enum)]
        overage_policy: Option<Overage>,
        #[command(flatten)]
        renewal: Renewal,
    },
    /// Let a budget start anew every so often, with what is allocated now.
    ///
    /// What was spent in the running period stays spent. Needs the admin key.
    Period {
        #[command(flatten)]
        which: Which,
        #[command(flatten)]
        renewal: Renewal,
        /// End it: the budget does not start anew any more.
        #[arg(long, conflicts_with = "every", required_unless_present = "every")]
        never: bool,
    },
    /// Change a budget's money.
    Fund {
        /// Which budget.
        scope: String,
        /// How much; its unit says which of the scope's budgets.
        amount: Money,
        /// How.
        #[arg(long, value_enum, default_value_t = Operation::Credit)]
        operation: Operation,
        /// With reset-spent: what the new period starts with; nothing unless given.
        #[arg(long, value_name = "AMOUNT")]
        spent: Option<Money>,
        /// Why; for the audit log.
        #[arg(long)]
        reason: Option<String>,
        /// Makes the command safe to repeat; a fresh one unless given.
        #[arg(long, value_name = "KEY")]
        idempotency_key: Option<String>,
    },
    /// List budgets.
    List(List),
    /// Show one budget.
    Show(Which),
    /// Stop new work and funding; what was granted settles.
    Freeze(Transition),
    /// Let new work start again.
    Unfreeze(Transition),
}

#[derive(Debug, Args)]
struct Renewal {
    /// The budget starts anew with its allocation: every day, week (from Monday),
    /// month, or so long, like 12h or 30d, from now on.
    #[arg(long, value_name = "day|week|month|LENGTH", value_parser = parse_every)]
    every: Option<(PeriodLength, Option<i64>)>,
    /// The time zone that days, weeks and months follow, like Europe/Berlin.
    #[arg(long, value_name = "ZONE", requires = "every")]
    time_zone: Option<String>,
    /// What happens to what is left at the end of a period.
    #[arg(long, value_enum, requires = "every")]
    rollover: Option<Rollover>,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Rollover {
    /// It is gone.
    None,
    /// The next period has it too.
    CarryForward,
    /// The next period has of it as much as one period's allocation.
    CapAtAllocated,
}

impl From<Rollover> for RolloverPolicy {
    fn from(rollover: Rollover) -> Self {
        match rollover {
            Rollover::None => Self::None,
            Rollover::CarryForward => Self::CarryForward,
            Rollover::CapAtAllocated => Self::CapAtAllocated,
        }
    }
}

fn parse_every(text: &str) -> Result<(PeriodLength, Option<i64>), String> {
    let hours = |number: &str, each: i64| {
        number.parse::<i64>().ok()?.checked_mul(each)?.checked_mul(3_600_000)
    };
    let length = match text {
        "day" => return Ok((PeriodLength::Day, None)),
        "week" => return Ok((PeriodLength::Week, None)),
        "month" => return Ok((PeriodLength::Month, None)),
        _ => text
            .strip_suffix('h')
            .and_then(|number| hours(number, 1))
            .or_else(|| text.strip_suffix('d').and_then(|number| hours(number, 24))),
    };
    let length = length.filter(|length| BudgetPeriod::LENGTH_MS.contains(length));
    length.map(|length| (PeriodLength::Rolling, Some(length))).ok_or_else(|| {
        "write day, week, month, or a length like 12h or 30d, 1h to 3650d".to_owned()
    })
}

impl Renewal {
    fn period(self) -> Option<BudgetPeriod> {
        let (every, length_ms) = self.every?;
        Some(BudgetPeriod {
            every,
            length_ms,
            time_zone: self.time_zone,
            rollover_policy: self.rollover.map(Into::into),
        })
    }
}

#[derive(Debug, Args)]
struct Which {
    /// Like tenant:acme/agent:bot.
    scope: String,
    /// Its unit.
    #[arg(long, default_value = "USD_MICROCENTS", value_parser = money::parse_unit)]
    unit: Unit,
}

#[derive(Debug, Args)]
struct Transition {
    #[command(flatten)]
    which: Which,
    /// Why; for the audit log.
    #[arg(long)]
    reason: Option<String>,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Operation {
    /// Adds to the budget; leaves debt alone.
    Credit,
    /// Takes from what remains.
    Debit,
    /// Sets the budget; what was spent stays spent.
    Reset,
    /// Sets the budget and starts a fresh period.
    ResetSpent,
    /// Pays debt, then adds the rest.
    RepayDebt,
}

impl From<Operation> for FundingOperation {
    fn from(operation: Operation) -> Self {
        match operation {
            Operation::Credit => Self::Credit,
            Operation::Debit => Self::Debit,
            Operation::Reset => Self::Reset,
            Operation::ResetSpent => Self::ResetSpent,
            Operation::RepayDebt => Self::RepayDebt,
        }
    }
}

#[derive(Debug, Clone, Copy, ValueEnum)]
pub(super) enum Overage {
    /// The commit is refused.
    Reject,
    /// As much as the budget has is charged.
    AllowIfAvailable,
    /// The rest becomes debt, up to the overdraft limit.
    AllowWithOverdraft,
}

impl From<Overage> for CommitOveragePolicy {
    fn from(overage: Overage) -> Self {
        match overage {
            Overage::Reject => Self::Reject,
            Overage::AllowIfAvailable => Self::AllowIfAvailable,
            Overage::AllowWithOverdraft => Self::AllowWithOverdraft,
        }
    }
}

const PATH: &str = "/v1/admin/budgets";
const PERIOD: &str = "/v1/x-cycles/budgets/period";
const PERIODS_NEED_ADMIN: &str = "--every needs the server's admin key; set CYCLES_ADMIN_API_KEY";

impl Budget {
    pub(crate) async fn run(self) -> Result<(), Failure> {
        let (remote, format) = (Remote::new(&self.connection)?, self.connection.format());
        let one = |budget: &BudgetLedger| table(std::slice::from_ref(budget));
        match self.action {
            Action::Create { scope, allocated, overdraft_limit, overage_policy, renewal } => {
                let period = renewal.period();
                if period.is_some() && !remote.has_admin_key() {
                    return Err(Failure::Usage(PERIODS_NEED_ADMIN.to_owned()));
                }
                let which = which(&scope, allocated.0.unit);
                let body = BudgetCreateRequest {
                    tenant_id: tenant_of(&scope)?.filter(|_| remote.has_admin_key()),
                    scope,
                    unit: allocated.0.unit,
                    allocated: allocated.0,
                    overdraft_limit: overdraft_limit.map(|limit| limit.0),
                    commit_overage_policy: overage_policy.map(Into::into),
                    rollover_policy: None,
                    period_start: None,
                    period_end: None,
                    metadata: None,
                };
                let mut budget = remote.post(As::Either, PATH, &[], &body).await?;
                if let Some(period) = period {
                    budget = remote.put(As::Operator, PERIOD, &which, &period).await?;
                }
                format.write(&budget, one)
            }
            Action::Period { which: Which { scope, unit }, renewal, .. } => {
                let which = which(&scope, unit);
                let budget = match renewal.period() {
                    Some(period) => remote.put(As::Operator, PERIOD, &which, &period).await?,
                    None => remote.delete(As::Operator, PERIOD, &which).await?,
                };
                format.write(&budget, one)
            }
            Action::Fund { scope, amount, operation, spent, reason, idempotency_key } => {
                let body = BudgetFundingRequest {
                    operation: operation.into(),
                    amount: amount.0,
                    spent: spent.map(|spent| spent.0),
                    reason,
                    idempotency_key: Some(
                        idempotency_key.map_or_else(IdempotencyKey::random, IdempotencyKey::new),
                    ),
                    metadata: None,
                };
                let mut query = which(&scope, amount.0.unit);
                query.extend(tenant_of(&scope)?.map(|tenant| ("tenant_id", tenant)));
                let path = format!("{PATH}/fund");
                let funded = remote.post(As::Either, &path, &query, &body).await?;
                format.write(&funded, |funded| changed(&scope, funded))
            }
            Action::List(list) => list.run(&remote, format).await,
            Action::Show(Which { scope, unit }) => {
                let path = format!("{PATH}/lookup");
                format.write(&remote.get(As::Either, &path, &which(&scope, unit)).await?, one)
            }
            Action::Freeze(transition) => {
                format.write(&transition.ask(&remote, "freeze").await?, one)
            }
            Action::Unfreeze(transition) => {
                format.write(&transition.ask(&remote, "unfreeze").await?, one)
            }
        }
    }
}

impl Transition {
    async fn ask(self, remote: &Remote, what: &str) -> Result<BudgetLedger, Failure> {
        let body = BudgetStatusTransitionRequest { reason: self.reason, metadata: None };
        let query = which(&self.which.scope, self.which.unit);
        remote.post(As::Operator, &format!("{PATH}/{what}"), &query, &body).await
    }
}

fn which(scope: &str, unit: Unit) -> Vec<(&'static str, String)> {
    vec![("scope", scope.to_owned()), ("unit", unit.to_string())]
}

/// # Errors
/// Exit code 2, for what is no scope: the server need not be asked.
fn tenant_of(scope: &str) -> Result<Option<String>, Failure> {
    let canonical =
        scope::canonical(scope).map_err(|error| Failure::Usage(error.message().to_owned()))?;
    Ok(scope::tenant(&canonical).map(str::to_owned))
}

pub(super) fn table(budgets: &[BudgetLedger]) -> String {
    let headings = &[
        "SCOPE",
        ">ALLOCATED",
        ">REMAINING",
        ">RESERVED",
        ">SPENT",
        ">DEBT",
        ">USED",
        "STATUS",
        "RENEWS",
    ];
    let mut table = Table::new(headings);
    for budget in budgets {
        let amount = |amount| money::shown(amount, budget.unit);
        let over = if budget.is_over_limit { " OVER LIMIT" } else { "" };
        table.row([
            budget.scope.clone(),
            amount(budget.allocated.amount),
            amount(budget.remaining.amount),
            amount(budget.reserved.amount),
            amount(budget.spent.amount),
            amount(budget.debt.amount),
            used(budget),
            format!("{}{over}", budget.status),
            budget.period_end.clone().unwrap_or_else(|| "-".to_owned()),
        ]);
    }
    table.render()
}

/// Percent of the budget that is charged, held or owed, rounded down.
pub(crate) fn used(budget: &BudgetLedger) -> String {
    let allocated = i128::from(budget.allocated.amount);
    let used = allocated - i128::from(budget.remaining.amount);
    (used * 100).checked_div(allocated).map_or_else(|| "-".to_owned(), |used| format!("{used}%"))
}

fn changed(scope: &str, funded: &BudgetFundingResponse) -> String {
    let mut table = Table::new(&["AMOUNT", ">BEFORE", ">AFTER"]);
    let amount = |amount| money::shown(amount, funded.new_allocated.unit);
    for (name, before, after) in [
        ("allocated", funded.previous_allocated.amount, funded.new_allocated.amount),
        ("remaining", funded.previous_remaining.amount, funded.new_remaining.amount),
        ("spent", funded.previous_spent.amount, funded.new_spent.amount),
        ("debt", funded.previous_debt.amount, funded.new_debt.amount),
    ] {
        table.row([name.to_owned(), amount(before), amount(after)]);
    }
    format!("{scope}\n{}", table.render())
}
