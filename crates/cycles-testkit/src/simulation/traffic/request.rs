//! Requests, well formed and otherwise.

use cycles_protocol::query::Window;
use cycles_protocol::{
    Action, Amount, BalanceParams, CommitOveragePolicy, CommitRequest, DecisionRequest,
    EventCreateRequest, ExtendRequest, JsonMap, ListReservationsParams, ReleaseRequest,
    ReservationCreateRequest, ReservationId, ReservationStatus, SortDirection, SortKey, Subject,
    Unit,
};

use super::Traffic;
use super::client::Lease;
use crate::simulation::command::Act;
use crate::simulation::world::{self, Rule, UNITS};

pub(super) const DIRECTIONS: [SortDirection; 2] = [SortDirection::Asc, SortDirection::Desc];

const SORT_KEYS: [SortKey; 7] = [
    SortKey::ReservationId,
    SortKey::Tenant,
    SortKey::ScopePath,
    SortKey::Status,
    SortKey::Reserved,
    SortKey::CreatedAtMs,
    SortKey::ExpiresAtMs,
];

const STATUSES: [ReservationStatus; 4] = [
    ReservationStatus::Active,
    ReservationStatus::Committed,
    ReservationStatus::Released,
    ReservationStatus::Expired,
];

impl Traffic {
    pub(super) fn reserve(&mut self, client: usize, dry_run: Option<bool>) -> Act {
        let (tenant, rule) = self.tenants[self.clients[client].tenant];
        let mut request = ReservationCreateRequest::builder()
            .idempotency_key(self.fresh_key())
            .subject(self.subject(tenant))
            .action(self.action())
            .estimate(self.amount(rule))
            .maybe_ttl_ms(self.dice.maybe(50, |dice| dice.between(1_000..=120_000)))
            .maybe_grace_period_ms(self.dice.maybe(50, |dice| dice.between(0..=60_000)))
            .maybe_overage_policy(self.policy(rule))
            .maybe_dry_run(dry_run.or_else(|| self.dice.maybe(10, |_| false)))
            .maybe_metadata(self.metadata())
            .build();
        if self.dice.percent(1) {
            match self.dice.below(6) {
                0 => request.ttl_ms = Some(self.dice.one_of([0, 999, 86_400_001, -1])),
                1 => request.grace_period_ms = Some(self.dice.one_of([-1, 60_001])),
                2 => request.estimate.amount = -1,
                3 => request.subject = Subject::default(),
                4 => request.idempotency_key = "".into(),
                _ => request.subject.app = Some("no/slash".to_owned()),
            }
        } else if self.dice.percent(2) {
            // The bounds themselves are fine.
            request.ttl_ms = Some(self.dice.one_of([1_000, 86_400_000]));
        }
        Act::Create(request)
    }

    pub(super) fn ask_decision(&mut self, client: usize) -> Act {
        let (tenant, rule) = self.tenants[self.clients[client].tenant];
        let mut request = DecisionRequest::builder()
            .idempotency_key(self.fresh_key())
            .subject(self.subject(tenant))
            .action(self.action())
            .estimate(self.amount(rule))
            .maybe_metadata(self.metadata())
            .build();
        if self.dice.percent(2) {
            request.estimate.amount = -5;
        }
        Act::Decide(request)
    }

    pub(super) fn debit(&mut self, client: usize) -> Act {
        let (tenant, rule) = self.tenants[self.clients[client].tenant];
        let mut request = EventCreateRequest::builder()
            .idempotency_key(self.fresh_key())
            .subject(self.subject(tenant))
            .action(self.action())
            .actual(self.amount(rule))
            .maybe_overage_policy(self.policy(rule))
            .maybe_metadata(self.metadata())
            .build();
        if self.dice.percent(2) {
            request.client_time_ms = Some(self.dice.one_of([-1, 0]));
        }
        Act::Event(request)
    }

    /// Below, equal to or above the estimate; rarely in another unit.
    pub(super) fn commit(&mut self, lease: &Lease) -> Act {
        let Amount { unit, amount, .. } = lease.estimate;
        let actual = match self.dice.below(100) {
            0..40 => self.dice.between(0..=amount.max(0)),
            40..60 => amount,
            60..95 => amount.saturating_add(self.dice.between(1..=400)),
            95..99 => amount.saturating_add(self.dice.between(400..=20_000)),
            _ => self.dice.one_of([0, -1, i64::MAX]),
        };
        let unit = if self.dice.percent(2) { self.unit() } else { unit };
        let request = CommitRequest::builder()
            .idempotency_key(self.fresh_key())
            .actual(Amount::new(unit, actual))
            .maybe_metadata(self.metadata())
            .build();
        Act::Commit(lease.id.clone(), request)
    }

    pub(super) fn release(&mut self, id: &ReservationId) -> Act {
        let mut request = ReleaseRequest::builder()
            .idempotency_key(self.fresh_key())
            .maybe_reason(self.dice.maybe(30, |_| "no longer needed"))
            .build();
        if self.dice.percent(1) {
            request.reason = Some("x".repeat(257));
        }
        Act::Release(id.clone(), request)
    }

    pub(super) fn extend(&mut self, id: &ReservationId) -> Act {
        let by = match self.dice.below(50) {
            0 => self.dice.one_of([0, -1, 86_400_001]),
            1 => 1,
            _ => self.dice.between(1_000..=60_000),
        };
        let request = ExtendRequest::builder()
            .idempotency_key(self.fresh_key())
            .extend_by_ms(by)
            .maybe_metadata(self.metadata())
            .build();
        Act::Extend(id.clone(), request)
    }

    pub(super) fn ask_balances(&mut self, client: usize) -> Act {
        let (tenant, _) = self.tenants[self.clients[client].tenant];
        let subject = match self.dice.below(20) {
            0 => Subject::default(),
            1 => Subject { tenant: Some("elsewhere".to_owned()), ..Subject::default() },
            2..10 => Subject { tenant: Some(tenant.to_owned()), ..Subject::default() },
            _ => Subject { dimensions: None, ..self.subject(tenant) },
        };
        Act::Balances(BalanceParams {
            subject,
            include_children: self.dice.percent(60),
            limit: self.page(),
            cursor: None,
        })
    }

    pub(super) fn ask_list(&mut self, client: usize) -> Act {
        let (tenant, _) = self.tenants[self.clients[client].tenant];
        let mut params = ListReservationsParams {
            status: self.dice.maybe(30, |dice| dice.one_of(STATUSES)),
            sort_by: self.dice.maybe(70, |dice| dice.one_of(SORT_KEYS)),
            sort_dir: self.dice.maybe(60, |dice| dice.one_of(DIRECTIONS)),
            limit: self.page(),
            ..ListReservationsParams::default()
        };
        if self.dice.percent(30) {
            params.subject = Subject { dimensions: None, ..self.subject(tenant) };
        }
        if self.dice.percent(3) {
            params.subject.tenant = Some("elsewhere".to_owned());
        }
        // To recover what a crash forgot.
        if self.dice.percent(10) {
            let used = i64::try_from(self.keys_used).unwrap_or(i64::MAX).max(1);
            let number = self.dice.between((used - 200).max(1)..=used);
            params.idempotency_key = Some(format!("key-{number}").into());
        }
        if self.dice.percent(30) {
            params.include = vec!["metadata".to_owned(), "committed_metadata".to_owned()];
        }
        let windows = [&mut params.created, &mut params.expires, &mut params.finalized];
        for window in windows {
            if self.dice.percent(15) {
                *window = window_around(&mut self.dice, self.past.back().map_or(0, |past| past.at));
            }
        }
        Act::List(params)
    }

    /// The same key for another payload.
    pub(super) fn change(&mut self, act: &mut Act) {
        match act {
            Act::Create(request) => match self.dice.below(5) {
                0 => request.estimate.amount ^= 1,
                1 => request.ttl_ms = Some(request.ttl_ms.map_or(60_000, |ttl| ttl ^ 1)),
                // The default, said aloud, is no change.
                2 => request.grace_period_ms = Some(5_000),
                3 => request.dry_run = Some(request.dry_run != Some(true)),
                _ => request.metadata = Some(metadata("changed")),
            },
            Act::Commit(_, request) => match self.dice.below(2) {
                0 => request.actual.amount ^= 1,
                _ => request.metadata = Some(metadata("changed")),
            },
            Act::Release(_, request) => request.reason = Some("changed".to_owned()),
            Act::Extend(_, request) => request.extend_by_ms += 1,
            Act::Decide(request) => request.estimate.amount ^= 1,
            Act::Event(request) => match self.dice.below(2) {
                0 => request.actual.amount ^= 1,
                _ => request.overage_policy = Some(CommitOveragePolicy::AllowIfAvailable),
            },
            Act::Fund(_, request) => request.amount.amount ^= 1,
            // Without a key there is nothing to reuse.
            _ => {}
        }
    }

    /// Keeps a tenant's single policy when a request comes from elsewhere.
    pub(super) fn obey(&self, client: usize, act: &mut Act) {
        let (_, Rule::Only(rule)) = self.tenants[self.clients[client].tenant] else { return };
        let policy = match act {
            Act::Create(request) => &mut request.overage_policy,
            Act::Event(request) => &mut request.overage_policy,
            _ => return,
        };
        *policy = policy.map(|_| rule);
    }

    pub(super) fn unit(&mut self) -> Unit {
        if self.dice.percent(4) { Unit::Credits } else { self.dice.one_of(UNITS) }
    }

    pub(super) fn amount(&mut self, rule: Rule) -> Amount {
        let unit = self.unit();
        let amount = match self.dice.below(200) {
            0..6 => 0,
            6..60 => self.dice.between(1..=20),
            60..180 => self.dice.between(20..=600),
            180..198 => self.dice.between(600..=6_000),
            198 => self.dice.between(6_000..=1_000_000),
            _ if rule == Rule::Any => self.dice.one_of([i64::MAX, i64::MAX - 1, i64::MAX / 2]),
            _ => 1,
        };
        Amount::new(unit, amount)
    }

    fn subject(&mut self, tenant: &'static str) -> Subject {
        let mut subject = world::subject(&mut self.dice, tenant);
        if self.dice.in_ten_thousand(50) {
            subject.tenant = Some("elsewhere".to_owned());
        }
        subject
    }

    fn action(&mut self) -> Action {
        let mut action = Action::new("llm.completion", self.dice.one_of(["model-a", "model-b"]));
        action.tags = self.dice.maybe(10, |_| vec!["prod".to_owned()]);
        action
    }

    /// Under a rule, the rule's policy or none, which means the same there.
    fn policy(&mut self, rule: Rule) -> Option<CommitOveragePolicy> {
        match rule {
            Rule::Only(policy) => self.dice.percent(30).then_some(policy),
            Rule::Any => self.dice.maybe(60, world::policy),
        }
    }

    fn metadata(&mut self) -> Option<JsonMap> {
        self.dice.maybe(15, |dice| metadata(dice.one_of(["a", "b"])))
    }

    fn page(&mut self) -> Option<usize> {
        self.dice.maybe(60, |dice| match dice.below(30) {
            0 => 0,
            1 => 201,
            2 => 200,
            size => size,
        })
    }
}

fn metadata(run: &str) -> JsonMap {
    let mut map = JsonMap::new();
    map.insert("run".to_owned(), run.into());
    map.insert("attempt".to_owned(), 1.into());
    map
}

fn window_around(dice: &mut crate::simulation::dice::Dice, now: i64) -> Window {
    let from = now + dice.between(-200_000..=60_000);
    // Sometimes it ends before it starts.
    let to = from + dice.between(-10_000..=200_000);
    Window { from: dice.maybe(70, |_| from), to: dice.maybe(70, |_| to) }
}
