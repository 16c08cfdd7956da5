//! When keys were last used: what a server records, and what `list` and `show` make of it.

use std::{fs, os::unix::fs::PermissionsExt, process::Command};

use msb::{
    files::Home,
    key::KeyId,
    store::{Usage, UsageFault},
    time::UnixTime,
};

use super::{FIRST, SECOND, THIRD};
use crate::harness::{Msb, NOW};

const DAY: i64 = 86_400;

fn at(secs: i64) -> UnixTime {
    UnixTime::from_secs(secs).unwrap()
}

fn record(msb: &Msb, now: i64) -> Usage {
    Usage::open_or_create(&Home::named(msb.home()), at(now)).unwrap()
}

fn note(record: &mut Usage, used: &[(&str, i64)]) {
    let used: Vec<_> = used.iter().map(|(id, secs)| (id.parse().unwrap(), at(*secs))).collect();
    record.note(&used).unwrap();
}

/// Three keys of ten days ago, and a record that is a day older.
fn with_three_keys() -> (Msb, Usage) {
    let mut msb = Msb::new();
    msb.now -= 10 * DAY;
    for name in ["one", "two", "three"] {
        msb.key(&format!("--name {name}"));
    }
    msb.now = NOW;
    let record = record(&msb, NOW - 11 * DAY);
    (msb, record)
}

#[track_caller]
fn lists(msb: &mut Msb, flags: &str, expected: &[&str]) {
    let ran = msb.ends(&format!("server list {flags}"), 0);
    let ids: Vec<_> = ran.stdout.lines().map(|line| line.split('\t').next().unwrap()).collect();
    assert_eq!(ids, expected, "{flags}: {}", ran.stderr);
}

#[test]
fn a_use_is_told_by_list_and_show() {
    let (mut msb, mut record) = with_three_keys();
    note(&mut record, &[(SECOND, NOW - 60)]);
    msb.check(
        "server list --name two",
        0,
        "58njrb9e5wr32chk\tactive\t*\t-\t-\ttwo\t2026-11-13T10:00:00Z\t-\t2026-11-23T09:59:00Z\n",
        "1 key\n",
    );
    let ran = msb.run("server list --json");
    let told: serde_json::Value = serde_json::from_str(&ran.stdout).unwrap();
    let used: Vec<_> = (0..3).map(|n| told["keys"][n]["last_used"].as_str()).collect();
    assert_eq!(used, [None, Some("2026-11-23T09:59:00Z"), None]);
    let shown = |msb: &mut Msb, name: &str| msb.run(&format!("server show {name}")).stdout;
    let two = shown(&mut msb, "two");
    assert!(two.contains("last used   Mon 2026-11-23T09:59:00Z"), "{two}");
    assert!(shown(&mut msb, "one").contains("last used   not since 2026-11-13T10:00:00Z\n"));
    let ran = msb.run("server show two --json");
    assert!(ran.stdout.contains(r#""last_used":"2026-11-23T09:59:00Z""#), "{}", ran.stdout);
    msb.terminal = true;
    let table = msb.run("server list --color never").stdout;
    let lines: Vec<_> = table.lines().collect();
    assert!(lines[0].ends_with("ENDS  LAST USED"), "{table}");
    assert!(lines[2].ends_with("-     2026-11-23T09:59:00Z"), "{table}");
}

#[test]
fn without_a_record_nothing_is_said_of_uses() {
    let mut msb = Msb::with_server_key();
    let shown = msb.run(&format!("server show {FIRST}")).stdout;
    assert!(!shown.contains("last used"), "{shown}");
    msb.check(
        "server list",
        0,
        "40gj48s44mk2ea19\tactive\t*\t-\t-\t-\t2026-11-23T10:00:00Z\t-\t-\n",
        "1 key\n",
    );
    msb.check(
        "server list --unused 30d",
        78,
        "",
        "msb: error: no server has recorded when keys are used: …/home/usage.db is missing\n\
         msb: hint: run `msb server start`: it keeps one\n",
    );
    assert!(!msb.file("usage.db").exists());
}

#[test]
fn the_later_use_of_a_key_stays() {
    let (mut msb, mut record) = with_three_keys();
    for used in [[30, 40], [20, 10], [40, 39]] {
        note(&mut record, &used.map(|secs| (SECOND, NOW + secs)));
    }
    note(&mut record, &[]);
    assert_eq!(record.last_used(SECOND.parse().unwrap()).unwrap(), Some(at(NOW + 40)));
    assert_eq!(record.last_used(FIRST.parse().unwrap()).unwrap(), None);
    assert_eq!(record.latest().unwrap(), Some(at(NOW + 40)));
    drop(record);
    // Another server goes on with the record.
    let mut record = self::record(&msb, NOW);
    assert_eq!(record.begun_at(), at(NOW - 11 * DAY));
    note(&mut record, &[(SECOND, NOW + 41)]);
    msb.now = NOW + 60;
    let ran = msb.run("server list --name two");
    assert!(ran.stdout.ends_with("\t2026-11-23T10:00:41Z\n"), "{}", ran.stdout);
}

#[test]
fn a_key_is_unused_that_could_have_been_used_and_was_not() {
    let (mut msb, mut record) = with_three_keys();
    lists(&mut msb, "--unused 9d", &[THIRD, SECOND, FIRST]);
    note(&mut record, &[(FIRST, NOW - 5 * DAY), (SECOND, NOW)]);
    lists(&mut msb, "--unused 6d", &[THIRD]);
    lists(&mut msb, "--unused 5d", &[THIRD]);
    // Used before that time, by a second.
    msb.now += 1;
    lists(&mut msb, "--unused 5d", &[THIRD, FIRST]);
    lists(&mut msb, "--unused 1s", &[THIRD, FIRST]);
    msb.now += 1;
    lists(&mut msb, "--unused 1s", &[THIRD, SECOND, FIRST]);
    msb.now = NOW;
    // Issued within that time, or just before it.
    lists(&mut msb, "--unused 10d", &[]);
    msb.now += 1;
    lists(&mut msb, "--unused 10d", &[THIRD]);
    // It began to live within that time, or just before it.
    msb.now = NOW;
    msb.key("--not-before 1h --name later");
    msb.now = NOW + 3 * 3600;
    let later = |msb: &mut Msb, within: &str| {
        let ran = msb.run(&format!("server list --name later --unused {within}"));
        ran.stdout.lines().count()
    };
    assert_eq!((later(&mut msb, "2h"), later(&mut msb, "119m")), (0, 1));
    // What is dead is no concern.
    msb.ends("server revoke three", 0);
    lists(&mut msb, "--unused 9d --name three", &[]);
    msb.ends("server list --unused 9d --state all", 2);
    msb.ends("server list --unused 9d --expiring 9d", 0);
    msb.ends("server list --unused 60y", 2);
}

#[test]
fn what_was_not_recorded_is_not_called_unused() {
    let (mut msb, _) = with_three_keys();
    lists(&mut msb, "--unused 9d", &[THIRD, SECOND, FIRST]);
    msb.now = NOW - 1;
    msb.check(
        "server list --unused 11d",
        78,
        "",
        "msb: error: the record of use …/home/usage.db begins at 2026-11-12T10:00:00Z, and what is \
         asked for at 2026-11-12T09:59:59Z\n\
         msb: hint: ask for a shorter time, or later\n",
    );
    msb.now = NOW;
    lists(&mut msb, "--unused 11d", &[]);
    msb.terminal = true;
    let told = msb.run("server list --unused 1d").stderr;
    assert_eq!(told, "3 keys\nuses are recorded since 2026-11-12T10:00:00Z; none was recorded\n");
}

#[test]
fn a_long_list_of_unused_keys_is_read_page_by_page() {
    let mut msb = Msb::new();
    msb.key("--count 10010");
    let mut record = record(&msb, NOW);
    let ids = |text: &str| -> Vec<String> {
        text.lines().map(|line| line.split('\t').next().unwrap().to_owned()).collect()
    };
    msb.now += DAY;
    let mut all = ids(&msb.run("server list --limit 0").stdout);
    for index in [10_005, 9_999, 5_000, 0] {
        note(&mut record, &[(all.remove(index).as_str(), NOW + DAY)]);
    }
    let unused = |msb: &mut Msb, flags: &str| {
        let ran = msb.run(&format!("server list --unused 1h {flags}"));
        (ids(&ran.stdout), ran.stderr.starts_with("there are more"))
    };
    assert_eq!(unused(&mut msb, "--limit 0"), (all.clone(), false));
    assert_eq!(unused(&mut msb, "--limit 10006"), (all.clone(), false));
    assert_eq!(unused(&mut msb, "--limit 10005"), (all[..10_005].to_vec(), true));
    assert_eq!(unused(&mut msb, "--limit 10"), (all[..10].to_vec(), true));
    let after = format!("--limit 0 --after {}", all[9_998]);
    assert_eq!(unused(&mut msb, &after), (all[9_999..].to_vec(), false));
}

#[test]
fn a_damaged_record_is_in_nobodys_way() {
    let (mut msb, mut record) = with_three_keys();
    note(&mut record, &[(FIRST, NOW)]);
    drop(record);
    let unused = |msb: &mut Msb, exit, told: &str, hint: &str| {
        let told = format!("msb: error: {told}\nmsb: hint: {hint}\n");
        msb.check("server list --unused 1d", exit, "", &told);
    };
    for content in [b"junk".repeat(2000), fs::read(msb.file("msb.db")).unwrap()] {
        fs::remove_file(msb.file("usage.db-wal")).unwrap();
        fs::write(msb.file("usage.db"), content).unwrap();
        let ran = msb.ends("server list", 0);
        assert_eq!(ran.stdout.lines().count(), 3);
        let told = "3 keys; when keys were last used is not known: ";
        assert!(
            ran.stderr.starts_with(told) && ran.stderr.contains("is damaged"),
            "{}",
            ran.stderr
        );
        let ran = msb.ends("server list --json", 0);
        assert_eq!(ran.stdout.matches(r#""last_used":null"#).count(), 3);
        msb.ends("server show one", 0);
        msb.ends("server status --check", 0);
        let ran = msb.ends("server list --unused 1d", 65);
        let hint = "/usage.db away: the server begins another\n";
        assert!(ran.stderr.ends_with(hint), "{}", ran.stderr);
        let home = Home::named(msb.home());
        assert!(Usage::open_or_create(&home, at(NOW)).is_err());
        fs::write(msb.file("usage.db-wal"), b"").unwrap();
    }
    fs::remove_file(msb.file("usage.db")).unwrap();
    drop(self::record(&msb, NOW));
    fs::set_permissions(msb.file("usage.db"), PermissionsExt::from_mode(0o622)).unwrap();
    unused(
        &mut msb,
        77,
        "others can write …/home/usage.db (mode 0622)",
        "run `chmod go-w …/home/usage.db`",
    );
    msb.ends("server list", 0);
}

#[test]
fn a_record_is_made_for_this_user_alone_and_survives_being_moved() {
    let (msb, mut record) = with_three_keys();
    let home = Home::named(msb.home());
    let mode = |name: &str| fs::metadata(msb.file(name)).unwrap().permissions().mode() & 0o7777;
    note(&mut record, &[(FIRST, NOW)]);
    for name in ["usage.db", "usage.db-wal", "usage.db-shm"] {
        assert_eq!(mode(name), 0o600, "{name}");
    }
    let moved = Command::new("mv").args([msb.file("usage.db"), msb.file("old.db")]).status();
    assert!(moved.unwrap().success());
    assert!(Usage::open(&home).unwrap().is_none());
    note(&mut record, &[(SECOND, NOW + 5), (THIRD, NOW + 7)]);
    assert_eq!(record.begun_at(), at(NOW + 7));
    let read = Usage::open(&home).unwrap().unwrap();
    let used = [FIRST, SECOND, THIRD].map(|id| read.last_used(id.parse().unwrap()).unwrap());
    assert_eq!(used, [None, Some(at(NOW + 5)), Some(at(NOW + 7))]);
    // Nothing else was touched.
    assert_eq!(mode("msb.db"), 0o600);
    assert!(!msb.file("usage.db.new").exists());
}

#[test]
fn whoever_reads_and_whoever_writes_do_not_wait_for_each_other() {
    let (msb, mut record) = with_three_keys();
    let home = Home::named(msb.home());
    let database = rusqlite::Connection::open(msb.file("usage.db")).unwrap();
    let read = |id: &str| {
        Usage::open(&home).unwrap().unwrap().last_used(id.parse::<KeyId>().unwrap()).unwrap()
    };
    database.execute_batch("BEGIN; SELECT * FROM used").unwrap();
    note(&mut record, &[(FIRST, NOW)]);
    assert_eq!(read(FIRST), Some(at(NOW)));
    database.execute_batch("COMMIT; BEGIN IMMEDIATE").unwrap();
    assert_eq!(read(FIRST), Some(at(NOW)));
    // Another writer is not waited for: it is a record, and no more than that.
    let busy = record.note(&[(FIRST.parse().unwrap(), at(NOW))]);
    assert!(matches!(busy, Err(UsageFault::Store(_))), "{busy:?}");
    database.execute_batch("ROLLBACK").unwrap();
    note(&mut record, &[(FIRST, NOW + 1)]);
    assert_eq!(read(FIRST), Some(at(NOW + 1)));
}
