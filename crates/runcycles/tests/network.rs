//! Certificates of a company's own, and proxies.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::path::PathBuf;
use std::process::{Command, Output};
use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use runcycles::models::{Action, Amount, Decision, DecisionRequest};
use runcycles::{CyclesClient, CyclesClientBuilder, Error, TimeUnit};
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::aws_lc_rs;
use tokio_rustls::rustls::pki_types::PrivateKeyDer;
use wiremock::matchers::path;
use wiremock::{Mock, MockServer, ResponseTemplate};

/// A server with a certificate that only its own authority's clients trust.
struct Private {
    base_url: String,
    ca_pem: String,
    ca_file: PathBuf,
    _folder: tempfile::TempDir,
}

/// Allows everything, over TLS.
async fn tls_server() -> Private {
    let ca_key = KeyPair::generate().unwrap();
    let mut ca = CertificateParams::new([]).unwrap();
    ca.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let ca_pem = ca.self_signed(&ca_key).unwrap().pem();
    let key = KeyPair::generate().unwrap();
    let certificate = CertificateParams::new(["127.0.0.1".to_owned()]).unwrap();
    let certificate = certificate.signed_by(&key, &Issuer::new(ca, ca_key)).unwrap();
    let config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(
            vec![certificate.der().clone()],
            PrivateKeyDer::Pkcs8(key.serialize_der().into()),
        )
        .unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base_url = format!("https://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(allow(acceptor.clone(), stream));
        }
    });
    let folder = tempfile::tempdir().unwrap();
    let ca_file = folder.path().join("ca.pem");
    std::fs::write(&ca_file, &ca_pem).unwrap();
    Private { base_url, ca_pem, ca_file, _folder: folder }
}

/// Ends quietly where the client does not trust it.
async fn allow(acceptor: TlsAcceptor, stream: TcpStream) -> std::io::Result<()> {
    let mut stream = acceptor.accept(stream).await?;
    let mut request = Vec::new();
    // The body is an object, and the last of it.
    while !request.ends_with(b"}") {
        if stream.read_buf(&mut request).await? == 0 {
            return Ok(());
        }
    }
    let body = json!({"decision": "ALLOW"}).to_string();
    let answer = format!(
        "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
        body.len()
    );
    stream.write_all(answer.as_bytes()).await?;
    stream.shutdown().await
}

fn client(base_url: &str) -> CyclesClientBuilder {
    CyclesClient::builder("key", base_url).tenant("acme").journal_enabled(false)
}

async fn ask(client: &CyclesClient) -> Result<Decision, Error> {
    let ask = DecisionRequest::builder()
        .action(Action::new("llm", "m"))
        .estimate(Amount::tokens(1))
        .build();
    Ok(client.decide(&ask).await?.decision)
}

#[tokio::test]
async fn a_private_authority_is_trusted_once_it_is_configured() {
    let Private { base_url, ca_pem, ca_file, _folder } = tls_server().await;
    let stranger = ask(&client(&base_url).build()).await.unwrap_err();
    assert!(matches!(&stranger, Error::Transport(error) if error.is_connect()), "{stranger:?}");
    assert!(stranger.to_string().to_lowercase().contains("certificate"), "{stranger}");

    let from_pem = client(&base_url).ca_certificate_pem(ca_pem).build();
    assert_eq!(ask(&from_pem).await.unwrap(), Decision::Allow);
    let from_file = client(&base_url).ca_file(&ca_file).build();
    assert_eq!(ask(&from_file).await.unwrap(), Decision::Allow);
    assert_eq!(ask(&from_file.to_builder().build()).await.unwrap(), Decision::Allow);

    let read = |name: &str| match name {
        "CYCLES_BASE_URL" => Some(base_url.clone()),
        "CYCLES_API_KEY" => Some("key".to_owned()),
        "CYCLES_TENANT" => Some("acme".to_owned()),
        "CYCLES_JOURNAL_ENABLED" => Some("false".to_owned()),
        "CYCLES_CA_FILE" => ca_file.to_str().map(str::to_owned),
        _ => None,
    };
    let variables = CyclesClientBuilder::from_vars("CYCLES_", TimeUnit::Milliseconds, read);
    assert_eq!(ask(&variables.unwrap().build()).await.unwrap(), Decision::Allow);
}

#[tokio::test]
async fn a_certificate_that_cannot_be_read_is_named() {
    for (builder, says) in [
        (client("https://h").ca_file("/no/such/ca.pem"), "/no/such/ca.pem"),
        (client("https://h").ca_certificate_pem("no certificate"), "ca_certificate_pem"),
    ] {
        let error = ask(&builder.build()).await.unwrap_err();
        assert!(matches!(&error, Error::Config(message) if message.contains(says)), "{error:?}");
    }
}

#[tokio::test]
async fn an_http_client_of_the_callers_own_is_used() {
    let Private { base_url, ca_pem, .. } = tls_server().await;
    let ca = runcycles::reqwest::Certificate::from_pem(ca_pem.as_bytes()).unwrap();
    let http = runcycles::reqwest::Client::builder().tls_certs_only([ca]).build().unwrap();
    let client = client(&base_url).http_client(http).build();
    assert_eq!(ask(&client).await.unwrap(), Decision::Allow);
}

const CHILD_URL: &str = "CYCLES_TEST_CHILD_URL";

/// Asks at `base_url` in a process of its own: these variables are read once.
async fn ask_with(base_url: &str, variables: &[(&str, &str)]) -> Output {
    let mut child = Command::new(std::env::current_exe().unwrap());
    child.args(["--exact", "asks_where_the_parent_says", "--nocapture"]).env(CHILD_URL, base_url);
    for name in ["HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy", "NO_PROXY", "no_proxy"] {
        child.env_remove(name);
    }
    child.envs(variables.iter().copied());
    tokio::task::spawn_blocking(move || child.output().unwrap()).await.unwrap()
}

/// Without the variable there is no parent, and nothing to ask.
#[tokio::test]
async fn asks_where_the_parent_says() {
    let Ok(base_url) = std::env::var(CHILD_URL) else { return };
    assert_eq!(ask(&client(&base_url).build()).await.unwrap(), Decision::Allow);
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn the_platforms_own_variable_for_certificates_is_kept_to() {
    let Private { base_url, ca_file, _folder, .. } = tls_server().await;
    let ca_file = ca_file.to_str().unwrap();
    let trusted = ask_with(&base_url, &[("SSL_CERT_FILE", ca_file)]).await;
    assert!(trusted.status.success(), "{trusted:?}");
    assert!(!ask_with(&base_url, &[]).await.status.success());
}

#[tokio::test]
async fn proxies_of_the_environment_are_used_unless_excepted() {
    let proxy = MockServer::start().await;
    let allow = ResponseTemplate::new(200).set_body_json(json!({"decision": "ALLOW"}));
    Mock::given(path("/v1/decide")).respond_with(allow).mount(&proxy).await;
    let authority = "http://authority.invalid";
    let through = [("HTTP_PROXY", proxy.uri())];
    let through: Vec<_> = through.iter().map(|(name, url)| (*name, url.as_str())).collect();
    let asked = ask_with(authority, &through).await;
    assert!(asked.status.success(), "{asked:?}");
    let seen = proxy.received_requests().await.unwrap();
    assert_eq!(seen[0].headers["host"], "authority.invalid");

    let excepted = [&through[..], &[("NO_PROXY", "authority.invalid")]].concat();
    assert!(!ask_with(authority, &excepted).await.status.success());
    assert_eq!(proxy.received_requests().await.unwrap().len(), 1);
}
