//! The program as a child process, and raw requests to it.

use std::path::PathBuf;
use std::process::{Output, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use serde_json::Value;
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::process::{Child, Command};

/// Longest wait for anything; only a broken program takes it.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

pub(crate) const SEED: &str = r#"
tenants: [{tenant_id: acme}, {tenant_id: other}]
keys:
  - {name: default, secret: cyc_test_acme, tenant_id: acme}
  - {name: reader, secret: cyc_test_reader, tenant_id: acme, permissions: ["balances:read"]}
budgets:
  - {scope: "tenant:acme", unit: TOKENS, allocated: 1000}
  - {scope: "tenant:other", unit: TOKENS, allocated: 1000}
"#;

/// The program, with an environment that says nothing to it.
pub(crate) fn cycles(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_cycles"));
    command.args(arguments).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
    for (name, _) in std::env::vars_os() {
        if name.to_str().is_some_and(|name| name.starts_with("CYCLES_")) {
            command.env_remove(name);
        }
    }
    for name in ["ADMIN_API_KEY", "LOG_LEVEL", "RUST_LOG", "HOME", "XDG_CONFIG_HOME"] {
        command.env_remove(name);
    }
    command
}

/// Runs it to its end; answers exit code, stdout and stderr.
pub(crate) async fn output(arguments: &[&str]) -> (Option<i32>, String, String) {
    ended(&mut cycles(arguments)).await
}

pub(crate) async fn ended(command: &mut Command) -> (Option<i32>, String, String) {
    let Output { status, stdout, stderr } =
        tokio::time::timeout(PATIENCE, command.output()).await.expect("it ends").unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (status.code(), text(stdout), text(stderr))
}

/// A file of this test's own: tests run at the same time.
pub(crate) fn file(name: &str, text: &str) -> PathBuf {
    static WRITTEN: AtomicU32 = AtomicU32::new(0);
    let number = WRITTEN.fetch_add(1, Ordering::Relaxed);
    let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("{number}-{name}"));
    std::fs::write(&path, text).unwrap();
    path
}

/// A running program and its ready line.
pub(crate) async fn serving(command: &mut Command) -> (Child, Value) {
    let mut child = command.spawn().unwrap();
    let mut line = String::new();
    let mut stdout = BufReader::new(child.stdout.take().unwrap());
    let read = tokio::time::timeout(PATIENCE, stdout.read_line(&mut line)).await;
    read.expect("it gets ready").unwrap();
    child.stdout = Some(stdout.into_inner());
    (child, serde_json::from_str(&line).expect("the ready line is JSON"))
}

/// Signals and waits; answers exit code, the rest of stdout, and stderr.
pub(crate) async fn end(mut child: Child, signal: &str) -> (Option<i32>, String, String) {
    let pid = child.id().unwrap().to_string();
    let kill = Command::new("kill").args(["-s", signal, &pid]).status().await.unwrap();
    assert!(kill.success());
    let (mut stdout, mut stderr) = (String::new(), String::new());
    let rest = async {
        child.stdout.take().unwrap().read_to_string(&mut stdout).await.unwrap();
        child.stderr.take().unwrap().read_to_string(&mut stderr).await.unwrap();
        child.wait().await.unwrap().code()
    };
    let code = tokio::time::timeout(PATIENCE, rest).await.expect("it ends");
    (code, stdout, stderr)
}

/// Sends one request on a connection of its own; answers all that came back.
pub(crate) async fn exchange(
    base_url: &str,
    (method, path): (&str, &str),
    (name, value): (&str, &str),
    body: &str,
) -> String {
    let mut stream = TcpStream::connect(base_url.trim_start_matches("http://")).await.unwrap();
    let text = format!(
        "{method} {path} HTTP/1.1\r\nhost: test\r\nconnection: close\r\n{name}: {value}\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    );
    stream.write_all(text.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer
}

/// A server with the seed, for commands that ask one.
pub(crate) struct Server {
    _child: Child,
    /// Where it keeps everything, if it does.
    _data: Option<TempDir>,
    pub(crate) base_url: String,
}

pub(crate) const ADMIN_KEY: &str = "boss";
pub(crate) const ACME_KEY: &str = "cyc_test_acme";

impl Server {
    pub(crate) async fn start() -> Self {
        Self::seeded("seed.yaml", SEED).await
    }

    pub(crate) async fn seeded(name: &str, seed: &str) -> Self {
        Self::keeping(name, seed, None).await
    }

    /// A server that keeps everything in a directory.
    pub(crate) async fn durable(name: &str, seed: &str) -> Self {
        let data = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
        Self::keeping(name, seed, Some(data)).await
    }

    async fn keeping(name: &str, seed: &str, data: Option<TempDir>) -> Self {
        let seed = file(name, seed);
        let arguments = ["serve", "--listen", "127.0.0.1:0", "--seed", seed.to_str().unwrap()];
        let mut command = cycles(&arguments);
        if let Some(data) = &data {
            command.arg("--data").arg(data.path());
        }
        command.env("CYCLES_ADMIN_API_KEY", ADMIN_KEY).env("RUST_LOG", "off");
        let (child, ready) = serving(&mut command).await;
        Self {
            _child: child,
            _data: data,
            base_url: ready["base_url"].as_str().unwrap().to_owned(),
        }
    }

    /// The program, told of the server and nothing else.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = cycles(arguments);
        command.env("CYCLES_BASE_URL", &self.base_url);
        command
    }

    /// Runs a command as the operator, which must succeed; answers stdout.
    pub(crate) async fn operator(&self, arguments: &[&str]) -> String {
        let mut command = self.command(arguments);
        done(ended(command.env("CYCLES_ADMIN_API_KEY", ADMIN_KEY)).await)
    }

    /// As [`operator`](Self::operator), with `--json`.
    pub(crate) async fn operator_json(&self, arguments: &[&str]) -> Value {
        let arguments = [arguments, &["--json"]].concat();
        serde_json::from_str(&self.operator(&arguments).await).expect("it writes JSON")
    }

    /// Runs a command with a key, which must succeed; answers stdout.
    pub(crate) async fn tenant(&self, key: &str, arguments: &[&str]) -> String {
        let mut command = self.command(arguments);
        done(ended(command.env("CYCLES_API_KEY", key)).await)
    }

    /// Reserves so many tokens of acme; answers the id.
    pub(crate) async fn reserve(&self, amount: i64) -> String {
        let answer = self.asked(amount).await;
        let body: Value = serde_json::from_str(answer.split_once("\r\n\r\n").unwrap().1).unwrap();
        body["reservation_id"].as_str().unwrap_or_else(|| panic!("{answer}")).to_owned()
    }

    /// Is denied so many tokens of acme; answers the request's id.
    pub(crate) async fn denied(&self, amount: i64) -> String {
        let answer = self.asked(amount).await;
        assert!(answer.starts_with("HTTP/1.1 409"), "{answer}");
        answer.lines().find_map(|line| line.strip_prefix("x-request-id: ")).unwrap().to_owned()
    }

    async fn asked(&self, amount: i64) -> String {
        let body = serde_json::json!({
            "idempotency_key": format!("k{amount}"),
            "subject": {"tenant": "acme"},
            "action": {"kind": "llm.completion", "name": "m"},
            "estimate": {"unit": "TOKENS", "amount": amount},
        });
        let place = ("POST", "/v1/reservations");
        let key = ("x-cycles-api-key", ACME_KEY);
        exchange(&self.base_url, place, key, &body.to_string()).await
    }
}

#[track_caller]
fn done((code, stdout, stderr): (Option<i32>, String, String)) -> String {
    assert_eq!(code, Some(0), "{stdout}{stderr}");
    stdout
}
