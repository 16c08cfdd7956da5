//! The clock of a server that runs is set back and forward, as far as it is asked for the time of
//! day. How old trust is, it counts by another.

use std::{fs, process::Command, thread, time::Duration};

use crate::harness::{Home, SOON, Server, bearing, have, wait_for};

/// A server whose clock a file sets.
struct Clocked {
    home: Home,
    server: Server,
}

impl Clocked {
    /// None where no clock can be set.
    fn new(prepare: impl FnOnce(&Home)) -> Option<Self> {
        if !have("faketime") {
            return None;
        }
        let library = [
            "/usr/lib/x86_64-linux-gnu/faketime/libfaketimeMT.so.1",
            "/usr/lib/aarch64-linux-gnu/faketime/libfaketimeMT.so.1",
        ];
        let Some(library) = library.iter().find(|path| fs::exists(path).unwrap()) else {
            crate::harness::skipped("there is no libfaketimeMT.so.1");
            return None;
        };
        let home = Home::new();
        prepare(&home);
        fs::write(home.beside("clock"), "+0\n").unwrap();
        let mut start = home.msb();
        start.args(["server", "start", "--port", "0", "--json"]);
        start.env("LD_PRELOAD", library).env("FAKETIME_TIMESTAMP_FILE", home.beside("clock"));
        start.env("FAKETIME_NO_CACHE", "1").env("FAKETIME_DONT_FAKE_MONOTONIC", "1");
        start.env("DONT_FAKE_MONOTONIC", "1");
        let server = home.serve(&mut start);
        Some(Self { home, server })
    }

    /// Sets the clock this many seconds ahead of the real one.
    fn set(&self, ahead: i64) {
        let (new, clock) = (self.home.beside("clock.new"), self.home.beside("clock"));
        fs::write(&new, format!("{ahead:+}\n")).unwrap();
        crate::harness::replace(&new, &clock);
    }
}

fn now() -> i64 {
    std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs() as i64
}

#[test]
fn a_key_expires_at_the_second() {
    let Some(clocked) = Clocked::new(|_| {}) else { return };
    let end = now() + 86_400;
    let key = clocked.home.key(&format!("--expire @{end}"));
    let told = || clocked.server.ask(&bearing(&key));
    // Near the end, the clock is asked until it is there.
    clocked.set(end - now() - 2);
    assert_eq!(told().status, 200);
    let answer = wait_for("it expires", SOON, || Some(told()).filter(|told| told.status != 200));
    assert_eq!((answer.status, answer.header("x-msb-reason")), (401, Some("EXPIRED_TOKEN")));
    let lines = crate::harness::events(&clocked.server.log(), "request");
    // No request was let in at that second or later: the log has the moment of each.
    let last = lines.iter().rfind(|line| line["decision"] == "allowed").unwrap();
    let first = answer.body.split("\"expiredAt\":\"").nth(1).unwrap().split('"').next().unwrap();
    assert!(last["at"].as_str().unwrap() < first, "{last} {first}");
    // Set back, it lives again: a key never lives longer than it says, by the clock there is.
    clocked.set(0);
    assert_eq!(told().status, 200);
    clocked.set(86_400 * 400);
    assert_eq!(told().status, 401);
}

#[test]
fn a_clock_that_jumps_stops_nothing() {
    let Some(clocked) = Clocked::new(|home| {
        home.configure("[server]\nmax_staleness = \"2s\"\n");
        home.key("");
    }) else {
        return;
    };
    let (home, server) = (&clocked.home, &clocked.server);
    for ahead in [-86_400, 86_400 * 3650, -59, 59, -1_790_000_000, 0] {
        let key = home.key("");
        clocked.set(ahead);
        // What was issued more than a minute ahead of the clock is not valid yet.
        let expected = if ahead < -60 { 401 } else { 200 };
        assert_eq!(server.judges(&key), expected, "{ahead}");
        thread::sleep(Duration::from_millis(150));
        assert_eq!(server.judges(&key), expected, "{ahead}");
        let revoked = home.run("server revoke --owner nobody");
        assert_eq!(revoked.exit, Some(0), "{ahead}: {}", revoked.stderr);
        home.done("server key reset");
        assert_eq!(server.judges(&key), 401, "{ahead}");
        assert_eq!(server.ask("GET /readyz HTTP/1.1\nHost: a").status, 200, "{ahead}");
    }
    // Longer than trust may be old, with the clock standing far off.
    clocked.set(-86_400);
    thread::sleep(Duration::from_secs(3));
    clocked.set(0);
    assert_eq!(server.judges(&home.key("")), 200);
    assert!(!server.log().contains("store_fault"), "{}", server.log());
    let mut stop = Command::new(env!("CARGO_BIN_EXE_msb"));
    let stopped = stop.args(["server", "stop", "-q"]).env("MSB_HOME", home.directory()).status();
    assert!(stopped.unwrap().success());
}

/// Trust that cannot be confirmed grows old by the time that has gone by, whatever the clock says.
#[test]
fn a_clock_that_is_set_back_makes_no_trust_younger() {
    let Some(clocked) = Clocked::new(|home| {
        home.configure("[server]\nmax_staleness = \"1s\"\n");
    }) else {
        return;
    };
    let key = clocked.home.key("");
    assert_eq!(clocked.server.judges(&key), 200);
    fs::rename(clocked.home.file("msb.db"), clocked.home.beside("msb.db")).unwrap();
    clocked.set(-30);
    wait_for("nobody can tell", SOON, || (clocked.server.judges(&key) == 503).then_some(()));
    clocked.set(30);
    assert_eq!(clocked.server.judges(&key), 503);
    fs::rename(clocked.home.beside("msb.db"), clocked.home.file("msb.db")).unwrap();
    wait_for("it is back", SOON, || (clocked.server.judges(&key) == 200).then_some(()));
}
