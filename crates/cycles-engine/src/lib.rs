//! Runs the ledger: one writer per tenant, idempotency, expiry, storage.
