//! Apache before msb, by `docs/apache.md`: msb is the proxy, Apache does TLS and names.

use std::{
    fs,
    net::SocketAddr,
    os::unix::fs::symlink,
    path::{Path, PathBuf},
    process::Command,
};

use crate::{
    back_end::BackEnd,
    client::Ask,
    page,
    program::{self, Program},
    session::Stage,
    site::{FrontEnd, Site},
    table,
};

#[test]
fn apache_before_msb_keeps_the_table() {
    let Some(version) = version() else { return };
    println!("{version}");
    let site = site();
    table::run(&apache(&site, &[]), site, &NOT_HERE);
}

#[test]
fn msb_by_the_settings_of_the_apache_page_keeps_the_table_itself() {
    let site = site();
    let msb = FrontEnd { name: "msb", address: site.msb.address, program: None };
    table::run(&msb, site, &[&NOT_HERE[..], &NOT_ALONE].concat());
}

#[test]
fn a_session_is_as_the_apache_page_shows() {
    let there =
        ["bash", "curl", "script"].map(|name| program::version(name, "--version").is_some());
    if version().is_none() || there != [true; 3] {
        return;
    }
    let back_end = BackEnd::start();
    let mut stage = Stage::new("apache");
    stage.place("127.0.0.1:3000", back_end.address().to_string());
    stage.configure("apache.md");
    let at = program::free();
    stage.place("https://api.example.org/", format!("https://api.example.org:{}/", at.port()));
    let place = stage.scratch.join("apache2");
    let certificate = place.join("certificate.pem");
    let resolve = format!("resolve = api.example.org:{}:127.0.0.1\n", at.port());
    let curlrc = format!("{resolve}cacert = {}\n", certificate.display());
    fs::write(stage.scratch.join(".curlrc"), curlrc).unwrap();
    let changes = [("127.0.0.1:5555", stage.msb().to_string())];
    let mut command = installed(&place, at, &changes);
    let mut apache = Program::start(&mut command, &stage.scratch.join("apache.log")).unwrap();
    apache.wait_for(at);
    stage.check("apache.md");
    let arrived = back_end.arrived();
    assert_eq!(arrived.len(), 1, "one of two requests passes: {arrived:?}");
}

#[test]
fn a_websocket_passes_apache_by_upgrade() {
    if version().is_some() {
        let changes = [("upgrade=websocket", "", "a websocket")];
        table::breaks_at(site, &changes, apache);
    }
}

#[test]
fn a_path_passes_apache_as_it_stands_by_nocanon() {
    needs(("nocanon", ""), |site, apache| {
        let path = "/any/a%40b%20c";
        site.back_end.arrived();
        status(apache, &Ask::get(path).bearer(&site.keys.unlimited.text));
        site.back_end.arrived().iter().any(|seen| seen.target == path)
    });
}

#[test]
fn a_public_route_behind_apache_is_for_our_names_by_proxy_preserve_host() {
    needs(("ProxyPreserveHost On", "ProxyPreserveHost Off"), |_, apache| {
        assert_eq!(status(apache, &Ask::get("/status").host("api.example.org")), 200);
        status(apache, &Ask::get("/status").host("evil.example")) == 421
    });
}

#[test]
fn what_msb_says_passes_apache_without_proxy_error_override() {
    if version().is_some() {
        let changes = [("LimitRequestBody 0", "ProxyErrorOverride On", "no key")];
        table::breaks_at(site, &changes, apache);
    }
}

#[test]
fn apache_answers_nothing_itself() {
    if version().is_none() {
        return;
    }
    let site = site();
    let apache = apache(&site, &[]);
    for path in ["/server-status", "/icons/", "/cgi-bin/", "/manual/", "/.htaccess"] {
        let answer = Ask::get(path).host("localhost").send(apache.address).unwrap();
        assert_eq!(answer.headers.one("x-msb-reason"), Some("MISSING_TOKEN"), "{path}: {answer:?}");
    }
}

#[test]
fn each_client_behind_apache_has_a_rate_of_its_own() {
    if version().is_none() || program::version("curl", "--version").is_none() {
        return;
    }
    let site = site();
    let front = apache(&site, &[]);
    let apache = front.address;
    let ask = Ask::get("/status").host("api.example.org");
    let passed = (0..101).filter(|_| status(apache, &ask) == 200).count();
    assert_eq!((passed, status(apache, &ask)), (100, 429));
    let other = |more: &[&str]| {
        let output = Command::new("curl")
            .args(["-s", "-m", "20", "-o", "/dev/null", "-w", "%{http_code}"])
            .args(["--interface", "127.0.0.2", "-H", "Host: api.example.org"])
            .args(more)
            .arg(format!("http://{apache}/status"))
            .output();
        String::from_utf8(output.unwrap().stdout).unwrap()
    };
    assert_eq!(other(&[]), "200");
    // It cannot pass for another, be it one that may ask as often as it likes.
    let spoofed = ["-H", "X-Forwarded-For: 192.0.2.1"];
    let passed = (0..100).filter(|_| other(&spoofed) == "200").count();
    assert_eq!((passed, other(&spoofed).as_str()), (99, "429"));
}

/// Something is so as the page has it, and is not once one word of that is changed.
fn needs((from, to): (&str, &str), so: fn(&mut Site, SocketAddr) -> bool) {
    if version().is_none() {
        return;
    }
    let mut site = site();
    for (changes, expected) in [(vec![], true), (vec![(from, to.to_owned())], false)] {
        let apache = apache(&site, &changes);
        assert_eq!(so(&mut site, apache.address), expected, "with {changes:?}");
    }
}

fn status(apache: SocketAddr, ask: &Ask) -> u16 {
    ask.send(apache).unwrap().status
}

fn version() -> Option<String> {
    program::version("openssl", "version")?;
    program::version("apache2", "-v")
}

/// msb with the settings of the page, before the back end.
fn site() -> Site {
    Site::proxied(|back_end| {
        page::block("apache.md", "toml", &[("127.0.0.1:3000", back_end.to_string())])
    })
}

/// Apache as the page configures it, but for changes, and without TLS.
fn apache(site: &Site, changes: &[(&str, String)]) -> FrontEnd {
    let address = program::free();
    let places = [
        ("127.0.0.1:5555", site.msb.address.to_string()),
        ("SSLEngine on", "SSLEngine off".to_owned()),
    ];
    let changes = [changes, &places].concat();
    let place = site.msb.scratch.join(format!("apache2-{}", address.port()));
    site.start("apache", address, &mut installed(&place, address, &changes))
}

/// Apache as Debian installs it, with what the page has an operator do.
fn installed(place: &Path, address: SocketAddr, changes: &[(&str, String)]) -> Command {
    for directory in ["mods-enabled", "conf-enabled", "sites-available", "sites-enabled", "state"] {
        fs::create_dir_all(place.join(directory)).unwrap();
    }
    let (certificate, key) = (place.join("certificate.pem"), place.join("certificate.key"));
    certify(&certificate, &key);
    let places = [
        ("<VirtualHost *:443>", format!("<VirtualHost {address}>")),
        ("/etc/ssl/certs/api.example.org.pem", certificate.display().to_string()),
        ("/etc/ssl/private/api.example.org.key", key.display().to_string()),
    ];
    let changes = [changes, &places].concat();
    for shared in ["apache2.conf", "mods-available", "magic"] {
        symlink(PathBuf::from("/etc/apache2").join(shared), place.join(shared)).unwrap();
    }
    fs::write(place.join("ports.conf"), format!("Listen {address}\n")).unwrap();
    fs::write(place.join("sites-available/000-default.conf"), "").unwrap();
    symlink("../sites-available/000-default.conf", place.join("sites-enabled/000-default.conf"))
        .unwrap();
    let site = page::block("apache.md", "apache", &changes);
    fs::write(place.join("sites-available/msb.conf"), site).unwrap();
    // A developer's own may have more.
    let enabled = format!("a2enmod -q {AS_INSTALLED}\n");
    let commands = page::block("apache.md", "sh", &[("systemctl restart apache2", String::new())]);
    let variables = [
        ("APACHE_CONFDIR", place.to_owned()),
        ("APACHE_STATE_DIRECTORY", place.join("state")),
        ("APACHE_RUN_DIR", place.to_owned()),
        ("APACHE_LOCK_DIR", place.to_owned()),
        ("APACHE_LOG_DIR", place.to_owned()),
        ("APACHE_PID_FILE", place.join("apache2.pid")),
        ("APACHE_RUN_USER", "www-data".into()),
        ("APACHE_RUN_GROUP", "www-data".into()),
    ];
    fs::write(place.join("envvars"), "").unwrap();
    let output = Command::new("sh")
        .args(["-ec", &(enabled + &commands)])
        .envs(variables.clone())
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let mut command = Command::new("apache2");
    command.arg("-d").arg(place).args(["-f", "apache2.conf", "-DFOREGROUND"]).envs(variables);
    command
}

/// Has a name certified by itself.
fn certify(certificate: &Path, key: &Path) {
    let output = Command::new("openssl")
        .args(["req", "-x509", "-newkey", "ed25519", "-nodes", "-days", "2"])
        .args(["-subj", "/CN=api.example.org", "-addext", "subjectAltName=DNS:api.example.org"])
        .arg("-keyout")
        .arg(key)
        .arg("-out")
        .arg(certificate)
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

/// Where nobody asks msb: it has these paths itself or passes them on, says 400 of two keys, and is
/// waited for as long as the back end.
const NOT_HERE: [&str; 5] = [
    "a path that no policy is for",
    "msb is not behind the front end",
    "the place where the front end asks",
    "Bearer beside X-API-Key",
    "msb is hung",
];

/// Without Apache nobody answers for msb, nor takes out what `Connection` names before it sees that.
const NOT_ALONE: [&str; 4] = [
    "msb is down",
    "identity named in Connection",
    "spoofed identity named in Connection",
    "identity named in a second Connection",
];

/// What is on after an installation.
const AS_INSTALLED: &str = "mpm_event authz_core authz_host authn_core auth_basic access_compat \
    authn_file authz_user alias dir autoindex env mime negotiation setenvif filter deflate status \
    reqtimeout";
