//! Signatures that held, so that whoever asks again need not be calculated anew. That a signature holds
//! never changes, and says nothing of whether its key does: that is judged each time.

use std::{
    collections::HashMap,
    mem,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use crate::{key::SignedKey, keyring::KeyRing};

/// Which keys were found to be signed by which server key, by the SHA-256 of their JWS: the last
/// `MOST` of them at most, and none of their texts.
#[derive(Debug, Default)]
pub struct Signatures(Mutex<Generations>);

/// Those that were used lately, and those that were so before: when there are enough of the young,
/// what nobody has used since goes.
#[derive(Debug, Default)]
struct Generations {
    young: Generation,
    old: Generation,
}

type Generation = HashMap<[u8; 32], Arc<Known>>;

/// A key, and the public key under which its signature holds.
#[derive(Debug)]
struct Known {
    key: SignedKey,
    public: [u8; 32],
}

impl Signatures {
    /// The key of which the JWS has this hash, if its signature once held under a server key that
    /// is in the ring.
    pub(super) fn find(&self, sha256: &[u8; 32], ring: &KeyRing) -> Option<SignedKey> {
        let (known, forgotten) = {
            let mut generations = self.generations();
            match generations.young.get(sha256) {
                Some(known) => (Arc::clone(known), None),
                None => {
                    let known = generations.old.remove(sha256)?;
                    (Arc::clone(&known), generations.add(*sha256, known))
                }
            }
        };
        drop(forgotten);
        let server_key = ring.find(known.key.kid())?;
        (server_key.public.as_bytes() == &known.public).then(|| known.key.clone())
    }

    /// Remembers that the signature of a key holds, under the server key of its name.
    pub(super) fn remember(&self, sha256: [u8; 32], key: SignedKey, ring: &KeyRing) {
        let Some(server_key) = ring.find(key.kid()) else { return };
        let public = *server_key.public.as_bytes();
        let known = Arc::new(Known { key, public });
        let forgotten = self.generations().add(sha256, known);
        drop(forgotten);
    }

    fn generations(&self) -> MutexGuard<'_, Generations> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Generations {
    /// Adds to the young, and answers what is forgotten for it: nobody is to wait while that goes.
    fn add(&mut self, sha256: [u8; 32], known: Arc<Known>) -> Option<Generation> {
        let enough = self.young.len() >= MOST / 2;
        let forgotten = enough.then(|| {
            let young = mem::take(&mut self.young);
            mem::replace(&mut self.old, young)
        });
        self.young.insert(sha256, known);
        forgotten
    }
}

/// How many are remembered at most.
const MOST: usize = 16_384;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        key::{self, Claims, Prefix},
        namespace::Namespaces,
        scope::Scope,
        signing::ServerKey,
        time::UnixTime,
    };

    fn server_key(seed: u8) -> ServerKey {
        ServerKey::from_seed(&[seed; 32])
    }

    fn ring(seeds: &[u8]) -> KeyRing {
        KeyRing::published(seeds.iter().map(|seed| server_key(*seed).public().clone()))
    }

    fn signed() -> SignedKey {
        let claims = Claims {
            jti: "0123456789abcdef".parse().unwrap(),
            iat: UnixTime::from_secs(1_800_000_000).unwrap(),
            exp: None,
            nbf: None,
            namespace: Namespaces::All,
            scope: Scope::Every,
            sub: None,
            iss: None,
            aud: None,
        };
        key::seal(claims, &server_key(1), &Prefix::default()).unwrap().key
    }

    fn hash(n: usize) -> [u8; 32] {
        let mut hash = [0; 32];
        hash[..8].copy_from_slice(&n.to_be_bytes());
        hash
    }

    #[test]
    fn what_was_used_lately_is_remembered_and_no_more() {
        let (signatures, ring, signed) = (Signatures::default(), ring(&[1]), signed());
        let knows = |n| signatures.find(&hash(n), &ring).is_some();
        for n in 0..5 * MOST {
            assert!(!knows(n));
            signatures.remember(hash(n), signed.clone(), &ring);
            assert!(knows(n));
            assert!(knows(0), "used all the time, and forgotten after {n}");
            let Generations { young, old } = &*signatures.generations();
            assert!(young.len() + old.len() <= MOST);
        }
        let known = (0..5 * MOST).filter(|n| signatures.generations().has(&hash(*n))).count();
        assert!(known > MOST / 2, "{known}");
    }

    #[test]
    fn a_signature_is_known_only_beside_its_server_key() {
        let (signatures, signed) = (Signatures::default(), signed());
        // Nobody in this ring could have signed it.
        signatures.remember(hash(1), signed.clone(), &ring(&[2]));
        assert!(signatures.find(&hash(1), &ring(&[1])).is_none());
        signatures.remember(hash(1), signed, &ring(&[2, 1]));
        for (seeds, known) in [(&[1, 3][..], true), (&[2], false), (&[], false), (&[1], true)] {
            assert_eq!(signatures.find(&hash(1), &ring(seeds)).is_some(), known, "{seeds:?}");
        }
    }

    impl Generations {
        fn has(&self, sha256: &[u8; 32]) -> bool {
            self.young.contains_key(sha256) || self.old.contains_key(sha256)
        }
    }
}
