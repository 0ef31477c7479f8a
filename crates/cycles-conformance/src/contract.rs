//! [`Contract`]: the OpenAPI file, ready to hold answers against.

use std::sync::LazyLock;

use http::{HeaderMap, Method, StatusCode};
use serde_json::{Value, json};

use crate::exceptions::Exceptions;
use crate::operation::{Answer, Operation, object};
use crate::violation::Violation;

const OPENAPI: &str = include_str!("../../../tests/vectors/cycles-protocol-v0.yaml");
const EXCEPTIONS: &str = include_str!("../../../tests/conformance/exceptions.toml");

/// A request's address and what it was answered.
#[derive(Debug, Clone, Copy)]
pub struct Exchange<'a> {
    /// The request's method.
    pub method: &'a Method,
    /// Without the query.
    pub path: &'a str,
    /// The answer's status.
    pub status: StatusCode,
    /// The answer's headers.
    pub headers: &'a HeaderMap,
    /// The answer's body.
    pub body: &'a [u8],
}

/// What each operation may answer.
#[derive(Debug)]
pub struct Contract {
    operations: Vec<Operation>,
    /// What every refusal looks like, declared or excepted.
    refusal: Answer,
    exceptions: Exceptions,
}

impl Contract {
    /// The contract of this repository, compiled once per process.
    ///
    /// # Panics
    /// When one of the two files does not parse: a test without them proves nothing.
    #[must_use]
    pub fn shared() -> &'static Self {
        static SHARED: LazyLock<Contract> = LazyLock::new(|| {
            Contract::parse(OPENAPI, EXCEPTIONS).unwrap_or_else(|error| panic!("{error}"))
        });
        &SHARED
    }

    /// Compiles a contract and its exceptions.
    ///
    /// # Errors
    /// Names what does not parse, or an exception that excepts nothing.
    pub fn parse(openapi: &str, exceptions: &str) -> Result<Self, String> {
        let root: Value = serde_saphyr::from_str(openapi).map_err(|error| error.to_string())?;
        let refusal = json!({"$ref": "#/components/responses/ErrorResponse"});
        let mut contract = Self {
            operations: Vec::new(),
            refusal: Answer::read(&root, &refusal)?,
            exceptions: Exceptions::parse(exceptions)?,
        };
        for (path, item) in object(&root["paths"]) {
            for (method, item) in object(item).filter(|(name, _)| *name != "parameters") {
                contract.operations.push(Operation::read(&root, path, method, item)?);
            }
        }
        contract.needs_its_exceptions()?;
        Ok(contract)
    }

    // An exception for what the contract declares, or does not know, is a leftover.
    fn needs_its_exceptions(&self) -> Result<(), String> {
        for (id, status) in self.exceptions.named() {
            let operation = self.operations.iter().find(|operation| operation.id == id);
            let operation = operation
                .ok_or_else(|| format!("exception for an unknown operation operation={id}"))?;
            if operation.answers.contains_key(&status) {
                return Err(format!(
                    "exception for a declared status operation={id} status={status}"
                ));
            }
        }
        Ok(())
    }

    /// Holds an answer against the contract. Paths that the contract does not
    /// have (governance, health, 404s) pass.
    ///
    /// # Errors
    /// The first violation.
    pub fn check(&self, exchange: &Exchange<'_>) -> Result<(), Violation> {
        let Some(found) = self.find(exchange)? else { return Ok(()) };
        if let Some((at, expected)) = found.answer.wrong_header(found.status, exchange.headers) {
            return Err(found.violation(at, expected));
        }
        found.check_body(exchange)
    }

    /// As [`check`](Self::check), for an answer that did not travel and has no headers.
    ///
    /// # Errors
    /// The first violation.
    pub fn check_body(&self, exchange: &Exchange<'_>) -> Result<(), Violation> {
        self.find(exchange)?.map_or(Ok(()), |found| found.check_body(exchange))
    }

    fn find<'a>(&'a self, exchange: &Exchange<'a>) -> Result<Option<Found<'a>>, Violation> {
        let &Exchange { method, path, .. } = exchange;
        let status = exchange.status.as_u16();
        let at_path = || self.operations.iter().filter(|operation| operation.is_at(path));
        // HEAD is GET without a body.
        let wanted = if *method == Method::HEAD { &Method::GET } else { method };
        let operation = at_path().find(|operation| operation.method == wanted.as_str());
        if at_path().next().is_none() {
            return Ok(None);
        }
        let name = operation.map_or_else(|| format!("{method} {path}"), |op| op.id.clone());
        let declared = operation.and_then(|operation| operation.answers.get(&status));
        let id = operation.map(|operation| operation.id.as_str());
        let answer =
            declared.or_else(|| self.exceptions.allow(id, status).then_some(&self.refusal));
        match answer {
            Some(answer) => Ok(Some(Found { operation: name, status, answer })),
            None => Err(Violation {
                operation: name,
                status,
                at: String::new(),
                expected: "the status is neither declared nor an exception".to_owned(),
            }),
        }
    }
}

struct Found<'a> {
    operation: String,
    status: u16,
    answer: &'a Answer,
}

impl Found<'_> {
    fn check_body(&self, exchange: &Exchange<'_>) -> Result<(), Violation> {
        if *exchange.method == Method::HEAD {
            return Ok(());
        }
        let body = serde_json::from_slice(exchange.body)
            .map_err(|error| self.violation(String::new(), format!("body is not JSON: {error}")))?;
        match self.answer.wrong_body(&body) {
            Some((at, expected)) => Err(self.violation(at, expected)),
            None => Ok(()),
        }
    }

    fn violation(&self, at: String, expected: String) -> Violation {
        Violation { operation: self.operation.clone(), status: self.status, at, expected }
    }
}
