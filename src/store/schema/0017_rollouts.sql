-- Rollouts and their nodes; what the fleet remembers of them: quarantine, exceptions, package states saved under a name.
-- Change sets are named, not referenced: a rollout is there before its change set is.

-- What every step rewrites and every list shows comes first; what is read by itself is compressed.
CREATE TABLE rollouts (
  rollout_id    TEXT NOT NULL PRIMARY KEY CHECK (length(rollout_id) BETWEEN 1 AND 64),
  name          TEXT NOT NULL CHECK (length(name) <= 256),
  state         TEXT NOT NULL CHECK (length(state) BETWEEN 1 AND 32),
  why           TEXT NOT NULL CHECK (length(why) <= 4000),
  change_set_id TEXT NOT NULL CHECK (length(change_set_id) <= 64),
  undoes        TEXT NOT NULL CHECK (length(undoes) <= 4000),
  created_by    TEXT NOT NULL CHECK (length(created_by) <= 256),
  created_at    BIGINT NOT NULL,
  started_at    BIGINT,
  finished_at   BIGINT,
  rings         TEXT NOT NULL,
  content       BLOB NOT NULL,
  spec          BLOB NOT NULL,
  report        BLOB
);
CREATE INDEX rollouts_by_time ON rollouts (created_at, rollout_id);
CREATE INDEX rollouts_by_name ON rollouts (name, created_at, rollout_id);
CREATE INDEX rollouts_by_change_set ON rollouts (change_set_id, created_at, rollout_id);
CREATE INDEX rollouts_open ON rollouts (created_at, rollout_id) WHERE finished_at IS NULL;
CREATE INDEX rollouts_ended ON rollouts (finished_at) WHERE finished_at IS NOT NULL;

-- Nodes may be deregistered and forgotten while their rollouts are kept.
CREATE TABLE rollout_nodes (
  rollout_id TEXT NOT NULL REFERENCES rollouts (rollout_id),
  node_id    TEXT NOT NULL CHECK (length(node_id) BETWEEN 1 AND 64),
  ring       BIGINT NOT NULL CHECK (ring >= 0),
  state      TEXT NOT NULL CHECK (length(state) BETWEEN 1 AND 32),
  why        TEXT NOT NULL CHECK (length(why) <= 4000),
  order_id   TEXT NOT NULL CHECK (length(order_id) <= 64),
  machine    TEXT NOT NULL,
  PRIMARY KEY (node_id, rollout_id)
);
CREATE INDEX rollout_nodes_by_ring ON rollout_nodes (rollout_id, ring, node_id);
CREATE INDEX rollout_nodes_by_state ON rollout_nodes (rollout_id, state, ring, node_id);

-- Outlives the rollout in which it was seen.
CREATE TABLE quarantine (
  quarantine_id    TEXT NOT NULL PRIMARY KEY CHECK (length(quarantine_id) BETWEEN 1 AND 64),
  change_set_id    TEXT NOT NULL CHECK (length(change_set_id) <= 64),
  name             TEXT NOT NULL CHECK (length(name) <= 256),
  arch             TEXT NOT NULL CHECK (length(arch) <= 64),
  version          TEXT NOT NULL CHECK (length(version) <= 256),
  operating_system TEXT NOT NULL CHECK (length(operating_system) <= 64),
  role             TEXT NOT NULL CHECK (length(role) <= 256),
  reason           TEXT NOT NULL CHECK (length(reason) <= 4000),
  rollout_id       TEXT NOT NULL CHECK (length(rollout_id) <= 64),
  node_id          TEXT NOT NULL CHECK (length(node_id) <= 64),
  added_by         TEXT NOT NULL CHECK (length(added_by) <= 256),
  added_at         BIGINT NOT NULL,
  lifted_by        TEXT NOT NULL CHECK (length(lifted_by) <= 256),
  lift_reason      TEXT NOT NULL CHECK (length(lift_reason) <= 4000),
  lifted_at        BIGINT,
  CHECK ((change_set_id = '') <> (name = ''))
);
CREATE INDEX quarantine_by_time ON quarantine (added_at, quarantine_id);
CREATE INDEX quarantine_in_force ON quarantine (added_at, quarantine_id) WHERE lifted_at IS NULL;

CREATE TABLE exceptions (
  exception_id TEXT NOT NULL PRIMARY KEY CHECK (length(exception_id) BETWEEN 1 AND 64),
  package      TEXT NOT NULL CHECK (length(package) <= 256),
  target       TEXT NOT NULL CHECK (length(target) <= 512),
  owner        TEXT NOT NULL CHECK (length(owner) <= 256),
  reason       TEXT NOT NULL CHECK (length(reason) <= 4000),
  created_by   TEXT NOT NULL CHECK (length(created_by) <= 256),
  created_at   BIGINT NOT NULL,
  expires_at   BIGINT NOT NULL
);
CREATE INDEX exceptions_by_expiry ON exceptions (expires_at, exception_id);

-- Their package sets stay: a scan of the node named them.
CREATE TABLE saved_states (
  name             TEXT NOT NULL PRIMARY KEY CHECK (length(name) BETWEEN 1 AND 256),
  description      TEXT NOT NULL CHECK (length(description) <= 1024),
  node_id          TEXT NOT NULL CHECK (length(node_id) <= 64),
  operating_system TEXT NOT NULL CHECK (length(operating_system) <= 64),
  package_set_hash TEXT NOT NULL CHECK (length(package_set_hash) <= 64),
  saved_by         TEXT NOT NULL CHECK (length(saved_by) <= 256),
  saved_at         BIGINT NOT NULL
);
