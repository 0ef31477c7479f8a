//! What an engine knows, its successor knows.

use cycles_protocol::control::{
    ApiKeyCreateRequest, AuditLogParams, BudgetFundingRequest, BudgetPeriod, BudgetRef,
    FundingOperation, PeriodLength,
};
use cycles_protocol::{
    Amount, Authority, BalanceParams, Control, DecisionRequest, EventCreateRequest, ExtendRequest,
    Principal, ReleaseRequest, ReservationId, Subject, Unit,
};

use crate::fixture::{Client, Plant, SECRET, call, create, told, wait};

fn balances(client: &Client) -> String {
    let params = BalanceParams {
        subject: Subject { tenant: Some("acme".into()), ..Subject::default() },
        include_children: true,
        ..BalanceParams::default()
    };
    told(wait(client.0.get_balances(&call(), params)))
}

fn extend(client: &Client, id: &ReservationId) -> String {
    let request = ExtendRequest::builder().idempotency_key("e").extend_by_ms(5_000).build();
    told(wait(client.0.extend(&call(), id, request)))
}

fn event(client: &Client) -> String {
    let request = EventCreateRequest::builder()
        .idempotency_key("ev")
        .subject(Subject { agent: Some("bot".into()), ..Subject::default() })
        .action(cycles_protocol::Action::new("tool.call", "search"))
        .actual(Amount::tokens(7))
        .build();
    told(wait(client.0.create_event(&call(), request)))
}

fn decide(client: &Client) -> String {
    let request = DecisionRequest::builder()
        .idempotency_key("d")
        .subject(Subject { agent: Some("bot".into()), ..Subject::default() })
        .action(cycles_protocol::Action::new("tool.call", "search"))
        .estimate(Amount::tokens(7))
        .build();
    told(wait(client.0.decide(&call(), request)))
}

fn fund(plant: &Plant) -> String {
    let budget = BudgetRef::new("tenant:acme", Unit::Tokens).unwrap();
    let request = BudgetFundingRequest {
        operation: FundingOperation::Credit,
        amount: Amount::tokens(500),
        spent: None,
        reason: None,
        metadata: None,
        idempotency_key: Some("f".into()),
    };
    serde_json::to_string(&plant.engine().fund_budget(&budget, request).unwrap()).unwrap()
}

#[test]
fn every_answer_is_repeated_and_every_amount_is_there() {
    let mut plant = Plant::new();
    let client = plant.client();
    let [open, committed, released, extended] =
        ["a", "b", "c", "d"].map(|key| client.hold(key, 100));
    let dry = || {
        let mut request = create("dry", 10);
        request.dry_run = Some(true);
        request
    };
    drop(client);
    let told_of = |plant: &Plant| {
        let client = plant.client();
        [
            client.reserve_told("a", 100),
            client.reserve_told("b", 100),
            client.commit(&committed, "k", 60),
            client.release(&released, "r"),
            extend(&client, &extended),
            event(&client),
            decide(&client),
            told(wait(client.0.create_reservation(&call(), &dry()))),
            fund(plant),
            // Refused then, refused now.
            client.reserve_told("a", 101),
            client.commit(&committed, "k2", 60),
            client.commit(&open, "k3", i64::MAX),
            balances(&client),
        ]
    };
    told_of(&plant);
    // From now on each of them is a replay.
    let before = told_of(&plant);
    for _ in 0..2 {
        plant.restart();
        assert!(told_of(&plant) == before);
    }
    // A process that is killed leaves as much as one that ends.
    let copy = plant.killed();
    let (engine, _) = crate::fixture::open(copy.path(), "{}", &plant.clock).unwrap();
    assert_eq!(balances(&Client(engine.local(SECRET))), before[12]);
}

#[test]
fn keys_policies_caps_and_the_audit_log_are_there() {
    let mut plant = Plant::new();
    let request = ApiKeyCreateRequest { tenant_id: "Globex".into(), ..Default::default() };
    let made = plant.engine().create_api_key(request).unwrap();
    let request = ApiKeyCreateRequest { tenant_id: "acme".into(), ..Default::default() };
    let revoked = plant.engine().create_api_key(request).unwrap();
    plant.engine().revoke_api_key(&revoked.key_id, Some("leaked")).unwrap();
    let id = plant.client().hold("a", 100);
    let admin = call().by(Principal::Admin);
    let request = ReleaseRequest::builder().reason("stuck").build();
    wait(plant.engine().release(&admin, &id, request)).unwrap();
    let frozen = BudgetRef::new("tenant:acme", Unit::Tokens).unwrap();
    plant.engine().set_budget_frozen(&frozen, true).unwrap();

    let look = |plant: &Plant| {
        let engine = plant.engine();
        let audit = engine.list_audit_logs(&AuditLogParams::default()).unwrap();
        (
            engine.authenticate(&made.key_secret).unwrap(),
            engine.authenticate("cyc_test_reader").unwrap(),
            engine.authenticate(&revoked.key_secret).unwrap_err().code(),
            serde_json::to_string(&audit).unwrap(),
            engine.get_budget(&frozen).unwrap(),
        )
    };
    let before = look(&plant);
    assert!(before.3.contains("stuck"), "{}", before.3);
    plant.restart();
    assert_eq!(look(&plant), before);
    assert!(plant.client().reserve_told("x", 1).contains("BUDGET_FROZEN"));
    plant.engine().set_budget_frozen(&frozen, false).unwrap();
    let answer = plant.client().reserve(create("y", 600)).unwrap();
    let caps = answer.caps.unwrap();
    assert_eq!(caps.max_tokens, Some(9), "the budget's");
    assert_eq!(caps.tool_denylist, Some(vec!["rm".to_owned()]), "the policy's");
    assert_eq!(answer.expires_at_ms, Some(plant.engine().clock().now_ms() + 30_000));
}

#[test]
fn leases_run_out_while_nobody_serves() {
    let mut plant = Plant::new();
    let id = plant.client().hold("a", 100);
    plant.stop();
    plant.advance(40_000);
    plant.restart();
    assert!(plant.client().commit(&id, "k", 1).contains("RESERVATION_EXPIRED"));
    let budget = BudgetRef::new("tenant:acme", Unit::Tokens).unwrap();
    assert_eq!(plant.engine().get_budget(&budget).unwrap().reserved.amount, 0);
}

#[test]
fn a_clock_that_jumped_back_only_makes_leases_longer() {
    let mut plant = Plant::new();
    let id = plant.client().hold("a", 100);
    plant.advance(-3_600_000);
    plant.restart();
    assert!(plant.client().commit(&id, "k", 60).contains("COMMITTED"));
    plant.restart();
    let budget = BudgetRef::new("tenant:acme", Unit::Tokens).unwrap();
    assert_eq!(plant.engine().get_budget(&budget).unwrap().spent.amount, 60);
}

#[test]
fn periods_go_on_where_they_were() {
    let mut plant = Plant::new();
    let root = BudgetRef::new("tenant:acme", Unit::Tokens).unwrap();
    let rolling =
        BudgetPeriod { length_ms: Some(3_600_000), ..BudgetPeriod::new(PeriodLength::Rolling) };
    plant.engine().set_budget_period(&root, Some(rolling)).unwrap();
    let use_some = |plant: &Plant, key: &str| {
        let client = plant.client();
        let id = client.hold(key, 100);
        client.commit(&id, "k", 60);
    };
    let spent = |plant: &Plant| plant.engine().get_budget(&root).unwrap().spent.amount;
    use_some(&plant, "a");
    plant.advance(3_600_000 + 1_000);
    assert_eq!(spent(&plant), 0, "the second period");
    use_some(&plant, "b");
    plant.restart();
    plant.advance(3_600_000 - 1_001);
    assert_eq!(spent(&plant), 60, "its last millisecond");
    plant.restart();
    plant.advance(1);
    assert_eq!(spent(&plant), 0, "the third one begins, though nobody saw it coming");
    plant.restart();
    assert_eq!(spent(&plant), 0);
}
