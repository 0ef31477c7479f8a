//! Puts a client together from what its builder was told.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use cycles_protocol::{SystemRandom, UniqueIds};
use parking_lot::Mutex;

use super::CyclesClientBuilder;
use crate::circuit::{self, Breaker};
use crate::client::{CyclesClient, Inner};
#[cfg(any(feature = "embedded", feature = "blocking"))]
use crate::error::Error;
use crate::heartbeat::Extensions;
use crate::http::HttpAuthority;
use crate::journal::Journal;
use crate::notifications::Notifier;
use crate::observed::Observed;
use crate::pending::Pending;
use crate::replay::Replay;
use crate::settings::Settings;
use crate::unreachable::{OnUnreachable, Unseen};

impl CyclesClientBuilder {
    /// An authority in process, holding what the YAML `seed` declares, like
    /// `budgets: {tenant:acme: $5.00}`. It uses the configured key, else the
    /// seed's first, and that key's tenant where a call sets none.
    ///
    /// # Errors
    /// [`Error::Config`] naming the line of the seed that is wrong.
    #[cfg(feature = "embedded")]
    pub fn embedded(mut self, seed: &str) -> Result<Self, Error> {
        use cycles_engine::{Engine, Seed};

        let invalid =
            |error: &dyn std::fmt::Display| Error::Config(format!("seed is not valid: {error}"));
        let seed = Seed::from_yaml(seed).map_err(|error| invalid(&error))?.with_default_keys();
        let random = self.random.clone().unwrap_or_else(|| Arc::new(SystemRandom));
        let engine = Engine::with_seed(&seed, Arc::clone(&self.clock), random)
            .map_err(|error| invalid(&error))?;
        let wanted = &self.config.api_key;
        let key = seed.keys.iter().find(|key| wanted.is_empty() || key.secret == *wanted);
        let key =
            key.ok_or_else(|| {
                Error::Config(if seed.keys.is_empty() {
                "seed has no budgets; give it one, like {budgets: {\"tenant:acme\": \"$5.00\"}}"
            } else {
                "seed lacks the client's key; add it under `keys`"
            }.to_owned())
            })?;
        self.config.api_key.clone_from(&key.secret);
        // Every call has a subject: the key's tenant, unless it says more.
        self.config.tenant.get_or_insert_with(|| key.tenant_id.clone());
        let local = engine.local(self.config.api_key.clone());
        Ok(self.authority(Arc::new(local)))
    }

    /// The client with calls that block.
    ///
    /// # Errors
    /// [`Error::Config`] when its thread cannot be started.
    #[cfg(feature = "blocking")]
    pub fn build_blocking(self) -> Result<crate::BlockingCyclesClient, Error> {
        crate::BlockingCyclesClient::build(self)
    }

    /// The client. A base URL that makes no sense is reported by the first call.
    #[must_use]
    pub fn build(self) -> CyclesClient {
        let notifications = Notifier::default();
        let owner = self.in_process.then(std::process::id);
        // The state of an authority in process ends with the process.
        let journal = if self.in_process {
            None
        } else {
            let (sync, clock) = (self.settings.journal_sync, &self.clock);
            let random = self.random.as_deref().unwrap_or(&SystemRandom);
            Journal::new(&self.config, sync, clock, random, &notifications.0)
        };
        let authority = self.authority.unwrap_or_else(|| {
            let http = HttpAuthority::new(self.config.clone())
                .trusting(self.settings.certificates.clone());
            Arc::new(match self.settings.http_client.clone() {
                Some(client) => http.through(client),
                None => http,
            })
        });
        let Settings { circuit_breaker_failures: failures, circuit_breaker_cooldown, .. } =
            self.settings;
        let breaker = (failures > 0 && !self.in_process).then(|| {
            Arc::new(Breaker::new(failures, circuit_breaker_cooldown, Arc::clone(&self.clock)))
        });
        let authority = match &breaker {
            Some(breaker) => Arc::new(circuit::Guarded::new(authority, Arc::clone(breaker))),
            None => authority,
        };
        CyclesClient::from_inner(Inner {
            authority: Arc::new(Observed::new(authority, &self.clock)),
            breaker,
            unseen: Unseen::new(if self.in_process {
                OnUnreachable::Deny
            } else {
                self.settings.on_unreachable
            }),
            replaced_key: Mutex::default(),
            closed: AtomicBool::default(),
            on_settlement: self.on_settlement,
            config: self.config,
            settings: self.settings,
            clock: self.clock,
            random: self.random.unwrap_or_else(|| Arc::new(UniqueIds::new())),
            pending: Pending::default(),
            journal,
            replay: Replay::default(),
            on_heartbeat_failure: self.on_heartbeat_failure,
            warned_of_nesting: AtomicBool::new(false),
            extensions: Extensions::default(),
            waiting_leases: Arc::default(),
            notifications,
            owner,
        })
    }
}
