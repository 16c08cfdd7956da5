//! Peers: another JWT library and OpenSSL read what we write. None of them judges in the program.

use std::{
    io::Write,
    process::{Command, Stdio},
};

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use jsonwebtoken::{
    Algorithm, DecodingKey, TokenData, Validation, decode, decode_header,
    errors::ErrorKind,
    jwk::{Jwk, ThumbprintHash},
};
use msb::signing::{PublicKey, ServerKey};
use serde_json::{Value, json};

use crate::{
    harness::{Msb, NOW, first_seed, skipped},
    properties::Dice,
};

#[test]
fn an_ordinary_jwt_library_reads_what_follows_the_prefix() {
    check_claims("", json!({"iat": NOW, "namespace": "*"}));
    check_claims(
        "--expire 1h --not-before 1m -n team-beta -n team-alpha --scope sandbox.start \
         --scope disk.* --owner ann@example.org --name told-to-nobody",
        json!({
            "iat": NOW,
            "exp": NOW + 3600,
            "nbf": NOW + 60,
            "namespace": ["team-alpha", "team-beta"],
            "scope": "disk.* sandbox.start",
            "sub": "ann@example.org",
        }),
    );
}

/// A key issued with these flags has an id and these claims in the eyes of the peer.
fn check_claims(flags: &str, expected: Value) {
    let mut msb = Msb::with_server_key();
    let key = msb.key(flags);
    let jwk = jwk(&mut msb);
    let header = decode_header(key.strip_prefix("msb_").unwrap()).unwrap();
    assert_eq!(header.alg, Algorithm::EdDSA);
    assert_eq!(header.typ.as_deref(), Some("msb+jwt"));
    assert_eq!(header.kid, jwk.common.key_id);
    let mut claims = read(&key, &jwk).unwrap().claims;
    let id = claims.as_object_mut().unwrap().remove("jti").unwrap();
    assert_eq!(id.as_str().map(str::len), Some(16));
    assert_eq!(claims, expected);
}

#[test]
fn an_ordinary_jwt_library_refuses_any_other_signature() {
    let mut msb = Msb::with_server_key();
    let key = msb.key("");
    let jwk = jwk(&mut msb);
    assert!(read(&key, &jwk).is_ok());
    let (input, signature) = key.rsplit_once('.').unwrap();
    let signature = BASE64_URL_SAFE_NO_PAD.decode(signature).unwrap();
    for bit in 0..512 {
        let mut forged = signature.clone();
        forged[bit / 8] ^= 1 << (bit % 8);
        let forged = format!("{input}.{}", BASE64_URL_SAFE_NO_PAD.encode(forged));
        let refused = read(&forged, &jwk).map(|_| ()).map_err(|error| error.into_kind());
        assert_eq!(refused, Err(ErrorKind::InvalidSignature), "bit {bit}");
    }
}

/// The key we publish, as the peer reads it.
fn jwk(msb: &mut Msb) -> Jwk {
    let ran = msb.run("server key show --format jwk");
    assert_eq!(ran.exit, 0, "{}", ran.stderr);
    serde_json::from_str(&ran.stdout).unwrap()
}

fn read(key: &str, jwk: &Jwk) -> jsonwebtoken::errors::Result<TokenData<Value>> {
    let mut rules = Validation::new(Algorithm::EdDSA);
    // Time is not the peer's to judge here: its clock does not stand still.
    rules.required_spec_claims.clear();
    rules.validate_exp = false;
    decode(key.strip_prefix("msb_").unwrap(), &DecodingKey::from_jwk(jwk).unwrap(), &rules)
}

#[test]
fn the_thumbprints_of_ten_thousand_keys_are_the_peers_own() {
    let mut dice = Dice(1);
    for _ in 0..10_000 {
        let server_key = ServerKey::from_seed(&seed(&mut dice));
        let public = server_key.public();
        let theirs: Jwk = serde_json::from_str(&public.to_jwk()).unwrap();
        let thumbprint = theirs.thumbprint(ThumbprintHash::SHA256);
        assert_eq!(public.thumbprint(), thumbprint);
        assert_eq!(public.kid().to_string(), thumbprint[..11]);
        assert_eq!(theirs.common.key_id.as_deref(), Some(&thumbprint[..11]));
    }
}

fn seed(dice: &mut Dice) -> [u8; 32] {
    std::array::from_fn(|_| dice.next() as u8)
}

#[test]
fn openssl_reads_our_server_key_and_we_read_its() {
    let server_key = ServerKey::from_seed(&first_seed());
    let Some(public) = openssl(&["pkey", "-pubout"], &server_key.to_pem()) else { return };
    assert_eq!(public, server_key.public().to_pem());
    assert_eq!(PublicKey::from_pem(&public).as_ref(), Ok(server_key.public()));

    let private = openssl(&["genpkey", "-algorithm", "ed25519"], "").unwrap();
    let theirs = ServerKey::from_pem(&private).unwrap();
    assert_eq!(*theirs.to_pem(), private);
    let public = openssl(&["pkey", "-pubout"], &private).unwrap();
    assert_eq!(public, theirs.public().to_pem());

    let other = openssl(&["genpkey", "-algorithm", "x25519"], "").unwrap();
    assert!(ServerKey::from_pem(&other).is_err());
    let rsa = ["genpkey", "-algorithm", "rsa", "-pkeyopt", "rsa_keygen_bits:2048"];
    assert!(ServerKey::from_pem(&openssl(&rsa, "").unwrap()).is_err());
}

/// What OpenSSL answers to this input; none where there is no OpenSSL, which CI requires.
fn openssl(args: &[&str], input: &str) -> Option<String> {
    let piped = |command: &mut Command| {
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()
    };
    let mut openssl = match piped(Command::new("openssl").args(args)) {
        Ok(openssl) => openssl,
        Err(error) => {
            skipped(&format!("openssl cannot be run: {error}"));
            return None;
        }
    };
    openssl.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    let ran = openssl.wait_with_output().unwrap();
    assert!(ran.status.success(), "openssl {args:?}: {}", String::from_utf8_lossy(&ran.stderr));
    Some(String::from_utf8(ran.stdout).unwrap())
}
