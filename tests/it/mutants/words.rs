//! The values of claims, changed and well signed: each has its grammar.

use super::{FEWEST, Mutants, claims::with};

#[test]
fn times_are_whole_seconds_up_to_the_year_9999() {
    let mut mutants = Mutants::new();
    for (name, value, verdict) in [
        ("exp", "253402300799", "valid"),
        ("exp", "253402300800", "malformed"),
        ("exp", "1795429000000", "malformed"),
        ("exp", "2147483648", "valid"),
        ("exp", "4294967296", "valid"),
        ("exp", "9007199254740993", "malformed"),
        ("exp", "9223372036854775807", "malformed"),
        ("exp", "18446744073709551616", "malformed"),
        ("exp", "01795429000", "malformed"),
        ("exp", "1795429000.0", "malformed"),
        ("exp", "1795429e3", "malformed"),
        ("exp", "-1795429000", "malformed"),
        ("iat", "0", "valid"),
        ("iat", "-0", "malformed"),
        ("iat", "1795428060", "valid"),
        ("iat", "1795428061", "not_yet_valid"),
        // Ends come after beginnings.
        ("iat", "1795428999", "not_yet_valid"),
        ("iat", "1795429000", "malformed"),
        ("iat", "1795429001", "malformed"),
        ("nbf", "1795428999", "not_yet_valid"),
        ("nbf", "1795429000", "malformed"),
        ("nbf", "1795429001", "malformed"),
        ("exp", "1795428001", "valid"),
        ("exp", "1795428000", "malformed"),
    ] {
        mutants.check_claims(with(name, value), verdict);
    }
    // Without an end, whatever is in range is well formed.
    let endless = |name| with(name, "253402300799").replace(r#""exp":1795429000,"#, "");
    mutants.check_claims(endless("iat"), "not_yet_valid");
    mutants.check_claims(endless("nbf"), "not_yet_valid");
    let over = |iat| FEWEST.replace("1795428000", iat);
    mutants.check_claims(over(r#"1795427998,"exp":1795427999"#), "expired");
    mutants.check_claims(over(r#"1795427999,"exp":1795428000"#), "expired");
    mutants.check_claims(over(r#"0,"exp":0"#), "malformed");
    mutants.check_claims(over(r#"0,"exp":1,"nbf":0"#), "expired");
    mutants.check_claims(over(r#"0,"exp":1,"nbf":1"#), "malformed");
}

#[test]
fn a_namespace_is_all_one_or_several_in_order() {
    let mut mutants = Mutants::new();
    let mut check = |value: &str, verdict| mutants.check_claims(with("namespace", value), verdict);
    let names = |count: usize| {
        let names: Vec<_> = (0..count).map(|at| format!(r#""n{at:02}""#)).collect();
        format!("[{}]", names.join(","))
    };
    check(&names(0), "malformed");
    check(&names(1), "malformed");
    check(&names(2), "valid");
    check(&names(32), "valid");
    check(&names(33), "malformed");
    let longest = "x".repeat(63);
    for good in "a|9|A-_|dev|Dev|a--|0_0".split('|').chain([longest.as_str()]) {
        check(&format!(r#""{good}""#), "valid");
        check(&format!(r#"["-","{good}"]"#), "malformed");
        check(&format!(r#"["","{good}"]"#), "malformed");
        check(&format!(r#"["0","{good}"]"#), "valid");
    }
    let longer = "x".repeat(64);
    for bad in r"|-a|_a|**|*a|a*|a b|a,b|a.b|a/b|a:b| a|a |é|ａ|\u0061|a\n|\/|a\u0000|${a}|%61"
        .split('|')
        .chain(["\u{feff}a", "a\u{200b}", &longer])
    {
        check(&format!(r#""{bad}""#), "malformed");
        check(&format!(r#"["0","{bad}"]"#), "malformed");
    }
    check(r#"["a","a-","a0","aa"]"#, "valid");
    check(r#"["B","a"]"#, "valid");
    for bad in r#"["a","B"]|["b","a"]|["a","a"]|["a","b","a"]|["*"]|["*","a"]|["a","*"]|["a",null]|
        ["a",1]|["a",["b"]]|["a","b",]|["a" "b"]|["a", "b"]|[ "a","b"]|["a","b|"a","b"|"a b"|"* a""#
        .split('|')
        .map(str::trim_start)
    {
        check(bad, "malformed");
    }
}

#[test]
fn a_scope_is_words_in_order() {
    let mut mutants = Mutants::new();
    let mut check = |value: &str, verdict| {
        mutants.check_claims(with("scope", &format!(r#""{value}""#)), verdict);
    };
    for good in
        "*|a|a b|* a|a.* a.b|a.b.c:d/e|a.*|a:*|a/*|a-|A-_.-_|9.9|B a|a.b a:b a_b|x.y/z:*".split('|')
    {
        check(good, "valid");
    }
    let shapes = r"a*|*a|**|*.a|a.*.b|a.**|.*|.a|a.|a..b|a./b|a:|/a|-a|_a|a.*b|a,b|a;b|a+b|a@b";
    let lists = r"|a | a|a  b|b a|a a|a b a|a *|a\tb|a\u0020b|é|a é|\u0061|a\/b";
    for bad in shapes.split('|').chain(lists.split('|')).chain([" ", "a\u{a0}b", "a\nb"]) {
        check(bad, "malformed");
    }
}

#[test]
fn owners_issuers_and_audiences_have_one_grammar() {
    let mut mutants = Mutants::new();
    let mut check = |text: &str, good| {
        for (name, verdict) in [("sub", "valid"), ("iss", "valid"), ("aud", "wrong_audience")] {
            let claims = with(name, &format!(r#""{text}""#));
            mutants.check_claims(claims, if good { verdict } else { "malformed" });
        }
    };
    let longest = format!("a{}", "/".repeat(127));
    check(&longest, true);
    check(&format!("{longest}/"), false);
    for good in "a|9|Ann|ann@example.org|https://x.example:8443/y|a.b_c+d-e".split('|') {
        check(good, true);
    }
    for bad in
        r#"|@a|/a|-a|.a|+a|:a|_a|a b|a,b|a?b|a#b|a=b|a%20b|a*|*|a\nb|a\u0000|a\"b|a\\b|a\/b|<a>|
        \u0061|é|aé|a;b"#
            .split('|')
            .map(str::trim_start)
            .chain([" ", "a\u{202e}b"])
    {
        check(bad, false);
    }
}

#[test]
fn a_key_id_has_sixteen_characters_of_its_alphabet() {
    let mut mutants = Mutants::new();
    let mut check = |value: &str, verdict| {
        mutants.check_claims(with("jti", &format!(r#""{value}""#)), verdict);
    };
    check("0123456789abcdef", "valid");
    check("ghjkmnpqrstvwxyz", "valid");
    check("0000000000000000", "valid");
    check("000000000000000", "malformed");
    check("00000000000000000", "malformed");
    for bad in r"|0|000000000000000i|l000000000000000|0o00000000000000|00u0000000000000|
        40H24GS8AWJPTFKG|40h24gs8-awjptfkg|40h24gs8 wjptfkg|../../etc/passwd|00000000000000é|
        40h24gs8awjptfk\n|\u003040h24gs8awjptf"
        .split('|')
        .map(str::trim_start)
    {
        check(bad, "malformed");
    }
}
