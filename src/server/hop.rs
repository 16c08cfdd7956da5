//! What of a head goes on to the other side, and what is between us and the one who sent it (RFC
//! 9110 section 7.6.1).

use hyper::{
    HeaderMap, Method, Version,
    header::{self, HeaderName, HeaderValue},
    http::request::Parts,
};

use super::head::{API_KEY, bears_key, only};
use crate::{
    error::{Turned, Unreadable},
    gate::Identity,
};

/// What goes on to what lies behind us: no key, nothing that only we may say, and who passes.
pub(super) fn onward(
    headers: &HeaderMap,
    identity: &Identity,
    sources: &[HeaderName],
    public: bool,
) -> Result<HeaderMap, Turned> {
    let named = named_by_connection(headers);
    let judged = |name: &str| {
        ours(name)
            || [header::AUTHORIZATION, API_KEY].iter().chain(sources).any(|one| one == name)
            || FRAMING.contains(&name)
    };
    if named.iter().any(|name| judged(name)) {
        return Err(Turned::Unreadable(Unreadable::Connection));
    }
    let key = bears_key(headers);
    let goes_on = |name: &HeaderName, value: &HeaderValue| {
        let word = name.as_str();
        let kept = match word {
            "te" => value.as_bytes().eq_ignore_ascii_case(b"trailers"),
            "authorization" => !key && !public,
            _ if public && sources.contains(name) => false,
            _ => !never_goes_on(name),
        };
        kept && !named.iter().any(|named| named == word)
    };
    let mut onward = HeaderMap::with_capacity(headers.len() + STAMPS);
    for (name, value) in headers {
        if goes_on(name, value) {
            onward.append(name, value.clone());
        }
    }
    stamp(&mut onward, identity);
    Ok(onward)
}

/// Says who passes, in every header of the identity: an absent one would let a client's own
/// through.
pub(super) fn stamp(headers: &mut HeaderMap, identity: &Identity) {
    for (name, value) in [
        (KEY_ID, &identity.key_id),
        (NAMESPACE, &identity.namespace),
        (NAMESPACES, &identity.namespaces),
        (SCOPE, &identity.scope),
        (SUBJECT, &identity.subject),
        (EXPIRES, &identity.expires),
    ] {
        let value = HeaderValue::from_str(value).expect("our words are ASCII without controls");
        headers.insert(name, value);
    }
}

/// Takes out of the head of an answer what is between us and who gave it, and what only we may say.
/// Where it sends the client to `upstream`, which that may not reach, it sends it to the same path
/// here.
pub(super) fn homeward(headers: &mut HeaderMap, upstream: &HeaderValue) {
    let named = named_by_connection(headers);
    let stays = |name: &HeaderName| {
        let word = name.as_str();
        // How long a body is that is not there may be told.
        is_hop(word) && *name != header::CONTENT_LENGTH
            || sounds_like_ours(word)
            || named.iter().any(|named| named == word)
    };
    take_out(headers, stays);
    if let Some(location) = headers.get(header::LOCATION).and_then(|at| at.to_str().ok())
        && let Ok(upstream) = upstream.to_str()
        && let Some(path) =
            location.strip_prefix("http://").and_then(|at| at.strip_prefix(upstream))
        && path.starts_with('/')
        && let Ok(path) = path.try_into()
    {
        headers.insert(header::LOCATION, path);
    }
}

/// Takes out of trailers what could not have been said in a head.
pub(super) fn trail(trailers: &mut HeaderMap, sources: &[HeaderName]) {
    take_out(trailers, |name| {
        let judged = sources.contains(name) || *name == header::AUTHORIZATION;
        judged || FRAMING.contains(&name.as_str()) || never_goes_on(name)
    });
}

fn take_out(headers: &mut HeaderMap, stays: impl Fn(&HeaderName) -> bool) {
    let stays: Vec<_> = headers.keys().filter(|name| stays(name)).cloned().collect();
    for name in stays {
        headers.remove(name);
    }
}

/// Whether a request is to go on as a websocket (RFC 6455 section 4.1); an error if it is to go on
/// as something else.
pub(super) fn switches(head: &Parts) -> Result<bool, Turned> {
    let asks = head.headers.contains_key(header::UPGRADE);
    if !asks || !named_by_connection(&head.headers).iter().any(|name| name == "upgrade") {
        return Ok(false);
    }
    let websocket = is_websocket(&head.headers);
    if websocket && head.method == Method::GET && head.version == Version::HTTP_11 {
        Ok(true)
    } else {
        Err(Turned::Upgrade)
    }
}

/// Whether `Upgrade` names the websocket protocol and nothing else.
pub(super) fn is_websocket(headers: &HeaderMap) -> bool {
    let upgrade = only(headers, header::UPGRADE).ok().flatten();
    upgrade.is_some_and(|protocol| protocol.eq_ignore_ascii_case(b"websocket"))
}

/// Says that what follows is a websocket.
pub(super) fn switch(headers: &mut HeaderMap) {
    headers.insert(header::CONNECTION, HeaderValue::from_static("upgrade"));
    headers.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
}

/// The headers that `Connection` names, as lax readers may have them.
fn named_by_connection(headers: &HeaderMap) -> Vec<String> {
    let lines = headers.get_all(header::CONNECTION).iter();
    let names = lines.flat_map(|line| line.as_bytes().split(|byte| *byte == b','));
    let names = names.map(|name| String::from_utf8_lossy(name.trim_ascii()).to_ascii_lowercase());
    names.map(|name| name.replace('_', "-")).filter(|name| !name.is_empty()).collect()
}

/// Whether nobody behind us hears this of a client, wherever it says it.
fn never_goes_on(name: &HeaderName) -> bool {
    let word = name.as_str();
    *name == API_KEY || !is_plain(word) || ours(word) || is_hop(word) || is_reread(word)
}

/// Whether nobody but us, or a front end before us, may say this to what lies behind.
fn ours(name: &str) -> bool {
    // Clients of sandbox servers say paths of files in these.
    (name.starts_with(OURS) && !name.starts_with("x-msb-file-"))
        || name.starts_with("x-forwarded")
        || matches!(name, "forwarded" | "x-real-ip")
}

/// Whether this begins as what only we say does, for those who read `_` as `-`.
fn sounds_like_ours(name: &str) -> bool {
    let alike = |(byte, ours)| byte == ours || (byte, ours) == (b'_', b'-');
    name.len() >= OURS.len() && name.bytes().zip(OURS.bytes()).all(alike)
}

/// Whether nobody takes this name for another: some read `_` or `.` as `-`.
fn is_plain(name: &str) -> bool {
    name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
}

/// Whether this is between two neighbours alone. `Trailer` goes on, as trailers do.
fn is_hop(name: &str) -> bool {
    name.starts_with("proxy-")
        || matches!(
            name,
            "connection"
                | "content-length"
                | "expect"
                | "host"
                | "http2-settings"
                | "keep-alive"
                | "te"
                | "transfer-encoding"
                | "upgrade"
        )
}

/// Whether some take one request for another by this than its first line says.
fn is_reread(name: &str) -> bool {
    name.starts_with("x-original-")
        || matches!(
            name,
            "x-http-method" | "x-http-method-override" | "x-method-override" | "x-rewrite-url"
        )
}

const OURS: &str = "x-msb-";

/// What a request is read by, and no sender can take out of it.
const FRAMING: [&str; 6] =
    ["content-encoding", "content-length", "content-type", "expect", "host", "transfer-encoding"];

/// How many headers are added: those of the identity. What else is set takes the place of another.
const STAMPS: usize = 6;

const KEY_ID: HeaderName = HeaderName::from_static("x-msb-key-id");
const NAMESPACE: HeaderName = HeaderName::from_static("x-msb-namespace");
const NAMESPACES: HeaderName = HeaderName::from_static("x-msb-namespaces");
const SCOPE: HeaderName = HeaderName::from_static("x-msb-scope");
const SUBJECT: HeaderName = HeaderName::from_static("x-msb-subject");
const EXPIRES: HeaderName = HeaderName::from_static("x-msb-expires");

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        gate::Admission,
        server::head::{sources, tests::headers},
    };

    fn lines(headers: &HeaderMap) -> String {
        let line = |(name, value): (&HeaderName, &HeaderValue)| {
            format!("{name}: {}", value.to_str().unwrap())
        };
        let mut lines: Vec<_> = headers.iter().map(line).collect();
        lines.retain(|line| !line.ends_with(": -"));
        lines.sort();
        lines.join("|")
    }

    #[track_caller]
    fn check(from: &str, public: bool, expected: Option<&str>) {
        let admission = Admission::public();
        let onward = onward(&headers(from), admission.identity(), &sources(&[]), public);
        assert_eq!(onward.ok().as_ref().map(lines).as_deref(), expected, "{from}");
    }

    #[test]
    fn what_is_between_neighbours_does_not_go_on() {
        check("accept: a|cookie: b", false, Some("accept: a|cookie: b"));
        check("connection: close, accept|accept: a|cookie: b", false, Some("cookie: b"));
        check("keep-alive: 1|proxy-authorization: a|upgrade: x|expect: y", false, Some(""));
        check("te: trailers|trailer: x", false, Some("te: trailers|trailer: x"));
        check("te: gzip, trailers", false, Some(""));
        check("x-namespace: a", false, Some("x-namespace: a"));
        check("x-msb-file-path: a", false, Some("x-msb-file-path: a"));
        check("x-namespace: a|x-workspace-id: b", true, Some(""));
    }

    #[test]
    fn nobody_says_what_only_we_say() {
        for name in [
            "x-msb-scope",
            "x-msb-other",
            "x_msb_scope",
            "x-forwarded-for",
            "x-forwarded-user",
            "x_forwarded_for",
            "forwarded",
            "x-real-ip",
            "x_real_ip",
            "x_namespace",
            "x_y",
            "x-http-method-override",
            "x-original-url",
        ] {
            check(&format!("{name}: a"), false, Some(""));
        }
        let stamped = headers("x-msb-scope: a|x-msb-scope: b");
        let stamped = onward(&stamped, Admission::public().identity(), &[], false).unwrap();
        assert_eq!(stamped.get_all(SCOPE).iter().count(), 1);
        assert_eq!(stamped.len(), 6);
    }

    #[test]
    fn a_key_does_not_go_on() {
        check("authorization: Bearer k", false, Some(""));
        check("x-api-key: k", false, Some(""));
        check("x-api-key: k|authorization: Basic a", false, Some("authorization: Basic a"));
        check("authorization: Basic a", true, Some(""));
    }

    #[test]
    fn connection_cannot_take_out_what_is_judged() {
        for name in [
            "X-Msb-Namespace",
            "x_msb_scope",
            "Authorization",
            "X-API-Key",
            "X-Namespace",
            "x-workspace-id",
            "Host",
            "Content-Length",
            "transfer-encoding",
            "x-forwarded-for",
        ] {
            check(&format!("connection: close, {name}"), false, None);
        }
    }

    #[test]
    fn an_answer_says_nothing_in_our_name() {
        let mut answer = headers(
            "x-msb-reason: a|x_msb_reason: b|connection: x-y|x-y: c|content-type: d|\
             location: http://127.0.0.1:5556/mcp?a",
        );
        homeward(&mut answer, &HeaderValue::from_static("127.0.0.1:5556"));
        assert_eq!(lines(&answer), "content-type: d|location: /mcp?a");
        for elsewhere in ["http://127.0.0.1:55567/", "https://127.0.0.1:5556/", "/a"] {
            let mut answer = headers(&format!("location: {elsewhere}"));
            homeward(&mut answer, &HeaderValue::from_static("127.0.0.1:5556"));
            assert_eq!(lines(&answer), format!("location: {elsewhere}"));
        }
    }
}
