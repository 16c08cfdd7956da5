//! `server key rotate`, `reset` and `import`: what they say, and what becomes of keys.

use std::fs;

use super::{FIRST, SECOND};
use crate::harness::{Msb, NOW};

/// What `verify` ends with for this key.
fn verdict(msb: &mut Msb, key: &str) -> u8 {
    msb.stdin = key.as_bytes().to_vec();
    let exit = msb.run("verify -").exit;
    msb.stdin.clear();
    exit
}

fn kid(msb: &mut Msb) -> String {
    let shown: serde_json::Value =
        serde_json::from_str(&msb.run("server key show --json").stdout).unwrap();
    shown["kid"].as_str().unwrap().to_owned()
}

fn pem(msb: &Msb) -> String {
    fs::read_to_string(msb.file("server.key")).unwrap()
}

/// On a terminal, somebody types this.
fn types(msb: &mut Msb, line: &str, typed: &str) -> crate::harness::Ran {
    msb.terminal = true;
    msb.stdin = typed.as_bytes().to_vec();
    let ran = msb.run(&format!("{line} --color never"));
    msb.terminal = false;
    msb.stdin.clear();
    ran
}

const OLD: &str = "1IG2tMH7J2w";

#[test]
fn after_a_reset_every_key_is_dead() {
    let mut msb = Msb::new();
    let (one, two) = (msb.key("--name one"), msb.key("-n dev"));
    msb.now += 5;
    let ran = msb.ends("server key reset", 0);
    let new = kid(&mut msb);
    assert_ne!(new, OLD);
    assert_eq!(
        ran.stdout,
        format!(
            "server key {new} signs from now on\n\
             server key {OLD} is dead, and so is every key that it signed\n"
        )
    );
    assert!(ran.stderr.starts_with("what verifies elsewhere"), "{}", ran.stderr);
    for key in [&one, &two] {
        msb.stdin = key.clone().into_bytes();
        let ran = msb.ends("verify -", 14);
        let told = format!("revoked: server key {OLD} was reset at 2026-11-23T10:00:05Z");
        assert!(ran.stdout.starts_with(&told), "{}", ran.stdout);
    }
    let three = msb.key("");
    assert_eq!(verdict(&mut msb, &three), 0);
    let ran = msb.run("server list --state reset");
    assert_eq!(ran.stdout.lines().count(), 2, "{}", ran.stdout);
    // A second one kills the rest, and a tombstone stays.
    msb.ends("server key reset -q", 0);
    assert_eq!([&one, &two, &three].map(|key| verdict(&mut msb, key)), [14; 3]);
    let ring: serde_json::Value =
        serde_json::from_str(&msb.run("server key show --json").stdout).unwrap();
    assert_eq!(ring["dead"].as_array().unwrap().len(), 2, "{ring}");
}

#[test]
fn a_reset_shows_what_dies_and_asks() {
    let mut msb = Msb::new();
    for flags in ["-n dev --owner alice", "-n dev --owner alice", "", "--expire 1h"] {
        msb.key(flags);
    }
    msb.run(&format!("server revoke {FIRST}"));
    msb.now += 3600;
    let stake = "2 keys will die\n\
                 KEYS  NAMESPACES  OWNER\n\
                 1     *           -\n\
                 1     dev         alice\n\
                 type 1IG2tMH7J2w to go on: ";
    for typed in ["", "\n", "y\n", "1ig2tmh7j2w\n", "1IG2tMH7J2\n"] {
        let ran = types(&mut msb, "server key reset", typed);
        let refused = "msb: error: not confirmed\n\
                       msb: hint: nothing was changed; `-y` asks nothing\n";
        assert_eq!((ran.exit, ran.stdout.as_str()), (6, ""), "{typed:?}");
        assert_eq!(ran.stderr, format!("{stake}{refused}"), "{typed:?}");
        assert_eq!(kid(&mut msb), OLD);
    }
    let ran = types(&mut msb, "server key reset --dry-run", "");
    assert_eq!(ran.stderr, "2 keys would die; nothing was changed\n");
    assert_eq!(kid(&mut msb), OLD);
    msb.check(
        "server key reset --dry-run",
        0,
        "1\t*\t-\n1\tdev\talice\n",
        "2 keys would die; nothing was changed\n",
    );
    let ran = msb.run("server key reset --dry-run --json");
    let told: serde_json::Value = serde_json::from_str(&ran.stdout).unwrap();
    assert_eq!(
        told,
        serde_json::json!({
            "schema": "msb.key/1", "dry_run": true, "kid": null, "fingerprint": null,
            "created_at": null, "pem": null, "retired": [], "dead": [OLD], "keys": 2,
            "holdings": [{"namespaces": ["*"], "owner": null, "keys": 1},
                         {"namespaces": ["dev"], "owner": "alice", "keys": 1}],
        })
    );
    let ran = types(&mut msb, "server key reset", &format!("{OLD}\n"));
    assert_eq!(ran.exit, 0, "{}", ran.stderr);
    assert_ne!(kid(&mut msb), OLD);
    let ran = types(&mut msb, "server key reset -y", "");
    assert_eq!(ran.exit, 0, "{}", ran.stderr);
}

#[test]
fn there_must_be_something_to_reset_or_rotate() {
    for line in ["reset", "reset --dry-run", "rotate", "rotate --dry-run"] {
        let mut msb = Msb::new();
        msb.ends(&format!("server key {line}"), 4);
        assert!(!msb.home().exists());
    }
}

#[test]
fn a_reset_needs_no_server_key_that_can_be_used() {
    // Missing, of others, for others to read, and not a key at all.
    let harms: [&dyn Fn(&Msb); 4] = [
        &|msb| fs::remove_file(msb.file("server.key")).unwrap(),
        &|msb| {
            use std::os::unix::fs::PermissionsExt;
            fs::set_permissions(msb.file("server.key"), fs::Permissions::from_mode(0o644)).unwrap();
        },
        &|msb| fs::write(msb.file("server.key"), "nonsense").unwrap(),
        &|msb| {
            fs::remove_file(msb.file("server.key")).unwrap();
            std::os::unix::fs::symlink("/dev/null", msb.file("server.key")).unwrap();
        },
    ];
    for harm in harms {
        let mut msb = Msb::new();
        let key = msb.key("");
        harm(&msb);
        msb.ends("server key reset", 0);
        assert_eq!(verdict(&mut msb, &key), 14);
        msb.ends("server status --check", 0);
        assert_eq!(fs::metadata(msb.file("server.key")).unwrap().len(), 119);
    }
    // What cannot be replaced is found before anything is changed.
    let mut msb = Msb::new();
    let key = msb.key("");
    fs::remove_file(msb.file("server.key")).unwrap();
    fs::create_dir(msb.file("server.key")).unwrap();
    msb.ends("server key reset", 77);
    assert_eq!(verdict(&mut msb, &key), 0);
}

#[test]
fn a_reset_begins_anew_where_revocations_were_lost() {
    for log in [false, true] {
        let mut msb = Msb::new();
        let key = msb.key("");
        let old = pem(&msb);
        fs::remove_file(msb.file("msb.db")).unwrap();
        if !log {
            fs::remove_file(msb.file("msb.db-wal")).unwrap();
        }
        msb.ends("server keygen", 78);
        let ran = types(&mut msb, "server key reset", "reset\n");
        assert_eq!(ran.exit, 0, "{}", ran.stderr);
        assert!(ran.stderr.contains("revocations may be lost"), "{}", ran.stderr);
        // The old server key is a tombstone too.
        assert_eq!(verdict(&mut msb, &key), 14);
        let file = msb.scratch.path("old.pem");
        fs::write(&file, old).unwrap();
        let ran = msb.ends(&format!("server key import {}", file.display()), 6);
        assert!(ran.stderr.contains("does not sign again"), "{}", ran.stderr);
        let new = msb.key("");
        assert_eq!(verdict(&mut msb, &new), 0);
    }
}

#[test]
fn a_retired_server_key_verifies_keys_from_before_until_its_end() {
    let mut msb = Msb::new();
    let old = msb.key("");
    let old_pem = pem(&msb);
    msb.now += 10;
    let ran = msb.ends("server key rotate --overlap 1h", 0);
    let new_kid = kid(&mut msb);
    assert_eq!(
        ran.stdout,
        format!(
            "server key {new_kid} signs from now on\n\
             server key {OLD} verifies until Mon 2026-11-23T11:00:10Z (in 1 hour)\n\
             {FIRST}\tactive\t*\t-\t-\t-\t2026-11-23T10:00:00Z\t2026-11-23T11:00:10Z\n"
        )
    );
    assert_eq!(ran.stderr, "1 key ends with the overlap: hand out new ones\n");
    let new = msb.key("");
    assert_eq!([&old, &new].map(|key| verdict(&mut msb, key)), [0, 0]);
    let jwks = msb.run("server key show --format jwks").stdout;
    assert!(jwks.contains(OLD) && jwks.contains(&new_kid));
    // What a thief signs with the retired key from now on does not hold.
    let late = {
        let mut thief = Msb::new();
        thief.now = msb.now + 1;
        thief.key("")
    };
    assert_eq!(verdict(&mut msb, &late), 14);
    // The last good second, and the first bad one.
    msb.now = NOW + 10 + 3599;
    assert_eq!(verdict(&mut msb, &old), 0);
    msb.now += 1;
    assert_eq!([&old, &new].map(|key| verdict(&mut msb, key)), [14, 0]);
    let jwks = msb.run("server key show --format jwks").stdout;
    assert!(!jwks.contains(OLD) && jwks.contains(&new_kid));
    // It does not come back.
    let file = msb.scratch.path("old.pem");
    fs::write(&file, old_pem).unwrap();
    msb.check(
        &format!("server key import {}", file.display()),
        6,
        "",
        "msb: error: server key 1IG2tMH7J2w ceased to sign at 2026-11-23T10:00:10Z and does not sign again\n\
         msb: hint: make another with `msb server key rotate`\n",
    );
}

#[test]
fn a_rotation_tells_which_keys_outlive_the_overlap() {
    let mut msb = Msb::new();
    msb.key("--name last --expire 2026-12-23T10:00:00Z");
    msb.key("--name outlives --expire 2026-12-23T10:00:01Z");
    let ran = msb.ends("server key rotate --dry-run", 0);
    assert!(ran.stdout.starts_with(SECOND) && ran.stdout.lines().count() == 1, "{}", ran.stdout);
    assert_eq!(
        ran.stderr,
        "server key 1IG2tMH7J2w would verify until Wed 2026-12-23T10:00:00Z (in 30 days), \
         and 1 key would end with it; nothing was changed\n"
    );
    let ran = types(&mut msb, "server key rotate", "n\n");
    assert_eq!((ran.exit, kid(&mut msb).as_str()), (6, OLD));
    assert!(ran.stderr.contains("rotate all the same? [y/N] "), "{}", ran.stderr);
    let ran = types(&mut msb, "server key rotate", "y\n");
    assert_eq!(ran.exit, 0, "{}", ran.stderr);
    let ran = msb.ends("server status --check", 3);
    assert!(
        ran.stdout.contains(
            "attention   1 key ends early, with the overlap of the server key\n            \
             run `msb server list --expiring 30d`, and hand out new ones\n"
        ),
        "{}",
        ran.stdout
    );
    let ran = msb.ends("server list --expiring 30d", 3);
    assert_eq!(ran.stdout.lines().count(), 2, "{}", ran.stdout);
    assert!(ran.stdout.lines().all(|line| line.ends_with("\t2026-12-23T10:00:00Z\t-")));
    let shown = msb.run("server show outlives").stdout;
    assert!(shown.contains("ends        Wed 2026-12-23T10:00:00Z (in 30 days)\n"), "{shown}");
    assert!(shown.contains("server key  1IG2tMH7J2w, retired: the key ends with it\n"), "{shown}");
    // Nothing to ask about when nothing outlives it.
    let mut msb = Msb::new();
    msb.key("--expire 1d");
    let ran = types(&mut msb, "server key rotate", "");
    assert_eq!(ran.exit, 0);
    assert!(ran.stderr.contains("no key outlives the overlap"), "{}", ran.stderr);
}

#[test]
fn a_rotation_mends_a_lost_server_key_and_refuses_an_unsafe_one() {
    let mut msb = Msb::new();
    let key = msb.key("");
    fs::remove_file(msb.file("server.key")).unwrap();
    let ran = msb.ends("server keygen", 4);
    assert!(ran.stderr.contains("`msb server key rotate`"), "{}", ran.stderr);
    msb.ends("server key rotate", 0);
    let new = msb.key("");
    assert_eq!([&key, &new].map(|key| verdict(&mut msb, key)), [0, 0]);
    let before = kid(&mut msb);
    use std::os::unix::fs::PermissionsExt;
    fs::set_permissions(msb.file("server.key"), fs::Permissions::from_mode(0o640)).unwrap();
    msb.ends("server key rotate", 77);
    assert_eq!(kid(&mut msb), before);
}

#[test]
fn of_many_keys_some_are_listed() {
    let mut msb = Msb::new();
    msb.key("--count 203");
    let ran = types(&mut msb, "server key rotate --dry-run", "");
    assert!(ran.stdout.ends_with("and 3 more\n"), "{}", ran.stdout);
    let ran = msb.ends("server key rotate --dry-run", 0);
    assert_eq!(ran.stdout.lines().count(), 200);
    assert!(ran.stdout.lines().all(|line| line.split('\t').count() == 8), "{}", ran.stdout);
    assert!(ran.stderr.contains("203 keys would end with it"), "{}", ran.stderr);
}

/// A clock that was set back: keys issued later than the rotation are from before it all the same.
#[test]
fn a_rotation_under_a_clock_that_was_set_back_kills_nothing() {
    let mut msb = Msb::new();
    let key = msb.key("");
    msb.now -= 30;
    msb.ends("server key rotate", 0);
    assert_eq!(verdict(&mut msb, &key), 0);
    let ran = msb.ends("server list", 0);
    assert!(ran.stdout.contains("\tactive\t"), "{}", ran.stdout);
}

#[test]
fn a_server_key_from_elsewhere_signs() {
    let mut elsewhere = Msb::new();
    elsewhere.key("--count 3");
    elsewhere.ends("server key reset", 0);
    let foreign = elsewhere.key("");
    let foreign_kid = kid(&mut elsewhere);
    let import = format!("server key import {}", elsewhere.file("server.key").display());
    // Where there was nothing.
    let mut msb = Msb::new();
    let ran = msb.ends(&format!("{import} --dry-run"), 0);
    assert_eq!(
        ran.stderr,
        format!("server key {foreign_kid} would be the first one here; nothing was changed\n")
    );
    assert!(!msb.home().exists());
    msb.ends(&import, 0);
    assert_eq!(verdict(&mut msb, &foreign), 0);
    assert_eq!(pem(&msb), pem(&elsewhere));
    let ran = msb.ends(&import, 0);
    assert!(ran.stderr.contains("signed already; nothing was changed"), "{}", ran.stderr);
    // Beside another, which is retired.
    let mut msb = Msb::new();
    let own = msb.key("");
    let ran = types(&mut msb, &import, "no\n");
    assert_eq!(ran.exit, 6);
    assert!(ran.stderr.contains("retire server key 1IG2tMH7J2w? [y/N] "), "{}", ran.stderr);
    let ran = msb.ends(&format!("{import} --json"), 0);
    let told: serde_json::Value = serde_json::from_str(&ran.stdout).unwrap();
    assert_eq!(told["kid"], foreign_kid.as_str());
    assert_eq!(told["retired"][0]["until"], "2026-12-23T10:00:00Z");
    assert_eq!([&own, &foreign].map(|key| verdict(&mut msb, key)), [0, 0]);
    let new = msb.key("");
    let claims = msb.run(&format!("inspect {new} --json")).stdout;
    assert!(claims.contains(&foreign_kid), "{claims}");
}

#[test]
fn import_puts_a_lost_server_key_back() {
    let mut msb = Msb::new();
    let key = msb.key("");
    let copy = msb.scratch.path("copy.pem");
    fs::copy(msb.file("server.key"), &copy).unwrap();
    fs::remove_file(msb.file("server.key")).unwrap();
    msb.ends("server keygen", 4);
    msb.ends(&format!("server key import {}", copy.display()), 0);
    assert_eq!(kid(&mut msb), OLD);
    let new = msb.key("");
    assert_eq!([&key, &new].map(|key| verdict(&mut msb, key)), [0, 0]);
    // Without a database it is adopted only when somebody says so.
    fs::remove_file(msb.file("msb.db")).unwrap();
    fs::remove_file(msb.file("msb.db-wal")).unwrap();
    let import = format!("server key import {}", msb.file("server.key").display());
    let ran = types(&mut msb, &import, "y\n");
    assert_eq!(ran.exit, 6);
    assert!(ran.stderr.contains("keys that were revoked may hold again\ntype 1IG2tMH7J2w"));
    msb.ends("server keygen", 78);
    msb.ends(&import, 0);
    assert_eq!(verdict(&mut msb, &key), 0);
    msb.key("");
}

/// The staged file of an interrupted import may be all that there is of a server key.
#[test]
fn an_import_removes_no_file_that_it_did_not_write() {
    let mut elsewhere = Msb::new();
    elsewhere.key("");
    elsewhere.ends("server key reset", 0);
    let other = kid(&mut elsewhere);
    for mode in [0o600, 0o644] {
        use std::os::unix::fs::PermissionsExt;
        let mut msb = Msb::with_server_key();
        let staged = msb.file(&format!("server.key.{other}"));
        fs::copy(elsewhere.file("server.key"), &staged).unwrap();
        fs::set_permissions(&staged, fs::Permissions::from_mode(mode)).unwrap();
        let ran = msb.run(&format!("server key import {}", staged.display()));
        if mode == 0o600 {
            assert_eq!((ran.exit, kid(&mut msb)), (0, other.clone()), "{}", ran.stderr);
        } else {
            assert_eq!(ran.exit, 73, "{}", ran.stderr);
            assert!(ran.stderr.contains("hint: move "), "{}", ran.stderr);
            assert!(staged.exists(), "the only copy is gone");
        }
    }
    // One that is half written goes.
    let mut msb = Msb::with_server_key();
    let staged = msb.file(&format!("server.key.{other}"));
    fs::copy(elsewhere.file("server.key"), &staged).unwrap();
    fs::File::options().write(true).open(&staged).unwrap().set_len(60).unwrap();
    msb.key("");
    assert!(!staged.exists());
}

#[test]
fn an_import_says_when_revocations_may_be_lost() {
    let mut msb = Msb::new();
    let leaked = msb.key("");
    msb.ends("server key rotate", 0);
    for file in ["msb.db", "msb.db-wal"] {
        fs::copy(msb.file(file), msb.scratch.path(file)).unwrap();
    }
    msb.ends(&format!("server revoke {leaked}"), 0);
    msb.ends("server key rotate", 0);
    let newest = msb.scratch.path("newest.pem");
    fs::copy(msb.file("server.key"), &newest).unwrap();
    // An older database under a newer server key.
    let _ = fs::remove_file(msb.file("msb.db-shm"));
    for file in ["msb.db", "msb.db-wal"] {
        fs::copy(msb.scratch.path(file), msb.file(file)).unwrap();
    }
    msb.ends("server keygen", 78);
    let import = format!("server key import {}", msb.file("server.key").display());
    let ran = types(&mut msb, &import, "y\n");
    assert_eq!(ran.exit, 6);
    assert!(ran.stderr.contains("keys that were revoked may hold again\ntype "), "{}", ran.stderr);
    // Another one would overwrite it.
    let another = {
        let mut another = Msb::with_server_key();
        another.ends("server key reset", 0);
        let file = msb.scratch.path("another.pem");
        fs::copy(another.file("server.key"), &file).unwrap();
        file
    };
    let ran = msb.ends(&format!("server key import {}", another.display()), 6);
    assert!(ran.stderr.contains("then say `-y`: it is overwritten"), "{}", ran.stderr);
    assert_eq!(fs::read(msb.file("server.key")).unwrap(), fs::read(&newest).unwrap());
    let ran = msb.ends(&import, 0);
    assert!(
        ran.stderr.contains("keys that were revoked may hold again: revoke them"),
        "{}",
        ran.stderr
    );
    assert!(!ran.stderr.contains("or remove it"), "{}", ran.stderr);
    assert_eq!(verdict(&mut msb, &leaked), 0);
}

/// Unfinished rename, and then the database is lost: the reset kills what it finds.
#[test]
fn a_reset_of_a_lost_database_kills_a_staged_server_key() {
    let mut msb = Msb::new();
    let key = msb.key("");
    let keep = msb.scratch.path("keep.pem");
    fs::copy(msb.file("server.key"), &keep).unwrap();
    fs::rename(msb.file("server.key"), msb.file(&format!("server.key.{OLD}"))).unwrap();
    fs::remove_file(msb.file("msb.db")).unwrap();
    msb.ends("server key reset", 0);
    assert_eq!(verdict(&mut msb, &key), 14);
    msb.ends(&format!("server key import {}", keep.display()), 6);
}

#[test]
fn a_database_of_nothing_is_a_lost_one() {
    let mut msb = Msb::new();
    let key = msb.key("");
    fs::write(msb.file("msb.db"), "").unwrap();
    for log in ["msb.db-wal", "msb.db-shm"] {
        let _ = fs::remove_file(msb.file(log));
    }
    let ran = msb.ends("server keygen", 78);
    assert!(ran.stderr.contains("`msb server key reset`"), "{}", ran.stderr);
    msb.ends("server key reset", 0);
    assert_eq!(verdict(&mut msb, &key), 14);
    let new = msb.key("");
    assert_eq!(verdict(&mut msb, &new), 0);
}

#[test]
fn a_damaged_server_key_file_need_not_kill_any_key() {
    let mut msb = Msb::new();
    let key = msb.key("");
    fs::write(msb.file("server.key"), "").unwrap();
    let ran = msb.ends("server keygen", 65);
    assert!(ran.stderr.contains("or run `msb server key rotate`"), "{}", ran.stderr);
    msb.ends("server key rotate", 0);
    let new = msb.key("");
    assert_eq!([&key, &new].map(|key| verdict(&mut msb, key)), [0, 0]);
}

/// In an incident nothing is in the way.
#[test]
fn a_slip_in_the_settings_stops_no_revocation_and_no_change_of_the_server_key() {
    let mut msb = Msb::new();
    msb.key("--name one");
    msb.key("--name two");
    let leaked = msb.key("");
    fs::write(msb.file("config.toml"), "[[route]]\npth = \"/a\"\n").unwrap();
    msb.stdin = leaked.into_bytes();
    for line in [
        "revoke one",
        "revoke -",
        "revoke --owner alice",
        "key show",
        "key rotate",
        "key reset",
        "revoke --all",
        "audit",
        "list",
    ] {
        msb.ends(&format!("server {line}"), 0);
    }
    msb.ends("server keygen", 78);
}

#[test]
fn what_is_no_server_key_is_not_imported() {
    let mut msb = Msb::with_server_key();
    let file = msb.scratch.path("file");
    let public = msb.run("server key show --format pem").stdout;
    for (content, told) in [
        ("nonsense", "does not begin with a PEM block"),
        (public.as_str(), "holds a public key, not a private one"),
        (
            "-----BEGIN RSA PRIVATE KEY-----\nAAAA\n-----END RSA PRIVATE KEY-----\n",
            "not an Ed25519",
        ),
    ] {
        fs::write(&file, content).unwrap();
        let ran = msb.ends(&format!("server key import {}", file.display()), 65);
        assert!(ran.stderr.contains(told) && ran.stderr.contains("PKCS#8 PEM"), "{}", ran.stderr);
    }
    msb.ends("server key import /nowhere", 65);
    assert_eq!(kid(&mut msb), OLD);
}

#[test]
fn what_cannot_be_told_is_done_all_the_same() {
    for line in ["reset", "rotate"] {
        let mut msb = Msb::with_server_key();
        msb.stdout_fails = Some(std::io::ErrorKind::StorageFull);
        let ran = msb.ends(&format!("server key {line}"), 74);
        assert!(ran.stderr.contains("the server key is changed, but"), "{}", ran.stderr);
        msb.stdout_fails = None;
        assert_ne!(kid(&mut msb), OLD);
    }
}

#[test]
fn every_act_is_in_the_audit() {
    let mut msb = Msb::with_server_key();
    msb.now += 86_400;
    msb.run("server key rotate");
    let rotated = kid(&mut msb);
    msb.run("server key reset");
    let reset = kid(&mut msb);
    msb.run("server revoke --owner ci-bot -n dev");
    msb.check(
        "server audit --since 1d",
        0,
        &format!(
            "2026-11-23T10:00:00Z\tuid 0\tcreate server key\tserver key 1IG2tMH7J2w\n\
             2026-11-23T10:00:00Z\tuid 0\tissue\tkey 40gj48s44mk2ea19\n\
             2026-11-24T10:00:00Z\tuid 0\trotate\tserver key {rotated}\n\
             2026-11-24T10:00:00Z\tuid 0\treset\tserver key {reset}\n\
             2026-11-24T10:00:00Z\tuid 0\trevoke\tevery key of ci-bot that names dev issued until 2026-11-24T10:00:00Z\n"
        ),
        "",
    );
    msb.now += 1;
    let ran = msb.run("server audit --since 1d");
    assert_eq!(ran.stdout.lines().count(), 3, "{}", ran.stdout);
    let ran = msb.run("server audit --json --since @1795428000");
    let told: serde_json::Value = serde_json::from_str(&ran.stdout).unwrap();
    assert_eq!(told["schema"], "msb.audit/1");
    assert_eq!(
        told["acts"][4]["seq"].as_i64().unwrap() + told["acts"][1]["seq"].as_i64().unwrap_or(0),
        4
    );
    let ran = msb.run("server audit --since 1s --json");
    assert!(ran.stdout.starts_with(r#"{"schema":"msb.audit/1","acts":[{"#), "{}", ran.stdout);
    let mut empty = Msb::new();
    empty.check("server audit", 0, "", "nothing was done\n");
    empty.check("server audit --json", 0, "{\"schema\":\"msb.audit/1\",\"acts\":[]}\n", "");
    empty.ends("server audit --since 99999y", 2);
}
