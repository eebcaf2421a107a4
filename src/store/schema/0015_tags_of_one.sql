-- SQLite took the index by key for the tags of one resource as well, because it holds every column, and read all tags of
-- that type of resource. With the key in front it serves only who asks by key.
DROP INDEX tags_by_key;
CREATE INDEX tags_by_key ON tags (key, resource_type, value, resource_id);
