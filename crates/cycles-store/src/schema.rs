//! Opening the ledger, and bringing an older one forward.

use std::path::Path;
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags};

use crate::StoreError;
use crate::error::InFile;

/// Stands in the file's header: "CYCL".
const APPLICATION: i64 = 0x4359_434C;

/// What brings a ledger of the version that is its position to the next one.
/// Never changed once released: a ledger has run those that it needed.
const MIGRATIONS: [&str; 2] = [include_str!("schema.sql"), include_str!("schema_2.sql")];

/// How long a reader waits for another program that has the file.
const BUSY: Duration = Duration::from_secs(5);
/// Pages kept by a connection that reads, in KiB; negative is how SQLite tells KiB.
const READ_CACHE_KIB: i64 = -64 * 1024;
/// By the one that writes: a commit that split a page looks at every page kept.
const WRITE_CACHE_KIB: i64 = -16 * 1024;

/// The newest version.
pub(crate) const VERSION: i64 = 2;
const _: () = assert!(MIGRATIONS.len() == 2, "one for each version");

/// The one connection that writes; makes or migrates the ledger.
pub(crate) fn open_to_write(path: &Path) -> Result<Connection, StoreError> {
    let mut connection = Connection::open(path).in_file(path)?;
    check(&connection, path)?;
    let prepared = || -> rusqlite::Result<()> {
        connection.busy_timeout(BUSY)?;
        connection.pragma_update(None, "journal_mode", "WAL")?;
        // Every commit is on disk before it is told.
        connection.pragma_update(None, "synchronous", "FULL")?;
        // The writer does it, with the checksums.
        connection.pragma_update(None, "wal_autocheckpoint", 0)?;
        connection.pragma_update(None, "cache_size", WRITE_CACHE_KIB)?;
        // Whatever is written names a tenant whose number was looked up.
        connection.pragma_update(None, "foreign_keys", false)?;
        // A checkpoint that the writer does not do has no checksums.
        connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)?;
        connection.set_prepared_statement_cache_capacity(64);
        Ok(())
    };
    prepared().in_file(path)?;
    migrate(&mut connection).in_file(path)?;
    Ok(connection)
}

/// A connection that reads what was committed.
pub(crate) fn open_to_read(path: &Path) -> Result<Connection, StoreError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags).in_file(path)?;
    connection.busy_timeout(BUSY).in_file(path)?;
    connection.pragma_update(None, "cache_size", READ_CACHE_KIB).in_file(path)?;
    connection.set_prepared_statement_cache_capacity(64);
    let found = check(&connection, path)?;
    if (1..VERSION).contains(&found) {
        return Err(StoreError::Older { path: path.to_owned(), found, known: VERSION });
    }
    Ok(connection)
}

/// Whether the file is ours, and not from the future; answers its version, 0 for a
/// new one.
fn check(connection: &Connection, path: &Path) -> Result<i64, StoreError> {
    let number = |pragma: &str| {
        connection.pragma_query_value(None, pragma, |row| row.get::<_, i64>(0)).in_file(path)
    };
    let (application, found) = (number("application_id")?, number("user_version")?);
    let tables: i64 = connection
        .query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))
        .in_file(path)?;
    if tables > 0 && application != APPLICATION {
        let why = "it is a database of another program".to_owned();
        return Err(StoreError::NotALedger { path: path.to_owned(), why });
    }
    if found > VERSION {
        return Err(StoreError::Newer { path: path.to_owned(), found, known: VERSION });
    }
    Ok(found)
}

fn migrate(connection: &mut Connection) -> rusqlite::Result<()> {
    let version: i64 = connection.pragma_query_value(None, "user_version", |row| row.get(0))?;
    for (from, migration) in (0..).zip(MIGRATIONS) {
        if from >= version {
            let step = connection.transaction()?;
            step.execute_batch(migration)?;
            step.pragma_update(None, "application_id", APPLICATION)?;
            step.pragma_update(None, "user_version", from + 1)?;
            step.commit()?;
        }
    }
    Ok(())
}
