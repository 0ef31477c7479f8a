//! `compat-0-3 CYCLES` starts the program `cycles` and runs the file below with
//! the registry's `runcycles` 0.3.2: `cargo xtask test compat`.

#[path = "../../../../crates/runcycles/tests/compat_0_3/user.rs"]
mod user;

use std::error::Error;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

const SEED: &str =
    concat!(env!("CARGO_MANIFEST_DIR"), "/../../../crates/runcycles/tests/compat_0_3/seed.yaml");
const KEY: &str = "cyc_test_acme";

struct Server {
    child: Child,
    base_url: String,
}

impl Server {
    fn start(program: &Path) -> Result<Self, Box<dyn Error>> {
        let mut child = Command::new(program)
            .args(["serve", "--store", "memory", "--listen", "127.0.0.1:0", "--seed", SEED])
            .stdout(Stdio::piped())
            .spawn()?;
        let mut line = String::new();
        BufReader::new(child.stdout.take().ok_or("no output")?).read_line(&mut line)?;
        let ready: serde_json::Value = serde_json::from_str(&line)?;
        let base_url = ready["base_url"].as_str().ok_or("no base_url")?.to_owned();
        Ok(Self { child, base_url })
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let program = std::env::args().nth(1).ok_or("usage: compat-0-3 CYCLES")?;
    let server = Server::start(Path::new(&program))?;
    user::models();
    user::errors();
    let runtime = tokio::runtime::Runtime::new()?;
    runtime.block_on(user::everything(&server.base_url, KEY));
    drop(runtime);
    user::blocking(&server.base_url, KEY)?;
    Ok(())
}
