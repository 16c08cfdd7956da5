//! Development before an upstream: whoever is on this machine needs no key, and nobody else gets in.

use super::{judge::IDENTITY, site::Site};

/// Asks in development; what is let in arrives, and nothing else does.
#[track_caller]
fn check(site: &Site, request: &str, status: u16) {
    let here = site.server.address.to_string();
    let request = request.replace("HERE", &here).replace("KEY", &site.key("other").text);
    let (head, body) = request.split_once("\n\n").unwrap_or((&request, ""));
    let mut client = site.client();
    let length =
        if body.is_empty() { String::new() } else { format!("\nContent-Length: {}", body.len()) };
    client.send(format!("{head}{length}\n\n").replace('\n', "\r\n") + body);
    let reply = client.reply("GET").unwrap();
    assert_eq!(reply.status, status, "{request}: {reply:?}");
    assert_eq!(reply.one("x-msb-dev"), Some("keys are not required"), "{request}");
    let arrived = site.upstream.arrived();
    assert_eq!(arrived.len(), usize::from(status == 200), "{request}");
    for seen in arrived {
        for name in IDENTITY {
            assert_eq!(seen.all(name).len(), 1, "{request}: {name}");
        }
        assert!(!seen.all("x-msb-key-id").concat().contains("spoofed"), "{request}");
    }
}

#[test]
fn in_development_this_machine_needs_no_key_and_no_page_gets_in() {
    let mut site = Site::of("", "--dev");
    site.make("other", "-n other");
    check(&site, "GET /x HTTP/1.1\nHost: HERE", 200);
    check(&site, "GET /x HTTP/1.1\nHost: HERE\nX-Msb-Key-Id: spoofed", 200);
    check(&site, "GET /servers HTTP/1.1\nHost: HERE", 200);
    let call = r#"{"jsonrpc":"2.0","id":1,"method":"x","params":{"namespace":"a"}}"#;
    for door in ["/api/v1/rpc", "/mcp"] {
        let lines = format!("POST {door} HTTP/1.1\nHost: HERE\nContent-Type: application/json");
        check(&site, &format!("{lines}\n\n{call}"), 200);
        check(&site, &format!("{lines}\nOrigin: http://evil.example\n\n{call}"), 403);
        check(&site, &format!("{lines}\n\n{}", call.replace("method", "Method")), 400);
    }
    for lines in ["\nHost: evil.example", "\nHost: localhost.evil.example", ""] {
        check(&site, &format!("GET /x HTTP/1.1{lines}"), 421);
    }
    for lines in ["Origin: http://evil.example", "Origin: null", "X-Forwarded-For: 127.0.0.1"] {
        check(&site, &format!("GET /x HTTP/1.1\nHost: HERE\n{lines}"), 403);
    }
    check(&site, "GET /x/../y HTTP/1.1\nHost: HERE", 400);
    // A key that is there is judged all the same.
    check(&site, "GET /x HTTP/1.1\nHost: HERE\nX-API-Key: nonsense", 401);
    check(&site, "GET /x HTTP/1.1\nHost: HERE\nX-API-Key: KEY", 403);
    check(&site, "GET /x HTTP/1.1\nHost: HERE\nX-API-Key: KEY\nX-Namespace: other", 200);
}
