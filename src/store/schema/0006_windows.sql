-- Maintenance windows: what an operator wrote, what opened, what became of it, and who was missed.

CREATE TABLE windows (
  window_id          TEXT NOT NULL PRIMARY KEY CHECK (length(window_id) BETWEEN 1 AND 64),
  name               TEXT NOT NULL CHECK (length(name) BETWEEN 1 AND 128),
  description        TEXT NOT NULL CHECK (length(description) <= 128),
  schedule           TEXT NOT NULL CHECK (length(schedule) BETWEEN 1 AND 256),
  timezone           TEXT NOT NULL CHECK (length(timezone) <= 128),
  schedule_offset    BIGINT CHECK (schedule_offset BETWEEN 1 AND 6),
  start_date         TEXT NOT NULL CHECK (length(start_date) <= 64),
  end_date           TEXT NOT NULL CHECK (length(end_date) <= 64),
  duration_hours     BIGINT NOT NULL CHECK (duration_hours BETWEEN 1 AND 24),
  cutoff_hours       BIGINT NOT NULL CHECK (cutoff_hours BETWEEN 0 AND 23),
  allow_unassociated BIGINT NOT NULL CHECK (allow_unassociated IN (0, 1)),
  enabled            BIGINT NOT NULL CHECK (enabled IN (0, 1)),
  version            BIGINT NOT NULL CHECK (version >= 1),
  created_at         BIGINT NOT NULL,
  modified_at        BIGINT NOT NULL,
  scheduled_at       BIGINT NOT NULL,
  created_by         TEXT NOT NULL CHECK (length(created_by) <= 256),
  calendars          TEXT NOT NULL,
  next_at            BIGINT
);
CREATE INDEX windows_by_name ON windows (name, window_id);

CREATE TABLE window_targets (
  window_target_id  TEXT NOT NULL PRIMARY KEY CHECK (length(window_target_id) BETWEEN 1 AND 64),
  window_id         TEXT NOT NULL REFERENCES windows (window_id),
  name              TEXT NOT NULL CHECK (length(name) <= 128),
  description       TEXT NOT NULL CHECK (length(description) <= 128),
  owner_information TEXT NOT NULL CHECK (length(owner_information) <= 128),
  targets           TEXT NOT NULL,
  created_at        BIGINT NOT NULL
);
CREATE INDEX window_targets_by_window ON window_targets (window_id, created_at, window_target_id);

CREATE TABLE window_tasks (
  window_task_id TEXT NOT NULL PRIMARY KEY CHECK (length(window_task_id) BETWEEN 1 AND 64),
  window_id      TEXT NOT NULL REFERENCES windows (window_id),
  type           TEXT NOT NULL CHECK (length(type) BETWEEN 1 AND 32),
  task_arn       TEXT NOT NULL CHECK (length(task_arn) BETWEEN 1 AND 1600),
  priority       BIGINT NOT NULL CHECK (priority >= 0),
  content        TEXT NOT NULL,
  created_at     BIGINT NOT NULL
);
CREATE INDEX window_tasks_by_window ON window_tasks (window_id, priority, created_at, window_task_id);

-- History outlives the window; nothing here points at the tables above.
CREATE TABLE window_executions (
  execution_id   TEXT NOT NULL PRIMARY KEY CHECK (length(execution_id) BETWEEN 1 AND 64),
  window_id      TEXT NOT NULL CHECK (length(window_id) BETWEEN 1 AND 64),
  status         TEXT NOT NULL CHECK (length(status) BETWEEN 1 AND 32),
  status_details TEXT NOT NULL CHECK (length(status_details) <= 1024),
  started_at     BIGINT NOT NULL,
  cutoff_at      BIGINT NOT NULL,
  ends_at        BIGINT NOT NULL,
  finished_at    BIGINT
);
CREATE INDEX window_executions_by_window ON window_executions (window_id, started_at, execution_id);
CREATE INDEX window_executions_ended ON window_executions (finished_at) WHERE finished_at IS NOT NULL;

CREATE TABLE window_execution_tasks (
  task_execution_id TEXT NOT NULL PRIMARY KEY CHECK (length(task_execution_id) BETWEEN 1 AND 64),
  execution_id      TEXT NOT NULL REFERENCES window_executions (execution_id),
  window_task_id    TEXT NOT NULL CHECK (length(window_task_id) <= 64),
  position          BIGINT NOT NULL,
  type              TEXT NOT NULL CHECK (length(type) BETWEEN 1 AND 32),
  task_arn          TEXT NOT NULL CHECK (length(task_arn) <= 1600),
  priority          BIGINT NOT NULL,
  content           TEXT NOT NULL,
  status            TEXT NOT NULL CHECK (length(status) BETWEEN 1 AND 32),
  status_details    TEXT NOT NULL CHECK (length(status_details) <= 1024),
  started_at        BIGINT,
  finished_at       BIGINT
);
CREATE INDEX window_execution_tasks_by_execution ON window_execution_tasks (execution_id, position);

CREATE TABLE window_invocations (
  invocation_id     TEXT NOT NULL PRIMARY KEY CHECK (length(invocation_id) BETWEEN 1 AND 64),
  task_execution_id TEXT NOT NULL REFERENCES window_execution_tasks (task_execution_id),
  execution_id      TEXT NOT NULL REFERENCES window_executions (execution_id),
  position          BIGINT NOT NULL,
  window_target_id  TEXT NOT NULL CHECK (length(window_target_id) <= 64),
  owner_information TEXT NOT NULL CHECK (length(owner_information) <= 128),
  catch_up          BIGINT NOT NULL CHECK (catch_up IN (0, 1)),
  node_count        BIGINT NOT NULL,
  nodes             BLOB NOT NULL,
  child_id          TEXT NOT NULL CHECK (length(child_id) <= 128),
  parameters        TEXT NOT NULL,
  status            TEXT NOT NULL CHECK (length(status) BETWEEN 1 AND 32),
  status_details    TEXT NOT NULL CHECK (length(status_details) <= 1024),
  started_at        BIGINT,
  finished_at       BIGINT
);
CREATE INDEX window_invocations_by_task ON window_invocations (task_execution_id, position);
CREATE INDEX window_invocations_by_execution ON window_invocations (execution_id);

CREATE TABLE window_missed (
  window_id      TEXT NOT NULL REFERENCES windows (window_id),
  window_task_id TEXT NOT NULL CHECK (length(window_task_id) BETWEEN 1 AND 64),
  node_id        TEXT NOT NULL CHECK (length(node_id) BETWEEN 1 AND 64),
  execution_id   TEXT NOT NULL CHECK (length(execution_id) <= 64),
  reason         TEXT NOT NULL CHECK (length(reason) BETWEEN 1 AND 64),
  first_at       BIGINT NOT NULL,
  missed_at      BIGINT NOT NULL,
  times          BIGINT NOT NULL CHECK (times >= 1),
  PRIMARY KEY (window_id, window_task_id, node_id)
);
CREATE INDEX window_missed_by_node ON window_missed (node_id);
