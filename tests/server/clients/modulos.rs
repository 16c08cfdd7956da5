//! `modulos-client`, which makes an error of a type for each status, whatever the body.

use std::{
    io::{self, Write},
    process::Command,
};

use serde_json::json;

use super::{
    Site, expired, python, script, succeeds,
    upstream::{self, Seen},
};

const CLIENT: &str = "modulos-client==1.0.4";

fn service(_: &Seen, to: &mut dyn Write) -> io::Result<()> {
    upstream::json(to, &json!({}))
}

fn client(site: &Site, key: &str) -> Command {
    let mut command = script(CLIENT, "modulos.py").unwrap();
    command.arg(site.url()).env("KEY", key);
    command
}

#[test]
fn a_result_is_uploaded() {
    if python(CLIENT).is_none() {
        return;
    }
    let site = Site::new("", service);
    let key = site.home.key("");
    assert_eq!(succeeds(&mut client(&site, &key)), "uploaded\n");
    let [request] = &site.upstream.arrived()[..] else { panic!("one request") };
    let target = "/projects/web/evidence?component_id=7&file_name=%C3%A4%201.json\
                  &description=so%20&%20so";
    assert_eq!((&*request.method, &*request.target), ("POST", target));
    // It calls a form JSON, which is none of our business.
    assert_eq!(request.header("content-type"), Some("application/json"));
    let form = String::from_utf8(request.body.clone()).unwrap();
    assert!(form.starts_with("--") && form.contains("\r\n\r\n{\"\\u00e4\": 1}\r\n--"), "{form}");
    assert_eq!(request.header("authorization"), None);
}

/// The client makes an error of this type, and shows all of a body that has these words.
#[track_caller]
fn refused(site: &Site, key: &str, kind: &str, words: &str) {
    let told = succeeds(&mut client(site, key));
    let (found, body) = told.split_once('\n').unwrap();
    assert_eq!(found, kind, "{told}");
    assert!(body.contains(words), "{told}");
    assert!(site.upstream.arrived().is_empty());
}

#[test]
fn it_makes_typed_errors_of_refusals_in_every_format() {
    if python(CLIENT).is_none() {
        return;
    }
    for (format, not_valid, over, forbidden) in [
        (
            "default",
            "'hint': 'Send the whole key, once, or ask for a new one'",
            "'hint': 'Ask for a new key'",
            "'issue': 'namespace_unjudged'",
        ),
        ("superbox", "'reason': 'invalid'", "'reason': 'expired'", "'current': ['team-alpha']"),
        (
            "microsandbox",
            "{'error': 'Invalid token', 'code': 1004}",
            "{'error': 'Token expired', 'code': 1004}",
            "{'error': 'Access denied', 'code': 3001}",
        ),
    ] {
        let site = Site::new(&format!("[server]\nerror_format = \"{format}\"\n"), service);
        refused(&site, "msb_wrong", "AuthenticationError", not_valid);
        refused(&site, &expired(&site.home), "AuthenticationError", over);
        let limited = site.home.key("-n team-alpha");
        refused(&site, &limited, "PermissionDeniedError", forbidden);
    }
}
