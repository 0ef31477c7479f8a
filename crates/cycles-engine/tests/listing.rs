//! Listing reservations and balances, page by page.
#![expect(clippy::unwrap_used, reason = "tests")]

mod fixture;

use cycles_protocol::query::Window;
use cycles_protocol::{
    Amount, Authority, Balance, BalanceParams, CommitRequest, ErrorCode, ListReservationsParams,
    ReservationListResponse, ReservationStatus, SortDirection, SortKey, Subject,
};
use fixture::{Client, SEED, START, call, client, create, now, refused, start, subject};

fn list(client: &Client, params: ListReservationsParams) -> ReservationListResponse {
    now(client.0.list_reservations(&call(), params)).unwrap().value
}

fn sorted(sort_by: SortKey, sort_dir: SortDirection, limit: usize) -> ListReservationsParams {
    ListReservationsParams {
        sort_by: Some(sort_by),
        sort_dir: Some(sort_dir),
        limit: Some(limit),
        ..ListReservationsParams::default()
    }
}

/// Twelve reservations that tie in most keys.
fn twelve() -> (cycles_engine::Engine, Client) {
    let (engine, clock) = start(fixture::SEED);
    let client = client(&engine);
    for index in 0..12 {
        let mut request = create(index % 3);
        request.subject.agent = Some(format!("bot-{}", index % 4));
        request.ttl_ms = Some(10_000 + index % 2);
        let id = client.reserve(request).unwrap().reservation_id.unwrap();
        match index % 3 {
            0 => {}
            1 => _ = client.commit(&id, 0).unwrap(),
            _ => _ = client.release(&id).unwrap(),
        }
        clock.advance(index % 2);
    }
    (engine, client)
}

#[test]
fn every_key_pages_through_every_row_once() {
    let (_engine, client) = twelve();
    for sort_by in SortKey::ALL {
        for direction in SortDirection::ALL {
            let whole = list(&client, sorted(*sort_by, *direction, 200));
            assert_eq!((whole.reservations.len(), whole.has_more), (12, Some(false)));
            // 4 divides 12: the last page is full, and still the last.
            let (mut rows, mut cursor, mut pages) = (Vec::new(), None, 0);
            loop {
                let mut params = sorted(*sort_by, *direction, 4);
                params.cursor = cursor;
                let page = list(&client, params);
                rows.extend(page.reservations);
                pages += 1;
                assert_eq!(page.has_more, Some(page.next_cursor.is_some()));
                cursor = page.next_cursor;
                if cursor.is_none() {
                    break;
                }
            }
            assert_eq!((&rows, pages), (&whole.reservations, 3), "{sort_by} {direction}");
            let key = |index: usize| {
                let row = &rows[index];
                match sort_by {
                    SortKey::Reserved => format!("{:020}", row.reserved.amount),
                    SortKey::CreatedAtMs => format!("{:020}", row.created_at_ms),
                    SortKey::ExpiresAtMs => format!("{:020}", row.expires_at_ms),
                    SortKey::Status => row.status.to_string(),
                    SortKey::ScopePath => row.scope_path.clone(),
                    SortKey::ReservationId => row.reservation_id.to_string(),
                    _ => String::new(),
                }
            };
            for next in 1..12 {
                let (before, after) = (key(next - 1), key(next));
                let ids = (&rows[next - 1].reservation_id, &rows[next].reservation_id);
                match (before == after, *direction == SortDirection::Asc) {
                    (true, _) => assert!(ids.0 < ids.1, "ties go by id, ascending"),
                    (false, true) => assert!(before < after),
                    (false, false) => assert!(before > after),
                }
            }
        }
    }
}

#[test]
fn a_cursor_is_bound_to_sort_and_filters() {
    let (_engine, client) = twelve();
    let page = list(&client, sorted(SortKey::Reserved, SortDirection::Asc, 4));
    let with = |change: &dyn Fn(&mut ListReservationsParams)| {
        let mut params = sorted(SortKey::Reserved, SortDirection::Asc, 4);
        params.cursor.clone_from(&page.next_cursor);
        change(&mut params);
        now(client.0.list_reservations(&call(), params))
    };
    refused(with(&|p| p.sort_by = None), ErrorCode::InvalidRequest);
    refused(with(&|p| p.sort_dir = None), ErrorCode::InvalidRequest);
    refused(with(&|p| p.status = Some(ReservationStatus::Active)), ErrorCode::InvalidRequest);
    refused(with(&|p| p.expires.to = Some(START * 2)), ErrorCode::InvalidRequest);
    refused(with(&|p| p.subject.agent = Some("bot-1".into())), ErrorCode::InvalidRequest);
    refused(with(&|p| p.cursor = Some("AAAA".into())), ErrorCode::InvalidRequest);
    refused(with(&|p| p.limit = Some(201)), ErrorCode::InvalidRequest);
    // Page size, projection and the caller's own tenant are not filters.
    assert!(with(&|p| p.limit = Some(1)).is_ok());
    assert!(with(&|p| p.include = vec!["metadata".into()]).is_ok());
    assert!(with(&|p| p.subject.tenant = Some("acme".into())).is_ok());
}

#[test]
fn filters_combine() {
    let (_engine, client) = twelve();
    let count = |change: &dyn Fn(&mut ListReservationsParams)| {
        let mut params = ListReservationsParams::default();
        change(&mut params);
        list(&client, params).reservations.len()
    };
    assert_eq!(count(&|p| p.status = Some(ReservationStatus::Active)), 4);
    assert_eq!(count(&|p| p.subject.agent = Some("Bot-1".into())), 3);
    assert_eq!(count(&|p| p.created.to = Some(START)), 2);
    assert_eq!(count(&|p| p.created.from = Some(START + 6)), 0);
    assert_eq!(count(&|p| p.expires = Window { from: Some(START + 10_006), to: None }), 1);
    assert_eq!(count(&|p| p.finalized.from = Some(0)), 8, "active rows have no such time");
    assert_eq!(count(&|p| p.finalized.to = Some(START)), 1);
    assert_eq!(
        count(&|p| {
            p.status = Some(ReservationStatus::Committed);
            p.subject.agent = Some("bot-1".into());
        }),
        1
    );
}

#[test]
fn heavy_fields_come_on_request_and_a_key_finds_its_reservation() {
    let (engine, _) = start(fixture::SEED);
    let client = client(&engine);
    let metadata = |value: &str| {
        Some(serde_json::Map::from_iter([("k".to_owned(), serde_json::Value::from(value))]))
    };
    client.hold(1);
    let mut request = fixture::create_with("mine", 5, None);
    request.metadata = metadata("reserve");
    let id = client.reserve(request).unwrap().reservation_id.unwrap();
    let mut commit = CommitRequest::builder().actual(Amount::tokens(4)).build();
    commit.metadata = metadata("commit");
    client.commit_as(&id, commit).unwrap();

    let find = |include: &[&str]| {
        let params = ListReservationsParams {
            idempotency_key: Some("mine".into()),
            include: include.iter().map(|field| (*field).to_owned()).collect(),
            ..ListReservationsParams::default()
        };
        let mut rows = list(&client, params).reservations;
        assert_eq!(rows.len(), 1);
        rows.remove(0)
    };
    let row = find(&["nonsense"]);
    assert_eq!((&row.metadata, &row.committed_metadata), (&None, &None));
    assert_eq!((row.committed, row.finalized_at_ms), (Some(Amount::tokens(4)), Some(START)));
    let row = find(&["metadata", "committed_metadata"]);
    assert_eq!((row.metadata, row.committed_metadata), (metadata("reserve"), metadata("commit")));
    assert_eq!(client.get(&id).unwrap().committed_metadata, metadata("commit"));
}

#[test]
fn balances_page_in_the_order_of_their_scopes() {
    let (engine, _) = start(
        "keys: [{name: a, secret: cyc_test_acme, tenant_id: acme}]
budgets:
  - {scope: 'tenant:acme/workspace:b/agent:x', unit: TOKENS, allocated: 1}
  - {scope: 'tenant:acme/workspace:a', unit: TOKENS, allocated: 2}
  - {scope: 'tenant:acme', unit: CREDITS, allocated: 3}
  - {scope: 'tenant:acme', unit: TOKENS, allocated: 4}
  - {scope: 'tenant:other', unit: TOKENS, allocated: 5}",
    );
    let client = client(&engine);
    let get = |subject: Subject, include_children, limit, cursor| {
        let params = BalanceParams { subject, include_children, limit, cursor };
        now(client.0.get_balances(&call(), params)).map(|answer| answer.value)
    };
    let amounts = |rows: &[Balance]| -> Vec<_> {
        rows.iter().map(|row| row.allocated.unwrap().amount).collect()
    };
    let exact = get(subject(), false, None, None).unwrap();
    assert_eq!(amounts(&exact.balances), [4, 3]);
    let all = get(subject(), true, None, None).unwrap();
    assert_eq!((amounts(&all.balances), all.has_more), (vec![4, 3, 2, 1], Some(false)));
    let first = get(subject(), true, Some(2), None).unwrap();
    assert_eq!((amounts(&first.balances), first.has_more), (vec![4, 3], Some(true)));
    let last = get(subject(), true, Some(2), first.next_cursor.clone()).unwrap();
    assert_eq!((amounts(&last.balances), last.has_more), (vec![2, 1], Some(false)));
    assert_eq!(last.next_cursor, None);
    refused(get(subject(), false, Some(2), first.next_cursor), ErrorCode::InvalidRequest);
    let agent = Subject { agent: Some("X".into()), ..Subject::default() };
    assert_eq!(amounts(&get(agent, false, None, None).unwrap().balances), [1]);
}

#[test]
fn a_typed_window_that_ends_before_it_starts_is_refused() {
    let (engine, _) = start(SEED);
    let window = Window { from: Some(2), to: Some(1) };
    let params = ListReservationsParams { finalized: window, ..Default::default() };
    let error = refused(
        now(client(&engine).0.list_reservations(&call(), params)),
        ErrorCode::InvalidRequest,
    );
    assert!(error.message().contains("finalized_from"), "{error}");
}
