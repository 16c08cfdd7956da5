//! What `msb server start` costs, and whether it keeps its word while it is busy. `README.md` beside
//! this directory tells how to run it and what is measured.

#![allow(clippy::unwrap_used, reason = "a harness that cannot go on fails")]
#![allow(unreachable_pub, reason = "a bench has no outside")]

mod cost;
mod cutoff;
mod figure;
mod life;
mod load;
mod process;

use std::{process::ExitCode, thread, time::Duration};

use figure::Figures;
use process::{Nginx, Scratch};

/// How much to do.
pub struct Extent {
    /// Rounds in which everybody is asked once.
    pub rounds: usize,
    /// Requests in a round, of each kind.
    pub requests: usize,
    /// How often the server is started.
    pub starts: usize,
    /// How long the server is left alone.
    pub rest: Duration,
    /// Requests before the server's memory is looked at.
    pub many: usize,
    /// Revocations, and as many resets.
    pub cutoffs: usize,
}

/// As `README.md` has it.
const FULL: Extent = Extent {
    rounds: 101,
    requests: 8000,
    starts: 20,
    rest: Duration::from_secs(10),
    many: 2_000_000,
    cutoffs: 200,
};

/// To see that all of it works.
const QUICK: Extent = Extent {
    rounds: 15,
    requests: 4000,
    starts: 5,
    rest: Duration::from_secs(2),
    many: 100_000,
    cutoffs: 10,
};

fn main() -> ExitCode {
    let words: Vec<_> = std::env::args().skip(1).filter(|word| word != "--bench").collect();
    let (flags, parts): (Vec<_>, Vec<_>) = words.iter().partition(|word| word.starts_with('-'));
    let extent = match flags.iter().map(|flag| flag.as_str()).collect::<Vec<_>>()[..] {
        [] => FULL,
        ["--quick"] => QUICK,
        _ => return usage(),
    };
    if !parts.iter().all(|part| PARTS.contains(&part.as_str())) {
        return usage();
    }
    let wants = |name: &str| parts.is_empty() || parts.iter().any(|part| *part == name);
    let scratch = Scratch::new();
    let mut figures = Figures::default();
    println!("{}", environment());
    if wants("cost") {
        cost::measure(&scratch, &extent, &mut figures);
    }
    if wants("life") {
        life::measure(&scratch, &extent, &mut figures);
    }
    if wants("cutoff") {
        cutoff::measure(&scratch, &extent, &mut figures);
    }
    figures.tell();
    if figures.held() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn usage() -> ExitCode {
    eprintln!("usage: cargo bench --bench server -- [--quick] [{}]...", PARTS.join("|"));
    ExitCode::from(2)
}

/// On what the figures were found.
fn environment() -> String {
    let processors = thread::available_parallelism().map_or(1, usize::from);
    let peer = Nginx::version().unwrap_or_else(|| "no nginx".to_owned());
    let loads = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let load = loads.split(' ').next().unwrap_or_default();
    format!("{processors} processors, {peer}, load before we began {load}")
}

const PARTS: [&str; 3] = ["cost", "life", "cutoff"];
