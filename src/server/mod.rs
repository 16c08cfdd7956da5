//! The server: asks every request for its key, as front ends ask it to. The only room that knows
//! HTTP.

mod bind;
mod caller;
mod control;
mod desk;
mod entry;
mod exchange;
mod guard;
mod head;
mod hop;
mod leave;
mod life;
mod listen;
mod live;
mod log;
mod manager;
mod metrics;
mod path;
#[cfg(fuzzing)]
pub mod probe;
mod proxy;
mod pulse;
mod rate;
mod record;
mod route;
mod upstream;
mod usage;

use std::{
    net::{Ipv4Addr, SocketAddr},
    time::Duration,
};

use hyper::header::HeaderName;

use crate::{
    config::{Config, ErrorFormat, Host, Network, Rate, Route},
    key::{Party, Prefix},
    policy::Policy,
};

pub use bind::{Bound, Plan, bind};
pub use caller::{report, running, stop, sync};
pub use control::Report;
pub use log::{Manner, Place};
pub use manager::Manager;

/// What the server is told to do; all but where it listens and `dev` may change while it runs.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Where it listens.
    pub address: SocketAddr,
    /// Whether requests without a key pass, for those who develop.
    pub dev: bool,
    /// What stands in front of every key.
    pub prefix: Prefix,
    /// Who must have issued a key, if that is configured.
    pub issuer: Option<Party>,
    /// Whom a key must be meant for, if that is configured.
    pub audience: Option<Party>,
    /// What is asked of every key.
    pub policy: Policy,
    /// What it may be called in `Host`.
    pub hosts: Vec<Host>,
    /// How it words a refusal.
    pub error_format: ErrorFormat,
    /// How old trust may be before nothing is decided any more.
    pub max_staleness: Duration,
    /// What is asked for on which path of what lies behind it.
    pub routes: Vec<Route>,
    /// The headers in which clients can name a namespace.
    sources: Vec<HeaderName>,
    /// How much one client may ask for without a key.
    pub public_rate: Rate,
    /// Whose word about the address of a client counts.
    pub trusted_proxies: Vec<Network>,
    /// The longest JSON-RPC request, in bytes.
    pub rpc_body: usize,
}

impl Settings {
    /// What is configured, for a server that listens there.
    pub fn of(config: &Config, address: SocketAddr, dev: bool) -> Self {
        Self {
            address,
            dev,
            prefix: config.prefix.clone(),
            issuer: config.issuer.clone(),
            audience: config.audience.clone(),
            policy: config.policy,
            hosts: config.server.hosts.clone(),
            error_format: config.server.error_format,
            max_staleness: config.server.max_staleness,
            routes: config.routes.clone(),
            sources: head::sources(&config.routes),
            public_rate: config.server.public_rate,
            trusted_proxies: config.server.trusted_proxies.clone(),
            rpc_body: config.server.rpc_body.count(),
        }
    }
}

impl Default for Settings {
    fn default() -> Self {
        Self::of(&Config::default(), (Ipv4Addr::LOCALHOST, 5555).into(), false)
    }
}
