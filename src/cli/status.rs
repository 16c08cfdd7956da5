//! `msb server status`: how things stand, and what needs doing.

use std::net::SocketAddr;

use serde::Serialize;

use super::{
    console::{Console, Tone},
    start,
};
use crate::{
    config::Config,
    error::{Error, Exit},
    files::Home,
    keyring::{KeyRing, Standing},
    ledger::{State, Tally},
    policy::Policy,
    server::{self, Report},
    store::{KeyFile, Purpose, Store, StoreFault},
    time::{Span, UnixTime},
    verify::SKEW,
};

#[derive(clap::Args)]
#[command(before_help = EXAMPLES)]
pub(super) struct Args {
    /// Exit with 3 if something needs doing
    #[arg(long)]
    check: bool,
}

pub(super) fn run(args: Args, console: &mut Console<'_, '_>) -> Result<Exit, Error> {
    let status = status(console)?;
    if console.json() {
        console.answer_json("msb.status/1", &status)?;
    } else {
        let text = described(&status, console);
        console.answer(&text)?;
    }
    let attention = args.check && !status.attention.is_empty();
    Ok(if attention { Exit::Attention } else { Exit::Done })
}

/// How things stand; what cannot be read is told as what needs doing.
fn status(console: &Console<'_, '_>) -> Result<Status, Error> {
    let home = console.home()?;
    let mut status = Status::default();
    let policy = match Config::load(&home.config_file()) {
        Ok(config) => config.policy,
        Err(fault) => {
            status.attention.push(Attention::from(&Error::from(fault)));
            Policy::default()
        }
    };
    if let Err(fault) = look(&home, &policy, console.world.now, &mut status) {
        status.attention.push(Attention::from(&Error::from(fault)));
    }
    match server::report(&home) {
        Ok(report) => status.server = Server::of(report, &mut status.attention),
        Err(error @ Error::Hung { pid, .. }) => {
            status.server = Server { running: true, pid, ..Server::default() };
            status.attention.push(Attention { code: "hung", ..Attention::from(&error) });
        }
        Err(error) => status.attention.push(Attention::from(&error)),
    }
    Ok(status)
}

fn look(
    home: &Home,
    policy: &Policy,
    now: UnixTime,
    status: &mut Status,
) -> Result<(), StoreFault> {
    let soon: Span = SOON.parse().expect("14d is a span");
    let soon = soon.after(now).unwrap_or(UnixTime::MAX);
    let Some(store) = Store::open(home, Purpose::Read)? else {
        status.keys = Some(Keys::default());
        status.attention.push(no_server_key());
        return Ok(());
    };
    let ring = store.ring()?;
    let tally = store.tally(now, soon)?;
    if tally.outliving > 0 {
        status.attention.push(outlives_overlap(tally.outliving, &ring, now));
    }
    if let Some(ahead) = store.latest()?.filter(|latest| now.until(*latest) > SKEW) {
        status.attention.push(Attention {
            code: "clock_behind",
            message: format!("the clock says {now}, and something was done at {ahead}"),
            hint: Some("set the clock: keys issued now may be revoked already".to_owned()),
        });
    }
    let keys = Keys::from(tally);
    if keys.expiring > 0 {
        let keys_end = if keys.expiring == 1 { "key ends" } else { "keys end" };
        status.attention.push(Attention {
            code: "expiring",
            message: format!("{} {keys_end} within {SOON}", keys.expiring),
            hint: Some(format!("run `msb server list --expiring {SOON}`")),
        });
    }
    status.keys = Some(keys);
    // Every active key is looked at, so not without need.
    let against = if policy.judges_use() { store.against(policy, now)? } else { vec![] };
    if !against.is_empty() {
        let keys_are = if against.len() == 1 { "active key is" } else { "active keys are" };
        let ids = against.iter().take(SOME).map(ToString::to_string).collect::<Vec<_>>().join(" ");
        let more = if against.len() > SOME { " and more" } else { "" };
        status.attention.push(Attention {
            code: "against_policy",
            message: format!("{} {keys_are} refused by policy: {ids}{more}", against.len()),
            hint: Some("issue others, or change `[policy]` in config.toml".to_owned()),
        });
    }
    let Some((signing, since)) = ring.signing() else {
        status.attention.push(no_server_key());
        return Ok(());
    };
    let file = store.key_file(signing);
    status.server_key = Some(ServerKey {
        kid: signing.kid().to_string(),
        fingerprint: signing.thumbprint(),
        created_at: since.to_string(),
        file_ok: matches!(file, KeyFile::InPlace),
    });
    match file {
        KeyFile::InPlace => {}
        KeyFile::RenameUnfinished => status.attention.push(Attention {
            code: "rename_unfinished",
            message: "the server key file has not taken its name yet".to_owned(),
            hint: Some("run `msb server keygen`: the next key finishes it".to_owned()),
        }),
        KeyFile::Unusable(fault) => {
            let attention = Attention::from(&Error::from(fault));
            let unsafe_file = attention.code == "permissions";
            let code = if unsafe_file { "key_file_unsafe" } else { attention.code };
            status.attention.push(Attention { code, ..attention });
        }
    }
    Ok(())
}

/// Keys that end with the server key that signed them, and would live longer.
fn outlives_overlap(keys: u64, ring: &KeyRing, now: UnixTime) -> Attention {
    let untils = ring.keys().iter().filter_map(|key| match key.standing {
        Standing::Retired { until, .. } if now < until => Some(until),
        Standing::Retired { .. }
        | Standing::Dead { .. }
        | Standing::Published
        | Standing::Signing { .. } => None,
    });
    let (until, keys_end) = (untils.max(), if keys == 1 { "key ends" } else { "keys end" });
    let days = until.map_or(0, |until| now.until(until).div_ceil(86_400));
    Attention {
        code: "outlives_overlap",
        message: format!("{keys} {keys_end} early, with the overlap of the server key"),
        hint: Some(format!("run `msb server list --expiring {days}d`, and hand out new ones")),
    }
}

fn no_server_key() -> Attention {
    Attention {
        code: "no_server_key",
        message: "there is no server key".to_owned(),
        hint: Some("run `msb server keygen` to make one".to_owned()),
    }
}

fn described(status: &Status, console: &Console<'_, '_>) -> String {
    let server_key = match &status.server_key {
        Some(key) => format!("{}, made at {}", key.kid, key.created_at),
        None => "none".to_owned(),
    };
    let keys = match &status.keys {
        None => "unknown".to_owned(),
        Some(keys) => format!(
            "{} active ({} expiring), {} not yet valid, {} expired, {} revoked, {} reset, {} undelivered",
            keys.active,
            keys.expiring,
            keys.not_yet_valid,
            keys.expired,
            keys.revoked,
            keys.reset,
            keys.undelivered,
        ),
    };
    let mut text = format!(
        "server      {}\nserver key  {server_key}\nkeys        {keys}\n",
        status.server.described(),
    );
    for attention in &status.attention {
        let label = console.paint(Tone::Mind, "attention");
        text += &format!("{label}   {}\n", attention.message);
        if let Some(hint) = &attention.hint {
            text += &format!("            {hint}\n");
        }
    }
    text
}

#[derive(Default, Serialize)]
struct Status {
    server: Server,
    server_key: Option<ServerKey>,
    keys: Option<Keys>,
    attention: Vec<Attention>,
}

#[derive(Serialize)]
struct Server {
    running: bool,
    address: Option<String>,
    pid: Option<u32>,
    upstream: Option<String>,
    auth: &'static str,
    dev: bool,
    since: Option<String>,
}

impl Default for Server {
    fn default() -> Self {
        let auth = start::auth(false);
        Self {
            running: false,
            address: None,
            pid: None,
            upstream: None,
            auth,
            dev: false,
            since: None,
        }
    }
}

impl Server {
    /// What a server that runs says of itself, and what of that needs doing.
    fn of(report: Option<Report>, attention: &mut Vec<Attention>) -> Self {
        let Some(report) = report else { return Self::default() };
        if report.dev {
            attention.push(Attention {
                code: "dev_mode",
                message: "the server requires no keys".to_owned(),
                hint: Some("start it without `--dev`".to_owned()),
            });
        }
        let address: Option<SocketAddr> = report.address.parse().ok();
        if address.is_some_and(|address| !address.ip().to_canonical().is_loopback()) {
            attention.push(Attention {
                code: "plain_http",
                message: format!("others can reach {}, which is not encrypted", report.address),
                hint: Some(
                    "put a front end with TLS before it, and listen on 127.0.0.1".to_owned(),
                ),
            });
        }
        if let Some(fault) = report.fault {
            let age = report.trust_age;
            attention.push(Attention {
                code: "trust_stale",
                message: format!("the server judges by what it read {age} s ago: {fault}"),
                hint: Some(
                    "mend that; where another database is meant to be there, start the server again"
                        .to_owned(),
                ),
            });
        }
        Self {
            running: true,
            address: Some(report.address),
            pid: Some(report.pid),
            upstream: report.upstream,
            auth: start::auth(report.dev),
            dev: report.dev,
            since: Some(report.since),
        }
    }

    fn described(&self) -> String {
        let keys = start::keys(self.dev, self.upstream.as_deref());
        match (&self.address, self.pid, &self.since) {
            (Some(address), Some(pid), Some(since)) => {
                format!("on http://{address} since {since} (pid {pid}); {keys}")
            }
            (_, Some(pid), _) => format!("does not answer (pid {pid})"),
            (_, None, _) if self.running => "does not answer".to_owned(),
            (_, None, _) => format!("not running; {keys}"),
        }
    }
}

#[derive(Serialize)]
struct ServerKey {
    kid: String,
    fingerprint: String,
    created_at: String,
    file_ok: bool,
}

#[derive(Default, Serialize)]
struct Keys {
    active: u64,
    expiring: u64,
    not_yet_valid: u64,
    expired: u64,
    revoked: u64,
    reset: u64,
    undelivered: u64,
}

impl From<Tally> for Keys {
    fn from(tally: Tally) -> Self {
        Self {
            active: tally.of(State::Active),
            expiring: tally.expiring,
            not_yet_valid: tally.of(State::NotYetValid),
            expired: tally.of(State::Expired),
            revoked: tally.of(State::Revoked),
            reset: tally.of(State::Reset),
            undelivered: tally.of(State::Undelivered),
        }
    }
}

#[derive(Serialize)]
struct Attention {
    code: &'static str,
    message: String,
    hint: Option<String>,
}

impl From<&Error> for Attention {
    fn from(error: &Error) -> Self {
        Self { code: error.code(), message: error.to_string(), hint: error.hint() }
    }
}

const EXAMPLES: &str = "\
Examples:
  msb server status
  msb server status --check || echo look";

/// A key that ends within this time is told.
const SOON: &str = "14d";

/// How many keys are named where many are told of.
const SOME: usize = 5;
