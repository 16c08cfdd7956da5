//! Where configuration and data live.

use std::{
    fs, io,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
};

use super::{Fault, FileFault, fault::at, is_root, make_directory};
use crate::signing::Kid;

/// Where configuration and data live: the platform's directories, or one for both.
#[derive(Clone, Debug)]
pub struct Home {
    /// `config.toml` and `server.key`.
    pub config: PathBuf,
    /// `msb.db` and `usage.db`.
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

    /// The server keys that still wait.
    pub fn staged_server_keys(&self) -> Result<Vec<Kid>, FileFault> {
        let entries = match fs::read_dir(&self.config) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(vec![]),
            Err(error) => return Err(Fault::from(error).at(&self.config)),
        };
        let mut kids = vec![];
        for entry in entries {
            let name = entry.map_err(at(&self.config))?.file_name();
            let kid = name.to_str().and_then(|name| name.strip_prefix("server.key."));
            kids.extend(kid.and_then(|kid| kid.parse::<Kid>().ok()));
        }
        Ok(kids)
    }

    /// Key ring, ledger, revocations and audit.
    pub fn database(&self) -> PathBuf {
        self.data.join("msb.db")
    }

    /// SQLite's log of what is not in the database yet.
    pub fn database_log(&self) -> PathBuf {
        self.data.join("msb.db-wal")
    }

    /// Held by the server that runs; tells its process.
    pub fn server_lock(&self) -> PathBuf {
        self.data.join("server.lock")
    }

    /// Where the server that runs is spoken to.
    pub fn server_socket(&self) -> PathBuf {
        self.data.join("server.sock")
    }

    /// What a detached server logs.
    pub fn server_log(&self) -> PathBuf {
        self.data.join("server.log")
    }

    /// What processes share of that log: where in it to find what.
    pub fn database_log_index(&self) -> PathBuf {
        self.data.join("msb.db-shm")
    }

    /// When keys were last used.
    pub fn usage(&self) -> PathBuf {
        self.data.join("usage.db")
    }

    /// SQLite's log of what is not in that yet.
    pub fn usage_log(&self) -> PathBuf {
        self.data.join("usage.db-wal")
    }

    /// What processes share of that log.
    pub fn usage_log_index(&self) -> PathBuf {
        self.data.join("usage.db-shm")
    }

    /// Moves away what is left of the log of a database that is lost: it would be mixed into a
    /// new one.
    pub fn set_aside_database_log(&self) -> Result<(), FileFault> {
        super::remove(&self.database_log_index())?;
        match super::rename(&self.database_log(), &self.data.join("msb.db-wal.lost")) {
            Err(fault) if fault.is_not_found() => Ok(()),
            moved => moved,
        }
    }

    /// Makes both directories, for this user only.
    pub fn make(&self) -> Result<(), FileFault> {
        make_directory(&self.config)?;
        make_directory(&self.data)
    }

    /// An error if root would write into somebody else's home that nobody named.
    pub fn refuse_anothers(&self) -> Result<(), FileFault> {
        if self.named || !is_root() {
            return Ok(());
        }
        for directory in [&self.config, &self.data] {
            let owner = |path: &Path| Some((path.to_owned(), fs::metadata(path).ok()?.uid()));
            match directory.ancestors().find_map(owner) {
                Some((path, uid)) if uid != 0 => return Err(Fault::AnothersHome { uid }.at(&path)),
                Some(_) | None => {}
            }
        }
        Ok(())
    }
}
