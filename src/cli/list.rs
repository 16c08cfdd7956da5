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
    time::{NotATime, Span},
};

/// List keys: those that may still work, newest first
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
    let mut told = 0;
    let next = loop {
        let page = PAGE.min(most - told);
        // One more than will be told tells whether there are more.
        filter.limit = u32::try_from(page + 1).ok();
        let mut keys = look(&filter, console)?;
        let more = keys.len() > page;
        keys.truncate(page);
        tell(&keys, told == 0, console)?;
        told += keys.len();
        filter.after = keys.last().map(|last| last.entry.id);
        if !more || told == most {
            break filter.after.filter(|_| more);
        }
    };
    if console.json() {
        console.answer(&format!("],\"next\":{}}}\n", json::write(&row::text(&next))))?;
    } else {
        console.remark(&[match (told, next) {
            (_, Some(id)) => format!("there are more: --after {id}"),
            (0, None) => "no keys".to_owned(),
            (count, None) => row::keys(count as u64),
        }])?;
    }
    let attention = args.expiring.is_some() && told > 0;
    Ok(if attention { Exit::Attention } else { Exit::Done })
}

/// One page. Nothing is kept open until the next: a pipe may be slow.
fn look(filter: &Filter, console: &Console<'_, '_>) -> Result<Vec<Listed>, Error> {
    let now = console.world.now;
    let not_found = |id: KeyId| Error::NotFound { text: id.to_string() };
    match (console.store()?, filter.after) {
        (Some(store), Some(id)) => {
            store.entry(id, now)?.ok_or_else(|| not_found(id))?;
            Ok(store.list(filter, now)?)
        }
        (Some(store), None) => Ok(store.list(filter, now)?),
        (None, Some(id)) => Err(not_found(id)),
        (None, None) => Ok(vec![]),
    }
}

fn tell(keys: &[Listed], first: bool, console: &mut Console<'_, '_>) -> Result<(), Error> {
    let text = if console.json() {
        let rows: Vec<_> = keys.iter().map(|listed| json::write(&Row::from(listed))).collect();
        let head = if first { r#"{"schema":"msb.list/1","keys":["# } else { "," };
        head.to_owned() + &rows.join(",")
    } else {
        let for_a_person = console.answers_a_person() && first;
        row::table(row::HEADING, keys.iter().map(row::cells), for_a_person)
    };
    console.answer(&text)
}

const EXAMPLES: &str = "\
Examples:
  msb server list
  msb server list --expiring 14d
  msb server list -n team-alpha --state all --json
  msb server list --name 'ci-*' --state revoked --state expired";

/// How many keys are read at once.
const PAGE: usize = 10_000;
