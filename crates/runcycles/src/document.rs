//! The surface that the language packages dress: requests and answers as
//! documents, every failure an [`ErrorReport`].
//!
//! A package hands over what its user wrote and gets back what to show; it
//! decides nothing itself.

mod config;

use cycles_protocol::{
    Action, Amount, CommitOveragePolicy, CommitRequest, CyclesMetrics, Error as Refusal,
    IdempotencyKey, JsonMap, RawRequest, ReservationCreateRequest, ReservationCreateResponse,
    ReservationId, Subject,
};
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::actual;
use crate::client::{self, CyclesClient};
use crate::error::{Error, ErrorReport};
use crate::guard::{Begun, ReservationGuard};
use crate::nested::{Nested, Nesting};
use crate::settlement::Settlement;

pub use crate::nested::Parent;
pub use config::ConfigDocument;

/// Reads a document that a package passed.
///
/// # Errors
/// Kind `Validation`, saying what is wrong where.
pub fn read<T: serde::de::DeserializeOwned>(what: &str, value: Value) -> Result<T, ErrorReport> {
    serde_path_to_error::deserialize(value).map_err(|error| {
        let (field, why) = (error.path().to_string(), error.inner());
        // At the top, the message names the field itself.
        let place = if field == "." { String::new() } else { format!(" field={field}") };
        Refusal::invalid(format!("{what} is not valid: {why}{place}")).into()
    })
}

/// What a guarded call reserves, as a document. Only `estimate` is required.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "the fields are those of ReservationCreateRequest")]
pub struct GuardRequest {
    pub estimate: Amount,
    #[serde(default)]
    pub subject: Option<Subject>,
    #[serde(default)]
    pub action: Option<ActionDocument>,
    #[serde(default)]
    pub ttl_ms: Option<i64>,
    #[serde(default)]
    pub grace_period_ms: Option<i64>,
    #[serde(default)]
    pub overage_policy: Option<CommitOveragePolicy>,
    #[serde(default)]
    pub dry_run: Option<bool>,
    #[serde(default)]
    pub metadata: Option<JsonMap>,
    #[serde(default)]
    pub idempotency_key: Option<IdempotencyKey>,
    #[serde(default)]
    pub nested: Option<Nested>,
}

/// What the spend is for; both names are `unknown` unless set.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "the fields are those of Action")]
pub struct ActionDocument {
    #[serde(default)]
    pub kind: Option<String>,
    #[serde(default)]
    pub name: Option<String>,
    #[serde(default)]
    pub tags: Option<Vec<String>>,
}

impl From<ActionDocument> for Action {
    fn from(action: ActionDocument) -> Self {
        let or_unknown = |text: Option<String>| text.unwrap_or_else(|| "unknown".to_owned());
        Self { kind: or_unknown(action.kind), name: or_unknown(action.name), tags: action.tags }
    }
}

impl From<GuardRequest> for ReservationCreateRequest {
    fn from(request: GuardRequest) -> Self {
        Self::builder()
            .maybe_idempotency_key(request.idempotency_key)
            .subject(request.subject.unwrap_or_default())
            .action(request.action.unwrap_or_default().into())
            .estimate(request.estimate)
            .maybe_ttl_ms(request.ttl_ms)
            .maybe_grace_period_ms(request.grace_period_ms)
            .maybe_overage_policy(request.overage_policy)
            .maybe_dry_run(request.dry_run)
            .maybe_metadata(request.metadata)
            .build()
    }
}

/// An answer in wire form, or what kept it from coming.
#[derive(Debug, Clone, Serialize)]
pub struct ResponseDocument {
    /// The HTTP status; -1 when no answer came.
    pub status: i32,
    /// The body as received; `null` when there is none.
    pub body: String,
    /// Names in lower case.
    pub headers: Vec<(String, String)>,
    /// Why no answer came.
    pub error_message: Option<String>,
}

/// Sends a low-level request. Never fails: transport problems are a status of -1.
pub async fn send(
    client: &CyclesClient,
    operation: &str,
    reservation_id: Option<String>,
    query: Vec<(String, String)>,
    body: Vec<u8>,
) -> ResponseDocument {
    let request = client::operation(operation).map(|operation| RawRequest {
        reservation_id: reservation_id.map(ReservationId::new),
        ..RawRequest::new(operation, body).with_query(query)
    });
    let answer = match request {
        Ok(request) => client.send_reported(request).await,
        Err(error) => Err(error),
    };
    match answer {
        Ok(response) => ResponseDocument {
            status: i32::from(response.status),
            body: String::from_utf8_lossy(&response.body).into_owned(),
            headers: response.headers,
            error_message: None,
        },
        Err(error) => ResponseDocument {
            status: -1,
            body: String::new(),
            headers: Vec::new(),
            error_message: Some(error.message().to_owned()),
        },
    }
}

/// What to commit: `{actual, metrics, metadata}`, each of which may be left out.
///
/// The work has run, so its spend must be booked: reading never fails on a
/// member. One that makes no sense is dropped with a warning, and an actual that
/// makes none is replaced by the estimate.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct CommitDocument {
    actual: Member<Amount>,
    metrics: Member<CyclesMetrics>,
    metadata: Member<JsonMap>,
}

/// A member that may be missing or make no sense.
#[derive(Debug, Clone, Default)]
enum Member<T> {
    #[default]
    Missing,
    Read(T),
    Unreadable,
}

impl<T> Member<T> {
    fn read(self) -> Option<T> {
        match self {
            Self::Read(value) => Some(value),
            Self::Missing | Self::Unreadable => None,
        }
    }
}

impl<'de, T: serde::de::DeserializeOwned> Deserialize<'de> for Member<T> {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(match Value::deserialize(deserializer)? {
            Value::Null => Self::Missing,
            value => serde_json::from_value(value).map_or_else(
                |error| {
                    tracing::warn!(%error, "a member of a commit makes no sense and is dropped");
                    Self::Unreadable
                },
                Self::Read,
            ),
        })
    }
}

/// How a settlement stands, as a document. Settling never fails: the caller's
/// result is never lost.
#[derive(Debug, Clone, Serialize)]
pub struct SettlementDocument {
    /// `committed`, `inherited`, `released`, `recovered_via_event`, `queued`, `pending`,
    /// `refused`, `already_settled` or `nothing_to_settle`.
    pub outcome: &'static str,
    /// The authority's answer.
    pub response: Option<Value>,
    /// Why it is pending or was refused; where it is booked, that its lease was
    /// lost before, if the `heartbeat_policy` wants to hear of it.
    pub error: Option<ErrorReport>,
}

impl SettlementDocument {
    fn new(outcome: &'static str) -> Self {
        Self { outcome, response: None, error: None }
    }

    fn answered(outcome: &'static str, response: &impl Serialize) -> Self {
        Self { outcome, response: serde_json::to_value(response).ok(), error: None }
    }

    fn failed(outcome: &'static str, error: &Refusal) -> Self {
        Self { outcome, response: None, error: Some(error.into()) }
    }
}

impl From<Settlement> for SettlementDocument {
    fn from(settlement: Settlement) -> Self {
        match settlement {
            Settlement::Committed(response) => Self::answered("committed", &response),
            Settlement::Inherited(charged) => {
                Self::answered("inherited", &json!({ "charged": charged }))
            }
            Settlement::Released(response) => Self::answered("released", &response),
            Settlement::RecoveredViaEvent(response) => {
                Self::answered("recovered_via_event", &response)
            }
            Settlement::Queued => Self::new("queued"),
            Settlement::Pending(error) => Self::failed("pending", &error),
            Settlement::Refused(error) => Self::failed("refused", &error),
        }
    }
}

/// A guard as the language packages hold it: settles at most once, whoever asks.
#[derive(Debug)]
pub struct Guard {
    estimate: Amount,
    state: Mutex<State>,
    context: Value,
}

#[derive(Debug)]
enum State {
    Live(Box<ReservationGuard>),
    DryRun,
    Settled,
}

/// Reserves budget, or evaluates a dry run. `parent` is the call that this
/// one is made inside of ([`Guard::as_parent`]).
///
/// # Errors
/// The refusal; the guarded function must not run then.
pub async fn begin(
    client: &CyclesClient,
    request: GuardRequest,
    parent: Option<Parent>,
) -> Result<Guard, ErrorReport> {
    let estimate = request.estimate;
    let nesting = Nesting { parent, nested: request.nested };
    let begun = client.begin_reported(request.into(), nesting).await?;
    Ok(match begun {
        Begun::Live(guard) => Guard {
            estimate,
            context: context(estimate, guard.response(), Some(&guard)),
            state: Mutex::new(State::Live(Box::new(guard))),
        },
        Begun::DryRun(response) => Guard {
            estimate,
            context: context(estimate, &response, None),
            state: Mutex::new(State::DryRun),
        },
    })
}

fn context(
    estimate: Amount,
    response: &ReservationCreateResponse,
    guard: Option<&ReservationGuard>,
) -> Value {
    json!({
        "reservation_id": response.reservation_id,
        "lease_lost": false,
        "decision": response.decision,
        "estimate": estimate,
        "caps": response.caps,
        "expires_at_ms": response.expires_at_ms,
        "affected_scopes": response.affected_scopes,
        "scope_path": response.scope_path,
        "reserved": response.reserved,
        "balances": response.balances.as_deref().unwrap_or_default(),
        "dry_run": guard.is_none(),
        "trace_id": guard.map(ReservationGuard::trace_id),
        "parent_reservation_id": guard.and_then(ReservationGuard::parent_reservation_id),
        "unseen": guard.is_some_and(ReservationGuard::is_unseen),
        "unseen": guard.is_some_and(ReservationGuard::is_unseen),
        "response": response,
    })
}

impl Guard {
    /// What the guarded function may know of its reservation.
    #[must_use]
    pub fn context(&self) -> Value {
        let mut context = self.context.clone();
        if let State::Live(guard) = &*self.state.lock() {
            context["expires_at_ms"] = json!(guard.expires_at_ms());
            context["lease_lost"] = json!(guard.lease().loss().is_some());
        }
        context
    }

    /// This call, for those inside it; `None` once it has settled.
    #[must_use]
    pub fn as_parent(&self) -> Option<Parent> {
        match &*self.state.lock() {
            State::Live(guard) => Some(guard.as_parent()),
            State::DryRun | State::Settled => None,
        }
    }

    /// Whether nothing is held, so that the guarded function must not run.
    #[must_use]
    pub fn is_dry_run(&self) -> bool {
        matches!(&*self.state.lock(), State::DryRun)
    }

    /// Commits; the estimate where no actual is given. An actual that makes no
    /// sense (negative, another unit) is replaced by the estimate and marked in
    /// the metadata, since the work has run and the spend must be booked.
    pub async fn commit(&self, document: CommitDocument) -> SettlementDocument {
        let guard = match self.take() {
            Ok(guard) => guard,
            Err(settled) => return settled,
        };
        let unreadable = matches!(document.actual, Member::Unreadable);
        let request = CommitRequest::builder()
            .actual(document.actual.read().unwrap_or(self.estimate))
            .maybe_metrics(document.metrics.read())
            .maybe_metadata(document.metadata.read())
            .build();
        let (request, problem) = actual::bookable(request, self.estimate);
        if let Some(problem) = &problem {
            tracing::warn!(%problem, "commit is not valid; committing the estimate");
        }
        let request = if unreadable && problem.is_none() {
            actual::booked_at(self.estimate, request)
        } else {
            request
        };
        let held = guard.held.clone();
        let settlement = guard.settle(request).await;
        let loss = held.loss_to_report(&settlement);
        let mut document = SettlementDocument::from(settlement);
        document.error = document.error.or(loss.as_ref().map(ErrorReport::from));
        document
    }

    /// Gives everything back.
    pub async fn release(&self, reason: Option<String>) -> SettlementDocument {
        match self.take() {
            Ok(guard) => guard.give_back(reason).await.into(),
            Err(settled) => settled,
        }
    }

    fn take(&self) -> Result<ReservationGuard, SettlementDocument> {
        let mut state = self.state.lock();
        match std::mem::replace(&mut *state, State::Settled) {
            State::Live(guard) if guard.is_forked_copy() => {
                Err(SettlementDocument::new("nothing_to_settle"))
            }
            State::Live(guard) => Ok(*guard),
            State::DryRun => {
                *state = State::DryRun;
                Err(SettlementDocument::new("nothing_to_settle"))
            }
            State::Settled => Err(SettlementDocument::new("already_settled")),
        }
    }
}

impl From<Error> for ErrorReport {
    /// For construction-time errors, which carry nothing but a message.
    fn from(error: Error) -> Self {
        match error {
            Error::Config(message) => Refusal::config(message).into(),
            Error::Validation(message) => Refusal::invalid(message).into(),
            other => Self::internal(other.to_string()),
        }
    }
}
