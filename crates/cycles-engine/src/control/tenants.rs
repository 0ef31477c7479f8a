//! Creating and changing tenants.

use std::sync::Arc;

use cycles_protocol::control::{
    AuditLogEntry, Created, Tenant, TenantCreateRequest, TenantStatus, TenantUpdateRequest,
};
use cycles_protocol::strict::Validate;
use cycles_protocol::{Call, Error, ErrorCode};
use dashmap::Entry;

use super::budgets::tenant_closed;
use crate::durable::Change;
use crate::{Engine, store, time};

impl Engine {
    pub(super) fn create_tenant_now(
        &self,
        request: TenantCreateRequest,
    ) -> Result<Created<Tenant>, Error> {
        request.validate()?;
        self.add_tenant(request, TenantStatus::Active)
    }

    /// Adds a tenant unless it is there; the id was checked.
    pub(super) fn add_tenant(
        &self,
        request: TenantCreateRequest,
        status: TenantStatus,
    ) -> Result<Created<Tenant>, Error> {
        let record = Tenant::from_request(request, status, time::iso(self.clock().now_ms()));
        let known = match self.tenants().entry(record.tenant_id.to_ascii_lowercase()) {
            Entry::Vacant(entry) => {
                let store = self.store().cloned();
                let tenant = store::Tenant::new(record.clone(), self.retention(), store);
                // Before anybody finds it: what it owns comes after it in the store.
                self.keep(&record.tenant_id, || Change::Tenant(Box::new(record.clone())));
                entry.insert(Arc::new(tenant));
                return Ok(Created::New(record));
            }
            Entry::Occupied(entry) => Arc::clone(entry.get()),
        };
        let known = known.turn()?.record.clone();
        if known.tenant_id == record.tenant_id && known.name == record.name {
            return Ok(Created::Existing(known));
        }
        Err(Error::new(
            ErrorCode::DuplicateResource,
            format!(
                "the tenant exists with another name tenant_id={} name={:?}",
                known.tenant_id, known.name
            ),
        ))
    }

    pub(super) fn get_tenant_now(&self, id: &str) -> Result<Tenant, Error> {
        Ok(self.exactly(id)?.turn()?.record.clone())
    }

    pub(super) fn update_tenant_now(
        &self,
        call: &Call,
        id: &str,
        request: TenantUpdateRequest,
    ) -> Result<Tenant, Error> {
        request.validate()?;
        let tenant = self.exactly(id)?;
        let (mut state, now) = self.turn(&tenant)?;
        let Some(after) = changed(&state.record, request, &time::iso(now))? else {
            return Ok(state.record.clone());
        };
        let resource = ("tenant", after.tenant_id.clone());
        let mut entry = AuditLogEntry::on_behalf_of(&after.tenant_id, "updateTenant", resource);
        if after.status == TenantStatus::Closed {
            entry.metadata.extend(super::close::provenance("tenant.closed", &tenant.id, call));
            self.close(&mut state, call, now);
        }
        state.set_record(after.clone());
        self.write_audit_with(&mut state, entry, call, now);
        Ok(after)
    }

    /// The tenant that is spelled so.
    fn exactly(&self, id: &str) -> Result<Arc<store::Tenant>, Error> {
        self.find_tenant(id).filter(|tenant| tenant.id == id).ok_or_else(|| {
            Error::new(ErrorCode::TenantNotFound, format!("tenant not found tenant_id={id}"))
        })
    }
}

/// The tenant as a request wants it at `now`; none where it is so already.
///
/// # Errors
/// `TENANT_CLOSED`: closing is for good, and the last change.
fn changed(
    before: &Tenant,
    request: TenantUpdateRequest,
    now: &str,
) -> Result<Option<Tenant>, Error> {
    let mut after = before.clone();
    let TenantUpdateRequest {
        name,
        status,
        metadata,
        default_commit_overage_policy,
        default_reservation_ttl_ms,
        max_reservation_ttl_ms,
        max_reservation_extensions,
    } = request;
    after.name = name.unwrap_or(after.name);
    after.status = status.unwrap_or(after.status);
    after.metadata = metadata.or(after.metadata);
    after.default_commit_overage_policy =
        default_commit_overage_policy.or(after.default_commit_overage_policy);
    after.default_reservation_ttl_ms =
        default_reservation_ttl_ms.or(after.default_reservation_ttl_ms);
    after.max_reservation_ttl_ms = max_reservation_ttl_ms.or(after.max_reservation_ttl_ms);
    after.max_reservation_extensions =
        max_reservation_extensions.or(after.max_reservation_extensions);
    if after == *before {
        return Ok(None);
    }
    if before.status == TenantStatus::Closed {
        return Err(tenant_closed(&before.tenant_id));
    }
    after.updated_at = Some(now.to_owned());
    if after.status != before.status {
        let is = |status| (after.status == status).then(|| now.to_owned());
        after.suspended_at = is(TenantStatus::Suspended);
        after.closed_at = is(TenantStatus::Closed);
    }
    Ok(Some(after))
}
