//! Logs: one line a request, and never what somebody could use.

use std::{fs, process::Command};

use crate::harness::{Home, Running, SOON, bearing, events, have, request, wait_for};

#[test]
fn a_log_tells_no_secret() {
    let home = Home::new();
    home.configure("[server]\nerror_format = \"superbox\"\n");
    let keys = [
        home.key("--name name-secret --owner owner-secret"),
        home.key("-n tenant --scope scope.x"),
        home.key("--name revoked"),
        Home::new().key(""),
    ];
    home.done("server revoke revoked --reason reason-secret");
    let server = home.start("");
    let mut count = 0;
    let mut ask = |head: String| {
        let mut wire = server.wire();
        wire.send(request(&head));
        if wire.answer().is_some_and(|answer| answer.status < 500) {
            count += 1;
        }
    };
    for key in &keys {
        ask(bearing(key));
        ask(format!("GET /auth?namespace={key} HTTP/1.1\nHost: a\nX-API-Key: {key}"));
        ask(format!("GET /auth?{key}=query-secret HTTP/1.1\nHost: host-secret"));
        ask(format!("GET /path-secret/{key}?query-secret HTTP/1.1\nReferer: header-secret"));
        ask(format!("GET /ext-authz/path-secret/{key} HTTP/1.1\nX-Namespace: {key}"));
        ask(format!("GET /ext-authz HTTP/1.1\nX-Api-Key: {key}\nX-Msb-Require-Scope: {key}"));
        ask(format!("POST /healthz HTTP/1.1\nCookie: {key}\nX-Workspace-Id: workspace-secret"));
        ask(format!("GET http://authority-secret/auth HTTP/1.1\nAuthorization: Basic {key}"));
        ask(format!("GET /auth HTTP/1.1\nAuthorization: Bearer {key}\nX-Api-Key: {key}"));
        ask(format!("SECRET-METHOD /auth HTTP/1.1\nAuthorization: Bearer {key}, header-secret"));
    }
    let log = wait_for("every request is logged", SOON, || {
        let log = server.log();
        (events(&log, "request").len() >= count).then_some(log)
    });
    assert_eq!((count, events(&log, "request").len()), (40, 40));
    assert!(!log.to_lowercase().contains("secret"), "{log}");
    for key in &keys {
        for part in key.split('.') {
            assert!(!log.contains(part), "{log}");
        }
    }
    for line in events(&log, "request") {
        let mut members: Vec<_> = line.as_object().unwrap().keys().map(String::as_str).collect();
        members.sort();
        let expected = [
            "at",
            "decision",
            "event",
            "key_id",
            "latency_us",
            "namespace",
            "reason",
            "route",
            "status",
        ];
        assert_eq!(members, expected);
        assert!(line["at"].as_str().unwrap().ends_with('Z') && line["latency_us"].is_u64());
    }
    let allowed = events(&log, "request").into_iter().find(|line| line["decision"] == "allowed");
    let allowed = allowed.unwrap();
    assert_eq!(
        (allowed["reason"].as_str(), allowed["status"].as_u64()),
        (Some("valid"), Some(200))
    );
    assert_eq!(
        (allowed["route"].as_str(), allowed["namespace"].as_str()),
        (Some("auth"), Some("*"))
    );
}

#[test]
fn a_person_reads_lines_for_people() {
    if !have("script") {
        return;
    }
    let home = Home::new();
    let key = home.key("-n tenant");
    let id = home.done("server list").split('\t').next().unwrap().to_owned();
    let typescript = home.beside("typescript");
    let line = format!("{} server start --port 0", env!("CARGO_BIN_EXE_msb"));
    let mut script = Command::new("script");
    script.args(["-qefc", &line]).arg(&typescript).env_clear().env("MSB_HOME", home.directory());
    script.env("PATH", std::env::var_os("PATH").unwrap()).env("TERM", "xterm");
    script.stdin(std::process::Stdio::null()).stdout(std::process::Stdio::null());
    let mut running = Running(script.spawn().unwrap());
    let address = wait_for("a server", SOON, || {
        home.status()["server"]["address"].as_str().map(str::to_owned)
    });
    let mut wire = crate::harness::Wire::to(address.parse().unwrap());
    wire.send(request(&bearing(&key).replace("/auth", "/auth?namespace=tenant")));
    assert_eq!(wire.answer().unwrap().status, 200);
    let told = wait_for("a line for people", SOON, || {
        let told = String::from_utf8_lossy(&fs::read(&typescript).unwrap()).into_owned();
        told.contains(&id).then_some(told)
    });
    assert!(
        told.contains(&format!("msb listens on http://{address}; keys are required\r\n")),
        "{told}"
    );
    let line = told.lines().find(|line| line.contains(&id)).unwrap();
    for word in [" 200 allowed ", " valid ", " auth ", " us", " tenant "] {
        assert!(line.contains(word), "no{word}in {line}");
    }
    assert!(!told.contains("{\"at\""), "{told}");
    assert!(!told.contains(key.split('.').nth(2).unwrap()));
    assert_eq!(home.run("server stop").exit, Some(0));
    let ended = wait_for("it ends", SOON, || running.0.try_wait().unwrap());
    assert_eq!(ended.code(), Some(0));
}

/// Whoever reads the log may stop to: requests are answered all the same.
#[test]
fn a_log_that_nobody_reads_stops_nobody() {
    let home = Home::new();
    let key = home.key("");
    let out = home.beside("out");
    let (_reader, writer) = std::io::pipe().unwrap();
    let mut start = home.msb();
    start.args(["server", "start", "--port", "0", "--json"]);
    start.stdout(fs::File::create(&out).unwrap()).stderr(writer);
    let mut running = Running(start.spawn().unwrap());
    let address = wait_for("a server", SOON, || {
        home.status()["server"]["address"].as_str().map(str::to_owned)
    });
    let mut wire = crate::harness::Wire::to(address.parse().unwrap());
    let some = request(&bearing(&key)).repeat(50);
    for _ in 0..200 {
        wire.send(&some);
        for _ in 0..50 {
            assert_eq!(wire.answer().unwrap().status, 200);
        }
    }
    home.done("server revoke --all -y");
    wire.send(request(&bearing(&key)));
    assert_eq!(wire.answer().unwrap().status, 401);
    let ran = home.run("server stop");
    assert_eq!(ran.exit, Some(0), "{}", ran.stderr);
    let ended = wait_for("it ends", SOON, || running.0.try_wait().unwrap());
    assert_eq!(ended.code(), Some(0));
}
