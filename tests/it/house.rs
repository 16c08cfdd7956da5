//! The house of `src/lib.rs`: floors, and words that are said in one room only.

use std::{
    fs,
    path::{Path, PathBuf},
};

fn source() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src")
}

/// The rows of the n-th table in the codemap.
fn table(number: usize) -> Vec<String> {
    let lib = fs::read_to_string(source().join("lib.rs")).unwrap();
    let lines: Vec<_> = lib.lines().map(|line| line.trim_start_matches("//!").trim()).collect();
    let table = lines.split(|line| line.starts_with("```")).nth(number * 2 + 1).unwrap();
    table.iter().map(|line| (*line).to_owned()).collect()
}

/// Rooms by floor, the top one first.
fn floors() -> Vec<Vec<String>> {
    let rooms = |row: &String| {
        let names = row.split("    ").next().unwrap().split_whitespace();
        names.map(str::to_owned).collect()
    };
    table(0).iter().map(rooms).collect()
}

/// Every file of a room with its code, without comments.
fn code() -> Vec<(String, PathBuf, String)> {
    fn walk(directory: &Path, files: &mut Vec<PathBuf>) {
        for entry in fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                walk(&path, files);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                files.push(path);
            }
        }
    }
    let mut files = vec![];
    walk(&source(), &mut files);
    let named = files.into_iter().filter_map(|path| {
        let inside = path.strip_prefix(source()).unwrap();
        let room = inside.iter().next().unwrap().to_str().unwrap().trim_end_matches(".rs");
        let text = fs::read_to_string(&path).unwrap();
        let code: String = text
            .lines()
            .filter(|line| !line.trim_start().starts_with("//"))
            .map(|line| line.to_owned() + "\n")
            .collect();
        (room != "lib" && room != "main").then(|| (room.to_owned(), path.clone(), code))
    });
    named.collect()
}

/// The rooms that a file names, in paths and in grouped imports from the crate.
fn rooms_named(code: &str) -> Vec<String> {
    let mut rooms = vec![];
    for (at, _) in code.match_indices("crate::") {
        let rest = &code[at + "crate::".len()..];
        match rest.strip_prefix('{') {
            Some(group) => rooms.extend(members(group).iter().map(|member| first_word(member))),
            None => rooms.push(first_word(rest)),
        }
    }
    rooms.retain(|room| !room.is_empty());
    rooms
}

/// The members of an import group whose brace is open.
fn members(group: &str) -> Vec<String> {
    let (mut depth, mut members) = (1, vec![String::new()]);
    for c in group.chars() {
        match c {
            '{' => depth += 1,
            '}' => depth -= 1,
            _ => {}
        }
        match (depth, c) {
            (0, _) => break,
            (1, ',') => members.push(String::new()),
            _ => members.last_mut().unwrap().push(c),
        }
    }
    members
}

fn first_word(path: &str) -> String {
    path.trim_start().chars().take_while(|c| c.is_ascii_lowercase() || *c == '_').collect()
}

/// Whether code says a word, and not only a longer one that ends in it.
fn says(code: &str, word: &str) -> bool {
    let begins = |at: usize| !code[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_');
    code.match_indices(word).any(|(at, _)| begins(at))
}

#[test]
fn every_room_is_on_a_floor() {
    let listed: Vec<_> = floors().concat();
    for (room, path, _) in code() {
        assert!(listed.contains(&room), "{} is not in the codemap of lib.rs", path.display());
    }
    for room in &listed {
        assert!(code().iter().any(|(named, ..)| named == room), "there is no room {room}");
    }
}

#[test]
fn a_room_uses_lower_floors_only() {
    let floors = floors();
    let floor = |room: &str| floors.iter().position(|rooms| rooms.iter().any(|name| name == room));
    let mut arrows = 0;
    for (room, path, code) in code() {
        for used in rooms_named(&code).into_iter().filter(|used| *used != room) {
            let below =
                floor(&used).unwrap_or_else(|| panic!("{}: no room {used}", path.display()));
            assert!(
                floor(&room).unwrap() < below,
                "{}: {room} uses {used}, which is not on a lower floor",
                path.display()
            );
            arrows += 1;
        }
    }
    assert!(arrows > 60, "only {arrows} arrows were found: the reader of imports is broken");
}

#[test]
fn some_words_are_said_in_one_room_only() {
    let rows = table(1);
    assert!(rows.len() > 10, "the table of words was not found");
    for row in rows {
        let mut words = row.split_whitespace();
        let word = words.next().unwrap();
        let rooms: Vec<_> = words.collect();
        let mut said = false;
        for (room, path, code) in code() {
            if says(&code, word) {
                said = true;
                assert!(rooms.contains(&room.as_str()), "{} says {word}", path.display());
            }
        }
        assert!(said, "nobody says {word}");
    }
}

#[test]
fn a_key_becomes_plain_text_in_few_places() {
    let mut places: Vec<_> = code()
        .into_iter()
        .flat_map(|(_, path, code)| {
            let name = path.strip_prefix(source()).unwrap().display().to_string();
            let program = code.split("#[cfg(test)]").next().unwrap();
            let times = program.matches(".expose()").count();
            (times > 0).then_some((name, times))
        })
        .collect();
    places.sort();
    let expected =
        [("cli/format.rs", 2), ("cli/keygen.rs", 1), ("cli/revoke/mod.rs", 3), ("key/mod.rs", 2)];
    let places: Vec<_> = places.iter().map(|(name, times)| (name.as_str(), *times)).collect();
    assert_eq!(places, expected, "think before adding one");
    let unverified: Vec<_> = code()
        .into_iter()
        .filter(|(_, _, code)| code.contains(".claims_unverified()"))
        .map(|(_, path, _)| path.file_name().unwrap().to_owned())
        .collect();
    assert_eq!(unverified, ["inspect.rs"], "claims of an unverified key are for `inspect` alone");
}
