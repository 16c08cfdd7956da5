//! What is answered at both doors, to what: the table of refusals, and what passes.

use std::time::Duration;

use serde_json::Value;

use crate::harness::{Answer, Home, SOON, Server, bearing, wait_for};

/// A server that words refusals in one way, and keys of every kind.
struct Doors {
    format: &'static str,
    home: Home,
    server: Server,
    good: String,
    limited: String,
    scoped: String,
    /// It has expired.
    expired: String,
    expired_at: String,
    /// Keys that hold no more or never did, and why.
    invalid: Vec<(&'static str, String)>,
}

/// A refusal in each of the words in which it may be told.
struct Words {
    message: &'static str,
    hint: &'static str,
    issue: &'static str,
    /// Members of `details` besides, as JSON.
    facts: String,
    microsandbox: &'static str,
}

impl Words {
    fn body(&self, format: &str, code: &str) -> String {
        let Self { message, hint, issue, facts, microsandbox } = self;
        let head = format!(r#"{{"success":false,"message":"{message}","error":{{"code":"{code}""#);
        match format {
            "default" => format!(
                r#"{head},"message":"{message}","hint":"{hint}","details":[{{"issue":"{issue}"{facts}}}]}}}}"#
            ),
            "superbox" => format!(
                r#"{head},"message":"{message}","details":{{"reason":"{issue}","hint":"{hint}"{facts}}}}}}}"#
            ),
            "microsandbox" => (*microsandbox).to_owned(),
            other => panic!("{other}"),
        }
    }
}

impl Doors {
    fn new(format: &'static str) -> Self {
        let home = Home::new();
        let policy = "[policy]\nmax_expire = \"1y\"\n";
        home.configure("");
        let too_long = home.key("--expire 2y");
        home.configure("audience = \"elsewhere\"\n");
        let elsewhere = home.key("--expire 1h");
        home.configure(&format!("{policy}[server]\nerror_format = \"{format}\"\n"));
        let made = home.done("server keygen --json --expire 3s");
        let made: Value = serde_json::from_str(&made).unwrap();
        let good = home.key("--expire 1h --owner alice@example.org");
        let revoked = home.key("--expire 1h --name lost");
        home.done("server revoke lost");
        let reset = {
            let other = Home::new();
            let key = other.key("--expire 1h");
            (key, other)
        };
        let (start, signature) = good.rsplit_once('.').unwrap();
        let swapped = if signature.as_bytes()[40] == b'A' { "B" } else { "A" };
        let forged = format!("{start}.{}{swapped}{}", &signature[..40], &signature[41..]);
        let server = home.start("");
        Self {
            format,
            server,
            limited: home.key("--expire 1h -n team-alpha -n team-gamma"),
            scoped: home.key("--expire 1h --scope sandbox.* --scope files.read"),
            expired: made["key"].as_str().unwrap().to_owned(),
            expired_at: made["expires_at"].as_str().unwrap().to_owned(),
            invalid: vec![
                ("malformed", "msb_x".to_owned()),
                ("malformed", format!("{good}x")),
                ("malformed", good.replace("msb_", "")),
                ("malformed", "x".repeat(5000)),
                ("bad_signature", forged),
                ("unknown_server_key", reset.0),
                ("revoked", revoked),
                ("wrong_audience", elsewhere),
                ("not_yet_valid", home.key("--expire 2h --not-before 1h")),
                ("policy", too_long),
            ],
            good,
            home,
        }
    }

    fn ask(&self, key: &str, asked: (&str, &str), lines: &str) -> [Answer; 2] {
        asked_at(&self.server, key, asked, lines)
    }

    #[track_caller]
    fn refuses(
        &self,
        asked: [Answer; 2],
        (status, code, challenge): (u16, &str, &str),
        words: &Words,
    ) {
        for answer in asked {
            assert_eq!(answer.status, status, "{answer:?}");
            assert_eq!(answer.header("x-msb-reason"), Some(code), "{answer:?}");
            let bearer = match challenge {
                "" => None,
                "-" => Some("Bearer realm=\"msb\"".to_owned()),
                error => Some(format!("Bearer realm=\"msb\", error={error}")),
            };
            assert_eq!(answer.header("www-authenticate"), bearer.as_deref(), "{answer:?}");
            assert_eq!(answer.header("content-type"), Some("application/json"));
            assert_eq!(answer.header("cache-control"), Some("no-store"));
            assert_eq!(answer.header("x-msb-dev"), None);
            assert!(!answer.headers.iter().any(|(name, _)| name.starts_with("x-msb-key")));
            assert_eq!(answer.body, words.body(self.format, code));
            serde_json::from_str::<Value>(&answer.body).unwrap();
        }
    }
}

/// What both doors answer to a key, where the operator asks for this: in the query for one, in
/// headers for the other, with these lines of the client's.
fn asked_at(server: &Server, key: &str, asked: (&str, &str), lines: &str) -> [Answer; 2] {
    let query = if asked.0.is_empty() { String::new() } else { format!("?{}", asked.0) };
    let bearer = if key.is_empty() { "" } else { &format!("\nAuthorization: Bearer {key}") };
    let lines = format!("{bearer}{lines}");
    [
        server.ask(&format!("GET /auth{query} HTTP/1.1\nHost: api.example.org{lines}")),
        server.ask(&format!(
            "GET /ext-authz/some/path?namespace=x&y HTTP/1.1\nHost: a{}{lines}",
            asked.1
        )),
    ]
}

const PLAIN: (&str, &str) = ("", "");

fn missing() -> Words {
    Words {
        message: "API key is missing",
        hint: "Send it as `Authorization: Bearer KEY` or `X-API-Key: KEY`",
        issue: "missing",
        facts: String::new(),
        microsandbox: r#"{"error":"Invalid credentials","code":1001}"#,
    }
}

fn invalid() -> Words {
    Words {
        message: "API key is not valid",
        hint: "Send the whole key, once, or ask for a new one",
        issue: "invalid",
        facts: String::new(),
        microsandbox: r#"{"error":"Invalid token","code":1004}"#,
    }
}

fn expired(at: &str) -> Words {
    Words {
        message: "API key has expired",
        hint: "Ask for a new key",
        issue: "expired",
        facts: format!(r#","expiredAt":"{at}""#),
        microsandbox: r#"{"error":"Token expired","code":1004}"#,
    }
}

fn forbidden(message: &'static str, hint: &'static str, issue: &'static str) -> Words {
    let microsandbox = r#"{"error":"Access denied","code":3001}"#;
    Words { message, hint, issue, facts: String::new(), microsandbox }
}

fn wrong_namespace(required: &str, current: &str) -> Words {
    let words = "API key does not open this namespace";
    Words {
        facts: format!(r#","required":{required},"current":{current}"#),
        ..forbidden(words, "Ask for a key that does", "wrong_namespace")
    }
}

fn wrong_scope(required: &str, current: &str) -> Words {
    let words = "API key does not allow this operation";
    Words {
        facts: format!(r#","required":{required},"current":{current}"#),
        ..forbidden(words, "Ask for a key that does", "wrong_scope")
    }
}

fn unjudged(kind: &str, current: &str) -> Words {
    let words = match kind {
        "namespace" => forbidden(
            "API key is limited to namespaces, and none was asked for here",
            "Name one with `namespace=` in the policy, leave it to the backend with \
             `any_namespace=1`, or use a key for every namespace",
            "namespace_unjudged",
        ),
        _ => forbidden(
            "API key is limited to operations, and none was asked for here",
            "Name one with `scope=` in the policy, leave it to the backend with \
             `any_scope=1`, or use a key for every operation",
            "scope_unjudged",
        ),
    };
    Words { facts: format!(r#","current":{current}"#), ..words }
}

fn policy_unclear() -> Words {
    forbidden(
        "What is asked of keys here cannot be read",
        "Look at the parameters: `namespace=`, `scope=`, `any_namespace=1`, `any_scope=1`",
        "policy_unclear",
    )
}

fn each_refusal_is_told(format: &'static str) {
    let doors = Doors::new(format);
    let refuses = |key: &str, asked, lines: &str, told, words: Words| {
        doors.refuses(doors.ask(key, asked, lines), told, &words);
    };
    let (none, bad) = ((401, "MISSING_TOKEN", "-"), (401, "INVALID_TOKEN", "\"invalid_token\""));
    let unclear = (401, "INVALID_TOKEN", "\"invalid_request\"");
    refuses("", PLAIN, "", none, missing());
    refuses("", PLAIN, "\nAuthorization: Basic YTpi", none, missing());
    refuses("", PLAIN, "\nAuthorization: Bearerx y", none, missing());
    for (_, key) in &doors.invalid {
        refuses(key, PLAIN, "", bad, invalid());
        refuses("", PLAIN, &format!("\nX-API-Key: {key}"), bad, invalid());
    }
    let good = &doors.good;
    for lines in [
        &format!("\nAuthorization: Bearer {good}\nAuthorization: Bearer {good}"),
        &format!("\nAuthorization: Bearer {good}\nauthorization: Basic YTpi"),
        &format!("\nAuthorization: Bearer {good}\nX-API-Key: {good}"),
        &format!("\nX-API-Key: {good}\nX-Api-Key: {good}"),
        &format!("\nAuthorization: Bearer {good}, Bearer {good}"),
        &format!("\nAuthorization: Bearer {good} {good}"),
        &format!("\nAuthorization: Bearer Bearer {good}"),
        &format!("\nAuthorization: Bearer \"{good}\""),
        "\nAuthorization: Bearer",
        "\nAuthorization: Bearerx",
        &format!("\nAuthorization: Bearer,{good}"),
        &format!("\nAuthorization: Bearer: {good}"),
        &format!("\nAuthorization: {good}"),
        "\nAuthorization:",
        "\nX-API-Key:",
        &format!("\nX-API-Key: Bearer {good}"),
    ] {
        let told = if lines.contains('"') { bad } else { unclear };
        refuses("", PLAIN, lines, told, invalid());
    }
    for lines in [
        "\nX-Namespace: a,b",
        "\nX-Namespace: a\nX-Namespace: a",
        "\nX-Namespace:",
        "\nX-Workspace-Id: a b",
        "\nX-Workspace-Id: -a",
        "\nX-Workspace-Id: caf\u{e9}",
    ] {
        refuses(good, PLAIN, lines, unclear, invalid());
        refuses("", PLAIN, lines, none, missing());
        refuses("msb_x", PLAIN, lines, bad, invalid());
    }
    wait_for("the key has expired", SOON, || {
        let [answer, _] = doors.ask(&doors.expired, PLAIN, "");
        (answer.status == 401).then_some(())
    });
    let over = (401, "EXPIRED_TOKEN", "\"invalid_token\"");
    refuses(&doors.expired, PLAIN, "", over, expired(&doors.expired_at));

    let no = (403, "FORBIDDEN", "\"insufficient_scope\"");
    let limited = &doors.limited;
    let beta = ("namespace=team-beta", "\nX-Msb-Require-Namespace: team-beta");
    let both = r#"["team-alpha","team-gamma"]"#;
    refuses(limited, beta, "", no, wrong_namespace(r#"["team-beta"]"#, both));
    let each = (
        "namespace=team-beta&namespace=team-alpha",
        "\nX-Msb-Require-Namespace: team-beta team-alpha",
    );
    refuses(limited, each, "", no, wrong_namespace(r#"["team-alpha","team-beta"]"#, both));
    let alpha = ("namespace=team-alpha", "\nX-Msb-Require-Namespace: team-alpha");
    let narrowed = wrong_namespace(r#"["team-alpha","team-beta"]"#, both);
    refuses(limited, alpha, "\nX-Namespace: team-beta", no, narrowed);
    let all = ("namespace=*", "\nX-Msb-Require-Namespace: *");
    refuses(limited, all, "", no, wrong_namespace(r#"["*"]"#, both));
    refuses(limited, alpha, "\nX-Workspace-Id: *", no, wrong_namespace(r#"["*"]"#, both));
    refuses(limited, PLAIN, "", no, unjudged("namespace", both));

    let scoped = &doors.scoped;
    let held = r#"["files.read","sandbox.*"]"#;
    let write = (403, "FORBIDDEN", "\"insufficient_scope\", scope=\"files.write sandbox.start\"");
    let asked = (
        "scope=files.write&scope=sandbox.start",
        "\nX-Msb-Require-Scope: sandbox.start files.write",
    );
    let required = r#"["files.write","sandbox.start"]"#;
    refuses(scoped, asked, "", write, wrong_scope(required, held));
    refuses(scoped, PLAIN, "", no, unjudged("scope", held));

    for asked in [
        ("namspace=a", "\nX-Msb-Require-Namespace: a,b"),
        ("namespace=", "\nX-Msb-Require-Namespace:"),
        ("any_namespace=yes", "\nX-Msb-Require-Namespace: *Any*"),
        ("any_namespace=1&x", "\nX-Msb-Require-Namespace: a\nX-Msb-Require-Namespace: a"),
        ("scope=a&SCOPE=b", "\nX-Msb-Require-Scope: a  b"),
        ("namespace=a%00", "\nX-Msb-Require-Scope: *any* a"),
        ("namespace=%ff", "\nX-Msb-Require-Scope: \u{fc}"),
    ] {
        refuses(good, asked, "", (403, "FORBIDDEN", ""), policy_unclear());
        refuses("", asked, "", (403, "FORBIDDEN", ""), policy_unclear());
    }
    drop(doors.home);
}

#[test]
fn each_refusal_is_told_as_most_clients_read_it() {
    each_refusal_is_told("default");
}

#[test]
fn each_refusal_is_told_as_superbox_tells_it() {
    each_refusal_is_told("superbox");
}

#[test]
fn each_refusal_is_told_as_microsandbox_tells_it() {
    each_refusal_is_told("microsandbox");
}

#[test]
fn whoever_guesses_keys_sees_one_answer() {
    let doors = Doors::new("default");
    let told = |key: &str| {
        let [mut answer, _] = doors.ask(key, PLAIN, "");
        answer.headers.retain(|(name, _)| name != "date");
        answer
    };
    let first = told("msb_x");
    for (why, key) in &doors.invalid {
        assert_eq!(told(key), first, "{why}");
    }
    // The log knows more, and the key only once its signature held.
    let reasons: Vec<_> = wait_for("each refusal is logged", SOON, || {
        let requests = crate::harness::events(&doors.server.log(), "request");
        (requests.len() > 2 * doors.invalid.len()).then_some(requests)
    });
    for (why, _) in &doors.invalid {
        let line = reasons.iter().find(|line| line["reason"] == *why).expect(why);
        let named = !matches!(*why, "malformed" | "bad_signature" | "unknown_server_key");
        assert_eq!(line["key_id"].is_string(), named, "{line}");
    }
}

/// What passes, and what is told behind the door: the six headers in the order of the design.
#[track_caller]
fn passes(
    (home, server): (&Home, &Server),
    key: &str,
    asked: (&str, &str),
    lines: &str,
    identity: [&str; 5],
) {
    let id = {
        let inspected = home.done(&format!("verify --json --at {NOW} {key}"));
        let verdict: Value = serde_json::from_str(&inspected).unwrap();
        verdict["id"].as_str().unwrap().to_owned()
    };
    for answer in asked_at(server, key, asked, lines) {
        assert_eq!((answer.status, answer.body.as_str()), (200, ""), "{answer:?}");
        let told: Vec<_> = answer.headers.iter().filter(|(name, _)| name != "date").collect();
        let [namespace, namespaces, scope, subject, expires] = identity;
        let expected = [
            ("x-msb-key-id", id.as_str()),
            ("x-msb-namespace", namespace),
            ("x-msb-namespaces", namespaces),
            ("x-msb-scope", scope),
            ("x-msb-subject", subject),
            ("x-msb-expires", expires),
            ("cache-control", "no-store"),
            ("content-length", "0"),
        ];
        assert_eq!(told.len(), expected.len(), "{answer:?}");
        for (name, value) in expected {
            let found = answer.header(name);
            // When the key ends is known to whoever made it; that it is told at all is tested.
            let value = if value == "…" { found } else { Some(value) };
            assert!(found.is_some() && found == value, "{name}: {found:?}, not {value:?}");
        }
    }
}

const NOW: &str = "2030-01-01T00:00:00Z";

#[test]
fn whoever_passes_is_named_in_six_headers() {
    let home = &Home::new();
    let server = home.start("");
    let doors = (home, &server);
    let plain = home.key("");
    passes(doors, &plain, PLAIN, "", ["*", "*", "*", "-", "-"]);
    let any = ("any_namespace=1&any_scope=1", "\nX-Msb-Require-Namespace: *any*");
    passes(doors, &plain, any, "", ["*", "*", "*", "-", "-"]);
    passes(doors, &plain, PLAIN, "\nX-Namespace: a", ["a", "*", "*", "-", "-"]);
    let all = ("namespace=%2A", "\nX-Msb-Require-Namespace: *");
    passes(doors, &plain, all, "\nX-Namespace: a", ["*", "*", "*", "-", "-"]);
    let end = "2031-02-03T04:05:06Z";
    let full = home.key(&format!("-n b -n a --scope x.* --scope w --owner ci/1 --expire {end}"));
    let asked = ("namespace=a&scope=x.y", "\nX-Msb-Require-Namespace: a\nX-Msb-Require-Scope: x.y");
    passes(doors, &full, asked, "", ["a", "a b", "w x.*", "ci/1", end]);
    passes(doors, &full, asked, "\nX-Workspace-Id: b", ["a b", "a b", "w x.*", "ci/1", end]);
    let left = (
        "any_namespace=1&any_scope=1",
        "\nX-Msb-Require-Namespace: *any*\nX-Msb-Require-Scope: *any*",
    );
    passes(doors, &full, left, "", ["-", "a b", "w x.*", "ci/1", end]);
    passes(doors, &full, left, "\nX-Namespace: b", ["b", "a b", "w x.*", "ci/1", end]);
}

#[test]
fn what_a_client_says_of_itself_is_not_told_behind_the_door() {
    let home = Home::new();
    let key = home.key("");
    let server = home.start("");
    let said = "\nX-Msb-Key-Id: evil\nX-Msb-Namespace: evil\nX-Msb-Subject: evil\nX-Msb-Dev: evil";
    for door in ["/auth", "/ext-authz"] {
        let head = bearing(&key).replace("/auth", door) + said;
        let answer = server.ask(&head);
        assert_eq!(answer.status, 200);
        assert!(answer.headers.iter().all(|(_, value)| value != "evil"), "{answer:?}");
    }
}

#[test]
fn each_door_has_its_own_policy() {
    let home = Home::new();
    let limited = home.key("-n a --scope x");
    let server = home.start("");
    let ask = |target: &str, lines: &str| {
        server.ask(&bearing(&limited).replace("/auth", target).replace("\nHost: a", lines)).status
    };
    let (query, lines) = (
        "?any_namespace=1&any_scope=1",
        "\nX-Msb-Require-Namespace: *any*\nX-Msb-Require-Scope: *any*",
    );
    assert_eq!(ask(&format!("/auth{query}"), ""), 200);
    assert_eq!(ask("/auth", lines), 403);
    assert_eq!(ask("/ext-authz", lines), 200);
    assert_eq!(ask(&format!("/ext-authz{query}"), ""), 403);
    assert_eq!(ask(&format!("/ext-authz/auth{query}"), ""), 403);
    // A client that says what is asked of it can only narrow.
    assert_eq!(ask("/auth?namespace=b&any_namespace=1&any_scope=1", ""), 403);
}

#[test]
fn every_method_is_judged_alike() {
    let home = Home::new();
    let key = home.key("");
    let server = home.start("");
    for method in [
        "GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT", "PROPFIND",
        "M-SEARCH", "get",
    ] {
        for door in ["/auth", "/ext-authz", "/ext-authz/x"] {
            for (key, status) in [(key.as_str(), 200), ("msb_x", 401)] {
                let mut wire = server.wire();
                wire.bodiless = method == "HEAD";
                let head = bearing(key).replace("GET /auth", &format!("{method} {door}"));
                wire.send(crate::harness::request(&head));
                let answer = wire.answer().unwrap();
                assert_eq!(answer.status, status, "{method} {door}");
                assert_eq!(answer.header("x-msb-key-id").is_some(), status == 200);
                if wire.bodiless {
                    wire.stream.shutdown(std::net::Shutdown::Write).unwrap();
                    assert!(wire.closes_within(Duration::from_secs(10)), "a body for HEAD");
                }
            }
        }
    }
}

#[test]
fn what_needs_no_key_is_for_reading() {
    let home = Home::new();
    home.key("");
    let server = home.start("");
    let asks = |method: &str, path: &str| {
        let mut wire = server.wire();
        wire.bodiless = method == "HEAD";
        wire.send(format!("{method} {path} HTTP/1.1\r\nHost: a\r\n\r\n"));
        wire.answer().unwrap()
    };
    let healthy = r#"{"message":"Service is healthy"}"#;
    let ready = r#"{"message":"Service is ready"}"#;
    for (path, body) in [
        ("/healthz", healthy),
        ("/api/v1/health", healthy),
        ("/readyz", ready),
        ("/healthz?x", healthy),
    ] {
        let answer = asks("GET", path);
        assert_eq!((answer.status, answer.body.as_str()), (200, body));
        assert_eq!(answer.header("content-type"), Some("application/json"));
        assert_eq!(asks("HEAD", path).status, 200);
    }
    for path in ["/healthz", "/api/v1/health", "/readyz", "/.well-known/jwks.json"] {
        for method in ["POST", "PUT", "DELETE", "OPTIONS", "TRACE", "get"] {
            let answer = asks(method, path);
            assert_eq!((answer.status, answer.header("allow")), (405, Some("GET, HEAD")));
            assert_eq!(answer.header("x-msb-reason"), Some("METHOD_NOT_ALLOWED"));
            let body = r#"{"success":false,"message":"Not with this method","error":{"code":"METHOD_NOT_ALLOWED","message":"Not with this method","hint":"Use one that Allow names","details":[{"issue":"method"}]}}"#;
            assert_eq!(answer.body, body);
        }
    }
    for path in ["/", "/auth/", "//auth", "/%61uth", "/Auth", "/auth;x", "/metrics", "/mcp"] {
        let answer = asks("GET", path);
        assert_eq!((answer.status, answer.header("x-msb-reason")), (404, Some("NOT_FOUND")));
        let body = r#"{"success":false,"message":"There is nothing here","error":{"code":"NOT_FOUND","message":"There is nothing here","hint":"Look at the path","details":[{"issue":"not_found"}]}}"#;
        assert_eq!(answer.body, body);
    }
}

#[test]
fn public_keys_are_handed_out_with_a_tag() {
    let home = Home::new();
    home.key("");
    let server = home.start("");
    let fetch =
        |lines: &str| server.ask(&format!("GET /.well-known/jwks.json HTTP/1.1\nHost: a{lines}"));
    let first = fetch("");
    let jwks = home.done("server key show --format jwks");
    assert_eq!((first.status, first.body.trim()), (200, jwks.trim()));
    assert!(!first.body.contains("\"d\""));
    assert_eq!(first.header("cache-control"), Some("public, max-age=60"));
    let tag = first.header("etag").unwrap().to_owned();
    for known in [&tag, "*", &format!("\"x\", W/{tag}")] {
        let answer = fetch(&format!("\nIf-None-Match: {known}"));
        assert_eq!((answer.status, answer.body.as_str()), (304, ""));
        assert_eq!(answer.header("etag"), Some(tag.as_str()));
    }
    assert_eq!(fetch("\nIf-None-Match: \"x\"").status, 200);
    home.done("server key rotate -y");
    let both = fetch(&format!("\nIf-None-Match: {tag}"));
    assert_eq!((both.status, both.body.matches("kid").count()), (200, 2));
    home.done("server key reset -y");
    let one = fetch("");
    assert_eq!(one.body.matches("kid").count(), 1);
    assert_ne!(one.header("etag"), Some(tag.as_str()));
}
