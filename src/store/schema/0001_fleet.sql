-- The fleet: nodes, their certificates, tags, activations, contents named by hash, scans, runs, verdicts.
-- Times are milliseconds since 1970 UTC. Two words are spelled by the drivers: IDENTITY_KEY, a key that only grows, and BLOB.

CREATE TABLE nodes (
  node_id          TEXT NOT NULL PRIMARY KEY CHECK (length(node_id) BETWEEN 1 AND 64),
  name             TEXT NOT NULL CHECK (length(name) <= 256),
  state            TEXT NOT NULL CHECK (state IN ('active', 'deregistered')),
  operating_system TEXT NOT NULL CHECK (length(operating_system) <= 64),
  agent_version    TEXT NOT NULL CHECK (length(agent_version) <= 64),
  activation_id    TEXT NOT NULL CHECK (length(activation_id) <= 64),
  iam_role         TEXT NOT NULL CHECK (length(iam_role) <= 256),
  computer_name    TEXT NOT NULL,
  os_name          TEXT NOT NULL,
  os_version       TEXT NOT NULL,
  registered_at    BIGINT NOT NULL,
  deregistered_at  BIGINT,
  clone_seen_at    BIGINT,
  order_counter    BIGINT NOT NULL CHECK (order_counter >= 0)
);
CREATE INDEX nodes_by_name ON nodes (name);
CREATE INDEX nodes_by_activation ON nodes (activation_id);

CREATE TABLE node_facts (
  node_id TEXT NOT NULL PRIMARY KEY REFERENCES nodes (node_id),
  facts   BLOB NOT NULL
);

-- Narrow, because it is written with every heartbeat.
CREATE TABLE node_presence (
  node_id        TEXT NOT NULL PRIMARY KEY REFERENCES nodes (node_id),
  last_seen_at   BIGINT,
  session_at     BIGINT,
  instance_nonce TEXT NOT NULL CHECK (length(instance_nonce) <= 128),
  boot_id        TEXT NOT NULL CHECK (length(boot_id) <= 128),
  address        TEXT NOT NULL CHECK (length(address) <= 128)
);

CREATE TABLE node_certificates (
  serial_hex TEXT NOT NULL PRIMARY KEY CHECK (length(serial_hex) BETWEEN 1 AND 64),
  node_id    TEXT NOT NULL REFERENCES nodes (node_id),
  issued_at  BIGINT NOT NULL,
  expires_at BIGINT NOT NULL,
  revoked_at BIGINT
);
CREATE INDEX node_certificates_by_node ON node_certificates (node_id);
CREATE INDEX node_certificates_by_revocation ON node_certificates (revoked_at, serial_hex) WHERE revoked_at IS NOT NULL;

CREATE TABLE tags (
  resource_type TEXT NOT NULL CHECK (length(resource_type) BETWEEN 1 AND 64),
  resource_id   TEXT NOT NULL CHECK (length(resource_id) BETWEEN 1 AND 256),
  key           TEXT NOT NULL CHECK (length(key) BETWEEN 1 AND 128),
  value         TEXT NOT NULL CHECK (length(value) <= 256),
  PRIMARY KEY (resource_type, resource_id, key)
);
CREATE INDEX tags_by_key ON tags (resource_type, key, value, resource_id);

CREATE TABLE activations (
  activation_id         TEXT NOT NULL PRIMARY KEY CHECK (length(activation_id) BETWEEN 1 AND 64),
  description           TEXT NOT NULL CHECK (length(description) <= 256),
  default_instance_name TEXT NOT NULL CHECK (length(default_instance_name) <= 256),
  iam_role              TEXT NOT NULL CHECK (length(iam_role) <= 256),
  registration_limit    BIGINT NOT NULL CHECK (registration_limit BETWEEN 1 AND 1000),
  registrations_count   BIGINT NOT NULL CHECK (registrations_count BETWEEN 0 AND registration_limit),
  created_at            BIGINT NOT NULL,
  expires_at            BIGINT NOT NULL,
  created_by            TEXT NOT NULL CHECK (length(created_by) <= 256),
  tags                  TEXT NOT NULL,
  code_salt             TEXT NOT NULL,
  code_hash             TEXT NOT NULL CHECK (length(code_hash) = 64)
);
CREATE INDEX activations_by_time ON activations (created_at, activation_id);

CREATE TABLE contents (
  kind       TEXT NOT NULL CHECK (kind IN ('package_set', 'offer_set', 'facts', 'evidence')),
  hash       TEXT NOT NULL CHECK (length(hash) = 64),
  body       BLOB NOT NULL,
  size_bytes BIGINT NOT NULL CHECK (size_bytes >= 0),
  created_at BIGINT NOT NULL,
  PRIMARY KEY (kind, hash)
);

CREATE TABLE first_seen (
  operating_system TEXT NOT NULL CHECK (length(operating_system) BETWEEN 1 AND 64),
  name             TEXT NOT NULL CHECK (length(name) BETWEEN 1 AND 512),
  arch             TEXT NOT NULL CHECK (length(arch) <= 64),
  version          TEXT NOT NULL CHECK (length(version) BETWEEN 1 AND 512),
  seen_at          BIGINT NOT NULL,
  PRIMARY KEY (operating_system, name, arch, version)
);

CREATE TABLE scans (
  scan_id          TEXT NOT NULL PRIMARY KEY CHECK (length(scan_id) BETWEEN 1 AND 64),
  node_id          TEXT NOT NULL REFERENCES nodes (node_id),
  order_id         TEXT NOT NULL CHECK (length(order_id) <= 64),
  observed_at      BIGINT NOT NULL,
  received_at      BIGINT NOT NULL,
  package_set_hash TEXT NOT NULL CHECK (length(package_set_hash) <= 64),
  offer_set_hash   TEXT NOT NULL CHECK (length(offer_set_hash) <= 64),
  facts_hash       TEXT NOT NULL CHECK (length(facts_hash) <= 64),
  packages         BIGINT NOT NULL CHECK (packages >= 0),
  offers           BIGINT NOT NULL CHECK (offers >= 0),
  held             TEXT NOT NULL,
  repositories     TEXT NOT NULL,
  problems         TEXT NOT NULL,
  CHECK (observed_at <= received_at)
);
CREATE INDEX scans_by_node ON scans (node_id, observed_at, received_at, scan_id);

CREATE TABLE scan_heads (
  node_id          TEXT NOT NULL PRIMARY KEY REFERENCES nodes (node_id),
  scan_id          TEXT NOT NULL REFERENCES scans (scan_id),
  observed_at      BIGINT NOT NULL,
  received_at      BIGINT NOT NULL,
  package_set_hash TEXT NOT NULL,
  offer_set_hash   TEXT NOT NULL
);
CREATE INDEX scan_heads_by_package_set ON scan_heads (package_set_hash, node_id);
CREATE INDEX scan_heads_by_offer_set ON scan_heads (offer_set_hash, node_id);
CREATE INDEX scan_heads_by_arrival ON scan_heads (received_at);

CREATE TABLE runs (
  run_id         TEXT NOT NULL PRIMARY KEY CHECK (length(run_id) BETWEEN 1 AND 64),
  node_id        TEXT NOT NULL REFERENCES nodes (node_id),
  command_id     TEXT NOT NULL CHECK (length(command_id) <= 64),
  change_set_id  TEXT NOT NULL CHECK (length(change_set_id) <= 64),
  started_at     BIGINT NOT NULL,
  finished_at    BIGINT NOT NULL,
  received_at    BIGINT NOT NULL,
  reboot         TEXT NOT NULL,
  outcome        TEXT NOT NULL,
  changed        BIGINT NOT NULL,
  report         BLOB NOT NULL
);
CREATE INDEX runs_by_node ON runs (node_id, finished_at, run_id);

CREATE TABLE pending_reboots (
  node_id    TEXT NOT NULL REFERENCES nodes (node_id),
  name       TEXT NOT NULL CHECK (length(name) BETWEEN 1 AND 512),
  arch       TEXT NOT NULL CHECK (length(arch) <= 64),
  version    TEXT NOT NULL CHECK (length(version) <= 512),
  run_id     TEXT NOT NULL,
  boot_id    TEXT NOT NULL,
  changed_at BIGINT NOT NULL,
  PRIMARY KEY (node_id, name, arch)
);

CREATE TABLE verdicts (
  sequence             IDENTITY_KEY,
  node_id              TEXT NOT NULL REFERENCES nodes (node_id),
  scan_id              TEXT NOT NULL CHECK (length(scan_id) <= 64),
  observed_at          BIGINT NOT NULL,
  judged_at            BIGINT NOT NULL,
  baseline_id          TEXT NOT NULL CHECK (length(baseline_id) <= 128),
  baseline_generation  BIGINT NOT NULL,
  rule_version         BIGINT NOT NULL,
  patch_group          TEXT NOT NULL CHECK (length(patch_group) <= 256),
  operation            TEXT NOT NULL CHECK (operation IN ('Scan', 'Install')),
  operation_started_at BIGINT NOT NULL,
  operation_ended_at   BIGINT NOT NULL,
  snapshot_id          TEXT NOT NULL CHECK (length(snapshot_id) <= 64),
  command_id           TEXT NOT NULL CHECK (length(command_id) <= 64),
  run_id               TEXT NOT NULL CHECK (length(run_id) <= 64),
  ad_hoc               BIGINT NOT NULL CHECK (ad_hoc IN (0, 1)),
  compliance           TEXT NOT NULL CHECK (compliance IN ('compliant', 'non_compliant', 'unknown')),
  severity             TEXT NOT NULL CHECK (length(severity) <= 32),
  counters             TEXT NOT NULL,
  reasons              TEXT NOT NULL,
  evidence_hash        TEXT NOT NULL CHECK (length(evidence_hash) <= 64)
);
CREATE INDEX verdicts_by_node ON verdicts (node_id, sequence);
CREATE INDEX verdicts_by_node_and_baseline ON verdicts (node_id, baseline_id, sequence);

CREATE TABLE verdict_heads (
  node_id  TEXT NOT NULL PRIMARY KEY REFERENCES nodes (node_id),
  sequence BIGINT NOT NULL REFERENCES verdicts (sequence)
);
