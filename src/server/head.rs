//! What the head of a request says: its key, what it asks for, and where it comes from.

use std::net::IpAddr;

use hyper::{HeaderMap, Uri, header};

use super::Settings;
use crate::{
    config::Host,
    error::Turned,
    gate::{Ask, Credential, Denial, Wanted},
    key::KeyText,
    namespace::Namespaces,
    scope::{Scope, ScopeWord},
};

/// What an operator asks of every request at a door.
#[derive(Debug, Default, Eq, PartialEq)]
pub(super) struct Policy {
    namespaces: Vec<Namespaces>,
    any_namespace: bool,
    scope: Vec<ScopeWord>,
    any_scope: bool,
}

impl Policy {
    /// What the query of `/auth` says. What it does not say in words that are known is refused: a
    /// slip must not open a door.
    pub(super) fn of_query(query: Option<&str>) -> Result<Self, Denial> {
        let mut policy = Self::default();
        for parameter in query.filter(|query| !query.is_empty()).into_iter().flat_map(parameters) {
            let (name, value) = parameter.ok_or(Denial::PolicyUnclear)?;
            match (name.as_str(), value.as_str()) {
                ("namespace", word) => policy.namespaces.push(namespace(word)?),
                ("scope", words) => policy.scope.extend(operations(words)?),
                ("any_namespace", "1") => policy.any_namespace = true,
                ("any_scope", "1") => policy.any_scope = true,
                _ => return Err(Denial::PolicyUnclear),
            }
        }
        Ok(policy)
    }

    /// What `X-Msb-Require-Namespace` and `X-Msb-Require-Scope` say: words with one space between,
    /// or `*any*`.
    pub(super) fn of_headers(headers: &HeaderMap) -> Result<Self, Denial> {
        let mut policy = Self::default();
        match only(headers, "x-msb-require-namespace").map_err(|Twice| Denial::PolicyUnclear)? {
            None => {}
            Some(b"*any*") => policy.any_namespace = true,
            Some(words) => {
                let words = str::from_utf8(words).map_err(|_| Denial::PolicyUnclear)?.split(' ');
                policy.namespaces = words.map(namespace).collect::<Result<_, _>>()?;
            }
        }
        match only(headers, "x-msb-require-scope").map_err(|Twice| Denial::PolicyUnclear)? {
            None => {}
            Some(b"*any*") => policy.any_scope = true,
            Some(words) => {
                let words = str::from_utf8(words).map_err(|_| Denial::PolicyUnclear)?;
                policy.scope = operations(words)?;
            }
        }
        Ok(policy)
    }

    /// What a request with these headers asks for, under this policy. A client can only narrow it.
    pub(super) fn ask(self, headers: &HeaderMap) -> Ask {
        Ask {
            namespaces: self.wanted_namespaces(headers),
            scope: match Scope::of(self.scope) {
                Scope::Every if self.any_scope => Wanted::Any,
                Scope::Every => Wanted::Unsaid,
                words @ Scope::Only(_) => Wanted::These(words),
            },
        }
    }

    fn wanted_namespaces(&self, headers: &HeaderMap) -> Wanted<Namespaces> {
        let mut wanted = self.namespaces.clone();
        for name in ["x-workspace-id", "x-namespace"] {
            match only(headers, name).map(|value| value.map(str::from_utf8)) {
                Ok(None) => {}
                Ok(Some(Ok(word))) => match Namespaces::word(word) {
                    Ok(word) => wanted.push(word),
                    Err(_) => return Wanted::Unclear,
                },
                Ok(Some(Err(_))) | Err(Twice) => return Wanted::Unclear,
            }
        }
        if wanted.contains(&Namespaces::All) {
            return Wanted::These(Namespaces::All);
        }
        match (wanted.is_empty(), self.any_namespace) {
            (true, true) => Wanted::Any,
            (true, false) => Wanted::Unsaid,
            (false, _) => Namespaces::union(wanted).map_or(Wanted::Unclear, Wanted::These),
        }
    }
}

/// The parameters of a query, decoded once; none for one that cannot be.
fn parameters(query: &str) -> impl Iterator<Item = Option<(String, String)>> {
    query.split('&').map(|parameter| {
        let (name, value) = parameter.split_once('=')?;
        Some((decoded(name)?, decoded(value)?))
    })
}

/// A text whose escapes (RFC 3986 section 2.1) stand for ASCII, if they do.
fn decoded(text: &str) -> Option<String> {
    let mut parts = text.split('%');
    let mut decoded = parts.next()?.to_owned();
    for part in parts {
        let (digits, rest) = part.split_at_checked(2)?;
        let plain = digits.bytes().all(|byte| byte.is_ascii_hexdigit());
        let byte = u8::from_str_radix(digits, 16).ok().filter(|byte| plain && byte.is_ascii())?;
        decoded.push(char::from(byte));
        decoded += rest;
    }
    Some(decoded)
}

fn namespace(word: &str) -> Result<Namespaces, Denial> {
    Namespaces::word(word).map_err(|_| Denial::PolicyUnclear)
}

fn operations(words: &str) -> Result<Vec<ScopeWord>, Denial> {
    words.split(' ').map(|word| word.parse().map_err(|_| Denial::PolicyUnclear)).collect()
}

/// A header that is there twice.
struct Twice;

/// The value of a header that may be there once.
fn only<'h>(headers: &'h HeaderMap, name: &str) -> Result<Option<&'h [u8]>, Twice> {
    let mut values = headers.get_all(name).iter();
    match (values.next(), values.next()) {
        (value, None) => Ok(value.map(|value| value.as_bytes())),
        (_, Some(_)) => Err(Twice),
    }
}

/// The key that a request bears: in `Authorization: Bearer` (RFC 6750 section 2.1), or in
/// `X-API-Key`. Every such line counts.
pub(super) fn credential(headers: &HeaderMap) -> Credential {
    let bearer = match only(headers, header::AUTHORIZATION.as_str()) {
        Ok(line) => line.map(bearer),
        Err(Twice) => return Credential::Unclear,
    };
    let api_key = match only(headers, "x-api-key") {
        Ok(key) => key,
        Err(Twice) => return Credential::Unclear,
    };
    let key = match (bearer, api_key) {
        (None | Some(Bearer::Other), None) => return Credential::Absent,
        (Some(Bearer::Key(key)), None) | (None | Some(Bearer::Other), Some(key)) => key,
        (Some(Bearer::Unclear), None) | (Some(Bearer::Key(_) | Bearer::Unclear), Some(_)) => {
            return Credential::Unclear;
        }
    };
    match str::from_utf8(key) {
        Ok(key) if !key.is_empty() && key.bytes().all(|byte| byte.is_ascii_graphic()) => {
            Credential::Key(KeyText::from(key.to_owned()))
        }
        Ok(_) | Err(_) => Credential::Unclear,
    }
}

/// What `Authorization` bears.
enum Bearer<'h> {
    Key(&'h [u8]),
    /// Another scheme, which is none of ours.
    Other,
    Unclear,
}

fn bearer(line: &[u8]) -> Bearer<'_> {
    let blank = line.iter().position(|byte| matches!(byte, b' ' | b'\t'));
    let (scheme, rest) = line.split_at(blank.unwrap_or(line.len()));
    match (scheme.eq_ignore_ascii_case(b"bearer"), rest.trim_ascii_start()) {
        (true, b"") => Bearer::Unclear,
        (true, key) => Bearer::Key(key),
        (false, _) if line.is_empty() => Bearer::Unclear,
        (false, _) => Bearer::Other,
    }
}

/// Turns away what a web page could have sent, or somebody behind a proxy: where no key is asked
/// for, nothing else keeps them out.
pub(super) fn guard(headers: &HeaderMap, uri: &Uri, settings: &Settings) -> Result<(), Turned> {
    if settings.dev && is_forwarded(headers) {
        return Err(Turned::Forwarded);
    }
    let named = only(headers, "host").map_err(|Twice| Turned::Misdirected)?;
    let named = named.and_then(|host| str::from_utf8(host).ok()).ok_or(Turned::Misdirected)?;
    let authorities = [Some(named), uri.authority().map(|authority| authority.as_str())];
    if !authorities.into_iter().flatten().all(|authority| settings.answers_to(authority)) {
        return Err(Turned::Misdirected);
    }
    let origin = only(headers, "origin").map_err(|Twice| Turned::Origin)?;
    let own = |origin: &[u8]| {
        let origin = origin.strip_prefix(b"http://").or_else(|| origin.strip_prefix(b"https://"));
        origin.is_some_and(|origin| origin.eq_ignore_ascii_case(named.as_bytes()))
    };
    // A page can ask for what it cannot read without an Origin; browsers tell that too.
    let site = only(headers, "sec-fetch-site").map_err(|Twice| Turned::Origin)?;
    let foreign = matches!(site, Some(b"cross-site" | b"same-site"));
    match origin {
        Some(origin) if !own(origin) => Err(Turned::Origin),
        Some(_) | None if foreign => Err(Turned::Origin),
        Some(_) | None => Ok(()),
    }
}

/// Whether a proxy says that it stands between (RFC 7239, RFC 9110 section 7.6.3).
fn is_forwarded(headers: &HeaderMap) -> bool {
    headers.keys().any(|name| {
        let name = name.as_str();
        name == "forwarded" || name == "via" || name.starts_with("x-forwarded-")
    })
}

impl Settings {
    /// Whether this authority (RFC 3986 section 3.2) is one of our names: a loopback name or
    /// address, the address we listen on, or one of `hosts`.
    fn answers_to(&self, authority: &str) -> bool {
        let authority = authority.to_ascii_lowercase();
        let end = authority.rfind(']').unwrap_or(0);
        let host = match authority[end..].rfind(':') {
            Some(colon) => {
                let (host, port) = authority.split_at(end + colon);
                if !port[1..].bytes().all(|byte| byte.is_ascii_digit()) {
                    return false;
                }
                host
            }
            None => &authority,
        };
        match host.parse() {
            Ok(Host::Address(address)) => {
                address.to_canonical().is_loopback()
                    || same(address, self.address.ip())
                    || self.hosts.contains(&Host::Address(address))
            }
            Ok(Host::Name(name)) => {
                name == "localhost"
                    || name.ends_with(".localhost")
                    || self.hosts.contains(&Host::Name(name))
            }
            Err(_) => false,
        }
    }
}

fn same(one: IpAddr, other: IpAddr) -> bool {
    one.to_canonical() == other.to_canonical()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;

    /// Headers as lines of `name: value`, with `|` between.
    fn headers(lines: &str) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for line in lines.split('|').filter(|line| !line.is_empty()) {
            let (name, value) = line.split_once(": ").unwrap();
            let name: header::HeaderName = name.parse().unwrap();
            headers.append(name, header::HeaderValue::from_bytes(value.as_bytes()).unwrap());
        }
        headers
    }

    #[track_caller]
    fn bears(lines: &str, expected: &str) {
        let found = match credential(&headers(lines)) {
            Credential::Absent => "absent".to_owned(),
            Credential::Key(key) => key.expose().to_owned(),
            Credential::Unclear => "unclear".to_owned(),
        };
        assert_eq!(found, expected, "{lines}");
    }

    #[test]
    fn one_key_is_read_from_either_header() {
        bears("", "absent");
        bears("authorization: Bearer k", "k");
        bears("authorization: bearer k", "k");
        bears("authorization: BEARER   k", "k");
        bears("x-api-key: k", "k");
        bears("authorization: Basic abc", "absent");
        bears("authorization: Basic abc|x-api-key: k", "k");
        bears("authorization: Bearerk", "absent");
    }

    #[test]
    fn several_keys_are_none() {
        for lines in [
            "authorization: Bearer k|authorization: Bearer k",
            "authorization: Bearer k|authorization: Basic abc",
            "authorization: Basic abc|authorization: Basic abc",
            "authorization: Bearer k|x-api-key: k",
            "authorization: Bearer|x-api-key: k",
            "x-api-key: k|x-api-key: k",
            "authorization: Bearer k, Bearer l",
            "authorization: Bearer k l",
            "authorization: Bearer",
            "authorization: Bearer ",
            "x-api-key: k l",
            "x-api-key: k\u{e9}",
        ] {
            bears(lines, "unclear");
        }
    }

    #[track_caller]
    fn asks(query: &str, lines: &str, expected: &str) {
        let policy = Policy::of_query(Some(query).filter(|query| *query != "-"));
        assert_eq!(told(policy, lines), expected, "{query:?} {lines}");
    }

    #[track_caller]
    fn asks_envoy(lines: &str, expected: &str) {
        assert_eq!(told(Policy::of_headers(&headers(lines)), lines), expected, "{lines}");
    }

    fn told(policy: Result<Policy, Denial>, lines: &str) -> String {
        fn word<T>(wanted: Wanted<T>, told: impl Fn(T) -> String) -> String {
            match wanted {
                Wanted::Any => "any".to_owned(),
                Wanted::Unclear => "unclear".to_owned(),
                Wanted::Unsaid => "unsaid".to_owned(),
                Wanted::These(words) => told(words),
            }
        }
        match policy {
            Ok(policy) => {
                let ask = policy.ask(&headers(lines));
                let namespaces = word(ask.namespaces, |words| words.to_string());
                format!("{namespaces}; {}", word(ask.scope, |words| words.told()))
            }
            Err(denial) => denial.reason().to_owned(),
        }
    }

    #[test]
    fn a_query_is_the_policy() {
        asks("-", "", "unsaid; unsaid");
        asks("", "", "unsaid; unsaid");
        asks("namespace=a", "", "a; unsaid");
        asks("namespace=b&namespace=a", "", "a b; unsaid");
        asks("namespace=*", "", "*; unsaid");
        asks("namespace=%2A", "", "*; unsaid");
        asks("namespace=a&namespace=*", "", "*; unsaid");
        asks("scope=x.y", "", "unsaid; x.y");
        asks("scope=x.y&scope=a", "", "unsaid; a x.y");
        asks("scope=x.y%20a", "", "unsaid; a x.y");
        asks("any_namespace=1&any_scope=1", "", "any; any");
        asks("any_namespace=1&namespace=a", "", "a; unsaid");
    }

    #[test]
    fn a_slip_opens_no_door() {
        for query in [
            "namspace=a",
            "Namespace=a",
            "namespace",
            "namespace=",
            "namespace=a,b",
            "namespace=a+b",
            "namespace=a%00",
            "namespace=%e4",
            "namespace=%4",
            "namespace=%+1",
            "namespace=-a",
            "scope=",
            "scope=x.*.y",
            "any_namespace=true",
            "any_namespace=0",
            "any_namespace",
            "any_scope=",
            "namespace=a&",
            "&namespace=a",
            "namespace=a&&scope=x",
            "=",
            "namespace=a;scope=x",
        ] {
            asks(query, "", "policy_unclear");
        }
    }

    #[test]
    fn a_client_can_only_narrow() {
        asks("namespace=a", "x-namespace: b", "a b; unsaid");
        asks("namespace=a", "x-workspace-id: a", "a; unsaid");
        asks("any_namespace=1", "x-namespace: b", "b; unsaid");
        asks("-", "x-namespace: b|x-workspace-id: c", "b c; unsaid");
        asks("namespace=a", "x-namespace: *", "*; unsaid");
        for lines in [
            "x-namespace: a|x-namespace: a",
            "x-namespace: a,b",
            "x-namespace: a b",
            "x-namespace: ",
            "x-workspace-id: \u{e4}",
            "x-workspace-id: -a",
        ] {
            asks("namespace=a", lines, "unclear; unsaid");
            asks("any_namespace=1", lines, "unclear; unsaid");
        }
    }

    #[test]
    fn envoy_says_the_policy_in_headers() {
        asks_envoy("", "unsaid; unsaid");
        asks_envoy("x-msb-require-namespace: a", "a; unsaid");
        asks_envoy("x-msb-require-namespace: b a|x-msb-require-scope: y x", "a b; x y");
        asks_envoy("x-msb-require-namespace: *any*|x-msb-require-scope: *any*", "any; any");
        asks_envoy("x-msb-require-namespace: *", "*; unsaid");
        for lines in [
            "x-msb-require-namespace: ",
            "x-msb-require-namespace: a,b",
            "x-msb-require-namespace: a  b",
            "x-msb-require-namespace: a|x-msb-require-namespace: a",
            "x-msb-require-scope: x|x-msb-require-scope: *any*",
            "x-msb-require-scope: ",
            "x-msb-require-namespace: *Any*",
        ] {
            asks_envoy(lines, "policy_unclear");
        }
    }

    #[track_caller]
    fn guarded(lines: &str, expected: Result<(), Turned>) {
        let mut settings = Settings {
            dev: true,
            ..Settings::of(&Config::default(), ([127, 0, 0, 1], 5555).into(), true)
        };
        settings.hosts = vec!["api.example.org".parse().unwrap()];
        let found = guard(&headers(lines), &Uri::from_static("/auth"), &settings);
        assert_eq!(found, expected, "{lines}");
    }

    #[test]
    fn only_our_own_names_are_answered_to() {
        for host in [
            "localhost",
            "localhost:5555",
            "LOCALHOST:1",
            "a.localhost",
            "127.0.0.1:5555",
            "127.9.9.9",
            "[::1]:5555",
            "[::ffff:127.0.0.1]",
            "api.example.org",
            "api.example.org:443",
        ] {
            guarded(&format!("host: {host}"), Ok(()));
        }
        for host in [
            "evil.example",
            "localhost.evil.example",
            "xlocalhost",
            "10.0.0.1",
            "127.0.0.1.evil.example",
            "localhost:x",
            "localhost.",
            "",
            "127.1",
            "::1",
        ] {
            guarded(&format!("host: {host}"), Err(Turned::Misdirected));
        }
        guarded("", Err(Turned::Misdirected));
        guarded("host: localhost|host: localhost", Err(Turned::Misdirected));
    }

    #[test]
    fn a_web_page_of_another_origin_is_turned_away() {
        guarded("host: localhost:5555|origin: http://localhost:5555", Ok(()));
        for origin in [
            "null",
            "http://localhost",
            "http://localhost:5556",
            "http://evil.example",
            "http://evil.example|origin: http://localhost:5555",
            "localhost:5555",
            "file://",
        ] {
            guarded(&format!("host: localhost:5555|origin: {origin}"), Err(Turned::Origin));
        }
        guarded("host: localhost|sec-fetch-site: cross-site", Err(Turned::Origin));
        guarded("host: localhost|sec-fetch-site: same-site", Err(Turned::Origin));
        guarded("host: localhost|sec-fetch-site: same-origin", Ok(()));
        guarded("host: localhost|sec-fetch-site: none", Ok(()));
    }

    #[test]
    fn whoever_comes_through_a_proxy_needs_a_key() {
        for name in ["forwarded", "via", "x-forwarded-for", "x-forwarded-host", "x-forwarded-new"] {
            guarded(&format!("host: localhost|{name}: x"), Err(Turned::Forwarded));
        }
    }
}
