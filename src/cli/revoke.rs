//! `msb server revoke`: cut off keys, by id, by name, or by their text.

use serde::Serialize;
use zeroize::Zeroizing;

use super::{console::Console, show, usage::word};
use crate::{
    error::{Error, Exit},
    key::{KeyId, KeyText, Prefix, UnverifiedKey},
    label::Label,
    revocations::{Cause, Revocation, Revoked},
    store::{Act, Purpose, Store},
    verify::{Refusal, Verifier},
};

/// Cut off keys
#[derive(clap::Args)]
#[command(before_help = EXAMPLES)]
pub(super) struct Args {
    /// Ids, names or keys; `-` reads them from standard input, one a line
    #[arg(required = true, value_name = "ID|NAME|KEY|-")]
    keys: Vec<String>,
    /// Why, for whoever asks later
    #[arg(long, value_name = "R", value_parser = word::<Label>)]
    reason: Option<Label>,
    /// Tell what would be cut off, and cut off nothing
    #[arg(long)]
    dry_run: bool,
}

const EXAMPLES: &str = "\
Examples:
  msb server revoke ci-deploy --reason \"laptop lost\"
  msb server revoke 5q7rk2v9 --dry-run
  msb server revoke - < leaked.txt";

/// A key that is going to be cut off.
struct Target {
    id: KeyId,
    name: Option<Label>,
    before: Option<Revoked>,
}

pub(super) fn run(args: Args, console: &mut Console<'_, '_>) -> Result<Exit, Error> {
    let purpose = if args.dry_run { Purpose::Read } else { Purpose::Write };
    let texts = texts(args.keys, console)?;
    let (mut store, verifier, config) = console.trust(purpose)?;
    let mut targets = Vec::<Target>::new();
    for text in &texts {
        let target = target(&store, &verifier, &config.prefix, text, console)?;
        if targets.iter().all(|known| known.id != target.id) {
            targets.push(target);
        }
    }
    if !args.dry_run {
        revoke(&mut store, &targets, args.reason, console)?;
    }
    tell(&targets, args.dry_run, console)?;
    Ok(Exit::Done)
}

/// What was named, with the lines of standard input in the place of `-`.
fn texts(
    keys: Vec<String>,
    console: &mut Console<'_, '_>,
) -> Result<Vec<Zeroizing<String>>, Error> {
    let mut texts = Vec::new();
    for key in keys {
        if key == "-" {
            let mut lines = Zeroizing::new(String::new());
            console.world.stdin.read_to_string(&mut lines).map_err(Error::Input)?;
            let lines = lines.lines().filter(|line| !line.is_empty());
            texts.extend(lines.map(|line| Zeroizing::new(line.to_owned())));
        } else {
            texts.push(Zeroizing::new(key));
        }
    }
    match texts.is_empty() {
        true => {
            Err(Error::usage("standard input names no key", "write ids, names or keys, one a line"))
        }
        false => Ok(texts),
    }
}

fn target(
    store: &Store,
    verifier: &Verifier,
    prefix: &Prefix,
    text: &Zeroizing<String>,
    console: &Console<'_, '_>,
) -> Result<Target, Error> {
    let now = console.world.now;
    let (id, name) = if text.starts_with(prefix.as_str()) {
        // The signature is proof enough: the ledger need not know the key.
        let key = UnverifiedKey::parse(&KeyText::new(text.clone()), prefix);
        let key = key.map_err(Refusal::from).and_then(|key| verifier.authenticate(key));
        let id = key.map_err(Error::Refused)?.claims().jti;
        (id, store.entry(id, now)?.and_then(|listed| listed.entry.name))
    } else {
        let listed = show::one(store, text, now)?;
        (listed.entry.id, listed.entry.name)
    };
    let before = match store.revocation(id)? {
        Revocation::Revoked(revoked) => Some(revoked),
        Revocation::None | Revocation::NotChecked => None,
    };
    Ok(Target { id, name, before })
}

fn revoke(
    store: &mut Store,
    targets: &[Target],
    reason: Option<Label>,
    console: &Console<'_, '_>,
) -> Result<(), Error> {
    let act = Act { who: &console.world.who, at: console.world.now };
    let revoked = Revoked { at: act.at, cause: Cause::Operator(reason) };
    let change = store.change(act)?;
    for target in targets {
        if change.revoke(target.id, &revoked)? {
            change.audit_trust("revoke", &format!("key {}", target.id))?;
        }
    }
    Ok(change.commit()?)
}

fn tell(targets: &[Target], dry_run: bool, console: &mut Console<'_, '_>) -> Result<(), Error> {
    if console.json() {
        let now = console.world.now;
        let revoked = targets.iter().map(|target| Cut {
            id: target.id.to_string(),
            name: target.name.as_ref().map(ToString::to_string),
            before: target.before.is_some(),
            revoked_at: match &target.before {
                Some(before) => Some(before.at.to_string()),
                None => (!dry_run).then(|| now.to_string()),
            },
        });
        return console
            .answer_json("msb.revoke/1", &Answer { dry_run, revoked: revoked.collect() });
    }
    let lines = targets.iter().map(|target| {
        let name = target.name.as_ref().map(|name| format!(" ({name})")).unwrap_or_default();
        match (&target.before, dry_run) {
            (Some(before), _) => {
                format!("{}{name} was revoked before, at {}\n", target.id, before.at)
            }
            (None, true) => format!("{}{name} would be revoked\n", target.id),
            (None, false) => format!("{}{name} is revoked\n", target.id),
        }
    });
    let text: String = lines.collect();
    console.answer(&text)?;
    if dry_run {
        console.remark(&["nothing was changed".to_owned()])
    } else {
        console
            .remark(&["verifiers without this database (`--jwks`) do not learn of it".to_owned()])
    }
}

#[derive(Serialize)]
struct Answer {
    dry_run: bool,
    revoked: Vec<Cut>,
}

#[derive(Serialize)]
struct Cut {
    id: String,
    name: Option<String>,
    before: bool,
    revoked_at: Option<String>,
}
