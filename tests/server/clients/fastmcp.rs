//! `fastmcp`, server and client, by both versions of streamable HTTP that are about: with a session
//! and a stream from the server, and (since 2026) without.

use std::process::{Command, Stdio};

use serde_json::json;

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

    /// What a client prints that connects in this way, with this key and this namespace in a
    /// header, and calls these.
    #[track_caller]
    fn calls(&self, mode: &str, key: &str, namespace: Option<&str>, calls: &[&str]) -> Vec<String> {
        let mut headers = json!({});
        if !key.is_empty() {
            headers["Authorization"] = json!(format!("Bearer {key}"));
        }
        if let Some(namespace) = namespace {
            headers["X-Namespace"] = json!(namespace);
        }
        let mut client = python();
        client.arg(beside("fastmcp.py")).arg(format!("http://{}/mcp", self.server.address));
        let told = succeeds(client.args([mode, &headers.to_string()]).args(calls));
        told.lines().map(str::to_owned).collect()
    }

    /// What the tools have done since.
    fn done(&self) -> Vec<String> {
        let mut said = self.tools.said();
        said.retain(|line| line.starts_with("adds") || line.starts_with("starts"));
        said
    }
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

const MODES: [&str; 3] = ["auto", "legacy", "2026-07-28"];
const LIST: &str = "add start wait change saw";

#[test]
fn tools_are_listed_and_called() {
    let Some(tools) = Tools::new() else { return };
    let key = tools.home.key("");
    for mode in MODES {
        let start = r#"start {"sandbox": "my-env", "namespace": "team-alpha"}"#;
        let told = tools.calls(mode, &key, None, &[r#"add {"a": 1, "b": 2}"#, start, "wait"]);
        let expected = [LIST, "3", "my-env runs in team-alpha", "progress", "done"];
        assert_eq!(told, expected, "{mode}");
        let said = tools.tools.said();
        assert!(said.iter().any(|line| line == "POST team-alpha no key"), "{mode}: {said:?}");
        assert!(said.iter().any(|line| line == "POST * no key"), "{mode}: {said:?}");
        // The old version ends its session.
        assert_eq!(said.iter().any(|line| line == "DELETE * no key"), mode == "legacy", "{said:?}");
    }
}

#[test]
fn what_a_server_says_by_itself_arrives() {
    let Some(tools) = Tools::new() else { return };
    let told =
        tools.calls("legacy", &tools.home.key("-n team-alpha"), Some("team-alpha"), &["change"]);
    assert_eq!(told, [LIST, "notifications/tools/list_changed", "changed"]);
    let said = tools.tools.said();
    assert!(said.iter().any(|line| line == "GET team-alpha no key"), "{said:?}");
}

#[test]
fn a_tool_is_called_in_the_namespaces_of_the_key_only() {
    let Some(tools) = Tools::new() else { return };
    let key = tools.home.key("-n team-alpha");
    let own = r#"start {"sandbox": "a", "namespace": "team-alpha"}"#;
    let foreign = r#"start {"sandbox": "b", "namespace": "team-beta"}"#;
    let unsaid = r#"add {"a": 1, "b": 2}"#;
    let unjudged = Said {
        hint: "Name one as `namespace` in `params`, or use a key for every namespace",
        ..UNJUDGED
    };
    let foreign_said = refused(FOREIGN);
    let unsaid_said = refused(unjudged);
    for mode in MODES {
        let told = tools.calls(mode, &key, None, &[own, foreign, unsaid]);
        assert_eq!(told, [LIST, "a runs in team-alpha", &foreign_said, &unsaid_said], "{mode}");
        assert_eq!(tools.done(), ["starts a in team-alpha"], "{mode}");
        let told = tools.calls(mode, &key, Some("team-alpha"), &[own, foreign, unsaid]);
        assert_eq!(told, [LIST, "a runs in team-alpha", &foreign_said, "3"], "{mode}");
        assert_eq!(tools.done(), ["starts a in team-alpha", "adds"], "{mode}");
    }
}

#[test]
fn a_tool_is_called_if_the_key_allows_it_by_name() {
    let Some(tools) = Tools::new() else { return };
    let key = tools.home.key("--scope tools.add");
    let start = r#"start {"sandbox": "a", "namespace": "team-alpha"}"#;
    let said = refused(NOT_ALLOWED);
    for mode in MODES {
        let told = tools.calls(mode, &key, None, &[r#"add {"a": 1, "b": 2}"#, start]);
        assert_eq!(told, [LIST, "3", &said], "{mode}");
        assert_eq!(tools.done(), ["adds"], "{mode}");
    }
}

#[test]
fn its_user_reads_why_a_key_is_refused() {
    let Some(tools) = Tools::new() else { return };
    for mode in MODES {
        for (key, said) in [("", MISSING), ("msb_wrong", NOT_VALID)] {
            let told = tools.calls(mode, key, None, &[]);
            assert_eq!(told, [refused(said)], "{mode}");
        }
    }
    assert!(tools.tools.said().is_empty());
}
