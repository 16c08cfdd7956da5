//! Every open exchange keeps its grant, and ends with it.

use std::{
    thread,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use rustix::process::Signal;
use serde_json::Value;

use super::{
    client::Client,
    site::{Key, Site},
    upstream::End,
};
use crate::harness::{SOON, in_full, many, wait_for};

/// How soon an exchange ends whose key is refused.
const AT_ONCE: Duration = Duration::from_secs(1);

/// What an exchange is in the middle of.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Middle {
    /// Of an answer whose length nobody knows.
    Answer,
    /// Of an answer whose length was told.
    AnswerOfLength,
    /// Of a call, at the door.
    Call,
    /// Of events, at the door.
    Events,
    /// Of a body.
    Upload,
    /// Of nothing: the upstream has not answered yet.
    Waiting,
    Websocket,
}

const MIDDLES: [Middle; 7] = [
    Middle::Answer,
    Middle::AnswerOfLength,
    Middle::Call,
    Middle::Events,
    Middle::Upload,
    Middle::Waiting,
    Middle::Websocket,
];

/// An exchange that goes on until somebody ends it.
struct Exchange {
    middle: Middle,
    target: String,
    client: Client,
}

impl Exchange {
    /// Opens one, and waits until it is in the middle at both ends.
    #[track_caller]
    fn open(site: &Site, key: &Key, lines: &str, middle: Middle) -> Self {
        let name = format!("{}-{}", key.name, lines.len());
        let (method, path, more, body) = match middle {
            Middle::Answer => ("GET", "/play/stream?", "", ""),
            Middle::AnswerOfLength => ("GET", "/play/stream-of-length?", "", ""),
            Middle::Call => ("POST", "/mcp?play=hang&", CALL_LINES, CALL),
            Middle::Events => ("GET", "/mcp?play=stream&", "Accept: text/event-stream", ""),
            Middle::Upload => ("POST", "/play/sink?", "Content-Length: 1000", "hello"),
            Middle::Waiting => ("GET", "/play/hang?", "", ""),
            Middle::Websocket => ("GET", "/ws?", SWITCH, ""),
        };
        let target = format!("{path}{name}");
        let lines = [lines, more].into_iter().filter(|lines| !lines.is_empty());
        let lines = lines.collect::<Vec<_>>().join("\n");
        let mut client = site.client();
        client.send(site.head_with(key, &format!("{method} {target}"), &lines) + body);
        match middle {
            Middle::Answer | Middle::AnswerOfLength | Middle::Events => {
                assert_eq!(client.head().unwrap().status, 200, "{middle:?}");
                assert!(client.exactly(10).is_some(), "{middle:?}");
            }
            Middle::Upload => {
                site.upstream.when(&target, |seen| (seen.body == b"hello").then_some(()));
            }
            Middle::Call | Middle::Waiting => drop(site.upstream.called(&target)),
            Middle::Websocket => {
                assert_eq!(client.head().unwrap().status, 101);
                client.send("ping");
                assert_eq!(client.exactly(4).unwrap(), b"ping");
            }
        }
        Self { middle, target, client }
    }

    fn open_all(site: &Site, key: &Key, lines: &str) -> Vec<Self> {
        MIDDLES.map(|middle| Self::open(site, key, lines, middle)).into()
    }

    /// Holds it to be cut off within a while, at both ends: when the client saw it.
    #[track_caller]
    fn ends_cut(mut self, site: &Site, within: Duration, code: &str) -> Instant {
        let middle = self.middle;
        let began = Instant::now();
        let at = match middle {
            Middle::Call | Middle::Upload | Middle::Waiting => {
                self.client.stream.set_read_timeout(Some(within)).unwrap();
                let method = if middle == Middle::Waiting { "GET" } else { "POST" };
                let reply = self.client.reply(method);
                let at = Instant::now();
                let reply = reply.unwrap_or_else(|| panic!("{middle:?}: no answer"));
                assert_eq!(reply.status, 401, "{middle:?}: {reply:?}");
                if middle == Middle::Call {
                    let body: Value = serde_json::from_slice(&reply.body).unwrap();
                    assert_eq!(body["error"]["code"], -32001, "{body}");
                    assert_eq!(body["error"]["data"]["code"], code, "{body}");
                    assert_eq!(body["id"], 7, "{body}");
                } else {
                    assert_eq!(reply.one("x-msb-reason"), Some(code), "{middle:?}");
                }
                at
            }
            Middle::Answer | Middle::AnswerOfLength | Middle::Events | Middle::Websocket => {
                let ended = self.client.ends_within(within);
                // An end that looks like one would be taken for the whole.
                assert!(!ended.rest.ends_with(b"0\r\n\r\n"), "{middle:?} ended well");
                ended.at
            }
        };
        let took = at.duration_since(began);
        assert!(took < within, "{middle:?}: {took:?}");
        match middle {
            Middle::Upload => {
                let end = |end| (end != End::Open).then_some(end);
                let end = site.upstream.when(&self.target, |seen| end(seen.end));
                assert_eq!(end, End::CutOff);
            }
            Middle::Answer
            | Middle::AnswerOfLength
            | Middle::Call
            | Middle::Events
            | Middle::Waiting
            | Middle::Websocket => {
                let gone = site.upstream.when(&self.target, |seen| seen.gone);
                let later = gone.saturating_duration_since(at);
                assert!(later < AT_ONCE, "{middle:?}: the upstream heard it after {later:?}");
            }
        }
        at
    }

    #[track_caller]
    fn goes_on(&mut self, while_: Duration) {
        assert!(self.client.goes_on_for(while_), "{:?} ended", self.middle);
    }
}

/// A site with a key that is about to end, and with one that is not.
fn site(doomed: &str) -> (Site, Key, Key) {
    let mut site = Site::new();
    let doomed = site.make("doomed", doomed);
    let other = site.make("other", "-n other");
    (site, doomed, other)
}

/// What a command cuts off, it cuts off in the middle of whatever is open, and nothing else.
#[track_caller]
fn cuts(flags: &str, lines: &str, command: impl Fn(&Key) -> String) {
    let (site, doomed, other) = site(flags);
    let cut = Exchange::open_all(&site, &doomed, lines);
    let kept = Exchange::open_all(&site, &other, "X-Namespace: other");
    site.home.done(&command(&doomed));
    let done = Instant::now();
    for exchange in cut {
        let middle = exchange.middle;
        let at = exchange.ends_cut(&site, AT_ONCE, "INVALID_TOKEN");
        let took = at.saturating_duration_since(done);
        assert!(took < AT_ONCE, "{middle:?}: {took:?}");
    }
    for mut exchange in kept {
        exchange.goes_on(Duration::from_millis(100));
    }
}

#[test]
fn a_key_that_is_revoked_ends_all_that_it_has_open() {
    cuts("", "", |key| format!("server revoke {}", key.id));
}

#[test]
fn a_namespace_that_is_revoked_ends_all_that_is_open_in_it() {
    cuts("-n doomed", "X-Namespace: doomed", |_| "server revoke -n doomed -y".to_owned());
}

#[test]
fn an_owner_who_is_revoked_ends_all_that_is_open() {
    cuts("--owner doomed", "", |_| "server revoke --owner doomed -y".to_owned());
}

#[test]
fn a_reset_ends_all_that_any_key_has_open() {
    let (site, doomed, other) = site("");
    let mut public = site.client();
    public.send(format!(
        "GET /servers/x?play=stream HTTP/1.1\r\nHost: {}\r\n\r\n",
        site.server.address
    ));
    assert_eq!(public.head().unwrap().status, 200);
    // A server has 1024 connections at most.
    let streams = many(900, 100);
    let mut crowd = vec![];
    for n in 0..streams {
        let mut client = site.client();
        // In the middle of an answer, and quiet: hundreds that talk would keep the machine busy.
        client.send(site.head_with(&doomed, &format!("GET /play/stream/quiet?crowd-{n}"), ""));
        assert_eq!(client.head().unwrap().status, 200);
        assert!(client.exactly(10).is_some());
        crowd.push(client);
    }
    // Last: a crowd takes its time to come.
    let mut open = Exchange::open_all(&site, &doomed, "");
    open.extend(Exchange::open_all(&site, &other, "X-Namespace: other"));
    for client in [0, streams / 2] {
        assert!(crowd[client].goes_on_for(Duration::from_millis(10)), "{client}");
    }
    site.home.done("server key reset -y");
    let done = Instant::now();
    for exchange in open {
        exchange.ends_cut(&site, AT_ONCE, "INVALID_TOKEN");
    }
    for mut client in crowd {
        client.ends_within(AT_ONCE);
    }
    assert!(done.elapsed() < AT_ONCE, "{:?}", done.elapsed());
    // Nobody's key is in it.
    assert!(public.goes_on_for(Duration::from_millis(100)));
}

#[test]
fn a_key_that_expires_ends_all_that_it_has_open_and_not_before() {
    let (mut site, _, other) = site("");
    let left = |key: &Key| {
        let expires = key.expires.as_deref().unwrap();
        let expires = chrono::DateTime::parse_from_rfc3339(expires).unwrap().timestamp();
        let expires = UNIX_EPOCH + Duration::from_secs(expires as u64);
        expires.duration_since(SystemTime::now()).unwrap_or_default()
    };
    let mut kept = Exchange::open(&site, &other, "X-Namespace: other", Middle::Answer);
    // A disk may be away for longer than a key lives.
    let mut lives = |(name, secs): (&'static str, u64)| {
        let key = site.make_in_time(name, &format!("--expire {secs}s"))?;
        let enough = left(&key) > Duration::from_secs(3);
        enough.then(|| (Exchange::open_all(&site, &key, ""), key))
    };
    let tries = [("brief", 5), ("short", 20), ("long", 60)];
    let (mut open, doomed) = tries.into_iter().find_map(&mut lives).expect("a key before it ends");
    let left = || left(&doomed);
    assert!(!left().is_zero(), "it took too long to open all that");
    while left() > Duration::from_millis(300) {
        for exchange in &mut open {
            exchange.goes_on(Duration::from_millis(10));
        }
    }
    for exchange in open {
        let within = left() + AT_ONCE;
        let at = exchange.ends_cut(&site, within, "EXPIRED_TOKEN");
        // What is left now was left longer when it was cut.
        assert!(left().saturating_sub(at.elapsed()).is_zero(), "cut before its time");
    }
    kept.goes_on(Duration::from_millis(100));
}

#[test]
fn a_policy_that_is_read_again_ends_what_it_refuses() {
    let (site, doomed, other) = site("");
    let kept = site.home.key("--expire 30d");
    let open = Exchange::open_all(&site, &doomed, "");
    let others = Exchange::open(&site, &other, "X-Namespace: other", Middle::Answer);
    let mut stays = site.client();
    stays.send(format!("GET /play/stream?stays HTTP/1.1\r\nHost: a\r\nX-API-Key: {kept}\r\n\r\n"));
    assert_eq!(stays.head().unwrap().status, 200);
    site.home.configure(&format!("[policy]\nrequire_expire = true\n{}", super::site::routes()));
    site.server.signal(Signal::HUP);
    for exchange in open.into_iter().chain([others]) {
        exchange.ends_cut(&site, AT_ONCE, "INVALID_TOKEN");
    }
    assert!(stays.goes_on_for(Duration::from_millis(100)));
}

/// While it drains, what is open goes on; then it ends.
#[test]
fn a_server_that_stops_lets_what_is_open_end() {
    let mut site = Site::with("drain = \"3s\"");
    let key = site.key("all").clone();
    let mut short = site.client();
    short.send(site.head("GET /play/events/15", ""));
    assert_eq!(short.head().unwrap().status, 200);
    let endless = Exchange::open(&site, &key, "", Middle::Answer);
    let websocket = Exchange::open(&site, &key, "", Middle::Websocket);
    site.server.signal(Signal::TERM);
    let began = Instant::now();
    let all = short.up_to(b"0\r\n\r\n").expect("the events come to their end");
    let all = String::from_utf8_lossy(&all).into_owned();
    assert_eq!(all.matches("data: event").count(), 15);
    for mut exchange in [endless, websocket] {
        let ended = exchange.client.ends_within(SOON);
        let took = ended.at.duration_since(began);
        let drained = Duration::from_millis(2500)..Duration::from_secs(6);
        assert!(drained.contains(&took), "{:?}: {took:?}", exchange.middle);
        site.upstream.when(&exchange.target, |seen| seen.gone);
    }
    assert_eq!(site.server.ended(), Some(0));
}

#[test]
fn a_server_with_nothing_open_stops_at_once() {
    let mut site = Site::new();
    let mut client = site.client();
    client.send(site.head("GET /x", ""));
    assert_eq!(client.reply("GET").unwrap().status, 200);
    site.server.signal(Signal::TERM);
    let began = Instant::now();
    assert_eq!(site.server.ended(), Some(0));
    assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
}

#[test]
fn a_server_that_drains_still_cuts_off_what_is_revoked() {
    let (site, doomed, other) = site("");
    let cut = Exchange::open(&site, &doomed, "", Middle::Answer);
    let mut kept = Exchange::open(&site, &other, "X-Namespace: other", Middle::Answer);
    site.server.signal(Signal::TERM);
    // It has to be told by the database, if nothing else is open any more.
    thread::sleep(Duration::from_millis(100));
    site.home.run(&format!("server revoke {}", doomed.id));
    cut.ends_cut(&site, AT_ONCE, "INVALID_TOKEN");
    kept.goes_on(Duration::from_millis(100));
}

/// Judged again is not judged otherwise: whatever changes for others, an exchange goes on.
#[test]
fn what_is_not_refused_goes_on() {
    let (site, _, other) = site("");
    let mut open = Exchange::open_all(&site, &other, "X-Namespace: other");
    for _ in 0..many(50, 5) {
        let key = site.home.key("");
        site.home.done("server revoke -n somebody -y");
        assert!(!key.is_empty());
    }
    site.home.done("server key rotate -y");
    let patience = Duration::from_millis(if in_full() { 1000 } else { 100 });
    for exchange in &mut open {
        exchange.goes_on(patience);
    }
    let uploads = open.iter().filter(|exchange| exchange.middle == Middle::Upload);
    for upload in uploads {
        let end = wait_for("the upload", SOON, || site.upstream.seen(&upload.target)).end;
        assert_eq!(end, End::Open);
    }
}

const CALL: &str = r#"{"jsonrpc":"2.0","id":7,"method":"x"}"#;
const CALL_LINES: &str = "Content-Type: application/json\nContent-Length: 37";
const SWITCH: &str = "Connection: upgrade\nUpgrade: websocket\nSec-WebSocket-Version: 13\n\
     Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==";
