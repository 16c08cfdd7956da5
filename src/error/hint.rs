//! What to do about an error: a command, a flag or a path.

use super::{Error, message::joined, settings, storage, words};
use crate::{
    files::{Fault, FileFault},
    issue::IssueFault,
    key::Unsealable,
};

impl Error {
    /// What to do about it.
    pub fn hint(&self) -> Option<String> {
        match self {
            Error::AlreadyRunning { .. } => {
                Some("stop it with `msb server stop`, or look with `msb server status`".to_owned())
            }
            Error::Ambiguous { .. } => Some("name one of them by its id".to_owned()),
            Error::Behind { fault: Some(_), .. } => Some(
                "mend that; where another database is meant to be there, run `msb server stop`, and \
                 start it again"
                    .to_owned(),
            ),
            Error::Behind { fault: None, .. } => Some("run `msb server stop`, and start it again".to_owned()),
            Error::CannotListen { .. } => {
                Some("choose another with `--host` and `--port`".to_owned())
            }
            Error::Config(fault) => settings::config_hint(fault),
            Error::Create(fault) if storage::is_taken(fault) => {
                Some("choose another file, or overwrite it with `--force`".to_owned())
            }
            Error::Create(FileFault { fault: Fault::NotAFile, .. }) => {
                Some("name a file".to_owned())
            }
            Error::Create(fault) if fault.is_not_found() => {
                Some("make the directory of that file first".to_owned())
            }
            Error::Create(fault) | Error::File(fault) | Error::GithubEnv(fault) => {
                storage::file_hint(fault)
            }
            Error::Issue(fault) => match fault {
                IssueFault::AgainstPolicy(breach) => Some(breach.hint_when_made()),
                IssueFault::BornDead(refusal) => Some(refusal.hint()),
                IssueFault::OverBeforeRule { .. } => {
                    Some("wait, or choose a later `--expire`".to_owned())
                }
                IssueFault::ClockBehind { .. } => Some("set the clock, or wait".to_owned()),
                IssueFault::DiceRepeat => None,
                IssueFault::NothingSigns => Some("run `msb server key reset`".to_owned()),
                IssueFault::Store(fault) => storage::store_hint(fault),
                IssueFault::Unsealable(Unsealable::TooLong { .. }) => {
                    Some("ask for fewer namespaces or scope words".to_owned())
                }
                IssueFault::Unsealable(Unsealable::EndsBeforeItBegins) => {
                    Some("choose `--expire` after `--not-before`".to_owned())
                }
            },
            Error::DevBeyondLoopback { .. } => {
                Some("leave off `--dev`, or listen on 127.0.0.1".to_owned())
            }
            Error::Hung { pid: Some(pid), .. } => {
                Some(format!("look at process {pid}; if it is lost, `kill -9 {pid}` ends it"))
            }
            Error::Hung { pid: None, lock } => {
                Some(format!("run `fuser {}` to find its process", storage::shown(lock)))
            }
            Error::ManagedReset => {
                Some("run `msb server key reset` yourself; the server follows at once".to_owned())
            }
            Error::Unconfirmed { why } => why.hint(),
            Error::Input(_) | Error::Output(_) | Error::System { .. } | Error::Untold { .. } => {
                None
            }
            Error::Jwks { why, .. } => Some(words::jwks_hint(*why).to_owned()),
            Error::Moved { .. } => Some("look again with `msb server status`".to_owned()),
            Error::NoHome => Some("set HOME, or name a directory with `--home`".to_owned()),
            Error::NoKeyGiven => Some(
                "give KEY, `-` for standard input, `--key-file`, or set MSB_API_KEY".to_owned(),
            ),
            Error::NoLines => Some("give it one key a line".to_owned()),
            Error::NoServerKey { .. } => {
                Some("run `msb server keygen` to make one, or verify with `--jwks`".to_owned())
            }
            Error::NoSuchServerKey { .. } => Some("run `msb server key show --json`".to_owned()),
            Error::NotConfirmed => Some("nothing was changed; `-y` asks nothing".to_owned()),
            Error::NotFound { .. } => Some("run `msb server list --state all`".to_owned()),
            Error::NotRevoked { ids, .. } => {
                Some(format!("run `msb server revoke {}`", joined(ids)))
            }
            Error::Nowhere => Some("open it, or write to a file with `-o FILE`".to_owned()),
            Error::Overwrites { .. } => {
                Some("keep a copy of that file, then say `-y`: it is overwritten".to_owned())
            }
            Error::Past { .. } => Some("make another with `msb server key rotate`".to_owned()),
            Error::Pem { why, .. } => Some(words::pem_hint(*why).to_owned()),
            Error::Refused(refusal) => Some(refusal.hint()),
            Error::ServerKeyPem { .. } => {
                Some("give an Ed25519 private key as OpenSSL writes it: PKCS#8 PEM".to_owned())
            }
            Error::SetAgain { .. } => Some("keep one of these lines".to_owned()),
            Error::Store(fault) => storage::store_hint(fault),
            Error::Unclear { why, .. } => Some(words::line_hint(*why).to_owned()),
            Error::Undelivered { .. } => Some("run it again: nobody has that key".to_owned()),
            Error::Usage { hint, .. } => Some(hint.clone()),
            Error::UpstreamIsUs { .. } => Some(
                "name the service behind it with `--upstream` or `upstream` in config.toml, or \
                 listen on another `--port`"
                    .to_owned(),
            ),
            Error::UseUnknown(fault) => storage::usage_hint(fault),
        }
    }
}
