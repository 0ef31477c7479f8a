//! Reads of many: balances and reservations, page by page.

use std::cmp::Ordering;
use std::collections::VecDeque;

use cycles_protocol::query::Window;
use cycles_protocol::scope::Level;
use cycles_protocol::{
    BalanceParams, BalanceResponse, ErrorCode, ListReservationsParams, Permission,
    ReservationListResponse, SortDirection, SortKey, Unit,
};

use super::access::{Key, admits, value_in};
use super::ledger::balance;
use super::reservation::Record;
use super::{Oracle, Ruling, no, validity};
use crate::simulation::answer::Answer;
use crate::simulation::command::Caller;

/// What rows are compared by.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Value {
    Number(i64),
    Text(String),
}

/// The last row of a page.
#[derive(Debug, Clone)]
enum Last {
    Budget(String, Unit),
    Row(Value, String),
}

/// The cursors that were issued, with what they mean. They are opaque, so a
/// page's cursor is taken as it comes; oldest first.
#[derive(Debug, Default)]
pub(super) struct Cursors(VecDeque<(String, String, Last)>);

impl Cursors {
    /// More than a run keeps in the air.
    const MAX: usize = 4_096;

    /// Where to go on. spec: a cursor counts for its own filters and sort only
    fn find(&self, cursor: Option<&String>, bound: &str) -> Result<Option<Last>, Answer> {
        let Some(cursor) = cursor else { return Ok(None) };
        let found = self.0.iter().rev().find(|(issued, to, _)| issued == cursor && to == bound);
        found.map(|(_, _, last)| Some(last.clone())).ok_or_else(|| no(ErrorCode::InvalidRequest))
    }

    /// Takes a page's cursor as it was issued.
    fn issue(
        &mut self,
        bound: String,
        last: Option<Last>,
        seen: Option<&String>,
    ) -> Option<String> {
        let last = last?;
        let Some(cursor) = seen else { return Some("<a cursor>".to_owned()) };
        self.0.push_back((cursor.clone(), bound, last));
        if self.0.len() > Self::MAX {
            self.0.pop_front();
        }
        Some(cursor.clone())
    }
}

impl Oracle {
    pub(super) fn balances(
        &mut self,
        caller: Caller,
        params: &BalanceParams,
        now: i64,
        seen: &Answer,
    ) -> Ruling {
        let key = self.key(caller)?;
        // spec: at least one subject filter
        if params.subject.levels().next().is_none() {
            return Err(no(ErrorCode::InvalidRequest));
        }
        let limit = validity::page(params.limit)?;
        key.may(&[Permission::BalancesRead])?;
        let own = self.tenants[key.tenant].id.clone();
        if params.subject.tenant.as_ref().is_some_and(|named| *named != own) {
            return Err(no(ErrorCode::Forbidden));
        }
        let bound = format!(
            "balances {own} {:?} {:?} {}",
            key.filter, params.subject, params.include_children
        );
        let after = self.cursors.find(params.cursor.as_ref(), &bound)?;
        self.look(key.tenant, now);

        let mut rows: Vec<_> = self.figures(key.tenant).into_iter().map(|(_, row)| row).collect();
        rows.retain(|row| key.sees(&row.scope) && is_asked(&row.scope, params));
        rows.sort_by(|a, b| (&a.scope, a.unit).cmp(&(&b.scope, b.unit)));
        if let Some(Last::Budget(scope, unit)) = after {
            rows.retain(|row| (&row.scope, row.unit) > (&scope, unit));
        }
        let has_more = rows.len() > limit;
        rows.truncate(limit);
        let last = rows.last().filter(|_| has_more);
        let last = last.map(|row| Last::Budget(row.scope.clone(), row.unit));
        let issued = match seen {
            Answer::Balances(page) => page.next_cursor.as_ref(),
            _ => None,
        };
        Ok(Answer::Balances(BalanceResponse {
            balances: rows.iter().map(balance).collect(),
            next_cursor: self.cursors.issue(bound, last, issued),
            has_more: Some(has_more),
        }))
    }

    pub(super) fn list(
        &mut self,
        caller: Caller,
        params: &ListReservationsParams,
        now: i64,
        seen: &Answer,
    ) -> Ruling {
        let key = self.key_or_admin(caller)?;
        let limit = validity::page(params.limit)?;
        // spec: TIME-RANGE FILTERS, from > to is 400
        if [params.created, params.expires, params.finalized].into_iter().any(is_reversed) {
            return Err(no(ErrorCode::InvalidRequest));
        }
        let tenant = self.listed_tenant(key.as_ref(), params)?;
        let filter = key.map(|key| key.filter).unwrap_or_default();
        let sort = params.sort_by.unwrap_or(SortKey::CreatedAtMs);
        let direction = params.sort_dir.unwrap_or(SortDirection::Desc);
        let filters = ListReservationsParams {
            sort_by: None,
            sort_dir: None,
            include: Vec::new(),
            limit: None,
            cursor: None,
            ..params.clone()
        };
        let mut filters = filters;
        filters.subject.tenant = None;
        let bound = format!("list {tenant:?} {filter:?} {sort} {direction} {filters:?}");
        let after = self.cursors.find(params.cursor.as_ref(), &bound)?;
        let Some(tenant) = tenant else {
            return Ok(Answer::List(ReservationListResponse {
                has_more: Some(false),
                ..ReservationListResponse::default()
            }));
        };
        self.look(tenant, now);

        let model = &self.tenants[tenant];
        let serials = model.open.iter().chain(&model.ended);
        let mut rows: Vec<_> = serials
            .map(|serial| &self.records[serial])
            .filter(|record| is_listed(record, params, &filter, &model.id))
            .map(|record| (value(record, sort, &model.id), record.id.as_str(), record))
            .collect();
        let order = |a: (&Value, &str), b: (&Value, &str)| -> Ordering {
            let by_value = a.0.cmp(b.0);
            let by_value =
                if direction == SortDirection::Asc { by_value } else { by_value.reverse() };
            // semantics 2.18: ties by id, ascending
            by_value.then(a.1.cmp(b.1))
        };
        if let Some(Last::Row(value, id)) = &after {
            rows.retain(|row| order((&row.0, row.1), (value, id)).is_gt());
        }
        rows.sort_by(|a, b| order((&a.0, a.1), (&b.0, b.1)));
        let has_more = rows.len() > limit;
        rows.truncate(limit);
        let last = rows.last().filter(|_| has_more);
        let last = last.map(|(value, id, _)| Last::Row(value.clone(), (*id).to_owned()));
        let asked = |field: &str| params.include.iter().any(|name| name == field);
        let reservations = rows
            .iter()
            .map(|(_, _, record)| {
                let mut row = record.detail();
                row.metadata = row.metadata.filter(|_| asked("metadata"));
                row.committed_metadata =
                    row.committed_metadata.filter(|_| asked("committed_metadata"));
                row
            })
            .collect();
        let issued = match seen {
            Answer::List(page) => page.next_cursor.as_ref(),
            _ => None,
        };
        Ok(Answer::List(ReservationListResponse {
            reservations,
            next_cursor: self.cursors.issue(bound, last, issued),
            has_more: Some(has_more),
        }))
    }

    /// spec: listReservations, TENANCY; none for a tenant that does not exist
    fn listed_tenant(
        &self,
        key: Option<&Key>,
        params: &ListReservationsParams,
    ) -> Result<Option<usize>, Answer> {
        let asked = params.subject.tenant.as_deref();
        match (key, asked) {
            (Some(key), asked) => {
                key.may(&[Permission::ReservationsList])?;
                if asked.is_some_and(|asked| asked != self.tenants[key.tenant].id) {
                    return Err(no(ErrorCode::Forbidden));
                }
                Ok(Some(key.tenant))
            }
            (None, Some(asked)) => Ok(self.tenants.iter().position(|tenant| tenant.id == asked)),
            (None, None) => Err(no(ErrorCode::InvalidRequest)),
        }
    }
}

fn is_reversed(window: Window) -> bool {
    matches!(window, Window { from: Some(from), to: Some(to) } if from > to)
}

/// An absent time lies in no bounded window.
fn is_within(window: Window, at: Option<i64>) -> bool {
    let after = window.from.is_none_or(|from| at.is_some_and(|at| at >= from));
    let before = window.to.is_none_or(|to| at.is_some_and(|at| at <= to));
    after && before
}

fn is_listed(
    record: &Record,
    params: &ListReservationsParams,
    filter: &[String],
    tenant: &str,
) -> bool {
    let subject = &record.request.subject;
    let key = &params.idempotency_key;
    let levels = Level::ALL.into_iter().filter(|level| *level != Level::Tenant);
    let mut asked = levels.filter_map(|level| Some((level, params.subject.get(level)?)));
    key.as_ref().is_none_or(|key| *key == record.request.idempotency_key)
        && params.status.is_none_or(|status| status == record.status())
        && is_within(params.created, Some(record.created_at))
        && is_within(params.expires, Some(record.expires_at))
        && is_within(params.finalized, record.finalized_at())
        && asked.all(|(level, wanted)| {
            subject.get(level).is_some_and(|value| value.to_lowercase() == wanted.to_lowercase())
        })
        && admits(filter, |level| match level {
            Level::Tenant => Some(tenant),
            level => subject.get(level),
        })
}

fn value(record: &Record, sort: SortKey, tenant: &str) -> Value {
    match sort {
        SortKey::ReservationId => Value::Text(record.id.to_string()),
        SortKey::Tenant => Value::Text(tenant.to_owned()),
        SortKey::ScopePath => Value::Text(record.scopes.last().cloned().unwrap_or_default()),
        SortKey::Status => Value::Text(record.status().to_string()),
        SortKey::Reserved => Value::Number(record.request.estimate.amount),
        SortKey::ExpiresAtMs => Value::Number(record.expires_at),
        _ => Value::Number(record.created_at),
    }
}

/// Exact at each level that is asked for; below the deepest of them only with
/// `include_children`.
fn is_asked(scope: &str, params: &BalanceParams) -> bool {
    let mut is_below = false;
    for level in Level::ALL.into_iter().rev() {
        match (params.subject.get(level), value_in(scope, level)) {
            (Some(wanted), found) => {
                if found.is_none_or(|found| found != wanted.to_lowercase()) {
                    return false;
                }
                is_below = true;
            }
            // Open between two levels that are asked for.
            (None, Some(_)) if !is_below && !params.include_children => return false,
            (None, _) => {}
        }
    }
    true
}
