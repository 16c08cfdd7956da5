//! `msb server key`: look after the server key.

mod import;
pub(super) mod reset;
mod rotate;
mod show;

use serde::Serialize;

use super::console::Console;
use crate::{
    error::{Error, Exit},
    keyring::{KeyRing, Standing},
    ledger::Holding,
    time::{Told, UnixTime},
};

/// What to do with the server key.
#[derive(clap::Subcommand)]
pub(super) enum Command {
    Show(show::Args),
    Rotate(rotate::Args),
    Reset(reset::Args),
    Import(import::Args),
}

pub(super) fn run(command: Command, console: &mut Console<'_, '_>) -> Result<Exit, Error> {
    match command {
        Command::Show(args) => show::run(args, console),
        Command::Rotate(args) => rotate::run(args, console),
        Command::Reset(args) => reset::run(args, console),
        Command::Import(args) => import::run(args, console),
    }
}

/// The server key that signs, the others, and what a change does to keys.
#[derive(Default, Serialize)]
struct Answer {
    dry_run: bool,
    kid: Option<String>,
    fingerprint: Option<String>,
    created_at: Option<String>,
    pem: Option<String>,
    retired: Vec<Retired>,
    dead: Vec<String>,
    keys: Option<u64>,
    holdings: Option<Vec<Held>>,
}

/// A server key that verifies for a while.
#[derive(Serialize)]
struct Retired {
    kid: String,
    until: String,
}

/// Keys of one owner and for the same namespaces.
#[derive(Serialize)]
struct Held {
    namespaces: Vec<String>,
    owner: Option<String>,
    keys: u64,
}

impl Answer {
    /// What a ring says.
    fn of(ring: &KeyRing, now: UnixTime) -> Self {
        let mut answer = Self::default();
        if let Some((public, since)) = ring.signing() {
            answer.kid = Some(public.kid().to_string());
            answer.fingerprint = Some(public.thumbprint());
            answer.created_at = Some(since.to_string());
            answer.pem = Some(public.to_pem());
        }
        for key in ring.keys() {
            let kid = key.public.kid().to_string();
            match key.standing {
                Standing::Dead { .. } => answer.dead.push(kid),
                Standing::Retired { until, .. } if now < until => {
                    answer.retired.push(Retired { kid, until: until.to_string() });
                }
                Standing::Published | Standing::Retired { .. } | Standing::Signing { .. } => {}
            }
        }
        answer
    }
}

impl From<&Holding> for Held {
    fn from(holding: &Holding) -> Self {
        Self {
            namespaces: holding.namespaces.words(),
            owner: super::row::text(&holding.owner),
            keys: holding.keys,
        }
    }
}

/// Which server key signs from now on, and what became of others by that; tombstones from before
/// are not news.
fn described(ring: &KeyRing, now: UnixTime) -> String {
    let Some((signing, since)) = ring.signing() else { return String::new() };
    let mut text = format!("server key {} signs from now on\n", signing.kid());
    for key in ring.keys() {
        let kid = key.public.kid();
        match key.standing {
            Standing::Dead { at } if at >= since => {
                text += &format!("server key {kid} is dead, and so is every key that it signed\n");
            }
            Standing::Retired { until, .. } if now < until => {
                let until = Told { at: until, now };
                text += &format!("server key {kid} verifies until {until}\n");
            }
            Standing::Dead { .. }
            | Standing::Published
            | Standing::Retired { .. }
            | Standing::Signing { .. } => {}
        }
    }
    text
}

/// Says which server key signs from now on, and what became of others by that.
pub(super) fn tell(ring: &KeyRing, console: &mut Console<'_, '_>) -> Result<(), Error> {
    let now = console.world.now;
    if console.json() {
        return console.answer_json("msb.key/1", &Answer::of(ring, now));
    }
    console.answer(&described(ring, now))
}

/// What is said where a change of the server key could not be told.
pub(super) const DONE: &str = "the server key is changed";

pub(super) const EXAMPLES: &str = "\
Examples:
  msb server key show --format jwks > jwks.json
  msb server key rotate --dry-run
  msb server key rotate --overlap 30d
  msb server key reset --dry-run
  msb server key import old.pem";
