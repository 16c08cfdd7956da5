//! nginx, by `docs/nginx.md`.

use std::{fs, net::SocketAddr, process::Command};

use crate::{
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
    table::run(&nginx(&site, site.msb.address), site, &[]);
}

#[test]
fn nginx_sends_msb_the_policy_and_the_key_only() {
    if program::version("nginx", "-v").is_none() {
        return;
    }
    let site = Site::new();
    let tap = Tap::on(site.msb.address);
    let nginx = nginx(&site, tap.address());
    let ask = "GET /auth?namespace=team-alpha&scope=reports.read";
    tap::check(&site, &tap, nginx.address, ask, ask);
}

/// nginx as the page configures it, in the middle of a `nginx.conf` that says nothing else.
fn nginx(site: &Site, msb: SocketAddr) -> FrontEnd {
    let address = program::free();
    let changes = [
        ("127.0.0.1:8080", address.to_string()),
        ("127.0.0.1:5555", msb.to_string()),
        ("127.0.0.1:3000", site.back_end.address().to_string()),
    ];
    let place = site.msb.scratch.join("nginx");
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
