//! Settings as a document.

use std::path::PathBuf;
use std::time::Duration;

use cycles_protocol::Error as Refusal;
use serde::{Deserialize, Serialize};

use crate::builder::CyclesClientBuilder;
use crate::config::CyclesConfig;
use crate::error::{Error, ErrorReport};
use crate::journal::JournalSync;
use crate::lease::HeartbeatPolicy;
use crate::nested::Nested;
use crate::settings::SettlementMode;
use crate::unreachable::OnUnreachable;

/// Settings of a client, as a document. Everything may be left out.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
#[expect(missing_docs, reason = "the fields are those of CyclesConfig, with times in milliseconds")]
pub struct ConfigDocument {
    pub base_url: Option<String>,
    pub api_key: Option<String>,
    pub tenant: Option<String>,
    pub workspace: Option<String>,
    pub app: Option<String>,
    pub workflow: Option<String>,
    pub agent: Option<String>,
    pub toolset: Option<String>,
    pub connect_timeout_ms: Option<u64>,
    pub read_timeout_ms: Option<u64>,
    pub retry_enabled: Option<bool>,
    pub retry_max_attempts: Option<u32>,
    pub retry_initial_delay_ms: Option<u64>,
    pub retry_multiplier: Option<f64>,
    pub retry_max_delay_ms: Option<u64>,
    pub journal_enabled: Option<bool>,
    pub journal_dir: Option<PathBuf>,
    pub journal_sync: Option<JournalSync>,
    pub nested: Option<Nested>,
    pub settlement: Option<SettlementMode>,
    pub call_timeout_ms: Option<u64>,
    pub circuit_breaker_failures: Option<u32>,
    pub circuit_breaker_cooldown_ms: Option<u64>,
    pub on_unreachable: Option<OnUnreachable>,
    pub ca_file: Option<PathBuf>,
    pub heartbeat_policy: Option<HeartbeatPolicy>,
    pub extend_timeout_ms: Option<u64>,
}

impl From<CyclesClientBuilder> for ConfigDocument {
    fn from(builder: CyclesClientBuilder) -> Self {
        let CyclesClientBuilder { config, settings, .. } = builder;
        let ms = |time: Duration| Some(u64::try_from(time.as_millis()).unwrap_or(u64::MAX));
        Self {
            base_url: Some(config.base_url),
            api_key: Some(config.api_key),
            tenant: config.tenant,
            workspace: config.workspace,
            app: config.app,
            workflow: config.workflow,
            agent: config.agent,
            toolset: config.toolset,
            connect_timeout_ms: ms(config.connect_timeout),
            read_timeout_ms: ms(config.read_timeout),
            retry_enabled: Some(config.retry_enabled),
            retry_max_attempts: Some(config.retry_max_attempts),
            retry_initial_delay_ms: ms(config.retry_initial_delay),
            retry_multiplier: Some(config.retry_multiplier),
            retry_max_delay_ms: ms(config.retry_max_delay),
            journal_enabled: Some(config.journal_enabled),
            journal_dir: config.journal_dir,
            journal_sync: Some(settings.journal_sync),
            nested: Some(settings.nested),
            settlement: Some(settings.settlement),
            call_timeout_ms: settings.call_timeout.and_then(ms),
            circuit_breaker_failures: Some(settings.circuit_breaker_failures),
            circuit_breaker_cooldown_ms: ms(settings.circuit_breaker_cooldown),
            on_unreachable: Some(settings.on_unreachable),
            ca_file: settings.certificates.file,
            heartbeat_policy: Some(settings.heartbeat_policy),
            extend_timeout_ms: settings.extend_timeout.and_then(ms),
        }
    }
}

impl ConfigDocument {
    /// The settings, with defaults for what is left out.
    ///
    /// # Errors
    /// Kind `Config`, naming the setting.
    pub fn into_builder(self) -> Result<CyclesClientBuilder, ErrorReport> {
        let mut config =
            CyclesConfig::new(self.base_url.unwrap_or_default(), self.api_key.unwrap_or_default());
        config.tenant = self.tenant;
        config.workspace = self.workspace;
        config.app = self.app;
        config.workflow = self.workflow;
        config.agent = self.agent;
        config.toolset = self.toolset;
        let set = |into: &mut Duration, ms: Option<u64>| {
            if let Some(ms) = ms {
                *into = Duration::from_millis(ms);
            }
        };
        set(&mut config.connect_timeout, self.connect_timeout_ms);
        set(&mut config.read_timeout, self.read_timeout_ms);
        set(&mut config.retry_initial_delay, self.retry_initial_delay_ms);
        set(&mut config.retry_max_delay, self.retry_max_delay_ms);
        config.retry_enabled = self.retry_enabled.unwrap_or(config.retry_enabled);
        config.retry_max_attempts = self.retry_max_attempts.unwrap_or(config.retry_max_attempts);
        config.retry_multiplier = self.retry_multiplier.unwrap_or(config.retry_multiplier);
        config.journal_enabled = self.journal_enabled.unwrap_or(config.journal_enabled);
        config.journal_dir = self.journal_dir;
        config.validate().map_err(|error| ErrorReport::from(Refusal::config(plain(&error))))?;
        let mut builder = CyclesClientBuilder::from_config(config);
        let settings = &mut builder.settings;
        settings.journal_sync = self.journal_sync.unwrap_or_default();
        settings.nested = self.nested.unwrap_or_default();
        settings.settlement = self.settlement.unwrap_or_default();
        settings.call_timeout = self.call_timeout_ms.map(Duration::from_millis);
        settings.circuit_breaker_failures =
            self.circuit_breaker_failures.unwrap_or(settings.circuit_breaker_failures);
        set(&mut settings.circuit_breaker_cooldown, self.circuit_breaker_cooldown_ms);
        settings.on_unreachable = self.on_unreachable.unwrap_or_default();
        settings.certificates.file = self.ca_file;
        settings.heartbeat_policy = self.heartbeat_policy.unwrap_or_default();
        settings.extend_timeout = self.extend_timeout_ms.map(Duration::from_millis);
        settings.validate().map_err(|error| ErrorReport::from(Refusal::config(plain(&error))))?;
        Ok(builder)
    }

    /// The settings of a remote client: where and who are required.
    ///
    /// # Errors
    /// Kind `Config`, naming the setting.
    pub fn into_remote_builder(self) -> Result<CyclesClientBuilder, ErrorReport> {
        let builder = self.into_builder()?;
        let config = &builder.config;
        for (name, value) in [("base_url", &config.base_url), ("api_key", &config.api_key)] {
            if value.trim().is_empty() {
                return Err(Refusal::config(format!("{name} is required")).into());
            }
        }
        if !config.base_url.starts_with("http://") && !config.base_url.starts_with("https://") {
            return Err(Refusal::config(format!(
                "base_url must start with http:// or https:// base_url={:?}",
                config.base_url
            ))
            .into());
        }
        Ok(builder)
    }
}

/// The message without the variant's prefix, which the package's class says.
fn plain(error: &Error) -> String {
    match error {
        Error::Config(message) | Error::Validation(message) => message.clone(),
        other => other.to_string(),
    }
}
