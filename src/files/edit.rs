//! A file of somebody's in which something is changed.

use std::{
    fs::{self, File, Metadata, OpenOptions},
    io,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
};

use rustix::fs::{Access, OFlags};
use zeroize::Zeroizing;

use super::{
    DirectoryLock, Fault, FileFault, Replacement, bounded, effective_uid, fault::at, is_root,
    open_plain, parent,
};

/// A plain file that is read, changed and replaced while no other msb does so. Its owner keeps it,
/// and is the only one to read what replaces it.
pub struct Edit {
    path: PathBuf,
    mode: u32,
    replacement: Replacement,
}

impl Edit {
    /// Begins, with the file behind a link; an error if it could not be read or replaced. It need
    /// not be there.
    pub fn of(path: &Path) -> Result<Self, FileFault> {
        let path = behind_link(path)?;
        let _lock = lock(&path)?;
        let replacement = Replacement::of(&path, true)?;
        let mut mode = 0;
        if let Some((_, metadata)) = open(&path)? {
            rustix::fs::access(&path, Access::WRITE_OK).map_err(at(&path))?;
            if metadata.uid() != effective_uid() && !is_root() {
                return Err(Fault::Owner { uid: metadata.uid() }.at(&path));
            }
            replacement.belong_as(&metadata)?;
            mode = metadata.mode() & 0o7777;
        }
        Ok(Self { path, mode, replacement })
    }

    /// The file, behind a link.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The permission bits of the file, if others can use it so far.
    pub fn open_to_others(&self) -> Option<u32> {
        (self.mode & 0o077 != 0).then_some(self.mode)
    }

    /// What it holds now, up to [`MOST`](super::MOST) bytes; nothing if it is not there.
    pub fn content(&self) -> Result<Zeroizing<Vec<u8>>, FileFault> {
        match open(&self.path)? {
            Some((file, _)) => bounded(file, &self.path),
            None => Ok(Zeroizing::new(vec![])),
        }
    }

    /// Replaces it by what `change` makes of its content.
    pub fn finish<E: From<FileFault>>(
        mut self,
        change: impl FnOnce(&[u8]) -> Result<Zeroizing<Vec<u8>>, E>,
    ) -> Result<(), E> {
        let _lock = lock(&self.path)?;
        let changed = change(&self.content()?)?;
        self.replacement.write(&changed)?;
        Ok(self.replacement.finish()?)
    }
}

fn behind_link(path: &Path) -> Result<PathBuf, FileFault> {
    match fs::symlink_metadata(path) {
        Ok(metadata) if metadata.is_symlink() => match fs::canonicalize(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Err(Fault::Link.at(path)),
            found => found.map_err(at(path)),
        },
        Ok(_) | Err(_) => Ok(path.to_owned()),
    }
}

fn lock(path: &Path) -> Result<DirectoryLock, FileFault> {
    DirectoryLock::take(parent(path)).map_err(|FileFault { fault, .. }| fault.at(path))
}

fn open(path: &Path) -> Result<Option<(File, Metadata)>, FileFault> {
    match open_plain(OpenOptions::new().read(true), OFlags::NOFOLLOW, path) {
        Err(fault) if fault.is_not_found() => Ok(None),
        opened => opened.map(Some),
    }
}
