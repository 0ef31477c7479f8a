//! What the language packages' test helpers hand over and get back.

use cycles_protocol::{Unit, control::BudgetLedger};
use runcycles::document::ConfigDocument;
use runcycles::{CyclesClient, ErrorReport};
use serde_json::{Value, json};

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
    let config = config.into_config()?;
    let client = Transport::parse(transport)
        .and_then(|transport| server.client_with(config, key, transport));
    client.map_err(ErrorReport::from)
}

impl From<TestServerError> for ErrorReport {
    fn from(error: TestServerError) -> Self {
        Self::from(cycles_protocol::Error::config(error.0))
    }
}
