//! Any text as `config.toml`: every setting that is taken says what a plain reader of TOML finds
//! there, none is there that nobody knows, and all of them written again are the same.

#![no_main]

use std::{fmt::Display, fmt::Write, time::Duration};

use libfuzzer_sys::fuzz_target;
use msb::config::{Access, Config, Methods, SETTINGS};
use toml::{Table, Value};

fuzz_target!(|text: &str| {
    let Some(config) = Config::probe(text) else { return };
    let tree: Table = text.parse().expect("it is TOML");
    known("", &tree);
    said(&tree, &config);
    let written = written(&config);
    assert_eq!(Config::probe(&written).as_ref(), Some(&config), "{written}");
});

/// Nothing stands there that is no setting.
fn known(table: &str, tree: &Table) {
    for (name, value) in tree {
        let setting = SETTINGS.iter().any(|known| known.table == table && known.name == name);
        assert!(setting, "{name} in [{table}]");
        match (name.as_str(), value) {
            ("policy" | "server", Value::Table(inner)) => known(name, inner),
            ("route", Value::Array(routes)) => {
                for route in routes {
                    known(name, route.as_table().expect("a table"));
                }
            }
            (_, Value::Table(_)) => panic!("{name} is a table"),
            _ => {}
        }
    }
}

/// What a plain reader finds is what was taken.
fn said(tree: &Table, config: &Config) {
    let empty = Table::new();
    let table =
        |name: &str| tree.get(name).map_or(&empty, |inner| inner.as_table().expect("a table"));
    says(tree, "prefix", Some(&config.prefix), "msb_");
    says(tree, "issuer", config.issuer.as_ref(), "");
    says(tree, "audience", config.audience.as_ref(), "");
    let (policy, server) = (table("policy"), table("server"));
    for (name, flag) in [
        ("require_expire", config.policy.require_expire),
        ("require_namespace", config.policy.require_namespace),
        ("require_name", config.policy.require_name),
    ] {
        assert_eq!(flag, policy.get(name).is_some_and(|value| value.as_bool() == Some(true)));
    }
    for (name, span) in [
        ("default_expire", config.policy.default_expire),
        ("min_expire", config.policy.min_expire),
        ("max_expire", config.policy.max_expire),
    ] {
        says(policy, name, span.as_ref(), "");
    }
    let port = server.get("port").map_or(Some(5555), Value::as_integer);
    assert_eq!(port, Some(config.server.port.into()));
    says(server, "host", server.get("host").map(|_| &config.server.host), "");
    says(server, "upstream", config.server.upstream.as_ref(), "");
    says(server, "error_format", Some(&config.server.error_format), "default");
    says(server, "public_rate", Some(&config.server.public_rate), "100/h");
    let hosts: Vec<_> = config.server.hosts.iter().map(ToString::to_string).collect();
    let texts = |value: &Value| {
        let list = value.as_array().expect("a list").iter();
        list.map(|text| text.as_str().expect("a text").to_owned()).collect::<Vec<_>>()
    };
    // An address of IPv6 has many spellings.
    let found = server.get("hosts").map(texts).unwrap_or_default();
    assert_eq!(found.len(), hosts.len());
    assert!(found.iter().zip(&hosts).all(|(found, host)| found == host || found.contains(':')));
    let list = tree.get("route").map_or(&[][..], |list| list.as_array().expect("a list"));
    assert_eq!(list.len(), config.routes.len());
    for (found, route) in list.iter().zip(&config.routes) {
        let found = found.as_table().expect("a table");
        says(found, "path", Some(&route.path), "");
        let methods = match &route.methods {
            Methods::Every => None,
            Methods::Only(only) => Some(only.iter().map(|one| one.word().to_owned()).collect()),
        };
        assert_eq!(found.get("methods").map(texts), methods);
        match &route.access {
            Access::Public => says(found, "access", Some(&"public"), ""),
            Access::Key { namespace, scope } => {
                says(found, "access", Some(&"key"), "key");
                says(found, "namespace", namespace.as_ref(), "");
                says(found, "scope", scope.as_ref(), "");
            }
        }
    }
}

/// A setting is the text that stands there, or its default.
fn says(table: &Table, name: &str, taken: Option<&impl Display>, default: &str) {
    let found = table.get(name).map(|value| value.as_str().expect("a text"));
    let taken = taken.map(ToString::to_string);
    let taken = taken.as_deref();
    let same = found == taken || found.is_none() && taken == Some(default);
    // An address of IPv6 has many spellings.
    let address = found.is_some_and(|found| {
        name == "host" && found.contains(':') || name == "upstream" && found.contains('[')
    });
    assert!(same || address && taken.is_some(), "{name}: {found:?} is taken for {taken:?}");
}

/// The settings as somebody would write all of them.
fn written(config: &Config) -> String {
    fn set(text: &mut String, name: &str, value: Option<&impl Display>) {
        if let Some(value) = value {
            writeln!(text, "{name} = \"{value}\"").expect("a text takes more");
        }
    }
    let wait = |time: Duration| Some(format!("{}s", time.as_secs()));
    let list = |words: Vec<String>| {
        words.iter().map(|word| format!("\"{word}\"")).collect::<Vec<_>>().join(", ")
    };
    let Config { prefix, issuer, audience, policy, server, routes } = config;
    let mut text = String::new();
    set(&mut text, "prefix", Some(prefix));
    set(&mut text, "issuer", issuer.as_ref());
    set(&mut text, "audience", audience.as_ref());
    text += "[policy]\n";
    set(&mut text, "default_expire", policy.default_expire.as_ref());
    set(&mut text, "min_expire", policy.min_expire.as_ref());
    set(&mut text, "max_expire", policy.max_expire.as_ref());
    text += &format!(
        "require_expire = {}\nrequire_namespace = {}\nrequire_name = {}\n[server]\nport = {}\n",
        policy.require_expire, policy.require_namespace, policy.require_name, server.port
    );
    set(&mut text, "host", Some(&server.host));
    set(&mut text, "upstream", server.upstream.as_ref());
    let hosts = list(server.hosts.iter().map(ToString::to_string).collect());
    let proxies = list(server.trusted_proxies.iter().map(ToString::to_string).collect());
    text += &format!("hosts = [{hosts}]\ntrusted_proxies = [{proxies}]\n");
    set(&mut text, "metrics_listen", server.metrics_listen.as_ref());
    set(&mut text, "max_staleness", wait(server.max_staleness).as_ref());
    set(&mut text, "drain", wait(server.drain).as_ref());
    set(&mut text, "error_format", Some(&server.error_format));
    set(&mut text, "public_rate", Some(&server.public_rate));
    set(&mut text, "rpc_body", Some(&server.rpc_body));
    set(&mut text, "connect_timeout", wait(server.connect_timeout).as_ref());
    set(&mut text, "answer_timeout", wait(server.answer_timeout).as_ref());
    for route in routes {
        text += "[[route]]\n";
        set(&mut text, "path", Some(&route.path));
        if let Methods::Only(methods) = &route.methods {
            let methods = list(methods.iter().map(|method| method.word().to_owned()).collect());
            text += &format!("methods = [{methods}]\n");
        }
        match &route.access {
            Access::Public => text += "access = \"public\"\n",
            Access::Key { namespace, scope } => {
                set(&mut text, "namespace", namespace.as_ref());
                set(&mut text, "scope", scope.as_ref());
            }
        }
    }
    text
}
