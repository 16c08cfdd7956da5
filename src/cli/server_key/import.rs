//! `msb server key import`: sign with a server key from elsewhere, or put a lost one back.

use std::path::{Path, PathBuf};

use super::{
    Answer, DONE,
    rotate::{self, Act, OVERLAP, Outlook},
    tell,
};
use crate::{
    cli::{
        console::{Console, Synced},
        usage::{Typed, typed},
    },
    error::{Error, Exit},
    files::{self, Home},
    keyring::{KeyRing, Standing},
    label::Shown,
    signing::ServerKey,
    store::{KeyFile, Purpose, Store, StoreFault, Succession},
    time::Span,
};

/// Sign with a server key from elsewhere, or put a lost one back
#[derive(clap::Args)]
#[command(before_help = EXAMPLES, after_help = NOTE)]
pub(in crate::cli) struct Args {
    /// An Ed25519 private key, PKCS#8 PEM
    file: PathBuf,
    /// Tell what would be, and change nothing
    #[arg(long)]
    dry_run: bool,
    /// Do not ask
    #[arg(short, long)]
    yes: bool,
}

/// What importing a server key means here.
enum Before {
    /// There is no other; what is left may tell that revocations were lost.
    First { lost: Option<StoreFault> },
    /// It signs already, and its file is in its place, or not.
    Signs { file: KeyFile, ring: KeyRing },
    /// Another signs, and is going to be retired; what lies in its place may tell that the
    /// database is behind.
    Other { outlook: Outlook, lost: Option<StoreFault> },
}

pub(super) fn run(args: Args, console: &mut Console<'_, '_>) -> Result<Exit, Error> {
    let home = console.home()?;
    let server_key = read(&args.file)?;
    let overlap = typed::<Span>(OVERLAP).expect("30d is a span");
    let before = look(&home, &server_key, &overlap, console)?;
    if args.dry_run {
        return before.foretell(&server_key, console);
    }
    let asks = !args.yes && console.can_ask();
    if asks {
        before.ask(&server_key, console)?;
    } else if !args.yes {
        before.check_nothing_is_lost(&home, &server_key)?;
    }
    let kid = server_key.public().kid();
    let mut synced = Synced::NothingToTell;
    let lost = match before {
        Before::First { lost } => {
            let (ring, seq) = adopt(&home, server_key, console)?;
            synced = console.sync(seq);
            tell(&ring, console).map_err(|error| error.after(DONE))?;
            lost
        }
        Before::Signs { file: KeyFile::InPlace, ring } => {
            tell(&ring, console)?;
            console.remark(&[format!("server key {kid} signed already; nothing was changed")])?;
            return Ok(Exit::Done);
        }
        Before::Signs { .. } => {
            let ring = restore(&home, &server_key, console)?;
            tell(&ring, console).map_err(|error| error.after(DONE))?;
            None
        }
        Before::Other { outlook, lost } => {
            let shown = asks.then_some(outlook.kid);
            let retired = rotate::retire(&home, server_key, &overlap, shown, Act::Import, console)?;
            synced = console.sync(retired.seq);
            retired.tell(console).map_err(|error| error.after(DONE))?;
            lost
        }
    };
    if lost.is_some() {
        console.remark(&[LOST.to_owned()]).map_err(|error| error.after(DONE))?;
    }
    if !files::is_same(&args.file, &home.server_key()) {
        console.advise(&format!(
            "{} is a copy of the server key: keep it as safe, or remove it",
            Shown(&args.file.to_string_lossy())
        ))?;
    }
    console.confirm_known(synced)
}

fn read(path: &Path) -> Result<ServerKey, Error> {
    let pem = files::read(path)?;
    let path = || path.display().to_string();
    ServerKey::from_pem(&pem).map_err(|why| Error::ServerKeyPem { path: path(), why })
}

fn look(
    home: &Home,
    server_key: &ServerKey,
    overlap: &Typed<Span>,
    console: &Console<'_, '_>,
) -> Result<Before, Error> {
    let store = match Store::open(home, Purpose::Read) {
        Ok(Some(store)) => store,
        Ok(None) => return Ok(Before::First { lost: None }),
        Err(fault @ StoreFault::RevocationsLost { .. }) => {
            return Ok(Before::First { lost: Some(fault) });
        }
        Err(fault) => return Err(fault.into()),
    };
    let ring = store.ring()?;
    let public = server_key.public();
    match ring.find(public.kid()).map(|key| key.standing) {
        Some(Standing::Dead { at } | Standing::Retired { at, .. }) => {
            return Err(Error::Past { kid: public.kid(), at });
        }
        Some(Standing::Signing { .. } | Standing::Published) => {
            return Ok(Before::Signs { file: store.key_file(public), ring });
        }
        None => {}
    }
    if let Some(outlook) = Outlook::of_signing(&store, &ring, overlap, console.world.now)? {
        let signing = ring.signing().map(|(public, _)| store.key_file(public));
        let lost = match signing {
            Some(KeyFile::Unusable(fault @ StoreFault::KeyFileStrange { .. })) => Some(fault),
            Some(KeyFile::InPlace | KeyFile::RenameUnfinished | KeyFile::Unusable(_)) | None => {
                None
            }
        };
        return Ok(Before::Other { outlook, lost });
    }
    Ok(Before::First { lost: store.lost()? })
}

/// Makes it the first server key of an empty ring.
fn adopt(
    home: &Home,
    server_key: ServerKey,
    console: &Console<'_, '_>,
) -> Result<(KeyRing, Option<u64>), Error> {
    let mut store = Store::open_or_begin_anew(home)?;
    let mut change = store.change(&console.world.who, console.world.clock)?;
    let ring = change.ring()?;
    if !ring.is_empty() {
        return Err(Error::Moved { kid: ring.signing_kid() });
    }
    change.succeed(server_key, Succession::Reset, "import")?;
    let ring = change.ring()?;
    Ok((ring, change.commit()?))
}

/// Puts the file of the server key that signs back into its place.
fn restore(
    home: &Home,
    server_key: &ServerKey,
    console: &Console<'_, '_>,
) -> Result<KeyRing, Error> {
    let mut store = Store::open_or_create(home)?;
    let change = store.change(&console.world.who, console.world.clock)?;
    let ring = change.ring()?;
    let signing = ring.signing().map(|(public, _)| public);
    if signing != Some(server_key.public()) {
        return Err(Error::Moved { kid: signing.map(|public| public.kid()) });
    }
    change.restore_server_key(server_key)?;
    change.commit()?;
    Ok(ring)
}

impl Before {
    /// Where nobody is asked, no other server key is overwritten that may have no copy.
    fn check_nothing_is_lost(&self, home: &Home, server_key: &ServerKey) -> Result<(), Error> {
        let fault = match self {
            Before::Other { lost: Some(fault), .. }
            | Before::Signs {
                file: KeyFile::Unusable(fault @ StoreFault::KeyFileStrange { .. }),
                ..
            } => fault,
            Before::First { .. } | Before::Other { .. } | Before::Signs { .. } => return Ok(()),
        };
        let there = read(&home.server_key());
        match there.is_ok_and(|there| there.public() == server_key.public()) {
            true => Ok(()),
            false => Err(Error::Overwrites { file: fault.to_string() }),
        }
    }

    /// Asks where something may be lost by it.
    fn ask(&self, server_key: &ServerKey, console: &mut Console<'_, '_>) -> Result<(), Error> {
        match self {
            Before::First { lost: Some(fault) } | Before::Other { lost: Some(fault), .. } => {
                let stake = format!("{fault}\nkeys that were revoked may hold again\n");
                console.confirm_by(&stake, &server_key.public().kid().to_string())
            }
            Before::Signs { file: KeyFile::Unusable(fault), .. }
                if !matches!(fault, StoreFault::KeyFileMissing { .. }) =>
            {
                console.confirm(&format!("{fault}\n"), "replace it?")
            }
            Before::Other { outlook, lost: None } => {
                let stake = outlook.stake(console.world.now);
                let question = format!("retire server key {}?", outlook.kid);
                console.confirm(&stake, &question)
            }
            Before::First { lost: None } | Before::Signs { .. } => Ok(()),
        }
    }

    fn foretell(
        &self,
        server_key: &ServerKey,
        console: &mut Console<'_, '_>,
    ) -> Result<Exit, Error> {
        let kid = server_key.public().kid();
        let told = match self {
            Before::Other { outlook, .. } => return outlook.foretell(console),
            Before::First { lost: None } => format!("server key {kid} would be the first one here"),
            Before::First { lost: Some(fault) } => {
                format!("server key {kid} would be the first one here ({fault})")
            }
            Before::Signs { file: KeyFile::InPlace, .. } => {
                format!("server key {kid} signs already")
            }
            Before::Signs { .. } => format!("server key {kid} would be put back into its place"),
        };
        if console.json() {
            console.answer_json("msb.key/1", &Answer { dry_run: true, ..Answer::default() })?;
        }
        console.remark(&[format!("{told}; nothing was changed")])?;
        Ok(Exit::Done)
    }
}

/// What one should know before.
const NOTE: &str = "\
    The server key that signed so far verifies for 30 days more. One that was retired or reset \
    does not come back.";

const EXAMPLES: &str = "\
Examples:
  msb server key import old.pem --dry-run
  msb server key import old.pem";

/// What is said where a database is not the one that knew the imported server key.
const LOST: &str = "keys that were revoked may hold again: revoke them again, or run \
     `msb server key reset`";
