//! No crate is locked below the version that mended what is known of it: `docs/proof/floors.txt`.

use std::{fs, path::Path};

/// Of a version the three numbers, without what may follow them.
type Version = [u64; 3];

#[test]
fn no_crate_is_locked_below_its_floor() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let floors = floors(&fs::read_to_string(root.join("docs/proof/floors.txt")).unwrap());
    let mut held = 0;
    // The packages of the peers and of the fuzz targets have lockfiles of their own.
    for name in ["Cargo.lock", "benches/speed/Cargo.lock", "fuzz/Cargo.lock"] {
        let Ok(lock) = fs::read_to_string(root.join(name)) else {
            let manifest = root.join(name).with_extension("toml");
            assert!(!manifest.exists(), "{name} is not committed");
            continue;
        };
        let locked = locked(&lock);
        assert_eq!(below(&locked, &floors), [""; 0], "in {name}");
        held += locked.iter().filter(|(name, _)| floors.iter().any(|(on, _)| on == name)).count();
    }
    assert!(held > 10, "only {held} locked crates have a floor: the reader is broken");
}

#[test]
fn sqlite_is_not_below_its_floor() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let floors = floors(&fs::read_to_string(root.join("docs/proof/floors.txt")).unwrap());
    let built_in = [("SQLite".to_owned(), version(rusqlite::version()))];
    assert!(floors.iter().any(|(name, _)| name == "SQLite"));
    assert_eq!(below(&built_in, &floors), [""; 0]);
}

/// `.cargo/config.toml` is in force: cargo finds it from the folder in which it is called.
#[test]
fn sqlite_has_no_more_in_it_than_is_asked_for() {
    let db = rusqlite::Connection::open_in_memory().unwrap();
    let mut query = db.prepare("PRAGMA compile_options").unwrap();
    let options = query.query_map((), |row| row.get(0)).unwrap();
    let options: Vec<String> = options.collect::<Result<_, _>>().unwrap();
    assert!(options.iter().any(|option| option == "OMIT_LOAD_EXTENSION"), "{options:?}");
    assert!(!options.iter().any(|option| option.starts_with("ENABLE_FTS")), "{options:?}");
}

#[test]
fn a_floor_is_seen() {
    let floors = floors("# why\n\na 4.1.3 RUSTSEC\nb 0.8.6 RUSTSEC\nb 0.10.1 RUSTSEC\n");
    let check = |name: &str, text: &str, holds: bool| {
        let lock = format!("[[package]]\nname = \"{name}\"\nversion = \"{text}\"\n");
        assert_eq!(below(&locked(&lock), &floors).is_empty(), holds, "{name} {text}");
    };
    check("a", "4.1.3", true);
    check("a", "4.1.2", false);
    check("a", "5.0.0", true);
    check("a", "3.9.9", false);
    check("a", "4.1.3+more", true);
    check("a", "4.1.3-pre.1", false);
    check("b", "0.8.6", true);
    check("b", "0.8.5", false);
    check("b", "0.9.9", false);
    check("b", "0.10.0", false);
    check("b", "1.0.0", true);
    check("c", "0.0.1", true);
}

/// The crates that are below their floor, with both versions.
fn below(locked: &[(String, Version)], floors: &[(String, Version)]) -> Vec<String> {
    let below = locked.iter().filter_map(|(name, version)| {
        let of_it = || floors.iter().filter(|(on, _)| on == name).map(|(_, floor)| *floor);
        let floor =
            of_it().find(|floor| series(*floor) == series(*version)).or_else(|| of_it().max())?;
        (*version < floor).then(|| format!("{name} {version:?} is below {floor:?}"))
    });
    below.collect()
}

/// What Cargo takes for compatible: up to the first number that is not 0.
fn series(version: Version) -> Version {
    match version {
        [0, 0, patch] => [0, 0, patch],
        [0, minor, _] => [0, minor, 0],
        [major, ..] => [major, 0, 0],
    }
}

fn floors(text: &str) -> Vec<(String, Version)> {
    let rows = text.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
    let floors = rows.map(|row| {
        let words: Vec<_> = row.split_whitespace().collect();
        assert!(words.len() > 2, "a crate, its floor and why: {row}");
        (words[0].to_owned(), version(words[1]))
    });
    floors.collect()
}

fn locked(lock: &str) -> Vec<(String, Version)> {
    let packages = lock.split("[[package]]\n").skip(1).map(|package| {
        let value = |key: &str| {
            let line = package.lines().find_map(|line| line.strip_prefix(key)).unwrap();
            line.trim_matches([' ', '=', '"']).to_owned()
        };
        (value("name"), version(&value("version")))
    });
    packages.collect()
}

/// A version before its release counts as the one before.
fn version(text: &str) -> Version {
    let text = text.split('+').next().unwrap();
    let (numbers, before) = text.split_once('-').map_or((text, false), |(n, _)| (n, true));
    let numbers: Vec<_> = numbers.split('.').map(|number| number.parse().unwrap()).collect();
    let [major, minor, patch] = numbers[..] else { panic!("not a version: {text}") };
    match (before, patch) {
        (false, _) => [major, minor, patch],
        (true, 0) => [major, minor.saturating_sub(1), u64::MAX],
        (true, _) => [major, minor, patch - 1],
    }
}
