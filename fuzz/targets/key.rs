//! Any text as a key: msb reads one there if and only if a second reading by hand does, and reads
//! the same.

#![no_main]

use libfuzzer_sys::{fuzz_mutator, fuzz_target, fuzzer_mutate};
use msb::key::{KeyText, Prefix, UnverifiedKey};
use msb_fuzz::{
    base64,
    claims::{self, Claims},
    words,
};

fuzz_target!(|text: &str| {
    let key = KeyText::from(text.to_owned());
    let borne = Prefix::borne_by(&key);
    let own = text.find('_').map(|end| &text[..=end]).filter(|word| words::is_prefix(word));
    assert_eq!(borne.as_ref().map(Prefix::as_str), own);
    // Among lines any prefix will do.
    let own = claims::key(text, own.unwrap_or("msb_"));
    assert_eq!(UnverifiedKey::parse_line(text.as_bytes(), None).is_ok(), own.is_some());
    for prefix in [Some(Prefix::default()), borne].iter().flatten() {
        let found = UnverifiedKey::parse(&key, prefix).ok();
        let line = UnverifiedKey::parse_line(text.as_bytes(), Some(prefix));
        assert_eq!(line.is_ok(), found.is_some(), "as a line");
        let second = claims::key(text, prefix.as_str());
        assert_eq!(found.is_some(), second.is_some(), "msb: {}", found.is_some());
        if let (Some(found), Some(second)) = (found, second) {
            assert_eq!(found.kid().to_string(), second.kid);
            assert_eq!(Claims::from(found.claims_unverified()), second.claims);
            let signature = base64::to_url(&second.signature);
            assert_eq!(format!("{prefix}{}.{signature}", second.signed), text);
        }
    }
});

// What stands in base64 hardly ever stays base64: every other time a part is changed as what it
// says.
fuzz_mutator!(|data: &mut [u8], size: usize, max_size: usize, seed: u32| {
    if seed.is_multiple_of(2) {
        return fuzzer_mutate(data, size, max_size);
    }
    let text = data[..size].to_vec();
    let mut parts: Vec<_> = text.split(|byte| *byte == b'.').map(<[u8]>::to_vec).collect();
    let part = seed as usize / 2 % parts.len();
    let front = if part == 0 { parts[0].iter().position(|byte| *byte == b'_') } else { None };
    let front = front.map_or(0, |end| end + 1);
    let Some(mut said) = base64::url(&parts[part][front..]) else {
        return fuzzer_mutate(data, size, max_size);
    };
    let length = said.len();
    said.resize(length + 64, 0);
    let length = fuzzer_mutate(&mut said, length, length + 64);
    parts[part].truncate(front);
    parts[part].extend(base64::to_url(&said[..length]).bytes());
    let text = parts.join(&b'.');
    let size = text.len().min(max_size);
    data[..size].copy_from_slice(&text[..size]);
    size
});
