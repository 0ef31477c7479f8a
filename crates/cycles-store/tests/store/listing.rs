//! Listings from indexes are those from memory, page for page.

use std::sync::Arc;

use cycles_engine::{Engine, Seed};
use cycles_protocol::{
    Action, Amount, Authority, ListReservationsParams, ReservationCreateRequest, ReservationStatus,
    SortDirection, SortKey, Subject,
};

use crate::fixture::{Client, Counting, Plant, SECRET, SEED, call, told, wait};

fn request(n: usize, amount: i64) -> ReservationCreateRequest {
    let agents = ["bot", "Bot", "scout"];
    let subject = Subject {
        workspace: n.is_multiple_of(4).then(|| "eng".to_owned()),
        agent: (!n.is_multiple_of(5)).then(|| agents[n % 3].to_owned()),
        ..Subject::default()
    };
    ReservationCreateRequest::builder()
        .idempotency_key(format!("key-{n}"))
        .subject(if subject.has_field() {
            subject
        } else {
            Subject { tenant: Some("acme".into()), ..subject }
        })
        .action(Action::new("llm.completion", "gpt-4o-mini"))
        .estimate(Amount::tokens(amount % 7))
        .build()
}

/// Both engines do the same.
fn work(plant: &Plant, client: &Client, clients: &[&Client]) {
    for (n, amount) in (0..60).zip(0..) {
        let id = client.reserve(request(n, amount)).unwrap().reservation_id.unwrap();
        for other in &clients[1..] {
            assert_eq!(
                other.reserve(request(n, amount)).unwrap().reservation_id.as_ref(),
                Some(&id)
            );
        }
        for client in clients {
            match n % 4 {
                0 => _ = client.commit(&id, "k", 3),
                1 => _ = client.release(&id, "r"),
                _ => {}
            }
        }
        if n % 3 == 0 {
            plant.advance(997);
        }
        if n == 30 {
            plant.advance(36_000);
        }
    }
}

fn pages(client: &Client, params: &ListReservationsParams) -> Vec<String> {
    let mut params = ListReservationsParams { limit: Some(7), ..params.clone() };
    let mut pages = Vec::new();
    loop {
        let page = wait(client.0.list_reservations(&call(), params.clone()));
        params.cursor = page.as_ref().ok().and_then(|page| page.value.next_cursor.clone());
        pages.push(told(page));
        if params.cursor.is_none() {
            return pages;
        }
    }
}

#[test]
fn every_order_and_filter_answers_the_same() {
    let plant = Plant::new();
    let durable = plant.client();
    let seed = Seed::from_yaml(SEED).unwrap();
    let clock = Arc::clone(&plant.clock);
    let memory = Engine::with_seed(&seed, clock, Arc::new(Counting::default())).unwrap();
    let memory = Client(memory.local(SECRET));
    work(&plant, &durable, &[&durable, &memory]);

    let now = plant.engine().clock().now_ms();
    let default = ListReservationsParams::default;
    let agent = |name: &str| Subject { agent: Some(name.to_owned()), ..Subject::default() };
    let mut filters = vec![default(), default(), default(), default(), default()];
    filters[1].subject = agent("BOT");
    filters[2].created.from = Some(now - 30_000);
    filters[3].finalized.to = Some(now - 5_000);
    filters[4].expires.to = Some(now + 10_000);
    for status in ReservationStatus::ALL {
        filters.push(ListReservationsParams { status: Some(*status), ..default() });
    }
    for key in ["key-7", "key-8", "none"] {
        filters.push(ListReservationsParams { idempotency_key: Some(key.into()), ..default() });
    }
    let mut rows = 0;
    for params in &filters {
        for sort_by in SortKey::ALL {
            for direction in SortDirection::ALL {
                let params = ListReservationsParams {
                    sort_by: Some(*sort_by),
                    sort_dir: Some(*direction),
                    ..params.clone()
                };
                let pages = [pages(&durable, &params), pages(&memory, &params)];
                assert_eq!(pages[0], pages[1], "{params:?}");
                rows += pages[0].concat().matches("res_").count();
            }
        }
    }
    assert!(rows > 2_000, "there was something to list rows={rows}");
}
