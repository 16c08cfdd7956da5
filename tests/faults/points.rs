//! Every call that a command makes of the file system, and what is done to it there.

use std::{fs, time::Instant};

use crate::{
    cases::{Case, Cases},
    check,
    place::{Place, Scratch},
    program::Msb,
    tally::{Plan, Tally, share},
    trace::{self, Call},
};

/// What is done at a call.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Blow {
    /// The process ends before the call does anything.
    Kill,
    /// From this call on the system answers so; an interrupted call is interrupted a few times,
    /// since everybody tries those again.
    Lasting(&'static str),
    /// This call alone is answered so.
    Once(&'static str),
}

/// A command, and what is done to it where.
pub struct Point<'c> {
    pub case: &'c Case,
    pub name: String,
    pub blow: Blow,
    /// Whether that is at a call that closes.
    pub closes: bool,
    /// Whether it may do what nothing nearby does.
    pub apt: bool,
    pub strace: Vec<String>,
}

/// Tries every point, or a sample of them.
pub fn run(msb: &Msb, cases: &Cases, scratch: &Scratch, plan: &Plan, tally: &Tally) -> String {
    let place = Place::new(scratch, "clean");
    let mut points = vec![];
    for case in &cases.known {
        let (mut turn, mut kills) = (0, 0);
        for point in points_of(msb, cases, case, &place) {
            turn += 1;
            kills += usize::from(point.apt && point.blow == Blow::Kill);
            let kill = point.blow == Blow::Kill && kills.is_multiple_of(SAMPLED_KILL);
            let in_sample = point.apt && (kill || turn % SAMPLED == 0);
            let is_tried = point.apt || turn % TRIED_ANYWAY == 0 || plan.is_named(&point.name);
            if is_tried && plan.wants(&point.name, in_sample) {
                points.push(point);
            }
        }
    }
    share(scratch, &points, |place, point| {
        tally.note(&point.name, try_out(msb, cases, place, point))
    });
    format!("{} points of {} commands", points.len(), cases.known.len())
}

/// The points of a command, from a run in which nothing went wrong.
fn points_of<'c>(msb: &Msb, cases: &Cases, case: &'c Case, place: &Place) -> Vec<Point<'c>> {
    let words = cases.lay(case, place);
    let ran = msb.traced_at(place, &words, &trace::options());
    assert_eq!(ran.exit, Some(0), "{}: {ran}", case.name);
    let calls = trace::read(&place.log);
    let mut points = vec![];
    for at in trace::begins(&calls, &place.home)..calls.len() {
        let here = format!("{}/{}.{}", case.name, calls[at].name, calls[at].nth);
        let mut add = |what: &str, blow, strace| {
            let (name, closes) = (format!("{here}/{what}"), calls[at].name == "close");
            let apt = is_apt(&calls[at], blow);
            points.push(Point { case, name, blow, closes, apt, strace });
        };
        add("KILL", Blow::Kill, kill(&calls[at]));
        for (error, kin) in ERRORS {
            add(error, Blow::Once(error), once(&calls[at], error));
            add(&format!("{error}+"), Blow::Lasting(error), lasting(&calls[..=at], error, kin));
        }
    }
    points
}

/// Whether a blow may do at this call what it does at no call nearby. Before a call that changes
/// nothing the disk is as it is before the next one that does, and no error comes from everywhere.
fn is_apt(call: &Call, blow: Blow) -> bool {
    let opens = ["creat", "dup", "open", "openat"].contains(&call.name.as_str());
    let changes = CHANGING.contains(&call.name.as_str())
        || (opens && ["O_CREAT", "O_TRUNC"].iter().any(|flag| call.arguments.contains(flag)));
    let locks = ["fcntl", "flock"].contains(&call.name.as_str());
    let reads = ["pread64", "read"].contains(&call.name.as_str());
    match blow {
        // What is in shared memory changes between one lock and the next.
        Blow::Kill => changes || locks,
        Blow::Lasting("ENOSPC" | "EROFS") | Blow::Once("ENOSPC" | "EROFS") => changes,
        Blow::Lasting("EMFILE") | Blow::Once("EMFILE") => opens,
        // Nothing else waits for anybody.
        Blow::Lasting("EINTR") | Blow::Once("EINTR") => changes || locks || opens || reads,
        Blow::Lasting(_) => changes || reads,
        Blow::Once(_) => true,
    }
}

fn kill(call: &Call) -> Vec<String> {
    let Call { name, nth, .. } = call;
    inject(&[name], [format!("{name}:signal=KILL:when={nth}")])
}

fn once(call: &Call, error: &str) -> Vec<String> {
    let Call { name, nth, .. } = call;
    hurried(inject(&[name], [format!("{name}:error={error}:when={nth}")]))
}

/// The last of these calls and, from there on, every call that fails with it.
fn lasting(calls: &[Call], error: &str, kin: &[&str]) -> Vec<String> {
    let Some((Call { name, nth, .. }, before)) = calls.split_last() else { return vec![] };
    if error == "EINTR" {
        let until = nth + INTERRUPTIONS - 1;
        return hurried(inject(&[name], [format!("{name}:error={error}:when={nth}..{until}")]));
    }
    let mut names = kin.to_vec();
    if !names.contains(&name.as_str()) {
        names.push(name);
    }
    let from = |name: &&str| {
        let next = before.iter().filter(|call| call.name == *name).count() + 1;
        format!("?{name}:error={error}:when={next}+")
    };
    let injected: Vec<_> = names.iter().map(from).collect();
    hurried(inject(&names, injected))
}

/// Traces these calls, and lets strace do this at them.
pub fn inject(names: &[&str], injected: impl IntoIterator<Item = String>) -> Vec<String> {
    let names: Vec<_> = names.iter().map(|name| format!("?{name}")).collect();
    let mut options = vec!["-e".to_owned(), format!("trace={}", names.join(","))];
    for injected in injected {
        options.extend(["-e".to_owned(), format!("inject={injected}")]);
    }
    options
}

/// Lets no sleep last, since whoever cannot lock a file waits for seconds; and stops the process
/// at the named calls only, with which strace would forget to send a signal.
fn hurried(mut options: Vec<String>) -> Vec<String> {
    options[1] += ",?nanosleep,?clock_nanosleep";
    let more = ["-e", "inject=?nanosleep,?clock_nanosleep:retval=0", "--seccomp-bpf"];
    options.extend(more.map(str::to_owned));
    options
}

/// Runs a command with one point in it, and looks at what it left.
pub fn try_out(msb: &Msb, cases: &Cases, place: &Place, point: &Point<'_>) -> Result<(), String> {
    let words = cases.lay(point.case, place);
    let begun = Instant::now();
    let ran = msb.traced_at(place, &words, &point.strace);
    if begun.elapsed().as_secs() > 30 {
        return Err(format!("it took {} s", begun.elapsed().as_secs()));
    }
    let log = fs::read_to_string(&place.log).unwrap();
    let reached = match point.blow {
        Blow::Kill => ran.exit.is_none() && log.contains("+++ killed by SIGKILL +++"),
        Blow::Lasting(error) | Blow::Once(error) => {
            let injected = |line: &str| line.contains("(INJECTED)") && line.contains(error);
            ran.exit.is_some() && log.lines().any(injected)
        }
    };
    if !reached {
        return Err(format!("it was not reached: the command {ran}"));
    }
    // The standard library itself panics where a directory cannot be closed, which no local file
    // system does; what is kept must hold all the same.
    if !(point.closes && ran.exit == Some(101)) {
        check::orderly_end(&ran)?;
    }
    check::after(msb, cases, point.case, place, &ran)
}

/// The calls that change what is on the disk, or what was told, beside those that open.
const CHANGING: &[&str] = &[
    "fallocate",
    "fchmod",
    "fchmodat",
    "fchown",
    "fchownat",
    "fdatasync",
    "fsync",
    "ftruncate",
    "link",
    "linkat",
    "mkdir",
    "mkdirat",
    "pwrite64",
    "pwritev",
    "rename",
    "renameat",
    "renameat2",
    "rmdir",
    "symlink",
    "symlinkat",
    "truncate",
    "unlink",
    "unlinkat",
    "write",
    "writev",
];

/// Each error, and the calls that fail with it when it lasts. Not `write`, by which a command
/// says what went wrong: that has points of its own.
const ERRORS: &[(&str, &[&str])] = &[
    ("ENOSPC", &["fallocate", "ftruncate", "link", "linkat", "mkdir", "pwrite64", "rename"]),
    ("EIO", &["fdatasync", "fsync", "ftruncate", "pread64", "pwrite64", "read"]),
    (
        "EROFS",
        &[
            "fallocate",
            "fchown",
            "ftruncate",
            "link",
            "linkat",
            "mkdir",
            "pwrite64",
            "rename",
            "unlink",
        ],
    ),
    ("EMFILE", &["dup", "open", "openat"]),
    ("EINTR", &[]),
];

/// How often a call is interrupted when that lasts.
const INTERRUPTIONS: usize = 5;

/// Every so many-th point is in the sample, and of the kills every so many-th.
const SAMPLED: usize = 50;
const SAMPLED_KILL: usize = 2;

/// Every so many-th point is tried even where it should be like one nearby.
const TRIED_ANYWAY: usize = 20;
