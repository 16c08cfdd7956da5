//! Envoy, by `docs/envoy.md`.

use std::{fs, net::SocketAddr, process::Command};

use crate::{
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
    table::run(&envoy(&site, site.msb.address), site, &[]);
}

#[test]
fn envoy_sends_msb_the_policy_and_the_key_only() {
    if program::version("envoy", "--version").is_none() {
        return;
    }
    let site = Site::new();
    let tap = Tap::on(site.msb.address);
    let envoy = envoy(&site, tap.address());
    let path = "/ext-authz/reports/today?any_namespace=1";
    tap::check(&site, &tap, envoy.address, &format!("GET {path}"), &format!("POST {path}"));
}

/// Envoy as the page configures it.
fn envoy(site: &Site, msb: SocketAddr) -> FrontEnd {
    let address = program::free();
    let port = |address: SocketAddr| format!("port_value: {} }}", address.port());
    let changes = [
        ("port_value: 8080 }", port(address)),
        ("port_value: 5555 }", port(msb)),
        ("port_value: 3000 }", port(site.back_end.address())),
    ];
    let configuration = site.msb.scratch.join("envoy.yaml");
    fs::write(&configuration, page::block("envoy.md", "yaml", &changes)).unwrap();
    let mut command = Command::new("envoy");
    command.args(["--use-dynamic-base-id", "--concurrency", "1", "-c"]).arg(configuration);
    site.start("envoy", address, &mut command)
}
