//! Claims read a second time, by serde: what is written again as the same bytes counts, and
//! nothing else. The program's own reader has to agree on every text.

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use msb::{
    json,
    key::{Claims, KeyText, Prefix, UnverifiedKey},
    namespace::Namespaces,
    scope::Scope,
    time::UnixTime,
};
use serde::Deserialize;

use crate::properties::Dice;

/// Claims as JSON has them, in any order and any spelling.
#[derive(Deserialize)]
struct Said {
    jti: String,
    iat: i64,
    exp: Option<i64>,
    nbf: Option<i64>,
    namespace: Opens,
    scope: Option<String>,
    sub: Option<String>,
    iss: Option<String>,
    aud: Option<String>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Opens {
    One(String),
    Several(Vec<String>),
}

/// The second reading.
fn by_serde(bytes: &[u8]) -> Option<Claims> {
    let said: Said = serde_json::from_slice(bytes).ok()?;
    let time = |secs: Option<i64>| match secs {
        Some(secs) => UnixTime::from_secs(secs).map(Some),
        None => Some(None),
    };
    let party = |text: Option<String>| text.map(|text| text.parse()).transpose().ok();
    let claims = Claims {
        jti: said.jti.parse().ok()?,
        iat: UnixTime::from_secs(said.iat)?,
        exp: time(said.exp)?,
        nbf: time(said.nbf)?,
        namespace: match said.namespace {
            Opens::One(word) => Namespaces::word(&word).ok()?,
            Opens::Several(words) => {
                let words = words.iter().map(|word| Namespaces::word(word));
                Namespaces::union(words.collect::<Result<_, _>>().ok()?).ok()?
            }
        },
        scope: match said.scope {
            Some(claim) => claim.parse().ok()?,
            None => Scope::Every,
        },
        sub: party(said.sub)?,
        iss: party(said.iss)?,
        aud: party(said.aud)?,
    };
    let begins = claims.iat.max(claims.nbf.unwrap_or(claims.iat));
    let ends = claims.exp.is_none_or(|exp| begins < exp);
    (ends && json::write(&claims).as_bytes() == bytes).then_some(claims)
}

/// The program's reading, in a key whose header and signature are spelled well.
fn by_msb(bytes: &[u8]) -> Option<Claims> {
    const HEADER: &str = r#"{"alg":"EdDSA","kid":"AAAAAAAAAAA","typ":"msb+jwt"}"#;
    let [header, claims, signature] =
        [HEADER.as_bytes(), bytes, &[0; 64]].map(|part| BASE64_URL_SAFE_NO_PAD.encode(part));
    let text = KeyText::from(format!("msb_{header}.{claims}.{signature}"));
    let key = UnverifiedKey::parse(&text, &Prefix::default()).ok()?;
    Some(key.claims_unverified().clone())
}

/// How many texts were read, and how many were not.
#[derive(Debug, Default)]
struct Agreed {
    read: usize,
    refused: usize,
}

impl Agreed {
    #[track_caller]
    fn check(&mut self, bytes: &[u8]) {
        let claims = by_serde(bytes);
        assert_eq!(by_msb(bytes), claims, "{}", String::from_utf8_lossy(bytes));
        match claims {
            Some(_) => self.read += 1,
            None => self.refused += 1,
        }
    }
}

/// Members and their values, as they are written.
type Members = Vec<(String, String)>;

fn written(members: &Members) -> String {
    let members = members.iter().map(|(name, value)| format!("\"{name}\":{value}"));
    format!("{{{}}}", members.collect::<Vec<_>>().join(","))
}

/// Members as a key has them, with a value of every kind now and then.
fn members(dice: &mut Dice) -> Members {
    let mut members = vec![];
    let names = ["jti", "iat", "exp", "nbf", "namespace", "scope", "sub", "iss", "aud"];
    for name in names {
        let values = values(name);
        // The first few are good ones.
        let usual = dice.below(8) > 0;
        let among = if usual { GOOD.min(values.len()) } else { values.len() };
        let value = values[dice.below(among as u64) as usize].clone();
        let always = matches!(name, "jti" | "iat" | "namespace");
        if always && dice.below(50) > 0 || dice.below(2) == 0 {
            members.push((name.to_owned(), value));
        }
    }
    members
}

const GOOD: usize = 4;

/// Values of a member: four good ones, and then whatever may be taken for one.
fn values(name: &str) -> Vec<String> {
    let quoted = |texts: &[&str]| texts.iter().map(|text| format!("\"{text}\"")).collect();
    let plain = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect();
    let long = |length| "a".repeat(length);
    let mut values: Vec<String> = match name {
        "jti" => quoted(&[
            "40h24gs8awjptfkg",
            "0000000000000000",
            "zzzzzzzzzzzzzzzz",
            "5q7rk2v9m0bw3xyh",
            "40h24gs8awjptfk",
            "40h24gs8awjptfkgg",
            "40H24gs8awjptfkg",
            "40h24gs8awjptfki",
            "\\u0034h24gs8awjptfkg",
        ]),
        "iat" | "exp" | "nbf" => plain(&[
            if name == "exp" { "1795429000" } else { "1795428000" },
            if name == "exp" { "253402300799" } else { "0" },
            if name == "exp" { "1795428002" } else { "1795428001" },
            if name == "exp" { "1795429000" } else { "1" },
            "253402300800",
            "01795428000",
            "00",
            "-0",
            "-1",
            "+1",
            "1.0",
            "0.0",
            "1e3",
            "1E3",
            "1e400",
            "9223372036854775807",
            "9223372036854775808",
            "99999999999999999999999999",
            "0x10",
            "1_000",
            "\"1795428000\"",
            " 1795428000",
            "1795428000 ",
        ]),
        "namespace" => {
            let many = |count| {
                let names: Vec<_> = (0..count).map(|at| format!("\"n{at:02}\"")).collect();
                format!("[{}]", names.join(","))
            };
            let mut values: Vec<String> = plain(&[
                "\"*\"",
                "\"dev\"",
                "[\"dev\",\"prod\"]",
                "\"team-alpha_9\"",
                "[\"dev\"]",
                "[]",
                "[\"*\"]",
                "[\"*\",\"dev\"]",
                "[\"dev\",\"*\"]",
                "[\"prod\",\"dev\"]",
                "[\"dev\",\"dev\"]",
                "[\"dev\", \"prod\"]",
                "[\"dev\",\"prod\",]",
                "[,\"dev\",\"prod\"]",
                "[\"dev\"\"prod\"]",
                "[\"dev\",1]",
                "[\"Dev\",\"dev\"]",
                "[\"dev\",\"dev-\",\"dev0\",\"dev_\"]",
                "[[\"dev\",\"prod\"]]",
                "\"-dev\"",
                "\"_\"",
                "\"a.b\"",
                "\"a b\"",
                "\"é\"",
            ]);
            values.extend([2, 31, 32, 33, 34].map(many));
            values.extend([62, 63, 64].map(|length| format!("\"{}\"", long(length))));
            values.push(format!("[\"a\",\"{}\"]", long(63)));
            values.push(format!("[\"a\",\"{}\"]", long(64)));
            values
        }
        "scope" => quoted(&[
            "disk.* sandbox.start",
            "*",
            "a",
            "a.b c:d/e f g h",
            "sandbox.start disk.*",
            "a a",
            "a  b",
            " a",
            "a ",
            "a\\tb",
            "a.",
            ".a",
            "a..b",
            "a*",
            "* a",
            "*.a",
            "-a",
            "_",
            "a,b",
            "é",
        ]),
        _ => {
            let mut values: Vec<String> = quoted(&[
                "ann@example.org",
                "ci/1",
                "https://keys.example.org",
                "A+b:c_d-e.f",
                "@ann",
                "ann example",
                "ann\\u0040example.org",
                "é",
                "ann\\\\",
            ]);
            values.extend([127, 128, 129].map(|length| format!("\"{}\"", long(length))));
            values
        }
    };
    values
        .extend(plain(&["", "null", "true", "{}", "[]", "\"\"", "[\"\"]", "0", "\"\\\"\"", "NaN"]));
    values
}

/// Changes the members or how they are written.
fn mutated(dice: &mut Dice, members: &mut Members) -> Vec<u8> {
    let below = |dice: &mut Dice, length: usize| dice.below(length.max(1) as u64) as usize;
    let (one, other) = (below(dice, members.len()), below(dice, members.len()));
    match dice.below(8) {
        0 => members.swap(one, other),
        1 => members.insert(other, members[one].clone()),
        2 => drop(members.remove(one)),
        3 => {
            let names = ["x", "JTI", "Exp", "", "jti ", "\\u0065xp", "kid", "crit"];
            let name = names[below(dice, names.len())].to_owned();
            let value = members[other].1.clone();
            members.insert(one, (name, value));
        }
        4 => members[one].0 = members[other].0.clone(),
        _ => {}
    }
    let mut bytes = written(members).into_bytes();
    for _ in 0..dice.below(3) {
        let at = below(dice, bytes.len());
        let hostile = b" \t\n\r\0\"\\{}[]:,.-+0eE\x7f\x80\xc0\xed\xff/*u";
        let byte = match dice.below(2) {
            0 => dice.next() as u8,
            _ => hostile[below(dice, hostile.len())],
        };
        match dice.below(5) {
            0 => bytes[at] = byte,
            1 => bytes.insert(at, byte),
            2 => drop(bytes.remove(at)),
            3 => bytes.truncate(at),
            _ => {
                // An escape that means the character it replaces.
                let escape = format!("\\u{:04x}", bytes[at]);
                bytes.splice(at..=at, escape.into_bytes());
            }
        }
        if bytes.is_empty() {
            break;
        }
    }
    bytes
}

#[test]
fn both_readings_agree_on_every_value() {
    let mut agreed = Agreed::default();
    for name in ["jti", "iat", "exp", "nbf", "namespace", "scope", "sub", "iss", "aud"] {
        for value in values(name) {
            let base = ["jti", "iat", "namespace", "sub"];
            let names = ["jti", "iat", "exp", "nbf", "namespace", "scope", "sub", "iss", "aud"];
            let members = names.into_iter().filter(|one| *one == name || base.contains(one));
            let members = members.map(|one| {
                let usual = values(one)[0].clone();
                (one.to_owned(), if one == name { value.clone() } else { usual })
            });
            agreed.check(written(&members.collect()).as_bytes());
        }
    }
    assert!(agreed.read > 50 && agreed.refused > 150, "{agreed:?}");
}

#[test]
fn both_readings_agree_on_whatever_is_made_of_good_claims() {
    let (mut dice, mut agreed) = (Dice(7), Agreed::default());
    for _ in 0..30_000 {
        let mut members = members(&mut dice);
        agreed.check(written(&members).as_bytes());
        if !members.is_empty() {
            agreed.check(&mutated(&mut dice, &mut members));
        }
    }
    eprintln!("{agreed:?}");
    assert!(agreed.read > 5_000 && agreed.refused > 15_000, "{agreed:?}");
}

#[test]
fn both_readings_agree_on_every_byte_in_every_place() {
    let claims = concat!(
        r#"{"jti":"40h24gs8awjptfkg","iat":1795427990,"exp":1795429000,"nbf":1795428000,"#,
        r#""namespace":["dev","prod"],"scope":"disk.* sandbox.start","#,
        r#""sub":"ann@example.org","iss":"https://keys.example.org","aud":"a"}"#
    );
    let mut agreed = Agreed::default();
    for place in 0..claims.len() {
        for byte in 0..=255 {
            let mut replaced = claims.as_bytes().to_owned();
            replaced[place] = byte;
            agreed.check(&replaced);
            let mut inserted = claims.as_bytes().to_owned();
            inserted.insert(place, byte);
            agreed.check(&inserted);
        }
        agreed.check(&claims.as_bytes()[..place]);
        agreed.check(&[&claims.as_bytes()[..place], &claims.as_bytes()[place + 1..]].concat());
    }
    agreed.check(&[claims.as_bytes(), b"\n"].concat());
    agreed.check(&claims.repeat(2).into_bytes());
    eprintln!("{agreed:?}");
    assert!(agreed.read > 5_000 && agreed.refused > 50_000, "{agreed:?}");
}
