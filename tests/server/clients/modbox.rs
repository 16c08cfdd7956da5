//! `modbox-sdk`, which makes an error of a type for each status, if it can read the body.

use std::{
    io::{self, Write},
    process::Command,
};

use serde_json::{Value, json};

use super::{
    EXPIRED, MISSING, NOT_VALID, Site, bad_keys, python, script, succeeds,
    upstream::{self, Seen},
};

const CLIENT: &str = "modbox-sdk==0.0.21";

/// Answers as the service does.
fn service(_: &Seen, to: &mut dyn Write) -> io::Result<()> {
    let sandbox = json!({
        "id": "1", "name": "my-env", "status": "running", "created_at": "2026-11-23T10:00:00Z",
    });
    upstream::json(to, &json!({"sandboxes": [sandbox], "total": 1}))
}

/// The client, with this key, in this workspace.
fn client(site: &Site, key: Option<&str>, workspace: Option<&str>) -> Command {
    let mut command = script(CLIENT, "modbox.py").unwrap();
    command.arg(site.url()).envs(key.map(|key| ("TOKEN", key)));
    command.envs(workspace.map(|workspace| ("WORKSPACE", workspace)));
    command
}

#[test]
fn sandboxes_of_a_workspace_are_listed() {
    if python(CLIENT).is_none() {
        return;
    }
    let site = Site::new("", service);
    let key = site.home.key("-n team-alpha -n team-beta");
    assert_eq!(succeeds(&mut client(&site, Some(&key), Some("team-beta"))), "my-env\n");
    let [request] = &site.upstream.arrived()[..] else { panic!("one request") };
    assert_eq!((&*request.method, &*request.target), ("GET", "/sandboxes"));
    assert_eq!(request.header("x-workspace-id"), Some("team-beta"));
    assert_eq!(request.header("x-msb-namespace"), Some("team-beta"));
    assert_eq!(request.header("authorization"), None);
}

/// The client makes an error of this type, and of these words and details.
#[track_caller]
fn refused(command: &mut Command, kind: &str, code: &str, message: &str, details: &Value) {
    let told = succeeds(command);
    let (found, body) = told.split_once('\n').unwrap();
    let body: Value = serde_json::from_str(body).unwrap();
    let words = [&body["code"], &body["message"]];
    assert_eq!((found, words), (kind, [&json!(code), &json!(message)]), "{told}");
    assert!(body["hint"].is_string(), "{told}");
    let mut found = body["details"].clone();
    if let Some(at) = found[0].get_mut("expiredAt") {
        *at = json!("then");
    }
    assert_eq!(&found, details, "{told}");
}

#[test]
fn it_makes_typed_errors_of_refusals() {
    if python(CLIENT).is_none() {
        return;
    }
    let site = Site::new("", service);
    let unauthorized = "UnauthorizedError 401";
    refused(
        &mut client(&site, None, None),
        unauthorized,
        "MISSING_TOKEN",
        MISSING,
        &json!([{"issue": "missing"}]),
    );
    for (key, message) in bad_keys(&site.home) {
        let (code, details) = if message == EXPIRED {
            ("EXPIRED_TOKEN", json!([{"issue": "expired", "expiredAt": "then"}]))
        } else {
            assert_eq!(message, NOT_VALID);
            ("INVALID_TOKEN", json!([{"issue": "invalid"}]))
        };
        refused(&mut client(&site, Some(&key), None), unauthorized, code, message, &details);
    }
    let key = site.home.key("-n team-alpha");
    refused(
        &mut client(&site, Some(&key), Some("team-beta")),
        "ForbiddenError 403",
        "FORBIDDEN",
        "API key does not open this namespace",
        &json!([{
            "issue": "wrong_namespace", "required": ["team-beta"], "current": ["team-alpha"],
        }]),
    );
    refused(
        &mut client(&site, Some(&key), None),
        "ForbiddenError 403",
        "FORBIDDEN",
        "API key is limited to namespaces, and none was asked for here",
        &json!([{"issue": "namespace_unjudged", "current": ["team-alpha"]}]),
    );
    assert!(site.upstream.arrived().is_empty());
}
