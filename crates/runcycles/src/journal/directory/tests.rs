use std::cell::Cell;
use std::fs;

use cycles_protocol::ReservationId;
use serde_json::value::to_raw_value;

use super::super::storage::Disk;
use super::*;

fn record(id: &str) -> Record {
    let body = to_raw_value(&serde_json::json!({"idempotency_key": format!("k-{id}")})).unwrap();
    Record::commit(ReservationId::new(id), "http://h", body.clone(), body, 1)
}

fn directory(path: &Path) -> Directory {
    Directory::new(Box::new(Disk), path.join("fp"), JournalSync::Power, 7)
}

fn put(directory: &mut Directory, record: &Record) {
    directory.put(record.file_name(), &record.write().unwrap()).unwrap();
}

fn files(directory: &Directory) -> Vec<String> {
    let mut names: Vec<_> =
        Disk.list(&directory.path).unwrap().into_iter().map(|file| file.name).collect();
    names.sort();
    names
}

#[test]
fn a_record_is_written_read_and_removed() {
    let root = tempfile::tempdir().unwrap();
    let mut directory = directory(root.path());
    assert!(directory.names().unwrap().is_empty(), "no directory, no records");
    put(&mut directory, &record("a/b"));
    directory.sync().unwrap();
    let name = record("a/b").file_name().to_owned();
    assert_eq!(files(&directory), std::slice::from_ref(&name), "no temporary file stays");
    let Loaded::Record(read) = directory.load(&name) else { panic!("not read") };
    assert_eq!(read.reservation_id.as_str(), "a/b");
    directory.remove(&name).unwrap();
    assert!(matches!(directory.load(&name), Loaded::Gone));
}

#[cfg(unix)]
#[test]
fn only_the_owner_may_look() {
    use std::os::unix::fs::PermissionsExt;
    let root = tempfile::tempdir().unwrap();
    let mut directory = directory(root.path());
    put(&mut directory, &record("r"));
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&directory.path), 0o700);
    assert_eq!(mode(&directory.path.join(record("r").file_name())), 0o600);
}

/// CR-DURABLE-007
#[test]
fn legacy_names_migrate_and_a_collision_is_not_deleted() {
    let root = tempfile::tempdir().unwrap();
    let mut directory = directory(root.path());
    // `a:b` and `a/b` both had the legacy name `a_b.json`; the file is of `a:b`.
    put(&mut directory, &record("a/b"));
    fs::write(directory.path.join("a_b.json"), record("a:b").write().unwrap()).unwrap();

    let Loaded::Record(read) = directory.load("a_b.json") else { panic!("not migrated") };
    assert_eq!(read.reservation_id.as_str(), "a:b");
    let mut expected = [record("a/b").file_name().to_owned(), record("a:b").file_name().to_owned()];
    expected.sort();
    assert_eq!(files(&directory), expected);

    // A legacy double of a standard record goes; the standard one stays.
    fs::write(directory.path.join("a_b.json"), record("a:b").write().unwrap()).unwrap();
    assert!(matches!(directory.load("a_b.json"), Loaded::Gone));
    assert_eq!(files(&directory), expected);
}

/// CR-DURABLE-005
#[test]
fn corrupt_and_unknown_records_are_set_aside_and_none_replaces_another() {
    let root = tempfile::tempdir().unwrap();
    let mut directory = directory(root.path());
    put(&mut directory, &record("good"));
    for text in ["{", r#"{"version":9,"reservation_id":"r","commit_body":{"idempotency_key":"k"}}"#]
    {
        fs::write(directory.path.join("bad.json"), text).unwrap();
        assert!(matches!(directory.load("bad.json"), Loaded::Quarantined));
    }
    assert_eq!(files(&directory), ["bad.1.corrupt", "bad.corrupt", record("good").file_name()]);
    assert_eq!(directory.names().unwrap(), [record("good").file_name()]);
}

#[test]
fn records_under_another_spelling_of_the_address_are_taken_over() {
    let root = tempfile::tempdir().unwrap();
    let mut other =
        Directory::new(Box::new(Disk), root.path().join("other"), JournalSync::Process, 7);
    put(&mut other, &record("r"));
    let mut directory = directory(root.path());
    directory.adopt(&other.path).unwrap();
    assert_eq!(files(&directory), [record("r").file_name()]);
    assert!(files(&other).is_empty());
}

#[test]
fn abandoned_temporary_files_are_reaped_and_others_are_not() {
    let root = tempfile::tempdir().unwrap();
    let mut directory = directory(root.path());
    put(&mut directory, &record("r"));
    for name in [".v2-x.json.1-1.tmp", ".tmpAbC"] {
        fs::write(directory.path.join(name), "half").unwrap();
    }
    let written = Disk.list(&directory.path).unwrap()[0].modified_ms;
    directory.reap(written + ABANDONED_MS / 2).unwrap();
    assert_eq!(files(&directory).len(), 3, "they may be in use");
    directory.reap(written + ABANDONED_MS * 2).unwrap();
    assert_eq!(files(&directory), [record("r").file_name()]);
}

/// A disk whose next read fails.
#[derive(Debug)]
struct Flaky(Cell<bool>);

impl Storage for Flaky {
    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        if self.0.take() { Err(io::Error::other("input/output error")) } else { Disk.read(path) }
    }

    fn create_dir(&self, path: &Path) -> io::Result<()> {
        Disk.create_dir(path)
    }

    fn list(&self, path: &Path) -> io::Result<Vec<Listed>> {
        Disk.list(path)
    }

    fn create(&self, path: &Path, bytes: &[u8], sync: bool) -> io::Result<()> {
        Disk.create(path, bytes, sync)
    }

    fn make(&self, path: &Path) -> io::Result<fs::File> {
        Disk.make(path)
    }

    fn open(&self, path: &Path) -> io::Result<fs::File> {
        Disk.open(path)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        Disk.rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        Disk.remove(path)
    }

    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        Disk.sync_dir(path)
    }
}

#[test]
fn a_failing_read_is_no_reason_to_set_a_record_aside() {
    let root = tempfile::tempdir().unwrap();
    let flaky = Box::new(Flaky(Cell::new(false)));
    let mut directory = Directory::new(flaky, root.path().join("fp"), JournalSync::Power, 7);
    put(&mut directory, &record("r"));
    let name = record("r").file_name().to_owned();
    directory.storage = Box::new(Flaky(Cell::new(true)));
    assert!(matches!(directory.load(&name), Loaded::Unreadable(_)));
    assert!(matches!(directory.load(&name), Loaded::Record(_)));
}
