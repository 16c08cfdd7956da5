//! `msb server list`: who holds what.

use clap_complete::engine::{ArgValueCandidates, CompletionCandidate};
use serde::Serialize;

use super::{
    complete::Offer,
    console::Console,
    row::{self, Row},
    usage::{self, Typed, typed, word},
};
use crate::{
    error::{Error, Exit},
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
    let filter = Filter {
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
        // One more than asked for tells whether there are more.
        limit: (args.limit > 0).then(|| args.limit.saturating_add(1)),
        ..Filter::default()
    };
    let mut keys = match console.store()? {
        Some(store) => {
            if let Some(id) = filter.after {
                store.entry(id, now)?.ok_or_else(|| Error::NotFound { text: id.to_string() })?;
            }
            store.list(&filter, now)?
        }
        None => match filter.after {
            Some(id) => return Err(Error::NotFound { text: id.to_string() }),
            None => vec![],
        },
    };
    let next = match filter.limit {
        Some(_) if keys.len() > args.limit as usize => {
            keys.truncate(args.limit as usize);
            keys.last().map(|last| last.entry.id)
        }
        Some(_) | None => None,
    };
    tell(&keys, next, console)?;
    let attention = args.expiring.is_some() && !keys.is_empty();
    Ok(if attention { Exit::Attention } else { Exit::Done })
}

fn tell(keys: &[Listed], next: Option<KeyId>, console: &mut Console<'_, '_>) -> Result<(), Error> {
    if console.json() {
        let keys = keys.iter().map(Row::from).collect();
        return console
            .answer_json("msb.list/1", &Answer { keys, next: next.map(|id| id.to_string()) });
    }
    let text = row::table(row::HEADING, keys.iter().map(row::cells), console.answers_a_person());
    console.answer(&text)?;
    let told = match (keys.len(), next) {
        (_, Some(id)) => format!("there are more: --after {id}"),
        (0, None) => "no keys".to_owned(),
        (1, None) => "1 key".to_owned(),
        (count, None) => format!("{count} keys"),
    };
    console.remark(&[told])
}

#[derive(Serialize)]
struct Answer {
    keys: Vec<Row>,
    next: Option<String>,
}

const EXAMPLES: &str = "\
Examples:
  msb server list
  msb server list --expiring 14d
  msb server list -n team-alpha --state all --json
  msb server list --name 'ci-*' --state revoked --state expired";
