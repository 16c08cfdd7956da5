//! `msb server keygen`: issue a key, and print it.

use std::{fmt::Display, path::PathBuf};

use serde::Serialize;
use zeroize::Zeroizing;

use super::{
    console::{Console, object},
    usage::{self, word},
};
use crate::{
    config::Config,
    error::{Error, Exit},
    files::Replacement,
    issue::{self, Issued, Request},
    key::{KeyId, KeyText, Party},
    label::Label,
    namespace::Namespaces,
    scope::{Scope, ScopeWord},
    store::{Act, Store},
    time::{Lifetime, Moment, Told, UnixTime},
};

/// Issue a key, and print it
#[derive(clap::Args)]
#[command(before_help = EXAMPLES)]
pub(super) struct Args {
    /// When the key ends: 15m 24h 7d 3mo 1y, an instant, a date, or never [default: never]
    #[arg(long, value_name = "WHEN", value_parser = word::<Lifetime>, allow_hyphen_values = true)]
    expire: Option<Lifetime>,
    /// A namespace that the key opens; repeatable [default: every one]
    #[arg(short, long, value_name = "NS", value_parser = namespace)]
    namespace: Vec<Namespaces>,
    /// An operation that the key allows, such as sandbox.*; repeatable [default: every one]
    #[arg(long, value_name = "S", value_parser = word::<ScopeWord>)]
    scope: Vec<ScopeWord>,
    /// What to call the key; kept here, not in the key
    #[arg(long, value_parser = word::<Label>)]
    name: Option<Label>,
    /// Who the key belongs to
    #[arg(long, value_parser = word::<Party>)]
    owner: Option<Party>,
    /// When the key begins to work [default: now]
    #[arg(long, value_name = "WHEN", value_parser = word::<Moment>, allow_hyphen_values = true)]
    not_before: Option<Moment>,
    /// How many keys
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    count: u32,
    /// How to print it
    #[arg(long, value_enum, default_value_t = Format::Key)]
    format: Format,
    /// Write to FILE, which only you can read, instead of standard output
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Overwrite FILE
    #[arg(long, requires = "output")]
    force: bool,
}

const EXAMPLES: &str = "\
Examples:
  msb server keygen --expire 3mo --namespace team-alpha --name ci-deploy
  export MSB_API_KEY=\"$(msb server keygen --expire 1w -n project-web)\"
  eval \"$(msb server keygen --expire 1h --format env)\"
  msb server keygen --scope 'sandbox.*' --owner alice@example.org -o alice.key
  msb server keygen --count 100 -n load --json > keys.jsonl";

/// How a key is printed.
#[derive(Clone, Copy, Debug, Eq, PartialEq, clap::ValueEnum)]
enum Format {
    /// The key on a line of its own.
    Key,
    /// `export MSB_API_KEY='…'`
    Env,
}

/// Reads one word of `--namespace`.
pub(super) fn namespace(text: &str) -> Result<Namespaces, String> {
    Namespaces::word(text).map_err(|error| error.to_string())
}

pub(super) fn run(args: Args, console: &mut Console<'_, '_>) -> Result<Exit, Error> {
    let home = console.home()?;
    let now = console.world.now;
    let request = request(&args, &Config::load(&home.config_file())?, console)?;
    let file = args
        .output
        .as_deref()
        .map(|path| Replacement::of(path, args.force).map_err(Error::Create))
        .transpose()?;
    let mut store = Store::open_or_create(&home)?;
    let who = console.world.who.clone();
    let act = Act { who: &who, at: now };
    let issued = issue::keys(&mut store, &request, act, &mut *console.world.entropy)?;
    match deliver(&args, &request, &issued, file, console) {
        Ok(()) => Ok(Exit::Done),
        Err(output) => Err(withdraw(&mut store, &issued, act, output)),
    }
}

fn request(args: &Args, config: &Config, console: &Console<'_, '_>) -> Result<Request, Error> {
    let now = console.world.now;
    let refuse = |given: &dyn Display, flag: &str, why: &dyn Display| {
        Error::usage(format!("`{given}` for `{flag}`: {why}"), usage::WHEN)
    };
    let expire = args.expire.unwrap_or(Lifetime::Never);
    let expires_at = expire.end(now).map_err(|why| refuse(&expire, "--expire", &why))?;
    let not_before = args
        .not_before
        .map(|begin| begin.from(now).map_err(|why| refuse(&begin, "--not-before", &why)))
        .transpose()?;
    if expires_at.is_some_and(|end| not_before.is_some_and(|begin| end <= begin)) {
        return Err(refuse(&expire, "--expire", &"the key would end before it begins"));
    }
    if args.name.as_ref().is_some_and(|name| name.as_str().parse::<KeyId>().is_ok()) {
        return Err(Error::usage(
            "`--name`: a name may not look like a key id",
            "choose another name",
        ));
    }
    if args.name.as_ref().is_some_and(|name| name.as_str().starts_with(config.prefix.as_str())) {
        return Err(Error::usage(
            "`--name`: a name may not look like a key",
            "choose another name",
        ));
    }
    if args.format != Format::Key && (args.count > 1 || console.json()) {
        return Err(Error::usage(
            "`--format env` is for one key, and not JSON",
            "leave off `--format`",
        ));
    }
    let namespaces = Namespaces::union(args.namespace.clone()).map_err(|why| {
        Error::usage(format!("`--namespace`: {why}"), "run `msb server keygen --help`")
    })?;
    Ok(Request {
        count: args.count,
        namespaces,
        scope: Scope::of(args.scope.clone()),
        name: args.name.clone(),
        owner: args.owner.clone(),
        not_before,
        expires_at,
        issuer: config.issuer.clone(),
        audience: config.audience.clone(),
        prefix: config.prefix.clone(),
    })
}

/// How many keys are written at once.
const AT_ONCE: usize = 1000;

/// Hands the keys out, and says what they are.
fn deliver(
    args: &Args,
    request: &Request,
    issued: &Issued,
    mut file: Option<Replacement>,
    console: &mut Console<'_, '_>,
) -> Result<(), Error> {
    let json = console.json();
    let now = console.world.now;
    let written = |(id, key): &(KeyId, KeyText)| match (json, args.format) {
        (true, _) => object("msb.keygen/1", &Answer::of(*id, key, request, issued, now)),
        (false, Format::Key) => format!("{}\n", key.expose()),
        (false, Format::Env) => format!("export MSB_API_KEY='{}'\n", key.expose()),
    };
    for some in issued.keys.chunks(AT_ONCE) {
        let text = Zeroizing::new(some.iter().map(written).collect::<String>());
        match &mut file {
            Some(file) => file.write(text.as_bytes()).map_err(Error::Create)?,
            None => console.answer(&text)?,
        }
    }
    if let Some(file) = file {
        file.finish().map_err(Error::Create)?;
    }
    console.remark(&remarks(args, request, issued, console))
}

/// What is said of keys that could not be handed out.
fn withdraw(store: &mut Store, issued: &Issued, act: Act<'_>, output: Error) -> Error {
    let output = Box::new(output);
    match issue::undeliver(store, issued, act) {
        Ok(()) => Error::Undelivered { count: issued.keys.len(), output },
        Err(store) => {
            let ids = issued.keys.iter().map(|(id, _)| *id).collect();
            Error::NotRevoked { ids, output, store }
        }
    }
}

fn remarks(
    args: &Args,
    request: &Request,
    issued: &Issued,
    console: &Console<'_, '_>,
) -> Vec<String> {
    let one = issued.keys.len() == 1;
    let (comma, s, does) = if one { ("", "s", "does") } else { (",", "", "do") };
    let name = request.name.as_ref().map(|name| format!(" ({name})")).unwrap_or_default();
    let subject = issued.subject() + &name;
    let (opens, allows) = (request.namespaces.told(), request.scope.told());
    let told = |at| Told { at, now: console.world.now };
    let end = match request.expires_at {
        Some(at) => format!("until {}", told(at)),
        None => format!("and {does} not expire"),
    };
    let mut lines = vec![format!("{subject}{comma} open{s} {opens}, allow{s} {allows}, {end}")];
    if let Some(at) = request.not_before {
        lines.push(format!("it begins on {}", told(at)));
    }
    if issued.first_server_key {
        lines.push(format!("made server key {}, the first one here", issued.kid));
    }
    if let Some(path) = &args.output {
        lines.push(format!("written to {}", path.display()));
    }
    if args.output.is_none() && console.world.stdout_is_terminal {
        lines.push("copy it now: msb keeps none".to_owned());
    }
    lines
}

#[derive(Serialize)]
struct Answer<'a> {
    key: &'a str,
    id: String,
    kid: String,
    namespaces: Vec<String>,
    scope: Option<String>,
    name: Option<String>,
    owner: Option<String>,
    issued_at: String,
    not_before: Option<String>,
    expires_at: Option<String>,
}

impl<'a> Answer<'a> {
    fn of(id: KeyId, key: &'a KeyText, request: &Request, issued: &Issued, now: UnixTime) -> Self {
        Self {
            key: key.expose(),
            id: id.to_string(),
            kid: issued.kid.to_string(),
            namespaces: request.namespaces.words().into_iter().map(str::to_owned).collect(),
            scope: request.scope.claim(),
            name: request.name.as_ref().map(ToString::to_string),
            owner: request.owner.as_ref().map(ToString::to_string),
            issued_at: now.to_string(),
            not_before: request.not_before.map(|at| at.to_string()),
            expires_at: request.expires_at.map(|at| at.to_string()),
        }
    }
}
