//! `msb server show`: everything that is remembered of one key.

use serde::Serialize;

use super::{
    complete::Offer,
    console::Console,
    row::{self, Row},
};
use crate::{
    error::{Error, Exit},
    files::Home,
    ledger::Listed,
    revocations::{Cause, Revoked},
    store::{Usage, UsageFault},
    time::{Told, UnixTime},
};

#[derive(clap::Args)]
#[command(before_help = EXAMPLES)]
pub(super) struct Args {
    /// Its id, its name, or the first four or more characters of its id
    #[arg(value_name = "ID|NAME", add = Offer::Keys)]
    key: String,
}

pub(super) fn run(args: Args, console: &mut Console<'_, '_>) -> Result<Exit, Error> {
    let now = console.world.now;
    let listed = match console.store()? {
        Some(store) => row::find(&store, &args.key, now)?,
        None => return Err(Error::NotFound { text: args.key }),
    };
    let seen = seen(&console.home()?, &listed);
    if console.json() {
        let last_used = seen.as_ref().ok().and_then(|seen| seen.last);
        console.answer_json("msb.show/1", &Answer::of(&listed, last_used))?;
    } else {
        console.answer(&described(&listed, seen.as_ref().ok(), now))?;
    }
    if let Err(unknown) = seen {
        console.remark(&[row::use_unknown(&unknown)])?;
    }
    Ok(Exit::Done)
}

/// What the record of use has of a key.
#[derive(Default)]
struct Seen {
    last: Option<UnixTime>,
    /// Since when it would have been seen in use.
    since: Option<UnixTime>,
}

fn seen(home: &Home, listed: &Listed) -> Result<Seen, UsageFault> {
    let Some(usage) = Usage::open(home)? else { return Ok(Seen::default()) };
    let since = usage.begun_at().max(listed.entry.issued_at);
    Ok(Seen { last: usage.last_used(listed.entry.id)?, since: Some(since) })
}

impl Seen {
    fn told(&self, now: UnixTime) -> Option<String> {
        match (self.last, self.since) {
            (Some(at), _) => Some(Told { at, now }.to_string()),
            (None, Some(since)) => Some(format!("not since {since}")),
            (None, None) => None,
        }
    }
}

fn described(listed: &Listed, seen: Option<&Seen>, now: UnixTime) -> String {
    let entry = &listed.entry;
    let told = |at| Told { at, now }.to_string();
    let revoked = listed.revoked.as_ref();
    row::lines([
        ("id", Some(entry.id.to_string())),
        ("state", Some(listed.state.to_string())),
        ("name", row::text(&entry.name)),
        ("owner", row::text(&entry.owner)),
        ("namespaces", Some(entry.namespaces.to_string())),
        ("scope", entry.scope.claim()),
        ("issued", Some(told(entry.issued_at))),
        ("begins", entry.not_before.map(told)),
        ("ends", Some(listed.ends_at.map_or("never".to_owned(), told))),
        ("last used", seen.and_then(|seen| seen.told(now))),
        ("cut off", revoked.map(|revoked| told(revoked.at))),
        ("with", revoked.and_then(with)),
        ("reason", row::text(&revoked.and_then(|revoked| revoked.cause.reason()))),
        ("server key", Some(format!("{}{}", entry.kid, retired(listed)))),
        ("sha256", Some(hex(&entry.sha256))),
    ])
}

/// What was cut off with it, if it was a kind of keys.
fn with(revoked: &Revoked) -> Option<String> {
    match &revoked.cause {
        Cause::Rule(kind, _) => Some(kind.told()),
        Cause::Operator(_) | Cause::Undelivered => None,
    }
}

/// That the server key of a key ends before the key would.
fn retired(listed: &Listed) -> &'static str {
    if listed.ends_at == listed.entry.expires_at { "" } else { ", retired: the key ends with it" }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[derive(Serialize)]
struct Answer {
    #[serde(flatten)]
    row: Row,
    not_before: Option<String>,
    revoked_at: Option<String>,
    sha256: String,
}

impl Answer {
    fn of(listed: &Listed, last_used: Option<UnixTime>) -> Self {
        Self {
            row: Row::of(listed, last_used),
            not_before: row::text(&listed.entry.not_before),
            revoked_at: listed.revoked.as_ref().map(|revoked| revoked.at.to_string()),
            sha256: hex(&listed.entry.sha256),
        }
    }
}

const EXAMPLES: &str = "\
Examples:
  msb server show ci-deploy
  msb server show 5q7rk2v9 --json";
