//! `microsandbox` 0.7, which asks a cloud at `/v1/`.

use std::{
    io::{self, Write},
    process::Command,
};

use serde_json::json;

use super::{
    Said, Site, UNJUDGED, bad_keys, python, script, succeeds,
    upstream::{self, Seen},
};

const CLIENT: &str = "microsandbox==0.7.11";

const OWN_NAMESPACE: &str = "[[route]]\npath = \"/v1/*\"\nnamespace = \"key\"\n";

/// Answers as the cloud does.
fn cloud(request: &Seen, to: &mut dyn Write) -> io::Result<()> {
    let (id, then) = ("6ec87d7c-83d9-4853-a7dd-018a364c8e4d", "2026-11-23T10:00:00Z");
    if request.target.ends_with("/content") && request.method == "GET" {
        return to.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nwords");
    }
    let answer = match &*request.target {
        "/v1/volumes" => json!([{
            "id": id, "name": "data", "kind": "managed", "status": "active",
            "created_at": then, "updated_at": then,
        }]),
        "/v1/sandboxes?limit=20" => json!({"next_cursor": null, "data": [{
            "id": id, "org_id": id, "name": "my-env", "slug": "my-env", "status": "running",
            "ephemeral": false, "created_at": then,
        }]}),
        _ => json!({}),
    };
    upstream::json(to, &answer)
}

/// The client, with this key, to do this.
fn client(site: &Site, key: &str, what: &str) -> Command {
    let mut command = script(CLIENT, "microsandbox_0_7.py").unwrap();
    command.env("HOME", site.home.beside("client")).env("MSB_BACKEND", "cloud");
    command.env("MSB_API_URL", site.url()).env("MSB_API_KEY", key);
    command.arg(what);
    command
}

#[test]
fn sandboxes_are_listed() {
    if python(CLIENT).is_none() {
        return;
    }
    let site = Site::new(OWN_NAMESPACE, cloud);
    for (flags, judged) in [("", "*"), ("-n team-alpha", "team-alpha")] {
        let key = site.home.key(flags);
        assert_eq!(succeeds(&mut client(&site, &key, "sandboxes")), "my-env running\n");
        let [request] = &site.upstream.arrived()[..] else { panic!("one request") };
        assert_eq!((&*request.method, &*request.target), ("GET", "/v1/sandboxes?limit=20"));
        assert_eq!(request.header("x-msb-namespace"), Some(judged));
        assert_eq!(request.header("authorization"), None);
    }
}

#[test]
fn files_of_a_volume_are_found_by_their_paths() {
    if python(CLIENT).is_none() {
        return;
    }
    let site = Site::new(OWN_NAMESPACE, cloud);
    let key = site.home.key("-n team-alpha");
    assert_eq!(succeeds(&mut client(&site, &key, "files")), "words\n");
    let arrived = site.upstream.arrived();
    let [_, written, read, removed] = &arrived[..] else { panic!("{arrived:?}") };
    // It says which file in headers that begin as ours do: in base64url.
    let (file, directory) = ("L2EgYi_DpC50eHQ", "L2EgYg");
    assert_eq!((&*written.method, &*written.body), ("PUT", &b"words"[..]));
    for (request, path) in [(written, file), (read, file), (removed, directory)] {
        assert_eq!(request.header("x-msb-file-path"), Some(path), "{request:?}");
        assert_eq!(request.header("x-msb-namespace"), Some("team-alpha"), "{request:?}");
    }
    assert_eq!(removed.method, "DELETE");
    assert_eq!(removed.header("x-msb-file-recursive"), Some("true"));
}

/// Nothing is listed, and the user reads this.
#[track_caller]
fn refused(site: &Site, key: &str, status: u16, said: Said) {
    let message = said.message;
    let expected = format!("CloudHttpError: cloud HTTP {status}: GET /v1/sandboxes: {message}\n");
    assert_eq!(succeeds(&mut client(site, key, "sandboxes")), expected);
    assert!(site.upstream.arrived().is_empty());
}

#[test]
fn its_user_reads_why_a_key_is_refused() {
    if python(CLIENT).is_none() {
        return;
    }
    let site = Site::new("", cloud);
    for (key, said) in bad_keys(&site.home) {
        refused(&site, &key, 401, said);
    }
    let limited = site.home.key("-n team-alpha");
    refused(&site, &limited, 403, UNJUDGED);
}
