//! The header, changed and well signed: only its spelling and its kid can turn it away.

use super::{FEWEST, Mutants};

#[test]
fn a_header_has_three_members_in_their_order() {
    let mut mutants = Mutants::new();
    let header = mutants.header();
    let kid = mutants.server_key.public().kid().to_string();
    mutants.check_header(&header, "valid");
    let (alg, kid) = (r#""alg":"EdDSA""#, format!(r#""kid":"{kid}""#));
    let typ = r#""typ":"msb+jwt""#;
    for members in [
        vec![],
        vec![alg],
        vec![alg, &kid],
        vec![alg, typ],
        vec![&kid, typ],
        vec![alg, typ, &kid],
        vec![&kid, alg, typ],
        vec![&kid, typ, alg],
        vec![typ, alg, &kid],
        vec![typ, &kid, alg],
        vec![alg, alg, &kid, typ],
        vec![alg, &kid, &kid, typ],
        vec![alg, &kid, typ, typ],
        vec![r#""alg":"none""#, alg, &kid, typ],
        vec![alg, r#""alg":"none""#, &kid, typ],
        vec![r#""\u0061lg":"none""#, alg, &kid, typ],
        vec![r#""\u0061lg":"EdDSA""#, &kid, typ],
        vec![r#""ALG":"EdDSA""#, &kid, typ],
        vec![alg, r#""alg ":"EdDSA""#, &kid, typ],
    ] {
        mutants.check_header(&format!("{{{}}}", members.join(",")), "malformed");
    }
    for extra in [
        r#""jku":"https://evil.example/jwks""#,
        r#""jwk":{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}"#,
        r#""x5u":"https://evil.example/x5u""#,
        r#""x5c":["AAAA"]"#,
        r#""crit":["exp"]"#,
        r#""crit":[]"#,
        r#""b64":false"#,
        r#""b64":true"#,
        r#""zip":"DEF""#,
        r#""enc":"A256GCM""#,
        r#""p2c":2147483647"#,
        r#""cty":"JWT""#,
        r#""iss":"me""#,
        r#""nonce":null"#,
        r#""":"""#,
    ] {
        for members in [
            [extra, alg, &kid, typ],
            [alg, extra, &kid, typ],
            [alg, &kid, extra, typ],
            [alg, &kid, typ, extra],
        ] {
            mutants.check_header(&format!("{{{}}}", members.join(",")), "malformed");
        }
    }
    let bare = header.replace(r#"{"alg":"#, "[").replace(r#""kid":"#, "");
    let bare = bare.replace(r#""typ":"#, "").replace('}', "]");
    for text in r#"|{|null|true|5|"EdDSA"|[]"#.split('|') {
        mutants.check_header(text, "malformed");
    }
    for text in [
        &format!("[{header}]"),
        &format!("{header}{header}"),
        &format!("{header},"),
        &format!("{header} "),
        &format!(" {header}"),
        &format!("\u{feff}{header}"),
        &header.replace(':', ": "),
        &header.replace(',', ", "),
        &header.replace(',', ",\n"),
        &header.replace('"', "'"),
        &header.replace('}', ",}"),
        &header.replace('+', "\\u002b"),
        &header.replace('+', "\\/"),
        &bare,
    ] {
        mutants.check_header(text, "malformed");
    }
    mutants.at_least(100);
}

#[test]
fn alg_and_typ_have_one_value() {
    let mut mutants = Mutants::new();
    let header = mutants.header();
    let algs = r#""none"|"None"|"nOnE"|""|"HS256"|"HS512"|"RS256"|"ES256"|"PS256"|"eddsa"|"EDDSA"|
        "EdDSA "|"EdDSA-none"|"Ed25519"|"Ed25519ph"|"Ed448"|"EdDSА"|"EdDS\u0041"|null|true|0|[]|{}|
        ["EdDSA"]|{"EdDSA":null}"#;
    for alg in algs.split('|').map(str::trim_start) {
        let mutant = header.replace(r#""EdDSA""#, alg);
        mutants.check_header(&mutant, "malformed");
        // Nor without a signature, or with an empty one.
        let unsigned = mutants.sign(mutant, FEWEST);
        let (input, _) = unsigned.rsplit_once('.').unwrap();
        mutants.check(&format!("{input}."), "malformed");
        mutants.check(input, "malformed");
    }
    let typs = r#""JWT"|"jwt"|"at+jwt"|"MSB+JWT"|"Msb+jwt"|""|"application/msb+jwt"|"msb+jwt "|"msb"|
        "msb jwt"|null|1|[]|["msb+jwt"]|{"msb+jwt":null}"#;
    for typ in typs.split('|').map(str::trim_start) {
        mutants.check_header(&header.replace(r#""msb+jwt""#, typ), "malformed");
    }
    mutants.at_least(90);
}

#[test]
fn a_kid_has_eleven_characters_and_is_one_of_ours() {
    let mut mutants = Mutants::new();
    let (header, kid) = (mutants.header(), mutants.server_key.public().kid().to_string());
    let thumbprint = mutants.server_key.public().thumbprint();
    for other in [
        "AAAAAAAAAAA".to_owned(),
        "___________".to_owned(),
        kid.to_lowercase(),
        kid.to_uppercase(),
        kid.chars().rev().collect(),
        thumbprint[1..12].to_owned(),
    ] {
        mutants.check_header(&header.replace(&kid, &other), "unknown_server_key");
    }
    let mut others = vec![String::new(), thumbprint.clone(), "../../etc/p".to_owned()];
    others.extend((1..40).filter(|length| *length != 11).map(|length| "A".repeat(length)));
    others.extend(
        ['=', '+', '/', '.', ' ', '*', '\u{7f}', 'é', 'А', '\u{200b}'].into_iter().flat_map(|c| {
            [format!("{c}{}", &kid[1..]), format!("{}{c}", &kid[..10]), format!("{kid}{c}")]
        }),
    );
    others.extend([format!("{} ", kid), format!("\\u002d{}", &kid[1..])]);
    for other in others {
        mutants.check_header(&header.replace(&kid, &other), "malformed");
    }
    for value in ["null", "true", "0", "12345678901", "[]", "{}", &format!(r#"["{kid}"]"#)] {
        mutants.check_header(&header.replace(&format!(r#""{kid}""#), value), "malformed");
    }
    mutants.at_least(80);
}

#[test]
fn a_changed_byte_of_the_header_is_malformed_or_names_another_server_key() {
    let mut mutants = Mutants::new();
    let header = mutants.header();
    for at in 0..header.len() {
        for byte in (0..128).chain([0x80, 0xc3, 0xff]).filter(|byte| *byte != header.as_bytes()[at])
        {
            let mut header = header.clone().into_bytes();
            header[at] = byte;
            let verdict = mutants.judge(&mutants.sign(&header, FEWEST));
            assert!(matches!(verdict, "malformed" | "unknown_server_key"), "{verdict}");
        }
    }
    mutants.at_least(6_500);
    // 11 characters of the kid, each of which could be 63 others.
    assert_eq!(mutants.verdicts["unknown_server_key"], 11 * 63);
}
