//! Requests that are glued together from pieces of the table, and garbled: whatever becomes of
//! them, nothing reaches the upstream that its key does not allow.

use std::{collections::BTreeSet, time::Duration};

use super::{
    judge,
    site::Site,
    table::{Asks, expand, header_bytes, rows},
};
use crate::harness::{Dice, SOON, many};

/// Ends the connection, unless it is taken for a part of what stands before.
const LAST: &[u8] = b"DELETE /healthz HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";

/// The same each time.
const SEED: u64 = 0x6d73_6221_2026_1123;

#[test]
fn whatever_is_garbled_nothing_passes_that_was_not_judged_as_it_stands() {
    let site = Site::with("hosts = [\"api.example.org\"]\npublic_rate = \"1000000/s\"").with_keys();
    let pieces = Pieces::new(&site);
    let mut dice = Dice(SEED);
    eprintln!("seed {SEED:#x}");
    let count = many(30_000, 2000);
    let (mut passed, mut turned_away) = (0, 0);
    let mut recent = vec![];
    for number in 0..count {
        let sent = pieces.glue(&mut dice, &site);
        let mut client = site.client();
        client.send([&sent[..], LAST].concat());
        // What is not whole waits for more, and half a connection is taken for none.
        client.hears_within(Duration::from_millis(20));
        client.done();
        // Which answers have a body depends on what msb took for the method, so they are not read.
        let heard = client.ends_within(SOON).rest;
        let heard = String::from_utf8_lossy(&heard).into_owned();
        let mut answered = BTreeSet::new();
        for line in heard.lines() {
            if let Some(serial) = line.strip_prefix("x-stub: ") {
                assert!(answered.insert(serial), "{number}: one answer twice: {}", shown(&sent));
            }
            if let Some(status) = line.strip_prefix("HTTP/1.1 ") {
                let status = status.split(' ').next().unwrap();
                let fine = !status.starts_with('5') || ["501", "502"].contains(&status);
                assert!(fine, "{number}: {status} to {}", shown(&sent));
                turned_away += usize::from(status.starts_with('4'));
            }
        }
        passed += answered.len();
        // What msb has given up may still be on its way to the upstream.
        recent.insert(0, sent.clone());
        recent.truncate(50);
        for seen in site.upstream.arrived() {
            if let Err(why) = judge::hold(&site, &recent.concat(), &seen) {
                let head = String::from_utf8_lossy(&seen.head).into_owned();
                panic!("{number}: {why}\n    sent {}\n    arrived {head:?}", shown(&sent));
            }
        }
    }
    // If nearly nothing passed, nearly nothing was tried.
    eprintln!("of {count}, {passed} passed and {turned_away} were turned away");
    assert!(passed > count / 20, "{passed} of {count} passed");
    assert!(turned_away > count / 20, "{turned_away} of {count} were turned away");
}

fn shown(bytes: &[u8]) -> String {
    format!("{:?}", String::from_utf8_lossy(&bytes[..bytes.len().min(2000)]))
}

/// The table, taken apart.
struct Pieces {
    lines: Vec<String>,
    headers: Vec<String>,
    bodies: Vec<Vec<u8>>,
    wholes: Vec<Asks>,
}

impl Pieces {
    fn new(site: &Site) -> Self {
        let mut pieces = Self { lines: vec![], headers: vec![], bodies: vec![], wholes: vec![] };
        // A key in a place where nobody looks for one passes as whatever it stands for.
        let hidden = |text: &String| {
            let name = text.split(':').next().unwrap_or_default().trim().to_ascii_lowercase();
            let bare = site.keys.iter().any(|key| key.name == text);
            let looked_for = bare || ["authorization", "x-api-key"].contains(&name.as_str());
            has_key(&header_bytes(text, 0, site), site) && !looked_for
        };
        let (mut lines, mut headers) = (BTreeSet::new(), BTreeSet::new());
        for row in rows() {
            if let Asks::Request { line, headers: all, body } = &row.asks {
                lines.insert(line.clone());
                headers.extend(all.iter().cloned());
                let body = expand(body.unwrap_or_default(), site);
                let plain = !has_key(&body, site) && !hidden(line) && !all.iter().any(hidden);
                // The longest would take most of the time and tell nothing else.
                if body.len() < 20_000 && plain {
                    pieces.bodies.push(body);
                    pieces.wholes.push(row.asks.clone());
                }
            }
        }
        pieces.lines.extend(lines.into_iter().filter(|line| !hidden(line)));
        pieces.headers.extend(headers.into_iter().filter(|header| {
            !hidden(header) && !header.starts_with("$(headers") && !header.starts_with("Host:")
        }));
        pieces
    }

    /// A request from pieces, a piece or a few bytes of which are wrong.
    fn glue(&self, dice: &mut Dice, site: &Site) -> Vec<u8> {
        let mut bytes = match dice.below(4) {
            // A row as it stands, with something more.
            0 => self.wholes[dice.below(self.wholes.len())].bytes(site),
            _ => self.assemble(dice, site),
        };
        // A second one behind it may be taken for a part of the first, or the other way round.
        if dice.below(8) == 0 {
            bytes.extend(self.assemble(dice, site));
        }
        for _ in 0..[0, 0, 0, 1, 2][dice.below(5)] {
            self.garble(&mut bytes, dice, site);
        }
        bytes
    }

    fn assemble(&self, dice: &mut Dice, site: &Site) -> Vec<u8> {
        let line = match dice.below(3) {
            0 => self.lines[dice.below(self.lines.len())].clone(),
            _ => {
                let method = METHODS[dice.below(METHODS.len())];
                let mut path = PATHS[dice.below(PATHS.len())].to_owned();
                if dice.below(4) == 0 {
                    let at = dice.below(path.len() + 1);
                    path.insert_str(at, TWISTS[dice.below(TWISTS.len())]);
                }
                format!("{method} {path} HTTP/1.1")
            }
        };
        let body = match dice.below(3) {
            0 => vec![],
            _ => self.bodies[dice.below(self.bodies.len())].clone(),
        };
        let mut headers = vec!["Host: $(here)".to_owned()];
        if dice.below(5) > 0 {
            headers.push(KEYS[dice.below(KEYS.len())].to_owned());
        }
        if dice.below(2) == 0 {
            headers.push("X-Namespace: alpha".to_owned());
        }
        for _ in 0..dice.below(4) {
            headers.push(self.headers[dice.below(self.headers.len())].clone());
        }
        if line.contains("/mcp") || line.contains("/rpc") {
            headers.push("Content-Type: application/json".to_owned());
        }
        let framed = headers
            .iter()
            .any(|header| header.starts_with("Content-L") || header.starts_with("Tr"));
        if !body.is_empty() && !framed {
            headers.push("Content-Length: $(length)".to_owned());
        }
        let mut bytes = expand(&line, site);
        for header in &headers {
            bytes.extend(b"\r\n");
            bytes.extend(header_bytes(header, body.len(), site));
        }
        bytes.extend(b"\r\n\r\n");
        bytes.extend(body);
        bytes
    }

    /// Puts something where it does not belong; keys stay whole, and where they are.
    fn garble(&self, bytes: &mut Vec<u8>, dice: &mut Dice, site: &Site) {
        let at = dice.below(bytes.len());
        let from = bytes[..at].iter().rposition(|byte| *byte == b'\n').unwrap_or(0);
        let to =
            bytes[at..].iter().position(|byte| *byte == b'\n').map_or(bytes.len(), |to| at + to);
        if has_key(&bytes[from..to], site) {
            let header = &self.headers[dice.below(self.headers.len())];
            let mut line = b"\n".to_vec();
            line.extend(header_bytes(header, 5, site));
            line.push(b'\r');
            bytes.splice(from..from, line);
            return;
        }
        match dice.below(4) {
            0 => bytes.truncate(at.max(1)),
            1 => bytes[at] = dice.below(256) as u8,
            2 => bytes[at] ^= 0x20,
            _ => {
                let odd = TWISTS[dice.below(TWISTS.len())].bytes();
                bytes.splice(at..at, odd);
            }
        }
    }
}

fn has_key(bytes: &[u8], site: &Site) -> bool {
    let text = String::from_utf8_lossy(bytes);
    site.keys.iter().any(|key| text.contains(key.text.rsplit('.').next().unwrap()))
}

const METHODS: [&str; 11] = [
    "GET", "GET", "POST", "POST", "PUT", "DELETE", "OPTIONS", "PATCH", "get", "delete", "PROPFIND",
];

const PATHS: [&str; 16] = [
    "/",
    "/x",
    "/any/x",
    "/api/v1/rpc",
    "/capacity",
    "/fixed/x",
    "/mcp",
    "/own/x",
    "/servers",
    "/servers/x",
    "/spaces/alpha/x",
    "/spaces/beta/x",
    "/tenants/x",
    "/things/1",
    "/v1/models",
    "/v1/x",
];

const KEYS: [&str; 12] = [
    "all", "all", "all", "alpha", "alpha", "beta", "both", "starter", "tools", "reader", "deleter",
    "revoked",
];

/// What some read and others do not.
const TWISTS: [&str; 42] = [
    "/",
    "//",
    ".",
    "..",
    "/./",
    "/../",
    "/..",
    "%2f",
    "%2e%2e",
    "%5c",
    "\\",
    ";",
    ";x=1",
    "%00",
    "%",
    "%25",
    "%252f",
    "?",
    "#",
    "%3f",
    "%23",
    "%20",
    " ",
    "\t",
    "\r",
    "\n",
    "\r\n",
    "\0",
    ":",
    ",",
    "_",
    "%C5%BF",
    "ſ",
    "\u{feff}",
    "*",
    "%61",
    "%4d",
    "\r\nX-Namespace: beta",
    "0\r\n\r\n",
    "\"",
    "{",
    "}",
];
