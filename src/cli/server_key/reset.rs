//! `msb server key reset`: every key issued so far is dead.

use super::{Answer, DONE, Held, tell};
use crate::{
    cli::{
        console::{Console, Tone},
        row,
    },
    error::{Error, Exit},
    files::Home,
    keyring::KeyRing,
    ledger::Holding,
    signing::{Kid, ServerKey},
    store::{Purpose, Store, StoreFault, Succession},
};

/// Kill every key issued so far, and sign with a new server key
#[derive(clap::Args)]
#[command(before_help = EXAMPLES, after_help = NOTE)]
pub(in crate::cli) struct Args {
    /// Tell what would die, and change nothing
    #[arg(long)]
    dry_run: bool,
    /// Do not ask
    #[arg(short, long)]
    yes: bool,
}

/// What there is to reset.
enum Before {
    /// Server keys, and who holds keys of them, as far as that was looked up.
    Known { ring: KeyRing, holdings: Vec<Holding> },
    /// A server key without the database that knew its keys.
    Lost(StoreFault),
}

pub(super) fn run(args: Args, console: &mut Console<'_, '_>) -> Result<Exit, Error> {
    let home = console.home()?;
    if args.dry_run {
        return foretell(&look(&home, true, console)?, console);
    }
    let shown = if args.yes || !console.can_ask() {
        look(&home, false, console)?;
        None
    } else {
        ask(&home, console)?
    };
    let (ring, seq) = reset(&home, shown, console)?;
    console.acknowledge(seq, DONE, |console| {
        tell(&ring, console)?;
        advise(console)
    })
}

/// Shows a person what would die, and goes on once they say so; answers the server key that they
/// were shown.
pub(in crate::cli) fn ask(
    home: &Home,
    console: &mut Console<'_, '_>,
) -> Result<Option<Kid>, Error> {
    let before = look(home, true, console)?;
    let stake = stake(&before, console);
    let shown = match &before {
        Before::Known { ring, .. } => ring.signing_kid(),
        Before::Lost(_) => None,
    };
    let word = shown.map_or("reset".to_owned(), |kid| kid.to_string());
    console.confirm_by(&stake, &word)?;
    Ok(shown)
}

/// What would die; an error if there was never a server key.
fn look(home: &Home, whose: bool, console: &Console<'_, '_>) -> Result<Before, Error> {
    let none = || Error::no_server_key(home);
    let store = match Store::open(home, Purpose::Read) {
        Ok(store) => store.ok_or_else(none)?,
        Err(fault @ StoreFault::RevocationsLost { .. }) => return Ok(Before::Lost(fault)),
        Err(fault) => return Err(fault.into()),
    };
    let ring = store.ring()?;
    if ring.is_empty() {
        return store.lost()?.map(Before::Lost).ok_or_else(none);
    }
    let holdings = if whose { store.holdings(console.world.now)? } else { vec![] };
    Ok(Before::Known { ring, holdings })
}

/// Resets the server key, if it is still the one that was shown to whoever said yes; answers the
/// new ring, and the number of this change of trust.
pub(in crate::cli) fn reset(
    home: &Home,
    shown: Option<Kid>,
    console: &mut Console<'_, '_>,
) -> Result<(KeyRing, Option<u64>), Error> {
    let server_key = ServerKey::generate(&mut *console.world.entropy);
    let mut store = Store::open_or_begin_anew(home)?;
    let mut change = store.change(&console.world.who, console.world.clock)?;
    let signing = change.ring()?.signing_kid();
    if shown.is_some() && shown != signing {
        return Err(Error::Moved { kid: signing });
    }
    change.succeed(server_key, Succession::Reset, "reset")?;
    let ring = change.ring()?;
    Ok((ring, change.commit()?))
}

/// What is left to be done; programs know it.
pub(in crate::cli) fn advise(console: &mut Console<'_, '_>) -> Result<(), Error> {
    if console.json() {
        return Ok(());
    }
    console.remark(&[
        "what verifies elsewhere (`--jwks`, a cached JWKS) follows when it next fetches the keys"
            .to_owned(),
        "hand out new keys with `msb server keygen`".to_owned(),
    ])
}

/// What a person has to know before they say yes.
fn stake(before: &Before, console: &Console<'_, '_>) -> String {
    match before {
        Before::Lost(fault) => {
            format!("{fault}\na reset kills every key of that server key, known or not\n")
        }
        Before::Known { holdings, .. } => {
            let dies = row::keys(holdings.iter().map(|holding| holding.keys).sum());
            let heading = console.paint_remark(Tone::Bad, &format!("{dies} will die"));
            let more = match holdings.len().saturating_sub(MOST) {
                0 => String::new(),
                more => format!("and {more} more owners and namespaces: see `--dry-run`\n"),
            };
            format!("{heading}\n{}{more}", table(&holdings[..holdings.len().min(MOST)], true))
        }
    }
}

fn foretell(before: &Before, console: &mut Console<'_, '_>) -> Result<Exit, Error> {
    let (dead, holdings, lost) = match before {
        Before::Known { ring, holdings } => (
            ring.keys().iter().map(|key| key.public.kid().to_string()).collect(),
            holdings.as_slice(),
            None,
        ),
        Before::Lost(fault) => (vec![], [].as_slice(), Some(fault.to_string())),
    };
    let dies = holdings.iter().map(|holding| holding.keys).sum();
    if console.json() {
        let answer = Answer {
            dry_run: true,
            dead,
            keys: lost.is_none().then_some(dies),
            holdings: lost.is_none().then(|| holdings.iter().map(Held::from).collect()),
            ..Answer::default()
        };
        console.answer_json("msb.key/1", &answer)?;
        return Ok(Exit::Done);
    }
    console.answer(&table(holdings, console.answers_a_person()))?;
    let lost = lost.map(|lost| format!(" ({lost})")).unwrap_or_default();
    console.remark(&[format!("{} would die; nothing was changed{lost}", row::keys(dies))])?;
    Ok(Exit::Done)
}

fn table(holdings: &[Holding], for_a_person: bool) -> String {
    let cells = |holding: &Holding| {
        let owner = row::text(&holding.owner).unwrap_or_else(|| "-".to_owned());
        [holding.keys.to_string(), holding.namespaces.to_string(), owner]
    };
    row::table(["KEYS", "NAMESPACES", "OWNER"], holdings.iter().map(cells), for_a_person)
}

/// What one should know before.
const NOTE: &str = "\
    On a terminal it shows what dies and asks; in a script it proceeds. Retired server keys \
    die too. What verifies elsewhere with a JWKS follows when it next fetches it.";

const EXAMPLES: &str = "\
Examples:
  msb server key reset --dry-run
  msb server key reset";

/// How many owners and namespaces are shown to whoever is asked.
const MOST: usize = 20;
