//! An authority whose clock follows a log.

use std::collections::{BTreeSet, HashMap};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use cycles_engine::{Engine, Seed, SeedKey};
use cycles_protocol::control::BudgetListParams;
use cycles_protocol::{
    Amount, Authority, Call, Clock, CommitRequest, Control, Decision, Error, ErrorKind,
    IdempotencyKey, ReleaseRequest, ReservationCreateRequest, ReservationId, SystemRandom, limits,
};

use super::log::Work;
use super::{Outcome, Report};
use crate::failure::Failure;

/// Moves only when it is set.
#[derive(Debug)]
struct LogClock(AtomicI64);

impl Clock for LogClock {
    fn now_ms(&self) -> i64 {
        self.0.load(Ordering::Relaxed)
    }

    fn monotonic(&self) -> Duration {
        Duration::ZERO
    }

    // Nothing in process waits for this clock.
    fn sleep_until(&self, _: Duration) -> Pin<Box<dyn Future<Output = ()> + Send>> {
        Box::pin(std::future::pending())
    }
}

/// An authority with the policy's budgets, at the first moment of the log.
pub(super) struct World {
    engine: Engine,
    clock: Arc<LogClock>,
}

fn secret(tenant: &str) -> String {
    format!("cyc_replay_{tenant}")
}

impl World {
    /// # Errors
    /// Names the entry of the seed that cannot be used.
    pub(super) fn new(mut seed: Seed, work: &[Work]) -> Result<Self, String> {
        let start = work.first().map_or(0, |work| work.reservation.created_at_ms);
        let clock = Arc::new(LogClock(AtomicI64::new(start)));
        let tenants: BTreeSet<_> = work.iter().map(|work| work.tenant_id.as_str()).collect();
        // Who asked is not the question; what the policy file gives as keys neither.
        seed.keys = tenants
            .into_iter()
            .map(|tenant| SeedKey {
                name: tenant.to_owned(),
                secret: secret(tenant),
                tenant_id: tenant.to_owned(),
                permissions: None,
                scope_filter: None,
            })
            .collect();
        let engine =
            Engine::with_seed(&seed, Arc::<LogClock>::clone(&clock), Arc::new(SystemRandom));
        Ok(Self { engine: engine.map_err(|error| error.to_string())?, clock })
    }

    /// Decides all of it again.
    ///
    /// # Errors
    /// When a reservation of the log is no valid request any more.
    pub(super) async fn replay(self, work: Vec<Work>) -> Result<Report, Failure> {
        // Each begins and most end; at one moment, endings come first: what they
        // give back was there.
        let mut moments: Vec<(i64, bool, usize)> = Vec::new();
        for (index, work) in work.iter().enumerate() {
            moments.push((work.reservation.created_at_ms, true, index));
            moments.extend(work.end().map(|(at, _)| (at, false, index)));
        }
        moments.sort_unstable();
        let mut held: HashMap<usize, ReservationId> = HashMap::new();
        let mut decisions = Vec::new();
        for (at, begins, index) in moments {
            self.clock.0.store(at, Ordering::Relaxed);
            let work = &work[index];
            if begins {
                let (outcome, id) = self.reserve(work, index).await?;
                decisions.push(outcome);
                held.extend(id.map(|id| (index, id)));
            } else if let Some(id) = held.remove(&index) {
                self.end(work, &id).await;
            }
        }
        // What was left open expires in its time.
        let last = work.iter().map(|work| work.reservation.expires_at_ms).max();
        self.clock.0.fetch_max(last.unwrap_or_default(), Ordering::Relaxed);
        Ok(Report { decisions, budgets: self.budgets()? })
    }

    async fn reserve(
        &self,
        work: &Work,
        index: usize,
    ) -> Result<(Outcome, Option<ReservationId>), Failure> {
        let row = &work.reservation;
        let lease = row.expires_at_ms.saturating_sub(row.created_at_ms);
        let request = ReservationCreateRequest::builder()
            .idempotency_key(IdempotencyKey::new(format!("replay-{index}")))
            .subject(row.subject.clone())
            .action(row.action.clone())
            .estimate(row.reserved)
            .ttl_ms(lease.clamp(*limits::TTL_MS.start(), *limits::TTL_MS.end()))
            .build();
        let authority = self.engine.local(secret(&work.tenant_id));
        let answer = authority.create_reservation(&Call::new(&SystemRandom), &request).await;
        let mut outcome = Outcome {
            at_ms: row.created_at_ms,
            reservation_id: row.reservation_id.to_string(),
            tenant_id: work.tenant_id.clone(),
            action: row.action.clone(),
            amount: row.reserved,
            decision: Decision::Deny,
            reason_code: None,
            message: None,
        };
        match answer {
            Ok(answer) => {
                outcome.decision = answer.value.decision;
                Ok((outcome, answer.value.reservation_id))
            }
            Err(error) if is_wrong(&error) => Err(Failure::Usage(format!(
                "a reservation of the log is no valid request reservation_id={}: {}",
                row.reservation_id,
                error.message()
            ))),
            Err(error) => {
                outcome.reason_code = Some(error.code().as_str().to_owned());
                outcome.message = Some(error.message().to_owned());
                Ok((outcome, None))
            }
        }
    }

    /// As it ended in the log. Under the policy it may not end so, for instance
    /// because a shorter lease ran out; then that is what happens.
    async fn end(&self, work: &Work, id: &ReservationId) {
        let authority = self.engine.local(secret(&work.tenant_id));
        let call = Call::new(&SystemRandom);
        let refused = match work.end() {
            Some((_, Some(charged))) => {
                let actual = Amount::new(work.reservation.reserved.unit, charged);
                let request = CommitRequest::builder().actual(actual).build();
                authority.commit(&call, id, &request).await.err()
            }
            _ => authority.release(&call, id, ReleaseRequest::new(None)).await.err(),
        };
        if let Some(error) = refused {
            tracing::debug!(%error, reservation_id = %work.reservation.reservation_id, "it ends otherwise");
        }
    }

    fn budgets(&self) -> Result<Vec<cycles_protocol::control::BudgetLedger>, Failure> {
        let mut params = BudgetListParams::default();
        let mut budgets = Vec::new();
        loop {
            let page = self.engine.list_budgets(&params);
            let page = page.map_err(|error| Failure::Runtime(error.message().to_owned()))?;
            budgets.extend(page.ledgers);
            match page.next_cursor {
                Some(cursor) => params.cursor = Some(cursor),
                None => return Ok(budgets),
            }
        }
    }
}

/// The log's fault rather than the budgets'.
fn is_wrong(error: &Error) -> bool {
    error.kind() == ErrorKind::Invalid
        || matches!(
            error.code(),
            cycles_protocol::ErrorCode::InvalidRequest | cycles_protocol::ErrorCode::Unauthorized
        )
}
