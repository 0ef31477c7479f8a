//! A page of a listing, from the index of its order.

use cycles_engine::durable::{Record, ReservationQuery, SortValue};
use cycles_protocol::query::Window;
use cycles_protocol::scope::Level;
use cycles_protocol::{ReservationStatus, ScopeFilter, SortDirection, SortKey};
use rusqlite::types::Value;
use rusqlite::{Connection, Result, params_from_iter};
use uuid::Uuid;

use crate::keys::RecentKeys;
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
pub(crate) fn page(
    connection: &Connection,
    keys: &RecentKeys,
    tenant: i64,
    query: &ReservationQuery,
) -> Result<Rows> {
    let listing = Listing { connection, tenant, query };
    if let Some(key) = &query.params.idempotency_key {
        return listing.with_number(keys.newest(connection, tenant, key.as_str())?);
    }
    match query.sort_by {
        SortKey::ExpiresAtMs => listing.by_expiry(),
        SortKey::Reserved => listing.by_group("reservation_estimate", "estimate"),
        SortKey::ScopePath => listing.by_group("reservation_scope", "scope_path"),
        SortKey::Status => listing.by_status(),
        // There is one tenant: what is left is the id.
        SortKey::Tenant => listing.by_id(SortDirection::Asc),
        SortKey::ReservationId => listing.by_id(query.direction),
        _ => listing.by_creation(),
    }
}

impl Listing<'_> {
    /// By a time that few rows share: SQLite sorts those by id.
    fn by_expiry(&self) -> Result<Rows> {
        let mut conditions = self.filters();
        let ascending = self.query.direction == SortDirection::Asc;
        if let Some((value, id)) = self.after() {
            let (reached, beyond) = if ascending { (">=", ">") } else { ("<=", "<") };
            let condition = format!("expires_at {reached} ? AND (expires_at {beyond} ? OR id > ?)");
            conditions.and(&condition, [value.clone(), value, id]);
        }
        let order = if ascending { "expires_at ASC, id ASC" } else { "expires_at DESC, id ASC" };
        let mut rows = Rows::new();
        self.select("reservation_expires", &conditions, order, &mut rows)?;
        Ok(rows)
    }

    /// By creation, which is the order of ids but for what was made in the same
    /// millisecond when the newest come first: the first of each state, and the
    /// first of those.
    fn by_creation(&self) -> Result<Rows> {
        let ascending = self.query.direction == SortDirection::Asc;
        let mut rows = Rows::new();
        for state in self.states() {
            let mut conditions = self.filters();
            conditions.and("state = ?", [state.into()]);
            self.created(&mut conditions);
            let mut of_state = Rows::new();
            let order = if ascending { "id ASC" } else { "id DESC" };
            self.select_while(
                "reservation_state",
                &conditions,
                order,
                &mut of_state,
                |rows, it| {
                    // All of a millisecond: the first of them by id comes last.
                    let is_of_last = |(_, last): &(Uuid, Record)| {
                        !ascending && last.reservation.created_at == it.reservation.created_at
                    };
                    rows.len() < self.query.limit || rows.last().is_some_and(is_of_last)
                },
            )?;
            rows.append(&mut of_state);
        }
        rows.sort_unstable_by_key(|(id, record)| {
            let created = record.reservation.created_at;
            (if ascending { created } else { -created }, *id)
        });
        rows.truncate(self.query.limit);
        Ok(rows)
    }

    /// Where a listing by creation begins and ends, as ids.
    fn created(&self, conditions: &mut Where) {
        let ascending = self.query.direction == SortDirection::Asc;
        let window = self.query.params.created;
        if let Some(id) = window.from.and_then(first_id) {
            conditions.and("id >= ?", [id]);
        }
        if let Some(id) = window.to.and_then(|to| first_id(to.saturating_add(1))) {
            conditions.and("id < ?", [id]);
        }
        match &self.query.after {
            Some((SortValue::Number(created), id)) if !ascending => {
                if let Some(end) = first_id(created.saturating_add(1)) {
                    conditions.and("id < ?", [end]);
                }
                let id = id.as_bytes().to_vec();
                conditions.and("(created_at < ? OR id > ?)", [(*created).into(), id.into()]);
            }
            Some((_, id)) => conditions.and("id > ?", [id.as_bytes().to_vec().into()]),
            None => {}
        }
    }

    /// Numbers of the states that may be listed.
    fn states(&self) -> Vec<i64> {
        self.query.params.status.map_or_else(|| (0..4).collect(), |status| vec![state(status)])
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

    /// The one with a number, if there is one; no page follows it.
    fn with_number(&self, number: Option<i64>) -> Result<Rows> {
        let mut rows = Rows::new();
        if let (Some(number), None) = (number, &self.query.after) {
            let mut conditions = self.filters();
            conditions.and("number = ?", [number.into()]);
            self.select_from("reservation", &conditions, "number", &mut rows, |_, _| true)?;
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
        let limit = self.query.limit;
        self.select_while(index, conditions, order, rows, |rows, _| rows.len() < limit)
    }

    /// Takes rows as long as they are wanted after those that there are.
    fn select_while(
        &self,
        index: &str,
        conditions: &Where,
        order: &str,
        rows: &mut Rows,
        wanted: impl Fn(&Rows, &Record) -> bool,
    ) -> Result<()> {
        let table = format!("reservation INDEXED BY {index}");
        self.select_from(&table, conditions, order, rows, wanted)
    }

    fn select_from(
        &self,
        table: &str,
        conditions: &Where,
        order: &str,
        rows: &mut Rows,
        wanted: impl Fn(&Rows, &Record) -> bool,
    ) -> Result<()> {
        let text = format!(
            "SELECT {} FROM {table} WHERE tenant = ?{} ORDER BY {order}",
            rows::COLUMNS,
            conditions.text
        );
        let values = std::iter::once(Value::from(self.tenant)).chain(conditions.values.clone());
        let mut select = self.connection.prepare_cached(&text)?;
        let mut found = select.query(params_from_iter(values))?;
        let filter = ScopeFilter::new(&self.query.scope_filter);
        while let Some(row) = found.next()? {
            let (id, record) = rows::read(row)?;
            if !wanted(rows, &record) {
                break;
            }
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

/// The least id of what is made at a time; ids begin with 48 bits of it. None where
/// no id is that late.
fn first_id(created: i64) -> Option<Value> {
    let bytes = created.max(0).to_be_bytes();
    let mut id = bytes[2..].to_vec();
    id.resize(16, 0);
    bytes.starts_with(&[0, 0]).then_some(id.into())
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
