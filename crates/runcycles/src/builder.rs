//! Builds a [`CyclesClient`](crate::CyclesClient).

mod build;

use std::sync::Arc;
use std::time::Duration;

use cycles_protocol::{Authority, Clock, Random, SystemClock};

use crate::config::CyclesConfig;
use crate::error::Error;
use crate::heartbeat::{HeartbeatFailure, OnFailure};
use crate::journal::JournalSync;
use crate::lease::HeartbeatPolicy;
use crate::nested::Nested;
use crate::report::{OnSettlement, SettlementReport};
use crate::settings::{Settings, SettlementMode};
use crate::unreachable::OnUnreachable;
use crate::vars::{TimeUnit, Vars};

/// Builds a [`CyclesClient`](crate::CyclesClient); every setting has a default but where and who.
#[derive(Debug)]
#[must_use]
pub struct CyclesClientBuilder {
    pub(crate) config: CyclesConfig,
    pub(crate) settings: Settings,
    authority: Option<Arc<dyn Authority>>,
    /// Whether `authority` is in this process.
    in_process: bool,
    clock: Arc<dyn Clock>,
    /// Where everything random comes from, where that is not the system.
    random: Option<Arc<dyn Random>>,
    pub(crate) on_heartbeat_failure: OnFailure,
    pub(crate) on_settlement: OnSettlement,
}

macro_rules! subject_defaults {
    ($($level:ident),+) => {$(
        /// Subject level used where a call sets none.
        pub fn $level(mut self, value: impl Into<String>) -> Self {
            self.config.$level = Some(value.into());
            self
        }
    )+};
}

impl CyclesClientBuilder {
    /// Starts with where and who.
    pub fn new(api_key: impl Into<String>, base_url: impl Into<String>) -> Self {
        Self::from_config(CyclesConfig::new(base_url, api_key))
    }

    /// Starts from settings.
    pub fn from_config(config: CyclesConfig) -> Self {
        Self {
            config,
            settings: Settings::default(),
            authority: None,
            in_process: false,
            clock: Arc::new(SystemClock::new()),
            random: None,
            on_heartbeat_failure: OnFailure::default(),
            on_settlement: OnSettlement::default(),
        }
    }

    /// Starts from the `CYCLES_…` environment variables.
    ///
    /// # Errors
    /// [`Error::Config`] naming the variable that is missing or does not parse.
    pub fn from_env() -> Result<Self, Error> {
        Self::from_vars("CYCLES_", TimeUnit::Milliseconds, |name| std::env::var(name).ok())
    }

    /// As [`from_env`](Self::from_env), with variables that begin with `prefix`
    /// and are read through `get`. Names without a unit are in `unit`; names
    /// that end in `_MS` are in milliseconds everywhere and win.
    ///
    /// # Errors
    /// [`Error::Config`] naming the variable that is missing or does not parse.
    pub fn from_vars(
        prefix: &str,
        unit: TimeUnit,
        get: impl Fn(&str) -> Option<String>,
    ) -> Result<Self, Error> {
        let vars = Vars { prefix, unit, get };
        let config = CyclesConfig::read(&vars)?;
        Ok(Self { settings: Settings::read(&vars)?, ..Self::from_config(config) })
    }

    /// The settings so far that are 0.3's too.
    pub fn config_mut(&mut self) -> &mut CyclesConfig {
        &mut self.config
    }

    subject_defaults!(tenant, workspace, app, workflow, agent, toolset);

    /// Longest wait for a connection; 2 s unless set.
    pub fn connect_timeout(mut self, timeout: Duration) -> Self {
        self.config.connect_timeout = timeout;
        self
    }

    /// Longest wait for an answer; 5 s unless set.
    pub fn read_timeout(mut self, timeout: Duration) -> Self {
        self.config.read_timeout = timeout;
        self
    }

    /// Whether an unclear settlement is repeated in the background.
    pub fn retry_enabled(mut self, enabled: bool) -> Self {
        self.config.retry_enabled = enabled;
        self
    }

    /// Repeats with growing delays.
    pub fn retry_max_attempts(mut self, attempts: u32) -> Self {
        self.config.retry_max_attempts = attempts;
        self
    }

    /// Delay before the first repeat; 500 ms unless set.
    pub fn retry_initial_delay(mut self, delay: Duration) -> Self {
        self.config.retry_initial_delay = delay;
        self
    }

    /// Growth of the delay; 2 unless set.
    pub fn retry_multiplier(mut self, multiplier: f64) -> Self {
        self.config.retry_multiplier = multiplier;
        self
    }

    /// Longest delay; 30 s unless set.
    pub fn retry_max_delay(mut self, delay: Duration) -> Self {
        self.config.retry_max_delay = delay;
        self
    }

    /// PEM certificates of authorities to trust besides the platform's, like a
    /// company's own. They are read on the first call, which answers
    /// [`Error::Config`] where there is none in them.
    pub fn ca_certificate_pem(mut self, pem: impl Into<Vec<u8>>) -> Self {
        self.settings.certificates.pem = pem.into();
        self
    }

    /// As [`ca_certificate_pem`](Self::ca_certificate_pem), from a file;
    /// `CYCLES_CA_FILE` in the environment.
    pub fn ca_file(mut self, path: impl Into<std::path::PathBuf>) -> Self {
        self.settings.certificates.file = Some(path.into());
        self
    }

    /// An HTTP client of your own, with its connections, proxies and certificates
    /// in place of ours ([`crate::reqwest`] is the version that fits). Time limits
    /// hold all the same. It is not made anew in a forked child.
    pub fn http_client(mut self, client: reqwest::Client) -> Self {
        self.settings.http_client = Some(client);
        self
    }

    /// Whether a spend that is not booked for certain is on disk; it is, unless
    /// set or the authority is in process.
    pub fn journal_enabled(mut self, enabled: bool) -> Self {
        self.config.journal_enabled = enabled;
        self
    }

    /// Where; `.runcycles/commit-journal` in the home directory unless set.
    pub fn journal_dir(mut self, directory: impl Into<std::path::PathBuf>) -> Self {
        self.config.journal_dir = Some(directory.into());
        self
    }

    /// What it survives there; a power failure unless set.
    pub fn journal_sync(mut self, sync: JournalSync) -> Self {
        self.settings.journal_sync = sync;
        self
    }

    /// Who pays for a guarded call inside another, unless the call says
    /// otherwise; it holds budget of its own unless set.
    pub fn nested(mut self, nested: Nested) -> Self {
        self.settings.nested = nested;
        self
    }

    /// What wrappers ([`with_cycles`](crate::with_cycles),
    /// [`settle`](crate::ReservationGuard::settle)) wait for after the work; the
    /// first attempt unless set.
    pub fn settlement(mut self, mode: SettlementMode) -> Self {
        self.settings.settlement = mode;
        self
    }

    /// Longest time of a call in all, repeats included: a reserve, a low-level
    /// call, or the wait for a settlement, which itself goes on. Unless set, the
    /// attempts' own limits are all there is.
    pub fn call_timeout(mut self, timeout: Duration) -> Self {
        self.settings.call_timeout = Some(timeout);
        self
    }

    /// Failures in a row, over at least a second, after which the authority is
    /// not asked for a while; 10 unless set, and 0 for never. Settlement and
    /// extensions are not affected.
    pub fn circuit_breaker_failures(mut self, failures: u32) -> Self {
        self.settings.circuit_breaker_failures = failures;
        self
    }

    /// Longest such while, after which one call is let through; 5 s unless set,
    /// and half of it at least.
    pub fn circuit_breaker_cooldown(mut self, cooldown: Duration) -> Self {
        self.settings.circuit_breaker_cooldown = cooldown;
        self
    }

    /// Whether guarded work runs while the authority cannot be asked; it does
    /// not, unless set.
    pub fn on_unreachable(mut self, policy: OnUnreachable) -> Self {
        self.settings.on_unreachable = policy;
        self
    }

    /// Called with what became of settlements whose caller did not wait for it,
    /// those of earlier processes included. It must return quickly.
    pub fn on_settlement(
        mut self,
        callback: impl Fn(&SettlementReport) + Send + Sync + 'static,
    ) -> Self {
        self.on_settlement = OnSettlement(Some(Arc::new(callback)));
        self
    }

    /// What happens to guarded work whose lease is lost; it goes on unless set.
    pub fn heartbeat_policy(mut self, policy: HeartbeatPolicy) -> Self {
        self.settings.heartbeat_policy = policy;
        self
    }

    /// Longest that one extension of a lease may take: two of them and a margin
    /// of a second must fit into a lease, or it cannot be kept. Unless set, a
    /// fifth of the lease, at least one second and at most two. Zero is refused
    /// where the settings are read, and taken for a millisecond here.
    pub fn extend_timeout(mut self, timeout: Duration) -> Self {
        self.settings.extend_timeout = Some(timeout.max(Duration::from_millis(1)));
        self
    }

    /// Called when a lease could not be extended, and when it is lost. It must
    /// return quickly: it is called where the lease is kept.
    pub fn on_heartbeat_failure(
        mut self,
        callback: impl Fn(&HeartbeatFailure) + Send + Sync + 'static,
    ) -> Self {
        self.on_heartbeat_failure = OnFailure(Some(Arc::new(callback)));
        self
    }

    /// Time for waiting and measuring; tests pass a manual clock.
    pub fn clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = clock;
        self
    }

    /// Where request ids come from; tests pass a seeded source.
    pub fn random(mut self, random: Arc<dyn Random>) -> Self {
        self.random = Some(random);
        self
    }

    /// An authority in this process instead of the remote one. The client then
    /// refuses to work in a forked child, which would own the whole budget again.
    pub fn authority(mut self, authority: Arc<dyn Authority>) -> Self {
        self.authority = Some(authority);
        self.in_process = true;
        self
    }

    /// Another way to a remote authority, like one that records or breaks.
    pub fn remote(mut self, authority: Arc<dyn Authority>) -> Self {
        self.authority = Some(authority);
        self.in_process = false;
        self
    }
}

#[cfg(test)]
mod tests;
