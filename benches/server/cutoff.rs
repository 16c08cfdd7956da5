//! Cut off: while requests keep coming, no request that begins after a command returned passes
//! with a key that the command killed, and nobody is told that the server cannot answer.

use std::{
    net::SocketAddr,
    sync::{
        RwLock,
        atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst},
    },
    thread,
    time::{Duration, Instant},
};

use crate::{
    Extent,
    figure::{Figures, median, quantile},
    load::{Ask, Line},
    process::{Msb, Scratch},
};

pub fn measure(scratch: &Scratch, extent: &Extent, figures: &mut Figures) {
    let count = extent.cutoffs;
    println!("cutoff: {count} revocations and {count} resets, {LINES} connections ask meanwhile");
    let msb = Msb::new(scratch, "cutoff");
    let keys = msb.keys(2 * count, &["-n", "team-alpha"]);
    let (busy, quiet) = keys.split_at(count);
    let server = msb.start();

    let took = quiet.iter().map(|(id, _)| msb.run(&["server", "revoke", id])).collect::<Vec<_>>();
    tell(&took, "ms, revoke, server idle", "30", figures);

    let revoke = Siege::new();
    let took = revoke.lay(server.address, |siege| {
        let took =
            busy.iter().map(|(id, key)| siege.cut_off(key, || msb.run(&["server", "revoke", id])));
        took.collect()
    });
    tell(&took, "ms, revoke, server busy", "30", figures);
    revoke.tell("revoke", figures);

    let reset = Siege::new();
    let took = reset.lay(server.address, |siege| {
        let took = (0..count).map(|_| {
            let (_, key) = &msb.keys(1, &["-n", "team-alpha"])[0];
            siege.cut_off(key, || msb.run(&["server", "start", "--reset-key"]))
        });
        took.collect()
    });
    tell(&took, "ms, reset, server busy", "", figures);
    reset.tell("reset", figures);
}

fn tell(took: &[Duration], what: &str, wanted: &str, figures: &mut Figures) {
    let took: Vec<_> = took.iter().map(|took| took.as_secs_f64() * 1e3).collect();
    let more = format!("p95 {:.1}", quantile(&took, 0.95));
    figures.add(what, wanted, format!("{:.1}", median(&took)), more);
}

/// Connections that ask without a pause, with one key after the other.
struct Siege {
    /// The key with which they ask, and its number.
    turn: RwLock<(usize, Ask)>,
    /// How many keys are cut off: the command of each has returned.
    gone: AtomicUsize,
    over: AtomicBool,
    counts: Counts,
}

#[derive(Default)]
struct Counts {
    /// Answers with the key whose turn it is, while it holds.
    allowed: AtomicUsize,
    /// Answers to requests that began after the command returned.
    after: AtomicUsize,
    /// Of those, how many passed.
    wrong: AtomicUsize,
    /// Answers that say the server cannot answer, and connections that broke.
    failed: AtomicUsize,
    all: AtomicUsize,
}

impl Siege {
    fn new() -> Self {
        Self {
            turn: RwLock::new((0, Ask::new("/healthz", None, 200))),
            gone: AtomicUsize::new(0),
            over: AtomicBool::new(false),
            counts: Counts::default(),
        }
    }

    /// Keeps asking while keys are cut off.
    fn lay(
        &self,
        address: SocketAddr,
        cut_off: impl FnOnce(&Self) -> Vec<Duration>,
    ) -> Vec<Duration> {
        thread::scope(|scope| {
            for _ in 0..LINES {
                scope.spawn(|| self.ask(address));
            }
            let _over = Over(&self.over);
            cut_off(self)
        })
    }

    /// Has a key used, then cut off, then used again.
    fn cut_off(&self, key: &str, command: impl FnOnce() -> Duration) -> Duration {
        let ask = Ask::new("/auth?namespace=team-alpha", Some(key), 200);
        {
            let mut turn = self.turn.write().unwrap();
            *turn = (turn.0 + 1, ask);
        }
        self.counts.allowed.store(0, SeqCst);
        self.wait_for(&self.counts.allowed, SOME);
        let took = command();
        self.gone.fetch_add(1, SeqCst);
        let before = self.counts.after.load(SeqCst);
        self.wait_for(&self.counts.after, before + SOME);
        took
    }

    fn wait_for(&self, count: &AtomicUsize, enough: usize) {
        let begun = Instant::now();
        while count.load(SeqCst) < enough {
            assert!(begun.elapsed() < PATIENCE, "nobody is answered as expected");
            thread::sleep(Duration::from_millis(1));
        }
    }

    fn ask(&self, address: SocketAddr) {
        let mut line = Line::open(address).unwrap();
        while !self.over.load(SeqCst) {
            let turn = self.turn.read().unwrap();
            let (number, ask) = &*turn;
            let is_gone = *number > 0 && self.gone.load(SeqCst) >= *number;
            let heard = line.ask(ask);
            self.counts.all.fetch_add(1, SeqCst);
            match heard {
                Ok(200) if is_gone => {
                    self.counts.wrong.fetch_add(1, SeqCst);
                }
                Ok(200) if *number > 0 => {
                    self.counts.allowed.fetch_add(1, SeqCst);
                }
                Ok(status) if status >= 500 => {
                    self.counts.failed.fetch_add(1, SeqCst);
                }
                Ok(_) => {}
                Err(_) => {
                    self.counts.failed.fetch_add(1, SeqCst);
                    line = Line::open(address).unwrap();
                }
            }
            if is_gone {
                self.counts.after.fetch_add(1, SeqCst);
            }
        }
    }

    fn tell(&self, what: &str, figures: &mut Figures) {
        let count = |count: &AtomicUsize| count.load(SeqCst);
        let after = format!("of {} that began after it", count(&self.counts.after));
        figures.promise(
            &format!("{what}: allowed after it returned"),
            count(&self.counts.wrong),
            &after,
        );
        let all = format!("of {}", count(&self.counts.all));
        figures.promise(&format!("{what}: 5xx or broken off"), count(&self.counts.failed), &all);
    }
}

/// Ends a siege, also when whoever laid it has failed.
struct Over<'o>(&'o AtomicBool);

impl Drop for Over<'_> {
    fn drop(&mut self) {
        self.0.store(true, SeqCst);
    }
}

/// How many connections ask.
const LINES: usize = 8;

/// How many requests with a key must be answered before and after it is cut off.
const SOME: usize = 50;

/// How long that may take.
const PATIENCE: Duration = Duration::from_secs(30);
