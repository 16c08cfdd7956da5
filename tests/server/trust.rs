//! Live trust: what a command has changed is known to the server by the time it returns.

use std::{
    io::{BufRead, BufReader, Write},
    process::Stdio,
    thread,
    time::{Duration, Instant},
};

use rustix::process::Signal;

use crate::{
    harness::{Home, SOON, bearing, finish, many, request, wait_for},
    load::Load,
};

#[test]
fn the_first_key_works_when_it_is_handed_out() {
    let home = Home::new();
    let server = home.start("");
    let ready = || server.ask("GET /readyz HTTP/1.1\nHost: a");
    let answer = ready();
    assert_eq!((answer.status, answer.header("x-msb-reason")), (503, Some("UNAVAILABLE")));
    let body = r#"{"success":false,"message":"API keys cannot be checked now","error":{"code":"UNAVAILABLE","message":"API keys cannot be checked now","hint":"Try again later","details":[{"issue":"undecided"}]}}"#;
    assert_eq!(answer.body, body);
    assert_eq!(server.ask("GET /healthz HTTP/1.1\nHost: a").status, 200);
    assert_eq!(server.ask("GET /.well-known/jwks.json HTTP/1.1\nHost: a").status, 503);
    assert_eq!(server.ask("GET /auth HTTP/1.1\nHost: a").status, 401);
    assert_eq!(server.judges("msb_x"), 503, "nobody can tell");
    let key = home.key("");
    assert_eq!((server.judges(&key), ready().status), (200, 200));
    assert_eq!(server.judges("msb_x"), 401);
}

#[test]
fn whatever_is_cut_off_is_refused_when_the_command_returns() {
    let home = Home::new();
    let server = home.start("");
    let cut = |flags: &str, by: &dyn Fn(&str) -> String| {
        let key = home.key(&format!("--name victim {flags}"));
        assert_eq!(server.judges(&key), 200);
        home.done(&by(&key));
        assert_eq!(server.judges(&key), 401, "{}", by("KEY"));
    };
    let rule = |rule: &'static str| move |_: &str| format!("server revoke -y {rule}");
    cut("", &|_| "server revoke victim".to_owned());
    cut("", &|key| format!("server revoke {key}"));
    cut("", &|_| {
        let listed = home.done("server list");
        format!("server revoke {}", listed.split('\t').next().unwrap())
    });
    cut("--owner alice", &rule("--owner alice"));
    let kid = home.status()["server_key"]["kid"].as_str().unwrap().to_owned();
    cut("", &|_| format!("server revoke -y --kid {kid}"));
    cut("", &rule("--all"));
    cut("", &|_| "server key reset".to_owned());
    cut("", &|_| "server start --reset-key".to_owned());
}

#[test]
fn keys_of_a_pipe_that_was_closed_are_refused_when_the_command_returns() {
    let home = Home::new();
    let server = home.start("");
    home.key("");
    let mut keygen = home.msb();
    keygen.args(["server", "keygen", "--count", "5000"]).stdout(Stdio::piped());
    let mut keygen = keygen.stderr(Stdio::null()).spawn().unwrap();
    let mut reader = BufReader::new(keygen.stdout.take().unwrap());
    let mut key = String::new();
    reader.read_line(&mut key).unwrap();
    assert_eq!(server.judges(key.trim_end()), 200, "it is kept before it is printed");
    drop(reader);
    let ended = wait_for("keygen", SOON, || keygen.try_wait().unwrap());
    assert_eq!((ended.code(), server.judges(key.trim_end())), (Some(74), 401));
}

#[test]
fn what_another_server_key_signs_is_known_when_the_command_returns() {
    let home = Home::new();
    let old = home.key("");
    let server = home.start("");
    home.done("server key rotate -y");
    let new = home.key("");
    assert_eq!((server.judges(&old), server.judges(&new)), (200, 200));
    let other = Home::new();
    let foreign = other.key("");
    assert_eq!(server.judges(&foreign), 401);
    let pem = other.file("server.key").display().to_string();
    home.done(&format!("server key import -y {pem}"));
    assert_eq!((server.judges(&foreign), server.judges(&new)), (200, 200));
    home.done("server key reset");
    for key in [&old, &new, &foreign] {
        assert_eq!(server.judges(key), 401);
    }
    assert_eq!(server.judges(&home.key("")), 200);
}

#[test]
fn a_reset_of_a_server_that_runs_says_how_long_it_took() {
    let home = Home::new();
    let key = home.key("");
    let server = home.start("");
    let ran = home.run("server start --reset-key");
    assert_eq!(ran.exit, Some(0), "{}", ran.stderr);
    assert!(ran.stdout.contains(" signs from now on\n"), "{}", ran.stdout);
    assert_eq!(server.judges(&key), 401);
    let ran = home.run("server start --reset-key --dev --host 0.0.0.0 --port 1");
    assert_eq!(ran.exit, Some(0), "{}", ran.stderr);
    let said = "a server runs already: only `--reset-key` counts\n";
    assert!(ran.stderr.starts_with(said), "{}", ran.stderr);
    let script =
        format!("script -qec '{} server revoke --owner x -y' /dev/null", env!("CARGO_BIN_EXE_msb"));
    let mut shell = std::process::Command::new("sh");
    let told = finish(shell.args(["-c", &script]).env("MSB_HOME", home.directory()), SOON);
    let knows = format!("the server on {} knows it, after ", server.address);
    assert!(told.stdout.contains(&knows), "{told:?}");
}

#[test]
fn no_request_that_begins_after_a_revocation_is_allowed() {
    let home = Home::new();
    let rounds = many(200, 20);
    let keys: Vec<_> = home
        .done(&format!("server keygen -q --count {}", rounds + 10))
        .lines()
        .map(str::to_owned)
        .collect();
    let server = home.start("");
    let load = Load::on(server.address, keys.clone());
    let mut took = vec![];
    for key in &keys[..rounds] {
        let began = Instant::now();
        let ran = home.run(&format!("server revoke {key}"));
        took.push(began.elapsed());
        assert_eq!(ran.exit, Some(0), "{}", ran.stderr);
        load.died();
        assert_eq!(server.judges(key), 401);
    }
    let tally = load.end();
    assert_eq!((tally.risen.len(), tally.buried.len()), (0, 0), "{tally:?}");
    assert_eq!((tally.undecided, tally.broken), (0, 0), "{tally:?}");
    assert!(tally.allowed > rounds && tally.refused > rounds, "{tally:?}");
    took.sort();
    told(&format!("{rounds} revocations, median {:?}: {tally:?}", took[rounds / 2]));
}

#[test]
fn no_request_that_begins_after_a_reset_is_allowed() {
    let home = Home::new();
    let rounds = many(200, 20);
    let first = home.key("");
    let server = home.start("");
    let load = Load::on(server.address, vec![first]);
    for round in 0..rounds {
        let line = if round % 2 == 0 { "server key reset" } else { "server start --reset-key" };
        let ran = home.run(line);
        assert_eq!(ran.exit, Some(0), "{}", ran.stderr);
        load.died();
        load.born(home.key(""));
    }
    let tally = load.end();
    assert_eq!((tally.risen.len(), tally.buried.len()), (0, 0), "{tally:?}");
    assert_eq!((tally.undecided, tally.broken), (0, 0), "{tally:?}");
    assert!(tally.allowed > rounds && tally.refused > rounds, "{tally:?}");
    told(&format!("{rounds} resets: {tally:?}"));
}

/// What was counted, for whoever runs all of it.
fn told(text: &str) {
    if crate::harness::in_full() {
        std::io::stderr().write_all(format!("{text}\n").as_bytes()).unwrap();
    }
}

#[test]
fn a_server_that_slept_through_a_reset_refuses_from_its_first_answer_on() {
    let home = Home::new();
    let key = home.key("");
    let server = home.start("");
    let mut wires: Vec<_> = (0..20).map(|_| server.wire()).collect();
    for wire in &mut wires {
        wire.send(request(&bearing(&key)));
        assert_eq!(wire.answer().unwrap().status, 200);
    }
    server.signal(Signal::STOP);
    let began = Instant::now();
    let ran = home.run("server key reset");
    assert_eq!(ran.exit, Some(3), "{}", ran.stderr);
    assert!((5..30).contains(&began.elapsed().as_secs()), "{:?}", began.elapsed());
    let pid = server.pid.as_raw_nonzero();
    let lock = home.file("server.lock").display().to_string();
    let said = format!(
        "msb: error: it is done and kept, but not confirmed: \
         the server that holds {lock} (pid {pid}) does not answer\n\
         msb: hint: look at process {pid}; if it is lost, `kill -9 {pid}` ends it\n"
    );
    assert!(ran.stderr.ends_with(&said), "{}", ran.stderr);
    for wire in &mut wires {
        wire.send(request(&bearing(&key)));
    }
    server.signal(Signal::CONT);
    for wire in &mut wires {
        assert_eq!(wire.answer().unwrap().status, 401);
    }
    assert_eq!(home.run("server key reset").exit, Some(0));
}

/// A laptop that wakes has trust that is too old, and nobody is turned away for that.
#[test]
fn a_server_that_slept_for_long_judges_at_once() {
    let home = Home::new();
    home.configure("[server]\nmax_staleness = \"1s\"\n");
    let key = home.key("");
    let server = home.start("");
    let mut wire = server.wire();
    wire.send(request(&bearing(&key)));
    assert_eq!(wire.answer().unwrap().status, 200);
    server.signal(Signal::STOP);
    thread::sleep(Duration::from_millis(2500));
    wire.send(request(&bearing(&key)));
    server.signal(Signal::CONT);
    assert_eq!(wire.answer().unwrap().status, 200);
    assert_eq!(server.ask("GET /readyz HTTP/1.1\nHost: a").status, 200);
}

#[test]
fn keys_are_judged_while_many_are_made() {
    let home = Home::new();
    let key = home.key("");
    let server = home.start("");
    let count = many(100_000, 20_000);
    let mut keygen = home.msb();
    keygen.args(["server", "keygen", "-q", "--count", &count.to_string()]);
    let mut keygen = keygen.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let (mut asked, mut slowest) = (0, Duration::ZERO);
    let ended = wait_for("keygen", Duration::from_secs(180), || {
        let began = Instant::now();
        assert_eq!(server.judges(&key), 200);
        (asked, slowest) = (asked + 1, slowest.max(began.elapsed()));
        keygen.try_wait().unwrap()
    });
    assert_eq!(ended.code(), Some(0));
    assert!(asked > 10 && slowest < Duration::from_secs(1), "{asked} asked, {slowest:?}");
    assert!(!server.log().contains("store_fault"), "{}", server.log());
    home.done("server revoke --all -y");
    assert_eq!(server.judges(&key), 401);
}

/// The power goes again and again, under load: what was said is kept, and it always starts.
#[test]
fn a_killed_server_loses_nothing() {
    let home = Home::new();
    let first = home.key("");
    let mut server = home.start("");
    let port = server.address.port();
    let load = Load::on(server.address, vec![first]);
    let rounds = many(50, 8);
    for round in 0..rounds {
        thread::sleep(Duration::from_millis(20 + 7 * round as u64 % 60));
        if round % 3 == 0 {
            home.done("server revoke --all -y");
            load.died();
            load.born(home.key(""));
        }
        server.kill();
        if round % 3 == 1 {
            // While none runs.
            home.done("server key reset");
            load.died();
            load.born(home.key(""));
        }
        let line = format!("server start --port {port} --json");
        server = home.serve(home.msb().args(line.split(' ')));
        assert_eq!(server.address.port(), port);
    }
    let last = home.key("");
    assert_eq!(server.judges(&last), 200);
    let tally = load.end();
    assert_eq!((tally.risen.len(), tally.undecided), (0, 0), "{tally:?}");
    assert!(tally.broken > 0, "{tally:?}");
    assert_eq!(home.attention(), Vec::<String>::new());
}

/// Whoever removes the lock of a server that hangs does not make it nobody.
#[test]
fn a_server_that_hangs_without_its_lock_is_not_taken_for_none() {
    let home = Home::new();
    home.key("--name a");
    let server = home.start("");
    std::fs::remove_file(home.file("server.lock")).unwrap();
    server.signal(Signal::STOP);
    let ran = home.run("server revoke a");
    assert_eq!(ran.exit, Some(3), "{}", ran.stderr);
    let ran = home.run("server start --port 0");
    assert_eq!(ran.exit, Some(1), "{}", ran.stderr);
    server.signal(Signal::CONT);
}
