//! New keys, and the end of a client.

use super::*;

#[tokio::test]
async fn a_new_key_books_at_once_what_the_old_one_could_not() {
    for has_tenant in [true, false] {
        let journal = tempfile::tempdir().unwrap();
        let settings = |builder| {
            let builder = journalled(builder, journal.path());
            if has_tenant { builder } else { without_tenant(builder) }
        };
        let world = world(settings).await;
        world.answers(CREATE, created()).await;
        let commits = || Mock::given(method("POST")).and(path(COMMIT));
        let accepted = commits().and(header("x-cycles-api-key", "new"));
        accepted.respond_with(committed()).mount(&world.server).await;
        commits().respond_with(refused(401, "UNAUTHORIZED")).mount(&world.server).await;

        let outcome = world.guard().await.settle(spent(5)).await;
        assert!(matches!(outcome, Settlement::Pending(_)), "{outcome:?}");
        world.client.clone().set_api_key("new").unwrap();
        let before = world.clock.now_ms();
        until("the commit", || async {
            world.clock.advance(Duration::from_millis(10));
            world.count(COMMIT).await == 2
        })
        .await;
        assert!(world.clock.now_ms() - before < 15_000, "not the timer, whose pause is longer");
        until("its end", || async { world.client.journal_stats().unwrap().depth == 0 }).await;
        assert_eq!(world.outcomes(), [(SettlementOutcome::Committed, "res_1".to_owned())]);
    }
}

#[tokio::test]
async fn without_a_tenant_records_move_to_where_the_new_key_looks() {
    let journal = tempfile::tempdir().unwrap();
    let settings =
        |builder| without_tenant(journalled(builder, journal.path())).retry_enabled(false);
    let world = world(settings).await;
    world.answers(CREATE, created()).await;
    world.answers(COMMIT, down()).await;
    world.guard().await.settle(spent(5)).await;
    world.client.set_api_key("new").unwrap();
    assert_eq!(world.client.close(Duration::from_secs(5)).await, 1);

    world.server.reset().await;
    world.answers(COMMIT, committed()).await;
    let after = CyclesClient::builder("new", world.server.uri());
    let after = journalled(after, journal.path()).retry_enabled(false).build();
    assert_eq!(after.flush_pending_commits().await, 0);
    assert_eq!(world.count(COMMIT).await, 1);
}

#[tokio::test]
async fn a_key_that_makes_no_sense_is_refused_and_the_old_one_stays() {
    let world = world(|builder| builder).await;
    world.answers(CREATE, created()).await;
    for key in ["", " ", "a\nb"] {
        let error = world.client.set_api_key(key).unwrap_err().to_string();
        assert!(error.contains("api_key") && !error.contains("a\nb"), "{error}");
    }
    let _guard = world.guard().await;
    assert_eq!(world.requests(CREATE).await[0].headers["x-cycles-api-key"], "key");
}

#[tokio::test]
async fn a_closed_client_takes_no_work_settles_what_is_open_and_leaves_standard_files() {
    let journal = tempfile::tempdir().unwrap();
    let world = world(|builder| journalled(builder, journal.path())).await;
    world.answers(CREATE, created()).await;
    world.answers(COMMIT, down()).await;
    let (open, unclear) = (world.guard().await, world.guard().await);
    unclear.settle(spent(5)).await;
    assert_eq!(world.client.close(Duration::from_millis(50)).await, 1);
    let error = world.client.reserve(request()).await.map(drop).unwrap_err();
    assert!(matches!(&error, Error::Config(message) if message.contains("closed")), "{error}");
    assert!(matches!(open.settle(spent(5)).await, Settlement::Pending(_)));
    let files: Vec<_> = std::fs::read_dir(journal.path())
        .unwrap()
        .flat_map(|folder| std::fs::read_dir(folder.unwrap().path()).unwrap())
        .map(|file| file.unwrap().path())
        .collect();
    assert!(files.iter().all(|file| file.extension().is_some_and(|ending| ending == "json")));
}
