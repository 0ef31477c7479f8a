//! What the core has to say, for Python's `logging`.
//!
//! Events wait in a bounded queue and are handed over in batches, on threads
//! that Python already runs on: whenever one comes out of this module.

use std::collections::VecDeque;
use std::fmt::Write as _;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, Once, OnceLock, PoisonError};

use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use tracing::field::{Field, Visit};
use tracing::level_filters::LevelFilter;
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Level, Metadata, Subscriber};

/// Events that wait to be taken; beyond that the oldest is dropped.
const CAPACITY: usize = 1_024;

/// Level as Python numbers it, logger name, message.
type Line = (u8, String, String);

struct Queue {
    waiting: Mutex<VecDeque<Line>>,
    dropped: AtomicBool,
    /// Of a forked child: this one's lock may be held by a thread that does not
    /// exist there.
    next: OnceLock<Box<Self>>,
}

impl Queue {
    const fn new() -> Self {
        let waiting = Mutex::new(VecDeque::new());
        Self { waiting, dropped: AtomicBool::new(false), next: OnceLock::new() }
    }

    /// This process's.
    fn current() -> &'static Self {
        let mut queue = &FIRST;
        for _ in 0..FORKS.load(Ordering::Acquire) {
            queue = queue.next.get_or_init(|| Box::new(Self::new()));
        }
        queue
    }

    fn waiting(&self) -> MutexGuard<'_, VecDeque<Line>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

static FIRST: Queue = Queue::new();
/// How many forks lie between the first process and this one.
static FORKS: AtomicUsize = AtomicUsize::new(0);
static ANY: AtomicBool = AtomicBool::new(false);
static LEVEL: AtomicU8 = AtomicU8::new(30);
static COLLECT: Once = Once::new();
static DELIVER: PyOnceLock<Py<PyAny>> = PyOnceLock::new();

/// Starts collecting, at WARNING until told otherwise.
pub(crate) fn collect() {
    COLLECT.call_once(|| {
        // Somebody else's subscriber in this module cannot be; ours then stays out.
        let _ = tracing::subscriber::set_global_default(Collector);
    });
}

/// Gives a forked child a queue of its own.
pub(crate) fn forget_parent() {
    FORKS.fetch_add(1, Ordering::AcqRel);
    ANY.store(false, Ordering::Release);
}

/// Events below `level`, in Python's numbers, are not collected any more.
#[pyfunction]
pub(crate) fn set_log_level(level: u8) {
    if LEVEL.swap(level, Ordering::AcqRel) != level {
        tracing::callsite::rebuild_interest_cache();
    }
}

/// Hands over what waits; cheap where nothing does.
pub(crate) fn deliver() {
    if !ANY.load(Ordering::Acquire) || !ANY.swap(false, Ordering::AcqRel) {
        return;
    }
    // Without an interpreter there is nobody to tell.
    Python::try_attach(|py| {
        let lines = take();
        let delivered = DELIVER
            .get_or_try_init(py, || {
                py.import("runcycles.logs")?.getattr("deliver").map(Bound::unbind)
            })
            .and_then(|deliver| deliver.call1(py, (lines,)));
        if let Err(error) = delivered {
            error.write_unraisable(py, None);
        }
    });
}

fn take() -> Vec<Line> {
    let queue = Queue::current();
    let mut lines: Vec<Line> = std::mem::take(&mut *queue.waiting()).into();
    if queue.dropped.swap(false, Ordering::AcqRel) {
        let what = "messages were dropped, because nobody took them".to_owned();
        lines.insert(0, (30, "runcycles".to_owned(), what));
    }
    lines
}

struct Collector;

impl Subscriber for Collector {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.is_event() && ours(metadata) && number(*metadata.level()) >= level()
    }

    fn max_level_hint(&self) -> Option<LevelFilter> {
        Some(match level() {
            0..=9 => LevelFilter::TRACE,
            10..=19 => LevelFilter::DEBUG,
            20..=29 => LevelFilter::INFO,
            30..=39 => LevelFilter::WARN,
            40..=49 => LevelFilter::ERROR,
            _ => LevelFilter::OFF,
        })
    }

    fn event(&self, event: &Event<'_>) {
        let mut line = Text::default();
        event.record(&mut line);
        let metadata = event.metadata();
        let queue = Queue::current();
        let mut waiting = queue.waiting();
        if waiting.len() == CAPACITY {
            waiting.pop_front();
            queue.dropped.store(true, Ordering::Release);
        }
        let logger = metadata.target().replace("::", ".");
        waiting.push_back((number(*metadata.level()), logger, line.finished()));
        drop(waiting);
        ANY.store(true, Ordering::Release);
    }

    // Spans are never enabled.
    fn new_span(&self, _span: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }
    fn record(&self, _span: &Id, _values: &Record<'_>) {}
    fn record_follows_from(&self, _span: &Id, _follows: &Id) {}
    fn enter(&self, _span: &Id) {}
    fn exit(&self, _span: &Id) {}
}

/// The SDK's events; an HTTP library's are not the user's business.
fn ours(metadata: &Metadata<'_>) -> bool {
    metadata.target().split("::").next() == Some("runcycles")
}

fn level() -> u8 {
    LEVEL.load(Ordering::Acquire)
}

fn number(level: Level) -> u8 {
    match level {
        Level::ERROR => 40,
        Level::WARN => 30,
        Level::INFO => 20,
        Level::DEBUG => 10,
        Level::TRACE => 5,
    }
}

/// The message, then its fields as `name=value`.
#[derive(Default)]
struct Text {
    message: String,
    fields: String,
}

impl Text {
    fn finished(mut self) -> String {
        self.message.push_str(&self.fields);
        self.message
    }
}

impl Visit for Text {
    fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        let written = if field.name() == "message" {
            write!(self.message, "{value:?}")
        } else {
            write!(self.fields, " {}={value:?}", field.name())
        };
        // Writing to a string does not fail.
        let _ = written;
    }
}
