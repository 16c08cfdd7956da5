//! `msb server keygen`: issue a key, and print it.

use serde::Serialize;
use zeroize::Zeroizing;

use super::{
    complete::Offer,
    console::{Console, append_object},
    format::{self, HandOver, Place},
    row,
    usage::{self, Typed, WHEN, typed, word},
};
use crate::{
    config::Config,
    error::{Error, Exit},
    issue::{self, Issued, Request},
    key::{KeyId, KeyText, Party, Prefix, Unsealable},
    label::{Label, Shown},
    namespace::Namespaces,
    scope::{Scope, ScopeWord},
    store::Store,
    time::{Lifetime, Moment, Told, UnixTime},
};

#[derive(clap::Args)]
#[command(before_help = EXAMPLES)]
pub(super) struct Args {
    /// When the key ends: 15m 24h 7d 3mo 1y, an instant, a date, or never [default: by policy, else never]
    #[arg(long, value_name = "WHEN", value_parser = typed::<Lifetime>, allow_hyphen_values = true)]
    expire: Option<Typed<Lifetime>>,
    /// A namespace that the key opens; repeatable [default: every one]
    #[arg(short, long, value_name = "NS", value_parser = usage::namespace, add = Offer::Namespaces)]
    namespace: Vec<Namespaces>,
    /// An operation that the key allows, such as sandbox.*; repeatable [default: every one]
    #[arg(long, value_name = "S", value_parser = word::<ScopeWord>)]
    scope: Vec<ScopeWord>,
    /// What to call the key; kept here, not in the key
    #[arg(long, value_parser = word::<Label>)]
    name: Option<Label>,
    /// Who the key belongs to
    #[arg(long, value_parser = word::<Party>, add = Offer::Owners)]
    owner: Option<Party>,
    /// When the key begins to work [default: now]
    #[arg(long, value_name = "WHEN", value_parser = typed::<Moment>, allow_hyphen_values = true)]
    not_before: Option<Typed<Moment>>,
    /// How many keys, from 1 to 1000000
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = usage::number::<1, 1_000_000>)]
    count: u32,
    #[command(flatten)]
    hand_over: HandOver,
}

pub(super) fn run(args: Args, console: &mut Console<'_, '_>) -> Result<Exit, Error> {
    let home = console.home()?;
    let request = request(&args, &Config::load(&home.config_file())?, console)?;
    let place = args.hand_over.place(args.count, console)?;
    let mut store = Store::open_or_create(&home)?;
    let (who, clock) = (console.world.who.clone(), console.world.clock);
    let issued = issue::keys(&mut store, &request, &who, clock, &mut *console.world.entropy)?;
    // The first key works by the time that somebody has it.
    let synced = console.sync(issued.seq);
    let Err(output) = deliver(&args, &request, &issued, place, console) else {
        return console.confirm_known(synced);
    };
    let output = Box::new(output);
    Err(match issue::undeliver(&mut store, &issued, &who, clock) {
        Ok(seq) => {
            // Nobody has these keys, so it is enough that a server will know.
            let _ = console.sync(seq);
            Error::Undelivered { count: issued.keys.len(), output }
        }
        Err(store) => {
            let ids = issued.keys.iter().map(|(id, _)| *id).collect();
            Error::NotRevoked { ids, output, store }
        }
    })
}

fn request(args: &Args, config: &Config, console: &Console<'_, '_>) -> Result<Request, Error> {
    let now = console.world.now;
    let expires_at = match &args.expire {
        Some(typed) => typed.value.end(now).map_err(|why| typed.refused("--expire", &why, WHEN))?,
        // Past the year 9999 is not the same as never.
        None => config.policy.default_expire.map(|span| span.after(now).unwrap_or(UnixTime::MAX)),
    };
    let begins = |typed: &Typed<Moment>| {
        typed.value.from(now).map_err(|why| typed.refused("--not-before", &why, WHEN))
    };
    let not_before = args.not_before.as_ref().map(begins).transpose()?;
    if let (Some(typed), Some(end), Some(begin)) = (&args.expire, expires_at, not_before)
        && end <= begin
    {
        let why = Unsealable::EndsBeforeItBegins;
        return Err(typed.refused("--expire", &why, "choose `--expire` after `--not-before`"));
    }
    check_name(args.name.as_ref(), &config.prefix)?;
    let namespaces = usage::namespaces(args.namespace.clone(), "msb server keygen")?;
    let request = Request {
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
        policy: config.policy,
        asked_at: now,
    };
    // Asked before anything is made, so that a refused command leaves nothing.
    request.check_policy()?;
    Ok(request)
}

/// A name may not be mistaken for what else `show` and `revoke` take.
fn check_name(name: Option<&Label>, prefix: &Prefix) -> Result<(), Error> {
    let Some(name) = name else { return Ok(()) };
    let text = name.as_str();
    let like = if text.parse::<KeyId>().is_ok() {
        "a key id"
    } else if text.starts_with(prefix.as_str()) {
        "a key"
    } else if text == "-" {
        "standard input"
    } else {
        return Ok(());
    };
    let message = format!("`{name}` for `--name`: a name does not look like {like}");
    Err(Error::usage(message, "choose another name"))
}

/// Hands the keys out, and says what they are.
fn deliver(
    args: &Args,
    request: &Request,
    issued: &Issued,
    mut place: Place,
    console: &mut Console<'_, '_>,
) -> Result<(), Error> {
    let (format, variable) = (args.hand_over.format(), args.hand_over.variable());
    let most = issued.keys.len().min(AT_ONCE) * format::room(&variable);
    let mut text = Zeroizing::new(Vec::with_capacity(most));
    for some in issued.keys.chunks(AT_ONCE) {
        text.clear();
        for (id, key) in some {
            if console.json() {
                let answer = Answer::of(*id, place.prints_key().then_some(key), request, issued);
                append_object(&mut text, "msb.keygen/1", &answer);
            } else {
                format.append(&mut text, &variable, key);
            }
        }
        debug_assert!(text.len() <= most, "a text that grew left copies of keys behind");
        place.write(str::from_utf8(&text).expect("keys and JSON are text"), console)?;
    }
    // What others find keys by is made last: if anything before fails, there is nothing.
    console.remark(&remarks(args, request, issued, &place, console))?;
    for warning in place.warnings() {
        console.hint(&warning)?;
    }
    let [.., (_, key)] = issued.keys.as_slice() else { return Ok(()) };
    place.finish(&variable, key)
}

fn remarks(
    args: &Args,
    request: &Request,
    issued: &Issued,
    place: &Place,
    console: &Console<'_, '_>,
) -> Vec<String> {
    let one = issued.keys.len() == 1;
    let (comma, s, does) = if one { ("", "s", "does") } else { (",", "", "do") };
    let subject = issued.subject() + &row::called(&request.name);
    let (opens, allows) = (request.namespaces.told(), request.scope.told());
    let told = |at| Told { at, now: issued.at };
    let end = match request.expires_at {
        Some(at) => format!("until {}", told(at)),
        None => format!("and {does} not expire"),
    };
    let goes = match place {
        Place::Github(_) => format!("; it goes to GITHUB_ENV as {}", args.hand_over.variable()),
        Place::Dotenv { edit, .. } => {
            let path = edit.path().to_string_lossy();
            format!("; it goes to {} as {}", Shown(&path), args.hand_over.variable())
        }
        Place::File(_) | Place::Stdout => String::new(),
    };
    let first = format!("{subject}{comma} open{s} {opens}, allow{s} {allows}, {end}{goes}");
    let mut lines = vec![first];
    if let Some(at) = request.not_before {
        lines.push(format!("it begins on {}", told(at)));
    }
    if issued.first_server_key {
        lines.push(format!("made server key {}, the first one here", issued.kid));
    }
    if let Some(path) = &args.hand_over.output {
        lines.push(format!("it goes to {}", Shown(&path.to_string_lossy())));
    }
    if matches!(place, Place::Stdout) && console.world.stdout_is_terminal {
        lines.push("copy it now: msb keeps none".to_owned());
    }
    lines
}

#[derive(Serialize)]
struct Answer<'a> {
    key: Option<&'a str>,
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
    fn of(id: KeyId, key: Option<&'a KeyText>, request: &Request, issued: &Issued) -> Self {
        Self {
            key: key.map(|key| key.expose()),
            id: id.to_string(),
            kid: issued.kid.to_string(),
            namespaces: request.namespaces.words(),
            scope: request.scope.claim(),
            name: row::text(&request.name),
            owner: row::text(&request.owner),
            issued_at: issued.at.to_string(),
            not_before: row::text(&request.not_before),
            expires_at: row::text(&request.expires_at),
        }
    }
}

const EXAMPLES: &str = "\
Examples:
  msb server keygen --expire 3mo --namespace team-alpha --name ci-deploy
  export MSB_API_KEY=\"$(msb server keygen --expire 1w -n project-web)\"
  eval \"$(msb server keygen --expire 1h --format env)\"
  msb server keygen --expire 1w --dotenv .env --var PROJECT_KEY
  msb server keygen --scope 'sandbox.*' --owner alice@example.org -o alice.key
  msb server keygen --count 100 -n load --json > keys.jsonl";

/// How many keys are written at once.
const AT_ONCE: usize = 1000;
