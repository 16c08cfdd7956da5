//! How a running server follows what other processes do to what is kept, and to its files.

use std::{
    path::{Path, PathBuf},
    process::{Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use msb::{
    error::Error,
    files::Home,
    key::{KeyText, Prefix, UnverifiedKey},
    revocations::Revocation,
    store::{StoreFault, Trust, Watch},
};

use crate::harness::Scratch;

/// A home that somebody follows, and a key of it.
struct Followed {
    scratch: Scratch,
    watch: Watch,
    trust: Trust,
    key: String,
}

impl Followed {
    /// A home with one server key, after one change of trust.
    fn new() -> Self {
        let scratch = Scratch::new();
        let key = sh(&scratch.0, "$msb server keygen -q --name first");
        let (watch, trust) = Watch::open(&home(&scratch)).unwrap().unwrap();
        assert_eq!((trust.seq, watch.seq()), (1, 1));
        Self { scratch, watch, trust, key: key.trim_end().to_owned() }
    }

    /// Runs a script in the home, in processes of its own.
    fn sh(&self, script: &str) {
        sh(&self.scratch.0, script);
    }

    /// Looks once, and answers the number of the new trust if there is one, or what is told.
    fn look(&mut self) -> Result<Option<u64>, String> {
        let looked = self.watch.look().map_err(told(&self.scratch))?;
        Ok(looked.map(|trust| {
            self.trust = trust;
            assert_eq!(self.trust.seq, self.watch.seq());
            self.trust.seq
        }))
    }

    /// A script, and what a look tells then; the next one finds nothing new.
    #[track_caller]
    fn then(&mut self, script: &str, seq: Option<u64>) {
        self.sh(script);
        assert_eq!(self.look(), Ok(seq), "{script}");
        assert_eq!(self.look(), Ok(None), "{script}");
    }

    /// A script after which every look fails and nothing is forgotten, and one that mends it,
    /// after which a change is found that was made meanwhile or is made then.
    #[track_caller]
    fn fails(&mut self, script: &str, fault: &str, mend: &str) {
        let before = self.watch.seq();
        self.sh(script);
        for _ in 0..3 {
            assert_eq!(self.look(), Err(fault.to_owned()), "{script}");
            assert_eq!(self.watch.seq(), before);
        }
        self.sh(mend);
        let mended = self.look();
        self.sh("$msb server revoke --all -y -q");
        let after = Ok(Some(self.watch.seq() + 1));
        assert_eq!((mended.is_ok(), self.look()), (true, after), "{mend}: {mended:?}");
        assert!(self.is_revoked(), "{mend}");
        assert_eq!(self.look(), Ok(None));
    }

    fn is_revoked(&self) -> bool {
        let text = KeyText::from(self.key.clone());
        let key = UnverifiedKey::parse(&text, &Prefix::default()).unwrap();
        let public = self.trust.ring.find(key.kid()).unwrap().public.clone();
        self.trust.revocations.of(&key.signed_by(&public).unwrap()) != Revocation::None
    }
}

fn home(scratch: &Scratch) -> Home {
    Home::named(scratch.path("home"))
}

fn told(scratch: &Scratch) -> impl Fn(StoreFault) -> String {
    let home = scratch.path("home/").display().to_string();
    move |fault| Error::Store(fault).to_string().replace(&home, "")
}

/// Runs a script in a home, with `$msb` and a place `..` beside it, and answers what it prints.
fn sh(place: &Path, script: &str) -> String {
    let home = place.join("home");
    let directory = if home.exists() { &home } else { place };
    let mut shell = Command::new("sh");
    shell.args(["-e", "-c", script]).current_dir(directory).stdin(Stdio::null()).env_clear();
    shell.env("PATH", std::env::var_os("PATH").unwrap());
    let ran = shell.env("msb", program()).env("MSB_HOME", &home).output().unwrap();
    assert!(ran.status.success(), "{script}: {}", String::from_utf8_lossy(&ran.stderr));
    String::from_utf8(ran.stdout).unwrap()
}

fn program() -> PathBuf {
    PathBuf::from(env!("CARGO_BIN_EXE_msb"))
}

#[test]
fn a_look_finds_each_change_of_trust_and_nothing_else() {
    let mut followed = Followed::new();
    followed.then("", None);
    followed.then("$msb server keygen -q --name second", None);
    followed.then("$msb server keygen -q --count 5000 > /dev/null", None);
    followed.then("$msb server list; $msb server status; $msb server audit", None);
    followed.then("$msb server revoke second", Some(2));
    assert!(!followed.is_revoked());
    followed.then("$msb server revoke first", Some(3));
    assert!(followed.is_revoked());
    followed.then("$msb server revoke first", None);
    followed.then("$msb server revoke --owner nobody", Some(4));
    followed.then("$msb server key rotate -y", Some(5));
    assert_eq!(followed.trust.ring.keys().len(), 2);
    followed.then("$msb server key reset -y", Some(6));
    followed
        .then("$msb server keygen -q; $msb server key reset -y; $msb server revoke --all", Some(8));
    assert_eq!(followed.trust.ring.keys().len(), 4);
}

#[test]
fn there_is_nothing_to_follow_until_something_is_kept() {
    let scratch = Scratch::new();
    let open = || Watch::open(&home(&scratch)).map(|opened| opened.map(|(_, trust)| trust.seq));
    assert_eq!(open().map_err(told(&scratch)), Ok(None));
    sh(&scratch.0, "mkdir home; chmod 700 home");
    assert_eq!(open().map_err(told(&scratch)), Ok(None));
    sh(&scratch.0, "$msb server keygen");
    assert_eq!(open().map_err(told(&scratch)), Ok(Some(1)));
    let lost = "server.key is there, and msb.db is missing or empty; revocations may be lost";
    sh(&scratch.0, "rm msb.db*");
    assert_eq!(open().map_err(told(&scratch)), Err(lost.to_owned()));
}

#[test]
fn a_database_that_has_gone_is_no_new_truth() {
    const GONE: &str = "msb.db has gone";
    Followed::new().fails("mv msb.db ..", GONE, "mv ../msb.db .");
    Followed::new().fails("cp msb.db ..; : > msb.db", GONE, "cat ../msb.db > msb.db");
    let moved = "mv ../home ../away";
    Followed::new().fails(moved, GONE, "mv away home; cd home; $msb server revoke first");
    let mut followed = Followed::new();
    followed.sh("rm -r ../home");
    assert_eq!(followed.look(), Err(GONE.to_owned()));
    assert_eq!(followed.look(), Err(GONE.to_owned()));
}

#[test]
fn another_database_is_no_new_truth() {
    const REPLACED: &str = "msb.db was replaced by another; revocations may be lost";
    // A copy, even of the same state.
    let copy = "cp msb.db copy; mv msb.db ..; mv copy msb.db";
    Followed::new().fails(copy, REPLACED, "mv ../msb.db .");
    // A new one, further than the old.
    let anew = "mkdir ../old; mv msb.db* server.key ../old; $msb server keygen; \
                $msb server revoke --all; $msb server revoke --all";
    Followed::new().fails(anew, REPLACED, "rm msb.db*; mv ../old/* .");
    // The same, written over the old.
    let over = "cp msb.db ..; MSB_HOME=$PWD/../new; $msb server keygen; \
                $msb server revoke --all; cat ../new/msb.db > msb.db";
    Followed::new().fails(over, REPLACED, "cat ../msb.db > msb.db");
}

#[test]
fn an_older_database_is_no_new_truth() {
    let mut followed = Followed::new();
    followed.then("cp msb.db ..; $msb server revoke first", Some(2));
    const BEHIND: &str = "msb.db ends with change 1 of trust, and change 2 was read before; \
                          revocations may be lost";
    let before = "cp msb.db ../now; cp ../msb.db .";
    followed.fails(before, BEHIND, "cp ../now msb.db");
    // One that came as far by another way.
    let way = "cp ../msb.db .; for n in 1 2 3; do $msb server revoke --owner other; done";
    const REPLACED: &str = "msb.db was replaced by another; revocations may be lost";
    followed.sh("cp msb.db ../now");
    followed.fails(way, REPLACED, "cp ../now msb.db");
}

#[test]
fn a_database_that_is_not_safe_is_not_read() {
    let mode = |file: &str, mode: &str| format!("others can write {file} (mode {mode})");
    Followed::new().fails("chmod 666 msb.db", &mode("msb.db", "0666"), "chmod 600 msb.db");
    let link = "mv msb.db ..; ln -s ../msb.db msb.db";
    Followed::new().fails(
        link,
        "msb.db was replaced by another; revocations may be lost",
        "mv ../msb.db .",
    );
    let mut followed = Followed::new();
    followed.sh("chmod 770 .");
    let told = (0..16).find_map(|_| followed.look().err()).unwrap();
    assert!(told.starts_with("others can write "), "{told}");
    assert_eq!(followed.look(), Err(told));
    followed.then("chmod 700 .; $msb server revoke first", Some(2));
}

#[test]
fn a_damaged_database_is_not_believed() {
    let zeros = "cp msb.db ..; head -c 100000 /dev/zero > msb.db";
    let mut followed = Followed::new();
    followed.sh(zeros);
    let told = followed.look().unwrap_err();
    assert!(told.starts_with("msb.db is damaged"), "{told}");
    followed.then("cat ../msb.db > msb.db; $msb server revoke first", Some(2));
    let half = "cp msb.db ..; truncate -s 8192 msb.db";
    followed.sh(half);
    let told = followed.look().unwrap_err();
    assert!(told.starts_with("msb.db is damaged"), "{told}");
    followed.then("cat ../msb.db > msb.db; $msb server key rotate -y", Some(3));
}

#[test]
fn a_log_that_was_removed_is_not_read_on() {
    for removed in ["msb.db-wal", "msb.db-shm", "msb.db-wal msb.db-shm"] {
        let mut followed = Followed::new();
        followed.then(&format!("rm {removed}"), None);
        followed.then("$msb server revoke first", Some(2));
        followed.then("$msb server keygen -q; $msb server key reset -y", Some(3));
        // What is only in the log yet stays there.
        let script = format!("rm {removed}; $msb server keygen --name last -q");
        followed.then(&script, None);
        followed.then("$msb server show last", None);
        // Whoever comes before the next look may meet an index of the log that is gone.
        followed.then(&format!("rm {removed}"), None);
        followed.then("$msb server revoke --all", Some(4));
    }
}

#[test]
fn another_program_may_tidy_up() {
    let mut followed = Followed::new();
    let tidy = |followed: &Followed, sql: &str| {
        let db = rusqlite::Connection::open(followed.scratch.path("home/msb.db")).unwrap();
        db.execute_batch(sql).unwrap();
    };
    tidy(&followed, "VACUUM");
    followed.then("$msb server revoke first", Some(2));
    tidy(&followed, "PRAGMA wal_checkpoint(TRUNCATE); REINDEX; ANALYZE");
    followed.then("", None);
    followed.then("$msb server revoke --all", Some(3));
}

/// Rows are only added by us. Where another hand was at work, all of them are read again.
#[test]
fn revocations_that_were_changed_by_hand_are_read_again() {
    let by_hand = |followed: &Followed, sql: &str| {
        let db = rusqlite::Connection::open(followed.scratch.path("home/msb.db")).unwrap();
        db.execute_batch(sql).unwrap();
    };
    let mut followed = Followed::new();
    followed.then("$msb server keygen -q --name second; $msb server revoke second", Some(2));
    // The next one takes the place of the one that was read.
    by_hand(&followed, "DELETE FROM revocation");
    followed.then("$msb server revoke first", Some(3));
    assert!(followed.is_revoked());
    by_hand(&followed, "DELETE FROM revocation");
    followed.then("$msb server revoke --owner nobody", Some(4));
    assert!(!followed.is_revoked());
}

/// Somebody else writes another key into the row of the first one that was cut off, and meanwhile
/// a look goes wrong.
fn nothing_is_added_where_a_look_went_wrong(wrong: &str, right: &str) {
    let mut followed = Followed::new();
    followed.then("for n in a b; do $msb server keygen -q --name $n; done", None);
    followed.then("$msb server revoke a; $msb server revoke b", Some(3));
    followed.sh(wrong);
    assert!(followed.look().is_err());
    followed.sh(right);
    let db = rusqlite::Connection::open(followed.scratch.path("home/msb.db")).unwrap();
    let sql = "UPDATE revocation SET jti = (SELECT jti FROM ledger WHERE name = 'first')
               WHERE n = 1";
    db.execute_batch(sql).unwrap();
    drop(db);
    followed.then("$msb server revoke --owner nobody", Some(4));
    assert!(followed.is_revoked());
}

#[test]
fn nothing_is_added_to_what_was_read_before_a_look_went_wrong() {
    nothing_is_added_where_a_look_went_wrong("chmod 666 msb.db", "chmod 600 msb.db");
    nothing_is_added_where_a_look_went_wrong("mv msb.db aside", "mv aside msb.db");
}

/// If a look left a transaction open, a revocation would not be in a copy of the file.
#[test]
fn nobody_waits_for_whoever_follows() {
    let mut followed = Followed::new();
    for seq in 2..6 {
        followed.then("$msb server revoke --all; test ! -s msb.db-wal", Some(seq));
        followed.then("$msb server keygen -q; test -s msb.db-wal", None);
    }
}

#[test]
fn a_look_is_not_kept_waiting() {
    let mut followed = Followed::new();
    let database = followed.scratch.path("home/msb.db");
    drop(Watch::open(&home(&followed.scratch)).unwrap());
    // A writer that does not end is in nobody's way.
    let writer = rusqlite::Connection::open(&database).unwrap();
    writer.execute_batch("BEGIN EXCLUSIVE; UPDATE trust SET seq = 99").unwrap();
    assert_eq!(followed.look(), Ok(None));
    writer.execute_batch("ROLLBACK").unwrap();
    let scratch = Scratch::new();
    sh(&scratch.0, "$msb server keygen -q");
    let hermit = rusqlite::Connection::open(scratch.path("home/msb.db")).unwrap();
    hermit.execute_batch("PRAGMA locking_mode = EXCLUSIVE; BEGIN IMMEDIATE; COMMIT").unwrap();
    let began = Instant::now();
    let busy = Watch::open(&home(&scratch)).map(|_| ()).map_err(told(&scratch));
    assert_eq!(busy, Err("msb.db has been busy for 50 ms".to_owned()));
    assert!(began.elapsed() < Duration::from_secs(2), "{:?}", began.elapsed());
}

/// Every look goes well, whoever else opens and closes what is kept, and each change is found.
#[test]
fn looks_and_commands_are_in_nobodys_way() {
    let mut followed = Followed::new();
    let commands = [
        "for n in $(seq 40); do $msb server revoke --owner o$n; done",
        "for n in $(seq 30); do $msb server list; $msb server keygen -q; done",
        "for n in $(seq 20); do $msb server key rotate -y; $msb server status; done",
    ];
    let running = commands.map(|script| {
        let place = followed.scratch.0.clone();
        thread::spawn(move || sh(&place, script))
    });
    let mut changes = 1;
    while running.iter().any(|running| !running.is_finished()) {
        if let Some(seq) = followed.look().unwrap() {
            assert!(seq > changes, "{seq} after {changes}");
            changes = seq;
        }
    }
    running.into_iter().for_each(|running| drop(running.join().unwrap()));
    followed.look().unwrap();
    assert_eq!(followed.watch.seq(), 61);
}

#[test]
fn writers_that_are_killed_leave_the_truth() {
    let mut followed = Followed::new();
    for turn in 0..30_u64 {
        let mut writer = Command::new(program());
        writer.env("MSB_HOME", followed.scratch.path("home")).stdin(Stdio::null());
        writer.args(match turn % 3 {
            0 => ["server", "revoke", "--all", "-y"].as_slice(),
            1 => ["server", "key", "rotate", "-y"].as_slice(),
            _ => ["server", "keygen", "--count", "3000"].as_slice(),
        });
        let mut writer = writer.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        thread::sleep(Duration::from_micros(turn * 700));
        writer.kill().unwrap();
        writer.wait().unwrap();
        let (before, found) = (followed.watch.seq(), followed.look().unwrap());
        assert!(found.is_none_or(|seq| seq == before + 1), "{before} {found:?}");
    }
    let seq = followed.watch.seq();
    followed.then("$msb server revoke --owner nobody", Some(seq + 1));
}
