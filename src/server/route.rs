//! Which way a request goes.

use crate::rpc::Door;

/// What the server answers itself, and what it passes on.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Route {
    /// `/auth`: forward-auth, with the policy in the query.
    Auth,
    /// `/ext-authz`: the same for Envoy, where path and query are the client's.
    ExtAuthz,
    /// `/healthz`, `/api/v1/health`: the server runs.
    Health,
    /// `/.well-known/jwks.json`: the public keys that count.
    Jwks,
    /// `/api/v1/rpc`, `/mcp`: calls, which are judged one by one and passed on.
    Door(Door),
    /// Nothing of ours.
    None,
    /// What is passed on.
    Proxied,
    /// `/readyz`: the server can judge.
    Ready,
}

impl Route {
    /// The way of this path, which is taken as it stands, where something is behind us or nothing.
    pub(super) fn of(path: &str, proxies: bool) -> Self {
        match path {
            "/healthz" | "/api/v1/health" => Self::Health,
            "/.well-known/jwks.json" => Self::Jwks,
            "/readyz" => Self::Ready,
            path if proxies => Self::door(path).map_or(Self::Proxied, Self::Door),
            "/auth" => Self::Auth,
            "/ext-authz" => Self::ExtAuthz,
            path if path.starts_with("/ext-authz/") => Self::ExtAuthz,
            _ => Self::None,
        }
    }

    /// The door that is there.
    pub(super) fn door(path: &str) -> Option<Door> {
        match path {
            "/api/v1/rpc" => Some(Door::Rpc),
            "/mcp" => Some(Door::Mcp),
            _ => None,
        }
    }

    /// What it is called in the log and in metrics.
    pub(super) fn name(self) -> &'static str {
        match self {
            Route::Auth => "auth",
            Route::Door(Door::Mcp) => "mcp",
            Route::Door(Door::Rpc) => "rpc",
            Route::ExtAuthz => "ext-authz",
            Route::Health => "healthz",
            Route::Jwks => "jwks",
            Route::None => "none",
            Route::Proxied => "proxy",
            Route::Ready => "readyz",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(path: &str, expected: Route) {
        assert_eq!(Route::of(path, false), expected, "{path}");
    }

    #[test]
    fn a_path_is_taken_as_it_stands() {
        check("/auth", Route::Auth);
        check("/ext-authz", Route::ExtAuthz);
        check("/ext-authz/", Route::ExtAuthz);
        check("/ext-authz/a/../b?", Route::ExtAuthz);
        check("/healthz", Route::Health);
        check("/api/v1/health", Route::Health);
        check("/readyz", Route::Ready);
        check("/.well-known/jwks.json", Route::Jwks);
        for path in ["", "/", "/auth/", "//auth", "/Auth", "/%61uth", "/auth;x", "/ext-authzz"] {
            check(path, Route::None);
        }
        for path in ["/metrics", "/api/v1/rpc", "/mcp", "*"] {
            check(path, Route::None);
        }
        let proxies = |path, expected| assert_eq!(Route::of(path, true), expected, "{path}");
        proxies("/api/v1/rpc", Route::Door(Door::Rpc));
        proxies("/mcp", Route::Door(Door::Mcp));
        proxies("/readyz", Route::Ready);
        for path in ["/auth", "/ext-authz", "/ext-authz/a", "/metrics", "/", "*"] {
            proxies(path, Route::Proxied);
        }
    }
}
