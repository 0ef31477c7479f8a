//! What the doctor looks at, in an order in which the first failure explains
//! those after it.

use std::time::UNIX_EPOCH;

use cycles_protocol::{
    Action, Amount, Balance, BalanceResponse, Clock, DecisionRequest, DecisionResponse, ErrorCode,
    ErrorResponse, Permission, Subject, SystemClock, Unit, headers,
};
use reqwest::{Method, Response};
use serde_json::{Value, json};

use super::Check;
use crate::failure::Failure;
use crate::remote::{As, Remote, header};

/// Clocks that differ by more are worth a word: people read expiry times.
const SKEW_MS: i64 = 5_000;

/// No reservation has this id, so that nothing can happen to one.
const NO_RESERVATION: &str = "res_00000000-0000-0000-0000-000000000000";

pub(super) async fn all(remote: &Remote, tenant: Option<&str>) -> Vec<Check> {
    let mut checks = Vec::new();
    match remote.send(As::Anyone, Method::GET, "/actuator/health/readiness", &[], NOTHING).await {
        Ok(response) => {
            let reached = server(remote, &response);
            let stop = reached.fix.is_some();
            checks.push(reached);
            checks.push(clock(&response));
            if stop {
                return checks;
            }
        }
        Err(failure) => {
            checks.push(unreachable(remote, failure));
            return checks;
        }
    }
    checks.push(admin_key(remote).await);
    let (key, tenant) = tenant_key(remote, tenant).await;
    checks.push(key);
    if let Some(tenant) = tenant {
        checks.push(permissions(remote).await);
        let (found, units) = budgets(remote, &tenant).await;
        checks.push(found);
        for unit in units {
            checks.push(decision(remote, &tenant, unit).await);
        }
    }
    checks
}

const NOTHING: Option<&()> = None;

fn unreachable(remote: &Remote, failure: Failure) -> Check {
    let (Failure::Unreachable(message) | Failure::Usage(message) | Failure::Runtime(message)) =
        failure
    else {
        return Check::failed("server", "asks for a key to tell its health", "check the base URL");
    };
    let found = message.lines().next().unwrap_or_default().to_owned();
    let fix = format!(
        "start a server (cycles serve), or say where it is with --base-url or CYCLES_BASE_URL; asked {}",
        remote.base_url()
    );
    Check::failed("server", found, fix)
}

fn server(remote: &Remote, response: &Response) -> Check {
    let status = response.status().as_u16();
    if header(response, headers::REQUEST_ID).is_empty() {
        let found = format!("{} is not a Cycles server status={status}", remote.base_url());
        return Check::failed("server", found, "check the base URL; --base-url or CYCLES_BASE_URL");
    }
    if !response.status().is_success() {
        let found = format!("{} is not ready status={status}", remote.base_url());
        return Check::failed("server", found, "look into the server's log; it says why");
    }
    Check::ok("server", format!("{} answers", remote.base_url()))
}

fn clock(response: &Response) -> Check {
    let date = httpdate::parse_http_date(&header(response, "date")).ok();
    let theirs = date.and_then(|date| date.duration_since(UNIX_EPOCH).ok());
    let Some(theirs) = theirs.and_then(|since| i64::try_from(since.as_millis()).ok()) else {
        return Check::ok("clock", "the server does not tell its time");
    };
    let skew = SystemClock::new().now_ms() - theirs;
    if skew.abs() <= SKEW_MS {
        return Check::ok("clock", "both clocks agree within 5 s");
    }
    Check::warning(
        "clock",
        format!("this machine's clock is {} s away from the server's", skew / 1_000),
        "set both clocks by NTP; leases do not depend on it, but the times you read do",
    )
}

async fn admin_key(remote: &Remote) -> Check {
    if !remote.has_admin_key() {
        return Check::ok("admin key", "not set; only provisioning needs it");
    }
    let query = [("limit", "1".to_owned())];
    match remote.get::<Value>(As::Operator, "/v1/admin/tenants", &query).await {
        Ok(_) => Check::ok("admin key", "accepted"),
        Err(failure) => Check::failed(
            "admin key",
            said(failure),
            "set CYCLES_ADMIN_API_KEY to the key that the server was started with",
        ),
    }
}

/// The key, and the tenant whose it is.
async fn tenant_key(remote: &Remote, tenant: Option<&str>) -> (Check, Option<String>) {
    const MAKE: &str = "make a key (cycles key create TENANT) and set CYCLES_API_KEY to its secret";
    if !remote.has_api_key() {
        return (Check::failed("key", "CYCLES_API_KEY is not set", MAKE), None);
    }
    // Any answer but 401 says whose key it is.
    let path = format!("/v1/reservations/{NO_RESERVATION}");
    let response = match remote.send(As::Tenant, Method::GET, &path, &[], NOTHING).await {
        Ok(response) => response,
        Err(failure) => return (Check::failed("key", said(failure), MAKE), None),
    };
    let own = header(&response, headers::TENANT);
    if response.status().as_u16() == 401 {
        let found = "the server does not know the key, or it is revoked or expired";
        return (Check::failed("key", found, MAKE), None);
    }
    match tenant {
        Some(tenant) if !own.is_empty() && tenant != own => {
            let found = format!("the key is tenant {own}'s, but CYCLES_TENANT is {tenant}");
            let fix = format!("set CYCLES_TENANT={own}, or use a key of tenant {tenant}");
            (Check::failed("key", found, fix), None)
        }
        tenant => {
            let tenant = tenant.map_or(own, str::to_owned);
            (Check::ok("key", format!("accepted, tenant {tenant}")), Some(tenant))
        }
    }
}

/// What an agent needs. Requests about a reservation that does not exist are
/// refused for that, or for a permission that is missing.
async fn permissions(remote: &Remote) -> Check {
    let one = json!({"unit": "TOKENS", "amount": 0});
    let on = |what: &str| format!("/v1/reservations/{NO_RESERVATION}/{what}");
    let body = |more: Value| {
        let mut body = json!({"idempotency_key": "cycles-doctor"});
        if let (Some(body), Value::Object(more)) = (body.as_object_mut(), more) {
            body.extend(more);
        }
        body
    };
    let mut missing = Vec::new();
    for (permission, path, body) in [
        (Permission::ReservationsCommit, on("commit"), body(json!({"actual": one}))),
        (Permission::ReservationsRelease, on("release"), body(json!({}))),
        (Permission::ReservationsExtend, on("extend"), body(json!({"extend_by_ms": 1_000}))),
    ] {
        let sent = remote.send(As::Tenant, Method::POST, &path, &[], Some(&body)).await;
        if lacks_permission(sent).await {
            missing.push(permission);
        }
    }
    for (permission, path) in [
        (Permission::ReservationsList, "/v1/reservations?limit=1"),
        (Permission::BalancesRead, "/v1/balances?tenant=-&limit=1"),
    ] {
        if lacks_permission(remote.send(As::Tenant, Method::GET, path, &[], NOTHING).await).await {
            missing.push(permission);
        }
    }
    if missing.is_empty() {
        return Check::ok("permissions", "commit, release, extend, list and balances are allowed");
    }
    let names: Vec<_> = missing.iter().map(|permission| permission.as_str()).collect();
    Check::warning(
        "permissions",
        format!("the key lacks {}", names.join(", ")),
        "make a key that has them: cycles key create TENANT --permission …, repeated; without the flag it gets the usual ones",
    )
}

async fn lacks_permission(sent: Result<Response, Failure>) -> bool {
    let Ok(response) = sent else { return false };
    if response.status().as_u16() != 403 {
        return false;
    }
    let body = response.json::<ErrorResponse>().await;
    body.is_ok_and(|body| body.message.contains("lacks a permission"))
}

/// The tenant's budgets, and the units they are in.
async fn budgets(remote: &Remote, tenant: &str) -> (Check, Vec<Unit>) {
    let query = [
        ("tenant", tenant.to_owned()),
        ("include_children", "true".to_owned()),
        ("limit", "200".to_owned()),
    ];
    let balances: Vec<Balance> =
        match remote.get::<BalanceResponse>(As::Tenant, "/v1/balances", &query).await {
            Ok(page) => page.balances,
            Err(failure) => {
                let fix = "give the key the permission balances:read to see budgets here";
                return (Check::warning("budgets", said(failure), fix), Vec::new());
            }
        };
    if balances.is_empty() {
        let fix = format!("create one: cycles budget create tenant:{tenant} '$10'");
        let found = format!("tenant {tenant} has none, so that everything is refused");
        return (Check::failed("budgets", found, fix), Vec::new());
    }
    let has = |unit| balances.iter().any(|balance| balance.remaining.unit == unit);
    let units: Vec<_> = Unit::ALL.iter().copied().filter(|unit| has(*unit)).collect();
    let names: Vec<_> = units.iter().map(|unit| unit.as_str()).collect();
    let found = format!("{} in {}", balances.len(), names.join(", "));
    if !has(Unit::UsdMicrocents) {
        let fix = format!(
            "nothing, if your agents estimate in {}; else add: cycles budget create tenant:{tenant} '$10'",
            names.join(" or ")
        );
        return (Check::warning("budgets", found + ", none in USD_MICROCENTS", fix), units);
    }
    (Check::ok("budgets", found), units)
}

/// Whether work of the tenant itself would be let go on.
async fn decision(remote: &Remote, tenant: &str, unit: Unit) -> Check {
    let request = DecisionRequest::builder()
        .subject(Subject { tenant: Some(tenant.to_owned()), ..Subject::default() })
        .action(Action::new("cycles.doctor", "check"))
        .estimate(Amount::new(unit, 1))
        .build();
    match remote.post::<DecisionResponse>(As::Tenant, "/v1/decide", &[], &request).await {
        Ok(answer) if answer.decision.is_allowed() => {
            Check::ok("decision", format!("work of tenant {tenant} in {unit} is allowed"))
        }
        Ok(answer) => {
            let reason = answer.reason_code.unwrap_or_else(|| "no reason".to_owned());
            let found = format!("work of tenant {tenant} in {unit} is denied reason={reason}");
            Check::warning("decision", found, denied(&reason, tenant, unit))
        }
        Err(failure) => Check::warning(
            "decision",
            said(failure),
            format!("look at its budgets: cycles budget list --tenant {tenant}"),
        ),
    }
}

fn denied(reason: &str, tenant: &str, unit: Unit) -> String {
    if reason == ErrorCode::BudgetExceeded.as_str() {
        return format!("add to it: cycles budget fund tenant:{tenant} AMOUNT");
    }
    if reason == ErrorCode::BudgetFrozen.as_str() {
        return format!(
            "let work start again: cycles budget unfreeze tenant:{tenant} --unit {unit}"
        );
    }
    if reason == ErrorCode::BudgetNotFound.as_str() {
        return format!(
            "only scopes below tenant:{tenant} have budgets; agents there may work, others need: cycles budget create tenant:{tenant} AMOUNT"
        );
    }
    format!("look at its budgets: cycles budget list --tenant {tenant}")
}

/// What went wrong, in one line.
fn said(failure: Failure) -> String {
    match failure {
        Failure::Refused(error, _) => format!("{}: {}", error.code().as_str(), error.message()),
        Failure::Runtime(text) | Failure::Usage(text) | Failure::Unreachable(text) => {
            text.lines().next().unwrap_or_default().to_owned()
        }
        Failure::Code(_) => String::new(),
    }
}
