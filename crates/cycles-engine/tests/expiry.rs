//! Leases end exactly when the clock says so, swept or not.
#![expect(clippy::unwrap_used, reason = "tests")]

mod fixture;

use cycles_protocol::{Authority, ErrorCode, ListReservationsParams, ReservationStatus};
use fixture::{amounts, call, client, create, now, refused, start};

#[test]
fn every_command_sees_expiry_at_once() {
    let (engine, clock) = start(fixture::SEED);
    let client = client(&engine);
    client.hold(1_000);
    refused(client.reserve(create(1_000)), ErrorCode::BudgetExceeded);
    clock.advance(65_000);
    refused(client.reserve(create(1_000)), ErrorCode::BudgetExceeded);
    clock.advance(1);
    client.hold(1_000);
}

#[test]
fn grace_settles_but_does_not_extend() {
    let (engine, clock) = start(fixture::SEED);
    let client = client(&engine);
    let (committed, released, extended) = (client.hold(100), client.hold(200), client.hold(300));
    clock.advance(60_000);
    client.extend(&extended, "k", 1_000).unwrap();
    clock.advance(1_001);
    refused(client.extend(&extended, "l", 1_000), ErrorCode::ReservationExpired);
    client.commit(&committed, 100).unwrap();
    client.release(&released).unwrap();
    assert_eq!(amounts(&engine), (600, 300, 100));
}

#[test]
fn an_expired_reservation_is_gone_for_all_but_the_listing() {
    let (engine, clock) = start(fixture::SEED);
    let client = client(&engine);
    let id = client.hold(100);
    clock.advance(65_001);
    refused(client.commit(&id, 1), ErrorCode::ReservationExpired);
    refused(client.release(&id), ErrorCode::ReservationExpired);
    refused(client.extend(&id, "k", 1_000), ErrorCode::ReservationExpired);
    let gone = refused(client.get(&id), ErrorCode::ReservationExpired);
    assert_eq!(gone.status(), Some(410));
    let rows = now(client.0.list_reservations(&call(), ListReservationsParams::default()));
    let rows = rows.unwrap().value.reservations;
    assert_eq!(rows[0].status, ReservationStatus::Expired);
    assert_eq!(rows[0].finalized_at_ms, None);
    assert_eq!(amounts(&engine), (1_000, 0, 0));
}

#[test]
fn sweeping_only_tidies() {
    let (engine, clock) = start(fixture::SEED);
    let client = client(&engine);
    client.hold(100);
    client.hold(200);
    assert_eq!(engine.sweep(), 0);
    clock.advance(65_001);
    assert_eq!(engine.sweep(), 2);
    assert_eq!(engine.sweep(), 0);
    assert_eq!(amounts(&engine), (1_000, 0, 0));
}

#[test]
fn ended_reservations_are_forgotten_after_30_days() {
    let (engine, clock) = start(fixture::SEED);
    let client = client(&engine);
    let id = client.hold(100);
    client.commit(&id, 100).unwrap();
    clock.advance(30 * 24 * 60 * 60 * 1_000);
    client.get(&id).unwrap();
    clock.advance(1);
    refused(client.get(&id), ErrorCode::NotFound);
    assert_eq!(amounts(&engine), (900, 0, 100));
}
