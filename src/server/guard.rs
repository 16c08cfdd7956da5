//! Who may ask without a key: neither a web page nor somebody behind a proxy.

use std::net::IpAddr;

use hyper::{
    HeaderMap, Uri,
    header::{self, HeaderName},
};

use super::{
    Settings,
    head::{Twice, only},
};
use crate::{config::Host, error::Turned};

/// Turns away what a web page could have sent, or somebody behind a proxy: where no key is asked
/// for, nothing else keeps them out.
pub(super) fn guard(headers: &HeaderMap, uri: &Uri, settings: &Settings) -> Result<(), Turned> {
    if settings.dev && is_forwarded(headers) {
        return Err(Turned::Forwarded);
    }
    let named = only(headers, header::HOST).map_err(|Twice| Turned::Misdirected)?;
    let named = named.and_then(|host| str::from_utf8(host).ok()).ok_or(Turned::Misdirected)?;
    let authorities = [Some(named), uri.authority().map(|authority| authority.as_str())];
    if !authorities.into_iter().flatten().all(|authority| settings.answers_to(authority)) {
        return Err(Turned::Misdirected);
    }
    let origin = only(headers, header::ORIGIN).map_err(|Twice| Turned::Origin)?;
    let own = |origin: &[u8]| {
        let origin = origin.strip_prefix(b"http://").or_else(|| origin.strip_prefix(b"https://"));
        origin.is_some_and(|origin| origin.eq_ignore_ascii_case(named.as_bytes()))
    };
    // A page can ask for what it cannot read without an Origin; browsers tell that too.
    let site = only(headers, SITE).map_err(|Twice| Turned::Origin)?;
    let foreign = matches!(site, Some(b"cross-site" | b"same-site"));
    match origin {
        Some(origin) if !own(origin) => Err(Turned::Origin),
        Some(_) | None if foreign => Err(Turned::Origin),
        Some(_) | None => Ok(()),
    }
}

/// Whether a proxy says that it stands between (RFC 7239; RFC 9110 section 7.6.3; and the names
/// that were there before).
fn is_forwarded(headers: &HeaderMap) -> bool {
    const NAMES: [&str; 6] =
        ["cf-connecting-ip", "forwarded", "true-client-ip", "via", "x-client-ip", "x-real-ip"];
    headers.keys().any(|name| {
        // Some write one for the other.
        let name = name.as_str().replace('_', "-");
        NAMES.contains(&name.as_str()) || name.starts_with("x-forwarded")
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

const SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{config::Config, server::head::tests::headers};

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
        for name in [
            "forwarded",
            "via",
            "x-forwarded",
            "x-forwarded-for",
            "x-forwarded-new",
            "x_forwarded_for",
            "x-real-ip",
            "x-client-ip",
            "cf-connecting-ip",
            "true-client-ip",
        ] {
            guarded(&format!("host: localhost|{name}: x"), Err(Turned::Forwarded));
        }
    }
}
