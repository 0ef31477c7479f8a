//! [`SqliteStore`]: an engine's ledger in one directory.

use std::collections::HashMap;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Arc;
use std::thread::JoinHandle;

use cycles_engine::durable::{
    Changes, Contents, DurableStore, Record, Replay, ReplayKey, ReservationQuery, Standing,
    unavailable,
};
use cycles_protocol::{BoxFuture, Error, IdempotencyKey};
use parking_lot::RwLock;
use rusqlite::Connection;
use uuid::Uuid;

use crate::checkpoint::Checkpoints;
use crate::directory::{ANSWERED, Directory, LEDGER, LOG, SUMS, unusable};
use crate::error::InFile;
use crate::keys::{Numbers, RecentKeys};
use crate::pool::Readers;
use crate::schema::{open_to_read, open_to_write};
use crate::steps::Options;
use crate::sums::{self, Found, Sums};
use crate::writer::{Backlog, Shared, Writer};
use crate::{StoreError, list, reader};

/// Chunks of rows that a start reads ahead.
const CHUNKS: usize = 8;

/// Keeps a ledger in a directory that this process, and no other, has.
///
/// Dropping it writes what was taken, and leaves no log behind.
#[derive(Debug)]
pub struct SqliteStore {
    shared: Arc<Shared>,
    readers: Option<Readers>,
    writer: Option<JoinHandle<()>>,
    keys: Arc<RecentKeys>,
    /// The numbers of tenants, by their ids; tenants keep them.
    numbers: RwLock<HashMap<String, i64>>,
    _directory: Directory,
}

impl SqliteStore {
    /// Opens a data directory, and makes it where there is none.
    ///
    /// # Errors
    /// [`StoreError`], which names the path and what to do.
    pub fn open(path: &Path) -> Result<Self, StoreError> {
        Self::with(path, Options::default())
    }

    /// As [`open`](Self::open), with options.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub fn with(path: &Path, options: Options) -> Result<Self, StoreError> {
        let directory = Directory::take(path)?;
        let ledger = directory.file(LEDGER);
        let (connection, checkpoints) = opened(&directory, options.checkpoint_pages)?;
        let tenants = reader::tenants(&connection).in_file(&ledger)?;
        let keys = Arc::<RecentKeys>::default();
        let numbers = Numbers::read(&connection, Arc::clone(&keys), options.keys_together);
        let numbers = numbers.in_file(&ledger)?;
        let readers = Readers::open(&ledger)?;
        let shared = Arc::<Shared>::default();
        let writer = Writer {
            connection,
            path: ledger.clone(),
            shared: Arc::clone(&shared),
            tenants,
            numbers,
            checkpoints,
            options,
        };
        let thread = std::thread::Builder::new().name("cycles-ledger".to_owned());
        let writer = thread.spawn(|| writer.run()).map_err(|error| unusable(&ledger, error))?;
        Ok(Self {
            shared,
            readers: Some(readers),
            writer: Some(writer),
            keys,
            numbers: RwLock::default(),
            _directory: directory,
        })
    }

    /// What waits to be written.
    #[must_use]
    pub fn backlog(&self) -> Backlog {
        self.shared.backlog()
    }

    fn look_up<T>(
        &self,
        look: impl FnOnce(&Connection) -> rusqlite::Result<T>,
    ) -> Result<T, Error> {
        let readers = self.readers.as_ref().ok_or_else(|| unavailable("the store is closed"))?;
        readers.look_up(look).map_err(|error| unreadable(readers.path(), &error))
    }

    /// The tenant's number; `None` where the ledger does not have it.
    fn number(&self, connection: &Connection, id: &str) -> rusqlite::Result<Option<i64>> {
        if let Some(number) = self.numbers.read().get(id) {
            return Ok(Some(*number));
        }
        let known = reader::tenants(connection)?;
        let number = known.get(id).copied();
        *self.numbers.write() = known;
        Ok(number)
    }
}

/// Checks a ledger and opens it, or makes a new one.
fn opened(
    directory: &Directory,
    checkpoint_pages: u32,
) -> Result<(Connection, Checkpoints), StoreError> {
    let [ledger, log, sums, answered] =
        [LEDGER, LOG, SUMS, ANSWERED].map(|name| directory.file(name));
    let is_new = !ledger.exists();
    let found = if is_new {
        // What stands beside a ledger that is gone belongs to that one.
        for stale in [&sums, &answered] {
            _ = std::fs::remove_file(stale);
        }
        Found::Unknown
    } else {
        sums::check(&ledger, &sums, &log).map_err(|error| unusable(&ledger, error))?
    };
    let log_is_empty = crate::log::pages(&log).map_err(|error| unusable(&log, error))?.is_empty();
    if let Found::Differs { page, pages, known_batch } = found {
        // Another program may have put the log in its place; then the ledger has
        // more transactions than the checksums know of.
        let batch = open_to_read(&ledger).and_then(|it| batch(&it).in_file(&ledger));
        if !log_is_empty || batch.is_err() || batch.is_ok_and(|batch| batch <= known_batch) {
            return Err(damaged(&ledger, page, pages));
        }
        tracing::warn!(path = %ledger.display(), "another program put the ledger's log in its place; the whole ledger is checked");
    }
    let mut connection = open_to_write(&ledger)?;
    let batch = batch(&connection).in_file(&ledger)?;
    let answered_file =
        File::options().read(true).write(true).create(true).truncate(false).open(&answered);
    let answered_file = answered_file.map_err(|error| unusable(&answered, error))?;
    refuse_lost(&answered_file, batch, &ledger)?;
    let sums = Sums::open(&ledger, &sums).map_err(|error| unusable(&sums, error))?;
    let checkpoints =
        Checkpoints::new(&mut connection, checkpoint_pages, log, sums, answered_file, batch);
    let checkpoints = checkpoints.in_file(&ledger)?;
    let has_sums = found == Found::Sound;
    if !has_sums && !is_new {
        check_whole(&connection, &ledger)?;
    }
    let settled = || -> rusqlite::Result<()> {
        checkpoints.run(&connection, None)?;
        if has_sums { Ok(()) } else { checkpoints.rebuild() }
    };
    settled().in_file(&ledger)?;
    Ok((connection, checkpoints))
}

/// How many transactions the ledger has had.
pub(crate) fn batch(connection: &Connection) -> rusqlite::Result<u64> {
    let select = "SELECT value FROM meta WHERE name = 'batch'";
    connection.query_row(select, [], |row| row.get::<_, i64>(0)).map(i64::cast_unsigned)
}

/// SQLite's own check of everything.
pub(crate) fn check_whole(connection: &Connection, ledger: &Path) -> Result<(), StoreError> {
    let what: String =
        connection.query_row("PRAGMA integrity_check(1)", [], |row| row.get(0)).in_file(ledger)?;
    if what == "ok" {
        return Ok(());
    }
    Err(StoreError::Damaged { path: ledger.to_owned(), what })
}

fn damaged(ledger: &Path, page: u64, pages: u64) -> StoreError {
    let what = format!(
        "page {page} of {pages} is not what was written: bits flipped, the file was cut off, or another program changed it"
    );
    StoreError::Damaged { path: ledger.to_owned(), what }
}

/// Whether the ledger has all transactions that were answered.
fn refuse_lost(answered: &File, batch: u64, ledger: &Path) -> Result<(), StoreError> {
    let mut bytes = [0; 8];
    match answered.read_exact_at(&mut bytes, 0) {
        Ok(()) => {}
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(()),
        Err(error) => return Err(unusable(ledger, error)),
    }
    let answered = u64::from_le_bytes(bytes);
    if answered <= batch {
        return Ok(());
    }
    let what = format!(
        "transactions that were answered are missing, so {LOG} is damaged or was removed (where an older backup was put in its place on purpose, remove {ANSWERED} and {SUMS}) answered={answered} found={batch}"
    );
    Err(StoreError::Damaged { path: ledger.to_owned(), what })
}

fn unreadable(path: &Path, error: &rusqlite::Error) -> Error {
    tracing::error!(path = %path.display(), "the ledger cannot be read: {error}{}", crate::error::advice(error));
    unavailable("the store cannot be read; the server's log names the cause")
}

impl DurableStore for SqliteStore {
    fn append(&self, changes: Changes) -> u64 {
        self.shared.append(changes)
    }

    fn hold(&self, held: bool) {
        self.shared.hold(held);
    }

    fn durable(&self) -> u64 {
        self.shared.progress.durable()
    }

    fn standing(&self) -> Standing {
        self.shared.progress.standing()
    }

    fn reloaded(&self) {
        self.shared.progress.reloaded();
    }

    fn settled(&self, number: u64, generation: u64) -> BoxFuture<'_, Result<(), Error>> {
        Box::pin(self.shared.progress.settled(number, generation))
    }

    fn settled_now(&self, number: u64, generation: u64) -> Result<(), Error> {
        self.shared.progress.settled_now(number, generation)
    }

    fn contents(&self) -> Result<Contents, Error> {
        self.look_up(reader::contents)
    }

    fn open_reservations(&self, each: &mut dyn FnMut(usize, Uuid, Record)) -> Result<(), Error> {
        // Reading rows costs as much as putting them where they belong.
        std::thread::scope(|scope| {
            let (sender, chunks) = std::sync::mpsc::sync_channel(CHUNKS);
            let reader = scope
                .spawn(move || self.look_up(|connection| reader::open_chunks(connection, &sender)));
            for (position, id, record) in chunks.into_iter().flatten() {
                each(position, id, record);
            }
            reader.join().unwrap_or_else(|_| Err(unavailable("the ledger could not be read")))
        })
    }

    fn reservation(&self, id: Uuid) -> Result<Option<(String, Record)>, Error> {
        self.look_up(|connection| reader::reservation(connection, id))
    }

    fn reservation_by_key(
        &self,
        tenant: &str,
        key: &IdempotencyKey,
    ) -> Result<Option<(Uuid, Record)>, Error> {
        self.look_up(|connection| match self.number(connection, tenant)? {
            Some(tenant) => match self.keys.newest(connection, tenant, key.as_str())? {
                Some(number) => reader::reservation_numbered(connection, number),
                None => Ok(None),
            },
            None => Ok(None),
        })
    }

    fn replay(&self, tenant: &str, key: &ReplayKey) -> Result<Option<Replay>, Error> {
        self.look_up(|connection| match self.number(connection, tenant)? {
            Some(tenant) => reader::replay(connection, tenant, key),
            None => Ok(None),
        })
    }

    fn list(&self, query: ReservationQuery) -> BoxFuture<'_, Result<Vec<(Uuid, Record)>, Error>> {
        Box::pin(async move {
            let closed = || unavailable("the store is closed");
            let readers = self.readers.as_ref().ok_or_else(closed)?;
            let number = self.look_up(|connection| self.number(connection, &query.tenant))?;
            let Some(tenant) = number else { return Ok(Vec::new()) };
            let keys = Arc::clone(&self.keys);
            let page = readers.run(move |connection| list::page(connection, &keys, tenant, &query));
            let page = page.await.ok_or_else(closed)?;
            page.map_err(|error| unreadable(readers.path(), &error))
        })
    }

    fn tidy(&self, now: i64, ended_before: i64) {
        self.shared.tidy(now, ended_before);
    }
}

impl Drop for SqliteStore {
    fn drop(&mut self) {
        // Readers first: the log is cut off only where nobody reads.
        self.readers = None;
        self.shared.stop();
        if let Some(writer) = self.writer.take() {
            // What it had to say stands in the log.
            _ = writer.join();
        }
    }
}
