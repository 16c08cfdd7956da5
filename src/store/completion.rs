//! What a shell offers to somebody who types: ids, names, owners and namespaces that begin so.
//! However long the ledger is, a bounded number of its rows is looked at.

use rusqlite::{ToSql, named_params};

use super::{
    Store, StoreFault,
    entries::{LISTED, listed},
};
use crate::{
    key::KeyId,
    ledger::{Listed, State},
    time::UnixTime,
};

impl Store {
    /// Names and ids that begin so and mean one key, and that key, if it is in one of these
    /// states. If nothing was typed, the newest keys, each by its name if that means it.
    pub fn keys_that_begin(
        &self,
        begin: &str,
        states: &[State],
        now: UnixTime,
    ) -> Result<Vec<(String, Listed)>, StoreFault> {
        let mut found = Vec::new();
        let ids = self.ids_that_begin(begin, states, now)?;
        if begin.is_empty() {
            for key in ids {
                let id = key.entry.id;
                let name = key.entry.name.as_ref().map(|name| name.as_str().to_owned());
                let meant = name.as_ref().map_or(Ok(None), |name| self.named(name, now))?;
                let text = match (name, meant) {
                    (Some(name), Some(meant)) if meant.entry.id == id => name,
                    _ => id.to_string(),
                };
                found.push((text, key));
            }
        } else {
            for name in self.names_that_begin(begin)? {
                let meant = self.named(&name, now)?;
                let meant = meant.filter(|meant| states.contains(&meant.state));
                found.extend(meant.map(|key| (name, key)));
            }
            found.extend(ids.into_iter().map(|key| (key.entry.id.to_string(), key)));
        }
        Ok(found)
    }

    /// Keys in these states whose ids begin so; if nothing was typed, the newest.
    pub fn ids_that_begin(
        &self,
        begin: &str,
        states: &[State],
        now: UnixTime,
    ) -> Result<Vec<Listed>, StoreFault> {
        let now = now.secs();
        match begin {
            "" => self.some(NEWEST, named_params! { ":now": now }, states),
            _ if KeyId::may_begin_with(begin) => {
                self.some(BY_ID, named_params! { ":now": now, ":begin": begin }, states)
            }
            _ => Ok(vec![]),
        }
    }

    /// Names that begin so, the newest first.
    pub fn names_that_begin(&self, begin: &str) -> Result<Vec<String>, StoreFault> {
        let mut found = Vec::new();
        add(&mut found, begin, self.texts(NEWEST_NAMES)?.iter().map(String::as_str));
        let sorted = self.leaps(NEXT_NAME, begin, following)?;
        add(&mut found, begin, sorted.iter().map(String::as_str));
        Ok(found)
    }

    /// Owners that begin so.
    pub fn owners_that_begin(&self, begin: &str) -> Result<Vec<String>, StoreFault> {
        self.leaps(NEXT_OWNER, begin, following)
    }

    /// Namespaces that begin so. One that only old keys open, and beside another, may be missing.
    pub fn namespaces_that_begin(&self, begin: &str) -> Result<Vec<String>, StoreFault> {
        let mut found = Vec::new();
        // `!` comes after the blank between namespaces and before all that is in one: this leaps
        // over the rows that begin with the same namespace.
        let sorted = self.leaps(NEXT_NAMESPACES, begin, |text| format!("{}!", first(text)))?;
        add(&mut found, begin, sorted.iter().map(|text| first(text)));
        let newest = self.texts(NEWEST_NAMESPACES)?;
        add(&mut found, begin, newest.iter().flat_map(|text| text.split(' ')));
        found.retain(|word| word != "*");
        found.sort();
        Ok(found)
    }

    /// The key that a name means: the one that may still work, or the only one. Of keys that share
    /// a name, the newest tell.
    fn named(&self, name: &str, now: UnixTime) -> Result<Option<Listed>, StoreFault> {
        let values = named_params! { ":now": now.secs(), ":name": name };
        let all = self.some(BY_NAME, values, &State::ALL)?;
        let live = all.iter().filter(|key| State::LIVE.contains(&key.state)).cloned();
        let live: Vec<_> = live.collect();
        let meant = if live.is_empty() { all } else { live };
        let [one] = meant.as_slice() else { return Ok(None) };
        Ok(Some(one.clone()))
    }

    /// The first entries in these states of those that a query finds.
    fn some(
        &self,
        which: &str,
        values: &[(&str, &dyn ToSql)],
        states: &[State],
    ) -> Result<Vec<Listed>, StoreFault> {
        let in_state = |key: &rusqlite::Result<Listed>| {
            key.as_ref().map_or(true, |key| states.contains(&key.state))
        };
        let found = self.db.prepare_cached(&format!("{LISTED} {which}")).and_then(|mut query| {
            query.query_map(values, listed)?.filter(in_state).take(MOST).collect()
        });
        found.map_err(|error| self.fault(error))
    }

    /// The different texts of an indexed column that begin so, leaping from each to the next.
    fn leaps(
        &self,
        next: &str,
        begin: &str,
        after: impl Fn(&str) -> String,
    ) -> Result<Vec<String>, StoreFault> {
        let mut found = Vec::new();
        let mut from = begin.to_owned();
        let mut leap = || -> rusqlite::Result<()> {
            let mut query = self.db.prepare_cached(next)?;
            while found.len() < MOST {
                match query.query_row([&from], |row| row.get::<_, Option<String>>(0))? {
                    Some(text) if text.starts_with(begin) => {
                        from = after(&text);
                        found.push(text);
                    }
                    Some(_) | None => break,
                }
            }
            Ok(())
        };
        leap().map_err(|error| self.fault(error))?;
        Ok(found)
    }

    /// The texts that a query finds.
    fn texts(&self, sql: &str) -> Result<Vec<String>, StoreFault> {
        let found = self
            .db
            .prepare_cached(sql)
            .and_then(|mut query| query.query_map((), |row| row.get(0))?.collect());
        found.map_err(|error| self.fault(error))
    }
}

/// Adds the words that begin so, each once.
fn add<'a>(found: &mut Vec<String>, begin: &str, words: impl Iterator<Item = &'a str>) {
    for word in words.filter(|word| word.starts_with(begin)) {
        if found.len() == MOST {
            break;
        }
        if found.iter().all(|known| known != word) {
            found.push(word.to_owned());
        }
    }
}

/// What comes next after a text.
fn following(text: &str) -> String {
    format!("{text}\0")
}

/// The first of several words.
fn first(text: &str) -> &str {
    text.split(' ').next().unwrap_or_default()
}

/// How many words are offered at most.
const MOST: usize = 100;

const NEWEST: &str = "ORDER BY l.n DESC LIMIT 300";

const BY_ID: &str = "WHERE l.jti >= :begin AND l.jti < :begin || '~' ORDER BY l.jti LIMIT 300";

const BY_NAME: &str = "WHERE l.name = :name ORDER BY l.n DESC LIMIT 16";

// `INDEXED BY`: without its index, a query fails and nothing is offered; it never reads all rows.
const NEXT_NAME: &str = "SELECT min(name) FROM ledger INDEXED BY ledger_by_name WHERE name >= ?";

const NEXT_OWNER: &str = "SELECT min(sub) FROM ledger INDEXED BY ledger_by_owner WHERE sub >= ?";

const NEXT_NAMESPACES: &str = "SELECT min(namespaces) FROM ledger INDEXED BY ledger_by_namespaces
                               WHERE namespaces >= ?";

const NEWEST_NAMES: &str = "SELECT name FROM (SELECT name FROM ledger ORDER BY n DESC LIMIT 300)
                            WHERE name IS NOT NULL";

const NEWEST_NAMESPACES: &str = "SELECT namespaces FROM ledger ORDER BY n DESC LIMIT 300";

#[cfg(test)]
mod tests {
    use super::*;

    /// The plan must name an index or the row number: never a scan that is not cut short.
    #[test]
    fn no_query_reads_the_whole_ledger() {
        let db = rusqlite::Connection::open_in_memory().unwrap();
        db.execute_batch(include_str!("schema.sql")).unwrap();
        let plan = |sql: &str| -> String {
            let mut query = db.prepare(&format!("EXPLAIN QUERY PLAN {sql}")).unwrap();
            let mut steps = query.raw_query();
            let mut plan = String::new();
            while let Some(step) = steps.next().unwrap() {
                plan += &(step.get::<_, String>(3).unwrap() + "\n");
            }
            plan
        };
        let entries = |which: &str| plan(&format!("{LISTED} {which}"));
        for (plan, begins) in [
            (entries(NEWEST), "SCAN l\n"),
            (entries(BY_ID), "SEARCH l USING INDEX sqlite_autoindex_ledger_1 (jti>? AND jti<?)\n"),
            (entries(BY_NAME), "SEARCH l USING INDEX ledger_by_name (name=?)\n"),
            (plan(NEXT_NAME), "SEARCH ledger USING COVERING INDEX ledger_by_name (name>?)\n"),
            (plan(NEXT_OWNER), "SEARCH ledger USING COVERING INDEX ledger_by_owner (sub>?)\n"),
            (
                plan(NEXT_NAMESPACES),
                "SEARCH ledger USING COVERING INDEX ledger_by_namespaces (namespaces>?)\n",
            ),
            (plan(NEWEST_NAMES), "CO-ROUTINE (subquery-1)\nSCAN ledger\n"),
            (plan(NEWEST_NAMESPACES), "SCAN ledger\n"),
        ] {
            assert!(plan.starts_with(begins), "{plan}");
            // What is sorted was read whole before.
            assert!(!plan.contains("TEMP B-TREE"), "{plan}");
        }
    }
}
