//! A page of a listing, from the index of its order.

use cycles_engine::durable::{Record, ReservationQuery, SortValue};
use cycles_protocol::query::Window;
use cycles_protocol::scope::Level;
use cycles_protocol::{ReservationStatus, ScopeFilter, SortDirection, SortKey};
use rusqlite::types::Value;
use rusqlite::{Connection, Result, params_from_iter};
use uuid::Uuid;

use crate::rows;

/// Columns of the subject's levels; the tenant is every row's.
const LEVELS: [(Level, &str); 5] = [
    (Level::Workspace, "workspace"),
    (Level::App, "app"),
    (Level::Workflow, "workflow"),
    (Level::Agent, "agent"),
    (Level::Toolset, "toolset"),
];

/// A condition and what it is about.
#[derive(Default)]
struct Where {
    text: String,
    values: Vec<Value>,
}

impl Where {
    fn and(&mut self, condition: &str, values: impl IntoIterator<Item = Value>) {
        self.text.push_str(" AND ");
        self.text.push_str(condition);
        self.values.extend(values);
    }

    fn within(&mut self, column: &str, window: Window) {
        if let Some(from) = window.from {
            self.and(&format!("{column} >= ?"), [from.into()]);
        }
        if let Some(to) = window.to {
            self.and(&format!("{column} <= ?"), [to.into()]);
        }
    }
}

/// A listing of one tenant, whose number is known.
struct Listing<'a> {
    connection: &'a Connection,
    tenant: i64,
    query: &'a ReservationQuery,
}

type Rows = Vec<(Uuid, Record)>;

/// The first rows of a listing of the tenant with that number.
pub(crate) fn page(connection: &Connection, tenant: i64, query: &ReservationQuery) -> Result<Rows> {
    let listing = Listing { connection, tenant, query };
    if query.params.idempotency_key.is_some() {
        return listing.with_key();
    }
    match query.sort_by {
        SortKey::ExpiresAtMs => listing.by_time("reservation_expires", "expires_at"),
        SortKey::Reserved => listing.by_group("reservation_estimate", "estimate"),
        SortKey::ScopePath => listing.by_group("reservation_scope", "scope_path"),
        SortKey::Status => listing.by_status(),
        // There is one tenant: what is left is the id.
        SortKey::Tenant => listing.by_id(SortDirection::Asc),
        SortKey::ReservationId => listing.by_id(query.direction),
        _ if query.params.status == Some(ReservationStatus::Active) => {
            listing.by_time("reservation_open", "created_at")
        }
        _ => listing.by_time("reservation_created", "created_at"),
    }
}

impl Listing<'_> {
    /// By a time: few rows have the same, and SQLite sorts those by id.
    fn by_time(&self, index: &str, column: &str) -> Result<Rows> {
        let mut conditions = self.filters();
        let ascending = self.query.direction == SortDirection::Asc;
        if let Some((value, id)) = self.after() {
            let (reached, beyond) = if ascending { (">=", ">") } else { ("<=", "<") };
            let condition = format!("{column} {reached} ? AND ({column} {beyond} ? OR id > ?)");
            conditions.and(&condition, [value.clone(), value, id]);
        }
        let direction = if ascending { "ASC" } else { "DESC" };
        let mut rows = Rows::new();
        self.select(index, &conditions, &format!("{column} {direction}, id ASC"), &mut rows)?;
        Ok(rows)
    }

    /// By what many rows may share: value by value, and by id within each.
    fn by_group(&self, index: &str, column: &str) -> Result<Rows> {
        let mut rows = Rows::new();
        let mut after = None;
        let mut group = match self.after() {
            Some((value, id)) => {
                after = Some(id);
                value
            }
            None => self.next_group(index, column, None)?,
        };
        while group != Value::Null && rows.len() < self.query.limit {
            self.group(index, column, group.clone(), after.take(), &mut rows)?;
            group = self.next_group(index, column, Some(group))?;
        }
        Ok(rows)
    }

    /// By status, in the order of the statuses' names.
    fn by_status(&self) -> Result<Rows> {
        const BY_NAME: [(&str, i64); 4] =
            [("ACTIVE", 0), ("COMMITTED", 1), ("EXPIRED", 3), ("RELEASED", 2)];
        let mut states = BY_NAME.to_vec();
        if self.query.direction != SortDirection::Asc {
            states.reverse();
        }
        let mut after = None;
        if let Some((SortValue::Text(name), id)) = &self.query.after {
            let reached = states.iter().position(|(known, _)| known == name);
            states.drain(..reached.unwrap_or(0));
            after = Some(id.as_bytes().to_vec().into());
        }
        let mut rows = Rows::new();
        for (_, state) in states {
            self.group("reservation_state", "state", state.into(), after.take(), &mut rows)?;
        }
        Ok(rows)
    }

    /// By id: the first of each state, and the first of those.
    fn by_id(&self, direction: SortDirection) -> Result<Rows> {
        let ascending = direction == SortDirection::Asc;
        let mut rows = Rows::new();
        for state in 0..4_i64 {
            let mut conditions = self.filters();
            conditions.and("state = ?", [state.into()]);
            if let Some((_, id)) = &self.query.after {
                let beyond = if ascending { "id > ?" } else { "id < ?" };
                conditions.and(beyond, [id.as_bytes().to_vec().into()]);
            }
            let order = if ascending { "id ASC" } else { "id DESC" };
            let mut of_state = Rows::new();
            self.select("reservation_state", &conditions, order, &mut of_state)?;
            rows.append(&mut of_state);
        }
        rows.sort_unstable_by_key(|(id, _)| *id);
        if !ascending {
            rows.reverse();
        }
        rows.truncate(self.query.limit);
        Ok(rows)
    }

    /// The newest with a key; no page follows it.
    fn with_key(&self) -> Result<Rows> {
        let mut rows = Rows::new();
        if let (Some(key), None) = (&self.query.params.idempotency_key, &self.query.after) {
            let mut conditions = self.filters();
            conditions.and("key = ?", [key.as_str().to_owned().into()]);
            self.select("reservation_key", &conditions, "number DESC", &mut rows)?;
            rows.truncate(1);
        }
        Ok(rows)
    }

    fn group(
        &self,
        index: &str,
        column: &str,
        value: Value,
        after: Option<Value>,
        rows: &mut Rows,
    ) -> Result<()> {
        let mut conditions = self.filters();
        conditions.and(&format!("{column} = ?"), [value]);
        if let Some(id) = after {
            conditions.and("id > ?", [id]);
        }
        self.select(index, &conditions, "id ASC", rows)
    }

    fn next_group(&self, index: &str, column: &str, after: Option<Value>) -> Result<Value> {
        let ascending = self.query.direction == SortDirection::Asc;
        let (first, beyond) = if ascending { ("min", ">") } else { ("max", "<") };
        let mut values: Vec<Value> = vec![self.tenant.into()];
        let mut condition = String::new();
        if let Some(after) = after {
            condition = format!(" AND {column} {beyond} ?");
            values.push(after);
        }
        let text = format!(
            "SELECT {first}({column}) FROM reservation INDEXED BY {index} WHERE tenant = ?{condition}"
        );
        self.connection.prepare_cached(&text)?.query_row(params_from_iter(values), |row| row.get(0))
    }

    fn select(&self, index: &str, conditions: &Where, order: &str, rows: &mut Rows) -> Result<()> {
        let text = format!(
            "SELECT {} FROM reservation INDEXED BY {index} WHERE tenant = ?{} ORDER BY {order}",
            rows::COLUMNS,
            conditions.text
        );
        let values = std::iter::once(Value::from(self.tenant)).chain(conditions.values.clone());
        let mut select = self.connection.prepare_cached(&text)?;
        let mut found = select.query(params_from_iter(values))?;
        let filter = ScopeFilter::new(&self.query.scope_filter);
        while rows.len() < self.query.limit
            && let Some(row) = found.next()?
        {
            let (id, record) = rows::read(row)?;
            if filter.admits_levels(|level| record.work.level(level), &self.query.tenant) {
                rows.push((id, record));
            }
        }
        Ok(())
    }

    fn after(&self) -> Option<(Value, Value)> {
        let (value, id) = self.query.after.as_ref()?;
        let value = match value {
            SortValue::Number(number) => (*number).into(),
            SortValue::Text(text) => text.clone().into(),
        };
        Some((value, id.as_bytes().to_vec().into()))
    }

    fn filters(&self) -> Where {
        let params = &self.query.params;
        let mut conditions = Where::default();
        // Past its retention, but not yet removed.
        conditions.and("(state = 0 OR ended_at >= ?)", [self.query.ended_from.into()]);
        if let Some(status) = params.status {
            // Written out: SQLite looks for it to use the index of what is open.
            conditions.and(&format!("state = {}", state(status)), []);
        }
        conditions.within("created_at", params.created);
        conditions.within("expires_at", params.expires);
        if params.finalized != Window::default() {
            // spec: an expired reservation was not finalised
            conditions.and("state IN (1, 2)", []);
            conditions.within("ended_at", params.finalized);
        }
        for (level, column) in LEVELS {
            if let Some(value) = params.subject.get(level) {
                let condition = format!("{column} = ? COLLATE NOCASE");
                conditions.and(&condition, [value.to_owned().into()]);
            }
        }
        conditions
    }
}

fn state(status: ReservationStatus) -> i64 {
    match status {
        ReservationStatus::Active => 0,
        ReservationStatus::Committed => 1,
        ReservationStatus::Released => 2,
        ReservationStatus::Expired => 3,
        _ => -1, // refused before it gets here
    }
}
