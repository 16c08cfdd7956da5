//! Text from people: names and reasons, which terminals and logs will show.

use std::{fmt, str::FromStr, sync::Arc};

/// A name or a reason: 1 to 128 characters, none of which a reader cannot see. Clones share it.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub struct Label(Arc<str>);

impl Label {
    /// The longest label, in characters.
    pub const MOST: usize = 128;

    /// A label that was let in once, perhaps under older rules. Showing it escapes what is unsafe.
    pub fn kept(text: &str) -> Self {
        Self(text.into())
    }

    /// The text as it was let in.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Label {
    type Err = NotALabel;

    fn from_str(text: &str) -> Result<Self, NotALabel> {
        if text.trim().is_empty() {
            return Err(NotALabel::Empty);
        }
        if text.chars().any(unseen) {
            return Err(NotALabel::Unseen);
        }
        if text.trim() != text {
            return Err(NotALabel::Blank);
        }
        if text.chars().count() > Self::MOST {
            return Err(NotALabel::TooLong);
        }
        Ok(Self(text.into()))
    }
}

/// The text, with whatever a reader cannot see as `\u{…}`.
impl fmt::Display for Label {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Shown(&self.0).fmt(f)
    }
}

/// Any text, made safe to show: whatever a reader cannot see is written as `\u{…}`.
pub struct Shown<'a>(pub &'a str);

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for c in self.0.chars() {
            if unseen(c) {
                write!(f, "{}", c.escape_unicode())?;
            } else {
                write!(f, "{c}")?;
            }
        }
        Ok(())
    }
}

/// Control, bidirectional and invisible characters (Unicode categories Cc, Cf, Zl and Zp, and
/// the fillers and selectors that draw nothing).
fn unseen(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{ad}' | '\u{34f}' | '\u{600}'..='\u{605}' | '\u{61c}' | '\u{6dd}' | '\u{70f}'
            | '\u{890}'..='\u{891}' | '\u{8e2}' | '\u{115f}'..='\u{1160}'
            | '\u{17b4}'..='\u{17b5}' | '\u{180b}'..='\u{180f}' | '\u{200b}'..='\u{200f}'
            | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{3164}'
            | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{ffa0}' | '\u{fff0}'..='\u{fffb}'
            | '\u{110bd}' | '\u{110cd}' | '\u{13430}'..='\u{1343f}' | '\u{1bca0}'..='\u{1bca3}'
            | '\u{1d173}'..='\u{1d17a}' | '\u{e0000}'..='\u{e0fff}')
}

/// Why a text is no label.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum NotALabel {
    /// A blank at an end.
    Blank,
    /// No text.
    Empty,
    /// More than 128 characters.
    TooLong,
    /// A character that a reader cannot see.
    Unseen,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: Result<(), NotALabel>) {
        assert_eq!(text.parse::<Label>().map(|_| ()), expected, "{text:?}");
    }

    #[test]
    fn a_label_is_what_a_reader_sees() {
        check("ci deploy, 3rd floor", Ok(()));
        check("名前 Ünï ' \" \\", Ok(()));
        check("", Err(NotALabel::Empty));
        check("  ", Err(NotALabel::Empty));
        check(" a", Err(NotALabel::Blank));
        check("a ", Err(NotALabel::Blank));
        for unseen in [
            '\0',
            '\u{7}',
            '\u{8}',
            '\t',
            '\n',
            '\r',
            '\u{1b}',
            '\u{7f}',
            '\u{85}',
            '\u{9b}',
            '\u{ad}',
            '\u{61c}',
            '\u{200b}',
            '\u{200d}',
            '\u{200e}',
            '\u{2028}',
            '\u{2029}',
            '\u{202e}',
            '\u{2066}',
            '\u{2069}',
            '\u{feff}',
            '\u{fe0f}',
            '\u{3164}',
            '\u{e0041}',
        ] {
            check(&format!("a{unseen}b"), Err(NotALabel::Unseen));
        }
    }

    #[test]
    fn a_label_has_at_most_128_characters() {
        check(&"ü".repeat(128), Ok(()));
        check(&"ü".repeat(129), Err(NotALabel::TooLong));
    }

    #[test]
    fn what_was_kept_under_older_rules_is_escaped() {
        let told = Label::kept("a\u{1b}[31m\u{202e}b").to_string();
        assert_eq!(told, "a\\u{1b}[31m\\u{202e}b");
    }
}
