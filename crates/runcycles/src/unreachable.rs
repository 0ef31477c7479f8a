//! What happens to guarded work while the authority cannot be asked
//! (`docs/adr/0007`).

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use cycles_protocol::{
    Amount, Decision, Error as Refusal, IdempotencyKey, ReleaseResponse, ReleaseStatus,
    ReservationCreateRequest, ReservationCreateResponse, ReservationId, Unit,
};
use parking_lot::{Mutex, MutexGuard};
use serde::{Deserialize, Serialize};

use crate::circuit;
use crate::client::CyclesClient;
use crate::error::Error;
use crate::guard::{Held, ReservationGuard};
use crate::journal::Journal;
use crate::settlement::Settlement;

/// What begins the id of work that no authority has seen.
const PREFIX: &str = "offline-";
/// Work that was allowed unseen and is not booked yet, in one process.
const MAX_UNSEEN: usize = 100_000;

/// Whether guarded work runs while the authority cannot be asked: it cannot be
/// connected to, gives no clear answer to the reserve and its one repeat, fails
/// with a 5xx, or is not asked because the circuit is open.
///
/// A clear refusal is never overridden. Work that runs so holds nothing; what it
/// costs is booked as a direct event when the authority is back.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
#[non_exhaustive]
pub enum OnUnreachable {
    /// It does not run; the reserve's error is the caller's.
    #[default]
    Deny,
    /// It runs.
    Allow,
    /// It runs while estimates of what runs and actuals of what is not booked
    /// yet, of this client and its clones, come to at most this much; its
    /// estimate must be in the same unit.
    AllowUpTo(Amount),
}

impl TryFrom<String> for OnUnreachable {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        Self::parse(&text).ok_or_else(|| {
            format!("on_unreachable is deny, allow or allow_up_to:<amount>:<unit>, not {text:?}")
        })
    }
}

impl From<OnUnreachable> for String {
    fn from(setting: OnUnreachable) -> Self {
        match setting {
            OnUnreachable::Deny => "deny".to_owned(),
            OnUnreachable::Allow => "allow".to_owned(),
            OnUnreachable::AllowUpTo(Amount { unit, amount }) => {
                format!("allow_up_to:{amount}:{unit}")
            }
        }
    }
}

impl OnUnreachable {
    /// Reads `deny`, `allow` or `allow_up_to:<amount>:<unit>`, like
    /// `allow_up_to:5000:TOKENS`.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        match text {
            "deny" => Some(Self::Deny),
            "allow" => Some(Self::Allow),
            _ => {
                let (amount, unit) = text.strip_prefix("allow_up_to:")?.split_once(':')?;
                let unit = Unit::parse(&unit.to_ascii_uppercase());
                let amount = Amount::new(unit, amount.parse().ok()?);
                (unit != Unit::Unknown).then_some(Self::AllowUpTo(amount))
            }
        }
    }

    pub(crate) fn validate(self) -> Result<(), Error> {
        match self {
            Self::AllowUpTo(limit) if limit.amount < 0 || limit.unit == Unit::Unknown => {
                Err(Error::Config(format!(
                    "on_unreachable must allow up to an amount of at least 0 in a known unit amount={} unit={}",
                    limit.amount, limit.unit
                )))
            }
            _ => Ok(()),
        }
    }
}

/// Work of this client that no authority has seen, and that is not booked yet.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct UnseenWork {
    /// How much of it runs at the moment.
    pub running: usize,
    /// How much has run and waits to be booked.
    pub unbooked: usize,
    /// Estimates of the former and actuals of the latter, one sum per unit.
    pub amounts: Vec<Amount>,
}

/// Keeps account of what was allowed unseen.
#[derive(Debug)]
pub(crate) struct Unseen {
    policy: OnUnreachable,
    account: Mutex<Account>,
}

#[derive(Debug, Default)]
struct Account {
    /// The process whose work it is; a forked child has none.
    owner: u32,
    open: HashMap<ReservationId, Open>,
    sums: BTreeMap<Unit, i128>,
}

#[derive(Debug, Clone, Copy)]
struct Open {
    amount: Amount,
    stage: Stage,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    Running,
    InMemory,
    OnDisk,
}

impl Unseen {
    pub(crate) fn new(policy: OnUnreachable) -> Self {
        Self { policy, account: Mutex::default() }
    }

    fn account(&self) -> MutexGuard<'_, Account> {
        let mut account = self.account.lock();
        let pid = cycles_protocol::process::id();
        if account.owner != pid {
            *account = Account { owner: pid, ..Account::default() };
        }
        account
    }

    /// An id for work with this estimate, which counts from now on; or why it
    /// must not run.
    fn allow(&self, estimate: Amount) -> Result<ReservationId, String> {
        let mut account = self.account();
        if account.open.len() >= MAX_UNSEEN {
            return Err(format!("too much work is not booked yet limit={MAX_UNSEEN}"));
        }
        match self.policy {
            OnUnreachable::Deny => return Err("on_unreachable is deny".to_owned()),
            OnUnreachable::Allow => {}
            OnUnreachable::AllowUpTo(limit) => {
                let open = account.sums.get(&limit.unit).copied().unwrap_or_default();
                let left = i128::from(limit.amount) - open;
                if limit.unit != estimate.unit || i128::from(estimate.amount) > left {
                    return Err(format!(
                        "allow_up_to does not cover the estimate estimate={} {} left={left} {}",
                        estimate.amount, estimate.unit, limit.unit
                    ));
                }
            }
        }
        let id = ReservationId::new(format!("{PREFIX}{}", IdempotencyKey::random().as_str()));
        account.put(id.clone(), Open { amount: estimate, stage: Stage::Running });
        Ok(id)
    }

    /// The work has run and cost `actual`, whatever was estimated.
    pub(crate) fn spent(&self, id: &ReservationId, actual: Amount, on_disk: bool) {
        let stage = if on_disk { Stage::OnDisk } else { Stage::InMemory };
        self.account().put(id.clone(), Open { amount: actual, stage });
    }

    /// It has not run, or is booked, or never will be.
    pub(crate) fn forget(&self, id: &ReservationId) {
        // Nearly every id is a real reservation's.
        if id.as_str().starts_with(PREFIX) {
            self.account().take(id);
        }
    }

    /// Another process may have booked what this one wrote down.
    pub(crate) fn forget_what_others_booked(&self, journal: &Journal) {
        let mut account = self.account();
        let booked: Vec<_> = account
            .open
            .iter()
            .filter(|(id, open)| open.stage == Stage::OnDisk && !journal.holds(id))
            .map(|(id, _)| id.clone())
            .collect();
        for id in booked {
            account.take(&id);
        }
    }

    pub(crate) fn work(&self) -> UnseenWork {
        let account = self.account();
        let running = account.open.values().filter(|open| open.stage == Stage::Running).count();
        let sum = |(unit, sum): (&Unit, &i128)| {
            Amount::new(*unit, i64::try_from(*sum).unwrap_or(i64::MAX))
        };
        UnseenWork {
            running,
            unbooked: account.open.len() - running,
            amounts: account.sums.iter().filter(|(_, sum)| **sum != 0).map(sum).collect(),
        }
    }
}

impl Account {
    fn put(&mut self, id: ReservationId, open: Open) {
        self.take(&id);
        *self.sums.entry(open.amount.unit).or_default() += i128::from(open.amount.amount);
        self.open.insert(id, open);
    }

    fn take(&mut self, id: &ReservationId) {
        if let Some(Open { amount, .. }) = self.open.remove(id) {
            *self.sums.entry(amount.unit).or_default() -= i128::from(amount.amount);
        }
    }
}

impl CyclesClient {
    /// Work that was allowed unseen and is not booked yet, by this client and
    /// its clones.
    #[must_use]
    pub fn unseen_work(&self) -> UnseenWork {
        self.unseen().work()
    }

    /// Whether `error` may lead to work without a hold. A dry run asks a
    /// question, and in process there is nobody to lose.
    pub(crate) fn may_be_unseen(
        &self,
        request: &ReservationCreateRequest,
        error: &Refusal,
    ) -> bool {
        !request.is_dry_run()
            && self.unseen().policy != OnUnreachable::Deny
            && circuit::is_unreachable(error)
    }

    /// A guard without a hold, where the policy allows it; else `cause`.
    pub(crate) async fn begin_unseen(
        &self,
        request: Arc<ReservationCreateRequest>,
        trace_id: Arc<str>,
        parent: Option<ReservationId>,
        cause: Refusal,
    ) -> Result<ReservationGuard, Refusal> {
        let id = match self.unseen().allow(request.estimate) {
            Ok(id) => id,
            Err(why) => {
                tracing::warn!(%cause, why, "authority cannot be asked and the work is not allowed");
                return Err(cause.detail("on_unreachable", why));
            }
        };
        tracing::warn!(
            reservation_id = %id,
            %cause,
            estimate = request.estimate.amount,
            unit = %request.estimate.unit,
            "authority cannot be asked: the work is allowed unseen and booked later"
        );
        let mut response = ReservationCreateResponse::new(Decision::Allow, Vec::new());
        response.reservation_id = Some(id.clone());
        // From here on the guard keeps account of it, also if the caller goes away.
        let response = Arc::new(response);
        let guard = ReservationGuard::unseen(self.clone(), id, request, response, trace_id, parent);
        guard.held.note_running().await;
        Ok(guard)
    }
}

impl Held {
    /// Leaves a trace of the work on disk while it runs.
    pub(crate) async fn note_running(&self) {
        if let Some(journal) = self.client.journal() {
            journal.note(&self.id, &self.request).await;
        }
    }

    /// Unseen work that did not run or failed: there is nothing to give back.
    pub(crate) fn abandon(&self) -> Settlement {
        self.client.unseen().forget(&self.id);
        self.erase_note();
        Settlement::Released(ReleaseResponse {
            status: ReleaseStatus::Released,
            released: Amount::new(self.request.estimate.unit, 0),
            balances: None,
            cycles_evidence: None,
        })
    }

    /// Unseen work whose cost is `actual`, written down if it could be.
    pub(crate) fn spent_unseen(&self, actual: Amount, on_disk: bool) {
        self.client.unseen().spent(&self.id, actual, on_disk);
        self.erase_note();
    }

    fn erase_note(&self) {
        if let Some(journal) = self.client.journal() {
            journal.erase_note(&self.id);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn unseen(limit: i64) -> Unseen {
        Unseen::new(OnUnreachable::AllowUpTo(Amount::tokens(limit)))
    }

    #[test]
    fn settings_are_read_from_words() {
        for (text, expected) in [
            ("deny", Some(OnUnreachable::Deny)),
            ("allow", Some(OnUnreachable::Allow)),
            ("allow_up_to:50:tokens", Some(OnUnreachable::AllowUpTo(Amount::tokens(50)))),
            ("allow_up_to:50", None),
            ("allow_up_to:1.5:tokens", None),
            ("allow_up_to:50:parsecs", None),
            ("yes", None),
        ] {
            assert_eq!(OnUnreachable::parse(text), expected, "{text}");
        }
        let error = OnUnreachable::AllowUpTo(Amount::tokens(-1)).validate().unwrap_err();
        assert!(error.to_string().contains("on_unreachable"), "{error}");
    }

    #[test]
    fn what_runs_and_what_is_not_booked_counts_until_it_is_booked() {
        let unseen = unseen(100);
        let first = unseen.allow(Amount::tokens(60)).unwrap();
        let why = unseen.allow(Amount::tokens(41)).unwrap_err();
        assert!(why.contains("estimate=41 TOKENS left=40 TOKENS"), "{why}");
        let second = unseen.allow(Amount::tokens(40)).unwrap();
        // The work cost more than was estimated, and more than is allowed.
        unseen.spent(&first, Amount::tokens(90), false);
        assert!(unseen.allow(Amount::tokens(0)).is_err());
        let work = unseen.work();
        assert_eq!((work.running, work.unbooked), (1, 1));
        assert_eq!(work.amounts, [Amount::tokens(130)]);
        unseen.forget(&second);
        assert!(unseen.allow(Amount::tokens(10)).is_ok());
        unseen.forget(&first);
        unseen.forget(&first);
        assert_eq!(unseen.work().amounts, [Amount::tokens(10)]);
    }

    #[test]
    fn another_unit_is_not_covered() {
        assert!(unseen(100).allow(Amount::usd_microcents(1)).is_err());
    }

    #[test]
    fn sums_do_not_overflow() {
        let unseen = Unseen::new(OnUnreachable::Allow);
        let all: Vec<_> = (0..3).map(|_| unseen.allow(Amount::tokens(i64::MAX)).unwrap()).collect();
        assert_eq!(unseen.work().amounts, [Amount::tokens(i64::MAX)]);
        for id in &all {
            unseen.forget(id);
        }
        assert_eq!(unseen.work(), UnseenWork::default());
    }
}
