//! msb itself: its server as a process of its own, and keys of every kind.

use std::{
    fs,
    net::SocketAddr,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::atomic::{AtomicU32, Ordering},
    thread,
    time::Duration,
};

use serde_json::Value;

use crate::program::Program;

/// A home with keys, and the server that judges by it.
pub struct Msb {
    pub scratch: PathBuf,
    pub address: SocketAddr,
    server: Option<Program>,
}

/// A key, and what is to be told of it.
#[derive(Clone, Debug)]
pub struct Key {
    pub text: String,
    pub id: String,
    pub namespaces: String,
    pub scope: String,
    pub owner: String,
    pub expires: String,
}

impl Msb {
    /// A server with a home of its own.
    pub fn start() -> Self {
        Self::configured("")
    }

    /// The same, with this for its `config.toml`.
    pub fn configured(config: &str) -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("msb-front-ends-{}-{count}", std::process::id());
        let scratch = std::env::temp_dir().join(name);
        for home in ["home", "without-keys"] {
            fs::create_dir_all(scratch.join(home)).unwrap();
            fs::write(scratch.join(home).join("config.toml"), config).unwrap();
        }
        let mut msb = Self { scratch, address: ([127, 0, 0, 1], 0).into(), server: None };
        msb.key("");
        msb.serve("home");
        msb
    }

    /// Starts the server from a home, at its old address if it had one.
    pub fn serve(&mut self, home: &str) {
        self.stop();
        let home = self.scratch.join(home);
        let port = self.address.port().to_string();
        let mut start = program(&home);
        start.args(["server", "start", "--port", &port]);
        let mut server = Program::start(&mut start, &self.scratch.join("msb.log")).unwrap();
        self.address = server.wait("msb should tell its address", || {
            let status = answer(&home, &["server", "status", "--json"]);
            status["server"]["address"].as_str().and_then(|address| address.parse().ok())
        });
        server.wait_for(self.address);
        self.server = Some(server);
    }

    /// Stops the server.
    pub fn stop(&mut self) {
        self.server = None;
    }

    /// Stops the server in the middle of what it does; whoever connects waits.
    pub fn hang(&mut self) {
        self.server.as_mut().unwrap().hang();
    }

    /// Lets the server go on.
    pub fn go_on(&self) {
        self.server.as_ref().unwrap().go_on();
    }

    /// Issues a key with these flags.
    pub fn key(&self, flags: &str) -> Key {
        self.key_in_time(flags).unwrap_or_else(|error| panic!("{flags}: {error}"))
    }

    /// The same, unless the key ended before it could be handed out.
    fn key_in_time(&self, flags: &str) -> Result<Key, String> {
        let words = ["server", "keygen", "--json"].into_iter().chain(flags.split_whitespace());
        let told = asked(&self.scratch.join("home"), &words.collect::<Vec<_>>())?;
        let text = |member: &str, absent: &str| told[member].as_str().unwrap_or(absent).to_owned();
        let namespaces = told["namespaces"].as_array().unwrap();
        let namespaces: Vec<_> = namespaces.iter().map(|name| name.as_str().unwrap()).collect();
        Ok(Key {
            text: text("key", ""),
            id: text("id", ""),
            namespaces: namespaces.join(" "),
            scope: text("scope", "*"),
            owner: text("owner", "-"),
            expires: text("expires_at", "-"),
        })
    }

    /// Revokes a key.
    pub fn revoke(&self, key: &Key) {
        answer(&self.scratch.join("home"), &["server", "revoke", &key.id, "--json"]);
    }

    /// Makes a new server key, and every key so far dead.
    pub fn reset(&self) {
        answer(&self.scratch.join("home"), &["server", "key", "reset", "--yes", "--json"]);
    }

    /// Issues a key and waits until it has ended.
    pub fn expired(&self, flags: &str) -> Key {
        // A disk may be away for longer than a key lives.
        let lives = |secs: &u64| {
            Some((*secs, self.key_in_time(&format!("{flags} --expire {secs}s")).ok()?))
        };
        let (secs, key) = [1, 5, 30].iter().find_map(lives).expect("a key before it ends");
        thread::sleep(Duration::from_secs(secs + 1));
        key
    }
}

impl Drop for Msb {
    fn drop(&mut self) {
        self.server = None;
        let _ = fs::remove_dir_all(&self.scratch);
    }
}

impl Key {
    /// The same key with another signature.
    pub fn forged(&self) -> String {
        let at = self.text.rfind('.').unwrap() + 1;
        let other = if self.text[at..].starts_with('A') { "B" } else { "A" };
        format!("{}{other}{}", &self.text[..at], &self.text[at + 1..])
    }
}

/// What a command answers, which must succeed.
fn answer(home: &Path, words: &[&str]) -> Value {
    asked(home, words).unwrap_or_else(|error| panic!("{words:?}: {error}"))
}

/// What a command answers, or says instead.
fn asked(home: &Path, words: &[&str]) -> Result<Value, String> {
    let output = program(home).args(words).output().unwrap();
    if output.status.success() {
        Ok(serde_json::from_slice(&output.stdout).unwrap())
    } else {
        Err(String::from_utf8_lossy(&output.stderr).into_owned())
    }
}

fn program(home: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_msb"));
    command.env_clear().env("PATH", std::env::var_os("PATH").unwrap_or_default());
    command.env("MSB_HOME", home).stdin(Stdio::null());
    command
}
