//! What is kept, when something is wrong with it: a clear error, and nothing is lost.

use std::{
    fs,
    os::unix::fs::{MetadataExt, PermissionsExt, symlink},
    path::Path,
};

use rusqlite::Connection;

use crate::harness::Msb;

fn chmod(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

fn mode(path: &Path) -> u32 {
    path.metadata().unwrap().mode() & 0o7777
}

/// A home with a server key and one key, `keep`; and that key's text.
fn kept() -> (Msb, String) {
    let mut msb = Msb::new();
    let key = msb.key("--name keep");
    (msb, key)
}

/// Signing is refused with this exit code and text; verifying goes on.
#[track_caller]
fn signing_fails(msb: &mut Msb, key: &str, exit: u8, told: &str) {
    let ran = msb.ends("server keygen", exit);
    assert!(ran.stderr.contains(told), "{}", ran.stderr);
    msb.stdin = key.as_bytes().to_vec();
    assert_eq!(msb.run("verify -").exit, 0, "verifying needs only the ring");
    let ran = msb.run("server status --json");
    assert!(ran.stdout.contains(r#""file_ok":false"#), "{}", ran.stdout);
    assert!(!ran.stdout.contains(r#""attention":[]"#), "{}", ran.stdout);
    let entries = msb.run("server list --state all").stdout.lines().count();
    assert_eq!(entries, 1, "a refused command left an entry");
}

#[test]
fn files_and_directories_are_for_their_owner_only() {
    let (msb, _) = kept();
    assert_eq!(mode(&msb.home()), 0o700);
    let files: Vec<_> =
        fs::read_dir(msb.home()).unwrap().map(|file| file.unwrap().path()).collect();
    assert!(files.len() >= 2);
    for file in files {
        assert_eq!(mode(&file), 0o600, "{}", file.display());
    }
}

#[test]
fn the_server_key_is_pkcs8_version_1() {
    let (msb, _) = kept();
    let pem = fs::read_to_string(msb.file("server.key")).unwrap();
    assert_eq!(pem.lines().next(), Some("-----BEGIN PRIVATE KEY-----"));
    assert_eq!(pem.lines().nth(1).unwrap().len(), 64, "48 bytes: the seed and no public key");
}

#[test]
fn a_server_key_that_others_can_read_does_not_sign() {
    for open in [0o644, 0o640, 0o604, 0o620, 0o601] {
        let (mut msb, key) = kept();
        chmod(&msb.file("server.key"), open);
        let path = msb_file(&msb);
        signing_fails(&mut msb, &key, 77, &format!("others can read {path}"));
        let hint = format!("hint: run `chmod 600 {path}`\n");
        assert!(msb.run("server keygen").stderr.ends_with(&hint));
        chmod(&msb.file("server.key"), 0o600);
        assert_eq!(msb.run("server keygen").exit, 0);
    }
}

fn msb_file(msb: &Msb) -> String {
    msb.file("server.key").display().to_string()
}

#[test]
fn a_server_key_that_is_no_plain_file_does_not_sign() {
    let (mut msb, key) = kept();
    let path = msb.file("server.key");
    let aside = msb.file("aside");
    fs::rename(&path, &aside).unwrap();
    symlink(&aside, &path).unwrap();
    signing_fails(&mut msb, &key, 77, "is a symbolic link");
    fs::remove_file(&path).unwrap();
    fs::create_dir(&path).unwrap();
    signing_fails(&mut msb, &key, 77, "is not a plain file");
    fs::remove_dir(&path).unwrap();
    let fifo = std::process::Command::new("mkfifo").arg(&path).status().unwrap();
    assert!(fifo.success());
    signing_fails(&mut msb, &key, 77, "is not a plain file");
    fs::remove_file(&path).unwrap();
    symlink("/dev/zero", &path).unwrap();
    signing_fails(&mut msb, &key, 77, "is a symbolic link");
    fs::remove_file(&path).unwrap();
    fs::rename(&aside, &path).unwrap();
    assert_eq!(msb.run("server keygen").exit, 0);
}

#[test]
fn a_server_key_that_holds_something_else_does_not_sign() {
    let (mut msb, key) = kept();
    let path = msb.file("server.key");
    let good = fs::read_to_string(&path).unwrap();
    let mut holds = |text: &str, exit: u8, told: &str| {
        fs::write(&path, text).unwrap();
        signing_fails(&mut msb, &key, exit, told);
    };
    holds("", 65, "does not begin with a PEM block");
    holds(&good[..60], 65, "is damaged, or not an Ed25519 key");
    holds(&format!("{good}junk"), 65, "is damaged, or not an Ed25519 key");
    holds(&format!("junk\n{good}"), 65, "does not begin with a PEM block");
    holds(
        &good.replace("MC4CAQAwBQYDK2Vw", "MC4CAQAwBQYDK2Vu"),
        65,
        "is damaged, or not an Ed25519 key",
    );
    holds("-----BEGIN PUBLIC KEY-----\n", 65, "holds a public key, not a private one");
    let mut stranger = Msb::new();
    stranger.run("server keygen --expire 1d");
    fs::remove_dir_all(stranger.home()).unwrap();
    stranger.run("server keygen");
    let strange = fs::read_to_string(stranger.file("server.key")).unwrap();
    assert_ne!(strange, good);
    holds(&strange, 78, "is not the server key that signs");
    holds(&strange, 78, "revocations may be lost");
    fs::remove_file(&path).unwrap();
    signing_fails(&mut msb, &key, 4, "server.key is missing");
    fs::write(&path, &good).unwrap();
    chmod(&path, 0o600);
    assert_eq!(msb.run("server keygen").exit, 0);
}

#[test]
fn an_interrupted_rename_is_finished_by_the_next_key() {
    let (mut msb, key) = kept();
    let (place, staged) = (msb.file("server.key"), msb.file("server.key.1IG2tMH7J2w"));
    fs::rename(&place, &staged).unwrap();
    msb.stdin = key.into_bytes();
    assert_eq!(msb.run("verify -").exit, 0);
    let ran = msb.ends("server status --check --json", 3);
    assert!(ran.stdout.contains(r#""code":"rename_unfinished""#), "{}", ran.stdout);
    assert!(!place.exists(), "status changed something");
    assert_eq!(msb.run("server keygen").exit, 0);
    assert!(place.exists() && !staged.exists());
}

#[test]
fn a_first_key_that_was_interrupted_is_begun_anew() {
    let mut msb = Msb::with_server_key();
    let db = Connection::open(msb.file("msb.db")).unwrap();
    db.execute_batch("DELETE FROM ledger; DELETE FROM server_key").unwrap();
    drop(db);
    fs::rename(msb.file("server.key"), msb.file("server.key.1IG2tMH7J2w")).unwrap();
    msb.ends("verify msb_x", 4);
    fs::write(msb.file("server.key.backup-2026"), "set aside by somebody").unwrap();
    chmod(&msb.file("server.key.backup-2026"), 0o600);
    let key = msb.key("");
    msb.stdin = key.into_bytes();
    assert_eq!(msb.run("verify -").exit, 0);
    assert!(!msb.file("server.key.1IG2tMH7J2w").exists(), "a server key that nobody knows");
    assert!(msb.file("server.key.backup-2026").exists(), "only what is ours is swept away");
}

#[test]
fn a_first_key_that_fails_leaves_no_server_key() {
    let mut msb = Msb::new();
    // Longer than a key may be, which shows only once it is signed.
    let scopes: String = (0..60).map(|at| format!(" --scope {at}{}", "x".repeat(60))).collect();
    let ran = msb.ends(&format!("server keygen{scopes}"), 2);
    assert!(ran.stderr.contains("and 4096 is the most"), "{}", ran.stderr);
    let left = fs::read_dir(msb.home()).unwrap().map(|file| file.unwrap().file_name());
    assert!(left.into_iter().all(|name| name.to_string_lossy().starts_with("msb.db")));
    assert_eq!(msb.run("server keygen").exit, 0);
}

#[test]
fn what_an_operator_set_aside_is_left_alone() {
    let mut msb = Msb::with_server_key();
    for (from, to) in [("server.key", "server.key.old"), ("msb.db", "msb.db.old")] {
        fs::rename(msb.file(from), msb.file(to)).unwrap();
        fs::copy(msb.file(to), msb.file(&to.replace("old", "backup-2026"))).unwrap();
    }
    fs::rename(msb.file("server.key.backup-2026"), msb.file("server.key.bak")).unwrap();
    for log in ["msb.db-wal", "msb.db-shm"] {
        let _ = fs::remove_file(msb.file(log));
    }
    assert_eq!(msb.run("server keygen").exit, 0);
    for kept in ["server.key.old", "server.key.bak", "msb.db.old", "msb.db.backup-2026"] {
        assert!(msb.file(kept).exists(), "{kept} is gone");
    }
}

#[test]
fn a_directory_that_others_can_write_is_not_trusted() {
    let (mut msb, key) = kept();
    msb.stdin = key.into_bytes();
    for open in [0o777, 0o1777, 0o770, 0o702] {
        chmod(&msb.home(), open);
        for line in ["verify -", "server keygen", "server list", "server revoke keep"] {
            let ran = msb.ends(line, 77);
            assert!(ran.stderr.contains("hint: run `chmod go-w "), "{line}: {}", ran.stderr);
        }
    }
    chmod(&msb.home(), 0o755);
    assert_eq!(msb.run("verify -").exit, 0);
    let mut fresh = Msb::new();
    fs::create_dir(fresh.home()).unwrap();
    chmod(&fresh.home(), 0o777);
    fresh.ends("server keygen", 77);
    assert_eq!(fs::read_dir(fresh.home()).unwrap().count(), 0);
}

#[test]
fn nothing_is_ever_read_as_no_revocations() {
    let lost = |break_it: &dyn Fn(&Msb)| {
        let (mut msb, key) = kept();
        assert_eq!(msb.run("server revoke keep").exit, 0);
        break_it(&msb);
        msb.stdin = key.into_bytes();
        for line in
            ["verify -", "server keygen", "server list", "server revoke -", "server key show"]
        {
            let ran = msb.ends(line, 78);
            assert!(ran.stderr.contains("revocations may be lost"), "{line}: {}", ran.stderr);
            assert!(ran.stderr.contains("hint: restore "), "{line}: {}", ran.stderr);
            assert!(ran.stderr.contains("msb.db-wal and "), "{line}: {}", ran.stderr);
        }
    };
    lost(&|msb| fs::remove_file(msb.file("msb.db")).unwrap());
    lost(&|msb| {
        for file in ["msb.db", "msb.db-wal", "msb.db-shm"] {
            fs::remove_file(msb.file(file)).unwrap();
        }
    });
    lost(&|msb| {
        fs::remove_file(msb.file("msb.db")).unwrap();
        fs::remove_file(msb.file("server.key")).unwrap();
    });
    lost(&|msb| {
        for file in ["msb.db", "msb.db-wal", "msb.db-shm"] {
            fs::remove_file(msb.file(file)).unwrap();
        }
        fs::rename(msb.file("server.key"), msb.file("server.key.1IG2tMH7J2w")).unwrap();
    });
}

#[test]
fn an_empty_ring_beside_a_server_key_is_not_adopted() {
    let (mut msb, _) = kept();
    let db = Connection::open(msb.file("msb.db")).unwrap();
    db.execute_batch("DELETE FROM ledger; DELETE FROM server_key").unwrap();
    drop(db);
    let ran = msb.ends("server keygen", 78);
    assert!(ran.stderr.contains("revocations may be lost"), "{}", ran.stderr);
}

#[test]
fn a_damaged_database_is_told_and_left_as_it_is() {
    let damaged = |damage: &dyn Fn(&Path), exit: u8, told: &str| {
        let (mut msb, key) = kept();
        let path = msb.file("msb.db");
        for log in ["msb.db-wal", "msb.db-shm"] {
            let _ = fs::remove_file(msb.file(log));
        }
        damage(&path);
        let before = fs::read(&path).unwrap();
        msb.stdin = key.into_bytes();
        for line in ["verify -", "server keygen", "server list", "server revoke keep"] {
            let ran = msb.ends(line, exit);
            assert!(ran.stderr.contains(told), "{line}: {}", ran.stderr);
        }
        let ran = msb.ends("server status --check", 3);
        assert!(
            ran.stdout.contains(told) && ran.stdout.contains("keys        unknown"),
            "{}",
            ran.stdout
        );
        assert!(fs::read(&path).unwrap() == before, "the damaged file was changed");
    };
    damaged(&|path| fs::write(path, b"").unwrap(), 78, "revocations may be lost");
    damaged(
        &|path| fs::write(path, vec![b'x'; 8192]).unwrap(),
        65,
        "is damaged: file is not a database",
    );
    let truncate =
        |path: &Path| fs::File::options().write(true).open(path).unwrap().set_len(9000).unwrap();
    damaged(&truncate, 65, "is damaged");
    let foreign = |path: &Path| {
        fs::remove_file(path).unwrap();
        Connection::open(path).unwrap().execute_batch("CREATE TABLE x (y)").unwrap();
    };
    damaged(&foreign, 65, "it is not a database of msb");
    let newer = |path: &Path| {
        Connection::open(path).unwrap().execute_batch("PRAGMA user_version = 4").unwrap();
        let _ = fs::remove_file(path.with_extension("db-wal"));
    };
    damaged(&newer, 78, "has version 4, and this msb knows 3");
    let older = |path: &Path| {
        Connection::open(path).unwrap().execute_batch("PRAGMA user_version = 2").unwrap();
        let _ = fs::remove_file(path.with_extension("db-wal"));
    };
    damaged(&older, 78, "`msb server key reset`");
    damaged(&|path| chmod(path, 0o622), 77, "others can write");
    let link = |path: &Path| {
        fs::rename(path, path.with_extension("aside")).unwrap();
        symlink(path.with_extension("aside"), path).unwrap();
    };
    damaged(&link, 77, "is a symbolic link");
}

#[test]
fn words_in_the_database_that_are_not_ours_are_damage() {
    let (mut msb, _) = kept();
    let db = Connection::open(msb.file("msb.db")).unwrap();
    db.execute_batch("UPDATE ledger SET namespaces = 'a/b'").unwrap();
    let ran = msb.ends("server list", 65);
    assert!(ran.stderr.contains("is damaged"), "{}", ran.stderr);
    db.execute_batch("UPDATE ledger SET namespaces = '*', name = char(27) || '[31m'").unwrap();
    let ran = msb.run("server list");
    assert!(ran.stdout.contains("\\u{1b}[31m"), "older text is escaped: {}", ran.stdout);
}

#[test]
fn half_a_retirement_is_damage_and_no_trust() {
    let (mut msb, key) = kept();
    let db = Connection::open(msb.file("msb.db")).unwrap();
    db.execute_batch("PRAGMA ignore_check_constraints = ON; UPDATE server_key SET retired_at = 1")
        .unwrap();
    msb.stdin = key.into_bytes();
    msb.ends("verify -", 65);
    msb.ends("server keygen", 65);
}

#[test]
fn a_busy_database_is_waited_for_and_then_told() {
    let (mut msb, key) = kept();
    let db = Connection::open(msb.file("msb.db")).unwrap();
    db.execute_batch("BEGIN IMMEDIATE").unwrap();
    let begun = std::time::Instant::now();
    let ran = msb.ends("server keygen", 75);
    assert!(begun.elapsed().as_millis() > 4900);
    assert!(ran.stderr.contains("has been busy for 5 seconds"), "{}", ran.stderr);
    msb.stdin = key.into_bytes();
    assert_eq!(msb.run("verify -").exit, 0, "readers do not wait");
    db.execute_batch("ROLLBACK").unwrap();
    assert_eq!(msb.run("server keygen").exit, 0);
}

#[test]
fn a_home_that_is_a_file_is_told() {
    let mut msb = Msb::new();
    fs::write(msb.home(), "x").unwrap();
    for line in ["server keygen", "server list", "verify msb_x"] {
        let ran = msb.ends(line, 65);
        assert!(ran.stderr.contains("not a directory"), "{line}: {}", ran.stderr);
    }
    assert_eq!(fs::read_to_string(msb.home()).unwrap(), "x");
}

#[test]
fn a_file_below_a_file_is_neither_read_nor_made() {
    let (mut msb, _) = kept();
    fs::write(msb.scratch.path("file"), "x").unwrap();
    let below = msb.scratch.path("file/x").display().to_string();
    msb.ends(&format!("inspect --key-file {below}"), 65);
    msb.ends(&format!("verify x --jwks {below}"), 65);
    msb.ends(&format!("server keygen -o {below}"), 73);
    msb.ends(&format!("server keygen --dotenv {below}"), 73);
}

#[test]
fn a_configuration_is_read_with_care() {
    let (mut msb, key) = kept();
    msb.stdin = key.into_bytes();
    let path = msb.file("config.toml");
    let mut config = |text: &str, line: &str, exit: u8, told: &str| {
        fs::write(&path, text).unwrap();
        chmod(&path, 0o644);
        let ran = msb.ends(line, exit);
        assert!((ran.stdout.clone() + &ran.stderr).contains(told), "{}{}", ran.stdout, ran.stderr);
    };
    config("", "verify -", 0, "valid");
    config(
        "\n\nprefx = \"x_\"\n",
        "verify -",
        78,
        "config.toml, line 3: there is no setting `prefx`",
    );
    config("prefix = 3\n", "verify -", 78, "config.toml, line 1: ");
    config("prefix = \"MSB_\"\n", "server keygen", 78, "a prefix is a lower-case letter");
    config("prefix = \"rb_\"\nprefix = \"x_\"\n", "server keygen", 78, "line 2");
    config("issuer = \"a b\"\n", "server keygen", 78, "it has only letters, digits");
    config("x = 1\n", "server status --check", 3, "config.toml, line 1: there is no setting `x`");
    config("issuer = \"me\"\n", "verify -", 15, "wrong_audience: the key was not issued by me");
    config("audience = \"web\"\n", "verify -", 15, "wrong_audience: the key is not meant for web");
    config("prefix = \"rb_\"\n", "verify -", 10, "malformed");
    fs::write(&path, "prefix = \"rb_\"\nissuer = \"me\"\naudience = \"web\"\n").unwrap();
    let key = msb.run("server keygen").stdout;
    assert!(key.starts_with("rb_ey"));
    msb.stdin = key.into_bytes();
    assert_eq!(msb.run("verify -").exit, 0);
    let claims = msb.run("inspect - --json").stdout;
    assert!(claims.contains(r#""issuer":"me","audience":"web""#), "{claims}");
    fs::write(&path, "prefix = \"rb_\"\n").unwrap();
    let ran = msb.ends("verify -", 15);
    assert!(ran.stdout.contains("meant for an audience, and none is configured"), "{}", ran.stdout);
    for open in [0o666, 0o664, 0o646] {
        chmod(&path, open);
        let ran = msb.ends("verify -", 78);
        assert!(ran.stderr.contains("others can write"), "{}", ran.stderr);
    }
}

#[test]
fn a_revocation_is_in_the_database_file_itself() {
    let (mut msb, key) = kept();
    for _ in 0..20 {
        msb.key("");
    }
    msb.run("server revoke keep");
    let copy = msb.scratch.path("copy");
    fs::create_dir(&copy).unwrap();
    chmod(&copy, 0o700);
    fs::copy(msb.file("msb.db"), copy.join("msb.db")).unwrap();
    msb.env.insert("MSB_HOME".into(), copy.into());
    msb.stdin = key.into_bytes();
    msb.ends("verify -", 14);
}

#[test]
fn the_log_stays_short() {
    let mut msb = Msb::with_server_key();
    msb.key("--count 3000");
    let log = || msb.file("msb.db-wal").metadata().map_or(0, |metadata| metadata.len());
    assert!(log() < 300 << 10, "{}", log());
    let mut longest = 0;
    let mut msb = Msb::with_server_key();
    for _ in 0..100 {
        msb.key("");
        longest = longest.max(msb.file("msb.db-wal").metadata().unwrap().len());
    }
    assert!((20 << 10..300 << 10).contains(&longest), "{longest}");
}

#[test]
fn the_audit_says_who_did_what_and_never_a_key() {
    let (mut msb, key) = kept();
    msb.run("server revoke keep");
    msb.run("server revoke keep");
    msb.stdout_fails = Some(std::io::ErrorKind::StorageFull);
    msb.run("server keygen --count 2");
    let db = Connection::open(msb.file("msb.db")).unwrap();
    let mut query = db.prepare("SELECT at, who, act, subject, seq FROM audit ORDER BY n").unwrap();
    let rows: Vec<(i64, String, String, String, Option<i64>)> = query
        .query_map((), |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?)))
        .unwrap()
        .collect::<Result<_, _>>()
        .unwrap();
    let told: Vec<_> = rows
        .iter()
        .map(|(_, _, act, subject, seq)| (act.as_str(), subject.as_str(), *seq))
        .collect();
    assert_eq!(
        told,
        [
            ("create server key", "server key 1IG2tMH7J2w", Some(1)),
            ("issue", "key 40gj48s44mk2ea19", None),
            ("revoke", "key 40gj48s44mk2ea19", Some(2)),
            ("issue", "2 keys, first 58njrb9e5wr32chk", None),
            ("undelivered", "2 keys, first 58njrb9e5wr32chk", Some(3)),
        ]
    );
    assert!(rows.iter().all(|(at, who, ..)| *at == crate::harness::NOW && who == "uid 0"));
    drop(query);
    drop(db);
    let claims = key.split('.').nth(1).unwrap().to_owned();
    for file in fs::read_dir(msb.home()).unwrap() {
        let bytes = fs::read(file.unwrap().path()).unwrap();
        assert!(!bytes.windows(claims.len()).any(|window| window == claims.as_bytes()));
    }
}

/// `list` and `status` work out in SQL what `verify` works out in Rust: they agree.
#[test]
fn the_state_of_a_key_is_the_verdict_on_it() {
    let mut msb = Msb::new();
    let keys: Vec<_> = ["", "--expire 1h", "--not-before 1h", "--expire 3h --not-before 2h"]
        .iter()
        .map(|flags| msb.key(flags))
        .collect();
    let revoked = msb.key("--expire 1h --name revoked");
    msb.run("server revoke revoked");
    let keys = [keys, vec![revoked]].concat();
    let now = msb.now;
    for standing in [
        "UPDATE server_key SET dead_at = NULL",
        &format!("UPDATE server_key SET retired_at = {now}, until = {}", now + 5400),
        &format!("UPDATE server_key SET retired_at = {}, until = {}", now - 1, now + 99_999),
        &format!("UPDATE server_key SET dead_at = {}", now + 10),
    ] {
        Connection::open(msb.file("msb.db")).unwrap().execute_batch(standing).unwrap();
        for later in [0, 3599, 3600, 5399, 5400, 7199, 7200, 10_799, 10_800] {
            msb.now = now + later;
            for key in &keys {
                msb.stdin = key.clone().into_bytes();
                let verdict: serde_json::Value =
                    serde_json::from_str(&msb.run("verify - --json").stdout).unwrap();
                let id = verdict["id"].as_str().unwrap();
                let shown = msb.run(&format!("server show {id}")).stdout;
                let state =
                    shown.lines().nth(1).unwrap().trim_start_matches("state").trim().to_owned();
                let checks = verdict["checks"].as_array().unwrap();
                let failed = checks.iter().find(|check| check["result"] == "failed");
                let failed = failed.map_or("", |check| check["check"].as_str().unwrap());
                let expected = match verdict["verdict"].as_str().unwrap() {
                    "valid" => vec!["active"],
                    // Whether it was revoked is asked first by one, and last by the other.
                    "expired" if key == keys.last().unwrap() => vec!["revoked"],
                    "revoked" if failed == "standing" => vec!["reset"],
                    other => vec![other],
                };
                assert!(
                    expected.contains(&state.as_str()),
                    "{standing} +{later} {id}: {state} {verdict}"
                );
            }
        }
    }
}
