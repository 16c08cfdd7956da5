//! Environment variables, by name: under which keys are handed over.

use std::{fmt, str::FromStr};

/// The name of an environment variable, which every shell takes: `[A-Za-z_][A-Za-z0-9_]*`.
///
/// `PATH`, `IFS`, `LD_PRELOAD` and whatever else means something to a shell or a loader are names
/// like any other: they are only ever set to a key, which a stranger can choose no word of, no list
/// of them would be whole, and whoever asks for one notices at once.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Variable(String);

impl Variable {
    /// The characters.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Default for Variable {
    fn default() -> Self {
        Self("MSB_API_KEY".to_owned())
    }
}

impl FromStr for Variable {
    type Err = NotAVariable;

    fn from_str(text: &str) -> Result<Self, NotAVariable> {
        let plain = |c: char| c.is_ascii_alphanumeric() || c == '_';
        let begins = text.starts_with(|c: char| plain(c) && !c.is_ascii_digit());
        if begins && text.chars().all(plain) {
            Ok(Self(text.to_owned()))
        } else {
            Err(NotAVariable)
        }
    }
}

impl fmt::Display for Variable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A text that names no variable.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct NotAVariable;

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, names: bool) {
        assert_eq!(text.parse::<Variable>().is_ok(), names, "{text:?}");
    }

    #[test]
    fn a_variable_is_what_every_shell_takes() {
        check("MSB_API_KEY", true);
        check("_", true);
        check("a1", true);
        check("", false);
        check("1a", false);
        check("A-B", false);
        check("A.B", false);
        check("A B", false);
        check("A=B", false);
        check("A\n", false);
        check("$(id)", false);
        check("Ä", false);
    }

    #[test]
    fn a_variable_is_written_as_it_was_read() {
        let variable = Variable::default();
        assert_eq!(variable.to_string().parse(), Ok(variable));
    }
}
