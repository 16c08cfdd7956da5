//! Moments, spans, and the words in which people give them. Nothing here reads a clock.

mod span;

use std::{fmt, str::FromStr};

use chrono::{DateTime, Datelike, NaiveDate, NaiveTime, Timelike, Utc};
use serde::Serialize;

pub use span::{Lifetime, Moment, Span};

/// A moment in whole Unix seconds (NumericDate, RFC 7519 section 2), 1970 to the end of 9999.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(into = "i64")]
pub struct UnixTime(i64);

impl UnixTime {
    /// The first moment: 1970-01-01T00:00:00Z.
    pub const MIN: UnixTime = UnixTime(0);

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
        let at = self.calendar();
        let (year, month, day) = (at.year(), at.month(), at.day());
        let (hour, minute, second) = (at.hour(), at.minute(), at.second());
        write!(f, "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z")
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

/// Why a text gives no time.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum NotATime {
    /// A number without a unit.
    BareNumber,
    /// Still to come.
    Future {
        /// The moment that was given.
        at: UnixTime,
    },
    /// The calendar or the clock has no such moment.
    NoSuchMoment,
    /// No span, where nothing else will do.
    NotASpan,
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

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> UnixTime {
        text.parse().unwrap()
    }

    fn lifetime(text: &str, from: &str, end: Result<&str, NotATime>) {
        let found = text.parse::<Lifetime>().and_then(|lifetime| lifetime.end(at(from)));
        assert_eq!(found, end.map(|end| Some(at(end))), "{text} from {from}");
    }

    fn expire(text: &str, end: Result<&str, NotATime>) {
        lifetime(text, "2026-11-23T10:00:00Z", end);
    }

    #[test]
    fn spans_count_from_now() {
        expire("1s", Ok("2026-11-23T10:00:01Z"));
        expire("30s", Ok("2026-11-23T10:00:30Z"));
        expire("15m", Ok("2026-11-23T10:15:00Z"));
        expire("24h", Ok("2026-11-24T10:00:00Z"));
        expire("7d", Ok("2026-11-30T10:00:00Z"));
        expire("2w", Ok("2026-12-07T10:00:00Z"));
        expire("3mo", Ok("2027-02-23T10:00:00Z"));
        expire("1y", Ok("2027-11-23T10:00:00Z"));
        expire("1y6mo", Ok("2028-05-23T10:00:00Z"));
        expire("1h30m", Ok("2026-11-23T11:30:00Z"));
        expire("1y1mo1w1d1h1m1s", Ok("2027-12-31T11:01:01Z"));
        expire("90000s", Ok("2026-11-24T11:00:00Z"));
        expire("5000000000s", Ok("2185-05-03T18:53:20Z"));
    }

    #[test]
    fn months_and_years_end_with_their_month() {
        lifetime("1mo", "2027-01-31T23:59:59Z", Ok("2027-02-28T23:59:59Z"));
        lifetime("1mo", "2028-01-31T23:59:59Z", Ok("2028-02-29T23:59:59Z"));
        lifetime("1y", "2028-02-29T00:00:00Z", Ok("2029-02-28T00:00:00Z"));
        lifetime("4y", "2028-02-29T00:00:00Z", Ok("2032-02-29T00:00:00Z"));
        lifetime("1y1mo", "2028-02-29T00:00:00Z", Ok("2029-03-29T00:00:00Z"));
        lifetime("3mo", "2026-11-30T10:00:00Z", Ok("2027-02-28T10:00:00Z"));
        lifetime("1mo1d", "2027-01-31T10:00:00Z", Ok("2027-03-01T10:00:00Z"));
    }

    #[test]
    fn a_span_is_within_another_whenever_one_starts() {
        let within = |one: &str, other: &str, expected| {
            let (one, other): (Span, Span) = (one.parse().unwrap(), other.parse().unwrap());
            assert_eq!(one.is_within(other), expected, "{one} {other}");
        };
        within("1d", "1d", true);
        within("1d", "86401s", true);
        within("86401s", "1d", false);
        within("24h", "1d", true);
        within("28d", "1mo", true);
        within("29d", "1mo", false);
        within("1mo", "31d", true);
        within("1mo", "30d", false);
        within("1mo", "1mo", true);
        within("12mo", "1y", true);
        within("1y", "12mo", true);
        within("1y", "366d", true);
        within("1y", "365d", false);
        within("365d", "1y", true);
        within("366d", "1y", false);
        within("8000y", "1y", false);
        within("1y", "8000y", true);
        within("9000y", "8000y", true);
        assert_eq!(at("2028-01-01"), UnixTime(span::YEAR_2028));
    }

    #[test]
    fn a_span_without_months_has_so_many_seconds() {
        let secs = |text: &str, expected| {
            assert_eq!(text.parse::<Span>().unwrap().secs(), expected, "{text}");
        };
        secs("1w1d1h1m1s", Some(604_800 + 86_400 + 3600 + 61));
        secs("18446744073709551615d", Some(u64::MAX));
        secs("1mo", None);
        secs("1y1s", None);
    }

    #[test]
    fn instants_and_dates_stand_for_themselves() {
        expire("2027-02-23T10:00:00Z", Ok("2027-02-23T10:00:00Z"));
        expire("2027-02-23T10:00:00+02:00", Ok("2027-02-23T08:00:00Z"));
        expire("2027-02-23T10:00:00-05:30", Ok("2027-02-23T15:30:00Z"));
        expire("2027-02-23", Ok("2027-02-23T00:00:00Z"));
        expire("@1803376800", Ok("2027-02-23T10:00:00Z"));
        expire("9999-12-31T23:59:59Z", Ok("9999-12-31T23:59:59Z"));
        assert_eq!("never".parse::<Lifetime>().unwrap().end(at("@0")), Ok(None));
    }

    #[test]
    fn an_end_is_to_come() {
        let now = at("2026-11-23T10:00:00Z");
        expire("2026-11-23T10:00:01Z", Ok("2026-11-23T10:00:01Z"));
        expire("2026-11-23T10:00:00Z", Err(NotATime::Past { at: now }));
        expire("2026-11-23", Err(NotATime::Past { at: at("2026-11-23") }));
        expire("@0", Err(NotATime::Past { at: at("@0") }));
    }

    #[test]
    fn what_is_no_time_is_told_apart() {
        for text in ["0s", "0d", "1y0mo", "0"] {
            let expected = if text == "0" { NotATime::BareNumber } else { NotATime::Zero };
            expire(text, Err(expected));
        }
        for text in ["1", "3600", "1h30"] {
            expire(text, Err(NotATime::BareNumber));
        }
        for text in ["3M", "1H", "1D", "1min", "1mon", "1month", "3Mo", "1µs", "1ms", "5x"] {
            let expected = if text == "1µs" { NotATime::Shape } else { NotATime::UnknownUnit };
            expire(text, Err(expected));
        }
        for text in ["1d1d", "6mo1y", "30m1h", "1s1s"] {
            expire(text, Err(NotATime::Order));
        }
        for text in [
            "",
            " ",
            "-1h",
            "+1h",
            "1.5h",
            "1,5h",
            "1 h",
            " 1h",
            "1h ",
            "1h 30m",
            "h",
            "mo",
            "1h\n",
            "01h",
            "00s",
            "1_000s",
            "１h",
            "Never",
            "NEVER",
            "forever",
            "tomorrow",
            "@",
            "@-1",
            "@1.5",
            "@01",
            "@1803376800s",
            "2027-02-23 10:00:00Z",
            "2027-02-23T10:00:00",
            "2027-02-23T10:00Z",
            "2027-02-23T10:00:00.5Z",
            "2027-02-23t10:00:00z",
            "2027-02-23T10:00:00 Z",
            "2027-2-23",
            "2027-02-23T",
            "2027-02-23Z",
            "2027-02-23T10:00:00+2",
            "2027-02-23T10:00:00+0200",
            "2027-02-23T10:00:00ZZ",
            "2027-02-23T1O:00:00Z",
            "2027-02-",
            "+2027-02-23",
            "20270223",
        ] {
            let found = text.parse::<Lifetime>();
            let shape =
                [Err(NotATime::Shape), Err(NotATime::UnknownUnit), Err(NotATime::BareNumber)];
            assert!(shape.contains(&found), "{text:?} {found:?}");
        }
        for text in [
            "2027-02-29",
            "2027-13-01",
            "2027-00-10",
            "2027-01-00",
            "2027-02-23T24:00:00Z",
            "2027-02-23T10:60:00Z",
            "2027-02-23T10:00:60Z",
            "2027-02-23T10:00:00+24:00",
            "2027-02-23T10:00:00+02:60",
        ] {
            expire(text, Err(NotATime::NoSuchMoment));
        }
        for text in [
            "50539024859478023y",
            "8000y",
            "7974y",
            "9223372036854775807s",
            "9223372036854775808s",
            "18446744073709551615y",
            "18446744073709551616s",
            "99999999999999999999999d",
            "253402300800s",
            "@253402300800",
            "@9223372036854775808",
            "1969-12-31",
            "1970-01-01T00:00:00+01:00",
            "9999-12-31T23:59:59-00:01",
        ] {
            expire(text, Err(NotATime::OutOfRange));
        }
    }

    #[test]
    fn the_last_year_is_9999() {
        expire("7973y", Ok("9999-11-23T10:00:00Z"));
        expire("@253402300799", Ok("9999-12-31T23:59:59Z"));
        assert_eq!(UnixTime::from_secs(253_402_300_799), Some(UnixTime::MAX));
        assert_eq!(UnixTime::from_secs(253_402_300_800), None);
        assert_eq!(UnixTime::MIN.to_string(), "1970-01-01T00:00:00Z");
        assert_eq!(UnixTime::from_secs(-1), None);
    }

    #[test]
    fn a_moment_is_told_with_its_weekday_and_distance() {
        let told = |text: &str, expected: &str| {
            let now = at("2026-11-23T10:00:00Z");
            assert_eq!(Told { at: at(text), now }.to_string(), expected);
        };
        told("2027-02-23T10:00:00Z", "Tue 2027-02-23T10:00:00Z (in 92 days)");
        told("2026-11-25T09:59:59Z", "Wed 2026-11-25T09:59:59Z (in 1 day)");
        told("2026-11-24T10:00:00Z", "Tue 2026-11-24T10:00:00Z (in 1 day)");
        told("2026-11-24T09:59:59Z", "Tue 2026-11-24T09:59:59Z (in 23 hours 59 minutes)");
        told("2026-11-23T11:00:00Z", "Mon 2026-11-23T11:00:00Z (in 1 hour)");
        told("2026-11-23T10:01:00Z", "Mon 2026-11-23T10:01:00Z (in 1 minute)");
        told("2026-11-23T10:00:59Z", "Mon 2026-11-23T10:00:59Z (in 59 seconds)");
        told("2026-11-23T10:00:00Z", "Mon 2026-11-23T10:00:00Z (0 seconds ago)");
        told("2026-11-20T10:00:00Z", "Fri 2026-11-20T10:00:00Z (3 days ago)");
    }
}
