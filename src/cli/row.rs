//! One key as `list` and `show` tell it.

use comfy_table::{ContentArrangement, Table, presets};
use serde::Serialize;

use crate::{
    error::Error,
    label::Label,
    ledger::{Filter, Listed},
    store::{Store, UsageFault},
    time::UnixTime,
};

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

impl Row {
    /// A key, and when it was last used, as far as that is known.
    pub(super) fn of(listed: &Listed, last_used: Option<UnixTime>) -> Self {
        let entry = &listed.entry;
        Self {
            id: entry.id.to_string(),
            name: text(&entry.name),
            owner: text(&entry.owner),
            namespaces: entry.namespaces.words(),
            scope: entry.scope.claim(),
            kid: entry.kid.to_string(),
            issued_at: entry.issued_at.to_string(),
            expires_at: text(&entry.expires_at),
            last_used: text(&last_used),
            state: listed.state.word(),
            reason: text(&listed.revoked.as_ref().and_then(|revoked| revoked.cause.reason())),
        }
    }
}

/// The text of what a key may not have.
pub(super) fn text(word: &Option<impl ToString>) -> Option<String> {
    word.as_ref().map(ToString::to_string)
}

/// The cells of a line: id, state, namespaces, scope, owner, name, issued, ends. What a key does
/// not have is `-`.
pub(super) fn cells(listed: &Listed) -> [String; 8] {
    let entry = &listed.entry;
    [
        entry.id.to_string(),
        listed.state.to_string(),
        entry.namespaces.to_string(),
        or_dash(entry.scope.claim()),
        or_dash(text(&entry.owner)),
        or_dash(text(&entry.name)),
        entry.issued_at.to_string(),
        or_dash(text(&listed.ends_at)),
    ]
}

/// The same cells, and when the key was last used.
pub(super) fn cells_of_use(listed: &Listed, last_used: Option<UnixTime>) -> [String; 9] {
    let [id, state, namespaces, scope, owner, name, issued, ends] = cells(listed);
    let used = or_dash(text(&last_used));
    [id, state, namespaces, scope, owner, name, issued, ends, used]
}

fn or_dash(cell: Option<String>) -> String {
    cell.unwrap_or_else(|| "-".to_owned())
}

/// Lines of cells: a table with a heading for a person, else a line of tab-separated cells each.
pub(super) fn table<const N: usize>(
    heading: [&str; N],
    rows: impl Iterator<Item = [String; N]>,
    for_a_person: bool,
) -> String {
    let mut rows = rows.peekable();
    if !for_a_person || rows.peek().is_none() {
        return rows.map(|cells| cells.join("\t") + "\n").collect();
    }
    let mut table = Table::new();
    table
        .load_style(presets::NOTHING)
        .set_content_arrangement(ContentArrangement::Disabled)
        .set_header(heading)
        .add_rows(rows);
    for column in table.column_iter_mut() {
        column.set_padding((0, 2));
    }
    format!("{}\n", table.trim_fmt())
}

/// Keys that something happens to: the first of them, and how many there are.
pub(super) struct Many {
    first: Vec<Listed>,
    pub(super) count: u64,
}

impl Many {
    /// All that pass a filter.
    pub(super) fn of(store: &Store, mut filter: Filter, now: UnixTime) -> Result<Self, Error> {
        filter.limit = Some(MOST);
        let first = store.list(&filter, now)?;
        let count = match first.len() {
            all if all < MOST as usize => all as u64,
            _ => store.count(&filter, now)?,
        };
        Ok(Self { first, count })
    }

    /// A line each; for a person also how many more there are: programs are told the number.
    pub(super) fn rows(&self, for_a_person: bool) -> String {
        let rows = table(HEADING, self.first.iter().map(cells), for_a_person);
        match self.count.saturating_sub(self.first.len() as u64) {
            more if more > 0 && for_a_person => format!("{rows}and {more} more\n"),
            _ => rows,
        }
    }
}

/// `1 key` or `7 keys`.
pub(super) fn keys(count: u64) -> String {
    counted(count, "key")
}

/// `1 live key` or `7 live keys`.
pub(super) fn counted(count: u64, noun: &str) -> String {
    format!("{count} {noun}{}", if count == 1 { "" } else { "s" })
}

/// That it is not known when keys were last used.
pub(super) fn use_unknown(fault: &UsageFault) -> String {
    format!("when keys were last used is not known: {fault}")
}

/// What people call a key, behind its id.
pub(super) fn called(name: &Option<Label>) -> String {
    name.as_ref().map(|name| format!(" ({name})")).unwrap_or_default()
}

/// The one key that a text means.
pub(super) fn find(store: &Store, text: &str, now: UnixTime) -> Result<Listed, Error> {
    let mut found = store.find(text, now)?;
    match (found.pop(), found.is_empty()) {
        (Some(listed), true) => Ok(listed),
        (Some(last), false) => Err(Error::Ambiguous {
            text: text.to_owned(),
            ids: found.iter().chain([&last]).map(|listed| listed.entry.id).collect(),
        }),
        (None, _) => Err(Error::NotFound { text: text.to_owned() }),
    }
}

/// A line for each thing that is known: its name, and what it is.
pub(super) fn lines<const N: usize>(lines: [(&str, Option<String>); N]) -> String {
    let known = lines.into_iter().filter_map(|(name, value)| Some((name, value?)));
    known.map(|(name, value)| format!("{name:<12}{value}\n")).collect()
}

/// What stands above the cells of keys.
pub(super) const HEADING: [&str; 8] =
    ["ID", "STATE", "NAMESPACES", "SCOPE", "OWNER", "NAME", "ISSUED", "ENDS"];

/// The same, and above when they were last used.
pub(super) const HEADING_OF_USE: [&str; 9] =
    ["ID", "STATE", "NAMESPACES", "SCOPE", "OWNER", "NAME", "ISSUED", "ENDS", "LAST USED"];

/// How many of many keys are listed.
const MOST: u32 = 200;
