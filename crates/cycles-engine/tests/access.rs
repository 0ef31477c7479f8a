//! Who may do what, and where.
#![expect(clippy::unwrap_used, reason = "tests")]

mod fixture;

use cycles_protocol::authority::{Operation, RawRequest};
use cycles_protocol::{
    Amount, Authority, BalanceParams, DecisionRequest, ErrorCode, ErrorResponse,
    EventCreateRequest, ListReservationsParams, Principal, ReleaseRequest, Subject,
};
use fixture::{Client, action, call, client, create, now, refused, start, subject};

const KEYS: &str = "
keys:
  - {name: full, secret: full, tenant_id: acme}
  - {name: decide, secret: decide, tenant_id: acme, permissions: [decide]}
  - {name: events, secret: events, tenant_id: acme, permissions: ['events:create']}
  - {name: reserve, secret: reserve, tenant_id: acme, permissions: ['reservations:create']}
  - {name: eng, secret: eng, tenant_id: acme, scope_filter: ['workspace:eng', 'agent:bot-*']}
  - {name: globex, secret: globex, tenant_id: globex}
budgets:
  - {scope: 'tenant:acme', unit: TOKENS, allocated: 1000}
  - {scope: 'tenant:acme/workspace:eng', unit: TOKENS, allocated: 1000}
  - {scope: 'tenant:acme/workspace:eng/agent:bot-1', unit: TOKENS, allocated: 1000}
";

fn in_eng(agent: Option<&str>) -> Subject {
    Subject { workspace: Some("eng".into()), agent: agent.map(Into::into), ..subject() }
}

#[test]
fn each_permission_grants_its_operations() {
    let (engine, _) = start(KEYS);
    let by = |secret: &str| Client(engine.local(secret));
    let id = by("full").hold(1);
    assert!(by("decide").decide("a", Amount::tokens(1)).is_ok());
    let error = refused(by("decide").reserve(create(1)), ErrorCode::Forbidden);
    assert!(error.message().ends_with("permission=reservations:create"), "{error}");
    assert!(by("events").event("b", 1).is_ok());
    let error = refused(by("events").commit(&id, 1), ErrorCode::Forbidden);
    assert!(error.message().ends_with("permission=reservations:commit"), "{error}");
    assert!(by("reserve").reserve(create(1)).is_ok());
    assert!(by("reserve").decide("c", Amount::tokens(1)).is_ok());
    refused(by("reserve").event("d", 1), ErrorCode::Forbidden);
    refused(by("reserve").release(&id), ErrorCode::Forbidden);
    refused(by("reserve").extend(&id, "e", 1), ErrorCode::Forbidden);
    refused(by("reserve").get(&id), ErrorCode::Forbidden);
}

#[test]
fn tenants_do_not_see_each_other() {
    let (engine, _) = start(KEYS);
    let id = Client(engine.local("full")).hold(1);
    let other = Client(engine.local("globex"));
    refused(other.reserve(create(1)), ErrorCode::Forbidden);
    refused(other.commit(&id, 1), ErrorCode::Forbidden);
    refused(other.release(&id), ErrorCode::Forbidden);
    refused(other.extend(&id, "k", 1), ErrorCode::Forbidden);
    refused(other.get(&id), ErrorCode::Forbidden);
    refused(other.get(&"res_none".into()), ErrorCode::NotFound);
    let asked = || ListReservationsParams { subject: subject(), ..Default::default() };
    refused(now(other.0.list_reservations(&call(), asked())), ErrorCode::Forbidden);
    let balances = BalanceParams { subject: subject(), ..Default::default() };
    refused(now(other.0.get_balances(&call(), balances)), ErrorCode::Forbidden);
    let own = now(other.0.list_reservations(&call(), ListReservationsParams::default()));
    assert!(own.unwrap().value.reservations.is_empty());
}

#[test]
fn a_scope_filter_holds_on_every_operation() {
    let (engine, _) = start(KEYS);
    let (full, eng) = (Client(engine.local("full")), Client(engine.local("eng")));
    let reserve = |client: &Client, subject| {
        let mut request = create(1);
        request.subject = subject;
        client.reserve(request)
    };
    let outside = reserve(&full, in_eng(None)).unwrap().reservation_id.unwrap();
    let inside = reserve(&eng, in_eng(Some("bot-1"))).unwrap().reservation_id.unwrap();
    refused(reserve(&eng, in_eng(None)), ErrorCode::Forbidden);
    refused(reserve(&eng, in_eng(Some("other"))), ErrorCode::Forbidden);
    refused(eng.decide("a", Amount::tokens(1)), ErrorCode::Forbidden);
    refused(eng.event("b", 1), ErrorCode::Forbidden);
    refused(eng.commit(&outside, 1), ErrorCode::Forbidden);
    refused(eng.release(&outside), ErrorCode::Forbidden);
    refused(eng.extend(&outside, "c", 1), ErrorCode::Forbidden);
    refused(eng.get(&outside), ErrorCode::Forbidden);
    let rows = now(eng.0.list_reservations(&call(), ListReservationsParams::default())).unwrap();
    let ids: Vec<_> = rows.value.reservations.iter().map(|row| &row.reservation_id).collect();
    assert_eq!(ids, [&inside]);
    let all =
        BalanceParams { subject: subject(), include_children: true, ..BalanceParams::default() };
    let rows = now(eng.0.get_balances(&call(), all)).unwrap().value.balances;
    let scopes: Vec<_> = rows.iter().map(|row| row.scope_path.as_str()).collect();
    assert_eq!(scopes, ["tenant:acme/workspace:eng/agent:bot-1"]);
    eng.extend(&inside, "d", 1).unwrap();
    eng.commit(&inside, 1).unwrap();
}

#[test]
fn operators_list_get_and_release() {
    let (engine, _) = start(KEYS);
    let id = Client(engine.local("full")).hold(1);
    let admin = call().by(Principal::Admin);
    let params = |tenant: Option<&str>| {
        let subject = Subject { tenant: tenant.map(Into::into), ..Subject::default() };
        ListReservationsParams { subject, ..Default::default() }
    };
    let error =
        refused(now(engine.list_reservations(&admin, params(None))), ErrorCode::InvalidRequest);
    assert_eq!(
        error.message(),
        "tenant query parameter is required when using admin key authentication"
    );
    let count = |tenant| {
        let answer = now(engine.list_reservations(&admin, params(Some(tenant)))).unwrap();
        answer.value.reservations.len()
    };
    assert_eq!((count("acme"), count("globex"), count("nobody")), (1, 0, 0));
    assert!(now(engine.get_reservation(&admin, &id)).is_ok());
    refused(now(engine.create_reservation(&admin, &create(1))), ErrorCode::Unauthorized);
    let decide = DecisionRequest::builder()
        .subject(subject())
        .action(action())
        .estimate(Amount::tokens(1))
        .build();
    refused(now(engine.decide(&admin, decide)), ErrorCode::Unauthorized);
    let event = EventCreateRequest::builder()
        .subject(subject())
        .action(action())
        .actual(Amount::tokens(1))
        .build();
    refused(now(engine.create_event(&admin, event)), ErrorCode::Unauthorized);
    let release = ReleaseRequest::builder().reason("[INCIDENT_FORCE_RELEASE]").build();
    assert!(now(engine.release(&admin, &id, release)).is_ok());
}

#[test]
fn a_wrong_key_is_401_in_both_forms() {
    let (engine, _) = start(KEYS);
    refused(Client(engine.local("wrong")).reserve(create(1)), ErrorCode::Unauthorized);
    refused(now(engine.create_reservation(&call(), &create(1))), ErrorCode::Unauthorized);
    let call = call();
    let request = RawRequest::new(Operation::Decide, b"{}".to_vec());
    let raw = now(engine.local("wrong").send(&call, request)).unwrap();
    assert_eq!(raw.status, 401);
    let body: ErrorResponse = serde_json::from_slice(&raw.body).unwrap();
    assert_eq!(
        (body.error, body.request_id),
        (ErrorCode::Unauthorized, call.request_id.to_string())
    );
    assert_eq!(body.trace_id, Some(call.trace_id.to_string()));
}

#[test]
fn the_wire_form_answers_what_http_would() {
    let (engine, _) = start(fixture::SEED);
    let send = |operation, body: &str| {
        let request = RawRequest::new(operation, body.as_bytes().to_vec());
        now(engine.local(fixture::SECRET).send(&call(), request)).unwrap()
    };
    let body = r#"{"idempotency_key":"k","subject":{"tenant":"acme"},"action":{"kind":"a","name":"b"},"actual":{"unit":"TOKENS","amount":5}}"#;
    let created = send(Operation::CreateEvent, body);
    assert_eq!((created.status, created.header("x-cycles-tenant")), (201, Some("acme")));
    assert_eq!(send(Operation::CreateEvent, &body.replace("5}", "5.0}")).status, 400);
    assert_eq!(send(Operation::CreateEvent, &body.replace("5}", "6}")).status, 409);
}

#[test]
fn a_typed_request_is_checked_as_a_raw_one() {
    let (engine, _) = start(fixture::SEED);
    let client = client(&engine);
    let mut bad = create(1);
    bad.ttl_ms = Some(1);
    refused(client.reserve(bad), ErrorCode::InvalidRequest);
    refused(client.reserve(create(-1)), ErrorCode::InvalidRequest);
    let none = BalanceParams::default();
    refused(now(client.0.get_balances(&call(), none)), ErrorCode::InvalidRequest);
}

#[test]
fn closed_and_suspended_tenants() {
    let (engine, _) = start(
        "tenants: [{tenant_id: shut, status: CLOSED}, {tenant_id: held, status: SUSPENDED}]
keys: [{name: a, secret: shut, tenant_id: shut}, {name: b, secret: held, tenant_id: held}]
budgets: [{scope: 'tenant:shut', unit: TOKENS, allocated: 9}, {scope: 'tenant:held', unit: TOKENS, allocated: 9}]",
    );
    for (secret, code, reason) in [
        ("shut", ErrorCode::TenantClosed, "TENANT_CLOSED"),
        ("held", ErrorCode::Forbidden, "TENANT_SUSPENDED"),
    ] {
        let client = Client(engine.local(secret));
        let mut request = create(1);
        request.subject.tenant = Some(secret.into());
        refused(client.reserve(request.clone()), code);
        request.dry_run = Some(true);
        let answer = client.reserve(request).unwrap();
        assert_eq!(answer.reason_code.as_deref(), Some(reason));
    }
}
