//! Libraries beside ours. Each checks a token that says what a limited key of ours does, and asks it
//! for the same: that it is signed, not over, and opens the namespace for the operation.

use std::{
    hint::black_box,
    sync::atomic::{AtomicBool, Ordering::Relaxed},
    time::Duration,
};

use base64::{Engine, prelude::BASE64_STANDARD};
use biscuit_auth::{AuthorizerLimits, Biscuit, KeyPair, builder::AuthorizerBuilder};
use jsonwebtoken::{
    Algorithm, DecodingKey, EncodingKey, Header, Validation,
    crypto::{CryptoProvider, aws_lc, rust_crypto},
    decode, encode,
};
use msb::signing::ServerKey;
use pasetors::{
    Public,
    claims::{Claims as PasetoClaims, ClaimsValidationRules},
    keys::{AsymmetricKeyPair, Generate},
    public,
    token::UntrustedToken,
    version4::V4,
};
use serde::{Deserialize, Serialize};

use crate::ours::{self, DAY, NAMESPACE, SCOPE};

/// `jsonwebtoken`, with one algorithm on one library of ciphers.
pub struct Jwt {
    algorithm: Algorithm,
    library: Library,
    signs: EncodingKey,
    verifies: DecodingKey,
    validation: Validation,
    token: String,
}

/// What does the arithmetic for `jsonwebtoken`.
#[derive(Clone, Copy, Eq, PartialEq)]
pub enum Library {
    AwsLc,
    RustCrypto,
}

/// What a JWT says: as much as a limited key.
#[derive(Deserialize, Serialize)]
struct Claims {
    jti: String,
    iat: i64,
    exp: i64,
    namespace: String,
    scope: String,
}

impl Jwt {
    /// EdDSA.
    pub fn eddsa(library: Library) -> Self {
        let server_key = ServerKey::generate(&mut ours::chance);
        let signs = EncodingKey::from_ed_der(&der(&server_key));
        let verifies = DecodingKey::from_ed_der(server_key.public().as_bytes());
        Self::new(Algorithm::EdDSA, library, signs, verifies)
    }

    /// HS256.
    pub fn hs256() -> Self {
        let (signs, verifies) =
            (EncodingKey::from_secret(SECRET), DecodingKey::from_secret(SECRET));
        Self::new(Algorithm::HS256, Library::AwsLc, signs, verifies)
    }

    fn new(
        algorithm: Algorithm,
        library: Library,
        signs: EncodingKey,
        verifies: DecodingKey,
    ) -> Self {
        // A process has one provider; ours asks whom it is to ask.
        let _ = PROVIDER.install_default();
        let validation = Validation::new(algorithm);
        let token = String::new();
        let mut jwt = Self { algorithm, library, signs, verifies, validation, token };
        jwt.token = jwt.sign();
        jwt
    }

    pub fn verify(&self) {
        RUST_CRYPTO.store(self.library == Library::RustCrypto, Relaxed);
        let told = decode::<Claims>(black_box(&self.token), &self.verifies, &self.validation);
        let claims = told.unwrap().claims;
        assert!(claims.namespace == NAMESPACE && claims.scope == SCOPE);
    }

    pub fn sign(&self) -> String {
        RUST_CRYPTO.store(self.library == Library::RustCrypto, Relaxed);
        let claims = ours::claims();
        let claims = Claims {
            jti: claims.jti.to_string(),
            iat: claims.iat.secs(),
            exp: claims.iat.secs() + DAY,
            namespace: NAMESPACE.to_owned(),
            scope: SCOPE.to_owned(),
        };
        encode(&Header::new(self.algorithm), &claims, &self.signs).unwrap()
    }
}

static PROVIDER: CryptoProvider = CryptoProvider {
    signer_factory: |algorithm, key| (provider().signer_factory)(algorithm, key),
    verifier_factory: |algorithm, key| (provider().verifier_factory)(algorithm, key),
    jwk_utils: jsonwebtoken::crypto::JwkUtils::new_unimplemented(),
};

static RUST_CRYPTO: AtomicBool = AtomicBool::new(false);

fn provider() -> &'static CryptoProvider {
    match RUST_CRYPTO.load(Relaxed) {
        true => &rust_crypto::DEFAULT_PROVIDER,
        false => &aws_lc::DEFAULT_PROVIDER,
    }
}

/// A server key as PKCS#8 v1 (RFC 8410 section 7).
fn der(server_key: &ServerKey) -> Vec<u8> {
    let pem = server_key.to_pem();
    let text: String = pem.lines().filter(|line| !line.starts_with('-')).collect();
    BASE64_STANDARD.decode(text).unwrap()
}

/// `pasetors`: PASETO v4.public.
pub struct Paseto {
    pair: AsymmetricKeyPair<V4>,
    rules: ClaimsValidationRules,
    token: String,
}

impl Paseto {
    pub fn new() -> Self {
        let pair = AsymmetricKeyPair::<V4>::generate().unwrap();
        let day = Duration::from_secs(DAY.unsigned_abs());
        let mut claims = PasetoClaims::new_expires_in(&day).unwrap();
        claims.token_identifier(&ours::claims().jti.to_string()).unwrap();
        claims.add_additional("namespace", NAMESPACE).unwrap();
        claims.add_additional("scope", SCOPE).unwrap();
        let token = public::sign(&pair.secret, &claims, None, None).unwrap();
        Self { pair, rules: ClaimsValidationRules::new(), token }
    }

    pub fn verify(&self) {
        let token = UntrustedToken::<Public, V4>::try_from(black_box(&self.token)).unwrap();
        let token = public::verify(&self.pair.public, &token, &self.rules, None, None).unwrap();
        let claims = token.payload_claims().unwrap();
        let says = |name| claims.get_claim(name).and_then(|claim| claim.as_str());
        assert!(says("namespace") == Some(NAMESPACE) && says("scope") == Some(SCOPE));
    }
}

/// `biscuit-auth`.
pub struct Biscuits {
    root: KeyPair,
    asks: AuthorizerBuilder,
    token: String,
}

impl Biscuits {
    pub fn new() -> Self {
        let root = KeyPair::new();
        let claims = ours::claims();
        let exp = claims.exp.unwrap();
        let says = format!(
            r#"jti("{}"); namespace("{NAMESPACE}"); scope("{SCOPE}");
               check if time($now), $now < {exp};"#,
            claims.jti
        );
        let token = Biscuit::builder().code(says).unwrap().build(&root).unwrap();
        let policy = format!(r#"allow if namespace("{NAMESPACE}"), scope("{SCOPE}");"#);
        // The default is a millisecond, which a busy machine may take away.
        let limits = AuthorizerLimits { max_time: Duration::from_secs(60), ..Default::default() };
        let asks = AuthorizerBuilder::new().code(policy).unwrap().set_limits(limits);
        Self { root, asks, token: token.to_base64().unwrap() }
    }

    pub fn verify(&self) {
        let token = Biscuit::from_base64(black_box(&self.token), self.root.public()).unwrap();
        self.asks.clone().time().build(&token).unwrap().authorize().unwrap();
    }
}

const SECRET: &[u8] = b"thirty-two bytes, known to both.";
