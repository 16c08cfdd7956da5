//! Key ids: what one lists, logs and revokes. Not secret.

use std::{fmt, str::FromStr};

/// A key id (`jti`, RFC 7519 section 4.1.7): 80 bits as 16 lower-case Crockford base32 characters.
#[derive(Clone, Copy, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct KeyId([u8; 10]);

impl KeyId {
    /// How many characters an id has.
    pub const LENGTH: usize = 16;

    /// A new id out of these dice.
    pub fn draw(entropy: &mut dyn FnMut(&mut [u8])) -> Self {
        let mut bits = [0; 10];
        entropy(&mut bits);
        Self(bits)
    }

    /// As many new ids out of one throw, which is one call to the system.
    pub fn draw_many(count: usize, entropy: &mut dyn FnMut(&mut [u8])) -> Vec<Self> {
        let mut bits = vec![[0; 10]; count];
        entropy(bits.as_flattened_mut());
        bits.into_iter().map(Self).collect()
    }

    /// Whether the text could be the beginning of an id.
    pub fn may_begin_with(text: &str) -> bool {
        text.len() <= Self::LENGTH && text.bytes().all(|byte| ALPHABET.contains(&byte))
    }

    /// A number for tables in memory, whose highest bits are the best: ids are spread evenly by them,
    /// drawn ones and those that somebody counted up.
    pub fn mixed(self) -> u64 {
        let [first @ .., high, low] = self.0;
        let last = u64::from(u16::from_be_bytes([high, low]));
        // By 2^64 over the golden ratio (Fibonacci hashing), after which the highest bits tell most.
        (u64::from_be_bytes(first) ^ last << 32).wrapping_mul(0x9e37_79b9_7f4a_7c15)
    }
}

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = [0; Self::LENGTH];
        // Five bytes are eight characters, twice.
        for (half, digits) in self.0.chunks_exact(5).zip(text.chunks_exact_mut(8)) {
            let bits = half.iter().fold(0_u64, |bits, byte| bits << 8 | u64::from(*byte));
            for (digit, shift) in digits.iter_mut().zip((0..40).step_by(5).rev()) {
                *digit = ALPHABET[(bits >> shift & 31) as usize];
            }
        }
        f.write_str(str::from_utf8(&text).expect("the alphabet is ASCII"))
    }
}

impl fmt::Debug for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for KeyId {
    type Err = NotAKeyId;

    fn from_str(text: &str) -> Result<Self, NotAKeyId> {
        let text: &[u8; Self::LENGTH] = text.as_bytes().try_into().map_err(|_| NotAKeyId)?;
        let (mut id, mut seen) = ([0; 10], 0);
        // Eight characters are five bytes, twice.
        for (digits, half) in text.chunks_exact(8).zip(id.chunks_exact_mut(5)) {
            let mut bits = 0_u64;
            for value in digits.iter().map(|digit| VALUES[usize::from(*digit)]) {
                bits = bits << 5 | u64::from(value);
                seen |= value;
            }
            half.copy_from_slice(&bits.to_be_bytes()[3..]);
        }
        // What is no digit has bits that no digit has.
        if seen < 32 { Ok(Self(id)) } else { Err(NotAKeyId) }
    }
}

crate::json::as_text!(KeyId);

/// A text that is no key id.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct NotAKeyId;

/// Crockford's alphabet: no `i`, `l`, `o` or `u`.
const ALPHABET: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";

/// What each of them stands for; 255 for what is none.
const VALUES: [u8; 256] = {
    let mut values = [u8::MAX; 256];
    let mut value = 0;
    while value < ALPHABET.len() {
        values[ALPHABET[value] as usize] = value as u8;
        value += 1;
    }
    values
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_80_bits_in_16_characters() {
        let mut counted = 0;
        let id = KeyId::draw(&mut |bytes| {
            counted += bytes.len();
            bytes.copy_from_slice(&[0x00, 0x44, 0x32, 0x14, 0xc7, 0x42, 0x54, 0xb6, 0x35, 0xcf]);
        });
        assert_eq!(counted, 10);
        // RFC 4648 bits, Crockford's letters: 0,1,2,3 … 15.
        assert_eq!(id.to_string(), "0123456789abcdef");
        assert_eq!(KeyId([0xff; 10]).to_string(), "zzzzzzzzzzzzzzzz");
        assert_eq!(format!("{id:?}"), "0123456789abcdef");
    }

    #[test]
    fn many_ids_are_drawn_in_one_throw() {
        let mut throws = 0;
        let ids = KeyId::draw_many(300, &mut |bytes| {
            throws += 1;
            bytes.iter_mut().zip(0_u32..).for_each(|(byte, n)| *byte = (n / 10) as u8);
        });
        assert_eq!(throws, 1);
        assert!(ids.into_iter().eq((0..300_u32).map(|n| KeyId([n as u8; 10]))));
    }

    /// Of 4096 ids that somebody counted up in some place, no number has more than a few.
    #[test]
    fn ids_are_spread_evenly() {
        for place in 0..9 {
            let mut counts = [0; 4096];
            for n in 0..4096_u16 {
                let mut id = [7; 10];
                id[place..place + 2].copy_from_slice(&n.to_be_bytes());
                counts[(KeyId(id).mixed() >> 52) as usize] += 1;
            }
            assert!(counts.iter().all(|count| *count < 8), "{place} {:?}", counts.iter().max());
        }
    }

    #[test]
    fn what_an_id_may_begin_with_is_the_beginning_of_one() {
        for (text, may) in [
            ("", true),
            ("0", true),
            ("zzzzzzzzzzzzzzzz", true),
            ("zzzzzzzzzzzzzzzzz", false),
            ("i", false),
            ("0A", false),
        ] {
            assert_eq!(KeyId::may_begin_with(text), may, "{text}");
        }
    }

    #[test]
    fn text_and_id_are_inverses() {
        for text in ["0000000000000000", "zzzzzzzzzzzzzzzz", "5q7rk2v9m0bw3xyh"] {
            assert_eq!(text.parse::<KeyId>().unwrap().to_string(), text);
        }
        for text in [
            "",
            "0",
            "000000000000000",
            "00000000000000000",
            "000000000000000i",
            "000000000000000A",
            "000000000000000é",
        ] {
            assert_eq!(text.parse::<KeyId>(), Err(NotAKeyId), "{text}");
        }
    }
}
