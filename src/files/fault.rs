//! What can be wrong with a file.

use std::{
    fs::Metadata,
    io,
    path::{Path, PathBuf},
};

/// What is wrong with which file.
#[derive(Debug)]
pub struct FileFault {
    /// The file.
    pub path: PathBuf,
    /// What is wrong.
    pub fault: Fault,
}

/// What can be wrong with a file.
#[derive(Debug)]
pub enum Fault {
    /// The default home belongs to somebody else, and root did not say that it is meant.
    AnothersHome {
        /// Whose it is.
        uid: u32,
    },
    /// What the operating system says.
    Io(io::Error),
    /// A symbolic link.
    Link,
    /// On a network file system.
    Network {
        /// Which.
        name: &'static str,
    },
    /// A path that names no file.
    NoName,
    /// A directory, a device, a fifo or a socket.
    NotAFile,
    /// Others can read it.
    OthersCanRead {
        /// Its permission bits.
        mode: u32,
    },
    /// Others can write it.
    OthersCanWrite {
        /// Its permission bits.
        mode: u32,
    },
    /// It belongs to another user.
    Owner {
        /// Whose it is.
        uid: u32,
    },
    /// A path that is too long for a socket.
    TooDeep,
    /// More than [`MOST`](super::MOST) bytes.
    TooLarge,
}

impl FileFault {
    /// Whether there is no such file.
    pub fn is_not_found(&self) -> bool {
        matches!(&self.fault, Fault::Io(error) if error.kind() == io::ErrorKind::NotFound)
    }

    /// Whether another try may go better: the system refused, and not what the file is.
    pub fn may_pass(&self) -> bool {
        matches!(&self.fault, Fault::Io(error) if error.kind() != io::ErrorKind::InvalidData)
    }

    /// Whether somebody else holds what was asked for.
    pub fn would_block(&self) -> bool {
        matches!(&self.fault, Fault::Io(error) if error.kind() == io::ErrorKind::WouldBlock)
    }
}

impl Fault {
    /// That fault, of that file.
    pub fn at(self, path: &Path) -> FileFault {
        FileFault { path: path.to_owned(), fault: self }
    }

    pub(super) fn kind_of(metadata: &Metadata) -> Self {
        if metadata.is_symlink() { Self::Link } else { Self::NotAFile }
    }
}

/// What the operating system says of a file, with the file.
pub(super) fn at<E: Into<io::Error>>(path: &Path) -> impl FnOnce(E) -> FileFault {
    move |error| Fault::Io(error.into()).at(path)
}

impl From<io::Error> for Fault {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}
