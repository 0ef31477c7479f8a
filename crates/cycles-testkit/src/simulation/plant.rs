//! The authority under test, asked synchronously: in memory its futures are ready
//! at the first poll.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

use cycles_engine::{Engine, Seed};
use cycles_protocol::authority::{Answered, Operation, RawRequest};
use cycles_protocol::control::BudgetRef;
use cycles_protocol::{
    Authority, Call, Clock, Control, ErrorResponse, Principal, Random, ReservationId,
};
use futures_util::FutureExt;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::answer::{Answer, Figures};
use super::command::{Act, Caller, Command};
use super::dice::SeededRandom;
use super::world::World;
use super::{Open, Simulation, Wrap};
use crate::ManualClock;

/// The authority, its provisioning, its clock.
pub(super) struct Plant {
    /// None only while it is opened again.
    running: Option<Running>,
    wrap: Wrap,
    kept: Option<Kept>,
    seed: Seed,
    ids: Arc<SeededRandom>,
    clock: ManualClock,
    /// Names requests; apart from the engine's, so that a wrapper which asks
    /// more often does not change the ids.
    names: SeededRandom,
    secrets: Vec<String>,
}

/// An engine, and what stands in front of it.
struct Running {
    engine: Engine,
    authority: Arc<dyn Authority>,
}

/// What opens an engine that is kept, and waits for its answers.
struct Kept {
    open: Open,
    runtime: tokio::runtime::Runtime,
}

/// An answer that breaks the contract itself.
pub(super) type Broken = String;

impl Plant {
    pub(super) fn new(simulation: Simulation, world: &World) -> Result<Self, Broken> {
        let Simulation { seed, wrap, open } = simulation;
        let kept = open.map(|open| -> Result<_, Broken> {
            let runtime = tokio::runtime::Builder::new_current_thread().build();
            Ok(Kept { open, runtime: runtime.map_err(|error| error.to_string())? })
        });
        let mut plant = Self {
            running: None,
            wrap,
            kept: kept.transpose()?,
            seed: world.seed().map_err(|error| error.to_string())?,
            ids: Arc::new(SeededRandom::new(seed ^ 0x1D5)),
            clock: ManualClock::default(),
            names: SeededRandom::new(seed ^ 0xCA11),
            secrets: world.keys.iter().map(|key| key.secret.clone()).collect(),
        };
        plant.restart()?;
        Ok(plant)
    }

    pub(super) const fn is_kept(&self) -> bool {
        self.kept.is_some()
    }

    /// Ends the engine and opens it again.
    pub(super) fn restart(&mut self) -> Result<(), Broken> {
        self.running = None;
        let clock: Arc<dyn Clock> = Arc::new(self.clock.clone());
        let ids: Arc<dyn Random> = Arc::<SeededRandom>::clone(&self.ids);
        let engine = match &mut self.kept {
            Some(kept) => (kept.open)(&self.seed, clock, ids)?,
            None => Engine::with_seed(&self.seed, clock, ids).map_err(|error| error.to_string())?,
        };
        self.running = Some(Running { authority: (self.wrap)(engine.clone()), engine });
        Ok(())
    }

    fn running(&self) -> Result<&Running, Broken> {
        self.running.as_ref().ok_or_else(|| "the engine did not start again".to_owned())
    }

    pub(super) fn now(&self) -> i64 {
        self.clock.now_ms()
    }

    pub(super) fn advance(&self, ms: i64) {
        self.clock.advance(Duration::from_millis(u64::try_from(ms).unwrap_or(0)));
    }

    /// One budget, past any wrapper.
    pub(super) fn figures(&self, budget: &BudgetRef) -> Result<Figures, Broken> {
        let engine = &self.running()?.engine;
        engine.get_budget(budget).map(Figures::from).map_err(|error| error.to_string())
    }

    /// A panic is a failure with a seed like any other.
    pub(super) fn ask(&self, command: &Command) -> Result<Answer, Broken> {
        catch_unwind(AssertUnwindSafe(|| self.answer(command))).unwrap_or_else(|panic| {
            let text = panic.downcast_ref::<String>().map(String::as_str);
            let text = text.or_else(|| panic.downcast_ref::<&str>().copied());
            Err(format!("the authority panicked: {}", text.unwrap_or("?")))
        })
    }

    fn answer(&self, command: &Command) -> Result<Answer, Broken> {
        let Running { engine, .. } = self.running()?;
        let principal = match command.caller {
            Caller::Admin => Principal::Admin,
            Caller::Stranger => match engine.authenticate("cyc_test_stranger") {
                Ok(principal) => principal,
                Err(error) => return Ok(error.into()),
            },
            Caller::Key(key) => match engine.authenticate(&self.secrets[key]) {
                Ok(principal) => principal,
                Err(error) => return Ok(error.into()),
            },
        };
        let call = Call::new(&self.names).by(principal);
        let answer = match &command.act {
            Act::Fund(budget, request) => engine
                .fund_budget(budget, request.clone())
                .map_or_else(Answer::from, |answer| Answer::Fund(Box::new(answer))),
            Act::Freeze(budget, frozen) => engine
                .set_budget_frozen(budget, *frozen)
                .map_or_else(Answer::from, |ledger| Answer::Budget(ledger.into())),
            Act::CreateBudget(request) => engine
                .create_budget(request.clone())
                .map_or_else(Answer::from, |ledger| Answer::Budget(ledger.into())),
            Act::Sweep => Answer::Swept(engine.sweep()),
            act if command.is_wire => self.send(&call, act)?,
            act => self.call(&call, act)?,
        };
        Ok(answer.predictable())
    }

    /// Typed.
    fn call(&self, call: &Call, act: &Act) -> Result<Answer, Broken> {
        let authority = &*self.running()?.authority;
        match act {
            Act::Create(request) => self
                .typed(authority.create_reservation(call, request), |answer| {
                    Answer::Create(Box::new(answer))
                }),
            Act::Commit(id, request) => {
                self.typed(authority.commit(call, id, request), Answer::Commit)
            }
            Act::Release(id, request) => {
                self.typed(authority.release(call, id, request.clone()), Answer::Release)
            }
            Act::Extend(id, request) => {
                self.typed(authority.extend(call, id, request.clone()), Answer::Extend)
            }
            Act::Decide(request) => {
                self.typed(authority.decide(call, request.clone()), Answer::Decide)
            }
            Act::Event(request) => {
                self.typed(authority.create_event(call, request.clone()), Answer::Event)
            }
            Act::Balances(params) => {
                self.typed(authority.get_balances(call, params.clone()), Answer::Balances)
            }
            Act::List(params) => {
                self.typed(authority.list_reservations(call, params.clone()), Answer::List)
            }
            Act::Get(id) => {
                self.typed(authority.get_reservation(call, id), |row| Answer::Get(Box::new(row)))
            }
            act => Err(format!("not a runtime operation: {act}")),
        }
    }

    fn typed<T>(
        &self,
        answered: Answered<'_, T>,
        answer: impl FnOnce(T) -> Answer,
    ) -> Result<Answer, Broken> {
        let answered = self.wait(answered)?;
        Ok(answered.map_or_else(Answer::from, |answered| answer(answered.value)))
    }

    fn wait<T>(&self, future: impl Future<Output = T>) -> Result<T, Broken> {
        match &self.kept {
            Some(kept) => Ok(kept.runtime.block_on(future)),
            None => future
                .now_or_never()
                .ok_or_else(|| "the authority did not answer at the first poll".to_owned()),
        }
    }

    /// In wire form.
    fn send(&self, call: &Call, act: &Act) -> Result<Answer, Broken> {
        use Operation as Op;
        match act {
            Act::Create(request) => {
                self.wire(call, body(Op::CreateReservation, None, request)?, |answer| {
                    Answer::Create(Box::new(answer))
                })
            }
            Act::Commit(id, request) => {
                self.wire(call, body(Op::Commit, Some(id), request)?, Answer::Commit)
            }
            Act::Release(id, request) => {
                self.wire(call, body(Op::Release, Some(id), request)?, Answer::Release)
            }
            Act::Extend(id, request) => {
                self.wire(call, body(Op::Extend, Some(id), request)?, Answer::Extend)
            }
            Act::Decide(request) => {
                self.wire(call, body(Op::Decide, None, request)?, Answer::Decide)
            }
            Act::Event(request) => {
                self.wire(call, body(Op::CreateEvent, None, request)?, Answer::Event)
            }
            Act::Balances(params) => {
                let raw = RawRequest::new(Op::GetBalances, Vec::new());
                self.wire(call, raw.with_query(params.to_query()), Answer::Balances)
            }
            Act::List(params) => {
                let raw = RawRequest::new(Op::ListReservations, Vec::new());
                self.wire(call, raw.with_query(params.to_query()), Answer::List)
            }
            Act::Get(id) => {
                let raw = RawRequest::new(Op::GetReservation, Vec::new()).on(id);
                self.wire(call, raw, |row| Answer::Get(Box::new(row)))
            }
            act => Err(format!("not a runtime operation: {act}")),
        }
    }

    fn wire<T: DeserializeOwned>(
        &self,
        call: &Call,
        request: RawRequest,
        answer: impl FnOnce(T) -> Answer,
    ) -> Result<Answer, Broken> {
        // spec: createEvent answers 201, every other success is 200
        let success = if request.operation == Operation::CreateEvent { 201 } else { 200 };
        let response = self.wait(self.running()?.authority.send(call, request))?;
        let response = response.map_err(|error| error.to_string())?;
        let unreadable = |error: serde_json::Error| {
            format!(
                "body is not what the spec says: {error}: {}",
                String::from_utf8_lossy(&response.body)
            )
        };
        if response.is_success() {
            if response.status != success {
                return Err(format!("status differs expected={success} seen={}", response.status));
            }
            return serde_json::from_slice(&response.body).map(answer).map_err(unreadable);
        }
        let body: ErrorResponse = serde_json::from_slice(&response.body).map_err(unreadable)?;
        if *body.request_id != *call.request_id {
            return Err(format!("request_id of another request: {}", body.request_id));
        }
        Ok(Answer::Refused { code: body.error, status: Some(response.status) })
    }
}

fn body(
    operation: Operation,
    id: Option<&ReservationId>,
    request: &impl Serialize,
) -> Result<RawRequest, Broken> {
    let body = serde_json::to_vec(request).map_err(|error| error.to_string())?;
    let raw = RawRequest::new(operation, body);
    Ok(match id {
        Some(id) => raw.on(id),
        None => raw,
    })
}
