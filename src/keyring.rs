//! The key ring: every server key ever used here, and whether its signatures count.

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

    /// The same ring, for whoever verifies much with it; what was prepared of `like` is taken over.
    pub fn prepared(self, like: &KeyRing) -> Self {
        let prepared = |key: RingKey| {
            let known = like.find(key.public.kid()).filter(|known| known.public == key.public);
            let public = known.map_or(&key.public, |known| &known.public).prepared();
            RingKey { public, standing: key.standing }
        };
        Self(self.0.into_iter().map(prepared).collect())
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
}

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
