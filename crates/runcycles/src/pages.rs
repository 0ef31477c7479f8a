//! Listings item by item: the next page is fetched when it is needed.

use std::collections::VecDeque;
use std::future::Future;

use cycles_protocol::{
    Balance, BalanceResponse, Error as Refusal, ReservationListResponse, ReservationSummary,
};
use futures_util::{Stream, stream};

use crate::client::CyclesClient;
use crate::error::Error;
use crate::params::{BalanceParams, ListReservationsParams};

impl CyclesClient {
    /// All reservations that match, one by one, from `params.cursor` on;
    /// `params.limit` is how many are fetched at once. Ends after an error.
    pub fn list_reservations_stream(
        &self,
        params: ListReservationsParams,
    ) -> impl Stream<Item = Result<ReservationSummary, Error>> + Send + Unpin + use<> {
        let client = self.clone();
        items(params.cursor.clone(), move |cursor| {
            let (client, params) =
                (client.clone(), ListReservationsParams { cursor, ..params.clone() });
            async move { client.list_reservations(&params).await.map(Page::from) }
        })
    }

    /// All balances that match, one by one, from `params.cursor` on;
    /// `params.limit` is how many are fetched at once. Ends after an error.
    pub fn balances_stream(
        &self,
        params: BalanceParams,
    ) -> impl Stream<Item = Result<Balance, Error>> + Send + Unpin + use<> {
        let client = self.clone();
        items(params.cursor.clone(), move |cursor| {
            let (client, params) = (client.clone(), BalanceParams { cursor, ..params.clone() });
            async move { client.get_balances(&params).await.map(Page::from) }
        })
    }
}

struct Page<T> {
    rows: Vec<T>,
    next: Option<String>,
}

impl From<ReservationListResponse> for Page<ReservationSummary> {
    fn from(page: ReservationListResponse) -> Self {
        let next = next(page.has_more, page.next_cursor);
        Self { rows: page.reservations, next }
    }
}

impl From<BalanceResponse> for Page<Balance> {
    fn from(page: BalanceResponse) -> Self {
        let next = next(page.has_more, page.next_cursor);
        Self { rows: page.balances, next }
    }
}

fn next(has_more: Option<bool>, cursor: Option<String>) -> Option<String> {
    cursor.filter(|cursor| has_more != Some(false) && !cursor.is_empty())
}

/// Where a listing stands.
struct Listing<T, F> {
    fetch: F,
    rows: VecDeque<T>,
    next: Next,
}

/// The page to fetch next.
enum Next {
    First(Option<String>),
    After(String),
    None,
}

fn items<T, F, Fut>(
    start: Option<String>,
    fetch: F,
) -> impl Stream<Item = Result<T, Error>> + Send + Unpin + 'static
where
    T: Send + 'static,
    F: Fn(Option<String>) -> Fut + Send + 'static,
    Fut: Future<Output = Result<Page<T>, Error>> + Send + 'static,
{
    let listing = Listing { fetch, rows: VecDeque::new(), next: Next::First(start) };
    Box::pin(stream::try_unfold(listing, |mut listing| async {
        loop {
            if let Some(row) = listing.rows.pop_front() {
                return Ok(Some((row, listing)));
            }
            let cursor = match std::mem::replace(&mut listing.next, Next::None) {
                Next::First(cursor) => cursor,
                Next::After(cursor) => Some(cursor),
                Next::None => return Ok(None),
            };
            let page = (listing.fetch)(cursor.clone()).await?;
            if page.next.is_some() && page.next == cursor {
                return Err(repeats(page.next.as_deref()));
            }
            listing.rows = page.rows.into();
            listing.next = page.next.map_or(Next::None, Next::After);
        }
    }))
}

/// Following it would never end.
fn repeats(cursor: Option<&str>) -> Error {
    let cursor = cursor.unwrap_or_default();
    let message = format!("page names itself as the next one cursor={cursor:?}");
    Refusal::outcome_unknown(Some(200), message).into()
}
