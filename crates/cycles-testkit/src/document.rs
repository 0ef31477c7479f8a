//! What the language packages' test helpers hand over and get back.

mod fault;

use std::time::Duration;

use cycles_protocol::{Error, Operation, Unit, control::BudgetLedger};
use runcycles::document::ConfigDocument;
use runcycles::{CyclesClient, ErrorReport};
use serde_json::{Value, json};

pub use fault::{
    FaultDocument, inject_document, pending_faults_document, wait_for_faults_document,
};

use crate::server::{TestServer, TestServerError, Transport};

/// The budget of `scope` in `unit` as flat integers.
///
/// # Errors
/// When there is none.
pub fn budget_document(
    server: &TestServer,
    scope: &str,
    unit: &str,
) -> Result<Value, TestServerError> {
    let BudgetLedger {
        allocated,
        remaining,
        reserved,
        spent,
        debt,
        overdraft_limit,
        is_over_limit,
        status,
        ..
    } = server.budget(scope, Unit::parse(unit))?;
    Ok(json!({
        "allocated": allocated.amount,
        "remaining": remaining.amount,
        "reserved": reserved.amount,
        "spent": spent.amount,
        "debt": debt.amount,
        "overdraft_limit": overdraft_limit.amount,
        "is_over_limit": is_over_limit,
        "status": status,
    }))
}

/// A client of `server` with settings given as a document.
///
/// # Errors
/// Kind `Config` for settings, a key or a transport that do not exist.
pub fn client_document(
    server: &TestServer,
    config: ConfigDocument,
    key: Option<&str>,
    transport: &str,
) -> Result<CyclesClient, ErrorReport> {
    let builder = config.into_builder()?;
    let client = Transport::parse(transport)
        .and_then(|transport| server.client_with(builder, key, transport));
    client.map_err(ErrorReport::from)
}

/// How often the operation called `name` was answered successfully.
///
/// # Errors
/// Kind `Validation` for a name that is not one of the nine.
pub fn count_document(server: &TestServer, name: &str) -> Result<usize, ErrorReport> {
    Ok(server.count(operation(name)?))
}

/// Waits until the operation called `name` was answered successfully `count`
/// times, at most `timeout` of real time.
///
/// # Errors
/// Kind `Validation` for a name that is not one of the nine; kind `Transport`
/// with what was seen, when it did not come to that.
pub async fn wait_for_document(
    server: &TestServer,
    name: &str,
    count: usize,
    timeout: Duration,
) -> Result<(), ErrorReport> {
    let operation = operation(name)?;
    if server.wait_for(operation, count, timeout).await {
        return Ok(());
    }
    let seen = server.count(operation);
    Err(Error::unreachable(format!(
        "operation was not answered in time operation={name} expected={count} seen={seen} timeout={timeout:?}"
    ))
    .into())
}

fn operation(name: &str) -> Result<Operation, ErrorReport> {
    Operation::parse(name).ok_or_else(|| {
        let known = Operation::ALL.map(Operation::as_str).join(", ");
        Error::invalid(format!("not an operation; they are {known} operation={name:?}")).into()
    })
}

impl From<TestServerError> for ErrorReport {
    fn from(error: TestServerError) -> Self {
        Self::from(Error::config(error.0))
    }
}
