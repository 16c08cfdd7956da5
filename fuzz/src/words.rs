//! The grammars of the design, byte by byte.

/// `[A-Za-z0-9][A-Za-z0-9_-]{0,62}`.
pub fn is_namespace(word: &str) -> bool {
    let [first, rest @ ..] = word.as_bytes() else { return false };
    first.is_ascii_alphanumeric() && rest.len() < 63 && rest.iter().all(|byte| letter(*byte))
}

/// `[A-Za-z0-9][A-Za-z0-9_-]*([.:/][A-Za-z0-9_-]+)*`, with a wildcard at its end or not; or `*`.
pub fn is_scope_word(word: &str) -> bool {
    let bytes = word.as_bytes();
    if bytes == b"*" {
        return true;
    }
    if !bytes.first().is_some_and(u8::is_ascii_alphanumeric) {
        return false;
    }
    let (mut mark, mut ended) = (false, false);
    for byte in &bytes[1..] {
        match byte {
            _ if ended => return false,
            b'.' | b':' | b'/' if mark => return false,
            b'.' | b':' | b'/' => mark = true,
            b'*' if mark => (mark, ended) = (false, true),
            byte if letter(*byte) => mark = false,
            _ => return false,
        }
    }
    !mark
}

/// `[A-Za-z0-9][A-Za-z0-9@._+:/-]{0,127}`.
pub fn is_party(word: &str) -> bool {
    let [first, rest @ ..] = word.as_bytes() else { return false };
    let inner = |byte: &u8| letter(*byte) || b"@.+:/".contains(byte);
    first.is_ascii_alphanumeric() && rest.len() < 128 && rest.iter().all(inner)
}

/// 16 lower-case Crockford base32 characters: no `i`, `l`, `o`, `u`.
pub fn is_key_id(word: &str) -> bool {
    let digit =
        |byte: u8| byte.is_ascii_digit() || byte.is_ascii_lowercase() && !b"ilou".contains(&byte);
    word.len() == 16 && word.bytes().all(digit)
}

/// 11 characters of base64url.
pub fn is_kid(word: &str) -> bool {
    word.len() == 11 && word.bytes().all(letter)
}

/// `[a-z][a-z0-9]{0,14}_`.
pub fn is_prefix(word: &str) -> bool {
    let [first, inner @ .., b'_'] = word.as_bytes() else { return false };
    let plain = |byte: &u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    first.is_ascii_lowercase() && inner.len() < 15 && inner.iter().all(plain)
}

/// A whole number of seconds from 1970 to the year 9999, in its one spelling.
pub fn instant(digits: &str) -> Option<i64> {
    let number: i64 = digits.parse().ok()?;
    (number.to_string() == digits && (0..=253_402_300_799).contains(&number)).then_some(number)
}

fn letter(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-'
}
