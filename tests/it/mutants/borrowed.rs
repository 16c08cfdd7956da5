//! Texts that others made to break parsers, well signed as claims of ours.

use std::{collections::BTreeMap, fs, path::Path};

use super::{FEWEST, Mutants, key_text, parse};
use crate::harness::{self, Msb};

#[test]
fn what_is_no_json_is_no_claim() {
    let Some(directory) = harness::vectors() else { return };
    let mut mutants = Mutants::new();
    let mut used = BTreeMap::<_, usize>::new();
    for (name, bytes) in files(&directory.join("jsontestsuite"), ".json") {
        // Not even the good ones are claims of a key.
        mutants.check_claims(&bytes, "malformed");
        for claims in around(&bytes) {
            let verdict = mutants.judge(&mutants.key(&claims));
            let is_json = name.starts_with("y_") || name.starts_with("i_");
            assert!(is_json || verdict == "malformed", "{name}: {verdict}");
        }
        let header = mutants.header();
        let around = [&header.as_bytes()[..header.len() - 1], b",\"x\":", &bytes, b"}"].concat();
        mutants.check(&mutants.sign(around, FEWEST), "malformed");
        mutants.check(&mutants.sign(&bytes, FEWEST), "malformed");
        *used.entry(name[..1].to_owned()).or_default() += 1;
    }
    assert_eq!(used.into_values().collect::<Vec<_>>(), [22, 90, 50], "i, n, y");
    mutants.at_least(1_700);
}

/// Claims in which these bytes are the value of one claim, known or not, or stand before or behind.
fn around(bytes: &[u8]) -> Vec<Vec<u8>> {
    let splice = |from: &str, to: [&str; 2]| {
        let (front, back) = FEWEST.split_once(from).unwrap();
        [front.as_bytes(), to[0].as_bytes(), bytes, to[1].as_bytes(), back.as_bytes()].concat()
    };
    vec![
        splice(r#""40h24gs8awjptfkg""#, ["", ""]),
        splice("1795428000", ["", ""]),
        splice(r#""namespace""#, [r#""exp":"#, r#","namespace""#]),
        splice(r#""*""#, ["", ""]),
        splice("}", [r#","scope":"#, "}"]),
        splice("}", [r#","sub":"#, "}"]),
        splice("}", [r#","unknown":"#, "}"]),
        [bytes, FEWEST.as_bytes()].concat(),
        [FEWEST.as_bytes(), bytes].concat(),
    ]
}

#[test]
fn a_key_of_another_make_is_malformed() {
    let Some(directory) = harness::vectors() else { return };
    let mut mutants = Mutants::new();
    let mut msb = Msb::with_server_key();
    let (mut texts, mut others) = (0, 0);
    for (name, bytes) in files(&directory.join("sample-tokens"), ".token") {
        match String::from_utf8(bytes) {
            Ok(text) => {
                assert!(parse(&key_text(&text)).is_err(), "{name}");
                mutants.check(&text, "malformed");
                texts += 1;
            }
            // What is no text comes as far as the command only.
            Err(error) => {
                msb.stdin = error.into_bytes();
                msb.ends("verify -", 10);
                others += 1;
            }
        }
    }
    assert_eq!((texts, others), (357, 4));
    mutants.at_least(357);
}

/// The files whose name ends so.
fn files(directory: &Path, end: &str) -> Vec<(String, Vec<u8>)> {
    let entries = fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path());
    let named = entries.filter_map(|path| {
        let name = path.file_name()?.to_str()?.to_owned();
        name.ends_with(end).then(|| (name, fs::read(path).unwrap()))
    });
    named.collect()
}
