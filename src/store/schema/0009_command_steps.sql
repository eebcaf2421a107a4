-- What each step of a document did on each node, where a document has several.

CREATE TABLE invocation_steps (
  command_id      TEXT NOT NULL,
  node_id         TEXT NOT NULL,
  position        BIGINT NOT NULL CHECK (position >= 0),
  name            TEXT NOT NULL CHECK (length(name) <= 512),
  action          TEXT NOT NULL CHECK (length(action) <= 256),
  status          TEXT NOT NULL CHECK (length(status) BETWEEN 1 AND 64),
  response_code   BIGINT NOT NULL,
  started_at      BIGINT,
  finished_at     BIGINT,
  standard_output TEXT NOT NULL CHECK (length(standard_output) <= 24000),
  standard_error  TEXT NOT NULL CHECK (length(standard_error) <= 8000),
  PRIMARY KEY (command_id, node_id, position),
  FOREIGN KEY (command_id, node_id) REFERENCES invocations (command_id, node_id)
);
