//! `msb server revoke`: cut off keys, by id, by name, by their text, or by a rule.

mod rule;

use std::{collections::HashSet, io::Read};

use serde::Serialize;
use zeroize::Zeroizing;

use super::{complete::Offer, console::Console, row, source::SEEN_BY_OTHERS, usage::word};
use crate::{
    config::Config,
    error::{Error, Exit},
    key::{KeyId, KeyText, Prefix, SignedKey, UnverifiedKey},
    label::Label,
    ledger::Listed,
    policy::Policy,
    revocations::{Cause, Revocation, Revoked},
    store::{Purpose, Store},
    time::UnixTime,
    verify::Verifier,
};

#[derive(clap::Args)]
#[command(before_help = EXAMPLES, after_help = NOTE)]
pub(super) struct Args {
    /// Ids, names or keys; `-` reads them from standard input, one a line
    #[arg(value_name = "ID|NAME|KEY|-", required_unless_present = "kind", add = Offer::LiveKeys)]
    keys: Vec<String>,
    #[command(flatten)]
    kind: rule::KindArgs,
    /// Why, for whoever asks later
    #[arg(long, value_name = "R", value_parser = word::<Label>)]
    reason: Option<Label>,
    /// Tell what would be cut off, and cut off nothing
    #[arg(long)]
    dry_run: bool,
    /// Do not ask
    #[arg(short, long)]
    yes: bool,
}

/// A key that is going to be cut off.
struct Target {
    id: KeyId,
    name: Option<Label>,
    before: Option<Revoked>,
}

pub(super) fn run(args: Args, console: &mut Console<'_, '_>) -> Result<Exit, Error> {
    if args.keys.is_empty() {
        return rule::run(args, console);
    }
    let texts = texts(args.keys, console)?;
    let purpose = if args.dry_run { Purpose::Read } else { Purpose::Write };
    let (mut store, ring) = console.ring(purpose)?;
    // In an incident no slip in the settings is in the way: a key's signature needs none of them.
    let config = Config::load(&console.home()?.config_file()).unwrap_or_default();
    let verifier = Verifier { ring, issuer: None, audience: None, policy: Policy::default() };
    let (mut targets, mut known) = (Vec::new(), HashSet::new());
    for text in &texts {
        let target = target(&store, &verifier, &config.prefix, text, console.world.now)?;
        if known.insert(target.id) {
            targets.push(target);
        }
    }
    if args.dry_run {
        // Closed before anything is told: a pipe may be slow.
        drop(store);
        tell(&targets, None, console)?;
        return Ok(Exit::Done);
    }
    let (at, seq) = revoke(&mut store, &mut targets, args.reason, console)?;
    drop(store);
    console.acknowledge(Some(seq), DONE, |console| tell(&targets, Some(at), console))
}

/// What was named, with the lines of standard input in the place of `-`.
fn texts(keys: Vec<String>, console: &mut Console<'_, '_>) -> Result<Vec<KeyText>, Error> {
    let mut texts = Vec::new();
    for key in keys {
        if key == "-" {
            texts.extend(lines(console)?);
            continue;
        }
        let key = KeyText::from(key);
        if key.expose().chars().count() > Label::MOST {
            console.advise(SEEN_BY_OTHERS)?;
        }
        texts.push(key);
    }
    if texts.is_empty() {
        let hint = "write ids, names or keys, one a line";
        return Err(Error::usage("standard input names no key", hint));
    }
    Ok(texts)
}

/// The lines of standard input that are not empty.
fn lines(console: &mut Console<'_, '_>) -> Result<Vec<KeyText>, Error> {
    let mut lines = Zeroizing::new(String::new());
    let mut stdin = (&mut *console.world.stdin).take(MOST + 1);
    let length = stdin.read_to_string(&mut lines).map_err(Error::Input)?;
    console.world.waited();
    if length as u64 > MOST {
        return Err(Error::usage("standard input has more than 64 MiB", "name fewer keys"));
    }
    let lines = lines.lines().filter(|line| !line.is_empty());
    Ok(lines.map(|line| KeyText::from(line.to_owned())).collect())
}

fn target(
    store: &Store,
    verifier: &Verifier,
    configured: &Prefix,
    text: &KeyText,
    now: UnixTime,
) -> Result<Target, Error> {
    if let Some(key) = signed(verifier, configured, text)? {
        let (id, revocation) = (key.claims().jti, store.revocation(&key)?);
        let name = store.entry(id, now)?.and_then(|listed| listed.entry.name);
        return Ok(Target { id, name, before: before(revocation) });
    }
    let Listed { entry, revoked, .. } = row::find(store, text.expose(), now)?;
    Ok(Target { id: entry.id, name: entry.name, before: revoked })
}

/// A key that was given as its text, whatever prefix it bears. The signature is proof enough: the
/// ledger need not know the key.
fn signed(
    verifier: &Verifier,
    configured: &Prefix,
    text: &KeyText,
) -> Result<Option<SignedKey>, Error> {
    let prefix = Prefix::borne_by(text).unwrap_or_default();
    match UnverifiedKey::parse(text, &prefix) {
        Ok(key) => Ok(Some(verifier.authenticate(key).map_err(Error::Refused)?)),
        Err(why) if text.expose().starts_with(configured.as_str()) => {
            Err(Error::Refused(why.into()))
        }
        Err(_) => Ok(None),
    }
}

/// Cuts off what is not cut off yet, and answers when that was, and the number of the last change
/// of trust. What was cut off before counts too: perhaps nobody was sure that the server knew it.
fn revoke(
    store: &mut Store,
    targets: &mut [Target],
    reason: Option<Label>,
    console: &Console<'_, '_>,
) -> Result<(UnixTime, u64), Error> {
    let change = store.change(&console.world.who, console.world.clock)?;
    let at = change.now();
    let why = because(&reason);
    let revoked = Revoked { at, cause: Cause::Operator(reason) };
    for target in targets.iter_mut().filter(|target| target.before.is_none()) {
        if change.revoke(target.id, &revoked)? {
            change.audit_trust("revoke", &format!("key {}{why}", target.id))?;
        } else {
            // Perhaps by somebody who was quicker: what is told is what is kept.
            target.before = before(change.revocation_of(target.id)?);
        }
    }
    let seq = change.commit()?.map_or_else(|| store.seq(), Ok)?;
    Ok((at, seq))
}

/// Why, behind what was done.
fn because(reason: &Option<Label>) -> String {
    reason.as_ref().map(|reason| format!(": {reason}")).unwrap_or_default()
}

fn before(revocation: Revocation) -> Option<Revoked> {
    match revocation {
        Revocation::Revoked(revoked) => Some(revoked),
        Revocation::None | Revocation::NotChecked => None,
    }
}

/// Says what was cut off, and when; with no moment, what would be.
fn tell(
    targets: &[Target],
    at: Option<UnixTime>,
    console: &mut Console<'_, '_>,
) -> Result<(), Error> {
    if console.json() {
        let revoked = targets.iter().map(|target| Cut {
            id: target.id.to_string(),
            name: row::text(&target.name),
            already_revoked: target.before.is_some(),
            revoked_at: target
                .before
                .as_ref()
                .map(|before| before.at)
                .or(at)
                .map(|at| at.to_string()),
        });
        return console.answer_json(
            "msb.revoke/1",
            &Answer { dry_run: at.is_none(), revoked: revoked.collect(), rule: None },
        );
    }
    let lines = targets.iter().map(|target| {
        let name = row::called(&target.name);
        match (&target.before, at) {
            (Some(before), _) => {
                format!("{}{name} was revoked before, at {}\n", target.id, before.at)
            }
            (None, None) => format!("{}{name} would be revoked\n", target.id),
            (None, Some(_)) => format!("{}{name} is revoked\n", target.id),
        }
    });
    let text: String = lines.collect();
    console.answer(&text)?;
    console.remark(&[if at.is_none() { UNCHANGED } else { ELSEWHERE }.to_owned()])
}

#[derive(Serialize)]
struct Answer {
    dry_run: bool,
    revoked: Vec<Cut>,
    rule: Option<rule::Told>,
}

#[derive(Serialize)]
struct Cut {
    id: String,
    name: Option<String>,
    already_revoked: bool,
    revoked_at: Option<String>,
}

/// What one should know before.
const NOTE: &str = "\
    A kind is one decision however many keys it has: it covers every key issued up to now, \
    those that the ledger does not know too, and no key that is issued later.";

const EXAMPLES: &str = "\
Examples:
  msb server revoke ci-deploy --reason \"laptop lost\"
  msb server revoke --owner ci-bot --dry-run
  msb server revoke -n team-alpha --issued-before 2026-11-01
  msb server revoke - < leaked.txt";

/// What is said where a revocation could not be told.
const DONE: &str = "all of these keys are revoked";

const UNCHANGED: &str = "nothing was changed";

const ELSEWHERE: &str = "verifiers without this database (`--jwks`) do not learn of it";

/// The most that is read of standard input, in bytes: a million keys' ids and more.
const MOST: u64 = 64 << 20;
