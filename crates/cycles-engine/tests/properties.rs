//! Whatever is asked in whatever order, the ledger's algebra holds
//! (semantics 4.2).
#![expect(clippy::unwrap_used, reason = "tests")]

mod fixture;

use cycles_protocol::control::{BudgetFundingRequest, BudgetLedger, BudgetRef, FundingOperation};
use cycles_protocol::{
    Amount, Authority, CommitOveragePolicy, CommitRequest, Control, Decision, DecisionRequest,
    DecisionResponse, EventCreateRequest, IdempotencyKey, ListReservationsParams,
    ReservationCreateRequest, ReservationCreateResponse, ReservationId, ReservationStatus, Subject,
    Unit,
};
use fixture::{Client, action, budget, call, client, now, start};
use proptest::prelude::*;

const SCOPES: [&str; 3] =
    ["tenant:acme", "tenant:acme/workspace:w", "tenant:acme/workspace:w/agent:a"];

const SEED: &str = "
keys: [{name: default, secret: cyc_test_acme, tenant_id: acme}]
budgets:
  - {scope: 'tenant:acme', unit: TOKENS, allocated: 500, overdraft_limit: 100, caps: {at_utilization: 50, max_tokens: 50}}
  - {scope: 'tenant:acme/workspace:w', unit: TOKENS, allocated: 200, caps: {at_utilization: 80, max_tokens: 20}}
  - {scope: 'tenant:acme/workspace:w/agent:a', unit: TOKENS, allocated: 100, overdraft_limit: 30, caps: {max_tokens: 80}}
";

/// From which percentage of which scope on the seed caps how many tokens.
const CAPS: [(i128, i64); 3] = [(50, 50), (80, 20), (0, 80)];

#[derive(Debug, Clone, Copy)]
enum Command {
    Reserve { depth: usize, amount: i64, policy: CommitOveragePolicy },
    Commit { which: usize, amount: i64 },
    Release { which: usize },
    Extend { which: usize, by_ms: i64 },
    Event { depth: usize, amount: i64, policy: CommitOveragePolicy },
    Fund { scope: usize, operation: FundingOperation, amount: i64 },
    Freeze { scope: usize, frozen: bool },
    Wait { ms: i64 },
}

fn policy() -> impl Strategy<Value = CommitOveragePolicy> {
    proptest::sample::select(CommitOveragePolicy::ALL)
}

fn amount() -> impl Strategy<Value = i64> {
    prop_oneof![8 => 0..150i64, 1 => Just(i64::MAX)]
}

fn command() -> impl Strategy<Value = Command> {
    prop_oneof![
        6 => (1..=3usize, amount(), policy())
            .prop_map(|(depth, amount, policy)| Command::Reserve { depth, amount, policy }),
        4 => (any::<usize>(), amount())
            .prop_map(|(which, amount)| Command::Commit { which, amount }),
        2 => any::<usize>().prop_map(|which| Command::Release { which }),
        1 => (any::<usize>(), 1..30_000i64)
            .prop_map(|(which, by_ms)| Command::Extend { which, by_ms }),
        3 => (1..=3usize, amount(), policy())
            .prop_map(|(depth, amount, policy)| Command::Event { depth, amount, policy }),
        2 => (0..3usize, proptest::sample::select(FundingOperation::ALL), amount())
            .prop_map(|(scope, operation, amount)| Command::Fund { scope, operation, amount }),
        1 => (0..3usize, any::<bool>())
            .prop_map(|(scope, frozen)| Command::Freeze { scope, frozen }),
        1 => (0..40_000i64).prop_map(|ms| Command::Wait { ms }),
    ]
}

fn subject(depth: usize) -> Subject {
    Subject {
        tenant: Some("acme".into()),
        workspace: (depth > 1).then(|| "w".into()),
        agent: (depth > 2).then(|| "a".into()),
        ..Subject::default()
    }
}

/// The caps of an answer are the strictest of those whose threshold the
/// balances that it shows have reached.
fn caps_fit(answer: &ReservationCreateResponse) {
    let balances = answer.balances.as_ref().unwrap();
    let applying = balances.iter().zip(CAPS).filter(|(balance, (from, _))| {
        let amount = |amount: Option<Amount>| i128::from(amount.unwrap().amount);
        let used = amount(balance.spent) + amount(balance.reserved) + amount(balance.debt);
        let percent = match amount(balance.allocated) {
            0 => 100,
            allocated => used * 100 / allocated,
        };
        percent >= *from
    });
    let expected = applying.map(|(_, (_, max_tokens))| max_tokens).min();
    let caps = answer.caps.as_ref();
    assert_eq!(caps.and_then(|caps| caps.max_tokens), expected, "{answer:?}");
    assert_eq!(answer.decision == Decision::AllowWithCaps, caps.is_some());
}

/// One run: every reservation that was ever made, and the engine.
struct Run {
    engine: cycles_engine::Engine,
    clock: std::sync::Arc<fixture::ManualClock>,
    client: Client,
    made: Vec<ReservationId>,
}

impl Run {
    fn any(&self, which: usize) -> ReservationId {
        match self.made.len() {
            0 => "res_none".into(),
            count => self.made[which % count].clone(),
        }
    }

    /// Whether the command was done.
    fn apply(&mut self, command: Command) -> bool {
        let at = |scope: usize| BudgetRef::new(SCOPES[scope], Unit::Tokens).unwrap();
        match command {
            Command::Reserve { depth, amount, policy } => {
                let request = ReservationCreateRequest::builder()
                    .subject(subject(depth))
                    .action(action())
                    .estimate(Amount::tokens(amount))
                    .overage_policy(policy)
                    .build();
                let answer = self.client.reserve(request);
                let made = answer.ok().and_then(|answer| {
                    caps_fit(&answer);
                    answer.reservation_id
                });
                self.made.extend(made.clone());
                made.is_some()
            }
            Command::Commit { which, amount } => {
                let id = self.any(which);
                let request = CommitRequest::builder().actual(Amount::tokens(amount)).build();
                self.client.commit_as(&id, request).is_ok()
            }
            Command::Release { which } => self.client.release(&self.any(which)).is_ok(),
            Command::Extend { which, by_ms } => {
                let key = format!("{}", self.made.len());
                self.client.extend(&self.any(which), &key, by_ms).is_ok()
            }
            Command::Event { depth, amount, policy } => {
                let request = EventCreateRequest::builder()
                    .subject(subject(depth))
                    .action(action())
                    .actual(Amount::tokens(amount))
                    .overage_policy(policy)
                    .build();
                now(self.client.0.create_event(&call(), request)).is_ok()
            }
            Command::Fund { scope, operation, amount } => {
                let request = BudgetFundingRequest {
                    operation,
                    amount: Amount::tokens(amount),
                    spent: None,
                    reason: None,
                    idempotency_key: None,
                    metadata: None,
                };
                self.engine.fund_budget(&at(scope), request).is_ok()
            }
            Command::Freeze { scope, frozen } => {
                self.engine.set_budget_frozen(&at(scope), frozen).is_ok()
            }
            Command::Wait { ms } => {
                self.clock.advance(ms);
                true
            }
        }
    }

    /// What a reservation would be answered.
    fn decide(&self, depth: usize, amount: i64) -> DecisionResponse {
        let request = DecisionRequest::builder()
            .idempotency_key(IdempotencyKey::random())
            .subject(subject(depth))
            .action(action())
            .estimate(Amount::tokens(amount))
            .build();
        now(self.client.0.decide(&call(), request)).unwrap().value
    }

    fn budgets(&self) -> Vec<BudgetLedger> {
        SCOPES.iter().map(|scope| budget(&self.engine, scope)).collect()
    }

    /// What the open reservations hold on each scope.
    fn held(&self) -> Vec<i64> {
        let (mut held, mut cursor) = (vec![0; SCOPES.len()], None);
        loop {
            let params = ListReservationsParams {
                status: Some(ReservationStatus::Active),
                limit: Some(200),
                cursor,
                ..ListReservationsParams::default()
            };
            let page = now(self.client.0.list_reservations(&call(), params)).unwrap().value;
            for row in page.reservations {
                for (sum, _) in held.iter_mut().zip(&row.affected_scopes) {
                    *sum += row.reserved.amount;
                }
            }
            match page.next_cursor {
                Some(next) => cursor = Some(next),
                None => return held,
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn the_algebra_holds(commands in prop::collection::vec(command(), 1..60)) {
        let (engine, clock) = start(SEED);
        let mut run = Run { client: client(&engine), engine, clock, made: Vec::new() };
        for command in commands {
            let before = run.budgets();
            let text = format!("{command:?}");
            let done = run.apply(command);
            let after = run.budgets();
            prop_assert!(done || before == after, "a refused command changed something: {text}");
            for (budget, held) in after.iter().zip(run.held()) {
                let sum = i128::from(budget.allocated.amount)
                    - i128::from(budget.spent.amount)
                    - i128::from(budget.reserved.amount)
                    - i128::from(budget.debt.amount);
                prop_assert_eq!(i128::from(budget.remaining.amount), sum, "{}", &text);
                prop_assert_eq!(budget.reserved.amount, held, "{} {}", &text, &budget.scope);
                prop_assert!(budget.debt.amount <= budget.overdraft_limit.amount, "{}", &text);
            }
        }
        // Nothing leaks: once every lease and grace is over, nothing is held.
        run.clock.advance(100_000_000);
        for budget in run.budgets() {
            prop_assert_eq!(budget.reserved.amount, 0);
        }
    }

    /// A denial's hint is the first moment at which the same request is allowed;
    /// without a hint, nothing that is held would make it so.
    #[test]
    fn a_hint_is_exact(
        commands in prop::collection::vec(command(), 1..40),
        depth in 1..=3usize,
        amount in 1..300i64,
    ) {
        let (engine, clock) = start(SEED);
        let mut run = Run { client: client(&engine), engine, clock, made: Vec::new() };
        for command in commands {
            run.apply(command);
        }
        let denied = run.decide(depth, amount);
        if denied.reason_code.as_deref() != Some("BUDGET_EXCEEDED") {
            prop_assert_eq!(denied.retry_after_ms, None);
            return Ok(());
        }
        let Some(wait) = denied.retry_after_ms else {
            let never = run.budgets().into_iter().take(depth).any(|budget| {
                let all = budget.remaining.amount.checked_add(budget.reserved.amount);
                all.is_some_and(|all| all < amount)
            });
            prop_assert!(never, "all that is held would cover it");
            return Ok(());
        };
        run.clock.advance(wait - 1);
        prop_assert_eq!(run.decide(depth, amount).decision, Decision::Deny);
        run.clock.advance(1);
        prop_assert!(run.decide(depth, amount).decision.is_allowed());
    }
}
