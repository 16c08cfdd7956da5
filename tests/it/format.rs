//! The format has vectors, one file each, which need no Rust to be read: `tests/vectors/README.md`.
//! `UPDATE=1 cargo test` writes them anew from the table here.

use std::{collections::BTreeMap, fs, path::PathBuf, sync::LazyLock};

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use msb::{
    key::{KeyText, Prefix, UnverifiedKey},
    keyring::{KeyRing, RingKey, Standing},
    policy::Policy,
    revocations::{Cause, Kind, Revocation, Revoked, Rule},
    signing::ServerKey,
    time::UnixTime,
    verify::{Grant, Refusal, Verifier},
};
use zeroize::Zeroizing;

use crate::harness::first_seed;

fn directory() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/vectors")
}

/// Every file: name and text. Written anew first, if that is asked for.
static FILES: LazyLock<BTreeMap<String, String>> = LazyLock::new(|| {
    if std::env::var_os("UPDATE").is_some() {
        paths().for_each(|path| fs::remove_file(path).unwrap());
        for (name, text) in table() {
            fs::write(directory().join(format!("{name}.txt")), text).unwrap();
        }
    }
    let named = |path: PathBuf| {
        let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
        (name, fs::read_to_string(path).unwrap())
    };
    paths().map(named).collect()
});

fn paths() -> impl Iterator<Item = PathBuf> {
    let paths = fs::read_dir(directory()).unwrap().map(|entry| entry.unwrap().path());
    paths.filter(|path| path.extension().is_some_and(|end| end == "txt"))
}

#[test]
fn every_vector_gets_its_verdict() {
    assert!(FILES.len() >= 60, "only {} vectors", FILES.len());
    for (name, text) in FILES.iter() {
        let (head, key) = text.split_once("\n\n").unwrap();
        let lines: BTreeMap<_, _> =
            head.lines().map(|line| line.split_once(": ").unwrap()).collect();
        let judged = judge(&lines, key.strip_suffix('\n').unwrap());
        let verdict = judged.as_ref().err().map_or("valid", Refusal::verdict);
        assert_eq!(verdict, lines["expect"], "{name}: {}", lines["why"]);
    }
}

fn judge(lines: &BTreeMap<&str, &str>, key: &str) -> Result<Grant, Refusal> {
    let public = ServerKey::from_seed(&first_seed()).public().clone();
    let standing = lines.get("server_key").map_or(Standing::Published, |words| standing(words));
    let verifier = Verifier {
        ring: KeyRing::new(vec![RingKey { public, standing }]).unwrap(),
        issuer: lines.get("issuer").map(|text| text.parse().unwrap()),
        audience: lines.get("audience").map(|text| text.parse().unwrap()),
        policy: Policy {
            max_expire: lines.get("max_expire").map(|text| text.parse().unwrap()),
            require_expire: lines.contains_key("require_expire"),
            require_namespace: lines.contains_key("require_namespace"),
            ..Policy::default()
        },
    };
    let now = lines["now"].parse().unwrap();
    let key = KeyText::new(Zeroizing::new(key.to_owned()));
    let key = UnverifiedKey::parse(&key, &Prefix::default())?;
    let key = verifier.authenticate(key)?;
    let revoked = |cause| Revocation::Revoked(Revoked { at: now, cause });
    let rule = |until: &&str| {
        let until = until.parse().unwrap();
        Rule { kind: Kind::default(), until, at: now, reason: None }
    };
    let covers = |rule: &Rule| rule.covers(key.kid(), key.claims());
    let revocation = match (lines.get("revoked"), lines.get("rule").map(rule).filter(covers)) {
        (Some(_), _) => revoked(Cause::Operator(None)),
        (None, Some(rule)) => revoked(Cause::Rule(rule.kind, rule.reason)),
        (None, None) => Revocation::None,
    };
    let key = verifier.verify(key, revocation, now)?;
    let namespace = lines.get("namespace").map(|text| text.parse().unwrap());
    let scope = lines.get("scope").map(|text| text.parse().unwrap());
    key.enter(namespace.as_ref(), scope.as_ref())
}

/// `dead since T`, or `retired T until T`.
fn standing(words: &str) -> Standing {
    let at = |text: &str| text.parse::<UnixTime>().unwrap();
    match words.split(' ').collect::<Vec<_>>()[..] {
        ["dead", "since", since] => Standing::Dead { at: at(since) },
        ["retired", retired, "until", until] => {
            Standing::Retired { at: at(retired), until: at(until) }
        }
        _ => panic!("{words}"),
    }
}

#[test]
fn the_readme_tells_the_server_key_and_every_verdict() {
    let readme = fs::read_to_string(directory().join("README.md")).unwrap();
    let server_key = ServerKey::from_seed(&first_seed());
    let seed: String = first_seed().iter().map(|byte| format!("{byte:02x}")).collect();
    assert!(readme.contains(&seed) && readme.contains(&server_key.public().to_jwk()));
    for verdict in VERDICTS {
        assert!(readme.contains(&format!("`{verdict}`")), "{verdict} is not in the README");
        let line = format!("expect: {verdict}\n");
        assert!(FILES.values().any(|text| text.starts_with(&line)), "no vector is {verdict}");
    }
}

#[test]
fn the_vectors_are_those_of_the_table() {
    let table = table();
    assert!(FILES.keys().eq(table.keys()), "`UPDATE=1 cargo test` writes them anew");
    for (name, text) in table {
        assert_eq!(FILES[&name], text, "{name}: `UPDATE=1 cargo test` writes it anew");
    }
}

/// Name and text of every vector.
fn table() -> BTreeMap<String, String> {
    let mut table = BTreeMap::new();
    let mut add = |expect: &str, rows: &[(&str, &str, &str, String)]| {
        for (name, why, more, key) in rows {
            let now = if more.contains("now: ") { "" } else { "now: 2026-11-23T10:00:00Z\n" };
            let more = if more.is_empty() { String::new() } else { format!("{more}\n") };
            let text = format!("expect: {expect}\n{now}{more}why: {why}\n\n{key}\n");
            table.insert(format!("{expect}-{name}"), text);
        }
    };
    let kid = ServerKey::from_seed(&first_seed()).public().kid().to_string();
    let forged = |claims: &str| signed(&[1; 32], &HEADER.replace("KID", &kid), claims);
    let (issuer, retired) = ("issuer: https://keys.example.org", "server_key: retired 2026-11-23T");

    add(
        "valid",
        &[
            ("plain", "every namespace, every operation, no end", "", key(PLAIN)),
            (
                "behind-rule",
                "iat is one second behind the last of a rule",
                "rule: 2026-11-23T09:59:59Z",
                key(PLAIN),
            ),
            (
                "full",
                "every claim there is",
                &format!("namespace: dev\nscope: disk.read\n{issuer}\naudience: sandbox"),
                key(FULL),
            ),
            (
                "asked-for-all",
                "it opens all and has no scope",
                "namespace: *\nscope: *",
                key(PLAIN),
            ),
            ("namespaces", "it opens both", "namespace: dev prod", key(LIMITED)),
            ("scope", "disk.* covers what lies below disk", "scope: disk.read.all", key(LIMITED)),
            ("last-second", "one second before exp", "now: 2026-11-23T10:00:09Z", key(SHORT)),
            ("first-second", "alive from nbf on", "now: 2026-11-23T10:00:10Z", key(LATER)),
            ("ahead", "iat may be 60 seconds ahead", "now: 2026-11-23T09:59:00Z", key(PLAIN)),
            (
                "retired-server-key",
                "issued before its server key retired, which counts for one second more",
                &format!(
                    "now: 2026-11-23T10:59:59Z\n{retired}10:00:00Z until 2026-11-23T11:00:00Z"
                ),
                key(PLAIN),
            ),
            (
                "policy",
                "it lives from 23 November to 23 February, at the same time of day",
                &format!(
                    "max_expire: 3mo\nrequire_expire: yes\nrequire_namespace: yes\n{issuer}\naudience: sandbox"
                ),
                key(FULL),
            ),
            ("longest", "4096 characters", "", long(2952)),
        ],
    );
    add(
        "malformed",
        &[
            ("empty", "no text", "", String::new()),
            ("no-prefix", "the JWS alone", "", key(PLAIN).replace("msb_", "")),
            ("prefix", "another prefix", "", key(PLAIN).replace("msb_", "rb_")),
            ("bearer", "a word in front", "", format!("Bearer {}", key(PLAIN))),
            ("blank-behind", "a blank behind", "", format!("{} ", key(PLAIN))),
            ("padding", "base64url has no padding", "", format!("{}==", key(PLAIN))),
            ("trailing-bits", "bits that count for nothing are 0", "", trailing_bit(&key(PLAIN))),
            ("unsigned", "no signature", "", key(PLAIN).rsplit_once('.').unwrap().0.to_owned()),
            ("alg", "EdDSA is the only alg", "", header("EdDSA", "none")),
            ("typ", "msb+jwt is the only typ", "", header("msb+jwt", "JWT")),
            ("no-kid", "a header without kid", "", header(r#""kid":"KID","#, "")),
            ("crit", "a header with one member more", "", header("}", r#","crit":["exp"]}"#)),
            ("order", "nbf before exp", "", claims("}", r#","nbf":1795428000,"exp":1803376800}"#)),
            ("no-namespace", "a claim is missing", "", claims(r#","namespace":"*""#, "")),
            ("unknown-claim", "it may narrow the key", "", claims("}", r#","max_uses":1}"#)),
            ("twice", "a claim twice", "", claims(r#""*""#, r#""dev","namespace":"*""#)),
            ("escape", "an escape in a name", "", claims("namespace", "\\u006eamespace")),
            ("blank", "blanks in the claims", "", claims(",", ", ")),
            ("null", "an absent claim is not written", "", claims("}", r#","scope":null}"#)),
            ("float", "times are integers", "", claims("1795428000", "1795428000.0")),
            ("negative", "times begin with 1970", "", claims("1795428000", "-1")),
            ("year-10000", "times end with 9999", "", claims("000,", r#"000,"exp":253402300800,"#)),
            ("no-time", "iat is less than exp", "", claims("000,", r#"000,"exp":1795428000,"#)),
            ("array-of-one", "one namespace is a string", "", claims(r#""*""#, r#"["dev"]"#)),
            ("array-unsorted", "names are sorted", "", claims(r#""*""#, r#"["prod","dev"]"#)),
            ("array-with-all", "* stands alone", "", claims(r#""*""#, r#"["*","dev"]"#)),
            ("namespace", "a namespace has no point", "", claims(r#""*""#, r#""a.b""#)),
            ("scope", "one blank between words", "", claims("}", r#","scope":"a  b"}"#)),
            ("scope-empty", "a scope has a word", "", claims("}", r#","scope":""}"#)),
            ("key-id", "a key id is lower case", "", claims("40h24gs8awj", "40H24GS8AWJ")),
            ("too-long", "more than 4096 characters", "", long(2953)),
        ],
    );
    let other = signed(&[1; 32], HEADER, PLAIN);
    add("unknown_server_key", &[("kid", "the seed of this one is 32 bytes of 1", "", other)]);
    add(
        "bad_signature",
        &[
            ("forged", "signed by another server key under our kid", "", forged(PLAIN)),
            ("swapped", "the signature of another key", "", swapped()),
            ("expired", "never called expired", "now: 2027-01-01T00:00:00Z", forged(SHORT)),
            ("revoked", "never called revoked", "revoked: yes", forged(PLAIN)),
        ],
    );
    let dead = "server_key: dead since 2026-11-23T09:00:00Z";
    add(
        "revoked",
        &[
            ("id", "its id is revoked", "revoked: yes", key(PLAIN)),
            (
                "rule-last-second",
                "iat is the last second of a rule",
                "rule: 2026-11-23T10:00:00Z",
                key(PLAIN),
            ),
            ("reset", "its server key is dead", dead, key(PLAIN)),
            (
                "reset-expired",
                "the server key is judged before exp",
                &format!("now: 2026-11-23T10:00:10Z\n{dead}"),
                key(SHORT),
            ),
            (
                "retired-server-key",
                "its retired server key counts no longer",
                &format!(
                    "now: 2026-11-23T11:00:00Z\n{retired}10:00:00Z until 2026-11-23T11:00:00Z"
                ),
                key(PLAIN),
            ),
            (
                "issued-after-retirement",
                "issued one second after its server key retired",
                &format!("{retired}09:59:59Z until 2026-11-23T11:00:00Z"),
                key(PLAIN),
            ),
        ],
    );
    add(
        "wrong_audience",
        &[
            ("other", "for somebody else", &format!("{issuer}\naudience: web"), key(FULL)),
            ("not-configured", "a verifier without audience takes no aud", issuer, key(FULL)),
            ("no-aud", "a key without aud where one is configured", "audience: web", key(PLAIN)),
            ("issuer", "another issuer", "issuer: you\naudience: sandbox", key(FULL)),
        ],
    );
    add(
        "not_yet_valid",
        &[
            ("nbf", "one second before nbf", "now: 2026-11-23T10:00:09Z", key(LATER)),
            ("ahead", "iat is 61 seconds ahead", "now: 2026-11-23T09:58:59Z", key(PLAIN)),
        ],
    );
    let over = "now: 2026-11-23T10:00:10Z";
    add(
        "expired",
        &[
            ("exp", "exp is the first second at which it is dead", over, key(SHORT)),
            ("revoked", "judged before revocation", &format!("{over}\nrevoked: yes"), key(SHORT)),
            ("elsewhere", "before the namespace", &format!("{over}\nnamespace: prod"), key(SHORT)),
        ],
    );
    let named = "require_namespace: yes";
    add(
        "policy",
        &[
            (
                "too-long",
                "one second longer than policy lets it live",
                "max_expire: 9s",
                key(SHORT),
            ),
            ("no-end", "what does not end lives too long", "max_expire: 1y", key(PLAIN)),
            ("no-end-required", "policy requires an end", "require_expire: yes", key(LIMITED)),
            ("every-namespace", "policy requires namespaces by name", named, key(PLAIN)),
            (
                "elsewhere",
                "judged before the namespace",
                "max_expire: 9s\nnamespace: prod",
                key(SHORT),
            ),
        ],
    );
    add(
        "wrong_namespace",
        &[
            ("other", "it opens dev and prod", "namespace: demo", key(LIMITED)),
            ("one-of-two", "it must open all", "namespace: demo dev", key(LIMITED)),
            ("all", "names never open every namespace", "namespace: *", key(LIMITED)),
            ("scope", "judged before the scope", "namespace: demo\nscope: x", key(LIMITED)),
        ],
    );
    add(
        "wrong_scope",
        &[
            ("other", "disk.* does not cover disks.read", "scope: disks.read", key(LIMITED)),
            ("one-of-two", "it must allow all", "scope: sandbox.start sandbox.stop", key(LIMITED)),
            ("all", "words never allow every operation", "scope: *", key(LIMITED)),
        ],
    );
    table
}

/// A key that says this, signed by the server key of the README.
fn key(claims: &str) -> String {
    signed(&first_seed(), HEADER, claims)
}

/// The plain key with other claims.
fn claims(from: &str, to: &str) -> String {
    key(&PLAIN.replace(from, to))
}

/// The plain key with another header.
fn header(from: &str, to: &str) -> String {
    signed(&first_seed(), &HEADER.replace(from, to), PLAIN)
}

/// A key that says this, signed by the server key of this seed, for whose kid `KID` stands.
fn signed(seed: &[u8; 32], header: &str, claims: &str) -> String {
    let server_key = ServerKey::from_seed(seed);
    let header = header.replace("KID", &server_key.public().kid().to_string());
    let [header, claims] = [&header, claims].map(|text| BASE64_URL_SAFE_NO_PAD.encode(text));
    let input = format!("{header}.{claims}");
    let signature = BASE64_URL_SAFE_NO_PAD.encode(server_key.sign(input.as_bytes()));
    format!("msb_{input}.{signature}")
}

/// One key with the signature of another.
fn swapped() -> String {
    let (one, other) = (key(PLAIN), key(SHORT));
    format!("{}.{}", one.rsplit_once('.').unwrap().0, other.rsplit_once('.').unwrap().1)
}

/// The same bytes under another last character, of which there are `A`, `Q`, `g` and `w`.
fn trailing_bit(key: &str) -> String {
    let (front, last) = key.split_at(key.len() - 1);
    let other = char::from(last.as_bytes()[0] + 1);
    format!("{front}{other}")
}

/// A key with claims of this many bytes.
fn long(length: usize) -> String {
    let scope = |word: &str| PLAIN.replace('}', &format!(r#","scope":"{word}"}}"#));
    key(&scope(&"a".repeat(length - scope("").len())))
}

const VERDICTS: [&str; 11] = [
    "valid",
    "malformed",
    "unknown_server_key",
    "bad_signature",
    "revoked",
    "wrong_audience",
    "not_yet_valid",
    "expired",
    "policy",
    "wrong_namespace",
    "wrong_scope",
];

const HEADER: &str = r#"{"alg":"EdDSA","kid":"KID","typ":"msb+jwt"}"#;
const PLAIN: &str = r#"{"jti":"40h24gs8awjptfkg","iat":1795428000,"namespace":"*"}"#;
/// From 2026-11-23T10:00:00Z to 10:00:10Z.
const SHORT: &str =
    r#"{"jti":"40h24gs8awjptfkg","iat":1795428000,"exp":1795428010,"namespace":"dev"}"#;
const LATER: &str =
    r#"{"jti":"40h24gs8awjptfkg","iat":1795428000,"nbf":1795428010,"namespace":"dev"}"#;
const LIMITED: &str = concat!(
    r#"{"jti":"40h24gs8awjptfkg","iat":1795428000,"namespace":["dev","prod"],"#,
    r#""scope":"disk.* sandbox.start"}"#
);
const FULL: &str = concat!(
    r#"{"jti":"40h24gs8awjptfkg","iat":1795428000,"exp":1803376800,"nbf":1795428000,"#,
    r#""namespace":["dev","prod"],"scope":"disk.* sandbox.start","sub":"ann@example.org","#,
    r#""iss":"https://keys.example.org","aud":"sandbox"}"#
);
