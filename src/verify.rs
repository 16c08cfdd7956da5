//! May this key do this, now? Nothing here reads a clock or a file.

use crate::{
    key::{Claims, KeyId, Malformed, Party, SignedKey, UnverifiedKey},
    keyring::{KeyRing, RingKey, Standing},
    namespace::Namespaces,
    policy::{Breach, Policy},
    revocations::{Revocation, Revoked},
    scope::Scope,
    signing::{BadSignature, Kid},
    time::UnixTime,
};

/// What keys are held to.
#[derive(Clone, Debug)]
pub struct Verifier {
    /// The server keys that are known.
    pub ring: KeyRing,
    /// Who must have issued a key, if that is configured.
    pub issuer: Option<Party>,
    /// Whom a key must be meant for, if that is configured.
    pub audience: Option<Party>,
    /// What is asked of every key.
    pub policy: Policy,
}

impl Verifier {
    /// Holds keys to these server keys alone: without a store, and without settings.
    pub fn offline(ring: KeyRing) -> Self {
        Self { ring, issuer: None, audience: None, policy: Policy::default() }
    }

    /// Steps 2 and 3: a known server key signed it. Only now may its claims be read.
    pub fn authenticate(&self, key: UnverifiedKey<'_>) -> Result<SignedKey, Refusal> {
        let server_key = self.server_key(key.kid())?;
        Ok(key.signed_by(&server_key.public)?)
    }

    /// The same of many keys at once, which costs less for each; the answers are in their order.
    pub fn authenticate_all(
        &self,
        keys: Vec<UnverifiedKey<'_>>,
    ) -> Vec<Result<SignedKey, Refusal>> {
        UnverifiedKey::all_signed_by(keys, |kid| Ok(&self.server_key(kid)?.public))
    }

    /// Steps 4 to 9: it is trusted, meant for us, alive, not revoked, and keeps to the policy.
    pub fn verify(
        &self,
        key: SignedKey,
        revocation: Revocation,
        now: UnixTime,
    ) -> Result<VerifiedKey, Refusal> {
        let claims = key.claims();
        self.check_standing(key.kid(), claims.iat, now)?;
        self.check_audience(claims)?;
        if let Some(from) = claims.nbf.filter(|nbf| now < *nbf) {
            return Err(Refusal::NotYetValid { from });
        }
        if now.until(claims.iat) > SKEW {
            return Err(Refusal::NotYetValid { from: claims.iat });
        }
        if let Some(at) = claims.exp.filter(|exp| *exp <= now) {
            return Err(Refusal::Expired { at });
        }
        match revocation {
            Revocation::NotChecked | Revocation::None => {}
            Revocation::Revoked(revoked) => {
                return Err(Refusal::Revoked { id: claims.jti, revoked });
            }
        }
        self.policy
            .permit_use(claims.iat, claims.exp, &claims.namespace)
            .map_err(Refusal::Policy)?;
        Ok(VerifiedKey { key })
    }

    fn server_key(&self, kid: Kid) -> Result<&RingKey, Refusal> {
        self.ring.find(kid).ok_or(Refusal::UnknownServerKey { kid })
    }

    fn check_standing(&self, kid: Kid, iat: UnixTime, now: UnixTime) -> Result<(), Refusal> {
        match self.server_key(kid)?.standing {
            Standing::Published | Standing::Signing { .. } => Ok(()),
            Standing::Retired { at, until } if now < until && iat <= at => Ok(()),
            Standing::Retired { until, .. } if until <= now => {
                Err(Refusal::ServerKeyRetired { kid, at: until })
            }
            Standing::Retired { at, .. } => Err(Refusal::ServerKeyRetired { kid, at }),
            Standing::Dead { at } => Err(Refusal::ServerKeyReset { kid, at }),
        }
    }

    fn check_audience(&self, claims: &Claims) -> Result<(), Refusal> {
        if self.issuer.is_some() && claims.iss != self.issuer {
            return Err(Refusal::WrongIssuer { expected: self.issuer.clone() });
        }
        if claims.aud != self.audience {
            return Err(Refusal::WrongAudience { expected: self.audience.clone() });
        }
        Ok(())
    }
}

/// A key that holds: signed, trusted, in time, not revoked, and as policy asks.
#[derive(Clone, Debug)]
pub struct VerifiedKey {
    key: SignedKey,
}

impl VerifiedKey {
    /// What it says.
    pub fn claims(&self) -> &Claims {
        self.key.claims()
    }

    /// The key, of which this may not hold for ever.
    pub fn into_signed(self) -> SignedKey {
        self.key
    }

    /// When it ends, if nothing else is decided before: it, or the server key that signed it.
    pub fn ends(&self, ring: &KeyRing) -> Option<UnixTime> {
        let retires = match ring.find(self.key.kid()).map(|server_key| server_key.standing) {
            Some(Standing::Retired { until, .. }) => Some(until),
            Some(Standing::Dead { .. } | Standing::Published | Standing::Signing { .. }) | None => {
                None
            }
        };
        self.claims().exp.into_iter().chain(retires).min()
    }

    /// Step 10: it opens these namespaces and allows these operations. What is not asked for is
    /// not judged.
    pub fn enter(
        &self,
        namespaces: Option<&Namespaces>,
        scope: Option<&Scope>,
    ) -> Result<Grant, Refusal> {
        if let Some(required) = namespaces.filter(|asked| !self.claims().namespace.cover(asked)) {
            return Err(Refusal::WrongNamespace {
                required: required.clone(),
                opens: self.claims().namespace.clone(),
            });
        }
        if let Some(required) = scope.filter(|asked| !self.claims().scope.covers(asked)) {
            return Err(Refusal::WrongScope {
                required: Box::new(required.clone()),
                allows: Box::new(self.claims().scope.clone()),
            });
        }
        Ok(Grant { id: self.claims().jti })
    }
}

/// Leave to act in the namespaces and operations that were asked for.
#[derive(Clone, Copy, Debug)]
pub struct Grant {
    id: KeyId,
}

impl Grant {
    /// The key that was granted it.
    pub fn id(&self) -> KeyId {
        self.id
    }
}

/// Why a key is turned away.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Refusal {
    /// The signature does not hold.
    BadSignature,
    /// It is over.
    Expired {
        /// Since then.
        at: UnixTime,
    },
    /// It is not written as a key is.
    Malformed(Malformed),
    /// It is not alive yet, or comes from the future.
    NotYetValid {
        /// When it will be, or says that it was issued.
        from: UnixTime,
    },
    /// It does not keep to the policy.
    Policy(Breach),
    /// It was cut off.
    Revoked {
        /// The key.
        id: KeyId,
        /// When and why.
        revoked: Revoked,
    },
    /// The server key that signed it is dead.
    ServerKeyReset {
        /// The server key.
        kid: Kid,
        /// Since when.
        at: UnixTime,
    },
    /// The server key that signed it is retired, and does not count any more, or not for it.
    ServerKeyRetired {
        /// The server key.
        kid: Kid,
        /// Since when.
        at: UnixTime,
    },
    /// No known server key has this name.
    UnknownServerKey {
        /// The name.
        kid: Kid,
    },
    /// It is meant for somebody else.
    WrongAudience {
        /// Whom it would have to be meant for; none when it may not say.
        expected: Option<Party>,
    },
    /// Somebody else issued it.
    WrongIssuer {
        /// Who would have to.
        expected: Option<Party>,
    },
    /// It does not open what was asked for.
    WrongNamespace {
        /// What was asked for.
        required: Namespaces,
        /// What it opens.
        opens: Namespaces,
    },
    /// It does not allow what was asked for.
    WrongScope {
        /// What was asked for.
        required: Box<Scope>,
        /// What it allows.
        allows: Box<Scope>,
    },
}

impl From<BadSignature> for Refusal {
    fn from(_: BadSignature) -> Self {
        Self::BadSignature
    }
}

impl From<Malformed> for Refusal {
    fn from(malformed: Malformed) -> Self {
        Self::Malformed(malformed)
    }
}

/// The steps of a verification, in their order.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Step {
    /// The key has its one spelling.
    Spelling,
    /// Its server key is known.
    ServerKey,
    /// The signature holds.
    Signature,
    /// The server key counts.
    Standing,
    /// Issuer and audience are the configured ones.
    Audience,
    /// It is alive already.
    Start,
    /// It is not over.
    End,
    /// It is not revoked.
    Revocation,
    /// It keeps to the policy.
    Policy,
    /// It opens the namespaces asked for.
    Namespace,
    /// It allows the operations asked for.
    Scope,
}

impl Step {
    /// All of them, in their order.
    pub const ALL: [Step; 11] = [
        Step::Spelling,
        Step::ServerKey,
        Step::Signature,
        Step::Standing,
        Step::Audience,
        Step::Start,
        Step::End,
        Step::Revocation,
        Step::Policy,
        Step::Namespace,
        Step::Scope,
    ];

    /// The word by which programs know it.
    pub fn word(self) -> &'static str {
        match self {
            Step::Spelling => "spelling",
            Step::ServerKey => "server_key",
            Step::Signature => "signature",
            Step::Standing => "standing",
            Step::Audience => "audience",
            Step::Start => "start",
            Step::End => "end",
            Step::Revocation => "revocation",
            Step::Policy => "policy",
            Step::Namespace => "namespace",
            Step::Scope => "scope",
        }
    }
}

impl Refusal {
    /// Where it was turned away.
    pub fn step(&self) -> Step {
        match self {
            Refusal::BadSignature => Step::Signature,
            Refusal::Expired { .. } => Step::End,
            Refusal::Malformed(_) => Step::Spelling,
            Refusal::NotYetValid { .. } => Step::Start,
            Refusal::Policy(_) => Step::Policy,
            Refusal::Revoked { .. } => Step::Revocation,
            Refusal::ServerKeyReset { .. } | Refusal::ServerKeyRetired { .. } => Step::Standing,
            Refusal::UnknownServerKey { .. } => Step::ServerKey,
            Refusal::WrongAudience { .. } | Refusal::WrongIssuer { .. } => Step::Audience,
            Refusal::WrongNamespace { .. } => Step::Namespace,
            Refusal::WrongScope { .. } => Step::Scope,
        }
    }

    /// The verdict, as programs are told it.
    pub fn verdict(&self) -> &'static str {
        match self {
            Refusal::BadSignature => "bad_signature",
            Refusal::Expired { .. } => "expired",
            Refusal::Malformed(_) => "malformed",
            Refusal::NotYetValid { .. } => "not_yet_valid",
            Refusal::Policy(_) => "policy",
            Refusal::Revoked { .. }
            | Refusal::ServerKeyReset { .. }
            | Refusal::ServerKeyRetired { .. } => "revoked",
            Refusal::UnknownServerKey { .. } => "unknown_server_key",
            Refusal::WrongAudience { .. } | Refusal::WrongIssuer { .. } => "wrong_audience",
            Refusal::WrongNamespace { .. } => "wrong_namespace",
            Refusal::WrongScope { .. } => "wrong_scope",
        }
    }
}

/// How far ahead of our clock another may have signed, in seconds.
pub const SKEW: u64 = 60;
