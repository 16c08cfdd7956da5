//! Any text as a JWK Set: the keys that msb finds are those that a second reading finds, each
//! canonical and none of small order, and nothing is found beside a private key.

#![no_main]

use libfuzzer_sys::fuzz_target;
use msb::signing::{NotAJwk, PublicKey};
use msb_fuzz::{base64, jwks};

fuzz_target!(|text: &str| {
    let found = PublicKey::from_jwks(text);
    let own = jwks::keys(text);
    match (&found, &own) {
        (Ok(found), Some(own)) => {
            let found: Vec<_> = found.iter().map(|key| *key.as_bytes()).collect();
            assert_eq!(found, *own);
        }
        (Ok(_), None) => panic!("keys are found where there are none"),
        (Err(NotAJwk::Twice), Some(own)) => {
            assert!((1..own.len()).any(|index| own[..index].contains(&own[index])));
        }
        (Err(NotAJwk::Weak), Some(own)) => {
            assert!(own.iter().any(|bytes| PublicKey::from_bytes(bytes).is_err()));
        }
        (Err(_), Some(_)) => panic!("refused: {found:?}"),
        (Err(_), None) => {}
    }
    let Ok(keys) = found else { return };
    let mut sorted: Vec<_> = keys.iter().map(|key| key.kid().to_string()).collect();
    sorted.sort();
    for key in &keys {
        assert!(jwks::is_canonical_and_strong(key.as_bytes()));
        assert_eq!(PublicKey::from_jwks(&key.to_jwk()).as_deref(), Ok(std::slice::from_ref(key)));
        // A plain reader finds it in the text, which may escape it.
        let tree: serde_json::Value = serde_json::from_str(text).expect("msb has read it");
        assert!(says(&tree, &base64::to_url(key.as_bytes())));
    }
    let again = PublicKey::from_jwks(&PublicKey::to_jwks(&keys)).expect("msb has written it");
    let again: Vec<_> = again.iter().map(|key| key.kid().to_string()).collect();
    assert_eq!(again, sorted);
});

fn says(tree: &serde_json::Value, x: &str) -> bool {
    let entry = |value: &serde_json::Value| value["x"] == x && value.get("d").is_none();
    entry(tree) || tree["keys"].as_array().is_some_and(|keys| keys.iter().any(entry))
}
