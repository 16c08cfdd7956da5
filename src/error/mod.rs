//! How failures are told: for each one the message, the hint, the code for programs and the
//! exit code. The rooms below hold facts; the words are here.

mod refusal;
mod settings;
mod storage;
mod words;

use std::{fmt, io, path::PathBuf};

use crate::{
    config::ConfigFault,
    files::{Fault, FileFault},
    issue::IssueFault,
    key::{KeyId, Unsealable},
    label::{Label, Shown},
    signing::{Kid, NotAJwk, NotAPem},
    store::StoreFault,
    time::UnixTime,
    variable::Variable,
    verify::Refusal,
};

pub use refusal::verdict_exit;
pub use words::redacted;

/// What a process ends with.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
#[repr(u8)]
pub enum Exit {
    /// Done; for `verify`: valid.
    Done = 0,
    /// Any other failure.
    Failed = 1,
    /// The command line is wrong.
    Usage = 2,
    /// Something needs doing.
    Attention = 3,
    /// There is no server key.
    NoServerKey = 4,
    /// There is no such key.
    NotFound = 5,
    /// Not confirmed, ambiguous, or against policy.
    Refused = 6,
    /// Verdict: not written as a key is.
    Malformed = 10,
    /// Verdict: nobody we know signed it.
    BadSignature = 11,
    /// Verdict: over.
    Expired = 12,
    /// Verdict: not alive yet.
    NotYetValid = 13,
    /// Verdict: cut off.
    Revoked = 14,
    /// Verdict: not for this audience, namespace or scope.
    Elsewhere = 15,
    /// Input data is damaged.
    BadData = 65,
    /// A file cannot be made.
    CannotCreate = 73,
    /// Output could not be written.
    OutputFailed = 74,
    /// Another process is in the way.
    Busy = 75,
    /// Permissions are missing, or too wide.
    Permissions = 77,
    /// The configuration is wrong.
    Configuration = 78,
}

impl Exit {
    /// All of them, in the order of their codes.
    pub const ALL: [Exit; 19] = [
        Exit::Done,
        Exit::Failed,
        Exit::Usage,
        Exit::Attention,
        Exit::NoServerKey,
        Exit::NotFound,
        Exit::Refused,
        Exit::Malformed,
        Exit::BadSignature,
        Exit::Expired,
        Exit::NotYetValid,
        Exit::Revoked,
        Exit::Elsewhere,
        Exit::BadData,
        Exit::CannotCreate,
        Exit::OutputFailed,
        Exit::Busy,
        Exit::Permissions,
        Exit::Configuration,
    ];

    /// What it means, for people.
    pub fn meaning(self) -> &'static str {
        match self {
            Exit::Done => "done",
            Exit::Failed => "any other failure",
            Exit::Usage => "usage: the command line is wrong",
            Exit::Attention => "attention: something needs doing",
            Exit::NoServerKey => "no server key",
            Exit::NotFound => "not found: no such key",
            Exit::Refused => "refused: not confirmed, ambiguous, or against policy",
            Exit::Malformed => "verdict: malformed",
            Exit::BadSignature => "verdict: signed by an unknown server key, or forged",
            Exit::Expired => "verdict: expired",
            Exit::NotYetValid => "verdict: not yet valid",
            Exit::Revoked => "verdict: revoked",
            Exit::Elsewhere => "verdict: for another audience, namespace or scope",
            Exit::BadData => "input data is damaged",
            Exit::CannotCreate => "a file cannot be made",
            Exit::OutputFailed => "output could not be written",
            Exit::Busy => "busy: try again",
            Exit::Permissions => "permissions are missing, or too wide",
            Exit::Configuration => "the configuration is wrong",
        }
    }
}

/// Whatever ends a command early.
#[derive(Debug)]
pub enum Error {
    /// Several keys are meant.
    Ambiguous {
        /// What was typed.
        text: String,
        /// Which keys.
        ids: Vec<KeyId>,
    },
    /// The settings are wrong.
    Config(ConfigFault),
    /// A file cannot be made.
    Create(FileFault),
    /// A file cannot be read.
    File(FileFault),
    /// Standard input cannot be read.
    Input(io::Error),
    /// No key was issued.
    Issue(IssueFault),
    /// A file with public keys holds none to use.
    Jwks {
        /// The file.
        path: String,
        /// Why.
        why: NotAJwk,
    },
    /// The server key that signs is not the one that was shown.
    Moved {
        /// Which one signs by now, if any.
        kid: Option<Kid>,
    },
    /// No directory for this user.
    NoHome,
    /// No key was given to look at.
    NoKeyGiven,
    /// No server key was ever made here.
    NoServerKey {
        /// Where it would be.
        home: String,
    },
    /// Somebody was asked, and did not say yes.
    NotConfirmed,
    /// Standard output was closed before there was anything to say.
    Nowhere,
    /// There is no such key.
    NotFound {
        /// What was typed.
        text: String,
    },
    /// Keys could be neither handed out nor cut off.
    NotRevoked {
        /// Which keys.
        ids: Vec<KeyId>,
        /// Why they could not be handed out.
        output: Box<Error>,
        /// Why they could not be cut off.
        store: StoreFault,
    },
    /// A value in a `.env` file opens a quote, and where it ends is not clear.
    OpenQuote {
        /// The file.
        path: PathBuf,
        /// The line that opens it.
        line: usize,
    },
    /// Output could not be written.
    Output(io::Error),
    /// A file with a public key holds none.
    Pem {
        /// The file.
        path: String,
        /// Why.
        why: NotAPem,
    },
    /// A server key that was retired or reset is to sign again.
    Past {
        /// Which one.
        kid: Kid,
        /// When it ceased to sign.
        at: UnixTime,
    },
    /// A key that was given does not hold.
    Refused(Refusal),
    /// A file that is to hold a server key holds none.
    ServerKeyPem {
        /// The file.
        path: String,
        /// Why.
        why: NotAPem,
    },
    /// A `.env` file sets a variable in several lines.
    SetAgain {
        /// The file.
        path: PathBuf,
        /// The variable.
        variable: Variable,
        /// Which lines, from 1.
        lines: Vec<usize>,
    },
    /// What is kept cannot be read or changed.
    Store(StoreFault),
    /// Keys could not be handed out, and are cut off.
    Undelivered {
        /// How many.
        count: usize,
        /// Why.
        output: Box<Error>,
    },
    /// It is done, and the answer could not be written.
    Untold {
        /// What is done.
        done: &'static str,
        /// Why it could not be told.
        output: io::Error,
    },
    /// The command line is wrong.
    Usage {
        /// What is wrong.
        message: String,
        /// What to do.
        hint: String,
    },
}

impl Error {
    /// A mistake in the command line.
    pub fn usage(message: impl Into<String>, hint: impl Into<String>) -> Self {
        Self::Usage { message: message.into(), hint: hint.into() }
    }

    /// What the process ends with.
    pub fn exit(&self) -> Exit {
        match self {
            Error::Ambiguous { .. }
            | Error::Moved { .. }
            | Error::NotConfirmed
            | Error::Past { .. } => Exit::Refused,
            Error::Config(fault) => settings::config_exit(fault),
            Error::Create(fault) => storage::create_exit(fault),
            Error::File(fault) => storage::file_exit(fault),
            Error::Issue(fault) => match fault {
                IssueFault::AgainstPolicy(_)
                | IssueFault::BornDead(_)
                | IssueFault::ClockBehind { .. } => Exit::Refused,
                IssueFault::DiceRepeat => Exit::Failed,
                IssueFault::NothingSigns => Exit::NoServerKey,
                IssueFault::Store(fault) => storage::store_exit(fault),
                IssueFault::Unsealable(_) => Exit::Usage,
            },
            Error::Input(_)
            | Error::Jwks { .. }
            | Error::OpenQuote { .. }
            | Error::Pem { .. }
            | Error::ServerKeyPem { .. }
            | Error::SetAgain { .. } => Exit::BadData,
            Error::NoHome => Exit::Configuration,
            Error::NoKeyGiven | Error::Usage { .. } => Exit::Usage,
            Error::NoServerKey { .. } => Exit::NoServerKey,
            Error::NotFound { .. } => Exit::NotFound,
            Error::NotRevoked { .. }
            | Error::Nowhere
            | Error::Output(_)
            | Error::Undelivered { .. }
            | Error::Untold { .. } => Exit::OutputFailed,
            Error::Refused(refusal) => verdict_exit(refusal),
            Error::Store(fault) => storage::store_exit(fault),
        }
    }

    /// The word by which programs know it.
    pub fn code(&self) -> &'static str {
        match self {
            Error::Ambiguous { .. } => "ambiguous",
            Error::Issue(IssueFault::AgainstPolicy(_)) => "policy",
            Error::Refused(refusal) => refusal.verdict(),
            Error::NotRevoked { .. } => "not_revoked",
            Error::Undelivered { .. } => "undelivered",
            other => match other.exit() {
                Exit::Done | Exit::Failed => "failed",
                Exit::Usage => "usage",
                Exit::Attention => "attention",
                Exit::NoServerKey => "no_server_key",
                Exit::NotFound => "not_found",
                Exit::Refused => "refused",
                Exit::Malformed => "malformed",
                Exit::BadSignature => "bad_signature",
                Exit::Expired => "expired",
                Exit::NotYetValid => "not_yet_valid",
                Exit::Revoked => "revoked",
                Exit::Elsewhere => "elsewhere",
                Exit::BadData => "bad_data",
                Exit::CannotCreate => "cannot_create",
                Exit::OutputFailed => "output_failed",
                Exit::Busy => "busy",
                Exit::Permissions => "permissions",
                Exit::Configuration => "configuration",
            },
        }
    }

    /// The same error of a command that was done before its answer could not be written.
    pub fn after(self, done: &'static str) -> Self {
        match self {
            Error::Output(output) => Error::Untold { done, output },
            other => other,
        }
    }

    /// Whether nobody is left to read what we would say.
    pub fn is_closed_pipe(&self) -> bool {
        matches!(self, Error::Output(error) | Error::Untold { output: error, .. }
            if error.kind() == io::ErrorKind::BrokenPipe)
    }

    /// What to do about it.
    pub fn hint(&self) -> Option<String> {
        match self {
            Error::Ambiguous { .. } => Some("name one of them by its id".to_owned()),
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
            Error::Create(fault) | Error::File(fault) => storage::file_hint(fault),
            Error::Issue(fault) => match fault {
                IssueFault::AgainstPolicy(breach) => Some(breach.hint_when_made()),
                IssueFault::BornDead(refusal) => Some(refusal.hint()),
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
            Error::Input(_) | Error::Output(_) | Error::Untold { .. } => None,
            Error::Jwks { why, .. } => Some(words::jwks_hint(*why).to_owned()),
            Error::Moved { .. } => Some("look again with `msb server status`".to_owned()),
            Error::NoHome => Some("set HOME, or name a directory with `--home`".to_owned()),
            Error::NoKeyGiven => Some(
                "give KEY, `-` for standard input, `--key-file`, or set MSB_API_KEY".to_owned(),
            ),
            Error::NoServerKey { .. } => {
                Some("run `msb server keygen` to make one, or verify with `--jwks`".to_owned())
            }
            Error::NotConfirmed => Some("nothing was changed; `-y` asks nothing".to_owned()),
            Error::NotFound { .. } => Some("run `msb server list --state all`".to_owned()),
            Error::NotRevoked { ids, .. } => {
                Some(format!("run `msb server revoke {}`", joined(ids)))
            }
            Error::Nowhere => Some("open it, or write to a file with `-o FILE`".to_owned()),
            Error::OpenQuote { .. } => Some("write the value of that line on one line".to_owned()),
            Error::Past { .. } => Some("make another with `msb server key rotate`".to_owned()),
            Error::Pem { why, .. } => Some(words::pem_hint(*why).to_owned()),
            Error::Refused(refusal) => Some(refusal.hint()),
            Error::ServerKeyPem { .. } => {
                Some("give an Ed25519 private key as OpenSSL writes it: PKCS#8 PEM".to_owned())
            }
            Error::SetAgain { .. } => Some("keep one of these lines".to_owned()),
            Error::Store(fault) => storage::store_hint(fault),
            Error::Undelivered { .. } => Some("run it again: nobody has that key".to_owned()),
            Error::Usage { hint, .. } => Some(hint.clone()),
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::Ambiguous { text, ids } => {
                write!(f, "`{}` is several keys: {}", short(text), joined(ids))
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
                IssueFault::DiceRepeat => {
                    f.write_str("the random number generator of this system repeats itself")
                }
                IssueFault::NothingSigns => f.write_str("no server key in the ring signs"),
                IssueFault::Store(fault) => fault.fmt(f),
                IssueFault::Unsealable(unsealable) => unsealable.fmt(f),
            },
            Error::Input(error) => write!(f, "standard input could not be read: {}", plain(error)),
            Error::Jwks { path, why } => write!(f, "{} {why}", Shown(path)),
            Error::Moved { kid: Some(kid) } => {
                write!(f, "the server key was changed meanwhile: {kid} signs now")
            }
            Error::Moved { kid: None } => {
                f.write_str("the server key was changed meanwhile: none signs now")
            }
            Error::NoHome => f.write_str("this user has no home directory"),
            Error::NoKeyGiven => f.write_str("no key was given"),
            Error::NoServerKey { home } => write!(f, "no server key in {}", Shown(home)),
            Error::NotConfirmed => f.write_str("not confirmed"),
            Error::NotFound { text } => write!(f, "no key `{}`", short(text)),
            Error::Nowhere => f.write_str("standard output is closed"),
            Error::NotRevoked { ids, output, store } => {
                write!(f, "{output}; then {store}; NOT revoked: {}", joined(ids))
            }
            Error::OpenQuote { path, line } => write!(
                f,
                "{}, line {line}: the value opens a quote and does not close it",
                storage::shown(path)
            ),
            Error::Output(error) => write!(f, "output could not be written: {}", plain(error)),
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
        }
    }
}

/// What was typed, unless it is longer than any name: then it may be a key in pieces.
pub fn short(text: &str) -> String {
    if text.chars().count() > Label::MOST { "…".to_owned() } else { Shown(text).to_string() }
}

/// What the operating system says, without its number.
fn plain(error: &io::Error) -> String {
    let text = error.to_string();
    let end = text.find(" (os error").unwrap_or(text.len());
    text[..end].to_lowercase()
}

fn joined(ids: &[KeyId]) -> String {
    ids.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ")
}

impl From<ConfigFault> for Error {
    fn from(fault: ConfigFault) -> Self {
        Self::Config(fault)
    }
}

impl From<FileFault> for Error {
    fn from(fault: FileFault) -> Self {
        Self::File(fault)
    }
}

impl From<IssueFault> for Error {
    fn from(fault: IssueFault) -> Self {
        Self::Issue(fault)
    }
}

impl From<StoreFault> for Error {
    fn from(fault: StoreFault) -> Self {
        Self::Store(fault)
    }
}
