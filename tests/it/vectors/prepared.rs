//! A prepared key says of every signature what strict verification says of it, alone and among
//! many: over what others measured, what was crafted around points of small order, and random ones.

use std::{
    collections::BTreeMap,
    io::{self, Write},
};

use curve25519_dalek::{EdwardsPoint, Scalar, constants::EIGHT_TORSION};
use ed25519_dalek::VerifyingKey;
use msb::signing::{PublicKey, ServerKey, Signed};
use serde_json::Value;
use sha2::{Digest, Sha512};

use super::{array, base64url, hex, json, text};

struct Case {
    public: [u8; 32],
    message: Vec<u8>,
    signature: [u8; 64],
}

/// Which of these signatures hold; every way to verify must say the same.
fn check(cases: &[Case]) -> Vec<bool> {
    let mut by_key = BTreeMap::<_, Vec<_>>::new();
    for (index, case) in cases.iter().enumerate() {
        by_key.entry(case.public).or_default().push(index);
    }
    let mut hold = vec![false; cases.len()];
    for (public, indices) in by_key {
        // A key that is weak, or spelled in a second way, is none here.
        let Ok(key) = PublicKey::from_bytes(&public) else { continue };
        let cases: Vec<_> = indices.iter().map(|&index| &cases[index]).collect();
        for (index, holds) in indices.into_iter().zip(check_key(&key.prepared(), &cases)) {
            hold[index] = holds;
        }
    }
    hold
}

fn check_key(prepared: &PublicKey, cases: &[&Case]) -> Vec<bool> {
    let strict = VerifyingKey::from_bytes(prepared.as_bytes()).unwrap();
    let signed: Vec<_> = cases
        .iter()
        .map(|case| Signed { message: &case.message, signature: &case.signature })
        .collect();
    // Few are calculated in another way than many.
    let many: Vec<_> = signed.iter().copied().cycle().take(signed.len().max(MANY)).collect();
    let together = prepared.verify_all(&many);
    assert_eq!(together.len(), many.len());
    assert_eq!(prepared.verify_all(&signed), together[..signed.len()]);
    let hold = signed.iter().zip(together).map(|(Signed { message, signature }, together)| {
        let holds = strict.verify_strict(message, &(*signature).into()).is_ok();
        let alone = prepared.verify(message, signature).is_ok();
        let public = prepared.as_bytes();
        assert_eq!(
            (alone, together),
            (holds, holds),
            "key {public:x?}, message {message:x?}, signature {signature:x?}"
        );
        holds
    });
    hold.collect()
}

fn count(hold: &[bool]) -> usize {
    hold.iter().filter(|holds| **holds).count()
}

#[test]
fn of_the_vectors() {
    let Some(cctv) = json("cctv_ed25519vectors.json") else { return };
    let (wycheproof, rfcs) =
        (json("ed25519_test.json").unwrap(), json("rfc_vectors.json").unwrap());

    let mut cases = vec![];
    let mut add = |public: Vec<u8>, message, signature: Vec<u8>| {
        // What is not 64 bytes long never comes to a key.
        let Ok(signature) = signature.try_into() else { return };
        cases.push(Case { public: array(&public), message, signature });
    };
    for case in rfcs["rfc8032"].as_array().unwrap() {
        let [public, message, signature] =
            ["public", "msg", "sig"].map(|name| hex(text(case, name)));
        add(public, message, signature);
    }
    let (input, signature) = text(&rfcs["rfc8037"], "jws").rsplit_once('.').unwrap();
    let public = base64url(text(&rfcs["rfc8037"]["public_jwk"], "x"));
    add(public, input.as_bytes().to_vec(), base64url(signature));
    for group in wycheproof["testGroups"].as_array().unwrap() {
        for case in group["tests"].as_array().unwrap() {
            let [message, signature] = ["msg", "sig"].map(|name| hex(text(case, name)));
            add(hex(text(&group["publicKey"], "pk")), message, signature);
        }
    }
    for case in cctv.as_array().unwrap() {
        let message = text(case, "msg").as_bytes().to_vec();
        add(hex(text(case, "key")), message, hex(text(case, "sig")));
    }

    let hold = check(&cases);
    let (before, theirs) = hold.split_at(hold.len() - 914);
    assert_eq!((before.len(), count(before)), (5 + 1 + 139, 5 + 1 + 63 + 25));
    // Parts of small order are no harm where the equation holds without the cofactor.
    let harmless = |flag: &Value| {
        matches!(flag.as_str(), Some("low_order_component_A" | "low_order_component_R"))
    };
    for (case, holds) in cctv.as_array().unwrap().iter().zip(theirs) {
        let flags = case["flags"].as_array();
        assert_eq!(flags.is_none_or(|flags| flags.iter().all(harmless)), *holds, "{case}");
    }
    assert_eq!(count(theirs), 43);
}

/// Signs as who knows the scalar of A and adds points of small order to A and R may.
fn torsioned(a: Scalar, r: Scalar, of_a: usize, of_r: usize, message: &[u8]) -> Case {
    let with = |scalar: &Scalar, part: usize| {
        (EdwardsPoint::mul_base(scalar) + EIGHT_TORSION[part]).compress().to_bytes()
    };
    let (public, nonce) = (with(&a, of_a), with(&r, of_r));
    let hash = Sha512::new().chain_update(nonce).chain_update(public).chain_update(message);
    let s = r + Scalar::from_bytes_mod_order_wide(&hash.finalize().into()) * a;
    let signature = [nonce, s.to_bytes()].concat().try_into().unwrap();
    Case { public, message: message.to_vec(), signature }
}

#[test]
fn of_signatures_with_parts_of_small_order() {
    let (mut parts, mut cases) = (vec![], vec![]);
    for round in 0..120_u8 {
        let scalar = |word| Scalar::from_bytes_mod_order_wide(&random(word, u64::from(round / 30)));
        // In some rounds R is nothing but its part of small order: there the equation would hold.
        let r = if round % 20 == 19 { Scalar::ZERO } else { scalar("r") };
        for (of_a, of_r) in (0..8).flat_map(|of_a| (0..8).map(move |of_r| (of_a, of_r))) {
            parts.push((of_a, of_r));
            cases.push(torsioned(scalar("a"), r, of_a, of_r, &[round]));
        }
    }
    let hold = check(&cases);
    let of = |wanted: fn(usize, usize) -> bool| {
        let of = parts.iter().zip(&hold).filter(|((of_a, of_r), _)| wanted(*of_a, *of_r));
        let of: Vec<_> = of.map(|(_, holds)| *holds).collect();
        (of.len(), count(&of))
    };
    assert_eq!(of(|of_a, of_r| of_a == 0 && of_r == 0), (120, 114));
    assert_eq!(of(|of_a, of_r| of_a == 0 && of_r != 0), (840, 0));
    // Of a mixed A the equation decides, which knows no cofactor: with it, all of these would hold.
    let (mixed, held) = of(|of_a, _| of_a != 0);
    assert!(mixed == 6720 && 600 < held && held < 1000, "{held} of {mixed} hold");
}

/// `MSB_SIGNATURES` says how many.
#[test]
fn of_random_signatures() {
    let number = std::env::var("MSB_SIGNATURES").map_or(4_000, |number| number.parse().unwrap());
    let keys: Vec<_> = (0..8).map(|seed| ServerKey::from_seed(&[seed; 32])).collect();
    let prepared: Vec<_> = keys.iter().map(|key| key.public().prepared()).collect();
    let (mut done, mut held) = (0, 0);
    while done < number {
        let which = (done / BLOCK % 8) as usize;
        let cases = done..number.min(done + BLOCK);
        let (cases, expected): (Vec<_>, Vec<_>) =
            cases.map(|index| drawn(index, &keys[which], &keys[(which + 1) % 8])).unzip();
        let hold = check_key(&prepared[which], &cases.iter().collect::<Vec<_>>());
        assert_eq!(hold, expected, "from {done} on");
        done += cases.len() as u64;
        held += count(&hold);
        if done % 1_000_000 == 0 {
            // Not `eprintln!`: what a test that passes prints is not shown.
            io::stderr().write_all(format!("{done} signatures, {held} held\n").as_bytes()).unwrap();
        }
    }
    assert!(0 < held && (held as u64) < number, "{held} of {number}");
}

/// A signature, as it is or damaged, and whether it holds.
fn drawn(index: u64, server_key: &ServerKey, other: &ServerKey) -> (Case, bool) {
    let dice = random("case", index);
    let public = *server_key.public().as_bytes();
    let mut message = random("message", index).repeat(4);
    message.truncate(usize::from(dice[0]) + 1);
    let mut signature = server_key.sign(&message);
    let (at, bit) = (usize::from(dice[1]), 1 << (dice[2] % 8));
    let kind = dice[3] % 10;
    match kind {
        0..4 => {}
        4 => signature[at % 32] ^= bit,
        5 => signature[32 + at % 32] ^= bit,
        6 => {
            let length = message.len();
            message[at % length] ^= bit;
        }
        7 => add_order(&mut signature),
        8 => signature = other.sign(&message),
        _ => signature[..32].copy_from_slice(&random("r", index)[..32]),
    }
    (Case { public, message, signature }, kind < 4)
}

/// S + L, which is S for whoever does not ask for the canonical one.
fn add_order(signature: &mut [u8; 64]) {
    // L − 1 is −1.
    let order_minus_one = (-Scalar::ONE).to_bytes();
    let mut carry = 1;
    for (s, l) in signature[32..].iter_mut().zip(order_minus_one) {
        let sum = u16::from(*s) + u16::from(l) + carry;
        *s = sum as u8;
        carry = sum >> 8;
    }
    assert_eq!(carry, 0);
}

/// 64 bytes that this word and number give, the same ones every time.
fn random(word: &str, number: u64) -> [u8; 64] {
    Sha512::new().chain_update(word).chain_update(number.to_le_bytes()).finalize().into()
}

#[test]
fn a_key_that_is_not_prepared_says_the_same_of_many() {
    let key = ServerKey::from_seed(&[1; 32]);
    let (messages, signature) = ([&b"signed"[..], &b"not signed"[..]], key.sign(b"signed"));
    let signed = messages.map(|message| Signed { message, signature: &signature });
    for key in [key.public().clone(), key.public().prepared(), key.public().prepared().prepared()] {
        assert_eq!(key.verify_all(&signed), [true, false]);
        assert!(key.verify_all(&[]).is_empty());
        assert_eq!(key, *ServerKey::from_seed(&[1; 32]).public());
    }
}

/// More than are calculated together.
const BLOCK: u64 = 1500;

/// As many as are calculated in the way of many, even where every second one is refused beforehand.
const MANY: usize = 600;
