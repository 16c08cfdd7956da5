//! `config.toml`: what can be set, which mistakes are told how, and what a policy does.

mod accepted;
mod mistakes;
mod policy;

use std::fs;

use crate::harness::Msb;

fn set(msb: &Msb, settings: &str) {
    fs::write(msb.file("config.toml"), settings).unwrap();
}
