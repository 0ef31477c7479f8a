//! Backup, verify and export, while the ledger is served and when it is not.

use std::path::Path;

use cycles_store::{Verified, backup, export, verify};
use serde_json::Value;

use crate::fixture::{Plant, SECRET, open};

fn worked() -> Plant {
    let plant = Plant::new();
    let client = plant.client();
    for n in 0..30 {
        let id = client.hold(&n.to_string(), 100);
        match n % 3 {
            0 => _ = client.commit(&id, "k", 60),
            1 => _ = client.release(&id, "r"),
            _ => {}
        }
    }
    plant
}

fn sound(directory: &Path) -> Verified {
    let verified = verify(directory).unwrap();
    assert_eq!(verified.problems, Vec::<String>::new());
    verified
}

fn change(ledger: &Path, statement: &str) {
    let other = rusqlite::Connection::open(ledger).unwrap();
    other.pragma_update(None, "foreign_keys", false).unwrap();
    assert_eq!(other.execute(statement, []).unwrap(), 1, "{statement}");
}

#[test]
fn a_backup_is_a_ledger_of_its_own() {
    let plant = worked();
    let place = tempfile::tempdir().unwrap();
    let file = place.path().join("ledger.db");
    backup(plant.directory.path(), &file).unwrap();
    let id = plant.client().hold("later", 100);
    let again = backup(plant.directory.path(), &file).unwrap_err().to_string();
    assert!(again.contains("never written over"), "{again}");

    assert_eq!(sound(place.path()).reservations, 30);
    let (engine, _) = open(place.path(), "{}", &plant.clock).unwrap();
    let client = crate::fixture::Client(engine.local(SECRET));
    assert!(client.commit(&id, "k", 1).contains("NOT_FOUND"), "made after the backup");
    assert!(client.reserve_told("0", 100).contains("res_"), "a replay");
}

#[test]
fn a_sound_ledger_verifies_served_or_not_and_killed() {
    let mut plant = worked();
    let counted = sound(plant.directory.path());
    assert_eq!((counted.tenants, counted.budgets), (2, 4));
    assert_eq!((counted.reservations, counted.open), (30, 10));
    assert_eq!(sound(plant.killed().path()), counted);
    plant.stop();
    assert_eq!(sound(plant.directory.path()), counted);
}

#[test]
fn every_broken_rule_is_named() {
    let mut plant = worked();
    plant.stop();
    for (statement, named) in [
        ("UPDATE budget SET reserved = reserved + 1 WHERE scope = 'tenant:acme'", "held=1000"),
        ("UPDATE budget SET spent = -1 WHERE scope = 'tenant:acme'", "cannot be read"),
        ("UPDATE reservation SET estimate = 99 WHERE number = 3", "held=999"),
        ("UPDATE reservation SET unit = 0 WHERE number = 3", "another scope or unit"),
        ("UPDATE reservation SET scopes = 1 WHERE number = 3", "other scopes than it says"),
        ("UPDATE reservation SET agent = 'x' WHERE number = 3", "another scope or unit"),
        ("UPDATE reservation SET key = '1' WHERE number = 3", "made several"),
        ("UPDATE reservation SET charged = -1 WHERE number = 1", "less than nothing"),
        ("UPDATE reservation SET ended_at = NULL WHERE number = 1", "cannot be read"),
        ("DELETE FROM reservation_key WHERE key = '3'", "does not find its reservation"),
        ("UPDATE reservation SET tenant = 99 WHERE number = 3", "of no tenant"),
    ] {
        let copy = plant.killed();
        change(&copy.path().join("ledger.db"), statement);
        let problems = verify(copy.path()).unwrap().problems;
        assert!(
            problems.iter().any(|problem| problem.contains(named)),
            "{statement}: {problems:?}"
        );
    }
}

#[test]
fn an_export_has_a_line_for_everything() {
    let plant = worked();
    let mut out = Vec::new();
    export(plant.directory.path(), &mut out).unwrap();
    let text = String::from_utf8(out).unwrap();
    let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let count = |kind: &str| lines.iter().filter(|line| line["type"] == kind).count();
    let kinds = ["tenant", "budget", "policy", "key", "reservation", "answer", "audit"];
    assert_eq!(kinds.map(count), [2, 4, 1, 3, 30, 0, 0]);
    assert!(!text.contains(SECRET), "no secret leaves");
    let committed = lines.iter().find(|line| line["reservation"]["status"] == "COMMITTED").unwrap();
    assert_eq!(committed["reservation"]["committed"]["amount"], 60);
}

#[test]
fn where_there_is_no_ledger_nothing_is_made() {
    let nowhere = tempfile::tempdir().unwrap();
    for refusal in [
        verify(nowhere.path()).unwrap_err().to_string(),
        backup(nowhere.path(), &nowhere.path().join("copy")).unwrap_err().to_string(),
        export(nowhere.path(), &mut Vec::new()).unwrap_err().to_string(),
    ] {
        assert!(refusal.contains("no ledger there"), "{refusal}");
    }
    assert_eq!(std::fs::read_dir(nowhere.path()).unwrap().count(), 0);
}
