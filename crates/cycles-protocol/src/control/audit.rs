//! The audit log: what operators did, and where (governance spec: `AuditLogEntry`).

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::error::{Error, ErrorCode};
use crate::query::{self, Window, invalid};
use crate::{Action, Amount, JsonMap, Subject, limits};

/// One thing that an operator did.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct AuditLogEntry {
    /// Its id.
    pub log_id: String,
    /// When, ISO 8601.
    pub timestamp: String,
    /// Whose object it was done to.
    pub tenant_id: String,
    /// What was done, by its operation id in the spec, like `releaseReservation`.
    pub operation: String,
    /// What it was done to, like `reservation`.
    pub resource_type: String,
    /// The id of that.
    pub resource_id: String,
    /// The request that did it.
    pub request_id: String,
    /// The logical operation that the request belongs to.
    pub trace_id: String,
    /// The HTTP status that was answered.
    pub status: u16,
    /// Why it was refused, where it was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error_code: Option<ErrorCode>,
    /// Who had been to spend.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<Subject>,
    /// On what.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub action: Option<Action>,
    /// How much it was about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub amount: Option<Amount>,
    /// `actor_type`, and what else tells why.
    #[serde(default)]
    pub metadata: JsonMap,
}

impl AuditLogEntry {
    /// An operator acting for `tenant_id`; spec: `releaseReservation`, AUDIT.
    #[must_use]
    pub fn on_behalf_of(
        tenant_id: impl Into<String>,
        operation: &str,
        (resource_type, resource_id): (&str, String),
    ) -> Self {
        let actor_type = Value::from("admin_on_behalf_of");
        Self {
            log_id: String::new(),
            timestamp: String::new(),
            tenant_id: tenant_id.into(),
            operation: operation.to_owned(),
            resource_type: resource_type.to_owned(),
            resource_id,
            request_id: String::new(),
            trace_id: String::new(),
            status: 200,
            error_code: None,
            subject: None,
            action: None,
            amount: None,
            metadata: [("actor_type".to_owned(), actor_type)].into_iter().collect(),
        }
    }
}

/// Which entries to list; all that are set must hold.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct AuditLogParams {
    /// Exactly this tenant.
    pub tenant_id: Option<String>,
    /// Exactly this key.
    pub key_id: Option<String>,
    /// One of these operations, where there are any.
    pub operation: Vec<String>,
    /// One of these types, where there are any.
    pub resource_type: Vec<String>,
    /// Exactly this object.
    pub resource_id: Option<String>,
    /// One of these codes, where there are any; successes have none.
    pub error_code: Vec<String>,
    /// None of these codes; successes pass.
    pub error_code_exclude: Vec<String>,
    /// Least and greatest status.
    pub status: Option<(u16, u16)>,
    /// Exactly this logical operation.
    pub trace_id: Option<String>,
    /// Exactly this request.
    pub request_id: Option<String>,
    /// Part of a resource id, log id, code or operation; case does not matter.
    pub search: Option<String>,
    /// When.
    pub time: Window,
    /// Page size, 1 to 100; 50 unless set.
    pub limit: Option<usize>,
    /// From the page before.
    pub cursor: Option<String>,
}

/// One page of entries, the newest first (governance spec: `AuditLogListResponse`).
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct AuditLogListResponse {
    /// The rows.
    pub logs: Vec<AuditLogEntry>,
    /// Where the next page starts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_cursor: Option<String>,
    /// Whether there is a next page.
    pub has_more: bool,
}

impl AuditLogParams {
    /// Reads the query of `GET /v1/admin/audit/logs`. Parameters that it does
    /// not know are ignored, as the spec asks.
    ///
    /// # Errors
    /// `INVALID_REQUEST` naming the parameter that is wrong.
    pub fn from_query(query: &[(String, String)]) -> Result<Self, Error> {
        let (mut params, mut exact, mut least, mut greatest) = (Self::default(), None, None, None);
        for (name, value) in query.iter().filter(|(_, value)| !value.is_empty()) {
            let text = || Some(value.clone());
            match name.as_str() {
                "tenant_id" => params.tenant_id = text(),
                "key_id" => params.key_id = text(),
                "operation" => params.operation = list(name, value)?,
                "resource_type" => params.resource_type = list(name, value)?,
                "resource_id" => params.resource_id = text(),
                "error_code" => params.error_code = list(name, value)?,
                "error_code_exclude" => params.error_code_exclude = list(name, value)?,
                "status" => exact = Some(status(name, value)?),
                "status_min" => least = Some(status(name, value)?),
                "status_max" => greatest = Some(status(name, value)?),
                "trace_id" => params.trace_id = text(),
                "request_id" => params.request_id = text(),
                "search" => params.search = Some(search(value)?),
                "from" => params.time.from = query::time(name, value)?,
                "to" => params.time.to = query::time(name, value)?,
                "limit" => params.limit = Some(limit(value)?),
                "cursor" => params.cursor = text(),
                _ => {}
            }
        }
        params.status = statuses(exact, least, greatest)?;
        params.time.check("from")?;
        Ok(params)
    }

    /// Whether an entry made at `at` is asked for.
    #[must_use]
    pub fn matches(&self, entry: &AuditLogEntry, at: i64) -> bool {
        let is = |wanted: &Option<String>, value: &str| {
            wanted.as_ref().is_none_or(|wanted| wanted == value)
        };
        let any = |wanted: &[String], value: &str| wanted.iter().any(|wanted| wanted == value);
        let code = entry.error_code.map_or("", ErrorCode::as_str);
        is(&self.tenant_id, &entry.tenant_id)
            // An operator's key has no id.
            && self.key_id.is_none()
            && (self.operation.is_empty() || any(&self.operation, &entry.operation))
            && (self.resource_type.is_empty() || any(&self.resource_type, &entry.resource_type))
            && is(&self.resource_id, &entry.resource_id)
            && (self.error_code.is_empty() || any(&self.error_code, code))
            && !any(&self.error_code_exclude, code)
            && self.status.is_none_or(|(least, greatest)| (least..=greatest).contains(&entry.status))
            && is(&self.trace_id, &entry.trace_id)
            && is(&self.request_id, &entry.request_id)
            && self.search.as_ref().is_none_or(|part| {
                let part = part.to_lowercase();
                let texts = [&*entry.resource_id, &*entry.log_id, code, &*entry.operation];
                texts.iter().any(|text| text.to_lowercase().contains(&part))
            })
            && self.time.contains(Some(at))
    }
}

fn list(name: &str, value: &str) -> Result<Vec<String>, Error> {
    let items: Vec<_> = value.split(',').map(|item| item.trim().to_owned()).collect();
    if items.len() > limits::AUDIT_LIST_MAX {
        return Err(invalid(format!("at most {} values parameter={name}", limits::AUDIT_LIST_MAX)));
    }
    Ok(items)
}

fn status(name: &str, value: &str) -> Result<u16, Error> {
    value
        .parse()
        .ok()
        .filter(|status| (100..=599).contains(status))
        .ok_or_else(|| invalid(format!("must be 100 to 599 parameter={name}")))
}

fn statuses(
    exact: Option<u16>,
    least: Option<u16>,
    greatest: Option<u16>,
) -> Result<Option<(u16, u16)>, Error> {
    match (exact, least, greatest) {
        (None, None, None) => Ok(None),
        (Some(exact), None, None) => Ok(Some((exact, exact))),
        (Some(_), ..) => {
            Err(invalid("give status, or status_min and status_max parameter=status".to_owned()))
        }
        (None, least, greatest) => {
            let (least, greatest) = (least.unwrap_or(100), greatest.unwrap_or(599));
            if least > greatest {
                return Err(invalid("must not exceed status_max parameter=status_min".to_owned()));
            }
            Ok(Some((least, greatest)))
        }
    }
}

pub(super) fn search(value: &str) -> Result<String, Error> {
    if value.chars().count() > limits::ADMIN_SEARCH_MAX {
        let max = limits::ADMIN_SEARCH_MAX;
        return Err(invalid(format!("must have at most {max} characters parameter=search")));
    }
    Ok(value.to_owned())
}

pub(super) fn limit(value: &str) -> Result<usize, Error> {
    // semantics 1.3: the governance plane's limits are clamped
    let limit: usize =
        value.parse().map_err(|_| invalid("must be a number parameter=limit".to_owned()))?;
    Ok(limit.clamp(1, limits::ADMIN_PAGE_MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(query: &[(&str, &str)]) -> Result<AuditLogParams, Error> {
        let pairs: Vec<_> =
            query.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        AuditLogParams::from_query(&pairs)
    }

    fn entry() -> AuditLogEntry {
        let mut entry = AuditLogEntry::on_behalf_of(
            "acme",
            "releaseReservation",
            ("reservation", "res_1".into()),
        );
        entry.log_id = "log_Ab".into();
        entry.trace_id = "t".into();
        entry
    }

    #[test]
    fn every_filter_narrows() {
        let mut refused = entry();
        (refused.status, refused.error_code) = (410, Some(ErrorCode::ReservationExpired));
        for (name, value, success, failure) in [
            ("tenant_id", "acme", true, true),
            ("tenant_id", "other", false, false),
            ("key_id", "key_1", false, false),
            ("operation", "createBudget, releaseReservation", true, true),
            ("operation", "createBudget", false, false),
            ("resource_type", "budget", false, false),
            ("resource_id", "res_1", true, true),
            ("error_code", "RESERVATION_EXPIRED,NEWER_CODE", false, true),
            ("error_code_exclude", "RESERVATION_EXPIRED", true, false),
            ("status", "200", true, false),
            ("status_min", "400", false, true),
            ("status_max", "399", true, false),
            ("trace_id", "u", false, false),
            ("request_id", "r", false, false),
            ("search", "LOG_AB", true, true),
            ("search", "expired", false, true),
            ("from", "1970-01-01T00:00:00.008Z", false, false),
            ("to", "1970-01-01T00:00:00.007Z", true, true),
            ("search", "", true, true),
            ("newer", "x", true, true),
        ] {
            let params = read(&[(name, value)]).unwrap();
            let found = (params.matches(&entry(), 7), params.matches(&refused, 7));
            assert_eq!(found, (success, failure), "{name}={value}");
        }
    }

    #[test]
    fn what_contradicts_itself_is_refused_and_named() {
        let many = vec!["a"; 26].join(",");
        let long = "a".repeat(129);
        for query in [
            &[("status", "99")][..],
            &[("status_min", "600")],
            &[("status", "200"), ("status_max", "300")],
            &[("status_min", "300"), ("status_max", "200")],
            &[("operation", many.as_str())],
            &[("search", long.as_str())],
            &[("limit", "x")],
            &[("from", "yesterday")],
            &[("from", "2026-02-01T00:00:00Z"), ("to", "2026-01-01T00:00:00Z")],
        ] {
            let error = read(query).unwrap_err();
            assert!(error.message().contains(&format!("parameter={}", query[0].0)), "{error}");
        }
        assert_eq!(read(&[("limit", "1000")]).unwrap().limit, Some(100));
    }
}
