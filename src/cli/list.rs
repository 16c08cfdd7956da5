//! `msb server list`: who holds what.

use clap_complete::engine::{ArgValueCandidates, CompletionCandidate};

use super::{
    complete::Offer,
    console::Console,
    row::{self, Row},
    usage::{self, Typed, typed, word},
};
use crate::{
    error::{Error, Exit},
    json,
    key::{KeyId, Party},
    ledger::{Filter, Listed, State},
    namespace::Namespace,
    revocations::Kind,
    store::{Usage, UsageFault},
    time::{NotATime, Span, UnixTime},
};

#[derive(clap::Args)]
#[command(before_help = EXAMPLES)]
pub(super) struct Args {
    /// Keys that open NS, those for every namespace included
    #[arg(short, long, value_name = "NS", value_parser = word::<Namespace>, add = Offer::Namespaces)]
    namespace: Option<Namespace>,
    /// Keys that belong to O
    #[arg(long, value_name = "O", value_parser = word::<Party>, add = Offer::Owners)]
    owner: Option<Party>,
    /// Keys with such a name, as in 'ci-*'
    #[arg(long, value_name = "GLOB", add = Offer::Names)]
    name: Option<String>,
    /// Keys in state S: active, not_yet_valid, expired, revoked, reset, undelivered, or all; repeatable
    #[arg(long, value_name = "S", value_parser = states, add = ArgValueCandidates::new(state_words))]
    state: Vec<States>,
    /// Active keys that end within this time, such as 14d; exit 3 if there are any
    #[arg(long, value_name = "WITHIN", value_parser = typed::<Span>, conflicts_with = "state", allow_hyphen_values = true)]
    expiring: Option<Typed<Span>>,
    /// Keys that may still work, and that the server has not seen in use within this time, such as 30d
    #[arg(long, value_name = "WITHIN", value_parser = typed::<Span>, conflicts_with = "state", allow_hyphen_values = true)]
    unused: Option<Typed<Span>>,
    /// At most N keys; 0 for all
    #[arg(long, value_name = "N", default_value_t = 200, value_parser = usage::number::<0, 1_000_000_000>)]
    limit: u32,
    /// Keys older than the key ID
    #[arg(long, value_name = "ID", value_parser = word::<KeyId>, add = Offer::Ids)]
    after: Option<KeyId>,
}

/// One word of `--state`.
#[derive(Clone)]
struct States(Vec<State>);

fn states(text: &str) -> Result<States, String> {
    match text {
        "all" => Ok(States(State::ALL.to_vec())),
        state => word(state).map(|state| States(vec![state])),
    }
}

/// What is offered for `--state`.
fn state_words() -> Vec<CompletionCandidate> {
    let words = State::ALL.map(State::word).into_iter().chain(["all"]);
    words.map(CompletionCandidate::new).collect()
}

pub(super) fn run(args: Args, console: &mut Console<'_, '_>) -> Result<Exit, Error> {
    let now = console.world.now;
    let ends_by =
        match &args.expiring {
            Some(within) => Some(within.value.after(now).ok_or_else(|| {
                within.refused("--expiring", &NotATime::OutOfRange, usage::WITHIN)
            })?),
            None => None,
        };
    let unused_since = match &args.unused {
        Some(within) => {
            let refused = || within.refused("--unused", &NotATime::OutOfRange, usage::WITHIN);
            Some(within.value.before(now).ok_or_else(refused)?)
        }
        None => None,
    };
    let mut filter = Filter {
        states: match (&args.expiring, args.state.as_slice()) {
            (Some(_), _) => vec![State::Active],
            (None, []) => State::LIVE.to_vec(),
            (None, states) => states.iter().flat_map(|States(states)| states.clone()).collect(),
        },
        opens: args.namespace,
        kind: Kind { owner: args.owner, ..Kind::default() },
        name: args.name,
        ends_by,
        after: args.after,
        ..Filter::default()
    };
    let most = if args.limit == 0 { usize::MAX } else { args.limit as usize };
    let (mut told, mut unknown) = (0, None);
    let next = loop {
        let page = PAGE.min(most - told);
        // One more than will be told tells whether there are more.
        filter.limit = u32::try_from(page + 1).ok();
        let (mut keys, fault) = look(&filter, unused_since, console)?;
        let more = keys.len() > page;
        keys.truncate(page);
        tell(&keys, told == 0, console)?;
        told += keys.len();
        unknown = unknown.or(fault);
        filter.after = keys.last().map(|(last, _)| last.entry.id);
        if !more || told == most {
            break filter.after.filter(|_| more);
        }
    };
    let unknown = unknown.as_ref().map(row::use_unknown);
    if console.json() {
        console.answer(&format!("],\"next\":{}}}\n", json::write(&row::text(&next))))?;
        console.remark(unknown.as_slice())?;
    } else {
        let told = match (told, next) {
            (_, Some(id)) => format!("there are more: --after {id}"),
            (0, None) => "no keys".to_owned(),
            (count, None) => row::keys(count as u64),
        };
        let unknown = unknown.map(|unknown| format!("; {unknown}")).unwrap_or_default();
        let recorded = unused_since.and_then(|since| recorded(since, console));
        console
            .remark(&[Some(told + &unknown), recorded].into_iter().flatten().collect::<Vec<_>>())?;
    }
    let attention = args.expiring.is_some() && told > 0;
    Ok(if attention { Exit::Attention } else { Exit::Done })
}

/// A key, and when it was last used, as far as that is known.
type Known = (Listed, Option<UnixTime>);

/// One page, and why it is not known when its keys were used, if it is not. Nothing is kept open
/// until the next: a pipe may be slow.
fn look(
    filter: &Filter,
    unused_since: Option<UnixTime>,
    console: &Console<'_, '_>,
) -> Result<(Vec<Known>, Option<UsageFault>), Error> {
    let (now, home) = (console.world.now, console.home()?);
    let not_found = |id: KeyId| Error::NotFound { text: id.to_string() };
    let store = match (console.store()?, filter.after) {
        (Some(store), Some(id)) => {
            store.entry(id, now)?.ok_or_else(|| not_found(id))?;
            store
        }
        (Some(store), None) => store,
        (None, Some(id)) => return Err(not_found(id)),
        (None, None) => return Ok((vec![], None)),
    };
    let (keys, record) = match unused_since {
        Some(since) => {
            let record = Usage::open_since(&home, since)?;
            let unused = |key: &Listed| record.is_unused(key, since).map_err(Error::from);
            (store.list_if(filter, now, unused)?, Ok(Some(record)))
        }
        None => (store.list(filter, now)?, Usage::open(&home)),
    };
    let (used, unknown) = match record.and_then(|record| last_uses(record.as_ref(), &keys)) {
        Ok(used) => (used, None),
        Err(fault) => (vec![None; keys.len()], Some(fault)),
    };
    Ok((keys.into_iter().zip(used).collect(), unknown))
}

/// From when to when there is a record: where no server has run, no key was seen in use.
fn recorded(since: UnixTime, console: &Console<'_, '_>) -> Option<String> {
    let record = Usage::open_since(&console.home().ok()?, since).ok()?;
    let latest = record.latest().ok()?;
    let latest = latest.map_or("none was recorded".to_owned(), |at| format!("the last at {at}"));
    Some(format!("uses are recorded since {}; {latest}", record.begun_at()))
}

fn last_uses(record: Option<&Usage>, keys: &[Listed]) -> Result<Vec<Option<UnixTime>>, UsageFault> {
    let last_used = |key: &Listed| match record {
        Some(record) => record.last_used(key.entry.id),
        None => Ok(None),
    };
    keys.iter().map(last_used).collect()
}

fn tell(keys: &[Known], first: bool, console: &mut Console<'_, '_>) -> Result<(), Error> {
    let text = if console.json() {
        let row = |(listed, used): &Known| json::write(&Row::of(listed, *used));
        let head = if first { r#"{"schema":"msb.list/1","keys":["# } else { "," };
        head.to_owned() + &keys.iter().map(row).collect::<Vec<_>>().join(",")
    } else {
        let for_a_person = console.answers_a_person() && first;
        let cells = keys.iter().map(|(listed, used)| row::cells_of_use(listed, *used));
        row::table(row::HEADING_OF_USE, cells, for_a_person)
    };
    console.answer(&text)
}

const EXAMPLES: &str = "\
Examples:
  msb server list
  msb server list --expiring 14d
  msb server list --unused 30d
  msb server list -n team-alpha --state all --json
  msb server list --name 'ci-*' --state revoked --state expired";

/// How many keys are read at once.
const PAGE: usize = 10_000;
