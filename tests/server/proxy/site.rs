//! A stub upstream, msb before it, and keys of every kind.

use std::{
    thread,
    time::{Duration, Instant},
};

use serde_json::Value;

use super::{client::Client, upstream::Upstream};
use crate::harness::{Home, Server};

pub struct Site {
    pub server: Server,
    pub upstream: Upstream,
    pub home: Home,
    pub keys: Vec<Key>,
}

/// A key, and what it may do as the commands told it.
#[derive(Clone, Debug)]
pub struct Key {
    pub name: &'static str,
    pub text: String,
    pub id: String,
    /// None is every one.
    pub namespaces: Option<Vec<String>>,
    /// None is every one.
    pub scope: Option<Vec<String>>,
    pub owner: Option<String>,
    pub expires: Option<String>,
    /// Whether it still opens anything.
    pub good: bool,
}

impl Site {
    /// With the routes below.
    pub fn new() -> Self {
        Self::with("")
    }

    /// With these settings of `[server]` beside.
    pub fn with(settings: &str) -> Self {
        Self::of(settings, "")
    }

    /// With these flags as well.
    pub fn of(settings: &str, flags: &str) -> Self {
        let home = Home::new();
        home.configure(&format!("[server]\n{settings}\n{}", routes()));
        // The server needs a key ring to judge by.
        let all = Key::made(&home, "all", "");
        let upstream = Upstream::start();
        let server = home.start(&format!("--upstream http://{} {flags}", upstream.address));
        Self { server, upstream, home, keys: vec![all] }
    }

    /// Makes every kind of key.
    pub fn with_keys(mut self) -> Self {
        for (name, flags) in [
            ("alpha", "-n alpha --owner a@example.org --expire 30d"),
            ("beta", "-n beta"),
            ("both", "-n alpha -n beta"),
            ("starter", "-n alpha --scope sandbox.start"),
            ("tools", "-n alpha --scope tools.*"),
            ("reader", "--scope things.read"),
            ("deleter", "--scope servers.delete"),
            ("revoked", ""),
            ("early", "--not-before 1d --expire 2d"),
        ] {
            self.make(name, flags);
        }
        // A disk may be away for longer than a key lives.
        let mut lives =
            |secs: &u64| Some((*secs, self.make_in_time("expired", &format!("--expire {secs}s"))?));
        let (secs, _) = [1, 5, 30].iter().find_map(&mut lives).expect("a key before it ends");
        let expires = Instant::now() + Duration::from_secs(secs + 1);
        let revoked = self.key("revoked").id.clone();
        self.home.done(&format!("server revoke {revoked}"));
        // Another server's key is forged for this one.
        let elsewhere = Home::new();
        self.keys.push(Key::made(&elsewhere, "forged", ""));
        for key in &mut self.keys {
            key.good = !["expired", "revoked", "early", "forged"].contains(&key.name);
        }
        thread::sleep(expires.saturating_duration_since(Instant::now()));
        self
    }

    /// Makes a key that was not there.
    #[track_caller]
    pub fn make(&mut self, name: &'static str, flags: &str) -> Key {
        self.make_in_time(name, flags).unwrap_or_else(|| panic!("no key: {flags}"))
    }

    /// The same, unless the key ends before it can be handed out.
    pub fn make_in_time(&mut self, name: &'static str, flags: &str) -> Option<Key> {
        let key = Key::in_time(&self.home, name, flags)?;
        self.keys.push(key.clone());
        Some(key)
    }

    #[track_caller]
    pub fn key(&self, name: &str) -> &Key {
        self.keys.iter().find(|key| key.name == name).unwrap_or_else(|| panic!("no key `{name}`"))
    }

    pub fn client(&self) -> Client {
        Client::to(self.server.address)
    }

    /// A head with the key that opens everything, and the empty line.
    pub fn head(&self, line: &str, lines: &str) -> String {
        self.head_with(self.key("all"), line, lines)
    }

    pub fn head_with(&self, key: &Key, line: &str, lines: &str) -> String {
        let lines = lines.replace('\n', "\r\n");
        let text = &key.text;
        let between = if lines.is_empty() { "" } else { "\r\n" };
        format!(
            "{line} HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {text}{between}{lines}\r\n\r\n"
        )
    }
}

impl Key {
    #[track_caller]
    fn made(home: &Home, name: &'static str, flags: &str) -> Self {
        Self::in_time(home, name, flags).unwrap_or_else(|| panic!("no key: {flags}"))
    }

    fn in_time(home: &Home, name: &'static str, flags: &str) -> Option<Self> {
        let ran = home.run(&format!("server keygen -q --json {flags}"));
        if ran.exit != Some(0) {
            return None;
        }
        let made: Value = serde_json::from_str(&ran.stdout).unwrap();
        let text = |member: &str| made[member].as_str().map(str::to_owned);
        let namespaces: Vec<_> = made["namespaces"].as_array().unwrap().iter().collect();
        let namespaces: Vec<_> =
            namespaces.iter().map(|namespace| namespace.as_str().unwrap().to_owned()).collect();
        Some(Self {
            name,
            text: text("key").unwrap(),
            id: text("id").unwrap(),
            namespaces: (namespaces != ["*"]).then_some(namespaces),
            scope: text("scope").map(|words| words.split(' ').map(str::to_owned).collect()),
            owner: text("owner"),
            expires: text("expires_at"),
            good: true,
        })
    }

    /// Whether it opens a namespace, or all for `*`.
    pub fn opens(&self, namespace: &str) -> bool {
        self.namespaces.as_ref().is_none_or(|opens| opens.iter().any(|one| one == namespace))
    }

    pub fn allows(&self, operation: &str) -> bool {
        let covers = |word: &String| match word.strip_suffix('*') {
            Some(start) => operation.starts_with(start) && operation.len() > start.len(),
            None => word == operation,
        };
        self.scope.as_ref().is_none_or(|words| words.iter().any(covers))
    }
}

/// What is asked for on a path: path, methods, access, namespace, scope; nothing where it is empty.
pub type Route = (&'static str, &'static str, &'static str, &'static str, &'static str);

/// Those of the design, and one of every other kind.
pub const ROUTES: &[Route] = &[
    ("/capacity", "GET", "public", "", ""),
    ("/templates", "GET", "public", "", ""),
    ("/servers", "GET", "public", "", ""),
    ("/servers/:name", "GET", "public", "", ""),
    ("/servers/:name", "DELETE", "key", "", "servers.delete"),
    ("/v1/*", "", "key", "header:X-Workspace-Id", "any"),
    ("/v1/models", "GET", "public", "", ""),
    ("/own/*", "", "key", "key", "any"),
    ("/spaces/:ns/*", "", "key", "path:ns", "any"),
    ("/rooms/:ns", "GET", "key", "path:ns", "any"),
    ("/fixed/*", "", "key", "fixed:alpha", "any"),
    ("/any/*", "", "key", "any", "any"),
    ("/tenants/*", "", "key", "header:X-Tenant", "any"),
    ("/things/:id", "GET", "key", "any", "things.read"),
    ("/things/:id", "POST", "key", "any", "things.write"),
];

/// The same as settings.
pub fn routes() -> String {
    let lines = |(path, methods, access, namespace, scope): &Route| {
        let mut lines = format!("[[route]]\npath = \"{path}\"\naccess = \"{access}\"\n");
        if !methods.is_empty() {
            lines += &format!("methods = [\"{methods}\"]\n");
        }
        for (name, value) in [("namespace", namespace), ("scope", scope)] {
            if !value.is_empty() {
                lines += &format!("{name} = \"{value}\"\n");
            }
        }
        lines
    };
    ROUTES.iter().map(lines).collect()
}
