//! Code written for `runcycles` 0.3, against this crate and a server of ours.
//! `cargo xtask test compat` runs the same file against the registry's 0.3.2.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "compat_0_3/user.rs"]
mod user;

use cycles_testkit::TestServer;

const SEED: &str = include_str!("compat_0_3/seed.yaml");

#[tokio::test]
async fn code_written_for_0_3_runs() {
    let server = TestServer::start(SEED).await.unwrap();
    user::everything(server.base_url(), server.api_key(None).unwrap()).await;
}

#[test]
fn models_and_errors_are_built_as_in_0_3() {
    user::models();
    user::errors();
}

#[cfg(feature = "blocking")]
#[test]
fn blocking_code_written_for_0_3_runs() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let server = runtime.block_on(TestServer::start(SEED)).unwrap();
    user::blocking(server.base_url(), server.api_key(None).unwrap()).unwrap();
}
