//! The ledger: finding, listing and counting what was handed out.

use std::str::FromStr;

use rusqlite::{OptionalExtension, Row, named_params};

use super::{
    Store, StoreFault,
    trust::{moment, revoked, unfit},
};
use crate::{
    key::KeyId,
    label::Label,
    ledger::{Entry, Filter, Listed, State, Tally},
    revocations::Cause,
    scope::Scope,
    time::UnixTime,
};

impl Store {
    /// The entries that pass a filter, newest first.
    pub fn list(&self, filter: &Filter, now: UnixTime) -> Result<Vec<Listed>, StoreFault> {
        let sql = format!(
            "SELECT * FROM ({LISTED}) WHERE instr(:states, ' ' || state || ' ')
               AND (:namespace IS NULL OR namespaces = '*'
                    OR instr(' ' || namespaces || ' ', ' ' || :namespace || ' '))
               AND (:owner IS NULL OR sub = :owner)
               AND (:name IS NULL OR name GLOB :name)
               AND (:ends_by IS NULL OR exp <= :ends_by)
               AND (:after IS NULL OR n < (SELECT n FROM ledger WHERE jti = :after))
             ORDER BY n DESC LIMIT :limit"
        );
        let states = filter.states.iter().map(|state| format!(" {state} ")).collect::<String>();
        let listed = self.db.prepare(&sql).and_then(|mut query| {
            query
                .query_map(
                    named_params! {
                        ":now": now.secs(),
                        ":states": states,
                        ":namespace": filter.namespace.as_ref().map(ToString::to_string),
                        ":owner": filter.owner.as_ref().map(ToString::to_string),
                        ":name": filter.name,
                        ":ends_by": filter.ends_by.map(UnixTime::secs),
                        ":after": filter.after.map(|id| id.to_string()),
                        ":limit": filter.limit.map_or(-1, i64::from),
                    },
                    listed,
                )?
                .collect()
        });
        listed.map_err(|error| self.fault(error))
    }

    /// The entry of one key.
    pub fn entry(&self, id: KeyId, now: UnixTime) -> Result<Option<Listed>, StoreFault> {
        self.db
            .query_row(
                &format!("{LISTED} WHERE l.jti = :id"),
                named_params! { ":now": now.secs(), ":id": id.to_string() },
                listed,
            )
            .optional()
            .map_err(|error| self.fault(error))
    }

    /// The keys that a text means: by whole id; else by name among live keys; else by the first
    /// four or more characters of the id, or by name among dead keys.
    pub fn find(&self, text: &str, now: UnixTime) -> Result<Vec<Listed>, StoreFault> {
        let whole = match text.parse() {
            Ok(id) => self.entry(id, now)?,
            Err(_) => None,
        };
        if let Some(whole) = whole {
            return Ok(vec![whole]);
        }
        let live = "l.name = :text AND state IN ('active', 'not_yet_valid')";
        let found = self.matching(live, text, now)?;
        if !found.is_empty() {
            return Ok(found);
        }
        if text.len() >= 4 && KeyId::may_begin_with(text) {
            let either = "l.name = :text OR (l.jti >= :text AND l.jti < :text || '~')";
            self.matching(either, text, now)
        } else {
            self.matching("l.name = :text", text, now)
        }
    }

    fn matching(
        &self,
        condition: &str,
        text: &str,
        now: UnixTime,
    ) -> Result<Vec<Listed>, StoreFault> {
        // More than a hundred of one name are told as a hundred.
        let sql = format!("{LISTED} WHERE {condition} ORDER BY l.n DESC LIMIT 100");
        let found = self.db.prepare(&sql).and_then(|mut query| {
            query.query_map(named_params! { ":now": now.secs(), ":text": text }, listed)?.collect()
        });
        found.map_err(|error| self.fault(error))
    }

    /// How many keys stand how; `soon` bounds those that are told as expiring.
    pub fn tally(&self, now: UnixTime, soon: UnixTime) -> Result<Tally, StoreFault> {
        let sql = format!(
            "SELECT state, count(*), count(*) FILTER (WHERE exp <= :soon) FROM ({LISTED}) GROUP BY 1"
        );
        let counts = self.db.prepare(&sql).and_then(|mut query| {
            let mut tally = Tally::default();
            let mut rows =
                query.query(named_params! { ":now": now.secs(), ":soon": soon.secs() })?;
            while let Some(row) = rows.next()? {
                let state = word(row, 0)?;
                tally.add(state, count(row, 1)?);
                if state == State::Active {
                    tally.expiring = count(row, 2)?;
                }
            }
            Ok(tally)
        });
        counts.map_err(|error| self.fault(error))
    }
}

fn listed(row: &Row<'_>) -> rusqlite::Result<Listed> {
    let instant = |column| moment(row, column);
    let entry = Entry {
        id: word(row, 0)?,
        kid: word(row, 1)?,
        name: row.get::<_, Option<String>>(2)?.map(Label::kept),
        owner: if_any(row, 3)?,
        namespaces: word(row, 4)?,
        scope: if_any(row, 5)?.unwrap_or(Scope::Every),
        issued_at: instant(6)?.ok_or_else(|| unfit(6, "no instant"))?,
        not_before: instant(7)?,
        expires_at: instant(8)?,
        sha256: row.get(9)?,
    };
    let revoked = instant(10)?.map(|_| revoked(row, 10)).transpose()?;
    let revoked_at = revoked.as_ref().map(|revoked| revoked.at);
    let reason = match revoked.map(|revoked| revoked.cause) {
        Some(Cause::Operator(reason)) => reason,
        Some(Cause::Undelivered) | None => None,
    };
    Ok(Listed { entry, state: word(row, 13)?, revoked_at, reason })
}

fn count(row: &Row<'_>, column: usize) -> rusqlite::Result<u64> {
    u64::try_from(row.get::<_, i64>(column)?).map_err(|_| unfit(column, "a negative count"))
}

/// The word in a column.
fn word<T: FromStr>(row: &Row<'_>, column: usize) -> rusqlite::Result<T> {
    row.get_ref(column)?.as_str()?.parse().map_err(|_| unfit(column, "not a word of ours"))
}

/// The word in a column that may be empty.
fn if_any<T: FromStr>(row: &Row<'_>, column: usize) -> rusqlite::Result<Option<T>> {
    match row.get_ref(column)?.as_str_or_null()? {
        Some(text) => text.parse().map(Some).map_err(|_| unfit(column, "not a word of ours")),
        None => Ok(None),
    }
}

/// Every entry beside its revocation and its server key, with the state of the key at `:now`.
const LISTED: &str = "
    SELECT l.jti, l.kid, l.name, l.sub, l.namespaces, l.scope, l.iat, l.nbf, l.exp, l.sha256,
           r.at, r.cause, r.reason,
           CASE WHEN r.cause = 'undelivered' THEN 'undelivered'
                WHEN k.dead_at IS NOT NULL OR k.until <= :now OR k.retired_at < l.iat THEN 'reset'
                WHEN r.jti IS NOT NULL THEN 'revoked'
                WHEN l.exp <= :now THEN 'expired'
                WHEN l.nbf > :now THEN 'not_yet_valid'
                ELSE 'active' END AS state,
           l.n
    FROM ledger l LEFT JOIN revocation r USING (jti) JOIN server_key k ON k.kid = l.kid";
