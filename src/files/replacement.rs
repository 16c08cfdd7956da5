//! A file that is whole or not there at all.

use std::{
    fs::{self, File, Metadata},
    io::{self, Write},
    os::unix::fs::{MetadataExt, fchown},
    path::{Path, PathBuf},
};

use super::{Fault, FileFault, create, effective_uid, exists, fault::at, sync_directory};

/// A file that takes its name only once it is whole: written beside, synced, then renamed.
pub struct Replacement {
    path: PathBuf,
    beside: PathBuf,
    file: File,
    overwrite: bool,
}

impl Replacement {
    /// Begins; an error if the name is taken and may not be overwritten.
    pub fn of(path: &Path, overwrite: bool) -> Result<Self, FileFault> {
        let is_directory = path.as_os_str().as_encoded_bytes().ends_with(b"/");
        let name = path.file_name().filter(|_| !is_directory);
        let name = name.ok_or_else(|| Fault::NoName.at(path))?;
        if fs::metadata(path).is_ok_and(|metadata| !metadata.is_file()) {
            return Err(Fault::NotAFile.at(path));
        }
        if !overwrite && exists(path)? {
            return Err(Fault::from(io::Error::from(io::ErrorKind::AlreadyExists)).at(path));
        }
        // A process that was killed may have left a file of the same name.
        let beside = |turn: u32| {
            let process = std::process::id();
            path.with_file_name(format!(".{}.{process}.{turn}", name.display()))
        };
        let free = (0..100).map(beside).find(|beside| !exists(beside).unwrap_or(true));
        let beside = free.unwrap_or_else(|| beside(0));
        let file = create(&beside).map_err(|FileFault { fault, .. }| fault.at(path))?;
        Ok(Self { path: path.to_owned(), beside, file, overwrite })
    }

    /// Gives it to whoever has another file.
    pub(super) fn belong_as(&self, metadata: &Metadata) -> Result<(), FileFault> {
        // Where this may not be, nothing is lost: the group may do nothing with the file.
        let _ = fchown(&self.file, None, Some(metadata.gid()));
        if metadata.uid() != effective_uid() {
            fchown(&self.file, Some(metadata.uid()), None).map_err(at(&self.path))?;
        }
        Ok(())
    }

    /// Writes more of the content.
    pub fn write(&mut self, content: &[u8]) -> Result<(), FileFault> {
        self.file.write_all(content).map_err(at(&self.path))
    }

    /// Takes the name, with all that was written.
    pub fn finish(self) -> Result<(), FileFault> {
        let placed = self.file.sync_all().and_then(|()| {
            if self.overwrite {
                fs::rename(&self.beside, &self.path)
            } else {
                // Unlike a rename, a link never takes a name that somebody took meanwhile.
                fs::hard_link(&self.beside, &self.path)
            }
        });
        placed.map_err(at(&self.path))?;
        sync_directory(&self.path)
    }
}

impl Drop for Replacement {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.beside);
    }
}
