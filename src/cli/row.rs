//! One key as `list` and `show` tell it.

use serde::Serialize;

use crate::{ledger::Listed, time::UnixTime};

/// The members that programs are told.
#[derive(Serialize)]
pub(super) struct Row {
    id: String,
    name: Option<String>,
    owner: Option<String>,
    namespaces: Vec<String>,
    scope: Option<String>,
    kid: String,
    issued_at: String,
    expires_at: Option<String>,
    last_used: Option<String>,
    state: &'static str,
    reason: Option<String>,
}

impl From<&Listed> for Row {
    fn from(listed: &Listed) -> Self {
        let entry = &listed.entry;
        Self {
            id: entry.id.to_string(),
            name: text(&entry.name),
            owner: text(&entry.owner),
            namespaces: entry.namespaces.words().into_iter().map(str::to_owned).collect(),
            scope: entry.scope.claim(),
            kid: entry.kid.to_string(),
            issued_at: entry.issued_at.to_string(),
            expires_at: text(&entry.expires_at),
            last_used: None,
            state: listed.state.word(),
            reason: text(&listed.reason),
        }
    }
}

fn text(word: &Option<impl ToString>) -> Option<String> {
    word.as_ref().map(ToString::to_string)
}

/// The cells of a line: id, state, namespaces, scope, owner, name, issued, ends. What a key does
/// not have is `-`.
pub(super) fn cells(listed: &Listed) -> [String; 8] {
    let entry = &listed.entry;
    let or_dash = |cell: Option<String>| cell.unwrap_or_else(|| "-".to_owned());
    [
        entry.id.to_string(),
        listed.state.to_string(),
        entry.namespaces.to_string(),
        or_dash(entry.scope.claim()),
        or_dash(text(&entry.owner)),
        or_dash(text(&entry.name)),
        entry.issued_at.to_string(),
        or_dash(entry.expires_at.map(|at: UnixTime| at.to_string())),
    ]
}
