//! How shells write words: the words that were typed, and words to insert.

/// The word under the cursor, as far as it is typed.
#[derive(Debug, Default)]
pub(super) struct Word {
    /// What it says.
    pub(super) text: String,
    /// What of it the shell leaves as it is; it replaces the rest.
    pub(super) kept: String,
    /// The quotation mark that is still open.
    pub(super) open: Option<char>,
}

/// Words, the last of which may be empty or have a quotation mark open. What is no shell's way to
/// write a word is taken as it stands.
pub(super) fn split(line: &str) -> (Vec<String>, Word) {
    let mut words = vec![];
    let (mut word, mut begun, mut open) = (String::new(), false, None);
    let mut rest = line.chars().peekable();
    while let Some(c) = rest.next() {
        match (open, c) {
            (Some(quote), _) if c == quote => open = None,
            (Some('"'), '\\') => match rest.next_if(|next| "\"\\$`".contains(*next)) {
                Some(escaped) => word.push(escaped),
                None => word.push('\\'),
            },
            (Some(_), _) => word.push(c),
            (None, '\'' | '"') => open = Some(c),
            (None, '\\') => word.extend(rest.next()),
            (None, ' ' | '\t' | '\n') => {
                if begun {
                    words.push(std::mem::take(&mut word));
                }
                begun = false;
                continue;
            }
            (None, _) => word.push(c),
        }
        begun = true;
    }
    (words, Word { text: word, kept: String::new(), open })
}

impl Word {
    /// A word that a shell has read already.
    pub(super) fn read(text: &str) -> Self {
        Self { text: text.to_owned(), ..Self::default() }
    }

    /// A word as it was typed.
    pub(super) fn typed(text: &str) -> Self {
        let (mut before, word) = split(text);
        // A shell that calls it one word knows better what a blank in it means.
        before.push(word.text);
        Self { text: before.join(" "), ..word }
    }

    /// The word at the end of a line, of which bash replaces this much.
    pub(super) fn in_bash(line: &str, replaced: &str) -> (Vec<String>, Self) {
        let (before, mut word) = split(line);
        let kept = line.strip_suffix(replaced).map(|line| split(line).1.text);
        word.kept = kept.filter(|kept| word.text.starts_with(kept)).unwrap_or_default();
        (before, word)
    }

    /// A word for bash to put into the place of what it replaces; none if it cannot.
    pub(super) fn for_bash(&self, word: &str) -> Option<String> {
        let word = word.strip_prefix(&self.kept)?;
        match self.open {
            Some('"') => Some(escaped(word, |c| "\"\\$`!".contains(c))),
            Some(_) => (!word.contains('\'')).then(|| word.to_owned()),
            None => Some(escaped(word, |c| c.is_ascii() && !is_plain(c))),
        }
    }
}

/// A word for PowerShell to insert.
pub(super) fn for_powershell(word: &str) -> String {
    if word.chars().all(|c| is_plain(c) && c != '@') {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', "''"))
    }
}

fn escaped(word: &str, special: impl Fn(char) -> bool) -> String {
    word.chars().fold(String::new(), |mut text, c| {
        text.extend(special(c).then_some('\\'));
        text.push(c);
        text
    })
}

/// Whether no shell sees anything in it.
fn is_plain(c: char) -> bool {
    c.is_ascii_alphanumeric() || "_-./:=@%+,".contains(c)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_cut_as_a_shell_cuts_it() {
        let check = |line: &str, words: &[&str], last: &str, open: Option<char>| {
            let (before, word) = split(line);
            assert_eq!(
                (before, word.text.as_str(), word.open),
                (words.iter().map(|word| (*word).to_owned()).collect(), last, open),
                "{line}"
            );
        };
        check("", &[], "", None);
        check("msb", &[], "msb", None);
        check("msb ", &["msb"], "", None);
        check("msb  show\tci\\ d", &["msb", "show"], "ci d", None);
        check("msb 'a b' \"c \\\"d", &["msb", "a b"], "c \"d", Some('"'));
        check("msb '' --owner='al", &["msb", ""], "--owner=al", Some('\''));
        check("msb \"a\\b\" x\\", &["msb", "a\\b"], "x", None);
    }

    #[test]
    fn bash_is_given_what_it_replaces() {
        let check = |line: &str, replaced: &str, word: &str, expected: Option<&str>| {
            let (_, at) = Word::in_bash(line, replaced);
            assert_eq!(at.for_bash(word).as_deref(), expected, "{line}");
        };
        check("msb show ci", "ci", "ci deploy (3)", Some(r"ci\ deploy\ \(3\)"));
        check("msb show ci\\ d", "ci\\ d", "ci deploy", Some(r"ci\ deploy"));
        check("msb show \"ci d", "ci d", "ci d`$(x)\"", Some(r#"ci d\`\$(x)\""#));
        check("msb show 'ci d", "ci d", "ci d`$(x)\"", Some("ci d`$(x)\""));
        check("msb show 'ci d", "ci d", "ci d's", None);
        check("msb x --owner=alice@ex", "@ex", "--owner=alice@example.org", Some("@example.org"));
        check("msb x --owner=", "", "--owner=alice@example.org", Some("alice@example.org"));
        check("msb show ", "", "Größe", Some("Größe"));
    }

    #[test]
    fn powershell_quotes_what_it_would_read() {
        assert_eq!(for_powershell("ci-deploy"), "ci-deploy");
        assert_eq!(for_powershell("@ci"), "'@ci'");
        assert_eq!(for_powershell("Ann's $key"), "'Ann''s $key'");
    }
}
