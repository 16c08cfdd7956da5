//! One act that changes what is kept: all of it or nothing, and on the disk when it is said.

use rusqlite::{Transaction, TransactionBehavior, params};

use super::{
    Store, StoreFault,
    trust::{self, Found},
};
use crate::{
    files::{self, Home},
    key::KeyId,
    keyring::KeyRing,
    ledger::Entry,
    revocations::{Cause, Revoked},
    signing::{Kid, PublicKey, ServerKey},
    time::UnixTime,
};

/// Who does something, and when: for the audit.
#[derive(Clone, Copy, Debug)]
pub struct Act<'a> {
    /// The user.
    pub who: &'a str,
    /// The moment.
    pub at: UnixTime,
}

/// A change that nobody sees until it is committed, and that is undone when dropped.
pub struct Change<'s> {
    tx: Transaction<'s>,
    home: &'s Home,
    act: Act<'s>,
    staged: Option<Kid>,
}

impl Store {
    /// Begins a change. Others wait until it is over.
    pub fn change<'s>(&'s mut self, act: Act<'s>) -> Result<Change<'s>, StoreFault> {
        let home = &self.home;
        let tx = self.db.transaction_with_behavior(TransactionBehavior::Immediate);
        let tx = tx.map_err(|error| StoreFault::of(error, home))?;
        Ok(Change { tx, home, act, staged: None })
    }
}

impl Change<'_> {
    /// The key ring, as no other process can change it now.
    pub fn ring(&self) -> Result<KeyRing, StoreFault> {
        let keys = trust::ring_keys(&self.tx).map_err(|error| self.fault(error))?;
        KeyRing::new(keys).map_err(|_| StoreFault::Damaged {
            path: self.home.database(),
            what: "its key ring has a kid twice, or two keys that sign".to_owned(),
        })
    }

    /// The server key that signs, from its file; finishes the rename of an interrupted command.
    pub fn server_key(&self, signing: &PublicKey) -> Result<ServerKey, StoreFault> {
        match trust::find_server_key(self.home, signing)? {
            Found::InPlace(server_key) => Ok(server_key),
            Found::Staged(server_key) => {
                let staged = self.home.staged_server_key(signing.kid());
                files::rename(&staged, &self.home.server_key())?;
                Ok(server_key)
            }
        }
    }

    /// Puts the first server key into an empty ring. Its file waits under another name until the
    /// commit, which is the moment: before it there is no key, after it there is.
    pub fn add_first_server_key(&mut self, server_key: &ServerKey) -> Result<(), StoreFault> {
        let path = self.home.server_key();
        if files::exists(&path)? {
            let database = self.home.database();
            return Err(StoreFault::RevocationsLost { left: path, database });
        }
        for stray in files::siblings(&path)? {
            files::remove(&stray)?;
        }
        let public = server_key.public();
        let kid = public.kid();
        files::write(&self.home.staged_server_key(kid), server_key.to_pem().as_bytes())?;
        self.run(
            "INSERT INTO server_key (kid, public, created_at) VALUES (?, ?, ?)",
            params![kid.to_string(), public.as_bytes(), self.act.at.secs()],
        )?;
        self.staged = Some(kid);
        self.audit_trust("create server key", &kid.to_string())
    }

    /// Whether a key of this id was ever handed out or revoked.
    pub fn knows(&self, id: KeyId) -> Result<bool, StoreFault> {
        let sql = "SELECT EXISTS (SELECT 1 FROM ledger WHERE jti = ?1)
                       OR EXISTS (SELECT 1 FROM revocation WHERE jti = ?1)";
        self.tx
            .prepare_cached(sql)
            .and_then(|mut query| query.query_row([id.to_string()], |row| row.get(0)))
            .map_err(|error| self.fault(error))
    }

    /// Remembers a key.
    pub fn record(&self, entry: &Entry) -> Result<(), StoreFault> {
        self.run(
            "INSERT INTO ledger (jti, kid, name, sub, namespaces, scope, iat, nbf, exp, sha256)
             VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
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
        )
    }

    /// Cuts off a key, unless that was done before; answers whether it was not.
    pub fn revoke(&self, id: KeyId, revoked: &Revoked) -> Result<bool, StoreFault> {
        let (cause, reason) = match &revoked.cause {
            Cause::Operator(reason) => ("operator", reason.as_ref()),
            Cause::Undelivered => ("undelivered", None),
        };
        let sql = "INSERT INTO revocation (jti, at, cause, reason) VALUES (?, ?, ?, ?)
                   ON CONFLICT DO NOTHING";
        let reason = reason.map(|reason| reason.as_str());
        let rows = self
            .tx
            .prepare_cached(sql)
            .and_then(|mut query| {
                query.execute(params![id.to_string(), revoked.at.secs(), cause, reason])
            })
            .map_err(|error| self.fault(error))?;
        Ok(rows > 0)
    }

    /// Notes an act that leaves trust as it was.
    pub fn audit(&self, act: &str, subject: &str) -> Result<(), StoreFault> {
        self.run(
            "INSERT INTO audit (at, who, act, subject) VALUES (?, ?, ?, ?)",
            params![self.act.at.secs(), self.act.who, act, subject],
        )
    }

    /// Notes an act that changes trust, under the next number.
    pub fn audit_trust(&self, act: &str, subject: &str) -> Result<(), StoreFault> {
        let next = "UPDATE trust SET seq = seq + 1 RETURNING seq";
        let seq: i64 =
            self.tx.query_row(next, (), |row| row.get(0)).map_err(|error| self.fault(error))?;
        self.run(
            "INSERT INTO audit (at, who, act, subject, seq) VALUES (?, ?, ?, ?, ?)",
            params![self.act.at.secs(), self.act.who, act, subject, seq],
        )
    }

    /// Makes it so: on the disk when this returns.
    pub fn commit(self) -> Result<(), StoreFault> {
        let home = self.home;
        self.tx.commit().map_err(|error| StoreFault::of(error, home))?;
        match self.staged {
            Some(kid) => Ok(files::rename(&home.staged_server_key(kid), &home.server_key())?),
            None => Ok(()),
        }
    }

    fn run(&self, sql: &str, values: impl rusqlite::Params) -> Result<(), StoreFault> {
        self.tx
            .prepare_cached(sql)
            .and_then(|mut query| query.execute(values))
            .map(|_| ())
            .map_err(|error| self.fault(error))
    }

    fn fault(&self, error: rusqlite::Error) -> StoreFault {
        StoreFault::of(error, self.home)
    }
}
