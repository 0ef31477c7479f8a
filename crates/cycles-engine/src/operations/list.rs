//! `GET /v1/reservations`

use std::cmp::Ordering;

use cycles_protocol::scope::Level;
use cycles_protocol::{
    Error, ErrorCode, ListReservationsParams, Permission, Principal, ReservationListResponse,
    ReservationSummary, SortDirection, SortKey,
};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::access::Access as Asker;
use crate::durability::Access;
use crate::durable::{ReservationQuery, SortValue};
use crate::store::{Record, TenantState};
use crate::{Engine, access, cursor, ids};
use cycles_protocol::ScopeFilter;

/// A cursor (semantics 2.18).
#[derive(Serialize, Deserialize)]
struct After {
    v: u8,
    sb: SortKey,
    sd: SortDirection,
    fh: String,
    lsv: SortValue,
    lrid: Uuid,
}

const VERSION: u8 = 1;

type Row<'a> = (SortValue, Uuid, &'a Record);

impl Engine {
    /// The listing from memory, or from the indexes of a store that keeps the
    /// ledger: memory has only what is open there.
    pub(crate) async fn list_reservations_answer(
        &self,
        principal: &Principal,
        params: ListReservationsParams,
    ) -> Result<ReservationListResponse, Error> {
        let listed = self.durably(Access::Reads, || self.list_reservations_now(principal, &params));
        match (listed.await?, self.store()) {
            (Listed::Page(page), _) => Ok(page),
            (Listed::InStore(page), None) => Ok(page.with(Vec::new())),
            // All that was answered before is in the store now.
            (Listed::InStore(page), Some(store)) => {
                let rows = store.list(page.rows()).await?;
                Ok(page.with(rows))
            }
        }
    }

    fn list_reservations_now(
        &self,
        principal: &Principal,
        params: &ListReservationsParams,
    ) -> Result<Listed, Error> {
        let access = access::tenant_or_admin(principal)?;
        let limit = cursor::page(params.limit)?;
        params.validate()?;
        access.require(&[Permission::ReservationsList])?;
        let asked = params.subject.tenant.as_deref();
        let (tenant_id, filter) = match &access {
            Asker::Tenant(caller) => {
                caller.is_tenant(asked, "tenant")?;
                (caller.tenant_id, caller.scope_filter)
            }
            Asker::Admin => (asked.ok_or_else(tenant_required)?, &[][..]),
        };
        let listing = Listing::new(params, tenant_id, filter);
        let after = match &params.cursor {
            Some(text) => Some(cursor::read(text, |after| listing.owns(after))?),
            None => None,
        };
        // To an operator, a tenant that does not exist has no reservations.
        let Some(tenant) = self.find_tenant(tenant_id) else {
            let page = ReservationListResponse { has_more: Some(false), ..Default::default() };
            return Ok(Listed::Page(page));
        };
        let (state, now) = self.turn(&tenant)?;
        if self.store().is_some() {
            let owner = tenant.id.clone();
            let ended_from = now.saturating_sub(self.retention().finalized_ms);
            return Ok(Listed::InStore(Box::new(InStore::new(
                &listing, owner, ended_from, after, limit,
            ))));
        }
        let mut rows = listing.rows(&state, after.as_ref());
        let has_more = rows.len() > limit;
        if has_more {
            rows.select_nth_unstable_by(limit, |a, b| listing.order((&a.0, a.1), (&b.0, b.1)));
            rows.truncate(limit);
        }
        rows.sort_unstable_by(|a, b| listing.order((&a.0, a.1), (&b.0, b.1)));
        let next_cursor = rows
            .last()
            .filter(|_| has_more)
            .and_then(|(value, id, _)| listing.bookmark(value.clone(), *id));
        let reservations = rows
            .into_iter()
            .map(|(_, id, record)| project(record.detail(id, tenant_id), &params.include))
            .collect();
        let has_more = Some(has_more);
        Ok(Listed::Page(ReservationListResponse { reservations, next_cursor, has_more }))
    }
}

/// A page, or what to ask the store for one.
enum Listed {
    Page(ReservationListResponse),
    InStore(Box<InStore>),
}

/// A page that the store has.
struct InStore {
    query: ReservationQuery,
    /// What its last row is marked with.
    fingerprint: String,
    /// As the listing names the tenant.
    tenant: String,
}

impl InStore {
    fn new(
        listing: &Listing<'_>,
        owner: String,
        ended_from: i64,
        after: Option<After>,
        limit: usize,
    ) -> Self {
        let query = ReservationQuery {
            tenant: owner,
            params: listing.params.clone(),
            scope_filter: listing.filter.to_vec(),
            ended_from,
            sort_by: listing.sort_by,
            direction: listing.direction,
            after: after.map(|after| (after.lsv, after.lrid)),
            limit,
        };
        let (fingerprint, tenant) = (listing.fingerprint.clone(), listing.tenant.to_owned());
        Self { query, fingerprint, tenant }
    }

    /// One row more than the page has, to see whether there is another page.
    fn rows(&self) -> ReservationQuery {
        ReservationQuery { limit: self.query.limit + 1, ..self.query.clone() }
    }

    fn with(self, mut rows: Vec<(Uuid, Record)>) -> ReservationListResponse {
        let has_more = rows.len() > self.query.limit;
        rows.truncate(self.query.limit);
        let ReservationQuery { params, scope_filter, .. } = &self.query;
        let listing = Listing::with(params, &self.tenant, scope_filter, self.fingerprint);
        let next_cursor = rows
            .last()
            .filter(|_| has_more)
            .and_then(|(id, record)| listing.bookmark(listing.value(*id, record), *id));
        let reservations = rows
            .into_iter()
            .map(|(id, record)| project(record.detail(id, &self.tenant), &params.include))
            .collect();
        ReservationListResponse { reservations, next_cursor, has_more: Some(has_more) }
    }
}

// spec: TENANCY, the message is given word for word
fn tenant_required() -> Error {
    Error::new(
        ErrorCode::InvalidRequest,
        "tenant query parameter is required when using admin key authentication",
    )
}

/// One listing: what it filters by, and how it sorts.
struct Listing<'a> {
    params: &'a ListReservationsParams,
    tenant: &'a str,
    filter: &'a [String],
    sort_by: SortKey,
    direction: SortDirection,
    fingerprint: String,
}

impl<'a> Listing<'a> {
    fn new(params: &'a ListReservationsParams, tenant: &'a str, filter: &'a [String]) -> Self {
        // `include` and the page size are not bound into the cursor.
        let mut bound = ListReservationsParams {
            include: Vec::new(),
            limit: None,
            cursor: None,
            sort_by: None,
            sort_dir: None,
            ..params.clone()
        };
        // Naming one's own tenant changes nothing.
        bound.subject.tenant = None;
        let fingerprint = cursor::fingerprint(&(tenant, filter, bound.to_query()));
        Self::with(params, tenant, filter, fingerprint)
    }

    fn with(
        params: &'a ListReservationsParams,
        tenant: &'a str,
        filter: &'a [String],
        fingerprint: String,
    ) -> Self {
        Self {
            params,
            tenant,
            filter,
            sort_by: params.sort_by.unwrap_or(SortKey::CreatedAtMs),
            direction: params.sort_dir.unwrap_or(SortDirection::Desc),
            fingerprint,
        }
    }

    fn rows<'r>(&self, state: &'r TenantState, after: Option<&After>) -> Vec<Row<'r>> {
        let keep = |(id, record): (Uuid, &'r Record)| {
            if !self.matches(record) {
                return None;
            }
            let value = self.value(id, record);
            let is_after = |after: &After| {
                self.order((&value, id), (&after.lsv, after.lrid)) == Ordering::Greater
            };
            after.is_none_or(is_after).then_some((value, id, record))
        };
        match &self.params.idempotency_key {
            Some(key) => state.reservations.by_key(key).into_iter().filter_map(keep).collect(),
            None => state.reservations.iter().filter_map(keep).collect(),
        }
    }

    fn matches(&self, record: &Record) -> bool {
        let reservation = &record.reservation;
        let params = self.params;
        params.status.is_none_or(|status| status == reservation.state.status())
            && params.created.contains(Some(reservation.created_at))
            && params.expires.contains(Some(reservation.expires_at))
            && params.finalized.contains(record.finalized_at())
            && params.subject.levels().filter(|(level, _)| *level != Level::Tenant).all(
                |(level, wanted)| {
                    let value = record.work.level(level);
                    value.is_some_and(|value| value.eq_ignore_ascii_case(wanted))
                },
            )
            && ScopeFilter::new(self.filter)
                .admits_levels(|level| record.work.level(level), self.tenant)
    }

    fn value(&self, id: Uuid, record: &Record) -> SortValue {
        use SortValue as Value;
        let reservation = &record.reservation;
        match self.sort_by {
            SortKey::ReservationId => Value::Text(ids::reservation(id)),
            SortKey::Tenant => Value::Text(self.tenant.to_owned()),
            SortKey::ScopePath => Value::Text(record.scopes(self.tenant).pop().unwrap_or_default()),
            SortKey::Status => Value::Text(reservation.state.status().as_str().to_owned()),
            SortKey::Reserved => Value::Number(reservation.estimate),
            SortKey::ExpiresAtMs => Value::Number(reservation.expires_at),
            SortKey::CreatedAtMs | SortKey::Unknown | _ => Value::Number(reservation.created_at),
        }
    }

    /// Ties are broken by reservation id, ascending in both directions.
    fn order(&self, a: (&SortValue, Uuid), b: (&SortValue, Uuid)) -> Ordering {
        let by_value = a.0.cmp(b.0);
        let by_value = match self.direction {
            SortDirection::Asc => by_value,
            _ => by_value.reverse(),
        };
        by_value.then(a.1.cmp(&b.1))
    }

    fn owns(&self, after: &After) -> bool {
        after.v == VERSION
            && after.sb == self.sort_by
            && after.sd == self.direction
            && after.fh == self.fingerprint
    }

    /// The cursor of a page that ends with such a row.
    fn bookmark(&self, lsv: SortValue, lrid: Uuid) -> Option<String> {
        cursor::write(&After {
            v: VERSION,
            sb: self.sort_by,
            sd: self.direction,
            fh: self.fingerprint.clone(),
            lsv,
            lrid,
        })
    }
}

/// spec: `include`; heavy fields only on request, unknown tokens are ignored
fn project(mut row: ReservationSummary, include: &[String]) -> ReservationSummary {
    let asked = |field: &str| include.iter().any(|name| name == field);
    if !asked("metadata") {
        row.metadata = None;
    }
    if !asked("committed_metadata") {
        row.committed_metadata = None;
    }
    if !asked("evidence") {
        row.evidence = None;
    }
    row
}
