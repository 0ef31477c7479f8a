//! What has ended goes when there is too much of it, and what that means.
#![expect(clippy::unwrap_used, reason = "tests")]

mod fixture;

use cycles_engine::{Engine, Seed};
use cycles_protocol::{ErrorCode, SystemClock, SystemRandom};
use fixture::{SEED, amounts, client, create_with, refused, start};

#[test]
fn the_oldest_ended_reservations_go_and_open_ones_stay() {
    let (engine, _) = start(&format!("{SEED}retention: {{finalized_max: 2}}"));
    let client = client(&engine);
    let open = client.hold(1);
    let ended: Vec<_> = (0..4).map(|_| client.hold(1)).collect();
    for id in &ended {
        client.commit(id, 1).unwrap();
    }
    engine.sweep();
    for (index, id) in ended.iter().enumerate() {
        assert_eq!(client.get(id).is_ok(), index >= 2, "{index}");
    }
    refused(client.commit(&ended[0], 1), ErrorCode::NotFound);
    assert!(client.get(&open).is_ok());
    assert_eq!(amounts(&engine), (995, 1, 4), "what was charged stays charged");
}

#[test]
fn the_create_key_of_one_that_has_gone_starts_anew() {
    let (engine, _) = start(&format!("{SEED}retention: {{finalized_max: 1}}"));
    let client = client(&engine);
    let first = client.reserve(create_with("k", 1, None)).unwrap().reservation_id.unwrap();
    client.release(&first).unwrap();
    assert_eq!(
        client.reserve(create_with("k", 1, None)).unwrap().reservation_id.as_ref(),
        Some(&first)
    );
    client.release(&client.hold(1)).unwrap();
    engine.sweep();
    let again = client.reserve(create_with("k", 1, None)).unwrap().reservation_id.unwrap();
    assert_ne!(again, first);
}

#[test]
fn answers_beyond_the_most_are_given_anew() {
    let (engine, _) = start(&format!("{SEED}retention: {{replays_max: 1}}"));
    let client = client(&engine);
    let first = client.event("a", 1).unwrap().event_id;
    assert_eq!(client.event("a", 1).unwrap().event_id, first);
    client.event("b", 1).unwrap();
    assert_ne!(client.event("a", 1).unwrap().event_id, first);
}

#[test]
fn what_keeps_nothing_is_refused_and_named() {
    for wrong in ["{finalized_max: 0}", "{replays_max: 0}", "{finalized_ms: -1}"] {
        let seed = Seed::from_yaml(&format!("retention: {wrong}")).unwrap();
        let clock = std::sync::Arc::new(SystemClock::new());
        let error = Engine::with_seed(&seed, clock, std::sync::Arc::new(SystemRandom)).unwrap_err();
        assert!(error.to_string().contains("retention: "), "{error}");
    }
    assert!(Seed::from_yaml("retention: {forever: true}").is_err());
}
