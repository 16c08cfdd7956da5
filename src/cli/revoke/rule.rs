//! `msb server revoke` by a rule: every key of a kind, with one row.

use serde::Serialize;

use super::{Answer, Args, DONE, ELSEWHERE, UNCHANGED, because};
use crate::{
    cli::{
        complete::Offer,
        console::Console,
        row,
        usage::{Typed, WHEN, typed, word},
    },
    error::{Error, Exit},
    key::Party,
    label::Label,
    ledger::{Filter, State},
    namespace::Namespace,
    revocations::{Kind, Rule},
    signing::Kid,
    store::Purpose,
    time::{Moment, NotATime, UnixTime},
};

/// The flags that name a kind of keys; together they narrow it.
#[derive(clap::Args)]
#[group(id = "kind", multiple = true, conflicts_with = "keys")]
pub(super) struct KindArgs {
    /// Every key of this owner
    #[arg(long, value_name = "O", value_parser = word::<Party>, add = Offer::Owners)]
    owner: Option<Party>,
    /// Every key that names NS; keys for every namespace go on
    #[arg(short, long, value_name = "NS", value_parser = word::<Namespace>, add = Offer::Namespaces)]
    namespace: Option<Namespace>,
    /// Every key that this server key signed
    #[arg(long, value_name = "KID", value_parser = word::<Kid>, add = Offer::Kids)]
    kid: Option<Kid>,
    /// Every key issued before this moment
    #[arg(long, value_name = "WHEN", value_parser = typed::<Moment>, allow_hyphen_values = true)]
    issued_before: Option<Typed<Moment>>,
    /// Every key; the server key stays, other than with `key reset`
    #[arg(long, conflicts_with_all = ["owner", "namespace", "kid", "issued_before"])]
    all: bool,
}

/// A rule as programs are told it.
#[derive(Serialize)]
pub(super) struct Told {
    owner: Option<String>,
    namespace: Option<String>,
    kid: Option<String>,
    issued_until: String,
    keys: Option<u64>,
}

pub(super) fn run(args: Args, console: &mut Console<'_, '_>) -> Result<Exit, Error> {
    let KindArgs { owner, namespace, kid, issued_before, all } = args.kind;
    let kind = Kind { owner, namespace, kid };
    let now = console.world.now;
    let before = issued_before.as_ref().map(|typed| last_before(typed, now)).transpose()?;
    let asks = !args.yes && !args.dry_run && console.can_ask();
    let stake = {
        let (store, ring) = console.ring(Purpose::Read)?;
        if let Some(kid) = kind.kid.filter(|kid| ring.find(*kid).is_none()) {
            return Err(Error::NoSuchServerKey { kid });
        }
        let filter = Filter {
            states: State::LIVE.to_vec(),
            kind: kind.clone(),
            issued_by: before,
            ..Filter::default()
        };
        let looks = asks || args.dry_run;
        looks.then(|| row::Many::of(&store, filter, now)).transpose()?
    };
    if args.dry_run {
        let stake = stake.expect("a dry run looks");
        return foretell(&kind, before.unwrap_or(now), &stake, console);
    }
    if let Some(stake) = stake.filter(|_| asks) {
        let stake = format!(
            "{} would be cut off\n{}",
            row::counted(stake.count, "live key"),
            stake.rows(true)
        );
        match all || kind == Kind::default() {
            true => console.confirm_by(&stake, "all")?,
            false => console.confirm(&stake, &format!("revoke {}?", kind.told()))?,
        }
    }
    let cut = cut_off(kind, before, args.reason, console)?;
    console.acknowledge(cut.seq, DONE, |console| tell(&cut, console))
}

/// The last second before a moment, which must have passed.
fn last_before(typed: &Typed<Moment>, now: UnixTime) -> Result<UnixTime, Error> {
    let refused = |why| typed.refused("--issued-before", &why, WHEN);
    let before = typed.value.back(now).map_err(refused)?;
    if before > now {
        return Err(refused(NotATime::Future { at: before }));
    }
    UnixTime::from_secs(before.secs() - 1).ok_or_else(|| refused(NotATime::OutOfRange))
}

/// A rule that is kept, and how many keys of the ledger it covers.
struct Cut {
    kind: Kind,
    until: UnixTime,
    /// The number of this change of trust.
    seq: Option<u64>,
    /// Looked up once it is done: an error here is no failure of the revocation.
    covered: Result<u64, Error>,
}

/// Cuts off every key of a kind that was issued up to a moment, or up to now.
fn cut_off(
    kind: Kind,
    before: Option<UnixTime>,
    reason: Option<Label>,
    console: &Console<'_, '_>,
) -> Result<Cut, Error> {
    let (mut store, _) = console.ring(Purpose::Write)?;
    let change = store.change(&console.world.who, console.world.clock)?;
    let until = before.map_or_else(|| change.issued_until(&kind), Ok)?;
    let why = because(&reason);
    change.cut_off(&Rule { kind: kind.clone(), until, at: change.now(), reason })?;
    change.audit_trust("revoke", &format!("{} issued until {until}{why}", kind.told()))?;
    let seq = change.commit()?;
    let covered = store.covered(&kind, until).map_err(Error::from);
    Ok(Cut { kind, until, seq, covered })
}

fn foretell(
    kind: &Kind,
    until: UnixTime,
    stake: &row::Many,
    console: &mut Console<'_, '_>,
) -> Result<Exit, Error> {
    if console.json() {
        let rule = Some(Told::of(kind, until, Some(stake.count)));
        let answer = Answer { dry_run: true, revoked: vec![], rule };
        console.answer_json("msb.revoke/1", &answer)?;
        return Ok(Exit::Done);
    }
    console.answer(&stake.rows(console.answers_a_person()))?;
    console.remark(&[format!(
        "{} would be cut off; {UNCHANGED}",
        row::counted(stake.count, "live key")
    )])?;
    Ok(Exit::Done)
}

fn tell(cut: &Cut, console: &mut Console<'_, '_>) -> Result<(), Error> {
    let Cut { kind, until, covered, .. } = cut;
    if console.json() {
        let rule = Some(Told::of(kind, *until, covered.as_ref().ok().copied()));
        let answer = Answer { dry_run: false, revoked: vec![], rule };
        return console.answer_json("msb.revoke/1", &answer);
    }
    console.answer(&format!("{} issued until {until} is revoked\n", kind.told()))?;
    let covers = match covered {
        Ok(0) => "no key here is such a key; ".to_owned(),
        Ok(1) => "it covers 1 key here; ".to_owned(),
        Ok(count) => format!("it covers {count} keys here; "),
        Err(_) => String::new(),
    };
    console.remark(&[covers + ELSEWHERE])
}

impl Told {
    fn of(kind: &Kind, until: UnixTime, keys: Option<u64>) -> Self {
        Self {
            owner: row::text(&kind.owner),
            namespace: row::text(&kind.namespace),
            kid: row::text(&kind.kid),
            issued_until: until.to_string(),
            keys,
        }
    }
}
