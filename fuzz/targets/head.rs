//! Patterns of routes on the first line (`!` in front of one that names a namespace, `?` of one for
//! GET alone), and the head of a request below. What msb makes of it is held to what anybody may:
//! one key or none, one reading of the path, nothing passed on that only msb may say.

#![no_main]

use std::{collections::BTreeSet, net::Ipv4Addr, sync::LazyLock};

use http::{HeaderMap, HeaderName, HeaderValue, Uri};
use libfuzzer_sys::fuzz_target;
use msb::{
    config::{Access, Config, Method, Methods, Overlap, Pattern, Route},
    gate::{Ask, Credential, Wanted},
    scope::Scope,
    server::{Settings, probe},
};
use msb_fuzz::{paths, words};

static SETTINGS: LazyLock<Settings> =
    LazyLock::new(|| Settings::of(&Config::default(), (Ipv4Addr::LOCALHOST, 5555).into(), false));

fuzz_target!(|data: &[u8]| {
    let end = data.iter().position(|byte| *byte == b'\n').unwrap_or(data.len());
    let Some(head) = data.get(end + 1..) else { return };
    let mut lines = [httparse::EMPTY_HEADER; 64];
    let mut request = httparse::Request::new(&mut lines);
    if !request.parse(head).is_ok_and(|read| read.is_complete()) {
        return;
    }
    let (method, target) = (request.method.unwrap_or_default(), request.path.unwrap_or_default());
    let mut headers = HeaderMap::new();
    for line in request.headers.iter() {
        let name = HeaderName::from_bytes(line.name.as_bytes());
        let (Ok(name), Ok(value)) = (name, HeaderValue::from_bytes(line.value)) else { return };
        headers.append(name, value);
    }
    let lines = Lines(request.headers);
    one_key(&headers, &lines);
    passed_on(&headers, &lines);
    if let Some(ask) = probe::asked_in_headers(&headers) {
        held_to_headers(ask, &lines);
    }
    let Ok(uri) = target.parse::<Uri>() else { return };
    by_query(uri.query(), &headers, &lines);
    if probe::guarded(&headers, &uri, &SETTINGS) {
        our_own_name(&lines);
    }
    one_path(uri.path(), method, &str::from_utf8(&data[..end]).map(routes).unwrap_or_default());
});

/// The lines of a head.
struct Lines<'h>(&'h [httparse::Header<'h>]);

impl Lines<'_> {
    fn all(&self, name: &str) -> Vec<&[u8]> {
        let lines = self.0.iter().filter(|line| line.name.eq_ignore_ascii_case(name));
        lines.map(|line| line.value).collect()
    }

    fn one_text(&self, name: &str) -> Option<&str> {
        if let [value] = self.all(name)[..] { str::from_utf8(value).ok() } else { None }
    }
}

/// Whoever looks for a key finds the same one or none.
fn one_key(headers: &HeaderMap, lines: &Lines<'_>) {
    let (bearing, keys) = (lines.all("authorization"), lines.all("x-api-key"));
    let graphic = |key: &[u8]| !key.is_empty() && key.iter().all(|byte| matches!(byte, 33..=126));
    let parts = |line: &[u8]| {
        let text = String::from_utf8_lossy(line).to_ascii_lowercase();
        let scheme = text.split([' ', '\t', ',', ':', ';', '=']).find(|part| !part.is_empty());
        (scheme.unwrap_or_default().to_owned(), text.contains([' ', '\t']))
    };
    // What no reader takes for a key of ours: another scheme, and something behind it.
    let another = bearing.iter().all(|line| {
        let (scheme, more) = parts(line);
        scheme != "bearer" && more
    });
    match probe::credential(headers) {
        Credential::Key(key) => {
            let key = key.expose().as_bytes();
            assert!(graphic(key));
            assert!(
                bearing.len() + keys.len() == 1 || keys.len() == 1 && bearing.len() == 1 && another
            );
            let line = keys.first().or(bearing.first()).expect("a line");
            assert!(line.ends_with(key));
            if keys.is_empty() {
                let front = line[..line.len() - key.len()].trim_ascii_end();
                assert!(
                    front.eq_ignore_ascii_case(b"bearer") && front.len() + key.len() < line.len()
                );
            } else {
                assert_eq!(*line, key);
            }
        }
        Credential::Absent => assert!(keys.is_empty() && bearing.len() <= 1 && another),
        Credential::Unclear => {
            assert!(!(bearing.is_empty() && keys.is_empty()));
            let plain = match (&bearing[..], &keys[..]) {
                ([line], []) => line.strip_prefix(b"Bearer ").is_some_and(graphic),
                ([], [key]) => graphic(key),
                _ => false,
            };
            assert!(!plain, "a plain key is refused");
        }
    }
}

/// Nothing goes on that only msb may say, or that is between neighbours, under any name that some
/// take for it; everything else does.
fn passed_on(headers: &HeaderMap, lines: &Lines<'_>) {
    for public in [false, true] {
        let Some(onward) = probe::onward(headers, public) else {
            assert!(!lines.all("connection").is_empty());
            continue;
        };
        let stamps = ["key-id", "namespace", "namespaces", "scope", "subject", "expires"];
        for stamp in stamps {
            assert_eq!(onward.get_all(format!("x-msb-{stamp}")).iter().count(), 1);
        }
        for (name, value) in &onward {
            let lax = name.as_str().replace(['_', '.'], "-");
            let stamp = lax.strip_prefix("x-msb-").is_some_and(|name| stamps.contains(&name));
            let ours = lax.starts_with("x-msb-") && !lax.starts_with("x-msb-file-") && !stamp;
            assert!(
                !ours && !lax.starts_with("x-forwarded") && !lax.starts_with("proxy-"),
                "{name}"
            );
            assert!(!lax.starts_with("x-original-"), "{name}");
            assert!(!stamp || lax == name.as_str() && value == "-", "{name}");
            let never = [
                "connection",
                "content-length",
                "expect",
                "forwarded",
                "host",
                "keep-alive",
                "transfer-encoding",
                "upgrade",
                "x-api-key",
                "x-http-method",
                "x-http-method-override",
                "x-method-override",
                "x-real-ip",
                "x-rewrite-url",
            ];
            assert!(!never.contains(&lax.as_str()), "{name}");
            assert!(lax != "te" || value.as_bytes().eq_ignore_ascii_case(b"trailers"));
            if lax == "authorization" {
                let text = String::from_utf8_lossy(value.as_bytes()).to_ascii_lowercase();
                let bearer = text.split(|c: char| !c.is_ascii_alphanumeric() && c != '-').next();
                assert!(!public && bearer != Some("bearer"), "a key goes on");
            }
            assert!(!public || !["x-namespace", "x-workspace-id"].contains(&lax.as_str()));
        }
        let plain = ["accept", "content-type", "cookie", "user-agent", "x-request-id"];
        let connection: Vec<_> = lines.all("connection").concat().to_ascii_lowercase();
        for name in plain.iter().filter(|_| connection.is_empty()) {
            let stands: Vec<_> = headers.get_all(*name).iter().collect();
            assert_eq!(onward.get_all(*name).iter().collect::<Vec<_>>(), stands);
        }
    }
}

/// What a client names in headers.
fn named(lines: &Lines<'_>) -> Option<BTreeSet<String>> {
    let mut names = BTreeSet::new();
    for header in ["x-namespace", "x-workspace-id"] {
        match lines.all(header)[..] {
            [] => {}
            [name] => {
                let name = str::from_utf8(name).ok()?;
                (name == "*" || words::is_namespace(name)).then_some(())?;
                names.insert(name.to_owned());
            }
            _ => return None,
        }
    }
    Some(names)
}

/// What is asked for, told as it is held to.
fn asks(ask: Ask, names: Option<BTreeSet<String>>, any: (bool, bool), scope: &BTreeSet<String>) {
    assert!(!ask.own_namespace);
    match (ask.namespaces, names) {
        (Wanted::Unclear, None) => {}
        (Wanted::Unclear, Some(names)) => assert!(names.len() > 32),
        (Wanted::Any, Some(names)) => assert!(names.is_empty() && any.0),
        (Wanted::Unsaid, Some(names)) => assert!(names.is_empty() && !any.0),
        (Wanted::These(found), Some(names)) => {
            let all = names.contains("*");
            let names = if all { BTreeSet::from(["*".to_owned()]) } else { names };
            assert_eq!(found.words().into_iter().collect::<BTreeSet<_>>(), names);
        }
        (found, None) => panic!("what cannot be read is {found:?}"),
    }
    match ask.scope {
        Wanted::Unclear => panic!("a scope is clear"),
        Wanted::Any => assert!(scope.is_empty() && any.1),
        Wanted::Unsaid => assert!(scope.is_empty() && !any.1),
        Wanted::These(Scope::Every) => panic!("every operation is never asked for"),
        Wanted::These(Scope::Only(found)) => {
            assert_eq!(found.iter().map(ToString::to_string).collect::<BTreeSet<_>>(), *scope);
        }
    }
}

/// The query is the operator's policy: four names, each with a value that is known, or nothing.
fn by_query(query: Option<&str>, headers: &HeaderMap, lines: &Lines<'_>) {
    let own = policy(query.unwrap_or_default());
    let found = probe::asked_in_query(query, headers);
    assert_eq!(found.is_some(), own.is_some(), "{query:?}");
    let (Some(found), Some((mut names, any, scope))) = (found, own) else { return };
    let client = named(lines).map(|client| {
        names.extend(client);
        names
    });
    asks(found, client, any, &scope);
}

type Policy = (BTreeSet<String>, (bool, bool), BTreeSet<String>);

fn policy(query: &str) -> Option<Policy> {
    let (mut names, mut any, mut scope) = (BTreeSet::new(), (false, false), BTreeSet::new());
    for parameter in query.split('&').filter(|_| !query.is_empty()) {
        let (name, value) = parameter.split_once('=')?;
        let (name, value) = (ascii(name)?, ascii(value)?);
        match name.as_str() {
            "namespace" if value == "*" || words::is_namespace(&value) => {
                names.insert(value);
            }
            "scope" if value.split(' ').all(words::is_scope_word) => {
                scope.extend(value.split(' ').map(str::to_owned));
            }
            "any_namespace" if value == "1" => any.0 = true,
            "any_scope" if value == "1" => any.1 = true,
            _ => return None,
        }
    }
    let count = names.iter().filter(|name| *name != "*").count();
    (count <= 32).then_some((names, any, scope))
}

/// A text with its escapes, which stand for ASCII.
fn ascii(text: &str) -> Option<String> {
    let mut bytes = text.bytes();
    let mut plain = String::new();
    while let Some(byte) = bytes.next() {
        match byte {
            b'%' => {
                let digits = [bytes.next()?, bytes.next()?];
                let hex = digits.iter().all(u8::is_ascii_hexdigit);
                let digits = hex.then(|| String::from_utf8_lossy(&digits).into_owned())?;
                let byte = u8::from_str_radix(&digits, 16).ok()?;
                byte.is_ascii().then(|| plain.push(char::from(byte)))?;
            }
            byte => plain.push(char::from(byte)),
        }
    }
    Some(plain)
}

/// The policy in headers: words with one space between, or `*any*`.
fn held_to_headers(ask: Ask, lines: &Lines<'_>) {
    let required = |name: &str| match lines.all(name)[..] {
        [] => vec![],
        [value] => str::from_utf8(value).expect("it was read").split(' ').collect(),
        _ => panic!("{name} stands there twice"),
    };
    let (mut names, mut scope) =
        (required("x-msb-require-namespace"), required("x-msb-require-scope"));
    let any = (names == ["*any*"], scope == ["*any*"]);
    names.retain(|_| !any.0);
    scope.retain(|_| !any.1);
    assert!(names.iter().all(|name| *name == "*" || words::is_namespace(name)));
    assert!(scope.iter().all(|word| words::is_scope_word(word)));
    let names = named(lines).map(|mut client| {
        client.extend(names.iter().map(|name| (*name).to_owned()));
        client
    });
    asks(ask, names, any, &scope.iter().map(|word| (*word).to_owned()).collect());
}

/// Who is let in without a key has asked for us by a loopback name, and comes from no foreign page.
fn our_own_name(lines: &Lines<'_>) {
    let host = lines.one_text("host").expect("one Host").to_ascii_lowercase();
    let name = host.rsplit_once(':').filter(|(_, port)| port.bytes().all(|b| b.is_ascii_digit()));
    let name = name.map_or(host.as_str(), |(name, _)| name);
    let inside = name.strip_prefix('[').and_then(|name| name.strip_suffix(']')).unwrap_or(name);
    let loopback =
        inside.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.to_canonical().is_loopback());
    assert!(loopback || name == "localhost" || name.ends_with(".localhost"), "{host}");
    if !lines.all("origin").is_empty() {
        let origin = lines.one_text("origin").expect("one Origin").to_ascii_lowercase();
        assert!(origin == format!("http://{host}") || origin == format!("https://{host}"));
    }
    let foreign: [&[u8]; 2] = [b"cross-site", b"same-site"];
    assert!(!lines.all("sec-fetch-site").iter().any(|site| foreign.contains(site)));
}

/// Routes as `config.toml` would have them: none that ties with one before.
fn routes(line: &str) -> Vec<Route> {
    let mut routes: Vec<Route> = vec![];
    for word in line.split(' ').take(8) {
        let path = word.trim_start_matches(['!', '?']);
        let marks = &word[..word.len() - path.len()];
        let Ok(path) = path.parse::<Pattern>() else { continue };
        let methods = match marks.contains('?') {
            true => Methods::Only(vec![Method::Get]),
            false => Methods::Every,
        };
        let access = match marks.contains('!') {
            true => Access::Key { namespace: "fixed:a".parse().ok(), scope: None },
            false => Access::Public,
        };
        let ties = |other: &Route| {
            matches!(path.lies(&other.path), Overlap::Same | Overlap::Crossing)
                && methods.overlap(&other.methods)
        };
        if !routes.iter().any(ties) {
            routes.push(Route { path, methods, access });
        }
    }
    routes
}

/// A path that is passed on is one door, or one route, to everybody who reads it.
fn one_path(path: &str, method: &str, routes: &[Route]) {
    let strict = narrowest(routes, method, path);
    let Some(found) = probe::route(path, routes, method) else {
        let door = ["/mcp/", "/api/v1/rpc/"].iter().any(|door| path.starts_with(door));
        let lax = fitting(routes, &method.to_ascii_uppercase(), path);
        let differ = lax.iter().any(|route| match strict {
            Some(strict) => is_another(route, strict),
            None => route.names_a_namespace(),
        });
        assert!(!paths::is_plainest(path) || door || differ, "a plain path is refused");
        return;
    };
    assert_eq!(found, strict);
    let doors = ["/mcp", "/api/v1/rpc"];
    for reading in paths::readings(path) {
        let door = doors.iter().find(|door| **door == reading);
        assert!(door.is_none_or(|door| *door == path), "some take {path} for a door");
        let lax = fitting(routes, &method.to_ascii_uppercase(), &reading);
        if let Some(found) = found {
            let other = lax.into_iter().find(|route| is_another(route, found));
            assert_eq!(other, None, "some go elsewhere: {reading}");
        } else {
            let named = lax.iter().any(|route| route.names_a_namespace());
            assert!(!named, "nobody asks for the namespace: {reading}");
        }
    }
}

/// Whether one who may go by either need not go by `found`. What is written out is what is meant.
fn is_another(route: &Route, found: &Route) -> bool {
    let pattern = found.path.to_string();
    let many = pattern.split('/').any(|segment| segment == "*" || segment.starts_with(':'));
    route != found && many && route.path.lies(&found.path) != Overlap::Wider
}

/// The routes that a lax reader may take for those of a path.
fn fitting<'r>(routes: &'r [Route], method: &str, path: &str) -> Vec<&'r Route> {
    let fits = |route: &&Route| {
        route.methods.include(method) && paths::fit(&route.path.to_string(), path, true).is_some()
    };
    routes.iter().filter(fits).collect()
}

/// The route with the narrowest pattern for a path, as it stands.
fn narrowest<'r>(routes: &'r [Route], method: &str, path: &str) -> Option<&'r Route> {
    let fit = |route: &'r Route| {
        let fits = paths::fit(&route.path.to_string(), path, false)?;
        route.methods.include(method).then_some((fits, route))
    };
    let fitting = routes.iter().filter_map(fit);
    fitting.max_by(|(one, _), (other, _)| one.cmp(other)).map(|(_, route)| route)
}
