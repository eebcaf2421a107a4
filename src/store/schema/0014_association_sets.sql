-- What each node keeps of its associations, to run them when it is cut off. `due_at`: to be looked at then.
CREATE TABLE association_sets (
  node_id      TEXT NOT NULL PRIMARY KEY CHECK (length(node_id) BETWEEN 1 AND 64),
  hash         TEXT NOT NULL CHECK (length(hash) <= 64),
  associations TEXT NOT NULL,
  order_id     TEXT NOT NULL CHECK (length(order_id) <= 64),
  valid_until  BIGINT,
  due_at       BIGINT
);
CREATE INDEX association_sets_due ON association_sets (due_at) WHERE due_at IS NOT NULL;
CREATE INDEX association_executions_by_due ON association_executions (association_id, due_at);
