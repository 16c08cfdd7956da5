//! When each key was last used, as far as a server has seen it: best effort, and in a file of its
//! own, so that what decides whether a key holds is never disturbed.

use std::path::PathBuf;

use rusqlite::{
    Connection, OpenFlags, OptionalExtension, Transaction, TransactionBehavior, config::DbConfig,
    params,
};

use super::{
    Purpose, SOON, Schema, StoreFault, check_place, check_version, is_there, make, trust::moment,
    trust::unfit,
};
use crate::{
    files::{self, FileFault, Home, Identity, PATIENCE},
    key::KeyId,
    ledger::Listed,
    time::UnixTime,
};

/// The record of when keys were last used.
pub struct Usage {
    db: Connection,
    home: Home,
    /// The file that is open.
    file: Option<Identity>,
    begun_at: UnixTime,
}

impl Usage {
    /// The record, to look at while a server may write it; none if no server ever did.
    pub fn open(home: &Home) -> Result<Option<Self>, UsageFault> {
        if is_there(&home.usage())? {
            Self::connect(home, Purpose::Read).map(Some)
        } else {
            Ok(None)
        }
    }

    /// The record, to look at for every use since a moment.
    pub fn open_since(home: &Home, since: UnixTime) -> Result<Self, UsageFault> {
        let path = home.usage();
        match Self::open(home)? {
            Some(record) if record.begun_at <= since => Ok(record),
            Some(record) => Err(UsageFault::BeginsLater { path, at: record.begun_at, since }),
            None => Err(UsageFault::NoRecord { path }),
        }
    }

    /// The record, to write; if there is none, one that begins now.
    pub fn open_or_create(home: &Home, now: UnixTime) -> Result<Self, UsageFault> {
        let path = home.usage();
        if !is_there(&path)? {
            check_place(home)?;
            // What is left of the log of another would be mixed into the new one.
            files::remove(&home.usage_log())?;
            files::remove(&home.usage_log_index())?;
            make(&path, &SCHEMA, &format!("INSERT INTO record VALUES ({})", now.secs()))?;
        }
        Self::connect(home, Purpose::Write)
    }

    fn connect(home: &Home, purpose: Purpose) -> Result<Self, UsageFault> {
        let path = home.usage();
        files::check_trusted(&path)?;
        check_place(home)?;
        files::check_writable(&home.data)?;
        let explain = |error| StoreFault::at(error, path.clone());
        let file = Identity::of(&path)?;
        let (flags, patience) = match purpose {
            Purpose::Read => (OpenFlags::SQLITE_OPEN_READ_ONLY, PATIENCE),
            Purpose::Write => (OpenFlags::SQLITE_OPEN_READ_WRITE, SOON),
        };
        let flags = flags | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let db = Connection::open_with_flags(&path, flags).map_err(explain)?;
        db.busy_timeout(patience).map_err(explain)?;
        // The log that is removed on closing is the one of that name, which may be another's by now.
        db.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true).map_err(explain)?;
        check_version(&db, &path, &SCHEMA)?;
        if purpose == Purpose::Write {
            // A crash of the system may lose the last uses.
            let manner = "PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL";
            db.execute_batch(manner).map_err(explain)?;
        }
        let begun_at = db.query_row("SELECT begun_at FROM record", (), |row| moment(row, 0));
        let begun_at = begun_at.and_then(|at| at.ok_or_else(|| unfit(0, "no instant")));
        Ok(Self { begun_at: begun_at.map_err(explain)?, db, home: home.clone(), file })
    }

    /// Notes that these keys were used, each at this moment. If somebody moved the record away,
    /// another begins with the last of them.
    pub fn note(&mut self, used: &[(KeyId, UnixTime)]) -> Result<(), UsageFault> {
        let Some(last) = used.iter().map(|(_, at)| *at).max() else { return Ok(()) };
        if Identity::of(&self.home.usage())? != self.file {
            *self = Self::open_or_create(&self.home, last)?;
        }
        let written = self.write(used);
        written.map_err(|error| StoreFault::at(error, self.home.usage()).soon().into())
    }

    fn write(&self, used: &[(KeyId, UnixTime)]) -> rusqlite::Result<()> {
        let tx = Transaction::new_unchecked(&self.db, TransactionBehavior::Immediate)?;
        let sql = "INSERT INTO used (jti, at) VALUES (?, ?)
                   ON CONFLICT (jti) DO UPDATE SET at = excluded.at WHERE excluded.at > at";
        for (id, at) in used {
            tx.prepare_cached(sql)?.execute(params![id.to_string(), at.secs()])?;
        }
        tx.commit()
    }

    /// Since when uses are recorded.
    pub fn begun_at(&self) -> UnixTime {
        self.begun_at
    }

    /// When any key was last used.
    pub fn latest(&self) -> Result<Option<UnixTime>, UsageFault> {
        let latest = self.db.query_row("SELECT max(at) FROM used", (), |row| moment(row, 0));
        latest.map_err(|error| self.fault(error))
    }

    /// When a key was last used, if it ever was.
    pub fn last_used(&self, id: KeyId) -> Result<Option<UnixTime>, UsageFault> {
        let found =
            self.db.prepare_cached("SELECT at FROM used WHERE jti = ?").and_then(|mut query| {
                query.query_row([id.to_string()], |row| moment(row, 0)).optional()
            });
        found.map(Option::flatten).map_err(|error| self.fault(error))
    }

    /// Whether a key could have been used since a moment, and before that as well, and was not
    /// since.
    pub fn is_unused(&self, listed: &Listed, since: UnixTime) -> Result<bool, UsageFault> {
        let entry = &listed.entry;
        let begins = entry.not_before.map_or(entry.issued_at, |nbf| nbf.max(entry.issued_at));
        Ok(begins < since && self.last_used(entry.id)?.is_none_or(|at| at < since))
    }

    fn fault(&self, error: rusqlite::Error) -> UsageFault {
        UsageFault::Store(StoreFault::at(error, self.home.usage()))
    }
}

/// Why it is not known when keys were used.
#[derive(Debug)]
pub enum UsageFault {
    /// What is asked for goes back further than the record.
    BeginsLater {
        /// The record.
        path: PathBuf,
        /// When it begins.
        at: UnixTime,
        /// What was asked for.
        since: UnixTime,
    },
    /// No server ever recorded uses.
    NoRecord {
        /// Where the record would be.
        path: PathBuf,
    },
    /// The record cannot be read or written.
    Store(StoreFault),
}

impl From<FileFault> for UsageFault {
    fn from(fault: FileFault) -> Self {
        Self::Store(fault.into())
    }
}

impl From<StoreFault> for UsageFault {
    fn from(fault: StoreFault) -> Self {
        Self::Store(fault)
    }
}

/// `msb` and a one: the mark of a record of use.
const SCHEMA: Schema = Schema {
    application_id: 0x6d73_6201,
    version: 1,
    tables: "CREATE TABLE record (begun_at INTEGER NOT NULL) STRICT;
             CREATE TABLE used (jti TEXT PRIMARY KEY, at INTEGER NOT NULL) STRICT, WITHOUT ROWID;",
};
