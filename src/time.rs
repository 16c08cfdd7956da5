//! Moments, spans, and the words in which people give them. Nothing here reads a clock.

use std::{fmt, str::FromStr};

use chrono::{DateTime, Datelike, Months, NaiveDate, NaiveTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};

/// A moment in whole Unix seconds (NumericDate, RFC 7519 section 2), 1970 to the end of 9999.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(try_from = "i64", into = "i64")]
pub struct UnixTime(i64);

impl UnixTime {
    /// The last moment: 9999-12-31T23:59:59Z.
    pub const MAX: UnixTime = UnixTime(253_402_300_799);

    /// The moment this many seconds after 1970; none before it and none past the year 9999.
    pub fn from_secs(secs: i64) -> Option<Self> {
        (0..=Self::MAX.0).contains(&secs).then_some(Self(secs))
    }

    /// Seconds since 1970, 0 to 253402300799.
    pub fn secs(self) -> i64 {
        self.0
    }

    /// How long until `later`, in seconds; zero when that has been.
    pub fn until(self, later: UnixTime) -> u64 {
        u64::try_from(later.0 - self.0).unwrap_or(0)
    }

    fn calendar(self) -> DateTime<Utc> {
        DateTime::from_timestamp(self.0, 0).expect("chrono reaches past the year 9999")
    }
}

impl TryFrom<i64> for UnixTime {
    type Error = NotATime;

    fn try_from(secs: i64) -> Result<Self, NotATime> {
        Self::from_secs(secs).ok_or(NotATime::OutOfRange)
    }
}

impl From<UnixTime> for i64 {
    fn from(time: UnixTime) -> i64 {
        time.0
    }
}

/// RFC 3339, UTC, whole seconds: `2027-02-23T10:00:00Z`.
impl fmt::Display for UnixTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.calendar().format("%Y-%m-%dT%H:%M:%SZ"))
    }
}

/// Reads an RFC 3339 instant with `Z` or an offset, `@SECONDS`, or a date (its start, UTC).
impl FromStr for UnixTime {
    type Err = NotATime;

    fn from_str(text: &str) -> Result<Self, NotATime> {
        if let Some(secs) = text.strip_prefix('@') {
            let secs = number(secs).ok_or(NotATime::Shape)?;
            return secs.and_then(Self::from_secs).ok_or(NotATime::OutOfRange);
        }
        let (date, rest) = text.split_at_checked(10).ok_or(NotATime::Shape)?;
        let [year, month, day] = fields(date, '-', [4, 2, 2])?;
        let mut secs = NaiveDate::from_ymd_opt(year as i32, month, day)
            .ok_or(NotATime::NoSuchMoment)?
            .and_time(NaiveTime::MIN)
            .and_utc()
            .timestamp();
        if !rest.is_empty() {
            let (clock, zone) = rest
                .strip_prefix('T')
                .and_then(|rest| rest.split_at_checked(8))
                .ok_or(NotATime::Shape)?;
            let [hour, minute, second] = fields(clock, ':', [2, 2, 2])?;
            if hour > 23 || minute > 59 || second > 59 {
                return Err(NotATime::NoSuchMoment);
            }
            secs += i64::from(hour * 3600 + minute * 60 + second) - offset(zone)?;
        }
        Self::from_secs(secs).ok_or(NotATime::OutOfRange)
    }
}

/// Seconds east of UTC: `Z` or `±hh:mm`.
fn offset(zone: &str) -> Result<i64, NotATime> {
    let (sign, zone) = match zone.as_bytes() {
        b"Z" => return Ok(0),
        [b'+', ..] => (1, &zone[1..]),
        [b'-', ..] => (-1, &zone[1..]),
        _ => return Err(NotATime::Shape),
    };
    let [hours, minutes] = fields(zone, ':', [2, 2])?;
    if hours > 23 || minutes > 59 {
        return Err(NotATime::NoSuchMoment);
    }
    Ok(sign * i64::from(hours * 3600 + minutes * 60))
}

/// Numbers of these widths with a mark between.
fn fields<const N: usize>(
    text: &str,
    mark: char,
    widths: [usize; N],
) -> Result<[u32; N], NotATime> {
    let mut parts = text.split(mark);
    let mut numbers = [0; N];
    for (field, width) in numbers.iter_mut().zip(widths) {
        let part = parts.next().filter(|part| part.len() == width && digits(part));
        *field = part.and_then(|part| part.parse().ok()).ok_or(NotATime::Shape)?;
    }
    if parts.next().is_some() { Err(NotATime::Shape) } else { Ok(numbers) }
}

fn digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// A number in its one spelling; `Some(None)` when it is one too large to hold.
fn number<T: FromStr>(text: &str) -> Option<Option<T>> {
    let plain = digits(text) && (text == "0" || !text.starts_with('0'));
    plain.then(|| text.parse().ok())
}

/// A moment as people are told it: weekday, instant, and how far away it is.
pub struct Told {
    /// The moment.
    pub at: UnixTime,
    /// Where the teller stands.
    pub now: UnixTime,
}

impl fmt::Display for Told {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (at, now) = (self.at, self.now);
        write!(f, "{} {at} (", at.calendar().weekday())?;
        if now < at {
            write!(f, "in {})", Distance(now.until(at)))
        } else {
            write!(f, "{} ago)", Distance(at.until(now)))
        }
    }
}

/// A number of seconds in days; below a day in hours and minutes, below a minute in seconds.
struct Distance(u64);

impl fmt::Display for Distance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (days, hours, minutes) = (self.0 / 86_400, self.0 / 3600, self.0 % 3600 / 60);
        match (days, hours, minutes) {
            (0, 0, 0) => counted(f, self.0, "second"),
            (0, 0, _) => counted(f, minutes, "minute"),
            (0, _, 0) => counted(f, hours, "hour"),
            (0, _, _) => {
                counted(f, hours, "hour")?;
                f.write_str(" ")?;
                counted(f, minutes, "minute")
            }
            _ => counted(f, days, "day"),
        }
    }
}

fn counted(f: &mut fmt::Formatter<'_>, count: u64, noun: &str) -> fmt::Result {
    write!(f, "{count} {noun}{}", if count == 1 { "" } else { "s" })
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

/// A length of time: `30s 15m 24h 7d 2w 3mo 1y`, and compounds from large to small. Never zero.
///
/// Months and years are calendar ones, so how long they are depends on where one starts.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Span([u64; UNITS.len()]);

impl Span {
    /// The moment this long after `start`, same time of day, clamped to the end of the month;
    /// none past the year 9999.
    pub fn after(self, start: UnixTime) -> Option<UnixTime> {
        let [years, months, ..] = self.0;
        let months = years.checked_mul(12)?.checked_add(months)?;
        let seconds = UNITS.iter().zip(self.0).try_fold(0_i64, |sum, ((_, unit), count)| {
            sum.checked_add(i64::try_from(count).ok()?.checked_mul(unit.unwrap_or(0))?)
        })?;
        let end = start
            .calendar()
            .checked_add_months(Months::new(u32::try_from(months).ok()?))?
            .checked_add_signed(TimeDelta::try_seconds(seconds)?)?;
        UnixTime::from_secs(end.timestamp())
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
            let count = number::<u64>(count).ok_or(NotATime::Shape)?;
            let (unit, tail) =
                tail.split_at(tail.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(tail.len()));
            let index = UNITS.iter().position(|(name, _)| *name == unit).ok_or_else(|| {
                if unit.is_empty() { NotATime::Shape } else { NotATime::UnknownUnit }
            })?;
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
        if smaller == 0 { Err(NotATime::Shape) } else { Ok(Self(counts)) }
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

/// A moment as people give it: an instant, or a span from now.
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
}

impl FromStr for Moment {
    type Err = NotATime;

    fn from_str(text: &str) -> Result<Self, NotATime> {
        if text.starts_with('@') || text.as_bytes().get(4) == Some(&b'-') {
            text.parse().map(Moment::At)
        } else {
            text.parse().map(Moment::In)
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

/// Why a text gives no time.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum NotATime {
    /// A number without a unit.
    BareNumber,
    /// The calendar or the clock has no such moment.
    NoSuchMoment,
    /// A unit twice, or a larger one after a smaller.
    Order,
    /// Before 1970 or past the year 9999.
    OutOfRange,
    /// Over already.
    Past {
        /// The moment that was given.
        at: UnixTime,
    },
    /// Neither a span, an instant nor a date.
    Shape,
    /// A number with something behind it that is no unit.
    UnknownUnit,
    /// Nothing of a unit.
    Zero,
}
