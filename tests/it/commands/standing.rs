//! `status`, `key show`, and the whole session.

use crate::harness::Msb;

#[test]
fn the_session_of_the_readme() {
    let mut msb = Msb::new();
    msb.check(
        "server keygen --expire 3mo --namespace team-alpha --name ci-deploy",
        0,
        "msb_…\n",
        "key 40gj48s44mk2ea19 (ci-deploy) opens team-alpha, allows every operation, until Tue 2027-02-23T10:00:00Z (in 92 days)\n",
    );
    let key = msb.key("--expire 1w -n project-web");
    msb.env.insert("MSB_API_KEY".into(), key.into());
    msb.check(
        "verify -n project-web",
        0,
        "valid: key 58njrb9e5wr32chk opens project-web until Mon 2026-11-30T10:00:00Z (in 7 days); read from MSB_API_KEY\n",
        "",
    );
    msb.check(
        "server list --expiring 14d",
        3,
        "58njrb9e5wr32chk\tactive\tproject-web\t-\t-\t-\t2026-11-23T10:00:00Z\t2026-11-30T10:00:00Z\t-\n",
        "1 key\n",
    );
    msb.check(
        "server revoke ci-deploy --reason 'laptop lost'",
        0,
        "40gj48s44mk2ea19 (ci-deploy) is revoked\n",
        "verifiers without this database (`--jwks`) do not learn of it\n",
    );
    msb.check(
        "server status",
        0,
        "server      not running; keys are required\n\
         server key  1IG2tMH7J2w, made at 2026-11-23T10:00:00Z\n\
         keys        1 active (1 expiring), 0 not yet valid, 0 expired, 1 revoked, 0 reset, 0 undelivered\n\
         attention   1 key ends within 14d\n            run `msb server list --expiring 14d`\n",
        "",
    );
}

#[test]
fn nothing_was_ever_kept_and_nothing_is_made() {
    let mut msb = Msb::new();
    msb.check("server list", 0, "", "no keys\n");
    msb.check(
        "server list --json",
        0,
        "{\"schema\":\"msb.list/1\",\"keys\":[],\"next\":null}\n",
        "",
    );
    msb.check(
        "server status",
        0,
        "server      not running; keys are required\n\
         server key  none\n\
         keys        0 active (0 expiring), 0 not yet valid, 0 expired, 0 revoked, 0 reset, 0 undelivered\n\
         attention   there is no server key\n            run `msb server keygen` to make one\n",
        "",
    );
    msb.ends("server status --check", 3);
    msb.ends("server show nobody", 5);
    msb.ends("server revoke nobody", 4);
    msb.ends("server key show", 4);
    msb.check(
        "verify msb_x",
        4,
        "",
        "msb: error: no server key in …/home\n\
         msb: hint: run `msb server keygen` to make one, or verify with `--jwks`\n",
    );
    assert!(!msb.home().exists());
}

#[test]
fn status_answers_in_json() {
    let mut msb = Msb::with_server_key();
    msb.check(
        "server status --json",
        0,
        "{\"schema\":\"msb.status/1\",\"server\":{\"running\":false,\"address\":null,\"pid\":null,\"upstream\":null,\"auth\":\"required\",\
         \"dev\":false,\"since\":null},\"server_key\":{\"kid\":\"1IG2tMH7J2w\",\
         \"fingerprint\":\"1IG2tMH7J2wbJZnOf8LJzQitKf7LMvoAElsuDMVM54Y\",\"created_at\":\"2026-11-23T10:00:00Z\",\
         \"file_ok\":true},\"keys\":{\"active\":1,\"expiring\":0,\"not_yet_valid\":0,\"expired\":0,\"revoked\":0,\
         \"reset\":0,\"undelivered\":0},\"attention\":[]}\n",
        "",
    );
    msb.check("server status --check -q", 0, &msb_status_text(), "");
}

fn msb_status_text() -> String {
    "server      not running; keys are required\n\
     server key  1IG2tMH7J2w, made at 2026-11-23T10:00:00Z\n\
     keys        1 active (0 expiring), 0 not yet valid, 0 expired, 0 revoked, 0 reset, 0 undelivered\n"
        .to_owned()
}

#[test]
fn the_server_key_is_shown_in_every_form() {
    let mut msb = Msb::with_server_key();
    let remark = "server key 1IG2tMH7J2w, made at 2026-11-23T10:00:00Z\n";
    let thumbprint = "1IG2tMH7J2wbJZnOf8LJzQitKf7LMvoAElsuDMVM54Y";
    msb.check("server key show", 0, &format!("{thumbprint}\n"), remark);
    let jwk = "{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"x\":\"A6EHv_POEL4dcN0Y50vAmWfk1jCbpQ1fHdyGZBJVMbg\",\
               \"kid\":\"1IG2tMH7J2w\",\"use\":\"sig\",\"alg\":\"EdDSA\"}";
    msb.check("server key show --format jwk", 0, &format!("{jwk}\n"), remark);
    msb.check("server key show --format jwks -q", 0, &format!("{{\"keys\":[{jwk}]}}\n"), "");
    let pem = "-----BEGIN PUBLIC KEY-----\nMCowBQYDK2VwAyEAA6EHv/POEL4dcN0Y50vAmWfk1jCbpQ1fHdyGZBJVMbg=\n-----END PUBLIC KEY-----\n";
    msb.check("server key show --format pem", 0, pem, remark);
    let ran = msb.run("server key show --json");
    let answer: serde_json::Value = serde_json::from_str(&ran.stdout).unwrap();
    let expected = serde_json::json!({
        "schema": "msb.key/1", "kid": "1IG2tMH7J2w", "fingerprint": thumbprint,
        "created_at": "2026-11-23T10:00:00Z", "pem": pem, "dry_run": false, "retired": [],
        "dead": [], "keys": null, "holdings": null,
    });
    assert_eq!(answer, expected);
}
