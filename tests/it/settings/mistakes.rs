//! Mistakes in `config.toml`: the line, what is wrong, and what to do, word for word.

use super::set;
use crate::harness::Msb;

/// Holds the settings to a mistake in this line.
#[track_caller]
fn wrong(settings: &str, line: usize, message: &str, hint: &str) {
    let mut msb = Msb::new();
    std::fs::create_dir(msb.home()).unwrap();
    set(&msb, settings);
    let told =
        format!("msb: error: …/home/config.toml, line {line}: {message}\nmsb: hint: {hint}\n");
    msb.check("server keygen", 78, "", &told);
    assert_eq!(std::fs::read_dir(msb.home()).unwrap().count(), 1, "a refused command left a file");
}

/// Holds a line of a table to a mistake in its value.
#[track_caller]
fn value(table: &str, line: &str, message: &str, example: &str) {
    let head = if table.is_empty() { String::new() } else { format!("[{table}]\n") };
    let at = head.lines().count() + 1;
    let units = [r#"30d""#, r#"1h""#, r#"1y""#].iter().any(|end| example.ends_with(end));
    let units = if units { SPANS } else { "" };
    wrong(&format!("{head}{line}\n"), at, message, &format!("write it as in `{example}`{units}"));
}

/// Holds a line of a route to a mistake in its value.
#[track_caller]
fn route(line: &str, message: &str, example: &str) {
    let hint = format!("write it as in `{example}`");
    wrong(&format!("[[route]]\npath = \"/a\"\n{line}\n"), 3, message, &hint);
}

#[test]
fn settings_that_are_no_plain_file_are_not_waited_for() {
    let mut msb = Msb::with_server_key();
    let fifo = msb.file("config.toml");
    assert!(std::process::Command::new("mkfifo").arg(&fifo).status().unwrap().success());
    let told = "msb: error: …/home/config.toml is not a plain file\n";
    msb.check("server keygen", 78, "", told);
    std::fs::remove_file(&fifo).unwrap();
    std::fs::create_dir(&fifo).unwrap();
    msb.check("server keygen", 78, "", told);
}

#[test]
fn an_unknown_setting_is_told_with_the_nearest() {
    let unknown = |settings: &str, line, name: &str, hint: &str| {
        wrong(settings, line, &format!("there is no setting `{name}`"), hint);
    };
    unknown("\n\nprefx = \"x_\"\n", 3, "prefx", "did you mean `prefix`?");
    unknown("[policy]\nmaxexpire = \"1y\"\n", 2, "maxexpire", "did you mean `max_expire`?");
    unknown("[server]\n\nports = 1\n", 3, "ports", "did you mean `port`?");
    unknown("[[route]]\npath = \"/\"\nmethod = \"GET\"\n", 3, "method", "did you mean `methods`?");
    unknown("[polcy]\nmax_expire = \"1y\"\n", 1, "polcy", "did you mean `policy`?");
    unknown(
        "max_expire = \"1y\"\n",
        1,
        "max_expire",
        "did you mean `max_expire` under `[policy]`?",
    );
    unknown("[policy]\nport = 1\n", 2, "port", "did you mean `port` under `[server]`?");
    unknown("[server]\nscope = 1\n", 2, "scope", "did you mean `scope` under `[[route]]`?");
    unknown(
        "[policy]\nissuer = \"a\"\n",
        2,
        "issuer",
        "did you mean `issuer` at the top of the file?",
    );
    unknown(
        "x = 1\n",
        1,
        "x",
        "at the top of the file there are prefix issuer audience policy server route",
    );
    unknown(
        "[policy]\nz = 1\n",
        2,
        "z",
        "under `[policy]` there are default_expire min_expire max_expire require_expire \
         require_namespace require_name",
    );
    unknown(
        "[policy]\nz = 1\nb = 1\n",
        2,
        "z",
        "under `[policy]` there are default_expire min_expire max_expire require_expire require_namespace require_name",
    );
    let long = "x".repeat(200);
    unknown(
        &format!("{long} = 1\n"),
        1,
        "…",
        "at the top of the file there are prefix issuer audience policy server route",
    );
}

#[test]
fn what_is_not_toml_is_told_with_its_line() {
    let hint = "a setting is a line such as `issuer = \"https://example.org\"`";
    wrong("prefix = \"x_\"\nprefix = \"y_\"\n", 2, "duplicate key", hint);
    wrong("\nissuer = me\n", 2, "string values must be quoted, expected literal string", hint);
    wrong("issuer = \"me\n", 1, "invalid basic string, expected `\"`", hint);
}

#[test]
fn a_setting_of_another_kind_is_told() {
    value("", "prefix = 3", "`prefix` is text", r#"prefix = "msb_""#);
    value("", "issuer = true", "`issuer` is text", r#"issuer = "https://example.org""#);
    value("", "policy = 3", "`policy` is a table", "[policy]");
    value("", "[[policy]]", "`policy` is a table", "[policy]");
    value("", "[route]", "`route` is one table or more", "[[route]]");
    value("", "route = [3]", "`route` is one table or more", "[[route]]");
    value("policy", "max_expire = 90", "`max_expire` is text", r#"max_expire = "1y""#);
    value("policy", "require_name = 1", "`require_name` is true or false", "require_name = true");
    let port = "`port` is a number from 1 to 65535";
    for wrong in ["\"5555\"", "0", "65536", "-1", "1.5", "99999999999999999999"] {
        value("server", &format!("port = {wrong}"), port, "port = 5555");
    }
    let hosts = r#"hosts = ["api.example.org"]"#;
    value("server", "hosts = \"a\"", "`hosts` is a list of texts", hosts);
    value("server", "hosts = [1]", "`hosts` is a list of texts", hosts);
    for wrong in ["true", "-1", "1.5"] {
        let line = format!("rpc_body = {wrong}");
        value("server", &line, "`rpc_body` is text, or a number", r#"rpc_body = "1MiB""#);
    }
}

#[test]
fn a_value_that_will_not_do_is_quoted() {
    value(
        "",
        "prefix = \"MSB_\"",
        "`MSB_` for `prefix`: a prefix is a lower-case letter, up to 14 more and digits, then `_`",
        r#"prefix = "msb_""#,
    );
    value(
        "",
        "audience = \"a b\"",
        "`a b` for `audience`: it has only letters, digits and `@._+:/-`, and begins with a letter or a digit",
        r#"audience = "my-service""#,
    );
    for (name, example) in [("default_expire", "30d"), ("min_expire", "1h"), ("max_expire", "1y")] {
        let example = format!("{name} = \"{example}\"");
        value(
            "policy",
            &format!("{name} = \"3M\""),
            &format!("`3M` for `{name}`: the units are s m h d w mo y, in lower case"),
            &example,
        );
        value(
            "policy",
            &format!("{name} = \"0d\""),
            &format!("`0d` for `{name}`: a time is at least 1 of its unit"),
            &example,
        );
        value(
            "policy",
            &format!("{name} = \"never\""),
            &format!("`never` for `{name}`: it is no span such as 30d"),
            &example,
        );
    }
    let server = |line: &str, message: &str, example: &str| value("server", line, message, example);
    server(
        "host = \"localhost\"",
        "`localhost` for `host`: it is an IP address",
        r#"host = "127.0.0.1""#,
    );
    server(
        "metrics_listen = \"9555\"",
        "`9555` for `metrics_listen`: it is an IP address, `:` and a port",
        r#"metrics_listen = "127.0.0.1:9555""#,
    );
    let upstream = |text: &str, why: &str| {
        let message = format!("`{text}` for `upstream`: {why}");
        server(
            &format!("upstream = \"{text}\""),
            &message,
            r#"upstream = "http://127.0.0.1:8080""#,
        );
    };
    upstream("127.0.0.1:8080", "it begins with `http://`");
    upstream("https://a:443", "msb speaks plain HTTP to what is behind it");
    upstream("http://a", "it has a port, from 1 to 65535");
    upstream("http://a:1/", "nothing stands behind the port");
    upstream("http://me@a:1", "it names no user");
    upstream(
        "http://a_b:1",
        "a host is letters, digits and `-` with points between, or an address",
    );
    upstream("http://127.1:1", "it is neither an address nor a name");
    let hosts = |text: &str, why: &str| {
        let message = format!("`{text}` for `hosts`: {why}");
        wrong(
            &format!("[server]\nhosts = [\n  \"a\",\n  \"{text}\",\n]\n"),
            4,
            &message,
            "write it as in `hosts = [\"api.example.org\"]`",
        );
    };
    hosts("a:80", "a host is letters, digits and `-` with points between, or an address");
    hosts("A.example.org", "a host is in lower case");
    hosts("::1", "an IPv6 address stands in brackets here");
    let proxies = |text: &str, why: &str| {
        let message = format!("`{text}` for `trusted_proxies`: {why}");
        server(
            &format!("trusted_proxies = [\"{text}\"]"),
            &message,
            r#"trusted_proxies = ["10.0.0.0/8", "::1"]"#,
        );
    };
    proxies("proxy", "a network is an address, or one with `/` and a number of bits");
    proxies("10.0.0.0/33", "an IPv4 network has 1 to 32 bits, an IPv6 network 1 to 128");
    proxies("10.0.0.1/8", "the bits behind those that count are 0");
    proxies("0.0.0.0/0", "it would trust everybody");
    proxies("::ffff:10.0.0.0/104", "an IPv4 network is written as such");
    for (name, example) in [
        ("max_staleness", "5m"),
        ("drain", "10s"),
        ("connect_timeout", "5s"),
        ("answer_timeout", "10m"),
    ] {
        let example = format!("{name} = \"{example}\"");
        server(
            &format!("{name} = \"1mo\""),
            &format!("`1mo` for `{name}`: the units here are s m h d w"),
            &example,
        );
        server(
            &format!("{name} = \"8d\""),
            &format!("`8d` for `{name}`: a week is the most"),
            &example,
        );
        server(
            &format!("{name} = \"5\""),
            &format!("`5` for `{name}`: a number needs a unit"),
            &example,
        );
    }
    server(
        "error_format = \"json\"",
        "`json` for `error_format`: it is `default`, `superbox` or `microsandbox`",
        r#"error_format = "superbox""#,
    );
    let rate = |text: &str, why: &str| {
        let message = format!("`{text}` for `public_rate`: {why}");
        server(&format!("public_rate = \"{text}\""), &message, r#"public_rate = "100/h""#);
    };
    rate("100", "a rate is a number, `/` and a unit");
    rate("100/hour", "the units of a rate are s m h d");
    rate("0/h", "a rate is at least 1");
    rate("4294967296/h", "a rate is at most 4294967295");
    let body = |text: &str, why: &str| {
        let message = format!("`{}` for `rpc_body`: {why}", text.trim_matches('"'));
        server(&format!("rpc_body = {text}"), &message, r#"rpc_body = "1MiB""#);
    };
    body("\"1MB\"", "it is a number of bytes, or one with KiB, MiB or GiB behind");
    body("\"2GiB\"", "it is at most 1GiB");
    body("1073741825", "it is at most 1GiB");
    body("0", "it is at least 1");
}

#[test]
fn limits_of_a_policy_do_not_contradict() {
    let limits = |settings: &str, line, message: &str, hint: &str| {
        wrong(&format!("[policy]\n{settings}\n"), line, message, hint);
    };
    limits(
        "min_expire = \"2d\"\nmax_expire = \"1d\"",
        3,
        "`max_expire` 1d is shorter than `min_expire` 2d",
        "make `max_expire` longer, or `min_expire` shorter",
    );
    limits(
        "default_expire = \"30d\"\nmax_expire = \"1mo\"",
        3,
        "`max_expire` 1mo is shorter than `default_expire` 30d in some months",
        "make `max_expire` longer, or `default_expire` shorter",
    );
    limits(
        "default_expire = \"59m\"\nmin_expire = \"1h\"",
        2,
        "`default_expire` 59m is shorter than `min_expire` 1h",
        "make `default_expire` longer, or `min_expire` shorter",
    );
    let mut msb = Msb::with_server_key();
    for fits in [
        "min_expire = \"1d\"\nmax_expire = \"1d\"",
        "default_expire = \"28d\"\nmax_expire = \"1mo\"",
        "default_expire = \"1h\"\nmin_expire = \"60m\"",
        "min_expire = \"1y\"\nmax_expire = \"12mo\"",
    ] {
        set(&msb, &format!("[policy]\n{fits}\n"));
        msb.ends("server status --check", i32::from(fits.contains("max_expire")) as u8 * 3);
    }
}

#[test]
fn a_route_is_whole_and_plain() {
    let path = r#"write it as in `path = "/servers/:name"`"#;
    wrong("[[route]]\n\n[[route]]\npath = \"/\"\n", 1, "`path` is missing", path);
    wrong("[[route]]\npath = \"/\"\n\n[[route]]\n", 4, "`path` is missing", path);
    let mistyped = "[[route]]\npth = \"/\"\n";
    wrong(mistyped, 2, "there is no setting `pth`", "did you mean `path`?");
    let refused = |text: &str, why: &str| {
        let message = format!("`{text}` for `path`: {why}");
        wrong(&format!("[[route]]\npath = '{text}'\n"), 2, &message, path);
    };
    refused("servers", "a path begins with `/`");
    refused("/a//b", "it could be read two ways: something stands between two `/`");
    refused("/a/../b", "it could be read two ways: `.` and `..` are no part of a path");
    let two_ways = "it could be read two ways: a path has letters, digits and `-._~!$&'()+,=:@`";
    for text in ["/%72pc", "/rpc;x=1", "/a%2fb", "/a\\b", "/ä", "/a#b"] {
        refused(text, two_ways);
    }
    refused("/API/v1/rpc", "msb answers there itself");
    refused("/mcp/", "msb answers there itself");
    refused("/a*", "`*` stands alone at the end");
    refused("/:a-b", "a name in a path has only letters, digits and `_`");
    refused("/:a/:a", "it has one name twice");
    route(
        "access = \"open\"",
        "`open` for `access`: it is `public` or `key`",
        r#"access = "public""#,
    );
    let methods = r#"methods = ["GET", "HEAD"]"#;
    route(
        "methods = [\"get\"]",
        "`get` for `methods`: a method is GET, HEAD, POST, PUT, PATCH, DELETE or OPTIONS",
        methods,
    );
    let each = "name each once, or leave `methods` out for every one";
    wrong("[[route]]\npath = \"/\"\nmethods = []\n", 3, "`methods` names none", each);
    let twice = "[[route]]\npath = \"/\"\nmethods = [\"GET\", \"PUT\", \"GET\"]\n";
    wrong(twice, 3, "`methods` names one twice", each);
    let namespace = |text: &str, why: &str| {
        let message = format!("`{text}` for `namespace`: {why}");
        route(
            &format!("namespace = \"{text}\""),
            &message,
            r#"namespace = "header:X-Workspace-Id""#,
        );
    };
    namespace("dev", "it is `header:X`, `path:NAME`, `fixed:NS`, `key` or `any`");
    namespace("header:X_Y", "a header has only letters, digits and `-`");
    namespace("header:X-Msb-Namespace", "that header is not passed on to the service");
    namespace("fixed:a b", "a namespace has only letters, digits, `_` and `-`");
    namespace("path:", "a name in a path has only letters, digits and `_`");
    route(
        "scope = \"a b\"",
        "`a b` for `scope`: a scope word has only letters, digits, `_`, `-`, `.`, `:` and `/`",
        r#"scope = "servers.delete""#,
    );
}

#[test]
fn a_namespace_comes_from_a_name_that_the_path_has() {
    wrong(
        "[[route]]\nnamespace = \"path:nme\"\npath = \"/servers/:name\"\n",
        2,
        "there is no `:nme` in `/servers/:name`",
        "write `:nme` where it stands in the path, or take it from elsewhere",
    );
}

#[test]
fn a_public_route_asks_for_nothing() {
    let public = |line: &str, name: &str| {
        wrong(
            &format!("[[route]]\npath = \"/a\"\n{line}\naccess = \"public\"\n"),
            3,
            &format!("a public route asks for no key, so it has no `{name}`"),
            &format!("take `{name}` out, or write `access = \"key\"`"),
        );
    };
    public("namespace = \"any\"", "namespace");
    public("scope = \"any\"", "scope");
}

#[test]
fn routes_of_which_neither_is_the_narrower_are_told_with_both_lines() {
    let tie = |one: &str, other: &str, told: &str| {
        let settings =
            format!("[[route]]\npath = \"/b\"\n\n[[route]]\n{one}\n[[route]]\n{other}\n");
        let line = 5 + one.lines().count();
        wrong(&settings, line, told, "make one narrower, or give them different `methods`");
    };
    tie(
        "path = \"/servers/*\"",
        "path = \"/:kind/delete\"",
        "`/:kind/delete` and `/servers/*` in line 4 share paths, and neither is the narrower",
    );
    tie("path = \"/a\"", "path = \"/a\"", "`/a` is for the same paths as `/a` in line 4");
    tie(
        "path = \"/:a/x\"",
        "path = \"/:b/x\"",
        "`/:b/x` is for the same paths as `/:a/x` in line 4",
    );
    tie(
        "path = \"/*\"",
        "methods = [\"GET\"]\npath = \"/*\"",
        "`/*` is for the same paths as `/*` in line 4",
    );
    tie(
        "path = \"/a\"\nmethods = [\"GET\", \"PUT\"]",
        "path = \"/a\"\nmethods = [\"PUT\"]",
        "`/a` is for the same paths as `/a` in line 4",
    );
}

#[test]
fn the_first_mistake_is_told_to_every_command_that_goes_by_the_settings() {
    let mut msb = Msb::with_server_key();
    let key = msb.key("");
    msb.env.insert("MSB_API_KEY".into(), key.into());
    set(&msb, "[server]\nprot = 1\n");
    for line in ["verify", "server keygen"] {
        let ran = msb.ends(line, 78);
        assert!(ran.stderr.contains("line 2: there is no setting `prot`"), "{}", ran.stderr);
    }
    let ran = msb.ends("server status --check --json", 3);
    let told = r#""code":"configuration","message":""#;
    assert!(ran.stdout.contains(told), "{}", ran.stdout);
    assert!(ran.stdout.contains(r#""hint":"did you mean `port`?""#), "{}", ran.stdout);
    // What does not go by them is not held up.
    msb.ends("server list", 0);
}

/// How the spans of a policy are written.
const SPANS: &str = ": 30s 15m 24h 7d 2w 3mo 1y, or together from large to small as 1y6mo";
