//! What memory forgets, the store answers; and what is past its retention goes.

use cycles_protocol::{Authority, ListReservationsParams};

use crate::fixture::{Plant, SEED, call, wait};

/// Memory keeps one ended reservation and one answer.
fn forgetful() -> Plant {
    Plant::seeded(&format!(
        "{SEED}\nretention: {{finalized_max: 1, replays_max: 1, finalized_ms: 60000}}"
    ))
}

#[test]
fn replays_outlive_memory() {
    let mut plant = forgetful();
    let client = plant.client();
    let ids: Vec<_> = (0..20).map(|n| client.hold(&n.to_string(), 100)).collect();
    let ends: Vec<_> = ids.iter().map(|id| client.commit(id, "k", 60)).collect();
    for (n, id) in ids.iter().enumerate() {
        assert_eq!(client.commit(id, "k", 60), ends[n]);
        assert!(client.commit(id, "k", 61).contains("IDEMPOTENCY_MISMATCH"));
        assert!(client.release(id, "r").contains("RESERVATION_FINALIZED"));
        assert!(client.reserve_told(&n.to_string(), 100).contains(id.as_str()));
        assert!(client.reserve_told(&n.to_string(), 99).contains("IDEMPOTENCY_MISMATCH"));
        assert!(wait(client.0.get_reservation(&call(), id)).is_ok());
    }
    drop(client);
    plant.restart();
    let client = plant.client();
    for (n, id) in ids.iter().enumerate() {
        assert!(client.reserve_told(&n.to_string(), 100).contains(id.as_str()));
    }
    let extended = client.hold("e", 100);
    let extend = |key: &str| {
        let request =
            cycles_protocol::ExtendRequest::builder().idempotency_key(key).extend_by_ms(10).build();
        wait(client.0.extend(&call(), &extended, request)).map(|it| it.value.expires_at_ms).unwrap()
    };
    let first = extend("1");
    assert_eq!(extend("2"), first + 10);
    assert_eq!([extend("1"), extend("2")], [first, first + 10], "neither extends again");
}

#[test]
fn what_is_past_its_retention_is_gone_at_once_and_removed_later() {
    let plant = forgetful();
    let client = plant.client();
    let ids: Vec<_> = (0..5).map(|n| client.hold(&n.to_string(), 100)).collect();
    for id in &ids {
        client.commit(id, "k", 60);
    }
    let count = || {
        let call = call();
        let page = client.0.list_reservations(&call, ListReservationsParams::default());
        wait(page).unwrap().value.reservations.len()
    };
    assert_eq!(count(), 5);
    plant.advance(60_001);
    assert_eq!(count(), 0);
    assert!(client.commit(&ids[0], "k", 60).contains("NOT_FOUND"));
    assert_ne!(client.hold("0", 100), ids[0], "its key starts anew");
    plant.engine().sweep();
    // A turn later everything that was asked before is written.
    client.hold("last", 1);
    let ledger = rusqlite::Connection::open(plant.ledger()).unwrap();
    let left = "SELECT count(*) FROM reservation";
    let left: i64 = ledger.query_row(left, [], |row| row.get(0)).unwrap();
    assert_eq!(left, 2, "the open ones");
    let keys = "SELECT count(*) FROM reservation_key";
    let keys: i64 = ledger.query_row(keys, [], |row| row.get(0)).unwrap();
    assert!(keys <= 2, "keys of reservations that are gone keys={keys}");
}
