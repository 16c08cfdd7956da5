//! What a process ends with.

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
