//! What is wrong with files and what is kept in them.

use std::{fmt, io::ErrorKind, path::Path, time::Duration};

use super::{Exit, plain};
use crate::{
    files::{Fault, FileFault},
    label::Shown,
    store::{StoreFault, UsageFault},
};

pub(super) fn file_exit(file: &FileFault) -> Exit {
    match &file.fault {
        Fault::AnothersHome { .. }
        | Fault::Link
        | Fault::NotAFile
        | Fault::OthersCanRead { .. }
        | Fault::OthersCanWrite { .. }
        | Fault::Owner { .. } => Exit::Permissions,
        Fault::Io(error) => match error.kind() {
            ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem => Exit::Permissions,
            ErrorKind::StorageFull | ErrorKind::QuotaExceeded => Exit::OutputFailed,
            ErrorKind::AlreadyExists => Exit::CannotCreate,
            ErrorKind::NotFound
            | ErrorKind::InvalidData
            | ErrorKind::IsADirectory
            | ErrorKind::NotADirectory => Exit::BadData,
            ErrorKind::WouldBlock => Exit::Busy,
            _ => Exit::Failed,
        },
        Fault::Network { .. } | Fault::TooDeep => Exit::Configuration,
        Fault::NoName => Exit::Usage,
        Fault::TooLarge => Exit::BadData,
    }
}

/// The exit where a file was to be made, not read.
pub(super) fn create_exit(file: &FileFault) -> Exit {
    match (&file.fault, file_exit(file)) {
        (Fault::NotAFile, _) | (_, Exit::BadData) => Exit::CannotCreate,
        (_, exit) => exit,
    }
}

/// Whether a part of the path is a file: nothing can be there, made or not.
fn is_under_a_file(file: &FileFault) -> bool {
    matches!(&file.fault, Fault::Io(error) if error.kind() == ErrorKind::NotADirectory)
}

pub(super) fn is_taken(file: &FileFault) -> bool {
    matches!(&file.fault, Fault::Io(error) if error.kind() == ErrorKind::AlreadyExists)
}

pub(super) fn file_hint(file: &FileFault) -> Option<String> {
    let path = Shown(&file.path.to_string_lossy()).to_string();
    match &file.fault {
        Fault::AnothersHome { uid } => Some(format!(
            "run it as that user with `sudo -u '#{uid}'`, or name a directory with `--home`"
        )),
        Fault::Link => Some("put the file itself there".to_owned()),
        Fault::Network { .. } => {
            Some("name a local directory with `--home` or MSB_HOME".to_owned())
        }
        Fault::TooDeep => {
            Some("name a directory with a shorter path with `--home` or MSB_HOME".to_owned())
        }
        Fault::OthersCanRead { .. } => Some(format!("run `chmod 600 {path}`")),
        Fault::OthersCanWrite { .. } => Some(format!("run `chmod go-w {path}`")),
        Fault::Owner { uid } => Some(format!("run it as that user with `sudo -u '#{uid}'`")),
        Fault::Io(error) if error.kind() == ErrorKind::WouldBlock => Some("try again".to_owned()),
        Fault::Io(_) | Fault::NoName | Fault::NotAFile | Fault::TooLarge => None,
    }
}

impl fmt::Display for FileFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = self.path.to_string_lossy();
        let path = Shown(&path);
        match &self.fault {
            Fault::AnothersHome { uid } => {
                write!(f, "{path} belongs to user {uid}, and this is root")
            }
            Fault::Io(error) if error.kind() == ErrorKind::InvalidData => {
                write!(f, "{path} is not text")
            }
            Fault::Io(error) if error.kind() == ErrorKind::AlreadyExists => {
                write!(f, "{path} is there already")
            }
            Fault::Io(error) if error.kind() == ErrorKind::WouldBlock => {
                write!(f, "{path} has been busy for 5 seconds")
            }
            Fault::Io(error) => write!(f, "{path}: {}", plain(error)),
            Fault::Link => write!(f, "{path} is a symbolic link"),
            Fault::Network { name } => {
                write!(f, "{path} lies on {name}, where a revocation can be lost")
            }
            Fault::NoName => write!(f, "{path} names no file"),
            Fault::NotAFile => write!(f, "{path} is not a plain file"),
            Fault::OthersCanRead { mode } => write!(f, "others can read {path} (mode {mode:04o})"),
            Fault::OthersCanWrite { mode } => {
                write!(f, "others can write {path} (mode {mode:04o})")
            }
            Fault::Owner { uid } => write!(f, "{path} belongs to user {uid}"),
            Fault::TooDeep => write!(f, "{path} has too long a path for a socket"),
            Fault::TooLarge => write!(f, "{path} has more than 1 MiB"),
        }
    }
}

pub(super) fn store_exit(fault: &StoreFault) -> Exit {
    match fault {
        StoreFault::Busy { .. } => Exit::Busy,
        StoreFault::Damaged { .. } | StoreFault::KeyFileUnreadable { .. } => Exit::BadData,
        StoreFault::File(fault) => match file_exit(fault) {
            Exit::BadData if !is_under_a_file(fault) => Exit::CannotCreate,
            exit => exit,
        },
        StoreFault::Disk { .. } | StoreFault::Full { .. } => Exit::OutputFailed,
        StoreFault::Gone { .. } | StoreFault::Sql { .. } => Exit::Failed,
        StoreFault::KeyFileMissing { .. } => Exit::NoServerKey,
        StoreFault::Behind { .. }
        | StoreFault::KeyFileStrange { .. }
        | StoreFault::OtherVersion { .. }
        | StoreFault::Replaced { .. }
        | StoreFault::RevocationsLost { .. } => Exit::Configuration,
        StoreFault::Unwritable { .. } => Exit::Permissions,
    }
}

pub(super) fn store_hint(fault: &StoreFault) -> Option<String> {
    match fault {
        StoreFault::Behind { .. } | StoreFault::Replaced { .. } => Some(
            "put the old one back; or, if this one has every revocation, start the server again"
                .to_owned(),
        ),
        StoreFault::Busy { .. } => Some("try again".to_owned()),
        StoreFault::Damaged { path, .. } => {
            Some(format!("{}; or move it away, and `msb server key reset`", restore(path)))
        }
        StoreFault::File(fault) if file_exit(fault) == Exit::Permissions => {
            Some(file_hint(fault).unwrap_or_else(|| UNWRITABLE.to_owned()))
        }
        StoreFault::File(fault) if is_taken(fault) => {
            Some(format!("move {} away", shown(&fault.path)))
        }
        StoreFault::File(fault) => file_hint(fault),
        StoreFault::Disk { .. } => {
            Some("look at the disk, then run it again: it may not have been done".to_owned())
        }
        StoreFault::Full { .. } => Some("make room, then try again".to_owned()),
        StoreFault::Gone { .. } => Some("put it back".to_owned()),
        StoreFault::Sql { .. } => None,
        StoreFault::KeyFileMissing { path } => {
            let path = shown(path);
            Some(format!(
                "restore {path} from a backup with `msb server key import`, or run \
                 `msb server key rotate`; verifying goes on"
            ))
        }
        StoreFault::KeyFileStrange { path, database } => Some(format!(
            "{}; or `msb server key reset`, or `msb server key import {}`",
            restore(database),
            shown(path)
        )),
        StoreFault::RevocationsLost { database, .. } => Some(format!(
            "{}; or `msb server key reset`, or `msb server key import`",
            restore(database),
        )),
        StoreFault::KeyFileUnreadable { path, .. } => Some(format!(
            "restore {} from a backup with `msb server key import`, or run `msb server key rotate`",
            shown(path)
        )),
        StoreFault::OtherVersion { path, version, known } if version < known => Some(format!(
            "use the msb that wrote it; or move {} away, and run `msb server key reset`",
            shown(path)
        )),
        StoreFault::OtherVersion { .. } => {
            Some("use the msb that wrote it, or a newer one".to_owned())
        }
        StoreFault::Unwritable { .. } => Some(UNWRITABLE.to_owned()),
    }
}

/// A log that belongs to another state of the database would be mixed into the restored one.
fn restore(database: &Path) -> String {
    let database = shown(database);
    format!(
        "restore {database} from a backup, once {database}-wal and {database}-shm are moved away"
    )
}

impl fmt::Display for StoreFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            StoreFault::Behind { path, seq, known } => write!(
                f,
                "{} ends with change {seq} of trust, and change {known} was read before; \
                 revocations may be lost",
                shown(path)
            ),
            StoreFault::Busy { path, patience } => {
                write!(f, "{} has been busy for {}", shown(path), waited(*patience))
            }
            StoreFault::Damaged { path, what } => {
                write!(f, "{} is damaged: {}", shown(path), Shown(what))
            }
            StoreFault::File(fault) => fault.fmt(f),
            StoreFault::Disk { path } => {
                write!(f, "the disk of {} cannot be read or written", shown(path))
            }
            StoreFault::Full { path } => write!(f, "no room on the disk of {}", shown(path)),
            StoreFault::Gone { home } => write!(f, "{} has gone", shown(&home.database())),
            StoreFault::KeyFileMissing { path } => write!(f, "{} is missing", shown(path)),
            StoreFault::KeyFileStrange { path, database } => write!(
                f,
                "{} is not the server key that signs according to {}; revocations may be lost",
                shown(path),
                shown(database)
            ),
            StoreFault::KeyFileUnreadable { path, why } => write!(f, "{} {why}", shown(path)),
            StoreFault::OtherVersion { path, version, known } => {
                write!(f, "{} has version {version}, and this msb knows {known}", shown(path))
            }
            StoreFault::Replaced { path } => {
                write!(f, "{} was replaced by another; revocations may be lost", shown(path))
            }
            StoreFault::RevocationsLost { left, database } if left == database => {
                write!(f, "{} is empty; revocations may be lost", shown(left))
            }
            StoreFault::RevocationsLost { left, database } => write!(
                f,
                "{} is there, and {} is missing or empty; revocations may be lost",
                shown(left),
                shown(database)
            ),
            StoreFault::Sql { path, what } => write!(f, "{}: {}", shown(path), Shown(what)),
            StoreFault::Unwritable { path } => write!(f, "{} cannot be written", shown(path)),
        }
    }
}

pub(super) fn usage_exit(fault: &UsageFault) -> Exit {
    match fault {
        UsageFault::BeginsLater { .. } | UsageFault::NoRecord { .. } => Exit::Configuration,
        UsageFault::Store(fault) => store_exit(fault),
    }
}

pub(super) fn usage_hint(fault: &UsageFault) -> Option<String> {
    match fault {
        UsageFault::BeginsLater { .. } => Some("ask for a shorter time, or later".to_owned()),
        UsageFault::NoRecord { .. } => Some("run `msb server start`: it keeps one".to_owned()),
        UsageFault::Store(
            StoreFault::Damaged { path, .. } | StoreFault::OtherVersion { path, .. },
        ) => Some(format!("move {} away: the server begins another", shown(path))),
        UsageFault::Store(StoreFault::Unwritable { .. }) => {
            Some("run it as a user who can write there".to_owned())
        }
        UsageFault::Store(fault) => store_hint(fault),
    }
}

impl fmt::Display for UsageFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            UsageFault::BeginsLater { path, at, since } => write!(
                f,
                "the record of use {} begins at {at}, and what is asked for at {since}",
                shown(path)
            ),
            UsageFault::NoRecord { path } => {
                write!(f, "no server has recorded when keys are used: {} is missing", shown(path))
            }
            UsageFault::Store(fault) => fault.fmt(f),
        }
    }
}

/// `5 seconds` or `50 ms`.
fn waited(patience: Duration) -> String {
    match patience.as_secs() {
        0 => format!("{} ms", patience.as_millis()),
        secs => format!("{secs} seconds"),
    }
}

pub(super) fn shown(path: &Path) -> String {
    Shown(&path.to_string_lossy()).to_string()
}

const UNWRITABLE: &str = "run it as a user who can write there; to verify alone, use `--jwks`";
