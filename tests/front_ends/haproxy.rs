//! HAProxy, by `docs/haproxy.md`.

use std::{fs, net::SocketAddr, process::Command};

use crate::{
    client::Ask,
    page, program,
    site::{FrontEnd, Site},
    table,
    tap::{self, Tap},
};

#[test]
fn haproxy_keeps_the_table() {
    let Some(version) = program::version("haproxy", "-v") else { return };
    println!("{version}");
    let site = Site::new();
    table::run(&haproxy(&site, site.msb.address, &[]), site, &[]);
}

#[test]
fn haproxy_sends_msb_the_policy_and_the_key_only() {
    if program::version("haproxy", "-v").is_none() {
        return;
    }
    let site = Site::new();
    let tap = Tap::on(site.msb.address);
    let haproxy = haproxy(&site, tap.address(), &[]);
    let ask = "GET /auth?namespace=team-alpha&scope=reports.read";
    tap::check(&site, &tap, haproxy.address, ask, ask);
}

#[test]
fn what_the_haproxy_page_guards_against_is_there() {
    if program::version("haproxy", "-v").is_none() {
        return;
    }
    let changes = [
        (
            "http-request del-header x-msb- -m beg",
            "",
            "a policy of the client's own in headers, not believed",
        ),
        ("http-request del-header [^a-z0-9-] -m reg", "", "spoofed identity with underscores"),
        (
            "http-request del-header connection",
            "http-request del-header x",
            "identity named in Connection",
        ),
        ("http-request del-header authorization", "", "a key"),
        ("http-request del-header x-api-key", "", "a key in X-API-Key"),
        (
            "deny_status 400 if",
            "deny_status 400 if FALSE",
            "two namespaces by way of .., with the other key",
        ),
        ("\"www-authenticate\", ", "", "no key"),
        ("\"x-workspace-id\", ", "", "a namespace that the client names and the key does not open"),
        ("timeout = 1000", "timeout = 2000", "msb is hung"),
    ];
    table::breaks(&changes, |site, changes| haproxy(site, site.msb.address, changes));
}

#[test]
fn haproxy_lets_nobody_in_when_its_lua_fails() {
    if program::version("haproxy", "-v").is_none() {
        return;
    }
    let site = Site::new();
    let ask = Ask::get("/reports/today").bearer(&site.keys.alpha.text);
    let fails = ("said.status == 200", "said.no.such == 200".to_owned());
    let unguarded =
        ("http-request return status 503", "http-request return status 503 if FALSE #".to_owned());
    for (changes, status) in [(vec![fails.clone()], 503), (vec![fails, unguarded], 200)] {
        let haproxy = haproxy(&site, site.msb.address, &changes);
        assert_eq!(ask.send(haproxy.address).unwrap().status, status);
        assert_eq!(site.back_end.arrived().len(), usize::from(status == 200));
    }
}

/// HAProxy as the page configures it, but for changes.
fn haproxy(site: &Site, msb: SocketAddr, changes: &[(&str, String)]) -> FrontEnd {
    let address = program::free();
    let place = site.msb.scratch.join(format!("haproxy-{}", address.port()));
    fs::create_dir_all(&place).unwrap();
    let (configuration, lua) = (place.join("haproxy.cfg"), place.join("msb.lua"));
    let places = [
        ("/etc/haproxy/msb.lua", lua.display().to_string()),
        ("127.0.0.1:8080", address.to_string()),
        ("127.0.0.1:5555", msb.to_string()),
        ("127.0.0.1:3000", site.back_end.address().to_string()),
    ];
    // The page shows two files, and a change is one to either.
    let both = [page::block("haproxy.md", "haproxy", &[]), page::block("haproxy.md", "lua", &[])];
    let both = page::changed(&both.join(BETWEEN), &[changes, &places].concat());
    let (first, second) = both.split_once(BETWEEN).unwrap();
    fs::write(&configuration, first).unwrap();
    fs::write(&lua, second).unwrap();
    let mut command = Command::new("haproxy");
    command.arg("-db").arg("-f").arg(configuration);
    site.start("haproxy", address, &mut command)
}

const BETWEEN: &str = "\n-- the other file\n";
