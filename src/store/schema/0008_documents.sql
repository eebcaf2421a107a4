-- Documents of the operators' own, with every version they ever had; a version is never changed once made.

CREATE TABLE documents (
  name            TEXT NOT NULL PRIMARY KEY CHECK (length(name) BETWEEN 3 AND 128),
  document_type   TEXT NOT NULL CHECK (length(document_type) BETWEEN 1 AND 64),
  target_type     TEXT NOT NULL CHECK (length(target_type) <= 200),
  default_version BIGINT NOT NULL CHECK (default_version >= 1),
  latest_version  BIGINT NOT NULL CHECK (latest_version >= 1),
  shared_with     TEXT NOT NULL,
  created_at      BIGINT NOT NULL,
  created_by      TEXT NOT NULL CHECK (length(created_by) <= 256)
);
CREATE INDEX documents_by_type ON documents (document_type, name);

CREATE TABLE document_versions (
  name           TEXT NOT NULL REFERENCES documents (name),
  version        BIGINT NOT NULL CHECK (version >= 1),
  version_name   TEXT NOT NULL CHECK (length(version_name) <= 128),
  display_name   TEXT NOT NULL CHECK (length(display_name) <= 1024),
  format         TEXT NOT NULL CHECK (format IN ('JSON', 'YAML', 'TEXT')),
  schema_version TEXT NOT NULL CHECK (length(schema_version) <= 16),
  sha256         TEXT NOT NULL CHECK (length(sha256) = 64),
  content        TEXT NOT NULL,
  created_at     BIGINT NOT NULL,
  created_by     TEXT NOT NULL CHECK (length(created_by) <= 256),
  PRIMARY KEY (name, version)
);
CREATE UNIQUE INDEX document_version_names ON document_versions (name, version_name) WHERE version_name <> '';
