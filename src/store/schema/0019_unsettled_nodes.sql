-- Nodes whose change failed and that nobody has seen well since. Budgets count them whether their rollout is open or over.
CREATE TABLE unsettled_nodes (
  node_id    TEXT NOT NULL PRIMARY KEY CHECK (length(node_id) BETWEEN 1 AND 64),
  rollout_id TEXT NOT NULL CHECK (length(rollout_id) BETWEEN 1 AND 64),
  order_id   TEXT NOT NULL CHECK (length(order_id) <= 64),
  state      TEXT NOT NULL CHECK (length(state) BETWEEN 1 AND 32),
  why        TEXT NOT NULL CHECK (length(why) <= 4000),
  since      BIGINT NOT NULL
);

-- What open rollouts counted so far.
INSERT INTO unsettled_nodes (node_id, rollout_id, order_id, state, why, since)
  SELECT n.node_id, max(n.rollout_id), '', max(n.state), 'failed before this was kept', max(r.created_at)
  FROM rollouts r CROSS JOIN rollout_nodes n
  WHERE n.rollout_id = r.rollout_id AND r.finished_at IS NULL AND n.state IN ('RollbackFailed', 'Inconsistent')
  GROUP BY n.node_id;
