-- The pool: exactly the package files that change sets name, by content, so that later rings install what was tested.

CREATE TABLE pool_packages (
  sha256       TEXT NOT NULL PRIMARY KEY CHECK (length(sha256) = 64),
  name         TEXT NOT NULL CHECK (length(name) BETWEEN 1 AND 512),
  arch         TEXT NOT NULL CHECK (length(arch) <= 64),
  version      TEXT NOT NULL CHECK (length(version) BETWEEN 1 AND 512),
  size_bytes   BIGINT NOT NULL CHECK (size_bytes >= 1),
  first_seen   BIGINT NOT NULL,
  stored_bytes BIGINT NOT NULL CHECK (stored_bytes >= 0),
  completed_at BIGINT,
  uploader     TEXT NOT NULL CHECK (length(uploader) <= 64),
  touched_at   BIGINT,
  wrong_from   TEXT NOT NULL CHECK (length(wrong_from) <= 64),
  wrong_at     BIGINT
);
CREATE INDEX pool_packages_by_age ON pool_packages (first_seen, sha256);
CREATE INDEX pool_packages_begun ON pool_packages (touched_at) WHERE completed_at IS NULL AND stored_bytes > 0;

CREATE TABLE pool_chunks (
  sha256      TEXT NOT NULL REFERENCES pool_packages (sha256),
  chunk_index BIGINT NOT NULL CHECK (chunk_index >= 0),
  body        BLOB NOT NULL,
  PRIMARY KEY (sha256, chunk_index)
);

-- Who wants it kept: a change set or a rollout. `kept_until`: absent as long as the holder does not let go.
CREATE TABLE pool_references (
  holder     TEXT NOT NULL CHECK (length(holder) BETWEEN 1 AND 64),
  sha256     TEXT NOT NULL REFERENCES pool_packages (sha256),
  kept_until BIGINT,
  PRIMARY KEY (holder, sha256)
);
CREATE INDEX pool_references_by_package ON pool_references (sha256);
CREATE INDEX pool_references_by_end ON pool_references (kept_until) WHERE kept_until IS NOT NULL;
