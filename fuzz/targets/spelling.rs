//! A header on the first line and claims below: a key that says these is well formed if and only if
//! serde, with types of its own, writes from what it reads there the same bytes again. What msb
//! accepts holds under its server key, and it seals the same.

#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use msb::{
    key::{KeyText, Prefix, UnverifiedKey, seal},
    signing::{BadSignature, PublicKey, ServerKey},
};
use msb_fuzz::{
    base64,
    claims::{self, Claims},
};

static SERVER_KEY: LazyLock<ServerKey> = LazyLock::new(|| ServerKey::from_seed(&[7; 32]));
static PREPARED: LazyLock<PublicKey> = LazyLock::new(|| SERVER_KEY.public().prepared());

fuzz_target!(|data: &[u8]| {
    let end = data.iter().position(|byte| *byte == b'\n').unwrap_or(data.len());
    let (header, said) = (&data[..end], data.get(end + 1..).unwrap_or_default());
    let signed = format!("{}.{}", base64::to_url(header), base64::to_url(said));
    let own = claims::by_types(header, said).filter(|_| signed.len() + 87 + 4 <= KeyText::MOST);
    let text =
        |signature: &[u8]| KeyText::from(format!("msb_{signed}.{}", base64::to_url(signature)));
    let prefix = Prefix::default();
    let unsigned = text(&[0; 64]);
    let found = UnverifiedKey::parse(&unsigned, &prefix).ok();
    assert_eq!(found.is_some(), own.is_some(), "msb: {}", found.is_some());
    let (Some(found), Some((kid, claims))) = (found, own) else { return };
    assert_eq!(found.kid().to_string(), kid);
    assert_eq!(Claims::from(found.claims_unverified()), claims);

    let sealed = seal(found.claims_unverified().clone(), &SERVER_KEY, &prefix);
    let sealed = sealed.ok().expect("its like was read");
    let mut parts = sealed.text.expose().split('.');
    assert_eq!(parts.nth(1), signed.split('.').nth(1), "another spelling was sealed");

    // It holds if what it says of its server key is so: the bytes that are signed are those read.
    let signature = SERVER_KEY.sign(signed.as_bytes());
    let text = text(&signature);
    let key = UnverifiedKey::parse(&text, &prefix).ok().expect("it was read before");
    let key = key.signed_by(SERVER_KEY.public()).ok().expect("it is signed");
    assert_eq!(Claims::from(key.claims()), claims);
    if kid == SERVER_KEY.public().kid().to_string() {
        assert_eq!(sealed.text.expose(), text.expose());
    }
    // Of many at once, by a key with tables, each gets what it gets alone; a signature of zeros does
    // not hold.
    let again = UnverifiedKey::parse(&text, &prefix).ok().expect("it was read before");
    let prepared = |_| Ok::<&PublicKey, BadSignature>(&PREPARED);
    let held = UnverifiedKey::all_signed_by(vec![again, found], prepared);
    assert_eq!(held.iter().map(Result::is_ok).collect::<Vec<_>>(), [true, false]);
});
