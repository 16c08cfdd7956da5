//! What is ours: a server key, a limited key, and what it is held to.

use std::hint::black_box;

use msb::{
    key::{self, Claims, KeyId, KeyText, Prefix, SealedKey, UnverifiedKey},
    keyring::KeyRing,
    namespace::Namespaces,
    policy::Policy,
    revocations::{Revocation, Revocations},
    scope::Scope,
    signing::ServerKey,
    time::UnixTime,
    verify::{VerifiedKey, Verifier},
};

/// All that a key is asked.
pub struct Ours {
    server_key: ServerKey,
    key: KeyText,
    plain: Verifier,
    prepared: Verifier,
    prefix: Prefix,
    revocations: Revocations,
    namespaces: Namespaces,
    scope: Scope,
    now: UnixTime,
}

impl Ours {
    pub fn new() -> Self {
        let server_key = ServerKey::generate(&mut chance);
        let prefix = Prefix::default();
        let key = key::seal(claims(), &server_key, &prefix).unwrap().text;
        let ring = KeyRing::published([server_key.public().clone()]);
        let held_to =
            |ring| Verifier { ring, issuer: None, audience: None, policy: Policy::default() };
        Self {
            key,
            plain: held_to(ring.clone()),
            prepared: held_to(ring.prepared(&KeyRing::default(), now())),
            prefix,
            revocations: Revocations::new([], vec![]),
            namespaces: NAMESPACE.parse().unwrap(),
            scope: SCOPE.parse().unwrap(),
            now: now(),
            server_key,
        }
    }

    /// Every step, with a server key that was made ready for it.
    pub fn verify_prepared(&self) {
        self.verify(&self.prepared);
    }

    /// Every step, with a server key as it was read.
    pub fn verify_plain(&self) {
        self.verify(&self.plain);
    }

    fn verify(&self, verifier: &Verifier) {
        let key = UnverifiedKey::parse(black_box(&self.key), &self.prefix).unwrap();
        let key = verifier.authenticate(key).unwrap();
        let revocation = self.revocations.of(&key);
        let key = verifier.verify(key, revocation, self.now).unwrap();
        black_box(key.enter(Some(&self.namespaces), Some(&self.scope)).unwrap());
    }

    /// Step 1: reads the key, and lets go of it.
    pub fn read(&self) {
        let key = UnverifiedKey::parse(black_box(&self.key), &self.prefix).unwrap();
        black_box(&key);
    }

    /// Step 2 and steps 4 to 10, of a key that goes round.
    pub fn judge(self) -> impl FnMut() {
        let key = UnverifiedKey::parse(&self.key, &self.prefix).unwrap();
        let key = self.plain.authenticate(key).unwrap();
        let mut held = Some(self.plain.verify(key, Revocation::None, self.now).unwrap());
        move || {
            let key = held.take().map(VerifiedKey::into_signed).unwrap();
            black_box(self.plain.ring.find(key.kid()));
            let revocation = self.revocations.of(&key);
            let key = self.plain.verify(key, revocation, self.now).unwrap();
            black_box(key.enter(Some(&self.namespaces), Some(&self.scope)).unwrap());
            held = Some(key);
        }
    }

    /// Writes and signs a key.
    pub fn seal(&self) -> SealedKey {
        key::seal(claims(), &self.server_key, &self.prefix).unwrap()
    }
}

/// What a limited key says.
pub fn claims() -> Claims {
    let now = now();
    Claims {
        jti: KeyId::draw(&mut chance),
        iat: now,
        exp: UnixTime::from_secs(now.secs() + DAY),
        nbf: None,
        namespace: NAMESPACE.parse().unwrap(),
        scope: SCOPE.parse().unwrap(),
        sub: None,
        iss: None,
        aud: None,
    }
}

/// The moment.
pub fn now() -> UnixTime {
    (msb::world::Clocks::REAL.now)()
}

/// Chance from the system.
pub fn chance(bytes: &mut [u8]) {
    getrandom::fill(bytes).unwrap();
}

pub const NAMESPACE: &str = "team-alpha";
pub const SCOPE: &str = "sandbox.start";
pub const DAY: i64 = 86_400;
