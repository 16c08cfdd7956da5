//! What is remembered of a request that something behind msb was to answer: a line of the log, a
//! count, and that its key was used.

use rustix::process::Signal;
use serde_json::Value;

use super::{
    client::{Client, Reply},
    site::{Site, routes},
};
use crate::{
    harness::{SOON, events, wait_for},
    metrics::{fetch, free_address},
};

/// A site, and where it tells what it has counted.
struct Records {
    site: Site,
    metrics: String,
    /// How many lines were looked at.
    read: usize,
}

impl Records {
    fn new(flags: &str) -> Self {
        let metrics = free_address();
        let mut site = Site::of(&format!("metrics_listen = \"{metrics}\""), flags);
        site.make("alpha", "-n alpha");
        Self { site, metrics, read: 0 }
    }

    /// Sends a request on a connection of its own. `all` or `alpha` in a line of its own stands for
    /// that key; `Host` is added.
    fn sends(&self, request: &str) -> Client {
        let (head, body) = request.split_once("\n\n").unwrap_or((request, ""));
        let mut lines: Vec<_> = head.lines().map(str::to_owned).collect();
        for line in &mut lines {
            if let Some(key) = self.site.keys.iter().find(|key| key.name == line) {
                *line = format!("Authorization: Bearer {}", key.text);
            }
        }
        lines[0] += " HTTP/1.1";
        lines.insert(1, format!("Host: {}", self.site.server.address));
        if !body.is_empty() {
            lines.push(format!("Content-Length: {}", body.len()));
        }
        let mut client = self.site.client();
        client.send(format!("{}\r\n\r\n{body}", lines.join("\r\n")));
        client
    }

    #[track_caller]
    fn asks(&self, request: &str) -> Reply {
        let method = request.split(' ').next().unwrap();
        self.sends(request).reply(method).unwrap_or_else(|| panic!("no answer to {request}"))
    }

    /// How many requests were counted under these words.
    fn counted(&self, words: &[&str]) -> usize {
        let [route, decision, reason] = words[..3] else { panic!("{words:?}") };
        let series = format!(
            "msb_requests_total{{decision=\"{decision}\",reason=\"{reason}\",route=\"{route}\"}} "
        );
        let told = fetch(&self.metrics);
        let count = told.lines().find_map(|line| line.strip_prefix(&series));
        count.map_or(0, |count| count.parse().unwrap())
    }

    /// Holds what is remembered of one request that `run` makes to the route, decision, reason,
    /// status, key and namespace of its line, with `none` where it names none, and to its count.
    #[track_caller]
    fn holds(&mut self, what: &str, expected: &str, run: impl FnOnce(&mut Site, &mut Client)) {
        let words: Vec<_> = expected.split(' ').collect();
        let before = self.counted(&words);
        let mut client = self.sends(what);
        run(&mut self.site, &mut client);
        drop(client);
        let lines = wait_for(what, SOON, || {
            let lines = events(&self.site.server.log(), "request");
            (lines.len() > self.read).then_some(lines)
        });
        assert_eq!(lines.len(), self.read + 1, "{what}: {lines:?}");
        let line = &lines[self.read];
        self.read = lines.len();
        let word = |name: &str| line[name].as_str().unwrap_or("none").to_owned();
        let id = word("key_id");
        let key = self.site.keys.iter().find(|key| key.id == id).map_or(&*id, |key| key.name);
        let found = [
            word("route"),
            word("decision"),
            word("reason"),
            line["status"].to_string(),
            key.to_owned(),
            word("namespace"),
        ];
        assert_eq!(found.join(" "), expected, "{what}");
        assert_eq!(self.counted(&words), before + 1, "{what}");
    }

    /// The same of a request that is answered at once.
    #[track_caller]
    fn check(&mut self, request: &str, expected: &str) {
        let method = request.split(' ').next().unwrap();
        self.holds(request, expected, |_, client| {
            let reply = client.reply(method).unwrap_or_else(|| panic!("no answer to {request}"));
            assert_eq!(Some(reply.status.to_string().as_str()), expected.split(' ').nth(3));
        });
    }

    /// When each key was last used, once the server has stopped.
    #[track_caller]
    fn last_uses(&mut self) -> Vec<(&'static str, bool)> {
        self.site.server.signal(Signal::TERM);
        assert_eq!(self.site.server.ended(), Some(0));
        let used = |id: &str| {
            let shown = self.site.home.done(&format!("server show {id} --json"));
            let shown: Value = serde_json::from_str(&shown).unwrap();
            assert_eq!(shown["id"], id, "{shown}");
            shown["last_used"].is_string()
        };
        self.site.keys.iter().map(|key| (key.name, used(&key.id))).collect()
    }
}

/// A call with JSON in it, at a door.
fn call(door: &str, key: &str, body: &str) -> String {
    format!("POST {door}\n{key}\nContent-Type: application/json\n\n{body}")
}

#[test]
fn every_request_has_one_line_and_is_counted_once() {
    let mut records = Records::new("");
    for (request, expected) in [
        ("GET /x\nall", "proxy allowed valid 200 all *"),
        ("GET /x\nall\nX-Namespace: alpha", "proxy allowed valid 200 all alpha"),
        ("GET /x\nalpha\nX-Namespace: alpha", "proxy allowed valid 200 alpha alpha"),
        ("GET /play/status/503\nall", "proxy allowed valid 503 all *"),
        ("GET /servers", "proxy allowed public 200 none -"),
        ("GET /servers\nall", "proxy allowed public 200 none -"),
        ("GET /x", "proxy refused no_key 401 none none"),
        ("GET /x\nX-API-Key: nonsense", "proxy refused malformed 401 none none"),
        ("GET /x\nalpha\nX-Namespace: beta", "proxy refused wrong_namespace 403 alpha none"),
        ("GET /x\nalpha", "proxy refused namespace_unjudged 403 alpha none"),
        ("GET /x/../y\nall", "proxy refused path 400 none none"),
        ("GET /x\nall\nConnection: Authorization", "proxy refused connection 400 all none"),
        ("GET /x\nall\nConnection: upgrade\nUpgrade: h2c", "proxy refused upgrade 501 all none"),
        ("POST /mcp", "mcp refused no_key 401 none none"),
        ("GET /mcp\nall", "mcp allowed valid 200 all *"),
        ("GET /healthz\nall", "healthz answered public 200 none none"),
    ] {
        records.check(request, expected);
    }
    let body = r#"{"jsonrpc":"2.0","id":1,"method":"x","params":{"namespace":"alpha"}}"#;
    for (door, route) in [("/api/v1/rpc", "rpc"), ("/mcp", "mcp")] {
        let told = |rest: &str| format!("{route} {rest}");
        records.check(&call(door, "alpha", body), &told("allowed valid 200 alpha alpha"));
        let elsewhere = body.replace("alpha", "beta");
        let refused = told("refused wrong_namespace 403 alpha none");
        records.check(&call(door, "alpha", &elsewhere), &refused);
        records.check(&call(door, "all", "{}"), &told("refused no_calls 400 all none"));
    }
    records.site.upstream.stop();
    records.check("GET /x\nall", "proxy allowed upstream_down 502 all *");
    records.check("GET /servers", "proxy allowed upstream_down 502 none -");
    let rpc = call("/api/v1/rpc", "alpha", body);
    records.check(&rpc, "rpc allowed upstream_down 502 alpha alpha");
}

#[test]
fn whoever_develops_is_nobody_in_the_log() {
    let mut records = Records::new("--dev");
    records.check("GET /x", "proxy allowed dev 200 none *");
    records.check("GET /x\nall", "proxy allowed valid 200 all *");
    records.check("GET /x\nOrigin: http://evil.example", "proxy refused origin 403 none none");
}

#[test]
fn a_key_that_is_revoked_before_its_answer_is_refused() {
    let mut records = Records::new("");
    records.holds("GET /play/hang\nall", "proxy refused revoked 401 all none", |site, client| {
        site.upstream.called("/play/hang");
        site.home.done(&format!("server revoke {}", site.key("all").id));
        assert_eq!(client.reply("GET").unwrap().status, 401);
    });
    let cut = records.site.server.logged("cut");
    assert_eq!(cut["reason"], "revoked");
}

#[test]
fn a_stream_that_is_cut_is_told_of() {
    let mut records = Records::new("");
    let id = records.site.key("all").id.clone();
    let expected = "proxy allowed valid 200 all *";
    records.holds("GET /play/stream\nall", expected, |site, client| {
        assert_eq!(client.head().unwrap().status, 200);
        site.home.done(&format!("server revoke {id}"));
        client.ends_within(SOON);
    });
    let cut = records.site.server.logged("cut");
    assert_eq!((&cut["key_id"], &cut["reason"]), (&id.into(), &"revoked".into()));
    assert_eq!(events(&records.site.server.log(), "cut").len(), 1);
}

/// The upstream may have done what it was asked for.
#[test]
fn whoever_hangs_up_before_the_answer_has_used_the_key() {
    let mut records = Records::new("");
    for (request, path, expected) in [
        ("GET /play/hang\nall", "/play/hang", "proxy allowed client_gone 499 all *"),
        ("POST /play/hang?b\nall\n\nbody", "/play/hang?b", "proxy allowed client_gone 499 all *"),
    ] {
        records.holds(request, expected, |site, client| {
            site.upstream.called(path);
            // What it has read is told to nobody else.
            client.stream.shutdown(std::net::Shutdown::Both).unwrap();
        });
        records.site.upstream.when(path, |seen| seen.gone);
    }
    assert_eq!(records.last_uses(), [("all", true), ("alpha", false)]);
}

#[test]
fn whoever_hangs_up_on_a_call_has_used_the_key() {
    let mut records = Records::new("");
    let body = r#"{"jsonrpc":"2.0","id":1,"method":"x","params":{"namespace":"alpha"}}"#;
    let request = call("/mcp?play=hang", "alpha", body);
    records.holds(&request, "mcp allowed client_gone 499 alpha alpha", |site, client| {
        site.upstream.called("/mcp?play=hang");
        client.stream.shutdown(std::net::Shutdown::Both).unwrap();
    });
    assert_eq!(records.last_uses(), [("all", false), ("alpha", true)]);
}

#[test]
fn what_is_refused_is_no_use_of_a_key() {
    let mut records = Records::new("");
    records
        .check("GET /x\nall\nConnection: Authorization", "proxy refused connection 400 all none");
    records.check(&call("/mcp", "all", "{}"), "mcp refused no_calls 400 all none");
    records.check("GET /x\nalpha", "proxy refused namespace_unjudged 403 alpha none");
    assert_eq!(records.last_uses(), [("all", false), ("alpha", false)]);
}

#[test]
fn a_fault_of_the_upstream_has_a_cause_in_the_log_alone() {
    let mut records = Records::new("");
    records.site.upstream.stop();
    let reply = records.asks("GET /x\nall");
    let fault = records.site.server.logged("upstream_fault");
    let cause = fault["fault"].as_str().unwrap();
    assert!(!cause.is_empty() && !reply.text().contains(cause), "{cause}: {}", reply.text());
}

#[test]
fn neither_log_nor_metrics_tell_a_secret_of_what_is_passed_on() {
    let mut records = Records::new("");
    let key = records.site.key("all").text.clone();
    let body = r#"{"jsonrpc":"2.0","id":"id-secret","method":"method-secret"}"#;
    let mut count = 0;
    let mut ask = |records: &Records| {
        for request in [
            format!("GET /path-secret/{key}?query-secret={key}\nall\nX-Header: secret"),
            format!("GET /path-secret/{key}?query-secret={key}"),
            format!("GET /servers?query-secret={key}\nCookie: {key}"),
            format!("GET /servers/path-secret?{key}\nOrigin: http://origin-secret"),
            format!("GET /path-secret/../{key}\nall"),
            format!("GET /x?{key}\nX-Namespace: {key}\nall"),
            format!("GET /x\nConnection: X-Secret, Authorization, {key}\nall"),
            format!("GET /x\nConnection: upgrade\nUpgrade: {key}\nall"),
            "GET /play/says/cut-in-head?secret\nall".to_owned(),
            call(&format!("/mcp?{key}"), "all", body),
            call("/api/v1/rpc?secret", "all", &body.replace("jsonrpc", "secret")),
            call("/api/v1/rpc", "X-Nothing: secret", body),
        ] {
            records.asks(&request);
            count += 1;
        }
    };
    ask(&records);
    let mut stream = records.sends(&format!("GET /play/stream?query-secret={key}\nall"));
    assert_eq!(stream.head().unwrap().status, 200);
    records.site.upstream.stop();
    ask(&records);
    let log = wait_for("every request is logged", SOON, || {
        let log = records.site.server.log();
        (events(&log, "request").len() > count).then_some(log)
    });
    assert!(!events(&log, "upstream_fault").is_empty());
    let told = fetch(&records.metrics);
    for told in [log, told] {
        assert!(!told.to_lowercase().contains("secret"), "{told}");
        let mut parts = key.split('.');
        assert!(!parts.any(|part| told.contains(part)), "{told}");
    }
}

#[test]
fn settings_that_are_read_again_count_for_the_next_request() {
    let site = Site::with("public_rate = \"1/h\"");
    let mut client = site.client();
    let mut asks = |path: &str| {
        client.send(format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n"));
        client.reply("GET").unwrap()
    };
    let statuses = ["/servers", "/servers", "/added"].map(|path| asks(path).status);
    assert_eq!(statuses, [200, 429, 401]);
    assert!(asks("/x").text().contains("\"success\":false"));
    site.home.configure(&format!(
        "[server]\npublic_rate = \"1000/s\"\nerror_format = \"microsandbox\"\n{}\
         [[route]]\npath = \"/added\"\naccess = \"public\"\n",
        routes()
    ));
    site.server.signal(Signal::HUP);
    site.server.logged("reload");
    // What was taken at one in an hour may be owed for a moment.
    let open = || (asks("/added").status == 200).then_some(());
    wait_for("the new rate", SOON, open);
    for path in ["/servers", "/servers", "/added"] {
        assert_eq!(asks(path).status, 200, "{path}");
    }
    assert_eq!(asks("/x").text(), r#"{"error":"Invalid credentials","code":1001}"#);
}
