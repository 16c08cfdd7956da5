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
    table::run(&haproxy(&site, site.msb.address), site, &[]);
}

#[test]
fn haproxy_sends_msb_the_policy_and_the_key_only() {
    if program::version("haproxy", "-v").is_none() {
        return;
    }
    let site = Site::new();
    let tap = Tap::on(site.msb.address);
    let haproxy = haproxy(&site, tap.address());
    let ask = "GET /auth?namespace=team-alpha&scope=reports.read";
    tap::check(&site, &tap, haproxy.address, ask, ask);
}

#[test]
fn haproxy_lets_nobody_in_when_its_lua_fails() {
    if program::version("haproxy", "-v").is_none() {
        return;
    }
    let site = Site::new();
    let ask = Ask::get("/reports/today").bearer(&site.keys.alpha.text);
    for (line, status) in [("said.status == 200", 200), ("said.no.such == 200", 503)] {
        let changes = [("said.status == 200", line.to_owned())];
        let haproxy = haproxy_with(&site, site.msb.address, &changes);
        assert_eq!(ask.send(haproxy.address).unwrap().status, status);
        assert_eq!(site.back_end.arrived().len(), usize::from(status == 200));
    }
}

fn haproxy(site: &Site, msb: SocketAddr) -> FrontEnd {
    haproxy_with(site, msb, &[])
}

/// HAProxy as the page configures it, but for changes to its Lua.
fn haproxy_with(site: &Site, msb: SocketAddr, changes: &[(&str, String)]) -> FrontEnd {
    let address = program::free();
    let place = site.msb.scratch.join("haproxy");
    fs::create_dir_all(&place).unwrap();
    let (configuration, lua) = (place.join("haproxy.cfg"), place.join("msb.lua"));
    let changes = [changes, &[("127.0.0.1:5555", msb.to_string())]].concat();
    fs::write(&lua, page::block("haproxy.md", "lua", &changes)).unwrap();
    let changes = [
        ("/etc/haproxy/msb.lua", lua.display().to_string()),
        ("127.0.0.1:8080", address.to_string()),
        ("127.0.0.1:3000", site.back_end.address().to_string()),
    ];
    fs::write(&configuration, page::block("haproxy.md", "haproxy", &changes)).unwrap();
    let mut command = Command::new("haproxy");
    command.arg("-db").arg("-f").arg(configuration);
    site.start("haproxy", address, &mut command)
}
