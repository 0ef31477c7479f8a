//! The service: which path leads where.

use std::convert::Infallible;
use std::sync::Arc;
use std::task::{Context, Poll};

use axum::body::{Body, Bytes, HttpBody};
use axum::extract::{Request, State};
use axum::response::Response;
use axum::routing::{MethodRouter, delete, get, post, put};
use axum::{BoxError, Router};
use cycles_protocol::{Authority, BoxFuture, Control, Random};
use tower_service::Service;

use crate::auth::AdminKey;
use crate::check::{AnswerCheck, Checking};
use crate::decisions::Decisions;
use crate::governance::{self, Provisioning};
use crate::health::Health;
use crate::{MetricsPage, Unanswered, context, health, missing, runtime};

/// What the service works on. Cheap to clone.
#[derive(Debug, Clone)]
pub struct AppState(Arc<Parts>);

#[derive(Debug, Clone)]
struct Parts {
    authority: Arc<dyn Authority>,
    control: Arc<dyn Control>,
    admin_key: AdminKey,
    random: Arc<dyn Random>,
    unanswered: Unanswered,
    decisions: Option<Arc<Decisions>>,
    metrics: Option<Arc<dyn MetricsPage>>,
    health: Arc<Health>,
}

impl AppState {
    /// A service over `authority`, provisioned through `control`; request ids
    /// come from `random`.
    #[must_use]
    pub fn new(
        authority: Arc<dyn Authority>,
        control: Arc<dyn Control>,
        admin_key: AdminKey,
        random: Arc<dyn Random>,
    ) -> Self {
        Self(Arc::new(Parts {
            authority,
            control,
            admin_key,
            random,
            unanswered: Unanswered::default(),
            decisions: None,
            metrics: None,
            health: Arc::default(),
        }))
    }

    pub(crate) fn with_metrics(mut self, page: Option<Arc<dyn MetricsPage>>) -> Self {
        Arc::make_mut(&mut self.0).metrics = page;
        self
    }

    pub(crate) fn metrics(&self) -> Option<Arc<dyn MetricsPage>> {
        self.0.metrics.clone()
    }

    pub(crate) fn health(&self) -> Arc<Health> {
        Arc::clone(&self.0.health)
    }

    pub(crate) fn with_decisions(mut self, decisions: Option<Arc<Decisions>>) -> Self {
        Arc::make_mut(&mut self.0).decisions = decisions;
        self
    }

    pub(crate) fn decisions(&self) -> Option<&Decisions> {
        self.0.decisions.as_deref()
    }

    pub(crate) fn when_unanswered(mut self, unanswered: Unanswered) -> Self {
        Arc::make_mut(&mut self.0).unanswered = unanswered;
        self
    }

    pub(crate) fn unanswered(&self) -> Unanswered {
        self.0.unanswered
    }

    pub(crate) fn authority(&self) -> &dyn Authority {
        &*self.0.authority
    }

    pub(crate) fn control(&self) -> &dyn Control {
        &*self.0.control
    }

    pub(crate) fn admin_key(&self) -> &AdminKey {
        &self.0.admin_key
    }

    pub(crate) fn random(&self) -> &dyn Random {
        &*self.0.random
    }
}

/// Both planes and the health endpoints as one service. Cheap to clone.
///
/// Every answer carries `X-Request-Id` and `X-Cycles-Trace-Id`, every refusal
/// the spec's error body.
#[derive(Debug, Clone)]
pub struct App {
    state: AppState,
    routes: Router,
    check: Option<Arc<dyn AnswerCheck>>,
}

impl App {
    /// The same service, showing every answer to `check` before it leaves.
    pub(crate) fn checked_by(mut self, check: Option<Arc<dyn AnswerCheck>>) -> Self {
        self.check = check;
        self
    }
}

/// The service over `state`.
#[must_use]
pub fn app(state: AppState) -> App {
    let routes = Router::new()
        .route("/v1/evidence/{evidence_id}", get(missing::evidence))
        .route("/v1/.well-known/cycles-jwks.json", get(missing::evidence))
        .merge(governance_plane())
        .merge(health::routes())
        .fallback(missing::path)
        .method_not_allowed_fallback(missing::method)
        .with_state(state.clone());
    App { state, routes, check: None }
}

// The contract knows the runtime plane's paths, and its requests are nearly all
// there are: they need no router, and nothing that is boxed once more per layer.
impl<B> Service<Request<B>> for App
where
    B: HttpBody<Data = Bytes, Error: Into<BoxError>> + Send + 'static,
{
    type Response = Response;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<Response, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let request = request.map(Body::new);
        let Some(check) = self.check.clone() else { return self.answer(request) };
        let checking = Checking::of(check, &request);
        let answer = self.answer(request);
        Box::pin(async move {
            let Ok(answer) = answer.await;
            Ok(checking.passed(answer).await)
        })
    }
}

impl App {
    fn answer(&self, request: Request) -> BoxFuture<'static, Result<Response, Infallible>> {
        let state = self.state.clone();
        if let Some(operation) = runtime::find(request.method(), request.uri().path()) {
            return Box::pin(async move {
                let inner = |call, request| runtime::answer(&state, operation, call, request);
                Ok(context::around(&state, request, inner).await)
            });
        }
        let mut routes = self.routes.clone();
        Box::pin(async move {
            let inner = |call, mut request: Request| {
                request.extensions_mut().insert(call);
                async move {
                    let Ok(response) = routes.call(request).await;
                    response
                }
            };
            Ok(context::around(&state, request, inner).await)
        })
    }
}

fn governance_plane() -> Router<AppState> {
    use Provisioning::{
        CreateApiKey, CreateBudget, CreatePolicy, CreateTenant, EndBudgetPeriods, FreezeBudget,
        FundBudget, GetTenant, ListApiKeys, ListAuditLogs, ListBudgets, ListDecisions, ListTenants,
        LookupBudget, RevokeApiKey, SetBudgetPeriod, UnfreezeBudget, UpdateTenant,
    };
    let on = |provisioning: Provisioning| {
        move |State(app): State<AppState>, request: Request| {
            governance::answer(app, provisioning, request)
        }
    };
    let only_post = |provisioning| -> MethodRouter<AppState> { post(on(provisioning)) };
    Router::new()
        .route("/v1/admin/tenants", only_post(CreateTenant).get(on(ListTenants)))
        .route("/v1/admin/tenants/{tenant_id}", get(on(GetTenant)).patch(on(UpdateTenant)))
        .route("/v1/admin/api-keys", only_post(CreateApiKey).get(on(ListApiKeys)))
        .route("/v1/admin/api-keys/{key_id}", delete(on(RevokeApiKey)))
        .route("/v1/admin/budgets", only_post(CreateBudget).get(on(ListBudgets)))
        .route("/v1/admin/budgets/fund", only_post(FundBudget))
        .route("/v1/admin/budgets/freeze", only_post(FreezeBudget))
        .route("/v1/admin/budgets/unfreeze", only_post(UnfreezeBudget))
        .route("/v1/admin/budgets/lookup", get(on(LookupBudget)))
        .route("/v1/x-cycles/budgets/period", put(on(SetBudgetPeriod)).delete(on(EndBudgetPeriods)))
        .route("/v1/x-cycles/decisions", get(on(ListDecisions)))
        .route("/v1/admin/policies", only_post(CreatePolicy))
        .route("/v1/admin/audit/logs", get(on(ListAuditLogs)))
}
