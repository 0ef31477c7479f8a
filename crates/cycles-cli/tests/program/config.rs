//! Settings and where they come from; completions.

use serde_json::Value;

use crate::support::{cycles, ended, file, output, serving};

fn row<'a>(rows: &'a [Value], key: &str) -> &'a Value {
    rows.iter().find(|row| row["key"] == key).unwrap_or_else(|| panic!("{key} is not in {rows:?}"))
}

#[tokio::test]
async fn flags_win_over_the_environment_over_the_file_over_the_default() {
    let text = "\
base_url: http://file:1
api_key: secret-in-file
ca_file: /from/file.pem
read_timeout_ms: 700
serve:
  listen: 127.0.0.1:0
  expiry_interval_ms: 700
";
    let file = file("config.yaml", text);
    let mut command = cycles(&["config", "--json", "--base-url", "http://flag:1"]);
    command.env("CYCLES_CONFIG", &file).env("CYCLES_BASE_URL", "http://env:1");
    command.env("CYCLES_EXPIRY_INTERVAL_MS", "900");
    command.env("CYCLES_CA_FILE", "/from/env.pem").env("CYCLES_ADMIN_API_KEY", "secret-in-env");
    let (code, stdout, stderr) = ended(&mut command).await;
    assert_eq!(code, Some(0), "{stderr}");
    let rows: Vec<Value> = serde_json::from_str(&stdout).unwrap();
    for (key, value, origin) in [
        ("base_url", "http://flag:1", "flag"),
        ("ca_file", "/from/env.pem", "environment"),
        ("read_timeout_ms", "700", "file"),
        ("api_key", "(set)", "file"),
        ("admin_key", "(set)", "environment"),
        ("serve.listen", "127.0.0.1:0", "file"),
        ("serve.store", "memory", "default"),
        ("serve.expiry_interval_ms", "900", "environment"),
    ] {
        let found = row(&rows, key);
        assert_eq!((&found["value"], &found["origin"]), (&value.into(), &origin.into()), "{key}");
    }
    assert_eq!(row(&rows, "serve.seed")["origin"], "unset");
    assert!(!stdout.contains("secret-in"), "{stdout}");
}

#[tokio::test]
async fn names_of_existing_servers_work_and_give_way() {
    let file = file("aliases.yaml", "admin_key: file\n");
    let shown = |own: Option<&'static str>| {
        let mut command = cycles(&["config", "--json"]);
        command.env("CYCLES_CONFIG", &file).env("ADMIN_API_KEY", "secret-alias");
        command.env("CYCLES_METRICS_TENANT_TAG_ENABLED", "false").env("LOG_LEVEL", "WARNING");
        command.envs(own.map(|key| ("CYCLES_ADMIN_API_KEY", key)));
        async move {
            let (code, stdout, stderr) = ended(&mut command).await;
            assert_eq!(code, Some(0), "{stderr}");
            assert!(!stdout.contains("secret-alias"), "{stdout}");
            serde_json::from_str::<Vec<Value>>(&stdout).unwrap()
        }
    };
    let rows = shown(None).await;
    for (key, value, variable) in [
        ("admin_key", "(set)", "ADMIN_API_KEY"),
        ("serve.admin_key", "(set)", "ADMIN_API_KEY"),
        ("serve.metrics_tenant_tag", "false", "CYCLES_METRICS_TENANT_TAG_ENABLED"),
        ("serve.log_level", "WARNING", "LOG_LEVEL"),
    ] {
        let found = row(&rows, key);
        assert_eq!((&found["value"], &found["origin"]), (&value.into(), &"environment".into()));
        assert_eq!(found["environment"], variable, "{key}");
    }
    let rows = shown(Some("own")).await;
    assert_eq!(row(&rows, "serve.admin_key")["environment"], "CYCLES_ADMIN_API_KEY");

    let mut serve = cycles(&["serve", "--listen", "127.0.0.1:0"]);
    let (child, ready) = serving(serve.env("ADMIN_API_KEY", "secret-alias")).await;
    let mut list = cycles(&["tenant", "list", "--base-url", ready["base_url"].as_str().unwrap()]);
    let (code, _, stderr) = ended(list.env("ADMIN_API_KEY", "secret-alias")).await;
    assert_eq!(code, Some(0), "{stderr}");
    drop(child);
    let (_, help, _) =
        ended(cycles(&["serve", "--help"]).env("ADMIN_API_KEY", "secret-alias")).await;
    assert!(!help.contains("secret-alias"), "a key is not shown in the help: {help}");
}

#[tokio::test]
async fn the_file_reaches_the_commands() {
    let text = "serve: {listen: '127.0.0.1:0', admin_key: from-file}\n";
    let path = file("serve-config.yaml", text);
    let (child, ready) = serving(cycles(&["serve"]).env("CYCLES_CONFIG", &path)).await;
    assert!(!ready["base_url"].as_str().unwrap().ends_with(":7878"), "{ready}");
    let mut list = cycles(&["tenant", "list", "--base-url", ready["base_url"].as_str().unwrap()]);
    let client = file("client-config.yaml", "admin_key: from-file\n");
    let (code, stdout, stderr) = ended(list.env("CYCLES_CONFIG", &client)).await;
    assert_eq!((code, stdout.as_str()), (Some(0), "none\n"), "{stderr}");
    drop(child);
    let (_, help, _) = ended(cycles(&["tenant", "--help"]).env("CYCLES_CONFIG", &client)).await;
    assert!(!help.contains("from-file"), "a key is not shown in the help: {help}");
}

#[tokio::test]
async fn wrong_files_and_keys_are_named() {
    for (name, text, says) in [
        ("unknown.yaml", "base_uri: x\n", "base_uri"),
        ("section.yaml", "server: {listen: x}\n", "server"),
        ("inner.yaml", "serve: {lisen: x}\n", "serve.lisen"),
        ("broken.yaml", "serve: {\n", "line"),
        ("value.yaml", "serve: {listen: nowhere}\n", "nowhere"),
        ("often.yaml", "serve: {expiry_interval_ms: 1}\n", "expiry-interval-ms"),
    ] {
        let path = file(&format!("config-{name}"), text);
        let (code, _, stderr) = ended(cycles(&["serve"]).env("CYCLES_CONFIG", &path)).await;
        assert_eq!(code, Some(2), "{name}: {stderr}");
        assert!(stderr.contains(says) && stderr.contains(name), "{name}: {stderr}");
    }
    let half = file("half-tls.yaml", "serve: {listen: '127.0.0.1:0', tls_cert: /cert.pem}\n");
    let (code, stdout, stderr) = ended(cycles(&["serve"]).env("CYCLES_CONFIG", &half)).await;
    assert_eq!((code, stdout.as_str()), (Some(2), ""), "it does not serve in the clear: {stderr}");
    assert!(stderr.contains("tls_key"), "{stderr}");
    let (code, _, stderr) = ended(cycles(&["config"]).env("CYCLES_CONFIG", "/no/such.yaml")).await;
    assert_eq!(code, Some(2));
    assert!(stderr.contains("/no/such.yaml"), "{stderr}");
}

#[tokio::test]
async fn shells_can_complete() {
    for shell in ["bash", "zsh", "fish"] {
        let (code, stdout, _) = output(&["completions", shell]).await;
        assert_eq!(code, Some(0));
        assert!(stdout.contains("reservation") && stdout.contains("doctor"), "{shell}");
    }
    let (code, _, stderr) = output(&["completions", "dos"]).await;
    assert_eq!(code, Some(2), "{stderr}");
}
