//! Where configuration and data live.

use std::{
    fs,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
};

use super::{Fault, FileFault, is_root, make_directory};
use crate::signing::Kid;

/// Where configuration and data live: the platform's directories, or one for both.
#[derive(Clone, Debug)]
pub struct Home {
    /// `config.toml` and `server.key`.
    pub config: PathBuf,
    /// `msb.db`.
    pub data: PathBuf,
    /// Whether somebody named it, with `--home` or `MSB_HOME`.
    pub named: bool,
}

impl Home {
    /// One directory for everything, named by somebody.
    pub fn named(directory: PathBuf) -> Self {
        Self { config: directory.clone(), data: directory, named: true }
    }

    /// The settings.
    pub fn config_file(&self) -> PathBuf {
        self.config.join("config.toml")
    }

    /// The signing server key.
    pub fn server_key(&self) -> PathBuf {
        self.config.join("server.key")
    }

    /// Where a server key waits until the ring knows it.
    pub fn staged_server_key(&self, kid: Kid) -> PathBuf {
        self.config.join(format!("server.key.{kid}"))
    }

    /// Key ring, ledger, revocations and audit.
    pub fn database(&self) -> PathBuf {
        self.data.join("msb.db")
    }

    /// SQLite's log of what is not in the database yet.
    pub fn database_log(&self) -> PathBuf {
        self.data.join("msb.db-wal")
    }

    /// Makes both directories, unless root would write into somebody else's home by mistake.
    pub fn make(&self) -> Result<(), FileFault> {
        for directory in [&self.config, &self.data] {
            if !self.named {
                self.refuse_anothers(directory)?;
            }
            make_directory(directory)?;
        }
        Ok(())
    }

    fn refuse_anothers(&self, directory: &Path) -> Result<(), FileFault> {
        let standing =
            directory.ancestors().find_map(|path| Some((path, fs::metadata(path).ok()?)));
        match standing {
            Some((path, metadata)) if is_root() && metadata.uid() != 0 => {
                Err(Fault::AnothersHome { uid: metadata.uid() }.at(path))
            }
            Some(_) | None => Ok(()),
        }
    }
}
