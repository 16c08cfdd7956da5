//! Answers that do not arrive: full disks, closed pipes, and what becomes of the keys.

use std::io::ErrorKind;

use crate::harness::Msb;

#[test]
fn a_key_that_was_not_handed_out_is_dead() {
    for (fails, why) in
        [(ErrorKind::StorageFull, "no storage space"), (ErrorKind::BrokenPipe, "broken pipe")]
    {
        let mut msb = Msb::new();
        msb.stdout_fails = Some(fails);
        msb.check(
            "server keygen --name lost",
            74,
            "",
            &format!(
                "msb: error: output could not be written: {why}; the new key is dead\n\
                 msb: hint: run it again: nobody has that key\n"
            ),
        );
        msb.stdout_fails = None;
        msb.check("server list", 0, "", "no keys\n");
        msb.check(
            "server list --state undelivered",
            0,
            "40gj48s44mk2ea19\tundelivered\t*\t-\t-\tlost\t2026-11-23T10:00:00Z\t-\t-\n",
            "1 key\n",
        );
    }
}

#[test]
fn all_keys_of_one_command_die_together() {
    let mut msb = Msb::with_server_key();
    msb.stdout_fails = Some(ErrorKind::StorageFull);
    let ran = msb.ends("server keygen --count 2500 --json", 74);
    assert!(ran.stderr.contains("all 2500 new keys are dead"), "{}", ran.stderr);
    assert!(ran.stderr.starts_with(r#"{"schema":"msb.error/1","error":{"code":"undelivered","#));
    msb.stdout_fails = None;
    // A stream that fails in the middle is no better than one that fails at once.
    msb.stdout_takes = 300_000;
    msb.stdout_fails = Some(ErrorKind::StorageFull);
    let ran = msb.run("server keygen --count 2500");
    assert_eq!((ran.exit, ran.stdout.lines().count()), (74, 1000));
    assert!(ran.stderr.contains("all 2500 new keys are dead"), "{}", ran.stderr);
    msb.stdout_fails = None;
    let ran = msb.run("server status --json");
    assert!(ran.stdout.contains(r#""active":1,"#), "{}", ran.stdout);
    assert!(ran.stdout.contains(r#""undelivered":5000"#), "{}", ran.stdout);
}

#[test]
fn a_remark_that_fails_counts_as_well() {
    let mut msb = Msb::new();
    msb.stderr_fails = Some(ErrorKind::StorageFull);
    let ran = msb.run("server keygen");
    assert_eq!(ran.exit, 74);
    let key = ran.stdout.trim_end().to_owned();
    msb.stderr_fails = None;
    msb.stdin = key.into_bytes();
    let ran = msb.ends("verify -", 14);
    assert!(
        ran.stdout.starts_with("revoked: key 40gj48s44mk2ea19 could not be handed out at"),
        "{}",
        ran.stdout
    );
    // Where nothing is said, nothing can fail.
    msb.stderr_fails = Some(ErrorKind::StorageFull);
    assert_eq!(msb.run("server keygen -q").exit, 0);
}

#[test]
fn keys_that_could_be_neither_handed_out_nor_cut_off_are_named() {
    let mut msb = Msb::with_server_key();
    // Nothing can be revoked while the table refuses it.
    let db = rusqlite::Connection::open(msb.file("msb.db")).unwrap();
    db.execute_batch(
        "CREATE TRIGGER full BEFORE INSERT ON revocation BEGIN SELECT RAISE(ABORT, 'no'); END",
    )
    .unwrap();
    drop(db);
    msb.stdout_fails = Some(ErrorKind::StorageFull);
    let ran = msb.ends("server keygen", 74);
    assert!(ran.stderr.contains("NOT revoked: 58njrb9e5wr32chk\n"), "{}", ran.stderr);
    assert!(
        ran.stderr.contains("hint: run `msb server revoke 58njrb9e5wr32chk`"),
        "{}",
        ran.stderr
    );
}

#[test]
fn every_command_notices_that_its_answer_did_not_arrive() {
    let mut msb = Msb::with_server_key();
    let key = msb.key("--name x");
    msb.env.insert("MSB_API_KEY".into(), key.into());
    for line in [
        "server keygen",
        "server list",
        "server list --json",
        "server show x",
        "server status",
        "server status --json",
        "server key show",
        "server key show --format jwks",
        "verify",
        "verify --explain",
        "verify -n prod --json",
        "inspect",
        "inspect --json",
        "--version",
        "--help",
        "server keygen --help",
        "server revoke x --dry-run",
        "server revoke x",
    ] {
        msb.stdout_fails = Some(ErrorKind::StorageFull);
        let ran = msb.ends(line, 74);
        assert!(ran.stderr.contains("output could not be written"), "{line}: {}", ran.stderr);
        let revoked = ran.stderr.contains("all of these keys are revoked, but");
        assert_eq!(revoked, line == "server revoke x");
        msb.stdout_fails = Some(ErrorKind::BrokenPipe);
        let ran = msb.ends(line, 74);
        let quiet = line != "server keygen";
        assert_eq!(ran.stderr.is_empty(), quiet, "{line}: {}", ran.stderr);
    }
    msb.stdout_fails = None;
    msb.check(
        "server revoke x -q",
        0,
        "58njrb9e5wr32chk (x) was revoked before, at 2026-11-23T10:00:00Z\n",
        "",
    );
}

#[test]
fn colour_is_for_terminals_and_whoever_asks() {
    let mut msb = Msb::new();
    let red = |msb: &mut Msb, flags: &str| {
        msb.run(&format!("server show x {flags}")).stderr.contains("\u{1b}[31m")
    };
    assert!(!red(&mut msb, ""));
    assert!(red(&mut msb, "--color always"));
    msb.terminal = true;
    assert!(red(&mut msb, ""));
    assert!(!red(&mut msb, "--color never"));
    for (name, value) in [("NO_COLOR", "1"), ("TERM", "dumb")] {
        msb.env.insert(name.into(), value.into());
        assert!(!red(&mut msb, ""), "{name}");
        assert!(red(&mut msb, "--color always"), "{name}");
        msb.env.remove(name);
    }
    msb.terminal = false;
    msb.env.insert("CLICOLOR_FORCE".into(), "1".into());
    assert!(red(&mut msb, ""));
    msb.env.insert("NO_COLOR".into(), "1".into());
    assert!(!red(&mut msb, ""));
}
