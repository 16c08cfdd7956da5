//! Spans as people give them, and what is counted with them: moments and lifetimes.

use std::{fmt, str::FromStr};

use chrono::{Months, TimeDelta};

use super::{NotATime, UnixTime, number};

/// A length of time: `30s 15m 24h 7d 2w 3mo 1y`, and compounds from large to small. Never zero.
///
/// Months and years are calendar ones, so how long they are depends on where one starts.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Span([u64; UNITS.len()]);

impl Span {
    /// The moment this long after `start`, same time of day, clamped to the end of the month;
    /// none past the year 9999.
    pub fn after(self, start: UnixTime) -> Option<UnixTime> {
        let (months, seconds) = self.parts()?;
        let end = start.calendar().checked_add_months(months)?.checked_add_signed(seconds)?;
        UnixTime::from_secs(end.timestamp())
    }

    /// The moment this long before `end`, same time of day, clamped to the end of the month;
    /// none before 1970.
    pub fn before(self, end: UnixTime) -> Option<UnixTime> {
        let (months, seconds) = self.parts()?;
        let start = end.calendar().checked_sub_months(months)?.checked_sub_signed(seconds)?;
        UnixTime::from_secs(start.timestamp())
    }

    /// The calendar's part of it, and the clock's.
    fn parts(self) -> Option<(Months, TimeDelta)> {
        let [years, months, ..] = self.0;
        let months = years.checked_mul(12)?.checked_add(months)?;
        let seconds = UNITS.iter().zip(self.0).try_fold(0_i64, |sum, ((_, unit), count)| {
            sum.checked_add(i64::try_from(count).ok()?.checked_mul(unit.unwrap_or(0))?)
        })?;
        Some((Months::new(u32::try_from(months).ok()?), TimeDelta::try_seconds(seconds)?))
    }

    /// How long it is in seconds, which is the most where it is more; none with months or years.
    pub fn secs(self) -> Option<u64> {
        let mut secs = 0_u64;
        for ((_, unit), count) in UNITS.iter().zip(self.0).filter(|(_, count)| *count > 0) {
            let unit = u64::try_from((*unit)?).ok()?;
            secs = secs.saturating_add(count.saturating_mul(unit));
        }
        Some(secs)
    }

    /// Whether it is never longer than another, whenever one starts: 30d is not within 1mo, nor
    /// 1mo within 30d. Every day of four years is tried, one of them a leap year.
    pub fn is_within(self, other: Self) -> bool {
        const DAY: i64 = 86_400;
        let starts = (0..4 * 365 + 1).filter_map(|day| UnixTime::from_secs(YEAR_2028 + day * DAY));
        starts.into_iter().all(|start| match (self.after(start), other.after(start)) {
            (Some(end), Some(other)) => end <= other,
            (_, None) => true,
            (None, Some(_)) => false,
        })
    }
}

impl FromStr for Span {
    type Err = NotATime;

    fn from_str(text: &str) -> Result<Self, NotATime> {
        let mut counts = [0; UNITS.len()];
        let mut smaller = 0;
        let mut rest = text;
        while !rest.is_empty() {
            let unit_at = rest.find(|c: char| !c.is_ascii_digit()).ok_or(NotATime::BareNumber)?;
            let (count, tail) = rest.split_at(unit_at);
            let count = number::<u64>(count).ok_or(NotATime::NotASpan)?;
            let (unit, tail) =
                tail.split_at(tail.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(tail.len()));
            let unknown = if unit.is_empty() { NotATime::NotASpan } else { NotATime::UnknownUnit };
            let index = UNITS.iter().position(|(name, _)| *name == unit).ok_or(unknown)?;
            if index < smaller {
                return Err(NotATime::Order);
            }
            counts[index] = match count {
                Some(0) => return Err(NotATime::Zero),
                Some(count) => count,
                None => return Err(NotATime::OutOfRange),
            };
            smaller = index + 1;
            rest = tail;
        }
        if smaller == 0 { Err(NotATime::NotASpan) } else { Ok(Self(counts)) }
    }
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        UNITS
            .iter()
            .zip(self.0)
            .filter(|(_, count)| *count > 0)
            .try_for_each(|((unit, _), count)| write!(f, "{count}{unit}"))
    }
}

/// A moment as people give it: an instant, or a span from now, or back from now.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Moment {
    /// That instant.
    At(UnixTime),
    /// This long from now.
    In(Span),
}

impl Moment {
    /// Which instant that is; an error past the year 9999.
    pub fn from(self, now: UnixTime) -> Result<UnixTime, NotATime> {
        match self {
            Moment::At(at) => Ok(at),
            Moment::In(span) => span.after(now).ok_or(NotATime::OutOfRange),
        }
    }

    /// Which instant that is for a question about the past: a span is told back from now.
    pub fn back(self, now: UnixTime) -> Result<UnixTime, NotATime> {
        match self {
            Moment::At(at) => Ok(at),
            Moment::In(span) => span.before(now).ok_or(NotATime::OutOfRange),
        }
    }
}

impl FromStr for Moment {
    type Err = NotATime;

    fn from_str(text: &str) -> Result<Self, NotATime> {
        if text.starts_with('@') || text.as_bytes().get(4) == Some(&b'-') {
            text.parse().map(Moment::At)
        } else {
            match text.parse() {
                Err(NotATime::NotASpan) => Err(NotATime::Shape),
                span => span.map(Moment::In),
            }
        }
    }
}

impl fmt::Display for Moment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Moment::At(at) => at.fmt(f),
            Moment::In(span) => span.fmt(f),
        }
    }
}

/// When a key ends.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Lifetime {
    /// It does not.
    Never,
    /// At that moment.
    Until(Moment),
}

impl Lifetime {
    /// The first second at which the key is dead, if it ever is; an error unless that is to come.
    pub fn end(self, now: UnixTime) -> Result<Option<UnixTime>, NotATime> {
        match self {
            Lifetime::Never => Ok(None),
            Lifetime::Until(moment) => match moment.from(now)? {
                end if end <= now => Err(NotATime::Past { at: end }),
                end => Ok(Some(end)),
            },
        }
    }
}

impl FromStr for Lifetime {
    type Err = NotATime;

    fn from_str(text: &str) -> Result<Self, NotATime> {
        if text == "never" { Ok(Self::Never) } else { text.parse().map(Self::Until) }
    }
}

impl fmt::Display for Lifetime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Lifetime::Never => f.write_str("never"),
            Lifetime::Until(moment) => moment.fmt(f),
        }
    }
}

/// The units of a span, from large to small, in seconds; calendar ones have none.
const UNITS: [(&str, Option<i64>); 7] = [
    ("y", None),
    ("mo", None),
    ("w", Some(604_800)),
    ("d", Some(86_400)),
    ("h", Some(3600)),
    ("m", Some(60)),
    ("s", Some(1)),
];

/// 2028-01-01T00:00:00Z, the start of a leap year.
pub(super) const YEAR_2028: i64 = 1_830_297_600;
