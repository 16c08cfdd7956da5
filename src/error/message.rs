//! What is so: the first line of an error.

use std::{fmt, io};

use super::{Error, storage};
use crate::{
    issue::IssueFault,
    key::KeyId,
    label::{Label, Shown},
    verify::Refusal,
};

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::AlreadyRunning { pid, address: Some(address) } => {
                write!(f, "a server runs already, on {address}{}", process(*pid))
            }
            Error::AlreadyRunning { pid, address: None } => {
                write!(f, "a server runs already{}, and does not answer", process(*pid))
            }
            Error::Ambiguous { text, ids } => {
                write!(f, "`{}` is several keys: {}", short(text), joined(ids))
            }
            Error::Behind { address, fault: Some(fault) } => {
                write!(f, "the server on {address} cannot read what is kept: {fault}")
            }
            Error::Behind { address, fault: None } => {
                write!(f, "the server on {address} has not read it yet")
            }
            Error::CannotListen { address, error } => {
                write!(f, "cannot listen on {address}: {}", plain(error))
            }
            Error::Config(fault) => fault.fmt(f),
            Error::Create(fault) | Error::File(fault) => fault.fmt(f),
            Error::Issue(fault) => match fault {
                IssueFault::AgainstPolicy(breach) => write!(f, "against policy: {breach}"),
                IssueFault::BornDead(refusal) => write!(f, "the key would never hold: {refusal}"),
                IssueFault::ClockBehind { now, last } => write!(
                    f,
                    "the clock is behind: it says {now}, and such keys are revoked up to {last}"
                ),
                IssueFault::OverBeforeRule { at } => {
                    write!(f, "the key would end before {at}, up to when such keys are revoked")
                }
                IssueFault::DiceRepeat => {
                    f.write_str("the random number generator of this system repeats itself")
                }
                IssueFault::NothingSigns => f.write_str("no server key in the ring signs"),
                IssueFault::Store(fault) => fault.fmt(f),
                IssueFault::Unsealable(unsealable) => unsealable.fmt(f),
            },
            Error::DevBeyondLoopback { address } => {
                write!(f, "`--dev` requires no keys, and {address} is not this machine alone")
            }
            Error::GithubEnv(fault) => write!(f, "{fault}; that is what GITHUB_ENV names"),
            Error::Hung { pid, lock } => {
                let lock = storage::shown(lock);
                write!(f, "the server that holds {lock}{} does not answer", process(*pid))
            }
            Error::Input(error) => write!(f, "standard input could not be read: {}", plain(error)),
            Error::Jwks { path, why } => write!(f, "{} {why}", Shown(path)),
            Error::ManagedReset => f.write_str(
                "a service manager started this process, and would reset with every restart",
            ),
            Error::Moved { kid: Some(kid) } => {
                write!(f, "the server key was changed meanwhile: {kid} signs now")
            }
            Error::Moved { kid: None } => {
                f.write_str("the server key was changed meanwhile: none signs now")
            }
            Error::NoHome => f.write_str("this user has no home directory"),
            Error::NoKeyGiven => f.write_str("no key was given"),
            Error::NoLines => f.write_str("standard input has no line"),
            Error::NoServerKey { home } => write!(f, "no server key in {}", Shown(home)),
            Error::NoSuchServerKey { kid } => write!(f, "no server key `{kid}`"),
            Error::NotConfirmed => f.write_str("not confirmed"),
            Error::NotFound { text } => write!(f, "no key `{}`", short(text)),
            Error::Nowhere => f.write_str("standard output is closed"),
            Error::NotRevoked { ids, output, store } => {
                write!(f, "{output}; then {store}; NOT revoked: {}", joined(ids))
            }
            Error::Output(error) => write!(f, "output could not be written: {}", plain(error)),
            Error::Overwrites { file } => f.write_str(file),
            Error::Past { kid, at } => {
                write!(f, "server key {kid} ceased to sign at {at} and does not sign again")
            }
            Error::Pem { path, why } | Error::ServerKeyPem { path, why } => {
                write!(f, "{} {why}", Shown(path))
            }
            Error::Refused(Refusal::Malformed(why)) => write!(f, "the key is malformed: {why}"),
            Error::Refused(refusal) => refusal.fmt(f),
            Error::SetAgain { path, variable, lines } => {
                let lines: Vec<_> = lines.iter().map(ToString::to_string).collect();
                let path = storage::shown(path);
                write!(f, "{path} sets {variable} in lines {}", lines.join(" and "))
            }
            Error::Store(fault) => fault.fmt(f),
            Error::Unclear { path, line, why } => {
                write!(f, "{}, line {line}: {why}", storage::shown(path))
            }
            Error::System { what, error } => write!(f, "cannot {what}: {}", plain(error)),
            Error::Unconfirmed { why } => {
                write!(f, "it is done and kept, but not confirmed: {why}")
            }
            Error::Undelivered { count, output } => {
                let keys = if *count == 1 {
                    "the new key is".into()
                } else {
                    format!("all {count} new keys are")
                };
                write!(f, "{output}; {keys} dead")
            }
            Error::Untold { done, output } => {
                write!(f, "{done}, but output could not be written: {}", plain(output))
            }
            Error::Usage { message, .. } => f.write_str(message),
            Error::UpstreamIsUs { upstream } => {
                write!(f, "the upstream {upstream} is where this server listens itself")
            }
            Error::UseUnknown(fault) => fault.fmt(f),
        }
    }
}

/// Which process, if that is known.
fn process(pid: Option<u32>) -> String {
    pid.map(|pid| format!(" (pid {pid})")).unwrap_or_default()
}

/// What was typed, unless it is longer than any name: then it may be a key in pieces.
pub fn short(text: &str) -> String {
    if text.chars().count() > Label::MOST { "…".to_owned() } else { Shown(text).to_string() }
}

/// What the operating system says, without its number.
pub(super) fn plain(error: &io::Error) -> String {
    let text = error.to_string();
    let end = text.find(" (os error").unwrap_or(text.len());
    text[..end].to_lowercase()
}

pub(super) fn joined(ids: &[KeyId]) -> String {
    ids.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ")
}
