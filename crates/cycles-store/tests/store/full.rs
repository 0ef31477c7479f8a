//! A full disk: what was answered stays, nothing else is answered, and once there
//! is space the server goes on by itself.

use std::sync::atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering};
use std::sync::{Arc, mpsc};
use std::time::Duration;

use cycles_engine::durable::DurableStore;
use cycles_engine::{Engine, OpenError, Seed};
use cycles_protocol::control::BudgetRef;
use cycles_protocol::{
    Amount, Authority, CommitRequest, Control, Error, ListReservationsParams, ReservationId,
    SystemClock, SystemRandom, Unit,
};
use cycles_store::{Options, SqliteStore, Step, verify};

use crate::fixture::{Client, SECRET, SEED, call, create, wait};

const ROOMY: u32 = 1 << 30;
/// Calls after which a server that does not go on is given up.
const PATIENCE: usize = 1_000_000;

/// An engine whose disk is as full as a test says.
struct Disk {
    directory: tempfile::TempDir,
    pages: Arc<AtomicU32>,
    store: Arc<SqliteStore>,
    engine: Engine,
}

impl Disk {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let pages = Arc::new(AtomicU32::new(ROOMY));
        let options = Options {
            keys_together: 8,
            checkpoint_pages: 64,
            retry_after: Duration::from_millis(1),
            pages_max: Some(Arc::clone(&pages)),
            ..Options::default()
        };
        let store = Arc::new(SqliteStore::with(directory.path(), options).unwrap());
        let keeps: Arc<dyn DurableStore> = Arc::<SqliteStore>::clone(&store);
        let (clock, random) = (Arc::new(SystemClock::new()), Arc::new(SystemRandom));
        let seed = Seed::from_yaml(SEED).unwrap();
        let (engine, _) = Engine::open(&keeps, &seed, clock, random).unwrap();
        Self { directory, pages, store, engine }
    }

    fn client(&self) -> Client {
        Client(self.engine.local(SECRET))
    }

    fn is_full(&self, full: bool) {
        self.pages.store(if full { 1 } else { ROOMY }, Ordering::SeqCst);
    }

    fn amounts(&self) -> (i64, i64) {
        let budget = BudgetRef::new("tenant:acme", Unit::Tokens).unwrap();
        let budget = self.engine.get_budget(&budget).unwrap();
        (budget.reserved.amount, budget.spent.amount)
    }
}

/// What comes of a call that is repeated with its key as long as the store is away.
fn patiently<T>(call: impl Fn() -> Result<T, Error>, refused: &AtomicUsize) -> T {
    for _ in 0..PATIENCE {
        match call() {
            Ok(answer) => return answer,
            Err(error) if error.status() == Some(503) => {
                refused.fetch_add(1, Ordering::SeqCst);
                std::thread::yield_now();
            }
            Err(error) => panic!("{error}"),
        }
    }
    panic!("the server did not go on");
}

/// With much beside it, so that a disk is soon full again.
fn reserve(client: &Client, key: &str) -> Result<ReservationId, Error> {
    let mut request = create(key, 10);
    let note = serde_json::Value::from("x".repeat(20_000));
    request.metadata = Some(std::iter::once(("note".to_owned(), note)).collect());
    client.reserve(request).map(|answer| answer.reservation_id.unwrap())
}

fn commit(client: &Client, id: &ReservationId) -> Result<(), Error> {
    let request = CommitRequest::builder().idempotency_key("k").actual(Amount::tokens(7)).build();
    wait(client.0.commit(&call(), id, &request)).map(|_| ())
}

#[test]
fn a_full_disk_is_only_read_and_then_goes_on() {
    let disk = Disk::new();
    let client = disk.client();
    let answered: Vec<_> = (0..5).map(|n| reserve(&client, &n.to_string()).unwrap()).collect();
    disk.is_full(true);
    let mut kept = answered.len();
    let refusal = loop {
        match reserve(&client, &kept.to_string()) {
            Ok(_) => kept += 1,
            Err(error) => break error,
        }
        assert!(kept < 10_000, "the disk is never full");
    };
    assert_eq!(refusal.status(), Some(503), "{refusal}");
    assert!(refusal.retry_after().is_some(), "{refusal}");
    let held = i64::try_from(kept).unwrap() * 10;
    // Read from the ledger anew: what was not answered is not there.
    assert_eq!(disk.amounts(), (held, 0));
    let refusal = commit(&client, &answered[0]).unwrap_err();
    assert!(refusal.message().contains("only reads"), "{refusal}");
    assert_eq!(disk.amounts(), (held, 0));
    let page = wait(client.0.list_reservations(&call(), ListReservationsParams::default()));
    assert!(page.is_ok(), "listings are reads");

    disk.is_full(false);
    let refused = AtomicUsize::new(0);
    let next = patiently(|| reserve(&client, "next"), &refused);
    assert_eq!(disk.amounts(), (held + 10, 0));
    assert_eq!(reserve(&client, "next").unwrap(), next, "a replay");
    commit(&client, &answered[0]).unwrap();
    assert_eq!(disk.amounts(), (held, 7));
    assert_eq!(verify(disk.directory.path()).unwrap().problems, Vec::<String>::new());
}

#[test]
fn a_start_on_a_full_disk_is_refused() {
    let tenants = (0..200).map(|n| format!("{{tenant_id: t{n}, name: {}}}, ", "x".repeat(200)));
    let seed = Seed::from_yaml(&format!("tenants: [{}]", tenants.collect::<String>())).unwrap();
    // Often, since whoever starts and the writer that fails race.
    for _ in 0..20 {
        let directory = tempfile::tempdir().unwrap();
        let pages = Some(Arc::new(AtomicU32::new(1)));
        let options = Options { pages_max: pages, ..Options::default() };
        let store = SqliteStore::with(directory.path(), options).unwrap();
        let store: Arc<dyn DurableStore> = Arc::new(store);
        let (clock, random) = (Arc::new(SystemClock::new()), Arc::new(SystemRandom));
        let refusal = Engine::open(&store, &seed, clock, random).map(|_| ()).unwrap_err();
        assert!(matches!(&refusal, OpenError::Store(_)), "{refusal}");
    }
}

#[test]
fn a_writer_that_panics_leaves_nobody_waiting() {
    let directory = tempfile::tempdir().unwrap();
    let panics = Arc::new(AtomicBool::new(false));
    let now = Arc::clone(&panics);
    let observer = move |step| {
        assert!(step != Step::Writing || !now.load(Ordering::SeqCst), "a bug");
    };
    let options = Options { observer: Some(Arc::new(observer)), ..Options::default() };
    let store: Arc<dyn DurableStore> =
        Arc::new(SqliteStore::with(directory.path(), options).unwrap());
    let (clock, random) = (Arc::new(SystemClock::new()), Arc::new(SystemRandom));
    let seed = Seed::from_yaml(SEED).unwrap();
    let (engine, _) = Engine::open(&store, &seed, clock, random).unwrap();
    panics.store(true, Ordering::SeqCst);
    let (told, answer) = mpsc::channel();
    std::thread::spawn(move || {
        let client = Client(engine.local(SECRET));
        let refused = reserve(&client, "k").unwrap_err();
        let page = wait(client.0.list_reservations(&call(), ListReservationsParams::default()));
        _ = told.send((refused, page.is_ok()));
    });
    let (refused, is_read) = answer.recv_timeout(Duration::from_secs(20)).unwrap();
    assert_eq!((refused.status(), is_read), (Some(503), true), "{refused}");
}

/// Clients repeat what got 503 until it is answered, while the disk fills up again
/// and again; then everything is there once.
#[test]
fn a_disk_that_is_full_now_and_then_doubles_and_loses_nothing() {
    const CLIENTS: usize = 4;
    const EACH: usize = 150;
    let disk = Disk::new();
    let (refused, answered) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let (done, generations) = (AtomicBool::new(false), AtomicUsize::new(0));
    let made: Vec<Vec<ReservationId>> = std::thread::scope(|scope| {
        let clients = [(); CLIENTS].map(|()| disk.client()).into_iter().enumerate();
        let work = clients.map(|(name, client)| {
            let (refused, answered) = (&refused, &answered);
            scope.spawn(move || {
                let one = |n| {
                    let id = patiently(|| reserve(&client, &format!("{name}-{n}")), refused);
                    patiently(|| commit(&client, &id), refused);
                    answered.fetch_add(1, Ordering::SeqCst);
                    id
                };
                (0..EACH).map(one).collect::<Vec<_>>()
            })
        });
        let work: Vec<_> = work.collect();
        let (disk, done, generations) = (&disk, &done, &generations);
        let (refused, answered) = (&refused, &answered);
        scope.spawn(move || {
            let rises = |count: &AtomicUsize| {
                let before = count.load(Ordering::SeqCst);
                while count.load(Ordering::SeqCst) == before && !done.load(Ordering::SeqCst) {
                    std::thread::yield_now();
                }
            };
            while !done.load(Ordering::SeqCst) {
                disk.is_full(true);
                rises(refused);
                disk.is_full(false);
                rises(answered);
                generations.fetch_add(1, Ordering::SeqCst);
            }
        });
        let made = work.into_iter().map(|work| work.join().unwrap()).collect();
        done.store(true, Ordering::SeqCst);
        made
    });
    assert!(generations.load(Ordering::SeqCst) > 5, "the disk was hardly ever full");
    disk.is_full(false);
    let client = disk.client();
    patiently(|| reserve(&client, "last"), &refused);
    for (name, ids) in made.iter().enumerate() {
        for (n, id) in ids.iter().enumerate() {
            assert_eq!(&reserve(&client, &format!("{name}-{n}")).unwrap(), id);
        }
    }
    let all = CLIENTS * EACH;
    assert_eq!(disk.amounts(), (10, i64::try_from(all).unwrap() * 7));
    let Disk { directory, store, engine, .. } = disk;
    drop((client, engine, store));
    let verified = verify(directory.path()).unwrap();
    assert_eq!(verified.problems, Vec::<String>::new());
    assert_eq!((verified.reservations, verified.open), (all as u64 + 1, 1));
}
