//! Limits: how long, how many, how slow.

use std::{
    fs,
    io::Read,
    thread,
    time::{Duration, Instant},
};

use rustix::process::Signal;

use crate::harness::{Home, SOON, Wire, bearing, finish, in_full, request, wait_for};

/// Longer than a head may take, with what a busy machine adds.
const HEAD: std::ops::Range<Duration> = Duration::from_millis(4900)..Duration::from_secs(7);

#[test]
fn a_slow_head_ends_after_five_seconds() {
    let home = Home::new();
    let key = home.key("");
    let server = home.start("");
    let half = |head: &str| {
        let mut wire = server.wire();
        wire.send(head);
        wire
    };
    // Answered once before, and then slow with the next head.
    let mut again = half("GET /healthz HTTP/1.1\r\n\r\n");
    assert_eq!(again.answer().unwrap().status, 200);
    let mut kept = half("GET /healthz HTTP/1.1\r\n\r\n");
    assert_eq!(kept.answer().unwrap().status, 200);
    again.send("GET /healthz HTT");
    let began = Instant::now();
    let slow = [half(""), half("G"), half("GET /auth HTTP/1.1\r\nX: y"), again];
    let closing: Vec<_> = slow
        .into_iter()
        .enumerate()
        .map(|(n, mut wire)| {
            thread::spawn(move || {
                assert!(wire.closes_within(SOON), "{n}");
                (n, began.elapsed())
            })
        })
        .collect();
    for (n, took) in closing.into_iter().map(|closing| closing.join().unwrap()) {
        assert!(HEAD.contains(&took), "head {n}: {took:?}");
    }
    // Between requests there is more time.
    kept.send(request(&bearing(&key)));
    assert_eq!(kept.answer().unwrap().status, 200);
}

#[test]
fn a_connection_may_rest_for_thirty_seconds() {
    if !in_full() {
        return;
    }
    let home = Home::new();
    home.key("");
    let server = home.start("");
    let mut wire = server.wire();
    wire.send("GET /healthz HTTP/1.1\r\n\r\n");
    wire.answer().unwrap();
    let began = Instant::now();
    assert!(wire.closes_within(Duration::from_secs(40)));
    let took = began.elapsed();
    assert!((29..36).contains(&took.as_secs()), "{took:?}");
}

/// Bytes that never end are no reason to wait for them.
#[test]
fn a_body_that_trickles_keeps_nobody() {
    let home = Home::new();
    let key = home.key("");
    let server = home.start("");
    let mut wire = server.wire();
    wire.send(request(&format!("{}\nContent-Length: 1000000", bearing(&key))));
    assert_eq!(wire.answer().unwrap().status, 200);
    let began = Instant::now();
    wire.stream.set_read_timeout(Some(Duration::from_millis(100))).unwrap();
    let mut byte = [0];
    while began.elapsed() < HEAD.end {
        wire.send("x");
        match wire.stream.read(&mut byte) {
            Ok(0) => return,
            Ok(_) => panic!("it says more"),
            Err(error) if error.kind() == std::io::ErrorKind::ConnectionReset => return,
            Err(_) => {}
        }
    }
    panic!("the connection is still there");
}

#[test]
fn connection_1025_waits_for_one_to_end() {
    let home = Home::new();
    let key = home.key("");
    let server = home.start("");
    let mut wires: Vec<Wire> = vec![];
    for n in 0..1024 {
        let mut wire = server.wire();
        wire.send("GET /healthz HTTP/1.1\r\n\r\n");
        assert_eq!(wire.answer().unwrap().status, 200, "connection {n}");
        wires.push(wire);
    }
    let mut late = server.wire();
    late.send(request(&bearing(&key)));
    late.stream.set_read_timeout(Some(Duration::from_millis(500))).unwrap();
    let mut byte = [0];
    let waits = late.stream.read(&mut byte).unwrap_err();
    assert_eq!(waits.kind(), std::io::ErrorKind::WouldBlock, "{waits}");
    // Whoever has a connection is served, and commands of this machine too.
    wires[500].send(request(&bearing(&key)));
    assert_eq!(wires[500].answer().unwrap().status, 200);
    assert_eq!(home.run("server revoke --owner nobody").exit, Some(0));
    drop(wires.swap_remove(17));
    late.stream.set_read_timeout(Some(SOON)).unwrap();
    assert_eq!(late.answer().unwrap().status, 200);
}

/// Files are what connections, the database and commands share.
#[test]
fn few_open_files_are_no_reason_to_lose_a_revocation() {
    let home = Home::new();
    let key = home.key("--name lost");
    // What a shell gives: more may be asked for, up to a limit that is higher; or not.
    for limits in ["ulimit -Sn 256", "ulimit -n 256"] {
        let script =
            format!("{limits} && exec {} server start --port 0 --json", env!("CARGO_BIN_EXE_msb"));
        let mut shell = std::process::Command::new("sh");
        shell.args(["-c", &script]).env_clear().env("MSB_HOME", home.directory());
        let mut server = home.serve(&mut shell);
        let mut wires = vec![];
        for _ in 0..240 {
            let mut wire = server.wire();
            wire.send(request(&bearing(&key)));
            wires.push(wire);
        }
        thread::sleep(Duration::from_millis(300));
        let revoked = home.run("server revoke --owner nobody");
        assert_eq!(revoked.exit, Some(0), "{limits}: {}", revoked.stderr);
        let attention = home.attention();
        assert_eq!(attention, Vec::<String>::new(), "{limits}");
        assert!(!server.log().contains("store_fault"), "{limits}: {}", server.log());
        assert_eq!(wires[0].answer().unwrap().status, 200);
        drop(wires);
        wait_for("a new connection", SOON, || (server.judges(&key) == 200).then_some(()));
        server.signal(Signal::TERM);
        assert_eq!(server.ended(), Some(0));
    }
}

#[test]
fn two_hundred_slow_clients_slow_nobody_down() {
    let home = Home::new();
    let key = home.key("");
    let server = home.start("");
    let head = request(&bearing(&key));
    let mut slow: Vec<_> = (0..200).map(|_| server.wire()).collect();
    let mut took = vec![];
    for byte in head.as_bytes().iter().take(4) {
        for wire in &mut slow {
            wire.send([*byte]);
        }
        for _ in 0..10 {
            let began = Instant::now();
            assert_eq!(server.judges(&key), 200);
            took.push(began.elapsed());
            thread::sleep(Duration::from_millis(90));
        }
    }
    took.sort();
    // The machine may have other things to do, but not so often.
    assert!(took[35] < Duration::from_millis(250), "{took:?}");
    for mut wire in slow {
        assert!(wire.closes_within(Duration::from_secs(7)));
    }
}

/// Asks a lot and reads nothing: what it is owed is bounded, and others are served.
#[test]
fn whoever_never_reads_is_left() {
    use std::io::Write;
    let home = Home::new();
    let key = home.key("");
    let server = home.start("");
    let mut greedy = server.wire();
    greedy.stream.set_write_timeout(Some(Duration::from_millis(500))).unwrap();
    let head = request(&bearing(&key)).repeat(1000);
    let mut sent = 0;
    while greedy.stream.write_all(head.as_bytes()).is_ok() {
        sent += head.len();
        assert!(sent < 256 << 20, "it is read on and on");
    }
    let status = fs::read_to_string(format!("/proc/{}/status", server.pid.as_raw_nonzero()));
    let status = status.unwrap();
    let resident = status.lines().find(|line| line.starts_with("VmRSS")).unwrap();
    let kib: u64 = resident.split_whitespace().nth(1).unwrap().parse().unwrap();
    assert!(kib < 60 << 10, "{resident}");
    let began = Instant::now();
    assert_eq!(server.judges(&key), 200);
    assert!(began.elapsed() < Duration::from_secs(2));
    if in_full() {
        thread::sleep(Duration::from_secs(36));
        let mut left = vec![];
        let ended = greedy.stream.read_to_end(&mut left);
        assert!(ended.is_ok() || left.len() < 64 << 20);
    }
}

/// A client that connects and goes at once, again and again.
#[test]
fn who_comes_and_goes_leaves_nothing_behind() {
    let home = Home::new();
    let key = home.key("");
    let server = home.start("");
    let files =
        || fs::read_dir(format!("/proc/{}/fd", server.pid.as_raw_nonzero())).unwrap().count();
    assert_eq!(server.judges(&key), 200);
    let before = files();
    for n in 0..500 {
        let mut wire = server.wire();
        match n % 3 {
            0 => {}
            1 => wire.send("GET /au"),
            _ => wire.send(request(&bearing(&key))),
        }
    }
    wait_for("no file is left open", SOON, || (files() <= before + 2).then_some(()));
    assert_eq!(server.judges(&key), 200);
    let ran = finish(home.msb().args(["server", "status", "--check"]), SOON);
    assert_eq!(ran.exit, Some(0), "{}{}", ran.stdout, ran.stderr);
}
