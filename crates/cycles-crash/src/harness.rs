//! Starts clients and servers, kills servers, and compares at the end.

use std::io::{BufRead, BufReader, Read};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use clap::ValueEnum;

use crate::server::{At, SEED};
use crate::truth::{Ledger, Told};

/// Processes of clients.
const PROCESSES: u64 = 3;
/// How long a server that does not kill itself lives, at the most.
const LIFE: Duration = Duration::from_millis(300);
/// Longest wait for a server to kill itself; it then is killed like the others.
const PATIENCE: Duration = Duration::from_secs(10);

/// Kills a server `kills` times under load, and once more at the end.
pub(crate) fn run(program: &Path, kills: u32, seed: u64) -> Result<()> {
    let mut dice = fastrand::Rng::with_seed(seed);
    let place = tempfile::tempdir()?;
    let plant = Plant {
        program: program.to_owned(),
        directory: place.path().join("data"),
        seed: place.path().join("seed.yaml"),
        listen: free_address()?,
    };
    std::fs::write(&plant.seed, SEED)?;
    // Before the clients: they wait for nobody.
    let mut server = plant.serve(None)?;
    let clients = (0..PROCESSES).map(|number| Clients::start(plant.listen, number));
    let clients = clients.collect::<Result<Vec<_>>>()?;
    let (mut by_step, mut slowest) = (0, Duration::ZERO);
    for kill in 0..kills {
        by_step += u32::from(server.die(&mut dice)?);
        let step = (kill % 2 == 0).then(|| {
            let at = At::ALL[kill as usize / 2 % At::ALL.len()];
            // Checkpoints are rarer than batches.
            let most = if matches!(at, At::Writing | At::Written) { 60 } else { 4 };
            (at, dice.u64(1..=most))
        });
        let start = Instant::now();
        server = plant.serve(step)?;
        slowest = slowest.max(start.elapsed());
    }
    let mut told = Told::default();
    for clients in clients {
        told.add(clients.end()?);
    }
    server.kill()?;
    println!(
        "{kills} kills, {by_step} of them at a step of the writer; {} requests answered over {} broken connections, {} answers compared again; slowest start {} ms",
        told.answered,
        told.broken,
        told.replayed,
        slowest.as_millis()
    );
    ensure!(told.answered > u64::from(kills), "there was no load");
    ensure!(kills == 0 || told.replayed > 0, "no answer was compared");
    Ledger::read(&plant.directory)?.compare(told)
}

/// What all servers have in common.
struct Plant {
    program: PathBuf,
    directory: PathBuf,
    seed: PathBuf,
    listen: SocketAddr,
}

impl Plant {
    /// The program itself, or a server that kills itself at a step.
    fn serve(&self, step: Option<(At, u64)>) -> Result<Server> {
        let listen = self.listen.to_string();
        let mut command = if let Some((at, after)) = step {
            let mut command = Command::new(std::env::current_exe()?);
            let at = at.to_possible_value().context("has a name")?;
            command.arg("serve").arg(&self.directory).args([&listen, at.get_name()]);
            command.arg(after.to_string());
            command
        } else {
            let mut command = Command::new(&self.program);
            command.args(["serve", "--listen", &listen, "--admin-key", "crash", "--data"]);
            command.arg(&self.directory).arg("--seed").arg(&self.seed).env("RUST_LOG", "warn");
            command
        };
        let mut child = command.stdout(Stdio::piped()).spawn()?;
        let mut ready = String::new();
        BufReader::new(child.stdout.take().context("no pipe")?).read_line(&mut ready)?;
        let server = Server { child, kills_itself: step.is_some() };
        ensure!(!ready.is_empty(), "a server did not start after a kill; it said why on stderr");
        Ok(server)
    }
}

/// A port that was free a moment ago; every server listens there in turn.
fn free_address() -> Result<SocketAddr> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?)
}

/// A server; killed when dropped.
struct Server {
    child: Child,
    kills_itself: bool,
}

impl Server {
    /// Waits until it is dead, or makes it so; whether it died by itself.
    fn die(&mut self, dice: &mut fastrand::Rng) -> Result<bool> {
        let life = if self.kills_itself { PATIENCE } else { LIFE.mul_f64(dice.f64()) };
        let until = Instant::now() + life;
        while Instant::now() < until {
            if let Some(status) = self.child.try_wait()? {
                ensure!(self.kills_itself, "a server ended on its own: {status}");
                return Ok(true);
            }
            std::thread::sleep(Duration::from_millis(1));
        }
        self.kill()?;
        Ok(false)
    }

    /// SIGKILL.
    fn kill(&mut self) -> Result<()> {
        self.child.kill()?;
        self.child.wait()?;
        Ok(())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may be dead already.
        _ = self.kill();
    }
}

/// A process of clients; killed when dropped.
struct Clients {
    child: Child,
    said: BufReader<ChildStdout>,
}

impl Clients {
    fn start(server: SocketAddr, number: u64) -> Result<Self> {
        let mut child = Command::new(std::env::current_exe()?)
            .args(["client", &server.to_string(), &number.to_string()])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let said = BufReader::new(child.stdout.take().context("no pipe")?);
        let mut clients = Self { child, said };
        let mut ready = String::new();
        clients.said.read_line(&mut ready)?;
        ensure!(ready.trim() == "ready", "clients did not start");
        Ok(clients)
    }

    /// Lets every request come to its answer; what they were told.
    fn end(mut self) -> Result<Told> {
        drop(self.child.stdin.take());
        let mut text = String::new();
        self.said.read_to_string(&mut text)?;
        let status = self.child.wait()?;
        ensure!(status.success(), "clients ended with {status}");
        Ok(serde_json::from_str(&text)?)
    }
}

impl Drop for Clients {
    fn drop(&mut self) {
        _ = self.child.kill();
        _ = self.child.wait();
    }
}
