//! nginx, by `docs/nginx.md`.

use std::{fs, net::SocketAddr, process::Command};

use crate::{
    client::Ask,
    page, program,
    site::{FrontEnd, Site},
    table,
    tap::{self, Tap},
};

#[test]
fn nginx_keeps_the_table() {
    let Some(version) = program::version("nginx", "-v") else { return };
    println!("{version}");
    let site = Site::new();
    table::run(&nginx(&site, site.msb.address, &[]), site, &[]);
}

#[test]
fn nginx_sends_msb_the_policy_and_the_key_only() {
    if program::version("nginx", "-v").is_none() {
        return;
    }
    let site = Site::new();
    let tap = Tap::on(site.msb.address);
    let nginx = nginx(&site, tap.address(), &[]);
    let ask = "GET /auth?namespace=team-alpha&scope=reports.read";
    tap::check(&site, &tap, nginx.address, ask, ask);
}

#[test]
fn what_the_nginx_page_guards_against_is_there() {
    if program::version("nginx", "-v").is_none() {
        return;
    }
    let changes = [
        ("error_page 500 =503 @msb_undecided;", "", "msb is down"),
        ("error_page 401 403 /msb-auth;", "", "no key"),
        ("proxy_hide_header WWW-Authenticate;", "", "no key"),
        ("add_header WWW-Authenticate $msb_challenge always;", "", "a key for another namespace"),
        ("underscores_in_headers off;", "underscores_in_headers on;", UNDERSCORES),
        ("proxy_set_header X-Msb-Scope ", "proxy_set_header X-Other ", "spoofed identity"),
        (
            "Connection $msb_connection",
            "Connection $http_connection",
            "identity named in Connection",
        ),
        ("proxy_set_header Authorization", "proxy_set_header X-Other", "a key"),
        ("proxy_set_header X-API-Key", "proxy_set_header X-Other", "a key in X-API-Key"),
        ("if ($msb_unclear)", "if ($msb_connection = none)", "two namespaces by way of .."),
        ("proxy_pass http://back_end;", OF_ITS_OWN, "spoofed identity"),
        ("client_max_body_size 0;", "", "a large upload"),
        ("proxy_http_version 1.1;", "", "a websocket"),
        ("proxy_read_timeout 2s;", "proxy_read_timeout 10s;", "msb is hung"),
        ("location / { return 404; }", EVERYWHERE, "a key for another namespace"),
    ];
    table::breaks(&changes, |site, changes| nginx(site, site.msb.address, changes));
}

const OF_ITS_OWN: &str = "proxy_set_header X-Other x; proxy_pass http://back_end;";
const UNDERSCORES: &str = "spoofed identity with underscores";
/// A policy beside `auth_request` undoes the location's.
const EVERYWHERE: &str =
    "location / { return 404; }\n set $msb_policy any_namespace=1&any_scope=1;";

#[test]
fn at_nginx_a_place_without_a_policy_is_for_unlimited_keys() {
    if program::version("nginx", "-v").is_none() {
        return;
    }
    let site = Site::new();
    let policy = "set $msb_policy namespace=team-alpha&scope=reports.read;";
    let nginx = nginx(&site, site.msb.address, &[(policy, String::new())]);
    for (key, status) in [(&site.keys.alpha, 403), (&site.keys.unlimited, 200)] {
        let ask = Ask::get("/reports/today").bearer(&key.text);
        assert_eq!(ask.send(nginx.address).unwrap().status, status);
    }
}

/// nginx as the page configures it but for changes, in the middle of a `nginx.conf` that says nothing else.
fn nginx(site: &Site, msb: SocketAddr, changes: &[(&str, String)]) -> FrontEnd {
    let address = program::free();
    let places = [
        ("127.0.0.1:8080", address.to_string()),
        ("127.0.0.1:5555", msb.to_string()),
        ("127.0.0.1:3000", site.back_end.address().to_string()),
    ];
    let changes = [changes, &places].concat();
    let place = site.msb.scratch.join(format!("nginx-{}", address.port()));
    fs::create_dir_all(&place).unwrap();
    fs::write(place.join("msb.conf"), page::block("nginx.md", "nginx", &changes)).unwrap();
    let paths: String = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
        .map(|name| format!("{name}_temp_path {name};\n"))
        .concat();
    fs::write(
        place.join("nginx.conf"),
        format!(
            "daemon off;\npid nginx.pid;\nerror_log stderr;\nevents {{}}\n\
             http {{\naccess_log off;\n{paths}include msb.conf;\n}}\n"
        ),
    )
    .unwrap();
    let mut command = Command::new("nginx");
    command.arg("-p").arg(&place).args(["-e", "stderr", "-c", "nginx.conf"]);
    site.start("nginx", address, &mut command)
}
