//! [`ReservationQuery`]: a page of a listing, as a store is asked for it.

use cycles_protocol::{ListReservationsParams, SortDirection, SortKey};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// What a row is sorted by.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(untagged)]
pub enum SortValue {
    /// Milliseconds or an amount.
    Number(i64),
    /// Anything else.
    Text(String),
}

/// A page of a listing. Ties are broken by id, ascending in both directions.
#[derive(Debug, Clone)]
pub struct ReservationQuery {
    /// Whose reservations.
    pub tenant: String,
    /// What they must be; its page size and cursor have been read already.
    pub params: ListReservationsParams,
    /// The scope filter of whoever asks; empty admits everything.
    pub scope_filter: Vec<String>,
    /// What they are sorted by.
    pub sort_by: SortKey,
    /// Which way.
    pub direction: SortDirection,
    /// Those that ended before are past their retention.
    pub ended_from: i64,
    /// The row before the first.
    pub after: Option<(SortValue, Uuid)>,
    /// At most so many.
    pub limit: usize,
}
