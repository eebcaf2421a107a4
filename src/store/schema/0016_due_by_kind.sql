-- What is due, by kind as well: no kind's backlog is to make the others wait.
CREATE INDEX executions_due_by_kind ON executions (kind, wake_at) WHERE finished = 0;
