//! A server's life: how it begins, whom it makes way for, how it ends.

use std::{
    fs,
    net::TcpListener,
    os::unix::{fs::PermissionsExt, process::CommandExt},
    process::{Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use rustix::{
    fs::FlockOperation,
    process::{Pid, Signal, kill_process},
};
use serde_json::Value;

use crate::{
    harness::{
        Home, NOBODY, Running, SOON, Wire, bearing, events, finish, have, is_root, many, request,
        wait_for,
    },
    load::Load,
};

/// What lies in the home.
fn files(home: &Home) -> Vec<String> {
    let files = fs::read_dir(home.directory()).unwrap();
    let mut names: Vec<_> =
        files.map(|file| file.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn a_port_that_is_taken_changes_nothing() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    let told = format!(
        "msb: error: cannot listen on {address}: address already in use\n\
         msb: hint: choose another with `--host` and `--port`\n"
    );
    let home = Home::new();
    let key = home.key("");
    let before = home.status();
    for flags in ["", "--reset-key", "--dev", "--detach", "--detach --reset-key"] {
        let ran = home.run(&format!("server start --port {} {flags}", address.port()));
        assert_eq!((ran.exit, ran.stdout.as_str()), (Some(1), ""), "{flags}: {}", ran.stderr);
        assert_eq!(ran.stderr, told, "{flags}");
        assert_eq!(home.run(&format!("verify {key}")).exit, Some(0), "{flags}");
    }
    assert_eq!(home.status(), before);
    let ran = home.run(&format!("server start --port {} --json", address.port()));
    let error: Value = serde_json::from_str(&ran.stderr).unwrap();
    assert_eq!(
        (ran.exit, &error["schema"], &error["error"]["exit"]),
        (Some(1), &"msb.error/1".into(), &1.into())
    );
    // Where metrics would be told.
    home.configure(&format!("[server]\nmetrics_listen = \"{address}\"\n"));
    let ran = home.run("server start --port 0 --reset-key");
    assert_eq!((ran.exit, ran.stderr.as_str()), (Some(1), told.as_str()));
    assert_eq!(home.run(&format!("verify {key}")).exit, Some(0));
}

#[test]
fn a_second_start_names_the_first() {
    let home = Home::new();
    let server = home.start("");
    let told = format!(
        "msb: error: a server runs already, on {} (pid {})\n\
         msb: hint: stop it with `msb server stop`, or look with `msb server status`\n",
        server.address,
        server.pid.as_raw_nonzero()
    );
    for flags in ["", "--port 0", "--dev", "--detach --port 0"] {
        let ran = home.run(&format!("server start {flags}"));
        assert_eq!((ran.exit, ran.stdout, ran.stderr), (Some(1), String::new(), told.clone()));
    }
    let ran = home.run("server start --json");
    let error: Value = serde_json::from_str(&ran.stderr).unwrap();
    assert_eq!(error["error"]["code"], "already_running");
    // One of eight.
    drop(server);
    let running: Vec<_> = (0..8)
        .map(|n| {
            let out = fs::File::create(home.beside(&format!("start-{n}"))).unwrap();
            let mut start = home.msb();
            start.args(["server", "start", "--port", "0"]).stdout(Stdio::null()).stderr(out);
            Running(start.spawn().unwrap())
        })
        .collect();
    let (mut ended, mut left) = (0, running);
    wait_for("seven ends", SOON, || {
        left.retain_mut(|child| match child.0.try_wait().unwrap() {
            Some(done) => {
                assert_eq!(done.code(), Some(1));
                ended += 1;
                false
            }
            None => true,
        });
        (ended == 7).then_some(())
    });
    assert_eq!(home.run("server stop").exit, Some(0));
    let last = wait_for("the eighth", SOON, || left[0].0.try_wait().unwrap());
    assert_eq!(last.code(), Some(0));
}

#[test]
fn what_a_power_cut_left_is_in_nobodys_way() {
    let home = Home::new();
    let key = home.key("");
    let mut server = home.start("");
    server.kill();
    assert!(files(&home).contains(&"server.sock".to_owned()));
    assert_eq!(home.status()["server"]["running"], false);
    let stop = home.run("server stop");
    assert_eq!((stop.exit, stop.stderr.as_str()), (Some(0), "no server runs\n"));
    assert_eq!(home.run("server revoke --owner x -y").exit, Some(0));
    fs::write(home.file("server.lock"), "4194304\nrubbish").unwrap();
    let server = home.start("");
    assert_eq!(server.judges(&key), 200);
    assert_eq!(home.status()["server"]["pid"], server.pid.as_raw_nonzero().get());
}

#[test]
fn a_server_that_ended_leaves_no_socket() {
    let home = Home::new();
    let mut server = home.start("");
    let stop = home.run("server stop");
    let told =
        format!("the server on {} (pid {}) stopped\n", server.address, server.pid.as_raw_nonzero());
    assert_eq!((stop.exit, stop.stdout.as_str(), stop.stderr), (Some(0), "", told));
    assert_eq!(server.ended(), Some(0));
    assert!(!files(&home).contains(&"server.sock".to_owned()));
    let again = home.run("server stop");
    assert_eq!((again.exit, again.stderr.as_str()), (Some(0), "no server runs\n"));
}

#[test]
fn start_stop_and_status_speak_json() {
    let home = Home::new();
    let out = home.beside("out");
    let mut start = home.msb();
    start.args(["server", "start", "--port", "0", "--json", "--reset-key"]);
    start.stdout(fs::File::create(&out).unwrap()).stderr(Stdio::null());
    let mut running = Running(start.spawn().unwrap());
    let started: Value = wait_for("an answer", SOON, || {
        serde_json::from_str(&fs::read_to_string(&out).unwrap()).ok()
    });
    let kid = home.status()["server_key"]["kid"].clone();
    let address = started["address"].clone();
    let expected = serde_json::json!({
        "schema": "msb.start/1", "address": address, "pid": running.0.id(), "upstream": null, "auth": "required",
        "dev": false, "reset": true, "kid": kid,
    });
    assert_eq!(started, expected);
    let status = home.status();
    let since = status["server"]["since"].clone();
    let server = serde_json::json!({
        "running": true, "address": address, "pid": running.0.id(), "upstream": null, "auth": "required",
        "dev": false, "since": since,
    });
    assert_eq!((&status["schema"], &status["server"]), (&"msb.status/1".into(), &server));
    assert!(since.as_str().unwrap().ends_with('Z'));
    let stopped: Value = serde_json::from_str(&home.done("server stop --json")).unwrap();
    let expected = serde_json::json!({
        "schema": "msb.stop/1", "stopped": true, "pid": running.0.id(), "address": address,
    });
    assert_eq!(stopped, expected);
    wait_for("it ends", SOON, || running.0.try_wait().unwrap());
    let stopped: Value = serde_json::from_str(&home.done("server stop --json")).unwrap();
    let expected = serde_json::json!({
        "schema": "msb.stop/1", "stopped": false, "pid": null, "address": null,
    });
    assert_eq!(stopped, expected);
    let server = serde_json::json!({
        "running": false, "address": null, "pid": null, "upstream": null, "auth": "required", "dev": false,
        "since": null,
    });
    assert_eq!(home.status()["server"], server);
}

#[test]
fn status_tells_people_how_things_stand() {
    let home = Home::new();
    let first = |home: &Home| home.done("server status").lines().next().unwrap().to_owned();
    assert_eq!(first(&home), "server      not running; keys are required");
    let server = home.start("");
    let status = home.status();
    let (pid, since) = (server.pid.as_raw_nonzero(), status["server"]["since"].as_str().unwrap());
    let address = server.address;
    let on =
        format!("server      on http://{address} since {since} (pid {pid}); keys are required");
    assert_eq!(first(&home), on);
    server.signal(Signal::STOP);
    let began = Instant::now();
    assert_eq!(first(&home), format!("server      does not answer (pid {pid})"));
    assert!((4..9).contains(&began.elapsed().as_secs()), "{:?}", began.elapsed());
    let check = home.run("server status --check --json");
    assert_eq!(check.exit, Some(3));
    let status: Value = serde_json::from_str(&check.stdout).unwrap();
    let codes: Vec<_> =
        status["attention"].as_array().unwrap().iter().map(|one| &one["code"]).collect();
    assert_eq!(codes, ["no_server_key", "hung"]);
    server.signal(Signal::CONT);
    assert_eq!(first(&home), on);
}

#[test]
fn a_server_that_hangs_is_named_by_stop() {
    let home = Home::new();
    let mut server = home.start("");
    server.signal(Signal::STOP);
    let ran = home.run("server stop");
    let (pid, lock) = (server.pid.as_raw_nonzero(), home.file("server.lock"));
    let lock = lock.display();
    let told = format!(
        "msb: error: the server that holds {lock} (pid {pid}) does not answer\n\
         msb: hint: look at process {pid}; if it is lost, `kill -9 {pid}` ends it\n"
    );
    assert_eq!((ran.exit, ran.stdout.as_str(), ran.stderr), (Some(1), "", told));
    let second = home.run("server start --port 0");
    assert_eq!(second.exit, Some(1), "{}", second.stderr);
    let told = format!("a server runs already (pid {pid}), and does not answer");
    assert!(second.stderr.contains(&told), "{}", second.stderr);
    // What it was told meanwhile, it does.
    server.signal(Signal::CONT);
    assert_eq!(server.ended(), Some(0));
}

#[test]
fn stop_meets_a_server_that_is_just_starting() {
    let home = Home::new();
    for round in 0..many(50, 10) {
        let mut start = home.msb();
        start.args(["server", "start", "--port", "0"]).stdout(Stdio::null()).stderr(Stdio::null());
        let mut running = Running(start.spawn().unwrap());
        thread::sleep(Duration::from_millis(round as u64 % 10));
        let ended = wait_for("it ends", SOON, || {
            let stop = home.run("server stop");
            assert_eq!(stop.exit, Some(0), "{round}: {}", stop.stderr);
            running.0.try_wait().unwrap()
        });
        assert_eq!(ended.code(), Some(0), "{round}");
    }
}

/// Some remove what looks like a leftover; two servers in one home would follow nobody.
#[test]
fn a_lock_that_was_removed_makes_no_room_for_a_second_server() {
    let home = Home::new();
    let key = home.key("");
    let mut server = home.start("");
    fs::remove_file(home.file("server.lock")).unwrap();
    let ran = home.run("server start --port 0");
    assert_eq!(ran.exit, Some(1), "{}", ran.stderr);
    let told = format!("a server runs already, on {}", server.address);
    assert!(ran.stderr.contains(&told), "{}", ran.stderr);
    home.done("server revoke --all -y");
    assert_eq!(server.judges(&key), 401);
    assert_eq!(home.status()["server"]["running"], true);
    assert_eq!(home.run("server stop").exit, Some(0));
    assert_eq!(server.ended(), Some(0));
}

/// Nobody can ask it, but it follows what is kept.
#[test]
fn a_socket_that_was_removed_leaves_changes_unconfirmed() {
    let home = Home::new();
    let key = home.key("");
    let mut server = home.start("");
    fs::remove_file(home.file("server.sock")).unwrap();
    let ran = home.run("server revoke --all -y");
    assert_eq!(ran.exit, Some(3), "{}", ran.stderr);
    assert!(ran.stderr.contains("it is done and kept, but not confirmed"), "{}", ran.stderr);
    assert_eq!(server.judges(&key), 401);
    assert_eq!(home.run("server stop").exit, Some(1));
    server.signal(Signal::TERM);
    assert_eq!(server.ended(), Some(0));
    assert_eq!(home.run("server revoke --all -y").exit, Some(0));
}

/// The number of no process is no number to send a signal to.
#[test]
fn a_lock_without_a_number_names_no_process() {
    let home = Home::new();
    let server = home.start("");
    server.signal(Signal::STOP);
    fs::write(home.file("server.lock"), "").unwrap();
    let ran = home.run("server stop");
    let lock = home.file("server.lock").display().to_string();
    let told = format!(
        "msb: error: the server that holds {lock} does not answer\n\
         msb: hint: run `fuser {lock}` to find its process\n"
    );
    assert_eq!((ran.exit, ran.stderr), (Some(1), told));
}

/// A server that goes on without this test; it is ended by its pid.
struct Detached(Pid);

impl Drop for Detached {
    fn drop(&mut self) {
        let _ = kill_process(self.0, Signal::KILL);
    }
}

impl Detached {
    fn of(home: &Home) -> Self {
        let pid = home.status()["server"]["pid"].as_i64().expect("it runs");
        Self(Pid::from_raw(pid as i32).unwrap())
    }

    /// Another process may have its number one day, so it is asked whether it is msb.
    fn runs(&self) -> bool {
        let path = format!("/proc/{}/cmdline", self.0.as_raw_nonzero());
        fs::read(path).is_ok_and(|line| line.windows(8).any(|part| part == b"detached"))
    }
}

#[test]
fn a_detached_server_answers_when_the_command_returns() {
    let home = Home::new();
    let key = home.key("");
    // Whoever reads the streams of the command to their end need not wait for the server's.
    let mut start = home.msb();
    let ran = finish(start.args(["server", "start", "--port", "0", "--detach"]), SOON);
    assert_eq!((ran.exit, ran.stdout.as_str()), (Some(0), ""), "{}", ran.stderr);
    let detached = Detached::of(&home);
    let address = home.status()["server"]["address"].as_str().unwrap().to_owned();
    let told = format!("msb listens on http://{address}; keys are required\n");
    assert_eq!(ran.stderr, told);
    let mut wire = Wire::to(address.parse().unwrap());
    wire.send(request(&bearing(&key)));
    assert_eq!(wire.answer().unwrap().status, 200);
    let mode = fs::metadata(home.file("server.log")).unwrap().permissions().mode();
    assert_eq!(mode & 0o7777, 0o600);
    // It has a session of its own, and no stream of ours.
    let pid = detached.0.as_raw_nonzero();
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    let fields: Vec<_> = stat.rsplit_once(") ").unwrap().1.split(' ').collect();
    assert_eq!((fields[3], fields[4]), (pid.to_string().as_str(), "0"), "session and terminal");
    let stream = |n: u8| fs::read_link(format!("/proc/{pid}/fd/{n}")).unwrap();
    assert_eq!(stream(0).to_str(), Some("/dev/null"));
    assert_eq!((stream(1), stream(2)), (home.file("server.log"), home.file("server.log")));
    assert_eq!(home.run("server stop").exit, Some(0));
    assert!(!detached.runs());
    let log = fs::read_to_string(home.file("server.log")).unwrap();
    assert_eq!((events(&log, "start").len(), events(&log, "request").len()), (1, 1));
    assert_eq!(events(&log, "stop").len(), 1);
}

/// Whoever started it may hold a lock, or wait for the end of a pipe, by a file of any number.
#[test]
fn a_detached_server_holds_no_file_of_whoever_started_it() {
    let home = Home::new();
    let (lock, pipe) = (home.beside("lock"), home.beside("pipe"));
    let script = format!(
        "exec 9>'{}' && flock 9 && exec 7>'{}' && '{}' server start --port 0 --detach -q",
        lock.display(),
        pipe.display(),
        env!("CARGO_BIN_EXE_msb")
    );
    let mut shell = Command::new("sh");
    shell.args(["-c", &script]).env_clear().env("MSB_HOME", home.directory());
    let ran = finish(shell.env("PATH", std::env::var_os("PATH").unwrap()), SOON);
    assert_eq!(ran.exit, Some(0), "{}", ran.stderr);
    let detached = Detached::of(&home);
    let files = fs::read_dir(format!("/proc/{}/fd", detached.0.as_raw_nonzero())).unwrap();
    let names = files.filter_map(|file| fs::read_link(file.unwrap().path()).ok());
    let held: Vec<_> = names.filter(|name| *name == lock || *name == pipe).collect();
    assert_eq!(held, Vec::<std::path::PathBuf>::new());
    let file = fs::File::open(&lock).unwrap();
    rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive).unwrap();
    assert_eq!(home.run("server stop").exit, Some(0));
}

#[test]
fn a_detached_server_that_cannot_start_fails_as_the_command_does() {
    let home = Home::new();
    let fails = |exit: i32, line: &str, told: &str| {
        for json in ["", " --json"] {
            let ran = home.run(&format!("server start --detach {line}{json}"));
            assert_eq!((ran.exit, ran.stdout.as_str()), (Some(exit), ""), "{line}");
            assert!(ran.stderr.contains(told), "{line}: {}", ran.stderr);
        }
        assert_eq!(home.status()["server"]["running"], false);
    };
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    fails(1, &format!("--port {port}"), "address already in use");
    fails(2, "--port 65536", "65536");
    home.configure("[server]\nports = 1\n");
    fails(78, "--port 0", "ports");
    home.configure("[server]\nupstream = \"http://127.99.1.1:5556\"\n");
    fails(78, "--host 127.99.1.1 --port 5556", "is where this server listens itself");
    home.configure("");
    fs::create_dir(home.file("server.log")).unwrap();
    fails(77, "--port 0", "server.log");
}

#[test]
fn a_detached_server_outlives_its_terminal() {
    if !have("script") {
        return;
    }
    let home = Home::new();
    let key = home.key("");
    // The terminal is gone when the shell in it ends, and everybody in it is told to hang up.
    let line = format!(
        "{} server start --port 0 --detach; kill -HUP 0; sleep 5",
        env!("CARGO_BIN_EXE_msb")
    );
    let mut script = Command::new("script");
    script.args(["-qec", &line, "/dev/null"]).env_clear().env("MSB_HOME", home.directory());
    script.env("PATH", std::env::var_os("PATH").unwrap()).stdin(Stdio::null());
    let ran = finish(&mut script, SOON);
    assert!(ran.stdout.contains("msb listens on"), "{ran:?}");
    let detached = Detached::of(&home);
    thread::sleep(Duration::from_millis(200));
    assert!(detached.runs());
    let address = home.status()["server"]["address"].as_str().unwrap().to_owned();
    let mut wire = Wire::to(address.parse().unwrap());
    wire.send(request(&bearing(&key)));
    assert_eq!(wire.answer().unwrap().status, 200);
    assert_eq!(home.run("server stop").exit, Some(0));
}

#[test]
fn a_log_that_is_moved_away_is_opened_again() {
    let home = Home::new();
    let key = home.key("");
    home.done("server start --port 0 --detach -q");
    let detached = Detached::of(&home);
    let address = home.status()["server"]["address"].as_str().unwrap().to_owned();
    let mut wire = Wire::to(address.parse().unwrap());
    let mut ask = || {
        wire.send(request(&bearing(&key)));
        assert_eq!(wire.answer().unwrap().status, 200);
    };
    let requests = |name: &str| {
        events(&fs::read_to_string(home.file(name)).unwrap_or_default(), "request").len()
    };
    ask();
    wait_for("the first line", SOON, || (requests("server.log") == 1).then_some(()));
    fs::rename(home.file("server.log"), home.file("old.log")).unwrap();
    ask();
    wait_for("the second line", SOON, || (requests("old.log") == 2).then_some(()));
    kill_process(detached.0, Signal::HUP).unwrap();
    wait_for("a new log", SOON, || home.file("server.log").exists().then_some(()));
    ask();
    wait_for("the third line", SOON, || (requests("server.log") == 1).then_some(()));
    assert_eq!(requests("old.log"), 2);
    assert_eq!(home.run("server stop").exit, Some(0));
}

#[test]
fn sigterm_ends_idle_connections_at_once_and_lets_requests_finish() {
    let home = Home::new();
    let key = home.key("");
    let mut server = home.start("");
    let mut idle: Vec<_> = (0..50).map(|_| server.wire()).collect();
    for wire in &mut idle {
        wire.send(request(&bearing(&key)));
        assert_eq!(wire.answer().unwrap().status, 200);
    }
    // Half of a request is under way.
    let head = request(&bearing(&key));
    let (half, rest) = head.split_at(head.len() / 2);
    let mut busy = server.wire();
    busy.send(half);
    thread::sleep(Duration::from_millis(200));
    let began = Instant::now();
    server.signal(Signal::TERM);
    for mut wire in idle {
        assert!(wire.closes_within(SOON));
    }
    wait_for("the port is closed", SOON, || {
        std::net::TcpStream::connect(server.address).is_err().then_some(())
    });
    assert!(began.elapsed() < Duration::from_secs(2), "{:?}", began.elapsed());
    assert!(server.runs(), "it waits for the request");
    // A key that is cut off meanwhile is refused to the last.
    home.done("server revoke --all -y");
    busy.send(rest);
    let answer = busy.answer().unwrap();
    assert_eq!((answer.status, answer.header("connection")), (401, Some("close")));
    assert_eq!(busy.answer(), None);
    assert_eq!(server.ended(), Some(0));
    assert_eq!(events(&server.log(), "request").len(), 51);
}

#[test]
fn a_stop_under_load_cuts_no_answer_off() {
    let home = Home::new();
    let key = home.key("");
    for _ in 0..many(10, 3) {
        let mut server = home.start("");
        let load = Load::on(server.address, vec![key.clone()]);
        thread::sleep(Duration::from_millis(200));
        let began = Instant::now();
        server.signal(Signal::TERM);
        assert_eq!(server.ended(), Some(0));
        assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
        let tally = load.end();
        assert!(tally.allowed > 0, "{tally:?}");
        assert_eq!((tally.cut_off, tally.undecided, tally.refused), (0, 0, 0), "{tally:?}");
    }
}

#[test]
fn a_request_that_never_comes_is_waited_for_only_so_long() {
    let home = Home::new();
    home.configure("[server]\ndrain = \"1s\"\n");
    let mut server = home.start("");
    let mut half = server.wire();
    half.send("GET /healthz HTTP/1.1\r\n");
    thread::sleep(Duration::from_millis(100));
    let began = Instant::now();
    server.signal(Signal::TERM);
    assert_eq!(server.ended(), Some(0));
    let took = began.elapsed();
    assert!((Duration::from_millis(900)..Duration::from_secs(4)).contains(&took), "{took:?}");
}

#[test]
fn whoever_says_stop_twice_does_not_wait() {
    for signal in [Signal::INT, Signal::TERM] {
        let home = Home::new();
        let mut server = home.start("");
        let mut half = server.wire();
        half.send("GET /healthz HTTP/1.1\r\n");
        thread::sleep(Duration::from_millis(100));
        let began = Instant::now();
        server.signal(signal);
        wait_for("it stops", SOON, || events(&server.log(), "stop").pop());
        assert!(server.runs());
        server.signal(signal);
        assert_eq!(server.ended(), Some(0));
        assert!(began.elapsed() < Duration::from_secs(3), "{:?}", began.elapsed());
        assert!(!home.file("server.sock").exists());
    }
}

#[test]
fn while_it_drains_it_is_not_ready() {
    let home = Home::new();
    home.key("");
    let mut server = home.start("");
    let mut wire = server.wire();
    wire.send("GET /readyz HTTP/1.1\r\n");
    thread::sleep(Duration::from_millis(100));
    server.signal(Signal::TERM);
    wait_for("it stops", SOON, || events(&server.log(), "stop").pop());
    wire.send("Host: a\r\n\r\n");
    assert_eq!(wire.answer().unwrap().status, 503);
    assert_eq!(server.ended(), Some(0));
}

#[test]
fn a_home_that_others_can_write_is_not_served() {
    let fails = |exit: i32, told: &str, spoil: &dyn Fn(&Home)| {
        let home = Home::new();
        home.key("");
        spoil(&home);
        let ran = home.run("server start --port 0");
        assert_eq!(ran.exit, Some(exit), "{told}: {}", ran.stderr);
        assert!(ran.stderr.contains(told), "{told}: {}", ran.stderr);
    };
    fails(77, "others can write", &|home| home.mode("", 0o777));
    fails(77, "others can write", &|home| home.mode("", 0o770));
    fails(78, "others can write", &|home| {
        home.configure("");
        home.mode("config.toml", 0o666);
    });
    fails(77, "server.lock is a symbolic link", &|home| {
        std::os::unix::fs::symlink("msb.db", home.file("server.lock")).unwrap();
    });
    fails(77, "server.lock", &|home| fs::create_dir(home.file("server.lock")).unwrap());
    fails(77, "server.sock", &|home| fs::create_dir(home.file("server.sock")).unwrap());
}

/// What others can write is not judged by, but the server runs: it says so and serves once it is
/// mended.
#[test]
fn a_database_that_others_can_write_is_not_judged_by() {
    let home = Home::new();
    let key = home.key("");
    home.mode("msb.db", 0o666);
    let server = home.start("");
    assert_eq!(server.judges(&key), 503);
    assert!(server.logged("store_fault")["fault"].as_str().unwrap().contains("others can write"));
    assert!(home.attention().contains(&"trust_stale".to_owned()));
    home.mode("msb.db", 0o600);
    wait_for("it judges", SOON, || (server.judges(&key) == 200).then_some(()));
}

#[test]
fn a_home_that_is_too_deep_for_a_socket_is_named() {
    let home = Home::new();
    let deep = home.directory().join("x".repeat(110));
    fs::create_dir(&deep).unwrap();
    fs::set_permissions(&deep, fs::Permissions::from_mode(0o700)).unwrap();
    let line = format!("server start --port 0 --reset-key --home {}", deep.display());
    let ran = home.run(&line);
    assert_eq!(ran.exit, Some(78), "{}", ran.stderr);
    assert!(ran.stderr.contains("server.sock"), "{}", ran.stderr);
    assert!(!deep.join("msb.db").exists(), "nothing was reset");
}

#[test]
fn a_home_that_cannot_be_written_is_told() {
    if !is_root() {
        return;
    }
    let home = Home::new();
    std::os::unix::fs::chown(home.directory(), Some(NOBODY), Some(NOBODY)).unwrap();
    fs::set_permissions(home.beside(""), fs::Permissions::from_mode(0o755)).unwrap();
    home.mode("", 0o500);
    let as_nobody = |line: &str| {
        let mut command = home.msb();
        finish(command.args(line.split(' ')).uid(NOBODY).gid(NOBODY), SOON)
    };
    for line in ["server start --port 0", "server start --port 0 --detach"] {
        let ran = as_nobody(line);
        assert_eq!((ran.exit, ran.stdout.as_str()), (Some(77), ""), "{line}: {}", ran.stderr);
        assert!(ran.stderr.contains("server.lock: permission denied"), "{line}: {}", ran.stderr);
    }
    assert_eq!(as_nobody("server stop").exit, Some(0));
    // A database that was written before, on what is now read-only.
    home.mode("", 0o700);
    assert_eq!(as_nobody("server keygen -q").exit, Some(0));
    home.mode("", 0o500);
    assert_eq!(as_nobody("server start --port 0").exit, Some(77));
}
