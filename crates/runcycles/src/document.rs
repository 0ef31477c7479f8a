//! The surface that the language packages dress: requests and answers as
//! documents, every failure an [`ErrorReport`].
//!
//! A package hands over what its user wrote and gets back what to show; it
//! decides nothing itself.

mod config;
pub mod foreign;
mod guard;
mod settlement;
mod stream;

use cycles_protocol::{
    Action, Amount, CommitOveragePolicy, Error as Refusal, IdempotencyKey, JsonMap, RawRequest,
    ReservationCreateRequest, ReservationId, Subject,
};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::client::{self, CyclesClient};
use crate::error::{Error, ErrorReport};
use crate::nested::Nested;

pub use crate::nested::Parent;
pub use config::ConfigDocument;
pub use guard::{Guard, begin};
pub use settlement::{CommitDocument, SettlementAnswer, SettlementDocument};
pub use stream::{FlowDocument, Stream, StreamOptionsDocument, UsageDocument, begin_stream};

/// Reads a document that a package passed.
///
/// # Errors
/// Kind `Validation`, saying what is wrong where.
pub fn read<T: DeserializeOwned>(what: &str, value: Value) -> Result<T, ErrorReport> {
    serde_path_to_error::deserialize(value).map_err(|error| invalid(what, &error))
}

/// The same of JSON text, which is quicker to read than to take apart first.
///
/// # Errors
/// Kind `Validation`, saying what is wrong where.
pub fn read_text<T: DeserializeOwned>(what: &str, text: &str) -> Result<T, ErrorReport> {
    // Twice only where it is wrong: following the path costs as much as reading.
    serde_json::from_str(text).or_else(|_| {
        let mut reader = serde_json::Deserializer::from_str(text);
        serde_path_to_error::deserialize(&mut reader).map_err(|error| invalid(what, &error))
    })
}

fn invalid(what: &str, error: &serde_path_to_error::Error<serde_json::Error>) -> ErrorReport {
    let (field, why) = (error.path().to_string(), error.inner().to_string());
    // The text is the package's: where in it means nothing to whoever wrote the value.
    let why = why.rsplit_once(" at line ").map_or(why.as_str(), |(why, _)| why);
    // At the top, the message names the field itself.
    let place = if field == "." { String::new() } else { format!(" field={field}") };
    Refusal::invalid(format!("{what} is not valid: {why}{place}")).into()
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
