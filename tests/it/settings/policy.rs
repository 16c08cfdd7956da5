//! A policy, at the making of keys and at their use.

use std::fs;

use super::set;
use crate::harness::{Msb, NOW};

const DAY: i64 = 86_400;

/// A key from before there was a policy, in `MSB_API_KEY`.
fn msb(flags: &str) -> Msb {
    let mut msb = Msb::new();
    let key = msb.key(flags);
    msb.env.insert("MSB_API_KEY".into(), key.into());
    msb
}

#[test]
fn a_new_key_keeps_to_the_policy() {
    let mut msb = msb("");
    set(
        &msb,
        "[policy]\nmin_expire = \"1h\"\nmax_expire = \"90d\"\nrequire_expire = true\n\
         require_namespace = true\nrequire_name = true\n",
    );
    let mut refused = |flags: &str, message: &str, hint: &str| {
        let told =
            format!("msb: error: against policy: {message}\nmsb: hint: {hint} in config.toml\n");
        msb.check(&format!("server keygen {flags}"), 6, "", &told);
    };
    let over = "give `--expire 90d` or less, or change `max_expire` under `[policy]`";
    refused("", "the key does not expire, and `max_expire` is 90d", over);
    refused("--expire never", "the key does not expire, and `max_expire` is 90d", over);
    refused(
        "--expire 7776001s -n a --name n",
        "the key ends at 2027-02-21T10:00:01Z, and `max_expire` is 90d: at 2027-02-21T10:00:00Z \
         at the latest",
        over,
    );
    refused(
        "--expire 3599s -n a --name n",
        "the key ends at 2026-11-23T10:59:59Z, and `min_expire` is 1h: at 2026-11-23T11:00:00Z \
         at the earliest",
        "give `--expire 1h` or more, or change `min_expire` under `[policy]`",
    );
    refused(
        "--expire 1d --name n",
        "the key opens every namespace, and `require_namespace` is set",
        "give `--namespace`, or change `require_namespace` under `[policy]`",
    );
    refused(
        "--expire 1d -n a",
        "the key has no name, and `require_name` is set",
        "give `--name`, or change `require_name` under `[policy]`",
    );
    for expire in ["7776000s", "90d", "2027-02-21T10:00:00Z", "1h", "3600s"] {
        msb.ends(&format!("server keygen --expire {expire} -n a --name n"), 0);
    }
    set(&msb, "[policy]\nrequire_expire = true\n");
    msb.check(
        "server keygen",
        6,
        "",
        "msb: error: against policy: the key does not expire, and `require_expire` is set\n\
         msb: hint: give `--expire`, or change `require_expire` under `[policy]` in config.toml\n",
    );
    let ran = msb.ends("server keygen --json", 6);
    assert!(ran.stderr.contains(r#""code":"policy""#), "{}", ran.stderr);
}

#[test]
fn a_refused_key_leaves_nothing() {
    let mut msb = Msb::new();
    fs::create_dir(msb.home()).unwrap();
    set(&msb, "[policy]\nrequire_expire = true\n");
    msb.ends("server keygen", 6);
    let left = fs::read_dir(msb.home()).unwrap().map(|entry| entry.unwrap().file_name());
    assert_eq!(left.collect::<Vec<_>>(), ["config.toml"]);
    msb.ends("server keygen --expire 1d", 0);
}

#[test]
fn a_key_gets_the_default_end() {
    let mut msb = msb("");
    set(&msb, "[policy]\ndefault_expire = \"3mo\"\n");
    let mut ends = |flags: &str, expires_at: &str| {
        let ran = msb.ends(&format!("server keygen --json {flags}"), 0);
        let answer: serde_json::Value = serde_json::from_str(&ran.stdout).unwrap();
        assert_eq!(answer["expires_at"].as_str().unwrap_or("never"), expires_at, "{flags}");
    };
    ends("", "2027-02-23T10:00:00Z");
    ends("--expire 1d", "2026-11-24T10:00:00Z");
    ends("--expire never", "never");
    msb.check(
        "server keygen --not-before 4mo",
        2,
        "",
        "msb: error: the key would end before it begins\n\
         msb: hint: choose `--expire` after `--not-before`\n",
    );
    set(&msb, "[policy]\ndefault_expire = \"9000y\"\n");
    let ran = msb.ends("server keygen --json", 0);
    assert!(ran.stdout.contains("9999-12-31T23:59:59Z"), "{}", ran.stdout);
}

#[test]
fn a_wait_for_another_command_breaks_no_policy() {
    let mut msb = msb("");
    // The key is asked for now, and made two seconds later.
    msb.waits = 2;
    set(&msb, "[policy]\ndefault_expire = \"30d\"\nmin_expire = \"30d\"\nmax_expire = \"30d\"\n");
    msb.ends("server keygen", 0);
}

#[test]
fn a_key_that_is_used_keeps_to_the_policy_of_the_day() {
    let mut msb = msb("--expire 90d");
    let mut verdict = |settings: &str, exit: u8, told: &str| {
        set(&msb, settings);
        let ran = msb.ends("verify", exit);
        assert!(ran.stdout.starts_with(told), "{}", ran.stdout);
    };
    verdict("[policy]\nmax_expire = \"90d\"\n", 0, "valid");
    verdict("[policy]\nmax_expire = \"7776000s\"\n", 0, "valid");
    verdict("[policy]\nmax_expire = \"7775999s\"\n", 6, "policy: the key ends at");
    // To 23 January, and on from there.
    verdict("[policy]\nmax_expire = \"2mo29d\"\n", 0, "valid");
    verdict(
        "[policy]\nmax_expire = \"2mo28d\"\n",
        6,
        "policy: the key ends at 2027-02-21T10:00:00Z, and `max_expire` is 2mo28d: at \
         2027-02-20T10:00:00Z at the latest; read from MSB_API_KEY\n",
    );
    verdict("[policy]\nrequire_expire = true\n", 0, "valid");
    verdict("[policy]\nmin_expire = \"1y\"\nrequire_name = true\n", 0, "valid");
    verdict(
        "[policy]\nrequire_namespace = true\n",
        6,
        "policy: the key opens every namespace, and `require_namespace` is set; read",
    );
}

#[test]
fn policy_is_judged_after_revocation_and_before_the_namespace() {
    let mut msb = msb("-n dev");
    set(&msb, "[policy]\nmax_expire = \"90d\"\n");
    msb.check(
        "verify --explain -n prod",
        6,
        "policy: the key does not expire, and `max_expire` is 90d; read from MSB_API_KEY\n  \
           spelling    ok\n  \
           server_key  ok       1IG2tMH7J2w\n  \
           signature   ok\n  \
           standing    ok\n  \
           audience    ok\n  \
           start       ok       2026-11-23T10:00:00Z\n  \
           end         ok       never\n  \
           revocation  ok\n  \
           policy      failed   the key does not expire, and `max_expire` is 90d; issue one that \
           ends sooner: `msb server keygen --expire 90d`, or change `max_expire` under `[policy]` \
           in config.toml\n  \
           namespace   skipped\n  \
           scope       skipped\n",
        "",
    );
    msb.ends("server revoke 40gj48s44mk2ea19", 0);
    msb.ends("verify -n prod", 14);
}

#[test]
fn a_verifier_without_a_home_knows_no_policy() {
    let mut msb = msb("");
    set(&msb, "[policy]\nmax_expire = \"90d\"\n");
    msb.ends("verify", 6);
    let jwks = msb.scratch.path("jwks.json");
    fs::write(&jwks, msb.run("server key show --format jwks").stdout).unwrap();
    let ran = msb.ends(&format!("verify --jwks {} --json", jwks.display()), 0);
    let skipped = r#"{"check":"policy","result":"skipped","detail":"not checked"}"#;
    assert!(ran.stdout.contains(skipped), "{}", ran.stdout);
}

#[test]
fn status_counts_the_active_keys_that_policy_refuses() {
    let mut msb = msb("--expire 10d");
    msb.key("--count 3 --expire 11d");
    msb.key("--expire 20d --not-before 15d");
    msb.key("--name gone");
    msb.ends("server revoke gone", 0);
    let mut attention = |settings: &str, told: &str| {
        set(&msb, settings);
        let ran = msb.run("server status --check --json");
        assert!(ran.stdout.contains(told), "{}", ran.stdout);
        assert_eq!(ran.stdout.contains("against_policy"), told.contains("against_policy"));
    };
    attention("[policy]\nmax_expire = \"11d\"\nrequire_name = true\n", "");
    attention(
        "[policy]\nmax_expire = \"263h\"\n",
        r#"{"code":"against_policy","message":"3 active keys are refused by policy: 7rzm0ga28d24ahj7 6gtkcdsr74x3pf1x 58njrb9e5wr32chk","hint":"issue others, or change `[policy]` in config.toml"}"#,
    );
    attention(
        "[policy]\nrequire_namespace = true\n",
        r#""code":"against_policy","message":"4 active"#,
    );
    msb.now = NOW + 10 * DAY;
    msb.key("-n dev --expire 1d");
    set(&msb, "[policy]\nmax_expire = \"264h\"\n");
    assert_eq!(msb.run("server status").stdout.matches("policy").count(), 0);
    set(&msb, "[policy]\nmax_expire = \"25h\"\n");
    msb.now = NOW + 11 * DAY;
    // All but the last are over by now.
    assert_eq!(msb.run("server status").stdout.matches("policy").count(), 0);
    set(&msb, "[policy]\nmax_expire = \"23h\"\n");
    msb.now = NOW + 11 * DAY - 1;
    let ran = msb.ends("server status", 0);
    let told = "attention   4 active keys are refused by policy: \
                bhenwqv0c5h66s35 7rzm0ga28d24ahj7 6gtkcdsr74x3pf1x 58njrb9e5wr32chk\n            \
                issue others, or change `[policy]` in config.toml\n";
    assert!(ran.stdout.contains(told), "{}", ran.stdout);
}
