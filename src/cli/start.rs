//! `msb server start`: enforce keys in front of a service.

use std::{
    ffi::OsString,
    io,
    net::{IpAddr, SocketAddr},
};

use serde::Serialize;

use super::{
    console::{Console, Synced, Tone, object},
    server_key::{self, reset},
    usage::word,
};
use crate::{
    config::{Config, Upstream},
    error::{Error, Exit},
    files::{self, Home},
    keyring::KeyRing,
    server::{self, Bound, Manager, Manner, Place, Plan},
    signing::Kid,
    world::{self, Detached},
};

#[derive(clap::Args)]
#[command(before_help = EXAMPLES, after_help = NOTE)]
pub(super) struct Args {
    /// Listen on this address [default: 127.0.0.1, or `host` in config.toml]
    #[arg(long, value_name = "H")]
    host: Option<IpAddr>,
    /// Listen on this port; 0 is any that is free [default: 5555, or `port` in config.toml]
    #[arg(long, value_name = "P")]
    port: Option<u16>,
    /// Stand before this service, and pass on what may pass: http://HOST:PORT
    #[arg(long, value_name = "URL", value_parser = word::<Upstream>)]
    upstream: Option<Upstream>,
    /// Require no keys: for those who develop on this machine alone
    #[arg(long)]
    dev: bool,
    /// Kill every key issued so far, also while a server runs
    #[arg(long)]
    reset_key: bool,
    /// Go on without this terminal; log to server.log in the data directory
    #[arg(long)]
    detach: bool,
    /// The process that `--detach` starts
    #[arg(long, hide = true, conflicts_with = "detach")]
    detached: bool,
}

pub(super) fn run(
    args: Args,
    words: &[OsString],
    console: &mut Console<'_, '_>,
) -> Result<Exit, Error> {
    let home = console.home()?;
    let manager = console.world.env_text("NOTIFY_SOCKET");
    if args.reset_key {
        let pid = std::process::id().to_string();
        let managed = console.world.env_text("SYSTEMD_EXEC_PID").is_some_and(|by| by == *pid);
        if managed || manager.is_some() {
            return Err(Error::ManagedReset);
        }
        if server::running(&home)?.is_some() {
            return reset_running(&args, &home, console);
        }
    }
    let mut config = Config::load(&home.config_file())?;
    config.server.upstream = args.upstream.clone().or(config.server.upstream);
    let shown = if args.reset_key { ask(&home, console)? } else { None };
    if args.detach {
        return detach(words, console);
    }
    let address = SocketAddr::new(
        args.host.unwrap_or(config.server.host),
        args.port.unwrap_or(config.server.port),
    );
    files::keep_to_ourselves();
    let for_a_person = console.world.stderr_is_terminal && !args.detached;
    let log = home.server_log();
    let bound = server::bind(Plan {
        home: home.clone(),
        config,
        address,
        dev: args.dev,
        manner: if for_a_person { Manner::Human } else { Manner::Json },
        place: if args.detached { Place::File(log.clone()) } else { Place::Stderr },
        manager: Manager::named(manager.as_deref())
            .map_err(Error::system("speak to NOTIFY_SOCKET"))?,
        clocks: console.world.clocks,
    })?;
    let ring = if args.reset_key { Some(reset::reset(&home, shown, console)?.0) } else { None };
    let started = Started::of(&bound, &args, ring.as_ref());
    let loopback = bound.address().ip().to_canonical().is_loopback();
    bound.serve(|| {
        let told = tell(&started, loopback, &home, &args, console);
        if started.reset {
            told.map_err(|error| error.after(server_key::DONE))?;
        } else {
            told?;
        }
        if args.detached {
            world::leave_terminal();
            files::leave_streams(&files::open_log(&log)?);
        }
        Ok(())
    })?;
    Ok(Exit::Done)
}

/// A server runs: it follows a reset at once.
fn reset_running(args: &Args, home: &Home, console: &mut Console<'_, '_>) -> Result<Exit, Error> {
    let shown = ask(home, console)?;
    let others = args.host.is_some() || args.port.is_some() || args.upstream.is_some();
    if others || args.dev || args.detach {
        console.remark(&["a server runs already: only `--reset-key` counts".to_owned()])?;
    }
    let (ring, seq) = reset::reset(home, shown, console)?;
    let synced = console.sync(seq);
    let told = tell_reset(&synced, &ring, console);
    let known = console.confirm_known(synced);
    // That a server does not know it weighs more than an answer that nobody could read.
    known.and_then(|exit| told.map(|()| exit)).map_err(|error| error.after(server_key::DONE))
}

fn tell_reset(synced: &Synced, ring: &KeyRing, console: &mut Console<'_, '_>) -> Result<(), Error> {
    if console.json() {
        return console.answer_json("msb.start/1", &Started::running(synced, ring));
    }
    server_key::tell(ring, console)?;
    if let Synced::Known { report, took } = synced {
        let took = took.as_micros() as f64 / 1000.0;
        console
            .remark(&[format!("the server on {} follows, after {took:.1} ms", report.address)])?;
        return Ok(());
    }
    reset::advise(console)
}

/// Asks a person before every key dies; a script goes on. Where there is no key yet, none dies.
fn ask(home: &Home, console: &mut Console<'_, '_>) -> Result<Option<Kid>, Error> {
    if !console.can_ask() {
        return Ok(None);
    }
    match reset::ask(home, console) {
        Err(Error::NoServerKey { .. }) => Ok(None),
        asked => asked,
    }
}

/// Starts the server as a process of its own, and says what it says until it serves.
fn detach(words: &[OsString], console: &mut Console<'_, '_>) -> Result<Exit, Error> {
    let swap = |word: &OsString| {
        let detach = word == "--detach";
        if detach { OsString::from("--detached") } else { word.clone() }
    };
    let mut words: Vec<_> = words.iter().skip(1).map(swap).collect();
    let says_colour = |word: &OsString| word.to_string_lossy().starts_with("--color");
    if console.colours_remarks() && !words.iter().any(says_colour) {
        words.push("--color=always".into());
    }
    let start = || Error::system("start a process of its own");
    let started = Detached::start(&words).map_err(start())?;
    let (said, remarked, ended) = started.first_words().map_err(start())?;
    console.world.remark(&remarked).map_err(Error::Output)?;
    if let Some(ended) = ended {
        if ended.code().is_none() {
            return Err(start()(io::Error::other(ended.to_string())));
        }
        let exit = ended.code().and_then(|code| u8::try_from(code).ok());
        return Ok(Exit::ALL
            .into_iter()
            .find(|known| exit == Some(*known as u8))
            .unwrap_or(Exit::Failed));
    }
    if console.json() {
        console.answer(&said)?;
    }
    Ok(Exit::Done)
}

fn tell(
    started: &Started,
    loopback: bool,
    home: &Home,
    args: &Args,
    console: &mut Console<'_, '_>,
) -> Result<(), Error> {
    // Whoever started this process hears by this answer that it serves.
    if console.json() || args.detached {
        console.answer(&object("msb.start/1", started))?;
    }
    let keys = keys(args.dev, started.upstream.as_deref());
    let keys = if args.dev { console.paint_remark(Tone::Bad, &keys) } else { keys };
    let address = started.address.as_deref().unwrap_or_default();
    console.remark(&[format!("msb listens on http://{address}; {keys}")])?;
    if !loopback {
        console.caution(
            "others can reach it, and what they send is not encrypted: TLS is the front end's",
        )?;
    }
    if !was_used(home) {
        console.hint("there is no server key yet: run `msb server keygen` to make one")?;
    }
    if started.reset {
        console.remark(&["every key issued so far is dead".to_owned()])?;
    }
    Ok(())
}

/// Whether keys were ever handed out here.
fn was_used(home: &Home) -> bool {
    files::exists(&home.database()).unwrap_or(true)
}

/// A server that begins to serve, or that goes on with another server key.
#[derive(Serialize)]
struct Started {
    address: Option<String>,
    pid: Option<u32>,
    upstream: Option<String>,
    auth: Option<&'static str>,
    dev: Option<bool>,
    reset: bool,
    kid: Option<String>,
}

impl Started {
    fn of(bound: &Bound, args: &Args, ring: Option<&KeyRing>) -> Self {
        let address = bound.address();
        Self {
            address: Some(address.to_string()),
            pid: Some(std::process::id()),
            upstream: bound.upstream().map(ToString::to_string),
            auth: Some(auth(args.dev)),
            dev: Some(args.dev),
            reset: ring.is_some(),
            kid: ring.and_then(KeyRing::signing_kid).map(|kid| kid.to_string()),
        }
    }

    /// One that runs already, as far as it answers.
    fn running(synced: &Synced, ring: &KeyRing) -> Self {
        let report = match synced {
            Synced::Known { report, .. } => Some(report),
            Synced::NothingToTell | Synced::Unconfirmed(_) => None,
        };
        Self {
            address: report.map(|report| report.address.clone()),
            pid: report.map(|report| report.pid),
            upstream: report.and_then(|report| report.upstream.clone()),
            auth: report.map(|report| auth(report.dev)),
            dev: report.map(|report| report.dev),
            reset: true,
            kid: ring.signing_kid().map(|kid| kid.to_string()),
        }
    }
}

/// Whether keys are asked for.
pub(super) fn auth(dev: bool) -> &'static str {
    if dev { "none" } else { "required" }
}

/// The same in words, with what the server stands before.
pub(super) fn keys(dev: bool, upstream: Option<&str>) -> String {
    let keys = if dev { "KEYS ARE NOT REQUIRED" } else { "keys are required" };
    let before = upstream.map_or(String::new(), |upstream| format!(", in front of {upstream}"));
    format!("{keys}{before}")
}

const NOTE: &str = "\
    Front ends (nginx, Caddy, HAProxy, Envoy, Traefik) ask /auth or /ext-authz; it answers 200, \
    401, 403, or 503 when it cannot decide. With --upstream it is the front end itself: it judges \
    what /api/v1/rpc and /mcp call, and passes on what may pass.";

const EXAMPLES: &str = "\
Examples:
  msb server start
  msb server start --detach
  msb server start --upstream http://127.0.0.1:5556
  msb server start --reset-key
  curl -i \"http://127.0.0.1:5555/auth?namespace=team-alpha\" -H \"Authorization: Bearer $MSB_API_KEY\"";
