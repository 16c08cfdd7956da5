//! Metrics: on a listener of their own, and without a word that tells of one key.

use std::{
    fs,
    sync::atomic::{AtomicU8, Ordering},
};

use crate::harness::{Home, SOON, Wire, bearing, wait_for};

/// An address of this machine that is no other test's, and that none of the many connections takes
/// which are made meanwhile: those go out from 127.0.0.1. There are 253 of them in one run.
pub fn free_address() -> String {
    static COUNT: AtomicU8 = AtomicU8::new(2);
    let [.., high, low] = std::process::id().to_be_bytes();
    let last = COUNT.fetch_add(1, Ordering::Relaxed);
    format!("127.{high}.{low}.{last}:9555")
}

/// What is told there.
#[track_caller]
pub fn fetch(address: &str) -> String {
    let mut wire = Wire::to(address.parse().unwrap());
    wire.send("GET /metrics HTTP/1.1\r\nHost: a\r\n\r\n");
    let answer = wire.answer().unwrap();
    assert_eq!(answer.status, 200);
    assert_eq!(answer.header("content-type"), Some("text/plain; version=0.0.4"));
    assert_eq!(wire.answer(), None);
    answer.body
}

#[test]
fn metrics_are_on_their_own_listener_only() {
    let home = Home::new();
    let metrics = free_address();
    home.configure(&format!("[server]\nmetrics_listen = \"{metrics}\"\n"));
    let key = home.key("");
    let server = home.start("");
    assert_eq!(server.ask("GET /metrics HTTP/1.1\nHost: a").status, 404);
    for line in ["GET /", "GET /auth", "GET /healthz", "POST /metrics", "GET /metrics/"] {
        let mut wire = Wire::to(metrics.parse().unwrap());
        wire.send(crate::harness::request(&bearing(&key).replace("GET /auth", line)));
        assert_eq!(wire.answer().unwrap().status, 404, "{line}");
    }
    fetch(&metrics);
    assert!(home.run("server status").stdout.contains(&server.address.to_string()));
}

#[test]
fn without_a_setting_there_are_no_metrics() {
    let home = Home::new();
    let server = home.start("");
    let pid = server.pid.as_raw_nonzero();
    let files = fs::read_dir(format!("/proc/{pid}/fd")).unwrap();
    let open: Vec<_> = files
        .filter_map(|file| fs::read_link(file.unwrap().path()).ok())
        .map(|file| file.display().to_string())
        .collect();
    let table = fs::read_to_string("/proc/net/tcp").unwrap();
    // The fourth column is 0A for one that listens, the tenth its number among all files.
    let listening = table.lines().skip(1).map(|line| line.split_whitespace().collect::<Vec<_>>());
    let listening = listening.filter(|row| row[3] == "0A");
    let ours = listening.filter(|row| open.contains(&format!("socket:[{}]", row[9])));
    let ports: Vec<_> = ours.map(|row| row[1].to_owned()).collect();
    assert_eq!(ports, [format!("0100007F:{:04X}", server.address.port())]);
}

#[test]
fn labels_are_words_of_ours() {
    let home = Home::new();
    let metrics = free_address();
    home.configure(&format!("[server]\nmetrics_listen = \"{metrics}\"\n"));
    let key = home.key("-n tenant-secret --owner owner-secret --name name-secret");
    let server = home.start("");
    let ask = |head: &str| server.ask(head).status;
    assert_eq!(ask(&bearing(&key)), 403);
    assert_eq!(ask(&bearing(&key).replace("/auth", "/auth?namespace=tenant-secret")), 200);
    assert_eq!(ask(&bearing(&key).replace("/auth", "/auth?namespace=other-secret")), 403);
    assert_eq!(ask(&bearing("key-secret")), 401);
    assert_eq!(ask("GET /path-secret?query-secret HTTP/1.1\nHost: host-secret"), 404);
    assert_eq!(ask("GET /ext-authz/path-secret HTTP/1.1\nX-Secret: header-secret"), 401);
    let told = wait_for("every connection has ended", SOON, || {
        Some(fetch(&metrics)).filter(|told| told.contains("msb_connections 0\n"))
    });
    assert!(!told.contains("secret"), "{told}");
    let id = home.done("server list");
    assert!(!told.contains(id.split('\t').next().unwrap()), "{told}");
    for line in [
        "msb_requests_total{decision=\"allowed\",reason=\"valid\",route=\"auth\"} 1",
        "msb_requests_total{decision=\"refused\",reason=\"namespace_unjudged\",route=\"auth\"} 1",
        "msb_requests_total{decision=\"refused\",reason=\"wrong_namespace\",route=\"auth\"} 1",
        "msb_requests_total{decision=\"refused\",reason=\"malformed\",route=\"auth\"} 1",
        "msb_requests_total{decision=\"refused\",reason=\"not_found\",route=\"none\"} 1",
        "msb_requests_total{decision=\"refused\",reason=\"no_key\",route=\"ext-authz\"} 1",
        "msb_ready 1",
        "msb_store_fault 0",
        "msb_trust_seq 1",
    ] {
        assert!(told.lines().any(|found| found == line), "{line}\n{told}");
    }
    // Each line is a comment or a value, and each value has a type.
    for line in told.lines().filter(|line| !line.starts_with('#')) {
        let (series, value) = line.rsplit_once(' ').unwrap();
        let name = series.split('{').next().unwrap();
        assert!(
            value.parse::<f64>().is_ok() && told.contains(&format!("# TYPE {name} ")),
            "{line}"
        );
    }
    let open: Vec<_> = (0..3).map(|_| server.wire()).collect();
    wait_for("three connections", SOON, || {
        fetch(&metrics).contains("msb_connections 3\n").then_some(())
    });
    drop(open);
}
