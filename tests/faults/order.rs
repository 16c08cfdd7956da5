//! What is on the disk before anything is said of it, as the trace of a clean run shows. Nobody
//! cuts the power here; a build that does not sync is caught by this alone.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

use crate::{
    cases::{Case, Cases},
    place::{Place, Scratch},
    program::Msb,
    tally::{Plan, Tally},
    trace::{self, Call},
};

/// Looks at the order of every command.
pub fn run(msb: &Msb, cases: &Cases, scratch: &Scratch, plan: &Plan, tally: &Tally) -> String {
    let place = Place::new(scratch, "order");
    let mut looked = 0;
    for case in &cases.known {
        let name = format!("order/{}", case.name);
        if plan.wants(&name, true) {
            let broken = broken(msb, cases, case, &place);
            tally.note(&name, if broken.is_empty() { Ok(()) } else { Err(broken.join("; ")) });
            looked += 1;
        }
    }
    format!("{looked} commands")
}

/// How a command breaks the order, if it does.
pub fn broken(msb: &Msb, cases: &Cases, case: &Case, place: &Place) -> Vec<String> {
    let words = cases.lay(case, place);
    let mut disk =
        Disk { known: files(&place.home).chain(files(&place.out)).collect(), ..Disk::default() };
    let ran = msb.traced_at(place, &words, &trace::options());
    assert_eq!(ran.exit, Some(0), "{}: {ran}", case.name);
    for call in trace::read(&place.log) {
        // Nothing of what failed is on any disk.
        if !call.answer.starts_with('-') {
            disk.see(&call, place);
        }
    }
    disk.demand("it ends", |_| true);
    disk.broken
}

/// What a power cut could take away.
#[derive(Default)]
struct Disk {
    /// Files whose content is not synced.
    written: BTreeSet<PathBuf>,
    /// Names whose directory is not synced.
    named: BTreeSet<PathBuf>,
    /// Names that there are.
    known: BTreeSet<PathBuf>,
    broken: Vec<String>,
}

impl Disk {
    fn see(&mut self, call: &Call, place: &Place) {
        let ours = |path: &Path| {
            // SQLite's shared memory is made anew when the machine starts.
            (path.starts_with(&place.home) || path.starts_with(&place.out))
                && !path.to_string_lossy().ends_with("-shm")
        };
        let file = descriptor(call).unwrap_or_default();
        match (call.name.as_str(), names(call).as_slice()) {
            ("open" | "openat" | "creat", [path])
                if ours(path)
                    && call.arguments.contains("O_CREAT")
                    && self.known.insert(path.clone()) =>
            {
                self.named.insert(path.clone());
            }
            ("write" | "writev", _) if call.arguments.starts_with("1<") => {
                self.demand("the answer is told", |_| true);
            }
            ("write" | "pwrite64" | "writev" | "pwritev" | "fallocate", _) if ours(&file) => {
                self.written.insert(file);
            }
            // A log that is cut to nothing was folded before; what comes back is no harm.
            ("ftruncate", _) if ours(&file) && !file.ends_with("msb.db-wal") => {
                self.written.insert(file);
            }
            ("fsync" | "fdatasync", _) => {
                if file.ends_with("msb.db-wal") {
                    self.demand("a commit is synced", is_staged);
                }
                self.written.remove(&file);
                self.named.retain(|named| named.parent() != Some(&file));
            }
            ("rename" | "renameat" | "renameat2" | "link" | "linkat", [from, to]) => {
                // The name that goes away need not be on the disk.
                self.named.remove(from);
                if to.ends_with("server.key") || to.starts_with(&place.out) {
                    self.demand(&format!("{} takes its name", file_name(to)), |_| true);
                } else {
                    self.demand(&format!("{} takes its name", file_name(to)), |late| late == from);
                }
                if self.written.remove(from) {
                    self.written.insert(to.clone());
                }
                self.named.insert(to.clone());
                self.known.insert(to.clone());
            }
            ("unlink" | "unlinkat", [path]) => {
                self.written.remove(path);
                self.named.remove(path);
                self.known.remove(path);
            }
            _ => {}
        }
    }

    /// Notes what should be on the disk by now.
    fn demand(&mut self, moment: &str, matters: impl Fn(&Path) -> bool) {
        for late in self.written.iter().filter(|late| matters(late)) {
            self.broken.push(format!("{} is not synced when {moment}", file_name(late)));
        }
        for late in self.named.iter().filter(|late| matters(late)) {
            self.broken.push(format!("the name {} is not synced when {moment}", file_name(late)));
        }
    }
}

/// The path behind the descriptor that a call is about.
fn descriptor(call: &Call) -> Option<PathBuf> {
    let (number, rest) = call.arguments.split_once('<')?;
    number.parse::<u32>().ok()?;
    rest.split_once('>').map(|(path, _)| PathBuf::from(path))
}

/// The paths that a call names itself.
fn names(call: &Call) -> Vec<PathBuf> {
    let pieces = call.arguments.split('"').skip(1).step_by(2);
    pieces.filter(|piece| piece.starts_with('/')).map(PathBuf::from).collect()
}

fn files(directory: &Path) -> impl Iterator<Item = PathBuf> {
    fs::read_dir(directory).into_iter().flatten().map(|entry| entry.unwrap().path())
}

fn is_staged(path: &Path) -> bool {
    file_name(path).starts_with("server.key.")
}

fn file_name(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}
