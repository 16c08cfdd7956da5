//! Server keys as PEM files (RFC 7468): PKCS#8 (RFC 5958, RFC 8410) and SubjectPublicKeyInfo.

use ed25519_dalek::{
    SigningKey, VerifyingKey,
    pkcs8::{
        DecodePublicKey, EncodePrivateKey, EncodePublicKey, KeypairBytes, PrivateKeyInfoRef,
        SecretDocument, spki::der::pem::LineEnding,
    },
};
use zeroize::Zeroizing;

use super::{PublicKey, ServerKey};

impl ServerKey {
    /// Writes PKCS#8 version 1, the seed alone: version 2 is more than OpenSSL 3.0 can read.
    pub fn to_pem(&self) -> Zeroizing<String> {
        KeypairBytes { secret_key: self.pair.to_bytes(), public_key: None }
            .to_pkcs8_pem(LineEnding::LF)
            .expect("32 bytes have a PKCS#8 form")
    }

    /// Reads PKCS#8 version 1 or 2; a public key in it must be that of the seed.
    pub fn from_pem(text: &str) -> Result<Self, NotAPem> {
        expect_label(text, "PRIVATE KEY")?;
        let read = || {
            let (_, document) = SecretDocument::from_pem(text).ok()?;
            let key = PrivateKeyInfoRef::try_from(document.as_bytes()).ok()?;
            // One of fewer bits than its bytes have would be passed over, and not compared.
            let whole = key.public_key.is_none_or(|public| !public.has_unused_bits());
            SigningKey::try_from(key).ok().filter(|_| whole)
        };
        read().map(Self::from).ok_or(NotAPem::NotEd25519)
    }
}

impl PublicKey {
    /// Writes SubjectPublicKeyInfo, as `openssl pkey -pubout` does.
    pub fn to_pem(&self) -> String {
        self.point.to_public_key_pem(LineEnding::LF).expect("32 bytes have an SPKI form")
    }

    /// Reads SubjectPublicKeyInfo; weak keys and second spellings are refused.
    pub fn from_pem(text: &str) -> Result<Self, NotAPem> {
        expect_label(text, "PUBLIC KEY")?;
        let point = VerifyingKey::from_public_key_pem(text).map_err(|_| NotAPem::NotEd25519)?;
        Self::from_bytes(point.as_bytes()).map_err(|_| NotAPem::Weak)
    }
}

/// Nothing may stand in front of the PEM block; the decoder sees to what stands behind it.
fn expect_label(text: &str, label: &str) -> Result<(), NotAPem> {
    let found = text
        .strip_prefix("-----BEGIN ")
        .and_then(|rest| rest.split_once("-----"))
        .ok_or(NotAPem::NoBlock)?
        .0;
    match found {
        found if found == label => Ok(()),
        "PRIVATE KEY" => Err(NotAPem::Private),
        "PUBLIC KEY" => Err(NotAPem::Public),
        _ => Err(NotAPem::NotEd25519),
    }
}

/// Why a PEM file gives no server key.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum NotAPem {
    /// The text does not begin with a PEM block.
    NoBlock,
    /// Another algorithm, a damaged block, or something behind it.
    NotEd25519,
    /// A private key where a public one belongs.
    Private,
    /// A public key where a private one belongs.
    Public,
    /// A weak public key.
    Weak,
}
