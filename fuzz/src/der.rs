//! Ed25519 keys in PEM (RFC 7468) and DER (RFC 5958, RFC 8410, RFC 5280 section 4.1), by hand.

use crate::base64;

/// Reads what stands between two lines of this label, as lax as anybody may.
pub fn pem(text: &str, label: &str) -> Option<Vec<u8>> {
    let rest = text.strip_prefix(&format!("-----BEGIN {label}-----"))?;
    let (inside, behind) = rest.split_once(&format!("-----END {label}-----"))?;
    let plain: Vec<u8> = inside.bytes().filter(|byte| !byte.is_ascii_whitespace()).collect();
    base64::standard(&plain).filter(|_| behind.trim().is_empty())
}

/// The seed of a private key, and the public key that may follow it.
pub fn private(der: &[u8]) -> Option<([u8; 32], Option<[u8; 32]>)> {
    let (mut inside, &[]) = value(0x30, der)? else { return None };
    let version = take(&mut inside, 0x02)?;
    (take(&mut inside, 0x30)? == ED25519).then_some(())?;
    let (seed, &[]) = value(0x04, take(&mut inside, 0x04)?)? else { return None };
    // Attributes say nothing of the key.
    let _ = take(&mut inside, 0xa0);
    let public = match take(&mut inside, 0x81) {
        Some([0, bits @ ..]) => Some(bits.try_into().ok()?),
        Some(_) => return None,
        None => None,
    };
    let whole = inside.is_empty() && version == [u8::from(public.is_some())];
    whole.then_some((seed.try_into().ok()?, public))
}

/// The point of a public key.
pub fn public(der: &[u8]) -> Option<[u8; 32]> {
    let (mut inside, &[]) = value(0x30, der)? else { return None };
    (take(&mut inside, 0x30)? == ED25519).then_some(())?;
    let (&[0, ref bits @ ..], &[]) = value(0x03, inside)? else { return None };
    bits.try_into().ok()
}

/// The object identifier 1.3.101.112, and no parameters.
const ED25519: [u8; 5] = [0x06, 0x03, 0x2b, 0x65, 0x70];

fn take<'d>(rest: &mut &'d [u8], tag: u8) -> Option<&'d [u8]> {
    let (inside, behind) = value(tag, rest)?;
    *rest = behind;
    Some(inside)
}

/// What a value of this tag holds, and what is behind it.
fn value(tag: u8, der: &[u8]) -> Option<(&[u8], &[u8])> {
    let [found, length, rest @ ..] = der else { return None };
    let (length, rest) = match (length, rest) {
        (0..=0x7f, rest) => (usize::from(*length), rest),
        (0x81, [length @ 0x80..=0xff, rest @ ..]) => (usize::from(*length), rest),
        (0x82, [high @ 1..=0xff, low, rest @ ..]) => {
            (usize::from(*high) << 8 | usize::from(*low), rest)
        }
        _ => return None,
    };
    if *found == tag { rest.split_at_checked(length) } else { None }
}
