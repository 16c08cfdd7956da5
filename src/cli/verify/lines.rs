//! `msb verify --lines`: one key a line on standard input, one verdict a line.
//!
//! Held at once are a block of lines and its answers, whatever comes; while a pipe is waited for,
//! nothing is held that others wait for.

use std::{
    fmt::Write,
    io::{self, BufRead, ErrorKind, Read},
    num::NonZero,
    thread,
};

use zeroize::Zeroizing;

use super::{
    super::console::{held_to, object},
    Answer, Asked, Console, Outcome, Source, Standard,
};
use crate::{
    config::Config,
    error::{Error, Exit, verdict_exit},
    key::{KeyText, Malformed, UnverifiedKey},
    keyring::KeyRing,
    revocations::{Revocation, Revocations},
    store::{Trust, Watch},
    time::UnixTime,
    verify::Refusal,
    world,
};

/// Tells of every line whether it is a key that holds; the answer is the worst of all.
pub(super) fn run(
    mut court: Court,
    asked: &Asked,
    at: Option<UnixTime>,
    console: &mut Console<'_, '_>,
) -> Result<Exit, Error> {
    let threads = thread::available_parallelism().map_or(1, NonZero::get);
    let (mut input, mut worst) = (Input::new(), None);
    world::widen_stdin(BLOCK);
    while let Some(lines) = input.lines(console.world.stdin).map_err(Error::Input)? {
        console.world.waited();
        let (at, json) = (at.unwrap_or(console.world.now), console.json());
        // Only now: what was decided before these lines came counts for them.
        court.follow(lines.len(), at)?;
        let told = shared_out(&lines, threads, |lines| {
            let mut told = Told { text: String::new(), worst: Exit::Done };
            for outcome in court.standard.judge(lines, asked, at) {
                told.add(&outcome, asked, json);
            }
            told
        });
        for told in told {
            console.answer(&told.text)?;
            worst = worst.max(Some(told.worst));
        }
    }
    worst.ok_or(Error::NoLines)
}

/// What keys are held to, and where to hear of changes.
pub(super) struct Court {
    standard: Standard<Revocations>,
    watch: Option<Watch>,
    judged: usize,
}

impl Court {
    /// What is kept here, and what becomes of it.
    pub(super) fn at_home(console: &Console<'_, '_>) -> Result<Self, Error> {
        let home = console.home()?;
        let config = Config::load(&home.config_file())?;
        let (watch, Trust { ring, revocations, .. }) = Watch::open(&home)?
            .filter(|(_, trust)| !trust.ring.is_empty())
            .ok_or_else(|| Error::no_server_key(&home))?;
        let verifier = held_to(ring, &config);
        let (prefix, revocations) = (Some(config.prefix), Some(revocations));
        let standard = Standard { verifier, prefix, revocations };
        Ok(Self { standard, watch: Some(watch), judged: 0 })
    }

    /// Public keys alone.
    pub(super) fn offline(ring: KeyRing) -> Self {
        Self { standard: Standard::offline(ring), watch: None, judged: 0 }
    }

    /// Makes ready for so many lines: by what is kept now, as if it were `at`.
    fn follow(&mut self, lines: usize, at: UnixTime) -> Result<(), Error> {
        let changed = match &mut self.watch {
            Some(watch) => watch.look()?,
            None => None,
        };
        let (few, were_few) = (self.judged + lines < MANY, self.judged < MANY);
        self.judged += lines;
        let ring = &mut self.standard.verifier.ring;
        match changed {
            Some(Trust { ring: kept, revocations, .. }) => {
                *ring = if few { kept } else { kept.prepared(ring, at) };
                self.standard.revocations = Some(revocations);
            }
            // What takes longer than a key pays when there are many of them.
            None if were_few && !few => *ring = ring.clone().prepared(ring, at),
            None => {}
        }
        Ok(())
    }
}

impl Standard<Revocations> {
    /// What comes of each of these lines.
    fn judge(&self, lines: &[&[u8]], asked: &Asked, at: UnixTime) -> Vec<Outcome> {
        let mut keys = Vec::with_capacity(lines.len());
        let read = lines.iter().map(|line| {
            UnverifiedKey::parse_line(line, self.prefix.as_ref()).map(|key| keys.push(key))
        });
        let read: Vec<Result<(), Malformed>> = read.collect();
        let mut keys = self.verifier.authenticate_all(keys).into_iter();
        let mut next = || keys.next().expect("there is an answer for each key");
        let outcome =
            |read: Result<(), Malformed>| match read.map_err(Refusal::from).and_then(|()| next()) {
                Ok(key) => {
                    let revocations = self.revocations.as_ref();
                    let revocation = revocations.map_or(Revocation::NotChecked, |all| all.of(&key));
                    self.settle(key, revocation, asked, at)
                }
                Err(refusal) => Outcome::Unsigned(refusal),
            };
        read.into_iter().map(outcome).collect()
    }
}

/// Answers, one a line.
struct Told {
    text: String,
    worst: Exit,
}

impl Told {
    fn add(&mut self, outcome: &Outcome, asked: &Asked, json: bool) {
        let refusal = outcome.refusal();
        self.worst = self.worst.max(refusal.map_or(Exit::Done, verdict_exit));
        if json {
            self.text += &object("msb.verify/1", &Answer::of(outcome, asked, &Source::Stdin));
            return;
        }
        self.text += refusal.map_or("valid", Refusal::verdict);
        // Text takes whatever is written into it.
        let _ = match outcome.claims() {
            Some(claims) => writeln!(self.text, "\t{}", claims.jti),
            None => writeln!(self.text, "\t-"),
        };
    }
}

/// Has lines judged by so many threads, this one among them; the answers are in their order.
fn shared_out(
    lines: &[&[u8]],
    threads: usize,
    judge: impl Fn(&[&[u8]]) -> Told + Sync,
) -> Vec<Told> {
    let share = lines.len().div_ceil(threads).max(FEWEST);
    let (ours, others) = lines.split_at(share.min(lines.len()));
    let judge = &judge;
    thread::scope(|scope| {
        let start =
            |lines| (lines, thread::Builder::new().spawn_scoped(scope, move || judge(lines)));
        let others: Vec<_> = others.chunks(share).map(start).collect();
        let mut told = vec![judge(ours)];
        told.extend(others.into_iter().map(|(lines, thread)| match thread {
            Ok(thread) => thread.join().expect("judging a key does not panic"),
            // Where no thread can be had, there is this one.
            Err(_) => judge(lines),
        }));
        told
    })
}

/// Lines as they come, in a room of one size.
struct Input {
    room: Zeroizing<Vec<u8>>,
    /// The end of what was read.
    end: usize,
    /// The end of what was handed out.
    done: usize,
    /// Whether the last line has lost its middle: it is longer than any key.
    cut: bool,
    /// Whether nothing comes any more.
    over: bool,
}

impl Input {
    fn new() -> Self {
        let room = Zeroizing::new(vec![0; BLOCK]);
        Self { room, end: 0, done: 0, cut: false, over: false }
    }

    /// The next lines, as soon as there is a whole one; none at the end.
    fn lines(&mut self, reader: &mut dyn Read) -> io::Result<Option<Vec<&[u8]>>> {
        while !self.over && !self.room[self.done..self.end].contains(&b'\n') {
            self.read(reader)?;
        }
        let (mut rest, mut lines) = (&self.room[self.done..self.end], vec![]);
        while !rest.is_empty() && lines.len() < MOST_LINES {
            let from_here = rest;
            let line = &from_here[..rest.skip_until(b'\n')?];
            match line.strip_suffix(b"\n") {
                Some(line) => lines.push(line.strip_suffix(b"\r").unwrap_or(line)),
                // The last one may do without an end.
                None if self.over => lines.push(line),
                None => {
                    rest = from_here;
                    break;
                }
            }
        }
        self.done = self.end - rest.len();
        Ok((!lines.is_empty()).then_some(lines))
    }

    /// Reads what is there, behind the beginning of a line.
    fn read(&mut self, reader: &mut dyn Read) -> io::Result<()> {
        self.room.copy_within(self.done..self.end, 0);
        self.cut |= self.end - self.done > LONGEST;
        let from = (self.end - self.done).min(LONGEST);
        let came = loop {
            match reader.read(&mut self.room[from..]) {
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                came => break came?,
            }
        };
        (self.done, self.end, self.over) = (0, from + came, came == 0);
        if self.cut {
            // What is left of such a line is not kept.
            let ends = self.room[from..self.end].iter().position(|byte| *byte == b'\n');
            let gone = ends.unwrap_or(came);
            self.room.copy_within(from + gone..self.end, from);
            self.end -= gone;
            self.cut = ends.is_none();
        }
        Ok(())
    }
}

/// How much is read at once: with 250 characters a key, a thousand and more for each of two threads.
const BLOCK: usize = 1 << 19;

/// How many lines are judged at once: as many keys as one read brings, of which each has more than
/// 200 characters. Shorter lines are more, and wait for the next time.
const MOST_LINES: usize = 1 << 11;

/// How many lines are worth a thread.
const FEWEST: usize = 32;

/// From how many keys on it pays to prepare server keys: the multiples of two points are some 47,000
/// additions, 6 to 8 ms, and each key is verified 15 to 25 µs sooner. That is even at 240 to 530.
const MANY: usize = 512;

/// How much is kept of a line: enough to tell that it is longer than any key. With one byte more than
/// that, a CR that was cut loose from what came behind it would be taken for the end of the line, and
/// what is before it for a key.
const LONGEST: usize = KeyText::MOST + 2;

#[cfg(test)]
mod tests {
    use super::*;

    /// Reads as much at once as each of these says, again and again.
    struct Drops<'a>(&'a [u8], std::iter::Cycle<std::slice::Iter<'a, usize>>);

    impl Read for Drops<'_> {
        fn read(&mut self, room: &mut [u8]) -> io::Result<usize> {
            let most = *self.1.next().unwrap();
            if most == 0 {
                return Err(ErrorKind::Interrupted.into());
            }
            let most = most.min(room.len());
            self.0.read(&mut room[..most])
        }
    }

    fn check(text: &[u8], drops: &[usize]) {
        let (mut input, mut drops) = (Input::new(), Drops(text, drops.iter().cycle()));
        let mut found = vec![];
        while let Some(lines) = input.lines(&mut drops).unwrap() {
            assert!(lines.len() <= MOST_LINES && lines.iter().all(|line| line.len() <= BLOCK));
            found.extend(lines.into_iter().map(<[u8]>::to_owned));
        }
        let mut expected: Vec<_> =
            text.split(|byte| *byte == b'\n').map(<[u8]>::to_owned).collect();
        let last = expected.pop().unwrap();
        for line in &mut expected {
            line.pop_if(|last| *last == b'\r');
        }
        if !last.is_empty() {
            expected.push(last);
        }
        assert_eq!(found.len(), expected.len());
        for (found, expected) in found.iter().zip(&expected) {
            // What is longer than any key may have lost its end, and still is.
            let cut = expected.len() > KeyText::MOST && found.len() > KeyText::MOST;
            assert!(found == expected || cut && expected.starts_with(&found[..KeyText::MOST]));
        }
    }

    #[test]
    fn lines_are_the_same_however_they_come() {
        let key = "k".repeat(250);
        let longs =
            [4094, 4095, 4096, 4097, 4098, 4099, 4100, BLOCK - 1, BLOCK, BLOCK + 1, 3 * BLOCK];
        let mut text = format!("\n{key}\r\n\r\r\n{key}\n").into_bytes();
        for long in longs {
            text.extend(vec![b'l'; long]);
            text.extend(format!("\n{key}\n").bytes());
            text.extend(vec![b'm'; long]);
            text.extend(format!("\r\n\n{key}\n").bytes());
        }
        for long in [4095, 4096, 4097] {
            // A CR that is not the end of its line, just where lines are cut.
            text.extend([vec![b'k'; long], vec![b'\r'], vec![b'z'; 5000], vec![b'\n']].concat());
        }
        text.extend(format!("{key}\n").repeat(3000).bytes());
        text.extend(vec![b'\n'; 3000]);
        for end in ["", "\n", "\r", "\r\n", "k", "k\r"] {
            let text = [text.as_slice(), end.as_bytes()].concat();
            for drops in [&[BLOCK][..], &[1 << 16], &[0, 4097, 3], &[251], &[4098, 0, 1]] {
                check(&text, drops);
            }
        }
        for text in ["", "\n", "k", "\r", "\r\n", "\n\n", "k\nk"] {
            check(text.as_bytes(), &[1]);
        }
    }

    #[test]
    fn shares_are_told_in_their_order() {
        for count in [0, 1, FEWEST, FEWEST + 1, 1000] {
            let lines: Vec<_> = (0..count).map(|at| at.to_string()).collect();
            let lines: Vec<_> = lines.iter().map(String::as_bytes).collect();
            for threads in [1, 2, 7] {
                let told = shared_out(&lines, threads, |lines| Told {
                    text: String::from_utf8(lines.concat()).unwrap(),
                    worst: Exit::Done,
                });
                let told: String = told.into_iter().map(|told| told.text).collect();
                assert_eq!(told.as_bytes(), lines.concat());
            }
        }
    }
}
