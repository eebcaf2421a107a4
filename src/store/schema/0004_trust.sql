-- Who may do what, and what was done.

CREATE TABLE audit (
  sequence      BIGINT NOT NULL PRIMARY KEY CHECK (sequence >= 1),
  at            BIGINT NOT NULL,
  actor         TEXT NOT NULL CHECK (length(actor) BETWEEN 1 AND 256),
  action        TEXT NOT NULL CHECK (length(action) BETWEEN 1 AND 128),
  resource      TEXT NOT NULL CHECK (length(resource) <= 512),
  detail        TEXT NOT NULL,
  previous_hash TEXT NOT NULL CHECK (length(previous_hash) = 64),
  hash          TEXT NOT NULL CHECK (length(hash) = 64)
);
CREATE INDEX audit_by_actor ON audit (actor, sequence);
CREATE INDEX audit_by_action ON audit (action, sequence);
CREATE INDEX audit_by_resource ON audit (resource, sequence);
CREATE INDEX audit_by_time ON audit (at);

-- One row. What it says is newest must be there: entries cut off at the end are seen.
CREATE TABLE audit_head (
  id       BIGINT NOT NULL PRIMARY KEY CHECK (id = 1),
  sequence BIGINT NOT NULL,
  hash     TEXT NOT NULL
);
INSERT INTO audit_head (id, sequence, hash) VALUES (1, 0, '0000000000000000000000000000000000000000000000000000000000000000');

CREATE TABLE settings (
  key        TEXT NOT NULL PRIMARY KEY CHECK (length(key) BETWEEN 1 AND 256),
  value      TEXT NOT NULL CHECK (length(value) <= 1048576),
  updated_at BIGINT NOT NULL
);

CREATE TABLE principals (
  name        TEXT NOT NULL PRIMARY KEY CHECK (length(name) BETWEEN 1 AND 64),
  permissions TEXT NOT NULL,
  enabled     BIGINT NOT NULL CHECK (enabled IN (0, 1)),
  created_at  BIGINT NOT NULL
);

CREATE TABLE access_keys (
  access_key_id TEXT NOT NULL PRIMARY KEY CHECK (length(access_key_id) BETWEEN 16 AND 128),
  principal     TEXT NOT NULL REFERENCES principals (name),
  enabled       BIGINT NOT NULL CHECK (enabled IN (0, 1)),
  created_at    BIGINT NOT NULL,
  sealed_secret BLOB NOT NULL
);
CREATE INDEX access_keys_by_principal ON access_keys (principal);

CREATE TABLE bearers (
  secret_hash TEXT NOT NULL PRIMARY KEY CHECK (length(secret_hash) = 64),
  kind        TEXT NOT NULL CHECK (kind IN ('token', 'session')),
  principal   TEXT NOT NULL REFERENCES principals (name),
  name        TEXT NOT NULL CHECK (length(name) <= 128),
  created_at  BIGINT NOT NULL,
  expires_at  BIGINT
);
CREATE UNIQUE INDEX bearers_by_name ON bearers (principal, kind, name) WHERE name <> '';
CREATE INDEX bearers_by_principal ON bearers (principal);
CREATE INDEX bearers_by_expiry ON bearers (expires_at) WHERE expires_at IS NOT NULL;

CREATE TABLE idempotency (
  principal    TEXT NOT NULL CHECK (length(principal) <= 256),
  operation    TEXT NOT NULL CHECK (length(operation) BETWEEN 1 AND 128),
  token        TEXT NOT NULL CHECK (length(token) BETWEEN 1 AND 256),
  request_hash TEXT NOT NULL CHECK (length(request_hash) <= 128),
  response     TEXT NOT NULL,
  expires_at   BIGINT NOT NULL,
  PRIMARY KEY (principal, operation, token)
);
CREATE INDEX idempotency_by_expiry ON idempotency (expires_at);
