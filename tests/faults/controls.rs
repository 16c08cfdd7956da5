//! Builds of msb that break a promise on purpose: what does not catch them proves nothing.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use crate::{
    cases::{Case, Cases},
    check::hold,
    order,
    place::{self, Place, Scratch},
    program::Msb,
    races::{self, Race},
    say,
    tally::{Plan, Tally},
};

/// A change to the source that must be noticed.
struct Control {
    name: &'static str,
    from: &'static str,
    to: &'static str,
    by: By,
}

/// What must notice it.
#[derive(Clone, Copy, Debug)]
enum By {
    /// The order of some command.
    AnOrder,
    /// The order of every command.
    EveryOrder,
    Race(Race),
}

/// Builds every control, and lets it be caught.
pub fn run(scratch: &Scratch, plan: &Plan, tally: &Tally) -> String {
    let mut built = 0;
    for control in CONTROLS {
        let name = format!("controls/{}", control.name);
        if plan.wants(&name, false) {
            let caught = build(control, scratch).and_then(|msb| caught(control, &msb, scratch));
            if let Ok(what) = &caught {
                say(&format!("{name} is caught: {what}"));
            }
            tally.note(&name, caught.map(|_| ()));
            built += 1;
        }
    }
    format!("{built} builds")
}

/// What a control is caught at.
fn caught(control: &Control, msb: &Msb, scratch: &Scratch) -> Result<String, String> {
    let scratch = scratch.part(&format!("{}-scratch", control.name));
    let cases = Cases::of(msb, &scratch);
    let place = Place::new(&scratch, "place");
    let broken = |case: &&'static Case| order::broken(msb, &cases, case, &place).pop();
    let found = match control.by {
        By::AnOrder => cases.known.iter().find_map(broken),
        By::EveryOrder => {
            let found: Option<Vec<_>> = cases.known.iter().map(broken).collect();
            found.and_then(|found| found.into_iter().last())
        }
        By::Race(race) => races::slow_ones_first()
            .find_map(|number| races::round(msb, &cases, &place, race, number).err()),
    };
    found.ok_or_else(|| format!("nothing has noticed it by {:?}", control.by))
}

/// The program as it is with that change. Only msb itself is compiled.
fn build(control: &Control, scratch: &Scratch) -> Result<Msb, String> {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().unwrap();
    let source = target.join("faults").join(control.name);
    fs::create_dir_all(target.join("faults")).unwrap();
    place::empty(&source);
    let mut changed = 0;
    copy_changed(&here.join("src"), &source.join("src"), control, &mut changed);
    // What the source includes.
    place::copy(&here.join("completions"), &source.join("completions"));
    hold(changed > 0, || format!("`{}` is nowhere in the source", control.from))?;
    // Under a version and a name of its own: else cargo takes it for the real one, or the real one
    // for it.
    let version = |text: &str| format!("version = \"{}{text}\"", env!("CARGO_PKG_VERSION"));
    let (from, to) = (version(""), version(&format!("-{}", control.name)));
    let bin = format!("\n[[bin]]\nname = \"{BIN}\"\npath = \"src/main.rs\"\n\n[workspace]\n");
    for (name, more) in [("Cargo.toml", bin.as_str()), ("Cargo.lock", "")] {
        let text = fs::read_to_string(here.join(name)).unwrap();
        let marked = text.replacen(&format!("{NAME}{from}"), &format!("{NAME}{to}"), 1);
        hold(text != marked, || format!("{name} does not have the version"))?;
        fs::write(source.join(name), marked + more).unwrap();
    }
    if here.join("build.rs").exists() {
        fs::copy(here.join("build.rs"), source.join("build.rs")).unwrap();
    }
    fs::create_dir_all(source.join("tests/faults")).unwrap();
    fs::write(source.join("tests/faults/main.rs"), "fn main() {}\n").unwrap();

    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.args(["build", "--locked", "--offline", "--quiet", "--bin", BIN]).current_dir(&source);
    cargo.env("CARGO_TARGET_DIR", target).env("CARGO_INCREMENTAL", "0");
    let profile = Path::new(env!("CARGO_BIN_EXE_msb")).parent().unwrap();
    if profile.ends_with("release") {
        cargo.arg("--release");
    }
    let ran = cargo.output().unwrap();
    let why = || String::from_utf8_lossy(&ran.stderr).into_owned();
    hold(ran.status.success(), || format!("it does not compile: {}", why()))?;
    let program = scratch.path(control.name);
    fs::copy(profile.join(BIN), &program).unwrap();
    let (msb, version) = (Msb(program), format!("-{}\n", control.name));
    let told = msb.run(&source, &["--version"]).stdout;
    hold(told.ends_with(&version), || format!("another program was built: {told}"))?;
    Ok(msb)
}

fn copy_changed(from: &Path, to: &Path, control: &Control, changed: &mut usize) {
    place::empty(to);
    let entries = fs::read_dir(from).unwrap().map(|entry| entry.unwrap());
    for (path, name) in entries.map(|entry| (entry.path(), entry.file_name())) {
        let copy: PathBuf = to.join(name);
        if path.is_dir() {
            copy_changed(&path, &copy, control, changed);
        } else {
            let text = fs::read_to_string(&path).unwrap();
            *changed += text.matches(control.from).count();
            fs::write(copy, text.replace(control.from, control.to)).unwrap();
        }
    }
}

const CONTROLS: &[Control] = &[
    Control {
        name: "no-database-sync",
        from: "PRAGMA synchronous = FULL",
        to: "PRAGMA synchronous = OFF",
        by: By::EveryOrder,
    },
    Control {
        name: "no-file-sync",
        from: ".sync_all()",
        to: ".metadata().map(drop)",
        by: By::AnOrder,
    },
    Control {
        name: "no-transaction",
        from: "TransactionBehavior::Immediate",
        to: "TransactionBehavior::Deferred",
        by: By::Race(Race::Kept),
    },
    Control {
        name: "no-lock",
        from: "FlockOperation::NonBlockingLockExclusive",
        to: "FlockOperation::NonBlockingUnlock",
        by: By::Race(Race::First),
    },
];

/// What stands before the version of msb, in its manifest and in the lock file.
const NAME: &str = "name = \"msb\"\n";

/// What a control is called when it is built.
const BIN: &str = "msb-faults-control";
