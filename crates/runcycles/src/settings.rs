//! What the 0.3 [`CyclesConfig`](crate::CyclesConfig) has no field for
//! (decision "Rust `Error` and `CyclesConfig`"); set through the builder.

use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::certificates::Certificates;
use crate::error::Error;
use crate::journal::JournalSync;
use crate::lease::HeartbeatPolicy;
use crate::nested::Nested;
use crate::unreachable::OnUnreachable;
use crate::vars::Vars;

/// Settings beside the configuration.
#[derive(Debug, Clone)]
pub(crate) struct Settings {
    /// What a journalled record survives.
    pub(crate) journal_sync: JournalSync,
    /// Who pays for a guarded call inside another.
    pub(crate) nested: Nested,
    /// What wrappers wait for after the work.
    pub(crate) settlement: SettlementMode,
    /// Longest time of one call in all; the attempts' own limits unless set.
    pub(crate) call_timeout: Option<Duration>,
    /// Failures in a row that open the circuit; 0 switches it off.
    pub(crate) circuit_breaker_failures: u32,
    /// Longest pause of an open circuit until a call is let through.
    pub(crate) circuit_breaker_cooldown: Duration,
    /// Whether guarded work runs while the authority cannot be asked.
    pub(crate) on_unreachable: OnUnreachable,
    /// Trusted besides the platform's.
    pub(crate) certificates: Certificates,
    /// The caller's own in place of ours.
    pub(crate) http_client: Option<reqwest::Client>,
    /// What happens to work whose lease is lost.
    pub(crate) heartbeat_policy: HeartbeatPolicy,
    /// Longest that one extension may take; follows from the lease unless set.
    pub(crate) extend_timeout: Option<Duration>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            journal_sync: JournalSync::default(),
            nested: Nested::default(),
            settlement: SettlementMode::default(),
            call_timeout: None,
            circuit_breaker_failures: 10,
            circuit_breaker_cooldown: Duration::from_secs(5),
            on_unreachable: OnUnreachable::default(),
            certificates: Certificates::default(),
            http_client: None,
            heartbeat_policy: HeartbeatPolicy::default(),
            extend_timeout: None,
        }
    }
}

/// What wrappers wait for once the work is done. Without effect for an authority
/// in process, which answers at once.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SettlementMode {
    /// The first attempt, which the attempt's time limits.
    #[default]
    Inline,
    /// The journal, or nothing where there is none; the rest goes on in the
    /// background.
    Background,
}

impl SettlementMode {
    /// Reads `inline` or `background`.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        match text {
            "inline" => Some(Self::Inline),
            "background" => Some(Self::Background),
            _ => None,
        }
    }
}

impl Settings {
    pub(crate) fn read(vars: &Vars<'_, impl Fn(&str) -> Option<String>>) -> Result<Self, Error> {
        let mut settings = Self::default();
        vars.word(
            "JOURNAL_SYNC",
            "power or process",
            JournalSync::parse,
            &mut settings.journal_sync,
        )?;
        settings.certificates.file = vars.text("CA_FILE").map(PathBuf::from);
        vars.word("NESTED", "own, inherit or forbid", Nested::parse, &mut settings.nested)?;
        vars.word(
            "SETTLEMENT",
            "inline or background",
            SettlementMode::parse,
            &mut settings.settlement,
        )?;
        vars.word(
            "ON_UNREACHABLE",
            "deny, allow or allow_up_to:<amount>:<unit>",
            OnUnreachable::parse,
            &mut settings.on_unreachable,
        )?;
        vars.number("CIRCUIT_BREAKER_FAILURES", &mut settings.circuit_breaker_failures)?;
        let mut ms = None;
        vars.milliseconds("CALL_TIMEOUT", &mut settings.call_timeout)?;
        vars.milliseconds("CIRCUIT_BREAKER_COOLDOWN", &mut ms)?;
        settings.circuit_breaker_cooldown = ms.unwrap_or(settings.circuit_breaker_cooldown);
        vars.milliseconds("EXTEND_TIMEOUT", &mut settings.extend_timeout)?;
        vars.word(
            "HEARTBEAT_POLICY",
            "warn, fail_on_finalize or cancel",
            HeartbeatPolicy::parse,
            &mut settings.heartbeat_policy,
        )?;
        settings.validate()?;
        Ok(settings)
    }

    /// Checks that the settings make sense.
    pub(crate) fn validate(&self) -> Result<(), Error> {
        let refuse = |message: &str| Err(Error::Config(message.to_owned()));
        if self.call_timeout.is_some_and(|timeout| timeout.is_zero()) {
            return refuse("call_timeout must be above zero; leave it out for no limit");
        }
        if self.extend_timeout.is_some_and(|timeout| timeout.is_zero()) {
            return refuse("extend_timeout must be above zero; leave it out for the default");
        }
        if self.circuit_breaker_cooldown.is_zero() {
            return refuse(
                "circuit_breaker_cooldown must be above zero; circuit_breaker_failures=0 switches it off",
            );
        }
        self.on_unreachable.validate()
    }
}
