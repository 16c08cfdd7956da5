//! Server keys in PEM files: RFC 7468, RFC 5958, RFC 8410.

use std::fs;

use msb::signing::{NotAPem, PublicKey, ServerKey};

use super::{array, hex, pem};
use crate::harness;

/// The seed and public key of RFC 8410 section 10, which pkcs8-v1.der and its siblings hold.
const V1: &str = "302e020100300506032b657004220420";
const SEED: &str = "d4ee72dbf913584ad5b6d8f1f769f8ad3afe7c28cbf1d4fbe097a88f44755842";
const SPKI: &str = "302a300506032b6570032100";
const PUBLIC: &str = "19bf44096984cdfe8541bac167dc3b96c85086aa30b6b6cb0c5c38ad703166e1";
/// Version 2 without attributes.
const V2: &str = "3051020101300506032b657004220420";
const V2_PUBLIC: &str = "812100";

#[test]
fn both_versions_of_pkcs8_are_read_and_version_1_is_written() {
    let v1 = pem("PRIVATE KEY", &hex(&[V1, SEED].concat()));
    check_private(&v1, Ok(PUBLIC));
    check_private(&pem("PRIVATE KEY", &hex(&[V2, SEED, V2_PUBLIC, PUBLIC].concat())), Ok(PUBLIC));
    assert_eq!(*ServerKey::from_pem(&v1).unwrap().to_pem(), v1);
    let spki = pem("PUBLIC KEY", &hex(&[SPKI, PUBLIC].concat()));
    check_public(&spki, Ok(PUBLIC));
    assert_eq!(PublicKey::from_pem(&spki).unwrap().to_pem(), spki);

    let Some(directory) = harness::vectors() else { return };
    let file = |name| fs::read(directory.join(name)).unwrap();
    assert_eq!(pem("PRIVATE KEY", &file("pkcs8-v1.der")), v1);
    assert_eq!(pem("PUBLIC KEY", &file("pubkey.der")), spki);
    let v2 = pem("PRIVATE KEY", &file("pkcs8-v2.der"));
    check_private(&v2, Ok(PUBLIC));
    assert_eq!(*ServerKey::from_pem(&v2).unwrap().to_pem(), v1);
}

#[test]
fn a_public_key_in_version_2_must_be_that_of_the_seed() {
    let other = ServerKey::from_seed(&[7; 32]);
    for public in [*other.public().as_bytes(), [0; 32], {
        let mut negated: [u8; 32] = array(&hex(PUBLIC));
        negated[31] ^= 0x80;
        negated
    }] {
        let der = [hex(&[V2, SEED, V2_PUBLIC].concat()), public.to_vec()].concat();
        check_private(&pem("PRIVATE KEY", &der), Err(NotAPem::NotEd25519));
    }
}

#[test]
fn only_ed25519_in_its_one_encoding_is_a_server_key() {
    let private = |parts: &[&str]| {
        let der = hex(&parts.concat());
        check_private(&pem("PRIVATE KEY", &der), Err(NotAPem::NotEd25519));
    };
    // X25519, X448 and Ed448 where Ed25519 belongs, and RSA.
    private(&["302e020100300506032b656e04220420", SEED]);
    private(&["302e020100300506032b656f04220420", SEED]);
    private(&["302e020100300506032b657104220420", SEED]);
    private(&["3036020100300d06092a864886f70d010101050004220420", SEED]);
    // Parameters, which RFC 8410 section 3 forbids.
    private(&["3030020100300706032b6570050004220420", SEED]);
    // A version that is not that of the content.
    private(&["302e020101300506032b657004220420", SEED]);
    private(&["302e020102300506032b657004220420", SEED]);
    private(&["3051020100300506032b657004220420", SEED, V2_PUBLIC, PUBLIC]);
    // A public key of fewer bits than its bytes have.
    private(&[V2, SEED, "812101", PUBLIC]);
    private(&[V2, SEED, "812104", &"00".repeat(32)]);
    // 31 and 33 bytes, no inner string, something behind it or behind it all, a long length.
    private(&["302d020100300506032b65700421041f", &SEED[2..]]);
    private(&["302f020100300506032b657004230421", SEED, "00"]);
    private(&["302c020100300506032b65700420", SEED]);
    private(&["302f020100300506032b657004230420", SEED, "00"]);
    private(&[V1, SEED, "00"]);
    private(&["30812e020100300506032b657004220420", SEED]);
    private(&[V1, &SEED[2..]]);
    private(&[]);

    let public = |parts: &[&str], expected| {
        check_public(&pem("PUBLIC KEY", &hex(&parts.concat())), Err(expected));
    };
    public(&["302a300506032b656e032100", PUBLIC], NotAPem::NotEd25519);
    public(&["302a300506032b6571032100", PUBLIC], NotAPem::NotEd25519);
    public(&["3032300d06092a864886f70d0101010500032100", PUBLIC], NotAPem::NotEd25519);
    public(&["302c300706032b65700500032100", PUBLIC], NotAPem::NotEd25519);
    public(&["302a300506032b6570032101", PUBLIC], NotAPem::NotEd25519);
    public(&[SPKI, PUBLIC, "00"], NotAPem::NotEd25519);
    public(&[SPKI, &PUBLIC[2..]], NotAPem::NotEd25519);
    public(&[SPKI, &"00".repeat(32)], NotAPem::Weak);
    public(&[SPKI, "01", &"00".repeat(31)], NotAPem::Weak);
}

#[test]
fn a_pem_file_is_one_block_and_nothing_else() {
    let v1 = pem("PRIVATE KEY", &hex(&[V1, SEED].concat()));
    let spki = pem("PUBLIC KEY", &hex(&[SPKI, PUBLIC].concat()));
    let both = |change: &dyn Fn(&str) -> String, expected: Result<&str, NotAPem>| {
        check_private(&change(&v1), expected);
        check_public(&change(&spki), expected);
    };
    // RFC 7468 section 2 lets lines end in CRLF, LF or CR, and the last one in nothing.
    both(&|text| text.replace('\n', "\r\n"), Ok(PUBLIC));
    both(&|text| text.replace('\n', "\r"), Ok(PUBLIC));
    both(&|text| text.trim_end().to_owned(), Ok(PUBLIC));
    // Behind it.
    both(&|text| text.to_owned() + "\n", Err(NotAPem::NotEd25519));
    both(&|text| text.to_owned() + " ", Err(NotAPem::NotEd25519));
    both(&|text| text.to_owned() + "junk", Err(NotAPem::NotEd25519));
    both(&|text| text.to_owned() + "# my key\n", Err(NotAPem::NotEd25519));
    both(&|text| text.trim_end().to_owned() + "junk\n", Err(NotAPem::NotEd25519));
    both(&|text| text.repeat(2), Err(NotAPem::NotEd25519));
    both(&|text| text.to_owned() + "\0", Err(NotAPem::NotEd25519));
    // In front of it.
    both(&|text| "# my key\n".to_owned() + text, Err(NotAPem::NoBlock));
    both(&|text| "\n".to_owned() + text, Err(NotAPem::NoBlock));
    both(&|text| "\u{feff}".to_owned() + text, Err(NotAPem::NoBlock));
    both(&|_| String::new(), Err(NotAPem::NoBlock));
    both(&|text| text.to_lowercase(), Err(NotAPem::NoBlock));
    // In it: headers (RFC 1421), blanks, other lines, a part missing.
    let after_label = |text: &str, more: &str| text.replacen("-----\n", more, 1);
    both(&|text| after_label(text, "-----\nProc-Type: 4\n\n"), Err(NotAPem::NotEd25519));
    both(&|text| after_label(text, "-----\n "), Err(NotAPem::NotEd25519));
    both(&|text| after_label(text, "-----"), Err(NotAPem::NotEd25519));
    both(
        &|text| text.replacen("ZW", "Z\nW", 1).replacen("BQ", "B\nQ", 1),
        Err(NotAPem::NotEd25519),
    );
    both(&|text| text.replace("\n-----END", "====\n-----END"), Err(NotAPem::NotEd25519));
    both(&|text| text.replace("-----END P", "-----END X"), Err(NotAPem::NotEd25519));
    both(&|text| text.split("-----END").next().unwrap().to_owned(), Err(NotAPem::NotEd25519));
    both(&|text| text[..text.len() / 2].to_owned(), Err(NotAPem::NotEd25519));

    check_private(&spki, Err(NotAPem::Public));
    check_public(&v1, Err(NotAPem::Private));
    for label in ["RSA PRIVATE KEY", "EC PRIVATE KEY", "ENCRYPTED PRIVATE KEY", "CERTIFICATE"] {
        check_private(&v1.replace("PRIVATE KEY", label), Err(NotAPem::NotEd25519));
        check_public(&spki.replace("PUBLIC KEY", label), Err(NotAPem::NotEd25519));
    }
}

#[track_caller]
fn check_private(text: &str, expected: Result<&str, NotAPem>) {
    let found = ServerKey::from_pem(text).map(|key| *key.public().as_bytes());
    assert_eq!(found, expected.map(|public| array(&hex(public))), "{text}");
}

#[track_caller]
fn check_public(text: &str, expected: Result<&str, NotAPem>) {
    let found = PublicKey::from_pem(text).map(|key| *key.as_bytes());
    assert_eq!(found, expected.map(|public| array(&hex(public))), "{text}");
}
