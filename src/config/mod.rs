//! Settings: `config.toml`, which may be absent. Whatever is in it is read and checked as a whole,
//! before anything is done with any of it.

mod address;
mod amount;
mod fault;
mod pattern;
mod policy;
mod route;
mod rule;
mod server;
mod setting;
mod table;

use std::path::Path;

use crate::{
    files,
    key::{Party, Prefix},
    policy::Policy,
};
use table::{Found, Table};

pub use address::{Host, Network, NotAHost, NotANetwork, NotAnUpstream, NotSomewhere, Upstream};
pub use amount::{Bytes, NotADuration, NotARate, NotBytes, Per, Rate};
pub use fault::{ConfigFault, Kind, Mistake};
pub use pattern::{NotAPattern, Overlap, PathName, Pattern, Segment};
pub use route::{Access, Method, Methods, NotAMethod, NotAccess, NotMethods, Route};
pub use rule::{HeaderName, NamespaceRule, NotANamespaceRule, ScopeRule};
pub use server::{ErrorFormat, NotAnErrorFormat, Server};
pub use setting::{SETTINGS, Setting};

/// What an operator can set.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Config {
    /// What stands in front of every key made and accepted here.
    pub prefix: Prefix,
    /// Written into every key as `iss`, and required of every key.
    pub issuer: Option<Party>,
    /// Written into every key as `aud`, and required of every key.
    pub audience: Option<Party>,
    /// What is asked of every key.
    pub policy: Policy,
    /// How the server serves.
    pub server: Server,
    /// What the server asks for on which path.
    pub routes: Vec<Route>,
}

impl Config {
    /// The settings in this file; the defaults if there is none.
    pub fn load(path: &Path) -> Result<Self, ConfigFault> {
        let Some(text) = files::read_trusted(path)? else { return Ok(Self::default()) };
        Self::read(&text).map_err(|Found { line, mistake }| ConfigFault::Setting {
            path: path.to_owned(),
            line,
            mistake,
        })
    }

    /// The settings in this text, for the targets of `fuzz/`; none where it has a mistake.
    #[cfg(fuzzing)]
    pub fn probe(text: &str) -> Option<Self> {
        Self::read(text).ok()
    }

    fn read(text: &str) -> Result<Self, Found> {
        let mut table = Table::parse(text)?;
        let config = Self {
            prefix: table.word("prefix")?.unwrap_or_default(),
            issuer: table.word("issuer")?,
            audience: table.word("audience")?,
            policy: table.table("policy")?.map_or(Ok(Policy::default()), policy::read)?,
            server: table.table("server")?.map_or(Ok(Server::default()), server::read)?,
            routes: route::read_all(table.tables("route")?)?,
        };
        table.end()?;
        Ok(config)
    }
}
