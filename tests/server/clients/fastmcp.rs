//! `fastmcp`, server and client, by both versions of streamable HTTP that are about: with a session
//! and a stream from the server, and (since 2026) without.

use std::process::{Command, Stdio};

use serde_json::{Value, json};

use super::{
    FOREIGN, MISSING, NOT_ALLOWED, NOT_VALID, Said, Talking, UNJUDGED, beside, in_front_of,
    succeeds,
};
use crate::harness::{Home, Server, skipped};

/// A server of tools behind msb.
struct Tools {
    home: Home,
    server: Server,
    tools: Talking,
}

impl Tools {
    /// None where there is no `fastmcp`.
    fn new() -> Option<Self> {
        let found = python().args(["-c", "import fastmcp"]).output();
        if !found.is_ok_and(|found| found.status.success()) {
            skipped("python3 cannot import fastmcp");
            return None;
        }
        let tools = Talking::start(python().arg(beside("fastmcp_server.py")));
        let (home, server) = in_front_of(&format!("http://127.0.0.1:{}", tools.line()), "");
        Some(Self { home, server, tools })
    }

    /// A client that connects in each of these ways, with this key and these headers, calls these
    /// and prints this: what the server has seen of all of it.
    #[track_caller]
    fn check(
        &self,
        modes: &[&str],
        key: &str,
        headers: &Value,
        calls: &[&str],
        expected: &[&str],
    ) -> Vec<String> {
        let mut headers = headers.clone();
        if !key.is_empty() {
            headers["Authorization"] = json!(format!("Bearer {key}"));
        }
        let mut client = python();
        client.arg(beside("fastmcp.py")).arg(format!("http://{}/mcp", self.server.address));
        client.args([&headers.to_string(), &modes.join(",")]).args(calls);
        let told = succeeds(&mut client);
        let all: Vec<_> = modes.iter().flat_map(|mode| [&[*mode], expected].concat()).collect();
        assert_eq!(told.lines().collect::<Vec<_>>(), all);
        self.tools.said()
    }
}

/// What the tools have done, of what the server printed.
fn done(said: &[String]) -> Vec<&str> {
    let tells = |line: &&str| line.starts_with("adds") || line.starts_with("starts");
    said.iter().map(String::as_str).filter(tells).collect()
}

/// How often the server printed this line.
fn count(said: &[String], line: &str) -> usize {
    said.iter().filter(|said| *said == line).count()
}

/// What a client prints when it is told this.
fn refused(said: Said) -> String {
    format!("MCPError: {}", said.at_the_door())
}

/// The Python that has `fastmcp`.
fn python() -> Command {
    let mut command = Command::new("python3");
    command.arg("-I").stdin(Stdio::null()).stderr(Stdio::null());
    command
}

/// The newest version if the server has it, the older one, the newest whatever the server has.
const MODES: [&str; 3] = ["auto", "legacy", "2026-07-28"];

const LIST: &str = "add start größe wait change saw";
const ADD: &str = r#"add {"a": 1, "b": 2}"#;
const OWN: &str = r#"start {"sandbox": "a", "namespace": "team-alpha"}"#;
const ELSEWHERE: &str = r#"start {"sandbox": "b", "namespace": "team-beta"}"#;

#[test]
fn tools_are_listed_and_called() {
    let Some(tools) = Tools::new() else { return };
    let key = tools.home.key("");
    let expected = [LIST, "3", "a runs in team-alpha", "9 m²", "progress", "done"];
    let said = tools.check(&MODES, &key, &json!({}), &[ADD, OWN, "größe", "wait"], &expected);
    assert_eq!(done(&said), ["adds", "starts a in team-alpha"].repeat(3));
    assert_eq!(count(&said, "POST team-alpha no key"), 3, "{said:?}");
    assert!(!said.iter().any(|line| line.ends_with("a key")), "{said:?}");
    // The newer one says in headers too what it calls, in base64 if need be.
    for line in
        ["mcp-name start", "mcp-param-namespace team-alpha", "mcp-name =?base64?Z3LDtsOfZQ==?="]
    {
        assert_eq!(count(&said, line), 2, "{line}: {said:?}");
    }
    // The older one has a session, which ends.
    assert_eq!(count(&said, "DELETE * no key"), 1, "{said:?}");
}

#[test]
fn a_tool_is_called_in_the_namespaces_of_the_key_only() {
    let Some(tools) = Tools::new() else { return };
    let key = tools.home.key("-n team-alpha");
    let calls = [OWN, ELSEWHERE, ADD];
    let unjudged = refused(Said {
        hint: "Name one in X-Namespace or as `namespace` in the arguments, or use a key for every namespace",
        ..UNJUDGED
    });
    let expected = [LIST, "a runs in team-alpha", &refused(FOREIGN), &unjudged];
    let said = tools.check(&MODES, &key, &json!({}), &calls, &expected);
    assert_eq!(done(&said), ["starts a in team-alpha"; 3]);
    // Whoever may speak the newer version does: a limited key may ask for it.
    assert_eq!(count(&said, "DELETE - no key"), 1, "{said:?}");

    let header = json!({"X-Namespace": "team-alpha"});
    let expected = [LIST, "a runs in team-alpha", &refused(FOREIGN), "3"];
    let said = tools.check(&MODES, &key, &header, &calls, &expected);
    assert_eq!(done(&said), ["starts a in team-alpha", "adds"].repeat(3));
}

#[test]
fn a_tool_is_called_if_the_key_allows_it_by_name() {
    let Some(tools) = Tools::new() else { return };
    let key = tools.home.key("--scope tools.add");
    let expected = [LIST, "3", &refused(NOT_ALLOWED)];
    let said = tools.check(&MODES, &key, &json!({}), &[ADD, OWN], &expected);
    assert_eq!(done(&said), ["adds"; 3]);
}

#[test]
fn what_a_server_says_by_itself_arrives() {
    let Some(tools) = Tools::new() else { return };
    let key = tools.home.key("-n team-alpha");
    let header = json!({"X-Namespace": "team-alpha"});
    let expected = [LIST, "notifications/tools/list_changed", "changed"];
    let said = tools.check(&["legacy"], &key, &header, &["change"], &expected);
    assert_eq!(count(&said, "GET team-alpha no key"), 1, "{said:?}");
}

#[test]
fn its_user_reads_why_a_key_is_refused() {
    let Some(tools) = Tools::new() else { return };
    for (key, said) in [("", MISSING), ("msb_wrong", NOT_VALID)] {
        let seen = tools.check(&MODES, key, &json!({}), &[], &[&refused(said)]);
        assert!(seen.is_empty(), "{seen:?}");
    }
}
