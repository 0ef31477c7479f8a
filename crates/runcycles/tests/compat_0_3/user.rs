//! Code as users of `runcycles` 0.3 write it. It is compiled and run twice, as it
//! stands: against this crate (`tests/compat_0_3.rs`) and against the registry's
//! 0.3.2 (`benches/settlement/compat`).

use std::time::Duration;

use runcycles::config::CyclesClientBuilder;
use runcycles::models::{
    Action, Amount, Balance, BalanceParams, Caps, CommitOveragePolicy, CommitRequest, CommitStatus,
    CyclesMetrics, Decision, DecisionRequest, DryRunResult, ErrorCode, EventCreateRequest,
    EventStatus, ExtendRequest, ExtendStatus, IdempotencyKey, ListReservationsParams,
    ReleaseRequest, ReleaseStatus, ReservationCreateRequest, ReservationId, ReservationStatus,
    SignedAmount, Subject, Unit,
};
use runcycles::{
    ApiResponse, CyclesClient, CyclesConfig, Error, GuardContext, ReservationGuard,
    WithCyclesConfig, with_cycles,
};
use serde_json::json;

/// Everything that is awaited.
pub(crate) async fn everything(base_url: &str, api_key: &str) {
    let client = CyclesClient::builder(api_key, base_url)
        .tenant("acme")
        .workspace("production")
        .app("app")
        .workflow("flow")
        .agent("agent")
        .toolset("tools")
        .connect_timeout(Duration::from_secs(2))
        .read_timeout(Duration::from_secs(5))
        .retry_enabled(true)
        .retry_max_attempts(3)
        .retry_initial_delay(Duration::from_millis(100))
        .retry_multiplier(1.5)
        .retry_max_delay(Duration::from_secs(10))
        .journal_enabled(false)
        .build();
    assert_eq!(client.config().retry_max_attempts, 3);
    low_level(&client).await.unwrap();
    listings(&client).await.unwrap();
    guards(&client).await.unwrap();
    wrapped(&client).await;
    refusals(&client).await;
    configured(base_url, api_key).await;
    assert_eq!(client.flush_pending_commits_with_timeout(Duration::from_secs(5)).await, 0);
    assert_eq!(client.clone().flush_pending_commits().await, 0);
}

fn subject() -> Subject {
    Subject { tenant: Some("acme".into()), ..Default::default() }
}

fn estimate(tokens: i64) -> ReservationCreateRequest {
    ReservationCreateRequest::builder()
        .idempotency_key(IdempotencyKey::random())
        .subject(subject())
        .action(Action::new("llm.completion", "gpt-4o"))
        .estimate(Amount::tokens(tokens))
        .ttl_ms(30_000_u64)
        .grace_period_ms(1_000)
        .overage_policy(CommitOveragePolicy::AllowIfAvailable)
        .metadata(json!({"run": 7}))
        .build()
}

async fn low_level(client: &CyclesClient) -> Result<(), Error> {
    let created = client.create_reservation(&estimate(100)).await?;
    assert!(created.decision.is_allowed() && !created.decision.is_denied());
    assert!(!created.affected_scopes.is_empty() && created.expires_at_ms.is_some());
    let id: ReservationId = created.reservation_id.expect("allowed");
    let extended = client.extend_reservation(&id, &ExtendRequest::new(5_000)).await?;
    assert_eq!(extended.status, ExtendStatus::Active);
    let commit = CommitRequest::builder()
        .actual(Amount::tokens(60))
        .metrics(CyclesMetrics { tokens_input: Some(20), ..Default::default() })
        .metadata(json!({"model": "m"}))
        .build();
    let committed = client.commit_reservation(&id, &commit).await?;
    assert_eq!(committed.status, CommitStatus::Committed);
    assert_eq!(committed.charged, Amount::tokens(60));
    assert!(!committed.is_recovered_via_event() && committed.recovered_via_event.is_none());
    let detail = client.get_reservation(&id).await?;
    assert_eq!(detail.status, ReservationStatus::Committed);

    let answer: ApiResponse<_> = client.create_reservation_with_metadata(&estimate(5)).await?;
    assert!(answer.request_id.is_some() && answer.decision == Decision::Allow);
    let held = answer.into_inner().reservation_id.unwrap();
    let release = ReleaseRequest::new(Some("not needed".to_string()));
    let released = client.release_reservation(&held, &release).await?;
    assert_eq!(released.status, ReleaseStatus::Released);

    let ask = DecisionRequest::builder()
        .subject(subject())
        .action(Action::new("llm.completion", "gpt-4o"))
        .estimate(Amount::tokens(1))
        .build();
    assert_eq!(client.decide(&ask).await?.decision, Decision::Allow);
    let event = EventCreateRequest::builder()
        .subject(subject())
        .action(Action::new("tool.search", "web"))
        .actual(Amount::tokens(3))
        .client_time_ms(1_700_000_000_000)
        .build();
    assert_eq!(client.create_event(&event).await?.status, EventStatus::Applied);
    let dry = ReservationCreateRequest { idempotency_key: "dry".into(), ..estimate(1) };
    assert_eq!(dry.idempotency_key.as_str(), "dry");
    Ok(())
}

async fn listings(client: &CyclesClient) -> Result<(), Error> {
    let params = ListReservationsParams {
        status: Some("COMMITTED".into()),
        tenant: Some("acme".into()),
        from: Some("2020-01-01T00:00:00Z".into()),
        limit: Some(10),
        ..Default::default()
    };
    let page = client.list_reservations(&params).await?;
    assert!(page.reservations.iter().all(|row| row.status == ReservationStatus::Committed));
    assert!(!page.reservations.is_empty() && page.next_cursor.is_none());
    let params = BalanceParams { tenant: Some("acme".into()), ..Default::default() };
    assert!(params.has_filter() && !BalanceParams::default().has_filter());
    let balances = client.get_balances(&params).await?.balances;
    assert!(balances.iter().any(|balance| balance.scope_path == "tenant:acme"));
    Ok(())
}

async fn guards(client: &CyclesClient) -> Result<(), Error> {
    let guard: ReservationGuard = client.reserve(estimate(50)).await?;
    assert_eq!(guard.decision(), Decision::Allow);
    assert!(guard.caps().is_none() && !guard.is_capped() && guard.expires_at_ms().is_some());
    assert!(!guard.affected_scopes().is_empty() && !guard.reservation_id().as_str().is_empty());
    assert_eq!(guard.subject().tenant.as_deref(), Some("acme"));
    assert_eq!(guard.action().kind, "llm.completion");
    guard.extend(1_000).await?;
    let committed =
        guard.commit(CommitRequest::builder().actual(Amount::tokens(40)).build()).await?;
    assert_eq!(committed.charged.amount, 40);
    let guard = client.reserve(estimate(50)).await?;
    assert_eq!(guard.release("changed my mind").await?.released, Amount::tokens(50));
    drop(client.reserve(estimate(1)).await?);
    Ok(())
}

async fn wrapped(client: &CyclesClient) {
    let call = || {
        WithCyclesConfig::new(Amount::tokens(20))
            .action("llm.completion", "gpt-4o")
            .action_tags(vec!["prod".into()])
            .subject(subject())
            .ttl_ms(60_000)
            .grace_period_ms(5_000)
            .overage_policy(CommitOveragePolicy::Reject)
            .metrics(CyclesMetrics { model_version: Some("v1".into()), ..Default::default() })
    };
    let reply = with_cycles(client, call(), |ctx: GuardContext| async move {
        let most = ctx.caps.as_ref().and_then(|caps| caps.max_tokens).unwrap_or(20);
        assert!(ctx.decision.is_allowed() && !ctx.affected_scopes.is_empty());
        Ok((format!("{}:{most}", ctx.reservation_id.as_str().is_empty()), Amount::tokens(12)))
    });
    assert_eq!(reply.await.unwrap(), "false:20");
    let failed = with_cycles(client, call(), |_ctx| async {
        let answer: Result<(), _> = Err("the model is down");
        answer?;
        Ok(((), Amount::tokens(1)))
    });
    assert!(failed.await.unwrap_err().to_string().contains("the model is down"));
}

async fn refusals(client: &CyclesClient) {
    match client.reserve(estimate(1_000_000_000)).await {
        Err(Error::BudgetExceeded { message, retry_after, request_id, status, .. }) => {
            assert!(!message.is_empty() && retry_after.is_none());
            assert!(request_id.is_some() && status == Some(409));
        }
        other => panic!("{other:?}"),
    }
    let missing = ReservationId::from("no-such-reservation");
    let error = client.get_reservation(&missing).await.unwrap_err();
    assert!(matches!(&error, Error::Api { status: 404, code: Some(ErrorCode::NotFound), .. }));
    assert_eq!((error.status(), error.is_retryable()), (Some(404), false));
    assert!(error.request_id().is_some() && !error.is_auth_error() && !error.is_tenant_closed());
    let stranger = CyclesClient::builder("wrong", client.config().base_url.clone())
        .journal_enabled(false)
        .build();
    assert!(stranger.create_reservation(&estimate(1)).await.unwrap_err().is_auth_error());
    let nobody = CyclesClient::builder("key", "http://127.0.0.1:1").journal_enabled(false).build();
    match nobody.reserve(estimate(1)).await {
        Err(Error::Transport(error)) => assert!(error.is_connect() && !error.is_timeout()),
        other => panic!("{other:?}"),
    }
    let negative = ReservationCreateRequest { estimate: Amount::tokens(-1), ..estimate(1) };
    assert!(matches!(client.reserve(negative).await, Err(Error::Validation(_))));
}

async fn configured(base_url: &str, api_key: &str) {
    let config = CyclesConfig {
        base_url: base_url.to_string(),
        api_key: api_key.to_string(),
        tenant: Some("acme".to_string()),
        workspace: None,
        app: None,
        workflow: None,
        agent: None,
        toolset: None,
        connect_timeout: Duration::from_secs(1),
        read_timeout: Duration::from_secs(5),
        retry_enabled: false,
        retry_max_attempts: 1,
        retry_initial_delay: Duration::from_millis(1),
        retry_multiplier: 2.0,
        retry_max_delay: Duration::from_millis(2),
        journal_enabled: false,
        journal_dir: None,
    };
    let client = CyclesClient::new(config);
    client.reserve(estimate(1)).await.unwrap().release("done").await.unwrap();
    let client = CyclesClientBuilder::new(api_key, base_url).journal_enabled(false).build();
    client.reserve(estimate(1)).await.unwrap().release("done").await.unwrap();
    let unset = CyclesConfig::from_env_with_prefix("NO_SUCH_CYCLES_");
    assert!(
        matches!(unset, Err(Error::Config(message)) if message.contains("NO_SUCH_CYCLES_BASE_URL"))
    );
}

/// What needs no server.
pub(crate) fn models() {
    let key = IdempotencyKey::random();
    let action = Action { kind: "k".into(), name: "n".into(), tags: None };
    let commit = CommitRequest {
        idempotency_key: key.clone(),
        actual: Amount { unit: Unit::Credits, amount: 5 },
        metrics: None,
        metadata: None,
    };
    assert_eq!(serde_json::to_value(&commit).unwrap()["actual"]["unit"], "CREDITS");
    let ask = DecisionRequest {
        idempotency_key: key.clone(),
        subject: subject(),
        action: action.clone(),
        estimate: Amount::risk_points(1),
        metadata: None,
    };
    let event = EventCreateRequest {
        idempotency_key: key.clone(),
        subject: ask.subject.clone(),
        action,
        actual: Amount::usd_microcents(9),
        overage_policy: None,
        metrics: None,
        client_time_ms: None,
        metadata: None,
    };
    assert_eq!(event.actual.unit, Unit::UsdMicrocents);
    let extend = ExtendRequest { idempotency_key: key.clone(), extend_by_ms: 7, metadata: None };
    let release = ReleaseRequest { idempotency_key: key, reason: None };
    assert_eq!((extend.extend_by_ms, release.reason), (7, None));
    let balance = Balance {
        scope: "tenant:acme".into(),
        scope_path: "tenant:acme".into(),
        remaining: SignedAmount::tokens(-5),
        reserved: None,
        spent: Some(Amount::tokens(5)),
        allocated: None,
        debt: None,
        overdraft_limit: None,
        is_over_limit: Some(false),
    };
    assert_eq!(balance.remaining, SignedAmount { unit: Unit::Tokens, amount: -5 });
    let caps = Caps { tool_denylist: Some(vec!["shell".into()]), ..Default::default() };
    assert!(caps.is_tool_allowed("search") && !caps.is_tool_allowed("shell"));
    assert_eq!(IdempotencyKey::new("a").into_inner(), "a");
    assert_eq!(ReservationId::from("r".to_string()).to_string(), "r");
    assert!(subject().has_field() && ErrorCode::LimitExceeded.is_retryable());
    let dry = json!({"decision": "DENY", "affected_scopes": [], "reason_code": "BUDGET_EXCEEDED"});
    let dry: DryRunResult = serde_json::from_value(dry).unwrap();
    assert_eq!(
        (dry.decision, dry.reason_code.as_deref()),
        (Decision::Deny, Some("BUDGET_EXCEEDED"))
    );
    runcycles::validation::validate_subject(&subject()).unwrap();
    runcycles::validation::validate_ttl_ms(999).unwrap_err();
    runcycles::validation::validate_grace_period_ms(Some(60_001)).unwrap_err();
    runcycles::validation::validate_extend_by_ms(0).unwrap_err();
    runcycles::validation::validate_non_negative(-1, "x").unwrap_err();
}

/// Errors that users build, to test what they do about them.
pub(crate) fn errors() {
    let throttled = Error::Api {
        status: 429,
        code: Some(ErrorCode::LimitExceeded),
        message: "slow down".into(),
        request_id: None,
        retry_after: Some(Duration::from_secs(2)),
        details: None,
    };
    assert!(throttled.is_retryable());
    assert_eq!(throttled.retry_after(), Some(Duration::from_secs(2)));
    let denied = Error::BudgetExceeded {
        message: "no".into(),
        affected_scopes: vec!["tenant:acme".into()],
        retry_after: None,
        request_id: Some("req".into()),
        status: None,
    };
    assert!(denied.is_budget_exceeded() && !denied.is_retryable());
    assert_eq!((denied.status(), denied.request_id()), (None, Some("req")));
    assert_eq!(denied.error_code(), Some(ErrorCode::BudgetExceeded));
    let pending =
        Error::CommitPending { reservation_id: "r".to_string(), last_error: Box::new(throttled) };
    assert_eq!(
        (pending.is_retryable(), pending.retry_after()),
        (false, Some(Duration::from_secs(2)))
    );
    let lost = Error::CommitRecoveryFailed {
        reservation_id: "r".into(),
        commit_error: Box::new(denied),
        event_error: Box::new(Error::Config("x".into())),
    };
    assert!(!lost.is_retryable() && lost.to_string().contains('r'));
}

/// The client that blocks; not to be called by async code.
pub(crate) fn blocking(base_url: &str, api_key: &str) -> Result<(), Error> {
    use runcycles::blocking::sync_client::BlockingCyclesClient;

    let client: BlockingCyclesClient = CyclesClient::builder(api_key, base_url)
        .tenant("acme")
        .journal_enabled(false)
        .build_blocking()?;
    assert_eq!(client.config().tenant.as_deref(), Some("acme"));
    let created = client.create_reservation(&estimate(10))?;
    let id = created.reservation_id.unwrap();
    client.extend_reservation(&id, &ExtendRequest::new(1_000))?;
    let commit = CommitRequest::builder().actual(Amount::tokens(4)).build();
    assert_eq!(client.commit_reservation(&id, &commit)?.charged, Amount::tokens(4));
    assert_eq!(client.get_reservation(&id)?.status, ReservationStatus::Committed);
    let held = client.create_reservation_with_metadata(&estimate(5))?;
    assert!(held.request_id.is_some());
    let id = held.into_inner().reservation_id.unwrap();
    client.release_reservation(&id, &ReleaseRequest::new(None))?;
    let params = BalanceParams { tenant: Some("acme".into()), ..Default::default() };
    assert!(!client.get_balances(&params)?.balances.is_empty());
    assert!(!client.list_reservations(&ListReservationsParams::default())?.reservations.is_empty());
    assert_eq!(client.flush_pending_commits_with_timeout(Duration::from_secs(1)), 0);
    assert_eq!(client.flush_pending_commits(), 0);
    assert!(BlockingCyclesClient::new(client.config().clone()).is_ok());
    Ok(())
}
