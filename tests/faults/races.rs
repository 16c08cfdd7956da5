//! Many commands at once in one home: none is refused, and what each one said holds afterwards.

use std::{path::Path, process::Stdio, sync::Barrier, thread, time::Duration};

use rusqlite::{Connection, OpenFlags};

use crate::{
    cases::{Cases, Kept, Origin, Promise, Start},
    check::{self, DEAD, HOLDS, Standing, hold},
    place::{Place, Scratch},
    program::{Msb, Ran},
    tally::{Extent, Plan, Tally},
};

/// What races.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Race {
    /// Commands that put another server key in place.
    Changes,
    /// Keygens, in a home where nothing was ever kept.
    First,
    /// Every command that changes something.
    Kept,
}

/// Runs the rounds that were asked for.
pub fn run(msb: &Msb, cases: &Cases, scratch: &Scratch, plan: &Plan, tally: &Tally) -> String {
    let place = Place::new(scratch, "races");
    let mut rounds = 0;
    let mut races = vec![(Race::First, "first"), (Race::Kept, "kept")];
    if cases.line(Promise::Reset).is_some() && cases.line(Promise::Rotate).is_some() {
        races.push((Race::Changes, "changes"));
    }
    for (race, name) in races {
        for number in 0..ROUNDS + SLOW_ROUNDS {
            let in_sample = number < SAMPLED || number == ROUNDS;
            let name = format!("races/{name}.{number}");
            if plan.wants(&name, in_sample) {
                tally.note(&name, round(msb, cases, &place, race, number));
                rounds += 1;
            }
        }
    }
    let extent = if plan.extent == Extent::Sample { " of a sample" } else { "" };
    format!("{rounds} rounds{extent}")
}

/// The numbers of all rounds, those with delays first: they find more.
pub fn slow_ones_first() -> impl Iterator<Item = usize> {
    (0..ROUNDS + SLOW_ROUNDS).rev()
}

/// Lets commands loose at once, and holds them to what they said.
pub fn round(
    msb: &Msb,
    cases: &Cases,
    place: &Place,
    race: Race,
    number: usize,
) -> Result<(), String> {
    let start = cases.start_of(if race == Race::First { Origin::Empty } else { Origin::Kept });
    place.lay(start.home.as_deref());
    let mut racers = racers(cases, race, start);
    // Whoever is started first has the best chances, so each round begins with another.
    let turn = number * 5 % racers.len();
    racers.rotate_left(turn);
    let lines: Vec<_> = racers.iter().map(|(_, line)| line.as_str()).collect();
    let ran = at_once(msb, place, &lines, number >= ROUNDS);
    for (ran, line) in ran.iter().zip(&lines) {
        hold(ran.exit == Some(0), || format!("`{line}` {ran}"))?;
    }
    check::modes(&place.home)?;
    let standing = Standing::of(msb, &place.home)?;
    let harmless = standing.attention.iter().all(|code| code == "outlives_overlap");
    hold(harmless, || format!("{:?}", standing.attention))?;
    let history = History::of(&place.home).map_err(|error| error.to_string())?;
    let times = |promise| racers.iter().filter(|(each, _)| *each == promise).count();
    history.has(times, &standing)?;
    for key in &start.keys {
        let verdict = check::agreed_verdict(msb, &place.home, &key.text, &key.id, &standing)?;
        hold(verdict == DEAD, || format!("key {} of before is {verdict}", key.id))?;
    }
    for key in ran.iter().flat_map(Ran::keys) {
        let id = check::id_of(&key).ok_or("a key that arrived is damaged")?;
        let verdict = check::agreed_verdict(msb, &place.home, &key, &id, &standing)?;
        let expected = if history.reset_after_issue_of(&id)? { DEAD } else { HOLDS };
        hold(verdict == expected, || format!("key {id} is {verdict} and should be {expected}"))?;
    }
    check::next_works(msb, &place.home)?;
    check::integrity(&place.home)
}

/// The commands of a race, those of a kind not side by side.
fn racers(cases: &Cases, race: Race, start: &Start) -> Vec<(Promise, String)> {
    let line = |promise| cases.line(promise).map(|line| (promise, line.to_owned()));
    let revoke = |key: &Kept| (Promise::Revoke, format!("server revoke {}", key.id));
    let keygens = || std::iter::repeat_n(line(Promise::Issue(1)), 8).flatten();
    let changes = [Promise::Reset, Promise::Rotate, Promise::Reset, Promise::Rotate];
    match race {
        Race::Changes => changes.into_iter().filter_map(line).collect(),
        Race::First => keygens().collect(),
        Race::Kept => {
            let others = changes.into_iter().take(3).filter_map(line);
            let mut others = others.chain(start.keys.iter().map(revoke));
            let mut racers = vec![];
            for pair in keygens().collect::<Vec<_>>().chunks(2) {
                racers.extend(others.next());
                racers.extend(pair.iter().cloned());
            }
            racers.extend(others);
            racers
        }
    }
}

fn at_once(msb: &Msb, place: &Place, lines: &[&str], slow: bool) -> Vec<Ran> {
    let barrier = Barrier::new(lines.len());
    thread::scope(|scope| {
        let start = |(number, line): (usize, &&str)| {
            let (barrier, words) = (&barrier, line.split(' ').map(str::to_owned).collect());
            let log = place.log.with_extension(number.to_string());
            scope.spawn(move || {
                let words: Vec<String> = words;
                barrier.wait();
                // Some of them only: the others come in between, one after the other.
                if slow && number % 3 == 0 {
                    msb.traced(
                        &place.home,
                        &words,
                        &DELAYED.map(str::to_owned),
                        &log,
                        Stdio::null(),
                    )
                } else {
                    if slow {
                        thread::sleep(SPREAD * number as u32 / lines.len() as u32);
                    }
                    let words: Vec<_> = words.iter().map(String::as_str).collect();
                    msb.run(&place.home, &words)
                }
            })
        };
        let runs: Vec<_> = lines.iter().enumerate().map(start).collect();
        runs.into_iter().map(|run| run.join().unwrap()).collect()
    })
}

/// What the audit tells, in its order.
pub struct History {
    /// What was done, and the number of each change of trust.
    acts: Vec<(String, String, Option<i64>)>,
    /// How many changes of trust there were.
    seq: i64,
    /// How many server keys there ever were.
    ring: usize,
    /// Those that sign.
    signing: Vec<String>,
}

impl History {
    pub fn of(home: &Path) -> rusqlite::Result<Self> {
        let db = Connection::open_with_flags(
            home.join("msb.db"),
            OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX,
        )?;
        let acts = db
            .prepare("SELECT act, subject, seq FROM audit ORDER BY n")?
            .query_map((), |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?
            .collect::<Result<_, _>>()?;
        let signing = db
            .prepare("SELECT kid FROM server_key WHERE retired_at IS NULL AND dead_at IS NULL")?
            .query_map((), |row| row.get(0))?
            .collect::<Result<_, _>>()?;
        let number = |sql| db.query_row(sql, (), |row| row.get::<_, i64>(0));
        let ring = number("SELECT count(*) FROM server_key")? as usize;
        Ok(Self { acts, seq: number("SELECT seq FROM trust")?, ring, signing })
    }

    /// Every act is told once, changes of trust are numbered without a gap, and one key signs.
    fn has(&self, times: impl Fn(Promise) -> usize, standing: &Standing) -> Result<(), String> {
        let told = |word: &str| self.acts.iter().filter(|(act, ..)| act.contains(word)).count();
        for (word, promise) in
            [("reset", Promise::Reset), ("rotate", Promise::Rotate), ("revoke", Promise::Revoke)]
        {
            hold(told(word) == times(promise), || format!("the audit has {} {word}s", told(word)))?;
        }
        let ring = 1 + times(Promise::Reset) + times(Promise::Rotate);
        hold(self.ring == ring, || format!("{} server keys, and not {ring}", self.ring))?;
        self.is_numbered()?;
        let one = self.signing.len() == 1 && self.signing.first() == standing.kid.as_ref();
        hold(one, || format!("{:?} sign", self.signing))
    }

    /// Changes of trust are numbered without a gap.
    pub fn is_numbered(&self) -> Result<(), String> {
        let numbers: Vec<_> = self.acts.iter().filter_map(|(.., seq)| *seq).collect();
        hold(numbers == (1..=self.seq).collect::<Vec<_>>(), || format!("seq is {numbers:?}"))
    }

    /// The acts that were done after a key was issued, and what they were done to.
    pub fn after_issue_of(&self, id: &str) -> Result<impl Iterator<Item = (&str, &str)>, String> {
        let subject = format!("key {id}");
        let issued = self.acts.iter().position(|(_, told, _)| *told == subject);
        let issued = issued.ok_or_else(|| format!("the audit has no {subject}"))?;
        let after = self.acts.iter().skip(issued + 1);
        Ok(after.map(|(act, subject, _)| (act.as_str(), subject.as_str())))
    }

    fn reset_after_issue_of(&self, id: &str) -> Result<bool, String> {
        Ok(self.after_issue_of(id)?.any(|(act, _)| act.contains("reset")))
    }
}

/// A moment before each of these calls, and a longer one before a file takes its name: together
/// well below how long others wait.
pub const DELAYED: [&str; 8] = [
    "-e",
    "trace=fcntl,fdatasync,flock,fsync,pwrite64,?open,openat,?rename,?unlink",
    "-e",
    "inject=fcntl,fdatasync,flock,fsync,pwrite64,?unlink:delay_enter=2000",
    "-e",
    "inject=?open,openat:delay_enter=5000",
    "-e",
    "inject=?rename:delay_enter=150000",
];

/// Over how long the others are started then.
const SPREAD: Duration = Duration::from_millis(500);

/// How many rounds at full speed, and then with delays.
const ROUNDS: usize = 50;
const SLOW_ROUNDS: usize = 10;

/// How many rounds at full speed are in the sample, beside one with delays.
const SAMPLED: usize = 5;
