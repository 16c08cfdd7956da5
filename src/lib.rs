//! msb hands out API keys from a shell, verifies them anywhere with a public key, and cuts off
//! any of them at once.
//!
//! # The house
//!
//! A room uses rooms on lower floors only. `tests/it/house.rs` reads this table and holds the
//! code to it, and to the words below.
//!
//! ```text
//! cli                             parse, call, print: a file per command
//! server                          asks every request for its key
//! error world                     how failures are told; clock, dice, streams
//! issue                           one act: draw, sign, check, remember
//! store config                    what is kept
//! files                           modes, owners, bounded reads, whole writes
//! rpc                             which calls does this body hold?
//! gate                            may this request pass?
//! verify                          may this key do this, now?
//! ledger                          what was handed out, and what was done
//! keyring revocations policy      which server keys count; what was cut off; what is asked for
//! key                             what a key says and how it is written
//! namespace scope signing time label variable    words
//! json                            one way to write it
//! ```
//!
//! Some words are said in one room only:
//!
//! ```text
//! curve25519_dalek  signing
//! ed25519_dalek     signing
//! rusqlite          store
//! PRAGMA            store
//! fs::              files
//! toml::            config
//! strsim            config
//! getrandom         world
//! SystemTime::now   world
//! env::             world
//! Stdio             world
//! etcetera          world
//! close_fds         world
//! hyper             server
//! tokio             server
//! listenfd          server
//! TcpListener       server
//! clap              cli
//! clap_complete     cli
//! comfy_table       cli
//! chrono::          time
//! base64::          key rpc signing
//! rustix            files world
//! smol_str          key namespace scope
//! smallvec          namespace scope
//! ```
//!
//! # The way of a key
//!
//! [`key::KeyText`] → [`key::UnverifiedKey`] → [`key::SignedKey`] → [`verify::VerifiedKey`] →
//! [`verify::Grant`]: each arrow is the only way to the next type. The claims of an unverified key
//! cannot be read, except by `inspect`, which says so.

pub mod cli;
pub mod config;
pub mod error;
pub mod files;
pub mod gate;
pub mod issue;
pub mod json;
pub mod key;
pub mod keyring;
pub mod label;
pub mod ledger;
pub mod namespace;
pub mod policy;
pub mod revocations;
pub mod rpc;
pub mod scope;
pub mod server;
pub mod signing;
pub mod store;
pub mod time;
pub mod variable;
pub mod verify;
pub mod world;
