//! What msb costs, beside others of its kind. `../README.md` tells how to run it and what is
//! measured.

mod counts;
#[path = "../../server/figure.rs"]
#[allow(dead_code, reason = "there are no promises here")]
mod figure;
mod many;
mod ours;
mod page;
mod peers;
mod processes;
mod program;
mod revocations;
#[path = "../../server/scratch.rs"]
mod scratch;
mod turn;
mod verify;

use std::{env, fs, path::Path, process::ExitCode, thread, time::Duration};

use figure::Figures;
use scratch::Scratch;

/// How much to do.
pub struct Extent {
    /// Rounds in which everybody has a turn.
    pub rounds: usize,
    /// How long a turn is, about.
    pub turn: Duration,
    /// Keys that one process makes or reads in a turn.
    pub keys: usize,
    /// Keys that it reads at once.
    pub lines: usize,
    /// How often it does.
    pub again: usize,
    /// Keys that are revoked.
    pub revoked: usize,
    /// Whether a static build is made and measured.
    pub fixed: bool,
}

/// As `README.md` has it.
const FULL: Extent = Extent {
    rounds: 101,
    turn: Duration::from_millis(15),
    keys: 100_000,
    lines: 1_000_000,
    again: 5,
    revoked: 1_000_000,
    fixed: true,
};

/// To see that all of it works.
const QUICK: Extent = Extent {
    rounds: 31,
    turn: Duration::from_millis(2),
    keys: 2000,
    lines: 20_000,
    again: 1,
    revoked: 20_000,
    fixed: false,
};

/// What could not be measured for want of something.
#[derive(Default)]
pub struct Skipped(usize);

impl Skipped {
    pub fn note(&mut self, what: &str, hint: &str) {
        println!("SKIPPED {what}: {hint}");
        self.0 += 1;
    }
}

fn main() -> ExitCode {
    let words: Vec<_> = env::args().skip(1).collect();
    if let [first, case, times] = &words[..]
        && first == "count"
    {
        counts::play(case.parse().unwrap(), times.parse().unwrap());
        return ExitCode::SUCCESS;
    }
    let (flags, parts): (Vec<_>, Vec<_>) = words.iter().partition(|word| word.starts_with('-'));
    let known =
        |part: &&String| *part == DOCS || PARTS.iter().any(|(name, _)| *name == part.as_str());
    let flags_known = flags.iter().all(|flag| ["--quick", "--write-docs"].contains(&flag.as_str()));
    if !flags_known || !parts.iter().all(known) {
        return usage();
    }
    let quick = flags.iter().any(|flag| *flag == "--quick");
    let extent = if quick { QUICK } else { FULL };
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let kept = root.join("target/figures");
    let (scratch, mut skipped) = (Scratch::new(), Skipped::default());
    for (part, about) in PARTS.iter().filter(|(part, _)| *part != SERVER) {
        if !parts.is_empty() && !parts.iter().any(|wanted| wanted == part) {
            continue;
        }
        println!("{part}: {about}");
        let before = load();
        let mut figures = Figures::default();
        measure(part, &scratch, &extent, &mut figures, &mut skipped);
        let quick = if quick { "a quick run, " } else { "" };
        let processors = thread::available_parallelism().map_or(1, usize::from);
        let rounds = extent.rounds;
        let how = format!(
            "Found in {quick}at most {rounds} rounds, {processors} processors, load {before} before and {} after",
            load()
        );
        figures.keep(&kept.join(part).with_extension("tsv"), &how);
        figures.tell();
    }
    if flags.iter().any(|flag| *flag == "--write-docs") || parts.iter().any(|part| *part == DOCS) {
        let causes = root.join("benches/speed/causes.md");
        page::write(&kept, &causes, &root.join("docs/speed.md"), &PARTS);
    }
    // In CI everything is there, or CI is wrong.
    let fails = skipped.0 > 0 && env::var_os("CI").is_some();
    if fails { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}

fn measure(
    part: &str,
    scratch: &Scratch,
    extent: &Extent,
    figures: &mut Figures,
    skipped: &mut Skipped,
) {
    match part {
        "verify" => verify::verify(extent, figures),
        "aside" => verify::aside(extent, figures),
        "counts" => counts::counts(figures, skipped),
        "lines" => many::lines(&program::msb(), scratch, extent, figures),
        "sign" => verify::sign(extent, figures),
        "keygen" => many::keygen(&program::msb(), scratch, extent, figures),
        "processes" => processes::measure(&program::msb(), scratch, extent, figures, skipped),
        "revocations" => {
            revocations::look_up(extent, figures);
            revocations::load(scratch, extent, figures);
        }
        _ => unreachable!("every part is known"),
    }
}

fn usage() -> ExitCode {
    let parts: Vec<_> =
        PARTS.iter().map(|(part, _)| *part).filter(|part| *part != SERVER).collect();
    eprintln!("usage: msb-speed [--quick] [--write-docs] [{}|{DOCS}]...", parts.join("|"));
    ExitCode::from(2)
}

fn load() -> String {
    let loads = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    loads.split(' ').next().unwrap_or_default().to_owned()
}

/// The parts, in their order, and what each is about.
const PARTS: [(&str, &str); 9] = [
    ("verify", "verifying one key, in process"),
    ("aside", "everything but the signature, in process"),
    ("counts", "instructions and allocations of one verification"),
    ("lines", "`msb verify --lines`"),
    ("sign", "signing one key, in process"),
    ("keygen", "`msb server keygen --count`"),
    (SERVER, "a request through the server (`cargo bench --bench server -- --keep`)"),
    ("processes", "whole processes"),
    ("revocations", "revocations"),
];

/// The part that `benches/server` keeps.
const SERVER: &str = "server";

/// Only the page, from what was kept.
const DOCS: &str = "docs";
