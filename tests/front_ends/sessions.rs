//! The pages with a first session, from nothing to a refused and an allowed request: the session
//! runs as it is shown, and the settings do what the page says of them.

use std::{fs, process::Command};

use crate::{
    back_end::{BackEnd, Seen},
    client::Ask,
    msb::{Key, Msb},
    page,
    program::{self, Program},
    session::Stage,
};

#[test]
fn a_sandbox_server_behind_msb_is_called_as_the_page_shows() {
    if !have_a_shell() {
        return;
    }
    let server = BackEnd::that_says(start_a_sandbox);
    let mut stage = Stage::new("sandbox");
    stage.place("127.0.0.1:5556", server.address().to_string());
    stage.check("sandbox-server.md");
    let arrived = server.arrived();
    let [seen] = &arrived[..] else { panic!("one call reaches the server: {arrived:?}") };
    assert_eq!(seen.headers.one("x-msb-namespace"), Some("team-alpha"));
    assert_eq!(seen.headers.one("authorization"), None);
}

#[test]
fn an_mcp_server_behind_msb_is_called_as_the_page_shows() {
    if !have_a_shell() || program::version("fastmcp", "version").is_none() {
        return;
    }
    let address = program::free();
    let mut stage = Stage::new("mcp");
    stage.place("127.0.0.1:8000", address.to_string());
    let port = format!("port={}", address.port());
    let server = page::block("mcp-server.md", "python", &[("port=8000", port)]);
    fs::write(stage.scratch.join("server.py"), server).unwrap();
    let mut command = Command::new("python3");
    command.arg("server.py").current_dir(&stage.scratch);
    let mut server = Program::start(&mut command, &stage.scratch.join("server.log")).unwrap();
    server.wait_for(address);
    stage.check("mcp-server.md");
}

#[test]
fn an_ai_server_behind_msb_is_asked_as_the_page_shows() {
    if !have_a_shell() {
        return;
    }
    let server = BackEnd::that_says(chat);
    let mut stage = Stage::new("ai");
    stage.place("127.0.0.1:11434", server.address().to_string());
    stage.configure("ai-server.md");
    stage.check("ai-server.md");
    let arrived = server.arrived();
    let [seen] = &arrived[..] else { panic!("one question reaches the server: {arrived:?}") };
    assert_eq!(seen.headers.one("x-msb-namespace"), Some("team-alpha"));
    assert_eq!(seen.headers.one("x-msb-subject"), Some("ann@example.org"));
    assert_eq!(seen.headers.one("authorization"), None);
}

#[test]
fn the_settings_of_the_ai_page_hold_keys_to_what_it_says() {
    let behind = Behind::page("ai-server.md");
    let alpha = behind.msb.key("-n team-alpha");
    let embeds = behind.msb.key("-n team-alpha --scope ai.embed");
    let all = behind.msb.key("");
    let both = behind.msb.key("-n team-alpha -n team-beta");
    behind.allows(Ask::post("/v1/chat/completions", vec![]), &alpha, "team-alpha");
    behind.allows(Ask::post("/v1/embeddings", vec![]), &alpha, "team-alpha");
    behind.allows(Ask::post("/v1/embeddings", vec![]), &embeds, "team-alpha");
    behind.refuses(Ask::post("/v1/chat/completions", vec![]).bearer(&embeds.text), 403);
    behind.refuses(Ask::get("/v1/models").bearer(&both.text), 403);
    behind.allows(Ask::get("/v1/models").header("X-Namespace", "team-beta"), &both, "team-beta");
    behind.refuses(Ask::new("DELETE", "/api/delete").bearer(&alpha.text), 403);
    behind.allows(Ask::new("DELETE", "/api/delete"), &all, "*");
    behind.refuses(Ask::get("/v1/models"), 401);
}

#[test]
fn the_settings_of_the_sandbox_page_hold_keys_to_what_it_says() {
    let behind = Behind::page("sandbox-server.md");
    let alpha = behind.msb.key("-n team-alpha");
    let deletes = behind.msb.key("-n team-alpha --scope sandboxes.delete");
    let others = behind.msb.key("-n team-alpha --scope sandboxes.create");
    behind.allows(Ask::get("/v1/sandboxes?limit=20"), &alpha, "team-alpha");
    behind.allows(Ask::new("DELETE", "/v1/sandboxes/a"), &alpha, "team-alpha");
    behind.allows(Ask::new("DELETE", "/v1/sandboxes/a"), &deletes, "team-alpha");
    behind.refuses(Ask::new("DELETE", "/v1/sandboxes/a").bearer(&others.text), 403);
    let list = || Ask::get("/sandboxes/");
    behind.allows(list().header("X-Workspace-Id", "team-alpha"), &alpha, "team-alpha");
    behind.refuses(list().header("X-Workspace-Id", "team-beta").bearer(&alpha.text), 403);
    behind.refuses(list().bearer(&alpha.text), 403);
    behind.shows(Ask::get("/capacity").host("localhost"));
    behind.refuses(Ask::new("PUT", "/capacity").host("localhost"), 401);
}

#[test]
fn the_routes_of_the_proxy_page_hold_keys_to_what_it_says() {
    let behind = Behind::page("proxy.md");
    let deletes = behind.msb.key("-n team-alpha --scope servers.delete");
    let other = behind.msb.key("-n team-alpha --scope servers.create");
    let several = behind.msb.key("-n team-alpha -n team-beta --scope servers.*");
    for path in ["/capacity", "/templates", "/servers", "/servers/a"] {
        behind.shows(Ask::get(path).host("localhost"));
        behind.refuses(Ask::get(path).host("api.example.org"), 421);
        behind.refuses(Ask::get(path).host("localhost").header("Origin", "http://a.example"), 403);
    }
    let delete = || Ask::new("DELETE", "/servers/a");
    behind.allows(delete(), &deletes, "team-alpha");
    behind.refuses(delete().bearer(&other.text), 403);
    behind.refuses(delete().bearer(&several.text), 403);
    behind.allows(delete().header("X-Namespace", "team-beta"), &several, "team-beta");
    behind.refuses(delete(), 401);
    behind.refuses(Ask::new("HEAD", "/servers"), 401);
    let workspace = |name| Ask::get("/v1/a/b").header("X-Workspace-Id", name);
    behind.allows(workspace("team-alpha"), &other, "team-alpha");
    behind.refuses(workspace("team-beta").bearer(&other.text), 403);
    behind.refuses(Ask::get("/v1/a/b").bearer(&other.text), 403);
}

#[test]
fn a_tool_has_the_namespace_of_its_argument_or_of_a_header() {
    let back_end = BackEnd::start();
    let server = format!("[server]\nupstream = \"http://{}\"\n", back_end.address());
    let behind = Behind { msb: Msb::configured(&server), back_end };
    let alpha = behind.msb.key("-n team-alpha --scope tools.start");
    let calls = |call: &str| {
        let call = format!(r#"{{"jsonrpc":"2.0","id":1,"method":{call}}}"#);
        Ask::post("/mcp", call.into_bytes()).header("Content-Type", "application/json")
    };
    let start = |arguments: &str| {
        calls(&format!(r#""tools/call","params":{{"name":"start","arguments":{{{arguments}}}}}"#))
    };
    behind.allows(start(r#""namespace":"team-alpha""#), &alpha, "team-alpha");
    behind.allows(start("").header("X-Namespace", "team-alpha"), &alpha, "team-alpha");
    behind.refuses(start("").bearer(&alpha.text), 403);
    behind.refuses(start(r#""project":"team-alpha""#).bearer(&alpha.text), 403);
    behind.refuses(start(r#""namespace":"team-beta""#).bearer(&alpha.text), 403);
    behind.allows(calls(r#""tools/list""#), &alpha, "-");
}

/// A service behind msb, with the settings that a page shows.
struct Behind {
    msb: Msb,
    back_end: BackEnd,
}

impl Behind {
    fn page(page: &str) -> Self {
        let back_end = BackEnd::start();
        let routes = page::block(page, "toml", &[]);
        let routes = routes.split_once("[[route]]").unwrap().1;
        let server = format!("[server]\nupstream = \"http://{}\"\n", back_end.address());
        Self { msb: Msb::configured(&format!("{server}[[route]]{routes}")), back_end }
    }

    /// With this key it reaches the service, judged in this namespace.
    #[track_caller]
    fn allows(&self, ask: Ask, key: &Key, judged: &str) {
        let seen = self.passes(ask.bearer(&key.text));
        assert_eq!(seen.headers.one("x-msb-key-id"), Some(key.id.as_str()));
        assert_eq!(seen.headers.one("x-msb-namespace"), Some(judged));
    }

    /// It reaches the service, which hears that nobody asks.
    #[track_caller]
    fn shows(&self, ask: Ask) {
        let seen = self.passes(ask);
        for name in ["x-msb-key-id", "x-msb-namespace", "x-msb-namespaces", "x-msb-scope"] {
            assert_eq!(seen.headers.one(name), Some("-"), "{name}");
        }
    }

    #[track_caller]
    fn passes(&self, ask: Ask) -> Seen {
        let answer = ask.send(self.msb.address).unwrap();
        assert_eq!(answer.status, 200, "{} {}: {answer:?}", ask.method(), ask.target());
        let mut arrived = self.back_end.arrived();
        assert_eq!(arrived.len(), 1, "{arrived:?}");
        arrived.remove(0)
    }

    /// It does not reach the service.
    #[track_caller]
    fn refuses(&self, ask: Ask, status: u16) {
        let answer = ask.send(self.msb.address).unwrap();
        assert_eq!(answer.status, status, "{} {}: {answer:?}", ask.method(), ask.target());
        let arrived = self.back_end.arrived();
        assert!(arrived.is_empty(), "{arrived:?}");
    }
}

/// Whether a session can be typed.
fn have_a_shell() -> bool {
    ["bash", "curl", "script"].iter().all(|name| program::version(name, "--version").is_some())
}

/// What a sandbox server says of a call.
fn start_a_sandbox(seen: &Seen) -> String {
    let call: serde_json::Value = serde_json::from_slice(&seen.body).unwrap();
    let (sandbox, namespace) = (&call["params"]["sandbox"], &call["params"]["namespace"]);
    let told = format!("{} runs in {}", sandbox.as_str().unwrap(), namespace.as_str().unwrap());
    let body = format!(r#"{{"jsonrpc":"2.0","result":"{told}","id":{}}}"#, call["id"]);
    let length = body.len();
    format!(
        "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n{body}"
    )
}

/// What an AI server says, word by word.
fn chat(_: &Seen) -> String {
    let words = ["Hello", " there"].map(|word| {
        format!("data: {{\"choices\":[{{\"delta\":{{\"content\":\"{word}\"}}}}]}}\n\n")
    });
    let last = "data: [DONE]\n\n".to_owned();
    let chunks: String = words
        .into_iter()
        .chain([last])
        .map(|event| format!("{:x}\r\n{event}\r\n", event.len()))
        .collect();
    format!(
        "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\
         Transfer-Encoding: chunked\r\n\r\n{chunks}0\r\n\r\n"
    )
}
