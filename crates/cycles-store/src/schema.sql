-- The tables of a data directory. docs/storage.md explains them; amounts are whole
-- numbers of the unit, times are milliseconds since 1970 in UTC.

-- What the store knows of itself: `batch` counts transactions.
CREATE TABLE meta (
    name TEXT PRIMARY KEY,
    value
) WITHOUT ROWID;
INSERT INTO meta VALUES ('batch', 0);

CREATE TABLE tenant (
    number INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    record TEXT NOT NULL -- JSON, as the governance plane shows it
);

-- Only a hash of a key's secret is kept.
CREATE TABLE api_key (
    hash BLOB PRIMARY KEY, -- SHA-256 of the secret
    tenant INTEGER NOT NULL REFERENCES tenant,
    key_id TEXT NOT NULL UNIQUE,
    record TEXT NOT NULL, -- JSON, as the governance plane shows it
    expires_at INTEGER -- never, where it is empty
) WITHOUT ROWID;

CREATE TABLE budget (
    tenant INTEGER NOT NULL REFERENCES tenant,
    number INTEGER NOT NULL, -- among the tenant's budgets, from 1
    scope TEXT NOT NULL,
    unit TEXT NOT NULL,
    ledger_id TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    allocated INTEGER NOT NULL,
    spent INTEGER NOT NULL,
    reserved INTEGER NOT NULL,
    debt INTEGER NOT NULL,
    overdraft_limit INTEGER NOT NULL,
    is_over_limit INTEGER NOT NULL,
    status TEXT NOT NULL,
    overage_policy TEXT,
    caps TEXT, -- JSON
    caps_from INTEGER, -- percent of the budget from which the caps apply
    periods TEXT, -- JSON: how it starts anew, and the period that the amounts are of
    PRIMARY KEY (tenant, number)
) WITHOUT ROWID;
CREATE UNIQUE INDEX budget_scope ON budget (tenant, scope, unit);

CREATE TABLE policy (
    number INTEGER PRIMARY KEY,
    tenant INTEGER NOT NULL REFERENCES tenant,
    record TEXT NOT NULL, -- JSON, as the governance plane shows it
    caps_from INTEGER NOT NULL -- percent of a budget from which its caps apply
);

-- Every reservation, open or ended. The view `reservations` is for people.
CREATE TABLE reservation (
    number INTEGER PRIMARY KEY,
    id BLOB NOT NULL, -- the 16 bytes of the UUID after res_
    tenant INTEGER NOT NULL REFERENCES tenant,
    state INTEGER NOT NULL, -- 0 ACTIVE, 1 COMMITTED, 2 RELEASED, 3 EXPIRED
    unit INTEGER NOT NULL, -- 0 USD_MICROCENTS, 1 TOKENS, 2 CREDITS, 3 RISK_POINTS
    estimate INTEGER NOT NULL,
    charged INTEGER, -- by the commit
    created_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    grace_ms INTEGER NOT NULL,
    ended_at INTEGER, -- when it was committed, released or found expired
    extensions INTEGER NOT NULL,
    extensions_max INTEGER NOT NULL,
    overage_policy INTEGER NOT NULL, -- 0 REJECT, 1 ALLOW_IF_AVAILABLE, 2 ALLOW_WITH_OVERDRAFT
    scopes INTEGER NOT NULL, -- one bit for each scope that has a budget, the root lowest
    budgets BLOB NOT NULL, -- six numbers of budgets of four bytes, little endian; 0 is none
    scope_path TEXT NOT NULL, -- the deepest scope
    -- The subject and the action, as they were sent.
    subject_tenant TEXT,
    workspace TEXT,
    app TEXT,
    workflow TEXT,
    agent TEXT,
    toolset TEXT,
    dimensions TEXT, -- JSON
    action_kind TEXT NOT NULL,
    action_name TEXT NOT NULL,
    action_tags TEXT, -- JSON
    metadata TEXT, -- JSON
    -- The create, for replays: its key, a hash of what it asked, what it answered.
    key TEXT NOT NULL,
    hash BLOB NOT NULL,
    caps TEXT, -- JSON
    first_expires_at INTEGER NOT NULL,
    first_budgets BLOB NOT NULL,
    -- The commit or release, for replays.
    settled_key TEXT,
    settled_hash BLOB,
    settled_released INTEGER,
    settled_budgets BLOB,
    settled_metadata TEXT -- JSON
);
CREATE UNIQUE INDEX reservation_id ON reservation (id);
CREATE INDEX reservation_key ON reservation (tenant, key);
CREATE INDEX reservation_open ON reservation (tenant, created_at, id) WHERE state = 0;
-- One for each order of a listing; by id they are merged from `reservation_state`.
CREATE INDEX reservation_created ON reservation (tenant, created_at, id);
CREATE INDEX reservation_expires ON reservation (tenant, expires_at, id);
CREATE INDEX reservation_state ON reservation (tenant, state, id);
CREATE INDEX reservation_estimate ON reservation (tenant, estimate, id);
CREATE INDEX reservation_scope ON reservation (tenant, scope_path, id);

-- Answers that a repeated idempotency key gets again.
CREATE TABLE replay (
    number INTEGER PRIMARY KEY,
    tenant INTEGER NOT NULL REFERENCES tenant,
    endpoint TEXT NOT NULL, -- create (a dry run), decide, event, extend, fund
    target BLOB NOT NULL, -- the reservation or budget, 16 bytes
    key TEXT NOT NULL,
    hash BLOB NOT NULL, -- of what was asked
    until INTEGER NOT NULL, -- the last moment at which it is repeated
    answer TEXT NOT NULL -- JSON
);
CREATE UNIQUE INDEX replay_key ON replay (tenant, key, endpoint, target);

-- What operators did.
CREATE TABLE audit (
    number INTEGER PRIMARY KEY,
    at INTEGER NOT NULL,
    entry TEXT NOT NULL -- JSON, as the governance plane shows it
);

CREATE VIEW reservations AS
SELECT
    'res_' || lower(
        substr(hex(r.id), 1, 8) || '-' || substr(hex(r.id), 9, 4) || '-'
        || substr(hex(r.id), 13, 4) || '-' || substr(hex(r.id), 17, 4) || '-'
        || substr(hex(r.id), 21, 12)
    ) AS reservation_id,
    t.id AS tenant_id,
    CASE r.state
        WHEN 0 THEN 'ACTIVE' WHEN 1 THEN 'COMMITTED' WHEN 2 THEN 'RELEASED' ELSE 'EXPIRED'
    END AS status,
    CASE r.unit
        WHEN 0 THEN 'USD_MICROCENTS' WHEN 1 THEN 'TOKENS' WHEN 2 THEN 'CREDITS'
        ELSE 'RISK_POINTS'
    END AS unit,
    r.estimate AS reserved,
    r.charged,
    r.scope_path,
    r.action_kind,
    r.action_name,
    r.key AS idempotency_key,
    strftime('%Y-%m-%dT%H:%M:%fZ', r.created_at / 1000.0, 'unixepoch') AS created_at,
    strftime('%Y-%m-%dT%H:%M:%fZ', r.expires_at / 1000.0, 'unixepoch') AS expires_at,
    strftime('%Y-%m-%dT%H:%M:%fZ', r.ended_at / 1000.0, 'unixepoch') AS ended_at,
    r.metadata
FROM reservation AS r JOIN tenant AS t ON t.number = r.tenant;
