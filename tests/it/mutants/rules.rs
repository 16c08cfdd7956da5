//! `docs/key-format.md` read a second time, by hand: no JSON and no base64 library.

use msb::{key::UnverifiedKey, namespace::Namespaces};

/// What a well-formed key says, as far as verdicts depend on it.
pub(super) struct Key<'a> {
    pub(super) kid: String,
    pub(super) iat: i64,
    pub(super) exp: Option<i64>,
    pub(super) nbf: Option<i64>,
    pub(super) aud: bool,
    pub(super) signing_input: &'a str,
    pub(super) signature: Vec<u8>,
}

/// Reads a key in its one spelling.
pub(super) fn read(text: &str) -> Option<Key<'_>> {
    let jws = text.strip_prefix("msb_").filter(|_| text.len() <= 4096)?;
    let [header, claims, signature] = jws.split('.').collect::<Vec<_>>().try_into().ok()?;
    let signature = decode(signature).filter(|bytes| bytes.len() == 64)?;
    let (header, claims) = (decode(header)?, decode(claims)?);
    let (header, claims) = (str::from_utf8(&header).ok()?, str::from_utf8(&claims).ok()?);

    let kid = header
        .strip_prefix(r#"{"alg":"EdDSA","kid":""#)?
        .strip_suffix(r#"","typ":"msb+jwt"}"#)
        .filter(|kid| kid.len() == 11 && kid.bytes().all(|byte| ALPHABET.contains(&byte)))?;

    let members = claims.strip_prefix('{').map(|members| format!(",{members}"))?;
    let mut rest = members.as_str();
    id(next(&mut rest, "jti")?)?;
    let iat = number(next(&mut rest, "iat")?)?;
    let exp = next(&mut rest, "exp").map(number);
    let nbf = next(&mut rest, "nbf").map(number);
    namespaces(next(&mut rest, "namespace")?)?;
    next(&mut rest, "scope").map_or(Some(()), scope)?;
    next(&mut rest, "sub").map_or(Some(()), party)?;
    next(&mut rest, "iss").map_or(Some(()), party)?;
    let aud = next(&mut rest, "aud").map(party);

    let well_formed = rest == "}"
        && [exp, nbf].iter().all(|time| *time != Some(None))
        && aud != Some(None)
        && exp.is_none_or(|exp| Some(iat) < exp && nbf.is_none_or(|nbf| nbf < exp));
    well_formed.then(|| Key {
        kid: kid.to_owned(),
        iat,
        exp: exp.flatten(),
        nbf: nbf.flatten(),
        aud: aud.is_some(),
        signing_input: jws.rsplit_once('.').unwrap().0,
        signature,
    })
}

/// Takes the value of this member off the front, if it comes next. No value has quotes inside.
fn next<'a>(rest: &mut &'a str, name: &str) -> Option<&'a str> {
    let value = rest.strip_prefix(&format!(r#","{name}":"#))?;
    let end = match value.chars().next()? {
        '"' => 2 + value[1..].find('"')?,
        '[' => 1 + value.find(']')?,
        _ => value.find([',', '}'])?,
    };
    *rest = &value[end..];
    Some(&value[..end])
}

fn quoted(value: &str) -> Option<&str> {
    value.strip_prefix('"')?.strip_suffix('"')
}

fn id(value: &str) -> Option<()> {
    let known = |c: char| "0123456789abcdefghjkmnpqrstvwxyz".contains(c);
    let id = quoted(value)?;
    (id.len() == 16 && id.chars().all(known)).then_some(())
}

fn number(value: &str) -> Option<i64> {
    let plain = value == "0" || !value.starts_with('0');
    let digits = value.bytes().all(|byte| byte.is_ascii_digit());
    value.parse().ok().filter(|number| plain && digits && *number <= 253_402_300_799)
}

fn namespaces(value: &str) -> Option<()> {
    if value == r#""*""# {
        return Some(());
    }
    let names: Vec<_> = match value.strip_prefix('[') {
        Some(array) => array.strip_suffix(']')?.split(',').collect(),
        None => vec![value],
    };
    let many = value.starts_with('[');
    let count = if many { 2..=32 } else { 1..=1 };
    let named = |value: &&str| {
        quoted(value).is_some_and(|name| word(name, "_-") && (1..=63).contains(&name.len()))
    };
    (names.iter().all(named) && count.contains(&names.len()) && ascending(&names)).then_some(())
}

fn scope(value: &str) -> Option<()> {
    let words: Vec<_> = quoted(value)?.split(' ').collect();
    let named = |text: &&str| {
        let ends = [".*", ":*", "/*"];
        let named = ends.iter().find_map(|end| text.strip_suffix(end)).unwrap_or(text);
        let marks: Vec<_> = named.match_indices(['.', ':', '/']).map(|(at, _)| at).collect();
        let apart = marks.windows(2).all(|pair| pair[0] + 1 < pair[1]);
        let inside = marks.last().is_none_or(|last| last + 1 < named.len());
        *text == "*" || word(named, "_-.:/") && apart && inside
    };
    (words.iter().all(named) && ascending(&words)).then_some(())
}

fn party(value: &str) -> Option<()> {
    let party = quoted(value)?;
    (word(party, "@._+:/-") && party.len() <= 128).then_some(())
}

/// A letter or a digit, and then more of them or of these marks.
fn word(text: &str, marks: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_alphanumeric())
        && text.chars().all(|c| c.is_ascii_alphanumeric() || marks.contains(c))
}

fn ascending(words: &[&str]) -> bool {
    words.windows(2).all(|pair| pair[0].as_bytes() < pair[1].as_bytes())
}

/// The key written again, from what the program read in it; its signature it does not tell.
pub(super) fn written(key: &UnverifiedKey<'_>, text: &str) -> String {
    let header = format!(r#"{{"alg":"EdDSA","kid":"{}","typ":"msb+jwt"}}"#, key.kid());
    let told = key.claims_unverified();
    let mut claims = format!(r#"{{"jti":"{}","iat":{}"#, told.jti, told.iat.secs());
    for (name, time) in [("exp", told.exp), ("nbf", told.nbf)] {
        claims += &time.map_or(String::new(), |time| format!(r#","{name}":{}"#, time.secs()));
    }
    let words = told.namespace.words().join(r#"",""#);
    claims += &match &told.namespace {
        Namespaces::Named(names) if names.len() > 1 => format!(r#","namespace":["{words}"]"#),
        Namespaces::Named(_) | Namespaces::All => format!(r#","namespace":"{words}""#),
    };
    let party = |party: &Option<msb::key::Party>| party.as_ref().map(ToString::to_string);
    for (name, value) in [
        ("scope", told.scope.claim()),
        ("sub", party(&told.sub)),
        ("iss", party(&told.iss)),
        ("aud", party(&told.aud)),
    ] {
        claims += &value.map_or(String::new(), |value| format!(r#","{name}":"{value}""#));
    }
    claims += "}";
    let signature = text.rsplit('.').next().and_then(decode).unwrap_or_default();
    let parts = [header.as_bytes(), claims.as_bytes(), &signature].map(encode);
    format!("msb_{}", parts.join("."))
}

pub(super) const ALPHABET: &[u8; 64] =
    b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/// Base64url without padding (RFC 4648 section 5).
pub(super) fn encode(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len() * 4 / 3 + 3);
    for chunk in bytes.chunks(3) {
        let mut padded = [0; 4];
        padded[1..=chunk.len()].copy_from_slice(chunk);
        let bits = u32::from_be_bytes(padded);
        for at in 0..=chunk.len() {
            text.push(char::from(ALPHABET[(bits >> (18 - 6 * at) & 63) as usize]));
        }
    }
    text
}

/// The bytes whose one spelling this is.
pub(super) fn decode(text: &str) -> Option<Vec<u8>> {
    let (mut bits, mut held, mut bytes) = (0, 0, vec![]);
    for byte in text.bytes() {
        bits = bits << 6 & 0xffff | ALPHABET.iter().position(|digit| *digit == byte)?;
        held += 6;
        if held >= 8 {
            held -= 8;
            bytes.push((bits >> held) as u8);
        }
    }
    (encode(&bytes) == text).then_some(bytes)
}
