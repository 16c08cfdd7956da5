//! What `msb server start` costs, and whether it keeps its word while it is busy. `README.md` beside
//! this directory tells how to run it and what is measured.

#![allow(clippy::unwrap_used, reason = "a harness that cannot go on fails")]
#![allow(unreachable_pub, reason = "a bench has no outside")]

mod bearer;
mod cost;
mod cutoff;
mod figure;
mod jwt;
mod life;
mod load;
mod oracle;
mod process;
mod proxy;
mod scratch;
mod service;

use std::{net::TcpListener, path::Path, process::ExitCode, thread, time::Duration};

use figure::Figures;
use process::{JWT_PROXY, Nginx, PLAY, SERVICE, Scratch};

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
    /// Long answers, and as many long requests.
    pub transfers: usize,
    /// How many bytes they have.
    pub length: usize,
    /// Streams that are open at once.
    pub streams: usize,
    /// How often they are cut.
    pub resets: usize,
    /// Keys of each kind that do not hold.
    pub guesses: usize,
}

/// As `README.md` has it.
const FULL: Extent = Extent {
    rounds: 101,
    requests: 8000,
    starts: 20,
    rest: Duration::from_secs(10),
    many: 2_000_000,
    cutoffs: 200,
    transfers: 15,
    length: 1 << 30,
    streams: 10_000,
    resets: 5,
    guesses: 5000,
};

/// To see that all of it works.
const QUICK: Extent = Extent {
    rounds: 15,
    requests: 4000,
    starts: 5,
    rest: Duration::from_secs(2),
    many: 100_000,
    cutoffs: 10,
    transfers: 3,
    length: 1 << 28,
    streams: 1000,
    resets: 1,
    guesses: 500,
};

fn main() -> ExitCode {
    let words: Vec<_> = std::env::args().skip(1).filter(|word| word != "--bench").collect();
    if let [first, part @ ..] = &words[..]
        && first == PLAY
    {
        play(part);
        return ExitCode::SUCCESS;
    }
    let (flags, parts): (Vec<_>, Vec<_>) = words.iter().partition(|word| word.starts_with('-'));
    let has = |name: &str| flags.iter().any(|flag| *flag == name);
    if !flags.iter().all(|flag| ["--keep", "--quick"].contains(&flag.as_str())) {
        return usage();
    }
    let extent = if has("--quick") { QUICK } else { FULL };
    if !parts.iter().all(|part| PARTS.contains(&part.as_str())) {
        return usage();
    }
    let wants = |name: &str| parts.is_empty() || parts.iter().any(|part| *part == name);
    process::raise_limits();
    let scratch = Scratch::new();
    let mut figures = Figures::default();
    let environment = environment();
    println!("{environment}");
    if wants("cost") {
        cost::measure(&scratch, &extent, &mut figures);
    }
    if wants("bearer") {
        bearer::measure(&scratch, &extent, &mut figures);
    }
    if wants("life") {
        life::measure(&scratch, &extent, &mut figures);
    }
    if wants("cutoff") {
        cutoff::measure(&scratch, &extent, &mut figures);
    }
    if wants("proxy") {
        proxy::measure(&scratch, &extent, &mut figures);
    }
    if wants("oracle") {
        oracle::measure(&scratch, &extent, &mut figures);
    }
    figures.tell();
    if has("--keep") {
        let (quick, rounds) = (if has("--quick") { "a quick run, " } else { "" }, extent.rounds);
        let how = format!("Found in {quick}{rounds} rounds, {environment}");
        figures
            .keep(&Path::new(env!("CARGO_MANIFEST_DIR")).join("target/figures/server.tsv"), &how);
    }
    if figures.held() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Plays a part for this program, in a process of its own.
fn play(words: &[String]) {
    let [part, address, words @ ..] = words else { panic!("a part without an address") };
    let listener = TcpListener::bind(address).unwrap();
    match (part.as_str(), words) {
        (SERVICE, []) => service::play(listener),
        (JWT_PROXY, [behind, log]) => jwt::play(&listener, behind.parse().unwrap(), Path::new(log)),
        _ => panic!("nobody plays {part}"),
    }
}

fn usage() -> ExitCode {
    eprintln!("usage: cargo bench --bench server -- [--keep] [--quick] [{}]...", PARTS.join("|"));
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

const PARTS: [&str; 6] = ["cost", "bearer", "life", "cutoff", "proxy", "oracle"];
