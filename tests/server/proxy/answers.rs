//! What becomes of an answer on its way back, of an upstream that fails, and of whoever hangs up in
//! the middle.

use std::{
    collections::BTreeMap,
    io::{ErrorKind, Read},
    mem,
    net::{SocketAddr, TcpListener, TcpStream},
    thread,
    time::{Duration, Instant},
};

use rustix::net::{AddressFamily, SocketType, sockopt};
use serde_json::Value;

use super::{
    client::{Client, Reply},
    site::Site,
    upstream::{End, WORDS},
};
use crate::harness::{Home, SOON, Server, many, wait_for};

/// Asks with the key that opens everything, and asks again behind it, so that an answer cannot
/// have left anything behind.
#[track_caller]
fn ask(site: &Site, line: &str) -> Reply {
    let mut client = site.client();
    client.send(site.head(line, ""));
    let method = line.split(' ').next().unwrap();
    let reply = client.reply(method).unwrap_or_else(|| panic!("no answer to {line}"));
    if reply.one("connection") != Some("close") {
        client.send(site.head("GET /behind", ""));
        let behind = client.reply("GET").unwrap_or_else(|| panic!("closed behind {line}"));
        let serial = site.upstream.seen("/behind").unwrap().serial;
        assert_eq!((behind.status, behind.text().as_str()), (200, WORDS), "{line}");
        assert_eq!(behind.stub(), Some(serial), "{line}");
    }
    site.upstream.arrived();
    reply
}

/// An answer with this status and body, and with these headers, or without one that has `-` before.
#[track_caller]
fn check(site: &Site, line: &str, status: u16, body: &str, headers: &[&str]) {
    let reply = ask(site, line);
    assert_eq!((reply.status, reply.text().as_str()), (status, body), "{line}: {reply:?}");
    assert!(reply.whole, "{line}");
    let mut told = reply.headers.iter().chain(&reply.trailers);
    let stamped = told.find(|(name, _)| name.starts_with("x-msb") || name.contains('_'));
    assert_eq!(stamped, None, "{line}");
    for header in headers {
        match header.strip_prefix('-') {
            Some(name) => assert!(reply.all(name).is_empty(), "{line}: {header}: {reply:?}"),
            None => {
                let (name, value) = header.split_once(": ").unwrap();
                assert!(reply.all(name).contains(&value), "{line}: {header}: {reply:?}");
            }
        }
    }
}

#[test]
fn an_answer_passes_as_it_is() {
    let site = Site::new();
    check(&site, "GET /x", 200, WORDS, &["content-length: 24"]);
    for status in [201, 202, 206, 301, 400, 401, 403, 404, 405, 418, 429, 500, 502, 503, 504, 599] {
        let own = ["-www-authenticate", "-x-msb-reason"];
        check(&site, &format!("GET /play/status/{status}"), status, "own", &own);
    }
    check(&site, "GET /play/status/204", 204, "", &["etag: \"a\"", "-transfer-encoding"]);
    check(&site, "GET /play/status/304", 304, "", &["etag: \"a\""]);
    check(&site, "GET /play/says/not-modified", 304, "", &["etag: \"a\""]);
    check(&site, "HEAD /x", 200, "", &["content-length: 24"]);
    check(&site, "GET /play/says/chunks", 200, "hello, you!", &["-content-length"]);
    check(&site, "GET /play/says/closing", 200, "until the end", &[]);
    check(&site, "GET /play/says/and-hangs-up", 200, "word", &[]);
    check(&site, "GET /play/says/continue", 200, "word", &[]);
    check(&site, "GET /play/says/hints", 200, "word", &[]);
    check(&site, "POST /play/says/chunks", 200, "hello, you!", &[]);
}

#[test]
fn trailers_of_an_answer_pass_to_whoever_reads_them() {
    let site = Site::new();
    for (lines, expected) in [("TE: trailers", vec![("x-sum".into(), "11".into())]), ("", vec![])] {
        let mut client = site.client();
        client.send(site.head("GET /play/says/chunks", lines));
        let reply = client.reply("GET").unwrap();
        assert_eq!((reply.text().as_str(), reply.trailers), ("hello, you!", expected));
    }
}

#[test]
fn an_old_client_gets_an_answer_that_it_can_read() {
    let site = Site::new();
    for (what, body) in [("chunks", "hello, you!"), ("closing", "until the end"), ("hints", "word")]
    {
        let mut client = site.client();
        let head = site.head(&format!("GET /play/says/{what}"), "");
        client.send(head.replace("HTTP/1.1", "HTTP/1.0"));
        let reply = client.reply("GET").unwrap();
        assert_eq!((reply.status, reply.text().as_str()), (200, body), "{what}");
        assert!(!reply.chunked && reply.interim.is_empty(), "{what}: {reply:?}");
    }
}

#[test]
fn an_upstream_cannot_speak_for_msb_or_to_the_next_hop() {
    let site = Site::new();
    let own = ["x-own: kept", "set-cookie: a=1", "set-cookie: b=2"];
    check(&site, "GET /play/says/identity", 200, "word", &own);
    let dropped = ["x-own: kept", "-x-drop", "-keep-alive", "-proxy-connection", "-upgrade"];
    check(&site, "GET /play/says/hop-by-hop", 200, "word", &dropped);
    check(&site, "GET /play/says/location", 302, "word", &["location: /login?a=b#c"]);
    let there = ["location: http://other.example/"];
    check(&site, "GET /play/says/location-elsewhere", 302, "word", &there);
}

/// What stands behind an answer is nobody's: neither this client's nor the next one's.
#[test]
fn no_answer_is_taken_for_the_answer_to_another_request() {
    let site = Site::new();
    for line in [
        "GET /play/says/twice",
        "GET /play/says/204-with-body",
        "HEAD /play/says/head-with-body",
        "POST /play/says/twice",
    ] {
        for _ in 0..many(50, 5) {
            let reply = ask(&site, line);
            assert!([200, 204].contains(&reply.status), "{line}: {reply:?}");
            assert!(reply.text().is_empty() || reply.text() == "word", "{line}: {reply:?}");
        }
    }
}

/// Whoever could leave something behind on a connection could leave it for somebody else.
#[test]
fn a_connection_behind_us_is_for_one_key_and_for_what_was_judged_whole() {
    let mut site = Site::new();
    let keys = [site.key("all").clone(), site.make("one", "-n one"), site.make("two", "-n two")];
    let mut client = site.client();
    for round in 0..many(200, 20) {
        for key in &keys {
            let named = key.namespaces.as_ref().map(|named| format!("X-Namespace: {}", named[0]));
            client.send(site.head_with(key, "GET /x", &named.unwrap_or_default()));
            assert_eq!(client.reply("GET").unwrap().status, 200, "{round}");
        }
        client.send(site.head("POST /body", "Content-Length: 5") + "hello");
        assert_eq!(client.reply("POST").unwrap().status, 200, "{round}");
        client.send("GET /servers HTTP/1.1\r\nHost: localhost\r\n\r\n");
        assert!([200, 429].contains(&client.reply("GET").unwrap().status), "{round}");
    }
    let (mut whose, mut again) = (BTreeMap::new(), 0);
    for seen in site.upstream.arrived() {
        let id = seen.one("x-msb-key-id").unwrap();
        let before = whose.insert(seen.connection, id.clone());
        again += usize::from(before.is_some());
        assert!(before.is_none_or(|before| before == id), "one connection for two");
        if seen.target() == "/body" {
            assert_eq!(seen.one("connection").as_deref(), Some("close"));
            // Nothing else may come on it.
            whose.insert(seen.connection, "nobody's".to_owned());
        }
    }
    assert!(again > 0, "no connection was used again");
}

#[test]
fn an_old_client_hears_that_an_answer_was_cut_off() {
    let site = Site::new();
    for what in ["cut-in-length", "cut-in-chunk", "cut-between-chunks"] {
        let mut client = site.client();
        let head = site.head(&format!("GET /play/says/{what}"), "");
        client.send(head.replace("HTTP/1.1", "HTTP/1.0"));
        let mut heard = vec![];
        // It takes any end for the right one, but for a reset.
        let end = client.stream.read_to_end(&mut heard).map_err(|error| error.kind());
        let heard = String::from_utf8_lossy(&heard).to_ascii_lowercase();
        let told = heard.contains("content-length: 100");
        assert!(told || end == Err(ErrorKind::ConnectionReset), "{what}: {end:?} {heard:?}");
    }
}

#[test]
fn an_upstream_that_hangs_up_between_requests_is_asked_again() {
    let site = Site::new();
    for round in 0..many(200, 20) {
        let mut client = site.client();
        for line in ["GET /play/says/and-hangs-up", "GET /x", "POST /x"] {
            client.send(site.head(line, ""));
            let reply = client.reply("GET").unwrap();
            assert_eq!(reply.status, 200, "{round}: {line}: {reply:?}");
            // Long enough for the end of the connection to be known.
            thread::sleep(Duration::from_millis(5));
        }
    }
    // And each came once.
    let arrived = site.upstream.arrived();
    assert_eq!(arrived.len(), many(200, 20) * 3);
}

/// The word, and the code in JSON-RPC, for an upstream that does not answer.
#[track_caller]
fn fails(site: &Site, what: &str, status: u16, code: &str) {
    for line in [format!("GET /play/{what}"), format!("POST /x?play={what}")] {
        let mut client = site.client();
        client.send(site.head(&line, ""));
        let reply = client.reply("GET").unwrap_or_else(|| panic!("no answer to {line}"));
        assert_eq!((reply.status, reply.one("x-msb-reason")), (status, Some(code)), "{line}");
        let body: Value = serde_json::from_slice(&reply.body).unwrap();
        assert_eq!(body["error"]["code"], code, "{line}");
        assert_eq!(body["success"], false, "{line}");
        let address = site.upstream.address.to_string();
        assert!(!reply.text().contains(&address), "{line}: {}", reply.text());
        // It was not the client's fault, so its connection goes on.
        client.send("GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n");
        assert_eq!(client.reply("GET").map(|reply| reply.status), Some(200), "{line}");
    }
    for door in ["/api/v1/rpc", "/mcp"] {
        let mut client = site.client();
        let body = r#"{"jsonrpc":"2.0","id":"7","method":"x"}"#;
        let lines = format!("Content-Type: application/json\nContent-Length: {}", body.len());
        client.send(site.head(&format!("POST {door}?play={what}"), &lines) + body);
        let reply = client.reply("POST").unwrap_or_else(|| panic!("no answer at {door}"));
        let told: Value = serde_json::from_slice(&reply.body).unwrap();
        assert_eq!(reply.status, status, "{door}: {told}");
        assert_eq!(told["error"]["code"], -32000, "{door}: {told}");
        assert_eq!(told["error"]["data"]["code"], code, "{door}: {told}");
        assert_eq!(told["id"], "7", "{door}: {told}");
    }
}

#[test]
fn an_upstream_that_answers_nothing_or_no_http_is_a_bad_gateway() {
    let site = Site::new();
    for what in
        ["nothing", "cut-in-head", "two-lengths", "bad-header", "no-status", "no-http", "switch"]
    {
        fails(&site, &format!("says/{what}"), 502, "BAD_GATEWAY");
    }
}

#[test]
fn an_upstream_that_is_down_is_a_bad_gateway_until_it_is_up() {
    let mut site = Site::new();
    site.upstream.stop();
    fails(&site, "x", 502, "BAD_GATEWAY");
    let listener = TcpListener::bind(site.upstream.address);
    // Somebody else may have taken the port; then there is nothing more to see.
    if let Ok(listener) = listener {
        let one = thread::spawn(move || listener.accept().map(drop));
        fails(&site, "x", 502, "BAD_GATEWAY");
        one.join().unwrap().unwrap();
    }
}

#[test]
fn an_upstream_that_does_not_answer_is_a_gateway_timeout() {
    let site = Site::with("answer_timeout = \"1s\"");
    let began = Instant::now();
    fails(&site, "hang", 504, "GATEWAY_TIMEOUT");
    let each = began.elapsed() / 4;
    assert!((Duration::from_secs(1)..Duration::from_secs(3)).contains(&each), "{each:?}");
    // It is told that nobody waits any more.
    site.upstream.when("/play/hang", |seen| seen.gone);
}

#[test]
fn an_upstream_that_cannot_be_reached_is_a_gateway_timeout() {
    let home = Home::new();
    let key = home.key("");
    // A queue for one who is never let in, and somebody in it.
    let socket = rustix::net::socket(AddressFamily::INET, SocketType::STREAM, None).unwrap();
    let any: SocketAddr = "127.0.0.1:0".parse().unwrap();
    rustix::net::bind(&socket, &any).unwrap();
    rustix::net::listen(&socket, 0).unwrap();
    let listener = TcpListener::from(socket);
    let address = listener.local_addr().unwrap();
    let mut queue = vec![];
    while let Ok(stream) = TcpStream::connect_timeout(&address, Duration::from_millis(300)) {
        queue.push(stream);
        assert!(queue.len() < 100, "the queue has no end");
    }
    home.configure("[server]\nconnect_timeout = \"1s\"\n");
    let server = home.start(&format!("--upstream http://{address}"));
    let began = Instant::now();
    let mut client = Client::to(server.address);
    client.send(format!("GET /x HTTP/1.1\r\nHost: a\r\nX-API-Key: {key}\r\n\r\n"));
    let reply = client.reply("GET").unwrap();
    assert_eq!((reply.status, reply.one("x-msb-reason")), (504, Some("GATEWAY_TIMEOUT")));
    let took = began.elapsed();
    assert!((Duration::from_secs(1)..Duration::from_secs(4)).contains(&took), "{took:?}");
}

/// An upstream by a name of its own, in the place of the site's.
fn before(address: SocketAddr) -> (Home, Server, String) {
    let home = Home::new();
    home.configure("[server]\nanswer_timeout = \"1s\"\n");
    let key = home.key("");
    let server = home.start(&format!("--upstream http://{address}"));
    (home, server, key)
}

#[test]
fn whoever_is_waited_for_is_blamed() {
    // It takes connections, and reads nothing.
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let (_home, server, key) = before(listener.local_addr().unwrap());
    let head = |length: usize| {
        format!(
            "POST /x HTTP/1.1\r\nHost: a\r\nX-API-Key: {key}\r\nContent-Length: {length}\r\n\r\n"
        )
    };
    let mut eager = Client::to(server.address);
    let mut writer = eager.again();
    let (large, sent) = (30_000_000, vec![b'x'; 30_000_000]);
    let whole = head(large);
    let sending = thread::spawn(move || {
        writer.send(whole);
        writer.send(sent);
    });
    assert_eq!(eager.reply("POST").unwrap().status, 504);
    let mut idle = Client::to(server.address);
    idle.send(head(10) + "abc");
    assert_eq!(idle.reply("POST").unwrap().status, 400);
    drop((eager, idle, server));
    sending.join().unwrap();
}

#[test]
fn an_upstream_that_speaks_http_1_0_gets_bodies_whole() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let (_home, server, key) = before(listener.local_addr().unwrap());
    let upstream = thread::spawn(move || {
        let mut heads = vec![];
        for _ in 0..2 {
            let (stream, _) = listener.accept().unwrap();
            let mut reader = Client::of(stream);
            heads.push(String::from_utf8(reader.up_to(b"\r\n\r\n").unwrap()).unwrap());
            if heads.len() == 2 {
                let body = reader.up_to(b"0\r\n\r\n").unwrap();
                heads.push(String::from_utf8(body).unwrap());
            }
            reader.send("HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 0\r\n\r\n");
            // Kept open: it may be used again, as far as this end says.
            mem::forget(reader);
        }
        heads
    });
    let mut client = Client::to(server.address);
    client.send(format!("GET /a HTTP/1.1\r\nHost: a\r\nX-API-Key: {key}\r\n\r\n"));
    assert_eq!(client.reply("GET").unwrap().status, 200);
    let lines = format!("Host: a\r\nX-API-Key: {key}\r\nTransfer-Encoding: chunked");
    client.send(format!("POST /b HTTP/1.1\r\n{lines}\r\n\r\n5\r\nhello\r\n0\r\n\r\n"));
    assert_eq!(client.reply("POST").unwrap().status, 200);
    let heads = upstream.join().unwrap();
    assert!(heads[1].starts_with("POST /b HTTP/1.1"), "{heads:?}");
    assert_eq!(heads[2], "5\r\nhello\r\n");
}

/// A body that nobody read was read away, and its client keeps the connection.
#[test]
fn a_refused_body_holds_up_no_stop() {
    let mut site = Site::new();
    let mut client = site.client();
    client.send("POST /mcp HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\n{}");
    assert_eq!(client.reply("POST").unwrap().status, 401);
    let began = Instant::now();
    site.home.done("server stop");
    assert_eq!(site.server.ended(), Some(0));
    assert!(began.elapsed() < Duration::from_secs(8), "{:?}", began.elapsed());
}

#[test]
fn an_answer_that_is_cut_off_is_cut_off() {
    let site = Site::new();
    for what in ["cut-in-length", "cut-in-chunk", "cut-between-chunks", "bad-chunk"] {
        let mut client = site.client();
        client.send(site.head(&format!("GET /play/says/{what}"), ""));
        // It may be cut off before the head was told.
        if let Some(reply) = client.reply("GET") {
            assert!(!reply.whole, "{what}: {reply:?}");
            assert!([200, 502].contains(&reply.status), "{what}: {reply:?}");
        }
        client.ends_within(SOON);
    }
}

#[test]
fn time_is_short_for_the_head_of_an_answer_alone() {
    let site = Site::with("answer_timeout = \"1s\"");
    let mut stream = site.client();
    stream.send(site.head("GET /play/stream", ""));
    assert_eq!(stream.head().unwrap().status, 200);
    // An upload takes as long as its client.
    let mut upload = site.client();
    upload.send(site.head("POST /slow-upload", "Content-Length: 8"));
    for byte in b"in time!" {
        thread::sleep(Duration::from_millis(300));
        upload.send([*byte]);
    }
    let reply = upload.reply("POST").unwrap();
    assert_eq!(reply.status, 200, "{reply:?}");
    assert!(stream.goes_on_for(Duration::from_millis(200)));
    assert_eq!(site.upstream.called("/slow-upload").body, b"in time!");
}

#[test]
fn events_arrive_one_by_one() {
    let site = Site::new();
    let mut client = site.client();
    let began = Instant::now();
    client.send(site.head("GET /play/events/10", "Accept: text/event-stream"));
    assert_eq!(client.head().unwrap().one("content-type"), Some("text/event-stream"));
    assert!(client.up_to(b"data: event\n\n").is_some());
    let first = began.elapsed();
    for _ in 1..10 {
        assert!(client.up_to(b"data: event\n\n").is_some());
    }
    assert!(began.elapsed() >= Duration::from_millis(900));
    assert!(first < began.elapsed() / 2, "the first after {first:?} of {:?}", began.elapsed());
}

#[test]
fn both_ways_stream_at_once() {
    let site = Site::new();
    let mut client = site.client();
    client.send(site.head("POST /play/echo", "Transfer-Encoding: chunked"));
    assert!(client.head().unwrap().chunked);
    for round in 0..100 {
        let word = format!("word {round:03}");
        client.send(format!("8\r\n{word}\r\n"));
        assert!(client.up_to(word.as_bytes()).is_some(), "{word}");
    }
    client.send("0\r\n\r\n");
    assert!(client.up_to(b"0\r\n\r\n").is_some());
    assert_eq!(site.upstream.called("/play/echo").body.len(), 800);
    client.send(site.head("GET /x", ""));
    assert_eq!(client.reply("GET").unwrap().status, 200);
}

#[test]
fn an_answer_may_come_before_the_body_does() {
    let site = Site::new();
    for play in ["/play/early/open", "/play/early/closed"] {
        let mut client = site.client();
        client.send(site.head(&format!("POST {play}"), "Content-Length: 10000000"));
        let reply = client.reply("POST").unwrap();
        assert_eq!((reply.status, reply.text().as_str()), (413, "early"), "{play}");
        // The rest may be read or not, but none of it is a request.
        let request = site.head("GET /hidden", "");
        client.send(request.repeat(100));
        client.done();
        let behind = client.reply("GET");
        assert!(behind.is_none(), "{play}: {behind:?}");
        assert_eq!(site.upstream.count("/hidden"), 0);
    }
}

/// A front end in between would lose an answer that comes with a reset.
#[test]
fn whoever_sends_on_when_refused_hears_why() {
    let site = Site::new();
    let heads = [
        "POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 8000000\r\n\r\n".to_owned(),
        "POST /api/v1/rpc HTTP/1.1\r\nHost: a\r\nContent-Length: 8000000\r\n\r\n".to_owned(),
        site.head("POST /play/early/closed", "Content-Length: 8000000"),
    ];
    for (head, status) in heads.into_iter().zip([401, 401, 413]) {
        let mut client = site.client();
        client.send(&head);
        // All of it, before a look at the answer.
        for _ in 0..80 {
            client.send([b'x'; 100_000]);
        }
        assert_eq!(client.reply("POST").unwrap().status, status, "{head}");
        client.ends_within(Duration::from_secs(5));
    }
}

#[test]
fn whoever_waits_for_100_gets_it_when_the_key_is_good() {
    let site = Site::new();
    for framing in ["Content-Length: 5", "Transfer-Encoding: chunked"] {
        let mut client = site.client();
        client.send(site.head("POST /x", &format!("{framing}\nExpect: 100-continue")));
        assert_eq!(client.up_to(b"\r\n\r\n").unwrap(), b"HTTP/1.1 100 Continue");
        let chunked = framing.starts_with("Transfer");
        client.send(if chunked { "5\r\nhello\r\n0\r\n\r\n" } else { "hello" });
        let reply = client.reply("POST").unwrap();
        assert_eq!(reply.status, 200, "{framing}");
        let [seen] = &site.upstream.arrived()[..] else { panic!("{framing}") };
        assert_eq!((&seen.body[..], seen.all("expect")), (&b"hello"[..], vec![]), "{framing}");
    }
    let mut client = site.client();
    let lines = "Host: a\r\nContent-Length: 5\r\nExpect: 100-continue";
    client.send(format!("POST /x HTTP/1.1\r\n{lines}\r\n\r\n"));
    let reply = client.reply("POST").unwrap();
    assert_eq!((reply.status, reply.interim), (401, vec![]));
    assert!(site.upstream.arrived().is_empty());
}

/// Half of a request, and then this. What reached the upstream is cut off there, too.
#[track_caller]
fn gone_in_the_middle(site: &Site, name: &str, framing: &str, bytes: &str, leave: fn(Client)) {
    let path = format!("/play/sink?{name}");
    let mut client = site.client();
    client.send(site.head(&format!("POST {path}"), framing));
    client.send(bytes);
    site.upstream.when(&path, |seen| seen.body.starts_with(b"hello").then_some(()));
    leave(client);
    let end = site.upstream.when(&path, |seen| (seen.end != End::Open).then_some(seen.end));
    assert_eq!(end, End::CutOff, "{name}");
}

#[test]
fn a_request_that_is_cut_off_is_never_whole() {
    let site = Site::new();
    let closes: fn(Client) = drop;
    let resets: fn(Client) = |client| {
        sockopt::set_socket_linger(&client.stream, Some(Duration::ZERO)).unwrap();
    };
    let ends: fn(Client) = |mut client| {
        client.done();
        client.ends_within(SOON);
    };
    for (way, leave) in [("closes", closes), ("resets", resets), ("ends", ends)] {
        let gone = |name: &str, framing: &str, bytes: &str| {
            gone_in_the_middle(&site, &format!("{way}-{name}"), framing, bytes, leave);
        };
        gone("in-a-length", "Content-Length: 1000", "hello");
        gone("one-byte-short", "Content-Length: 6", "hello");
        gone("in-a-chunk", "Transfer-Encoding: chunked", "64\r\nhello");
        gone("between-chunks", "Transfer-Encoding: chunked", "5\r\nhello\r\n");
        gone("before-the-last-chunk", "Transfer-Encoding: chunked", "5\r\nhello\r\n0");
        gone("before-the-trailers", "Transfer-Encoding: chunked", "5\r\nhello\r\n0\r\nX: y\r\n");
    }
}

#[test]
fn a_broken_chunk_is_the_clients_fault_and_never_a_whole_request() {
    let site = Site::new();
    for (name, bytes) in
        [("size", "Z\r\n"), ("end", "5\r\nhelloXX0\r\n\r\n"), ("sign", "-1\r\nhello\r\n")]
    {
        let path = format!("/play/sink?{name}");
        let mut client = site.client();
        client.send(site.head(&format!("POST {path}"), "Transfer-Encoding: chunked"));
        client.send("5\r\nhello\r\n");
        site.upstream.when(&path, |seen| (seen.body == b"hello").then_some(()));
        client.send(bytes);
        let reply = client.reply("POST").unwrap();
        assert_eq!(reply.status, 400, "{name}: {reply:?}");
        client.ends_within(SOON);
        let end = site.upstream.when(&path, |seen| (seen.end != End::Open).then_some(seen.end));
        assert_eq!(end, End::CutOff, "{name}");
    }
}

#[test]
fn an_upstream_hears_that_its_client_is_gone() {
    let site = Site::new();
    for path in ["/play/hang", "/play/stream", "/play/stream-of-length"] {
        let mut client = site.client();
        client.send(site.head(&format!("GET {path}"), ""));
        site.upstream.called(path);
        if path != "/play/hang" {
            assert_eq!(client.head().unwrap().status, 200);
        }
        let left = Instant::now();
        drop(client);
        let gone = site.upstream.when(path, |seen| seen.gone);
        let took = gone.duration_since(left);
        assert!(took < Duration::from_secs(5), "{path}: {took:?}");
    }
}

#[test]
fn half_a_connection_is_taken_for_none() {
    let site = Site::new();
    for path in ["/play/hang", "/play/stream"] {
        let mut client = site.client();
        client.send(site.head(&format!("GET {path}"), ""));
        site.upstream.called(path);
        client.done();
        client.ends_within(Duration::from_secs(5));
        site.upstream.when(path, |seen| seen.gone);
    }
}

#[test]
fn what_is_large_passes_whole() {
    let site = Site::new();
    let large: Vec<_> = (0..many(64 << 20, 4 << 20)).map(|at| (at % 251) as u8).collect();
    let mut client = site.client();
    let mut writer = client.again();
    let head = site.head("POST /play/echo", &format!("Content-Length: {}", large.len()));
    let sent = large.clone();
    let sending = thread::spawn(move || {
        writer.send(head);
        writer.send(sent);
    });
    let reply = client.reply("POST").unwrap();
    sending.join().unwrap();
    assert!(reply.whole && reply.body == large, "{} bytes came back", reply.body.len());
    wait_for("the whole request", SOON, || {
        site.upstream.seen("/play/echo").filter(|seen| seen.is_whole())
    });
}
