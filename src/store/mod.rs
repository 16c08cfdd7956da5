//! What is kept: key ring, ledger, revocations and audit in one SQLite file, when keys were used in
//! another, and the server key beside them. The only room that speaks SQL.

mod change;
mod completion;
mod entries;
mod succession;
mod trust;
mod usage;
mod watch;

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use rusqlite::{Connection, ErrorCode, OpenFlags, config::DbConfig};

use crate::{
    files::{self, DirectoryLock, FileFault, Home, PATIENCE},
    signing::NotAPem,
};

pub use change::Change;
pub use succession::Succession;
pub use trust::KeyFile;
pub use usage::{Usage, UsageFault};
pub use watch::{Trust, Watch};

/// What is kept in one home.
pub struct Store {
    db: Connection,
    home: Home,
}

/// What a command is going to do.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Purpose {
    /// To look.
    Read,
    /// To change something.
    Write,
}

impl Store {
    /// What is kept there; none if nothing ever was.
    pub fn open(home: &Home, purpose: Purpose) -> Result<Option<Self>, StoreFault> {
        if purpose == Purpose::Write {
            home.refuse_anothers()?;
        }
        let Some(db) = connect(home, purpose, PATIENCE)? else { return Ok(None) };
        let explain = |error| StoreFault::of(error, home);
        let store = Self { db, home: home.clone() };
        match purpose {
            Purpose::Read => {
                // One snapshot of all that a command reads.
                store.db.execute_batch("BEGIN").map_err(explain)?;
                check_version(&store.db, &home.database(), &SCHEMA)?;
            }
            Purpose::Write => {
                check_version(&store.db, &home.database(), &SCHEMA)?;
                store.prepare_to_write().map_err(explain)?;
            }
        }
        Ok(Some(store))
    }

    /// What is kept there, made if nothing ever was.
    pub fn open_or_create(home: &Home) -> Result<Self, StoreFault> {
        home.refuse_anothers()?;
        home.make()?;
        if let Some(store) = Self::open(home, Purpose::Write)? {
            return Ok(store);
        }
        Self::begin(home)
    }

    /// What is kept there, made if it is not there: even where what is left of another tells that
    /// revocations were lost. For whoever says what becomes of its keys.
    pub fn open_or_begin_anew(home: &Home) -> Result<Self, StoreFault> {
        home.refuse_anothers()?;
        home.make()?;
        Self::begin(home)
    }

    fn begin(home: &Home) -> Result<Self, StoreFault> {
        check_place(home)?;
        {
            let _lock = wait_for_lock(home)?;
            // Whoever held the lock before has made it.
            if !is_there(&home.database())? {
                home.set_aside_database_log()?;
                make(&home.database(), &SCHEMA, "")?;
            }
        }
        Self::open(home, Purpose::Write)?.ok_or_else(|| StoreFault::Gone { home: home.clone() })
    }

    fn prepare_to_write(&self) -> rusqlite::Result<()> {
        // Changes fold the log themselves, when it is worth it.
        self.db.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)?;
        // A database that was restored from a copy may have lost its mode. 64 MiB hold the index
        // that a million new keys are scattered over; they are taken only when needed.
        self.db.execute_batch(
            "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA wal_autocheckpoint = 0;
             PRAGMA cache_size = -65536",
        )
    }

    fn fault(&self, error: rusqlite::Error) -> StoreFault {
        StoreFault::of(error, &self.home)
    }
}

/// Opens the database of a home, if anything was ever kept there, once it is found to be safe.
fn connect(
    home: &Home,
    purpose: Purpose,
    patience: Duration,
) -> Result<Option<Connection>, StoreFault> {
    let path = home.database();
    if !is_there(&path)? {
        match left_behind(home)? {
            None => return Ok(None),
            // Another process may have made it all since the first look.
            Some(_) if is_there(&path)? => {}
            Some(left) => return Err(StoreFault::RevocationsLost { left, database: path }),
        }
    }
    check_safe(home)?;
    let access = match purpose {
        Purpose::Read => OpenFlags::SQLITE_OPEN_READ_ONLY,
        Purpose::Write => OpenFlags::SQLITE_OPEN_READ_WRITE,
    };
    let flags = access | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connected = Connection::open_with_flags(&path, flags).and_then(|db| {
        db.busy_timeout(patience)?;
        // Otherwise SQLite plans a query anew each time it is asked with other values.
        db.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
        Ok(db)
    });
    connected.map(Some).map_err(|error| StoreFault::of(error, home))
}

/// What there is of ours that cannot be there without a database.
fn left_behind(home: &Home) -> Result<Option<PathBuf>, StoreFault> {
    for left in [home.database_log(), home.server_key(), home.database()] {
        if files::exists(&left)? {
            return Ok(Some(left));
        }
    }
    let staged = home.staged_server_keys()?;
    Ok(staged.first().map(|kid| home.staged_server_key(*kid)))
}

/// What tells a database of ours, and what is in a new one.
struct Schema {
    /// Marks a SQLite file, as its application id.
    application_id: i32,
    /// The version that this program writes and reads.
    version: i32,
    tables: &'static str,
}

/// Makes a database beside its place, so that nobody ever meets one without its tables, nor
/// without what is `first` in them.
fn make(path: &Path, schema: &Schema, first: &str) -> Result<(), StoreFault> {
    let beside = path.with_extension("db.new");
    for end in ["", "-journal", "-shm", "-wal"] {
        let mut stray = beside.clone().into_os_string();
        stray.push(end);
        files::remove(Path::new(&stray))?;
    }
    files::write(&beside, b"")?;
    // The tables first, without a log: what a full disk keeps out of the log, a rename loses.
    let Schema { application_id, version, tables } = schema;
    let made = Connection::open(&beside).and_then(|db| {
        db.execute_batch(&format!(
            "PRAGMA synchronous = FULL;
             BEGIN; {tables} {first};
             PRAGMA application_id = {application_id}; PRAGMA user_version = {version};
             COMMIT; PRAGMA journal_mode = WAL;",
        ))?;
        db.close().map_err(|(_, error)| error)
    });
    made.map_err(|error| StoreFault::at(error, path.to_owned()))?;
    Ok(files::rename(&beside, path)?)
}

fn check_version(db: &Connection, path: &Path, schema: &Schema) -> Result<(), StoreFault> {
    let mark = |name| {
        let found = db.pragma_query_value(None, name, |row| row.get::<_, i32>(0));
        found.map_err(|error| StoreFault::at(error, path.to_owned()))
    };
    let (path, known) = (path.to_owned(), schema.version);
    if mark("application_id")? != schema.application_id {
        return Err(StoreFault::Damaged { path, what: "it is not a database of msb".to_owned() });
    }
    match mark("user_version")? {
        version if version == known => Ok(()),
        version => Err(StoreFault::OtherVersion { path, version, known }),
    }
}

/// Whether there is a database; an empty file is none.
fn is_there(path: &Path) -> Result<bool, StoreFault> {
    Ok(files::exists(path)? && files::length(path) != Some(0))
}

/// An error unless the database and what lies around it are safe, and can be read with its log.
fn check_safe(home: &Home) -> Result<(), StoreFault> {
    files::check_trusted(&home.database())?;
    check_place(home)?;
    Ok(files::check_writable(&home.data)?)
}

/// An error unless what lies there is safe from others, and from the quirks of a network.
fn check_place(home: &Home) -> Result<(), StoreFault> {
    files::check_directory(&home.config)?;
    files::check_directory(&home.data)?;
    Ok(files::check_local(&home.data)?)
}

fn wait_for_lock(home: &Home) -> Result<DirectoryLock, StoreFault> {
    DirectoryLock::take(&home.data).map_err(|held| {
        if held.would_block() {
            StoreFault::Busy { path: held.path, patience: PATIENCE }
        } else {
            held.into()
        }
    })
}

/// Why what is kept cannot be read or changed.
#[derive(Debug)]
pub enum StoreFault {
    /// The database that was read before was a later one.
    Behind {
        /// The database.
        path: PathBuf,
        /// The number of its last change of trust.
        seq: u64,
        /// The number of the last one that was read before.
        known: u64,
    },
    /// Another process has been writing for too long.
    Busy {
        /// The database.
        path: PathBuf,
        /// How long that is.
        patience: Duration,
    },
    /// The database cannot be believed.
    Damaged {
        /// The database.
        path: PathBuf,
        /// What is wrong with it.
        what: String,
    },
    /// The disk fails: what was asked for may or may not have been done.
    Disk {
        /// The database.
        path: PathBuf,
    },
    /// A file is not as it must be.
    File(FileFault),
    /// No room on the disk.
    Full {
        /// The database.
        path: PathBuf,
    },
    /// It was there a moment ago.
    Gone {
        /// Where.
        home: Home,
    },
    /// The ring has a signing key whose file is missing.
    KeyFileMissing {
        /// Where it should be.
        path: PathBuf,
    },
    /// The server key file holds another key than the one that signs.
    KeyFileStrange {
        /// The file.
        path: PathBuf,
        /// The ring.
        database: PathBuf,
    },
    /// The server key file holds no server key.
    KeyFileUnreadable {
        /// The file.
        path: PathBuf,
        /// What it holds.
        why: NotAPem,
    },
    /// The schema is of another version.
    OtherVersion {
        /// The database.
        path: PathBuf,
        /// Its version.
        version: i32,
        /// The version that this program knows.
        known: i32,
    },
    /// Another database is where the one was that was read before.
    Replaced {
        /// Where.
        path: PathBuf,
    },
    /// Something was kept here, and the database that knew its revocations is gone or empty.
    RevocationsLost {
        /// What is left.
        left: PathBuf,
        /// What is gone.
        database: PathBuf,
    },
    /// SQLite says something else.
    Sql {
        /// The database.
        path: PathBuf,
        /// What it says.
        what: String,
    },
    /// The operating system lets nobody write there.
    Unwritable {
        /// The database.
        path: PathBuf,
    },
}

impl StoreFault {
    fn of(error: rusqlite::Error, home: &Home) -> Self {
        Self::at(error, home.database())
    }

    /// That it was met with less patience than a command has.
    fn soon(self) -> Self {
        match self {
            Self::Busy { path, .. } => Self::Busy { path, patience: SOON },
            other => other,
        }
    }

    fn at(error: rusqlite::Error, path: PathBuf) -> Self {
        let what = error.to_string();
        match error.sqlite_error_code() {
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => {
                Self::Busy { path, patience: PATIENCE }
            }
            Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => {
                Self::Damaged { path, what }
            }
            Some(ErrorCode::DiskFull) => Self::Full { path },
            // What the log is shared by has no room.
            Some(ErrorCode::SystemIoFailure)
                if error.sqlite_error().is_some_and(|error| {
                    error.extended_code == rusqlite::ffi::SQLITE_IOERR_SHMSIZE
                }) =>
            {
                Self::Full { path }
            }
            Some(ErrorCode::SystemIoFailure) => Self::Disk { path },
            Some(ErrorCode::CannotOpen | ErrorCode::PermissionDenied | ErrorCode::ReadOnly) => {
                Self::Unwritable { path }
            }
            _ => match error {
                rusqlite::Error::FromSqlConversionFailure(..)
                | rusqlite::Error::InvalidColumnType(..)
                | rusqlite::Error::IntegralValueOutOfRange(..) => Self::Damaged { path, what },
                _ => Self::Sql { path, what },
            },
        }
    }
}

impl From<FileFault> for StoreFault {
    fn from(fault: FileFault) -> Self {
        Self::File(fault)
    }
}

/// How long to wait for another process where somebody waits for the server meanwhile.
const SOON: Duration = Duration::from_millis(50);

/// `msb` and a zero: the mark of the database.
const SCHEMA: Schema =
    Schema { application_id: 0x6d73_6200, version: 3, tables: include_str!("schema.sql") };
