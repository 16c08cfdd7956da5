//! What a verification may not do: ask for memory. In a binary of its own, because what counts takes
//! the place of the whole binary's allocator. It counts what the thread asks for that verifies.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use msb::{
    key::{self, Claims, KeyId, KeyText, Prefix, UnverifiedKey},
    keyring::{KeyRing, RingKey, Standing},
    policy::Policy,
    revocations::Revocations,
    scope::Scope,
    signing::ServerKey,
    time::UnixTime,
    verify::Verifier,
};

const NOW: i64 = 1_795_428_000;

/// How often a verification of such a key asks for memory, from its text to leave to act.
fn allocations(namespace: &str, scope: &str, owner: &str, prepared: bool) -> u64 {
    let at = |secs| UnixTime::from_secs(secs).unwrap();
    let server_key = ServerKey::from_seed(&[7; 32]);
    let claims = Claims {
        jti: KeyId::draw(&mut |bytes| bytes.fill(7)),
        iat: at(NOW - 10),
        exp: Some(at(NOW + 1000)),
        nbf: None,
        namespace: namespace.parse().unwrap(),
        scope: scope.parse().unwrap(),
        sub: Some(owner.parse().unwrap()),
        iss: None,
        aud: None,
    };
    let text: KeyText = key::seal(claims, &server_key, &Prefix::default()).unwrap().text;
    let standing = Standing::Signing { since: at(0) };
    let ring = KeyRing::new(vec![RingKey { public: server_key.public().clone(), standing }]);
    let ring = ring.unwrap();
    let ring = if prepared { ring.prepared(&KeyRing::default(), at(NOW)) } else { ring };
    let verifier = Verifier { ring, issuer: None, audience: None, policy: Policy::default() };
    let revocations = Revocations::new([], vec![]);
    let prefix = Prefix::default();
    let (namespaces, scope): (_, Scope) = (namespace.parse().unwrap(), scope.parse().unwrap());
    let verify = || {
        let key = UnverifiedKey::parse(&text, &prefix).unwrap();
        let key = verifier.authenticate(key).unwrap();
        let revocation = revocations.of(&key);
        let key = verifier.verify(key, revocation, at(NOW)).unwrap();
        key.enter(Some(&namespaces), Some(&scope)).unwrap();
    };
    // Of the first one: what is built once is built when the key is prepared.
    allocation_counter::measure(verify).count_total
}

#[test]
fn an_ordinary_key_is_verified_without_an_allocation() {
    for prepared in [false, true] {
        assert_eq!(
            allocations("team-alpha", "disk.* sandbox.start", "ci@example.org", prepared),
            0
        );
        assert_eq!(allocations("*", "*", "ann", prepared), 0);
    }
}

#[test]
fn long_words_cost_one_each() {
    let long = "a".repeat(24);
    // So many that the counter is seen to count.
    assert_eq!(allocations(&long, &long, &long, false), 3);
}
