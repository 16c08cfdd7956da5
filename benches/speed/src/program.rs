//! Programs: processes that are started, what the system counts of them, and where they are found.

use std::{
    env, fs,
    io::Write,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use nix::sys::resource::{UsageWho, getrusage};

use crate::turn::Spent;

/// msb, built as it is released.
pub fn msb() -> PathBuf {
    build(&[], "").join("release/msb")
}

/// The same, with the C library built in.
pub fn msb_static() -> PathBuf {
    let target = format!("{}-unknown-linux-gnu", env::consts::ARCH);
    // Only with a target are the flags not those of build scripts too.
    build(&["--target", &target], "-C target-feature=+crt-static").join(&target).join("release/msb")
}

/// Builds msb, and answers where what is built lies.
fn build(words: &[&str], flags: &str) -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().unwrap();
    let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut build = Command::new(cargo);
    build.args(["build", "--release", "--locked", "--bin", "msb"]).args(words).current_dir(&root);
    if !flags.is_empty() {
        build.env("RUSTFLAGS", flags);
    }
    assert!(build.status().unwrap().success(), "msb cannot be built");
    env::var_os("CARGO_TARGET_DIR").map_or(root.join("target"), PathBuf::from)
}

/// Where a program is, if it is installed.
pub fn find(name: &str) -> Option<PathBuf> {
    let paths = env::var_os("PATH")?;
    env::split_paths(&paths).map(|path| path.join(name)).find(|path| path.is_file())
}

/// Runs a program that must succeed, and answers what it cost.
pub fn run(command: &mut Command, input: &[u8]) -> Spent {
    let (before, begun) = (of_children(), Instant::now());
    let mut child = start(command, input);
    let ended = child.wait().unwrap();
    let wall = begun.elapsed();
    assert!(ended.success(), "{command:?}: {ended}");
    let processor = of_children() - before;
    Spent { processor: processor.as_nanos() as f64, wall: wall.as_nanos() as f64 }
}

/// The same, and the most memory that it had at once, in MiB.
pub fn run_watched(command: &mut Command, input: &[u8]) -> (Spent, f64) {
    let (before, begun) = (of_children(), Instant::now());
    let mut peak = 0_f64;
    let mut wall = Duration::ZERO;
    let mut child = start_piped(command);
    let mut stdin = child.stdin.take().unwrap();
    let status = format!("/proc/{}/status", child.id());
    thread::scope(|scope| {
        // Closed when all of it is written, so that the program ends.
        scope.spawn(move || stdin.write_all(input).unwrap());
        while child.try_wait().unwrap().is_none() {
            // Between two looks it may have ended.
            let told = fs::read_to_string(&status).unwrap_or_default();
            let line = told.lines().find_map(|line| line.strip_prefix("VmHWM:"));
            let kib = line.and_then(|line| line.trim().trim_end_matches(" kB").parse::<f64>().ok());
            peak = kib.map_or(peak, |kib| peak.max(kib / 1024.0));
            thread::sleep(Duration::from_millis(1));
        }
        wall = begun.elapsed();
    });
    let ended = child.wait().unwrap();
    assert!(ended.success(), "{command:?}: {ended}");
    let processor = of_children() - before;
    (Spent { processor: processor.as_nanos() as f64, wall: wall.as_nanos() as f64 }, peak)
}

fn start(command: &mut Command, input: &[u8]) -> Child {
    if input.is_empty() {
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        return command.spawn().unwrap();
    }
    let mut child = start_piped(command);
    child.stdin.take().unwrap().write_all(input).unwrap();
    child
}

fn start_piped(command: &mut Command) -> Child {
    command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
    command.spawn().unwrap()
}

/// The processor time that all children have had that have ended.
fn of_children() -> Duration {
    let usage = getrusage(UsageWho::RUSAGE_CHILDREN).unwrap();
    [usage.user_time(), usage.system_time()]
        .map(|time| Duration::new(time.tv_sec() as u64, time.tv_usec() as u32 * 1000))
        .iter()
        .sum()
}

/// What a program says on standard output.
pub fn output(command: &mut Command) -> String {
    let output = command.stdin(Stdio::null()).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {}, {said}", output.status);
    String::from_utf8(output.stdout).unwrap()
}
