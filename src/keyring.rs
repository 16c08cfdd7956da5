//! The key ring: every server key ever used here, and whether its signatures count.

use std::cmp::Reverse;

use crate::{
    signing::{Kid, PublicKey},
    time::UnixTime,
};

/// Every server key ever used here: at most one signs, and no two share a kid.
#[derive(Clone, Debug, Default)]
pub struct KeyRing(Vec<RingKey>);

/// One server key and whether its signatures count.
#[derive(Clone, Debug)]
pub struct RingKey {
    /// What verifies.
    pub public: PublicKey,
    /// Whether its signatures count.
    pub standing: Standing,
}

/// Whether the signatures of a server key count.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Standing {
    /// Never again: a tombstone.
    Dead {
        /// Since then.
        at: UnixTime,
    },
    /// They count, as far as whoever published the key says: a verifier without a store.
    Published,
    /// On keys from before its retirement, until a date.
    Retired {
        /// When it ceased to sign.
        at: UnixTime,
        /// The first second at which its signatures no longer count.
        until: UnixTime,
    },
    /// It signs.
    Signing {
        /// Since then.
        since: UnixTime,
    },
}

impl KeyRing {
    /// A ring of these keys; an error if two share a kid or two sign.
    pub fn new(keys: Vec<RingKey>) -> Result<Self, NotARing> {
        for (index, key) in keys.iter().enumerate() {
            if keys[..index].iter().any(|earlier| earlier.public.kid() == key.public.kid()) {
                return Err(NotARing::KidTwice { kid: key.public.kid() });
            }
        }
        if keys.iter().filter(|key| key.standing.signs()).count() > 1 {
            return Err(NotARing::TwoSign);
        }
        Ok(Self(keys))
    }

    /// A ring of keys that somebody published, each kid once: the first counts.
    pub fn published(keys: impl IntoIterator<Item = PublicKey>) -> Self {
        let published = |public| RingKey { public, standing: Standing::Published };
        Self(keys.into_iter().map(published).collect())
    }

    /// The same ring, for whoever verifies much with it from now on: of its keys that count, the two
    /// that do for longest are prepared, so that old ones take no memory. What `like` has of them is
    /// taken over.
    pub fn prepared(mut self, like: &KeyRing, now: UnixTime) -> Self {
        let ends = self.0.iter_mut().filter_map(|key| Some((key.standing.end()?, key)));
        let mut counting: Vec<_> = ends.filter(|(end, _)| now < *end).collect();
        counting.sort_by_key(|(end, _)| Reverse(*end));
        for (_, key) in counting.into_iter().take(PREPARED) {
            let known = like.find(key.public.kid()).filter(|known| known.public == key.public);
            key.public = known.map_or(&key.public, |known| &known.public).prepared();
        }
        self
    }

    /// The key that signs, and since when.
    pub fn signing(&self) -> Option<(&PublicKey, UnixTime)> {
        self.0.iter().find_map(|key| match key.standing {
            Standing::Signing { since } => Some((&key.public, since)),
            Standing::Dead { .. } | Standing::Published | Standing::Retired { .. } => None,
        })
    }

    /// The name of the key that signs.
    pub fn signing_kid(&self) -> Option<Kid> {
        self.signing().map(|(public, _)| public.kid())
    }

    /// The key of this name.
    pub fn find(&self, kid: Kid) -> Option<&RingKey> {
        self.0.iter().find(|key| key.public.kid() == kid)
    }

    /// All of them, in no order that means anything.
    pub fn keys(&self) -> &[RingKey] {
        &self.0
    }

    /// Whether no server key was ever used here.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The public keys whose signatures count now.
    pub fn counting(&self, now: UnixTime) -> impl Iterator<Item = &PublicKey> {
        self.0.iter().filter(move |key| key.standing.counts(now)).map(|key| &key.public)
    }
}

impl Standing {
    /// Whether such a key signs.
    pub fn signs(self) -> bool {
        matches!(self, Standing::Signing { .. })
    }

    /// Whether any signature of such a key counts now.
    pub fn counts(self, now: UnixTime) -> bool {
        match self {
            Standing::Dead { .. } => false,
            Standing::Retired { until, .. } => now < until,
            Standing::Published | Standing::Signing { .. } => true,
        }
    }

    /// When signatures of such a key cease to count, as far as that is known; none for a dead one.
    fn end(self) -> Option<UnixTime> {
        match self {
            Standing::Dead { .. } => None,
            Standing::Retired { until, .. } => Some(until),
            Standing::Published | Standing::Signing { .. } => Some(UnixTime::MAX),
        }
    }
}

/// As many keys of a ring are prepared: the one that signs, and the one before it.
const PREPARED: usize = 2;

/// Keys that make no ring.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum NotARing {
    /// Two keys of one name.
    KidTwice {
        /// The name.
        kid: Kid,
    },
    /// Two keys that sign.
    TwoSign,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::signing::ServerKey;

    fn ring(standings: impl IntoIterator<Item = Standing>) -> KeyRing {
        let key = |(seed, standing)| {
            let public = ServerKey::from_seed(&[seed; 32]).public().clone();
            RingKey { public, standing }
        };
        KeyRing::new((0..).zip(standings).map(key).collect()).unwrap()
    }

    /// Which keys are prepared.
    fn check(ring: &KeyRing, expected: &[usize]) {
        let prepared = ring.0.iter().enumerate().filter(|(_, key)| key.public.is_prepared());
        assert_eq!(prepared.map(|(index, _)| index).collect::<Vec<_>>(), expected);
    }

    #[test]
    fn the_two_that_count_for_longest_are_prepared() {
        let dead = Standing::Dead { at: at(1) };
        let retired = |until| Standing::Retired { at: at(1), until: at(until) };
        let signing = Standing::Signing { since: at(1) };
        let none = KeyRing::default();
        check(&ring([dead, signing]), &[]);
        check(&ring([dead, signing]).prepared(&none, at(2)), &[1]);
        let several = ring([retired(5), retired(9), dead, signing]);
        for (now, expected) in [(2, &[1, 3][..]), (8, &[1, 3]), (9, &[3])] {
            check(&several.clone().prepared(&none, at(now)), expected);
        }
        check(&ring([Standing::Published; 3]).prepared(&none, at(2)), &[0, 1]);
    }

    #[test]
    fn what_was_prepared_is_taken_over_for_the_same_key_only() {
        let like = ring([Standing::Published; 2]).prepared(&KeyRing::default(), at(2));
        let other = ServerKey::from_seed(&[9; 32]).public().clone();
        let keys = [other, ring([Standing::Published; 2]).0[1].public.clone()];
        let next = KeyRing::published(keys).prepared(&like, at(2));
        check(&next, &[0, 1]);
        assert!(!next.0[0].public.shares(&like.0[0].public));
        assert!(next.0[1].public.shares(&like.0[1].public));
    }

    fn at(secs: i64) -> UnixTime {
        UnixTime::from_secs(secs).unwrap()
    }

    /// One of each kind, the one that signs last.
    fn whole() -> KeyRing {
        let retired = Standing::Retired { at: at(1), until: at(9) };
        let signing = Standing::Signing { since: at(5) };
        ring([Standing::Dead { at: at(1) }, retired, Standing::Published, signing])
    }

    #[test]
    fn one_key_signs_at_most_and_no_two_share_a_kid() {
        let mut keys = whole().0;
        keys.push(keys[1].clone());
        let kid = keys[1].public.kid();
        assert_eq!(KeyRing::new(keys.clone()).unwrap_err(), NotARing::KidTwice { kid });
        keys.pop();
        keys[0].standing = Standing::Signing { since: at(6) };
        assert_eq!(KeyRing::new(keys).unwrap_err(), NotARing::TwoSign);
    }

    #[test]
    fn the_key_that_signs_is_told() {
        let whole = whole();
        let kid = whole.keys()[3].public.kid();
        let signing = whole.signing().map(|(public, since)| (public.kid(), since));
        assert_eq!(signing, Some((kid, at(5))));
        assert_eq!(whole.signing_kid(), Some(kid));
        let published = KeyRing::published(whole.keys().iter().map(|key| key.public.clone()));
        assert_eq!(published.keys().len(), 4);
        assert_eq!(published.signing_kid(), None);
    }

    #[test]
    fn a_key_is_found_by_its_kid_alone() {
        let whole = whole();
        for key in whole.keys() {
            let found = whole.find(key.public.kid()).map(|found| found.standing);
            assert_eq!(found, Some(key.standing));
        }
        let stranger = ServerKey::from_seed(&[9; 32]);
        assert!(whole.find(stranger.public().kid()).is_none());
        assert!(!whole.is_empty());
        assert!(KeyRing::default().is_empty());
    }

    #[test]
    fn a_retired_key_counts_until_its_end() {
        let whole = whole();
        let counts = |now| {
            let counting: Vec<_> = whole.counting(at(now)).map(PublicKey::kid).collect();
            let counts = |key: &RingKey| counting.contains(&key.public.kid());
            whole.keys().iter().map(counts).collect::<Vec<_>>()
        };
        assert_eq!(counts(8), [false, true, true, true]);
        assert_eq!(counts(9), [false, false, true, true]);
        assert_eq!(counts(10), [false, false, true, true]);
    }
}
