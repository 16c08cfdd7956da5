//! Public keys in JWK and JWK Set files: RFC 7517, RFC 8037.

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use msb::signing::{NotAJwk, PublicKey, ServerKey};
use serde_json::Value;

use super::{D, X, hex, json};

#[test]
fn a_set_has_each_key_as_it_is_alone_by_kid() {
    let mut keys: Vec<_> =
        (0..5).map(|seed| ServerKey::from_seed(&[seed; 32]).public().clone()).collect();
    keys.sort_by_key(PublicKey::kid);
    let alone: Vec<_> = keys.iter().map(PublicKey::to_jwk).collect();
    let expected = format!(r#"{{"keys":[{}]}}"#, alone.join(","));
    assert_eq!(PublicKey::to_jwks(&keys), expected);
    assert_eq!(PublicKey::to_jwks(keys.iter().rev()), expected);
    assert_eq!(PublicKey::from_jwks(&expected), Ok(keys));
    assert_eq!(PublicKey::to_jwks([]), r#"{"keys":[]}"#);
}

#[test]
fn a_set_without_an_ed25519_key_gives_none() {
    let Some(set) = json("json_web_key_test.json") else { return };
    let mut sets = 0;
    for group in set["testGroups"].as_array().unwrap() {
        for keys in [&group["private"], &group["public"]].into_iter().filter(|keys| !keys.is_null())
        {
            check_jwks(&keys.to_string(), Err(refused(keys)));
            sets += 1;
            // With a good key among them it is read, unless something in it is secret.
            let mut mixed = keys.clone();
            let good = serde_json::from_str(&jwk(X)).unwrap();
            mixed["keys"].as_array_mut().unwrap().insert(0, good);
            let expected = refused(keys);
            let secret = expected == NotAJwk::Private;
            check_jwks(&mixed.to_string(), if secret { Err(expected) } else { Ok(&[X]) });
        }
    }
    assert_eq!(sets, 36);
}

/// A set in which `d` or `k` is said is refused for that; any other has no key for us.
fn refused(keys: &Value) -> NotAJwk {
    let text = keys.to_string();
    let secret = text.contains(r#""d":"#) || text.contains(r#""k":"#);
    if secret { NotAJwk::Private } else { NotAJwk::NoneUsable }
}

const OTHER: &str = "yWCKA7H9uwJeN-LLxtBBYvHch3aJmRPcOex4N2pp1nk";
const RSA: &str = r#"{"kty":"RSA","n":"AQAB","e":"AQAB","use":"sig","alg":"RS256","kid":"r"}"#;

#[test]
fn a_set_gives_its_ed25519_signature_keys() {
    check_jwks(&jwk(X), Ok(&[X]));
    check_jwks(&set(&[&jwk(X)]), Ok(&[X]));
    check_jwks(&set(&[&jwk(OTHER), RSA, &jwk(X)]), Ok(&[OTHER, X]));
    check_jwks(&jwk_with(r#""use":"sig","alg":"EdDSA","kid":"any""#), Ok(&[X]));
    check_jwks(&jwk_with(r#""alg":"Ed25519""#), Ok(&[X]));
    check_jwks(&jwk_with(r#""unknown":{"to":["us"]}"#), Ok(&[X]));
    let pretty = jwk(X).replace(',', " ,\r\n\t").replace("OKP", "\\u004fKP");
    check_jwks(&format!("\n {pretty} \n"), Ok(&[X]));
    // A kid is worked out, not believed.
    let named = |x| jwk(x).replace('}', r#","kid":"same"}"#);
    check_jwks(&set(&[&named(X), &named(OTHER)]), Ok(&[X, OTHER]));
}

#[test]
fn keys_for_other_ends_are_passed_over() {
    for member in [
        r#""use":"enc""#,
        r#""use":"SIG""#,
        r#""alg":"ES256""#,
        r#""alg":"HS256""#,
        r#""alg":"none""#,
        r#""alg":"eddsa""#,
        r#""alg":"Ed448""#,
        r#""use":"sig","alg":"ECDH-ES""#,
    ] {
        check_jwks(&jwk_with(member), Err(NotAJwk::NoneUsable));
        check_jwks(&set(&[&jwk_with(member), &jwk(OTHER)]), Ok(&[OTHER]));
    }
    for (from, to) in [("Ed25519", "X25519"), ("Ed25519", "Ed448"), ("OKP", "EC"), ("OKP", "okp")] {
        check_jwks(&jwk(X).replace(from, to), Err(NotAJwk::NoneUsable));
        check_jwks(&set(&[&jwk(X).replace(from, to), &jwk(OTHER)]), Ok(&[OTHER]));
    }
    check_jwks(RSA, Err(NotAJwk::NoneUsable));
    check_jwks(&set(&[]), Err(NotAJwk::NoneUsable));
}

#[test]
fn a_private_or_symmetric_key_anywhere_in_a_file_refuses_it() {
    for member in [
        format!(r#""d":"{D}""#),
        r#""d":"""#.to_owned(),
        r#""d":null"#.to_owned(),
        r#""\u0064":1"#.to_owned(),
        r#""d":1,"d":2"#.to_owned(),
    ] {
        check_jwks(&jwk_with(&member), Err(NotAJwk::Private));
        check_jwks(&set(&[&jwk(OTHER), &jwk_with(&member)]), Err(NotAJwk::Private));
        check_jwks(
            &set(&[&RSA.replace('}', &format!(",{member}}}")), &jwk(X)]),
            Err(NotAJwk::Private),
        );
        check_jwks(&set(&[&jwk(X)]).replace("]}", &format!("],{member}}}")), Err(NotAJwk::Private));
    }
    let symmetric = r#"{"kty":"oct","k":"AAAA"}"#;
    check_jwks(&set(&[symmetric, &jwk(X)]), Err(NotAJwk::Private));
}

#[test]
fn a_symmetric_key_alone_is_refused_as_one() {
    check_jwks(r#"{"kty":"oct","k":"AAAA"}"#, Err(NotAJwk::Private));
}

#[test]
fn an_x_is_the_one_spelling_of_a_sound_point() {
    let weak = |x: &str| {
        check_jwks(&jwk(x), Err(NotAJwk::Weak));
        check_jwks(&set(&[&jwk(OTHER), &jwk(x)]), Err(NotAJwk::Weak));
    };
    weak(&format!("{X}="));
    weak(&X.replace("Ro", "Rp"));
    weak(&X.replace('_', "/"));
    weak(&format!(" {X}"));
    weak(&format!("{X}\\n"));
    weak("");
    weak(&BASE64_URL_SAFE_NO_PAD.encode([9; 31]));
    weak(&BASE64_URL_SAFE_NO_PAD.encode([9; 33]));
    // Small order, a second spelling, and no point at all.
    for point in [
        "00".repeat(32),
        format!("01{}", "00".repeat(31)),
        format!("ee{}7f", "ff".repeat(30)),
        format!("02{}", "00".repeat(31)),
    ] {
        weak(&BASE64_URL_SAFE_NO_PAD.encode(hex(&point)));
    }
    check_jwks(r#"{"kty":"OKP","crv":"Ed25519"}"#, Err(NotAJwk::Weak));
}

#[test]
fn one_key_twice_is_an_error() {
    check_jwks(&set(&[&jwk(X), &jwk(X)]), Err(NotAJwk::Twice));
    check_jwks(&set(&[&jwk(X), &jwk(OTHER), &jwk_with(r#""kid":"b""#)]), Err(NotAJwk::Twice));
}

#[test]
fn a_jwk_is_an_object_of_strings_each_said_once() {
    let not_json = |text: &str| check_jwks(text, Err(NotAJwk::NotJson));
    for member in [r#""kty":"OKP""#, r#""crv":"Ed25519""#, &format!(r#""x":"{OTHER}""#)] {
        not_json(&jwk_with(member));
        not_json(&set(&[&jwk_with(member)]));
    }
    not_json(&jwk_with(r#""use":"sig","use":"sig""#));
    not_json(&jwk_with("\"\\u0078\":\"x\""));
    not_json(&format!(r#"{{"keys":[],"keys":[{}]}}"#, jwk(X)));
    not_json(&jwk_with(r#""alg":5"#));
    not_json(&jwk(X).replace(r#""OKP""#, r#"["OKP"]"#));
    for text in ["", "null", "[]", "{}", "5", r#"{"keys":{}}"#, r#"{"keys":null}"#] {
        not_json(text);
    }
    not_json(&format!("[{}]", jwk(X)));
    not_json(&format!("{}x", jwk(X)));
    not_json(&format!("{}{}", jwk(X), jwk(X)));
    not_json(&format!("\u{feff}{}", jwk(X)));
    not_json(&jwk_with(&format!(r#""deep":{}{}"#, "[".repeat(10_000), "]".repeat(10_000))));
    for entry in ["5", "null", "[]", "{}", &format!("{:?}", jwk(X))] {
        not_json(&set(&[entry]));
        not_json(&set(&[&jwk(X), entry]));
    }
}

#[test]
fn a_jwk_is_never_an_array_of_its_values() {
    let bare = format!(r#"["OKP","Ed25519","{X}",null,null,null]"#);
    check_jwks(&bare, Err(NotAJwk::NotJson));
    check_jwks(&set(&[&bare]), Err(NotAJwk::NotJson));
    check_jwks(&set(&[&jwk(OTHER), &bare]), Err(NotAJwk::NotJson));
}

#[track_caller]
pub(super) fn check_jwks(text: &str, expected: Result<&[&str], NotAJwk>) {
    let found = PublicKey::from_jwks(text).map(|keys| {
        keys.iter().map(|key| BASE64_URL_SAFE_NO_PAD.encode(key.as_bytes())).collect::<Vec<_>>()
    });
    let expected = expected.map(|xs| xs.iter().map(|x| (*x).to_owned()).collect());
    assert_eq!(found, expected, "{text:.2000}");
}

pub(super) fn jwk(x: &str) -> String {
    format!(r#"{{"kty":"OKP","crv":"Ed25519","x":"{x}"}}"#)
}

/// The RFC's key with more members.
pub(super) fn jwk_with(members: &str) -> String {
    jwk(X).replace('}', &format!(",{members}}}"))
}

pub(super) fn set(keys: &[&str]) -> String {
    format!(r#"{{"keys":[{}]}}"#, keys.join(","))
}
