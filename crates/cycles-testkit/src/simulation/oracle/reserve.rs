//! New work: reserve, dry run, decide.

use cycles_protocol::control::{BudgetStatus, TenantStatus};
use cycles_protocol::{
    CommitOveragePolicy, Decision, DecisionRequest, DecisionResponse, ErrorCode, Permission,
    ReservationCreateRequest, ReservationCreateResponse, ReservationId, Unit,
};

use super::ledger::{self, Sums};
use super::replay::{DAY_MS, Payload, Place};
use super::reservation::Record;
use super::{Oracle, Ruling, no, validity};
use crate::simulation::answer::Answer;
use crate::simulation::command::Caller;

/// Why new work may not start.
#[derive(Debug, Clone, Copy)]
pub(super) enum Why {
    Suspended,
    NoBudget,
    Code(ErrorCode),
}

impl Why {
    /// What a live request is answered.
    pub(super) fn refusal(self) -> Answer {
        no(match self {
            Self::Suspended => ErrorCode::Forbidden,
            Self::NoBudget => ErrorCode::NotFound,
            Self::Code(code) => code,
        })
    }

    /// What a dry run and decide answer: 200 with a reason, except for a wrong
    /// unit (spec: `/decide`, UNIT CONSISTENCY (d)).
    fn reason(self) -> Result<String, Answer> {
        match self {
            Self::Suspended => Ok("TENANT_SUSPENDED".to_owned()),
            Self::NoBudget => Ok("BUDGET_NOT_FOUND".to_owned()),
            Self::Code(ErrorCode::UnitMismatch) => Err(no(ErrorCode::UnitMismatch)),
            Self::Code(code) => Ok(code.to_string()),
        }
    }
}

impl Oracle {
    /// Whether the tenant starts new work.
    pub(super) fn starts_work(&self, tenant: usize) -> Result<(), Why> {
        match self.tenants[tenant].status {
            TenantStatus::Closed => Err(Why::Code(ErrorCode::TenantClosed)),
            TenantStatus::Suspended => Err(Why::Suspended),
            _ => Ok(()),
        }
    }

    /// The budgets that a spend of these scopes touches.
    pub(super) fn find_budgets(
        &self,
        tenant: usize,
        scopes: &[String],
        unit: Unit,
    ) -> Result<Vec<usize>, Why> {
        let budgets = self.tenants[tenant].budgets_of(scopes, unit);
        if !budgets.is_empty() {
            return Ok(budgets);
        }
        Err(if self.tenants[tenant].has_other_unit(scopes) {
            Why::Code(ErrorCode::UnitMismatch)
        } else {
            Why::NoBudget
        })
    }

    /// Decision "Several scopes refuse at once": the kinds in this order,
    /// wherever they stand.
    fn admit(&self, tenant: usize, scopes: &[String], unit: Unit, amount: i64) -> Result<(), Why> {
        self.starts_work(tenant)?;
        let budgets = self.find_budgets(tenant, scopes, unit)?;
        let any = |says_no: &dyn Fn(&ledger::Budget, Sums) -> bool| {
            budgets.iter().any(|budget| {
                let sums = self.sums(tenant, *budget);
                says_no(&self.tenants[tenant].budgets[*budget], sums)
            })
        };
        let over_limit = |budget: &ledger::Budget, sums: Sums| {
            budget.is_over_limit || budget.overdraft_limit > 0 && sums.debt > budget.overdraft_limit
        };
        if any(&over_limit) {
            return Err(Why::Code(ErrorCode::OverdraftLimitExceeded));
        }
        if any(&|budget, _| budget.status == BudgetStatus::Closed) {
            return Err(Why::Code(ErrorCode::BudgetClosed));
        }
        if any(&|budget, _| budget.status == BudgetStatus::Frozen) {
            return Err(Why::Code(ErrorCode::BudgetFrozen));
        }
        // Decision "Debt with a positive overdraft limit": only a limit of 0 blocks.
        if any(&|budget, sums| sums.debt > 0 && budget.overdraft_limit == 0) {
            return Err(Why::Code(ErrorCode::DebtOutstanding));
        }
        if any(&|_, sums| sums.remaining() < i128::from(amount)) {
            return Err(Why::Code(ErrorCode::BudgetExceeded));
        }
        Ok(())
    }

    /// Decision "Overage policy".
    pub(super) fn overage_policy(
        &self,
        tenant: usize,
        budgets: &[usize],
        requested: Option<CommitOveragePolicy>,
    ) -> CommitOveragePolicy {
        let tenant = &self.tenants[tenant];
        let mut policy = tenant.overage_policy.unwrap_or(CommitOveragePolicy::AllowIfAvailable);
        for budget in budgets {
            policy = tenant.budgets[*budget].overage_policy.unwrap_or(policy);
        }
        requested.unwrap_or(policy)
    }

    pub(super) fn create(
        &mut self,
        caller: Caller,
        request: &ReservationCreateRequest,
        now: i64,
        seen: &Answer,
    ) -> Ruling {
        let key = self.key(caller)?;
        let tenant = key.tenant;
        validity::create(request)?;
        key.may(&[Permission::ReservationsCreate])?;
        key.covers(&self.tenants[tenant].id, &request.subject)?;
        self.look(tenant, now);

        let mut request = request.clone();
        request.grace_period_ms.get_or_insert(5_000);
        request.dry_run.get_or_insert(false);
        let replay_key = request.idempotency_key.clone();
        if let Some(serial) = self.tenants[tenant].by_key.get(&replay_key) {
            let record = &self.records[serial];
            if record.request != request {
                return Err(no(ErrorCode::IdempotencyMismatch));
            }
            let mut answer = record.answer.clone();
            let first = answer.expires_at_ms.unwrap_or(now);
            answer.remaining_ttl_ms = Some(record.remaining_ttl_ms(first, now));
            return Ok(Answer::Create(Box::new(answer)));
        }
        let payload = Payload::Create(request.clone());
        let replays = &self.tenants[tenant].replays;
        if let Some(answer) = replays.find(Place::Create, &replay_key, &payload, now)? {
            return Ok(answer);
        }
        if request.dry_run == Some(true) {
            let answer = self.evaluate(tenant, &request)?;
            let replays = &mut self.tenants[tenant].replays;
            replays.keep(Place::Create, replay_key, payload, &answer, now + DAY_MS);
            return Ok(answer);
        }
        self.hold(tenant, request, now, seen)
    }

    /// spec: DRY-RUN RESPONSE RULES
    fn evaluate(&self, tenant: usize, request: &ReservationCreateRequest) -> Ruling {
        let scopes = ledger::scopes(&request.subject, &self.tenants[tenant].id);
        let unit = request.estimate.unit;
        let budgets = self.tenants[tenant].budgets_of(&scopes, unit);
        let ruling = self.admit(tenant, &scopes, unit, request.estimate.amount);
        let decision = if ruling.is_ok() { Decision::Allow } else { Decision::Deny };
        let mut answer = ReservationCreateResponse::new(decision, scopes);
        match ruling {
            Ok(()) => answer.reserved = Some(request.estimate),
            Err(why) => answer.reason_code = Some(why.reason()?),
        }
        answer.balances = Some(self.balances_of(tenant, &budgets));
        Ok(Answer::Create(Box::new(answer)))
    }

    fn hold(
        &mut self,
        tenant: usize,
        request: ReservationCreateRequest,
        now: i64,
        seen: &Answer,
    ) -> Ruling {
        let model = &self.tenants[tenant];
        let scopes = ledger::scopes(&request.subject, &model.id);
        let unit = request.estimate.unit;
        self.admit(tenant, &scopes, unit, request.estimate.amount).map_err(Why::refusal)?;
        let holds_on = model.budgets_of(&scopes, unit);
        // semantics 2.4: request, tenant, 60 s; silently cut to the tenant's maximum
        let ttl = request.ttl_ms.unwrap_or(model.ttl_ms_default).min(model.ttl_ms_max);
        let serial = self.next;
        let id = self.fresh_id(seen);
        let mut answer = ReservationCreateResponse::new(Decision::Allow, scopes.clone());
        answer.reservation_id = Some(id.clone());
        answer.reserved = Some(request.estimate);
        answer.expires_at_ms = Some(now + ttl);
        answer.remaining_ttl_ms = Some(ttl);
        let record = Record {
            overage_policy: self.overage_policy(tenant, &holds_on, request.overage_policy),
            id: id.clone(),
            tenant,
            answer: answer.clone(),
            scopes,
            holds_on: holds_on.clone(),
            created_at: now,
            expires_at: now + ttl,
            extensions: 0,
            end: None,
            request,
        };
        let model = &mut self.tenants[tenant];
        model.open.insert(serial);
        model.by_key.insert(record.request.idempotency_key.clone(), serial);
        self.by_id.insert(id, serial);
        self.records.insert(serial, record);
        self.next += 1;
        answer.balances = Some(self.balances_of(tenant, &holds_on));
        if let Some(record) = self.records.get_mut(&serial) {
            record.answer = answer.clone();
        }
        Ok(Answer::Create(Box::new(answer)))
    }

    /// The id that the authority chose, if it may be one.
    fn fresh_id(&self, seen: &Answer) -> ReservationId {
        let issued = match seen {
            Answer::Create(answer) => answer.reservation_id.clone(),
            _ => None,
        };
        issued
            .filter(|id| !id.as_str().is_empty() && !self.by_id.contains_key(id))
            .unwrap_or_else(|| ReservationId::new(format!("<a fresh id {}>", self.next)))
    }

    pub(super) fn decide(&mut self, caller: Caller, request: &DecisionRequest, now: i64) -> Ruling {
        let key = self.key(caller)?;
        let tenant = key.tenant;
        validity::decide(request)?;
        key.may(&[Permission::ReservationsCreate, Permission::Decide])?;
        key.covers(&self.tenants[tenant].id, &request.subject)?;
        self.look(tenant, now);
        let replay_key = request.idempotency_key.clone();
        let payload = Payload::Decide(request.clone());
        let replays = &self.tenants[tenant].replays;
        if let Some(answer) = replays.find(Place::Decide, &replay_key, &payload, now)? {
            return Ok(answer);
        }
        let scopes = ledger::scopes(&request.subject, &self.tenants[tenant].id);
        let ruling = self.admit(tenant, &scopes, request.estimate.unit, request.estimate.amount);
        let reason_code = ruling.err().map(Why::reason).transpose()?;
        let answer = Answer::Decide(DecisionResponse {
            decision: if reason_code.is_none() { Decision::Allow } else { Decision::Deny },
            caps: None,
            reason_code,
            retry_after_ms: None,
            affected_scopes: Some(scopes),
            cycles_evidence: None,
        });
        let replays = &mut self.tenants[tenant].replays;
        replays.keep(Place::Decide, replay_key, payload, &answer, now + DAY_MS);
        Ok(answer)
    }
}
