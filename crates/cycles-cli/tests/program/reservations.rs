//! Looking at reservations, and letting them go.

use crate::support::{ACME_KEY, Server};

#[tokio::test]
async fn reservations_are_listed_shown_and_released() {
    let server = Server::start().await;
    let (first, second) = (server.reserve(100).await, server.reserve(200).await);
    let listed = server.tenant(ACME_KEY, &["reservation", "list"]).await;
    assert!(listed.contains(&first) && listed.contains(&second), "{listed}");
    assert!(listed.contains("llm.completion m") && listed.contains("200 TOKENS"), "{listed}");
    let one = server.tenant(ACME_KEY, &["reservation", "list", "--limit", "1"]).await;
    assert_eq!(one.lines().count(), 2, "{one}");

    let released = server.operator(&["reservation", "release", &first]).await;
    assert!(released.contains("RELEASED 100 TOKENS"), "{released}");
    let shown = server.operator_json(&["reservation", "show", &first]).await;
    assert_eq!(shown["status"], "RELEASED");
    let text = server.operator(&["reservation", "show", &second]).await;
    assert!(text.contains("ACTIVE") && text.contains("tenant:acme"), "{text}");
    let open =
        server.operator(&["reservation", "list", "--tenant", "acme", "--status", "active"]).await;
    assert!(open.contains(&second) && !open.contains(&first), "{open}");
}
