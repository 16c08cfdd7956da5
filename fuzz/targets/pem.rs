//! Any text as a PEM file: the key that msb reads there is the one that a second reading finds, and
//! is the same when it was written again.

#![no_main]

use libfuzzer_sys::fuzz_target;
use msb::signing::{PublicKey, ServerKey};
use msb_fuzz::{der, jwks};

fuzz_target!(|text: &str| {
    if let Ok(key) = ServerKey::from_pem(text) {
        let (seed, public) = der::pem(text, "PRIVATE KEY")
            .and_then(|der| der::private(&der))
            .expect("a second reader finds a key");
        assert_eq!(ServerKey::from_seed(&seed).public(), key.public());
        assert!(public.is_none_or(|public| public == *key.public().as_bytes()));
        assert!(PublicKey::from_pem(text).is_err(), "a private key is no public one");
        let written = key.to_pem();
        let again = ServerKey::from_pem(&written).expect("msb has written it");
        assert_eq!(*again.to_pem(), *written);
        assert_eq!(again.public(), key.public());
        // One that lacks its public key still has the seed.
        let der = der::pem(&written, "PRIVATE KEY").expect("msb has written it");
        assert_eq!(der::private(&der), Some((seed, None)));
        the_same_again(key.public());
    }
    if let Ok(key) = PublicKey::from_pem(text) {
        let point = der::pem(text, "PUBLIC KEY").and_then(|der| der::public(&der));
        assert_eq!(point.as_ref(), Some(key.as_bytes()));
        assert!(ServerKey::from_pem(text).is_err(), "a public key is no private one");
        the_same_again(&key);
    }
});

fn the_same_again(key: &PublicKey) {
    assert!(jwks::is_canonical_and_strong(key.as_bytes()));
    let written = key.to_pem();
    assert_eq!(PublicKey::from_pem(&written).as_ref(), Ok(key));
    let der = der::pem(&written, "PUBLIC KEY").expect("msb has written it");
    assert_eq!(der::public(&der).as_ref(), Some(key.as_bytes()));
}
