//! Paths: whether one can be read in one way only, and by which route it goes.

use std::ptr;

use super::route::Route;
use crate::config::{self, Overlap};

/// A path that every reader we know of reads alike.
pub(super) struct Plain<'p> {
    path: &'p str,
    /// As a lax reader has it: decoded, without the difference between upper and lower case, and
    /// without what some cut off at the end.
    lax: String,
}

/// A path that can be read in two ways.
#[derive(Debug, Eq, PartialEq)]
pub(super) struct Ambiguous;

impl<'p> Plain<'p> {
    /// A path as it stands in a request (RFC 3986 section 3.3).
    pub(super) fn of(path: &'p str) -> Result<Self, Ambiguous> {
        let decoded = decoded(path)?;
        let segments = decoded.strip_prefix('/').ok_or(Ambiguous)?;
        let mut inner = segments.rsplit('/');
        let last = inner.next().unwrap_or_default();
        if dots(last) || inner.any(|segment| segment.is_empty() || dots(segment)) {
            return Err(Ambiguous);
        }
        let lax = decoded.to_uppercase().to_lowercase();
        let lax = lax.trim_end_matches(['/', '.', ' ']);
        let plain = Self { path, lax: if lax.is_empty() { "/" } else { lax }.to_owned() };
        // Who takes it for a door would read calls that nobody judged.
        match Route::door(&plain.lax) {
            Some(_) if Route::door(path).is_none() => Err(Ambiguous),
            Some(_) | None => Ok(plain),
        }
    }

    fn is_below_a_door(&self) -> bool {
        let mut above = self.lax.match_indices('/').map(|(end, _)| &self.lax[..end]);
        above.any(|path| Route::door(path.trim_end_matches(['.', ' '])).is_some())
    }

    /// The route of this path that is configured, if one is, and if a lax reader has no other. A
    /// route that has the path written out says what it is for; beside a route for many paths,
    /// what else he may take it for must be wider, so that this one counts for him too.
    pub(super) fn route<'r>(
        &self,
        routes: &'r [config::Route],
        method: &str,
    ) -> Result<Option<&'r config::Route>, Ambiguous> {
        let route = config::Route::narrowest(routes, method, |path| path.fits(self.path));
        let method = method.to_ascii_uppercase();
        let mut lax = config::Route::fitting(routes, &method, |path| path.fits_laxly(&self.lax));
        let differ = match route {
            Some(route) if route.path.is_one_path() => false,
            Some(route) => lax.any(|other| {
                !ptr::eq(other, route) && other.path.lies(&route.path) != Overlap::Wider
            }),
            // Where nothing is configured nobody asks for the namespace that such a route names, and
            // some would read calls below a door as well.
            None => lax.any(config::Route::names_a_namespace) || self.is_below_a_door(),
        };
        if differ { Err(Ambiguous) } else { Ok(route) }
    }
}

fn dots(segment: &str) -> bool {
    matches!(segment, "." | "..")
}

/// A path with what its escapes stand for (RFC 3986 section 2.1), if none of that could be taken
/// for another path before or after.
fn decoded(path: &str) -> Result<String, Ambiguous> {
    let mut decoded = Vec::with_capacity(path.len());
    let mut bytes = path.bytes();
    while let Some(byte) = bytes.next() {
        if byte == b'%' {
            let mut digit = || char::from(bytes.next()?).to_digit(16);
            let (high, low) = (digit().ok_or(Ambiguous)?, digit().ok_or(Ambiguous)?);
            let byte = (high << 4 | low) as u8;
            let unreserved = byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
            if unreserved || byte.is_ascii_control() || b"/\\%;?#".contains(&byte) {
                return Err(Ambiguous);
            }
            decoded.push(byte);
        } else if byte.is_ascii_alphanumeric() || b"/-._~!$&'()*+,=:@".contains(&byte) {
            decoded.push(byte);
        } else {
            return Err(Ambiguous);
        }
    }
    String::from_utf8(decoded).map_err(|_| Ambiguous)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_that_can_be_read_in_two_ways_is_refused() {
        for path in [
            "", "*", "a", "//", "/a//b", "//a", "/a//", "/./", "/.", "/a/../b", "/..", "/a;x=1",
            "/;", "/a\\b", "/\u{e4}", "/a b", "/a\"", "/<", "/{a}", "/^", "/`", "/|", "/[a]",
            "/a?", "/a#b", "/%", "/%4", "/%4g", "/%+1", "/%72pc", "/%2e%2e", "/%7e", "/%00",
            "/%0a", "/%7f", "/a%2fb", "/a%5cb", "/a%252fb", "/a%3bx", "/a%3fx", "/a%23x", "/%ff",
            "/%c0%af",
        ] {
            assert!(Plain::of(path).is_err(), "{path}");
        }
        for path in [
            "/",
            "/a",
            "/a/",
            "/a/b.c",
            "/...",
            "/.a",
            "/a@b:c",
            "/a*",
            "/a%20b",
            "/%7Ba%7D",
            "/%c3%a4",
            "/%E4%BD%A0",
            "/a=b,c+d",
            "/a%40b",
        ] {
            assert!(Plain::of(path).is_ok(), "{path}");
        }
    }

    #[test]
    fn nothing_is_like_a_door_but_a_door() {
        for path in ["/api/v1/rpc", "/mcp", "/mcp/tools", "/api/v1/rpcs", "/api/v1"] {
            assert!(Plain::of(path).is_ok(), "{path}");
        }
        for path in [
            "/API/v1/rpc",
            "/api/v1/rpc/",
            "/MCP",
            "/mcp/",
            "/mcp.",
            "/mcp%20",
            "/api/v1/rpc%20/",
            "/Api/V1/Rpc/",
        ] {
            assert!(Plain::of(path).is_err(), "{path}");
        }
    }

    /// A route that is for a path, by its pattern; `-` for none and `?` where two readers differ.
    #[track_caller]
    fn goes(patterns: &str, path: &str, expected: &str) {
        let route = |pattern: &str| config::Route {
            path: pattern.parse().unwrap(),
            methods: config::Methods::Every,
            access: config::Access::Public,
        };
        let routes: Vec<_> = patterns.split(' ').map(route).collect();
        let found = Plain::of(path)
            .unwrap()
            .route(&routes, "GET")
            .map(|found| found.map_or("-".to_owned(), |found| found.path.to_string()));
        assert_eq!(found.as_deref().unwrap_or("?"), expected, "{path}");
    }

    #[test]
    fn the_narrowest_route_counts() {
        let patterns = "/* /servers/* /servers/:name /servers/list";
        goes(patterns, "/a", "/*");
        goes(patterns, "/servers/a/b", "/servers/*");
        goes(patterns, "/servers/a", "/servers/:name");
        goes(patterns, "/servers/list", "/servers/list");
        goes("/servers/:name", "/servers", "-");
        goes("/servers/:name", "/servers/a%20b", "/servers/:name");
    }

    #[test]
    fn a_path_that_lax_readers_route_elsewhere_is_refused() {
        let patterns = "/* /servers/list /files/*";
        goes(patterns, "/servers/LIST", "?");
        goes(patterns, "/servers/list/", "?");
        goes(patterns, "/servers/list.", "?");
        goes(patterns, "/FILES/a", "?");
        goes(patterns, "/files", "?");
        goes(patterns, "/files/", "/files/*");
        // Whatever their order is.
        for patterns in ["/:page /admin/*", "/admin/* /:page", "/:page /admin/", "/admin/ /:page"] {
            goes(patterns, "/admin", "?");
        }
        for patterns in ["/files /files/*", "/files/* /files"] {
            goes(patterns, "/files", "/files");
            goes(patterns, "/files/", "?");
            goes(patterns, "/files/a", "/files/*");
        }
        for patterns in ["/files/ /files", "/files /files/"] {
            goes(patterns, "/files", "/files");
            goes(patterns, "/files/", "/files/");
        }
        goes("/a@b /:name", "/a%40b", "?");
        goes("/servers/list", "/servers/LIST", "-");
    }
}
