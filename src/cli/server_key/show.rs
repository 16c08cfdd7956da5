//! `msb server key show`: the public key that others verify with.

use super::Answer;
use crate::{
    cli::console::Console,
    error::{Error, Exit},
    signing::PublicKey,
    store::Purpose,
};

/// Print the public key that others verify with
#[derive(clap::Args)]
#[command(before_help = EXAMPLES)]
pub(in crate::cli) struct Args {
    /// How to print it: fingerprint, pem, jwk, or jwks with every key that counts [default: fingerprint]
    #[arg(long, value_enum, conflicts_with = "json", hide_possible_values = true)]
    format: Option<Format>,
}

/// How a public key is printed.
#[derive(Clone, Copy, Debug, clap::ValueEnum)]
enum Format {
    /// The thumbprint (RFC 7638); its first 11 characters are the kid.
    Fingerprint,
    /// SubjectPublicKeyInfo, as OpenSSL writes it.
    Pem,
    /// A JWK (RFC 8037).
    Jwk,
    /// A JWK Set with every key that counts.
    Jwks,
}

pub(super) fn run(args: Args, console: &mut Console<'_, '_>) -> Result<Exit, Error> {
    let (_, ring) = console.ring(Purpose::Read)?;
    let home = console.home()?;
    let (public, since) = ring.signing().ok_or_else(|| Error::no_server_key(&home))?;
    if console.json() {
        console.answer_json("msb.key/1", &Answer::of(&ring, console.world.now))?;
        return Ok(Exit::Done);
    }
    let text = match args.format.unwrap_or(Format::Fingerprint) {
        Format::Fingerprint => public.thumbprint() + "\n",
        Format::Pem => public.to_pem(),
        Format::Jwk => public.to_jwk() + "\n",
        Format::Jwks => PublicKey::to_jwks(ring.counting(console.world.now)) + "\n",
    };
    console.answer(&text)?;
    console.remark(&[format!("server key {}, made at {}", public.kid(), since)])?;
    Ok(Exit::Done)
}

const EXAMPLES: &str = "\
Examples:
  msb server key show
  msb server key show --format pem > server.pub
  msb server key show --format jwks > jwks.json";
