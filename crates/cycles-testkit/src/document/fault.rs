//! A fault as the language packages write it down.

use std::time::Duration;

use cycles_protocol::{Error, ErrorCode};
use runcycles::ErrorReport;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::operation;
use crate::fault::{Effect, Fault};
use crate::server::TestServer;

/// One fault, flat: what happens is its `kind`, and the fields that go with it.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FaultDocument {
    operation: String,
    kind: Kind,
    #[serde(default = "once")]
    times: u32,
    #[serde(default)]
    skip: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    delay_ms: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    status: Option<u16>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    code: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    retry_after_ms: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    body: Option<String>,
}

#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Kind {
    DropBefore,
    DropAfter,
    Delay,
    Status,
    Malformed,
}

impl Kind {
    const fn as_str(self) -> &'static str {
        match self {
            Self::DropBefore => "drop_before",
            Self::DropAfter => "drop_after",
            Self::Delay => "delay",
            Self::Status => "status",
            Self::Malformed => "malformed",
        }
    }

    /// The fields that only this kind has.
    const fn fields(self) -> &'static [&'static str] {
        match self {
            Self::DropBefore | Self::DropAfter => &[],
            Self::Delay => &["delay_ms"],
            Self::Status => &["status", "code", "retry_after_ms"],
            Self::Malformed => &["body"],
        }
    }
}

const fn once() -> u32 {
    1
}

/// Injects the fault.
///
/// # Errors
/// Kind `Validation` for an operation, code or field that does not exist or does
/// not go with the kind, and for a fault that could never fire.
pub fn inject_document(server: &TestServer, document: &FaultDocument) -> Result<(), ErrorReport> {
    let invalid = |message: String| ErrorReport::from(Error::invalid(message));
    let fault = Fault::new(operation(&document.operation)?, document.effect().map_err(invalid)?)
        .times(document.times)
        .skip(document.skip);
    server.inject(fault).map_err(|error| invalid(error.0))
}

/// The faults that have not fired, as a list of documents.
#[must_use]
pub fn pending_faults_document(server: &TestServer) -> Value {
    server.pending_faults().iter().map(|fault| json!(FaultDocument::from(fault))).collect()
}

/// Waits until all faults of the operation called `name` have fired, at most
/// `timeout` of real time.
///
/// # Errors
/// Kind `Validation` for a name that is not one of the nine; kind `Transport`
/// with what has not fired, when it did not come to that.
pub async fn wait_for_faults_document(
    server: &TestServer,
    name: &str,
    timeout: Duration,
) -> Result<(), ErrorReport> {
    if server.wait_for_faults(operation(name)?, timeout).await {
        return Ok(());
    }
    let pending = pending_faults_document(server);
    Err(Error::unreachable(format!(
        "faults have not fired in time operation={name} timeout={timeout:?} pending={pending}"
    ))
    .into())
}

impl FaultDocument {
    fn effect(&self) -> Result<Effect, String> {
        let kind = self.kind.as_str();
        if let Some(field) = self.given().find(|field| !self.kind.fields().contains(field)) {
            let fields = self.kind.fields().join(", ");
            return Err(format!(
                "field does not go with this kind of fault; its own are [{fields}] field={field} kind={kind}"
            ));
        }
        let missing = |field: &str| format!("kind of fault needs {field} kind={kind}");
        Ok(match self.kind {
            Kind::DropBefore => Effect::DropBefore,
            Kind::DropAfter => Effect::DropAfter,
            Kind::Delay => {
                let ms = self.delay_ms.ok_or_else(|| missing("delay_ms"))?;
                Effect::Delay(Duration::from_millis(ms))
            }
            Kind::Status => Effect::Status {
                status: self.status.ok_or_else(|| missing("status"))?,
                code: self.code.as_deref().map(error_code).transpose()?,
                retry_after: self.retry_after_ms.map(Duration::from_millis),
            },
            Kind::Malformed => match &self.body {
                Some(body) => Effect::Malformed { body: body.clone() },
                None => Effect::malformed(),
            },
        })
    }

    fn given(&self) -> impl Iterator<Item = &'static str> {
        let fields = [
            ("delay_ms", self.delay_ms.is_some()),
            ("status", self.status.is_some()),
            ("code", self.code.is_some()),
            ("retry_after_ms", self.retry_after_ms.is_some()),
            ("body", self.body.is_some()),
        ];
        fields.into_iter().filter_map(|(field, given)| given.then_some(field))
    }
}

fn error_code(text: &str) -> Result<ErrorCode, String> {
    match ErrorCode::parse(text) {
        ErrorCode::Unknown => {
            let known: Vec<_> = ErrorCode::ALL.iter().map(|code| code.as_str()).collect();
            Err(format!(
                "not an error code of the spec; they are {} code={text:?}",
                known.join(", ")
            ))
        }
        code => Ok(code),
    }
}

impl From<&Fault> for FaultDocument {
    fn from(fault: &Fault) -> Self {
        let ms = |time: Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        let mut document = Self {
            operation: fault.operation.as_str().to_owned(),
            kind: Kind::DropBefore,
            times: fault.times,
            skip: fault.skip,
            delay_ms: None,
            status: None,
            code: None,
            retry_after_ms: None,
            body: None,
        };
        match &fault.effect {
            Effect::DropBefore => {}
            Effect::DropAfter => document.kind = Kind::DropAfter,
            Effect::Delay(delay) => {
                document.kind = Kind::Delay;
                document.delay_ms = Some(ms(*delay));
            }
            Effect::Status { status, code, retry_after } => {
                document.kind = Kind::Status;
                document.status = Some(*status);
                document.code = code.map(|code| code.as_str().to_owned());
                document.retry_after_ms = retry_after.map(ms);
            }
            Effect::Malformed { body } => {
                document.kind = Kind::Malformed;
                document.body = Some(body.clone());
            }
        }
        document
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SEED: &str = "keys: [{name: default, secret: cyc_test, tenant_id: acme}]";

    #[tokio::test]
    async fn what_is_injected_is_what_is_pending() {
        let server = TestServer::start(SEED).await.unwrap();
        let documents = json!([
            {"operation": "commit", "kind": "drop_before", "times": 1, "skip": 0},
            {"operation": "commit", "kind": "drop_after", "times": 2, "skip": 3},
            {"operation": "extend", "kind": "delay", "times": 1, "skip": 0, "delay_ms": 5},
            {"operation": "release", "kind": "status", "times": 1, "skip": 0, "status": 409,
             "code": "DEBT_OUTSTANDING", "retry_after_ms": 1000},
            {"operation": "decide", "kind": "malformed", "times": 1, "skip": 0, "body": "?"},
        ]);
        for document in documents.as_array().unwrap() {
            let fault = runcycles::document::read("fault", document.clone()).unwrap();
            inject_document(&server, &fault).unwrap();
        }
        assert_eq!(pending_faults_document(&server), documents);
    }

    #[tokio::test]
    async fn what_is_not_understood_is_refused_and_names_the_alternatives() {
        let server = TestServer::start(SEED).await.unwrap();
        for (document, said) in [
            (json!({"operation": "comit", "kind": "delay", "delay_ms": 1}), "create_reservation"),
            (json!({"operation": "commit", "kind": "explode"}), "drop_before"),
            (json!({"operation": "commit", "kind": "delay", "dely_ms": 1}), "delay_ms"),
            (json!({"operation": "commit", "kind": "delay"}), "needs delay_ms"),
            (json!({"operation": "commit", "kind": "status"}), "needs status"),
            (json!({"operation": "commit", "kind": "drop_after", "status": 503}), "field=status"),
            (
                json!({"operation": "commit", "kind": "delay", "delay_ms": 1, "body": ""}),
                "delay_ms",
            ),
            (json!({"operation": "commit", "kind": "status", "status": 200}), "400 to 599"),
            (
                json!({"operation": "commit", "kind": "status", "status": 503, "code": "NO"}),
                "DEBT_OUTSTANDING",
            ),
            (json!({"operation": "commit", "kind": "drop_before", "times": 0}), "times=0"),
            (json!({"operation": "commit", "kind": "drop_before", "times": -1}), "times"),
            (json!({"operation": "commit", "kind": "malformed", "body": 7}), "body"),
        ] {
            let read = runcycles::document::read("fault", document.clone());
            let error = read.and_then(|fault| inject_document(&server, &fault)).unwrap_err();
            assert_eq!(error.kind, "Validation", "{document}");
            assert!(error.message.contains(said), "{document}: {}", error.message);
        }
        assert_eq!(server.pending_faults(), []);
    }
}
