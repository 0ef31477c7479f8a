//! [`ServerConfig`]: what to serve, and where.

use std::fmt::Debug;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use cycles_engine::Engine;
use cycles_protocol::{Authority, Clock, Control, Random, SystemClock, UniqueIds};

use crate::listener::Tls;
use crate::{AdminKey, AnswerCheck, Observer, limits};

/// What to serve, and where: on a free port of 127.0.0.1 unless told otherwise.
#[derive(Debug, Clone)]
pub struct ServerConfig {
    pub(crate) listen: SocketAddr,
    pub(crate) admin_listen: Option<SocketAddr>,
    pub(crate) admin_key: AdminKey,
    pub(crate) authority: Arc<dyn Authority>,
    pub(crate) control: Arc<dyn Control>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) random: Arc<dyn Random>,
    pub(crate) sweep: Option<Engine>,
    pub(crate) sweep_every: Duration,
    pub(crate) check: Option<Arc<dyn AnswerCheck>>,
    pub(crate) unanswered: Unanswered,
    pub(crate) observers: Vec<Arc<dyn Observer>>,
    pub(crate) decisions: bool,
    pub(crate) metrics: Option<Arc<dyn MetricsPage>>,
    pub(crate) tls: Tls,
}

/// What `GET /metrics` answers.
pub trait MetricsPage: Debug + Send + Sync + 'static {
    /// Content type and text, as they are at this moment.
    fn render(&self) -> (&'static str, String);
}

/// What a server does with a request to which the authority gave no valid answer.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Unanswered {
    /// Answers 500 and asks to repeat with the same key.
    #[default]
    Refuse,
    /// Closes the connection without a byte, as a server that died would.
    HangUp,
}

impl ServerConfig {
    /// `authority` answers the runtime plane; `control` checks keys and answers
    /// the governance plane to whoever has `admin_key`.
    #[must_use]
    pub fn new(
        admin_key: impl Into<AdminKey>,
        authority: Arc<dyn Authority>,
        control: Arc<dyn Control>,
    ) -> Self {
        Self {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            admin_listen: None,
            admin_key: admin_key.into(),
            authority,
            control,
            clock: Arc::new(SystemClock::new()),
            random: Arc::new(UniqueIds::new()),
            sweep: None,
            sweep_every: limits::SWEEP_EVERY,
            check: None,
            unanswered: Unanswered::default(),
            observers: Vec::new(),
            decisions: false,
            metrics: None,
            tls: Tls::default(),
        }
    }

    /// `engine` answers both planes, with its own clock, and is swept.
    #[must_use]
    pub fn over_engine(admin_key: impl Into<AdminKey>, engine: &Engine) -> Self {
        let (authority, control) = (Arc::new(engine.clone()), Arc::new(engine.clone()));
        Self::new(admin_key, authority, control)
            .clock(Arc::clone(engine.clock()))
            .sweep(engine.clone())
    }

    /// Listens there; port 0 picks a free one.
    #[must_use]
    pub fn listen(mut self, address: SocketAddr) -> Self {
        self.listen = address;
        self
    }

    /// Also listens there, for guides that expect the governance plane on a port
    /// of its own. Both addresses answer both planes.
    #[must_use]
    pub fn admin_listen(mut self, address: Option<SocketAddr>) -> Self {
        self.admin_listen = address;
        self
    }

    /// Says when to sweep.
    #[must_use]
    pub fn clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = clock;
        self
    }

    /// Makes request and trace ids.
    #[must_use]
    pub fn random(mut self, random: Arc<dyn Random>) -> Self {
        self.random = random;
        self
    }

    /// Sweeps `engine` for expired reservations every few seconds. Only tidies:
    /// commands see expiry without it.
    #[must_use]
    pub fn sweep(mut self, engine: Engine) -> Self {
        self.sweep = Some(engine);
        self
    }

    /// How long after one sweep the next one begins; 5 s unless set.
    #[must_use]
    pub const fn sweep_every(mut self, interval: Duration) -> Self {
        self.sweep_every = interval;
        self
    }

    /// Shows every answer to `check` before it leaves; for tests.
    #[must_use]
    pub fn check(mut self, check: Arc<dyn AnswerCheck>) -> Self {
        self.check = Some(check);
        self
    }

    /// What to do when the authority gives no valid answer.
    #[must_use]
    pub fn unanswered(mut self, unanswered: Unanswered) -> Self {
        self.unanswered = unanswered;
        self
    }

    /// Tells `observer` of every decision, once it is answered.
    #[must_use]
    pub fn observer(mut self, observer: Arc<dyn Observer>) -> Self {
        self.observers.push(observer);
        self
    }

    /// Remembers the newest decisions, for `GET /v1/x-cycles/decisions`.
    #[must_use]
    pub fn decisions(mut self) -> Self {
        self.decisions = true;
        self
    }

    /// Answers `GET /metrics` and `GET /actuator/prometheus`, to anybody.
    #[must_use]
    pub fn metrics(mut self, page: Arc<dyn MetricsPage>) -> Self {
        self.metrics = Some(page);
        self
    }

    /// Speaks TLS on every address.
    #[cfg(feature = "tls")]
    #[must_use]
    pub fn tls(mut self, identity: crate::TlsIdentity) -> Self {
        self.tls = Some(identity);
        self
    }
}
