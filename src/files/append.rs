//! A file that somebody else made and others read, to which a line is added.

use std::{
    fs::{File, OpenOptions},
    io::{self, Read, Seek, SeekFrom, Write},
    path::{Path, PathBuf},
};

use rustix::fs::OFlags;

use super::{FileFault, fault::at, open_plain};

/// A plain file to whose end a line goes.
pub struct Append {
    path: PathBuf,
    file: File,
}

impl Append {
    /// Begins; an error unless the file is there.
    pub fn to(path: &Path) -> Result<Self, FileFault> {
        let (file, _) =
            open_plain(OpenOptions::new().read(true).append(true), OFlags::empty(), path)?;
        Ok(Self { path: path.to_owned(), file })
    }

    /// Adds a line, with its end, behind a last line that is finished if it was not.
    pub fn finish(mut self, line: &[u8]) -> Result<(), FileFault> {
        let added = self.is_unfinished().and_then(|unfinished| {
            if unfinished {
                self.file.write_all(b"\n")?;
            }
            self.file.write_all(line)?;
            self.file.sync_all()
        });
        added.map_err(at(&self.path))
    }

    fn is_unfinished(&mut self) -> io::Result<bool> {
        if self.file.metadata()?.len() == 0 {
            return Ok(false);
        }
        let mut last = [0];
        self.file.seek(SeekFrom::End(-1))?;
        self.file.read_exact(&mut last)?;
        Ok(last != *b"\n")
    }
}
