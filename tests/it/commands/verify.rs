//! `verify` and `inspect`.

use super::{FIRST, SECOND};
use crate::harness::{Msb, NOW};

#[test]
fn verify_says_where_the_key_came_from() {
    let mut msb = Msb::with_server_key();
    let key = msb.key("-n dev");
    let file = msb.scratch.path("key");
    std::fs::write(&file, format!("{key}\r\n")).unwrap();
    let other = msb.scratch.path("other");
    std::fs::write(&other, "nothing of the kind").unwrap();
    let says = |msb: &mut Msb, line: &str, source: &str| {
        let expected =
            format!("valid: key {SECOND} opens dev and does not expire; read from {source}\n");
        msb.check(line, 0, &expected, "");
    };
    msb.check(
        "verify",
        2,
        "",
        "msb: error: no key was given\n\
         msb: hint: give KEY, `-` for standard input, `--key-file`, or set MSB_API_KEY\n",
    );
    msb.env.insert("MSB_API_KEY".into(), key.clone().into());
    says(&mut msb, "verify", "MSB_API_KEY");
    msb.env.insert("MSB_API_KEY_FILE".into(), file.clone().into());
    msb.env.insert("MSB_API_KEY".into(), "nothing of the kind".into());
    says(&mut msb, "verify", "MSB_API_KEY_FILE");
    msb.env.insert("MSB_API_KEY_FILE".into(), other.clone().into());
    says(&mut msb, &format!("verify --key-file {}", file.display()), "--key-file …/key");
    msb.stdin = format!("{key}\n").into_bytes();
    says(&mut msb, &format!("verify - --key-file {}", other.display()), "standard input");
    says(&mut msb, &format!("verify {key} --key-file {}", other.display()), "the command line");
}

#[test]
fn one_line_end_is_taken_off_and_nothing_else() {
    let mut msb = Msb::with_server_key();
    let key = msb.key("");
    let mut given = |text: String, exit: u8, hint: &str| {
        msb.stdin = text.into_bytes();
        let ran = msb.ends("verify -", exit);
        assert!(ran.stderr.contains(hint), "{}", ran.stderr);
    };
    given(key.clone(), 0, "");
    given(format!("{key}\n"), 0, "");
    given(format!("{key}\r\n"), 0, "");
    given(format!("{key}\n\n"), 10, "take off the blanks and line ends");
    given(format!("{key} "), 10, "take off the blanks and line ends");
    given(format!(" {key}"), 10, "take off the blanks and line ends");
    given(format!("{key}\r"), 10, "take off the blanks and line ends");
    given(format!("Bearer {key}"), 10, "take off `Bearer ` in front");
    given(format!("MSB_API_KEY={key}"), 10, "take off the `NAME=` in front");
    given(format!("export MSB_API_KEY='{key}'"), 10, "take off the `NAME=` in front");
    given(format!("\"{key}\""), 10, "take off the quotation marks");
    given(String::new(), 10, "copy the whole key, and nothing but the key");
    given("x".repeat(10 << 20), 10, "copy the whole key");
}

#[test]
fn explain_tells_every_step() {
    let mut msb = Msb::new();
    let key = msb.key("-n dev --scope a.* --expire 1d");
    msb.stdin = key.into_bytes();
    msb.check(
        "verify - --explain -n dev --scope a.b",
        0,
        "valid: key 40gj48s44mk2ea19 opens dev until Tue 2026-11-24T10:00:00Z (in 1 day); read from standard input\n  \
           spelling    ok\n  \
           server_key  ok       1IG2tMH7J2w\n  \
           signature   ok\n  \
           standing    ok\n  \
           audience    ok\n  \
           start       ok       2026-11-23T10:00:00Z\n  \
           end         ok       2026-11-24T10:00:00Z\n  \
           revocation  ok\n  \
           policy      ok\n  \
           namespace   ok       dev\n  \
           scope       ok       a.*\n",
        "",
    );
    msb.now = NOW + 86_400;
    msb.check(
        "verify - --explain -n prod",
        12,
        "expired: the key ended at 2026-11-24T10:00:00Z; read from standard input\n  \
           spelling    ok\n  \
           server_key  ok       1IG2tMH7J2w\n  \
           signature   ok\n  \
           standing    ok\n  \
           audience    ok\n  \
           start       ok       2026-11-23T10:00:00Z\n  \
           end         failed   the key ended at 2026-11-24T10:00:00Z; issue another with `msb server keygen`\n  \
           revocation  skipped\n  \
           policy      skipped\n  \
           namespace   skipped\n  \
           scope       skipped\n",
        "",
    );
}

#[test]
fn every_verdict_has_its_exit_code() {
    let mut msb = Msb::new();
    let key = msb.key("-n dev --scope a --expire 1d --not-before 1h");
    msb.env.insert("MSB_API_KEY".into(), key.clone().into());
    let verdict = |msb: &mut Msb, flags: &str, exit: u8, verdict: &str| {
        let ran = msb.ends(&format!("verify {flags} --json"), exit);
        let answer: serde_json::Value = serde_json::from_str(&ran.stdout).unwrap();
        assert_eq!(answer["verdict"], verdict);
        assert_eq!(answer["exit"], exit);
        assert_eq!(answer["valid"], exit == 0);
        answer
    };
    verdict(&mut msb, "", 13, "not_yet_valid");
    msb.now = NOW + 3599;
    verdict(&mut msb, "", 13, "not_yet_valid");
    msb.now = NOW + 3600;
    verdict(&mut msb, "", 0, "valid");
    verdict(&mut msb, "-n dev --scope a", 0, "valid");
    verdict(&mut msb, "-n prod --scope b", 15, "wrong_namespace");
    verdict(&mut msb, "-n '*'", 15, "wrong_namespace");
    verdict(&mut msb, "-n dev --scope b", 15, "wrong_scope");
    verdict(&mut msb, "-n dev -n prod", 15, "wrong_namespace");
    msb.now = NOW + 86_399;
    verdict(&mut msb, "", 0, "valid");
    msb.now = NOW + 86_400;
    verdict(&mut msb, "", 12, "expired");
    verdict(&mut msb, "--at 2026-11-24T09:59:59Z", 0, "valid");
    msb.now = NOW + 3600;
    verdict(&mut msb, "--at 1y", 12, "expired");
    verdict(&mut msb, "--at 2026-11-23T09:58:59Z", 13, "not_yet_valid");
    assert_eq!(msb.run(&format!("server revoke {FIRST}")).exit, 0);
    verdict(&mut msb, "", 14, "revoked");
    verdict(&mut msb, "--at 2026-11-23T11:30:00Z", 14, "revoked");
    verdict(&mut msb, "--at 1y", 12, "expired");

    let key = msb.key("");
    let (head, tail) = key.split_at(key.len() - 3);
    let forged = format!("{head}{}{}", if tail.starts_with('A') { 'B' } else { 'A' }, &tail[1..]);
    msb.env.insert("MSB_API_KEY".into(), forged.into());
    let answer = verdict(&mut msb, "--at 1y", 11, "bad_signature");
    for claim in ["id", "kid", "namespaces", "scope", "owner", "issued_at", "expires_at"] {
        assert!(answer[claim].is_null(), "{claim} of a forged key is told");
    }
    msb.env.insert("MSB_API_KEY".into(), "msb_a.b.c".into());
    verdict(&mut msb, "", 10, "malformed");
}

#[test]
fn a_stranger_s_server_key_is_unknown() {
    let mut msb = Msb::with_server_key();
    let mut other = Msb::new();
    // Other dice: a key that is refused draws nothing, so draw once in vain.
    other.run("server keygen --expire 1d --owner first");
    std::fs::remove_dir_all(other.home()).unwrap();
    let foreign = other.key("-n dev");
    msb.stdin = foreign.into_bytes();
    let ran = msb.ends("verify -", 11);
    assert!(ran.stdout.starts_with("unknown_server_key: no server key "), "{}", ran.stdout);
}

#[test]
fn verify_needs_no_home_with_a_public_key() {
    let mut msb = Msb::new();
    let key = msb.key("-n dev --expire 1d");
    let mut elsewhere = Msb::new();
    elsewhere.stdin = format!("{key}\n").into_bytes();
    for (format, flag) in
        [("jwks", "--jwks"), ("jwk", "--jwks"), ("pem", "--public-key"), ("jwk", "--public-key")]
    {
        let public = msb.run(&format!("server key show --format {format}")).stdout;
        let path = elsewhere.scratch.path(format);
        std::fs::write(&path, public).unwrap();
        let line = format!("verify - {flag} {}", path.display());
        elsewhere.check(
            &format!("{line} -n dev"),
            0,
            "valid: key 40gj48s44mk2ea19 opens dev until Tue 2026-11-24T10:00:00Z (in 1 day); read from standard input; revocation: not checked\n",
            "",
        );
        elsewhere.ends(&format!("{line} -n prod"), 15);
        let ran = elsewhere.run(&format!("{line} --json"));
        assert!(
            ran.stdout
                .contains(r#"{"check":"revocation","result":"skipped","detail":"not checked"}"#)
        );
    }
    assert!(!elsewhere.home().exists(), "a home was made");
    elsewhere.ends("verify - --jwks /nowhere", 65);
    let secret = msb.file("server.key").display().to_string();
    let ran = elsewhere.ends(&format!("verify - --public-key {secret}"), 65);
    assert!(ran.stderr.contains("holds a private key, not a public one"), "{}", ran.stderr);
    elsewhere.ends(&format!("verify - --jwks {secret}"), 65);
}

#[test]
fn inspect_believes_nothing() {
    let mut msb = Msb::new();
    let key = msb.key("-n dev --owner alice --expire 1d");
    let mut elsewhere = Msb::new();
    elsewhere.stdin = format!("{key}\n").into_bytes();
    elsewhere.check(
        "inspect -",
        0,
        "UNVERIFIED: this is what the key claims, true or not\n\
         id          40gj48s44mk2ea19\n\
         server key  1IG2tMH7J2w\n\
         namespaces  dev\n\
         owner       alice\n\
         issued      Mon 2026-11-23T10:00:00Z (0 seconds ago)\n\
         ends        Tue 2026-11-24T10:00:00Z (in 1 day)\n",
        "read from standard input; `msb verify` tells whether it holds\n",
    );
    elsewhere.check(
        "inspect - --json",
        0,
        "{\"schema\":\"msb.inspect/1\",\"verified\":false,\"id\":\"40gj48s44mk2ea19\",\"kid\":\"1IG2tMH7J2w\",\
         \"namespaces\":[\"dev\"],\"scope\":null,\"owner\":\"alice\",\"issuer\":null,\"audience\":null,\
         \"issued_at\":\"2026-11-23T10:00:00Z\",\"not_before\":null,\
         \"expires_at\":\"2026-11-24T10:00:00Z\",\"source\":\"standard input\"}\n",
        "",
    );
    elsewhere.stdin = b"msb_x".to_vec();
    elsewhere.check(
        "inspect -",
        10,
        "",
        "msb: error: the key is malformed: it is not three parts with a point between\n\
         msb: hint: copy the whole key, and nothing but the key\n",
    );
    assert!(!elsewhere.home().exists());
}

#[test]
fn the_clock_is_read_after_the_key_has_come() {
    let mut msb = Msb::new();
    msb.stdin = msb.key("--expire 2s").into_bytes();
    msb.waits = 1;
    msb.ends("verify -", 0);
    msb.waits = 2;
    msb.ends("verify -", 12);
}

#[test]
fn a_key_for_an_audience_is_not_verified_where_none_is_known() {
    let mut msb = Msb::with_server_key();
    std::fs::write(msb.file("config.toml"), "audience = \"web\"\n").unwrap();
    msb.stdin = msb.key("").into_bytes();
    assert_eq!(msb.run("verify -").exit, 0);
    let jwks = msb.scratch.path("jwks.json");
    std::fs::write(&jwks, msb.run("server key show --format jwks").stdout).unwrap();
    let ran = msb.ends(&format!("verify - --jwks {}", jwks.display()), 15);
    assert!(ran.stderr.contains("`--jwks` and `--public-key` know no audience"), "{}", ran.stderr);
}
