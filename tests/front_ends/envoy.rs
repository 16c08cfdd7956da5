//! Envoy, by `docs/envoy.md`.

use std::{fs, net::SocketAddr, process::Command};

use crate::{
    client::Ask,
    page, program,
    site::{FrontEnd, Site},
    table,
    tap::{self, Tap},
};

#[test]
fn envoy_keeps_the_table() {
    let Some(version) = program::version("envoy", "--version") else { return };
    println!("{version}");
    let site = Site::new();
    table::run(&envoy(&site, site.msb.address, &[]), site, &[]);
}

#[test]
fn envoy_sends_msb_the_policy_and_the_key_only() {
    if program::version("envoy", "--version").is_none() {
        return;
    }
    let site = Site::new();
    let tap = Tap::on(site.msb.address);
    let envoy = envoy(&site, tap.address(), &[]);
    let path = "/ext-authz/reports/today?any_namespace=1";
    tap::check(&site, &tap, envoy.address, &format!("GET {path}"), &format!("POST {path}"));
}

#[test]
fn what_the_envoy_page_guards_against_is_there() {
    if program::version("envoy", "--version").is_none() {
        return;
    }
    let changes = [
        ("key_matcher: { prefix: x-msb- }", "key_matcher: { prefix: x-other- }", POLICY),
        ("[a-z0-9-]+[^a-z0-9-].*", "x-other", "spoofed identity with underscores"),
        ("status_on_error: { code: ServiceUnavailable }", "", "msb is down"),
        ("timeout: 2s }", "timeout: 10s }", "msb is hung"),
        ("- { exact: x-workspace-id }", "", NARROWED),
        ("- { exact: x-api-key }", "", "a key in X-API-Key"),
        ("[authorization, x-api-key, ", "[", "a key"),
        ("x-msb-require-namespace, x-msb-require-scope]", "x-other]", "a key"),
        (
            "normalize_path: true",
            "normalize_path: false",
            "two namespaces by way of .., with the other key",
        ),
        ("path_with_escaped_slashes_action: REJECT_REQUEST", "", ENCODED),
        ("upgrade_configs: [{ upgrade_type: websocket }]", "", "a websocket"),
        ("allowed_upstream_headers: { patterns: [{ prefix: x-msb- }]", IDS_ONLY, "a key"),
    ];
    table::breaks(&changes, |site, changes| envoy(site, site.msb.address, changes));
}

const POLICY: &str = "a policy of the client's own in headers, not believed";
const NARROWED: &str = "a namespace that the client names and the key does not open";
const ENCODED: &str = "two namespaces by way of an encoded slash";
const IDS_ONLY: &str = "allowed_upstream_headers: { patterns: [{ prefix: x-msb-key-id }]";

#[test]
fn at_envoy_a_place_without_a_policy_is_for_unlimited_keys() {
    if program::version("envoy", "--version").is_none() {
        return;
    }
    let site = Site::new();
    let changes = [
        ("key: x-msb-require-namespace, value: team-alpha", "key: x-other, value: x".to_owned()),
        ("key: x-msb-require-scope, value: reports.read", "key: x-other, value: x".to_owned()),
    ];
    let envoy = envoy(&site, site.msb.address, &changes);
    for (key, status) in [(&site.keys.alpha, 403), (&site.keys.unlimited, 200)] {
        let ask = Ask::get("/reports/today").bearer(&key.text);
        assert_eq!(ask.send(envoy.address).unwrap().status, status);
    }
}

/// Envoy as the page configures it, but for changes.
fn envoy(site: &Site, msb: SocketAddr, changes: &[(&str, String)]) -> FrontEnd {
    let address = program::free();
    let port = |address: SocketAddr| format!("port_value: {} }}", address.port());
    let places = [
        ("port_value: 8080 }", port(address)),
        ("port_value: 5555 }", port(msb)),
        ("port_value: 3000 }", port(site.back_end.address())),
    ];
    let configuration = site.msb.scratch.join(format!("envoy-{}.yaml", address.port()));
    let changes = [changes, &places].concat();
    fs::write(&configuration, page::block("envoy.md", "yaml", &changes)).unwrap();
    let mut command = Command::new("envoy");
    command.args(["--use-dynamic-base-id", "--concurrency", "1", "-c"]).arg(configuration);
    site.start("envoy", address, &mut command)
}
