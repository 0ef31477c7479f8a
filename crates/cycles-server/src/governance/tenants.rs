//! Tenants: made, read, changed and closed.

use axum::http::StatusCode;
use axum::response::Response;
use cycles_protocol::Error;
use cycles_protocol::control::{Created, TenantCreateRequest, TenantUpdateRequest};

use super::{Exchange, last_segment, read};
use crate::answer;

impl Exchange<'_> {
    pub(super) async fn create_tenant(self) -> Result<Response, Error> {
        let request: TenantCreateRequest = read(&self.parts, self.body).await?;
        let (status, tenant) = match self.app.control().create_tenant(request)? {
            Created::New(tenant) => (StatusCode::CREATED, tenant),
            Created::Existing(tenant) => (StatusCode::OK, tenant),
        };
        Ok(answer::json(self.call, status, &tenant))
    }

    pub(super) fn get_tenant(self) -> Result<Response, Error> {
        let id = last_segment(&self.parts, "tenant_id")?;
        let tenant = self.app.control().get_tenant(&id)?;
        Ok(answer::json(self.call, StatusCode::OK, &tenant))
    }

    pub(super) async fn update_tenant(self) -> Result<Response, Error> {
        let id = last_segment(&self.parts, "tenant_id")?;
        let request: TenantUpdateRequest = read(&self.parts, self.body).await?;
        let tenant = self.app.control().update_tenant(self.call, &id, request)?;
        Ok(answer::json(self.call, StatusCode::OK, &tenant))
    }
}
