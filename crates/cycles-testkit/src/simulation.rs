//! A deterministic simulation of the authority against an independent model.
//!
//! One seed decides everything: the world, who asks what and when, the clock
//! and the ids. Clients crash, repeat, duplicate, reorder and tamper with
//! requests; operators fund and freeze; time jumps to the millisecond around
//! every boundary. Beside it runs an oracle, written from the spec alone, which
//! predicts every answer; after every command the authority's budgets must be
//! the oracle's.
//!
//! ```no_run
//! use cycles_testkit::simulation::Simulation;
//!
//! let report = Simulation::new(7).run(200_000, |_| {}).unwrap_or_else(|failure| panic!("{failure}"));
//! println!("{report}");
//! ```

mod answer;
mod command;
mod dice;
mod invariants;
mod oracle;
mod plant;
mod report;
mod run;
mod traffic;
mod world;

use std::sync::Arc;

use cycles_engine::{Engine, Seed};
use cycles_protocol::{Authority, Clock, Random};

pub use report::{Failure, Progress, Report};

type Wrap = Box<dyn Fn(Engine) -> Arc<dyn Authority>>;
type Open = Box<dyn FnMut(&Seed, Arc<dyn Clock>, Arc<dyn Random>) -> Result<Engine, String>>;

/// A run that any machine repeats from its seed.
pub struct Simulation {
    seed: u64,
    wrap: Wrap,
    open: Option<Open>,
}

impl std::fmt::Debug for Simulation {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Simulation").field("seed", &self.seed).finish_non_exhaustive()
    }
}

impl Simulation {
    /// The run of this seed.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self { seed, wrap: Box::new(|engine| Arc::new(engine)), open: None }
    }

    /// The same run with something in front of the engine, like a fault that
    /// the oracle should find.
    #[must_use]
    pub fn behind(self, wrap: impl Fn(Engine) -> Arc<dyn Authority> + 'static) -> Self {
        Self { wrap: Box::new(wrap), ..self }
    }

    /// The same run over an engine that something keeps. It ends and is opened
    /// again now and then, and must not have forgotten anything: `open` makes it,
    /// the first time and after every end.
    #[must_use]
    pub fn kept_by(
        self,
        open: impl FnMut(&Seed, Arc<dyn Clock>, Arc<dyn Random>) -> Result<Engine, String> + 'static,
    ) -> Self {
        Self { open: Some(Box::new(open)), ..self }
    }

    /// Runs `steps` commands, and tells `progress` about them now and then.
    ///
    /// # Errors
    /// The first answer or figure that differs from the oracle's, with all that
    /// it takes to repeat it.
    pub fn run(self, steps: u64, progress: impl FnMut(Progress)) -> Result<Report, Failure> {
        run::run(self, steps, progress)
    }
}
