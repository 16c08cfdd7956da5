//! Whoever tries keys learns nothing from the answers: thousands of keys that hold no more or never
//! did, in both headers and at each door, and one answer to all of them.

use std::{
    collections::BTreeMap,
    fs,
    time::{SystemTime, UNIX_EPOCH},
};

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use msb::signing::ServerKey;

use crate::harness::{Answer, Dice, Home, SOON, Server, Wire, events, many, request, wait_for};

/// The same each time.
const SEED: u64 = 0x6d73_6221_2026_1129;

/// Whom keys are for here, who issued them, and how long they may live.
const SETTINGS: &str = r#"
issuer = "https://keys.example.org"
audience = "here"
[policy]
max_expire = "2d"
require_expire = true
require_namespace = true
[[route]]
path = "/*"
namespace = "any"
scope = "any"
"#;

/// What good claims are for and by whom.
const OURS: &str = r#","iss":"https://keys.example.org","aud":"here""#;

/// A home whose server key is the third of its kind, and what its enemies have got hold of.
struct Target {
    home: Home,
    signing: ServerKey,
    /// Rotated out: its keys count if they were issued before.
    retired: ServerKey,
    /// Reset.
    dead: ServerKey,
    unknown: ServerKey,
    /// Keys that were revoked one by one.
    revoked: Vec<String>,
    now: u64,
}

impl Target {
    fn new() -> Self {
        let home = Home::new();
        home.configure(SETTINGS);
        let server_key = || {
            let pem = fs::read_to_string(home.file("server.key")).unwrap();
            ServerKey::from_pem(&pem).unwrap()
        };
        home.key("--expire 1d -n dev");
        let dead = server_key();
        home.done("server key reset -y");
        let retired = server_key();
        home.done("server key rotate -y");
        let signing = server_key();
        let revoked: Vec<_> = (0..10).map(|_| home.key("--expire 1d -n dev")).collect();
        home.done(&format!("server revoke -y {}", revoked.join(" ")));
        home.done("server revoke -y --owner gone@example.org");
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
        let unknown = ServerKey::from_seed(&[7; 32]);
        Self { home, signing, retired, dead, unknown, revoked, now }
    }

    /// The claims of a key that holds, but for what is put in their places.
    fn claims(&self, dice: &mut Dice, changed: &[(&str, String)]) -> String {
        const DIGITS: &[u8] = b"0123456789abcdefghjkmnpqrstvwxyz";
        let jti: String = (0..16).map(|_| char::from(DIGITS[dice.below(32)])).collect();
        let (iat, exp) = (self.now - 10, self.now + 600 + dice.below(86_400) as u64);
        let scope = ["", r#","scope":"files.read sandbox.*""#][dice.below(2)];
        let mut said = BTreeMap::from([
            ("1", format!(r#""jti":"{jti}""#)),
            ("2 iat", format!(r#","iat":{iat}"#)),
            ("3 exp", format!(r#","exp":{exp}"#)),
            ("5 namespace", r#","namespace":"dev""#.to_owned()),
            ("6 scope", scope.to_owned()),
            ("8 for", OURS.to_owned()),
        ]);
        said.extend(changed.iter().cloned());
        format!("{{{}}}", said.into_values().collect::<String>())
    }

    /// A key that holds.
    fn good(&self, dice: &mut Dice) -> String {
        sign(&self.signing, &self.claims(dice, &[]))
    }

    /// A key that holds but for this.
    fn but(&self, dice: &mut Dice, changed: &[(&str, String)]) -> String {
        sign(&self.signing, &self.claims(dice, changed))
    }

    /// A key that does not hold, and what the log is to say of it, where that is one thing.
    fn hostile(&self, number: usize, dice: &mut Dice) -> (Option<&'static str>, String) {
        let good = self.good(dice);
        let (front, signature) = good.rsplit_once('.').unwrap();
        let mut bytes = good.clone().into_bytes();
        let at = "msb_".len() + dice.below(bytes.len() - "msb_".len());
        let any = |dice: &mut Dice| char::from(b'!' + dice.below(94) as u8);
        let malformed = |text: String| (Some("malformed"), text);
        match number % 28 {
            0 => {
                bytes[at] ^= 1 << dice.below(5);
                (None, shown(&bytes))
            }
            1 => malformed(good[..1 + dice.below(good.len() - 1)].to_owned()),
            2 => malformed(format!("{good}{}", any(dice))),
            3 => {
                malformed(good.replace("msb_", ["", "rb_", "MSB_", "msb-", "msb__"][dice.below(5)]))
            }
            4 => malformed(good.clone() + ["=", "==", "%3D", "."][dice.below(4)]),
            5 => {
                // Bits that say nothing: 64 bytes end with four of them.
                let last = good.len() - 1;
                let digit = ALPHABET.iter().position(|digit| *digit == bytes[last]).unwrap();
                bytes[last] = ALPHABET[digit + 1 + dice.below(15)];
                malformed(shown(&bytes))
            }
            6 => {
                bytes.insert(at, [b'.', b'+', b'/', b'%', b'"', b','][dice.below(6)]);
                malformed(shown(&bytes))
            }
            7 => malformed((0..1 + dice.below(400)).map(|_| any(dice)).collect()),
            8 => malformed(good.clone() + &"A".repeat(4096 + dice.below(8000))),
            9 => {
                let kid = self.signing.public().kid();
                let header = match dice.below(6) {
                    0 => format!(r#"{{"alg":"none","kid":"{kid}","typ":"msb+jwt"}}"#),
                    1 => format!(r#"{{"alg":"HS256","kid":"{kid}","typ":"msb+jwt"}}"#),
                    2 => format!(r#"{{"alg":"EdDSA","kid":"{kid}","typ":"JWT"}}"#),
                    3 => format!(r#"{{"typ":"msb+jwt","alg":"EdDSA","kid":"{kid}"}}"#),
                    4 => format!(r#"{{"alg":"EdDSA","kid":"{kid}","typ":"msb+jwt","b64":false}}"#),
                    _ => format!(r#"{{"alg":"EdDSA","kid":"{kid}"}}"#),
                };
                malformed(sign_with(&self.signing, &header, &self.claims(dice, &[])))
            }
            10 => {
                let claims = self.claims(dice, &[]);
                let spelled = match dice.below(8) {
                    0 => claims.replacen(':', ": ", 1),
                    1 => claims.replace("dev", "\\u0064ev"),
                    2 => claims.replace("\"dev\"", "[\"dev\"]"),
                    3 => claims.replacen("\"iat\":", "\"iat\":0", 1),
                    4 => claims.replace(r#","namespace""#, r#","namespace":"dev","namespace""#),
                    5 => claims.replace('}', r#","only":"read"}"#),
                    6 => claims.replace("\"dev\"", "null"),
                    _ => claims + "\n",
                };
                malformed(sign(&self.signing, &spelled))
            }
            11 => {
                let random: Vec<_> = (0..64).map(|_| dice.below(256) as u8).collect();
                (Some("bad_signature"), format!("{front}.{}", encode(&random)))
            }
            12 => {
                // S and the order of the group: another spelling of a signature that holds.
                let mut signature = BASE64_URL_SAFE_NO_PAD.decode(signature).unwrap();
                add_order(&mut signature[32..]);
                (Some("bad_signature"), format!("{front}.{}", encode(&signature)))
            }
            13 => {
                let other = self.good(dice);
                let (_, signature) = other.rsplit_once('.').unwrap();
                (Some("bad_signature"), format!("{front}.{signature}"))
            }
            14 => {
                let header = header(&self.signing);
                let forged = sign_with(&self.unknown, &header, &self.claims(dice, &[]));
                (Some("bad_signature"), forged)
            }
            15 => {
                // Nothing of what it says is believed: it is not told that it has expired.
                let ended = [("2 iat", r#","iat":1"#.into()), ("3 exp", r#","exp":2"#.into())];
                let forged =
                    sign_with(&self.unknown, &header(&self.signing), &self.claims(dice, &ended));
                (Some("bad_signature"), forged)
            }
            16 | 17 => (Some("unknown_server_key"), sign(&self.unknown, &self.claims(dice, &[]))),
            18 => (Some("revoked"), self.revoked[dice.below(self.revoked.len())].clone()),
            19 => {
                let gone = ("7", r#","sub":"gone@example.org""#.to_owned());
                (Some("revoked"), self.but(dice, &[gone]))
            }
            20 => (Some("revoked"), sign(&self.dead, &self.claims(dice, &[]))),
            21 => {
                let late = ("2 iat", format!(r#","iat":{}"#, self.now + 30));
                (Some("revoked"), sign(&self.retired, &self.claims(dice, &[late])))
            }
            22 => {
                let others = [
                    "",
                    r#","iss":"https://keys.example.org""#,
                    r#","aud":"here""#,
                    r#","iss":"https://keys.example.org","aud":"there""#,
                    r#","iss":"https://example.org","aud":"here""#,
                ];
                let other = ("8 for", others[dice.below(5)].to_owned());
                (Some("wrong_audience"), self.but(dice, &[other]))
            }
            23 => {
                let over = ("3 exp", format!(r#","exp":{}"#, self.now - 5));
                let other = ("8 for", String::new());
                (Some("wrong_audience"), self.but(dice, &[over, other]))
            }
            // A day ahead, which no machine is slow enough to reach; the policy allows two.
            24 => {
                let early = ("4", format!(r#","nbf":{}"#, self.now + 86_400));
                let late = ("3 exp", format!(r#","exp":{}"#, self.now + 90_000));
                (Some("not_yet_valid"), self.but(dice, &[early, late]))
            }
            25 => {
                let ahead = ("2 iat", format!(r#","iat":{}"#, self.now + 86_400));
                let late = ("3 exp", format!(r#","exp":{}"#, self.now + 90_000));
                (Some("not_yet_valid"), self.but(dice, &[ahead, late]))
            }
            26 => {
                let lives = 2 * 86_400 + 1 + dice.below(1_000_000) as u64;
                let long = ("3 exp", format!(r#","exp":{}"#, self.now - 10 + lives));
                (Some("policy"), self.but(dice, &[long]))
            }
            _ => {
                let endless = ("3 exp", String::new());
                let all = ("5 namespace", r#","namespace":"*""#.to_owned());
                let broken = [endless, all][dice.below(2)].clone();
                (Some("policy"), self.but(dice, &[broken]))
            }
        }
    }
}

/// A way in: a head without its key, and a body.
struct Door {
    name: &'static str,
    head: &'static str,
    body: &'static str,
    /// What a good key is answered: nothing stands behind the proxy.
    passes: u16,
}

const CALL: &str =
    r#"{"jsonrpc":"2.0","method":"sandbox.start","params":{"namespace":"dev"},"id":1}"#;

/// Those of a server that answers front ends.
const FORWARD_AUTH: [Door; 2] = [
    Door { name: "auth", head: "GET /auth?any_namespace=1&any_scope=1", body: "", passes: 200 },
    Door {
        name: "ext-authz",
        head: "GET /ext-authz/a\nX-Msb-Require-Namespace: *any*\nX-Msb-Require-Scope: *any*",
        body: "",
        passes: 200,
    },
];

/// Those of a proxy.
const PROXY: [Door; 3] = [
    Door { name: "route", head: "GET /things", body: "", passes: 502 },
    Door {
        name: "rpc",
        head: "POST /api/v1/rpc\nContent-Type: application/json",
        body: CALL,
        passes: 502,
    },
    Door {
        name: "mcp",
        head: "POST /mcp\nContent-Type: application/json",
        body: CALL,
        passes: 502,
    },
];

impl Door {
    /// What it answers to a key in this header, on a connection that may have ended.
    fn ask(&self, server: &Server, wire: &mut Wire, header: &str, key: &str) -> Answer {
        let (line, lines) = self.head.split_once('\n').unwrap_or((self.head, ""));
        let lines = if lines.is_empty() { String::new() } else { format!("\n{lines}") };
        let length = match self.body.len() {
            0 => String::new(),
            length => format!("\nContent-Length: {length}"),
        };
        let head = format!("{line} HTTP/1.1\nHost: localhost{lines}{length}\n{header}{key}");
        let sent = request(&head) + self.body;
        for _ in 0..2 {
            wire.send(&sent);
            if let Some(mut answer) = wire.answer() {
                answer.headers.retain(|(name, _)| name != "date");
                return answer;
            }
            *wire = server.wire();
        }
        panic!("{}: no answer to {head}", self.name)
    }
}

const HEADERS: [&str; 2] = ["Authorization: Bearer ", "X-API-Key: "];

fn one_answer_at(doors: &[Door], flags: &str) {
    let target = Target::new();
    let server = target.home.start(flags);
    let mut dice = Dice(SEED);
    eprintln!("seed {SEED:#x}");
    let keys: Vec<_> =
        (0..many(2000, 280)).map(|number| target.hostile(number, &mut dice)).collect();
    for door in doors {
        let name = door.name;
        let mut wire = server.wire();
        let mut first: Option<Answer> = None;
        for (index, (why, key)) in keys.iter().enumerate() {
            for header in HEADERS {
                let answer = door.ask(&server, &mut wire, header, key);
                let first = first.get_or_insert_with(|| answer.clone());
                assert_eq!(answer, *first, "{name}, {why:?}, {header}{key}");
            }
            // The same connection lets a good key pass, so what was refused was the key.
            if index % 50 == 0 {
                let answer = door.ask(&server, &mut wire, HEADERS[0], &target.good(&mut dice));
                assert_eq!(answer.status, door.passes, "{name}: {answer:?}");
            }
        }
        let first = first.unwrap();
        assert_eq!((first.status, first.header("x-msb-reason")), (401, Some("INVALID_TOKEN")));
        one_answer_but_for_the_moment(&target, door, &server, &mut dice);
    }
    each_had_its_own_reason(&server, &keys, doors.len() * HEADERS.len());
}

/// A key that was good and has ended is told so, and when; and nothing else of it.
fn one_answer_but_for_the_moment(target: &Target, door: &Door, server: &Server, dice: &mut Dice) {
    let mut wire = server.wire();
    let mut first: Option<Answer> = None;
    for ago in 1..20 {
        let over = ("3 exp", format!(r#","exp":{}"#, target.now - ago));
        let begun = ("2 iat", format!(r#","iat":{}"#, target.now - 100));
        // That it was revoked as well is not told.
        let gone = [String::new(), r#","sub":"gone@example.org""#.to_owned()];
        let gone = ("7", gone[dice.below(2)].clone());
        let key = target.but(dice, &[over, begun, gone]);
        for header in HEADERS {
            let mut answer = door.ask(server, &mut wire, header, &key);
            let at = msb::time::UnixTime::from_secs((target.now - ago) as i64).unwrap();
            assert!(answer.body.contains(&at.to_string()), "{answer:?}");
            answer.body = answer.body.replace(&at.to_string(), "then");
            let first = first.get_or_insert_with(|| answer.clone());
            assert_eq!(answer, *first, "{}, {key}", door.name);
        }
    }
    let first = first.unwrap();
    assert_eq!((first.status, first.header("x-msb-reason")), (401, Some("EXPIRED_TOKEN")));
}

/// The log tells them apart: they were refused for what they are.
fn each_had_its_own_reason(server: &Server, keys: &[(Option<&'static str>, String)], times: usize) {
    let mut expected = BTreeMap::new();
    for (why, _) in keys {
        if let Some(why) = why {
            *expected.entry(*why).or_insert(0) += times;
        }
    }
    let unsaid = keys.iter().filter(|(why, _)| why.is_none()).count() * times;
    assert_eq!(expected.len(), 7, "{expected:?}");
    let logged = wait_for("each refusal is logged", SOON, || {
        let mut logged = BTreeMap::new();
        for event in events(&server.log(), "request") {
            if let Some(why) = event["reason"].as_str() {
                *logged.entry(why.to_owned()).or_insert(0) += 1;
            }
        }
        let count = |why: &str| logged.get(why).copied().unwrap_or(0);
        let all: usize = expected.keys().map(|why| count(why)).sum();
        (all >= expected.values().sum::<usize>() + unsaid).then_some(logged)
    });
    for (why, count) in &expected {
        let found = logged[*why];
        assert!((*count..=count + unsaid).contains(&found), "{why}: {found} of {count}");
    }
}

#[test]
fn whoever_tries_keys_at_a_front_end_hears_one_answer() {
    one_answer_at(&FORWARD_AUTH, "");
}

#[test]
fn whoever_tries_keys_at_a_proxy_hears_one_answer() {
    // Nobody listens on that port.
    one_answer_at(&PROXY, "--upstream http://127.0.0.1:1");
}

fn header(server_key: &ServerKey) -> String {
    format!(r#"{{"alg":"EdDSA","kid":"{}","typ":"msb+jwt"}}"#, server_key.public().kid())
}

/// A key that says this, whatever it is, and is well signed.
fn sign(server_key: &ServerKey, claims: &str) -> String {
    sign_with(server_key, &header(server_key), claims)
}

fn sign_with(server_key: &ServerKey, header: &str, claims: &str) -> String {
    let input = format!("{}.{}", encode(header.as_bytes()), encode(claims.as_bytes()));
    let signature = encode(&server_key.sign(input.as_bytes()));
    format!("msb_{input}.{signature}")
}

fn encode(bytes: &[u8]) -> String {
    BASE64_URL_SAFE_NO_PAD.encode(bytes)
}

fn shown(bytes: &[u8]) -> String {
    // What cannot stand in a header stands for itself nowhere.
    bytes.iter().map(|byte| if byte.is_ascii_graphic() { char::from(*byte) } else { '~' }).collect()
}

/// Adds the order of the group (RFC 8032 section 5.1) to a number, little-endian.
fn add_order(number: &mut [u8]) {
    const ORDER: [u8; 32] = [
        0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58, 0xd6, 0x9c, 0xf7, 0xa2, 0xde, 0xf9, 0xde,
        0x14, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x10,
    ];
    let mut carry = 0;
    for (byte, more) in number.iter_mut().zip(ORDER) {
        let sum = u16::from(*byte) + u16::from(more) + carry;
        (*byte, carry) = ((sum & 0xff) as u8, sum >> 8);
    }
}

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
