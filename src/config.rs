//! Settings: `config.toml`, which may be absent.

use std::path::{Path, PathBuf};

use serde::Deserialize;

use crate::{
    files::{self, FileFault},
    key::{Party, Prefix},
    policy::Policy,
};

/// What an operator can set.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// What stands in front of every key made and accepted here.
    pub prefix: Prefix,
    /// Written into every key as `iss`, and required of every key.
    pub issuer: Option<Party>,
    /// Written into every key as `aud`, and required of every key.
    pub audience: Option<Party>,
    /// What is asked of every key.
    pub policy: Policy,
}

impl Config {
    /// The settings in this file; the defaults if there is none.
    pub fn load(path: &Path) -> Result<Self, ConfigFault> {
        let Some(text) = files::read_trusted(path)? else { return Ok(Self::default()) };
        toml::from_str(&text).map_err(|error| ConfigFault::Setting {
            path: path.to_owned(),
            line: 1 + text[..error.span().map_or(0, |span| span.start)].matches('\n').count(),
            message: error.message().to_owned(),
        })
    }
}

/// Why there are no settings to go by.
#[derive(Debug)]
pub enum ConfigFault {
    /// The file cannot be read, or others can write it.
    File(FileFault),
    /// A line of it is wrong.
    Setting {
        /// The file.
        path: PathBuf,
        /// Which line, from 1.
        line: usize,
        /// What is wrong.
        message: String,
    },
}

impl From<FileFault> for ConfigFault {
    fn from(fault: FileFault) -> Self {
        Self::File(fault)
    }
}
