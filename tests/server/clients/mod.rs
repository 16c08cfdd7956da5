//! Published clients, as they are, with keys of ours: what they can do through msb, and what their
//! users read when they may not.
//!
//! Each client has a Python of its own, where `.ci/run` installs it.

mod fastmcp;
mod microsandbox_0_1;
mod microsandbox_0_7;
mod modbox;
mod modulos;
mod openai;
mod upstream;

use std::{
    env,
    io::{self, BufRead, BufReader},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::mpsc::{self, Receiver},
    thread,
};

use serde_json::Value;

use crate::harness::{Home, Ran, Running, SOON, Server, finish, skipped, wait_for};
use upstream::{Seen, Upstream};

/// A service, msb in front of it, and a home with its keys.
struct Site {
    home: Home,
    upstream: Upstream,
    server: Server,
}

impl Site {
    /// The service answers every request that reaches it with this.
    fn new(
        settings: &str,
        answer: impl Fn(&Seen, &mut dyn io::Write) -> io::Result<()> + Send + Sync + 'static,
    ) -> Self {
        let upstream = Upstream::start(answer);
        let (home, server) = in_front_of(&format!("http://{}", upstream.address), settings);
        Self { home, upstream, server }
    }

    /// Where clients find it.
    fn url(&self) -> String {
        format!("http://{}", self.server.address)
    }
}

/// msb in front of a service.
fn in_front_of(upstream: &str, settings: &str) -> (Home, Server) {
    let home = Home::new();
    home.configure(settings);
    home.key("");
    let server = home.start(&format!("--upstream {upstream}"));
    (home, server)
}

/// Keys that do not hold, each with what is said about it.
fn bad_keys(home: &Home) -> Vec<(String, Said)> {
    let revoked = home.key("--name lost");
    home.done("server revoke lost");
    let elsewhere = Home::new().key("");
    vec![
        ("msb_wrong".to_owned(), NOT_VALID),
        (elsewhere, NOT_VALID),
        (revoked, NOT_VALID),
        (expired(home), EXPIRED),
    ]
}

/// A key that has just expired.
fn expired(home: &Home) -> String {
    let key = home.key("--expire 3s");
    wait_for("the key expires", SOON, || {
        (home.run(&format!("verify {key}")).exit == Some(12)).then_some(())
    });
    key
}

/// What is said about a key.
#[derive(Clone, Copy)]
struct Said {
    code: &'static str,
    message: &'static str,
    hint: &'static str,
}

impl Said {
    /// What is said where calls are judged, whose clients show this alone.
    fn at_the_door(self) -> String {
        format!("{}. {}", self.message, self.hint)
    }
}

const MISSING: Said = Said {
    code: "MISSING_TOKEN",
    message: "API key is missing",
    hint: "Send it as `Authorization: Bearer KEY` or `X-API-Key: KEY`",
};
const NOT_VALID: Said = Said {
    code: "INVALID_TOKEN",
    message: "API key is not valid",
    hint: "Send the whole key, once, or ask for a new one",
};
const EXPIRED: Said =
    Said { code: "EXPIRED_TOKEN", message: "API key has expired", hint: "Ask for a new key" };
const FOREIGN: Said = Said {
    code: "FORBIDDEN",
    message: "API key does not open this namespace",
    hint: "Ask for a key that does",
};
const NOT_ALLOWED: Said = Said {
    code: "FORBIDDEN",
    message: "API key does not allow this operation",
    hint: "Ask for a key that does",
};
const UNJUDGED: Said = Said {
    code: "FORBIDDEN",
    message: "API key is limited to namespaces, and none was asked for here",
    hint: "Name one in the header that is judged here (X-Namespace, say), give the path a `[[route]]` with `namespace`, or use a key \
           for every namespace",
};

/// A script beside this file, in the Python of a client, without anything else of ours; none where
/// the client is not installed.
fn script(client: &str, name: &str) -> Option<Command> {
    let python = python(client)?;
    let mut command = Command::new(python);
    // Without `-I`, a script that is named as its client hides it.
    command.env_clear().arg("-I").arg(beside(name)).stdin(Stdio::null());
    Some(command)
}

/// The Python of a client.
fn python(client: &str) -> Option<PathBuf> {
    let python = clients().join(client).join("bin/python3");
    let found = python.is_file();
    if !found {
        skipped(&format!("{client} is not installed at {}", clients().display()));
    }
    found.then_some(python)
}

/// Where the clients are, as CI installs them.
fn clients() -> PathBuf {
    let installed = || Path::new(env!("CARGO_MANIFEST_DIR")).join("target/ci/clients");
    env::var_os("MSB_TEST_CLIENTS").map_or_else(installed, PathBuf::from)
}

fn beside(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/server/clients").join(name)
}

/// Runs a client that gets what it wants: what it prints.
#[track_caller]
fn succeeds(command: &mut Command) -> String {
    let Ran { exit, stdout, stderr } = finish(command, SOON);
    assert_eq!(exit, Some(0), "{stdout}{stderr}");
    stdout
}

/// Runs a client that gives up: the last line that its user reads.
#[track_caller]
fn gives_up(command: &mut Command) -> String {
    let Ran { exit, stdout, stderr } = finish(command, SOON);
    assert_eq!(exit, Some(1), "{stdout}{stderr}");
    stderr.lines().last().unwrap().to_owned()
}

/// JSON behind these words.
#[track_caller]
fn json_behind(words: &str, line: &str) -> Value {
    let text = line.strip_prefix(words).unwrap_or_else(|| panic!("not behind {words:?}: {line}"));
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {line}"))
}

/// A program that prints line by line as it goes; it ends with this.
struct Talking {
    lines: Receiver<String>,
    #[expect(dead_code, reason = "it ends when it is dropped")]
    running: Running,
}

impl Talking {
    fn start(command: &mut Command) -> Self {
        let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
        let stdout = BufReader::new(child.stdout.take().unwrap());
        let (sender, lines) = mpsc::channel();
        thread::spawn(move || {
            for line in stdout.lines().map_while(Result::ok) {
                if sender.send(line).is_err() {
                    return;
                }
            }
        });
        Self { lines, running: Running(child) }
    }

    /// The next line.
    #[track_caller]
    fn line(&self) -> String {
        self.lines.recv_timeout(SOON).expect("it says more")
    }

    /// What it has said since.
    fn said(&self) -> Vec<String> {
        self.lines.try_iter().collect()
    }
}
