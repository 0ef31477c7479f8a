//! Commands under a budget of their own.

use serde_json::Value;

use crate::support::{cycles, ended};

/// Asks the authority of the environment; curl is not everywhere, Python is.
const CLIENT: &str = r#"
import json, os, sys, time, urllib.request, urllib.error
def ask(path, body):
    request = urllib.request.Request(os.environ["CYCLES_BASE_URL"] + path,
        json.dumps(body).encode(), {"X-Cycles-API-Key": os.environ["CYCLES_API_KEY"],
        "Content-Type": "application/json"})
    try:
        return json.load(urllib.request.urlopen(request))
    except urllib.error.HTTPError as error:
        return json.load(error)
def reserve(key, amount):
    return ask("/v1/reservations", {"idempotency_key": key,
        "subject": {"tenant": os.environ["CYCLES_TENANT"]},
        "action": {"kind": "k", "name": "n"}, "estimate": {"unit": "TOKENS", "amount": amount}})
def spend(key, amount):
    held = reserve(key, amount)
    return ask("/v1/reservations/" + held["reservation_id"] + "/commit",
        {"idempotency_key": key, "actual": {"unit": "TOKENS", "amount": amount}})
"#;

struct Ran {
    code: Option<i32>,
    stdout: String,
    stderr: String,
    report: Value,
}

async fn run(name: &str, options: &[&str], script: &str) -> Ran {
    let folder = tempfile::tempdir().unwrap();
    let report = folder.path().join(name);
    let script = format!("{CLIENT}{script}");
    let mut arguments = vec!["run", "--report", report.to_str().unwrap()];
    arguments.extend(options);
    arguments.extend(["--", "python3", "-c", &script]);
    let mut command = cycles(&arguments);
    command.env("NO_PROXY", "*").env("CYCLES_ADMIN_API_KEY", "outer").env("CYCLES_AGENT", "outer");
    let (code, stdout, stderr) = ended(&mut command).await;
    let report = std::fs::read_to_string(report).unwrap_or_else(|error| panic!("{error} {stderr}"));
    Ran { code, stdout, stderr, report: serde_json::from_str(&report).unwrap() }
}

#[tokio::test]
async fn a_command_spends_and_its_exit_code_is_handed_on() {
    let script = r#"
spend("a", 30)
print(sorted(name for name in os.environ if name.startswith("CYCLES_")))
sys.exit(7)"#;
    let ran = run("spent", &["--budget", "100 tokens"], script).await;
    assert_eq!(ran.code, Some(7), "{}", ran.stderr);
    assert_eq!(ran.stdout.trim(), "['CYCLES_API_KEY', 'CYCLES_BASE_URL', 'CYCLES_TENANT']");
    assert_eq!((&ran.report["spent"], &ran.report["stopped"]), (&30.into(), &false.into()));
    assert!(ran.stderr.contains("spent 30 TOKENS of 100 TOKENS"), "{}", ran.stderr);
}

#[tokio::test]
async fn at_the_limit_the_whole_tree_is_told_and_then_stopped() {
    // The child ignores the request to end and has a child of its own, which would
    // hold the pipe open if it outlived the command.
    let script = r#"
import signal, subprocess
signal.signal(signal.SIGTERM, lambda *_: print("told", flush=True))
subprocess.Popen(["sleep", "600"])
spend("a", 60)
assert reserve("b", 60)["error"] == "BUDGET_EXCEEDED"
while True: time.sleep(0.05)"#;
    let ran = run("stopped", &["--budget", "100 tokens", "--grace-ms", "300"], script).await;
    assert_eq!(ran.code, Some(124), "{}", ran.stderr);
    assert_eq!(ran.stdout, "told\n");
    assert_eq!((&ran.report["denials"], &ran.report["stopped"]), (&1.into(), &true.into()));
    assert!(ran.stderr.contains("stopping the command"), "{}", ran.stderr);
}

#[tokio::test]
async fn spending_all_of_it_is_the_limit_too() {
    let script = r#"
spend("a", 100)
while True: time.sleep(0.05)"#;
    let ran = run("all", &["--budget", "100 tokens"], script).await;
    assert_eq!((ran.code, &ran.report["spent"]), (Some(124), &100.into()), "{}", ran.stderr);
}

#[tokio::test]
async fn told_to_deny_the_command_goes_on() {
    let script = r#"
print(reserve("a", 101)["error"])
spend("b", 100)"#;
    let ran = run("deny", &["--budget", "100 tokens", "--at-limit", "deny"], script).await;
    assert_eq!((ran.code, ran.stdout.as_str()), (Some(0), "BUDGET_EXCEEDED\n"), "{}", ran.stderr);
    assert_eq!(ran.report["denials"], 1);
}

#[tokio::test]
async fn what_cannot_be_run_answers_as_a_shell_does() {
    for (arguments, code, says) in [
        (&["run", "--budget", "1", "--", "/no/such/program"][..], 127, "/no/such/program"),
        (&["run", "--budget", "1", "--", "/etc/passwd"], 126, "/etc/passwd"),
        (&["run", "--budget", "1", "--", "sh", "-c", "kill -9 $$"], 137, "spent $0.00 of $1.00"),
        (&["run", "--budget", "lots", "--", "true"], 2, "--budget"),
        (&["run", "--", "true"], 2, "--budget"),
        (&["run", "--budget", "1"], 2, "COMMAND"),
        (&["run", "--budget", "1", "--tenant", "A b", "--", "true"], 2, "--tenant"),
    ] {
        let (ended, _, stderr) = ended(&mut cycles(arguments)).await;
        assert_eq!(ended, Some(code), "{arguments:?}: {stderr}");
        assert!(stderr.contains(says), "{arguments:?}: {stderr}");
    }
}
