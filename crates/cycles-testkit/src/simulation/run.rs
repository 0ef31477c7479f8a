//! The run: step by step, with every check.

use std::collections::{BTreeMap, VecDeque};
use std::fmt::Write;

use cycles_protocol::{ListReservationsParams, Subject};
use sha2::{Digest, Sha256};

use super::answer::Answer;
use super::command::{Act, Caller, Command, json};
use super::dice::Dice;
use super::oracle::Oracle;
use super::plant::Plant;
use super::traffic::Traffic;
use super::world::World;
use super::{Failure, Progress, Report, Simulation, invariants};

/// How many commands a failure shows.
const SHOWN: usize = 20;
/// After how many commands everything is compared, and not only what a command
/// concerns.
const AUDIT_EVERY: u64 = 1_000;
/// After how many commands somebody is told.
const PROGRESS_EVERY: u64 = 1_000;
/// How often an engine that is kept ends.
const ENDS_IN_TEN_THOUSAND: u32 = 30;
/// Longer than any lease, its grace and its extensions.
const LONG_MS: i64 = 20 * 24 * 60 * 60 * 1_000;

/// What differs, before it has a place in the run.
struct Difference {
    what: String,
    expected: String,
    seen: String,
}

struct Run {
    seed: u64,
    steps: u64,
    step: u64,
    plant: Plant,
    oracle: Oracle,
    digest: Sha256,
    answers: BTreeMap<(&'static str, String), u64>,
    shown: VecDeque<(i64, Command, Option<Answer>)>,
}

pub(super) fn run(
    simulation: Simulation,
    steps: u64,
    mut progress: impl FnMut(Progress),
) -> Result<Report, Failure> {
    let seed = simulation.seed;
    let mut dice = Dice::new(seed);
    let world = World::new(&mut dice);
    // Apart from the others, so that a run is the same with and without ends.
    let mut ends = Dice::new(seed ^ 0xE4D5);
    let is_kept = simulation.open.is_some();
    let plant = Plant::new(simulation, &world).map_err(|seen| Failure {
        seed,
        steps,
        is_kept,
        step: 0,
        what: "the world cannot be built".to_owned(),
        expected: "an engine".to_owned(),
        seen,
        history: Vec::new(),
    })?;
    let mut traffic = Traffic::new(dice, &world);
    let start = plant.now();
    let mut run = Run {
        seed,
        steps,
        step: 0,
        oracle: Oracle::new(&world, plant.now()),
        plant,
        digest: Sha256::new(),
        answers: BTreeMap::new(),
        shown: VecDeque::new(),
    };
    while run.step < steps {
        let next = traffic.next(run.step, run.plant.now(), &run.oracle);
        run.plant.advance(next.advance_ms);
        run.step += 1;
        if is_kept && ends.in_ten_thousand(ENDS_IN_TEN_THOUSAND) {
            run.restart().map_err(|difference| run.fail(difference))?;
        }
        let answer = run.ask(&next.command).map_err(|difference| run.fail(difference))?;
        traffic.observe(run.step, run.plant.now(), next, &answer);
        if run.step.is_multiple_of(AUDIT_EVERY) {
            run.audit().map_err(|difference| run.fail(difference))?;
        }
        if run.step.is_multiple_of(PROGRESS_EVERY) {
            progress(Progress { step: run.step, steps, open: run.oracle.open() });
        }
    }
    run.settle().map_err(|difference| run.fail(difference))?;
    Ok(Report {
        seed,
        steps,
        passed_ms: run.plant.now() - start,
        answers: run.answers,
        digest: hex(&run.digest.finalize()),
    })
}

impl Run {
    /// The engine ends, and the next one knows all that it knew.
    fn restart(&mut self) -> Result<(), Difference> {
        self.plant.restart().map_err(|why| broken(format!("it does not start again: {why}")))?;
        *self.answers.entry(("restart", "OK".to_owned())).or_default() += 1;
        self.audit()
    }

    /// One command, and everything that must hold right after it.
    fn ask(&mut self, command: &Command) -> Result<Answer, Difference> {
        let now = self.plant.now();
        self.shown.push_back((now, command.clone(), None));
        if self.shown.len() > SHOWN {
            self.shown.pop_front();
        }
        let concerned = self.oracle.concerned(command);
        let seen = self.plant.ask(command).map_err(broken)?;
        if let Some((_, _, answer)) = self.shown.back_mut() {
            *answer = Some(seen.clone());
        }
        let expected = self.oracle.expect(command, now, &seen);
        if expected != seen {
            return Err(Difference {
                what: format!("{} is answered wrongly", command.act.name()),
                expected: expected.to_string(),
                seen: seen.to_string(),
            });
        }
        self.count(command, &seen);
        for tenant in concerned {
            self.compare_budgets(tenant)?;
        }
        Ok(seen)
    }

    fn count(&mut self, command: &Command, seen: &Answer) {
        self.digest.update(json(seen));
        let outcome = match seen {
            Answer::Refused { code, .. } => code.to_string(),
            Answer::Create(answer) => answer.decision.to_string(),
            Answer::Decide(answer) => answer.decision.to_string(),
            _ => "OK".to_owned(),
        };
        *self.answers.entry((command.act.name(), outcome)).or_default() += 1;
    }

    /// Every budget of a tenant, past any wrapper.
    fn compare_budgets(&mut self, tenant: usize) -> Result<(), Difference> {
        self.oracle.look(tenant, self.plant.now());
        for (budget, expected) in self.oracle.figures(tenant) {
            let seen = self.plant.figures(&budget).map_err(broken)?;
            if expected != seen {
                return Err(Difference {
                    what: format!("the budget differs scope={} unit={}", budget.scope, budget.unit),
                    expected: json(&expected),
                    seen: json(&seen),
                });
            }
            invariants::check(&seen, self.oracle.rule(tenant)).map_err(broken)?;
        }
        Ok(())
    }

    /// Everything: all budgets, all reservations, and what these hold.
    fn audit(&mut self) -> Result<(), Difference> {
        for tenant in 0..self.oracle.tenants() {
            self.compare_budgets(tenant)?;
            self.compare_reservations(tenant)?;
        }
        self.oracle.tidy(self.plant.now());
        Ok(())
    }

    /// The whole listing, as an operator pages through it.
    fn compare_reservations(&mut self, tenant: usize) -> Result<(), Difference> {
        let tenant = self.oracle.tenant_id(tenant).to_owned();
        let mut params = ListReservationsParams {
            subject: Subject { tenant: Some(tenant), ..Subject::default() },
            include: vec!["metadata".to_owned(), "committed_metadata".to_owned()],
            limit: Some(200),
            ..ListReservationsParams::default()
        };
        loop {
            let act = Act::List(params.clone());
            let command = Command { caller: Caller::Admin, is_wire: false, act };
            let seen = self.plant.ask(&command).map_err(broken)?;
            let expected = self.oracle.expect(&command, self.plant.now(), &seen);
            if expected != seen {
                return Err(Difference {
                    what: format!("the audit differs: {}", command.act),
                    expected: expected.to_string(),
                    seen: seen.to_string(),
                });
            }
            self.digest.update(json(&seen));
            match seen {
                Answer::List(page) if page.next_cursor.is_some() => {
                    params.cursor = page.next_cursor;
                }
                _ => return Ok(()),
            }
        }
    }

    /// The end: once every lease has run out, nothing is held any more.
    fn settle(&mut self) -> Result<(), Difference> {
        self.audit()?;
        self.plant.advance(LONG_MS);
        self.step += 1;
        let sweep = Command { caller: Caller::Admin, is_wire: false, act: Act::Sweep };
        self.ask(&sweep)?;
        self.audit()?;
        for tenant in 0..self.oracle.tenants() {
            for (budget, _) in self.oracle.figures(tenant) {
                let seen = self.plant.figures(&budget).map_err(broken)?;
                if seen.reserved != 0 {
                    return Err(Difference {
                        what: "a hold outlived its lease".to_owned(),
                        expected: "reserved = 0".to_owned(),
                        seen: json(&seen),
                    });
                }
            }
        }
        Ok(())
    }

    fn fail(&self, difference: Difference) -> Failure {
        let line = |(now, command, answer): &(i64, Command, Option<Answer>)| {
            let form = if command.is_wire { "wire" } else { "typed" };
            let answer = answer.as_ref().map_or("…".to_owned(), Answer::to_string);
            format!("@{now} {:?} {form}: {} -> {answer}", command.caller, command.act)
        };
        Failure {
            seed: self.seed,
            steps: self.steps,
            is_kept: self.plant.is_kept(),
            step: self.step,
            what: difference.what,
            expected: difference.expected,
            seen: difference.seen,
            history: self.shown.iter().map(line).collect(),
        }
    }
}

/// The contract itself is broken, whatever was expected.
fn broken(what: String) -> Difference {
    Difference {
        what,
        expected: "what holds always".to_owned(),
        seen: "that it does not".to_owned(),
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}
