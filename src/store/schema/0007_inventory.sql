-- What nodes and others report of a node beyond packages and facts, what is held against it, and what was done about it.

CREATE TABLE inventory_types (
  type_name        TEXT NOT NULL PRIMARY KEY CHECK (length(type_name) BETWEEN 1 AND 100),
  schema_version   TEXT NOT NULL CHECK (length(schema_version) BETWEEN 1 AND 16),
  attributes       TEXT NOT NULL,
  disabled_through TEXT NOT NULL CHECK (length(disabled_through) <= 16),
  updated_at       BIGINT NOT NULL
);

CREATE TABLE inventory_items (
  node_id        TEXT NOT NULL REFERENCES nodes (node_id),
  type_name      TEXT NOT NULL CHECK (length(type_name) BETWEEN 1 AND 100),
  schema_version TEXT NOT NULL CHECK (length(schema_version) BETWEEN 1 AND 16),
  captured_at    BIGINT NOT NULL,
  received_at    BIGINT NOT NULL,
  content_hash   TEXT NOT NULL CHECK (length(content_hash) BETWEEN 1 AND 256),
  sha256         TEXT NOT NULL CHECK (length(sha256) = 64),
  entry_count    BIGINT NOT NULL CHECK (entry_count >= 0),
  entries        BLOB NOT NULL,
  PRIMARY KEY (node_id, type_name)
);
CREATE INDEX inventory_items_by_type ON inventory_items (type_name, node_id);

CREATE TABLE inventory_deletions (
  deletion_id     TEXT NOT NULL PRIMARY KEY CHECK (length(deletion_id) BETWEEN 1 AND 64),
  type_name       TEXT NOT NULL,
  option          TEXT NOT NULL CHECK (length(option) <= 32),
  started_at      BIGINT NOT NULL,
  updated_at      BIGINT NOT NULL,
  status          TEXT NOT NULL CHECK (length(status) BETWEEN 1 AND 32),
  message         TEXT NOT NULL,
  total_count     BIGINT NOT NULL,
  remaining_count BIGINT NOT NULL,
  versions        TEXT NOT NULL,
  requested_by    TEXT NOT NULL CHECK (length(requested_by) <= 256)
);
CREATE INDEX inventory_deletions_by_time ON inventory_deletions (started_at, deletion_id);

-- One row a node and compliance type: the newest execution that reported, and since when the node has not complied.
CREATE TABLE compliance_reports (
  node_id             TEXT NOT NULL REFERENCES nodes (node_id),
  compliance_type     TEXT NOT NULL CHECK (length(compliance_type) BETWEEN 1 AND 100),
  execution_id        TEXT NOT NULL CHECK (length(execution_id) <= 100),
  execution_type      TEXT NOT NULL CHECK (length(execution_type) <= 50),
  executed_at         BIGINT NOT NULL,
  received_at         BIGINT NOT NULL,
  content_hash        TEXT NOT NULL CHECK (length(content_hash) <= 256),
  sha256              TEXT NOT NULL CHECK (length(sha256) = 64),
  compliant_count     BIGINT NOT NULL,
  non_compliant_count BIGINT NOT NULL,
  severity            TEXT NOT NULL CHECK (length(severity) <= 32),
  non_compliant_since BIGINT,
  reported_by         TEXT NOT NULL CHECK (length(reported_by) <= 256),
  PRIMARY KEY (node_id, compliance_type)
);
CREATE INDEX compliance_reports_by_type ON compliance_reports (compliance_type, node_id);

CREATE TABLE compliance_items (
  node_id         TEXT NOT NULL,
  compliance_type TEXT NOT NULL,
  item_id         TEXT NOT NULL CHECK (length(item_id) BETWEEN 1 AND 1024),
  title           TEXT NOT NULL CHECK (length(title) <= 500),
  severity        TEXT NOT NULL CHECK (length(severity) BETWEEN 1 AND 32),
  status          TEXT NOT NULL CHECK (length(status) BETWEEN 1 AND 32),
  details         TEXT NOT NULL,
  execution_id    TEXT NOT NULL CHECK (length(execution_id) <= 100),
  execution_type  TEXT NOT NULL CHECK (length(execution_type) <= 50),
  executed_at     BIGINT NOT NULL,
  PRIMARY KEY (node_id, compliance_type, item_id),
  FOREIGN KEY (node_id, compliance_type) REFERENCES compliance_reports (node_id, compliance_type)
);

CREATE TABLE remedy_policies (
  policy_id  TEXT NOT NULL PRIMARY KEY CHECK (length(policy_id) BETWEEN 1 AND 64),
  name       TEXT NOT NULL UNIQUE CHECK (length(name) BETWEEN 1 AND 128),
  generation BIGINT NOT NULL CHECK (generation >= 1),
  content    TEXT NOT NULL,
  created_at BIGINT NOT NULL,
  updated_at BIGINT NOT NULL,
  updated_by TEXT NOT NULL CHECK (length(updated_by) <= 256)
);

-- An episode: a node does not comply, from one moment on until it complies again. At most one is open for a policy and
-- node, and acted_at is set once.
CREATE TABLE remedy_episodes (
  episode_id  TEXT NOT NULL PRIMARY KEY CHECK (length(episode_id) BETWEEN 1 AND 64),
  policy_id   TEXT NOT NULL CHECK (length(policy_id) BETWEEN 1 AND 64),
  policy_name TEXT NOT NULL,
  node_id     TEXT NOT NULL CHECK (length(node_id) BETWEEN 1 AND 64),
  opened_at   BIGINT NOT NULL,
  due_at      BIGINT NOT NULL,
  closed_at   BIGINT,
  acted_at    BIGINT,
  action      TEXT NOT NULL CHECK (length(action) <= 32),
  outcome     TEXT NOT NULL CHECK (length(outcome) <= 32),
  command_id  TEXT NOT NULL CHECK (length(command_id) <= 64),
  compliance  TEXT NOT NULL CHECK (length(compliance) <= 32),
  severity    TEXT NOT NULL CHECK (length(severity) <= 32),
  detail      TEXT NOT NULL
);
CREATE UNIQUE INDEX remedy_episodes_open ON remedy_episodes (policy_id, node_id) WHERE closed_at IS NULL;
CREATE INDEX remedy_episodes_due ON remedy_episodes (policy_id, due_at) WHERE closed_at IS NULL AND acted_at IS NULL;
CREATE INDEX remedy_episodes_by_time ON remedy_episodes (opened_at, episode_id);
CREATE INDEX remedy_episodes_by_node ON remedy_episodes (node_id, opened_at);
