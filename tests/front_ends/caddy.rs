//! Caddy, by `docs/caddy.md`.

use std::{fs, net::SocketAddr, process::Command};

use crate::{
    page, program,
    site::{FrontEnd, Site},
    table,
    tap::{self, Tap},
};

#[test]
fn caddy_keeps_the_table() {
    let Some(version) = program::version("caddy", "version") else { return };
    println!("caddy {version}");
    let site = Site::new();
    table::run(&caddy(&site, site.msb.address), site, &[]);
}

#[test]
fn caddy_sends_msb_the_policy_and_the_key_only() {
    if program::version("caddy", "version").is_none() {
        return;
    }
    let site = Site::new();
    let tap = Tap::on(site.msb.address);
    let caddy = caddy(&site, tap.address());
    let ask = "GET /auth?namespace=team-alpha&scope=reports.read";
    tap::check(&site, &tap, caddy.address, ask, ask);
}

/// Caddy as the page configures it.
fn caddy(site: &Site, msb: SocketAddr) -> FrontEnd {
    let address = program::free();
    let place = site.msb.scratch.join("caddy");
    fs::create_dir_all(&place).unwrap();
    let changes = [
        (":8080", format!(":{}", address.port())),
        ("127.0.0.1:5555", msb.to_string()),
        ("127.0.0.1:3000", site.back_end.address().to_string()),
    ];
    let configuration = place.join("Caddyfile");
    fs::write(&configuration, page::block("caddy.md", "caddyfile", &changes)).unwrap();
    let mut command = Command::new("caddy");
    command.args(["run", "--config"]).arg(configuration).env("HOME", &place);
    site.start("caddy", address, &mut command)
}
