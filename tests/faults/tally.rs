//! How much is run, what held, and what did not.

use std::{
    process::ExitCode,
    sync::atomic::{AtomicUsize, Ordering},
    thread,
};

use crate::{
    place::{Place, Scratch},
    say,
};

/// How much to run.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Extent {
    /// About a minute's worth.
    Sample,
    /// Everything.
    All,
}

/// What was asked for.
pub struct Plan {
    pub extent: Extent,
    /// Nothing may be passed over.
    pub ci: bool,
    /// Only a list of tests was asked for; there is none to give.
    pub lists: bool,
    only: Option<String>,
}

impl Plan {
    /// From the environment, and from the command line as other test binaries take it.
    pub fn read() -> Self {
        let all = std::env::var_os("MSB_FAULTS").is_some_and(|extent| extent == "all");
        let mut args = std::env::args().skip(1);
        Self {
            extent: if all { Extent::All } else { Extent::Sample },
            ci: std::env::var_os("CI").is_some(),
            lists: std::env::args().any(|arg| arg == "--list"),
            only: args.find(|arg| !arg.starts_with('-')),
        }
    }

    /// Whether just this was asked for.
    pub fn is_named(&self, name: &str) -> bool {
        self.only.as_deref() == Some(name)
    }

    /// Whether anything is asked for whose name begins so.
    pub fn may_want(&self, begin: &str) -> bool {
        let fits = |only: &String| only.starts_with(begin) || begin.contains(only.as_str());
        self.only.as_ref().is_none_or(|only| fits(only) || !only.contains('/'))
    }

    /// Whether to run what has this name, and is in the sample or not.
    pub fn wants(&self, name: &str, in_sample: bool) -> bool {
        match &self.only {
            Some(only) if only == name => true,
            Some(only) if !name.contains(only.as_str()) => false,
            Some(_) | None => in_sample || self.extent == Extent::All,
        }
    }
}

/// What held, and what did not.
#[derive(Default)]
pub struct Tally {
    passed: AtomicUsize,
    failed: AtomicUsize,
}

impl Tally {
    /// Counts one point, and tells it if it did not hold.
    pub fn note(&self, name: &str, held: Result<(), String>) {
        match held {
            Ok(()) => {
                self.passed.fetch_add(1, Ordering::Relaxed);
            }
            Err(what) => {
                self.failed.fetch_add(1, Ordering::Relaxed);
                let what = what.trim_end().replace('\n', " | ");
                say(&format!("FAILED {name}: {what}; again: cargo test --test faults -- '{name}'"));
            }
        }
    }

    /// The last line, and what the process ends with.
    pub fn end(&self) -> ExitCode {
        let (passed, failed) =
            (self.passed.load(Ordering::Relaxed), self.failed.load(Ordering::Relaxed));
        say(&format!("{passed} passed, {failed} failed"));
        if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
    }
}

/// Does all jobs, two at a time, each worker at a place of its own.
pub fn share<T: Sync>(scratch: &Scratch, jobs: &[T], act: impl Fn(&Place, &T) + Sync) {
    let next = AtomicUsize::new(0);
    thread::scope(|scope| {
        for worker in 0..WORKERS {
            let (next, act) = (&next, &act);
            scope.spawn(move || {
                let place = Place::new(scratch, &format!("worker-{worker}"));
                while let Some(job) = jobs.get(next.fetch_add(1, Ordering::Relaxed)) {
                    act(&place, job);
                }
            });
        }
    });
}

const WORKERS: usize = 2;
