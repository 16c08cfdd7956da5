//! Two faults in one run: the server key cannot be opened once, and a little later the process is
//! killed. The server key that signs must not be lost by it.

use crate::{
    cases::{Case, Cases},
    place::{Place, Scratch},
    points::{self, Blow, Point, inject},
    program::Msb,
    tally::{Plan, Tally, share},
    trace,
};

/// Tries all of them, or a sample.
pub fn run(msb: &Msb, cases: &Cases, scratch: &Scratch, plan: &Plan, tally: &Tally) -> String {
    let place = Place::new(scratch, "twice");
    let mut points = vec![];
    for case in cases.with_server_key() {
        if !plan.may_want(&format!("twice/{}/", case.name)) {
            continue;
        }
        for (turn, point) in points_of(msb, cases, case, &place).into_iter().enumerate() {
            if plan.wants(&point.name, turn % SAMPLED == 0) {
                points.push(point);
            }
        }
    }
    share(scratch, &points, |place, point| {
        tally.note(&point.name, points::try_out(msb, cases, place, point));
    });
    format!("{} points", points.len())
}

/// The kills that can follow each error, from a run with that error alone.
fn points_of<'c>(msb: &Msb, cases: &Cases, case: &'c Case, place: &Place) -> Vec<Point<'c>> {
    let words = cases.lay(case, place);
    let ran = msb.traced_at(place, &words, &trace::options());
    assert_eq!(ran.exit, Some(0), "{}: {ran}", case.name);
    let server_key = format!("{}/server.key", place.home.display());
    let calls = trace::read(&place.log).into_iter();
    let opened = calls.filter(|call| call.name == "openat" && call.arguments.contains(&server_key));
    let mut points = vec![];
    for opened in opened {
        for error in ["EIO", "EMFILE"] {
            let fails = format!("openat:error={error}:when={}", opened.nth);
            let words = cases.lay(case, place);
            let inject_it = ["-e".to_owned(), format!("inject={fails}")];
            msb.traced_at(place, &words, &[trace::options().as_slice(), &inject_it].concat());
            let calls = trace::read(&place.log);
            let after = calls.iter().skip_while(|call| !call.answer.ends_with("(INJECTED)"));
            for name in KILLED_AT {
                let Some(call) = after.clone().find(|call| call.name == *name) else { continue };
                let there = format!("openat.{}/{error},{name}.{}/KILL", opened.nth, call.nth);
                let kills = format!("{name}:signal=KILL:when={}", call.nth);
                points.push(Point {
                    case,
                    name: format!("twice/{}/{there}", case.name),
                    blow: Blow::Kill,
                    closes: false,
                    apt: true,
                    strace: inject(&["openat", name], [fails.clone(), kills]),
                });
            }
        }
    }
    points
}

/// The first of each of these after the error is where the process ends.
const KILLED_AT: &[&str] = &["fdatasync", "fsync", "pwrite64", "rename", "unlink", "write"];

/// Every so many-th point is in the sample.
const SAMPLED: usize = 7;
