//! A file system that is really full: a refused command says so and takes nothing back, and with
//! room again all works.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use crate::{
    cases::{Case, Cases, Promise},
    check::{self, DEAD, HOLDS, Standing, hold},
    place::{self, Place, Scratch},
    program::Msb,
    say,
    tally::{Extent, Plan, Tally},
};

/// Fills file systems; not where the machine lets nobody mount one, and says so.
pub fn run(msb: &Msb, cases: &Cases, scratch: &Scratch, plan: &Plan, tally: &Tally) -> String {
    let mount = match Mount::of(&scratch.path("small"), "64k") {
        Ok(mount) => mount,
        Err(why) => {
            // Whether a machine mounts is not ours to say, so CI does not insist.
            say(&format!("SKIPPED: no small file system: {why}"));
            return "nothing".to_owned();
        }
    };
    let mut tried = 0;
    let mut note = |name: &str, in_sample: bool, act: &dyn Fn() -> Result<(), String>| {
        if plan.wants(name, in_sample) {
            tally.note(name, act());
            tried += 1;
        }
    };
    note("full/64k", true, &|| until_refused(msb, &mount, "64k"));
    for size in ["96k", "128k", "192k", "256k"] {
        note(&format!("full/{size}"), true, &|| until_refused(msb, &mount, size));
    }
    for case in &cases.known {
        for free in (0..=64).step_by(4) {
            let name = format!("full/{}.{free}", case.name);
            note(&name, free % 16 == 0, &|| with_so_much_left(msb, cases, case, &mount, free));
        }
    }
    let extent = if plan.extent == Extent::Sample { " of a sample" } else { "" };
    format!("{tried} fillings{extent}")
}

/// Issues keys in a new home until there is no room.
fn until_refused(msb: &Msb, mount: &Mount, size: &str) -> Result<(), String> {
    // What is left of the one before may need more.
    place::clear(&mount.0);
    mount.resize(size)?;
    let home = mount.0.join("home");
    let mut keys = vec![];
    let refused = loop {
        let ran = msb.run(&home, &["server", "keygen", "-q"]);
        match ran.exit {
            Some(0) => keys.extend(ran.keys()),
            _ => break ran,
        }
        hold(keys.len() < 10_000, || "10000 keys fit".to_owned())?;
    };
    check::orderly_end(&refused)?;
    hold(refused.stdout.is_empty() && refused.stderr.starts_with("msb: error: "), || {
        format!("the refused keygen {refused}, and said {:?}", refused.stdout)
    })?;
    for key in &keys {
        let verdict = msb.verify(&home, key);
        hold(verdict == Some(HOLDS), || format!("with no room left, a key is {verdict:?}"))?;
    }
    check::modes(&home)?;
    // A key can be cut off, or it is said that it is not.
    if let Some(key) = keys.first() {
        let id = check::id_of(key).ok_or("a key that arrived is damaged")?;
        let revoked = msb.run(&home, &["server", "revoke", &id]);
        check::orderly_end(&revoked)?;
        let verdict = msb.verify(&home, key);
        let fine = if revoked.exit == Some(0) { verdict == Some(DEAD) } else { verdict.is_some() };
        hold(fine, || format!("a key is {verdict:?} after its revoke {revoked}"))?;
    }
    mount.resize("4m")?;
    check::next_works(msb, &home)?;
    check::integrity(&home)?;
    let standing = Standing::of(msb, &home)?;
    for key in &keys[keys.len().min(1)..] {
        let id = check::id_of(key).ok_or("a key that arrived is damaged")?;
        let verdict = check::agreed_verdict(msb, &home, key, &id, &standing)?;
        hold(verdict == HOLDS, || format!("with room again, key {id} is {verdict}"))?;
    }
    Ok(())
}

/// Runs a command where so many KiB are free, and makes room again before anything is looked at.
fn with_so_much_left(
    msb: &Msb,
    cases: &Cases,
    case: &Case,
    mount: &Mount,
    free: u64,
) -> Result<(), String> {
    mount.resize("4m")?;
    place::clear(&mount.0);
    let place = Place::at(&mount.0);
    let words = cases.lay(case, &place);
    let used = mount.used()?;
    // No size is no limit.
    mount.resize(&format!("{}k", (used + free).max(4)))?;
    let ran = msb.run_at(&place, &words);
    mount.resize("4m")?;
    check::orderly_end(&ran)?;
    let told = ran.exit == Some(0) || ran.stderr.contains("msb: error: ");
    hold(told, || format!("the refused command {ran}"))?;
    let issues = matches!(case.promise, Promise::Issue(_));
    hold(ran.exit == Some(0) || ran.stdout.is_empty() || !issues, || "a key".to_owned())?;
    check::after(msb, cases, case, &place, &ran)
}

/// A file system in memory, gone when it is dropped.
struct Mount(PathBuf);

impl Mount {
    fn of(path: &Path, size: &str) -> Result<Self, String> {
        place::empty(path);
        let options = format!("size={size},mode=700");
        mount(&["-t", "tmpfs", "-o", &options, "msb-faults"], path)?;
        Ok(Self(path.to_owned()))
    }

    fn resize(&self, size: &str) -> Result<(), String> {
        mount(&["-o", &format!("remount,size={size}")], &self.0)
    }

    /// How many KiB are taken.
    fn used(&self) -> Result<u64, String> {
        let told = Command::new("df").args(["--output=used", "-k"]).arg(&self.0).output();
        let told = String::from_utf8(told.unwrap().stdout).unwrap();
        let used = told.lines().nth(1).and_then(|used| used.trim().parse().ok());
        used.ok_or_else(|| format!("df says {told}"))
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg(&self.0).status();
    }
}

fn mount(options: &[&str], path: &Path) -> Result<(), String> {
    let mounted = Command::new("mount").args(options).arg(path).output();
    let mounted = mounted.map_err(|error| error.to_string())?;
    let why = String::from_utf8_lossy(&mounted.stderr).trim().to_owned();
    hold(mounted.status.success(), || why)
}
