//! `list`, `show` and `revoke`.

use super::{FIRST, SECOND, THIRD};
use crate::harness::Msb;

#[track_caller]
fn lists(msb: &mut Msb, flags: &str, expected: &[&str]) {
    let ran = msb.run(&format!("server list {flags}"));
    let ids: Vec<_> = ran.stdout.lines().map(|line| line.split('\t').next().unwrap()).collect();
    assert_eq!(ids, expected, "{flags}: {}", ran.stderr);
}

#[test]
fn list_finds_by_everything() {
    let mut msb = Msb::new();
    msb.run("server keygen -n dev --owner alice --name ci-a");
    msb.run("server keygen --owner bob --name ci-b --expire 1d");
    msb.run("server keygen -n prod -n dev --not-before 1h --name deploy");
    lists(&mut msb, "", &[THIRD, SECOND, FIRST]);
    lists(&mut msb, "-n dev", &[THIRD, SECOND, FIRST]);
    lists(&mut msb, "-n prod", &[THIRD, SECOND]);
    lists(&mut msb, "-n de", &[SECOND]);
    lists(&mut msb, "--owner alice", &[FIRST]);
    lists(&mut msb, "--name 'ci-*'", &[SECOND, FIRST]);
    lists(&mut msb, "--name ci", &[]);
    lists(&mut msb, "--state active", &[SECOND, FIRST]);
    lists(&mut msb, "--state not_yet_valid", &[THIRD]);
    lists(&mut msb, "--state revoked", &[]);
    lists(&mut msb, "--expiring 1d", &[SECOND]);
    lists(&mut msb, "--expiring 23h", &[]);
    lists(&mut msb, "--limit 1", &[THIRD]);
    lists(&mut msb, &format!("--limit 1 --after {THIRD}"), &[SECOND]);
    lists(&mut msb, &format!("--after {FIRST}"), &[]);
    lists(&mut msb, "--limit 0", &[THIRD, SECOND, FIRST]);
    msb.run(&format!("server revoke {FIRST} {SECOND}"));
    lists(&mut msb, "", &[THIRD]);
    lists(&mut msb, "--state revoked", &[SECOND, FIRST]);
    lists(&mut msb, "--state all", &[THIRD, SECOND, FIRST]);
    lists(&mut msb, "--expiring 1d", &[]);
    msb.check(
        "server list --limit 1 --state all",
        0,
        "6gtkcdsr74x3pf1x\tnot_yet_valid\tdev prod\t-\t-\tdeploy\t2026-11-23T10:00:00Z\t-\t-\n",
        "there are more: --after 6gtkcdsr74x3pf1x\n",
    );
    msb.ends("server list --after 0000000000000000", 5);
    msb.ends("server list --after nonsense", 2);
    msb.ends("server list --state dead", 2);
    msb.ends("server list --expiring 14d --state revoked", 2);
    let ran = msb.run("server list --json --limit 1");
    assert!(ran.stdout.starts_with(r#"{"schema":"msb.list/1","keys":[{"id":"6gtkcdsr74x3pf1x","name":"deploy","owner":null,"namespaces":["dev","prod"],"scope":null,"kid":"1IG2tMH7J2w","issued_at":"2026-11-23T10:00:00Z","expires_at":null,"last_used":null,"state":"not_yet_valid","reason":null}],"next":null}"#), "{}", ran.stdout);
}

#[test]
fn a_long_list_is_read_page_by_page() {
    let mut msb = Msb::new();
    msb.key("--count 10002");
    let ids = |text: &str| {
        let ids = text.lines().map(|line| line.split('\t').next().unwrap().to_owned());
        ids.collect::<Vec<_>>()
    };
    let all = ids(&msb.run("server list --limit 0").stdout);
    assert_eq!(all.len(), 10_002);
    assert_eq!(all.iter().collect::<std::collections::HashSet<_>>().len(), 10_002);
    let ran = msb.run("server list --limit 10001 --json");
    let told: serde_json::Value = serde_json::from_str(&ran.stdout).unwrap();
    assert_eq!(told["keys"].as_array().unwrap().len(), 10_001);
    assert_eq!(told["next"], all[10_000].as_str());
    let rest = msb.run(&format!("server list --after {}", all[10_000]));
    assert_eq!(ids(&rest.stdout), all[10_001..]);
    for exactly in [10_000, 10_002] {
        let ran = msb.run(&format!("server list --limit {exactly}"));
        assert_eq!(ids(&ran.stdout), all[..exactly]);
        assert_eq!(ran.stderr.starts_with("there are more"), exactly < 10_002);
    }
}

#[test]
fn list_is_a_table_on_a_terminal() {
    let mut msb = Msb::with_server_key();
    msb.terminal = true;
    msb.check(
        "server list --color never",
        0,
        "ID                STATE   NAMESPACES  SCOPE  OWNER  NAME  ISSUED                ENDS  LAST USED\n\
          40gj48s44mk2ea19  active  *           -      -      -     2026-11-23T10:00:00Z  -     -\n",
        "1 key\n",
    );
}

#[test]
fn revoke_takes_ids_names_and_keys() {
    let mut msb = Msb::new();
    let first = msb.key("--name one");
    msb.run("server keygen --name two");
    msb.run("server keygen --name three");
    msb.check(
        "server revoke two --dry-run",
        0,
        "58njrb9e5wr32chk (two) would be revoked\n",
        "nothing was changed\n",
    );
    msb.stdin = format!("{first}\n\ntwo\r\n6gtk\n").into_bytes();
    msb.check(
        "server revoke - two -q",
        0,
        "40gj48s44mk2ea19 (one) is revoked\n\
         58njrb9e5wr32chk (two) is revoked\n\
         6gtkcdsr74x3pf1x (three) is revoked\n",
        "",
    );
    msb.now += 60;
    msb.check(
        "server revoke one -q",
        0,
        "40gj48s44mk2ea19 (one) was revoked before, at 2026-11-23T10:00:00Z\n",
        "",
    );
    msb.check(
        "server revoke 40gj48s44mk2ea19 --json",
        0,
        "{\"schema\":\"msb.revoke/1\",\"dry_run\":false,\"revoked\":[{\"id\":\"40gj48s44mk2ea19\",\"name\":\"one\",\
         \"already_revoked\":true,\"revoked_at\":\"2026-11-23T10:00:00Z\"}],\"rule\":null}\n",
        "",
    );
}

#[test]
fn one_wrong_target_revokes_nothing() {
    let mut msb = Msb::new();
    let mut key = msb.key("--name one");
    msb.check(
        "server revoke one nobody",
        5,
        "",
        "msb: error: no key `nobody`\nmsb: hint: run `msb server list --state all`\n",
    );
    let last = key.pop().unwrap();
    let ran = msb.ends(&format!("server revoke one {key}"), 10);
    assert!(ran.stdout.is_empty());
    key.pop();
    key.push(if last == 'A' { 'Q' } else { 'A' });
    key.push('A');
    msb.ends(&format!("server revoke one {key}"), 11);
    msb.stdin = vec![];
    msb.ends("server revoke -", 2);
    msb.ends("server revoke", 2);
    msb.ends("server revoke 40g", 5);
    msb.check(
        "server list",
        0,
        "40gj48s44mk2ea19\tactive\t*\t-\t-\tone\t2026-11-23T10:00:00Z\t-\t-\n",
        "1 key\n",
    );
}

#[test]
fn a_live_name_wins_over_the_start_of_an_id_and_a_dead_one_does_not_hide_it() {
    let mut msb = Msb::new();
    msb.run("server keygen --name 58nj");
    msb.run("server keygen --name x");
    msb.check("server revoke 58nj -q", 0, "40gj48s44mk2ea19 (58nj) is revoked\n", "");
    // Neither a stranger's key nor a dead one is taken for what is meant.
    msb.check(
        "server revoke 58nj -q",
        6,
        "",
        "msb: error: `58nj` is several keys: 58njrb9e5wr32chk 40gj48s44mk2ea19\n\
         msb: hint: name one of them by its id\n",
    );
    msb.check("server revoke x -q", 0, "58njrb9e5wr32chk (x) is revoked\n", "");
    msb.check(
        "server revoke x -q",
        0,
        "58njrb9e5wr32chk (x) was revoked before, at 2026-11-23T10:00:00Z\n",
        "",
    );
    msb.run("server keygen --name x");
    msb.check("server revoke x -q", 0, "6gtkcdsr74x3pf1x (x) is revoked\n", "");
}

#[test]
fn what_is_told_of_a_revocation_is_what_is_kept() {
    let mut msb = Msb::new();
    msb.run("server keygen --name x");
    // Another command holds the database for a while.
    msb.waits = 3;
    let ran = msb.run("server revoke x --json");
    assert!(ran.stdout.contains(r#""revoked_at":"2026-11-23T10:00:03Z""#), "{}", ran.stdout);
    let ran = msb.run("server show x --json");
    assert!(ran.stdout.contains(r#""revoked_at":"2026-11-23T10:00:03Z""#), "{}", ran.stdout);
}

#[test]
fn a_key_is_revoked_by_its_text_under_whatever_prefix() {
    let mut msb = Msb::new();
    let key = msb.key("");
    let named = msb.key("--name my_app.v1");
    std::fs::write(msb.file("config.toml"), "prefix = \"rb_\"\n").unwrap();
    msb.check(&format!("server revoke {key} -q"), 0, "40gj48s44mk2ea19 is revoked\n", "");
    msb.check("server revoke my_app.v1 -q", 0, "58njrb9e5wr32chk (my_app.v1) is revoked\n", "");
    msb.check(
        &format!("server revoke {named} -q"),
        0,
        "58njrb9e5wr32chk (my_app.v1) was revoked before, at 2026-11-23T10:00:00Z\n",
        "",
    );
    msb.ends("server revoke rb_x.y.z", 10);
}

#[test]
fn show_tells_everything() {
    let mut msb = Msb::new();
    msb.run(
        "server keygen --name one --owner alice --scope 'a.*' -n dev --not-before 1h --expire 2h",
    );
    msb.run(&format!("server revoke {FIRST} --reason 'laptop lost'"));
    let ran = msb.run("server show 40gj");
    assert!(
        ran.stdout.starts_with(
            "id          40gj48s44mk2ea19\n\
         state       revoked\n\
         name        one\n\
         owner       alice\n\
         namespaces  dev\n\
         scope       a.*\n\
         issued      Mon 2026-11-23T10:00:00Z (0 seconds ago)\n\
         begins      Mon 2026-11-23T11:00:00Z (in 1 hour)\n\
         ends        Mon 2026-11-23T12:00:00Z (in 2 hours)\n\
         cut off     Mon 2026-11-23T10:00:00Z (0 seconds ago)\n\
         reason      laptop lost\n\
         server key  1IG2tMH7J2w\n\
         sha256      "
        ),
        "{}",
        ran.stdout
    );
    let answer: serde_json::Value =
        serde_json::from_str(&msb.run("server show one --json").stdout).unwrap();
    assert_eq!(answer["schema"], "msb.show/1");
    assert_eq!(answer["reason"], "laptop lost");
    assert_eq!(answer["not_before"], "2026-11-23T11:00:00Z");
    assert_eq!(answer["revoked_at"], "2026-11-23T10:00:00Z");
}
