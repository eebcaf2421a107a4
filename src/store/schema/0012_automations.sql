-- Automations: what was run of runbooks, step by step. The runbook itself is kept as it was when the execution began.

CREATE TABLE automation_runbooks (
  sha256  TEXT NOT NULL PRIMARY KEY CHECK (length(sha256) = 64),
  format  TEXT NOT NULL CHECK (format IN ('JSON', 'YAML')),
  content TEXT NOT NULL
);

CREATE TABLE automation_executions (
  execution_id     TEXT NOT NULL PRIMARY KEY CHECK (length(execution_id) BETWEEN 1 AND 64),
  kind             TEXT NOT NULL CHECK (length(kind) BETWEEN 1 AND 64),
  document         TEXT NOT NULL CHECK (length(document) BETWEEN 1 AND 256),
  document_version TEXT NOT NULL CHECK (length(document_version) <= 32),
  runbook          TEXT NOT NULL REFERENCES automation_runbooks (sha256),
  status           TEXT NOT NULL CHECK (length(status) BETWEEN 1 AND 32),
  parent_id        TEXT NOT NULL CHECK (length(parent_id) <= 64),
  executed_by      TEXT NOT NULL CHECK (length(executed_by) <= 256),
  target           TEXT NOT NULL CHECK (length(target) <= 1024),
  settings         TEXT NOT NULL,
  outputs          TEXT NOT NULL,
  current_step     TEXT NOT NULL CHECK (length(current_step) <= 128),
  current_action   TEXT NOT NULL CHECK (length(current_action) <= 64),
  failure          TEXT NOT NULL CHECK (length(failure) <= 4096),
  started_at       BIGINT NOT NULL,
  finished_at      BIGINT
);
CREATE INDEX automation_executions_by_time ON automation_executions (started_at, execution_id);
CREATE INDEX automation_executions_by_parent ON automation_executions (parent_id, started_at, execution_id);
CREATE INDEX automation_executions_by_runbook ON automation_executions (runbook);
CREATE INDEX automation_executions_ended ON automation_executions (finished_at) WHERE finished_at IS NOT NULL;
CREATE INDEX automation_executions_running ON automation_executions (execution_id) WHERE finished_at IS NULL;

CREATE TABLE automation_steps (
  execution_id TEXT NOT NULL REFERENCES automation_executions (execution_id),
  position     BIGINT NOT NULL CHECK (position >= 0),
  step_id      TEXT NOT NULL CHECK (length(step_id) BETWEEN 1 AND 64),
  name         TEXT NOT NULL CHECK (length(name) BETWEEN 1 AND 128),
  action       TEXT NOT NULL CHECK (length(action) BETWEEN 1 AND 64),
  settings     TEXT NOT NULL,
  status       TEXT NOT NULL CHECK (length(status) BETWEEN 1 AND 32),
  inputs       TEXT NOT NULL,
  outputs      TEXT NOT NULL,
  failure      TEXT NOT NULL CHECK (length(failure) <= 4096),
  started_at   BIGINT,
  finished_at  BIGINT,
  PRIMARY KEY (execution_id, position)
);
