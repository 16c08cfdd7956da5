//! How failures are told: for each one the message, the hint, the code for programs and the
//! exit code. The rooms below hold facts; the words are here.

mod exit;
mod hint;
mod http;
mod message;
mod refusal;
mod settings;
mod storage;
mod words;

use std::{io, net::SocketAddr, path::PathBuf};

use crate::{
    config::{ConfigFault, Upstream},
    files::{FileFault, Home},
    issue::IssueFault,
    key::KeyId,
    signing::{Kid, NotAJwk, NotAPem},
    store::{StoreFault, UsageFault},
    time::UnixTime,
    variable::Variable,
    verify::Refusal,
};

pub use exit::Exit;
pub use http::{Hearer, Told, Turned, Unreadable};
use message::plain;
pub use message::short;
pub use refusal::verdict_exit;
pub use words::{UnclearLine, redacted};

/// Whatever ends a command early.
#[derive(Debug)]
pub enum Error {
    /// A server runs already.
    AlreadyRunning {
        /// Its process, if it says so.
        pid: Option<u32>,
        /// Where it listens, if it says so.
        address: Option<String>,
    },
    /// Several keys are meant.
    Ambiguous {
        /// What was typed.
        text: String,
        /// Which keys.
        ids: Vec<KeyId>,
    },
    /// The server does not know a change of trust yet.
    Behind {
        /// Where it listens.
        address: String,
        /// Why it cannot read what is kept, if it says so.
        fault: Option<String>,
    },
    /// Nothing can listen there.
    CannotListen {
        /// Where.
        address: SocketAddr,
        /// Why.
        error: io::Error,
    },
    /// The settings are wrong.
    Config(ConfigFault),
    /// A file cannot be made.
    Create(FileFault),
    /// Keys were not to be required, where others than this machine can ask.
    DevBeyondLoopback {
        /// Where.
        address: SocketAddr,
    },
    /// A file cannot be read.
    File(FileFault),
    /// The file of variables of a GitHub job cannot be written.
    GithubEnv(FileFault),
    /// A server runs, and does not answer.
    Hung {
        /// Its process, if it has said so.
        pid: Option<u32>,
        /// What it holds.
        lock: PathBuf,
    },
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
    /// A service manager's own process was to reset the server key, and would again and again.
    ManagedReset,
    /// The server key that signs is not the one that was shown.
    Moved {
        /// Which one signs by now, if any.
        kid: Option<Kid>,
    },
    /// No directory for this user.
    NoHome,
    /// No key was given to look at.
    NoKeyGiven,
    /// Many keys were to be looked at, and none came.
    NoLines,
    /// No server key was ever made here.
    NoServerKey {
        /// Where it would be.
        home: String,
    },
    /// No server key of this name was ever used here.
    NoSuchServerKey {
        /// The name.
        kid: Kid,
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
    /// Output could not be written.
    Output(io::Error),
    /// Another server key would be overwritten, and nobody can be asked.
    Overwrites {
        /// What lies there.
        file: String,
    },
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
    /// The operating system does not do what a server needs.
    System {
        /// What it was asked for.
        what: &'static str,
        /// What it says.
        error: io::Error,
    },
    /// A change of trust is committed, and a server that runs has not said that it knows it.
    Unconfirmed {
        /// Why.
        why: Box<Error>,
    },
    /// Readers of a `.env` file differ on where a line of it ends.
    Unclear {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
        /// Why.
        why: UnclearLine,
    },
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
    /// A server was to stand before itself.
    UpstreamIsUs {
        /// What was to lie behind it.
        upstream: Upstream,
    },
    /// It is not known when keys were used.
    UseUnknown(UsageFault),
}

impl Error {
    /// A mistake in the command line.
    pub fn usage(message: impl Into<String>, hint: impl Into<String>) -> Self {
        Self::Usage { message: message.into(), hint: hint.into() }
    }

    /// That the operating system does not do something, for the errors that it says.
    pub fn system(what: &'static str) -> impl Fn(io::Error) -> Self {
        move |error| Self::System { what, error }
    }

    /// That no server key was ever made in a home.
    pub fn no_server_key(home: &Home) -> Self {
        Self::NoServerKey { home: home.config.display().to_string() }
    }

    /// What the process ends with.
    pub fn exit(&self) -> Exit {
        match self {
            Error::Ambiguous { .. }
            | Error::ManagedReset
            | Error::Moved { .. }
            | Error::NotConfirmed
            | Error::Overwrites { .. }
            | Error::Past { .. } => Exit::Refused,
            Error::AlreadyRunning { .. }
            | Error::Behind { .. }
            | Error::CannotListen { .. }
            | Error::Hung { .. }
            | Error::System { .. } => Exit::Failed,
            Error::Config(fault) => settings::config_exit(fault),
            Error::Create(fault) => storage::create_exit(fault),
            Error::File(fault) | Error::GithubEnv(fault) => storage::file_exit(fault),
            Error::Issue(fault) => match fault {
                IssueFault::AgainstPolicy(_)
                | IssueFault::BornDead(_)
                | IssueFault::ClockBehind { .. }
                | IssueFault::OverBeforeRule { .. } => Exit::Refused,
                IssueFault::DiceRepeat => Exit::Failed,
                IssueFault::NothingSigns => Exit::NoServerKey,
                IssueFault::Store(fault) => storage::store_exit(fault),
                IssueFault::Unsealable(_) => Exit::Usage,
            },
            Error::Input(_)
            | Error::Jwks { .. }
            | Error::Pem { .. }
            | Error::ServerKeyPem { .. }
            | Error::SetAgain { .. }
            | Error::Unclear { .. } => Exit::BadData,
            Error::NoHome | Error::UpstreamIsUs { .. } => Exit::Configuration,
            Error::DevBeyondLoopback { .. }
            | Error::NoKeyGiven
            | Error::NoLines
            | Error::Usage { .. } => Exit::Usage,
            Error::NoServerKey { .. } => Exit::NoServerKey,
            Error::NoSuchServerKey { .. } | Error::NotFound { .. } => Exit::NotFound,
            Error::NotRevoked { .. }
            | Error::Nowhere
            | Error::Output(_)
            | Error::Undelivered { .. }
            | Error::Untold { .. } => Exit::OutputFailed,
            Error::Refused(refusal) => verdict_exit(refusal),
            Error::Store(fault) => storage::store_exit(fault),
            Error::Unconfirmed { .. } => Exit::Attention,
            Error::UseUnknown(fault) => storage::usage_exit(fault),
        }
    }

    /// The word by which programs know it.
    pub fn code(&self) -> &'static str {
        match self {
            Error::AlreadyRunning { .. } => "already_running",
            Error::Ambiguous { .. } => "ambiguous",
            Error::Unconfirmed { .. } => "unconfirmed",
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

impl From<UsageFault> for Error {
    fn from(fault: UsageFault) -> Self {
        Self::UseUnknown(fault)
    }
}
