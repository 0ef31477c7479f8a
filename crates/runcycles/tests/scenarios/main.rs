//! The behaviour suite in Rust: every file of `tests/scenarios`, over HTTP and
//! in process.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod expect;
mod script;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use cycles_protocol::{
    Amount, Operation, RawRequest, ReservationCreateRequest, ReservationId, Unit,
};
use cycles_testkit::{
    ManualClock, TestServer, Transport, budget_document, inject_document, pending_faults_document,
    wait_for_faults_document,
};
use futures_util::future::BoxFuture;
use libtest_mimic::Trial;
use runcycles::document::{self, GuardRequest};
use runcycles::{
    Begun, CyclesClient, Error, Flow, Nested, StreamOptions, WithCyclesConfig, with_cycles,
};
use serde_json::{Map, Value};

use expect::{compare, contains};
use script::{CallStep, GuardStep, Scenario, Step, StreamStep};

/// Real time for what the clock does not drive.
const PATIENCE: Duration = Duration::from_secs(5);

/// One run of one scenario.
struct Run {
    server: TestServer,
    clock: ManualClock,
    transport: Transport,
    clients: parking_lot::Mutex<BTreeMap<Option<String>, CyclesClient>>,
    saved: parking_lot::Mutex<BTreeMap<String, Value>>,
}

fn main() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/scenarios");
    let mut files: Vec<PathBuf> =
        std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    assert!(files.len() >= 12, "the behaviour suite has at least 12 scenarios");
    let trials = files.into_iter().flat_map(|file| {
        [Transport::Http, Transport::Local].map(|transport| trial(file.clone(), transport))
    });
    libtest_mimic::run(&libtest_mimic::Arguments::from_args(), trials.collect()).exit();
}

fn trial(file: PathBuf, transport: Transport) -> Trial {
    let id = file.file_stem().and_then(|stem| stem.to_str()).unwrap().to_owned();
    let name = format!("{id}::{}", format!("{transport:?}").to_lowercase());
    Trial::test(name, move || {
        let text = std::fs::read_to_string(&file)?;
        let scenario: Scenario = serde_saphyr::from_str(&text)?;
        assert_eq!(scenario.id, id, "a scenario's id is its file's name");
        let runtime = tokio::runtime::Runtime::new()?;
        let outcome = runtime.block_on(run(&scenario, transport));
        outcome.map_err(|problem| format!("{}: {problem}", scenario.title).into())
    })
}

async fn run(scenario: &Scenario, transport: Transport) -> Result<(), String> {
    let clock = ManualClock::default();
    let seed = scenario.seed.to_string();
    let server = TestServer::start_with_clock(&seed, clock.clone())
        .await
        .map_err(|error| error.to_string())?;
    let run = Run { server, clock, transport, clients: <_>::default(), saved: <_>::default() };
    let result = match run.steps(&scenario.steps, "steps").await {
        Ok(()) if !run.server.pending_faults().is_empty() => {
            Err(format!("faults have not fired: {}", pending_faults_document(&run.server)))
        }
        result => result,
    };
    let ended = run.server.shutdown().await.map_err(|error| error.to_string());
    // A violation of the contract explains whatever else went wrong.
    ended.and(result)
}

impl Run {
    fn steps<'a>(&'a self, steps: &'a [Step], place: &'a str) -> BoxFuture<'a, Result<(), String>> {
        Box::pin(async move {
            for (index, step) in steps.iter().enumerate() {
                self.step(step).await.map_err(|problem| format!("{place}[{index}]: {problem}"))?;
            }
            Ok(())
        })
    }

    async fn step(&self, step: &Step) -> Result<(), String> {
        match step {
            Step { guard: Some(guard), .. } => self.guard(guard, &step.expect).await,
            Step { stream: Some(stream), .. } => self.stream(stream, &step.expect).await,
            Step { call: Some(call), .. } => self.call(call, step).await,
            Step { advance_ms: Some(ms), .. } => {
                self.clock.advance(Duration::from_millis(*ms));
                Ok(())
            }
            Step { wait_for: Some(wait), .. } => {
                let operation = operation(&wait.operation)?;
                let reached = self.server.wait_for(operation, wait.count, PATIENCE).await;
                let seen = self.server.count(operation);
                reached.then_some(()).ok_or_else(|| format!("{wait:?}: only {seen}"))
            }
            Step { fault: Some(fault), .. } => document::read("fault", fault.clone())
                .and_then(|fault| inject_document(&self.server, &fault))
                .map_err(|error| error.message),
            Step { wait_for_faults: Some(name), .. } => {
                wait_for_faults_document(&self.server, name, PATIENCE)
                    .await
                    .map_err(|error| error.message)
            }
            Step { budgets: Some(budgets), .. } => {
                budgets.iter().try_for_each(|expected| self.budget(expected))
            }
            _ => Err("step does nothing that this runner knows".to_owned()),
        }
    }

    fn client(&self, key: Option<&String>) -> Result<CyclesClient, String> {
        let mut clients = self.clients.lock();
        if let Some(client) = clients.get(&key.cloned()) {
            return Ok(client.clone());
        }
        let client = self
            .server
            .client(key.map(String::as_str), self.transport)
            .map_err(|error| error.to_string())?;
        clients.insert(key.cloned(), client.clone());
        Ok(client)
    }

    async fn guard(&self, step: &GuardStep, expect: &Map<String, Value>) -> Result<(), String> {
        let client = self.client(step.key.as_ref())?;
        let (request, nested) = self.request(&step.request)?;
        let ran = AtomicBool::new(false);
        let mut seen = Map::new();
        if request.is_dry_run() {
            match client.begin(request).await {
                Ok(Begun::DryRun(response)) => {
                    seen.insert("decision".into(), serde_json::to_value(response.decision).unwrap())
                }
                Ok(Begun::Live(_)) => return Err("a dry run held budget".to_owned()),
                Err(error) => seen.insert("error".into(), code(&error).into()),
            };
        } else {
            let estimate = request.estimate;
            let config = config(&request, nested);
            let decision = parking_lot::Mutex::new(None);
            let result = with_cycles(&client, config, |context| {
                ran.store(true, Ordering::Relaxed);
                *decision.lock() = Some(context.decision);
                async {
                    self.steps(&step.during, "during")
                        .await
                        .map_err(|problem| Problem(problem, true))?;
                    match &step.raises {
                        Some(message) => Err(Problem(message.clone(), false).into()),
                        None => Ok((
                            (),
                            Amount::new(estimate.unit, step.actual.unwrap_or(estimate.amount)),
                        )),
                    }
                }
            })
            .await;
            if let Some(decision) = *decision.lock() {
                seen.insert("decision".into(), serde_json::to_value(decision).unwrap());
            }
            match result {
                Ok(()) => {}
                Err(Error::Guarded(error)) => {
                    let Problem(message, in_scenario) =
                        *error.downcast::<Problem>().map_err(|error| error.to_string())?;
                    if in_scenario {
                        return Err(message);
                    }
                    seen.insert("raised".into(), message.into());
                }
                Err(error) => {
                    seen.insert("error".into(), code(&error).into());
                }
            }
        }
        seen.insert("ran".into(), ran.into_inner().into());
        compare(&seen, expect, &[("ran", true.into())], &["decision"])
    }

    async fn stream(&self, step: &StreamStep, expect: &Map<String, Value>) -> Result<(), String> {
        let client = self.client(step.key.as_ref())?;
        let (request, nested) = self.request(&step.request)?;
        let options = StreamOptions::new().on_limit(step.on_limit);
        let options = step.extend_by.into_iter().fold(options, StreamOptions::extend_by);
        let mut seen = Map::from_iter([("cut".to_owned(), false.into())]);
        let mut flowed = 0;
        match client.reserve_stream(config(&request, nested), options).await {
            Err(error) => {
                seen.insert("error".into(), code(&error).into());
            }
            Ok(stream) => {
                for tokens in &step.pieces {
                    match stream.proceed().await {
                        Flow::Continue => {}
                        Flow::Refused(error) => {
                            seen.insert("refused".into(), code(&error).into());
                            break;
                        }
                        _ => break,
                    }
                    stream.add_output_tokens(*tokens);
                    flowed += 1;
                }
                stream.around(self.steps(&step.during, "during")).await?;
                if let Some(actual) = step.actual {
                    stream.set_actual(actual);
                }
                seen.insert("cut".into(), stream.is_cut().into());
                if let Some(message) = &step.raises {
                    stream.abort(message).await;
                    seen.insert("raised".into(), message.clone().into());
                } else {
                    stream.finish().await;
                }
            }
        }
        seen.insert("pieces".into(), flowed.into());
        let all = if seen.contains_key("error") { 0 } else { step.pieces.len() };
        let usual = [("pieces", all.into()), ("cut", false.into())];
        compare(&seen, expect, &usual, &["refused"])
    }

    fn request(
        &self,
        document: &Value,
    ) -> Result<(ReservationCreateRequest, Option<Nested>), String> {
        let request: GuardRequest =
            serde_json::from_value(self.replace(document)).map_err(|error| error.to_string())?;
        let nested = request.nested;
        Ok((request.into(), nested))
    }

    async fn call(&self, call: &CallStep, step: &Step) -> Result<(), String> {
        let client = self.client(call.key.as_ref())?;
        let body = call.body.as_ref().map(|body| self.replace(body).to_string().into_bytes());
        let mut request = RawRequest::new(operation(&call.operation)?, body.unwrap_or_default());
        if let Some(id) = &call.reservation_id {
            let id = self.replace(&Value::String(id.clone()));
            request = request
                .on(&ReservationId::new(id.as_str().ok_or("reservation_id is not a string")?));
        }
        let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        request.query = call
            .query
            .iter()
            .map(|(name, value)| (name.clone(), text(&self.replace(value))))
            .collect();
        let response = client.send(request).await.map_err(|error| error.to_string())?;
        let body: Value =
            serde_json::from_slice(&response.body).map_err(|error| error.to_string())?;
        for (name, expected) in &step.expect {
            match name.as_str() {
                "status" if *expected != response.status => {
                    return Err(format!(
                        "status: expected {expected}, saw {} {body}",
                        response.status
                    ));
                }
                "status" => {}
                "body" => contains(&body, &self.replace(expected), "body")?,
                _ => return Err(format!("unknown expectation {name}")),
            }
        }
        for (name, path) in &step.save {
            let pointer = format!("/{}", path.replace('.', "/"));
            let value = body
                .pointer(&pointer)
                .ok_or_else(|| format!("nothing to save at {path}: {body}"))?;
            self.saved.lock().insert(name.clone(), value.clone());
        }
        Ok(())
    }

    fn budget(&self, expected: &Map<String, Value>) -> Result<(), String> {
        let text = |name: &str| {
            expected.get(name).and_then(Value::as_str).ok_or(format!("budgets needs {name}"))
        };
        let (scope, unit) = (text("scope")?, text("unit")?);
        assert_ne!(Unit::parse(unit), Unit::Unknown);
        let seen = budget_document(&self.server, scope, unit).map_err(|error| error.to_string())?;
        for (name, value) in
            expected.iter().filter(|(name, _)| !["scope", "unit"].contains(&name.as_str()))
        {
            if seen.get(name) != Some(value) {
                return Err(format!("budget {scope} {name}: expected {value}, saw {seen}"));
            }
        }
        Ok(())
    }

    /// Replaces each string `$name` by what was saved under the name.
    fn replace(&self, value: &Value) -> Value {
        match value {
            Value::String(text) => text
                .strip_prefix('$')
                .and_then(|name| self.saved.lock().get(name).cloned())
                .unwrap_or_else(|| value.clone()),
            Value::Array(items) => items.iter().map(|item| self.replace(item)).collect(),
            Value::Object(fields) => {
                fields.iter().map(|(name, value)| (name.clone(), self.replace(value))).collect()
            }
            other => other.clone(),
        }
    }
}

/// What the guarded function of a scenario fails with; the flag tells a failed
/// step inside it from an error it was asked to raise.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct Problem(String, bool);

fn config(request: &ReservationCreateRequest, nested: Option<Nested>) -> WithCyclesConfig {
    let config = WithCyclesConfig::new(request.estimate)
        .action(request.action.kind.clone(), request.action.name.clone())
        .subject(request.subject.clone());
    let config = request.ttl_ms.into_iter().fold(config, WithCyclesConfig::ttl_ms);
    let config =
        request.grace_period_ms.into_iter().fold(config, WithCyclesConfig::grace_period_ms);
    let config = request.overage_policy.into_iter().fold(config, WithCyclesConfig::overage_policy);
    nested.into_iter().fold(config, WithCyclesConfig::nested)
}

fn operation(name: &str) -> Result<Operation, String> {
    Operation::parse(name).ok_or_else(|| format!("unknown operation {name}"))
}

fn code(error: &Error) -> String {
    match error {
        Error::Validation(_) => "VALIDATION".to_owned(),
        _ => error.error_code().map_or_else(|| error.to_string(), |code| code.to_string()),
    }
}
