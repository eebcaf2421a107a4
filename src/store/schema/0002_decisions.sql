-- What was decided: baselines with their history, change sets, frozen snapshots.

CREATE TABLE counters (
  name  TEXT NOT NULL PRIMARY KEY,
  value BIGINT NOT NULL
);

CREATE TABLE baseline_versions (
  baseline_id      TEXT NOT NULL CHECK (length(baseline_id) BETWEEN 1 AND 128),
  generation       BIGINT NOT NULL CHECK (generation >= 1),
  name             TEXT NOT NULL CHECK (length(name) BETWEEN 1 AND 128),
  operating_system TEXT NOT NULL CHECK (length(operating_system) BETWEEN 1 AND 64),
  predefined       BIGINT NOT NULL CHECK (predefined IN (0, 1)),
  content          TEXT NOT NULL,
  created_at       BIGINT NOT NULL,
  valid_from       BIGINT NOT NULL,
  valid_to         BIGINT CHECK (valid_to >= valid_from),
  changed_by       TEXT NOT NULL CHECK (length(changed_by) <= 256),
  PRIMARY KEY (baseline_id, generation)
);
CREATE UNIQUE INDEX baseline_in_force ON baseline_versions (baseline_id) WHERE valid_to IS NULL;

CREATE TABLE baseline_defaults (
  sequence         IDENTITY_KEY,
  operating_system TEXT NOT NULL CHECK (length(operating_system) BETWEEN 1 AND 64),
  baseline_id      TEXT NOT NULL,
  valid_from       BIGINT NOT NULL,
  valid_to         BIGINT CHECK (valid_to >= valid_from)
);
CREATE UNIQUE INDEX baseline_default_in_force ON baseline_defaults (operating_system) WHERE valid_to IS NULL;
CREATE INDEX baseline_defaults_by_baseline ON baseline_defaults (baseline_id);

CREATE TABLE patch_groups (
  sequence         IDENTITY_KEY,
  patch_group      TEXT NOT NULL CHECK (length(patch_group) BETWEEN 1 AND 256),
  operating_system TEXT NOT NULL CHECK (length(operating_system) BETWEEN 1 AND 64),
  baseline_id      TEXT NOT NULL,
  valid_from       BIGINT NOT NULL,
  valid_to         BIGINT CHECK (valid_to >= valid_from)
);
CREATE UNIQUE INDEX patch_group_in_force ON patch_groups (patch_group, operating_system) WHERE valid_to IS NULL;
CREATE INDEX patch_groups_by_baseline ON patch_groups (baseline_id);

CREATE TABLE change_sets (
  change_set_id       TEXT NOT NULL PRIMARY KEY CHECK (length(change_set_id) BETWEEN 1 AND 64),
  name                TEXT NOT NULL CHECK (length(name) <= 256),
  description         TEXT NOT NULL CHECK (length(description) <= 1024),
  content             BLOB NOT NULL,
  sha256              TEXT NOT NULL CHECK (length(sha256) = 64),
  baseline_id         TEXT NOT NULL CHECK (length(baseline_id) <= 128),
  baseline_generation BIGINT NOT NULL,
  created_at          BIGINT NOT NULL,
  created_by          TEXT NOT NULL CHECK (length(created_by) <= 256)
);
CREATE INDEX change_sets_by_time ON change_sets (created_at, change_set_id);

CREATE TABLE change_set_parts (
  change_set_id    TEXT NOT NULL REFERENCES change_sets (change_set_id),
  package_set_hash TEXT NOT NULL CHECK (length(package_set_hash) <= 64),
  offer_set_hash   TEXT NOT NULL CHECK (length(offer_set_hash) <= 64),
  changes          BLOB NOT NULL,
  PRIMARY KEY (change_set_id, package_set_hash, offer_set_hash)
);

CREATE TABLE change_set_approvals (
  change_set_id TEXT NOT NULL REFERENCES change_sets (change_set_id),
  approver      TEXT NOT NULL CHECK (length(approver) BETWEEN 1 AND 256),
  key_id        TEXT NOT NULL CHECK (length(key_id) <= 256),
  signature     TEXT NOT NULL CHECK (length(signature) <= 1024),
  approved_at   BIGINT NOT NULL,
  PRIMARY KEY (change_set_id, approver)
);

CREATE TABLE snapshots (
  snapshot_id TEXT NOT NULL CHECK (length(snapshot_id) BETWEEN 1 AND 64),
  slot        TEXT NOT NULL CHECK (length(slot) <= 512),
  content     TEXT NOT NULL,
  frozen_at   BIGINT NOT NULL,
  PRIMARY KEY (snapshot_id, slot)
);
