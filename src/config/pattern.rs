//! The paths that a route is for: `/servers/:name`, `/files/*`.

use std::{fmt, str::FromStr};

/// A shape of paths, which cannot be read two ways: no escapes, no doubled `/`, no `.` or `..`.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Pattern(Vec<Segment>);

/// What stands between two `/` of a pattern.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Segment {
    /// This text; no text at the end of a path that ends with `/`.
    Text(String),
    /// Whatever stands there, if it is anything; written `:name`.
    Name(PathName),
    /// Whatever is left behind the `/`, be it nothing; written `*`, and always the last.
    Rest,
}

impl Pattern {
    /// What stands between the `/`, in its order; never empty.
    pub fn segments(&self) -> &[Segment] {
        &self.0
    }

    /// Whether a part of the path has this name.
    pub fn names(&self, name: &PathName) -> bool {
        self.0.iter().any(|segment| matches!(segment, Segment::Name(named) if named == name))
    }

    /// Whether these are one path, written out.
    pub fn is_one_path(&self) -> bool {
        self.0.iter().all(|segment| matches!(segment, Segment::Text(_)))
    }

    /// Whether this path is one of these.
    pub fn fits(&self, path: &str) -> bool {
        self.fits_by(path, |text, part| text == part) == Fit::Whole
    }

    /// Whether a lax reader may take this path, which does not end with `/`, for one of these: to
    /// whom upper and lower case are one, and a last `/` is as good as none.
    pub fn fits_laxly(&self, path: &str) -> bool {
        self.fits_by(path, str::eq_ignore_ascii_case) != Fit::Not
    }

    fn fits_by(&self, path: &str, same: impl Fn(&str, &str) -> bool) -> Fit {
        let Some(path) = path.strip_prefix('/') else { return Fit::Not };
        let mut parts = path.split('/');
        for segment in &self.0 {
            match (segment, parts.next()) {
                (Segment::Rest, Some(_)) => return Fit::Whole,
                (Segment::Rest, None) => return Fit::ButForTheLastSlash,
                (Segment::Text(text), None) if text.is_empty() => return Fit::ButForTheLastSlash,
                (Segment::Text(text), Some(part)) if same(text, part) => {}
                (Segment::Name(_), Some(part)) if !part.is_empty() => {}
                (Segment::Text(_) | Segment::Name(_), Some(_) | None) => return Fit::Not,
            }
        }
        if parts.next().is_none() { Fit::Whole } else { Fit::Not }
    }

    /// What stands in a path of these in the place of a name.
    pub fn part<'p>(&self, path: &'p str, name: &PathName) -> Option<&'p str> {
        let mut parts = path.strip_prefix('/')?.split('/').zip(&self.0);
        let named = |segment: &Segment| matches!(segment, Segment::Name(found) if found == name);
        parts.find_map(|(part, segment)| named(segment).then_some(part))
    }

    /// How the paths of this one lie to those of another.
    pub fn lies(&self, other: &Self) -> Overlap {
        let (mut narrower, mut wider) = (false, false);
        let mut others = other.0.iter();
        for segment in &self.0 {
            match (segment, others.next()) {
                (Segment::Rest, Some(Segment::Rest)) => break,
                (Segment::Rest, Some(Segment::Text(_) | Segment::Name(_))) => {
                    wider = true;
                    others = [].iter();
                    break;
                }
                (Segment::Text(_) | Segment::Name(_), Some(Segment::Rest)) => {
                    narrower = true;
                    break;
                }
                (Segment::Text(one), Some(Segment::Text(other))) if one == other => {}
                (Segment::Name(_), Some(Segment::Name(_))) => {}
                (Segment::Text(text), Some(Segment::Name(_))) if !text.is_empty() => {
                    narrower = true;
                }
                (Segment::Name(_), Some(Segment::Text(text))) if !text.is_empty() => wider = true,
                (
                    Segment::Text(_) | Segment::Name(_),
                    Some(Segment::Text(_) | Segment::Name(_)),
                )
                | (_, None) => return Overlap::Apart,
            }
        }
        match (others.next(), narrower, wider) {
            (Some(_), _, _) => Overlap::Apart,
            (None, false, false) => Overlap::Same,
            (None, true, false) => Overlap::Narrower,
            (None, false, true) => Overlap::Wider,
            (None, true, true) => Overlap::Crossing,
        }
    }
}

/// How a path fits a pattern.
#[derive(Eq, PartialEq)]
enum Fit {
    /// With one more `/` at its end it would.
    ButForTheLastSlash,
    Not,
    Whole,
}

/// How the paths of one pattern lie to those of another.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Overlap {
    /// No path is for both.
    Apart,
    /// Some paths are for both, and each has others.
    Crossing,
    /// All are for the other as well, which has more.
    Narrower,
    /// They are the same, whatever their parts are called.
    Same,
    /// All of the other are for this one as well, which has more.
    Wider,
}

impl FromStr for Pattern {
    type Err = NotAPattern;

    fn from_str(text: &str) -> Result<Self, NotAPattern> {
        let path = text.strip_prefix('/').ok_or(NotAPattern::Start)?;
        let own = |door: &&str| door.eq_ignore_ascii_case(text.trim_end_matches('/'));
        if OUR_OWN.iter().any(own) {
            return Err(NotAPattern::OurOwn);
        }
        let count = path.split('/').count();
        let mut segments = Vec::with_capacity(count);
        for (index, part) in path.split('/').enumerate() {
            let last = index + 1 == count;
            let segment = match part {
                "" if !last => return Err(NotAPattern::Doubled),
                "*" if last => Segment::Rest,
                "." | ".." => return Err(NotAPattern::Dots),
                part if part.contains('*') => return Err(NotAPattern::Rest),
                part => match part.strip_prefix(':') {
                    Some(name) => Segment::Name(name.parse()?),
                    None if part.chars().all(plain) => Segment::Text(part.to_owned()),
                    None => return Err(NotAPattern::Character),
                },
            };
            if matches!(segment, Segment::Name(_)) && segments.contains(&segment) {
                return Err(NotAPattern::Twice);
            }
            segments.push(segment);
        }
        Ok(Self(segments))
    }
}

/// The characters that stand for themselves in a path (RFC 3986, section 3.3), but for `;`, which
/// some cut a segment off at, and `*`.
fn plain(c: char) -> bool {
    c.is_ascii_alphanumeric() || "-._~!$&'()+,=:@".contains(c)
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|segment| match segment {
            Segment::Text(text) => write!(f, "/{text}"),
            Segment::Name(name) => write!(f, "/:{name}"),
            Segment::Rest => f.write_str("/*"),
        })
    }
}

/// What a part of a path is called: `[A-Za-z][A-Za-z0-9_]*`.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct PathName(String);

impl FromStr for PathName {
    type Err = NotAPattern;

    fn from_str(text: &str) -> Result<Self, NotAPattern> {
        let name = text.starts_with(|c: char| c.is_ascii_alphabetic())
            && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
        if name { Ok(Self(text.to_owned())) } else { Err(NotAPattern::Name) }
    }
}

impl fmt::Display for PathName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Why a text is no pattern of paths.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum NotAPattern {
    /// Something that does not stand for itself.
    Character,
    /// `.` or `..` between two `/`.
    Dots,
    /// Two `/` with nothing between.
    Doubled,
    /// Not a name behind `:`.
    Name,
    /// A path that the server answers itself, or one that could be taken for it.
    OurOwn,
    /// A `*` that is not all of the last segment.
    Rest,
    /// It does not begin with `/`.
    Start,
    /// One name twice.
    Twice,
}

/// What the server answers itself beside an upstream.
const OUR_OWN: [&str; 6] =
    ["/.well-known/jwks.json", "/api/v1/health", "/api/v1/rpc", "/healthz", "/mcp", "/readyz"];

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expected: Result<(), NotAPattern>) {
        let found = text.parse::<Pattern>();
        assert_eq!(found.as_ref().map(|_| ()).map_err(|why| *why), expected, "{text:?}");
        if let Ok(pattern) = found {
            assert_eq!(pattern.to_string(), text);
        }
    }

    #[test]
    fn a_pattern_is_words_names_and_what_is_left() {
        for text in [
            "/",
            "/*",
            "/a",
            "/a/",
            "/a/:b/c",
            "/:a/:b",
            "/a/*",
            "/:a/*",
            "/a.b/~c",
            "/x:generate",
            "/mcp/tools",
            "/api/v1/rpcs",
            "/API",
            "/a@b,c=d",
            "/...",
            "/:aB_1",
        ] {
            check(text, Ok(()));
        }
    }

    #[test]
    fn a_path_that_could_be_read_two_ways_is_refused() {
        for text in ["//", "/a//b", "//a", "/a//"] {
            check(text, Err(NotAPattern::Doubled));
        }
        for text in ["/.", "/..", "/a/./b", "/a/../b", "/a/.."] {
            check(text, Err(NotAPattern::Dots));
        }
        for text in [
            "/%72pc", "/a%2fb", "/a;x=1", "/a\\b", "/ä", "/a#b", "/a?b", "/a b", "/a\n", "/a\0",
            "/{a}",
        ] {
            check(text, Err(NotAPattern::Character));
        }
        for text in [
            "/mcp",
            "/mcp/",
            "/MCP",
            "/api/v1/rpc",
            "/API/v1/rpc",
            "/api/v1/rpc/",
            "/healthz",
            "/readyz",
            "/api/v1/health",
            "/.well-known/jwks.json",
        ] {
            check(text, Err(NotAPattern::OurOwn));
        }
    }

    #[test]
    fn what_is_no_pattern_is_told_apart() {
        for text in ["", "a", "*", ":a", "http://a/b"] {
            check(text, Err(NotAPattern::Start));
        }
        for text in ["/*/a", "/a*", "/a/*b", "/**", "/:a*", "/*/*", "/*/"] {
            check(text, Err(NotAPattern::Rest));
        }
        for text in ["/:", "/:1", "/:a-b", "/:a/:b c", "/::a", "/:ä"] {
            check(text, Err(NotAPattern::Name));
        }
        check("/:a/:a", Err(NotAPattern::Twice));
        check("/:a/:A", Ok(()));
        check("/a/a", Ok(()));
    }

    #[test]
    fn a_path_fits_segment_by_segment() {
        let fits = |pattern: &str, path: &str, expected: bool| {
            let pattern: Pattern = pattern.parse().unwrap();
            assert_eq!(pattern.fits(path), expected, "{pattern} {path}");
        };
        for path in ["/a", "/a/"] {
            fits(path, path, true);
        }
        fits("/a", "/a/", false);
        fits("/a/", "/a", false);
        fits("/a", "/A", false);
        fits("/a", "/a/b", false);
        fits("/a/:b", "/a/x", true);
        fits("/a/:b", "/a/", false);
        fits("/a/:b", "/a/x/y", false);
        fits("/:a/b", "/x/b", true);
        for path in ["/a/", "/a/x", "/a/x/y/"] {
            fits("/a/*", path, true);
        }
        fits("/a/*", "/a", false);
        fits("/*", "/", true);
        fits("/", "/", true);
        fits("/", "/a", false);
        fits("/*", "*", false);
        let pattern: Pattern = "/a/:b/:c".parse().unwrap();
        assert!(pattern.fits_laxly("/A/x/y"));
        assert_eq!(pattern.part("/a/x/y", &"c".parse().unwrap()), Some("y"));
        assert_eq!(pattern.part("/a/x/y", &"d".parse().unwrap()), None);
    }

    #[track_caller]
    fn lies(one: &str, other: &str, expected: Overlap) {
        let (one, other): (Pattern, Pattern) = (one.parse().unwrap(), other.parse().unwrap());
        assert_eq!(one.lies(&other), expected, "{one} {other}");
        let turned = match expected {
            Overlap::Narrower => Overlap::Wider,
            Overlap::Wider => Overlap::Narrower,
            Overlap::Apart | Overlap::Crossing | Overlap::Same => expected,
        };
        assert_eq!(other.lies(&one), turned, "{other} {one}");
    }

    #[test]
    fn names_make_no_other_paths() {
        for (one, other) in [("/a", "/a"), ("/a/:b", "/a/:c"), ("/:a/:b", "/:b/:a"), ("/*", "/*")] {
            lies(one, other, Overlap::Same);
        }
    }

    #[test]
    fn a_word_is_narrower_than_a_name_and_that_than_the_rest() {
        lies("/servers/list", "/servers/:name", Overlap::Narrower);
        lies("/servers/:name", "/servers/*", Overlap::Narrower);
        lies("/servers/list", "/servers/*", Overlap::Narrower);
        lies("/servers/:name/log", "/servers/*", Overlap::Narrower);
        lies("/servers/", "/servers/*", Overlap::Narrower);
        lies("/servers/*", "/:kind/*", Overlap::Narrower);
        lies("/", "/*", Overlap::Narrower);
        lies("/a/b", "/:a/:b", Overlap::Narrower);
    }

    #[test]
    fn paths_that_share_nothing_lie_apart() {
        for (one, other) in [
            ("/a", "/b"),
            ("/a", "/A"),
            ("/a", "/a/"),
            ("/a", "/a/b"),
            ("/a", "/a/*"),
            ("/", "/:a"),
            ("/a/", "/a/:b"),
            ("/:a", "/:a/:b"),
            ("/a/*", "/b/*"),
            ("/a/:b/c", "/:x/y/z"),
        ] {
            lies(one, other, Overlap::Apart);
        }
    }

    #[test]
    fn paths_cross_where_each_is_narrower_somewhere() {
        lies("/servers/*", "/:kind/delete", Overlap::Crossing);
        lies("/a/:b", "/:a/b", Overlap::Crossing);
        lies("/a/:b/*", "/:a/b/c", Overlap::Crossing);
    }
}
