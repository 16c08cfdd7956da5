-- Version 3. Every table is STRICT; instants are Unix seconds.

-- One row: how many changes of trust there have been.
CREATE TABLE trust (seq INTEGER NOT NULL) STRICT;
INSERT INTO trust VALUES (0);

-- The key ring. A row is never removed: it signs, or is retired until a date, or dead.
CREATE TABLE server_key (
    kid        TEXT PRIMARY KEY,
    public     BLOB NOT NULL UNIQUE CHECK (length(public) = 32),
    created_at INTEGER NOT NULL,
    retired_at INTEGER,
    until      INTEGER,
    dead_at    INTEGER,
    CHECK ((retired_at IS NULL) = (until IS NULL))
) STRICT, WITHOUT ROWID;

CREATE UNIQUE INDEX one_signs ON server_key (dead_at IS NULL)
    WHERE retired_at IS NULL AND dead_at IS NULL;

-- What is remembered of every key: never the key.
CREATE TABLE ledger (
    n          INTEGER PRIMARY KEY,
    jti        TEXT NOT NULL UNIQUE,
    kid        TEXT NOT NULL REFERENCES server_key,
    name       TEXT,
    sub        TEXT,
    namespaces TEXT NOT NULL,
    scope      TEXT,
    iat        INTEGER NOT NULL,
    nbf        INTEGER,
    exp        INTEGER,
    sha256     BLOB NOT NULL CHECK (length(sha256) = 32)
) STRICT;

CREATE INDEX ledger_by_name ON ledger (name) WHERE name IS NOT NULL;
CREATE INDEX ledger_by_owner ON ledger (sub) WHERE sub IS NOT NULL;
CREATE INDEX ledger_by_namespaces ON ledger (namespaces);
CREATE INDEX ledger_by_iat ON ledger (iat);

-- Rows are only added, each behind the last: whoever has read some reads on from there.
CREATE TABLE revocation (
    n      INTEGER PRIMARY KEY,
    jti    TEXT NOT NULL UNIQUE,
    at     INTEGER NOT NULL,
    cause  TEXT NOT NULL CHECK (cause IN ('operator', 'undelivered')),
    reason TEXT
) STRICT;

-- One row cuts off every key that it covers: issued at `until` or before, and of this owner, for
-- this namespace, signed by this server key, as far as the row names them.
CREATE TABLE rule (
    n         INTEGER PRIMARY KEY,
    at        INTEGER NOT NULL,
    until     INTEGER NOT NULL,
    sub       TEXT,
    namespace TEXT,
    kid       TEXT REFERENCES server_key,
    reason    TEXT
) STRICT;

CREATE INDEX rule_by_until ON rule (until);
CREATE INDEX rule_by_kind ON rule (sub, namespace, until);

-- Who did what, and when; seq where it changed trust.
CREATE TABLE audit (
    n       INTEGER PRIMARY KEY,
    at      INTEGER NOT NULL,
    who     TEXT NOT NULL,
    act     TEXT NOT NULL,
    subject TEXT NOT NULL,
    seq     INTEGER UNIQUE
) STRICT;
