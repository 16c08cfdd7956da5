//! What the head of a request says: its key, and what it asks for.

use hyper::{
    HeaderMap,
    header::{self, AsHeaderName, HeaderName},
};

use crate::{
    config::{self, Access, NamespaceRule, Pattern, ScopeRule},
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
    own_namespace: bool,
    /// A header without which nobody said.
    must_say: Option<HeaderName>,
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
        policy.within_bounds()
    }

    /// What `X-Msb-Require-Namespace` and `X-Msb-Require-Scope` say: words with one space between,
    /// or `*any*`.
    pub(super) fn of_headers(headers: &HeaderMap) -> Result<Self, Denial> {
        let mut policy = Self::default();
        match only(headers, REQUIRE_NAMESPACE).map_err(|Twice| Denial::PolicyUnclear)? {
            None => {}
            Some(b"*any*") => policy.any_namespace = true,
            Some(words) => {
                let words = str::from_utf8(words).map_err(|_| Denial::PolicyUnclear)?.split(' ');
                policy.namespaces = words.map(namespace).collect::<Result<_, _>>()?;
            }
        }
        match only(headers, REQUIRE_SCOPE).map_err(|Twice| Denial::PolicyUnclear)? {
            None => {}
            Some(b"*any*") => policy.any_scope = true,
            Some(words) => {
                let words = str::from_utf8(words).map_err(|_| Denial::PolicyUnclear)?;
                policy.scope = operations(words)?;
            }
        }
        policy.within_bounds()
    }

    /// Asks for nothing but a key.
    pub(super) fn anything() -> Self {
        Self { any_namespace: true, any_scope: true, ..Self::default() }
    }

    /// What a route asks of keys, on a path that fits it.
    pub(super) fn of_route(
        namespace: Option<&NamespaceRule>,
        scope: Option<&ScopeRule>,
        pattern: &Pattern,
        path: &str,
    ) -> Result<Self, Denial> {
        let mut policy = Self::default();
        match namespace {
            None => {}
            Some(NamespaceRule::Any) => policy.any_namespace = true,
            Some(NamespaceRule::Fixed(namespaces)) => policy.namespaces.push(namespaces.clone()),
            Some(NamespaceRule::Header(name)) => policy.must_say = header_name(name),
            Some(NamespaceRule::Key) => policy.own_namespace = true,
            Some(NamespaceRule::Path(name)) => {
                let part = pattern.part(path, name).unwrap_or_default();
                let part = Namespaces::word(part).map_err(|_| Denial::Unclear { id: None })?;
                policy.namespaces.push(part);
            }
        }
        match scope {
            None => {}
            Some(ScopeRule::Any) => policy.any_scope = true,
            Some(ScopeRule::Word(word)) => policy.scope.push(word.clone()),
        }
        Ok(policy)
    }

    /// The same, unless it names more namespaces than any key could.
    fn within_bounds(self) -> Result<Self, Denial> {
        let names = self.namespaces.iter().filter(|names| **names != Namespaces::All);
        match Namespaces::union(names.cloned().collect()) {
            Ok(_) => Ok(self),
            Err(_) => Err(Denial::PolicyUnclear),
        }
    }

    /// What a request with these headers asks for, under this policy. A client can only narrow it,
    /// in any of these headers.
    pub(super) fn ask(self, headers: &HeaderMap, sources: &[HeaderName]) -> Ask {
        Ask {
            namespaces: self.wanted_namespaces(headers, sources),
            own_namespace: self.own_namespace,
            scope: match Scope::of(self.scope) {
                Scope::Every if self.any_scope => Wanted::Any,
                Scope::Every => Wanted::Unsaid,
                words @ Scope::Only(_) => Wanted::These(words),
            },
        }
    }

    fn wanted_namespaces(&self, headers: &HeaderMap, sources: &[HeaderName]) -> Wanted<Namespaces> {
        let mut wanted = self.namespaces.clone();
        for name in sources {
            match only(headers, name).map(|value| value.map(str::from_utf8)) {
                Ok(None) => {}
                Ok(Some(Ok(word))) => match Namespaces::word(word) {
                    Ok(word) => wanted.push(word),
                    Err(_) => return Wanted::Unclear,
                },
                Ok(Some(Err(_))) | Err(Twice) => return Wanted::Unclear,
            }
        }
        if self.must_say.as_ref().is_some_and(|name| !headers.contains_key(name)) {
            return Wanted::Unsaid;
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
pub(super) struct Twice;

/// The value of a header that may be there once.
pub(super) fn only(headers: &HeaderMap, name: impl AsHeaderName) -> Result<Option<&[u8]>, Twice> {
    let mut values = headers.get_all(name).iter();
    match (values.next(), values.next()) {
        (value, None) => Ok(value.map(|value| value.as_bytes())),
        (_, Some(_)) => Err(Twice),
    }
}

/// The key that a request bears: in `Authorization: Bearer` (RFC 6750 section 2.1), or in
/// `X-API-Key`. Every such line counts.
pub(super) fn credential(headers: &HeaderMap) -> Credential {
    let bearer = match only(headers, header::AUTHORIZATION) {
        Ok(line) => line.map(bearer),
        Err(Twice) => return Credential::Unclear,
    };
    let api_key = match only(headers, API_KEY) {
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

/// Whether `Authorization` is meant to bear a key, or may be taken for one.
pub(super) fn bears_key(headers: &HeaderMap) -> bool {
    let mut lines = headers.get_all(header::AUTHORIZATION).iter();
    lines.any(|line| !matches!(bearer(line.as_bytes()), Bearer::Other))
}

/// The headers in which a client can name a namespace: those that every client knows, and those
/// that some route judges by.
pub(super) fn sources(routes: &[config::Route]) -> Vec<HeaderName> {
    let judged = routes.iter().filter_map(|route| match &route.access {
        Access::Key { namespace: Some(NamespaceRule::Header(name)), .. } => header_name(name),
        Access::Key { .. } | Access::Public => None,
    });
    let mut sources: Vec<_> = [WORKSPACE, NAMESPACE].into_iter().chain(judged).collect();
    sources.sort_by(|one, other| one.as_str().cmp(other.as_str()));
    sources.dedup();
    sources
}

fn header_name(name: &config::HeaderName) -> Option<HeaderName> {
    name.as_str().parse().ok()
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
    let named = scheme.iter().all(|byte| byte.is_ascii_alphanumeric() || *byte == b'-');
    match (scheme.eq_ignore_ascii_case(b"bearer"), rest.trim_ascii_start()) {
        // A key without a scheme, say.
        (_, b"") => Bearer::Unclear,
        (true, key) => Bearer::Key(key),
        (false, _) if named => Bearer::Other,
        (false, _) => Bearer::Unclear,
    }
}

pub(super) const API_KEY: HeaderName = HeaderName::from_static("x-api-key");
const NAMESPACE: HeaderName = HeaderName::from_static("x-namespace");
const REQUIRE_NAMESPACE: HeaderName = HeaderName::from_static("x-msb-require-namespace");
const REQUIRE_SCOPE: HeaderName = HeaderName::from_static("x-msb-require-scope");
const WORKSPACE: HeaderName = HeaderName::from_static("x-workspace-id");

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// Headers as lines of `name: value`, with `|` between.
    pub(in crate::server) fn headers(lines: &str) -> HeaderMap {
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
        bears("authorization: Bearerk x", "absent");
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
            "authorization: Bearer,k",
            "authorization: Bearer: k",
            "authorization: Bearerk",
            "authorization: msb_k",
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
                let ask = policy.ask(&headers(lines), &sources(&[]));
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

    /// What a route with this rule for namespaces, or none for `-`, asks of `/spaces/PART/x`.
    #[track_caller]
    fn asks_on(rule: &str, part: &str, lines: &str, expected: &str) {
        let rule = Some(rule).filter(|rule| *rule != "-").map(|rule| rule.parse().unwrap());
        let pattern = "/spaces/:ns/*".parse().unwrap();
        let path = format!("/spaces/{part}/x");
        let policy = Policy::of_route(rule.as_ref(), None, &pattern, &path);
        let found = match policy {
            Ok(policy) => {
                let tenant = HeaderName::from_static("x-tenant");
                let ask = policy.ask(&headers(lines), &[NAMESPACE, tenant]);
                match (ask.namespaces, ask.own_namespace) {
                    (Wanted::Any, _) => "any".to_owned(),
                    (Wanted::Unclear, _) => "unclear".to_owned(),
                    (Wanted::Unsaid, false) => "unsaid".to_owned(),
                    (Wanted::Unsaid, true) => "the key's".to_owned(),
                    (Wanted::These(words), _) => words.to_string(),
                }
            }
            Err(denial) => denial.reason().to_owned(),
        };
        assert_eq!(found, expected, "{rule:?} {part} {lines}");
    }

    #[test]
    fn a_route_says_in_which_namespace_a_key_acts() {
        asks_on("-", "a", "", "unsaid");
        asks_on("-", "a", "x-namespace: b", "b");
        asks_on("any", "a", "", "any");
        asks_on("any", "a", "x-namespace: b", "b");
        asks_on("fixed:c", "a", "", "c");
        asks_on("fixed:c", "a", "x-namespace: b", "b c");
        asks_on("key", "a", "", "the key's");
        asks_on("key", "a", "x-namespace: b", "b");
        asks_on("path:ns", "a", "", "a");
        asks_on("path:ns", "a", "x-namespace: b", "a b");
        asks_on("path:ns", "*", "", "*");
        asks_on("path:ns", "a,b", "", "unclear");
        asks_on("path:ns", "-a", "", "unclear");
        asks_on("header:X-Tenant", "a", "x-tenant: b", "b");
        asks_on("header:X-Tenant", "a", "", "unsaid");
        // Another header does not stand in for it.
        asks_on("header:X-Tenant", "a", "x-namespace: b", "unsaid");
        asks_on("header:X-Tenant", "a", "x-tenant: b|x-namespace: c", "b c");
        asks_on("header:X-Tenant", "a", "x-tenant: b|x-tenant: b", "unclear");
    }

    #[test]
    fn a_route_says_what_a_key_must_allow() {
        let check = |rule: Option<&str>, expected: &Wanted<Scope>| {
            let rule = rule.map(|rule| rule.parse().unwrap());
            let pattern = "/x".parse().unwrap();
            let policy = Policy::of_route(None, rule.as_ref(), &pattern, "/x").unwrap();
            assert_eq!(policy.ask(&headers(""), &[]).scope, *expected, "{rule:?}");
        };
        check(None, &Wanted::Unsaid);
        check(Some("any"), &Wanted::Any);
        check(Some("x.y"), &Wanted::These("x.y".parse().unwrap()));
    }
}
