//! `[server]`: where it listens, what it stands before, and how long it waits.

use std::{
    fmt,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    str::FromStr,
    time::Duration,
};

use super::{
    address::{Host, Network, NotSomewhere, Upstream},
    amount::{self, Bytes, Per, Rate},
    table::{Found, Table},
};

/// How the server serves.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Server {
    /// The address on which it listens.
    pub host: IpAddr,
    /// The port on which it listens.
    pub port: u16,
    /// What it stands before as a reverse proxy; without one it answers forward-auth.
    pub upstream: Option<Upstream>,
    /// What it may be called in `Host`, beside loopback names and the address it listens on.
    pub hosts: Vec<Host>,
    /// Whose word about the address of a client counts.
    pub trusted_proxies: Vec<Network>,
    /// Where it tells how it fares, if anywhere.
    pub metrics_listen: Option<SocketAddr>,
    /// How old the last good look at the store may be before nothing is decided any more.
    pub max_staleness: Duration,
    /// How long open exchanges may take when it stops.
    pub drain: Duration,
    /// How it words a refusal.
    pub error_format: ErrorFormat,
    /// How much one client may ask for without a key.
    pub public_rate: Rate,
    /// The longest JSON-RPC request.
    pub rpc_body: Bytes,
    /// How long it may take to reach the upstream.
    pub connect_timeout: Duration,
    /// How long the upstream may take to begin its answer.
    pub answer_timeout: Duration,
}

impl Default for Server {
    fn default() -> Self {
        Self {
            host: IpAddr::V4(Ipv4Addr::LOCALHOST),
            port: 5555,
            upstream: None,
            hosts: vec![],
            trusted_proxies: vec![],
            metrics_listen: None,
            max_staleness: Duration::from_secs(300),
            drain: Duration::from_secs(10),
            error_format: ErrorFormat::Default,
            public_rate: Rate::new(100, Per::Hour),
            rpc_body: Bytes::MIB,
            connect_timeout: Duration::from_secs(5),
            answer_timeout: Duration::from_secs(600),
        }
    }
}

pub(super) fn read(mut table: Table<'_>) -> Result<Server, Found> {
    let default = Server::default();
    let mut wait =
        |name, default| Ok::<_, Found>(table.word_by(name, amount::duration)?.unwrap_or(default));
    let max_staleness = wait("max_staleness", default.max_staleness)?;
    let drain = wait("drain", default.drain)?;
    let connect_timeout = wait("connect_timeout", default.connect_timeout)?;
    let answer_timeout = wait("answer_timeout", default.answer_timeout)?;
    let address = |text: &str| text.parse().map_err(|_| NotSomewhere::Address);
    let socket = |text: &str| text.parse().map_err(|_| NotSomewhere::Socket);
    let server = Server {
        host: table.word_by("host", address)?.unwrap_or(default.host),
        port: table.number("port", 1..=u16::MAX)?.unwrap_or(default.port),
        upstream: table.word("upstream")?,
        hosts: table.words("hosts")?.unwrap_or_default(),
        trusted_proxies: table.words("trusted_proxies")?.unwrap_or_default(),
        metrics_listen: table.word_by("metrics_listen", socket)?,
        max_staleness,
        drain,
        error_format: table.word("error_format")?.unwrap_or(default.error_format),
        public_rate: table.word("public_rate")?.unwrap_or(default.public_rate),
        rpc_body: table.word_or_number("rpc_body")?.unwrap_or(default.rpc_body),
        connect_timeout,
        answer_timeout,
    };
    table.end()?;
    Ok(server)
}

/// How a refusal is worded.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum ErrorFormat {
    /// As most clients can read it.
    Default,
    /// As clients of microsandbox read it.
    Microsandbox,
    /// As clients of superbox read it.
    Superbox,
}

impl ErrorFormat {
    /// All of them.
    pub const ALL: [ErrorFormat; 3] =
        [ErrorFormat::Default, ErrorFormat::Superbox, ErrorFormat::Microsandbox];
}

impl fmt::Display for ErrorFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            ErrorFormat::Default => "default",
            ErrorFormat::Microsandbox => "microsandbox",
            ErrorFormat::Superbox => "superbox",
        })
    }
}

impl FromStr for ErrorFormat {
    type Err = NotAnErrorFormat;

    fn from_str(text: &str) -> Result<Self, NotAnErrorFormat> {
        Self::ALL.into_iter().find(|format| format.to_string() == text).ok_or(NotAnErrorFormat)
    }
}

/// A text that names no format of errors.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct NotAnErrorFormat;
