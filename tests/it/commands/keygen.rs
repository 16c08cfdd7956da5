//! `keygen`.

use super::FIRST;
use crate::harness::Msb;

#[test]
fn a_first_key_says_all_of_it_on_a_terminal() {
    let mut msb = Msb::new();
    msb.terminal = true;
    msb.check(
        "server keygen --color never --not-before 1h --expire 2h --scope b --scope a.* --scope b",
        0,
        "msb_…\n",
        "key 40gj48s44mk2ea19 opens every namespace, allows a.* b, until Mon 2026-11-23T12:00:00Z (in 2 hours)\n\
         it begins on Mon 2026-11-23T11:00:00Z (in 1 hour)\n\
         made server key 1IG2tMH7J2w, the first one here\n\
         copy it now: msb keeps none\n",
    );
    msb.check("server keygen -q", 0, "msb_…\n", "");
}

#[test]
fn keygen_answers_in_json() {
    let mut msb = Msb::new();
    let ran = msb.run("server keygen --json -n b -n a --scope x --name n --owner alice@example.org --expire 1d --not-before 1h");
    let answer: serde_json::Value = serde_json::from_str(&ran.stdout).unwrap();
    assert!(answer["key"].as_str().unwrap().starts_with("msb_ey"));
    let mut rest = answer.clone();
    rest.as_object_mut().unwrap().remove("key");
    assert_eq!(
        rest,
        serde_json::json!({
            "schema": "msb.keygen/1", "id": FIRST, "kid": "1IG2tMH7J2w", "namespaces": ["a", "b"],
            "scope": "x", "name": "n", "owner": "alice@example.org",
            "issued_at": "2026-11-23T10:00:00Z", "not_before": "2026-11-23T11:00:00Z",
            "expires_at": "2026-11-24T10:00:00Z",
        })
    );
    let ran = msb.run("server keygen --json");
    for absent in ["scope", "name", "owner", "not_before", "expires_at"] {
        assert!(ran.stdout.contains(&format!("\"{absent}\":null")), "{absent}");
    }
    assert!(ran.stdout.contains(r#""namespaces":["*"]"#));
}

#[test]
fn several_keys_are_a_line_each() {
    let mut msb = Msb::new();
    msb.check(
        "server keygen --count 3 -n load --name batch",
        0,
        "msb_…\nmsb_…\nmsb_…\n",
        "3 keys, first 40gj48s44mk2ea19 (batch), open load, allow every operation, and do not expire\n",
    );
    msb.check(
        "server show batch",
        6,
        "",
        "msb: error: `batch` is several keys: 6gtkcdsr74x3pf1x 58njrb9e5wr32chk 40gj48s44mk2ea19\n\
         msb: hint: name one of them by its id\n",
    );
    assert_eq!(msb.run("server keygen --count 2 --json").stdout.lines().count(), 2);
    msb.ends("server keygen --count 0", 2);
    msb.ends("server keygen --count 1000001", 2);
}

#[test]
fn a_key_can_go_to_a_file_that_only_its_owner_reads() {
    use std::os::unix::fs::MetadataExt;
    let mut msb = Msb::new();
    let path = msb.scratch.path("a.key");
    let line = format!("server keygen -o {}", path.display());
    msb.check(
        &line,
        0,
        "",
        "key 40gj48s44mk2ea19 opens every namespace, allows every operation, and does not expire\n",
    );
    assert_eq!(path.metadata().unwrap().mode() & 0o7777, 0o600);
    let first = std::fs::read_to_string(&path).unwrap();
    msb.check(
        &line,
        73,
        "",
        "msb: error: …/a.key is there already\n\
         msb: hint: choose another file, or overwrite it with `--force`\n",
    );
    assert_eq!(std::fs::read_to_string(&path).unwrap(), first);
    msb.check(
        "server list",
        0,
        "40gj48s44mk2ea19\tactive\t*\t-\t-\t-\t2026-11-23T10:00:00Z\t-\t-\n",
        "1 key\n",
    );
    assert_eq!(msb.run(&format!("{line} --force")).exit, 0);
    assert_ne!(std::fs::read_to_string(&path).unwrap(), first);
    assert_eq!(msb.run(&format!("verify --key-file {}", path.display())).exit, 0);
    let beside = std::fs::read_dir(&msb.scratch.0).unwrap().count();
    assert_eq!(beside, 2, "the home and the key, and nothing beside them");
    msb.ends("server keygen --force", 2);
}

#[test]
fn names_do_not_look_like_ids_or_keys() {
    let mut msb = Msb::new();
    msb.ends("server keygen --name 40gj48s44mk2ea19", 2);
    msb.ends("server keygen --name msb_x", 2);
    msb.ends("server keygen --name -", 2);
    for name in ["a\u{1b}[31mb", "a\u{202e}b", "a\nb", "", " a", &"x".repeat(129)] {
        assert_eq!(msb.run_words(&["server", "keygen", "--name", name]).exit, 2, "{name:?}");
    }
    assert!(!msb.home().exists(), "a refused command made a home");
    let reason = msb.run_words(&["server", "revoke", "x", "--reason", "a\u{200b}"]);
    assert_eq!(reason.exit, 2);
}

#[test]
fn no_key_is_born_dead() {
    let mut msb = Msb::with_server_key();
    // Another command holds the database for two seconds.
    msb.waits = 2;
    let ran = msb.ends("server keygen --expire 2s", 6);
    assert!(ran.stderr.contains("the key would never hold: the key ended at"), "{}", ran.stderr);
    assert_eq!(msb.run("server keygen --expire 3s").exit, 0);
    let ran = msb.run("server list --json");
    assert!(ran.stdout.contains(r#""issued_at":"2026-11-23T10:00:02Z""#), "{}", ran.stdout);
    assert_eq!(ran.stdout.matches(r#""id""#).count(), 2);
}

#[test]
fn a_key_is_not_issued_into_a_closed_stream() {
    let mut msb = Msb::new();
    msb.stdout_is_closed = true;
    msb.check(
        "server keygen",
        74,
        "",
        "msb: error: standard output is closed\n\
         msb: hint: open it, or write to a file with `-o FILE`\n",
    );
    assert!(!msb.home().exists());
    let path = msb.scratch.path("key");
    assert_eq!(msb.run(&format!("server keygen -o {}", path.display())).exit, 0);
}

#[test]
fn a_file_is_made_last_of_all() {
    let mut msb = Msb::new();
    let path = msb.scratch.path("key");
    std::fs::write(&path, "precious").unwrap();
    msb.stderr_fails = Some(std::io::ErrorKind::StorageFull);
    msb.ends(&format!("server keygen --force -o {}", path.display()), 74);
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "precious");
    msb.stderr_fails = None;
    let directory = msb.scratch.0.display().to_string();
    let ran = msb.ends(&format!("server keygen -o {directory}"), 73);
    assert!(ran.stderr.contains("is not a plain file\nmsb: hint: name a file"), "{}", ran.stderr);
    let missing = msb.scratch.path("no/such/key");
    let ran = msb.ends(&format!("server keygen -o {}", missing.display()), 73);
    assert!(ran.stderr.contains("no/such/key: "), "{}", ran.stderr);
    assert!(ran.stderr.contains("hint: make the directory of that file first"), "{}", ran.stderr);
}
