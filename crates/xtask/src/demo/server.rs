//! A `cycles serve` of our own.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;

use crate::repo::Repo;

/// Starting takes milliseconds; draining is bounded by the server itself.
const PATIENCE: Duration = Duration::from_secs(20);

/// A server on a free port; stopped when dropped.
pub(crate) struct Server {
    child: Child,
    /// Where it listens.
    pub(crate) base_url: String,
    /// The first key of its seed.
    pub(crate) api_key: String,
}

/// The operator's key of every server.
pub(crate) const ADMIN_KEY: &str = "cyc_demo_admin";

impl Server {
    /// Starts it and waits until it is ready.
    pub(crate) fn start(repo: &Repo, seed: &str) -> Result<Self> {
        let seed_text = repo.read(seed)?;
        let document: Value = serde_saphyr::from_str(&seed_text)?;
        let api_key = document["keys"][0]["secret"].as_str().context("the seed has no key")?;
        let program = format!("cycles{}", std::env::consts::EXE_SUFFIX);
        let mut child = Command::new(repo.artifact(&program))
            .args(["serve", "--store", "memory", "--listen", "127.0.0.1:0", "--seed"])
            .arg(repo.path(seed))
            .env("RUST_LOG", "warn")
            .env("CYCLES_ADMIN_API_KEY", ADMIN_KEY)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .context("cannot start cycles serve")?;
        let stdout = child.stdout.take().context("no stdout")?;
        let mut server = Self { child, base_url: String::new(), api_key: api_key.to_owned() };
        let (sender, lines) = mpsc::channel();
        // Read to the end: a server whose stdout is closed could fail on it.
        std::thread::spawn(move || {
            BufReader::new(stdout).lines().map_while(Result::ok).for_each(|line| {
                let _ = sender.send(line);
            });
        });
        let ready = lines.recv_timeout(PATIENCE).context("cycles serve did not get ready")?;
        let ready: Value = serde_json::from_str(&ready)
            .with_context(|| format!("cycles serve said {ready:?} instead of being ready"))?;
        ensure!(ready["event"] == "ready", "cycles serve is not ready: {ready}");
        let base_url = ready["base_url"].as_str().context("the ready line has no base_url")?;
        base_url.clone_into(&mut server.base_url);
        println!("server: {} holding {seed}", server.base_url);
        Ok(server)
    }

    /// Asks it to drain, and expects it to end well.
    pub(crate) fn stop(mut self) -> Result<()> {
        terminate(&mut self.child)?;
        let start = Instant::now();
        while start.elapsed() < PATIENCE {
            if let Some(status) = self.child.try_wait()? {
                ensure!(status.success() || cfg!(windows), "cycles serve ended with {status}");
                return Ok(());
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        bail!("cycles serve did not stop within {PATIENCE:?}")
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[cfg(unix)]
fn terminate(child: &mut Child) -> Result<()> {
    let id = i32::try_from(child.id()).ok().and_then(rustix::process::Pid::from_raw);
    let id = id.context("no process id")?;
    Ok(rustix::process::kill_process(id, rustix::process::Signal::TERM)?)
}

#[cfg(windows)]
fn terminate(child: &mut Child) -> Result<()> {
    Ok(child.kill()?)
}
