//! Rules that revoke, beside the keys that they are about: what was printed before a rule began is
//! dead when it is told, and what is issued after it was told holds.

use std::{
    process::Stdio,
    sync::Barrier,
    thread,
    time::{Duration, Instant},
};

use crate::{
    cases::{ANOTHER, Cases, OWNER, Origin},
    check::{self, DEAD, HOLDS, Standing, hold},
    place::{Place, Scratch},
    program::{Msb, Ran},
    races::{DELAYED, History},
    tally::{Plan, Tally},
};

/// Runs the rounds that were asked for.
pub fn run(msb: &Msb, cases: &Cases, scratch: &Scratch, plan: &Plan, tally: &Tally) -> String {
    let place = Place::new(scratch, "rules");
    let mut rounds = 0;
    for number in 0..ROUNDS + SLOW_ROUNDS {
        let name = format!("rules/{number}");
        if plan.wants(&name, number < SAMPLED || number == ROUNDS) {
            tally.note(&name, round(msb, cases, &place, number));
            rounds += 1;
        }
    }
    format!("{rounds} rounds")
}

/// What one after the other is done by one process after the other.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Act {
    /// A key of this owner.
    Issue(&'static str),
    /// A rule for the keys of this owner, or for all.
    Revoke(Option<&'static str>),
}

/// An act that was done.
struct Done {
    act: Act,
    began: Instant,
    ended: Instant,
    ran: Ran,
}

fn round(msb: &Msb, cases: &Cases, place: &Place, number: usize) -> Result<(), String> {
    use Act::{Issue, Revoke};
    let start = cases.start_of(Origin::Owned);
    place.lay(start.home.as_deref());
    let (mine, theirs) = (Issue(OWNER), Issue(ANOTHER));
    let owners = Revoke(Some(OWNER));
    // A rule for all covers so much that it leaves less to see.
    let other = if number % 3 == 2 { Revoke(None) } else { owners };
    let several: [&[Act]; 4] = [
        &[owners, mine, owners, mine],
        &[mine, other, mine, other, mine],
        &[mine, mine, mine],
        &[theirs, mine, theirs],
    ];
    // Alone a key between two rules has all three in one second; in a crowd it has not.
    let alone: [&[Act]; 1] = [&[mine, other, mine, other, mine, mine, owners, mine]];
    let chains = if number.is_multiple_of(4) { alone.as_slice() } else { &several };
    let done = at_once(msb, place, chains, number >= ROUNDS);
    for done in &done {
        hold(done.ran.exit == Some(0), || format!("{:?} {}", done.act, done.ran))?;
    }
    check::modes(&place.home)?;
    let standing = Standing::of(msb, &place.home)?;
    hold(standing.attention.is_empty(), || format!("{:?}", standing.attention))?;
    let history = History::of(&place.home).map_err(|error| error.to_string())?;
    history.is_numbered()?;
    let verdict = |key: &str, id: &str| check::agreed_verdict(msb, &place.home, key, id, &standing);
    let revokes = |owner, done: &&Done| match done.act {
        Issue(_) => false,
        Revoke(whose) => whose.is_none() || whose == owner,
    };
    for key in &start.keys {
        let covered = done.iter().any(|done| revokes(key.owner, &done));
        let (found, expected) = (verdict(&key.text, &key.id)?, if covered { DEAD } else { HOLDS });
        hold(found == expected, || format!("key {} of before is {found}", key.id))?;
    }
    for issued in &done {
        let Issue(owner) = issued.act else { continue };
        let keys = issued.ran.keys();
        let [key] = keys.as_slice() else { return Err(format!("keygen {}", issued.ran)) };
        let id = check::id_of(key).ok_or("a key that arrived is damaged")?;
        let found = verdict(key, &id)?;
        let rules: Vec<_> = done.iter().filter(|done| revokes(Some(owner), done)).collect();
        if rules.iter().any(|rule| issued.ended <= rule.began) {
            hold(found == DEAD, || format!("key {id} was printed before a rule, and is {found}"))?;
        } else if rules.iter().all(|rule| rule.ended <= issued.began) {
            hold(found == HOLDS, || format!("key {id} is behind all rules, and is {found}"))?;
        }
        let expected = if rule_after_issue_of(&history, &id, owner)? { DEAD } else { HOLDS };
        hold(found == expected, || format!("by the audit key {id} is {expected}, not {found}"))?;
    }
    check::next_works(msb, &place.home)?;
    check::integrity(&place.home)
}

/// Lets chains of acts loose at once; the acts of a chain are one after the other.
fn at_once(msb: &Msb, place: &Place, chains: &[&[Act]], slow: bool) -> Vec<Done> {
    let barrier = Barrier::new(chains.len());
    thread::scope(|scope| {
        let runs: Vec<_> = chains
            .iter()
            .enumerate()
            .map(|(number, acts)| {
                let barrier = &barrier;
                let log = place.log.with_extension(number.to_string());
                scope.spawn(move || {
                    barrier.wait();
                    let act = |(turn, act): (usize, &Act)| {
                        let words = act.words();
                        let began = Instant::now();
                        // Some of them only: the others come in between.
                        let ran = if slow && (number + turn) % 2 == 0 {
                            let strace = DELAYED.map(str::to_owned);
                            msb.traced(&place.home, &words, &strace, &log, Stdio::null())
                        } else {
                            thread::sleep(if slow { PAUSE } else { Duration::ZERO });
                            msb.run(
                                &place.home,
                                &words.iter().map(String::as_str).collect::<Vec<_>>(),
                            )
                        };
                        Done { act: *act, began, ended: Instant::now(), ran }
                    };
                    acts.iter().enumerate().map(act).collect::<Vec<_>>()
                })
            })
            .collect();
        runs.into_iter().flat_map(|run| run.join().unwrap()).collect()
    })
}

impl Act {
    fn words(self) -> Vec<String> {
        let words = match self {
            Self::Issue(owner) => vec!["server", "keygen", "-q", "--owner", owner],
            Self::Revoke(None) => vec!["server", "revoke", "--all", "-y"],
            Self::Revoke(Some(owner)) => vec!["server", "revoke", "--owner", owner, "-y"],
        };
        words.into_iter().map(str::to_owned).collect()
    }
}

/// Whether the audit tells of a rule for such keys after this one.
fn rule_after_issue_of(history: &History, id: &str, owner: &str) -> Result<bool, String> {
    let covers = [format!("every key of {owner} issued "), "every key issued ".to_owned()];
    Ok(history.after_issue_of(id)?.any(|(act, subject)| {
        act == "revoke" && covers.iter().any(|covers| subject.starts_with(covers))
    }))
}

/// How long others wait for those with delays.
const PAUSE: Duration = Duration::from_millis(50);

/// How many rounds at full speed, and then with delays.
const ROUNDS: usize = 40;
const SLOW_ROUNDS: usize = 8;

/// How many rounds at full speed are in the sample, beside one with delays.
const SAMPLED: usize = 6;
