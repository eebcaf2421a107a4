-- Backups: vaults with what is secret about them sealed, plans, what a plan knows of each node, recovery points, jobs,
-- proofs.

CREATE TABLE vaults (
  name              TEXT NOT NULL PRIMARY KEY CHECK (length(name) BETWEEN 1 AND 64),
  content           BLOB NOT NULL,
  spec              TEXT NOT NULL,
  sealed_key        BLOB NOT NULL,
  sealed_secrets    BLOB NOT NULL,
  key_fingerprint   TEXT NOT NULL CHECK (length(key_fingerprint) <= 64),
  created_by        TEXT NOT NULL CHECK (length(created_by) <= 256),
  created_at        BIGINT NOT NULL,
  updated_at        BIGINT NOT NULL,
  escrowed_at       BIGINT,
  escrow_checked_at BIGINT
);

-- A retired plan makes no more points; those it made are still there to be restored.
CREATE TABLE backup_plans (
  plan_id    TEXT NOT NULL PRIMARY KEY CHECK (length(plan_id) BETWEEN 1 AND 64),
  name       TEXT NOT NULL CHECK (length(name) BETWEEN 1 AND 128),
  state      TEXT NOT NULL CHECK (state IN ('Active', 'Paused', 'Retired')),
  version    BIGINT NOT NULL CHECK (version >= 1),
  content    BLOB NOT NULL,
  spec       BLOB NOT NULL,
  created_by TEXT NOT NULL CHECK (length(created_by) <= 256),
  created_at BIGINT NOT NULL,
  updated_at BIGINT NOT NULL
);
CREATE UNIQUE INDEX backup_plans_by_name ON backup_plans (name) WHERE state <> 'Retired';

-- Nodes may be deregistered while their points are kept.
CREATE TABLE backup_nodes (
  plan_id    TEXT NOT NULL REFERENCES backup_plans (plan_id),
  node_id    TEXT NOT NULL CHECK (length(node_id) BETWEEN 1 AND 64),
  joined_at  BIGINT NOT NULL,
  left_at    BIGINT,
  look_at    BIGINT,
  progress   TEXT NOT NULL,
  watch      BLOB,
  watched_at BIGINT,
  verdict    TEXT NOT NULL CHECK (length(verdict) <= 32),
  PRIMARY KEY (plan_id, node_id)
);
CREATE INDEX backup_nodes_due ON backup_nodes (plan_id, look_at);
CREATE INDEX backup_nodes_by_node ON backup_nodes (node_id, plan_id);

-- What every list shows comes first; what was known of its content is compressed.
CREATE TABLE recovery_points (
  point_id       TEXT NOT NULL PRIMARY KEY CHECK (length(point_id) BETWEEN 1 AND 64),
  plan_id        TEXT NOT NULL REFERENCES backup_plans (plan_id),
  node_id        TEXT NOT NULL CHECK (length(node_id) BETWEEN 1 AND 64),
  vault          TEXT NOT NULL CHECK (length(vault) BETWEEN 1 AND 64),
  copy_of        TEXT NOT NULL CHECK (length(copy_of) <= 64),
  reference      TEXT NOT NULL CHECK (length(reference) BETWEEN 1 AND 512),
  state          TEXT NOT NULL CHECK (length(state) BETWEEN 1 AND 32),
  taken_at       BIGINT NOT NULL,
  recorded_at    BIGINT NOT NULL,
  legal_hold     BIGINT NOT NULL CHECK (legal_hold IN (0, 1)),
  locked_until   BIGINT,
  proof_id       TEXT NOT NULL CHECK (length(proof_id) <= 64),
  proven         TEXT CHECK (length(proven) <= 8),
  proven_offsite BIGINT NOT NULL CHECK (proven_offsite IN (0, 1)),
  proven_at      BIGINT,
  brief          TEXT NOT NULL,
  content        BLOB NOT NULL
);
CREATE UNIQUE INDEX recovery_points_by_reference ON recovery_points (plan_id, node_id, vault, reference);
CREATE INDEX recovery_points_by_node ON recovery_points (node_id, taken_at, point_id);
CREATE INDEX recovery_points_by_plan ON recovery_points (plan_id, taken_at, point_id);
CREATE INDEX recovery_points_by_time ON recovery_points (taken_at, point_id);
CREATE INDEX recovery_points_by_vault ON recovery_points (vault, state);

CREATE TABLE backup_jobs (
  job_id       TEXT NOT NULL PRIMARY KEY CHECK (length(job_id) BETWEEN 1 AND 64),
  plan_id      TEXT NOT NULL REFERENCES backup_plans (plan_id),
  node_id      TEXT NOT NULL CHECK (length(node_id) BETWEEN 1 AND 64),
  task         TEXT NOT NULL CHECK (length(task) BETWEEN 1 AND 32),
  state        TEXT NOT NULL CHECK (length(state) BETWEEN 1 AND 32),
  why          TEXT NOT NULL CHECK (length(why) <= 4000),
  order_id     TEXT NOT NULL CHECK (length(order_id) <= 64),
  requested_by TEXT NOT NULL CHECK (length(requested_by) <= 256),
  reason       TEXT NOT NULL CHECK (length(reason) <= 256),
  created_at   BIGINT NOT NULL,
  begun_at     BIGINT,
  finished_at  BIGINT,
  progress     TEXT NOT NULL,
  job          BLOB NOT NULL,
  report       BLOB
);
CREATE INDEX backup_jobs_by_time ON backup_jobs (created_at, job_id);
CREATE INDEX backup_jobs_by_plan ON backup_jobs (plan_id, created_at, job_id);
CREATE INDEX backup_jobs_by_node ON backup_jobs (node_id, created_at, job_id);
CREATE INDEX backup_jobs_by_order ON backup_jobs (order_id);
CREATE INDEX backup_jobs_open ON backup_jobs (plan_id, node_id, created_at) WHERE finished_at IS NULL;
CREATE INDEX backup_jobs_ended ON backup_jobs (finished_at) WHERE finished_at IS NOT NULL;

CREATE TABLE proofs (
  proof_id  TEXT NOT NULL PRIMARY KEY CHECK (length(proof_id) BETWEEN 1 AND 64),
  point_id  TEXT NOT NULL REFERENCES recovery_points (point_id),
  plan_id   TEXT NOT NULL CHECK (length(plan_id) BETWEEN 1 AND 64),
  node_id   TEXT NOT NULL CHECK (length(node_id) BETWEEN 1 AND 64),
  passed    BIGINT NOT NULL CHECK (passed IN (0, 1)),
  at        BIGINT NOT NULL,
  content   BLOB NOT NULL,
  signature TEXT NOT NULL CHECK (length(signature) <= 256)
);
CREATE INDEX proofs_by_node ON proofs (plan_id, node_id, at, proof_id);
CREATE INDEX proofs_by_point ON proofs (point_id, at);
