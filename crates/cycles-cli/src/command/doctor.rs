//! `cycles doctor`.

mod checks;

use clap::Args;
use serde::Serialize;

use crate::failure::Failure;
use crate::output::printable;
use crate::remote::Remote;
use crate::settings::Connection;

/// Look whether server, keys, permissions, budgets and clocks fit together, and
/// say what to do where they do not.
///
/// Nothing is reserved or charged. With a tenant's key, decisions about one unit
/// of each kind are asked for, which hold nothing.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLE)]
pub(crate) struct Doctor {
    /// The tenant that agents act for; the key's own unless given.
    #[arg(long, env = "CYCLES_TENANT")]
    tenant: Option<String>,
    #[command(flatten)]
    connection: Connection,
}

const EXAMPLE: &str = "\
Exit codes: 0 all is well, 1 something is not, 2 wrong arguments or settings.";

/// How a check went.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
enum Outcome {
    Ok,
    /// It works, but not as one may expect.
    Warning,
    Failed,
}

/// One thing that was looked at.
#[derive(Debug, Serialize)]
struct Check {
    #[serde(rename = "check")]
    name: &'static str,
    outcome: Outcome,
    found: String,
    /// What to do; only where something is wrong.
    #[serde(skip_serializing_if = "Option::is_none")]
    fix: Option<String>,
}

impl Check {
    fn ok(name: &'static str, found: impl Into<String>) -> Self {
        Self { name, outcome: Outcome::Ok, found: found.into(), fix: None }
    }

    fn warning(name: &'static str, found: impl Into<String>, fix: impl Into<String>) -> Self {
        Self { name, outcome: Outcome::Warning, found: found.into(), fix: Some(fix.into()) }
    }

    fn failed(name: &'static str, found: impl Into<String>, fix: impl Into<String>) -> Self {
        Self { name, outcome: Outcome::Failed, found: found.into(), fix: Some(fix.into()) }
    }
}

impl Doctor {
    pub(crate) async fn run(self) -> Result<(), Failure> {
        let remote = Remote::new(&self.connection)?;
        let checks = checks::all(&remote, self.tenant.as_deref()).await;
        self.connection.format().write(&checks, |checks| render(checks))?;
        if checks.iter().any(|check| check.outcome == Outcome::Failed) {
            return Err(Failure::Code(1));
        }
        Ok(())
    }
}

fn render(checks: &[Check]) -> String {
    let mut text = String::new();
    for check in checks {
        let mark = match check.outcome {
            Outcome::Ok => "ok  ",
            Outcome::Warning => "WARN",
            Outcome::Failed => "FAIL",
        };
        let line = format!("{mark}  {:<12} {}\n", check.name, printable(&check.found));
        text.push_str(&line);
    }
    let first = |outcome| checks.iter().find(|check| check.outcome == outcome);
    let todo = first(Outcome::Failed).or_else(|| first(Outcome::Warning));
    text + &match todo.and_then(|check| check.fix.as_deref()) {
        Some(fix) => format!("\nWhat to do: {}\n", printable(fix)),
        None => "\nAll is well.\n".to_owned(),
    }
}
