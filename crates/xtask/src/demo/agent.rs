//! One of the runaway agents, as a user would start it.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread::JoinHandle;

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use super::TENANT;
use super::server::Server;
use crate::build;
use crate::language::Language;
use crate::repo::Repo;

/// How to start the agent of one language.
pub(super) fn command(repo: &Repo, language: Language) -> Result<Command> {
    if language == Language::Rust {
        let program = format!("runaway-agent{}", std::env::consts::EXE_SUFFIX);
        return Ok(Command::new(repo.artifact(&program)));
    }
    build::program(repo, "runaway_agent", "agent", language)
}

/// What an agent says of itself in its last line.
pub(super) struct Told {
    /// Calls that went through.
    pub(super) calls: i64,
    /// Calls that were refused.
    pub(super) denials: i64,
    /// Microcents.
    pub(super) spent: i64,
}

/// A running agent; stopped when dropped.
pub(super) struct Agent {
    /// Its language.
    pub(super) language: Language,
    child: Child,
    ended: Option<ExitStatus>,
    output: Option<JoinHandle<Vec<String>>>,
}

impl Agent {
    /// Starts it against `server`.
    pub(super) fn start(language: Language, mut command: Command, server: &Server) -> Result<Self> {
        let mut child = command
            .env("CYCLES_BASE_URL", &server.base_url)
            .env("CYCLES_API_KEY", &server.api_key)
            .env("CYCLES_TENANT", TENANT)
            // A demo leaves nothing behind in the home directory.
            .env("CYCLES_JOURNAL_ENABLED", "false")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .with_context(|| format!("cannot start the {language} agent"))?;
        let output = child.stdout.take().map(|pipe| {
            std::thread::spawn(move || BufReader::new(pipe).lines().map_while(Result::ok).collect())
        });
        Ok(Self { language, child, ended: None, output })
    }

    /// Whether it has ended; an error where it did not end well.
    pub(super) fn has_ended(&mut self) -> Result<bool> {
        if self.ended.is_none() {
            self.ended = self.child.try_wait()?;
        }
        if let Some(status) = self.ended {
            ensure!(status.success(), "the {} agent ended with {status}", self.language);
        }
        Ok(self.ended.is_some())
    }

    /// Its last line.
    pub(super) fn told(mut self) -> Result<Told> {
        let output = self.output.take().context("no output")?;
        let lines = output.join().map_err(|_| anyhow::anyhow!("its output was lost"))?;
        let last = lines.last().context("it said nothing")?;
        let line: Value = serde_json::from_str(last)
            .with_context(|| format!("its last line is not JSON: {last:?}"))?;
        ensure!(line["language"] == self.language.name(), "it says it is {}", line["language"]);
        let number = |name: &str| {
            line[name].as_i64().with_context(|| format!("it does not say {name}: {last}"))
        };
        Ok(Told {
            calls: number("calls")?,
            denials: number("denials")?,
            spent: number("spent_microcents")?,
        })
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
