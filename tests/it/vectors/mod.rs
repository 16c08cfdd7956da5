//! What others measured: the RFCs, Wycheproof, CCTV, and key files as peers write them.

mod jwk;
mod pem;
mod prepared;
mod signatures;

use std::fs;

use base64::{
    Engine,
    prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD},
};
use serde_json::Value;

use crate::harness;

/// RFC 8037 appendix A.2: the public key of A.1, whose `d` is the seed of RFC 8032 test 1.
const X: &str = "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo";
const D: &str = "nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A";

/// A file of third-party test data.
fn json(name: &str) -> Option<Value> {
    let text = fs::read_to_string(harness::vectors()?.join(name)).unwrap();
    Some(serde_json::from_str(&text).unwrap())
}

fn text<'a>(case: &'a Value, name: &str) -> &'a str {
    case[name].as_str().unwrap()
}

/// A PEM block as RFC 7468 section 3 has generators write it.
fn pem(label: &str, der: &[u8]) -> String {
    let mut text = format!("-----BEGIN {label}-----\n");
    for line in BASE64_STANDARD.encode(der).as_bytes().chunks(64) {
        text += str::from_utf8(line).unwrap();
        text += "\n";
    }
    text + &format!("-----END {label}-----\n")
}

fn hex(text: &str) -> Vec<u8> {
    let digits: Vec<_> = text.chars().map(|c| c.to_digit(16).unwrap() as u8).collect();
    digits.chunks_exact(2).map(|pair| pair[0] << 4 | pair[1]).collect()
}

fn base64url(text: &str) -> Vec<u8> {
    BASE64_URL_SAFE_NO_PAD.decode(text).unwrap()
}

fn array(bytes: &[u8]) -> [u8; 32] {
    bytes.try_into().unwrap()
}
