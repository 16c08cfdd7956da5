//! Policy: what an operator asks of every key, when it is made and whenever it is used. Nothing
//! here reads a clock or a file.

use crate::{
    label::Label,
    namespace::Namespaces,
    time::{Span, UnixTime},
};

/// What is asked of every key; by default nothing.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Policy {
    /// How long a new key lives if nobody says.
    pub default_expire: Option<Span>,
    /// The shortest life of a new key.
    pub min_expire: Option<Span>,
    /// The longest life of a key, from when it was issued; one that does not end is longer.
    pub max_expire: Option<Span>,
    /// Whether every key must end.
    pub require_expire: bool,
    /// Whether every key must name its namespaces, for which `*` will not do.
    pub require_namespace: bool,
    /// Whether every new key must have a name.
    pub require_name: bool,
}

impl Policy {
    /// Whether a key may be used: step 9 of a verification.
    ///
    /// Months are calendar ones, counted from `iat`, and the end that they lead to still passes.
    pub fn permit_use(
        &self,
        iat: UnixTime,
        exp: Option<UnixTime>,
        namespaces: &Namespaces,
    ) -> Result<(), Breach> {
        match (exp, self.max_expire) {
            (Some(exp), Some(most)) => {
                // A span that leads past the year 9999 is longer than any life.
                if let Some(latest) = most.after(iat).filter(|latest| *latest < exp) {
                    return Err(Breach::TooLong { exp, most, latest });
                }
            }
            (None, Some(most)) => return Err(Breach::Endless { most: Some(most) }),
            (None, None) if self.require_expire => return Err(Breach::Endless { most: None }),
            (_, None) => {}
        }
        match namespaces {
            Namespaces::All if self.require_namespace => Err(Breach::OpensAll),
            Namespaces::All | Namespaces::Named(_) => Ok(()),
        }
    }

    /// Whether such a key may be made, and could be used.
    pub fn permit_new(
        &self,
        exp: Option<UnixTime>,
        namespaces: &Namespaces,
        name: Option<&Label>,
        now: UnixTime,
    ) -> Result<(), Breach> {
        self.permit_use(now, exp, namespaces)?;
        if let (Some(exp), Some(least)) = (exp, self.min_expire) {
            let earliest = least.after(now);
            if earliest.is_none_or(|earliest| exp < earliest) {
                return Err(Breach::TooShort { exp, least, earliest });
            }
        }
        match name {
            None if self.require_name => Err(Breach::Nameless),
            Some(_) | None => Ok(()),
        }
    }

    /// Whether it asks anything of a key that was made before.
    pub fn judges_use(&self) -> bool {
        self.max_expire.is_some() || self.require_expire || self.require_namespace
    }
}

/// What of a policy a key does not keep.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Breach {
    /// It does not end.
    Endless {
        /// How long it may live; none where it only must end.
        most: Option<Span>,
    },
    /// It has no name.
    Nameless,
    /// It opens every namespace.
    OpensAll,
    /// It lives too long.
    TooLong {
        /// When it ends.
        exp: UnixTime,
        /// How long it may live.
        most: Span,
        /// When it would have to end.
        latest: UnixTime,
    },
    /// It does not live long enough.
    TooShort {
        /// When it ends.
        exp: UnixTime,
        /// How long it must live.
        least: Span,
        /// When it would have to end; none past the year 9999.
        earliest: Option<UnixTime>,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    const ISSUED: &str = "2027-01-31T10:00:00Z";

    fn at(text: &str) -> UnixTime {
        text.parse().unwrap()
    }

    fn span(text: &str) -> Option<Span> {
        Some(text.parse().unwrap())
    }

    fn uses(policy: Policy, exp: Option<&str>, namespaces: &str, expected: Result<(), Breach>) {
        let found = policy.permit_use(at(ISSUED), exp.map(at), &namespaces.parse().unwrap());
        assert_eq!(found, expected, "{policy:?} {exp:?} {namespaces}");
    }

    fn makes(policy: Policy, exp: Option<&str>, name: Option<&str>, expected: Result<(), Breach>) {
        let name: Option<Label> = name.map(|name| name.parse().unwrap());
        let found = policy.permit_new(exp.map(at), &Namespaces::All, name.as_ref(), at(ISSUED));
        assert_eq!(found, expected, "{policy:?} {exp:?} {name:?}");
    }

    fn at_most(most: &str, last: &str, first_over: &str) {
        let policy = Policy { max_expire: span(most), ..Policy::default() };
        uses(policy, Some(last), "*", Ok(()));
        let (exp, most) = (at(first_over), most.parse().unwrap());
        let breach = Breach::TooLong { exp, most, latest: at(last) };
        uses(policy, Some(first_over), "*", Err(breach));
        makes(policy, Some(last), None, Ok(()));
        makes(policy, Some(first_over), None, Err(breach));
        uses(policy, None, "*", Err(Breach::Endless { most: Some(most) }));
    }

    #[test]
    fn a_key_lives_at_most_so_long() {
        at_most("30d", "2027-03-02T10:00:00Z", "2027-03-02T10:00:01Z");
        at_most("1h", "2027-01-31T11:00:00Z", "2027-01-31T11:00:01Z");
        at_most("1s", "2027-01-31T10:00:01Z", "2027-01-31T10:00:02Z");
    }

    #[test]
    fn months_are_those_of_the_calendar() {
        at_most("1mo", "2027-02-28T10:00:00Z", "2027-02-28T10:00:01Z");
        at_most("13mo", "2028-02-29T10:00:00Z", "2028-02-29T10:00:01Z");
        at_most("1y", "2028-01-31T10:00:00Z", "2028-01-31T10:00:01Z");
        at_most("1mo1d", "2027-03-01T10:00:00Z", "2027-03-01T10:00:01Z");
    }

    #[test]
    fn a_limit_past_the_year_9999_asks_only_for_an_end() {
        let policy = Policy { max_expire: span("8000y"), ..Policy::default() };
        uses(policy, Some("9999-12-31T23:59:59Z"), "*", Ok(()));
        uses(policy, None, "*", Err(Breach::Endless { most: span("8000y") }));
    }

    #[test]
    fn a_new_key_lives_at_least_so_long() {
        let policy = Policy { min_expire: span("1mo"), ..Policy::default() };
        makes(policy, Some("2027-02-28T10:00:00Z"), None, Ok(()));
        makes(policy, None, None, Ok(()));
        let exp = "2027-02-28T09:59:59Z";
        let breach = Breach::TooShort {
            exp: at(exp),
            least: "1mo".parse().unwrap(),
            earliest: Some(at("2027-02-28T10:00:00Z")),
        };
        makes(policy, Some(exp), None, Err(breach));
        // An older key is none the worse for it.
        uses(policy, Some(exp), "*", Ok(()));
        // No end is late enough for this.
        let policy = Policy { min_expire: span("8000y"), ..Policy::default() };
        let (exp, least) = ("9999-12-31T23:59:59Z", "8000y".parse().unwrap());
        let breach = Breach::TooShort { exp: at(exp), least, earliest: None };
        makes(policy, Some(exp), None, Err(breach));
    }

    #[test]
    fn what_is_required_must_be_there() {
        let end = Policy { require_expire: true, ..Policy::default() };
        uses(end, Some("2099-01-01"), "*", Ok(()));
        uses(end, None, "*", Err(Breach::Endless { most: None }));
        let namespace = Policy { require_namespace: true, ..Policy::default() };
        uses(namespace, None, "dev", Ok(()));
        uses(namespace, None, "*", Err(Breach::OpensAll));
        let name = Policy { require_name: true, ..Policy::default() };
        makes(name, None, Some("ci"), Ok(()));
        makes(name, None, None, Err(Breach::Nameless));
        uses(name, None, "*", Ok(()));
    }

    #[test]
    fn no_policy_asks_nothing() {
        uses(Policy::default(), None, "*", Ok(()));
        makes(Policy::default(), None, None, Ok(()));
        assert!(!Policy::default().judges_use());
        let made = Policy {
            default_expire: span("1d"),
            min_expire: span("1h"),
            require_name: true,
            ..Policy::default()
        };
        assert!(!made.judges_use());
    }

    #[test]
    fn each_limit_at_use_is_enough_to_judge_it() {
        for policy in [
            Policy { max_expire: span("1d"), ..Policy::default() },
            Policy { require_expire: true, ..Policy::default() },
            Policy { require_namespace: true, ..Policy::default() },
        ] {
            assert!(policy.judges_use(), "{policy:?}");
        }
    }
}
