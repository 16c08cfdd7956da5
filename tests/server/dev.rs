//! Development: no key is asked for, so nobody but this machine may ask, and no web page.

use std::net::TcpListener;

use crate::harness::{Answer, Home, Server};

struct Dev {
    home: Home,
    server: Server,
}

impl Dev {
    fn new(settings: &str) -> Self {
        let home = Home::new();
        home.configure(settings);
        let server = home.start("--dev");
        Self { home, server }
    }

    fn ask(&self, head: &str) -> Answer {
        let answer = self.server.ask(&head.replace("HERE", &self.server.address.to_string()));
        assert_eq!(answer.header("x-msb-dev"), Some("keys are not required"), "{head}");
        answer
    }

    /// What is answered to a request for `/auth` with these lines.
    #[track_caller]
    fn check(&self, lines: &str, status: u16, code: &str) {
        let answer = self.ask(&format!("GET /auth HTTP/1.1\n{lines}"));
        let found = (answer.status, answer.header("x-msb-reason").unwrap_or_default());
        assert_eq!(found, (status, code), "{lines}");
        if status == 421 {
            let body = r#"{"success":false,"message":"This server does not answer to the name in the Host header","error":{"code":"MISDIRECTED","message":"This server does not answer to the name in the Host header","hint":"Ask for it as localhost, or add the name to `hosts` in config.toml","details":[{"issue":"host"}]}}"#;
            assert_eq!(answer.body, body);
        }
        assert_eq!(answer.header("access-control-allow-origin"), None);
    }
}

#[test]
fn whoever_is_on_this_machine_needs_no_key() {
    let dev = Dev::new("");
    let answer = dev.ask("GET /auth?namespace=a HTTP/1.1\nHost: HERE");
    let told = |name: &str| answer.header(name).map(str::to_owned);
    assert_eq!(answer.status, 200);
    for (name, value) in [
        ("x-msb-key-id", "-"),
        ("x-msb-namespace", "a"),
        ("x-msb-namespaces", "*"),
        ("x-msb-scope", "*"),
        ("x-msb-subject", "-"),
        ("x-msb-expires", "-"),
        ("cache-control", "no-store"),
    ] {
        assert_eq!(told(name).as_deref(), Some(value), "{name}");
    }
    assert_eq!(dev.ask("GET /auth HTTP/1.1\nHost: HERE").header("x-msb-namespace"), Some("*"));
    for lines in ["Host: localhost", "Host: a.localhost:1", "Host: 127.0.0.1", "Host: [::1]:1"] {
        dev.check(lines, 200, "");
    }
}

#[test]
fn a_key_that_is_there_and_bad_is_refused_all_the_same() {
    let dev = Dev::new("");
    // Nobody can tell yet.
    dev.check("Host: HERE\nAuthorization: Bearer msb_x", 503, "UNAVAILABLE");
    let key = dev.home.key("-n tenant");
    dev.check("Host: HERE\nAuthorization: Bearer msb_x", 401, "INVALID_TOKEN");
    dev.check("Host: HERE\nAuthorization: Bearer", 401, "INVALID_TOKEN");
    dev.check("Host: HERE\nX-API-Key: a\nX-API-Key: b", 401, "INVALID_TOKEN");
    dev.check("Host: HERE\nX-Namespace: a,b", 401, "INVALID_TOKEN");
    let lines = format!("Host: HERE\nAuthorization: Bearer {key}");
    dev.check(&lines, 403, "FORBIDDEN");
    dev.check(&format!("{lines}\nX-Namespace: other"), 403, "FORBIDDEN");
    dev.check(&format!("{lines}\nX-Namespace: tenant"), 200, "");
    dev.home.done("server revoke --all -y");
    dev.check(&format!("{lines}\nX-Namespace: tenant"), 401, "INVALID_TOKEN");
    let slip = dev.ask("GET /auth?namspace=a HTTP/1.1\nHost: HERE");
    assert_eq!(slip.status, 403);
}

#[test]
fn only_our_own_names_are_answered_to() {
    let dev = Dev::new("[server]\nhosts = [\"api.example.org\"]\n");
    dev.check("Host: api.example.org", 200, "");
    dev.check("Host: API.example.org:443", 200, "");
    for host in
        ["evil.example", "localhost.evil.example", "api.example.org.evil.example", "10.0.0.1"]
    {
        dev.check(&format!("Host: {host}"), 421, "MISDIRECTED");
        dev.check(&format!("Host: {host}\nAuthorization: Bearer msb_x"), 421, "MISDIRECTED");
    }
    dev.check("X: y", 421, "MISDIRECTED");
    dev.check("Host: localhost\nHost: localhost", 421, "MISDIRECTED");
    dev.check("Host: localhost\nHost: evil.example", 421, "MISDIRECTED");
    let other = dev.ask("GET http://evil.example/auth HTTP/1.1\nHost: localhost");
    assert_eq!(other.status, 421);
    // Every route: a page that rebinds a name reads nothing at all.
    for path in ["/healthz", "/readyz", "/.well-known/jwks.json", "/nothing", "/ext-authz"] {
        assert_eq!(dev.ask(&format!("GET {path} HTTP/1.1\nHost: evil.example")).status, 421);
    }
}

#[test]
fn web_pages_of_other_origins_are_turned_away() {
    let dev = Dev::new("");
    dev.check("Host: HERE\nOrigin: http://HERE", 200, "");
    for origin in ["null", "http://evil.example", "http://localhost", "https://localhost:1", ""] {
        dev.check(&format!("Host: HERE\nOrigin: {origin}"), 403, "FORBIDDEN");
    }
    dev.check("Host: HERE\nSec-Fetch-Site: cross-site", 403, "FORBIDDEN");
    dev.check("Host: HERE\nOrigin: http://HERE\nOrigin: http://evil.example", 403, "FORBIDDEN");
    let preflight = dev.ask(
        "OPTIONS /auth HTTP/1.1\nHost: HERE\nOrigin: http://evil.example\n\
         Access-Control-Request-Method: GET",
    );
    assert_eq!(preflight.status, 403);
    let body = r#"{"success":false,"message":"Web pages of other origins may not ask without a key","error":{"code":"FORBIDDEN","message":"Web pages of other origins may not ask without a key","hint":"Send a key from a program of yours, not from a page","details":[{"issue":"origin"}]}}"#;
    assert_eq!(preflight.body, body);
}

#[test]
fn whoever_comes_through_a_proxy_is_turned_away() {
    let dev = Dev::new("");
    for line in [
        "Forwarded: for=1.2.3.4",
        "X-Forwarded-For: 127.0.0.1",
        "X-Forwarded-Proto: https",
        "Via: 1.1 a",
    ] {
        dev.check(&format!("Host: HERE\n{line}"), 403, "FORBIDDEN");
        dev.check(&format!("Host: HERE\n{line}\nAuthorization: Bearer msb_x"), 403, "FORBIDDEN");
    }
    for path in ["/ext-authz", "/ext-authz/x"] {
        let answer = dev.ask(&format!("GET {path} HTTP/1.1\nHost: HERE"));
        assert_eq!((answer.status, answer.header("x-msb-reason")), (404, Some("NOT_FOUND")));
    }
}

#[test]
fn with_keys_required_host_and_origin_are_the_clients() {
    let home = Home::new();
    let key = home.key("");
    let server = home.start("");
    for lines in [
        "Host: evil.example",
        "Origin: null",
        "Via: 1.1 a",
        "X-Forwarded-For: 1.2.3.4",
        "Sec-Fetch-Site: cross-site",
    ] {
        let head = format!("GET /auth HTTP/1.1\n{lines}\nAuthorization: Bearer {key}");
        let answer = server.ask(&head);
        assert_eq!((answer.status, answer.header("x-msb-dev")), (200, None), "{lines}");
    }
}

#[test]
fn beyond_this_machine_nothing_is_bound() {
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let refuses = |settings: &str, flags: &str, named: &str| {
        let home = Home::new();
        home.configure(settings);
        let ran = home.run(&format!("server start --dev {flags}"));
        assert_eq!((ran.exit, ran.stdout.as_str()), (Some(2), ""), "{flags}: {}", ran.stderr);
        let told = format!(
            "msb: error: `--dev` requires no keys, and {named} is not this machine alone\n\
             msb: hint: leave off `--dev`, or listen on 127.0.0.1\n"
        );
        assert_eq!(ran.stderr, told);
        let left: Vec<_> = std::fs::read_dir(home.directory())
            .unwrap()
            .map(|file| file.unwrap().file_name())
            .filter(|name| name != "config.toml")
            .collect();
        assert_eq!(left, Vec::<std::ffi::OsString>::new());
    };
    let everywhere = format!("0.0.0.0:{port}");
    refuses("", &format!("--host 0.0.0.0 --port {port}"), &everywhere);
    refuses("", &format!("--host 0.0.0.0 --port {port} --detach"), &everywhere);
    refuses("", &format!("--host :: --port {port}"), &format!("[::]:{port}"));
    refuses(&format!("[server]\nhost = \"0.0.0.0\"\nport = {port}\n"), "", &everywhere);
    let metrics = format!("[server]\nmetrics_listen = \"{everywhere}\"\n");
    refuses(&metrics, "--port 0", &everywhere);
    // A port that is taken is told of only where it matters.
    let taken = TcpListener::bind("0.0.0.0:0").unwrap();
    let address = taken.local_addr().unwrap();
    refuses("", &format!("--host 0.0.0.0 --port {}", address.port()), &address.to_string());
    TcpListener::bind(("0.0.0.0", port)).unwrap();
}

#[test]
fn it_is_said_in_red_and_in_status() {
    let home = Home::new();
    home.key("");
    let mut server = home.start("--dev --color always");
    let said =
        format!("msb listens on http://{}; \x1b[31mKEYS ARE NOT REQUIRED\x1b[0m\n", server.address);
    server.says(&said);
    let status = home.status();
    assert_eq!(
        (&status["server"]["dev"], status["server"]["auth"].as_str()),
        (&true.into(), Some("none"))
    );
    let attention = status["attention"][0].to_string();
    let told = r#"{"code":"dev_mode","hint":"start it without `--dev`","message":"the server requires no keys"}"#;
    assert_eq!(attention, told);
    let check = home.run("server status --check");
    assert_eq!(check.exit, Some(3));
    assert!(check.stdout.contains("KEYS ARE NOT REQUIRED"), "{}", check.stdout);
    server.signal(rustix::process::Signal::TERM);
    assert_eq!(server.ended(), Some(0));
    assert_eq!(home.attention(), Vec::<String>::new());
}

/// Beyond loopback with keys: allowed, and said.
#[test]
fn whoever_listens_to_others_is_told_so() {
    let home = Home::new();
    home.key("");
    let server = home.start("--host 0.0.0.0");
    let told = "msb: attention: others can reach it, and what they send is not encrypted: \
                TLS is the front end's\n";
    server.says(told);
    assert_eq!(home.attention(), ["plain_http"]);
}
