//! A JWK Set (RFC 7517, RFC 8037) by a tree of JSON: which Ed25519 keys stand in it.

use crate::{
    base64,
    json::{self, Json},
};

/// The members that msb reads; others are passed over.
const READ: [&str; 6] = ["kty", "crv", "x", "kid", "use", "alg"];

/// The `x` of every key for signatures, in their order; none where the whole is to be refused.
pub fn keys(text: &str) -> Option<Vec<[u8; 32]>> {
    let document = json::read(text.as_bytes())?;
    // As deep as serde_json goes, and numbers that it can hold.
    if document.depth() > 127 || document.any(&Json::overflows) {
        return None;
    }
    let members = document.members()?;
    let sets: Vec<_> = members.iter().filter(|(name, _)| name == "keys").collect();
    let entries = match sets[..] {
        [] => std::slice::from_ref(&document),
        [(_, set)] => set.elements()?,
        _ => return None,
    };
    let secret = |entry: &Json| entry.get("d").is_some() || entry.get("k").is_some();
    if secret(&document) || entries.iter().any(secret) {
        return None;
    }
    let mut keys = vec![];
    for entry in entries {
        if !is_readable(entry)? {
            return None;
        }
        let is = |name, values: &[&str]| {
            entry.get(name).and_then(Json::text).is_some_and(|value| values.contains(&value))
        };
        let absent = |name| matches!(entry.get(name), None | Some(Json::Null));
        let ours = is("kty", &["OKP"])
            && is("crv", &["Ed25519"])
            && (absent("use") || is("use", &["sig"]))
            && (absent("alg") || is("alg", &["EdDSA", "Ed25519"]));
        if ours {
            let x = base64::url(entry.get("x")?.text()?.as_bytes())?;
            keys.push(x.try_into().ok()?);
        }
    }
    (!keys.is_empty()).then_some(keys)
}

/// Whether each member that is read stands once and is a text, or null where it may be left out.
fn is_readable(entry: &Json) -> Option<bool> {
    let members = entry.members()?;
    let read: Vec<_> = members.iter().filter(|(name, _)| READ.contains(&name.as_str())).collect();
    let once = !Json::Object(read.iter().map(|member| (*member).clone()).collect()).doubles();
    let kind = |(name, value): &(String, Json)| match value {
        Json::Text(_) => true,
        Json::Null => name != "kty",
        _ => false,
    };
    Some(once && entry.get("kty").is_some() && read.into_iter().all(kind))
}

/// Whether a point is written as RFC 8032 section 5.1.2 has it, y below 2^255 - 19, and is none of
/// the small order: y is 0, 1, -1, or that of a point of order 8.
pub fn is_canonical_and_strong(point: &[u8; 32]) -> bool {
    const ORDER_8: [[u8; 32]; 2] = [
        [
            0x26, 0xe8, 0x95, 0x8f, 0xc2, 0xb2, 0x27, 0xb0, 0x45, 0xc3, 0xf4, 0x89, 0xf2, 0xef,
            0x98, 0xf0, 0xd5, 0xdf, 0xac, 0x05, 0xd3, 0xc6, 0x33, 0x39, 0xb1, 0x38, 0x02, 0x88,
            0x6d, 0x53, 0xfc, 0x05,
        ],
        [
            0xc7, 0x17, 0x6a, 0x70, 0x3d, 0x4d, 0xd8, 0x4f, 0xba, 0x3c, 0x0b, 0x76, 0x0d, 0x10,
            0x67, 0x0f, 0x2a, 0x20, 0x53, 0xfa, 0x2c, 0x39, 0xcc, 0xc6, 0x4e, 0xc7, 0xfd, 0x77,
            0x92, 0xac, 0x03, 0x7a,
        ],
    ];
    let mut y = *point;
    y[31] &= 0x7f;
    let (low, high) = (y[0], &y[1..]);
    let small = |number: u8| low == number && high.iter().all(|byte| *byte == 0);
    let top = y[31] == 0x7f && y[1..31].iter().all(|byte| *byte == 0xff);
    let negative_one = top && low == 0xec;
    let too_large = top && low >= 0xed;
    !(small(0) || small(1) || negative_one || too_large || ORDER_8.contains(&y))
}
