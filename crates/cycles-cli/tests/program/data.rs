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
