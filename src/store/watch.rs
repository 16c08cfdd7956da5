//! How a running server follows what is kept, while others change it. It never writes, and between
//! two looks nothing is held that others would wait for.

use rusqlite::{Connection, OptionalExtension, Transaction, TransactionBehavior, config::DbConfig};

use super::{
    Purpose, SCHEMA, SOON, StoreFault, check_safe, check_version,
    trust::{self, CutOff},
};
use crate::{
    files::{Home, Identity, Stamp},
    keyring::KeyRing,
    revocations::Revocations,
};

/// Trust as of one commit.
#[derive(Debug)]
pub struct Trust {
    /// The number of the last change of trust.
    pub seq: u64,
    /// Which server keys count.
    pub ring: KeyRing,
    /// What was cut off.
    pub revocations: Revocations,
}

/// Follows the trust of one home. After an error it is as good as before: what was read stays
/// read, and the next look looks again.
pub struct Watch {
    home: Home,
    /// The file that is followed.
    database: Identity,
    /// Stays open while another file is in the place of that one, so that no new one can be taken
    /// for it. None if it could not be opened again.
    db: Option<Connection>,
    /// What was seen when the last look went well, unless one went wrong since.
    seen: Option<Seen>,
    known: Known,
    looks: u32,
}

/// How far trust was read, and what is told of its last change: a database that tells it otherwise
/// has another past.
struct Known {
    seq: u64,
    act: Option<String>,
    /// What was cut off by then, to which the rest is added; none since a look went wrong.
    cut_off: Option<CutOff>,
}

/// As long as all of it stays, nothing was committed.
#[derive(Eq, PartialEq)]
struct Seen {
    files: Files,
    /// SQLite's count of what others committed.
    version: i64,
}

/// The database, and the log and its index, which SQLite keeps open too: if somebody removes
/// those, it reads on in a log to which nobody writes.
#[derive(Clone, Copy, Eq, PartialEq)]
struct Files {
    database: Stamp,
    log: Option<Identity>,
    index: Option<Identity>,
}

impl Watch {
    /// Begins to follow; none while there is no database, because nothing was ever kept there.
    pub fn open(home: &Home) -> Result<Option<(Self, Trust)>, StoreFault> {
        let files = Files::of(home)?;
        let (Some(db), Some(files)) = (connect(home)?, files) else { return Ok(None) };
        let files = files.opened(&db, home)?;
        let (seen, new) = read(home, &db, files, None)?;
        let (known, trust) = new.expect("nothing is known before the first look");
        let (home, database) = (home.clone(), files.database.identity);
        Ok(Some((Self { home, database, db: Some(db), seen: Some(seen), known, looks: 0 }, trust)))
    }

    /// Looks again: the new trust if it has changed since the last look, none if it has not.
    pub fn look(&mut self) -> Result<Option<Trust>, StoreFault> {
        let gone = || StoreFault::Gone { home: self.home.clone() };
        // Whatever goes wrong from here on, the next look reads all that was cut off.
        let seen = self.seen.take();
        if seen.is_none() {
            self.known.cut_off = None;
        }
        let mut files = Files::of(&self.home)?.ok_or_else(gone)?;
        if files.database.identity != self.database {
            return Err(StoreFault::Replaced { path: self.home.database() });
        }
        // What was written into the file may have gone past SQLite's log, so only an untouched one
        // is read by a connection that remembers what was in it.
        let fit = seen.filter(|seen| seen.files == files);
        self.looks = self.looks.wrapping_add(1);
        if fit.is_some() && self.looks.is_multiple_of(LOOKS) {
            check_safe(&self.home)?;
        }
        let db = self.db.take().filter(|_| fit.is_some());
        let db = match db.and_then(|db| Some((data_version(&db).ok()?, db))) {
            Some((version, db)) => {
                let db = self.db.insert(db);
                if let Some(seen) = fit.filter(|seen| seen.version == version) {
                    self.seen = Some(seen);
                    return Ok(None);
                }
                db
            }
            None => {
                let db = connect(&self.home)?.ok_or_else(gone)?;
                files = files.opened(&db, &self.home)?;
                self.db.insert(db)
            }
        };
        let (seen, new) = read(&self.home, db, files, Some(&self.known))?;
        self.seen = Some(seen);
        Ok(new.map(|(known, trust)| {
            self.known = known;
            trust
        }))
    }

    /// The number of the last change of trust that was read.
    pub fn seq(&self) -> u64 {
        self.known.seq
    }
}

impl Files {
    /// Of a home; none if there is no database, or an empty one.
    fn of(home: &Home) -> Result<Option<Self>, StoreFault> {
        let database = Stamp::of(&home.database())?.filter(|database| database.length > 0);
        let Some(database) = database else { return Ok(None) };
        let log = Identity::of(&home.database_log())?;
        Ok(Some(Self { database, log, index: Identity::of(&home.database_log_index())? }))
    }

    /// The same database, with the log that a new connection has opened.
    fn opened(self, db: &Connection, home: &Home) -> Result<Self, StoreFault> {
        // Whoever closes a database last removes its log; from this first read on nobody else is last.
        data_version(db).map_err(|error| StoreFault::of(error, home).soon())?;
        let now = Self::of(home)?.ok_or_else(|| StoreFault::Gone { home: home.clone() })?;
        let opened = Self { database: self.database, ..now };
        opened.check_still(home)?;
        Ok(opened)
    }

    /// An error unless these files, touched or not, are still in their places.
    fn check_still(&self, home: &Home) -> Result<(), StoreFault> {
        let now = Self::of(home)?.ok_or_else(|| StoreFault::Gone { home: home.clone() })?;
        let still = now.database.identity == self.database.identity
            && (now.log, now.index) == (self.log, self.index);
        if still { Ok(()) } else { Err(StoreFault::Replaced { path: home.database() }) }
    }
}

fn connect(home: &Home) -> Result<Option<Connection>, StoreFault> {
    let Some(db) = super::connect(home, Purpose::Read, SOON).map_err(StoreFault::soon)? else {
        return Ok(None);
    };
    // Whoever closes a database last removes its log by name. If ours was removed, there may be
    // another of that name, and it may have what is not in the database yet.
    let kept = db.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true);
    kept.map_err(|error| StoreFault::of(error, home))?;
    Ok(Some(db))
}

/// Reads, in one transaction, how far trust is, and what is new unless that is known.
fn read(
    home: &Home,
    db: &Connection,
    files: Files,
    known: Option<&Known>,
) -> Result<(Seen, Option<(Known, Trust)>), StoreFault> {
    let fault = |error| StoreFault::of(error, home).soon();
    let tx = Transaction::new_unchecked(db, TransactionBehavior::Deferred).map_err(fault)?;
    check_version(&tx, &home.database(), &SCHEMA).map_err(StoreFault::soon)?;
    let version = data_version(&tx).map_err(fault)?;
    let seq = trust::seq(&tx).map_err(fault)?;
    if let Some(known) = known {
        let path = home.database();
        if seq < known.seq {
            return Err(StoreFault::Behind { path, seq, known: known.seq });
        }
        if act(&tx, known.seq).map_err(fault)? != known.act {
            return Err(StoreFault::Replaced { path });
        }
    }
    let new = match known {
        Some(known) if known.seq == seq => None,
        Some(known) => Some(trust(&tx, home, seq, known.cut_off.as_ref())?),
        None => Some(trust(&tx, home, seq, None)?),
    };
    drop(tx);
    files.check_still(home)?;
    Ok((Seen { files, version }, new))
}

fn trust(
    db: &Connection,
    home: &Home,
    seq: u64,
    before: Option<&CutOff>,
) -> Result<(Known, Trust), StoreFault> {
    let fault = |error| StoreFault::of(error, home).soon();
    let ring = trust::ring(db, home).map_err(StoreFault::soon)?;
    if let Some(lost) = trust::lost(&ring, home)? {
        return Err(lost);
    }
    let cut_off = CutOff::read(db, before).map_err(fault)?;
    let revocations = cut_off.revocations.clone();
    let known = Known { seq, act: act(db, seq).map_err(fault)?, cut_off: Some(cut_off) };
    Ok((known, Trust { seq, ring, revocations }))
}

/// What is told of the change of trust of this number.
fn act(db: &Connection, seq: u64) -> rusqlite::Result<Option<String>> {
    let sql = "SELECT n || ' ' || at || ' ' || who || ' ' || act || ' ' || subject
               FROM audit WHERE seq = ?";
    db.prepare_cached(sql)?.query_row([seq.cast_signed()], |row| row.get(0)).optional()
}

fn data_version(db: &Connection) -> rusqlite::Result<i64> {
    db.prepare_cached("PRAGMA data_version")?.query_row((), |row| row.get(0))
}

/// Each time that many looks have found nothing, what lies around the database is looked at as well:
/// that somebody could put a file there. That one is there is found by each look.
const LOOKS: u32 = 16;
