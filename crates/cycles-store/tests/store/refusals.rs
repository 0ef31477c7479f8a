//! Directories that cannot be used are refused, and the message says what to do.

use std::fs;

use cycles_store::SqliteStore;

use crate::fixture::{Plant, SEED, open};

fn refusal(path: &std::path::Path) -> String {
    SqliteStore::open(path).unwrap_err().to_string()
}

#[test]
fn a_second_process_is_refused() {
    let plant = Plant::new();
    let refusal = refusal(plant.directory.path());
    let pid = std::process::id().to_string();
    assert!(refusal.contains("in use") && refusal.contains(&pid), "{refusal}");
}

#[test]
fn a_newer_ledger_is_refused_and_not_touched() {
    let mut plant = Plant::new();
    plant.stop();
    let ledger = rusqlite::Connection::open(plant.ledger()).unwrap();
    ledger.pragma_update(None, "user_version", 999).unwrap();
    drop(ledger);
    fs::remove_file(plant.directory.path().join("ledger.sums")).unwrap();
    let before = fs::read(plant.ledger()).unwrap();
    let refusal = refusal(plant.directory.path());
    assert!(refusal.contains("newer version") && refusal.contains("schema=999"), "{refusal}");
    assert_eq!(fs::read(plant.ledger()).unwrap(), before);
}

#[test]
fn other_peoples_files_are_refused() {
    let directory = tempfile::tempdir().unwrap();
    fs::write(directory.path().join("holiday.jpg"), "cat").unwrap();
    assert!(refusal(directory.path()).contains("holiday.jpg"));

    let directory = tempfile::tempdir().unwrap();
    let ledger = directory.path().join("ledger.db");
    fs::write(&ledger, "not a database at all, but long enough to be looked at").unwrap();
    let refused = refusal(directory.path());
    assert!(refused.contains("not a Cycles ledger"), "{refused}");

    fs::remove_file(&ledger).unwrap();
    let other = rusqlite::Connection::open(&ledger).unwrap();
    other.execute_batch("CREATE TABLE songs (name TEXT)").unwrap();
    drop(other);
    let refused = refusal(directory.path());
    assert!(refused.contains("another program"), "{refused}");
}

#[test]
fn a_file_in_place_of_the_directory_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("file");
    fs::write(&file, "").unwrap();
    assert!(refusal(&file).contains("a file stands where the directory should be"));
    assert!(refusal(&file.join("below")).contains("path="));
}

#[test]
fn a_missing_directory_is_made_for_nobody_else() {
    use std::os::unix::fs::PermissionsExt;
    let directory = tempfile::tempdir().unwrap();
    let new = directory.path().join("a/b");
    drop(SqliteStore::open(&new).unwrap());
    let mode = fs::metadata(&new).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o700);
}

#[test]
fn a_seed_that_cannot_be_used_leaves_nothing_behind() {
    let directory = tempfile::tempdir().unwrap();
    let clock = &Plant::new().clock;
    let wrong = SEED.replace("scope: 'tenant:globex'", "scope: 'globex'");
    let refusal = open(directory.path(), &wrong, clock).unwrap_err().to_string();
    assert!(refusal.contains("budgets[3]"), "{refusal}");
    let (_, is_new) = open(directory.path(), SEED, clock).unwrap();
    assert!(is_new, "the seed is used once it is right");
}
