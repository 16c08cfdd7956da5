//! In process: verifying, signing, and what is left of verifying without the signature.

use std::hint::black_box;

use crate::{
    Extent,
    figure::{Figures, median},
    ours::Ours,
    peers::{Biscuits, Jwt, Library, Paseto},
    turn::{Case, alternate, tell, tell_time},
};

/// An act, and how whoever does it is made ready.
pub type Act = (&'static str, fn() -> Box<dyn FnMut()>);

/// Everybody's verification of one key, ours first.
pub const VERIFY: [Act; 7] = [
    ("msb, prepared server key", || {
        let ours = Ours::new();
        Box::new(move || ours.verify_prepared())
    }),
    ("msb", || {
        let ours = Ours::new();
        Box::new(move || ours.verify_plain())
    }),
    PACEMAKER,
    (JWT_RUST_CRYPTO, || {
        let jwt = Jwt::eddsa(Library::RustCrypto);
        Box::new(move || jwt.verify())
    }),
    (JWT_HS256, || {
        let jwt = Jwt::hs256();
        Box::new(move || jwt.verify())
    }),
    ("pasetors v4.public", || {
        let paseto = Paseto::new();
        Box::new(move || paseto.verify())
    }),
    ("biscuit-auth", || {
        let biscuits = Biscuits::new();
        Box::new(move || biscuits.verify())
    }),
];

/// Who stands in every table of times, because it tells how quick the machine is now.
pub const PACEMAKER: Act = (JWT_AWS_LC, || {
    let jwt = Jwt::eddsa(Library::AwsLc);
    Box::new(move || jwt.verify())
});

/// Ours but for the signature: step 1, then 2 and 4 to 10.
pub const ASIDE: [Act; 2] = [
    ("msb reads a key (step 1)", || {
        let ours = Ours::new();
        Box::new(move || ours.read())
    }),
    ("msb judges a key (steps 2 and 4 to 10)", || Box::new(Ours::new().judge())),
];

/// Everybody's signing of one key, ours first.
const SIGN: [Act; 4] = [
    ("msb seals a key", || {
        let ours = Ours::new();
        Box::new(move || drop(black_box(ours.seal())))
    }),
    (JWT_AWS_LC, || {
        let jwt = Jwt::eddsa(Library::AwsLc);
        Box::new(move || drop(black_box(jwt.sign())))
    }),
    (JWT_RUST_CRYPTO, || {
        let jwt = Jwt::eddsa(Library::RustCrypto);
        Box::new(move || drop(black_box(jwt.sign())))
    }),
    (JWT_HS256, || {
        let jwt = Jwt::hs256();
        Box::new(move || drop(black_box(jwt.sign())))
    }),
];

/// Everybody's turns.
fn turns<const N: usize>(
    acts: [Act; N],
    extent: &Extent,
    figures: &mut Figures,
) -> [Case<'static>; N] {
    let mut cases = acts.map(|(name, ready)| Case::here(name, ready()));
    alternate(&mut cases, extent.rounds, extent.turn);
    for case in &cases {
        tell(figures, &format!("{}, processor time", case.name), "", &case.processor(), " ns");
    }
    cases
}

pub fn verify(extent: &Extent, figures: &mut Figures) {
    let cases = turns(VERIFY, extent, figures);
    let [ours, plain, others @ ..] = &cases;
    for other in others {
        let wanted = if other.name == JWT_AWS_LC { "0.50" } else { "" };
        let what = format!("{} / {}", ours.name, other.name);
        tell(figures, &what, wanted, &ours.over(other), "");
        let what = format!("{} / {}", plain.name, other.name);
        tell(figures, &what, "", &plain.over(other), "");
    }
}

pub fn aside(extent: &Extent, figures: &mut Figures) {
    let [read, judge] = ASIDE;
    let [read, judge, theirs] = turns([read, judge, PACEMAKER], extent, figures);
    let both: Vec<_> =
        read.processor().iter().zip(&judge.processor()).map(|(read, judge)| read + judge).collect();
    let theirs = theirs.processor();
    tell_time(figures, "everything but the signature", "400 ns", &both, &theirs, " ns");
}

pub fn sign(extent: &Extent, figures: &mut Figures) {
    let cases = turns(SIGN, extent, figures);
    let [ours, others @ ..] = &cases;
    for other in others {
        let what = format!("{} / {} encodes", ours.name, other.name);
        tell(figures, &what, "", &ours.over(other), "");
    }
    let rate = 1e9 / median(&ours.processor());
    figures.add("keys sealed in a second of one processor", "", format!("{rate:.0}"), "");
}

pub const JWT_AWS_LC: &str = "jsonwebtoken EdDSA (aws_lc_rs)";
const JWT_RUST_CRYPTO: &str = "jsonwebtoken EdDSA (rust_crypto)";
const JWT_HS256: &str = "jsonwebtoken HS256 (aws_lc_rs)";
