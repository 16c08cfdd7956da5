//! Which way a request goes.

/// What the server answers itself.
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
    /// Nothing of ours.
    None,
    /// `/readyz`: the server can judge.
    Ready,
}

impl Route {
    /// The way of this path, which is taken as it stands.
    pub(super) fn of(path: &str) -> Self {
        match path {
            "/auth" => Self::Auth,
            "/ext-authz" => Self::ExtAuthz,
            "/healthz" | "/api/v1/health" => Self::Health,
            "/.well-known/jwks.json" => Self::Jwks,
            "/readyz" => Self::Ready,
            path if path.starts_with("/ext-authz/") => Self::ExtAuthz,
            _ => Self::None,
        }
    }

    /// What it is called in the log and in metrics.
    pub(super) fn name(self) -> &'static str {
        match self {
            Route::Auth => "auth",
            Route::ExtAuthz => "ext-authz",
            Route::Health => "healthz",
            Route::Jwks => "jwks",
            Route::None => "none",
            Route::Ready => "readyz",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(path: &str, expected: Route) {
        assert_eq!(Route::of(path), expected, "{path}");
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
    }
}
