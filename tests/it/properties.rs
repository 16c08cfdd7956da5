//! Print, parse, print: what is said of every value, over many of them.

use std::{fmt::Display, str::FromStr};

use msb::{
    key::{KeyId, Party, Prefix},
    label::Label,
    namespace::{Namespace, Namespaces},
    scope::{Scope, ScopeWord},
    signing::Kid,
    time::{Lifetime, Moment, Span, UnixTime},
};

/// A small generator that always draws the same (splitmix64, public domain, S. Vigna).
pub struct Dice(pub u64);

impl Dice {
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }

    /// Some of these characters, up to so many.
    pub fn text(&mut self, alphabet: &str, most: u64) -> String {
        let alphabet: Vec<_> = alphabet.chars().collect();
        let length = self.below(most + 1);
        (0..length).map(|_| alphabet[self.below(alphabet.len() as u64) as usize]).collect()
    }
}

/// Over random texts: whatever parses prints as itself, and enough of them parse.
fn prints_as_it_was<T: FromStr + Display>(alphabet: &str, most: u64, enough: u32) {
    let mut dice = Dice(1);
    let mut parsed = 0;
    for _ in 0..100_000 {
        let text = dice.text(alphabet, most);
        if let Ok(word) = text.parse::<T>() {
            assert_eq!(word.to_string(), text);
            parsed += 1;
        }
    }
    assert!(parsed >= enough, "only {parsed} of these texts parse: {alphabet}");
}

#[test]
fn a_word_has_one_spelling() {
    prints_as_it_was::<Namespace>("aZ0_-./ é", 5, 10_000);
    prints_as_it_was::<ScopeWord>("aZ0_-.:/* ", 5, 10_000);
    prints_as_it_was::<Party>("aZ0@._+:/- ", 5, 10_000);
    prints_as_it_was::<Prefix>("am9_A", 4, 3_000);
    prints_as_it_was::<Span>("123wdhmosy0 ", 6, 2_000);
    prints_as_it_was::<Lifetime>("12wdhmosy", 4, 3_000);
    prints_as_it_was::<Kid>("aZ0_-+", 11, 1_000);
    prints_as_it_was::<Label>("a b\u{200b}é", 4, 10_000);
}

#[test]
fn an_id_has_one_spelling() {
    let mut dice = Dice(2);
    for _ in 0..10_000 {
        let id = KeyId::draw(&mut |bytes| bytes.fill_with(|| dice.next() as u8));
        let text = id.to_string();
        assert_eq!(text.parse(), Ok(id));
        assert_eq!(text.len(), 16);
        let upper = text.to_uppercase();
        assert!(upper == text || upper.parse::<KeyId>().is_err());
    }
}

#[test]
fn an_instant_has_one_spelling() {
    let mut dice = Dice(3);
    for _ in 0..100_000 {
        let secs = dice.below(UnixTime::MAX.secs() as u64 + 1) as i64;
        let at = UnixTime::from_secs(secs).unwrap();
        let text = at.to_string();
        assert_eq!(text.parse(), Ok(at));
        assert_eq!(text.len(), 20);
        assert_eq!(format!("@{secs}").parse(), Ok(at));
        assert_eq!(text.parse(), Ok(Moment::At(at)));
    }
}

/// The calendar beside an independent reckoning of days (Hinnant's algorithm for civil dates).
#[test]
fn months_are_calendar_months() {
    fn days(year: i64, month: i64, day: i64) -> i64 {
        let year = if month <= 2 { year - 1 } else { year };
        let era = year.div_euclid(400);
        let of_era = year - era * 400;
        let of_year = (153 * (month + if month > 2 { -3 } else { 9 }) + 2) / 5 + day - 1;
        era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468
    }
    fn length(year: i64, month: i64) -> i64 {
        let next = if month == 12 { days(year + 1, 1, 1) } else { days(year, month + 1, 1) };
        next - days(year, month, 1)
    }
    let mut dice = Dice(4);
    for _ in 0..20_000 {
        let (year, month) = (1970 + dice.below(7000) as i64, 1 + dice.below(12) as i64);
        let day = 1 + dice.below(length(year, month) as u64) as i64;
        let clock = dice.below(86_400) as i64;
        let (years, months) = (dice.below(4) as i64, dice.below(30) as i64 + 1);
        let start = UnixTime::from_secs(days(year, month, day) * 86_400 + clock).unwrap();
        let text = if years > 0 { format!("{years}y{months}mo") } else { format!("{months}mo") };
        let index = year * 12 + month - 1 + years * 12 + months;
        let (end_year, end_month) = (index.div_euclid(12), index.rem_euclid(12) + 1);
        let end_day = day.min(length(end_year, end_month));
        let end = days(end_year, end_month, end_day) * 86_400 + clock;
        let found = text.parse::<Span>().unwrap().after(start).unwrap();
        assert_eq!(found.secs(), end, "{start} + {text}");
    }
}

#[test]
fn a_span_ends_later_and_never_panics() {
    let mut dice = Dice(5);
    let units = ["y", "mo", "w", "d", "h", "m", "s"];
    let mut judged = 0;
    for _ in 0..50_000 {
        let first = dice.below(7) as usize;
        let mut text = format!("{}{}", 1 + (dice.next() >> dice.below(64)), units[first]);
        if first < 6 && dice.below(2) == 0 {
            text += &format!("{}s", 1 + dice.below(1000));
        }
        let start = UnixTime::from_secs(dice.below(UnixTime::MAX.secs() as u64) as i64).unwrap();
        if let Some(end) = text.parse::<Span>().ok().and_then(|span| span.after(start)) {
            assert!(start < end, "{start} + {text} is {end}");
            judged += 1;
        }
    }
    assert!(judged > 10_000, "only {judged} of these spans end");
}

#[test]
fn whatever_is_held_covers_itself() {
    let mut dice = Dice(6);
    let mut judged = 0;
    for _ in 0..20_000 {
        let mut namespaces = || Namespaces::word(&dice.text("ab*", 2));
        if let (Ok(one), Ok(other)) = (namespaces(), namespaces()) {
            assert!(one.cover(&one));
            judged += 1;
            if let Ok(both) = Namespaces::union(vec![one.clone(), other.clone()]) {
                assert!(both.cover(&one) && both.cover(&other));
                assert_eq!(one.cover(&both), one == both || one == Namespaces::All);
                assert_eq!(both.to_string().parse(), Ok(both));
            }
        }
        let words: Vec<ScopeWord> =
            (0..3).filter_map(|_| dice.text("ab.*", 4).parse().ok()).collect();
        let scope = Scope::of(words.clone());
        assert!(scope.covers(&scope));
        assert!(Scope::Every.covers(&scope));
        for word in words {
            assert!(scope.covers(&Scope::of(vec![word])));
        }
        if let Some(claim) = scope.claim() {
            assert_eq!(claim.parse(), Ok(scope));
        }
    }
    assert!(judged > 3_000, "only {judged} pairs of namespaces were judged");
}
