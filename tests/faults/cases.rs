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
    /// Another server key signs, and which keys hold is not told.
    Import,
    /// So many new keys hold.
    Issue(usize),
    /// All keys are dead, and another server key signs.
    Reset,
    /// The second key is dead.
    Revoke,
    /// All keys hold, and another server key signs.
    Rotate,
}

impl Promise {
    /// The subcommand of `server key` that it needs.
    fn needs(self) -> Option<&'static str> {
        match self {
            Self::Import => Some("import"),
            Self::Issue(_) | Self::Revoke => None,
            Self::Reset => Some("reset"),
            Self::Rotate => Some("rotate"),
        }
    }
}

/// The home that a command begins in.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Origin {
    /// Nothing was ever kept.
    Empty,
    /// A server key, and two keys.
    Kept,
    /// As kept, but the first key was signed by a server key that is retired.
    Rotated,
    /// As kept, but the server key has not taken its name yet.
    Unfinished,
}

/// What a command begins with.
#[derive(Default)]
pub struct Start {
    pub home: Option<PathBuf>,
    /// Two, or none.
    pub keys: Vec<Kept>,
    /// The server key that signs.
    pub kid: Option<String>,
}

/// A key that was handed out before.
pub struct Kept {
    pub id: String,
    pub text: String,
}

/// All commands that the program under test has, with what they need.
pub struct Cases {
    pub known: Vec<&'static Case>,
    unknown: Vec<&'static Case>,
    empty: Start,
    kept: Start,
    rotated: Start,
    unfinished: Start,
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
        let elsewhere = begin(msb, scratch.path("elsewhere"), false);
        let kept = begin(msb, scratch.path("kept"), false);
        Self {
            known,
            unknown,
            empty: Start::default(),
            unfinished: unfinished(&kept, scratch.path("unfinished")),
            kept,
            rotated: begin(msb, scratch.path("rotated"), has("rotate")),
            import: scratch.path("elsewhere/server.key"),
            imported_kid: elsewhere.kid.unwrap(),
        }
    }

    /// The commands that the program does not have.
    pub fn absent(&self) -> impl Iterator<Item = &'static str> {
        self.unknown.iter().map(|case| case.name)
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
            Origin::Empty => &self.empty,
            Origin::Kept => &self.kept,
            Origin::Rotated => &self.rotated,
            Origin::Unfinished => &self.unfinished,
        }
    }

    /// Lays the home of a command, and answers its words.
    pub fn lay(&self, case: &Case, place: &Place) -> Vec<String> {
        let start = self.start(case);
        place.lay(start.home.as_deref());
        if case.line.contains("--force") {
            fs::write(place.file(), OVERWRITTEN).unwrap();
            chmod(&place.file(), 0o600);
        }
        let word = |word: &str| match word {
            "{file}" => place.file().display().to_string(),
            "{second}" => start.keys[1].id.clone(),
            "{import}" => self.import.display().to_string(),
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
}

/// A home with two keys, and another server key between them if asked for.
fn begin(msb: &Msb, home: PathBuf, rotates: bool) -> Start {
    let issue = || {
        let answer = msb.json(&home, &["server", "keygen", "-q"]).unwrap();
        let text = |name: &str| answer[name].as_str().unwrap().to_owned();
        (Kept { id: text("id"), text: text("key") }, text("kid"))
    };
    let (first, _) = issue();
    if rotates {
        let ran = msb.run(&home, &["server", "key", "rotate"]);
        assert_eq!(ran.exit, Some(0), "{ran}");
    }
    let (second, kid) = issue();
    Start { keys: vec![first, second], kid: Some(kid), home: Some(home) }
}

/// The home of a command that was killed before its last rename.
fn unfinished(kept: &Start, home: PathBuf) -> Start {
    place::copy(kept.home.as_deref().unwrap(), &home);
    let kid = kept.kid.clone().unwrap();
    fs::rename(home.join("server.key"), home.join(format!("server.key.{kid}"))).unwrap();
    let again = |key: &Kept| Kept { id: key.id.clone(), text: key.text.clone() };
    Start { keys: kept.keys.iter().map(again).collect(), kid: Some(kid), home: Some(home) }
}

fn chmod(path: &Path, mode: u32) {
    use std::os::unix::fs::PermissionsExt;
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

/// What is in a file that `--force` overwrites.
pub const OVERWRITTEN: &str = "what was there before\n";

const CASES: &[Case] = &[
    case("first", "server keygen", Origin::Empty, Promise::Issue(1)),
    case("keygen", "server keygen", Origin::Kept, Promise::Issue(1)),
    case("count", "server keygen --count 3", Origin::Kept, Promise::Issue(3)),
    case("file", "server keygen -o {file}", Origin::Kept, Promise::Issue(1)),
    case("force", "server keygen -o {file} --force", Origin::Kept, Promise::Issue(1)),
    case("mend", "server keygen", Origin::Unfinished, Promise::Issue(1)),
    case("revoke", "server revoke {second}", Origin::Kept, Promise::Revoke),
    case("rotate", "server key rotate", Origin::Kept, Promise::Rotate),
    case("reset", "server key reset", Origin::Rotated, Promise::Reset),
    case("reset-mend", "server key reset", Origin::Unfinished, Promise::Reset),
    case("import", "server key import {import} -y", Origin::Kept, Promise::Import),
];

const fn case(name: &'static str, line: &'static str, origin: Origin, promise: Promise) -> Case {
    Case { name, line, origin, promise }
}
