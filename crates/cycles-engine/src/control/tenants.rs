//! Creating tenants.

use std::sync::Arc;

use cycles_protocol::control::{Created, Tenant, TenantCreateRequest, TenantStatus};
use cycles_protocol::strict::Validate;
use cycles_protocol::{Error, ErrorCode};
use dashmap::Entry;

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
                entry.insert(Arc::new(tenant));
                self.keep(&record.tenant_id, || Change::Tenant(Box::new(record.clone())));
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
}
