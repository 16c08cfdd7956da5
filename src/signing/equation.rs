//! The equation of one signature (RFC 8032 section 5.1.7), for a public key that verifies often.
//!
//! R' = \[S\]B − \[k\]A, with k = SHA-512(R, A, message) modulo the group order L, is put together
//! out of multiples of B and −A that were made before, written as bytes, and compared with R. That
//! is the equation `[S]B = R + [k]A` of the RFC, without the cofactor. It says of every signature
//! what `VerifyingKey::verify_strict` says, because both find the same point:
//!
//! - S is refused from L on, so S and k are integers below L, and the digits of [`Comb`] add up to
//!   these integers themselves. A part of small order in A comes out as it does by doublings.
//! - A point has one encoding, so R is that of R' or it is not: nothing needs to be decoded, and a
//!   second spelling of R is refused.
//! - R' of small order is one of eight, whose encodings are known.
//!
//! Many signatures share one inversion (Montgomery's trick), which writes their points as bytes and
//! decides nothing. Equations are never added up, with random factors or without: a sum may hold
//! where a part of small order makes two of its equations wrong.

use std::sync::LazyLock;

use curve25519_dalek::{
    EdwardsPoint, Scalar,
    constants::{ED25519_BASEPOINT_POINT, EIGHT_TORSION},
    edwards::CompressedEdwardsY,
    traits::Identity,
};
use ed25519_dalek::VerifyingKey;
use sha2::{Digest, Sha512};

use super::{
    Signed,
    comb::{Comb, PLACES},
};

/// A public key with the multiples that its equations are made of.
pub(super) struct Equation {
    public: [u8; 32],
    /// Of −A.
    minus_a: Comb,
}

impl Equation {
    pub(super) fn new(public: &VerifyingKey) -> Self {
        // Now, so that no signature has to wait for them.
        LazyLock::force(&BASE);
        LazyLock::force(&SMALL_ORDER);
        Self { public: public.to_bytes(), minus_a: Comb::new(-public.to_edwards()) }
    }

    /// Whether this signature holds.
    pub(super) fn holds(&self, signed: &Signed<'_>) -> bool {
        let expected = self.scalars(signed).map(|scalars| self.evaluate(&scalars));
        expected.is_some_and(|point| point.compress().as_bytes() == signed.r())
    }

    /// Whether each of these signatures holds.
    pub(super) fn hold(&self, signed: &[Signed<'_>]) -> Vec<bool> {
        let mut hold = vec![false; signed.len()];
        for (signed, hold) in signed.chunks(TOGETHER).zip(hold.chunks_mut(TOGETHER)) {
            let scalars = signed.iter().map(|signed| self.scalars(signed));
            let (open, scalars): (Vec<_>, Vec<_>) =
                scalars.enumerate().filter_map(|(index, both)| Some((index, both?))).unzip();
            let written = EdwardsPoint::compress_batch_alloc(&self.evaluate_all(&scalars));
            for (index, expected) in open.into_iter().zip(written) {
                hold[index] = expected.as_bytes() == signed[index].r();
            }
        }
        hold
    }

    /// S and k, of which R' is made, unless the signature is refused whatever it is: S is not below
    /// the group order, or R is of small order.
    fn scalars(&self, signed: &Signed<'_>) -> Option<[Scalar; 2]> {
        let s = Option::<Scalar>::from(Scalar::from_canonical_bytes(*signed.s()))?;
        if SMALL_ORDER.iter().any(|small| small.as_bytes() == signed.r()) {
            return None;
        }
        let hash = Sha512::new().chain_update(signed.r()).chain_update(self.public);
        let hash = hash.chain_update(signed.message).finalize();
        Some([s, Scalar::from_bytes_mod_order_wide(&hash.into())])
    }

    /// \[S\]B − \[k\]A for each S and k.
    fn evaluate_all(&self, scalars: &[[Scalar; 2]]) -> Vec<EdwardsPoint> {
        if scalars.len() < ENOUGH {
            return scalars.iter().map(|both| self.evaluate(both)).collect();
        }
        let mut sums = vec![EdwardsPoint::identity(); scalars.len()];
        BASE.add_products(scalars.iter().map(|[s, _]| s), &mut sums);
        self.minus_a.add_products(scalars.iter().map(|[_, k]| k), &mut sums);
        sums
    }

    /// \[S\]B − \[k\]A.
    fn evaluate(&self, [s, k]: &[Scalar; 2]) -> EdwardsPoint {
        // What is added from the front, what is subtracted from the back: no branch depends on
        // a sign, and all multiples are on their way from memory before the first is needed.
        let mut terms = [EdwardsPoint::identity(); 2 * PLACES];
        let (mut front, mut back) = (0, terms.len());
        for (multiple, subtracted) in BASE.terms(s).chain(self.minus_a.terms(k)) {
            back -= usize::from(subtracted);
            terms[if subtracted { back } else { front }] = *multiple;
            front += usize::from(!subtracted);
        }
        let (added, subtracted) = terms.split_at(front);
        let sum = added.iter().fold(EdwardsPoint::identity(), |sum, multiple| sum + multiple);
        subtracted.iter().fold(sum, |sum, multiple| sum - multiple)
    }
}

impl Signed<'_> {
    fn r(&self) -> &[u8; 32] {
        self.signature.first_chunk().expect("64 bytes are more than 32")
    }

    fn s(&self) -> &[u8; 32] {
        self.signature.last_chunk().expect("64 bytes are more than 32")
    }
}

/// Multiples of B, once for the process, from the first key that is prepared on.
static BASE: LazyLock<Comb> = LazyLock::new(|| Comb::new(ED25519_BASEPOINT_POINT));

/// The points of small order, as R' would be written. Their other spellings are no R'.
static SMALL_ORDER: LazyLock<[CompressedEdwardsY; 8]> =
    LazyLock::new(|| EIGHT_TORSION.map(|point| point.compress()));

/// How many are calculated together: more would save little, and hold more memory.
const TOGETHER: usize = 1024;

/// From how many on it pays to bring all multiples near.
const ENOUGH: usize = 256;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::signing::comb::tests::edges;

    #[test]
    fn scalars_at_the_edges_give_the_point_that_doublings_give() {
        let a = -Scalar::from(0x5eed_u32);
        for part in [0, 1] {
            let point = EdwardsPoint::mul_base(&a) + EIGHT_TORSION[part];
            let equation = Equation::new(&VerifyingKey::from(point));
            let mut all = vec![];
            for (s, k) in edges().iter().zip(edges().iter().rev()) {
                let (s, k, zero) = (*s, *k, Scalar::ZERO);
                let cases = [[s, k], [k, k], [zero, k], [s, zero]];
                for [s, k] in &cases {
                    let expected = EdwardsPoint::vartime_double_scalar_mul_basepoint(k, &-point, s);
                    assert_eq!(equation.evaluate(&[*s, *k]), expected, "{s:?} {k:?}");
                }
                all.extend(cases);
                // Whatever k is, nothing is left but the part of small order.
                let rest = equation.evaluate(&[k * a, k]);
                assert_eq!(rest, -EIGHT_TORSION[part] * k, "{k:?}");
            }
            // Fewer and more than are worth it to go place by place.
            for scalars in [&all[..ENOUGH - 1], &all[..ENOUGH], &all[..]] {
                let alone: Vec<_> = scalars.iter().map(|both| equation.evaluate(both)).collect();
                assert_eq!(equation.evaluate_all(scalars), alone);
            }
        }
    }
}
