-- An item is a file or a folder of a repository, as Artifactory's storage API shows it.
CREATE TABLE items (
    id INTEGER PRIMARY KEY,
    repository TEXT NOT NULL,
    path TEXT NOT NULL,
    name TEXT NOT NULL,
    kind TEXT NOT NULL CHECK (kind IN ('folder', 'file', 'manifest')),
    image TEXT NOT NULL,
    digest TEXT NOT NULL,
    size INTEGER NOT NULL,
    media_type TEXT NOT NULL,
    created TEXT NOT NULL,
    created_by TEXT NOT NULL,
    modified TEXT NOT NULL,
    modified_by TEXT NOT NULL,
    updated TEXT NOT NULL,
    UNIQUE (repository, path, name)
);
CREATE INDEX items_by_digest ON items (digest, repository, image);
CREATE INDEX manifests ON items (repository, image, path) WHERE kind = 'manifest';
CREATE INDEX manifests_by_path ON items (repository, path, name) WHERE kind = 'manifest';
CREATE INDEX manifests_by_created ON items (repository, created) WHERE kind = 'manifest';
CREATE INDEX manifests_by_modified ON items (repository, modified) WHERE kind = 'manifest';
CREATE INDEX manifests_by_updated ON items (repository, updated) WHERE kind = 'manifest';
CREATE TABLE properties (
    item INTEGER NOT NULL REFERENCES items ON DELETE CASCADE,
    key TEXT NOT NULL,
    value TEXT NOT NULL,
    PRIMARY KEY (item, key, value)
) WITHOUT ROWID;
CREATE INDEX properties_by_value ON properties (key, value);
-- What a manifest refers to depends on its bytes alone, so it is shared by all copies of it.
CREATE TABLE links (
    parent TEXT NOT NULL,
    child TEXT NOT NULL,
    role TEXT NOT NULL CHECK (role IN ('blob', 'manifest', 'subject')),
    PRIMARY KEY (parent, role, child)
) WITHOUT ROWID;
CREATE INDEX links_by_child ON links (child, role);
CREATE TABLE checksums (
    digest TEXT PRIMARY KEY,
    sha1 TEXT NOT NULL,
    md5 TEXT NOT NULL,
    sha256 TEXT NOT NULL
) WITHOUT ROWID;
CREATE TABLE tokens (
    id TEXT PRIMARY KEY,
    username TEXT NOT NULL,
    scope TEXT NOT NULL,
    issued INTEGER NOT NULL,
    expires INTEGER,
    refresh BLOB UNIQUE,
    reference BLOB UNIQUE,
    is_revoked INTEGER NOT NULL DEFAULT 0
) WITHOUT ROWID;
CREATE TABLE subscriptions (key TEXT PRIMARY KEY, body TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE events (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    subscription TEXT NOT NULL REFERENCES subscriptions ON DELETE CASCADE,
    handler INTEGER NOT NULL,
    body TEXT NOT NULL,
    attempts INTEGER NOT NULL DEFAULT 0,
    due REAL NOT NULL DEFAULT 0
);
CREATE INDEX events_in_order ON events (subscription, handler, id);
CREATE TABLE findings (id INTEGER PRIMARY KEY, body TEXT NOT NULL);
CREATE TABLE settings (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
INSERT INTO settings VALUES ('created', strftime('%Y-%m-%dT%H:%M:%fZ'));
-- What SQLite would find if it counted a large registry: table, index, rows, and rows that agree in 1, 2, 3... columns.
-- Written down, since a plan that was chosen while there was next to nothing is a bad one later.
ANALYZE;
INSERT INTO sqlite_stat1 VALUES
    ('items', 'sqlite_autoindex_items_1', '250000 60000 5 1'),
    ('items', 'items_by_digest', '250000 50 40 40'),
    ('items', 'manifests', '50000 12500 2400 1'),
    ('items', 'manifests_by_path', '50000 12500 1 1'),
    ('items', 'manifests_by_created', '50000 12500 10'),
    ('items', 'manifests_by_modified', '50000 12500 10'),
    ('items', 'manifests_by_updated', '50000 12500 10'),
    ('properties', 'properties', '300000 6 1 1'),
    ('properties', 'properties_by_value', '300000 50000 6'),
    ('links', 'links', '100000 3 3 1'),
    ('links', 'links_by_child', '100000 2 2');
-- Lets the connection that has made all this read them, too.
ANALYZE sqlite_schema;
