//! The console blocks of a page, typed into a shell on a terminal as they stand.

use std::{
    fs,
    net::SocketAddr,
    path::{Path, PathBuf},
    process::Command,
};

use crate::{page, program};

/// Where a session runs: nothing of msb was ever there.
pub struct Stage {
    pub scratch: PathBuf,
    /// What the page calls otherwise, such as addresses.
    places: Vec<(&'static str, String)>,
    port: u16,
}

impl Stage {
    /// A stage for a page, where msb is to listen on a port that is free.
    pub fn new(name: &str) -> Self {
        let name = format!("msb-session-{name}-{}", std::process::id());
        let scratch = std::env::temp_dir().join(name);
        fs::create_dir_all(scratch.join("home")).unwrap();
        let port = program::free().port();
        Self { scratch, places: vec![("127.0.0.1:5555", format!("127.0.0.1:{port}"))], port }
    }

    /// Has something that the page shows elsewhere.
    pub fn place(&mut self, shown: &'static str, place: String) {
        self.places.push((shown, place));
    }

    /// Where msb is going to listen.
    pub fn msb(&self) -> SocketAddr {
        ([127, 0, 0, 1], self.port).into()
    }

    /// Puts down the settings that a page shows.
    pub fn configure(&self, page: &str) {
        let config = self.placed(&page::block(page, "toml", &[]));
        fs::write(self.scratch.join("home/config.toml"), config).unwrap();
    }

    /// Holds each answer to what the page shows.
    pub fn check(&self, page: &str) {
        let session = page::blocks(page, "console").concat();
        let examples: Vec<_> =
            session.split("$ ").skip(1).map(|example| example.split_once('\n').unwrap()).collect();
        assert!(examples.len() >= 4, "{page} shows a refused and an allowed request");
        let answers =
            self.answers(&examples.iter().map(|(command, _)| *command).collect::<Vec<_>>());
        assert_eq!(answers.len(), examples.len(), "{page}: {answers:#?}");
        for ((command, expected), said) in examples.iter().zip(&answers) {
            assert_eq!(said.trim_end(), expected.trim_end(), "{page}: $ {command}");
        }
    }

    /// What each of these commands answers, in one shell.
    fn answers(&self, commands: &[&str]) -> Vec<String> {
        let script: String =
            commands.iter().map(|command| format!("echo @@@\n{command}\n")).collect();
        let start = format!("msb server start --port {}", self.port);
        let script = self.placed(&script).replace("msb server start", &start);
        fs::write(self.scratch.join("session.sh"), script).unwrap();
        let path = Path::new(env!("CARGO_BIN_EXE_msb")).parent().unwrap().display().to_string();
        let path = format!("{path}:{}", std::env::var("PATH").unwrap());
        let output = Command::new("timeout")
            .args([LONGEST, "script", "-qec", "bash session.sh", "/dev/null"])
            .current_dir(&self.scratch)
            .envs([("PATH", path.as_str()), ("MSB_HOME", "home")])
            .envs([("NO_COLOR", "1"), ("TERM", "dumb")])
            .env("CURL_HOME", &self.scratch)
            .output()
            .unwrap();
        let said = String::from_utf8(output.stdout).unwrap().replace('\r', "");
        let said = self.places.iter().fold(said, |said, (shown, place)| said.replace(place, shown));
        said.split("@@@\n").skip(1).map(str::to_owned).collect()
    }

    fn placed(&self, text: &str) -> String {
        self.places.iter().fold(text.to_owned(), |text, (shown, place)| text.replace(shown, place))
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        let mut stop = Command::new(env!("CARGO_BIN_EXE_msb"));
        let _ = stop
            .args(["server", "stop", "--quiet"])
            .env("MSB_HOME", self.scratch.join("home"))
            .status();
        let _ = fs::remove_dir_all(&self.scratch);
    }
}

/// How long a session may take, in seconds.
const LONGEST: &str = "120";
