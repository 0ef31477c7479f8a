//! `cycles serve --data`, and what looks into the directory.

use serde_json::{Value, json};

use crate::support::{SEED, cycles, end, exchange, file, output, serving};

/// A directory that no other test uses, and that is gone afterwards.
fn directory() -> tempfile::TempDir {
    tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap()
}

#[tokio::test]
async fn a_server_that_is_killed_forgets_nothing() {
    let (place, seed) = (directory(), file("data.yaml", SEED));
    let data = place.path().join("ledger");
    let (data, seed) = (data.to_str().unwrap(), seed.to_str().unwrap());
    let arguments = ["serve", "--listen", "127.0.0.1:0", "--data", data, "--seed", seed];
    let key = ("X-Cycles-API-Key", "cyc_test_acme");
    let reserve = json!({
        "idempotency_key": "k", "subject": {"tenant": "acme"},
        "action": {"kind": "llm.completion", "name": "x"},
        "estimate": {"unit": "TOKENS", "amount": 100},
    });
    let ask = async |ready: &Value| -> Value {
        let url = ready["base_url"].as_str().unwrap();
        let request = ("POST", "/v1/reservations");
        let answer = exchange(url, request, key, &reserve.to_string()).await;
        serde_json::from_str(answer.split("\r\n\r\n").last().unwrap()).unwrap()
    };

    let (child, ready) = serving(&mut cycles(&arguments)).await;
    let first = ask(&ready).await;
    assert_eq!(first["decision"], "ALLOW", "{first}");
    let second = output(&["serve", "--listen", "127.0.0.1:0", "--data", data]).await;
    assert_eq!(second.0, Some(2));
    assert!(second.2.contains("in use by another process (pid "), "{}", second.2);
    let copy = place.path().join("copy.db");
    assert_eq!(output(&["backup", data, copy.to_str().unwrap()]).await.0, Some(0));
    let (code, sound, _) = output(&["verify", data]).await;
    assert_eq!((code, sound.lines().last()), (Some(0), Some("sound")));
    end(child, "KILL").await;

    let (child, ready) = serving(&mut cycles(&arguments)).await;
    assert_eq!(ask(&ready).await["reservation_id"], first["reservation_id"]);
    let (code, _, stderr) = end(child, "TERM").await;
    assert_eq!(code, Some(0));
    assert!(stderr.contains("the seed is not used"), "{stderr}");
}

#[tokio::test]
async fn verify_and_export_speak_json() {
    let (place, seed) = (directory(), file("export.yaml", SEED));
    let data = place.path().to_str().unwrap();
    let arguments =
        ["serve", "--listen", "127.0.0.1:0", "--data", data, "--seed", seed.to_str().unwrap()];
    let (child, _) = serving(&mut cycles(&arguments)).await;
    end(child, "TERM").await;
    let (code, text, _) = output(&["verify", "--json", data]).await;
    let verified: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(
        (code, &verified["sound"], &verified["budgets"]),
        (Some(0), &json!(true), &json!(2))
    );
    let (code, text, _) = output(&["export", data]).await;
    assert_eq!((code, text.lines().count()), (Some(0), 6));

    let ledger = place.path().join("ledger.db");
    let mut bytes = std::fs::read(&ledger).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(&ledger, bytes).unwrap();
    let (code, _, stderr) = output(&["serve", "--listen", "127.0.0.1:0", "--data", data]).await;
    assert_eq!(code, Some(1));
    assert!(stderr.contains("ledger is damaged: page "), "{stderr}");
    let (code, _, stderr) = output(&["verify", data]).await;
    assert_eq!(code, Some(1));
    assert!(stderr.contains("breaks its rules"), "{stderr}");
}

#[tokio::test]
async fn wrong_directories_are_refused_with_what_to_do() {
    let place = directory();
    std::fs::write(place.path().join("holiday.jpg"), "cat").unwrap();
    let foreign = place.path().to_str().unwrap();
    for (arguments, code, named) in [
        (&["serve", "--data", foreign][..], 2, "choose an empty or a new one"),
        (&["serve", "--data", "/dev/null"], 2, "choose another directory"),
        (&["serve", "--data", foreign, "--store", "memory"], 2, "--store"),
        (&["verify", foreign], 2, "no ledger there"),
        (&["export", foreign], 2, "no ledger there"),
        (&["backup", foreign, "/nowhere/x"], 2, "no ledger there"),
        (&["backup", foreign], 2, "FILE"),
    ] {
        let (seen, _, stderr) = output(arguments).await;
        assert_eq!(seen, Some(code), "{arguments:?}");
        assert!(stderr.contains(named), "{arguments:?}: {stderr}");
    }
}

/// A program whose files may grow to so much and no further: what a full disk is to
/// it, without filling one.
fn on_a_small_disk(arguments: &[&str]) -> tokio::process::Command {
    let program = cycles(&[]).as_std().get_program().to_owned();
    let mut limited = tokio::process::Command::new("sh");
    limited.args(["-c", "trap '' XFSZ; ulimit -f 1000; exec \"$@\"", "sh"]).arg(program);
    limited.args(arguments).kill_on_drop(true);
    limited.stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::piped());
    limited
}

#[tokio::test]
async fn a_full_disk_makes_the_server_read_only_and_loses_nothing() {
    let (place, seed) = (directory(), file("full.yaml", SEED));
    let data = place.path().to_str().unwrap();
    let arguments =
        ["serve", "--listen", "127.0.0.1:0", "--data", data, "--seed", seed.to_str().unwrap()];
    let key = ("X-Cycles-API-Key", "cyc_test_acme");
    let reserve = async |ready: &Value, number: i64| {
        let request = json!({
            "idempotency_key": format!("k{number}"), "subject": {"tenant": "acme"},
            "action": {"kind": "llm.completion", "name": "x"},
            "estimate": {"unit": "TOKENS", "amount": 1},
        });
        let url = ready["base_url"].as_str().unwrap();
        exchange(url, ("POST", "/v1/reservations"), key, &request.to_string()).await
    };
    let reserved = async |ready: &Value| -> i64 {
        let url = ready["base_url"].as_str().unwrap();
        let answer = exchange(url, ("GET", "/v1/balances?tenant=acme"), key, "").await;
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
        let body: Value = serde_json::from_str(answer.split("\r\n\r\n").last().unwrap()).unwrap();
        body["balances"][0]["reserved"]["amount"].as_i64().unwrap()
    };

    let (child, ready) = serving(&mut on_a_small_disk(&arguments)).await;
    let mut answered = 0;
    let refusal = loop {
        let answer = reserve(&ready, answered).await;
        if !answer.starts_with("HTTP/1.1 200") {
            break answer;
        }
        answered += 1;
        assert!(answered < 900, "the disk is never full");
    };
    assert!(answered > 0 && refusal.starts_with("HTTP/1.1 503"), "{refusal}");
    let refusal = reserve(&ready, answered + 1).await;
    assert!(refusal.contains("only reads") && refusal.contains("retry-after: 1"), "{refusal}");
    assert_eq!(reserved(&ready).await, answered, "what was refused is not there");
    let (_, _, stderr) = end(child, "KILL").await;
    assert!(stderr.contains("the ledger cannot be written"), "{stderr}");

    let (child, ready) = serving(&mut cycles(&arguments)).await;
    assert_eq!(reserved(&ready).await, answered);
    assert!(reserve(&ready, answered).await.starts_with("HTTP/1.1 200"));
    end(child, "TERM").await;
}
