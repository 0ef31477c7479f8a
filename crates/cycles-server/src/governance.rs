//! The governance plane's provisioning.

use axum::body::Body;
use axum::extract::Request;
use axum::http::StatusCode;
use axum::http::request::Parts;
use axum::response::Response;
use cycles_protocol::control::{
    ApiKeyCreateRequest, AuditLogParams, BudgetCreateRequest, BudgetFundingRequest, BudgetLedger,
    BudgetRef, BudgetStatusTransitionRequest, PolicyCreateRequest, ScopePattern,
};
use cycles_protocol::strict::{self, Validate};
use cycles_protocol::{Call, Error, ErrorCode, Permission, Principal, Unit, scope};
use percent_encoding::percent_decode_str;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::app::AppState;
use crate::auth::Accepts;
use crate::{answer, body, context, query};

mod access;
mod decisions;
mod listings;
mod periods;
mod tenants;

/// What can be provisioned over HTTP.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Provisioning {
    CreateTenant,
    GetTenant,
    UpdateTenant,
    CreateApiKey,
    CreateBudget,
    FundBudget,
    FreezeBudget,
    UnfreezeBudget,
    LookupBudget,
    CreatePolicy,
    ListAuditLogs,
    ListTenants,
    ListApiKeys,
    RevokeApiKey,
    ListBudgets,
    SetBudgetPeriod,
    EndBudgetPeriods,
    ListDecisions,
}

/// Answers one provisioning request.
pub(crate) async fn answer(
    app: AppState,
    provisioning: Provisioning,
    request: Request,
) -> Response {
    let (mut parts, body) = request.into_parts();
    let mut call = context::take(&app, &mut parts);
    let exchange = Exchange { app: &app, call: &mut call, parts, body };
    match exchange.run(provisioning).await {
        Ok(response) => response,
        Err(error) => answer::refused(&call, &error),
    }
}

struct Exchange<'a> {
    app: &'a AppState,
    call: &'a mut Call,
    parts: Parts,
    body: Body,
}

impl Exchange<'_> {
    async fn run(self, provisioning: Provisioning) -> Result<Response, Error> {
        self.call.principal = self.app.authenticate(accepts(provisioning), &self.parts.headers)?;
        match provisioning {
            Provisioning::CreateTenant => self.create_tenant().await,
            Provisioning::GetTenant => self.get_tenant(),
            Provisioning::UpdateTenant => self.update_tenant().await,
            Provisioning::CreateApiKey => self.create_api_key().await,
            Provisioning::CreateBudget => self.create_budget().await,
            Provisioning::FundBudget => self.fund_budget().await,
            Provisioning::FreezeBudget => self.set_budget_frozen(true).await,
            Provisioning::UnfreezeBudget => self.set_budget_frozen(false).await,
            Provisioning::LookupBudget => self.lookup_budget(),
            Provisioning::CreatePolicy => self.create_policy().await,
            Provisioning::ListAuditLogs => self.list_audit_logs(),
            Provisioning::ListTenants => self.list_tenants(),
            Provisioning::ListApiKeys => self.list_api_keys(),
            Provisioning::RevokeApiKey => self.revoke_api_key(),
            Provisioning::ListBudgets => self.list_budgets(),
            Provisioning::SetBudgetPeriod => self.set_budget_period().await,
            Provisioning::EndBudgetPeriods => self.end_budget_periods(),
            Provisioning::ListDecisions => self.list_decisions(),
        }
    }

    async fn create_api_key(self) -> Result<Response, Error> {
        let request: ApiKeyCreateRequest = read(&self.parts, self.body).await?;
        let key = self.app.control().create_api_key(request)?;
        Ok(answer::json(self.call, StatusCode::CREATED, &key))
    }

    async fn create_budget(self) -> Result<Response, Error> {
        access::permission(&self.call.principal, Permission::BudgetsWrite)?;
        let mut request: BudgetCreateRequest = read(&self.parts, self.body).await?;
        let scope = scope::canonical(&request.scope)?;
        let tenant = owner(&self.call.principal, request.tenant_id.take())?;
        same_tenant(&self.call.principal, &scope, &tenant)?;
        access::scope(&self.call.principal, &scope)?;
        request.tenant_id = Some(tenant);
        let budget = self.app.control().create_budget(request)?;
        Ok(answer::json(self.call, StatusCode::CREATED, &budget))
    }

    async fn fund_budget(self) -> Result<Response, Error> {
        access::permission(&self.call.principal, Permission::BudgetsWrite)?;
        let pairs = query::pairs(self.parts.uri.query())?;
        let budget = budget_ref(&pairs)?;
        let tenant = match &self.call.principal {
            // spec: ignored with a tenant's key, which names the tenant itself.
            Principal::Tenant { tenant_id, .. } => tenant_id,
            _ => query::required(&pairs, "tenant_id")?,
        };
        same_tenant(&self.call.principal, &budget.scope, tenant)?;
        access::scope(&self.call.principal, &budget.scope)?;
        let request: BudgetFundingRequest = read(&self.parts, self.body).await?;
        let funded = self.app.control().fund_budget(&budget, request)?;
        Ok(answer::json(self.call, StatusCode::OK, &funded))
    }

    async fn set_budget_frozen(self, frozen: bool) -> Result<Response, Error> {
        let budget = budget_ref(&query::pairs(self.parts.uri.query())?)?;
        let body = body::read(&self.parts.headers, self.body).await?;
        if !body.is_empty() {
            strict::parse::<BudgetStatusTransitionRequest>(&body)?;
        }
        let budget = self.app.control().set_budget_frozen(&budget, frozen)?;
        Ok(answer::json(self.call, StatusCode::OK, &budget))
    }

    fn lookup_budget(self) -> Result<Response, Error> {
        access::permission(&self.call.principal, Permission::BudgetsRead)?;
        let budget = budget_ref(&query::pairs(self.parts.uri.query())?)?;
        if let Principal::Tenant { tenant_id, .. } = &self.call.principal {
            same_tenant(&self.call.principal, &budget.scope, tenant_id)?;
        }
        access::scope(&self.call.principal, &budget.scope)?;
        let budget: BudgetLedger = self.app.control().get_budget(&budget)?;
        Ok(answer::json(self.call, StatusCode::OK, &budget))
    }

    fn list_audit_logs(self) -> Result<Response, Error> {
        let params = AuditLogParams::from_query(&query::pairs(self.parts.uri.query())?)?;
        let page = self.app.control().list_audit_logs(&params)?;
        Ok(answer::json(self.call, StatusCode::OK, &page))
    }

    async fn create_policy(self) -> Result<Response, Error> {
        access::permission(&self.call.principal, Permission::PoliciesWrite)?;
        let mut request: PolicyCreateRequest = read(&self.parts, self.body).await?;
        let pattern = ScopePattern::parse(&request.scope_pattern)?;
        let tenant = owner(&self.call.principal, request.tenant_id.take())?;
        if let Some(named) = pattern.tenant() {
            same_tenant(&self.call.principal, &format!("tenant:{named}"), &tenant)?;
        }
        // Wherever the pattern starts, it names scopes of this tenant only.
        let scopes = format!("tenant:{tenant}/{pattern}");
        access::scope(&self.call.principal, &scopes)?;
        request.tenant_id = Some(tenant);
        let policy = self.app.control().create_policy(request)?;
        Ok(answer::json(self.call, StatusCode::CREATED, &policy))
    }
}

// governance spec: `security` of each operation.
const fn accepts(provisioning: Provisioning) -> Accepts {
    match provisioning {
        Provisioning::CreateBudget
        | Provisioning::FundBudget
        | Provisioning::LookupBudget
        | Provisioning::ListBudgets
        | Provisioning::ListDecisions
        | Provisioning::CreatePolicy => Accepts::Either,
        _ => Accepts::Admin,
    }
}

async fn read<T: DeserializeOwned + Serialize + Validate>(
    parts: &Parts,
    body: Body,
) -> Result<T, Error> {
    strict::parse(&body::read(&parts.headers, body).await?)
}

/// The id that a path ends with.
fn last_segment(parts: &Parts, parameter: &str) -> Result<String, Error> {
    let segment = parts.uri.path().rsplit('/').next().unwrap_or_default();
    let decoded = percent_decode_str(segment).decode_utf8();
    let decoded = decoded.map_err(|_| invalid(format!("is not UTF-8 parameter={parameter}")))?;
    Ok(decoded.into_owned())
}

fn budget_ref(pairs: &[(String, String)]) -> Result<BudgetRef, Error> {
    let (scope, unit) = (query::required(pairs, "scope")?, query::required(pairs, "unit")?);
    BudgetRef::new(scope, Unit::parse(unit))
}

/// Whose budget or policy is to be made. governance spec:
/// `BudgetCreateRequest.tenant_id`, `PolicyCreateRequest.tenant_id`
fn owner(principal: &Principal, tenant_id: Option<String>) -> Result<String, Error> {
    match (principal, tenant_id) {
        (Principal::Tenant { tenant_id, .. }, None) => Ok(tenant_id.as_ref().to_owned()),
        (Principal::Tenant { .. }, Some(_)) => {
            Err(invalid("leave it out: the key names the tenant field=tenant_id".to_owned()))
        }
        (_, Some(tenant_id)) => Ok(tenant_id),
        (_, None) => Err(invalid("required with the admin key field=tenant_id".to_owned())),
    }
}

// Scopes are lower case, tenant ids in seeds need not be.
fn same_tenant(principal: &Principal, scope: &str, tenant_id: &str) -> Result<(), Error> {
    let of_scope = scope::tenant(scope).unwrap_or_default();
    if of_scope.eq_ignore_ascii_case(tenant_id) {
        return Ok(());
    }
    Err(match principal {
        Principal::Tenant { .. } => Error::new(
            ErrorCode::Forbidden,
            format!("the scope belongs to another tenant scope={scope}"),
        ),
        _ => invalid(format!(
            "tenant_id and the scope's tenant differ tenant_id={tenant_id:?} scope={scope}"
        )),
    })
}

fn invalid(message: String) -> Error {
    Error::new(ErrorCode::InvalidRequest, message)
}
