//! A world that stands still: commands run whole, in process, with a frozen clock and counted dice.

use std::{
    collections::HashMap,
    ffi::OsString,
    fs,
    io::{self, Write},
    path::{Path, PathBuf},
    process::Command,
    sync::atomic::{AtomicU32, Ordering},
};

use msb::{
    time::UnixTime,
    world::{Clocks, Tracking, World},
};

use crate::manual;

/// 2026-11-23T10:00:00Z, a Monday.
pub const NOW: i64 = 1_795_428_000;

/// A directory that goes when it is dropped.
pub struct Scratch(pub PathBuf);

impl Scratch {
    pub fn new() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("msb-test-{}-{count}", std::process::id()));
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// A home, and the world around it.
pub struct Msb {
    pub scratch: Scratch,
    pub now: i64,
    pub env: HashMap<String, OsString>,
    pub stdin: Vec<u8>,
    pub terminal: bool,
    /// Whether git tracks every file.
    pub git: Tracking,
    /// How many seconds go by while a command waits.
    pub waits: i64,
    pub stdout_is_closed: bool,
    /// How many bytes standard output takes before it fails.
    pub stdout_takes: usize,
    /// How a stream fails, if it does.
    pub stdout_fails: Option<io::ErrorKind>,
    pub stderr_fails: Option<io::ErrorKind>,
    dice: u32,
}

/// What a command did.
#[derive(Debug)]
pub struct Ran {
    pub exit: u8,
    pub stdout: String,
    pub stderr: String,
}

impl Msb {
    /// Nothing was ever kept here.
    pub fn new() -> Self {
        let scratch = Scratch::new();
        let home = scratch.path("home").into_os_string();
        Self {
            scratch,
            now: NOW,
            env: HashMap::from([("MSB_HOME".to_owned(), home)]),
            stdin: vec![],
            terminal: false,
            git: Tracking::No,
            waits: 0,
            stdout_is_closed: false,
            stdout_takes: 0,
            stdout_fails: None,
            stderr_fails: None,
            dice: 0,
        }
    }

    /// A server key was made, for a key that was thrown away.
    pub fn with_server_key() -> Self {
        let mut msb = Self::new();
        msb.key("");
        msb
    }

    pub fn home(&self) -> PathBuf {
        PathBuf::from(&self.env["MSB_HOME"])
    }

    pub fn file(&self, name: &str) -> PathBuf {
        self.home().join(name)
    }

    /// Issues a key with these flags and answers its text.
    pub fn key(&mut self, flags: &str) -> String {
        let ran = self.run(&format!("server keygen {flags}"));
        assert_eq!(ran.exit, 0, "{}", ran.stderr);
        ran.stdout.trim_end().to_owned()
    }

    /// Runs a command; single quotes keep words together.
    pub fn run(&mut self, line: &str) -> Ran {
        self.run_words(&words(line))
    }

    pub fn run_words(&mut self, words: &[impl AsRef<str>]) -> Ran {
        let mut stdin = self.stdin.as_slice();
        let mut stdout =
            Stream { taken: vec![], takes: self.stdout_takes, fails: self.stdout_fails };
        let mut stderr = Stream { taken: vec![], takes: 0, fails: self.stderr_fails };
        let dice = &mut self.dice;
        let mut entropy = |bytes: &mut [u8]| {
            for byte in bytes {
                // Counts, and after 255 scatters what it counts: no two ids are the same.
                let scattered = (*dice ^ 0x5bd1_e995).wrapping_mul(0x9e37_79b1);
                let scattered = (scattered ^ (scattered >> 15)).wrapping_mul(0x85eb_ca6b) >> 24;
                *byte = (if *dice < 256 { *dice } else { scattered }) as u8;
                *dice += 1;
            }
        };
        let args = ["msb"].into_iter().chain(words.iter().map(AsRef::as_ref)).map(OsString::from);
        let exit = msb::cli::run(
            args,
            &mut World {
                now: UnixTime::from_secs(self.now).unwrap(),
                clock: &|| UnixTime::from_secs(self.now + self.waits).unwrap(),
                clocks: Clocks::REAL,
                entropy: &mut entropy,
                env: &|name| self.env.get(name).cloned(),
                git_tracks: &|_| self.git,
                who: "uid 0".to_owned(),
                stdin: &mut stdin,
                stdout: &mut stdout,
                stderr: &mut stderr,
                stdin_is_terminal: self.terminal,
                stdout_is_closed: self.stdout_is_closed,
                stdout_is_terminal: self.terminal,
                stderr_is_terminal: self.terminal,
            },
        );
        manual::check_exit(words, exit);
        let text = |stream: Stream| String::from_utf8(stream.taken).unwrap();
        Ran { exit: exit as u8, stdout: text(stdout), stderr: text(stderr) }
    }

    /// Runs a command and holds it to its exit code and both streams, in which keys are `msb_…`
    /// and the scratch directory is `…`.
    #[track_caller]
    pub fn check(&mut self, line: &str, exit: u8, stdout: &str, stderr: &str) {
        let ran = self.run(line);
        let told = |text: &str| masked(text, &self.scratch.0);
        let (out, err) = (told(&ran.stdout), told(&ran.stderr));
        assert!(
            (ran.exit, out.as_str(), err.as_str()) == (exit, stdout, stderr),
            "msb {line}\nexit {}, expected {exit}\n--- stdout\n{out}--- expected\n{stdout}\
             --- stderr\n{err}--- expected\n{stderr}",
            ran.exit,
        );
    }

    /// Holds a command to its exit code alone, and to printing no whole key.
    #[track_caller]
    pub fn ends(&mut self, line: &str, exit: u8) -> Ran {
        let ran = self.run(line);
        assert_eq!(ran.exit, exit, "msb {line}\n{}{}", ran.stdout, ran.stderr);
        assert!(!ran.stderr.contains("msb_ey"), "a key on stderr: {}", ran.stderr);
        ran
    }
}

struct Stream {
    taken: Vec<u8>,
    takes: usize,
    fails: Option<io::ErrorKind>,
}

impl Write for Stream {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self.fails {
            Some(kind) if self.taken.len() + bytes.len() > self.takes => Err(kind.into()),
            Some(_) | None => self.taken.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

pub fn words(line: &str) -> Vec<String> {
    let mut words = vec![];
    for (index, part) in line.split('\'').enumerate() {
        match index % 2 {
            0 => words.extend(part.split_whitespace().map(str::to_owned)),
            _ => words.push(part.to_owned()),
        }
    }
    words
}

/// The text with keys as `msb_…` and the scratch directory as `…`.
pub fn masked(text: &str, scratch: &Path) -> String {
    let mut told = String::new();
    let mut rest = text;
    while let Some(at) = rest.find("msb_ey") {
        told += &rest[..at];
        told += "msb_…";
        let in_key = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
        rest = rest[at..].trim_start_matches(in_key);
    }
    (told + rest).replace(&scratch.display().to_string(), "…")
}

/// The seed that `Msb`'s first server key grows from.
pub fn first_seed() -> [u8; 32] {
    std::array::from_fn(|index| index as u8)
}

/// Third-party test data. Where it is absent the tests that need it say so; CI requires it.
pub fn vectors() -> Option<PathBuf> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/vectors");
    if path.is_dir() {
        return Some(path);
    }
    skipped(&format!("no third-party test data at {}", path.display()));
    None
}

/// Whether a program is there; if not, says so, and CI does not let that pass.
pub fn have(program: &str) -> bool {
    if Command::new(program).arg("--version").output().is_ok() {
        return true;
    }
    skipped(&format!("{program} is not installed"));
    false
}

/// Whether `python3` can import these modules; if not, says so, and CI does not let that pass.
pub fn python_has(modules: &str) -> bool {
    let found = Command::new("python3").args(["-c", &format!("import {modules}")]).output();
    let found = found.is_ok_and(|output| output.status.success());
    if !found {
        skipped(&format!("python3 cannot import {modules}"));
    }
    found
}

/// Where the npm package `jose` lies, as CI installs it; else where npm puts it globally.
pub fn jose() -> Option<String> {
    let modules = std::env::var("MSB_TEST_NODE_MODULES")
        .unwrap_or_else(|_| "/usr/lib/node_modules".to_owned());
    if have("node") && Path::new(&modules).join("jose").is_dir() {
        return Some(modules);
    }
    skipped("node and the npm package jose are not installed");
    None
}

/// Says that a test has not run, where everybody sees it; in CI nothing is passed over.
pub fn skipped(why: &str) {
    assert!(std::env::var_os("CI").is_none(), "CI needs this: {why}");
    // Not `eprintln!`: what a test that passes prints is not shown.
    io::stderr().write_all(format!("SKIPPED: {why}\n").as_bytes()).unwrap();
}
