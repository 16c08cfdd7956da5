//! `msb server audit`: who did what, and when.

use serde::Serialize;

use super::{
    console::Console,
    row,
    usage::{Typed, WHEN, typed},
};
use crate::{
    error::{Error, Exit},
    json,
    ledger::Act,
    time::Moment,
};

#[derive(clap::Args)]
#[command(before_help = EXAMPLES)]
pub(super) struct Args {
    /// What was done since then: 7d is seven days ago [default: everything]
    #[arg(long, value_name = "WHEN", value_parser = typed::<Moment>, allow_hyphen_values = true)]
    since: Option<Typed<Moment>>,
}

pub(super) fn run(args: Args, console: &mut Console<'_, '_>) -> Result<Exit, Error> {
    let now = console.world.now;
    let back = |typed: &Typed<Moment>| {
        typed.value.back(now).map_err(|why| typed.refused("--since", &why, WHEN))
    };
    let since = args.since.as_ref().map(back).transpose()?;
    let mut told = 0;
    let mut after = None;
    loop {
        // One page at a time, and nothing is kept open while a pipe is slow.
        let page = match console.store()? {
            Some(store) => store.audit(since, after, PAGE)?,
            None => vec![],
        };
        if told > 0 && page.is_empty() {
            break;
        }
        let text = if console.json() {
            let rows: Vec<_> = page.iter().map(|act| json::write(&Row::from(act))).collect();
            let head = if told == 0 { r#"{"schema":"msb.audit/1","acts":["# } else { "," };
            head.to_owned() + &rows.join(",")
        } else {
            let for_a_person = console.answers_a_person() && told == 0;
            row::table(["AT", "WHO", "ACT", "SUBJECT"], page.iter().map(cells), for_a_person)
        };
        console.answer(&text)?;
        let Some(last) = page.last() else { break };
        after = Some(last.n);
        told += page.len();
    }
    if console.json() {
        console.answer("]}\n")?;
    } else if told == 0 {
        console.remark(&["nothing was done".to_owned()])?;
    }
    Ok(Exit::Done)
}

fn cells(act: &Act) -> [String; 4] {
    [act.at.to_string(), act.who.to_string(), act.act.to_string(), act.subject.to_string()]
}

#[derive(Serialize)]
struct Row {
    at: String,
    who: String,
    act: String,
    subject: String,
    seq: Option<i64>,
}

impl From<&Act> for Row {
    fn from(act: &Act) -> Self {
        let [at, who, did, subject] = cells(act);
        Self { at, who, act: did, subject, seq: act.seq }
    }
}

const EXAMPLES: &str = "\
Examples:
  msb server audit --since 7d
  msb server audit --json";

/// How many acts are read at once.
const PAGE: u32 = 10_000;
