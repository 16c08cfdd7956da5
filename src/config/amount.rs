//! How much, how often and how long.

use std::{fmt, str::FromStr, time::Duration};

use crate::time::{NotATime, Span};

/// So many in a stretch of time: `100/h`.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Rate {
    count: u32,
    per: Per,
}

/// The stretch of time of a rate.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Per {
    /// A second.
    Second,
    /// A minute.
    Minute,
    /// An hour.
    Hour,
    /// A day.
    Day,
}

impl Rate {
    pub(super) const fn new(count: u32, per: Per) -> Self {
        Self { count, per }
    }

    /// How many; at least one.
    pub fn count(self) -> u32 {
        self.count
    }

    /// In how long.
    pub fn per(self) -> Duration {
        Duration::from_secs(match self.per {
            Per::Second => 1,
            Per::Minute => 60,
            Per::Hour => 3600,
            Per::Day => 86_400,
        })
    }
}

impl FromStr for Rate {
    type Err = NotARate;

    fn from_str(text: &str) -> Result<Self, NotARate> {
        let (count, per) = text.split_once('/').ok_or(NotARate::Shape)?;
        let per = PER.iter().find(|(_, unit)| *unit == per).ok_or(NotARate::Unit)?.0;
        match plain(count).ok_or(NotARate::Shape)?.map(u32::try_from) {
            Some(Ok(0)) => Err(NotARate::Nothing),
            Some(Ok(count)) => Ok(Self { count, per }),
            Some(Err(_)) | None => Err(NotARate::TooMuch),
        }
    }
}

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let unit = PER.iter().find(|(per, _)| *per == self.per).map_or("", |(_, unit)| unit);
        write!(f, "{}/{unit}", self.count)
    }
}

/// An amount of data: 1 byte to 1 GiB.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub struct Bytes(u32);

impl Bytes {
    /// 1 MiB.
    pub(super) const MIB: Bytes = Bytes(1 << 20);

    /// How many.
    pub fn count(self) -> usize {
        self.0 as usize
    }
}

/// Reads `512KiB`, `1MiB`, or a plain number of bytes.
impl FromStr for Bytes {
    type Err = NotBytes;

    fn from_str(text: &str) -> Result<Self, NotBytes> {
        let (digits, shift) = UNITS
            .iter()
            .find_map(|(unit, shift)| Some((text.strip_suffix(unit)?, *shift)))
            .unwrap_or((text, 0));
        let count =
            plain(digits).ok_or(NotBytes::Shape)?.and_then(|count| count.checked_mul(1 << shift));
        match count.map(u32::try_from) {
            Some(Ok(0)) => Err(NotBytes::Nothing),
            Some(Ok(count)) if count <= 1 << 30 => Ok(Self(count)),
            Some(Ok(_) | Err(_)) | None => Err(NotBytes::TooMuch),
        }
    }
}

/// In the largest unit of which it is a whole number.
impl fmt::Display for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let whole = UNITS.iter().find(|(_, shift)| self.0.is_multiple_of(1 << shift));
        match whole {
            Some((unit, shift)) => write!(f, "{}{unit}", self.0 >> shift),
            None => self.0.fmt(f),
        }
    }
}

/// Reads how long to wait: a span of units that are always as long, of a week at most.
pub(super) fn duration(text: &str) -> Result<Duration, NotADuration> {
    let span: Span = text.parse().map_err(NotADuration::NotATime)?;
    match span.secs() {
        None => Err(NotADuration::Calendar),
        Some(secs) if secs > 604_800 => Err(NotADuration::TooLong),
        Some(secs) => Ok(Duration::from_secs(secs)),
    }
}

/// A number in its one spelling; `Some(None)` when it is one too large to hold.
fn plain(text: &str) -> Option<Option<u64>> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    (digits && (text == "0" || !text.starts_with('0'))).then(|| text.parse().ok())
}

/// Why a text is no time to wait.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum NotADuration {
    /// Months and years are not always as long.
    Calendar,
    /// It is no span.
    NotATime(NotATime),
    /// More than a week.
    TooLong,
}

/// Why a text is no rate.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum NotARate {
    /// None at all.
    Nothing,
    /// Not a number, `/` and a unit.
    Shape,
    /// More than can be counted.
    TooMuch,
    /// There is no such unit.
    Unit,
}

/// Why a text is no amount of data.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum NotBytes {
    /// None at all.
    Nothing,
    /// Not a number, with a unit or without.
    Shape,
    /// More than 1 GiB.
    TooMuch,
}

const PER: [(Per, &str); 4] =
    [(Per::Second, "s"), (Per::Minute, "m"), (Per::Hour, "h"), (Per::Day, "d")];

/// The units of data, the largest first, each a power of two.
const UNITS: [(&str, u32); 3] = [("GiB", 30), ("MiB", 20), ("KiB", 10)];

#[cfg(test)]
mod tests {
    use super::*;

    fn rate(text: &str, expected: Result<(u32, u64), NotARate>) {
        let found = text.parse::<Rate>();
        assert_eq!(found.map(|rate| (rate.count(), rate.per().as_secs())), expected, "{text}");
        if let Ok(rate) = found {
            assert_eq!(rate.to_string(), text);
        }
    }

    #[test]
    fn a_rate_is_so_many_in_a_stretch_of_time() {
        rate("100/h", Ok((100, 3600)));
        rate("1/s", Ok((1, 1)));
        rate("60/m", Ok((60, 60)));
        rate("4294967295/d", Ok((u32::MAX, 86_400)));
        rate("4294967296/d", Err(NotARate::TooMuch));
        rate("99999999999999999999/d", Err(NotARate::TooMuch));
        rate("0/h", Err(NotARate::Nothing));
        for text in ["100", "/h", "1.5/h", "-1/h", "01/h", " 1/h"] {
            rate(text, Err(NotARate::Shape));
        }
        for text in ["1/", "1/H", "1/hour", "1/h ", "1/1h", "1/h/h"] {
            rate(text, Err(NotARate::Unit));
        }
    }

    fn bytes(text: &str, expected: Result<usize, NotBytes>) {
        assert_eq!(text.parse::<Bytes>().map(Bytes::count), expected, "{text}");
    }

    #[test]
    fn bytes_are_counted_in_powers_of_two() {
        bytes("1", Ok(1));
        bytes("1048576", Ok(1 << 20));
        bytes("1MiB", Ok(1 << 20));
        bytes("3KiB", Ok(3072));
        bytes("1GiB", Ok(1 << 30));
        bytes("1073741824", Ok(1 << 30));
        bytes("1073741825", Err(NotBytes::TooMuch));
        bytes("2GiB", Err(NotBytes::TooMuch));
        bytes("18446744073709551615GiB", Err(NotBytes::TooMuch));
        bytes("99999999999999999999", Err(NotBytes::TooMuch));
        bytes("0", Err(NotBytes::Nothing));
        bytes("0MiB", Err(NotBytes::Nothing));
        for text in ["", "MiB", "1MB", "1M", "1 MiB", "1mib", "1.5MiB", "-1", "01", "+1"] {
            bytes(text, Err(NotBytes::Shape));
        }
        for text in ["1MiB", "1GiB", "3KiB", "1023", "1025KiB"] {
            assert_eq!(text.parse::<Bytes>().unwrap().to_string(), text);
        }
        assert_eq!(Bytes::MIB.to_string(), "1MiB");
    }

    #[test]
    fn a_wait_is_always_as_long() {
        let wait = |text: &str, expected: Result<u64, NotADuration>| {
            assert_eq!(duration(text).map(|wait| wait.as_secs()), expected, "{text}");
        };
        wait("1s", Ok(1));
        wait("1h30m", Ok(5400));
        wait("1w", Ok(604_800));
        wait("604801s", Err(NotADuration::TooLong));
        wait("1w1s", Err(NotADuration::TooLong));
        wait("18446744073709551615d", Err(NotADuration::TooLong));
        wait("1mo", Err(NotADuration::Calendar));
        wait("1y1s", Err(NotADuration::Calendar));
        wait("0s", Err(NotADuration::NotATime(NotATime::Zero)));
        wait("5", Err(NotADuration::NotATime(NotATime::BareNumber)));
        wait("never", Err(NotADuration::NotATime(NotATime::NotASpan)));
    }
}
