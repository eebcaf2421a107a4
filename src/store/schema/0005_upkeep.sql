-- What is asked of the whole fleet at once stands in narrow rows; and what nobody uses can be told and forgotten.

-- The other machine of a suspected clone, and the identity's nonce before the present one: one that comes back belongs
-- to a second machine. Kept here, so that every server sees it.
ALTER TABLE nodes ADD COLUMN clone_address TEXT NOT NULL DEFAULT '' CHECK (length(clone_address) <= 128);
ALTER TABLE node_presence ADD COLUMN earlier_nonce TEXT NOT NULL DEFAULT '' CHECK (length(earlier_nonce) <= 128);
CREATE INDEX nodes_in_doubt ON nodes (node_id) WHERE clone_seen_at IS NOT NULL;

-- Of the facts, which are read whole for one node only. Filled in with a node's next hello.
ALTER TABLE nodes ADD COLUMN reboot_required BIGINT NOT NULL DEFAULT 0 CHECK (reboot_required IN (0, 1));

ALTER TABLE verdict_heads ADD COLUMN compliance TEXT NOT NULL DEFAULT 'unknown' CHECK (compliance IN ('compliant', 'non_compliant', 'unknown'));
ALTER TABLE verdict_heads ADD COLUMN observed_at BIGINT NOT NULL DEFAULT 0;
UPDATE verdict_heads SET
  compliance = (SELECT v.compliance FROM verdicts v WHERE v.sequence = verdict_heads.sequence),
  observed_at = (SELECT v.observed_at FROM verdicts v WHERE v.sequence = verdict_heads.sequence);

-- Every change set from its first moment on, in a line each; the counts of those from before this step are not known.
CREATE TABLE change_set_summaries (
  change_set_id  TEXT NOT NULL PRIMARY KEY CHECK (length(change_set_id) BETWEEN 1 AND 64),
  name           TEXT NOT NULL CHECK (length(name) <= 256),
  description    TEXT NOT NULL CHECK (length(description) <= 1024),
  status         TEXT NOT NULL CHECK (length(status) BETWEEN 1 AND 32),
  status_details TEXT NOT NULL CHECK (length(status_details) <= 4096),
  baseline_id    TEXT NOT NULL CHECK (length(baseline_id) <= 128),
  created_at     BIGINT NOT NULL,
  created_by     TEXT NOT NULL CHECK (length(created_by) <= 256),
  frozen_at      BIGINT,
  sha256         TEXT NOT NULL CHECK (length(sha256) <= 64),
  node_count     BIGINT,
  package_count  BIGINT,
  download_bytes BIGINT
);
CREATE INDEX change_set_summaries_by_time ON change_set_summaries (created_at, change_set_id);
INSERT INTO change_set_summaries
  SELECT change_set_id, name, description, 'Ready', '', baseline_id, created_at, created_by, created_at, sha256, NULL, NULL, NULL
  FROM change_sets;

-- The sets that some scan names. Scans are kept for ever, so a set that is here once is never forgotten; one that is not
-- was sent for nothing. (Change sets name only sets of scans.)
CREATE TABLE set_uses (
  kind TEXT NOT NULL CHECK (kind IN ('package_set', 'offer_set')),
  hash TEXT NOT NULL CHECK (length(hash) BETWEEN 1 AND 64),
  PRIMARY KEY (kind, hash)
);
INSERT INTO set_uses
  SELECT 'package_set', package_set_hash FROM scans WHERE package_set_hash <> ''
  UNION SELECT 'offer_set', offer_set_hash FROM scans WHERE offer_set_hash <> '';

-- Ended orders that still carry their result: a copy, once their execution is over.
CREATE INDEX orders_ended ON orders (finished_at) WHERE result NOT IN ('', '-');
