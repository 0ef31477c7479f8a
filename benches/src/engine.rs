//! The engine whole: validation, scopes, payload hash, idempotency, the ledger
//! and the answer, in process and typed.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use cycles_engine::{Engine, Seed};
use cycles_protocol::{
    Action, Amount, Authority, Call, CommitRequest, Control, IdempotencyKey, Principal,
    ReservationCreateRequest, ReservationId, Subject, SystemClock, SystemRandom,
};
use futures_util::FutureExt;
use serde::Serialize;
use serde_json::json;

use crate::sample::{median, percentile_us};

pub(crate) const SECRET: &str = "cyc_test_bench";
const LIFECYCLES: usize = 30_000;
const AGENTS: [usize; 2] = [200, 200_000];

/// Reserve and commit over six budgeted scopes.
#[derive(Serialize)]
pub(crate) struct Row {
    budgets: usize,
    open: usize,
    lifecycles_per_s: f64,
    p99_us: f64,
}

pub(crate) fn measure(runs: usize) -> Result<Vec<Row>> {
    AGENTS.iter().map(|agents| row(*agents, runs)).collect()
}

fn row(agents: usize, runs: usize) -> Result<Row> {
    let mut bench = Bench::new(agents)?;
    for agent in 0..agents {
        bench.reserve(agent)?;
    }
    bench.run()?; // warms up
    let (mut seconds, mut p99s) = (Vec::new(), Vec::new());
    for _ in 0..runs {
        let mut times = bench.run()?;
        seconds.push(times.iter().sum::<Duration>().as_secs_f64());
        p99s.push(percentile_us(&mut times, 99));
    }
    Ok(Row {
        budgets: 2 * agents + 4,
        open: agents,
        lifecycles_per_s: LIFECYCLES as f64 / median(seconds),
        p99_us: median(p99s),
    })
}

/// One tenant with budgets on six levels, and many agents on the fifth.
pub(crate) struct Bench {
    engine: Engine,
    call: Call,
    agents: usize,
    next: u64,
    random: fastrand::Rng,
}

impl Bench {
    pub(crate) fn new(agents: usize) -> Result<Self> {
        let seed = Seed::from_yaml(&format!(
            "keys: [{{name: default, secret: {SECRET}, tenant_id: acme}}]"
        ))?;
        let engine =
            Engine::with_seed(&seed, Arc::new(SystemClock::new()), Arc::new(SystemRandom))?;
        let mut levels = vec!["tenant:acme".to_owned()];
        for level in ["workspace:prod", "app:support", "workflow:triage"] {
            levels.push(format!("{}/{level}", levels[levels.len() - 1]));
        }
        let above = levels[levels.len() - 1].clone();
        let agent_scopes = (0..agents).flat_map(|agent| {
            let scope = format!("{above}/agent:a{agent}");
            [format!("{scope}/toolset:tools"), scope]
        });
        for scope in levels.into_iter().chain(agent_scopes) {
            engine.create_budget(serde_json::from_value(json!({
                "scope": scope,
                "unit": "TOKENS",
                "allocated": {"unit": "TOKENS", "amount": i64::MAX / 2},
            }))?)?;
        }
        let principal: Principal = engine.authenticate(SECRET)?;
        let call = Call::new(&SystemRandom).by(principal);
        Ok(Self { engine, call, agents, next: 0, random: fastrand::Rng::with_seed(7) })
    }

    fn key(&mut self) -> IdempotencyKey {
        self.next += 1;
        IdempotencyKey::new(format!("3f1e6c2a-9d40-4a77-8c55-{:012x}", self.next))
    }

    pub(crate) fn reserve(&mut self, agent: usize) -> Result<ReservationId> {
        let level = |value: &str| Some(value.to_owned());
        let request = ReservationCreateRequest::builder()
            .idempotency_key(self.key())
            .subject(Subject {
                tenant: level("acme"),
                workspace: level("prod"),
                app: level("support"),
                workflow: level("triage"),
                agent: Some(format!("a{agent}")),
                toolset: level("tools"),
                ..Subject::default()
            })
            .action(Action::new("llm.completion", "gpt-4o-mini"))
            .estimate(Amount::tokens(10))
            .build();
        let answer = self.engine.create_reservation(&self.call, &request).now_or_never();
        let answer = answer.context("the engine answers at once")??;
        answer.value.reservation_id.context("a live reserve has an id")
    }

    fn lifecycle(&mut self) -> Result<()> {
        let agent = self.random.usize(..self.agents);
        let id = self.reserve(agent)?;
        let commit =
            CommitRequest::builder().idempotency_key(self.key()).actual(Amount::tokens(7)).build();
        self.engine.commit(&self.call, &id, &commit).now_or_never().context("at once")??;
        Ok(())
    }

    fn run(&mut self) -> Result<Vec<Duration>> {
        let each = |_| {
            let start = Instant::now();
            self.lifecycle()?;
            Ok(start.elapsed())
        };
        (0..LIFECYCLES).map(each).collect()
    }
}
