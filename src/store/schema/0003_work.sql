-- What is under way: commands, durable executions, orders to the nodes, messages taken in.

CREATE TABLE commands (
  command_id               TEXT NOT NULL PRIMARY KEY CHECK (length(command_id) BETWEEN 1 AND 64),
  document_name            TEXT NOT NULL CHECK (length(document_name) <= 256),
  document_version         TEXT NOT NULL CHECK (length(document_version) <= 64),
  comment                  TEXT NOT NULL CHECK (length(comment) <= 1024),
  parameters               TEXT NOT NULL,
  targets                  TEXT NOT NULL,
  instance_ids             TEXT NOT NULL,
  max_concurrency          TEXT NOT NULL CHECK (length(max_concurrency) <= 16),
  max_errors               TEXT NOT NULL CHECK (length(max_errors) <= 16),
  timeout_seconds          BIGINT NOT NULL,
  status                   TEXT NOT NULL CHECK (length(status) BETWEEN 1 AND 64),
  status_details           TEXT NOT NULL CHECK (length(status_details) <= 256),
  requested_at             BIGINT NOT NULL,
  expires_at               BIGINT NOT NULL,
  requested_by             TEXT NOT NULL CHECK (length(requested_by) <= 256),
  target_count             BIGINT NOT NULL,
  completed_count          BIGINT NOT NULL,
  error_count              BIGINT NOT NULL,
  delivery_timed_out_count BIGINT NOT NULL,
  detail                   TEXT NOT NULL
);
CREATE INDEX commands_by_time ON commands (requested_at, command_id);

CREATE TABLE invocations (
  command_id      TEXT NOT NULL REFERENCES commands (command_id),
  node_id         TEXT NOT NULL CHECK (length(node_id) BETWEEN 1 AND 64),
  node_name       TEXT NOT NULL CHECK (length(node_name) <= 256),
  document_name   TEXT NOT NULL,
  status          TEXT NOT NULL CHECK (length(status) BETWEEN 1 AND 64),
  status_details  TEXT NOT NULL CHECK (length(status_details) <= 256),
  order_id        TEXT NOT NULL CHECK (length(order_id) <= 64),
  requested_at    BIGINT NOT NULL,
  started_at      BIGINT,
  finished_at     BIGINT,
  response_code   BIGINT NOT NULL,
  plugin_name     TEXT NOT NULL CHECK (length(plugin_name) <= 256),
  detail          TEXT NOT NULL,
  standard_output TEXT NOT NULL CHECK (length(standard_output) <= 24000),
  standard_error  TEXT NOT NULL CHECK (length(standard_error) <= 8000),
  PRIMARY KEY (command_id, node_id)
);
CREATE INDEX invocations_by_time ON invocations (requested_at, command_id, node_id);
CREATE INDEX invocations_by_node ON invocations (node_id, requested_at, command_id);
CREATE INDEX invocations_by_order ON invocations (order_id) WHERE order_id <> '';

CREATE TABLE command_outputs (
  command_id TEXT NOT NULL,
  node_id    TEXT NOT NULL,
  stream     TEXT NOT NULL CHECK (stream IN ('standard_output', 'standard_error')),
  body       BLOB NOT NULL,
  PRIMARY KEY (command_id, node_id, stream),
  FOREIGN KEY (command_id, node_id) REFERENCES invocations (command_id, node_id)
);

CREATE TABLE executions (
  kind         TEXT NOT NULL CHECK (length(kind) BETWEEN 1 AND 64),
  execution_id TEXT NOT NULL CHECK (length(execution_id) BETWEEN 1 AND 128),
  state        TEXT NOT NULL,
  generation   BIGINT NOT NULL CHECK (generation >= 1),
  wake_at      BIGINT,
  woken_at     BIGINT,
  finished     BIGINT NOT NULL CHECK (finished IN (0, 1)),
  created_at   BIGINT NOT NULL,
  updated_at   BIGINT NOT NULL,
  lease_owner  TEXT NOT NULL CHECK (length(lease_owner) <= 128),
  lease_until  BIGINT,
  PRIMARY KEY (kind, execution_id)
);
CREATE INDEX executions_due ON executions (wake_at) WHERE finished = 0;
CREATE INDEX executions_ended ON executions (updated_at) WHERE finished = 1;

CREATE TABLE execution_events (
  sequence     IDENTITY_KEY,
  kind         TEXT NOT NULL,
  execution_id TEXT NOT NULL,
  key          TEXT NOT NULL CHECK (length(key) <= 256),
  body         TEXT NOT NULL,
  at           BIGINT NOT NULL,
  taken        BIGINT NOT NULL CHECK (taken IN (0, 1)),
  FOREIGN KEY (kind, execution_id) REFERENCES executions (kind, execution_id)
);
CREATE INDEX execution_events_waiting ON execution_events (kind, execution_id, sequence) WHERE taken = 0;
CREATE UNIQUE INDEX execution_events_once ON execution_events (kind, execution_id, key) WHERE key <> '';
CREATE INDEX execution_events_by_execution ON execution_events (kind, execution_id);

CREATE TABLE effects (
  sequence     IDENTITY_KEY,
  kind         TEXT NOT NULL CHECK (length(kind) <= 64),
  execution_id TEXT NOT NULL CHECK (length(execution_id) <= 128),
  effect       TEXT NOT NULL CHECK (length(effect) BETWEEN 1 AND 64),
  body         TEXT NOT NULL,
  attempts     BIGINT NOT NULL,
  last_error   TEXT NOT NULL,
  due_at       BIGINT NOT NULL,
  lease_owner  TEXT NOT NULL,
  lease_until  BIGINT
);
CREATE INDEX effects_due ON effects (due_at);

CREATE TABLE orders (
  order_id         TEXT NOT NULL PRIMARY KEY CHECK (length(order_id) BETWEEN 1 AND 64),
  node_id          TEXT NOT NULL REFERENCES nodes (node_id),
  counter          BIGINT NOT NULL CHECK (counter >= 1),
  kind             TEXT NOT NULL CHECK (length(kind) BETWEEN 1 AND 64),
  payload          TEXT NOT NULL,
  signature        TEXT NOT NULL CHECK (length(signature) BETWEEN 1 AND 1024),
  state            TEXT NOT NULL CHECK (state IN ('queued', 'delivered', 'acknowledged', 'finished', 'cancelled', 'expired')),
  execution_kind   TEXT NOT NULL CHECK (length(execution_kind) <= 64),
  execution_id     TEXT NOT NULL CHECK (length(execution_id) <= 128),
  issued_at        BIGINT NOT NULL,
  expires_at       BIGINT NOT NULL,
  delivered_at     BIGINT,
  acknowledged_at  BIGINT,
  finished_at      BIGINT,
  update_sequence  BIGINT NOT NULL,
  update_text      TEXT NOT NULL,
  result           TEXT NOT NULL,
  cancel_requested BIGINT NOT NULL CHECK (cancel_requested IN (0, 1)),
  UNIQUE (node_id, counter)
);
CREATE INDEX orders_pending ON orders (node_id, counter) WHERE state IN ('queued', 'delivered');
CREATE INDEX orders_queued ON orders (node_id) WHERE state = 'queued';
CREATE INDEX orders_to_cancel ON orders (node_id) WHERE cancel_requested = 1;
CREATE INDEX orders_to_expire ON orders (expires_at) WHERE state IN ('queued', 'delivered');

CREATE TABLE inbox (
  node_id    TEXT NOT NULL,
  message_id TEXT NOT NULL CHECK (length(message_id) BETWEEN 1 AND 64),
  seen_at    BIGINT NOT NULL,
  PRIMARY KEY (node_id, message_id)
);
CREATE INDEX inbox_by_time ON inbox (seen_at);
