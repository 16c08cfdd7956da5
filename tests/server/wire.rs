//! Bytes on the wire: whatever comes, no request is taken for another, and nothing that cannot be
//! read passes. What hyper answers by itself is written down here.

use crate::harness::{Home, Server, Wire, bearing, many, request};

/// Follows whatever is tried on a connection. Its answer, which nothing else has, tells that both
/// ends still agree on where requests begin.
const LAST: &str = "DELETE /healthz HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";

/// A server, and a key that opens everything.
struct Tried {
    server: Server,
    key: String,
    _home: Home,
}

impl Tried {
    fn new() -> Self {
        let home = Home::new();
        let key = home.key("");
        Self { server: home.start(""), key, _home: home }
    }

    /// The statuses of all answers to these bytes and to the last request behind them, which is
    /// answered 405 if it is understood. `KEY` is a good key, `PASS` a request with it.
    fn statuses(&self, bytes: impl AsRef<[u8]>) -> String {
        let pass = request(&bearing(&self.key));
        let mut bytes = replaced(bytes.as_ref(), b"PASS", pass.as_bytes());
        bytes = replaced(&bytes, b"KEY", self.key.as_bytes());
        bytes.extend(LAST.as_bytes());
        let mut wire = self.server.wire();
        wire.send(bytes);
        let mut statuses = vec![];
        while let Some(answer) = wire.answer() {
            statuses.push(answer.status.to_string());
        }
        statuses.join(" ")
    }

    #[track_caller]
    fn check(&self, bytes: impl AsRef<[u8]>, expected: &str) {
        let bytes = bytes.as_ref();
        let shown = String::from_utf8_lossy(&bytes[..bytes.len().min(200)]).into_owned();
        assert_eq!(self.statuses(bytes), expected, "{shown:?}");
    }
}

fn replaced(bytes: &[u8], from: &[u8], to: &[u8]) -> Vec<u8> {
    let mut replaced = vec![];
    let mut rest = bytes;
    while let Some(at) = rest.windows(from.len()).position(|part| part == from) {
        replaced.extend(&rest[..at]);
        replaced.extend(to);
        rest = &rest[at + from.len()..];
    }
    replaced.extend(rest);
    replaced
}

/// A request with a key and these lines more; then a body.
fn with(lines: &str, body: &str) -> String {
    format!("POST /auth HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer KEY\r\n{lines}\r\n\r\n{body}")
}

#[test]
fn a_connection_serves_many_requests() {
    let tried = Tried::new();
    tried.check("PASS", "200 405");
    tried.check("PASSPASSPASS", "200 200 200 405");
    tried.check("PASSGET /auth HTTP/1.1\r\nHost: a\r\n\r\nPASS", "200 401 200 405");
    let pipelined = "PASSGET /nothing HTTP/1.1\r\n\r\n".repeat(200);
    tried.check(pipelined, &("200 404 ".repeat(200) + "405"));
    let mut wire = tried.server.wire();
    for _ in 0..200 {
        wire.send(request(&bearing(&tried.key)));
        assert_eq!(wire.answer().unwrap().status, 200);
    }
    // A byte at a time.
    for byte in request(&bearing(&tried.key)).bytes() {
        wire.send([byte]);
    }
    assert_eq!(wire.answer().unwrap().status, 200);
}

#[test]
fn who_wants_to_close_is_closed() {
    let tried = Tried::new();
    tried.check(with("Connection: close", ""), "200");
    tried.check(with("Connection: keep-alive, close", ""), "200");
    tried.check(with("Connection: close\r\nConnection: keep-alive", ""), "200");
    let old = "GET /auth HTTP/1.0\r\nAuthorization: Bearer KEY\r\n";
    tried.check(format!("{old}\r\n"), "200");
    tried.check(format!("{old}Connection: keep-alive\r\n\r\n"), "200 405");
    tried.check("GET /auth\r\n\r\n", "400");
    tried.check("GET /auth HTTP/2.0\r\n\r\n", "400");
    tried.check("GET /auth HTTP/1.2\r\n\r\n", "400");
    tried.check("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "");
    tried.check("\x16\x03\x01\x02\x00\x01\x00\x01\u{fc}\x03\x03", "400");
}

#[test]
fn a_target_has_several_forms() {
    let tried = Tried::new();
    let asks =
        |line: &str| format!("{line} HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer KEY\r\n\r\n");
    tried.check(asks("GET http://anything.example/auth"), "200 405");
    tried.check(asks("GET http://anything.example:1/auth?namespace=a"), "200 405");
    tried.check(asks("GET https://u:p@[::1]/nothing"), "404 405");
    tried.check(asks("GET http://anything.example"), "404 405");
    tried.check(asks("OPTIONS *"), "404 405");
    tried.check(asks("GET *"), "404 405");
    tried.check(asks("CONNECT anything.example:443"), "404 405");
    tried.check(asks("GET anything.example"), "404 405");
    tried.check(asks("GET /auth#namespace=x"), "200 405");
    tried.check(asks("GET /auth?x#y"), "403 405");
    tried.check(asks("GET /auth?namespace=\u{e4}"), "403 405");
    tried.check(asks("GET /\u{e4}"), "404 405");
    for line in ["GET", "GET ", "GET  /auth", "GET /auth ", "GET /a uth", "G(T /auth", "GET \0"] {
        tried.check(asks(line), "400");
    }
    tried.check(format!("\r\n\r\n{}", asks("GET /auth")), "200 405");
}

#[test]
fn a_body_is_never_needed() {
    let tried = Tried::new();
    tried.check(with("Content-Length: 0", ""), "200 405");
    // It need not come before the answer does.
    for lines in ["Content-Length: 5", "Transfer-Encoding: chunked"] {
        for expect in ["", "\r\nExpect: 100-continue"] {
            let mut wire = tried.server.wire();
            wire.send(with(&format!("{lines}{expect}"), "").replace("KEY", &tried.key));
            let answer = wire.answer().unwrap();
            assert_eq!(answer.status, 200, "{lines}{expect}");
            while wire.answer().is_some() {}
        }
    }
}

/// Bytes behind a head are its body, or the connection ends: they are never a request.
#[test]
fn a_body_is_never_taken_for_a_request() {
    let tried = Tried::new();
    let pass = request(&bearing(&tried.key));
    let length = pass.len();
    let only = |bytes: String| {
        let found = tried.statuses(&bytes);
        assert!(["200", "200 405", "400", ""].contains(&found.as_str()), "{found}: {bytes:?}");
    };
    let body = |lines: &str, body: &str| only(with(lines, body));
    body(&format!("Content-Length: {length}"), "PASS");
    body(&format!("Content-Length: {length}\r\nContent-Length: {length}"), "PASS");
    body("Content-Length: 100000", "PASS");
    body("Transfer-Encoding: chunked", &format!("{length:x}\r\nPASS\r\n0\r\n\r\n"));
    body("Transfer-Encoding: chunked", &format!("{length:x};a=b\r\nPASS\r\n0\r\nX: y\r\n\r\n"));
    body("Transfer-Encoding: chunked", "0\r\n\r\n");
    // What can be read in two ways is the end of the connection, at the latest behind the answer.
    let both = "Content-Length: 6\r\nTransfer-Encoding: chunked";
    tried.check(with(both, "0\r\n\r\nPASS"), "200");
    let both = "Transfer-Encoding: chunked\r\nContent-Length: 6";
    tried.check(with(both, "0\r\n\r\nPASS"), "200");
}

#[test]
fn a_length_that_can_be_read_in_two_ways_is_refused() {
    let tried = Tried::new();
    for lines in [
        "Content-Length: 4\r\nContent-Length: 5",
        "Content-Length: 4, 4",
        "Content-Length: 4,5",
        "Content-Length: +4",
        "Content-Length: -4",
        "Content-Length: 0x4",
        "Content-Length: 4 4",
        "Content-Length: 4_0",
        "Content-Length:",
        "Content-Length: 18446744073709551616",
        "Content-Length: 99999999999999999999999",
        "Transfer-Encoding: chunked, identity",
        "Transfer-Encoding: xchunked",
        "Transfer-Encoding: identity",
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity",
        "Transfer-Encoding : chunked",
        "Transfer-Encoding\t: chunked",
        "Transfer-Encoding:\x0bchunked",
        "Content-Length : 4",
        " Content-Length: 4",
        "X: y\r\n Content-Length: 4",
        "X: y\r\n\tfolded",
        "X\0: y",
        "X: \0",
        "X: a\0b",
        "X: a\rb",
        "X: a\x01b",
        "X: a\x7fb",
        "X y",
        ": y",
        "X(y): z",
        "caf\u{e9}: x",
    ] {
        tried.check(with(lines, "PASS"), "400");
    }
    // HTTP/1.0 knows no chunks.
    let old = with("Transfer-Encoding: chunked", "0\r\n\r\nPASS").replace("HTTP/1.1", "HTTP/1.0");
    tried.check(old, "400");
}

/// hyper takes these for the same; none of them moves the border between two requests.
#[test]
fn what_is_read_in_one_way_only_may_be_odd() {
    let tried = Tried::new();
    let bare = with("X: y", "").replace("\r\n", "\n");
    tried.check(bare, "200 405");
    tried.check(with("x-empty:", ""), "200 405");
    tried.check(with("X:\t  y \t", ""), "200 405");
    tried.check(with("X: caf\u{e9}", ""), "200 405");
    tried.check(b"GET /auth HTTP/1.1\r\nX: \xff\xfe\r\nX-Api-Key: KEY\r\n\r\n", "200 405");
    tried.check(with("Upgrade: websocket\r\nConnection: upgrade", ""), "200 405");
    tried.check(with("Upgrade: h2c\r\nConnection: Upgrade, HTTP2-Settings", ""), "200 405");
    tried.check(with("Connection: authorization", ""), "200 405");
    tried.check(with("TE: trailers", ""), "200 405");
}

#[test]
fn raw_bytes_in_a_value_are_no_key() {
    let tried = Tried::new();
    for value in [&b"\xff"[..], b"KEY\xff", b"\xc3\xa4", b"KEY\tKEY", b"KEY,KEY"] {
        let mut head = b"GET /auth HTTP/1.1\r\nHost: a\r\nX-API-Key: ".to_vec();
        head.extend(value);
        head.extend(b"\r\n\r\n");
        tried.check(&head, "401 405");
        let mut head = b"GET /auth HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer ".to_vec();
        head.extend(value);
        head.extend(b"\r\n\r\n");
        tried.check(&head, "401 405");
        let mut head = b"GET /auth HTTP/1.1\r\nX-API-Key: KEY\r\nX-Namespace: ".to_vec();
        head.extend(value);
        head.extend(b"\r\n\r\n");
        tried.check(&head, "401 405");
        let mut head =
            b"GET /ext-authz HTTP/1.1\r\nX-API-Key: KEY\r\nX-Msb-Require-Scope: ".to_vec();
        head.extend(value);
        head.extend(b"\r\n\r\n");
        tried.check(&head, "403 405");
    }
}

#[test]
fn a_head_has_at_most_64_headers() {
    let tried = Tried::new();
    // Host and Authorization are two.
    let lines = |count: usize| {
        let lines: Vec<_> = (0..count).map(|n| format!("X-{n}: y")).collect();
        with(&lines.join("\r\n"), "")
    };
    tried.check(lines(62), "200 405");
    // A front end cannot pass on anything but 401 and 403.
    tried.check(lines(63), "401 405");
    tried.check(lines(98), "401 405");
    tried.check(lines(99), "431");
    tried.check(lines(5000), "431");
}

#[test]
fn a_head_has_at_most_32_kib() {
    let tried = Tried::new();
    let head = |length: usize| {
        let bare = with("X: ", "").replace("KEY", &tried.key);
        let bytes = with(&format!("X: {}", "y".repeat(length - bare.len())), "");
        assert_eq!(bytes.replace("KEY", &tried.key).len(), length);
        bytes
    };
    tried.check(head(32 << 10), "200 405");
    tried.check(head((32 << 10) + 1), "431");
    tried.check(head(64 << 10), "431");
    tried.check(head(1 << 20), "431");
    // The same before it is whole.
    let mut wire = tried.server.wire();
    wire.send("GET /auth HTTP/1.1\r\nX: ".to_owned() + &"y".repeat(1 << 20));
    assert_eq!(wire.answer().unwrap().status, 431);
    assert_eq!(wire.answer(), None);
}

#[test]
fn a_target_is_as_long_as_a_head_may_be() {
    let tried = Tried::new();
    let target = |length: usize| {
        format!("GET /auth?namespace={} HTTP/1.1\r\nX-Api-Key: KEY\r\n\r\n", "a".repeat(length))
    };
    tried.check(target(63), "200 405");
    tried.check(target(64), "403 405");
    tried.check(target(30_000), "403 405");
    tried.check(target(40_000), "431");
    tried.check(target(60_000), "431");
    tried.check(target(70_000), "431");
    let many = vec!["namespace=a"; 2000].join("&");
    tried.check(target(1).replace("namespace=a", &many), "200 405");
    let others: Vec<_> = (0..33).map(|n| format!("namespace=n{n}")).collect();
    tried.check(target(1).replace("namespace=a", &others[..32].join("&")), "200 405");
    tried.check(target(1).replace("namespace=a", &others.join("&")), "403 405");
}

#[test]
fn whoever_says_all_at_once_and_listens_only_is_answered() {
    let tried = Tried::new();
    for _ in 0..20 {
        let mut wire: Wire = tried.server.wire();
        wire.send(request(&bearing(&tried.key)));
        wire.stream.shutdown(std::net::Shutdown::Write).unwrap();
        assert_eq!(wire.answer().unwrap().status, 200);
        assert_eq!(wire.answer(), None);
    }
}

/// Bytes that somebody has garbled, and no key in them: whatever they are read as, nothing passes.
#[test]
fn garbled_bytes_open_nothing() {
    let tried = Tried::new();
    let whole = [
        "GET /auth?namespace=a&scope=x HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer msb_x\r\n\r\n",
        "POST /ext-authz/x HTTP/1.1\r\nX-API-Key: msb_x\r\nX-Msb-Require-Scope: a\r\n\r\n",
        "PUT /auth HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
        "GET /auth HTTP/1.0\r\nContent-Length: 5\r\nConnection: keep-alive\r\n\r\nhello",
    ];
    let odd: &[&[u8]] = &[
        b"\r",
        b"\n",
        b"\r\n",
        b"\0",
        b" ",
        b"\t",
        b":",
        b",",
        b"\xff",
        b"%",
        b"?",
        b"0",
        b"-1",
        b"HTTP/1.1",
        b"\r\n\r\n",
        b"GET /auth HTTP/1.1\r\n\r\n",
        b"Content-Length: 3\r\n",
    ];
    // The same each time.
    let mut state = 0x9e37_79b9_u32;
    let mut next = |below: usize| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 8) as usize % below
    };
    for _ in 0..many(20_000, 2000) {
        let mut bytes = whole[next(whole.len())].as_bytes().to_vec();
        for _ in 0..=next(4) {
            let at = next(bytes.len());
            match next(3) {
                0 => bytes.truncate(at.max(1)),
                1 => {
                    bytes.splice(at..at, odd[next(odd.len())].iter().copied());
                }
                _ => bytes[at] = next(256) as u8,
            }
        }
        let mut wire = tried.server.wire();
        wire.send(&bytes);
        let _ = wire.stream.shutdown(std::net::Shutdown::Write);
        wire.bodiless = bytes.starts_with(b"HEAD");
        while let Some(answer) = wire.answer() {
            let shown = String::from_utf8_lossy(&bytes);
            assert_ne!(answer.status, 200, "{shown:?}");
            assert!(answer.status < 500, "{shown:?}: {answer:?}");
        }
    }
    tried.check("PASS", "200 405");
}
