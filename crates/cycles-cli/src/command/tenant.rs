//! `cycles tenant`.

use clap::{Args, Subcommand};
use cycles_protocol::control;
use serde_json::json;

use crate::failure::{EXIT_CODES, Failure};
use crate::output::Table;
use crate::remote::{As, Remote};
use crate::settings::Connection;

use super::pages;

/// Tenants: whose budgets, keys and reservations they are.
#[derive(Debug, Args)]
#[command(after_help = EXIT_CODES)]
pub(crate) struct Tenant {
    #[command(subcommand)]
    action: Action,
    #[command(flatten)]
    connection: Connection,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Create a tenant; one that is there under the same name is left alone.
    Create {
        /// Lower-case letters, digits and dashes, 3 to 64 of them.
        id: String,
        /// For people; the id unless given.
        #[arg(long)]
        name: Option<String>,
    },
    /// List tenants.
    List {
        /// Part of id or name.
        #[arg(long)]
        search: Option<String>,
    },
}

impl Tenant {
    pub(crate) async fn run(self) -> Result<(), Failure> {
        let (remote, format) = (Remote::new(&self.connection)?, self.connection.format());
        let path = "/v1/admin/tenants";
        match self.action {
            Action::Create { id, name } => {
                let body = json!({"tenant_id": id, "name": name.unwrap_or_else(|| id.clone())});
                let tenant: control::Tenant = remote.post(As::Operator, path, &[], &body).await?;
                format.write(&tenant, |tenant| table(std::slice::from_ref(tenant)))
            }
            Action::List { search } => {
                let query = [("search", search)];
                let tenants = pages::all(&remote, path, &query, "tenants", As::Operator).await?;
                format.write(&tenants, |tenants| table(tenants))
            }
        }
    }
}

fn table(tenants: &[control::Tenant]) -> String {
    let mut table = Table::new(&["TENANT", "NAME", "STATUS", "CREATED"]);
    for tenant in tenants {
        let status = tenant.status.to_string();
        table.row([
            tenant.tenant_id.clone(),
            tenant.name.clone(),
            status,
            tenant.created_at.clone(),
        ]);
    }
    table.render()
}
