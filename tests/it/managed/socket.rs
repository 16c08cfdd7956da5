//! A listener that is handed over: whoever started us holds it, and it outlives us.

use std::{
    fs::File,
    net::{TcpListener, TcpStream, UdpSocket},
    os::{fd::OwnedFd, unix::net::UnixListener},
    path::Path,
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use rustix::process::Signal;

use super::{Running, address, answer, ask, eventually, home, msb, told};
use crate::harness::{Scratch, have};

/// The program with a file as the first that a manager hands over, for the process with this
/// number; `$$` is its own.
fn handed(home: &Path, file: impl Into<OwnedFd>, pid: &str, flags: &str) -> Command {
    let line = format!(
        "exec 3<&0 0</dev/null; LISTEN_PID={pid} LISTEN_FDS=1 exec '{}' server start {flags}",
        env!("CARGO_BIN_EXE_msb"),
    );
    let mut sh = Command::new("/bin/sh");
    sh.args(["-c", &line]).env_clear().env("MSB_HOME", home);
    sh.stdin(Stdio::from(file.into()));
    sh
}

#[test]
fn a_listener_that_is_handed_over_is_where_we_serve() {
    let scratch = Scratch::new();
    let home = home(&scratch);
    let key = told(&home, "server keygen --quiet");
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let there = listener.local_addr().unwrap();
    let server = Running::start(&mut handed(&home, listener, "$$", "--host 127.0.0.2 --port 1"));
    assert_eq!(address(&home), there);
    assert_eq!(ask(there, "/auth", &key), 200);
    server.stop();
}

#[test]
fn a_client_waits_while_another_server_takes_over_the_listener() {
    let scratch = Scratch::new();
    let home = home(&scratch);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let there = listener.local_addr().unwrap();
    for _ in 0..3 {
        let early = TcpStream::connect(there).unwrap();
        let same = listener.try_clone().unwrap();
        let server = Running::start(&mut handed(&home, same, "$$", ""));
        assert_eq!(answer(early, "/healthz", "-"), 200);
        assert_eq!(ask(there, "/healthz", "-"), 200);
        server.stop();
    }
}

#[test]
fn whoever_was_let_in_is_answered_by_a_server_that_stops() {
    let scratch = Scratch::new();
    let home = home(&scratch);
    let server = Running::start(msb(&home).args(["server", "start", "--port", "0"]));
    let there = address(&home);
    let clients: Vec<_> = (0..20).map(|_| TcpStream::connect(there).unwrap()).collect();
    // The last to come are let in behind the others.
    assert_eq!(ask(there, "/healthz", "-"), 200);
    server.signal(Signal::TERM);
    eventually("it stops", || TcpStream::connect(there).is_err().then_some(()));
    for client in clients {
        assert_eq!(answer(client, "/healthz", "-"), 200);
    }
    server.stop();
}

#[test]
fn a_client_that_says_nothing_does_not_hold_up_a_stop() {
    let scratch = Scratch::new();
    let home = home(&scratch);
    let server = Running::start(msb(&home).args(["server", "start", "--port", "0"]));
    let _silent = TcpStream::connect(address(&home)).unwrap();
    assert_eq!(ask(address(&home), "/healthz", "-"), 200);
    let began = Instant::now();
    server.stop();
    assert!(began.elapsed() < Duration::from_secs(3), "{:?}", began.elapsed());
}

#[test]
fn what_is_handed_to_another_process_is_not_ours() {
    let scratch = Scratch::new();
    let home = home(&scratch);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let there = listener.local_addr().unwrap();
    let server = Running::start(&mut handed(&home, listener, "1", "--port 0"));
    assert_ne!(address(&home), there);
    server.stop();
}

#[test]
fn a_door_that_is_not_tcp_is_no_reason_to_open_another() {
    let scratch = Scratch::new();
    let home = home(&scratch);
    let refused = |file: OwnedFd| {
        let (status, said) = Running::start(&mut handed(&home, file, "$$", "--port 0")).end();
        assert!(!status.success(), "{said}");
        assert!(said.starts_with("msb: error: "), "{said}");
    };
    refused(UnixListener::bind(scratch.path("unix")).unwrap().into());
    refused(UdpSocket::bind("127.0.0.1:0").unwrap().into());
    refused(File::open("/dev/null").unwrap().into());
}

#[test]
fn without_keys_a_listener_for_others_is_refused_too() {
    let scratch = Scratch::new();
    let home = home(&scratch);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let server = Running::start(&mut handed(&home, listener, "$$", "--dev"));
    address(&home);
    server.stop();
    let listener = TcpListener::bind("0.0.0.0:0").unwrap();
    let (status, said) = Running::start(&mut handed(&home, listener, "$$", "--dev")).end();
    assert!(!status.success() && said.contains("0.0.0.0"), "{said}");
}

#[test]
fn systemd_hands_over_a_listener_with_the_first_client() {
    if !have("systemd-socket-activate") {
        return;
    }
    let scratch = Scratch::new();
    let home = home(&scratch);
    let key = told(&home, "server keygen --quiet");
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let mut start = Command::new("systemd-socket-activate");
    start.arg(format!("--listen={free}")).arg(format!("--setenv=MSB_HOME={}", home.display()));
    start.arg(env!("CARGO_BIN_EXE_msb")).args(["server", "start"]).stdin(Stdio::null());
    let server = Running::start(&mut start);
    let first = eventually("systemd listens", || TcpStream::connect(free).ok());
    assert_eq!(answer(first, "/auth", &key), 200);
    assert_eq!(address(&home), free);
    // It has become the server: what stops one stops the other.
    let pid = server.0.id().to_string();
    assert!(told(&home, "server status").contains(&format!("pid {pid}")));
    let stopped = msb(&home).args(["server", "stop"]).output().unwrap();
    assert!(stopped.status.success());
    let mut server = server;
    assert!(server.end().0.success());
}
