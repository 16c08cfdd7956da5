//! Traefik, by `docs/traefik.md`. Traefik itself is in none of the registries that the tests install
//! from: what it documents of its forwardAuth middleware is done here by its configuration.

use std::{
    io::{self, BufReader, Write},
    net::{SocketAddr, TcpStream},
};

use serde_json::Value;
use toml::de::{DeTable, DeValue};

use crate::{
    client::{self, Answer, Headers},
    door::Door,
    page,
    site::{FrontEnd, Site},
    table,
    tap::{self, Tap},
};

#[test]
fn traefiks_documented_request_keeps_the_table() {
    let site = Site::new();
    let replay = Replay::start(&site, site.msb.address);
    let front = FrontEnd { name: "traefik (replayed)", address: replay.address, program: None };
    table::run(&front, site, &BEYOND_THE_REQUEST);
}

#[test]
fn traefiks_documented_request_has_the_policy_and_the_key_only() {
    let site = Site::new();
    let tap = Tap::on(site.msb.address);
    let replay = Replay::start(&site, tap.address());
    let ask = "GET /auth?namespace=team-alpha&scope=reports.read";
    tap::check(&site, &tap, replay.address, ask, ask);
}

/// Cases that are decided by Traefik alone, of which the replay would say nothing.
const BEYOND_THE_REQUEST: [&str; 29] = [
    "spoofed identity with underscores",
    "spoofed identity with one underscore",
    "spoofed identity with whatever else a name may have",
    "identity named in Connection",
    "spoofed identity named in Connection",
    "identity named in a second Connection",
    "an upload in chunks",
    "the namespace is in the path",
    "the other one of a key's two",
    "another namespace is in the path",
    "a namespace is in the path, and no key",
    "a namespace with a policy in it",
    "a namespace with an encoded policy in it",
    "a namespace with a star",
    "an encoded namespace",
    "no namespace at all",
    "two namespaces by way of ..",
    "two namespaces by way of .., with the other key",
    "two namespaces by way of an encoded ..",
    "two namespaces by way of an encoded slash",
    "out of one policy into another by way of ..",
    "out of one policy into another by way of a backslash",
    "a path that no policy is for",
    "a websocket",
    "events that come one by one",
    "msb is down",
    "msb is hung",
    "msb goes on",
    "the back end is down",
];

/// Does as Traefik documents.
struct Replay {
    configuration: Value,
}

impl Replay {
    fn start(site: &Site, msb: SocketAddr) -> Door {
        let changes = [
            ("127.0.0.1:5555", msb.to_string()),
            ("127.0.0.1:3000", site.back_end.address().to_string()),
        ];
        let [static_part, dynamic] = &page::blocks("traefik.md", "toml")[..] else {
            panic!("the page has two blocks of toml");
        };
        let static_part = configuration(static_part);
        let strategy = &static_part["entryPoints"]["web"]["http"]["aliasHeadersStrategy"];
        assert_eq!(strategy.as_str(), Some("delete"), "what the replay does with aliases");
        let replay = Self { configuration: configuration(&page::changed(dynamic, &changes)) };
        Door::open(move |stream| replay.serve(stream))
    }

    fn serve(&self, stream: TcpStream) -> io::Result<()> {
        let mut answers = stream.try_clone()?;
        let mut requests = BufReader::new(stream);
        loop {
            let first = client::line(&mut requests)?;
            let headers = Headers::read(&mut requests)?;
            let body = client::body(&mut requests, &headers, false)?;
            let answer = self.pass(&first, headers, &body)?;
            write(&mut answers, &answer)?;
        }
    }

    /// Asks, and passes the request on if the answer is 2xx.
    fn pass(&self, first: &str, mut headers: Headers, body: &[u8]) -> io::Result<Answer> {
        let words: Vec<_> = first.split(' ').collect();
        let Some(router) = self.router(words[1]) else {
            return Ok(Answer { status: 404, headers: Headers::default(), body: vec![] });
        };
        enter(&mut headers);
        for middleware in strings(&router["middlewares"]) {
            let middleware = &self.configuration["http"]["middlewares"][middleware];
            if let Some(forward_auth) = middleware.get("forwardAuth") {
                let answer = ask(forward_auth, &words, &headers)?;
                if !(200..300).contains(&answer.status) {
                    return Ok(answer);
                }
                for name in strings(&forward_auth["authResponseHeaders"]) {
                    headers.0.retain(|(found, _)| !found.eq_ignore_ascii_case(name));
                    let values = answer.headers.all(name);
                    headers.0.extend(values.iter().map(|value| (name.into(), (*value).into())));
                }
            }
            if let Some(custom) = middleware.get("headers") {
                let custom = custom["customRequestHeaders"].as_object().unwrap();
                let removed = |name: &str| custom.keys().any(|key| key.eq_ignore_ascii_case(name));
                assert!(custom.values().all(|value| value.as_str() == Some("")));
                headers.0.retain(|(name, _)| !removed(name));
            }
        }
        let service = &self.configuration["http"]["services"][router["service"].as_str().unwrap()];
        let to = service["loadBalancer"]["servers"][0]["url"].as_str().unwrap();
        send(to, &words[..2].join(" "), &headers, body, words[0])
    }

    fn router(&self, path: &str) -> Option<&Value> {
        let routers = self.configuration["http"]["routers"].as_object().unwrap();
        routers.values().find(|router| {
            let rule = router["rule"].as_str().unwrap();
            let prefix = rule.strip_prefix("PathPrefix(`").unwrap().strip_suffix("`)").unwrap();
            path.starts_with(prefix)
        })
    }
}

fn configuration(toml: &str) -> Value {
    fn json(value: &DeValue<'_>) -> Value {
        match value {
            DeValue::String(text) => Value::from(text.as_ref()),
            DeValue::Array(items) => items.iter().map(|item| json(item.get_ref())).collect(),
            DeValue::Table(table) => {
                let members = table
                    .iter()
                    .map(|(name, value)| (name.get_ref().to_string(), json(value.get_ref())));
                Value::Object(members.collect())
            }
            other => panic!("{other:?} is not in the recipe"),
        }
    }
    json(&DeValue::Table(DeTable::parse(toml).unwrap().into_inner()))
}

/// What happens at the entry point: hop-by-hop headers go, also those that `Connection` names, and
/// names that are spelled like others do; and nobody is believed about whom he forwards.
fn enter(headers: &mut Headers) {
    let named: Vec<_> = headers.all("connection").join(",").split(',').map(trimmed).collect();
    headers.0.retain(|(name, _)| {
        let name = name.to_ascii_lowercase();
        let alias = !name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
        let hop = ["connection", "transfer-encoding", "upgrade", "content-length"];
        !(alias
            || hop.contains(&&*name)
            || named.contains(&name)
            || name.starts_with("x-forwarded"))
    });
}

fn trimmed(word: &str) -> String {
    word.trim().to_ascii_lowercase()
}

/// The request of the forwardAuth middleware.
fn ask(forward_auth: &Value, words: &[&str], headers: &Headers) -> io::Result<Answer> {
    let copied = strings(&forward_auth["authRequestHeaders"]);
    let mut asked = Headers(headers.0.clone());
    asked.0.retain(|(name, _)| copied.iter().any(|copied| copied.eq_ignore_ascii_case(name)));
    let host = headers.one("host").unwrap_or_default();
    for (name, value) in [
        ("X-Forwarded-For", "127.0.0.1"),
        ("X-Forwarded-Proto", "http"),
        ("X-Forwarded-Method", words[0]),
        ("X-Forwarded-Host", host),
        ("X-Forwarded-Uri", words[1]),
    ] {
        asked.0.push((name.to_owned(), value.to_owned()));
    }
    let address = forward_auth["address"].as_str().unwrap();
    let path = address.find("/auth").unwrap();
    asked.0.push(("Host".to_owned(), address[7..path].to_owned()));
    send(&address[..path], &format!("GET {}", &address[path..]), &asked, &[], "GET")
}

fn send(to: &str, first: &str, headers: &Headers, body: &[u8], method: &str) -> io::Result<Answer> {
    let to = to.strip_prefix("http://").unwrap().parse().unwrap();
    let mut stream = client::connect(to)?;
    let mut head = format!("{first} HTTP/1.1\r\n");
    for (name, value) in &headers.0 {
        head += &format!("{name}: {value}\r\n");
    }
    if !body.is_empty() {
        head += &format!("Content-Length: {}\r\n", body.len());
    }
    stream.write_all(format!("{head}\r\n").as_bytes())?;
    stream.write_all(body)?;
    Answer::read(&mut BufReader::new(stream), method)
}

fn write(to: &mut TcpStream, answer: &Answer) -> io::Result<()> {
    let mut head = format!("HTTP/1.1 {} Replayed\r\n", answer.status);
    let length = |name: &str| name.eq_ignore_ascii_case("content-length");
    for (name, value) in answer.headers.0.iter().filter(|(name, _)| !length(name)) {
        head += &format!("{name}: {value}\r\n");
    }
    head += &format!("Content-Length: {}\r\n\r\n", answer.body.len());
    to.write_all(head.as_bytes())?;
    to.write_all(&answer.body)
}

fn strings(value: &Value) -> Vec<&str> {
    value.as_array().unwrap().iter().map(|value| value.as_str().unwrap()).collect()
}
