//! How much anybody may ask for without a key, and who counts as one.

use std::{
    thread,
    time::{Duration, Instant},
};

use serde_json::Value;

use super::{
    client::{Client, Reply},
    site::Site,
};

/// Asks for something public.
#[track_caller]
fn asks(client: &mut Client, lines: &str) -> Reply {
    let lines = lines.replace('\n', "\r\n");
    client.send(format!("GET /servers HTTP/1.1\r\nHost: localhost\r\n{lines}\r\n"));
    client.reply("GET").expect("an answer")
}

/// Whether it is told to come back later; in how many seconds.
#[track_caller]
fn later(reply: &Reply) -> Option<u64> {
    if reply.status == 200 {
        assert!(reply.stub().is_some() && reply.one("retry-after").is_none(), "{reply:?}");
        return None;
    }
    assert_eq!((reply.status, reply.one("x-msb-reason")), (429, Some("RATE_LIMITED")));
    let body: Value = serde_json::from_slice(&reply.body).unwrap();
    assert_eq!(body["error"]["code"], "RATE_LIMITED");
    let seconds = reply.one("retry-after").expect("Retry-After").parse();
    Some(seconds.expect("whole seconds"))
}

#[test]
fn a_hundred_an_hour_is_a_hundred() {
    let site = Site::new();
    let mut client = site.client();
    for number in 1..=100 {
        // Whatever is public counts, and whatever its client says beside.
        let lines = if number % 2 == 0 { "X-Forwarded-For: 192.0.2.1\n" } else { "" };
        assert_eq!(later(&asks(&mut client, lines)), None, "{number}");
    }
    let wait = later(&asks(&mut client, "")).expect("the last of a hundred and one");
    assert!((1..=3600).contains(&wait), "{wait}");
    assert!(later(&asks(&mut site.client(), "")).is_some());
    let mine = "X-Forwarded-For: 192.0.2.2\n";
    assert!(later(&asks(&mut site.client(), mine)).is_some(), "an address of its own choice");
    assert_eq!(site.upstream.arrived().len(), 100);
    // Somebody else may, and so may whoever has a key for something else.
    assert_eq!(later(&asks(&mut Client::from("127.0.0.2", site.server.address), "")), None);
    client.send(site.head("GET /x", ""));
    assert_eq!(client.reply("GET").unwrap().status, 200);
}

#[test]
fn what_is_refused_for_another_reason_does_not_count() {
    let site = Site::with("public_rate = \"2/h\"");
    let mut client = site.client();
    for _ in 0..5 {
        assert_eq!(asks(&mut client, "Origin: http://evil.example\n").status, 403);
        client.send("GET /servers/../x HTTP/1.1\r\nHost: localhost\r\n\r\n");
        assert_eq!(client.reply("GET").unwrap().status, 400);
        client.send("GET /x HTTP/1.1\r\nHost: localhost\r\n\r\n");
        assert_eq!(client.reply("GET").unwrap().status, 401);
    }
    assert_eq!(later(&asks(&mut client, "")), None);
    assert_eq!(later(&asks(&mut client, "")), None);
    assert!(later(&asks(&mut client, "")).is_some());
}

#[test]
fn whoever_comes_back_when_told_to_is_let_in() {
    let site = Site::with("public_rate = \"3/s\"");
    let mut client = site.client();
    let began = Instant::now();
    let wait = (0..100).find_map(|_| later(&asks(&mut client, "")));
    let wait = wait.unwrap_or_else(|| panic!("100 in {:?} are not too many", began.elapsed()));
    assert_eq!(wait, 1);
    thread::sleep(Duration::from_secs(wait));
    assert_eq!(later(&asks(&mut client, "")), None);
}

/// With one request an hour and a proxy on 127.0.0.1 that is believed: whether the second of two
/// clients, as this header tells them, is another.
#[track_caller]
fn another(site: &Site, one: &str, other: &str, expected: bool) {
    let proxy = || site.client();
    let told = |text: &str| {
        text.split('|').map(|line| format!("X-Forwarded-For: {line}\n")).collect::<String>()
    };
    assert_eq!(later(&asks(&mut proxy(), &told(one))), None, "{one}");
    let second = later(&asks(&mut proxy(), &told(other))).is_none();
    assert_eq!(second, expected, "{one} and then {other}");
}

#[test]
fn behind_a_trusted_proxy_the_nearest_other_counts() {
    let site =
        Site::with("public_rate = \"1/h\"\ntrusted_proxies = [\"127.0.0.1\", \"10.0.0.0/8\"]");
    another(&site, "192.0.2.1", "192.0.2.1", false);
    another(&site, "192.0.2.2", "192.0.2.3", true);
    // What stands further left, whoever came before has said.
    another(&site, "198.51.100.1, 192.0.2.4", "198.51.100.2, 192.0.2.4", false);
    another(&site, "198.51.100.1, 192.0.2.5", "198.51.100.1, 192.0.2.6", true);
    another(&site, "192.0.2.7, 10.1.2.3", "192.0.2.7, 10.9.9.9", false);
    another(&site, "192.0.2.8, 10.1.2.3", "192.0.2.9, 10.1.2.3", true);
    another(&site, "198.51.100.1|192.0.2.10", "198.51.100.2|192.0.2.10", false);
    another(&site, "192.0.2.11|10.0.0.1", "192.0.2.12|10.0.0.1", true);
}

#[test]
fn addresses_of_one_subscriber_are_one() {
    let site = Site::with("public_rate = \"1/h\"\ntrusted_proxies = [\"127.0.0.1\"]");
    another(&site, "2001:db8::1", "2001:db8::2", false);
    another(&site, "2001:db8:0:1::1", "2001:db8:0:1:ffff:ffff:ffff:ffff", false);
    another(&site, "2001:db8:0:2::1", "2001:db8:0:3::1", true);
    another(&site, "192.0.2.1", "::ffff:192.0.2.1", false);
    another(&site, "192.0.2.2", "192.0.2.3", true);
}

#[test]
fn who_is_not_trusted_is_counted_whatever_it_says() {
    let site = Site::with("public_rate = \"1/h\"\ntrusted_proxies = [\"127.0.0.1\"]");
    let mut stranger = Client::from("127.0.0.3", site.server.address);
    assert_eq!(later(&asks(&mut stranger, "X-Forwarded-For: 192.0.2.1\n")), None);
    assert!(later(&asks(&mut stranger, "X-Forwarded-For: 192.0.2.2\n")).is_some());
    // And it has used up nothing of whom it named.
    assert_eq!(later(&asks(&mut site.client(), "X-Forwarded-For: 192.0.2.2\n")), None);
    // What no address is, tells of nobody but the proxy.
    for (told, expected) in [("nonsense", true), ("192.0.2.9, nonsense", false), ("", false)] {
        let told = asks(&mut site.client(), &format!("X-Forwarded-For: {told}\n"));
        assert_eq!(later(&told).is_none(), expected);
    }
}

/// More addresses than anybody would remember: the last one is judged as the first one was.
#[test]
fn many_addresses_are_counted_each() {
    let site = Site::with("public_rate = \"1/h\"\ntrusted_proxies = [\"127.0.0.1\"]");
    let mut client = site.client();
    for n in 0..crate::harness::many(20_000, 1000) {
        let address = format!("X-Forwarded-For: 10.{}.{}.{}\n", n >> 16, (n >> 8) & 255, n & 255);
        assert_eq!(later(&asks(&mut client, &address)), None, "{n}");
        if n % 100 == 0 {
            assert!(later(&asks(&mut client, &address)).is_some(), "{n}");
        }
    }
}
