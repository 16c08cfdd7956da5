//! Many keys in one process: `keygen --count` and `verify --lines`, beside a library called as often.

use std::{fs, path::Path, process::Command};

use crate::{
    Extent,
    figure::{Figures, median, quantile},
    peers::{Jwt, Library},
    program,
    scratch::Scratch,
    turn::{Case, alternate, tell, tell_time},
    verify::JWT_AWS_LC,
};

/// `keygen --count`, each time in a home of its own.
pub fn keygen(msb: &Path, scratch: &Scratch, extent: &Extent, figures: &mut Figures) {
    let jwt = Jwt::eddsa(Library::AwsLc);
    let (home, count) = (scratch.path("keygen"), extent.keys);
    let mut cases = [
        Case::batch("msb server keygen --count", count, || {
            let spent = program::run(&mut generate(msb, &home, count), b"");
            fs::remove_dir_all(&home).unwrap();
            spent
        }),
        Case::here(JWT_AWS_LC, || drop(jwt.sign())),
    ];
    alternate(&mut cases, extent.rounds.min(FEWER), extent.turn);
    let [ours, theirs] = &cases;
    tell(
        figures,
        &format!("{} {count}, processor time of a key", ours.name),
        "",
        &ours.processor(),
        " ns",
    );
    tell(figures, &format!("{} encodes", theirs.name), "", &theirs.processor(), " ns");
    let what = format!("{} {count}, keys in a second of a processor / {}", ours.name, theirs.name);
    tell(figures, &what, "at least 0.90", &theirs.over(ours), "");
    let rates: Vec<_> = ours.wall().iter().map(|wall| 1e9 / wall).collect();
    let what = format!("{} {count}, keys in a second on all processors", ours.name);
    figures.add(
        &what,
        "",
        format!("{:.0}", median(&rates)),
        format!("p75 {:.0}", quantile(&rates, 0.75)),
    );
}

/// `verify --lines`.
pub fn lines(msb: &Path, scratch: &Scratch, extent: &Extent, figures: &mut Figures) {
    let jwt = Jwt::eddsa(Library::AwsLc);
    let home = scratch.path("lines");
    let many = program::output(&mut generate(msb, &home, extent.lines));
    let some: String = many.split_inclusive('\n').take(extent.keys).collect();
    let verify = || {
        let mut command = program_at(msb, &home);
        command.args(["verify", "--lines"]);
        command
    };
    let mut cases = [
        Case::batch("msb verify --lines", extent.keys, || {
            program::run_watched(&mut verify(), some.as_bytes()).0
        }),
        Case::here(JWT_AWS_LC, || jwt.verify()),
    ];
    alternate(&mut cases, extent.rounds.min(FEWER), extent.turn);
    let [ours, theirs] = &mut cases;
    tell(figures, &format!("{}, processor time of a key", ours.name), "", &ours.processor(), " ns");
    tell(figures, &format!("{} decodes", theirs.name), "", &theirs.processor(), " ns");
    let what = format!("{}, keys in a second of a processor / {}", ours.name, theirs.name);
    tell(figures, &what, "at least 4.00", &theirs.over(ours), "");
    let (mut walls, mut processors, mut peak) = (vec![], vec![], 0_f64);
    let mut paces = vec![];
    for _ in 0..extent.again {
        paces.push(theirs.turn().processor);
        let (spent, memory) = program::run_watched(&mut verify(), many.as_bytes());
        walls.push(spent.wall / 1e9);
        processors.push(spent.processor / 1e9);
        peak = peak.max(memory);
    }
    let what = format!("{} with {} keys", ours.name, extent.lines);
    tell_time(figures, &format!("{what}, on all processors"), "4 s", &walls, &paces, " s");
    tell(figures, &format!("{what}, processor time"), "", &processors, " s");
    figures.add(&format!("{what}, most memory"), "24 MiB", format!("{peak:.1} MiB"), "");
}

fn generate(msb: &Path, home: &Path, count: usize) -> Command {
    let mut command = program_at(msb, home);
    command.args(["server", "keygen", "--quiet", "--expire", "1d", "-n", "team-alpha"]);
    command.args(["--scope", "sandbox.start", "--count", &count.to_string()]);
    command
}

fn program_at(msb: &Path, home: &Path) -> Command {
    let mut command = Command::new(msb);
    command.env_clear().env("MSB_HOME", home);
    command
}

/// The most rounds of what takes a second.
const FEWER: usize = 31;
