//! A ledger of an older version is brought forward, with all that it holds.

use std::fs;
use std::path::Path;

use cycles_store::{SqliteStore, export, verify};
use rusqlite::Connection;

use crate::fixture::{Plant, SEED, open};

/// Makes a ledger what its first version would have made of it.
fn make_first_version(ledger: &Path) {
    let it = Connection::open(ledger).unwrap();
    it.execute_batch(
        "DROP TABLE reservation_key;
         DELETE FROM meta WHERE name = 'keyed';
         CREATE INDEX reservation_key ON reservation (tenant, key);
         CREATE INDEX reservation_open ON reservation (tenant, created_at, id) WHERE state = 0;
         CREATE INDEX reservation_created ON reservation (tenant, created_at, id);
         PRAGMA user_version = 1;",
    )
    .unwrap();
    drop(it);
    // As nobody has changed it since it was written.
    fs::remove_file(ledger.with_file_name("ledger.sums")).unwrap();
}

#[test]
fn a_ledger_of_the_first_version_comes_forward() {
    let seed = format!("{SEED}\nretention: {{finalized_max: 1, replays_max: 1}}");
    let mut plant = Plant::seeded(&seed);
    let client = plant.client();
    let ids: Vec<_> = (0..20).map(|n| client.hold(&n.to_string(), 100)).collect();
    for id in &ids[..10] {
        client.commit(id, "k", 60);
    }
    drop(client);
    plant.stop();
    make_first_version(&plant.ledger());

    let directory = plant.directory.path();
    let refusal = verify(directory).unwrap_err().to_string();
    assert!(refusal.contains("older version") && refusal.contains("schema=1"), "{refusal}");
    let refusal = export(directory, &mut Vec::new()).unwrap_err().to_string();
    assert!(refusal.contains("brings it forward"), "{refusal}");

    let (engine, is_new) = open(directory, &seed, &plant.clock).unwrap();
    assert!(!is_new);
    plant.engine = Some(engine);
    let client = plant.client();
    for (n, id) in ids.iter().enumerate() {
        assert!(client.reserve_told(&n.to_string(), 100).contains(id.as_str()), "{n}");
    }
    drop(client);
    plant.stop();
    assert_eq!(verify(plant.directory.path()).unwrap().problems, Vec::<String>::new());
    let it = Connection::open(plant.ledger()).unwrap();
    let version: i64 = it.pragma_query_value(None, "user_version", |row| row.get(0)).unwrap();
    assert_eq!(version, 2);
    drop(it);
    drop(SqliteStore::open(plant.directory.path()).unwrap());
}
