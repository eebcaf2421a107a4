-- Associations: what an operator wrote, in every version; what was run, on whom, and how each node stands.

CREATE TABLE associations (
  association_id   TEXT NOT NULL PRIMARY KEY CHECK (length(association_id) BETWEEN 1 AND 64),
  name             TEXT NOT NULL CHECK (length(name) <= 128),
  document         TEXT NOT NULL CHECK (length(document) BETWEEN 1 AND 256),
  version          BIGINT NOT NULL CHECK (version >= 1),
  content          TEXT NOT NULL,
  created_at       BIGINT NOT NULL,
  updated_at       BIGINT NOT NULL,
  created_by       TEXT NOT NULL CHECK (length(created_by) <= 256),
  status           TEXT NOT NULL CHECK (length(status) BETWEEN 1 AND 32),
  counts           TEXT NOT NULL,
  last_run_at      BIGINT,
  last_success_at  BIGINT,
  next_at          BIGINT,
  held             TEXT NOT NULL
);
CREATE INDEX associations_by_document ON associations (document, association_id);

CREATE TABLE association_versions (
  association_id TEXT NOT NULL REFERENCES associations (association_id),
  version        BIGINT NOT NULL CHECK (version >= 1),
  content        TEXT NOT NULL,
  created_at     BIGINT NOT NULL,
  created_by     TEXT NOT NULL CHECK (length(created_by) <= 256),
  PRIMARY KEY (association_id, version)
);

-- History outlives the association; nothing here points at the tables above.
CREATE TABLE association_executions (
  execution_id   TEXT NOT NULL PRIMARY KEY CHECK (length(execution_id) BETWEEN 1 AND 64),
  association_id TEXT NOT NULL CHECK (length(association_id) BETWEEN 1 AND 64),
  version        BIGINT NOT NULL,
  cause          TEXT NOT NULL CHECK (length(cause) BETWEEN 1 AND 32),
  status         TEXT NOT NULL CHECK (length(status) BETWEEN 1 AND 32),
  details        TEXT NOT NULL CHECK (length(details) <= 4096),
  command_id     TEXT NOT NULL CHECK (length(command_id) <= 64),
  due_at         BIGINT NOT NULL,
  created_at     BIGINT NOT NULL,
  finished_at    BIGINT,
  counts         TEXT NOT NULL
);
CREATE INDEX association_executions_by_time ON association_executions (association_id, created_at, execution_id);
CREATE INDEX association_executions_ended ON association_executions (finished_at) WHERE finished_at IS NOT NULL;

CREATE TABLE association_execution_targets (
  execution_id TEXT NOT NULL REFERENCES association_executions (execution_id),
  node_id      TEXT NOT NULL CHECK (length(node_id) BETWEEN 1 AND 64),
  status       TEXT NOT NULL CHECK (length(status) BETWEEN 1 AND 32),
  details      TEXT NOT NULL CHECK (length(details) <= 64),
  executed_at  BIGINT,
  PRIMARY KEY (execution_id, node_id)
);

-- The newest of each node, as long as it matches. `missed`: it was not there in time, and is waited for.
CREATE TABLE association_nodes (
  association_id TEXT NOT NULL REFERENCES associations (association_id),
  node_id        TEXT NOT NULL CHECK (length(node_id) BETWEEN 1 AND 64),
  version        BIGINT NOT NULL,
  status         TEXT NOT NULL CHECK (length(status) BETWEEN 1 AND 32),
  details        TEXT NOT NULL CHECK (length(details) <= 64),
  summary        TEXT NOT NULL CHECK (length(summary) <= 512),
  execution_id   TEXT NOT NULL CHECK (length(execution_id) <= 64),
  executed_at    BIGINT,
  missed         BIGINT NOT NULL CHECK (missed IN (0, 1)),
  PRIMARY KEY (association_id, node_id)
);
CREATE INDEX association_nodes_by_node ON association_nodes (node_id, association_id);

-- Nodes that came, changed their tags or came back: their associations are to be looked at.
CREATE TABLE association_changed_nodes (
  node_id    TEXT NOT NULL PRIMARY KEY CHECK (length(node_id) BETWEEN 1 AND 64),
  changed_at BIGINT NOT NULL
);
