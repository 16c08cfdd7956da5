//! The program under test, always in a process of its own.

use std::{
    fmt,
    fs::File,
    io::Write,
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
};

use serde_json::Value;

use crate::place::Place;

/// The program under test.
pub struct Msb(pub PathBuf);

/// What a command did.
#[derive(Debug)]
pub struct Ran {
    /// What it ended with; none if it was killed.
    pub exit: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

impl Msb {
    /// Runs a command.
    pub fn run(&self, home: &Path, words: &[&str]) -> Ran {
        dressed(Command::new(&self.0), home).args(words).output().unwrap().into()
    }

    /// Runs a command at its place.
    pub fn run_at(&self, place: &Place, words: &[String]) -> Ran {
        let mut command = dressed(Command::new(&self.0), &place.home);
        command.args(words).stdin(File::open(&place.input).unwrap()).output().unwrap().into()
    }

    /// Runs a command at its place under strace.
    pub fn traced_at(&self, place: &Place, words: &[String], strace: &[String]) -> Ran {
        let input = File::open(&place.input).unwrap();
        self.traced(&place.home, words, strace, &place.log, input.into())
    }

    /// Runs a command under strace, which writes its log to a file.
    pub fn traced(
        &self,
        home: &Path,
        words: &[String],
        strace: &[String],
        log: &Path,
        input: Stdio,
    ) -> Ran {
        // A command that never ends is a finding, and no reason to wait for it.
        let mut command = Command::new("timeout");
        command.args(["--signal=KILL", PATIENCE, "strace", "-f", "-qq", "-o"]).arg(log);
        // Whoever is asked about a file, such as git, is not under test and is not found.
        command.args(["-E", "PATH=/nowhere"]).args(strace).arg("--").arg(&self.0).args(words);
        dressed(command, home).stdin(input).output().unwrap().into()
    }

    /// The answer of a command that must succeed.
    pub fn json(&self, home: &Path, words: &[&str]) -> Result<Value, String> {
        let ran = self.run(home, &[words, &["--json"]].concat());
        match ran.exit {
            Some(0) => serde_json::from_str(&ran.stdout).map_err(|_| ran.to_string()),
            Some(_) | None => Err(format!("`{}` {ran}", words.join(" "))),
        }
    }

    /// What `verify` says of a key.
    pub fn verify(&self, home: &Path, key: &str) -> Option<i32> {
        let mut command = dressed(Command::new(&self.0), home);
        command.args(["verify", "-", "-q"]).stdin(Stdio::piped()).stdout(Stdio::null());
        let mut child = command.stderr(Stdio::null()).spawn().unwrap();
        child.stdin.take().unwrap().write_all(key.as_bytes()).unwrap();
        child.wait().unwrap().code()
    }
}

fn dressed(mut command: Command, home: &Path) -> Command {
    command.env_clear().env("PATH", std::env::var_os("PATH").unwrap_or_default());
    command.env("MSB_HOME", home).stdin(Stdio::null());
    command
}

impl Ran {
    /// The keys that arrived whole on standard output.
    pub fn keys(&self) -> Vec<String> {
        whole_keys(&self.stdout)
    }

    /// Whether it said that it is done: by its exit, or by a whole line of its answer.
    pub fn acknowledged(&self) -> bool {
        self.exit == Some(0) || self.stdout.ends_with('\n')
    }
}

/// The lines that are keys and have their end.
pub fn whole_keys(text: &str) -> Vec<String> {
    let lines = text.split_inclusive('\n').filter_map(|line| line.strip_suffix('\n'));
    lines.filter(|line| line.starts_with("msb_")).map(str::to_owned).collect()
}

impl From<Output> for Ran {
    fn from(output: Output) -> Self {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        Self {
            exit: output.status.code(),
            stdout: text(&output.stdout),
            stderr: text(&output.stderr),
        }
    }
}

impl fmt::Display for Ran {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.exit {
            Some(exit) => write!(f, "ended with {exit}")?,
            None => f.write_str("was killed")?,
        }
        write!(f, ", saying {:?}", self.stderr)
    }
}

/// How long a command may take, in seconds.
const PATIENCE: &str = "60";
