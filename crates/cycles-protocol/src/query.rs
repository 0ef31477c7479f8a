//! Query parameters of the two listings, read strictly and written back.

use jiff::Timestamp;
use serde::Serialize;

use crate::error::{Error, ErrorCode};
use crate::scope::Level;
use crate::wire::wire_enum;
use crate::{BalanceParams, IdempotencyKey, ReservationStatus, Subject, limits};

wire_enum! {
    /// What reservations are sorted by (spec: `sort_by`).
    SortKey {
        /// By id.
        ReservationId = "reservation_id",
        /// By tenant.
        Tenant = "tenant",
        /// By deepest scope.
        ScopePath = "scope_path",
        /// By status.
        Status = "status",
        /// By amount held.
        Reserved = "reserved",
        /// By creation, the default.
        CreatedAtMs = "created_at_ms",
        /// By expiry.
        ExpiresAtMs = "expires_at_ms",
    }
}

wire_enum! {
    /// Which way (spec: `SortDirection`).
    SortDirection {
        /// Smallest first.
        Asc = "asc",
        /// Largest first, the default.
        Desc = "desc",
    }
}

/// An inclusive window of time; either side may be open.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Window {
    /// First millisecond.
    pub from: Option<i64>,
    /// Last millisecond.
    pub to: Option<i64>,
}

impl Window {
    /// # Errors
    /// `INVALID_REQUEST` naming `parameter` when it ends before it starts.
    pub(crate) fn check(&self, parameter: &str) -> Result<(), Error> {
        match self {
            Self { from: Some(from), to: Some(to) } if from > to => {
                Err(invalid(format!("the window ends before it starts parameter={parameter}")))
            }
            _ => Ok(()),
        }
    }

    /// Whether `at` lies inside; an absent time lies in no bounded window.
    #[must_use]
    pub fn contains(&self, at: Option<i64>) -> bool {
        match at {
            Some(at) => {
                self.from.is_none_or(|from| from <= at) && self.to.is_none_or(|to| at <= to)
            }
            None => *self == Self::default(),
        }
    }
}

/// Which reservations to list, and how.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ListReservationsParams {
    /// The key that one was created with.
    pub idempotency_key: Option<IdempotencyKey>,
    /// Where they stand.
    pub status: Option<ReservationStatus>,
    /// Filters, exact at each level that is set.
    pub subject: Subject,
    /// When they were made.
    pub created: Window,
    /// When their lease ends.
    pub expires: Window,
    /// When they were committed or released.
    pub finalized: Window,
    /// Sort key; by creation unless set.
    pub sort_by: Option<SortKey>,
    /// Direction; largest first unless set.
    pub sort_dir: Option<SortDirection>,
    /// Heavy fields to add: `metadata`, `committed_metadata`, `evidence`.
    pub include: Vec<String>,
    /// Page size, 1 to 200; 50 unless set.
    pub limit: Option<usize>,
    /// From the page before.
    pub cursor: Option<String>,
}

type Pairs = [(String, String)];

/// What may stand in a query once, besides the levels of the subject.
const ONCE: [&str; 14] = [
    "idempotency_key",
    "status",
    "from",
    "to",
    "expires_from",
    "expires_to",
    "finalized_from",
    "finalized_to",
    "sort_by",
    "sort_dir",
    "limit",
    "cursor",
    "include",
    "include_children",
];

/// Reads the query of `GET /v1/balances`.
///
/// # Errors
/// `INVALID_REQUEST` naming the parameter that is wrong.
pub fn balances(query: &Pairs) -> Result<BalanceParams, Error> {
    let mut params = BalanceParams::default();
    refuse_repeated(query)?;
    for (name, value) in query {
        match name.as_str() {
            "include_children" => params.include_children = boolean(name, value)?,
            "limit" => params.limit = Some(limit(value)?),
            "cursor" => params.cursor = cursor(value),
            _ => subject_level(&mut params.subject, name, value)?,
        }
    }
    if params.subject.levels().next().is_none() {
        return Err(invalid(
            "at least one of tenant, workspace, app, workflow, agent, toolset is required"
                .to_owned(),
        ));
    }
    Ok(params)
}

/// Reads the query of `GET /v1/reservations`.
///
/// # Errors
/// `INVALID_REQUEST` naming the parameter that is wrong.
pub fn list(query: &Pairs) -> Result<ListReservationsParams, Error> {
    let mut params = ListReservationsParams::default();
    refuse_repeated(query)?;
    for (name, value) in query {
        match name.as_str() {
            "idempotency_key" => params.idempotency_key = Some(key(value)?),
            "status" => {
                params.status = Some(known(
                    name,
                    value,
                    ReservationStatus::parse(value),
                    ReservationStatus::Unknown,
                )?);
            }
            "from" => params.created.from = time(name, value)?,
            "to" => params.created.to = time(name, value)?,
            "expires_from" => params.expires.from = time(name, value)?,
            "expires_to" => params.expires.to = time(name, value)?,
            "finalized_from" => params.finalized.from = time(name, value)?,
            "finalized_to" => params.finalized.to = time(name, value)?,
            "sort_by" => {
                params.sort_by = Some(known(name, value, SortKey::parse(value), SortKey::Unknown)?);
            }
            "sort_dir" => {
                params.sort_dir =
                    Some(known(name, value, SortDirection::parse(value), SortDirection::Unknown)?);
            }
            "include" => {
                params.include = value.split(',').map(|field| field.trim().to_owned()).collect();
            }
            "limit" => params.limit = Some(limit(value)?),
            "cursor" => params.cursor = cursor(value),
            _ => subject_level(&mut params.subject, name, value)?,
        }
    }
    params.validate()?;
    Ok(params)
}

impl BalanceParams {
    /// The query that [`balances`] reads back.
    #[must_use]
    pub fn to_query(&self) -> Vec<(String, String)> {
        let mut query = subject_query(&self.subject);
        if self.include_children {
            query.push(("include_children".into(), "true".into()));
        }
        push(&mut query, "limit", self.limit.as_ref());
        push(&mut query, "cursor", self.cursor.as_ref());
        query
    }
}

impl ListReservationsParams {
    /// Checks what a query could not have said.
    ///
    /// # Errors
    /// `INVALID_REQUEST` naming the parameter that is wrong.
    pub fn validate(&self) -> Result<(), Error> {
        self.created.check("from")?;
        self.expires.check("expires_from")?;
        self.finalized.check("finalized_from")?;
        let unknown = if self.status == Some(ReservationStatus::Unknown) {
            "status"
        } else if self.sort_by == Some(SortKey::Unknown) {
            "sort_by"
        } else if self.sort_dir == Some(SortDirection::Unknown) {
            "sort_dir"
        } else {
            return Ok(());
        };
        Err(invalid(format!("value is not one that the spec names parameter={unknown}")))
    }

    /// The query that [`list`] reads back.
    #[must_use]
    pub fn to_query(&self) -> Vec<(String, String)> {
        let mut query = subject_query(&self.subject);
        push(&mut query, "idempotency_key", self.idempotency_key.as_ref());
        push(&mut query, "status", self.status.as_ref());
        for (from, to, window) in [
            ("from", "to", self.created),
            ("expires_from", "expires_to", self.expires),
            ("finalized_from", "finalized_to", self.finalized),
        ] {
            push(&mut query, from, window.from.and_then(iso).as_ref());
            push(&mut query, to, window.to.and_then(iso).as_ref());
        }
        push(&mut query, "sort_by", self.sort_by.as_ref());
        push(&mut query, "sort_dir", self.sort_dir.as_ref());
        if !self.include.is_empty() {
            query.push(("include".into(), self.include.join(",")));
        }
        push(&mut query, "limit", self.limit.as_ref());
        push(&mut query, "cursor", self.cursor.as_ref());
        query
    }
}

fn subject_query(subject: &Subject) -> Vec<(String, String)> {
    subject.levels().map(|(level, value)| (level.as_str().to_owned(), value.to_owned())).collect()
}

fn push(query: &mut Vec<(String, String)>, name: &str, value: Option<&impl ToString>) {
    if let Some(value) = value {
        query.push((name.to_owned(), value.to_string()));
    }
}

fn iso(ms: i64) -> Option<String> {
    Timestamp::from_millisecond(ms).ok().map(|time| time.to_string())
}

// Which of two values is meant is anyone's guess, and whatever stands in front of
// the server may guess otherwise.
fn refuse_repeated(query: &Pairs) -> Result<(), Error> {
    let known = |name: &str| {
        ONCE.contains(&name) || Level::ALL.into_iter().any(|level| level.as_str() == name)
    };
    let mut names = query.iter().map(|(name, _)| name.as_str()).enumerate();
    match names.find(|(at, name)| known(name) && query[..*at].iter().any(|(key, _)| key == name)) {
        Some((_, name)) => Err(invalid(format!("sent more than once parameter={name}"))),
        None => Ok(()),
    }
}

// A blank cursor asks for the first page, as a blank bound is unset.
fn cursor(value: &str) -> Option<String> {
    Some(value.to_owned()).filter(|value| !value.is_empty())
}

// spec: additive parameters that a server does not know are ignored.
fn subject_level(subject: &mut Subject, name: &str, value: &str) -> Result<(), Error> {
    let Some(level) = Level::ALL.into_iter().find(|level| level.as_str() == name) else {
        return Ok(());
    };
    if value.is_empty() {
        return Ok(());
    }
    if !limits::is_subject_value(value) {
        return Err(invalid(format!("must match ^[a-zA-Z0-9_.-]+$ parameter={name}")));
    }
    *subject.get_mut(level) = Some(value.to_owned());
    Ok(())
}

fn key(value: &str) -> Result<IdempotencyKey, Error> {
    if (1..=limits::IDEMPOTENCY_KEY_MAX).contains(&value.chars().count()) {
        return Ok(IdempotencyKey::new(value));
    }
    Err(invalid(format!(
        "must have 1 to {} characters parameter=idempotency_key",
        limits::IDEMPOTENCY_KEY_MAX
    )))
}

fn limit(value: &str) -> Result<usize, Error> {
    value.parse().ok().filter(|limit| limits::PAGE.contains(limit)).ok_or_else(|| {
        invalid(format!(
            "must be {} to {} parameter=limit",
            limits::PAGE.start(),
            limits::PAGE.end()
        ))
    })
}

pub(crate) fn boolean(name: &str, value: &str) -> Result<bool, Error> {
    match value {
        "true" => Ok(true),
        "false" | "" => Ok(false),
        _ => Err(invalid(format!("must be true or false parameter={name}"))),
    }
}

pub(crate) fn known<T: PartialEq + Copy>(
    name: &str,
    text: &str,
    value: T,
    unknown: T,
) -> Result<T, Error> {
    if value == unknown {
        return Err(invalid(format!(
            "value is not one that the spec names parameter={name} value={text:?}"
        )));
    }
    Ok(value)
}

// spec: a blank bound counts as unset.
pub(crate) fn time(name: &str, value: &str) -> Result<Option<i64>, Error> {
    if value.trim().is_empty() {
        return Ok(None);
    }
    let time: Timestamp = value.parse().map_err(|_| {
        invalid(format!(
            "must be an ISO 8601 date-time, like 2026-01-31T00:00:00Z parameter={name}"
        ))
    })?;
    Ok(Some(time.as_millisecond()))
}

pub(crate) fn invalid(message: String) -> Error {
    Error::new(ErrorCode::InvalidRequest, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pairs(query: &[(&str, &str)]) -> Vec<(String, String)> {
        query.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn a_query_survives_the_way_there_and_back() {
        let query = pairs(&[
            ("tenant", "acme"),
            ("status", "ACTIVE"),
            ("from", "2026-01-31T00:00:00Z"),
            ("sort_by", "reserved"),
            ("limit", "7"),
        ]);
        let params = list(&query).unwrap();
        assert_eq!(list(&params.to_query()).unwrap(), params);
    }

    #[test]
    fn blank_bounds_are_unset_and_backward_windows_refused() {
        assert_eq!(
            list(&pairs(&[("from", ""), ("finalized_to", " ")])).unwrap(),
            ListReservationsParams::default()
        );
        let backward = pairs(&[
            ("expires_from", "2026-02-01T00:00:00Z"),
            ("expires_to", "2026-01-01T00:00:00Z"),
        ]);
        assert!(list(&backward).unwrap_err().message().contains("expires_from"));
    }

    #[test]
    fn a_parameter_stands_once_unless_it_is_unknown() {
        for name in ONCE.iter().chain(&["tenant", "toolset"]) {
            let twice = pairs(&[(name, ""), ("tenant", "a"), (name, "")]);
            assert!(list(&twice).unwrap_err().message().contains("more than once"), "{name}");
            assert!(balances(&twice).unwrap_err().message().contains("more than once"), "{name}");
        }
        let query = [("include", "metadata,evidence"), ("new", "1"), ("new", "2")];
        assert_eq!(list(&pairs(&query)).unwrap().include, ["metadata", "evidence"]);
    }

    #[test]
    fn a_blank_cursor_is_the_first_page() {
        assert_eq!(list(&pairs(&[("cursor", "")])).unwrap().cursor, None);
        assert_eq!(balances(&pairs(&[("tenant", "a"), ("cursor", "")])).unwrap().cursor, None);
        assert_eq!(list(&pairs(&[("cursor", "c")])).unwrap().cursor.as_deref(), Some("c"));
    }

    #[test]
    fn balances_need_a_filter() {
        assert!(balances(&[]).is_err());
        assert!(balances(&pairs(&[("limit", "0"), ("tenant", "a")])).is_err());
    }
}
