//! The commands that are tried, the homes they begin in, and what each of them promises.

use std::{
    fs,
    path::{Path, PathBuf},
};

use crate::{
    place::{self, Place, Scratch},
    program::Msb,
};

/// A command that is tried at every point.
pub struct Case {
    pub name: &'static str,
    line: &'static str,
    pub origin: Origin,
    pub promise: Promise,
}

/// What a command promises once it said that it is done.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Promise {
    /// The server key of a lost database signs again, and its keys hold.
    Adopt,
    /// All keys hold, and the server key from elsewhere signs.
    Import,
    /// So many new keys hold.
    Issue(usize),
    /// All keys are dead, and another server key signs.
    Reset,
    /// The server key that signs is in its place again, and all keys hold.
    Restore,
    /// The keys of [`OWNER`] are dead, and no others.
    Revoke,
    /// All keys hold, and another server key signs.
    Rotate,
}

impl Promise {
    /// The subcommand of `server key` that it needs.
    fn needs(self) -> Option<&'static str> {
        match self {
            Self::Adopt | Self::Import | Self::Restore => Some("import"),
            Self::Issue(_) | Self::Revoke => None,
            Self::Reset => Some("reset"),
            Self::Rotate => Some("rotate"),
        }
    }
}

/// The home that a command begins in.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Origin {
    /// As kept, but all that is left is the server key.
    DatabaseLost,
    /// Nothing was ever kept.
    Empty,
    /// A server key, and two keys, the second of them of [`OWNER`].
    Kept,
    /// As kept, but the server key is gone.
    KeyLost,
    /// As kept, and one more key of [`OWNER`] and one of [`ANOTHER`].
    Owned,
    /// As kept, but the first key was signed by a server key that is retired.
    Rotated,
    /// As kept, but the server key has not taken its name yet.
    Unfinished,
}

/// What a command begins with.
#[derive(Default)]
pub struct Start {
    pub home: Option<PathBuf>,
    pub keys: Vec<Kept>,
    /// The server key that signs.
    pub kid: Option<String>,
}

/// A key that was handed out before.
#[derive(Clone)]
pub struct Kept {
    pub id: String,
    pub text: String,
    pub owner: Option<&'static str>,
}

impl Kept {
    /// Whether a command that revokes is about it.
    pub fn is_named(&self) -> bool {
        self.owner == Some(OWNER)
    }
}

/// All commands that the program under test has, with what they need.
pub struct Cases {
    pub known: Vec<&'static Case>,
    unknown: Vec<&'static Case>,
    database_lost: Start,
    empty: Start,
    kept: Start,
    key_lost: Start,
    owned: Start,
    rotated: Start,
    unfinished: Start,
    /// A copy of the server key of the kept home.
    copy: PathBuf,
    /// A server key from elsewhere, and its kid.
    import: PathBuf,
    pub imported_kid: String,
}

impl Cases {
    /// Asks the program which commands it has, and makes the homes.
    pub fn of(msb: &Msb, scratch: &Scratch) -> Self {
        let help = msb.run(&scratch.path("none"), &["server", "key", "--help"]).stdout;
        let has = |word: &str| {
            help.lines().any(|line| line.split_whitespace().next().is_some_and(|w| w == word))
        };
        let (known, unknown) =
            CASES.iter().partition(|case: &&Case| case.promise.needs().is_none_or(has));
        let two = [None, Some(OWNER)];
        let four = [None, Some(OWNER), Some(OWNER), Some(ANOTHER)];
        let elsewhere = begin(msb, scratch.path("elsewhere"), &two, false);
        let kept = begin(msb, scratch.path("kept"), &two, false);
        let copy = scratch.path("copy");
        fs::copy(scratch.path("kept/server.key"), &copy).unwrap();
        let kid = kept.kid.clone().unwrap();
        Self {
            known,
            unknown,
            database_lost: altered(&kept, scratch.path("database-lost"), |home| {
                for end in ["", "-shm", "-wal"] {
                    let _ = fs::remove_file(home.join(format!("msb.db{end}")));
                }
            }),
            empty: Start::default(),
            key_lost: altered(&kept, scratch.path("key-lost"), |home| {
                fs::remove_file(home.join("server.key")).unwrap();
            }),
            // As a command leaves it that was killed before its last rename.
            unfinished: altered(&kept, scratch.path("unfinished"), |home| {
                let staged = home.join(format!("server.key.{kid}"));
                fs::rename(home.join("server.key"), staged).unwrap();
            }),
            kept,
            owned: begin(msb, scratch.path("owned"), &four, false),
            rotated: begin(msb, scratch.path("rotated"), &two, has("rotate")),
            copy,
            import: scratch.path("elsewhere/server.key"),
            imported_kid: elsewhere.kid.unwrap(),
        }
    }

    /// The commands that the program does not have.
    pub fn absent(&self) -> impl Iterator<Item = &'static str> {
        self.unknown.iter().map(|case| case.name)
    }

    /// The commands that use the server key, or put another in its place.
    pub fn with_server_key(&self) -> impl Iterator<Item = &'static Case> {
        let twice = TWICE.iter().filter(|case| self.line(case.promise).is_some());
        let known = self.known.iter().copied().chain(twice);
        known.filter(|case| case.promise != Promise::Revoke)
    }

    /// The command line that promises this, if the program has one.
    pub fn line(&self, promise: Promise) -> Option<&'static str> {
        self.known.iter().find(|case| case.promise == promise).map(|case| case.line)
    }

    /// What a command begins with.
    pub fn start(&self, case: &Case) -> &Start {
        self.start_of(case.origin)
    }

    pub fn start_of(&self, origin: Origin) -> &Start {
        match origin {
            Origin::DatabaseLost => &self.database_lost,
            Origin::Empty => &self.empty,
            Origin::Kept => &self.kept,
            Origin::KeyLost => &self.key_lost,
            Origin::Owned => &self.owned,
            Origin::Rotated => &self.rotated,
            Origin::Unfinished => &self.unfinished,
        }
    }

    /// Lays the home of a command and what else it finds, and answers its words.
    pub fn lay(&self, case: &Case, place: &Place) -> Vec<String> {
        let start = self.start(case);
        place.lay(start.home.as_deref());
        if case.line.contains("--force") {
            fs::write(place.file(), OVERWRITTEN).unwrap();
            place::chmod(&place.file(), 0o600);
        }
        if case.edits_a_file() {
            fs::write(place.file(), dotenv(EDITED)).unwrap();
            place::chmod(&place.file(), 0o644);
        }
        let lines =
            start.keys.iter().filter(|key| key.is_named()).map(|key| format!("{}\n", key.id));
        fs::write(&place.input, lines.collect::<String>()).unwrap();
        self.words(case, place)
    }

    /// The words of a command.
    pub fn words(&self, case: &Case, place: &Place) -> Vec<String> {
        let word = |word: &str| match word {
            "{copy}" => self.copy.display().to_string(),
            "{file}" => place.file().display().to_string(),
            "{import}" => self.import.display().to_string(),
            "{owner}" => OWNER.to_owned(),
            "{second}" => self.start(case).keys[1].id.clone(),
            word => word.to_owned(),
        };
        case.line.split_whitespace().map(word).collect()
    }
}

impl Case {
    /// Whether the keys go to a file.
    pub fn writes_a_file(&self) -> bool {
        self.line.contains("{file}")
    }

    /// Whether that file has something else in it, which stays.
    pub fn edits_a_file(&self) -> bool {
        self.line.contains("--dotenv")
    }

    /// Whether something was lost that the command puts right.
    pub fn mends_a_loss(&self) -> bool {
        matches!(self.origin, Origin::DatabaseLost | Origin::KeyLost)
    }
}

/// A home with a key for each of these, and another server key behind the first if asked for.
fn begin(msb: &Msb, home: PathBuf, owners: &[Option<&'static str>], rotates: bool) -> Start {
    let mut start = Start { home: Some(home.clone()), ..Start::default() };
    for owner in owners {
        if rotates && start.keys.len() == 1 {
            let ran = msb.run(&home, &["server", "key", "rotate"]);
            assert_eq!(ran.exit, Some(0), "{ran}");
        }
        let owned = owner.map(|owner| vec!["--owner", owner]).unwrap_or_default();
        let words = [&["server", "keygen", "-q"], owned.as_slice()].concat();
        let answer = msb.json(&home, &words).unwrap();
        let text = |name: &str| answer[name].as_str().unwrap().to_owned();
        start.keys.push(Kept { id: text("id"), text: text("key"), owner: *owner });
        start.kid = Some(text("kid"));
    }
    start
}

/// A copy of a home in which something is changed.
fn altered(from: &Start, home: PathBuf, alter: impl FnOnce(&Path)) -> Start {
    place::copy(from.home.as_deref().unwrap(), &home);
    alter(&home);
    Start { keys: from.keys.clone(), kid: from.kid.clone(), home: Some(home) }
}

/// The file that `--dotenv` edits, with this value.
pub fn dotenv(value: &str) -> String {
    [DOTENV.0, value, DOTENV.1].concat()
}

/// The value in a file that `--dotenv` edited; none if anything else in it is not as it was.
pub fn dotenv_value(text: &str) -> Option<&str> {
    text.strip_prefix(DOTENV.0)?.strip_suffix(DOTENV.1)
}

/// What is in a file that `--force` overwrites.
pub const OVERWRITTEN: &str = "what was there before\n";

/// The value that `--dotenv` replaces.
pub const EDITED: &str = "what-was-there-before";

/// What is before that value and behind it: ends of lines of both kinds, and none at the end.
const DOTENV: (&str, &str) = (
    "# of somebody\r\nTHEIRS='msb_ = not a key'\n\nexport MSB_API_KEY=",
    "\n  SPACED = \"\u{e9}\" # and so on\t\r\nLAST=no end of line",
);

/// Whose keys are revoked together.
pub const OWNER: &str = "ci-bot";

/// Whose are not.
pub const ANOTHER: &str = "alice@example.org";

const CASES: &[Case] = &[
    case("first", "server keygen", Origin::Empty, Promise::Issue(1)),
    case("keygen", "server keygen", Origin::Kept, Promise::Issue(1)),
    case("count", "server keygen --count 3", Origin::Kept, Promise::Issue(3)),
    case("file", "server keygen -o {file}", Origin::Kept, Promise::Issue(1)),
    case("force", "server keygen -o {file} --force", Origin::Kept, Promise::Issue(1)),
    case("dotenv", "server keygen --dotenv {file}", Origin::Kept, Promise::Issue(1)),
    case("mend", "server keygen", Origin::Unfinished, Promise::Issue(1)),
    case("revoke", "server revoke {second}", Origin::Kept, Promise::Revoke),
    case("owner", "server revoke --owner {owner}", Origin::Owned, Promise::Revoke),
    case("lines", "server revoke -", Origin::Owned, Promise::Revoke),
    case("rotate", "server key rotate", Origin::Kept, Promise::Rotate),
    case("reset", "server key reset", Origin::Rotated, Promise::Reset),
    case("reset-mend", "server key reset", Origin::Unfinished, Promise::Reset),
    case("import", "server key import {import} -y", Origin::Kept, Promise::Import),
    case("restore", "server key import {copy}", Origin::KeyLost, Promise::Restore),
    case("reset-lost", "server key reset", Origin::DatabaseLost, Promise::Reset),
    case("adopt", "server key import {copy}", Origin::DatabaseLost, Promise::Adopt),
];

/// Commands that only meet two faults: what each fault alone does, others show.
const TWICE: &[Case] = &[
    case("rotate-mend", "server key rotate", Origin::Unfinished, Promise::Rotate),
    case("import-mend", "server key import {import} -y", Origin::Unfinished, Promise::Import),
];

const fn case(name: &'static str, line: &'static str, origin: Origin, promise: Promise) -> Case {
    Case { name, line, origin, promise }
}
