//! `msb server key rotate`: a new server key signs, and the old one verifies for a while.

use super::{Answer, DONE, described};
use crate::{
    cli::{
        console::Console,
        row,
        usage::{Typed, WITHIN, typed},
    },
    error::{Error, Exit},
    files::Home,
    keyring::KeyRing,
    ledger::{Filter, State},
    revocations::Kind,
    signing::{Kid, ServerKey},
    store::{Change, KeyFile, Purpose, Store, StoreFault, Succession},
    time::{NotATime, Span, Told, UnixTime},
};

/// Sign with a new server key; the old one verifies for a while
#[derive(clap::Args)]
#[command(before_help = EXAMPLES, after_help = NOTE)]
pub(in crate::cli) struct Args {
    /// How long the old server key verifies keys from before
    #[arg(long, value_name = "WITHIN", default_value = OVERLAP, value_parser = typed::<Span>, allow_hyphen_values = true)]
    overlap: Typed<Span>,
    /// Tell what would be, and change nothing
    #[arg(long)]
    dry_run: bool,
    /// Do not ask
    #[arg(short, long)]
    yes: bool,
}

/// The server key that is going to be retired, until when, and what that does.
pub(super) struct Outlook {
    pub(super) kid: Kid,
    until: UnixTime,
    /// The keys that outlive it.
    outliving: row::Many,
}

pub(super) fn run(args: Args, console: &mut Console<'_, '_>) -> Result<Exit, Error> {
    let home = console.home()?;
    let asks = !args.yes && !args.dry_run && console.can_ask();
    let mut shown = None;
    {
        let (store, ring) = console.ring(Purpose::Read)?;
        let kid = ring.signing_kid().ok_or_else(|| Error::no_server_key(&home))?;
        let until = end(&args.overlap, console.world.now)?;
        if asks || args.dry_run {
            shown = Some(Outlook::of(&store, kid, until, console.world.now)?);
        }
    }
    if let Some(outlook) = shown.as_ref().filter(|_| args.dry_run) {
        return outlook.foretell(console);
    }
    if let Some(outlook) = shown.as_ref().filter(|outlook| outlook.outliving.count > 0) {
        console.confirm(&outlook.stake(console.world.now), "rotate all the same?")?;
    }
    let server_key = ServerKey::generate(&mut *console.world.entropy);
    let shown = shown.map(|outlook| outlook.kid);
    let retired = retire(&home, server_key, &args.overlap, shown, Act::Rotate, console)?;
    console.acknowledge(retired.seq, DONE, |console| retired.tell(console))
}

/// Why a server key is retired.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Act {
    Import,
    Rotate,
}

impl Act {
    fn word(self) -> &'static str {
        match self {
            Act::Import => "import",
            Act::Rotate => "rotate",
        }
    }
}

/// The ring after a server key was retired, and what that does to keys.
pub(super) struct Retired {
    ring: KeyRing,
    /// The number of this change of trust.
    pub(super) seq: Option<u64>,
    /// Looked up once it is done: an error here is no failure of the rotation.
    outlook: Result<Outlook, Error>,
}

/// Lets a server key sign from now on, and retires the one that signs; if somebody was asked, the
/// one that was shown.
pub(super) fn retire(
    home: &Home,
    server_key: ServerKey,
    overlap: &Typed<Span>,
    shown: Option<Kid>,
    act: Act,
    console: &Console<'_, '_>,
) -> Result<Retired, Error> {
    let mut store = Store::open_or_create(home)?;
    let mut change = store.change(&console.world.who, console.world.clock)?;
    let ring = change.ring()?;
    let signing = ring.signing_kid();
    let Some(kid) = signing.filter(|kid| shown.is_none_or(|shown| shown == *kid)) else {
        return Err(Error::Moved { kid: signing });
    };
    if ring.find(server_key.public().kid()).is_some() {
        // Another import of the same was quicker.
        return Err(Error::Moved { kid: signing });
    }
    if act == Act::Rotate {
        check_key_file(&change, &ring)?;
    }
    let now = change.now();
    let until = end(overlap, now)?;
    change.succeed(server_key, Succession::Retire { until }, act.word())?;
    let ring = change.ring()?;
    let seq = change.commit()?;
    Ok(Retired { ring, seq, outlook: Outlook::of(&store, kid, until, now) })
}

fn end(overlap: &Typed<Span>, now: UnixTime) -> Result<UnixTime, Error> {
    let refused = || overlap.refused("--overlap", &NotATime::OutOfRange, WITHIN);
    overlap.value.after(now).ok_or_else(refused)
}

/// A server key file that others may have read, or that is not ours, is not simply replaced. One
/// that is lost is: rotating is what mends that.
fn check_key_file(change: &Change<'_>, ring: &KeyRing) -> Result<(), Error> {
    match ring.signing().map(|(signing, _)| change.key_file(signing)) {
        // What holds no server key is as good as missing.
        Some(KeyFile::Unusable(
            StoreFault::KeyFileMissing { .. } | StoreFault::KeyFileUnreadable { .. },
        ))
        | None => Ok(()),
        Some(KeyFile::Unusable(fault)) => Err(fault.into()),
        Some(KeyFile::InPlace | KeyFile::RenameUnfinished) => Ok(()),
    }
}

impl Outlook {
    /// What it does, or has done, to retire a server key until then.
    fn of(store: &Store, kid: Kid, until: UnixTime, now: UnixTime) -> Result<Self, Error> {
        let filter = Filter {
            states: State::LIVE.to_vec(),
            kind: Kind { kid: Some(kid), ..Kind::default() },
            outlives: Some(until),
            ..Filter::default()
        };
        Ok(Self { kid, until, outliving: row::Many::of(store, filter, now)? })
    }

    /// The same for the server key that signs, and the overlap after an import; none if none signs.
    pub(super) fn of_signing(
        store: &Store,
        ring: &KeyRing,
        overlap: &Typed<Span>,
        now: UnixTime,
    ) -> Result<Option<Self>, Error> {
        let Some((public, _)) = ring.signing() else { return Ok(None) };
        Self::of(store, public.kid(), end(overlap, now)?, now).map(Some)
    }

    /// What a person has to know before they say yes; nothing if no key outlives the overlap.
    pub(super) fn stake(&self, now: UnixTime) -> String {
        if self.outliving.count == 0 {
            return String::new();
        }
        let until = Told { at: self.until, now };
        format!(
            "{} would live longer, and end at {until}\n{}",
            row::keys(self.outliving.count),
            self.outliving.rows(true)
        )
    }

    pub(super) fn foretell(&self, console: &mut Console<'_, '_>) -> Result<Exit, Error> {
        if console.json() {
            let (kid, until) = (self.kid.to_string(), self.until.to_string());
            let retired = vec![super::Retired { kid, until }];
            let keys = Some(self.outliving.count);
            let answer = Answer { dry_run: true, retired, keys, ..Answer::default() };
            console.answer_json("msb.key/1", &answer)?;
            return Ok(Exit::Done);
        }
        console.answer(&self.outliving.rows(console.answers_a_person()))?;
        let until = Told { at: self.until, now: console.world.now };
        console.remark(&[format!(
            "server key {} would verify until {until}, and {} would end with it; nothing was changed",
            self.kid,
            row::keys(self.outliving.count)
        )])?;
        Ok(Exit::Done)
    }
}

impl Retired {
    /// Says what was done, and which keys end with the overlap.
    pub(super) fn tell(self, console: &mut Console<'_, '_>) -> Result<(), Error> {
        let Self { ring, outlook, .. } = self;
        if console.json() {
            let keys = outlook.as_ref().ok().map(|outlook| outlook.outliving.count);
            console.answer_json(
                "msb.key/1",
                &Answer { keys, ..Answer::of(&ring, console.world.now) },
            )?;
            return outlook.map(|_| ());
        }
        console.answer(&described(&ring, console.world.now))?;
        let outlook = outlook?;
        console.answer(&outlook.outliving.rows(console.answers_a_person()))?;
        console.remark(&[match outlook.outliving.count {
            0 => "no key outlives the overlap".to_owned(),
            1 => "1 key ends with the overlap: hand out new ones".to_owned(),
            count => format!("{count} keys end with the overlap: hand out new ones"),
        }])
    }
}

/// What one should know before.
const NOTE: &str = "\
    Lists the keys that outlive the overlap: they end with it, and their holders need new \
    ones. For a stolen server key use `reset`: whoever has it can date keys back.";

const EXAMPLES: &str = "\
Examples:
  msb server key rotate --dry-run
  msb server key rotate
  msb server key rotate --overlap 1w";

/// How long a retired server key verifies.
pub(super) const OVERLAP: &str = "30d";
