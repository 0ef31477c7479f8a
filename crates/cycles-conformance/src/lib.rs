//! Holds answers against the OpenAPI contract: `tests/vectors/cycles-protocol-v0.yaml`,
//! less the exceptions in `tests/conformance/exceptions.toml`.
//!
//! Only tests link this (`docs/adr/0004`).
//!
//! ```
//! use cycles_conformance::{Contract, Exchange};
//! use http::{HeaderMap, Method, StatusCode};
//!
//! let refused = Contract::shared().check(&Exchange {
//!     method: &Method::GET,
//!     path: "/v1/balances",
//!     status: StatusCode::OK,
//!     headers: &HeaderMap::new(),
//!     body: br#"{"balances": 7}"#,
//! });
//! assert!(refused.is_err());
//! ```

mod contract;
mod exceptions;
mod operation;
mod violation;

pub use contract::{Contract, Exchange};
pub use violation::Violation;
