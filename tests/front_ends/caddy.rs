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
    table::run(&caddy(&site, site.msb.address, &[]), site, &[]);
}

#[test]
fn caddy_sends_msb_the_policy_and_the_key_only() {
    if program::version("caddy", "version").is_none() {
        return;
    }
    let site = Site::new();
    let tap = Tap::on(site.msb.address);
    let caddy = caddy(&site, tap.address(), &[]);
    let ask = "GET /auth?namespace=team-alpha&scope=reports.read";
    tap::check(&site, &tap, caddy.address, ask, ask);
}

#[test]
fn what_the_caddy_page_guards_against_is_there() {
    if program::version("caddy", "version").is_none() {
        return;
    }
    let changes = [
        ("request_header @names_ours -Connection", "", "identity named in Connection"),
        ("\timport plain_names_only", "", "spoofed identity with whatever else a name may have"),
        ("request_header -Authorization", "", "a key"),
        ("request_header -X-Api-Key", "", "a key in X-API-Key"),
        ("handle @unclear", "handle /nothing", "two namespaces by way of .."),
        ("respond @undecided \"msb cannot be asked\" 503", "", "msb is down"),
        ("vars msb allowed", "", "the back end is down"),
        ("response_header_timeout 2s", "response_header_timeout 10s", "msb is hung"),
        ("http://:", "http://127.0.0.1:", "a foreign Host"),
        ("\troute {", "\thandle {", "identity named in Connection"),
    ];
    table::breaks(&changes, |site, changes| caddy(site, site.msb.address, changes));
}

/// Caddy as the page configures it, but for changes.
fn caddy(site: &Site, msb: SocketAddr, changes: &[(&str, String)]) -> FrontEnd {
    let address = program::free();
    let place = site.msb.scratch.join(format!("caddy-{}", address.port()));
    fs::create_dir_all(&place).unwrap();
    let places = [
        (":8080", format!(":{}", address.port())),
        ("127.0.0.1:5555", msb.to_string()),
        ("127.0.0.1:3000", site.back_end.address().to_string()),
    ];
    let changes = [changes, &places].concat();
    let configuration = place.join("Caddyfile");
    fs::write(&configuration, page::block("caddy.md", "caddyfile", &changes)).unwrap();
    let mut command = Command::new("caddy");
    command.args(["run", "--config"]).arg(configuration).env("HOME", &place);
    site.start("caddy", address, &mut command)
}
