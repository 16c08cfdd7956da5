//! The key ring, its server key file, and revocations: what decides whether a key holds.

use std::{path::PathBuf, str::FromStr};

use rusqlite::{Connection, OptionalExtension, Row};

use super::{Store, StoreFault};
use crate::{
    files::{self, Home},
    key::{KeyId, SignedKey},
    keyring::{KeyRing, RingKey, Standing},
    label::Label,
    revocations::{Cause, Kind, Revocation, Revocations, Revoked, Rule},
    signing::{Kid, PublicKey, ServerKey},
    time::UnixTime,
};

impl Store {
    /// The key ring.
    pub fn ring(&self) -> Result<KeyRing, StoreFault> {
        ring(&self.db, &self.home)
    }

    /// That revocations were lost: a server key is there, and the ring is empty.
    pub fn lost(&self) -> Result<Option<StoreFault>, StoreFault> {
        lost(&self.ring()?, &self.home)
    }

    /// What is known about the revocation of a key, one by one or by a rule; never
    /// [`Revocation::NotChecked`].
    pub fn revocation(&self, key: &SignedKey) -> Result<Revocation, StoreFault> {
        let claims = key.claims();
        let by_id = self.revocation_of(claims.jti)?;
        if by_id != Revocation::None {
            return Ok(by_id);
        }
        let rule = self.rules(claims.iat)?.into_iter().find(|rule| rule.covers(key.kid(), claims));
        Ok(rule.map_or(Revocation::None, |rule| Revocation::Revoked(rule.revoked())))
    }

    /// What is known about the revocation of this one key, rules apart.
    pub fn revocation_of(&self, id: KeyId) -> Result<Revocation, StoreFault> {
        let found = self
            .db
            .prepare_cached("SELECT at, cause, reason FROM revocation WHERE jti = ?")
            .and_then(|mut query| {
                query.query_row([id.to_string()], |row| revoked(row, 0)).optional()
            })
            .map_err(|error| self.fault(error))?;
        Ok(found.map_or(Revocation::None, Revocation::Revoked))
    }

    /// The rules that may cover keys issued at this moment or later, oldest first.
    pub fn rules(&self, since: UnixTime) -> Result<Vec<Rule>, StoreFault> {
        rules(&self.db, since).map_err(|error| self.fault(error))
    }

    /// The number of the last change of trust.
    pub fn seq(&self) -> Result<u64, StoreFault> {
        seq(&self.db).map_err(|error| self.fault(error))
    }

    /// All that was cut off by now.
    pub fn revocations(&self) -> Result<Revocations, StoreFault> {
        let read = CutOff::read(&self.db, None).map_err(|error| self.fault(error))?;
        Ok(read.revocations)
    }

    /// How the server key file stands to the key that signs. Nothing is changed.
    pub fn key_file(&self, signing: &PublicKey) -> KeyFile {
        match find_server_key(&self.home, signing) {
            Ok(Found::InPlace(_)) => KeyFile::InPlace,
            Ok(Found::Staged(_)) => KeyFile::RenameUnfinished,
            Err(fault) => KeyFile::Unusable(fault),
        }
    }
}

/// How the server key file stands.
#[derive(Debug)]
pub enum KeyFile {
    /// As it should.
    InPlace,
    /// An interrupted command left it under its other name; the next signing command mends it.
    RenameUnfinished,
    /// It is missing, or may not be used.
    Unusable(StoreFault),
}

/// The server key that the ring says signs, and where it was found.
pub(super) enum Found {
    InPlace(ServerKey),
    Staged(ServerKey),
}

/// Looks for a server key in its place, then where an interrupted command may have left it.
pub(super) fn find_server_key(home: &Home, signing: &PublicKey) -> Result<Found, StoreFault> {
    if let Ok(Some(server_key)) = read_server_key(home, home.server_key(), signing) {
        return Ok(Found::InPlace(server_key));
    }
    let staged = home.staged_server_key(signing.kid());
    if let Ok(Some(server_key)) = read_server_key(home, staged, signing) {
        return Ok(Found::Staged(server_key));
    }
    // Between the two looks another process may have put it in its place.
    match read_server_key(home, home.server_key(), signing)? {
        Some(server_key) => Ok(Found::InPlace(server_key)),
        None => Err(StoreFault::KeyFileMissing { path: home.server_key() }),
    }
}

/// Puts a server key into its place. Every process that finds it waiting may do so, and the
/// first one does.
pub(super) fn place_server_key(home: &Home, kid: Kid) -> Result<(), StoreFault> {
    match files::rename(&home.staged_server_key(kid), &home.server_key()) {
        Err(fault) if fault.is_not_found() => Ok(()),
        placed => Ok(placed?),
    }
}

/// Removes the server keys that interrupted commands left, but for those that are still needed:
/// under the lock, nobody else is going to need one. What only bears such a name stays.
pub(super) fn sweep_staged_server_keys(home: &Home, needed: &[Kid]) -> Result<(), StoreFault> {
    for kid in home.staged_server_keys()? {
        let path = home.staged_server_key(kid);
        let Ok(Some(pem)) = files::read_secret(&path) else { continue };
        let whole =
            ServerKey::from_pem(&pem).is_ok_and(|server_key| server_key.public().kid() == kid);
        if is_half_written(&pem) || (whole && !needed.contains(&kid)) {
            files::remove(&path)?;
        }
    }
    Ok(())
}

/// Whether a file is the beginning of a server key.
fn is_half_written(pem: &str) -> bool {
    const BEGIN: &str = "-----BEGIN PRIVATE KEY-----\n";
    BEGIN.starts_with(pem) || (pem.starts_with(BEGIN) && !pem.contains("-----END"))
}

fn read_server_key(
    home: &Home,
    path: PathBuf,
    signing: &PublicKey,
) -> Result<Option<ServerKey>, StoreFault> {
    let Some(pem) = files::read_secret(&path)? else { return Ok(None) };
    match ServerKey::from_pem(&pem) {
        Ok(server_key) if server_key.public() == signing => Ok(Some(server_key)),
        Ok(_) => Err(StoreFault::KeyFileStrange { path, database: home.database() }),
        Err(why) => Err(StoreFault::KeyFileUnreadable { path, why }),
    }
}

pub(super) fn ring(db: &Connection, home: &Home) -> Result<KeyRing, StoreFault> {
    let keys = ring_keys(db).map_err(|error| StoreFault::of(error, home))?;
    KeyRing::new(keys).map_err(|_| StoreFault::Damaged {
        path: home.database(),
        what: "its key ring has a kid twice, or two keys that sign".to_owned(),
    })
}

pub(super) fn lost(ring: &KeyRing, home: &Home) -> Result<Option<StoreFault>, StoreFault> {
    let (left, database) = (home.server_key(), home.database());
    let lost = ring.is_empty() && files::exists(&left)?;
    Ok(lost.then_some(StoreFault::RevocationsLost { left, database }))
}

fn ring_keys(db: &Connection) -> rusqlite::Result<Vec<RingKey>> {
    db.prepare_cached("SELECT public, created_at, retired_at, until, dead_at FROM server_key")?
        .query_map((), |row| {
            let public = PublicKey::from_bytes(&row.get(0)?).map_err(|_| unfit(0, "a weak key"))?;
            let standing = match (moment(row, 2)?, moment(row, 3)?, moment(row, 4)?) {
                (_, _, Some(at)) => Standing::Dead { at },
                (Some(at), Some(until), None) => Standing::Retired { at, until },
                (None, None, None) => {
                    let since = moment(row, 1)?.ok_or_else(|| unfit(1, "no instant"))?;
                    Standing::Signing { since }
                }
                (None, Some(_), None) | (Some(_), None, None) => {
                    return Err(unfit(2, "half a retirement"));
                }
            };
            Ok(RingKey { public, standing })
        })?
        .collect()
}

pub(super) fn seq(db: &Connection) -> rusqlite::Result<u64> {
    db.prepare_cached("SELECT seq FROM trust")?.query_row((), |row| number(row, 0))
}

fn rules(db: &Connection, since: UnixTime) -> rusqlite::Result<Vec<Rule>> {
    db.prepare_cached(
        "SELECT at, until, sub, namespace, kid, reason FROM rule WHERE until >= ? ORDER BY n",
    )?
    .query_map([since.secs()], |row| {
        Ok(Rule {
            at: moment(row, 0)?.ok_or_else(|| unfit(0, "no instant"))?,
            until: moment(row, 1)?.ok_or_else(|| unfit(1, "no instant"))?,
            kind: kind(row, 2)?,
            reason: label(row, 5)?,
        })
    })?
    .collect()
}

/// All that was cut off as of one commit, and how far it was read.
#[derive(Clone)]
pub(super) struct CutOff {
    pub(super) revocations: Revocations,
    /// The last row of a key that was cut off, if there is one.
    last: Option<(i64, KeyId)>,
}

impl CutOff {
    /// Reads what came since it was read before, or else all of it.
    pub(super) fn read(db: &Connection, before: Option<&Self>) -> rusqlite::Result<Self> {
        let last = |below| {
            let sql = "SELECT n, jti FROM revocation WHERE n <= ? ORDER BY n DESC LIMIT 1";
            let mut query = db.prepare_cached(sql)?;
            query.query_row([below], |row| Ok((row.get(0)?, word(row, 1)?))).optional()
        };
        let now = last(i64::MAX)?;
        // Rows are only added: where what was read last is not there, somebody else was at work.
        let before = match before {
            Some(before) if last(before.n())? == before.last => Some(before),
            Some(_) | None => None,
        };
        let mut query = db.prepare_cached(
            "SELECT at, cause, reason, jti FROM revocation WHERE n > ? ORDER BY n",
        )?;
        let mut unread = Ok(());
        let after = [before.map_or(i64::MIN, Self::n)];
        let ids = query.query_map(after, |row| Ok((word(row, 3)?, revoked(row, 0)?)))?;
        let ids = ids.map_while(|id| id.map_err(|error| unread = Err(error)).ok());
        let rules = rules(db, UnixTime::MIN)?;
        let revocations = match before {
            Some(before) => before.revocations.with(ids, rules),
            None => Revocations::new(ids, rules),
        };
        unread.map(|()| Self { revocations, last: now })
    }

    fn n(&self) -> i64 {
        self.last.map_or(i64::MIN, |(n, _)| n)
    }
}

/// The kind of keys in three columns from this one on.
fn kind(row: &Row<'_>, first: usize) -> rusqlite::Result<Kind> {
    Ok(Kind {
        owner: if_any(row, first)?,
        namespace: if_any(row, first + 1)?,
        kid: if_any(row, first + 2)?,
    })
}

/// The revocation in three columns from this one on, and for a rule its kind in the next three.
pub(super) fn revoked(row: &Row<'_>, first: usize) -> rusqlite::Result<Revoked> {
    let at = moment(row, first)?.ok_or_else(|| unfit(first, "no instant"))?;
    let reason = label(row, first + 2)?;
    let cause = match row.get_ref(first + 1)?.as_str()? {
        "undelivered" => Cause::Undelivered,
        "operator" => Cause::Operator(reason),
        "rule" => Cause::Rule(kind(row, first + 3)?, reason),
        _ => return Err(unfit(first + 1, "no cause")),
    };
    Ok(Revoked { at, cause })
}

/// The instant in a column, if it has one.
pub(super) fn moment(row: &Row<'_>, column: usize) -> rusqlite::Result<Option<UnixTime>> {
    row.get::<_, Option<i64>>(column)?
        .map(|secs| {
            UnixTime::from_secs(secs).ok_or_else(|| unfit(column, "an instant out of range"))
        })
        .transpose()
}

/// What people said, in a column that may be empty.
pub(super) fn label(row: &Row<'_>, column: usize) -> rusqlite::Result<Option<Label>> {
    Ok(row.get_ref(column)?.as_str_or_null()?.map(Label::kept))
}

/// The number in a column.
pub(super) fn number(row: &Row<'_>, column: usize) -> rusqlite::Result<u64> {
    u64::try_from(row.get::<_, i64>(column)?).map_err(|_| unfit(column, "a negative number"))
}

/// The word in a column.
pub(super) fn word<T: FromStr>(row: &Row<'_>, column: usize) -> rusqlite::Result<T> {
    row.get_ref(column)?.as_str()?.parse().map_err(|_| unfit(column, "not a word of ours"))
}

/// The word in a column that may be empty.
pub(super) fn if_any<T: FromStr>(row: &Row<'_>, column: usize) -> rusqlite::Result<Option<T>> {
    match row.get_ref(column)?.as_str_or_null()? {
        Some(text) => text.parse().map(Some).map_err(|_| unfit(column, "not a word of ours")),
        None => Ok(None),
    }
}

/// A column that does not hold what we wrote.
pub(super) fn unfit(column: usize, what: &'static str) -> rusqlite::Error {
    rusqlite::Error::FromSqlConversionFailure(column, rusqlite::types::Type::Null, what.into())
}
