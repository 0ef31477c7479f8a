//! What goes with a call besides the request, and what comes with an answer.

use std::sync::Arc;
use std::time::Duration;

use crate::effects::Random;
use crate::wire::wire_enum;

wire_enum! {
    /// What a tenant's key may do (governance spec: `Permission`).
    Permission {
        /// Reserve, and decide.
        ReservationsCreate = "reservations:create",
        /// Commit, and direct events.
        ReservationsCommit = "reservations:commit",
        /// Release.
        ReservationsRelease = "reservations:release",
        /// Extend.
        ReservationsExtend = "reservations:extend",
        /// List and get reservations.
        ReservationsList = "reservations:list",
        /// Read balances.
        BalancesRead = "balances:read",
        /// Read budgets.
        BudgetsRead = "budgets:read",
        /// Create and fund budgets.
        BudgetsWrite = "budgets:write",
        /// Read policies.
        PoliciesRead = "policies:read",
        /// Write policies.
        PoliciesWrite = "policies:write",
        /// Read webhooks.
        WebhooksRead = "webhooks:read",
        /// Write webhooks.
        WebhooksWrite = "webhooks:write",
        /// Read the event stream.
        EventsRead = "events:read",
        /// Only decide; guides use this name.
        Decide = "decide",
        /// Only direct events; guides use this name.
        EventsCreate = "events:create",
    }
}

impl Permission {
    /// What a key gets that names no permission (governance spec: `ApiKey.permissions`).
    pub const DEFAULT: &'static [Self] = &[
        Self::ReservationsCreate,
        Self::ReservationsCommit,
        Self::ReservationsRelease,
        Self::ReservationsExtend,
        Self::ReservationsList,
        Self::BalancesRead,
        Self::BudgetsRead,
        Self::BudgetsWrite,
        Self::PoliciesRead,
        Self::PoliciesWrite,
    ];
}

/// Who calls, once the key was checked. Cheap to clone: every call has one.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Principal {
    /// Nobody yet: a remote authority checks the key itself.
    #[default]
    Unauthenticated,
    /// An operator's key.
    Admin,
    /// A tenant's key.
    Tenant {
        /// The effective tenant.
        tenant_id: Arc<str>,
        /// Which key.
        key_id: Arc<str>,
        /// What it may do.
        permissions: Arc<[Permission]>,
        /// Where it may do it, like `workspace:eng`, `agent:*`; empty is everywhere.
        scope_filter: Arc<[String]>,
    },
}

/// The context of one call.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Call {
    /// Who calls.
    pub principal: Principal,
    /// Names this request.
    pub request_id: Arc<str>,
    /// Names the logical operation.
    pub trace_id: Arc<str>,
    /// Longest time to wait for an answer; an authority in process ignores it.
    pub deadline: Option<Duration>,
    /// Whether nobody reads the headers of an answer that succeeds.
    pub is_brief: bool,
}

impl Call {
    /// A call with fresh ids by nobody in particular.
    #[must_use]
    pub fn new(random: &dyn Random) -> Self {
        Self::within_trace(random, crate::trace::fresh(random))
    }

    /// A call with a fresh id within the trace `trace_id`.
    #[must_use]
    pub fn within_trace(random: &dyn Random, trace_id: impl Into<Arc<str>>) -> Self {
        let mut bytes = [0; 16];
        random.fill(&mut bytes);
        Self {
            principal: Principal::default(),
            request_id: crate::ids::uuid_text(bytes, &mut [0; 36]).into(),
            trace_id: trace_id.into(),
            deadline: None,
            is_brief: false,
        }
    }

    /// The same call by `principal`.
    #[must_use]
    pub fn by(mut self, principal: Principal) -> Self {
        self.principal = principal;
        self
    }

    /// The same call within the trace `trace_id`.
    #[must_use]
    pub fn in_trace(mut self, trace_id: impl Into<Arc<str>>) -> Self {
        self.trace_id = trace_id.into();
        self
    }

    /// The same call, of whose success only the value is wanted: the headers of such
    /// an answer are not kept.
    #[must_use]
    pub fn briefly(mut self) -> Self {
        self.is_brief = true;
        self
    }

    /// The same call, waiting at most `deadline`.
    #[must_use]
    pub fn within(mut self, deadline: Duration) -> Self {
        self.deadline = Some(deadline);
        self
    }
}

/// A typed answer and, where it came over HTTP, what carried it.
#[derive(Debug, Clone)]
pub struct Answer<T> {
    /// The answer.
    pub value: T,
    /// Status, headers and body, where the answer came over HTTP.
    pub http: Option<HttpAnswer>,
}

impl<T> Answer<T> {
    /// An answer that did not travel.
    pub const fn local(value: T) -> Self {
        Self { value, http: None }
    }
}

/// An HTTP answer as received.
#[derive(Debug, Clone)]
pub struct HttpAnswer {
    /// The status.
    pub status: u16,
    /// Names in lower case; none of a call that wanted only the value.
    pub headers: Vec<(String, String)>,
    /// The body, byte for byte.
    pub body: Vec<u8>,
}
