//! Counts, which no other load disturbs: instructions and allocations, as valgrind sees them.

use std::{env, process::Command};

use crate::{
    Skipped,
    figure::Figures,
    program,
    verify::{ASIDE, Act, VERIFY},
};

/// Has every verification counted.
pub fn counts(figures: &mut Figures, skipped: &mut Skipped) {
    if program::find("valgrind").is_none() {
        skipped.note("counts", "valgrind is not installed: apt-get install valgrind");
        return;
    }
    for (at, (name, _)) in acts().enumerate() {
        let wanted = if at < VERIFY.len() { "" } else { "0" };
        for (kind, tool, told, wanted) in [
            (
                "instructions",
                &["--tool=callgrind", "--callgrind-out-file=/dev/null"][..],
                "Collected :",
                "",
            ),
            ("allocations", &["--tool=memcheck"], "total heap usage:", wanted),
        ] {
            let what = format!("{name}, {kind}");
            match each(at, tool, told) {
                Some(count) => figures.add(&what, wanted, format!("{count:.0}"), ""),
                None => figures.add(&what, wanted, "-", "valgrind cannot run it"),
            }
        }
    }
}

/// Acts so often, for whoever counts.
pub fn play(act: usize, times: usize) {
    let (_, ready) = acts().nth(act).unwrap();
    let mut act = ready();
    for _ in 0..times {
        act();
    }
}

fn acts() -> impl Iterator<Item = Act> {
    VERIFY.into_iter().chain(ASIDE)
}

/// What a tool of valgrind counts for one act: what more acts add.
fn each(act: usize, tool: &[&str], told: &str) -> Option<f64> {
    const ACTS: [usize; 2] = [10, 110];
    let [few, many] = ACTS.map(|times| {
        let mut command = Command::new("valgrind");
        command.args(tool).arg(env::current_exe().unwrap());
        let output = command.args(["count", &act.to_string(), &times.to_string()]).output();
        let output = output.unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        let (_, count) = said.split_once(told).filter(|_| output.status.success())?;
        let count = count.split_whitespace().next()?.replace(',', "");
        count.parse::<f64>().ok()
    });
    Some((many? - few?) / (ACTS[1] - ACTS[0]) as f64)
}
