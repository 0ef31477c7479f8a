//! How a client is set up.

use std::path::PathBuf;
use std::time::Duration;

use cycles_protocol::scope::Level;
use cycles_protocol::{Subject, limits};

use crate::error::Error;
use crate::vars::{TimeUnit, Vars};

pub use crate::builder::CyclesClientBuilder;

/// Settings of a client. Build one with [`CyclesConfig::new`], from the
/// environment, or through [`CyclesClient::builder`](crate::CyclesClient::builder).
#[derive(Clone, PartialEq)]
pub struct CyclesConfig {
    /// Where the authority listens, like `http://127.0.0.1:7878`.
    pub base_url: String,
    /// The tenant's key.
    pub api_key: String,
    /// Subject level used where a call sets none.
    pub tenant: Option<String>,
    /// Subject level used where a call sets none.
    pub workspace: Option<String>,
    /// Subject level used where a call sets none.
    pub app: Option<String>,
    /// Subject level used where a call sets none.
    pub workflow: Option<String>,
    /// Subject level used where a call sets none.
    pub agent: Option<String>,
    /// Subject level used where a call sets none.
    pub toolset: Option<String>,
    /// Longest wait for a connection.
    pub connect_timeout: Duration,
    /// Longest wait for an answer once connected.
    pub read_timeout: Duration,
    /// Whether an unclear settlement is repeated in the background.
    pub retry_enabled: bool,
    /// Repeats with growing delays; after them, the longest delay stays.
    pub retry_max_attempts: u32,
    /// Delay before the first repeat.
    pub retry_initial_delay: Duration,
    /// Growth of the delay.
    pub retry_multiplier: f64,
    /// Longest delay, jitter included.
    pub retry_max_delay: Duration,
    /// Whether a spend that is not booked for certain is on disk, so that it is
    /// booked after a crash. Without effect for an authority in process.
    pub journal_enabled: bool,
    /// Where; `.runcycles/commit-journal` in the home directory unless set.
    pub journal_dir: Option<PathBuf>,
}

impl CyclesConfig {
    /// Defaults for everything but where and who.
    pub fn new(base_url: impl Into<String>, api_key: impl Into<String>) -> Self {
        Self {
            base_url: base_url.into(),
            api_key: api_key.into(),
            tenant: None,
            workspace: None,
            app: None,
            workflow: None,
            agent: None,
            toolset: None,
            connect_timeout: Duration::from_secs(2),
            read_timeout: Duration::from_secs(5),
            retry_enabled: true,
            retry_max_attempts: 5,
            retry_initial_delay: Duration::from_millis(500),
            retry_multiplier: 2.0,
            retry_max_delay: Duration::from_secs(30),
            journal_enabled: true,
            journal_dir: None,
        }
    }

    /// Reads `CYCLES_BASE_URL`, `CYCLES_API_KEY` and the rest of the
    /// `CYCLES_…` variables.
    ///
    /// # Errors
    /// [`Error::Config`] naming the variable that is missing or does not parse.
    pub fn from_env() -> Result<Self, Error> {
        Self::from_env_with_prefix("CYCLES_")
    }

    /// As [`from_env`](Self::from_env), with another prefix.
    ///
    /// # Errors
    /// [`Error::Config`] naming the variable that is missing or does not parse.
    pub fn from_env_with_prefix(prefix: &str) -> Result<Self, Error> {
        Self::from_vars(prefix, TimeUnit::Milliseconds, |name| std::env::var(name).ok())
    }

    /// Reads variables through `get`. Names without a unit are in `unit`; names
    /// that end in `_MS` are in milliseconds everywhere and win.
    ///
    /// # Errors
    /// [`Error::Config`] naming the variable that is missing or does not parse.
    pub fn from_vars(
        prefix: &str,
        unit: TimeUnit,
        get: impl Fn(&str) -> Option<String>,
    ) -> Result<Self, Error> {
        Self::read(&Vars { prefix, unit, get })
    }

    pub(crate) fn read(vars: &Vars<'_, impl Fn(&str) -> Option<String>>) -> Result<Self, Error> {
        let mut config = Self::new(vars.required("BASE_URL")?, vars.required("API_KEY")?);
        config.tenant = vars.text("TENANT");
        config.workspace = vars.text("WORKSPACE");
        config.app = vars.text("APP");
        config.workflow = vars.text("WORKFLOW");
        config.agent = vars.text("AGENT");
        config.toolset = vars.text("TOOLSET");
        vars.duration("CONNECT_TIMEOUT", &mut config.connect_timeout)?;
        vars.duration("READ_TIMEOUT", &mut config.read_timeout)?;
        vars.duration("RETRY_INITIAL_DELAY", &mut config.retry_initial_delay)?;
        vars.duration("RETRY_MAX_DELAY", &mut config.retry_max_delay)?;
        vars.flag("RETRY_ENABLED", &mut config.retry_enabled)?;
        vars.number("RETRY_MAX_ATTEMPTS", &mut config.retry_max_attempts)?;
        vars.number("RETRY_MULTIPLIER", &mut config.retry_multiplier)?;
        vars.flag("JOURNAL_ENABLED", &mut config.journal_enabled)?;
        config.journal_dir = vars.text("JOURNAL_DIR").map(PathBuf::from);
        config.validate()?;
        Ok(config)
    }

    /// Checks that the settings make sense together.
    ///
    /// # Errors
    /// [`Error::Config`] naming the setting.
    pub fn validate(&self) -> Result<(), Error> {
        let refuse = |message: &str| Err(Error::Config(message.to_owned()));
        if !self.retry_multiplier.is_finite() || self.retry_multiplier < 1.0 {
            return refuse("retry_multiplier must be at least 1");
        }
        if self.connect_timeout.is_zero() || self.read_timeout.is_zero() {
            return refuse("connect_timeout and read_timeout must be above zero");
        }
        for (level, value) in self.subject().levels() {
            if !limits::is_subject_value(value) {
                return refuse(&format!(
                    "must match ^[a-zA-Z0-9_.-]+$ setting={} value={value:?}",
                    level.as_str()
                ));
            }
        }
        Ok(())
    }

    /// The six levels as a subject.
    #[must_use]
    pub fn subject(&self) -> Subject {
        Subject {
            tenant: self.tenant.clone(),
            workspace: self.workspace.clone(),
            app: self.app.clone(),
            workflow: self.workflow.clone(),
            agent: self.agent.clone(),
            toolset: self.toolset.clone(),
            dimensions: None,
        }
    }

    /// Fills the levels that `subject` leaves unset.
    pub(crate) fn fill(&self, subject: &mut Subject) {
        subject.fill(|level| {
            let value = match level {
                Level::Tenant => &self.tenant,
                Level::Workspace => &self.workspace,
                Level::App => &self.app,
                Level::Workflow => &self.workflow,
                Level::Agent => &self.agent,
                Level::Toolset => &self.toolset,
            };
            value.as_deref()
        });
    }

    /// Longest time that one request may take.
    #[must_use]
    pub fn attempt_timeout(&self) -> Duration {
        self.connect_timeout.saturating_add(self.read_timeout)
    }
}

impl std::fmt::Debug for CyclesConfig {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("CyclesConfig")
            .field("base_url", &self.base_url)
            .field("api_key", &"[redacted]")
            .field("subject", &self.subject())
            .field("connect_timeout", &self.connect_timeout)
            .field("read_timeout", &self.read_timeout)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(unit: TimeUnit, vars: &[(&str, &str)]) -> Result<CyclesConfig, Error> {
        let base = [("CYCLES_BASE_URL", "http://h"), ("CYCLES_API_KEY", "secret")];
        CyclesConfig::from_vars("CYCLES_", unit, |name| {
            base.iter()
                .chain(vars)
                .find(|(key, _)| *key == name)
                .map(|(_, value)| (*value).to_owned())
        })
    }

    #[test]
    fn old_names_keep_their_languages_unit_and_new_names_carry_it() {
        let old = [("CYCLES_CONNECT_TIMEOUT", "2")];
        assert_eq!(read(TimeUnit::Seconds, &old).unwrap().connect_timeout, Duration::from_secs(2));
        assert_eq!(
            read(TimeUnit::Milliseconds, &old).unwrap().connect_timeout,
            Duration::from_millis(2)
        );
        let new = [("CYCLES_CONNECT_TIMEOUT", "2"), ("CYCLES_CONNECT_TIMEOUT_MS", "1500")];
        assert_eq!(
            read(TimeUnit::Seconds, &new).unwrap().connect_timeout,
            Duration::from_millis(1500)
        );
    }

    #[test]
    fn a_value_that_does_not_parse_names_the_variable() {
        for (name, value) in [
            ("CYCLES_RETRY_MAX_ATTEMPTS", "abc"),
            ("CYCLES_RETRY_ENABLED", "maybe"),
            ("CYCLES_READ_TIMEOUT", "5s"),
            ("CYCLES_RETRY_MULTIPLIER", "two"),
            ("CYCLES_JOURNAL_ENABLED", "perhaps"),
        ] {
            let error = read(TimeUnit::Milliseconds, &[(name, value)]).unwrap_err().to_string();
            assert!(error.contains(name) && error.contains(value), "{error}");
        }
    }

    #[test]
    fn the_key_is_not_printed() {
        assert!(!format!("{:?}", read(TimeUnit::Seconds, &[]).unwrap()).contains("secret"));
    }
}
