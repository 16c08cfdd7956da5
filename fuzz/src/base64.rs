//! Base64 (RFC 4648), bit by bit.

const URL: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
const STANDARD: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// Reads base64url without padding, in its one spelling.
pub fn url(text: &[u8]) -> Option<Vec<u8>> {
    read(text, URL)
}

/// Reads base64 with padding, in its one spelling.
pub fn standard(text: &[u8]) -> Option<Vec<u8>> {
    let end = text.iter().rposition(|byte| *byte != b'=').map_or(0, |last| last + 1);
    let padded = text.len().is_multiple_of(4) && text.len() - end < 3;
    if padded { read(&text[..end], STANDARD) } else { None }
}

/// Writes base64url without padding.
pub fn to_url(bytes: &[u8]) -> String {
    let bit = |at: usize| bytes.get(at / 8).map_or(0, |byte| byte >> (7 - at % 8) & 1);
    let digit = |at: usize| (0..6).fold(0, |digit, more| digit << 1 | bit(at + more));
    let digits = (0..bytes.len() * 8).step_by(6).map(digit);
    digits.map(|digit| char::from(URL[usize::from(digit)])).collect()
}

fn read(text: &[u8], alphabet: &[u8; 64]) -> Option<Vec<u8>> {
    let (mut bytes, mut bits, mut count) = (vec![], 0_u32, 0);
    for byte in text {
        let digit = alphabet.iter().position(|known| known == byte)?;
        bits = bits << 6 | digit as u32;
        count += 6;
        if count >= 8 {
            count -= 8;
            bytes.push((bits >> count) as u8);
            bits &= (1 << count) - 1;
        }
    }
    // Six bits too many are a digit that says nothing.
    (count < 6 && bits == 0).then_some(bytes)
}
