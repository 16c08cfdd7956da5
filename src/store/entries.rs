//! The ledger: finding, listing and counting what was handed out.

use rusqlite::{OptionalExtension, Row, Statement, named_params};

use super::{
    Store, StoreFault,
    trust::{if_any, label, moment, number, revoked, unfit, word},
};
use crate::{
    key::KeyId,
    label::Label,
    ledger::{Act, Entry, Filter, Holding, Listed, State, Tally},
    policy::Policy,
    revocations::Kind,
    scope::Scope,
    time::UnixTime,
};

impl Store {
    /// The entries that pass a filter, newest first.
    pub fn list(&self, filter: &Filter, now: UnixTime) -> Result<Vec<Listed>, StoreFault> {
        self.list_if(filter, now, |_| Ok(true))
    }

    /// The entries that pass a filter and a test, newest first.
    pub fn list_if<E: From<StoreFault>>(
        &self,
        filter: &Filter,
        now: UnixTime,
        mut test: impl FnMut(&Listed) -> Result<bool, E>,
    ) -> Result<Vec<Listed>, E> {
        let sql = format!("SELECT * FROM ({LISTED}) WHERE {PASSES} AND {OF_KIND} ORDER BY n DESC");
        let fault = |error| self.fault(error);
        let mut query = self.db.prepare(&sql).map_err(fault)?;
        bind(&mut query, filter, now).map_err(fault)?;
        let most = filter.limit.map_or(usize::MAX, |limit| limit as usize);
        let mut passed = Vec::new();
        let mut rows = query.raw_query().mapped(listed);
        while passed.len() < most
            && let Some(row) = rows.next()
        {
            let listed = row.map_err(fault)?;
            if test(&listed)? {
                passed.push(listed);
            }
        }
        Ok(passed)
    }

    /// How many entries pass a filter, whatever its limit.
    pub fn count(&self, filter: &Filter, now: UnixTime) -> Result<u64, StoreFault> {
        let sql = format!("SELECT count(*) FROM ({LISTED}) WHERE {PASSES} AND {OF_KIND}");
        let counted = self.db.prepare(&sql).and_then(|mut query| {
            bind(&mut query, filter, now)?;
            query.raw_query().mapped(|row| number(row, 0)).collect::<rusqlite::Result<Vec<_>>>()
        });
        Ok(counted.map_err(|error| self.fault(error))?.iter().sum())
    }

    /// How many keys of a kind, issued up to a moment, the ledger has, whatever became of them.
    pub fn covered(&self, kind: &Kind, until: UnixTime) -> Result<u64, StoreFault> {
        let sql = format!("SELECT count(*) FROM ledger WHERE iat <= :bound AND {OF_KIND}");
        let counted = self.of_kind(&sql, kind, until, |row| number(row, 0));
        counted.map_err(|error| self.fault(error))
    }

    /// The last second in which a key of a kind was issued, at least now.
    pub(super) fn issued_until(&self, kind: &Kind, now: UnixTime) -> Result<UnixTime, StoreFault> {
        let sql = format!("SELECT max(iat) FROM ledger WHERE iat > :bound AND {OF_KIND}");
        let latest = self.of_kind(&sql, kind, now, |row| moment(row, 0));
        Ok(latest.map_err(|error| self.fault(error))?.unwrap_or(now))
    }

    fn of_kind<T>(
        &self,
        sql: &str,
        kind: &Kind,
        bound: UnixTime,
        read: impl FnOnce(&Row<'_>) -> rusqlite::Result<T>,
    ) -> rusqlite::Result<T> {
        let values = named_params! {
            ":bound": bound.secs(),
            ":owner": kind.owner.as_ref().map(ToString::to_string),
            ":names": kind.namespace.as_ref().map(ToString::to_string),
            ":kid": kind.kid.map(|kid| kid.to_string()),
        };
        self.db.query_row(sql, values, read)
    }

    /// Who holds keys that may still work, those with the most first.
    pub fn holdings(&self, now: UnixTime) -> Result<Vec<Holding>, StoreFault> {
        let sql = format!(
            "SELECT namespaces, sub, count(*) FROM ({LISTED})
             WHERE state IN ('active', 'not_yet_valid') GROUP BY 1, 2 ORDER BY 3 DESC, 1, 2"
        );
        let holdings = self.db.prepare(&sql).and_then(|mut query| {
            let holding = |row: &Row<'_>| {
                Ok(Holding {
                    namespaces: word(row, 0)?,
                    owner: if_any(row, 1)?,
                    keys: number(row, 2)?,
                })
            };
            query.query_map(named_params! { ":now": now.secs() }, holding)?.collect()
        });
        holdings.map_err(|error| self.fault(error))
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

    /// The acts since a moment and behind an act, oldest first.
    pub fn audit(
        &self,
        since: Option<UnixTime>,
        after: Option<i64>,
        limit: u32,
    ) -> Result<Vec<Act>, StoreFault> {
        let sql = "SELECT n, at, who, act, subject, seq FROM audit
                   WHERE n > ? AND at >= ? ORDER BY n LIMIT ?";
        let acts = self.db.prepare(sql).and_then(|mut query| {
            let text = |row: &Row<'_>, column| {
                Ok::<_, rusqlite::Error>(Label::kept(row.get_ref(column)?.as_str()?))
            };
            let act = |row: &Row<'_>| {
                Ok(Act {
                    n: row.get(0)?,
                    at: moment(row, 1)?.ok_or_else(|| unfit(1, "no instant"))?,
                    who: text(row, 2)?,
                    act: text(row, 3)?,
                    subject: text(row, 4)?,
                    seq: row.get(5)?,
                })
            };
            let since = since.map_or(0, UnixTime::secs);
            query.query_map((after.unwrap_or(0), since, limit), act)?.collect()
        });
        acts.map_err(|error| self.fault(error))
    }

    /// When the latest of the last acts was, by the clock of then.
    pub fn latest(&self) -> Result<Option<UnixTime>, StoreFault> {
        let recent = "SELECT max(at) FROM (SELECT at FROM audit ORDER BY n DESC LIMIT 1000)";
        let latest = self.db.query_row(recent, (), |row| moment(row, 0));
        latest.map_err(|error| self.fault(error))
    }

    /// How many keys stand how; `soon` bounds those that are told as expiring.
    pub fn tally(&self, now: UnixTime, soon: UnixTime) -> Result<Tally, StoreFault> {
        let sql = format!(
            "SELECT state, count(*), count(*) FILTER (WHERE ends <= :soon),
                    count(*) FILTER (WHERE until < coalesce(exp, 1 << 62))
             FROM ({LISTED}) GROUP BY 1"
        );
        let counts = self.db.prepare(&sql).and_then(|mut query| {
            let mut tally = Tally::default();
            let mut rows =
                query.query(named_params! { ":now": now.secs(), ":soon": soon.secs() })?;
            while let Some(row) = rows.next()? {
                let state = word(row, 0)?;
                tally.add(state, number(row, 1)?);
                if state == State::Active {
                    tally.expiring = number(row, 2)?;
                }
                if State::LIVE.contains(&state) {
                    tally.outliving += number(row, 3)?;
                }
            }
            Ok(tally)
        });
        counts.map_err(|error| self.fault(error))
    }

    /// The active keys that a policy refuses, newest first.
    pub fn against(&self, policy: &Policy, now: UnixTime) -> Result<Vec<KeyId>, StoreFault> {
        let sql = format!(
            "SELECT iat, exp, namespaces, jti FROM ({LISTED}) WHERE state = 'active' ORDER BY n DESC"
        );
        let against = self.db.prepare(&sql).and_then(|mut query| {
            let mut rows = query.query(named_params! { ":now": now.secs() })?;
            let mut against = vec![];
            while let Some(row) = rows.next()? {
                let iat = moment(row, 0)?.ok_or_else(|| unfit(0, "no instant"))?;
                if policy.permit_use(iat, moment(row, 1)?, &word(row, 2)?).is_err() {
                    against.push(word(row, 3)?);
                }
            }
            Ok(against)
        });
        against.map_err(|error| self.fault(error))
    }
}

/// The entry in a row of [`LISTED`].
pub(super) fn listed(row: &Row<'_>) -> rusqlite::Result<Listed> {
    let instant = |column| moment(row, column);
    let entry = Entry {
        id: word(row, 0)?,
        kid: word(row, 1)?,
        name: label(row, 2)?,
        owner: if_any(row, 3)?,
        namespaces: word(row, 4)?,
        scope: if_any(row, 5)?.unwrap_or(Scope::Every),
        issued_at: instant(6)?.ok_or_else(|| unfit(6, "no instant"))?,
        not_before: instant(7)?,
        expires_at: instant(8)?,
        sha256: row.get(9)?,
    };
    let revoked = instant(10)?.map(|_| revoked(row, 10)).transpose()?;
    Ok(Listed { entry, state: word(row, 16)?, ends_at: instant(17)?, revoked })
}

/// Everything that [`PASSES`] asks of an entry.
fn bind(query: &mut Statement<'_>, filter: &Filter, now: UnixTime) -> rusqlite::Result<()> {
    let text = |word: Option<&dyn ToString>| word.map(ToString::to_string);
    let states = filter.states.iter().map(|state| format!(" {state} ")).collect::<String>();
    let kind = &filter.kind;
    query.raw_bind_parameter(":now", now.secs())?;
    query.raw_bind_parameter(":states", states)?;
    query.raw_bind_parameter(":opens", text(filter.opens.as_ref().map(|word| word as _)))?;
    query.raw_bind_parameter(":owner", text(kind.owner.as_ref().map(|word| word as _)))?;
    query.raw_bind_parameter(":names", text(kind.namespace.as_ref().map(|word| word as _)))?;
    query.raw_bind_parameter(":kid", text(kind.kid.as_ref().map(|word| word as _)))?;
    query.raw_bind_parameter(":name", &filter.name)?;
    query.raw_bind_parameter(":issued_by", filter.issued_by.map(UnixTime::secs))?;
    query.raw_bind_parameter(":ends_by", filter.ends_by.map(UnixTime::secs))?;
    query.raw_bind_parameter(":outlives", filter.outlives.map(UnixTime::secs))?;
    query.raw_bind_parameter(":after", text(filter.after.as_ref().map(|word| word as _)))
}

/// Every entry beside its revocation, the first rule that covers it and its server key, with the
/// state of the key at `:now`. What covers a key is said in `revocations` too, and a test holds the
/// two together.
pub(super) const LISTED: &str = "
    SELECT l.jti, l.kid, l.name, l.sub, l.namespaces, l.scope, l.iat, l.nbf, l.exp, l.sha256,
           coalesce(r.at, u.at) AS revoked_at,
           coalesce(r.cause, iif(u.n IS NULL, NULL, 'rule')) AS cause,
           iif(r.jti IS NULL, u.reason, r.reason) AS reason,
           u.sub AS rule_sub, u.namespace AS rule_namespace, u.kid AS rule_kid,
           CASE WHEN r.cause = 'undelivered' THEN 'undelivered'
                WHEN k.dead_at IS NOT NULL OR k.until <= :now OR k.retired_at < l.iat THEN 'reset'
                WHEN r.jti IS NOT NULL OR u.n IS NOT NULL THEN 'revoked'
                WHEN l.exp <= :now THEN 'expired'
                WHEN l.nbf > :now THEN 'not_yet_valid'
                ELSE 'active' END AS state,
           nullif(min(coalesce(l.exp, 1 << 62), coalesce(k.until, 1 << 62)), 1 << 62) AS ends,
           l.n, k.until
    FROM ledger l JOIN server_key k ON k.kid = l.kid
         LEFT JOIN revocation r ON r.jti = l.jti
         LEFT JOIN rule u ON u.n = nullif(min(
             -- One lookup for each form of rule, however many rules there are.
             coalesce((SELECT min(n) FROM rule
                 WHERE sub = l.sub AND until >= l.iat AND (kid IS NULL OR kid = l.kid)
                   AND (namespace IS NULL
                        OR instr(' ' || l.namespaces || ' ', ' ' || namespace || ' '))), 1 << 62),
             coalesce((SELECT min(n) FROM rule
                 WHERE sub IS NULL AND namespace IS NULL AND until >= l.iat
                   AND (kid IS NULL OR kid = l.kid)), 1 << 62),
             coalesce((SELECT min(n) FROM rule
                 WHERE sub IS NULL AND namespace = l.namespaces AND until >= l.iat
                   AND (kid IS NULL OR kid = l.kid)), 1 << 62),
             coalesce(iif(instr(l.namespaces, ' '), (SELECT min(n) FROM rule
                 WHERE sub IS NULL AND namespace IS NOT NULL AND until >= l.iat
                   AND (kid IS NULL OR kid = l.kid)
                   AND instr(' ' || l.namespaces || ' ', ' ' || namespace || ' ')), NULL), 1 << 62)
             ), 1 << 62)";

/// What a filter asks of an entry.
const PASSES: &str = "
    instr(:states, ' ' || state || ' ')
    AND (:opens IS NULL OR namespaces = '*'
         OR instr(' ' || namespaces || ' ', ' ' || :opens || ' '))
    AND (:name IS NULL OR name GLOB :name)
    AND (:issued_by IS NULL OR iat <= :issued_by)
    AND (:ends_by IS NULL OR ends <= :ends_by)
    AND (:outlives IS NULL OR exp IS NULL OR exp > :outlives)
    AND (:after IS NULL OR n < (SELECT n FROM ledger WHERE jti = :after))";

/// Whether an entry is of a kind.
const OF_KIND: &str = "
    (:names IS NULL OR instr(' ' || namespaces || ' ', ' ' || :names || ' '))
    AND (:owner IS NULL OR sub = :owner)
    AND (:kid IS NULL OR kid = :kid)";
