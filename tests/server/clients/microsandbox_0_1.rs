//! `microsandbox` 0.1, which speaks JSON-RPC at `/api/v1/rpc`.

use std::{
    fs,
    io::{self, Write},
    os::unix::fs::symlink,
    process::Command,
};

use serde_json::json;

use super::{
    FOREIGN, MISSING, NOT_ALLOWED, Said, Site, bad_keys, beside, gives_up, json_behind, python,
    script, succeeds,
    upstream::{self, Seen},
};

const CLIENT: &str = "microsandbox==0.1.8";
const SCRIPT: &str = "microsandbox_0_1.py";

/// Answers as a sandbox server does.
fn sandboxes(request: &Seen, to: &mut dyn Write) -> io::Result<()> {
    let call = request.json();
    let printed = |text| json!([{"stream": "stdout", "text": text}]);
    let result = match call["method"].as_str().unwrap() {
        "sandbox.repl.run" => json!({"status": "success", "output": printed("ä 2")}),
        "sandbox.command.run" => json!({"exit_code": 0, "output": printed("total 0")}),
        "sandbox.metrics.get" => json!({"sandboxes": [{"running": true}]}),
        _ => json!("done"),
    };
    upstream::json(to, &json!({"jsonrpc": "2.0", "id": call["id"], "result": result}))
}

/// A sandbox is started, used and stopped; the service sees whose it is, and no key.
#[track_caller]
fn works(site: &Site, command: &mut Command, namespace: &str, judged: &str) {
    assert_eq!(succeeds(command), "ä 2\ntotal 0\nTrue\n");
    let arrived = site.upstream.arrived();
    let methods: Vec<_> = arrived.iter().map(|request| request.json()["method"].clone()).collect();
    let run = ["start", "repl.run", "command.run", "metrics.get", "stop"];
    assert_eq!(methods, run.map(|method| format!("sandbox.{method}")));
    for request in &arrived {
        assert_eq!((&*request.method, &*request.target), ("POST", "/api/v1/rpc"));
        assert_eq!(request.json()["params"]["namespace"], namespace);
        assert_eq!(request.header("x-msb-namespace"), Some(judged));
        assert_eq!(request.header("authorization"), None);
        assert_eq!(request.header("host"), Some(&*site.upstream.address.to_string()));
    }
    assert_eq!(arrived[1].json()["params"]["code"], "print('ä', 1 + 1)");
}

#[test]
fn a_sandbox_is_started_used_and_stopped() {
    let Some(mut command) = script(CLIENT, SCRIPT) else { return };
    let site = Site::new("", sandboxes);
    let (all, limited) =
        (site.home.key(""), site.home.key("-n team-alpha -n team-beta --scope sandbox.*"));

    command.env("MSB_SERVER_URL", site.url()).arg("default").env("MSB_API_KEY", &all);
    works(&site, &mut command, "default", "default");

    let mut command = script(CLIENT, SCRIPT).unwrap();
    command.env("MSB_SERVER_URL", site.url()).arg("team-beta").env("MSB_API_KEY", &limited);
    works(&site, &mut command, "team-beta", "team-beta");

    let mut command = script(CLIENT, SCRIPT).unwrap();
    command.env("MSB_SERVER_URL", site.url()).env("MSB_API_KEY", "msb_wrong");
    works(&site, command.args(["team-alpha", &limited]), "team-alpha", "team-alpha");
}

#[test]
fn a_key_in_the_env_file_of_a_project_is_found() {
    let Some(python) = python(CLIENT) else { return };
    let site = Site::new("", sandboxes);
    let project = site.home.beside("project");
    fs::create_dir(&project).unwrap();
    // The client looks from its own place upwards, so it must be in the project.
    symlink(python.ancestors().nth(2).unwrap(), project.join(".venv")).unwrap();
    let env = project.join(".env");
    fs::write(&env, format!("MSB_SERVER_URL={}\n", site.url())).unwrap();
    site.home.done(&format!("server keygen -q -n default --dotenv {}", env.display()));
    let mut command = Command::new(project.join(".venv/bin/python3"));
    command.env_clear().arg("-I").arg(beside(SCRIPT)).arg("default");
    works(&site, &mut command, "default", "default");
}

/// A sandbox of `team-beta` is not started, and the user reads why.
#[track_caller]
fn refused(site: &Site, key: Option<&str>, code: i32, said: Said) {
    let mut command = script(CLIENT, SCRIPT).unwrap();
    command.env("MSB_SERVER_URL", site.url()).arg("team-beta");
    let line = gives_up(command.envs(key.map(|key| ("MSB_API_KEY", key))));
    let body = json_behind("RuntimeError: Failed to start sandbox: ", &line);
    let error = &body["error"];
    assert_eq!((&body["jsonrpc"], &error["code"]), (&json!("2.0"), &json!(code)), "{line}");
    assert_eq!(error["message"], said.at_the_door());
    let data = &error["data"];
    assert_eq!((&data["code"], &data["hint"]), (&json!(said.code), &json!(said.hint)), "{line}");
    assert!(site.upstream.arrived().is_empty(), "{line}");
}

#[test]
fn its_user_reads_why_a_key_is_refused() {
    if python(CLIENT).is_none() {
        return;
    }
    let site = Site::new("", sandboxes);
    refused(&site, None, -32001, MISSING);
    for (key, said) in bad_keys(&site.home) {
        refused(&site, Some(&key), -32001, said);
    }
    let foreign = site.home.key("-n team-alpha");
    refused(&site, Some(&foreign), -32003, FOREIGN);
    let limited = site.home.key("-n team-beta --scope sandbox.stop");
    refused(&site, Some(&limited), -32003, NOT_ALLOWED);
}
