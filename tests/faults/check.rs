//! What must hold after a command, however it ended.

use std::{
    collections::HashMap,
    fs,
    os::unix::fs::{MetadataExt, PermissionsExt},
    path::Path,
};

use rusqlite::{Connection, OpenFlags};

use crate::{
    cases::{
        Case, Cases, EDITED, OVERWRITTEN, OWNER, Origin, Promise, Start, dotenv, dotenv_value,
    },
    place::{self, Place},
    program::{Msb, Ran, whole_keys},
};

/// Holds a home to what was promised, after a command that may have been killed or refused.
pub fn after(
    msb: &Msb,
    cases: &Cases,
    case: &Case,
    place: &Place,
    ran: &Ran,
) -> Result<(), String> {
    let start = cases.start(case);
    let home = &place.home;
    if case.edits_a_file() && fs::read(place.file()).unwrap() == dotenv(EDITED).as_bytes() {
        // A file of somebody's keeps its mode until a key is in it.
        place::chmod(&place.file(), 0o600);
    }
    modes(home)?;
    modes(&place.out)?;
    let done = ran.acknowledged() || put_right(msb, cases, case, place, ran)?;
    let standing = Standing::of(msb, home)?;
    let harmless = |code: &String| {
        // Keys that outlive an overlap are what a rotation is for.
        ["rename_unfinished", "outlives_overlap"].contains(&code.as_str())
            || (code == "no_server_key" && start.keys.is_empty())
    };
    hold(standing.attention.iter().all(harmless), || format!("{:?}", standing.attention))?;
    let before = old_keys(msb, case, start, home, &standing, done)?;
    let sees = Sees { msb, home, standing: &standing, ran };
    sees.new_keys(case, place)?;
    signing(case.promise, cases, start, &standing, done)
        .map_err(|what| format!("{what} after it {ran}"))?;
    next_works(msb, home)?;
    if let (Some(first), Some(then)) = (start.keys.first(), before.first()) {
        let now = msb.verify(home, &first.text);
        hold(now == Some(*then), || format!("the first key was {then}, and now is {now:?}"))?;
    }
    integrity(home)
}

/// It ended of itself with an exit of ours, or was killed from outside.
pub fn orderly_end(ran: &Ran) -> Result<(), String> {
    let panicked = ran.exit == Some(101) || ran.stderr.contains("panicked");
    let crashed = ran.exit.is_some_and(|exit| exit > 128);
    hold(!panicked && !crashed, || format!("it {ran}"))
}

/// Nobody else can look at anything below.
pub fn modes(directory: &Path) -> Result<(), String> {
    if !directory.exists() {
        return Ok(());
    }
    let private = |path: &Path, mode: u32| {
        let metadata = fs::symlink_metadata(path).unwrap();
        let found = metadata.permissions().mode() & 0o7777;
        let plain = metadata.is_dir() || (metadata.is_file() && metadata.nlink() <= 2);
        hold(plain && found == mode, || format!("{} has mode {found:o}", path.display()))
    };
    private(directory, 0o700)?;
    for entry in fs::read_dir(directory).unwrap() {
        private(&entry.unwrap().path(), 0o600)?;
    }
    Ok(())
}

/// How things stand, as `status` and `list` tell it.
pub struct Standing {
    /// What needs doing.
    pub attention: Vec<String>,
    /// The server key that signs.
    pub kid: Option<String>,
    /// Every key, and its state.
    pub states: HashMap<String, String>,
}

impl Standing {
    pub fn of(msb: &Msb, home: &Path) -> Result<Self, String> {
        let status = msb.json(home, &["server", "status"])?;
        let list = msb.json(home, &["server", "list", "--state", "all", "--limit", "0"])?;
        let text = |value: &serde_json::Value| value.as_str().unwrap_or_default().to_owned();
        let attention = status["attention"].as_array().unwrap().iter();
        let keys = list["keys"].as_array().unwrap().iter();
        Ok(Self {
            attention: attention.map(|attention| text(&attention["code"])).collect(),
            kid: status["server_key"]["kid"].as_str().map(str::to_owned),
            states: keys.map(|key| (text(&key["id"]), text(&key["state"]))).collect(),
        })
    }
}

/// A home in which something was lost either is right again, or says what to do and lets the same
/// command do it; answers whether the command is done then. Until then a key holds only where what
/// is known of its revocation was never lost.
fn put_right(
    msb: &Msb,
    cases: &Cases,
    case: &Case,
    place: &Place,
    ran: &Ran,
) -> Result<bool, String> {
    if !case.mends_a_loss() {
        return Ok(false);
    }
    let keygen = msb.run(&place.home, &["server", "keygen", "-q"]);
    if keygen.exit == Some(0) {
        return Ok(true);
    }
    hold(keygen.stderr.contains("\nmsb: hint: restore "), || format!("the next keygen {keygen}"))?;
    for key in &cases.start(case).keys {
        let verdict = msb.verify(&place.home, &key.text);
        let fine = (verdict == Some(HOLDS)) == (case.origin == Origin::KeyLost);
        hold(fine, || format!("key {} is {verdict:?} after it {ran}", key.id))?;
    }
    let again = msb.run_at(place, &cases.words(case, place));
    hold(again.exit == Some(0), || format!("the same again {again}, after it {ran}"))?;
    Ok(true)
}

/// The keys from before are wholly valid or wholly dead, as promised; answers their verdicts.
fn old_keys(
    msb: &Msb,
    case: &Case,
    start: &Start,
    home: &Path,
    standing: &Standing,
    done: bool,
) -> Result<Vec<i32>, String> {
    let mut verdicts = vec![];
    let mut alike = None;
    for key in &start.keys {
        let verdict = if case.origin == Origin::DatabaseLost {
            // The new database knows its server key only.
            match msb.verify(home, &key.text) {
                Some(verdict @ (DEAD | HOLDS)) => verdict,
                other => return Err(format!("`verify` ends with {other:?} for key {}", key.id)),
            }
        } else {
            agreed_verdict(msb, home, &key.text, &key.id, standing)?
        };
        let fine = match case.promise {
            Promise::Adopt | Promise::Import | Promise::Issue(_) => verdict == HOLDS,
            Promise::Restore | Promise::Rotate => verdict == HOLDS,
            Promise::Revoke if !key.is_named() => verdict == HOLDS,
            Promise::Revoke | Promise::Reset if done => verdict == DEAD,
            // All of them, or none.
            Promise::Revoke | Promise::Reset => *alike.get_or_insert(verdict) == verdict,
        };
        let otherwise = || format!("key {} of {:?} is {verdict}, done: {done}", key.id, key.owner);
        hold(fine, otherwise)?;
        verdicts.push(verdict);
    }
    Ok(verdicts)
}

/// What `verify` says, which `list` must agree with.
pub fn agreed_verdict(
    msb: &Msb,
    home: &Path,
    key: &str,
    id: &str,
    standing: &Standing,
) -> Result<i32, String> {
    let verdict = msb.verify(home, key);
    let state = standing.states.get(id).map(String::as_str);
    match (verdict, state) {
        (Some(HOLDS), Some("active")) | (Some(DEAD), Some("reset" | "revoked" | "undelivered")) => {
            Ok(verdict.unwrap_or(HOLDS))
        }
        _ => Err(format!("key {id} is {verdict:?}, and listed as {state:?}")),
    }
}

struct Sees<'a> {
    msb: &'a Msb,
    home: &'a Path,
    standing: &'a Standing,
    ran: &'a Ran,
}

impl Sees<'_> {
    /// A key that arrived is in the ledger; one that was acknowledged holds, and one that was
    /// refused is dead, or is said not to be.
    fn new_keys(&self, case: &Case, place: &Place) -> Result<(), String> {
        let ran = self.ran;
        let mut arrived = ran.keys();
        let file = place.file();
        let named = fs::read_to_string(&file).unwrap_or_default();
        let as_it_may_be = match dotenv_value(&named) {
            Some(value) if case.edits_a_file() => value == EDITED || id_of(value).is_some(),
            _ if case.edits_a_file() => false,
            _ => named == OVERWRITTEN || named.is_empty() || whole_keys(&named).len() == 1,
        };
        hold(as_it_may_be, || format!("the file has {} characters", named.len()))?;
        for entry in fs::read_dir(&place.out).unwrap() {
            let text = fs::read_to_string(entry.unwrap().path()).unwrap_or_default();
            arrived.extend(keys_of(case, &text));
        }
        for key in &arrived {
            let id = id_of(key).ok_or_else(|| "a key that arrived is damaged".to_owned())?;
            let verdict = agreed_verdict(self.msb, self.home, key, &id, self.standing)?;
            let shown = self.msb.run(self.home, &["server", "show", &id]);
            hold(shown.exit == Some(0), || format!("`show {id}` {shown}"))?;
            let says_so = |id: &str| ran.stderr.contains(&format!("NOT revoked: {id}"));
            let fine = match ran.exit {
                Some(0) => verdict == HOLDS,
                // Nobody could tell whether a server runs, which may not know it yet.
                Some(UNCONFIRMED) => verdict == HOLDS && ran.stderr.contains("not confirmed"),
                // Where not even that can be said, the exit alone says that it failed.
                Some(_) => verdict == DEAD || ran.stderr.is_empty() || says_so(&id),
                None => true,
            };
            hold(fine, || format!("new key {id} is {verdict} after it {ran}"))?;
        }
        if let (Promise::Issue(count), Some(0)) = (case.promise, ran.exit) {
            let told = if case.writes_a_file() { keys_of(case, &named) } else { ran.keys() };
            hold(told.len() == count, || format!("{} keys arrived of {count}", told.len()))?;
        }
        Ok(())
    }
}

/// The whole keys that a file of a command holds.
fn keys_of(case: &Case, text: &str) -> Vec<String> {
    match dotenv_value(text) {
        Some(value) if case.edits_a_file() => {
            Some(value.to_owned()).filter(|value| value != EDITED).into_iter().collect()
        }
        _ => whole_keys(text),
    }
}

/// The id of a key, as `inspect` would tell it, without a process.
pub fn id_of(key: &str) -> Option<String> {
    use msb::key::{KeyText, Prefix, UnverifiedKey};
    let text = KeyText::from(key.to_owned());
    let key = UnverifiedKey::parse(&text, &Prefix::default()).ok()?;
    Some(key.claims_unverified().jti.to_string())
}

/// The right server key signs.
fn signing(
    promise: Promise,
    cases: &Cases,
    start: &Start,
    standing: &Standing,
    done: bool,
) -> Result<(), String> {
    let (was, is) = (&start.kid, &standing.kid);
    let imported = is.as_ref() == Some(&cases.imported_kid);
    let fine = match promise {
        Promise::Adopt | Promise::Restore | Promise::Revoke => was == is,
        Promise::Import => imported || (!done && was == is),
        Promise::Issue(_) => was.is_none() || was == is,
        Promise::Reset | Promise::Rotate => is.is_some() && !(done && was == is),
    };
    hold(fine, || format!("{was:?} signed, and {is:?} signs"))
}

/// The next `keygen` works, its key holds, and then there is nothing left to do.
pub fn next_works(msb: &Msb, home: &Path) -> Result<(), String> {
    let next = msb.json(home, &["server", "keygen", "-q", "--owner", OWNER])?;
    let verdict = msb.verify(home, next["key"].as_str().unwrap_or_default());
    hold(verdict == Some(HOLDS), || format!("the next key is {verdict:?}"))?;
    let status = msb.json(home, &["server", "status"])?;
    let attention = status["attention"].as_array();
    let nothing_to_do = attention
        .is_some_and(|attention| attention.iter().all(|one| one["code"] == "outlives_overlap"));
    let signs = &status["server_key"];
    hold(nothing_to_do && signs["file_ok"] == true && signs["kid"] == next["kid"], || {
        format!("after the next keygen, by {}, there is left to do: {status}", next["kid"])
    })?;
    let names = fs::read_dir(home).unwrap().map(|entry| entry.unwrap().file_name());
    let mut names: Vec<_> = names.map(|name| name.to_string_lossy().into_owned()).collect();
    names.retain(|name| !OURS.contains(&name.as_str()));
    hold(names.is_empty(), || format!("after the next keygen there is still {}", names.join(" ")))
}

/// SQLite finds nothing wrong.
pub fn integrity(home: &Path) -> Result<(), String> {
    let found = Connection::open_with_flags(
        home.join("msb.db"),
        OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX,
    )
    .and_then(|db| db.query_row("PRAGMA integrity_check", (), |row| row.get::<_, String>(0)));
    hold(found.as_deref() == Ok("ok"), || format!("integrity_check says {found:?}"))
}

/// An error unless it is so.
pub fn hold(is_so: bool, otherwise: impl FnOnce() -> String) -> Result<(), String> {
    if is_so { Ok(()) } else { Err(otherwise()) }
}

/// What `verify` ends with: the key holds.
pub const HOLDS: i32 = 0;

/// What a command ends with that is done, where a server that runs has not said that it knows.
const UNCONFIRMED: i32 = 3;

/// What `verify` ends with: the key is cut off.
pub const DEAD: i32 = 14;

/// What there may be in a home. The journal of a new database stays where it could not be
/// removed; nobody reads it, and it has no secrets.
const OURS: &[&str] = &["msb.db", "msb.db-shm", "msb.db-wal", "msb.db.new-journal", "server.key"];
