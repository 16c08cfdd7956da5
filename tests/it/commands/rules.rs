//! `revoke` by a rule: every key of a kind, with one row.

use super::FIRST;
use crate::harness::Msb;

/// What `verify` ends with for each of these keys.
fn verdicts<const N: usize>(msb: &mut Msb, keys: [&String; N]) -> [u8; N] {
    keys.map(|key| {
        msb.stdin = key.clone().into_bytes();
        msb.run("verify -").exit
    })
}

#[test]
fn a_rule_cuts_off_every_key_of_its_kind_and_no_other() {
    let mut msb = Msb::new();
    let alice = msb.key("--owner alice -n dev");
    let both = msb.key("--owner alice -n dev -n prod");
    let every = msb.key("--owner bob");
    let bob = msb.key("--owner bob -n dev");
    let keys = [&alice, &both, &every, &bob];
    msb.check(
        "server revoke -n prod -q",
        0,
        "every key that names prod issued until 2026-11-23T10:00:00Z is revoked\n",
        "",
    );
    assert_eq!(verdicts(&mut msb, keys), [0, 14, 0, 0]);
    msb.check(
        "server revoke --owner bob -n dev -q --reason 'laptop lost'",
        0,
        "every key of bob that names dev issued until 2026-11-23T10:00:00Z is revoked\n",
        "",
    );
    assert_eq!(verdicts(&mut msb, keys), [0, 14, 0, 14]);
    msb.stdin = bob.clone().into_bytes();
    let ran = msb.run("verify -");
    assert!(
        ran.stdout.contains(
            "was revoked at 2026-11-23T10:00:00Z with every key of bob that names dev: laptop lost"
        ),
        "{}",
        ran.stdout
    );
    msb.ends("server revoke --all", 0);
    assert_eq!(verdicts(&mut msb, keys), [14; 4]);
    let ran = msb.run("server list --state revoked");
    assert_eq!(ran.stdout.lines().count(), 4, "{}", ran.stdout);
    let shown = msb.run(&format!("server show {FIRST}")).stdout;
    assert!(shown.contains("with        every key\n"), "{shown}");
}

#[test]
fn a_rule_reaches_back_to_a_moment_and_no_further() {
    let mut msb = Msb::new();
    let first = msb.key("--expire 1d");
    msb.now += 1;
    let second = msb.key("--expire 1d");
    msb.now += 100;
    // Before the second of the second key: that one holds.
    let ran = msb.ends("server revoke --issued-before 2026-11-23T10:00:01Z", 0);
    assert!(ran.stdout.contains("issued until 2026-11-23T10:00:00Z"), "{}", ran.stdout);
    assert_eq!(verdicts(&mut msb, [&first, &second]), [14, 0]);
    msb.ends("server revoke --issued-before 99s", 0);
    assert_eq!(verdicts(&mut msb, [&first, &second]), [14, 14]);
    let ran = msb.ends("server revoke --issued-before 2026-11-24", 2);
    assert!(ran.stderr.contains("2026-11-24T00:00:00Z is still to come"), "{}", ran.stderr);
}

#[test]
fn a_key_that_is_issued_after_a_rule_holds() {
    let mut msb = Msb::new();
    let old = msb.key("-n dev");
    msb.ends("server revoke -n dev", 0);
    // In the same second, even.
    let new = msb.key("-n dev --expire 1h");
    let other = msb.key("-n other");
    assert_eq!(verdicts(&mut msb, [&old, &new, &other]), [14, 0, 0]);
    let iat = |msb: &mut Msb, key: &str| {
        let said = msb.run(&format!("inspect {key} --json")).stdout;
        let said: serde_json::Value = serde_json::from_str(&said).unwrap();
        said["issued_at"].as_str().unwrap().to_owned()
    };
    assert_eq!(iat(&mut msb, &new), "2026-11-23T10:00:01Z");
    assert_eq!(iat(&mut msb, &other), "2026-11-23T10:00:00Z");
    // A clock that is set back makes no key that is born dead, up to what others bear.
    msb.now -= 59;
    let new = msb.key("-n dev");
    assert_eq!(iat(&mut msb, &new), "2026-11-23T10:00:01Z");
    msb.now -= 1;
    msb.check(
        "server keygen -n dev",
        6,
        "",
        "msb: error: the clock is behind: it says 2026-11-23T09:59:00Z, and such keys are revoked \
         up to 2026-11-23T10:00:00Z\n\
         msb: hint: set the clock, or wait\n",
    );
    msb.key("-n other");
    msb.now -= 1;
    let ran = msb.ends("server status --check", 3);
    assert!(ran.stdout.contains("the clock says 2026-11-23T09:58:59Z, and something was done at"));
}

#[test]
fn a_rule_covers_keys_of_a_server_key() {
    let mut msb = Msb::new();
    let old = msb.key("");
    msb.ends("server key rotate", 0);
    let new = msb.key("");
    msb.ends("server revoke --kid AAAAAAAAAAA", 5);
    msb.ends("server revoke --kid nonsense", 2);
    msb.ends("server revoke --kid 1IG2tMH7J2w", 0);
    assert_eq!(verdicts(&mut msb, [&old, &new]), [14, 0]);
}

#[test]
fn a_rule_is_shown_and_asked_about() {
    let mut msb = Msb::new();
    let key = msb.key("--owner ci-bot --name deploy");
    msb.key("--owner other");
    msb.check(
        "server revoke --owner ci-bot --dry-run",
        0,
        &format!("{FIRST}\tactive\t*\t-\tci-bot\tdeploy\t2026-11-23T10:00:00Z\t-\n"),
        "1 live key would be cut off; nothing was changed\n",
    );
    msb.check(
        "server revoke --owner ci-bot --dry-run --json",
        0,
        "{\"schema\":\"msb.revoke/1\",\"dry_run\":true,\"revoked\":[],\"rule\":{\"owner\":\"ci-bot\",\
         \"namespace\":null,\"kid\":null,\"issued_until\":\"2026-11-23T10:00:00Z\",\"keys\":1}}\n",
        "",
    );
    msb.terminal = true;
    msb.stdin = b"n\n".to_vec();
    let ran = msb.ends("server revoke --owner ci-bot --color never", 6);
    assert_eq!(
        ran.stderr,
        format!(
            "1 live key would be cut off\n\
             ID                STATE   NAMESPACES  SCOPE  OWNER   NAME    ISSUED                ENDS\n\
             {FIRST}  active  *           -      ci-bot  deploy  2026-11-23T10:00:00Z  -\n\
             revoke every key of ci-bot? [y/N] \
             msb: error: not confirmed\n\
             msb: hint: nothing was changed; `-y` asks nothing\n"
        )
    );
    msb.stdin = b"y\n".to_vec();
    msb.ends("server revoke --all --color never", 6);
    msb.terminal = false;
    assert_eq!(verdicts(&mut msb, [&key]), [0]);
    msb.terminal = true;
    msb.stdin = b"yes\n".to_vec();
    msb.ends("server revoke --owner ci-bot", 0);
    msb.stdin = b"all\n".to_vec();
    msb.ends("server revoke --all", 0);
}

#[test]
fn keys_and_kinds_do_not_mix() {
    let mut msb = Msb::with_server_key();
    for line in [
        "server revoke",
        "server revoke x --all",
        "server revoke x --owner y",
        "server revoke --all --owner y",
        "server revoke --all --issued-before 1d",
        "server revoke -n '*'",
        "server revoke -n a -n b",
        "server revoke --reason why",
    ] {
        let ran = msb.ends(line, 2);
        assert!(ran.stderr.contains("msb: hint: "), "{line}: {}", ran.stderr);
    }
    let mut empty = Msb::new();
    empty.ends("server revoke --all", 4);
}

/// What `revocations` says of a key, and what the ledger says of it in SQL, agree for every kind.
#[test]
fn a_rule_covers_the_same_keys_in_the_list_and_in_the_verdict() {
    let kinds = ["--owner a", "--owner b", "-n x", "-n y", "-n x --owner a", "--issued-before 5s"];
    for kind in kinds {
        let mut msb = Msb::new();
        let mut keys = vec![];
        let flags = ["", "-n x", "-n x -n y", "-n xy", "-n x --owner a", "--owner a", "--owner b"];
        for flags in flags {
            keys.push(msb.key(flags));
            msb.now += 1;
        }
        msb.ends(&format!("server revoke {kind}"), 0);
        let revoked = msb.run("server list --state revoked").stdout;
        let mut covered = 0;
        for key in keys {
            msb.stdin = key.into_bytes();
            let said: serde_json::Value =
                serde_json::from_str(&msb.run("verify - --json").stdout).unwrap();
            let id = said["id"].as_str().unwrap();
            assert_eq!(said["verdict"] == "revoked", revoked.contains(id), "{kind}: {said}");
            covered += usize::from(revoked.contains(id));
        }
        assert!((1..7).contains(&covered), "{kind} covers {covered}");
    }
}

/// A key that was issued right after a rule bears a second that is still to come.
#[test]
fn a_second_rule_covers_what_was_issued_after_the_first() {
    for rule in ["--all", "-n dev", "--owner alice", "--kid 1IG2tMH7J2w"] {
        let mut msb = Msb::new();
        let first = msb.key("-n dev --owner alice");
        msb.ends(&format!("server revoke {rule}"), 0);
        let second = msb.key("-n dev --owner alice");
        assert_eq!(verdicts(&mut msb, [&first, &second]), [14, 0], "{rule}");
        msb.ends(&format!("server revoke {rule}"), 0);
        let third = msb.key("-n dev --owner alice");
        assert_eq!(verdicts(&mut msb, [&first, &second, &third]), [14, 14, 0], "{rule}");
        // And what a clock that was fast has left.
        msb.now -= 3600;
        msb.ends(&format!("server revoke {rule}"), 0);
        msb.now += 7200;
        assert_eq!(verdicts(&mut msb, [&third]), [14], "{rule}");
    }
}

#[test]
fn a_key_that_would_be_over_behind_a_rule_is_not_issued() {
    let mut msb = Msb::with_server_key();
    msb.ends("server revoke --all", 0);
    msb.check(
        "server keygen --expire 1s",
        6,
        "",
        "msb: error: the key would end before 2026-11-23T10:00:01Z, up to when such keys are revoked\n\
         msb: hint: wait, or choose a later `--expire`\n",
    );
    msb.key("--expire 2s");
}

#[test]
fn a_rule_says_how_many_keys_it_covers() {
    let mut msb = Msb::new();
    msb.key("--owner alice --count 2");
    let mut says = |line: &str, told: &str| {
        let ran = msb.ends(line, 0);
        assert!(ran.stderr.starts_with(told), "{}", ran.stderr);
    };
    says("server revoke --owner alcie", "no key here is such a key; verifiers");
    says("server revoke --owner alice", "it covers 2 keys here; verifiers");
    let ran = msb.run("server revoke --all --json");
    assert!(ran.stdout.ends_with("\"keys\":2}}\n"), "{}", ran.stdout);
}

/// Many rules cost a lookup each, and not one look at every rule for every key.
#[test]
fn many_rules_do_not_slow_the_list_down() {
    let mut msb = Msb::new();
    msb.key("--count 3000 --owner o5 -n n5");
    let db = rusqlite::Connection::open(msb.file("msb.db")).unwrap();
    for (column, letter) in [("sub", 'p'), ("namespace", 'm')] {
        db.execute_batch(&format!(
            "WITH RECURSIVE c(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM c WHERE i < 5000)
             INSERT INTO rule (at, until, {column}) SELECT 0, 4000000000, '{letter}' || i FROM c"
        ))
        .unwrap();
    }
    let begun = std::time::Instant::now();
    let ran = msb.run("server list --limit 0");
    assert_eq!(ran.stdout.lines().count(), 3000);
    // Thirty million comparisons would take far longer, also on a slow machine.
    assert!(begun.elapsed().as_secs() < 5, "{:?}", begun.elapsed());
}
