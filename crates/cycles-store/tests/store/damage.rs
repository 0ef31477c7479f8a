//! Files that are not what was written are found at the start, and named.

use std::fs;
use std::os::unix::fs::FileExt;
use std::path::Path;

use cycles_protocol::Control;
use cycles_protocol::Unit;
use cycles_protocol::control::BudgetRef;
use cycles_store::SqliteStore;

use crate::fixture::Plant;

fn worked() -> Plant {
    let plant = Plant::new();
    let client = plant.client();
    for n in 0..30 {
        let id = client.hold(&n.to_string(), 100);
        if n % 2 == 0 {
            client.commit(&id, "k", 60);
        }
    }
    plant
}

fn flip(path: &Path, at: u64) {
    let file = fs::File::options().read(true).write(true).open(path).unwrap();
    let mut byte = [0];
    file.read_exact_at(&mut byte, at).unwrap();
    byte[0] ^= 0x10;
    file.write_all_at(&byte, at).unwrap();
}

#[test]
fn every_bit_of_the_ledger_counts() {
    let mut plant = worked();
    plant.stop();
    let length = fs::metadata(plant.ledger()).unwrap().len();
    assert!(length > 80_000, "several pages of each kind");
    for step in 0..97 {
        let at = length * step / 97 + step;
        flip(&plant.ledger(), at);
        let refusal = SqliteStore::open(plant.directory.path()).unwrap_err().to_string();
        assert!(refusal.contains("ledger is damaged: page "), "{at}: {refusal}");
        flip(&plant.ledger(), at);
    }
    plant.restart();
}

#[test]
fn a_ledger_that_was_cut_off_is_found() {
    let mut plant = worked();
    plant.stop();
    let length = fs::metadata(plant.ledger()).unwrap().len();
    for left in [length - 4_096, length - 1, 5_000, 0] {
        let copy = plant.killed();
        let ledger = copy.path().join("ledger.db");
        fs::File::options().write(true).open(&ledger).unwrap().set_len(left).unwrap();
        let refusal = SqliteStore::open(copy.path()).unwrap_err().to_string();
        assert!(refusal.contains("ledger is damaged"), "{left}: {refusal}");
    }
}

#[test]
fn every_bit_of_the_log_counts() {
    let plant = worked();
    let log = fs::metadata(plant.directory.path().join("ledger.db-wal")).unwrap().len();
    assert!(log > 100_000, "several transactions");
    for step in 1..60 {
        let copy = plant.killed();
        // The last transaction's frames are at the end, and they count too.
        flip(&copy.path().join("ledger.db-wal"), log * step / 60 + step);
        let refusal = SqliteStore::open(copy.path()).unwrap_err().to_string();
        assert!(refusal.contains("answered are missing"), "{step}: {refusal}");
    }
    let copy = plant.killed();
    fs::remove_file(copy.path().join("ledger.db-wal")).unwrap();
    let refusal = SqliteStore::open(copy.path()).unwrap_err().to_string();
    assert!(refusal.contains("answered are missing"), "{refusal}");
}

#[test]
fn a_transaction_that_a_crash_cut_off_is_dropped() {
    let plant = worked();
    let copy = plant.killed();
    // As if the process had died before it could note that it had answered.
    let answered = copy.path().join("ledger.answered");
    let file = fs::File::options().write(true).open(answered).unwrap();
    file.write_all_at(&0_u64.to_le_bytes(), 0).unwrap();
    let log = copy.path().join("ledger.db-wal");
    let length = fs::metadata(&log).unwrap().len();
    fs::File::options().write(true).open(&log).unwrap().set_len(length - 100).unwrap();
    let (engine, _) = crate::fixture::open(copy.path(), "{}", &plant.clock).unwrap();
    let budget = BudgetRef::new("tenant:acme", Unit::Tokens).unwrap();
    // The last of thirty holds is lost, and nothing else is.
    assert_eq!(engine.get_budget(&budget).unwrap().reserved.amount, 1_400);
}

#[test]
fn another_program_may_put_the_log_in_its_place() {
    let plant = worked();
    let copy = plant.killed();
    let other = rusqlite::Connection::open(copy.path().join("ledger.db")).unwrap();
    let rows = "SELECT count(*) FROM reservations";
    assert_eq!(other.query_row(rows, [], |row| row.get::<_, i64>(0)).unwrap(), 30);
    drop(other);
    assert!(!copy.path().join("ledger.db-wal").exists(), "it did");
    for _ in 0..2 {
        drop(SqliteStore::open(copy.path()).unwrap());
    }
}
