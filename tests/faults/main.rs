//! Faults: what msb promises, while it is killed, starved and raced. `README.md` tells what this
//! proves and what it does not.

#![allow(clippy::unwrap_used, reason = "a harness that cannot go on fails")]
#![allow(unreachable_pub, reason = "a test binary has no outside")]

mod cases;
mod check;
mod controls;
mod full;
mod order;
mod place;
mod points;
mod program;
mod races;
mod rules;
mod tally;
mod trace;
mod twice;

use std::{
    io::Write,
    path::PathBuf,
    process::{Command, ExitCode},
    time::Instant,
};

use cases::Cases;
use place::Scratch;
use program::Msb;
use tally::{Extent, Plan, Tally};

fn main() -> ExitCode {
    let plan = Plan::read();
    let tally = Tally::default();
    if plan.lists {
        return ExitCode::SUCCESS;
    }
    if plan.extent == Extent::Sample {
        say("a sample: `MSB_FAULTS=all cargo test --test faults` runs everything");
    }
    if Command::new("strace").arg("--version").output().is_err() {
        say("SKIPPED: strace is not installed");
        if plan.ci {
            tally.note("strace", Err("CI needs it".to_owned()));
        }
        return tally.end();
    }
    let msb = Msb(program());
    let scratch = Scratch::new();
    let cases = Cases::of(&msb, &scratch);
    for absent in cases.absent() {
        say(&format!("SKIPPED: there is no `{absent}` yet"));
        if plan.ci {
            tally.note(absent, Err("CI needs it".to_owned()));
        }
    }
    timed("order", || order::run(&msb, &cases, &scratch, &plan, &tally));
    timed("points", || points::run(&msb, &cases, &scratch, &plan, &tally));
    timed("twice", || twice::run(&msb, &cases, &scratch, &plan, &tally));
    timed("rules", || rules::run(&msb, &cases, &scratch, &plan, &tally));
    timed("races", || races::run(&msb, &cases, &scratch, &plan, &tally));
    timed("full", || full::run(&msb, &cases, &scratch, &plan, &tally));
    timed("controls", || controls::run(&scratch, &plan, &tally));
    tally.end()
}

/// The program under test.
fn program() -> PathBuf {
    let named = std::env::var_os("MSB_FAULTS_PROGRAM");
    named.map_or_else(|| env!("CARGO_BIN_EXE_msb").into(), PathBuf::from)
}

fn timed(what: &str, act: impl FnOnce() -> String) {
    let begun = Instant::now();
    let told = act();
    say(&format!("{what}: {told} in {:.1} s", begun.elapsed().as_secs_f32()));
}

/// Says a line at once, also where standard output is a pipe.
fn say(line: &str) {
    let mut stdout = std::io::stdout().lock();
    let _ = writeln!(stdout, "{line}").and_then(|()| stdout.flush());
}
