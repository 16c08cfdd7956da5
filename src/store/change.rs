//! One act that changes what is kept: all of it or nothing, and on the disk when it is said.

use std::{cell::Cell, time::Duration};

use rusqlite::{Connection, Transaction, TransactionBehavior, params};

use super::{PATIENCE, Store, StoreFault, succession::Staged, trust};
use crate::{
    files::{self, Home},
    key::KeyId,
    keyring::KeyRing,
    ledger::Entry,
    revocations::{Cause, Kind, Revocation, Revoked, Rule},
    time::UnixTime,
};

/// A change that nobody sees until it is committed, and that is undone when dropped.
pub struct Change<'s> {
    // Goes before the lock of the transaction does.
    pub(super) staged: Option<Staged<'s>>,
    tx: Transaction<'s>,
    pub(super) store: &'s Store,
    who: &'s str,
    now: UnixTime,
    /// The number of the last change of trust among what it does.
    seq: Cell<Option<u64>>,
}

impl Store {
    /// Begins a change by `who`. Others wait until it is over, and its moment is when it began.
    pub fn change<'s>(
        &'s mut self,
        who: &'s str,
        clock: &dyn Fn() -> UnixTime,
    ) -> Result<Change<'s>, StoreFault> {
        let store = &*self;
        let tx = Transaction::new_unchecked(&store.db, TransactionBehavior::Immediate)
            .map_err(|error| store.fault(error))?;
        // Whoever was before us may have kept us waiting, so the clock is read now.
        let now = clock();
        Ok(Change { store, tx, who, now, staged: None, seq: Cell::new(None) })
    }
}

impl Change<'_> {
    /// The moment at which it began.
    pub fn now(&self) -> UnixTime {
        self.now
    }

    /// The key ring, as no other process can change it now.
    pub fn ring(&self) -> Result<KeyRing, StoreFault> {
        self.store.ring()
    }

    /// Remembers a key, unless one of its id was ever handed out or revoked; answers whether it
    /// was not.
    pub fn record(&self, entry: &Entry) -> Result<bool, StoreFault> {
        if self.revocation_of(entry.id)? != Revocation::None {
            return Ok(false);
        }
        // With a SELECT in place of VALUES, SQLite would keep a journal of each statement.
        let recorded = self.run(
            "INSERT INTO ledger (jti, kid, name, sub, namespaces, scope, iat, nbf, exp, sha256)
             VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
             ON CONFLICT (jti) DO NOTHING",
            params![
                entry.id.to_string(),
                entry.kid.to_string(),
                entry.name.as_ref().map(|name| name.as_str()),
                entry.owner.as_ref().map(ToString::to_string),
                entry.namespaces.to_string(),
                entry.scope.claim(),
                entry.issued_at.secs(),
                entry.not_before.map(UnixTime::secs),
                entry.expires_at.map(UnixTime::secs),
                entry.sha256,
            ],
        )?;
        Ok(recorded > 0)
    }

    /// Cuts off a key, unless that was done before; answers whether it was not.
    pub fn revoke(&self, id: KeyId, revoked: &Revoked) -> Result<bool, StoreFault> {
        let (cause, reason) = match &revoked.cause {
            Cause::Operator(reason) | Cause::Rule(_, reason) => ("operator", reason.as_ref()),
            Cause::Undelivered => ("undelivered", None),
        };
        let sql = "INSERT INTO revocation (jti, at, cause, reason) VALUES (?, ?, ?, ?)
                   ON CONFLICT DO NOTHING";
        let reason = reason.map(|reason| reason.as_str());
        let at = revoked.at.secs();
        Ok(self.run(sql, params![id.to_string(), at, cause, reason])? > 0)
    }

    /// What is known about the revocation of a key by now.
    pub fn revocation_of(&self, id: KeyId) -> Result<Revocation, StoreFault> {
        self.store.revocation_of(id)
    }

    /// Cuts off every key that a rule covers.
    pub fn cut_off(&self, rule: &Rule) -> Result<(), StoreFault> {
        let kind = &rule.kind;
        self.run(
            "INSERT INTO rule (at, until, sub, namespace, kid, reason) VALUES (?, ?, ?, ?, ?, ?)",
            params![
                rule.at.secs(),
                rule.until.secs(),
                kind.owner.as_ref().map(ToString::to_string),
                kind.namespace.as_ref().map(ToString::to_string),
                kind.kid.map(|kid| kid.to_string()),
                rule.reason.as_ref().map(|reason| reason.as_str()),
            ],
        )
        .map(|_| ())
    }

    /// The last second in which a key of a kind was issued, at least now: an earlier rule, or a
    /// clock that was set back, leaves keys that were issued later than now.
    pub fn issued_until(&self, kind: &Kind) -> Result<UnixTime, StoreFault> {
        self.store.issued_until(kind, self.now)
    }

    /// The rules that may cover keys issued at this moment or later.
    pub fn rules(&self, since: UnixTime) -> Result<Vec<Rule>, StoreFault> {
        self.store.rules(since)
    }

    /// Notes an act that leaves trust as it was.
    pub fn audit(&self, act: &str, subject: &str) -> Result<(), StoreFault> {
        self.note(act, subject, None)
    }

    /// Notes an act that changes trust, under the next number.
    pub fn audit_trust(&self, act: &str, subject: &str) -> Result<(), StoreFault> {
        let next = "UPDATE trust SET seq = seq + 1 RETURNING seq";
        let seq = self.tx.query_row(next, (), |row| trust::number(row, 0));
        let seq = seq.map_err(|error| self.fault(error))?;
        self.seq.set(Some(seq));
        self.note(act, subject, Some(seq))
    }

    fn note(&self, act: &str, subject: &str, seq: Option<u64>) -> Result<(), StoreFault> {
        let sql = "INSERT INTO audit (at, who, act, subject, seq) VALUES (?, ?, ?, ?, ?)";
        self.run(sql, params![self.now.secs(), self.who, act, subject, seq.map(u64::cast_signed)])
            .map(|_| ())
    }

    /// Makes it so: on the disk when this returns. Answers the number of the change of trust that it
    /// was, if it was one; of several, the last.
    pub fn commit(self) -> Result<Option<u64>, StoreFault> {
        let Store { db, home } = self.store;
        // Even a commit that fails may be on the disk, so from here on the file stays.
        let staged = self.staged.map(Staged::keep);
        self.tx.commit().map_err(|error| self.store.fault(error))?;
        if let Some(kid) = staged {
            // That was the moment: a rename that fails now is finished by the next command.
            let _ = trust::place_server_key(home, kid);
        }
        let seq = self.seq.get();
        if seq.is_some() || log_is_long(home) {
            fold_log(db);
        }
        Ok(seq)
    }

    /// Runs a statement, and answers how many rows it changed.
    pub(super) fn run(
        &self,
        sql: &str,
        values: impl rusqlite::Params,
    ) -> Result<usize, StoreFault> {
        self.tx
            .prepare_cached(sql)
            .and_then(|mut query| query.execute(values))
            .map_err(|error| self.fault(error))
    }

    fn fault(&self, error: rusqlite::Error) -> StoreFault {
        self.store.fault(error)
    }
}

fn log_is_long(home: &Home) -> bool {
    files::length(&home.database_log()).is_some_and(|length| length > LOG_LENGTH)
}

/// Folds SQLite's log into the database, so that as a rule a copy of that one file has every
/// revocation. A reader may be in the way; then the next change does it.
fn fold_log(db: &Connection) {
    let _ = db
        .busy_timeout(Duration::from_millis(500))
        .and_then(|()| db.query_row("PRAGMA wal_checkpoint(TRUNCATE)", (), |_| Ok(())));
    let _ = db.busy_timeout(PATIENCE);
}

/// How long SQLite's log may grow, in bytes. Whoever opens the database reads the whole log, so
/// it is kept short; folding it costs two more syncs, so it is not folded each time.
const LOG_LENGTH: u64 = 256 << 10;
