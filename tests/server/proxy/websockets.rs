//! Websockets: the protocol is switched when the upstream has agreed, and from then on bytes pass as
//! they are. What the client said too early is never heard by the upstream as anything else.

use std::{
    io::Read,
    thread,
    time::{Duration, Instant},
};

use super::{client::Client, site::Site};
use crate::harness::{SOON, many};

const SWITCH: &str = "Connection: upgrade\nUpgrade: websocket\nSec-WebSocket-Version: 13\n\
     Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\nSec-WebSocket-Protocol: chat";

/// Asks for a websocket.
fn asks(site: &Site, target: &str) -> Client {
    let mut client = site.client();
    client.send(site.head(&format!("GET {target}"), SWITCH));
    client
}

/// A websocket that is open.
#[track_caller]
fn open(site: &Site, target: &str) -> Client {
    let mut client = asks(site, target);
    let reply = client.head().unwrap();
    assert_eq!(reply.status, 101, "{reply:?}");
    client
}

/// A frame of a client (RFC 6455 section 5.2): whole, and masked with zeros, which leaves it as it
/// is.
fn frame(opcode: u8, payload: &[u8]) -> Vec<u8> {
    let mut frame = vec![0x80 | opcode];
    match payload.len() {
        length @ 0..126 => frame.push(0x80 | length as u8),
        length @ 126..65536 => {
            frame.push(0x80 | 126);
            frame.extend((length as u16).to_be_bytes());
        }
        length => {
            frame.push(0x80 | 127);
            frame.extend((length as u64).to_be_bytes());
        }
    }
    frame.extend([0; 4]);
    frame.extend(payload);
    frame
}

#[test]
fn both_ends_hear_each_other() {
    let site = Site::new();
    let mut client = asks(&site, "/chat");
    let reply = client.head().unwrap();
    assert_eq!(reply.status, 101);
    assert_eq!(reply.one("upgrade").map(str::to_ascii_lowercase).as_deref(), Some("websocket"));
    assert_eq!(reply.one("connection").map(str::to_ascii_lowercase).as_deref(), Some("upgrade"));
    assert_eq!(reply.one("sec-websocket-accept"), Some("s3pPLMBiTxaQ9kYGzzhZRbK+xOo="));
    let seen = site.upstream.called("/chat");
    for (name, value) in [
        ("upgrade", "websocket"),
        ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="),
        ("sec-websocket-version", "13"),
        ("sec-websocket-protocol", "chat"),
    ] {
        assert_eq!(seen.one(name).as_deref(), Some(value));
    }
    const TEXT: u8 = 1;
    const BINARY: u8 = 2;
    const CLOSE: u8 = 8;
    const PING: u8 = 9;
    const PONG: u8 = 10;
    for (opcode, payload) in [
        (TEXT, "hello".as_bytes().to_vec()),
        (PING, b"a".to_vec()),
        (PONG, vec![]),
        (BINARY, vec![0xff; 125]),
        (BINARY, vec![0; 126]),
        (TEXT, b"GET /x HTTP/1.1\r\n\r\n".to_vec()),
        (BINARY, vec![7; 65536]),
        (CLOSE, vec![0x03, 0xe8]),
    ] {
        let frame = frame(opcode, &payload);
        client.send(&frame);
        assert!(client.exactly(frame.len()).as_ref() == Some(&frame), "opcode {opcode}");
    }
    drop(client);
    site.upstream.when("/chat", |seen| seen.gone);
}

#[test]
fn much_passes_both_ways_at_once() {
    let site = Site::new();
    let mut client = open(&site, "/chat");
    let length = many(64 << 20, 4 << 20);
    let mut writer = client.again();
    let sending = thread::spawn(move || {
        let frame: Vec<_> = (0..length).map(|at| (at % 251) as u8).collect();
        writer.send(&frame);
    });
    let heard = client.exactly(length).unwrap();
    sending.join().unwrap();
    assert!(heard.iter().enumerate().all(|(at, byte)| *byte == (at % 251) as u8));
}

#[test]
fn whoever_hangs_up_hangs_up_on_the_other() {
    let site = Site::new();
    let client = open(&site, "/client-goes");
    let began = Instant::now();
    drop(client);
    let gone = site.upstream.when("/client-goes", |seen| seen.gone);
    assert!(gone.duration_since(began) < Duration::from_secs(5));
    let mut client = open(&site, "/play/websocket/bye");
    let ended = client.ends_within(Duration::from_secs(5));
    assert_eq!(String::from_utf8_lossy(&ended.rest), "first and last words");
}

#[test]
fn an_upstream_may_say_no() {
    let site = Site::new();
    for (what, status, body) in
        [("refused", 403, "no"), ("ignored", 200, super::upstream::WORDS), ("other", 502, "")]
    {
        let mut client = asks(&site, &format!("/play/websocket/{what}"));
        let reply = client.reply("GET").unwrap();
        assert_eq!(reply.status, status, "{what}: {reply:?}");
        assert!(body.is_empty() || reply.text() == body, "{what}: {reply:?}");
        assert!(reply.all("upgrade").is_empty(), "{what}: {reply:?}");
        // It speaks HTTP still.
        client.send(site.head("GET /behind", ""));
        let behind = client.reply("GET").map(|reply| reply.status);
        assert_eq!(behind, Some(200), "{what}");
    }
}

/// Bytes behind a request for a websocket are what the next request is, or what a websocket says
/// first. If the upstream says no, it must not take them for a request that nobody judged.
#[test]
fn what_is_said_too_early_is_never_an_unjudged_request() {
    let site = Site::new();
    for what in ["/play/websocket/refused", "/play/websocket/ignored"] {
        for round in 0..many(100, 10) {
            let mut client = site.client();
            let mut bytes = site.head(&format!("GET {what}"), SWITCH);
            bytes += "GET /hidden HTTP/1.1\r\nHost: a\r\n\r\n";
            client.send(bytes);
            let reply = client.reply("GET").unwrap();
            assert!([200, 403].contains(&reply.status), "{what} {round}: {reply:?}");
            let behind = client.reply("GET");
            assert!(behind.is_none_or(|reply| reply.status == 401), "{what} {round}");
            assert_eq!(site.upstream.count("/hidden"), 0, "{what} {round}");
        }
    }
    assert!(site.upstream.arrived().iter().all(|seen| seen.body.is_empty()));
}

#[test]
fn what_is_said_too_early_is_heard_behind_the_switch() {
    let site = Site::new();
    let mut client = site.client();
    client.send(site.head("GET /play/websocket/slow", SWITCH) + "early");
    site.upstream.called("/play/websocket/slow");
    client.send(" bird");
    assert_eq!(client.head().unwrap().status, 101);
    assert_eq!(client.exactly(10).unwrap(), b"early bird");
}

#[test]
fn nothing_is_switched_before_the_upstream_agrees() {
    let site = Site::new();
    let mut client = asks(&site, "/play/websocket/slow");
    client.stream.set_read_timeout(Some(Duration::from_millis(150))).unwrap();
    let mut byte = [0];
    assert!(client.stream.read(&mut byte).is_err(), "it answered before the upstream did");
    client.stream.set_read_timeout(Some(SOON)).unwrap();
    assert_eq!(client.head().unwrap().status, 101);
}
