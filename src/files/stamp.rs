//! Which file lies somewhere, and whether it was touched: told without opening it.

use std::{
    fs::{self, Metadata},
    io,
    os::unix::fs::MetadataExt,
    path::Path,
};

use super::{FileFault, fault::at};

/// Which file it is, whatever its name, as long as it is there or open.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Identity {
    device: u64,
    inode: u64,
}

/// Which file it is, and when it was last written or changed in mode or owner.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Stamp {
    /// Which file it is.
    pub identity: Identity,
    /// How long it is, in bytes.
    pub length: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

impl Identity {
    /// Of what lies there, if anything does.
    pub fn of(path: &Path) -> Result<Option<Self>, FileFault> {
        Ok(Stamp::of(path)?.map(|stamp| stamp.identity))
    }
}

impl Stamp {
    /// Of what lies there, if anything does.
    pub fn of(path: &Path) -> Result<Option<Self>, FileFault> {
        match fs::symlink_metadata(path) {
            Ok(metadata) => Ok(Some(Self::from(&metadata))),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(at(path)(error)),
        }
    }
}

impl From<&Metadata> for Stamp {
    fn from(metadata: &Metadata) -> Self {
        Self {
            identity: Identity { device: metadata.dev(), inode: metadata.ino() },
            length: metadata.len(),
            modified: (metadata.mtime(), metadata.mtime_nsec()),
            changed: (metadata.ctime(), metadata.ctime_nsec()),
        }
    }
}
