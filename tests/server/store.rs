//! What is kept cannot be read any more: the last good snapshot serves for a while, and says so;
//! then nobody is told yes or no.

use std::{
    fs,
    process::Command,
    thread,
    time::{Duration, Instant},
};

use crate::harness::{Answer, Home, SOON, Server, finish, wait_for};

/// A server on a port of its own for metrics, with two keys, of which one is revoked.
struct Kept {
    home: Home,
    server: Server,
    key: String,
    revoked: String,
    metrics: String,
}

impl Kept {
    fn new(max_staleness: &str) -> Self {
        let home = Home::new();
        let metrics = crate::metrics::free_address();
        home.configure(&format!(
            "[server]\nmax_staleness = \"{max_staleness}\"\nmetrics_listen = \"{metrics}\"\n"
        ));
        let (key, revoked) = (home.key("--name good"), home.key("--name lost"));
        home.done("server revoke lost");
        fs::copy(home.file("msb.db"), home.beside("old.db")).unwrap();
        home.done("server revoke --owner nobody");
        let server = home.start("");
        assert_eq!((server.judges(&key), server.judges(&revoked)), (200, 401));
        Self { home, server, key, revoked, metrics }
    }

    /// Runs a script in the home, where `$msb` is the program.
    #[track_caller]
    fn sh(&self, script: &str) {
        let mut shell = Command::new("sh");
        // One of the losses is that of the home itself.
        let home = [self.home.directory(), self.home.beside("away")];
        let home = home.iter().find(|home| home.exists()).unwrap();
        shell.args(["-e", "-c", script]).current_dir(home).env_clear();
        shell.env("PATH", std::env::var_os("PATH").unwrap()).env("msb", env!("CARGO_BIN_EXE_msb"));
        let ran = finish(shell.env("MSB_HOME", self.home.directory()), SOON);
        assert_eq!(ran.exit, Some(0), "{script}: {}", ran.stderr);
    }

    fn ready(&self) -> Answer {
        self.server.ask("GET /readyz HTTP/1.1\nHost: a")
    }

    fn measured(&self, name: &str) -> f64 {
        let told = crate::metrics::fetch(&self.metrics);
        let line = told.lines().find(|line| line.starts_with(&format!("{name} "))).unwrap();
        line[name.len() + 1..].parse().unwrap()
    }

    #[track_caller]
    fn is_well(&self) {
        wait_for("trust is confirmed again", SOON, || {
            (self.measured("msb_store_fault") == 0.0).then_some(())
        });
        assert_eq!((self.server.judges(&self.key), self.server.judges(&self.revoked)), (200, 401));
        assert_eq!(self.ready().body, r#"{"message":"Service is ready"}"#);
        assert_eq!(self.home.attention(), Vec::<String>::new());
    }
}

/// Each way to lose what is kept, what is told of it, and how it comes back. What a command makes
/// of it is its own matter; none may say that all is well.
const LOSSES: [(&str, &str, &str, &str); 8] = [
    ("moved away", "mv msb.db ..", "has gone", "mv ../msb.db ."),
    ("the whole home", "mv ../home ../away", "has gone", "mv ../away ../home"),
    ("emptied", "cp msb.db ..; : > msb.db", "has gone", "cat ../msb.db > msb.db"),
    (
        "garbage",
        "cp msb.db ..; head -c 200000 /dev/urandom > msb.db",
        "is damaged",
        "cat ../msb.db > msb.db",
    ),
    ("cut off", "cp msb.db ..; truncate -s 8192 msb.db", "is damaged", "cat ../msb.db > msb.db"),
    (
        "a copy in its place",
        "cp msb.db copy; mv msb.db ..; mv copy msb.db",
        "was replaced by another",
        "mv ../msb.db .",
    ),
    (
        "an older one",
        "cp msb.db ..; cat ../old.db > msb.db",
        "and change 3 was read before",
        "cat ../msb.db > msb.db",
    ),
    ("others can write it", "chmod 666 msb.db", "others can write", "chmod 600 msb.db"),
];

#[test]
fn the_last_good_snapshot_serves_and_says_so() {
    let kept = Kept::new("5m");
    // Of the database only: other threads open theirs when they come to it.
    let files = || {
        let files = format!("/proc/{}/fd", kept.server.pid.as_raw_nonzero());
        let names = fs::read_dir(files).unwrap().filter_map(|file| {
            let name = fs::read_link(file.unwrap().path()).ok()?;
            name.to_str().unwrap().contains("/msb.db").then_some(name)
        });
        names.count()
    };
    assert_eq!(kept.server.judges(&kept.key), 200);
    let before = files();
    assert_ne!(before, 0);
    for (loss, script, fault, mend) in LOSSES {
        kept.sh(script);
        wait_for(loss, SOON, || (kept.measured("msb_store_fault") == 1.0).then_some(()));
        let judged = (kept.server.judges(&kept.key), kept.server.judges(&kept.revoked));
        assert_eq!(judged, (200, 401), "{loss}");
        let ready = kept.ready();
        let body = r#"{"message":"Service is ready, and cannot read its store"}"#;
        assert_eq!((ready.status, ready.body.as_str()), (200, body), "{loss}");
        assert_eq!(kept.measured("msb_ready"), 1.0);
        // The server may look in between.
        wait_for(fault, SOON, || {
            let logged = kept.server.logged("store_fault");
            logged["fault"].as_str().unwrap().contains(fault).then_some(())
        });
        if loss != "the whole home" {
            let attention = kept.home.attention();
            assert!(attention.contains(&"trust_stale".to_owned()), "{loss}: {attention:?}");
            let told = kept.home.done("server status");
            assert!(told.contains(fault), "{loss}: {told}");
        }
        kept.sh(mend);
        kept.is_well();
    }
    let back = crate::harness::events(&kept.server.log(), "store_back");
    assert_eq!(back.len(), LOSSES.len());
    wait_for("no file is left open", SOON, || (files() == before).then_some(()));
}

#[test]
fn trust_that_is_too_old_decides_nothing() {
    let kept = Kept::new("1s");
    for (loss, script, _, mend) in LOSSES {
        let began = Instant::now();
        kept.sh(script);
        let answer = wait_for(loss, SOON, || {
            let answer = kept.server.ask(&crate::harness::bearing(&kept.key));
            assert!([200, 503].contains(&answer.status), "{loss}: {answer:?}");
            (answer.status == 503).then_some(answer)
        });
        assert!(began.elapsed() > Duration::from_millis(800), "{loss}: {:?}", began.elapsed());
        assert_eq!(answer.header("www-authenticate"), None);
        assert_eq!(answer.header("x-msb-reason"), Some("UNAVAILABLE"));
        assert!(answer.body.contains("API keys cannot be checked now"));
        assert_eq!(kept.server.judges(&kept.revoked), 503);
        assert_eq!(kept.server.judges("msb_x"), 503);
        assert_eq!(kept.server.ask("GET /auth HTTP/1.1\nHost: a").status, 401);
        assert_eq!(kept.ready().status, 503);
        assert_eq!(kept.server.ask("GET /.well-known/jwks.json HTTP/1.1\nHost: a").status, 503);
        assert_eq!(kept.measured("msb_ready"), 0.0);
        kept.sh(mend);
        kept.is_well();
    }
}

/// Whatever a command does to a database in which the server does not believe, it may not say
/// that the server knows it.
#[test]
fn a_revocation_that_the_server_cannot_read_is_not_confirmed() {
    for (loss, script, fault, mend) in LOSSES {
        let kept = Kept::new("5m");
        kept.sh(script);
        // At once: the server may not have looked yet.
        let ran = kept.home.run("server revoke good");
        assert_ne!(ran.exit, Some(0), "{loss}: {}{}", ran.stdout, ran.stderr);
        let unconfirmed = "error: it is done and kept, but not confirmed: ";
        match ran.exit {
            Some(3) => {
                assert!(ran.stderr.contains(unconfirmed), "{loss}: {}", ran.stderr);
                // An older one that has gone on is another.
                let told = [fault, "was replaced by another"];
                assert!(told.iter().any(|told| ran.stderr.contains(told)), "{}", ran.stderr);
                // And again: that it was done before is not the question.
                let again = kept.home.run("server revoke good");
                assert_eq!(again.exit, Some(3), "{loss}: {}{}", again.stdout, again.stderr);
                assert!(again.stderr.contains(unconfirmed), "{loss}: {}", again.stderr);
            }
            Some(_) => assert!(!ran.stderr.contains(unconfirmed), "{loss}: {}", ran.stderr),
            None => panic!("{loss}: {}", ran.stderr),
        }
        assert_eq!(kept.server.judges(&kept.key), 200, "{loss}");
        // Where the home was away, there is a new one now.
        if loss == "the whole home" && kept.home.directory().exists() {
            fs::remove_dir_all(kept.home.directory()).unwrap();
        }
        kept.sh(mend);
        wait_for("trust is confirmed again", SOON, || {
            (kept.measured("msb_store_fault") == 0.0).then_some(())
        });
        let ran = kept.home.run("server revoke good");
        assert_eq!(ran.exit, Some(0), "{loss}: {}", ran.stderr);
        assert_eq!(kept.server.judges(&kept.key), 401, "{loss}");
    }
}

#[test]
fn a_log_of_the_database_that_is_removed_loses_no_revocation() {
    for removed in ["msb.db-wal", "msb.db-shm", "msb.db-wal msb.db-shm"] {
        let kept = Kept::new("5m");
        // Whoever comes before the server has looked again may meet the index of another log.
        let remove = format!("rm {removed}; sleep 0.3");
        kept.sh(&remove);
        kept.home.done("server revoke good");
        assert_eq!(kept.server.judges(&kept.key), 401, "{removed}");
        let key = kept.home.key("");
        kept.sh(&remove);
        assert_eq!(kept.server.judges(&key), 200, "{removed}");
        kept.home.done("server key reset");
        assert_eq!(kept.server.judges(&key), 401, "{removed}");
        assert_eq!(kept.home.attention(), Vec::<String>::new(), "{removed}");
    }
}

/// Somebody who holds the database for long is no fault, and nobody waits for them.
#[test]
fn a_database_that_is_busy_is_followed() {
    let kept = Kept::new("5m");
    let mut python = Command::new("python3");
    let script = "import sqlite3, sys, time\n\
                  db = sqlite3.connect(sys.argv[1], isolation_level=None)\n\
                  db.execute('BEGIN IMMEDIATE')\n\
                  print(1, flush=True)\n\
                  time.sleep(2)\n";
    if !crate::harness::have("python3") {
        return;
    }
    let path = kept.home.file("msb.db");
    let holding = thread::spawn(move || {
        finish(python.args(["-c", script, &path.display().to_string()]), SOON).exit
    });
    thread::sleep(Duration::from_millis(300));
    let began = Instant::now();
    while began.elapsed() < Duration::from_secs(1) {
        let asked = Instant::now();
        assert_eq!(kept.server.judges(&kept.key), 200);
        assert!(asked.elapsed() < Duration::from_millis(500), "{:?}", asked.elapsed());
    }
    kept.home.done("server revoke good");
    assert_eq!(kept.server.judges(&kept.key), 401);
    assert_eq!(holding.join().unwrap(), Some(0));
    assert!(!kept.server.log().contains("store_fault"), "{}", kept.server.log());
}
