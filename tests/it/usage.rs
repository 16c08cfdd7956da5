//! Mistakes in the command line: what is so, then what to do, and nothing is touched.

use crate::harness::Msb;

const WHEN: &str = "write 30s 15m 24h 7d 2w 3mo 1y, or together as 1y6mo; or 2027-02-23T10:00:00Z, 2027-02-23, @1803376800";

#[track_caller]
fn refused(line: &str, message: &str, hint: &str) {
    let mut msb = Msb::new();
    let expected = format!("msb: error: {message}\nmsb: hint: {hint}\n");
    msb.check(line, 2, "", &expected);
    assert!(!msb.home().exists(), "a refused command made a home");
}

#[test]
fn what_was_typed_is_quoted_and_mended() {
    refused("", "a command is missing", "run `msb --help`");
    refused("server", "a command is missing", "run `msb server --help`");
    refused("server key", "a command is missing", "run `msb server key --help`");
    refused("server keygn", "there is no command `keygn`", "did you mean `key` or `keygen`?");
    refused("sevrer", "there is no command `sevrer`", "did you mean `server`?");
    refused("verify --explian", "there is no `--explian` here", "did you mean `--explain`?");
    refused("server list x", "there is no `x` here", "run `msb server list --help`");
    refused("server show", "`<ID|NAME>` is missing", "run `msb server show --help`");
    refused("server keygen --name", "`--name` needs a value", "run `msb server keygen --help`");
    refused(
        "server keygen --format xml",
        "`xml` for `--format`: it is `key`, `env`, `dotenv`, `fish`, `powershell` or `github`",
        "run `msb server keygen --help`",
    );
    refused(
        "verify x --jwks a --public-key b",
        "`--jwks` does not go with `--public-key`",
        "run `msb verify --help`",
    );
    refused(
        "server list --limit 1 --limit 2",
        "`--limit` is given twice",
        "run `msb server list --help`",
    );
    refused("--home '' server list", "`--home` needs a value", "run `msb server list --help`");
    refused(
        "server keygen --count 0",
        "`0` for `--count`: it is a number from 1 to 1000000",
        "run `msb server keygen --help`",
    );
    refused(
        "server list --limit many",
        "`many` for `--limit`: it is a number from 0 to 1000000000",
        "run `msb server list --help`",
    );
    refused("server list --json=x", "`--json` takes no value", "run `msb server list --help`");
}

#[test]
fn a_wrong_time_is_told_with_the_units() {
    let expire = |value: &str, why: &str| {
        refused(
            &format!("server keygen --expire '{value}'"),
            &format!("`{value}` for `--expire`: {why}"),
            WHEN,
        );
    };
    expire("3M", "the units are s m h d w mo y, in lower case");
    expire("1H", "the units are s m h d w mo y, in lower case");
    expire("1.5h", "it is neither a span, an instant nor a date");
    expire("-3d", "it is neither a span, an instant nor a date");
    expire(" ", "it is neither a span, an instant nor a date");
    expire("1 h", "it is neither a span, an instant nor a date");
    expire("90", "a number needs a unit");
    expire("0s", "a time is at least 1 of its unit");
    expire("1d1w", "units go from large to small, each once");
    expire("50539024859478023y", "it lies past the year 9999, or before 1970");
    expire("2027-02-29", "the calendar has no such moment");
    refused(
        "server keygen --expire 2026-11-23",
        "`2026-11-23` for `--expire`: 2026-11-23T00:00:00Z has passed",
        WHEN,
    );
    refused(
        "server keygen --expire 7974y",
        "`7974y` for `--expire`: it lies past the year 9999, or before 1970",
        WHEN,
    );
    refused(
        "server keygen --expire 1h --not-before 1h",
        "`1h` for `--expire`: the key would end before it begins",
        "choose `--expire` after `--not-before`",
    );
    refused(
        "server keygen --not-before never",
        "`never` for `--not-before`: it is neither a span, an instant nor a date",
        WHEN,
    );
    refused(
        "verify x --at never",
        "`never` for `--at`: it is neither a span, an instant nor a date",
        WHEN,
    );
    refused(
        "server list --expiring 2027-01-01",
        "`2027-01-01` for `--expiring`: it is no span such as 30d",
        "write 30s 15m 24h 7d 2w 3mo 1y, or together from large to small as 1y6mo",
    );
}

#[test]
fn a_wrong_word_is_told_with_the_rule() {
    let namespace = |value: &str, why: &str| {
        let long = format!("`{value}` for `--namespace`: {why}");
        refused(&format!("server keygen -n '{value}'"), &long, "run `msb server keygen --help`");
        refused(&format!("verify x -n '{value}'"), &long, "run `msb verify --help`");
    };
    namespace("..", "a namespace has only letters, digits, `_` and `-`");
    namespace("a/b", "a namespace has only letters, digits, `_` and `-`");
    namespace("*x", "a namespace has only letters, digits, `_` and `-`");
    namespace("é", "a namespace has only letters, digits, `_` and `-`");
    namespace("_a", "a namespace begins with a letter or a digit");
    namespace(&"a".repeat(64), "a namespace has at most 63 characters");
    refused(
        "server keygen -n ''",
        "`` for `--namespace`: a namespace is not empty",
        "run `msb server keygen --help`",
    );
    for line in ["server keygen -n '*' -n a", "server keygen -n a -n '*'"] {
        refused(
            line,
            "`--namespace`: `*` is every namespace already and stands alone",
            "run `msb server keygen --help`",
        );
    }
    refused(
        "server keygen --scope 'a*'",
        "`a*` for `--scope`: `*` stands alone, or at the end behind `.`, `:` or `/`",
        "run `msb server keygen --help`",
    );
    refused(
        "server keygen --owner @x",
        "`@x` for `--owner`: it has only letters, digits and `@._+:/-`, and begins with a letter or a digit",
        "run `msb server keygen --help`",
    );
}

#[test]
fn mistakes_are_json_too() {
    let mut msb = Msb::new();
    msb.check(
        "server keygen --expire 3M --json",
        2,
        "",
        &format!(
            "{{\"schema\":\"msb.error/1\",\"error\":{{\"code\":\"usage\",\"message\":\"`3M` for `--expire`: the units \
             are s m h d w mo y, in lower case\",\"hint\":\"{WHEN}\",\"exit\":2}}}}\n"
        ),
    );
    msb.check(
        "server show nobody --json",
        5,
        "",
        "{\"schema\":\"msb.error/1\",\"error\":{\"code\":\"not_found\",\"message\":\"no key `nobody`\",\
         \"hint\":\"run `msb server list --state all`\",\"exit\":5}}\n",
    );
}

#[test]
fn flags_that_exclude_each_other_are_named() {
    let mut msb = Msb::new();
    let ran = msb.ends("server key show --json --format pem", 2);
    assert!(ran.stderr.contains("`--json` does not go with `--format`"), "{}", ran.stderr);
}

#[test]
fn no_mistake_prints_a_whole_key() {
    let mut msb = Msb::with_server_key();
    let key = msb.key("");
    for line in [
        format!("verify {key} {key}"),
        format!("verify --{key}"),
        key.clone(),
        format!("server {key}"),
        format!("server show {key}"),
        format!("server keygen --name {key}"),
        format!("server keygen -n {key}"),
        format!("server keygen --expire {key}"),
        format!("server list --after {key}"),
        format!("verify --key-file {key}"),
        format!("--home {key} verify"),
    ] {
        for line in [line.clone(), format!("{line} --json")] {
            let ran = msb.run(&line);
            assert_ne!(ran.exit, 0, "{line}");
            let told = ran.stdout + &ran.stderr;
            let claims = key.split('.').nth(1).unwrap();
            assert!(!told.contains(claims), "{line}: {told}");
        }
    }
    // Nor most of one, from which the rest can be guessed.
    let ran = msb.run(&format!("server show {}", &key[6..]));
    assert!(ran.stderr.starts_with("msb: error: no key `…`\n"), "{}", ran.stderr);
    let folded: Vec<_> =
        key.as_bytes().chunks(76).map(|line| str::from_utf8(line).unwrap()).collect();
    for mark in ["\n", " "] {
        let ran = msb.run_words(&["server", "show", &folded.join(mark)]);
        assert!(ran.stderr.starts_with("msb: error: no key `…`\n"), "{}", ran.stderr);
    }
}

#[test]
fn help_begins_with_examples() {
    let mut msb = Msb::new();
    for command in [
        "",
        "server",
        "server keygen",
        "server list",
        "server show",
        "server revoke",
        "server status",
        "server key show",
        "verify",
        "inspect",
        "completions",
    ] {
        for flag in ["--help", "-h"] {
            let ran = msb.run(&format!("{command} {flag}"));
            assert_eq!((ran.exit, ran.stderr.as_str()), (0, ""), "{command}");
            assert!(ran.stdout.starts_with("Examples:\n  "), "{command}: {}", ran.stdout);
            assert!(!ran.stdout.contains('\u{1b}'));
        }
    }
    msb.check("--version", 0, "msb 0.1.0\n", "");
}
