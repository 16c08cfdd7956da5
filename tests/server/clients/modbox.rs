//! `modbox-sdk`, which makes an error of a type for each status, if it can read the body.

use std::{
    io::{self, Write},
    process::Command,
};

use serde_json::{Value, json};

use super::{
    FOREIGN, MISSING, Said, Site, UNJUDGED, bad_keys, python, script, succeeds,
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
fn refused(command: &mut Command, kind: &str, said: Said, details: &Value) {
    let told = succeeds(command);
    let (found, body) = told.split_once('\n').unwrap();
    let body: Value = serde_json::from_str(body).unwrap();
    let words = [&body["code"], &body["message"]];
    assert_eq!((found, words), (kind, [&json!(said.code), &json!(said.message)]), "{told}");
    assert_eq!(body["hint"], said.hint, "{told}");
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
    let none = json!([{"issue": "missing"}]);
    refused(&mut client(&site, None, None), "UnauthorizedError 401", MISSING, &none);
    for (key, said) in bad_keys(&site.home) {
        let details = match said.code {
            "EXPIRED_TOKEN" => json!([{"issue": "expired", "expiredAt": "then"}]),
            _ => json!([{"issue": "invalid"}]),
        };
        let mut client = client(&site, Some(&key), None);
        refused(&mut client, "UnauthorizedError 401", said, &details);
    }
    let key = site.home.key("-n team-alpha");
    let foreign = json!([{
        "issue": "wrong_namespace", "required": ["team-beta"], "current": ["team-alpha"],
    }]);
    let mut there = client(&site, Some(&key), Some("team-beta"));
    refused(&mut there, "ForbiddenError 403", FOREIGN, &foreign);
    let unjudged = json!([{"issue": "namespace_unjudged", "current": ["team-alpha"]}]);
    let mut nowhere = client(&site, Some(&key), None);
    refused(&mut nowhere, "ForbiddenError 403", UNJUDGED, &unjudged);
    assert!(site.upstream.arrived().is_empty());
}
