//! Which settings there are, and how each is written.

/// A setting.
#[derive(Debug, Eq, PartialEq)]
pub struct Setting {
    /// The table in which it stands; no text for the top of the file.
    pub table: &'static str,
    /// What it is called.
    pub name: &'static str,
    /// A line that sets it.
    pub example: &'static str,
}

impl Setting {
    /// The setting of this name in this table.
    pub(super) fn of(table: &str, name: &str) -> Option<&'static Self> {
        SETTINGS.iter().find(|setting| setting.table == table && setting.name == name)
    }

    /// What somebody may have meant who wrote a name into a table that does not have it: the same
    /// name in another table, else the most alike in this one, else in another.
    pub(super) fn nearest(table: &str, name: &str) -> Option<&'static Self> {
        let alike = |setting: &Setting| strsim::jaro(setting.name, name);
        let most_alike = |here: bool| {
            let settings = SETTINGS.iter().filter(|setting| (setting.table == table) == here);
            settings
                .filter(|setting| alike(setting) > 0.75)
                .max_by(|one, other| alike(one).total_cmp(&alike(other)))
        };
        let elsewhere = SETTINGS.iter().find(|setting| setting.name == name);
        elsewhere.or_else(|| most_alike(true)).or_else(|| most_alike(false))
    }
}

const fn setting(table: &'static str, name: &'static str, example: &'static str) -> Setting {
    Setting { table, name, example }
}

/// Every setting that there is.
pub const SETTINGS: &[Setting] = &[
    setting("", "prefix", r#"prefix = "msb_""#),
    setting("", "issuer", r#"issuer = "https://example.org""#),
    setting("", "audience", r#"audience = "my-service""#),
    setting("", "policy", "[policy]"),
    setting("", "server", "[server]"),
    setting("", "route", "[[route]]"),
    setting("policy", "default_expire", r#"default_expire = "30d""#),
    setting("policy", "min_expire", r#"min_expire = "1h""#),
    setting("policy", "max_expire", r#"max_expire = "1y""#),
    setting("policy", "require_expire", "require_expire = true"),
    setting("policy", "require_namespace", "require_namespace = true"),
    setting("policy", "require_name", "require_name = true"),
    setting("server", "host", r#"host = "127.0.0.1""#),
    setting("server", "port", "port = 5555"),
    setting("server", "upstream", r#"upstream = "http://127.0.0.1:8080""#),
    setting("server", "hosts", r#"hosts = ["api.example.org"]"#),
    setting("server", "trusted_proxies", r#"trusted_proxies = ["10.0.0.0/8", "::1"]"#),
    setting("server", "metrics_listen", r#"metrics_listen = "127.0.0.1:9555""#),
    setting("server", "max_staleness", r#"max_staleness = "5m""#),
    setting("server", "drain", r#"drain = "10s""#),
    setting("server", "error_format", r#"error_format = "superbox""#),
    setting("server", "public_rate", r#"public_rate = "100/h""#),
    setting("server", "rpc_body", r#"rpc_body = "1MiB""#),
    setting("server", "connect_timeout", r#"connect_timeout = "5s""#),
    setting("server", "answer_timeout", r#"answer_timeout = "10m""#),
    setting("route", "path", r#"path = "/servers/:name""#),
    setting("route", "methods", r#"methods = ["GET", "HEAD"]"#),
    setting("route", "access", r#"access = "public""#),
    setting("route", "namespace", r#"namespace = "header:X-Workspace-Id""#),
    setting("route", "scope", r#"scope = "servers.delete""#),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(table: &str, name: &str, expected: Option<(&str, &str)>) {
        let found = Setting::nearest(table, name).map(|setting| (setting.table, setting.name));
        assert_eq!(found, expected, "{name} in [{table}]");
    }

    #[test]
    fn a_slip_is_near_what_was_meant() {
        check("", "prefx", Some(("", "prefix")));
        check("", "isuer", Some(("", "issuer")));
        check("", "routes", Some(("", "route")));
        check("policy", "max-expire", Some(("policy", "max_expire")));
        check("policy", "maxexpire", Some(("policy", "max_expire")));
        check("server", "listen", None);
        check("route", "method", Some(("route", "methods")));
        check("", "x", None);
    }

    #[test]
    fn the_same_name_in_another_table_is_meant() {
        check("", "max_expire", Some(("policy", "max_expire")));
        check("policy", "port", Some(("server", "port")));
        check("server", "issuer", Some(("", "issuer")));
        check("", "max_expires", Some(("policy", "max_expire")));
    }
}
