//! Claims, changed and well signed: which there are, in which order, of which type.

use super::{FEWEST, FULL, Mutants};

#[test]
fn a_claim_has_one_type() {
    let values = r#"null|true|false|0|-0|1|-1|00|01|+1|1.0|1.5|1e3|1E3|1e-3|1e400|-1e400|0x10|1_000|
        NaN|Infinity|9223372036854775808|340282366920938463463374607431768211456|""|" "|"x"|"*"|"0"|
        "1795428000"|"null"|[]|[null]|[1]|[1795428000]|["x"]|["x","y"]|[["x","y"]]|{}|{"x":1}|
        {"0":"x"}"#;
    let mut mutants = Mutants::new();
    for (name, _) in CLAIMS {
        let mut read = vec![];
        for value in values.split('|').map(str::trim_start) {
            if mutants.judge(&mutants.key(with(name, value))) != "malformed" {
                read.push(value);
            }
        }
        let expected = match name {
            "jti" | "exp" => "",
            "iat" | "nbf" => "0|1",
            "namespace" => r#""x"|"*"|"0"|"1795428000"|"null"|["x","y"]"#,
            "scope" => r#""x"|"*"|"0"|"1795428000"|"null""#,
            _ => r#""x"|"0"|"1795428000"|"null""#,
        };
        assert_eq!(read.join("|"), expected, "{name}");
        mutants.check_claims(with(name, ""), "malformed");
        mutants.check_claims(with(name, "\"x"), "malformed");
    }
    mutants.at_least(370);
}

#[test]
fn claims_are_the_known_ones_each_once_in_their_order() {
    let mut mutants = Mutants::new();
    // Every choice of claims: the three that must be there decide.
    for chosen in 0..1 << CLAIMS.len() {
        let has = |at: usize| chosen >> at & 1 == 1;
        let claims: Vec<_> = (0..CLAIMS.len()).filter(|at| has(*at)).map(|at| CLAIMS[at]).collect();
        let verdict = match has(0) && has(1) && has(4) {
            true if has(8) => "wrong_audience",
            true => "valid",
            false => "malformed",
        };
        mutants.check_claims(written(&claims), verdict);
    }
    for first in 0..CLAIMS.len() {
        for second in 0..first {
            let mut claims = CLAIMS;
            claims.swap(first, second);
            mutants.check_claims(written(&claims), "malformed");
        }
        // Doubled: side by side, at the end, and by escape, with the same value and another.
        let (name, value) = CLAIMS[first];
        let escaped = format!("\\u{:04x}{}", name.as_bytes()[0], &name[1..]);
        for double in [(name, value), (name, "0"), (&escaped, value), (&escaped, "\"*\"")] {
            for at in [0, first, first + 1, CLAIMS.len()] {
                let mut claims = CLAIMS.to_vec();
                claims.insert(at, double);
                mutants.check_claims(written(&claims), "malformed");
            }
        }
        let mut claims = CLAIMS;
        claims[first].0 = &escaped;
        mutants.check_claims(written(&claims), "malformed");
        let upper = name.to_uppercase();
        claims[first].0 = &upper;
        mutants.check_claims(written(&claims), "malformed");
    }
    for extra in ["max_uses", "cnf", "ns", "namespaces", "scp", "client_id", "", "Jti", "exp "] {
        for value in ["null", "1", "\"x\"", "[]", "{}"] {
            for at in 0..=CLAIMS.len() {
                let mut claims = CLAIMS.to_vec();
                claims.insert(at, (extra, value));
                mutants.check_claims(written(&claims), "malformed");
            }
        }
    }
    mutants.at_least(1_000);
}

#[test]
fn claims_have_no_blanks_and_nothing_around_them() {
    let mut mutants = Mutants::new();
    for claims in [FEWEST, FULL] {
        // Behind and before every mark of JSON, outside strings and inside.
        for (at, _) in claims.match_indices(['{', '}', '[', ']', ':', ',', '"', ' ']) {
            for blank in " |\n|\t|\r|\r\n|\u{feff}|\u{a0}|\0|/**/|//\n".split('|') {
                let (front, back) = claims.split_at(at);
                mutants.check_claims(format!("{front}{blank}{back}"), "malformed");
                let (front, back) = claims.split_at(at + 1);
                mutants.check_claims(format!("{front}{blank}{back}"), "malformed");
            }
        }
        for text in [
            format!("{claims}{claims}"),
            format!("[{claims}]"),
            format!("{claims},"),
            format!("{claims}null"),
            format!("{claims}}}"),
            format!("{{{claims}}}"),
            format!("{{\"claims\":{claims}}}"),
            claims.replace('"', "'"),
            claims.replace("\"jti\"", "jti"),
            claims.replace('}', ",}"),
            claims.replace('{', "{,"),
            claims.replace(',', ",,"),
            claims.replace(':', "="),
            format!("{claims:?}"),
        ] {
            mutants.check_claims(text, "malformed");
        }
        let utf_16: Vec<u8> = claims.encode_utf16().flat_map(u16::to_le_bytes).collect();
        mutants.check_claims(utf_16, "malformed");
    }
    mutants.check_claims(
        r#"["40h24gs8awjptfkg",1795428000,null,null,"*","a",null,null,null]"#,
        "malformed",
    );
    mutants.check_claims(r#"["40h24gs8awjptfkg",1795428000]"#, "malformed");
    for text in ["", "{}", "[]", "null", "true", "0", "\"\"", "{", "}", "\0", "\u{feff}"] {
        mutants.check_claims(text, "malformed");
    }
    mutants.check_claims([0xff, 0xfe], "malformed");
    mutants.at_least(1_000);
}

#[test]
fn deep_nesting_is_malformed_at_every_depth() {
    let mut mutants = Mutants::new();
    for depth in [1, 100, 127, 128, 129, 1_000, 1_400, 10_000] {
        for [open, inside, close] in
            [["[", "", "]"], ["[", r#""a","b""#, "]"], [r#"{"a":"#, "1", "}"]]
        {
            let deep = format!("{}{inside}{}", open.repeat(depth), close.repeat(depth));
            if deep == r#"["a","b"]"# {
                continue;
            }
            for (name, _) in CLAIMS {
                mutants.check_claims(with(name, &deep), "malformed");
            }
            mutants.check_claims(FEWEST.replace('}', &format!(r#","x":{deep}}}"#)), "malformed");
            mutants.check_claims(&deep, "malformed");
            mutants.check_claims(open.repeat(depth), "malformed");
            let header = mutants.header();
            mutants.check_header(&header.replace('}', &format!(r#","x":{deep}}}"#)), "malformed");
            mutants.check_header(&header.replace(r#""EdDSA""#, &deep), "malformed");
        }
    }
    mutants.at_least(250);
}

#[test]
fn a_changed_byte_of_the_claims_keeps_the_one_spelling_or_is_malformed() {
    let mut mutants = Mutants::new();
    let all: Vec<u8> = (0..128).chain([0x80, 0xc3, 0xff]).collect();
    let some = b"\0 \"*+-,./019:AZ[\\]_az{}\x7f";
    for (claims, others) in [(FEWEST, all.as_slice()), (FULL, some)] {
        for at in 0..claims.len() {
            for byte in others {
                let mut mutant = claims.as_bytes().to_vec();
                mutant[at] = *byte;
                mutants.judge(&mutants.key(&mutant));
                mutant.insert(at, claims.as_bytes()[at]);
                mutants.judge(&mutants.key(&mutant));
            }
            for end in at + 1..claims.len().min(at + 24) {
                mutants.judge(&mutants.key(format!("{}{}", &claims[..at], &claims[end..])));
            }
        }
    }
    mutants.at_least(29_000);
    for verdict in ["valid", "malformed", "not_yet_valid"] {
        assert!(mutants.verdicts[verdict] > 100, "few are {verdict}");
    }
}

/// Every claim in its place, with a value that is well formed.
const CLAIMS: [(&str, &str); 9] = [
    ("jti", r#""40h24gs8awjptfkg""#),
    ("iat", "1795428000"),
    ("exp", "1795429000"),
    ("nbf", "1795428000"),
    ("namespace", r#""dev""#),
    ("scope", r#""sandbox.start""#),
    ("sub", r#""ann""#),
    ("iss", r#""https://keys.example.org""#),
    ("aud", r#""sandbox""#),
];

fn written(claims: &[(&str, &str)]) -> String {
    let members: Vec<_> =
        claims.iter().map(|(name, value)| format!(r#""{name}":{value}"#)).collect();
    format!("{{{}}}", members.join(","))
}

/// The claims with this one set to another value. `aud`, which nobody is here, only if asked for.
pub(super) fn with(name: &str, value: &str) -> String {
    let set = |(known, old)| (known, if known == name { value } else { old });
    let claims = CLAIMS.map(set);
    written(&claims[..if name == "aud" { 9 } else { 8 }])
}
