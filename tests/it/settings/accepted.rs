//! What can be set.

use std::{fs, path::Path, time::Duration};

use msb::config::{Access, Config, ErrorFormat, Method, Methods, SETTINGS, Server};

use crate::harness::Scratch;

#[track_caller]
fn read(settings: &str) -> Config {
    let scratch = Scratch::new();
    let path = scratch.path("config.toml");
    fs::write(&path, settings).unwrap();
    let config = Config::load(&path).map_err(|fault| msb::error::Error::from(fault).to_string());
    config.unwrap_or_else(|told| panic!("{told}\n{settings}"))
}

/// The example in the README.
fn example() -> String {
    let readme = Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md");
    let readme = fs::read_to_string(readme).unwrap();
    let blocks: Vec<_> = readme.split("```toml\n").skip(1).collect();
    assert_eq!(blocks.len(), 1);
    blocks[0].split("```").next().unwrap().to_owned()
}

#[test]
fn the_example_of_the_readme_sets_everything_that_can_be_set() {
    let example = example();
    let config = read(&example);
    for setting in SETTINGS {
        let set = |line: &str| line == setting.example || line.starts_with(setting.name);
        let lines = example.lines().map(|line| line.split(" #").next().unwrap().trim_end());
        assert!(lines.clone().any(set), "{} is not in the README", setting.name);
    }
    assert_eq!(config.prefix, Config::default().prefix);
    // What the README says of the defaults is so.
    let server = config.server.clone();
    let rest = Server { upstream: None, hosts: vec![], trusted_proxies: vec![], ..server };
    assert_eq!(Server { metrics_listen: None, ..rest }, Server::default());
}

#[test]
fn every_example_of_a_hint_can_be_written() {
    for setting in SETTINGS {
        let example = setting.example;
        let route = "path = \"/\"";
        read(&match (setting.table, setting.name) {
            ("", "route") => format!("{example}\n{route}\n"),
            ("", _) => format!("{example}\n"),
            ("route", "path") => format!("[[route]]\n{example}\n"),
            ("route", _) => format!("[[route]]\n{route}\n{example}\n"),
            (table, _) => format!("[{table}]\n{example}\n"),
        });
    }
}

#[test]
fn the_server_has_the_defaults_of_the_manual() {
    let Server {
        host,
        port,
        upstream,
        hosts,
        trusted_proxies,
        metrics_listen,
        max_staleness,
        drain,
        error_format,
        public_rate,
        rpc_body,
        connect_timeout,
        answer_timeout,
    } = read("").server;
    assert_eq!((host.to_string().as_str(), port), ("127.0.0.1", 5555));
    assert!(upstream.is_none() && metrics_listen.is_none());
    assert!(hosts.is_empty() && trusted_proxies.is_empty());
    assert_eq!(max_staleness, Duration::from_secs(300));
    assert_eq!(drain, Duration::from_secs(10));
    assert_eq!(error_format, ErrorFormat::Default);
    assert_eq!((public_rate.count(), public_rate.per()), (100, Duration::from_secs(3600)));
    assert_eq!(rpc_body.count(), 1 << 20);
    assert_eq!((connect_timeout.as_secs(), answer_timeout.as_secs()), (5, 600));
}

#[test]
fn the_server_is_as_it_is_set() {
    let server = read(
        "[server]\nhost = \"::1\"\nport = 1\nupstream = \"http://backend:65535\"\n\
         hosts = [\"api.example.org\", \"192.0.2.1\", \"[2001:db8::1]\"]\n\
         trusted_proxies = [\"10.0.0.0/8\", \"2001:db8::/32\"]\nmetrics_listen = \"[::1]:9555\"\n\
         max_staleness = \"1h\"\ndrain = \"1m30s\"\nerror_format = \"superbox\"\n\
         public_rate = \"5/s\"\nrpc_body = 1_000\nconnect_timeout = \"1s\"\nanswer_timeout = \"1w\"\n",
    )
    .server;
    assert_eq!((server.host.to_string().as_str(), server.port), ("::1", 1));
    assert_eq!(server.upstream.unwrap().to_string(), "http://backend:65535");
    let hosts: Vec<_> = server.hosts.iter().map(ToString::to_string).collect();
    assert_eq!(hosts, ["api.example.org", "192.0.2.1", "[2001:db8::1]"]);
    assert!(server.trusted_proxies[1].contains("2001:db8::7".parse().unwrap()));
    assert_eq!(server.metrics_listen.unwrap().port(), 9555);
    assert_eq!(server.max_staleness.as_secs(), 3600);
    assert_eq!(server.drain.as_secs(), 90);
    assert_eq!(server.error_format, ErrorFormat::Superbox);
    assert_eq!(server.public_rate.to_string(), "5/s");
    assert_eq!(server.rpc_body.count(), 1000);
    assert_eq!((server.connect_timeout.as_secs(), server.answer_timeout.as_secs()), (1, 604_800));
    assert_eq!(read("[server]\nport = 65535\nrpc_body = 0x10\n").server.rpc_body.count(), 16);
}

#[test]
fn routes_are_as_they_are_set() {
    let routes = read(
        "[[route]]\npath = \"/servers\"\nmethods = [\"GET\", \"HEAD\"]\naccess = \"public\"\n\
         [[route]]\npath = \"/servers/:name\"\nmethods = [\"DELETE\"]\n\
         namespace = \"path:name\"\nscope = \"servers.delete\"\n\
         [[route]]\npath = \"/*\"\naccess = \"key\"\nscope = \"any\"\n",
    )
    .routes;
    let [public, delete, rest] = routes.as_slice() else { panic!("{routes:?}") };
    assert_eq!(public.path.to_string(), "/servers");
    assert_eq!(public.methods, Methods::Only(vec![Method::Get, Method::Head]));
    assert_eq!(public.access, Access::Public);
    let Access::Key { namespace: Some(namespace), scope: Some(scope) } = &delete.access else {
        panic!("{delete:?}")
    };
    assert_eq!(
        (namespace.to_string(), scope.to_string()),
        ("path:name".into(), "servers.delete".into())
    );
    assert_eq!(rest.methods, Methods::Every);
    assert!(matches!(&rest.access, Access::Key { namespace: None, scope: Some(_) }), "{rest:?}");
}

#[test]
fn routes_that_leave_no_doubt_go_together() {
    let pair = |one: &str, other: &str| {
        read(&format!("[[route]]\n{one}\n[[route]]\n{other}\n"));
    };
    pair("path = \"/a\"\nmethods = [\"GET\"]", "path = \"/a\"\nmethods = [\"PUT\"]");
    pair("path = \"/a/:b\"\nmethods = [\"GET\"]", "path = \"/:a/b\"\nmethods = [\"PUT\"]");
    pair("path = \"/a/:b\"", "path = \"/a/*\"");
    pair("path = \"/a/:b\"", "path = \"/a/b\"");
    pair("path = \"/a\"", "path = \"/a/\"");
    pair("path = \"/a\"", "path = \"/A\"");
}

#[test]
fn a_table_can_be_written_in_every_way_of_toml() {
    let plain = read("[policy]\nmax_expire = \"90d\"\n");
    assert_eq!(read("policy = { max_expire = \"90d\" }\n"), plain);
    assert_eq!(read("policy.max_expire = '90d'\r\n"), plain);
    assert_eq!(read("route = [{ path = \"/a\" }]\n"), read("[[route]]\npath = \"/a\"\n"));
    assert_eq!(read("[policy]\nrequire_name = false\n"), Config::default());
    assert_eq!(read("# nothing\n"), Config::default());
}
