//! `[policy]`: no limit lies beyond another.

use super::{
    Mistake,
    table::{Found, Table},
};
use crate::{policy::Policy, time::Span};

pub(super) fn read(mut table: Table<'_>) -> Result<Policy, Found> {
    let policy = Policy {
        default_expire: table.word("default_expire")?,
        min_expire: table.word("min_expire")?,
        max_expire: table.word("max_expire")?,
        require_expire: table.flag("require_expire")?,
        require_namespace: table.flag("require_namespace")?,
        require_name: table.flag("require_name")?,
    };
    table.end()?;
    at_most(&table, ("min_expire", policy.min_expire), ("max_expire", policy.max_expire))?;
    at_most(&table, ("min_expire", policy.min_expire), ("default_expire", policy.default_expire))?;
    at_most(&table, ("default_expire", policy.default_expire), ("max_expire", policy.max_expire))?;
    Ok(policy)
}

/// A name in this table and what it is set to.
type Limit = (&'static str, Option<Span>);

/// An error if the second can be shorter than the first, in whichever month one begins: whoever
/// keeps to the defaults is not refused in February alone.
fn at_most(table: &Table<'_>, (least, than): Limit, (most, span): Limit) -> Result<(), Found> {
    match (than, span) {
        (Some(than), Some(span)) if !than.is_within(span) => {
            let (least, most) = (table.setting(least), table.setting(most));
            Err(Mistake::Shorter { most, span, least, than }.at(table.line_of(most.name)))
        }
        (_, _) => Ok(()),
    }
}
