//! Server keys, and the one rule by which signatures count. The only room that names
//! `ed25519_dalek` and `curve25519_dalek`.
//!
//! Whoever verifies often prepares the public key: then a signature costs half of it, and less among
//! many. The verdict is the same; see `equation`.

mod comb;
mod equation;
mod jwk;
mod pem;

use std::{fmt, str::FromStr, sync::Arc};

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use curve25519_dalek::{EdwardsPoint, Scalar, edwards::CompressedEdwardsY};
use ed25519_dalek::{Signature, Signer, SigningKey, VerifyingKey, hazmat::ExpandedSecretKey};
use sha2::{Digest, Sha256, Sha512};
use zeroize::Zeroizing;

use equation::Equation;

pub use jwk::NotAJwk;
pub use pem::NotAPem;

/// An Ed25519 pair that signs keys (RFC 8032). Wiped from memory when dropped.
pub struct ServerKey {
    pair: SigningKey,
    public: PublicKey,
}

impl ServerKey {
    /// The key that grows from this seed (RFC 8032 section 5.1.5).
    pub fn from_seed(seed: &[u8; 32]) -> Self {
        Self::from(SigningKey::from_bytes(seed))
    }

    /// A new key out of these dice.
    pub fn generate(entropy: &mut dyn FnMut(&mut [u8])) -> Self {
        let mut seed = Zeroizing::new([0; 32]);
        entropy(&mut *seed);
        Self::from_seed(&seed)
    }

    /// What others verify with.
    pub fn public(&self) -> &PublicKey {
        &self.public
    }

    /// The signature of this key over these bytes (RFC 8032 section 5.1.6).
    pub fn sign(&self, message: &[u8]) -> [u8; 64] {
        self.pair.sign(message).to_bytes()
    }

    /// The signatures of this key over each of these: those of [`sign`](Self::sign), and sooner among
    /// many, because the seed is hashed once and all points R share an inversion.
    pub fn sign_all(&self, messages: &[&[u8]]) -> Vec<[u8; 64]> {
        let secret = ExpandedSecretKey::from(self.pair.as_bytes());
        let hash = |first: &[u8], second: &[u8], message: &[u8]| {
            let hash = Sha512::new().chain_update(first).chain_update(second);
            Scalar::from_bytes_mod_order_wide(&hash.chain_update(message).finalize().into())
        };
        let nonce = |message: &&[u8]| hash(&secret.hash_prefix, &[], message);
        // Whoever knows a nonce, or the point before it is written, knows the key.
        let nonces = Zeroizing::new(messages.iter().map(nonce).collect::<Vec<_>>());
        let points = Zeroizing::new(nonces.iter().map(EdwardsPoint::mul_base).collect::<Vec<_>>());
        let written = EdwardsPoint::compress_batch_alloc(&points);
        let sign = |((nonce, r), message): ((&Scalar, CompressedEdwardsY), &&[u8])| {
            let k = hash(r.as_bytes(), self.public.as_bytes(), message);
            let s = k * secret.scalar + nonce;
            Signature::from_components(r.to_bytes(), s.to_bytes()).to_bytes()
        };
        nonces.iter().zip(written).zip(messages).map(sign).collect()
    }
}

impl From<SigningKey> for ServerKey {
    fn from(pair: SigningKey) -> Self {
        let public = PublicKey::checked(pair.verifying_key());
        Self { pair, public: public.expect("a clamped scalar gives no point of small order") }
    }
}

impl fmt::Debug for ServerKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ServerKey(…)")
    }
}

/// The public half of a server key: canonical, and not of small order.
#[derive(Clone)]
pub struct PublicKey {
    point: VerifyingKey,
    kid: Kid,
    equation: Option<Arc<Equation>>,
}

impl PublicKey {
    /// The key with these bytes; none for a second spelling of a point or a weak one.
    pub fn from_bytes(bytes: &[u8; 32]) -> Result<Self, WeakKey> {
        let point = VerifyingKey::from_bytes(bytes).map_err(|_| WeakKey)?;
        if point.to_edwards().compress().as_bytes() != bytes {
            return Err(WeakKey);
        }
        Self::checked(point)
    }

    fn checked(point: VerifyingKey) -> Result<Self, WeakKey> {
        if point.is_weak() {
            return Err(WeakKey);
        }
        let kid = Kid::of(&thumbprint(point.as_bytes()));
        Ok(Self { point, kid, equation: None })
    }

    /// The point, compressed (RFC 8032 section 5.1.2).
    pub fn as_bytes(&self) -> &[u8; 32] {
        self.point.as_bytes()
    }

    /// The short name of this key.
    pub fn kid(&self) -> Kid {
        self.kid
    }

    /// The whole thumbprint, base64url (RFC 7638 section 3; RFC 8037 section 2): 43 characters.
    pub fn thumbprint(&self) -> String {
        thumbprint(self.as_bytes())
    }

    /// The same key, which from then on verifies in half of the time, as do its clones. It takes some
    /// milliseconds and 3.6 MiB, the first time in a process twice that.
    pub fn prepared(&self) -> Self {
        let equation = self.equation.clone();
        let equation = equation.unwrap_or_else(|| Arc::new(Equation::new(&self.point)));
        Self { equation: Some(equation), ..self.clone() }
    }

    /// Whether it is prepared.
    #[cfg(test)]
    pub(crate) fn is_prepared(&self) -> bool {
        self.equation.is_some()
    }

    /// Whether both are prepared, and by the same multiples.
    #[cfg(test)]
    pub(crate) fn shares(&self, other: &Self) -> bool {
        let equations = self.equation.as_ref().zip(other.equation.as_ref());
        equations.is_some_and(|(ours, theirs)| Arc::ptr_eq(ours, theirs))
    }

    /// Whether this signature holds over these bytes.
    ///
    /// Strict, so that one key has one spelling and one meaning: S below the group order, R
    /// compared as bytes, points of small order refused, one equation for one signature.
    pub fn verify(&self, message: &[u8], signature: &[u8; 64]) -> Result<(), BadSignature> {
        let holds = match &self.equation {
            Some(equation) => equation.holds(&Signed { message, signature }),
            None => self.point.verify_strict(message, &signature.into()).is_ok(),
        };
        if holds { Ok(()) } else { Err(BadSignature) }
    }

    /// Whether each of these signatures holds: what [`verify`](Self::verify) says of it alone, and
    /// sooner if the key is prepared.
    pub fn verify_all(&self, signed: &[Signed<'_>]) -> Vec<bool> {
        let alone = |signed: &Signed<'_>| self.verify(signed.message, signed.signature).is_ok();
        match &self.equation {
            Some(equation) => equation.hold(signed),
            None => signed.iter().map(alone).collect(),
        }
    }
}

impl PartialEq for PublicKey {
    fn eq(&self, other: &Self) -> bool {
        self.point == other.point
    }
}

impl Eq for PublicKey {}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PublicKey({})", self.kid)
    }
}

/// RFC 7638 over the members that RFC 8037 section 2 requires, in their order.
fn thumbprint(public: &[u8; 32]) -> String {
    let x = BASE64_URL_SAFE_NO_PAD.encode(public);
    let members = format!(r#"{{"crv":"Ed25519","kty":"OKP","x":"{x}"}}"#);
    BASE64_URL_SAFE_NO_PAD.encode(Sha256::digest(members))
}

/// Which server key: the first 11 characters of its thumbprint (`kid`, RFC 7515 section 4.1.4).
#[derive(Clone, Copy, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Kid([u8; Kid::LENGTH]);

impl Kid {
    /// How many characters it has.
    pub const LENGTH: usize = 11;

    fn of(thumbprint: &str) -> Self {
        thumbprint[..Self::LENGTH].parse().expect("a thumbprint is base64url")
    }
}

impl FromStr for Kid {
    type Err = NotAKid;

    fn from_str(text: &str) -> Result<Self, NotAKid> {
        let bytes: [u8; Self::LENGTH] = text.as_bytes().try_into().map_err(|_| NotAKid)?;
        let base64url = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
        if bytes.iter().all(base64url) { Ok(Self(bytes)) } else { Err(NotAKid) }
    }
}

impl fmt::Display for Kid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(str::from_utf8(&self.0).expect("base64url is ASCII"))
    }
}

impl fmt::Debug for Kid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

crate::json::as_text!(Kid);

/// A message, and what is said to be its signature.
#[derive(Clone, Copy)]
pub struct Signed<'a> {
    /// What was signed.
    pub message: &'a [u8],
    /// R and S (RFC 8032 section 5.1.6).
    pub signature: &'a [u8; 64],
}

impl fmt::Debug for Signed<'_> {
    // Both together are a whole key.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Signed(…)")
    }
}

/// A signature that does not hold.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct BadSignature;

/// A text that is no kid.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct NotAKid;

/// Bytes that are no point, a second spelling of one, or a point of small order.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct WeakKey;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signatures_of_many_are_those_of_each_alone() {
        let text: Vec<u8> = (0..=255).cycle().take(600).collect();
        // Of every length about the blocks that are hashed, from each of them on.
        let messages: Vec<_> = (0..300).map(|at| &text[at..2 * at]).collect();
        for seed in [0, 1, 255] {
            let server_key = ServerKey::from_seed(&[seed; 32]);
            let alone: Vec<_> = messages.iter().map(|message| server_key.sign(message)).collect();
            assert_eq!(server_key.sign_all(&messages), alone);
        }
        assert!(ServerKey::from_seed(&[0; 32]).sign_all(&[]).is_empty());
    }

    #[test]
    fn what_is_shown_of_a_server_key_is_its_name_alone() {
        let server_key = ServerKey::from_seed(&[1; 32]);
        let (public, kid) = (server_key.public(), server_key.public().kid());
        assert_eq!(format!("{server_key:?}"), "ServerKey(…)");
        assert_eq!(format!("{public:?}"), format!("PublicKey({kid})"));
        assert_eq!(format!("{kid:?}"), kid.to_string());
        let signature = server_key.sign(b"signed");
        let signed = Signed { message: b"signed", signature: &signature };
        assert_eq!(format!("{signed:?}"), "Signed(…)");
    }

    #[test]
    fn two_server_keys_are_two() {
        let [one, other] = [1, 2].map(|seed| ServerKey::from_seed(&[seed; 32]));
        assert_eq!(one.public(), &one.public().prepared());
        assert_ne!(one.public(), other.public());
    }
}
