//! The text of a key, changed character by character: what is in front, the three parts, sizes.

use std::time::{Duration, Instant};

use msb::key::{KeyText, Malformed, Prefix, UnverifiedKey};
use zeroize::Zeroizing;

use super::{FEWEST, FULL, LIMITED, Mutants, NAMED, key_text, parse, rules};

#[test]
fn a_changed_character_is_malformed_or_breaks_the_signature() {
    let mut mutants = Mutants::new();
    let all: String = (0..128).map(char::from).chain("ÿ．А\u{200b}".chars()).collect();
    for (claims, others) in [(FEWEST, all.as_str()), (FULL, "AQgwZz09-_.=+/ \n\0~\"{é\u{200b}")] {
        let good = mutants.key(claims);
        for at in 0..good.len() {
            for other in others.chars() {
                let mutant = format!("{}{other}{}", &good[..at], &good[at + 1..]);
                if mutant == good {
                    continue;
                }
                let verdict = mutants.judge(&mutant);
                let possible: &[&str] = match part(&good, at) {
                    "header" => &["malformed", "unknown_server_key"],
                    "claims" | "signature" => &["malformed", "bad_signature"],
                    _ => &["malformed"],
                };
                assert!(possible.contains(&verdict), "{verdict}: {mutant}");
            }
        }
    }
    mutants.at_least(35_000);
    // The kid and the signature are free text in their alphabet, so most of theirs read well.
    assert!(mutants.verdicts["unknown_server_key"] > 350);
    assert!(mutants.verdicts["bad_signature"] > 5_000);
}

/// Which part of a key this position is in.
fn part(key: &str, at: usize) -> &'static str {
    let points: Vec<_> = key.match_indices('.').map(|(at, _)| at).collect();
    match at {
        0..4 => "prefix",
        _ if points.contains(&at) => "point",
        _ if at < points[0] => "header",
        _ if at < points[1] => "claims",
        _ => "signature",
    }
}

#[test]
fn a_key_cut_lengthened_or_shuffled_is_malformed() {
    let mut mutants = Mutants::new();
    for claims in [FEWEST, NAMED, LIMITED, FULL] {
        let good = mutants.key(claims);
        for at in 0..good.len() {
            let (front, back) = good.split_at(at);
            mutants.check(front, "malformed");
            mutants.check(&format!("{front}{}", &back[1..]), "malformed");
            if at > 0 {
                mutants.check(back, "malformed");
            }
            for more in ["A", "_", ".", "=", " ", "\n", "\r\n", "\t", "\0", "\u{feff}", "AAAA"] {
                mutants.judge(&format!("{front}{more}{back}"));
            }
            for more in [".", "=", " ", "\n", "\0"] {
                mutants.check(&format!("{front}{more}{back}"), "malformed");
            }
        }
        let swaps = (4..good.len() - 1).map(|at| {
            format!("{}{}{}{}", &good[..at], &good[at + 1..at + 2], &good[at..=at], &good[at + 2..])
        });
        for swapped in swaps.filter(|swapped| *swapped != good) {
            mutants.judge(&swapped);
        }
    }
    mutants.at_least(15_000);
}

#[test]
fn every_bit_of_the_signature_counts() {
    let mut mutants = Mutants::new();
    for claims in [FEWEST, FULL] {
        let good = mutants.key(claims);
        let (input, signature) = good.rsplit_once('.').unwrap();
        let signature = rules::decode(signature).unwrap();
        for bit in 0..512 {
            let mut forged = signature.clone();
            forged[bit / 8] ^= 1 << (bit % 8);
            mutants.check(&format!("{input}.{}", rules::encode(&forged)), "bad_signature");
        }
        // Nothing, R alone, one byte less or more, and the same again.
        for length in [0, 1, 32, 63] {
            let short = rules::encode(&signature[..length]);
            mutants.check(&format!("{input}.{short}"), "malformed");
        }
        let long = [&signature[..], &[0]].concat();
        mutants.check(&format!("{input}.{}", rules::encode(&long)), "malformed");
        mutants.check(&format!("{input}.{}", rules::encode(&signature.repeat(2))), "malformed");
        for weak in [[0; 64], [0xff; 64], std::array::from_fn(|at| u8::from(at == 0))] {
            mutants.check(&format!("{input}.{}", rules::encode(&weak)), "bad_signature");
        }
        // S + L, which a laxer verifier takes for S (RFC 8032 section 5.1.7).
        let mut lifted = signature.clone();
        let mut carry = 0;
        for (byte, order) in lifted[32..].iter_mut().zip(ORDER) {
            carry += u16::from(*byte) + u16::from(order);
            *byte = carry as u8;
            carry >>= 8;
        }
        mutants.check(&format!("{input}.{}", rules::encode(&lifted)), "bad_signature");
    }
    mutants.at_least(1_040);
}

/// The order of the group, L, little-endian.
const ORDER: [u8; 32] = [
    0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58, 0xd6, 0x9c, 0xf7, 0xa2, 0xde, 0xf9, 0xde, 0x14,
    0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x10,
];

#[test]
fn a_signature_over_something_else_does_not_hold() {
    let mut mutants = Mutants::new();
    let good = mutants.key(FULL);
    let (input, _) = good.rsplit_once('.').unwrap();
    let (header, claims) = input.strip_prefix("msb_").unwrap().split_once('.').unwrap();
    let decoded = rules::decode(claims).unwrap();
    for message in [
        input.as_bytes(),
        format!("{header}.{claims}\n").as_bytes(),
        format!("{header}.{claims}.").as_bytes(),
        header.as_bytes(),
        claims.as_bytes(),
        &decoded,
        b"",
    ] {
        let signature = rules::encode(&mutants.server_key.sign(message));
        mutants.check(&format!("{input}.{signature}"), "bad_signature");
    }
    let other = mutants.key(FEWEST);
    let (_, signature) = other.rsplit_once('.').unwrap();
    mutants.check(&format!("{input}.{signature}"), "bad_signature");
}

#[test]
fn base64url_has_one_spelling() {
    let mut mutants = Mutants::new();
    let mut others = 0;
    for claims in [FEWEST, NAMED, LIMITED, FULL] {
        let good = mutants.key(claims);
        let [header, claims, signature] = parts(&good);
        // Trailing bits: the same bytes, spelled otherwise; signed as they are spelled.
        for claims in spellings(claims) {
            mutants.check(&mutants.sign_parts(header, &claims), "malformed");
            others += 1;
        }
        for signature in spellings(signature) {
            mutants.check(&format!("msb_{header}.{claims}.{signature}"), "malformed");
            others += 1;
        }
        for padding in ["=", "==", "==="] {
            mutants.check(&mutants.sign_parts(&format!("{header}{padding}"), claims), "malformed");
            mutants.check(&mutants.sign_parts(header, &format!("{claims}{padding}")), "malformed");
            mutants.check(&format!("{good}{padding}"), "malformed");
        }
        mutants.check(&good.replace('-', "+").replace('_', "/"), "malformed");
        mutants.check(&mutants.sign_parts(header, &format!("{claims}\n")), "malformed");
    }
    // 4 bits over are 15 other spellings, 2 bits 3, none 0; a signature has 4.
    assert_eq!(others, 15 * 4 + 3 + 15 + [0, 15, 3][FULL.len() % 3]);

    // A header that has bits over is not as long as ours, whatever it says.
    let kid = mutants.server_key.public().kid().to_string();
    for other in [kid[..10].to_owned(), format!("{kid}A")] {
        let header = rules::encode(mutants.header().replace(&kid, &other).as_bytes());
        for header in spellings(&header) {
            let claims = rules::encode(FEWEST.as_bytes());
            mutants.check(&mutants.sign_parts(&header, &claims), "malformed");
        }
    }

    // The other alphabet, where it matters.
    let mut used = 0;
    for count in 0..200 {
        let good = mutants.key(FEWEST.replace("1795428000", &format!("{}", 1_795_000_000 + count)));
        let (input, signature) = good.rsplit_once('.').unwrap();
        if signature.contains(['-', '_']) {
            let other = signature.replace('-', "+").replace('_', "/");
            mutants.check(&format!("{input}.{other}"), "malformed");
            used += 1;
        }
    }
    assert!(used > 100);
    mutants.at_least(200);
}

/// The other last characters under which a lax decoder reads the same bytes.
fn spellings(part: &str) -> Vec<String> {
    let over = match part.len() % 4 {
        2 => 16,
        3 => 4,
        _ => 1,
    };
    let (front, last) = part.split_at(part.len() - 1);
    let last = rules::ALPHABET.iter().position(|digit| last.as_bytes() == [*digit]).unwrap();
    assert_eq!(last % over, 0);
    (1..over).map(|bits| format!("{front}{}", char::from(rules::ALPHABET[last + bits]))).collect()
}

fn parts(key: &str) -> [&str; 3] {
    let parts: Vec<_> = key.strip_prefix("msb_").unwrap().split('.').collect();
    parts.try_into().unwrap()
}

#[test]
fn a_key_has_three_parts() {
    let mut mutants = Mutants::new();
    let good = mutants.key(FULL);
    let [header, claims, signature] = parts(&good);
    let signed = format!(r#""protected":"{header}","signature":"{signature}""#);
    for text in [
        "".to_owned(),
        ".".to_owned(),
        "..".to_owned(),
        "...".to_owned(),
        header.to_owned(),
        format!("{header}.{claims}"),
        format!("{header}.{claims}."),
        format!("{header}..{signature}"),
        format!(".{claims}.{signature}"),
        format!("{header}.{claims}.{signature}."),
        format!(".{header}.{claims}.{signature}"),
        format!("{header}..{claims}.{signature}"),
        format!("{header}.{claims}..{signature}"),
        format!("{header}.{claims}.{signature}.{signature}"),
        format!("{header}.{header}.{claims}.{signature}"),
        format!("{header}.{claims}.{claims}.{signature}.{signature}"),
        format!("{claims}.{header}.{signature}"),
        format!("{header}:{claims}:{signature}"),
        format!("{header}․{claims}․{signature}"),
        format!("{header}.{claims}.{signature}~"),
        // JWS JSON serialization (RFC 7515 section 7.2).
        format!(r#"{{"payload":"{claims}",{signed}}}"#),
        format!(r#"{{"payload":"{claims}","signatures":[{{{signed}}}]}}"#),
    ] {
        mutants.check(&text, "malformed");
        mutants.check(&format!("msb_{text}"), "malformed");
    }
    mutants.at_least(40);
}

#[test]
fn what_is_in_front_is_the_prefix_and_nothing_else() {
    let mutants = Mutants::new();
    let good = mutants.key(FULL);
    let jws = good.strip_prefix("msb_").unwrap();
    let check = |text: &str, why| {
        assert_eq!(parse(&key_text(text)).err(), Some(why), "{text:?}");
        assert!(rules::read(text).is_none());
    };
    for text in [
        jws.to_owned(),
        format!("_{jws}"),
        format!("msb{jws}"),
        format!("msb-{jws}"),
        format!("rb_{jws}"),
        format!("MSB_{jws}"),
        format!("Msb_{jws}"),
        format!("msb\u{ff3f}{jws}"),
        format!("msb\0_{jws}"),
        format!("\0{good}"),
        format!("\u{feff}{good}"),
        format!("mѕb_{jws}"),
        format!("key={good}"),
        format!("\u{201c}{good}\u{201d}"),
        format!("`{good}`"),
        String::new(),
    ] {
        check(&text, Malformed::Prefix);
    }
    check(&format!("Bearer {good}"), Malformed::Bearer);
    check(&format!("bearer {good}"), Malformed::Bearer);
    check(&format!("BEARER {jws}"), Malformed::Bearer);
    check(&format!("Bearer{good}"), Malformed::Bearer);
    check(&format!("MSB_API_KEY={good}"), Malformed::Assignment);
    check(&format!("export MSB_API_KEY={good}"), Malformed::Assignment);
    check(&format!("MSB_API_KEY='{good}'"), Malformed::Assignment);
    check(&format!("'{good}'"), Malformed::Quoted);
    check(&format!("\"{good}\""), Malformed::Quoted);
    for blank in [" ", "\n", "\r\n", "\t", "\u{a0}", "\u{2028}", "\u{b}"] {
        check(&format!("{blank}{good}"), Malformed::Blank);
        check(&format!("{good}{blank}"), Malformed::Blank);
        check(&good.replacen('.', &format!(".{blank}"), 1), Malformed::Blank);
    }
    check(" \n", Malformed::Blank);
    check(&format!("msb_{good}"), Malformed::Header);
    check(&format!("{good}\0"), Malformed::Signature);
    check(&format!("{good}\""), Malformed::Signature);
    check(&format!("{good}\u{200b}"), Malformed::Signature);
    check(&format!("{good}é"), Malformed::Signature);
    check(&format!("{good}{good}"), Malformed::Parts);
    check("msb_", Malformed::Parts);
}

#[test]
fn the_longest_key_has_4096_characters() {
    let mut mutants = Mutants::new();
    let names: Vec<_> = (0..32).map(|at| format!("n{at:02}{}", "x".repeat(60))).collect();
    let claims = |length: usize| {
        let front = format!(
            r#"{{"jti":"40h24gs8awjptfkg","iat":1795428000,"namespace":["{}"],"scope":"a"#,
            names.join(r#"",""#)
        );
        let scope = "a".repeat(length - front.len() - 2);
        format!("{front}{scope}\"}}")
    };
    let longest = mutants.key(claims(2952));
    assert_eq!(longest.len(), 4096);
    mutants.check(&longest, "valid");
    mutants.check(&mutants.key(claims(2951)), "valid");
    // No key of 4097 is base64url, so the prefix grows by one.
    let judge = |text: &str, prefix: &str| {
        let text = KeyText::new(Zeroizing::new(text.to_owned()));
        UnverifiedKey::parse(&text, &prefix.parse::<Prefix>().unwrap()).err()
    };
    assert_eq!(judge(&longest, "msb_"), None);
    assert_eq!(judge(&longest.replacen("msb_", "msbx_", 1), "msbx_"), Some(Malformed::TooLong));
    assert_eq!(judge(&longest.replacen("msb_", "ms_", 1), "ms_"), None);
    let longer = mutants.key(claims(2953));
    assert_eq!((longer.len(), parse(&key_text(&longer)).err()), (4098, Some(Malformed::TooLong)));
    mutants.check(&longer, "malformed");
}

#[test]
fn what_is_too_long_is_not_looked_at() {
    let mut mutants = Mutants::new();
    for length in [64 << 10, 1 << 20, 10 << 20] {
        let filler = "A".repeat(length);
        for text in [
            format!("msb_{filler}"),
            filler.clone(),
            format!("{}{filler}", mutants.key(FEWEST)),
            mutants.sign_parts(&rules::encode(mutants.header().as_bytes()), &filler),
            ".".repeat(length),
            " ".repeat(length),
        ] {
            mutants.check(&text, "malformed");
            let text = KeyText::new(Zeroizing::new(text));
            let started = Instant::now();
            for _ in 0..100 {
                let parsed = UnverifiedKey::parse(&text, &Prefix::default());
                assert_eq!(parsed.err(), Some(Malformed::TooLong));
            }
            assert!(started.elapsed() < Duration::from_secs(1));
        }
    }
    mutants.at_least(18);
}
