//! The README's examples, for real: on a terminal, in a home of their own, in their order.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use crate::harness::{Scratch, have, jose, python_has};

fn readme() -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md")).unwrap()
}

/// The blocks of one language, in their order.
fn blocks(language: &str) -> Vec<String> {
    let fence = format!("```{language}\n");
    let readme = readme();
    let blocks =
        readme.split(&fence).skip(1).map(|rest| rest.split("```").next().unwrap().to_owned());
    blocks.collect()
}

/// Runs the console blocks in one shell on a terminal; answers each command with its output.
fn session(scratch: &Scratch, commands: &[String]) -> Vec<String> {
    let script: String = commands.iter().map(|command| format!("echo @@@\n{command}\n")).collect();
    let port = free_port().to_string();
    let script = script
        .replace("msb server start", &format!("msb server start --port {port}"))
        .replace("127.0.0.1:5555", &format!("127.0.0.1:{port}"));
    // The modes of new files are told.
    fs::write(scratch.path("session.sh"), format!("umask 022\n{script}")).unwrap();
    let path = PathBuf::from(env!("CARGO_BIN_EXE_msb")).parent().unwrap().to_owned();
    let path = format!("{}:{}", path.display(), std::env::var("PATH").unwrap());
    let output = Command::new("script")
        .args(["-qec", "bash session.sh", "/dev/null"])
        .current_dir(&scratch.0)
        .envs([("PATH", path.as_str()), ("NO_COLOR", "1")])
        .env("MSB_HOME", scratch.path("home"))
        .output()
        .unwrap();
    let told = String::from_utf8(output.stdout).unwrap().replace('\r', "");
    let told = told.replace(&format!("127.0.0.1:{port}"), "127.0.0.1:5555");
    told.split("@@@\n").skip(1).map(str::to_owned).collect()
}

/// A port that nobody has now: 5555 may be somebody's. It is below those that a connection goes out
/// from (32768 and above, on Linux), which one may take at any moment.
fn free_port() -> u16 {
    let first = 20_000 + (std::process::id() % 10_000) as u16;
    let is_free = |port: &u16| std::net::TcpListener::bind(("127.0.0.1", *port)).is_ok();
    (first..32_768).find(is_free).unwrap()
}

/// Whether a line is what the README says, but for what differs from run to run: ids, kids,
/// instants, weekdays, days to go, and what follows an ellipsis.
fn alike(said: &str, expected: &str) -> bool {
    let words = |line: &str| line.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
    let (said, expected) = (words(said), words(expected));
    let days = |words: &[String], at: usize| at > 0 && words[at - 1] == "(in";
    said.len() == expected.len()
        && said.iter().zip(&expected).enumerate().all(|(at, (one, other))| {
            one == other
                || other.split_once('…').is_some_and(|(head, _)| one.starts_with(&head[..30]))
                || kind(one).is_some_and(|found| kind(other) == Some(found))
                || (at > 1 && expected[at - 1] == "key" && expected[at - 2].ends_with("server"))
                || (days(&said, at) && days(&expected, at))
        })
}

/// What a word is that differs from run to run.
fn kind(word: &str) -> Option<&'static str> {
    let word = word.trim_end_matches([',', ';']);
    if word.parse::<msb::key::KeyId>().is_ok() {
        Some("id")
    } else if word.ends_with('Z') && word.parse::<msb::time::UnixTime>().is_ok() {
        Some("instant")
    } else if word.trim_end_matches(')').parse::<u32>().is_ok_and(|pid| pid > 1000) {
        Some("pid")
    } else if ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"].contains(&word) {
        Some("weekday")
    } else {
        None
    }
}

/// Each command of the console blocks, and what it answers.
fn examples() -> Vec<(String, String)> {
    let blocks = blocks("console").concat();
    let examples = blocks.split("$ ").skip(1).map(|example| {
        let (command, answer) = example.split_once('\n').unwrap();
        (command.to_owned(), answer.to_owned())
    });
    examples.collect()
}

/// The commands of the console blocks.
pub fn console_examples() -> Vec<String> {
    examples().into_iter().map(|(command, _)| command).collect()
}

#[test]
fn the_console_examples_answer_as_they_say() {
    if !have("script") || !have("curl") {
        return;
    }
    let examples = examples();
    assert!(examples.len() >= 12, "the examples were not found");
    let scratch = Scratch::new();
    let commands: Vec<_> = examples.iter().map(|(command, _)| command.clone()).collect();
    let answers = session(&scratch, &commands);
    assert_eq!(answers.len(), examples.len(), "{answers:#?}");
    for ((command, expected), said) in examples.iter().zip(&answers) {
        let same = said.lines().count() == expected.lines().count()
            && said.lines().zip(expected.lines()).all(|(said, expected)| alike(said, expected));
        assert!(same, "$ {command}\n--- said\n{said}--- README\n{expected}");
    }
}

/// Runs a program from the README beside a key and `jwks.json`.
fn program(interpreter: &str, name: &str, code: &str, prepare: &str) {
    let scratch = Scratch::new();
    fs::write(scratch.path(name), code).unwrap();
    let script = format!(
        "set -e; {prepare}
         export MSB_HOME=home
         export MSB_API_KEY=\"$('{msb}' server keygen -q -n project-web --expire 1h)\"
         '{msb}' server key show -q --format jwks > jwks.json
         {interpreter} {name}
         export MSB_API_KEY=\"$('{msb}' server keygen -q -n other)\"
         if {interpreter} {name} 2> refused; then echo 'another namespace got in'; exit 1; fi
         grep -q 'does not open project-web' refused",
        msb = env!("CARGO_BIN_EXE_msb"),
    );
    let output =
        Command::new("bash").args(["-c", &script]).current_dir(&scratch.0).output().unwrap();
    let told = String::from_utf8_lossy(&output.stdout).into_owned()
        + &String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && told.contains("is good"), "{told}");
}

#[test]
fn the_python_example_verifies_a_key() {
    if python_has("jwt, cryptography") {
        program("python3", "example.py", &blocks("python").concat(), "");
    }
}

#[test]
fn the_javascript_example_verifies_a_key() {
    let Some(modules) = jose() else { return };
    let prepare = format!("ln -s '{modules}' node_modules");
    program("node", "example.mjs", &blocks("js").concat(), &prepare);
}
