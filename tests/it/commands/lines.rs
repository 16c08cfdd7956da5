//! `verify --lines`.

use std::fs;

use super::{SECOND, THIRD};
use crate::{harness::Msb, properties::Dice};

/// Holds lines on standard input to their verdicts and the exit.
#[track_caller]
fn check(msb: &mut Msb, flags: &str, input: impl AsRef<[u8]>, exit: u8, stdout: &str) {
    msb.stdin = input.as_ref().to_vec();
    msb.check(&format!("verify --lines {flags}"), exit, stdout, "");
}

#[test]
fn every_line_has_its_verdict_in_order() {
    let mut msb = Msb::with_server_key();
    let (one, short) = (msb.key("-n dev --scope a.*"), msb.key("--expire 1h"));
    let input = format!("{one}\n{short}\nmsb_x\n{one}\n");
    let told = format!("valid\t{SECOND}\nvalid\t{THIRD}\nmalformed\t-\nvalid\t{SECOND}\n");
    check(&mut msb, "", &input, 10, &told);
    check(&mut msb, "-q", &input, 10, &told);
    check(
        &mut msb,
        "",
        format!("{short}\n{one}"),
        0,
        &format!("valid\t{THIRD}\nvalid\t{SECOND}\n"),
    );
    let told = format!("wrong_namespace\t{SECOND}\nexpired\t{THIRD}\n");
    check(&mut msb, "-n prod --at 2027-01-01", format!("{one}\n{short}\n"), 15, &told);
    check(&mut msb, "-n dev --scope a.b", &one, 0, &format!("valid\t{SECOND}\n"));
    check(&mut msb, "-n dev --scope b", &one, 15, &format!("wrong_scope\t{SECOND}\n"));
    msb.ends(&format!("server revoke {SECOND}"), 0);
    let told = format!("revoked\t{SECOND}\nvalid\t{THIRD}\nmalformed\t-\nrevoked\t{SECOND}\n");
    check(&mut msb, "", &input, 14, &told);
}

#[test]
fn lines_end_as_they_do_elsewhere() {
    let mut msb = Msb::with_server_key();
    let key = msb.key("");
    let valid = format!("valid\t{SECOND}\n");
    check(&mut msb, "", format!("{key}\r\n{key}"), 0, &valid.repeat(2));
    check(
        &mut msb,
        "",
        format!("\n{key}\n\r\n"),
        10,
        &format!("malformed\t-\n{valid}malformed\t-\n"),
    );
    check(&mut msb, "", format!("{key}\r"), 10, "malformed\t-\n");
    check(&mut msb, "", format!("{key}\r\r\n{key} \n {key}"), 10, &"malformed\t-\n".repeat(3));
    check(
        &mut msb,
        "",
        [key.as_bytes(), b"\xff\n", key.as_bytes()].concat(),
        10,
        &format!("malformed\t-\n{valid}"),
    );
    for length in [4095, 4096, 4097, 4098, 4099, 4100, 300_000, 3 << 20] {
        let long = format!("msb_{}", "A".repeat(length - 4));
        let told = format!("{valid}malformed\t-\n{valid}");
        check(&mut msb, "", format!("{key}\n{long}\n{key}\n"), 10, &told);
        check(&mut msb, "", format!("{key}\n{long}\r\n{key}"), 10, &told);
        check(&mut msb, "", &long, 10, "malformed\t-\n");
    }
    check(&mut msb, "", "\n".repeat(5000), 10, &"malformed\t-\n".repeat(5000));
    check(&mut msb, "", format!("{key}\n").repeat(5000), 0, &valid.repeat(5000));
}

#[test]
fn no_line_is_a_mistake() {
    let mut msb = Msb::with_server_key();
    msb.check(
        "verify --lines",
        2,
        "",
        "msb: error: standard input has no line\nmsb: hint: give it one key a line\n",
    );
    msb.key("");
    for line in ["verify --lines -", "verify --lines --explain", "verify --lines --key-file x"] {
        let ran = msb.ends(line, 2);
        assert!(ran.stderr.contains("--lines"), "{line}: {}", ran.stderr);
    }
    let mut nowhere = Msb::new();
    nowhere.stdin = b"msb_x\n".to_vec();
    assert_eq!(nowhere.ends("verify --lines", 4).stdout, "");
}

#[test]
fn public_keys_are_enough() {
    let mut msb = Msb::with_server_key();
    let (key, file) = (msb.key("-n dev"), msb.scratch.path("jwks.json"));
    let jwks = msb.ends("server key show --format jwks", 0).stdout;
    fs::write(&file, jwks).unwrap();
    let pem = msb.scratch.path("public.pem");
    fs::write(&pem, msb.ends("server key show --format pem", 0).stdout).unwrap();
    msb.ends(&format!("server revoke {SECOND}"), 0);
    // Whatever prefix each bears: it is no part of what is signed.
    let input = format!("{key}\nrb_{}\nX{key}\n", key.trim_start_matches("msb_"));
    let told = format!("valid\t{SECOND}\nvalid\t{SECOND}\nmalformed\t-\n");
    check(&mut msb, &format!("--jwks {}", file.display()), &input, 10, &told);
    check(&mut msb, &format!("--public-key {}", pem.display()), &input, 10, &told);
    let told = format!("wrong_namespace\t{SECOND}\n");
    check(&mut msb, &format!("-n x --jwks {}", file.display()), &key, 15, &told);
}

#[test]
fn an_answer_that_nobody_takes_ends_it() {
    let mut msb = Msb::with_server_key();
    let key = msb.key("");
    msb.stdin = format!("{key}\n").repeat(5000).into_bytes();
    msb.stdout_takes = 1000;
    msb.stdout_fails = Some(std::io::ErrorKind::StorageFull);
    msb.ends("verify --lines", 74);
    msb.stdout_fails = Some(std::io::ErrorKind::BrokenPipe);
    assert_eq!(msb.ends("verify --lines", 74).stderr, "");
}

/// Each line on its own, and all of them at once: not a byte of the JSON differs.
#[test]
fn the_verdicts_are_those_of_verify() {
    let mut msb = Msb::with_server_key();
    let mut elsewhere = Msb::with_server_key();
    elsewhere.ends("server key reset -y", 0);
    let others = elsewhere.key("");
    let mut good = vec![];
    for flags in
        ["", "-n dev", "-n dev -n prod --scope a.*", "--expire 1s --owner ann", "--expire 1d"]
    {
        good.push(msb.key(flags));
    }
    msb.ends(&format!("server revoke {SECOND}"), 0);
    good.push(others);
    msb.now += 10;
    let (mut dice, mut lines) = (Dice(8), vec![]);
    let mut below = |length: usize| dice.below(length as u64) as usize;
    for _ in 0..400 {
        let mut line = good[below(good.len())].clone().into_bytes();
        let (at, byte) = (below(line.len()), below(256) as u8);
        match below(8) {
            0 | 1 => {}
            2 => line[at] = byte,
            3 => line.insert(at, byte),
            4 => drop(line.remove(at)),
            5 => line.truncate(at),
            6 => line.extend(line.clone()),
            // The signature, or what it is over, of another.
            _ => {
                let other = good[below(good.len())].as_bytes();
                let (dot, others) =
                    (line.iter().rposition(|b| *b == b'.'), other.iter().rposition(|b| *b == b'.'));
                line.truncate(dot.unwrap());
                line.extend(&other[others.unwrap()..]);
            }
        }
        line.retain(|byte| *byte != b'\n');
        lines.push(line);
    }
    let asked = "-n dev --scope a.b --json";
    let (mut alone, mut worst, mut verdicts) = (String::new(), 0, vec![]);
    for line in &lines {
        msb.stdin = [line.as_slice(), b"\n"].concat();
        let ran = msb.run(&format!("verify - {asked}"));
        assert_eq!(ran.stderr, "");
        worst = worst.max(ran.exit);
        let told: serde_json::Value = serde_json::from_str(&ran.stdout).unwrap();
        verdicts.push(told["verdict"].as_str().unwrap().to_owned());
        alone += &ran.stdout;
    }
    msb.stdin = lines.join(&b'\n');
    let ran = msb.run(&format!("verify --lines {asked}"));
    assert_eq!((ran.stdout, ran.exit), (alone, worst));
    verdicts.sort();
    verdicts.dedup();
    let all = ["bad_signature", "expired", "malformed", "revoked", "unknown_server_key", "valid"];
    assert!(
        all.iter().all(|verdict| verdicts.iter().any(|found| found == verdict)),
        "{verdicts:?}"
    );
}
