//! Paths as lax readers have them, and the routes that they find there.

use std::collections::BTreeSet;

/// What readers do with a path before they look at it, each of which some of them do.
const HABITS: [fn(&str) -> String; 8] = [
    decoded,
    decoded,
    |path| path.replace('\\', "/"),
    |path| {
        path.split('/')
            .map(|part| part.split(';').next().unwrap_or(""))
            .collect::<Vec<_>>()
            .join("/")
    },
    |path| path.split(['?', '#', '\0']).next().unwrap_or_default().to_owned(),
    resolved,
    |path| path.to_uppercase().to_lowercase(),
    |path| path.trim_end_matches(['/', '.', ' ']).to_owned(),
];

/// A path as each of them has it, who do some of this and leave some.
pub fn readings(path: &str) -> BTreeSet<String> {
    HABITS.iter().fold(BTreeSet::from([path.to_owned()]), |mut readings, habit| {
        let more: Vec<_> = readings.iter().map(|path| habit(path)).collect();
        readings.extend(more);
        readings
    })
}

/// Whether nobody can take this path for another: small letters, digits and single `/`, and at its
/// end neither `/` nor what is like one.
pub fn is_plainest(path: &str) -> bool {
    let part = |part: &str| {
        !part.is_empty() && part.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit())
    };
    path.strip_prefix('/').is_some_and(|path| path.split('/').all(part))
}

fn decoded(path: &str) -> String {
    let (mut bytes, mut rest) = (vec![], path.as_bytes());
    while let [first, behind @ ..] = rest {
        let digit = |at: usize| char::from(*rest.get(at)?).to_digit(16);
        (rest, _) = match (first, digit(1), digit(2)) {
            (b'%', Some(high), Some(low)) => (&rest[3..], bytes.push((high * 16 + low) as u8)),
            _ => (behind, bytes.push(*first)),
        };
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

fn resolved(path: &str) -> String {
    let mut parts = vec![];
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()),
            part => parts.push(part),
        }
    }
    let end = if path.ends_with('/') && !parts.is_empty() { "/" } else { "" };
    format!("/{}{end}", parts.join("/"))
}

/// How a path fits a pattern, part by part from the left: the larger, the narrower the pattern. None
/// where it does not. To a lax reader case makes no difference, and a last `/` none either.
pub fn fit(pattern: &str, path: &str, lax: bool) -> Option<Vec<u8>> {
    let mut parts = path.strip_prefix('/')?.split('/');
    let mut narrow = vec![];
    for segment in pattern.strip_prefix('/')?.split('/') {
        let part = parts.next();
        let same = |part: &str| match lax {
            true => part.eq_ignore_ascii_case(segment),
            false => part == segment,
        };
        match (segment, part) {
            ("*", Some(_)) => {
                narrow.push(0);
                return Some(narrow);
            }
            ("*", None) if lax => return Some(narrow),
            ("", None) if lax => narrow.push(2),
            (_, Some(part)) if segment.starts_with(':') && !part.is_empty() => narrow.push(1),
            (_, Some(part)) if !segment.starts_with(':') && same(part) => narrow.push(2),
            _ => return None,
        }
    }
    parts.next().is_none().then_some(narrow)
}
