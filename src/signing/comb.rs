//! Multiples of one point, made once, by which it is then multiplied without a single doubling.
//!
//! A scalar below the group order has 253 bits: 23 places of 11. With digits from −1023 to 1024
//! it is the sum of digit · 2^(11 · place), exactly and as an integer, so that the sum of the
//! multiples is the product for every point, those with a part of small order too. Points and
//! scalars are public here: which multiples are read depends on them.

use std::array;

use curve25519_dalek::{EdwardsPoint, Scalar, traits::Identity};

/// The multiples of one point, from 0 to 1024 for each place: 3.6 MiB.
pub(super) struct Comb(Vec<EdwardsPoint>);

impl Comb {
    pub(super) fn new(point: EdwardsPoint) -> Self {
        let mut multiples = Vec::with_capacity(PLACES * MULTIPLES);
        let mut unit = point;
        for _ in 0..PLACES {
            let mut multiple = EdwardsPoint::identity();
            for _ in 0..MULTIPLES - 1 {
                multiples.push(multiple);
                multiple += unit;
            }
            multiples.push(multiple);
            unit = multiple + multiple;
        }
        Self(multiples)
    }

    /// The multiple for each place, and whether it is to be subtracted.
    pub(super) fn terms(&self, scalar: &Scalar) -> impl Iterator<Item = (&EdwardsPoint, bool)> {
        let places = self.0.chunks_exact(MULTIPLES);
        places.zip(digits(scalar)).map(|(multiples, digit)| {
            (&multiples[usize::from(digit.unsigned_abs())], digit.is_negative())
        })
    }

    /// Adds the product of each scalar to the sum beside it, place by place: the multiples of one
    /// place are brought near in one go, where each sum would have to wait for its own.
    pub(super) fn add_products<'s>(
        &self,
        scalars: impl Iterator<Item = &'s Scalar>,
        sums: &mut [EdwardsPoint],
    ) {
        let digits: Vec<_> = scalars.map(digits).collect();
        let mut near = vec![EdwardsPoint::identity(); MULTIPLES];
        for (place, multiples) in self.0.chunks_exact(MULTIPLES).enumerate() {
            near.copy_from_slice(multiples);
            for (sum, digits) in sums.iter_mut().zip(&digits) {
                let digit = digits[place];
                let multiple = &near[usize::from(digit.unsigned_abs())];
                if digit < 0 { *sum -= multiple } else { *sum += multiple }
            }
        }
    }
}

/// The digits of a scalar below the group order, the lowest first. The last one takes the carry and
/// leaves none: below 2^252 its bits are at most 1023, and a carry makes that 1024 at most; from
/// 2^252 on they are 1024, but bits 125 to 251 are zero, and nothing is carried there.
fn digits(scalar: &Scalar) -> [i16; PLACES] {
    let mut bytes = [0; 36];
    bytes[..32].copy_from_slice(scalar.as_bytes());
    let mut carry = 0;
    array::from_fn(|place| {
        let bit = place * WIDTH;
        let four = array::from_fn(|offset| bytes[bit / 8 + offset]);
        let bits = (u32::from_le_bytes(four) >> (bit % 8)) & (2 * HIGHEST - 1);
        let digit = bits + carry;
        carry = u32::from(digit > HIGHEST);
        digit as i16 - (carry << WIDTH) as i16
    })
}

/// How many digits a scalar has.
pub(super) const PLACES: usize = 23;

/// Bits of a digit.
const WIDTH: usize = 11;

/// The highest digit.
const HIGHEST: u32 = 1 << (WIDTH - 1);

/// 0 to the highest digit.
const MULTIPLES: usize = HIGHEST as usize + 1;

#[cfg(test)]
pub(super) mod tests {
    use curve25519_dalek::constants::{ED25519_BASEPOINT_POINT, EIGHT_TORSION};

    use super::*;

    /// Scalars at which digits change their sign, carry on, or are the highest there are.
    pub(in crate::signing) fn edges() -> Vec<Scalar> {
        let power = |bit: usize| (0..bit).fold(Scalar::ONE, |power, _| power + power);
        let minus_one = -Scalar::ONE;
        let mut edges = vec![Scalar::ZERO, Scalar::ONE, minus_one, minus_one - Scalar::ONE];
        for place in 0..PLACES {
            let unit = power(place * WIDTH);
            for digit in [HIGHEST - 1, HIGHEST, HIGHEST + 1, 2 * HIGHEST - 1, 2 * HIGHEST] {
                edges.push(unit * Scalar::from(digit));
                edges.push(-edges[edges.len() - 1]);
            }
        }
        // The last digit is 1024: by a carry, and by its own bits.
        edges.extend([power(252) - Scalar::ONE, power(252) + Scalar::ONE]);
        // The same digit in every place: no carry, a carry from each, a carry through all.
        for digit in [1, HIGHEST - 1, HIGHEST, HIGHEST + 1, 2 * HIGHEST - 2, 2 * HIGHEST - 1] {
            let units = (0..PLACES - 1).map(|place| power(place * WIDTH));
            edges.push(units.map(|unit| unit * Scalar::from(digit)).sum());
        }
        for byte in [0x0f, 0x55, 0x7f, 0x80, 0xaa, 0xff] {
            let mut bytes = [byte; 32];
            bytes[31] &= 0x0f;
            edges.push(Scalar::from_bytes_mod_order(bytes));
        }
        edges
    }

    #[test]
    fn digits_are_within_bounds_and_add_up_to_the_scalar() {
        for scalar in edges() {
            let mut sum = Scalar::ZERO;
            for digit in digits(&scalar).into_iter().rev() {
                assert!(-(HIGHEST as i16) < digit && digit <= HIGHEST as i16, "{scalar:?}");
                let size = Scalar::from(digit.unsigned_abs());
                sum = sum * Scalar::from(2 * HIGHEST) + if digit < 0 { -size } else { size };
            }
            assert_eq!(sum, scalar);
        }
    }

    #[test]
    fn terms_add_up_to_the_product() {
        // Of prime order, of order 8, and of a mixed one, where the digits must add up to the very
        // integer: by the order of the prime group alone they may not.
        let base = ED25519_BASEPOINT_POINT;
        for point in [base, -base, EIGHT_TORSION[1], base + EIGHT_TORSION[1]] {
            let comb = Comb::new(point);
            for scalar in edges() {
                let zero = EdwardsPoint::identity();
                let sum = comb.terms(&scalar).fold(zero, |sum, (multiple, subtracted)| {
                    if subtracted { sum - multiple } else { sum + multiple }
                });
                assert_eq!(sum, scalar * point, "{scalar:?}");
            }
            let edges = edges();
            let mut sums = vec![base; edges.len()];
            comb.add_products(edges.iter(), &mut sums);
            for (sum, scalar) in sums.into_iter().zip(&edges) {
                assert_eq!(sum, base + scalar * point, "{scalar:?}");
            }
        }
    }

    #[test]
    fn every_multiple_is_one() {
        let comb = Comb::new(ED25519_BASEPOINT_POINT);
        assert_eq!(comb.0.len(), PLACES * MULTIPLES);
        let mut unit = ED25519_BASEPOINT_POINT;
        for multiples in comb.0.chunks_exact(MULTIPLES) {
            assert_eq!(multiples[0], EdwardsPoint::identity());
            for pair in multiples.windows(2) {
                assert_eq!(pair[1] - pair[0], unit);
            }
            unit *= Scalar::from(2 * HIGHEST);
        }
    }
}
