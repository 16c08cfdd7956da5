//! The one line of a `.env` file that sets a variable: bytes in, bytes out. Nothing here opens a
//! file.

use std::{io, ops::Range, path::Path};

use zeroize::Zeroizing;

use crate::{error::Error, files::Fault, variable::Variable};

/// The content with this value in the line that sets the variable, or in a new line at the end.
/// Every other byte stays as it is.
///
/// There are many readers of such files, and each has rules of its own. So the value gets no quotes
/// (a key needs none, and some readers keep them), what else stood in the line behind `=` goes, and
/// where readers could differ on which line sets the variable, none is touched.
pub(super) fn set(
    content: &[u8],
    variable: &Variable,
    value: &str,
) -> Result<Zeroizing<Vec<u8>>, NotADotenv> {
    let (name, value) = (variable.as_str().as_bytes(), value.as_bytes());
    let end: &[u8] = if ends_in_crlf(content) { b"\r\n" } else { b"\n" };
    let finish = if is_unfinished(content) { end } else { b"" };
    let edited = match settings(content, name)?.as_slice() {
        [] => joined(&[content, finish, name, b"=", value, end]),
        [old] => joined(&[&content[..old.value.start], value, &content[old.value.end..]]),
        several => {
            let lines = several.iter().map(|setting| setting.line).collect();
            return Err(NotADotenv::SetAgain { lines });
        }
    };
    Ok(edited)
}

/// A line that sets the variable.
struct Setting {
    /// Which one, from 1.
    line: usize,
    /// Where its value is in the content: all from behind `=` to the end of the line.
    value: Range<usize>,
}

/// All the lines that set a variable.
fn settings(content: &[u8], name: &[u8]) -> Result<Vec<Setting>, NotADotenv> {
    if content.contains(&0) {
        return Err(NotADotenv::NotText);
    }
    let mut settings = vec![];
    // The quote of a value of several lines, and the line that opened it.
    let mut open: Option<(u8, usize)> = None;
    let mut next = if content.starts_with(BYTE_ORDER_MARK) { BYTE_ORDER_MARK.len() } else { 0 };
    for (line, whole) in (1..).zip(content[next..].split_inclusive(|byte| *byte == b'\n')) {
        let (start, text) = (next, without_end(whole));
        next += whole.len();
        let assigned = assignment(text);
        let is_ours = assigned.is_some_and(|(found, _)| found == name);
        if let Some((quote, line)) = open {
            // Readers that know no values of several lines find the variable here.
            if is_ours {
                return Err(NotADotenv::OpenQuote { line });
            }
            if closes(text, quote) {
                open = None;
            }
        } else if let Some((_, value)) = assigned {
            open = left_open(&text[value..]).map(|quote| (quote, line));
            if is_ours && open.is_some() {
                return Err(NotADotenv::OpenQuote { line });
            }
            if is_ours {
                settings.push(Setting { line, value: start + value..start + text.len() });
            }
        }
    }
    match open {
        Some((_, line)) => Err(NotADotenv::OpenQuote { line }),
        None => Ok(settings),
    }
}

/// The name that a line sets, `export` or not, and where its value begins.
fn assignment(text: &[u8]) -> Option<(&[u8], usize)> {
    let equals = text.iter().position(|byte| *byte == b'=')?;
    let words = text[..equals].trim_ascii();
    let name = match words.strip_prefix(b"export") {
        Some(rest) if rest.starts_with(b" ") || rest.starts_with(b"\t") => rest.trim_ascii_start(),
        Some(_) | None => words,
    };
    let plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"_.-".contains(byte);
    (!name.is_empty() && name.iter().all(plain)).then_some((name, equals + 1))
}

/// The quote that a value opens and does not close.
fn left_open(value: &[u8]) -> Option<u8> {
    let (quote, rest) = value.trim_ascii_start().split_first()?;
    (b"\"'`".contains(quote) && !closes(rest, *quote)).then_some(*quote)
}

/// Whether a quote ends in this text. Some readers take `\` before it in any kind of quote.
fn closes(text: &[u8], quote: u8) -> bool {
    let mut escaped = false;
    for byte in text {
        if !escaped && *byte == quote {
            return true;
        }
        escaped = !escaped && *byte == b'\\';
    }
    false
}

fn without_end(line: &[u8]) -> &[u8] {
    match line.strip_suffix(b"\n") {
        Some(text) => text.strip_suffix(b"\r").unwrap_or(text),
        None => line,
    }
}

/// Whether the last line has no end.
fn is_unfinished(content: &[u8]) -> bool {
    !(content.is_empty() || content == BYTE_ORDER_MARK || content.ends_with(b"\n"))
}

/// Whether lines end as on Windows; the last one that has an end tells.
fn ends_in_crlf(content: &[u8]) -> bool {
    let last = content.iter().rposition(|byte| *byte == b'\n');
    last.is_some_and(|last| content[..last].ends_with(b"\r"))
}

fn joined(parts: &[&[u8]]) -> Zeroizing<Vec<u8>> {
    // Room beforehand: a growing buffer would leave copies of secrets behind.
    let length = parts.iter().map(|part| part.len()).sum();
    let mut joined = Zeroizing::new(Vec::with_capacity(length));
    for part in parts {
        joined.extend_from_slice(part);
    }
    joined
}

/// Why a file is left alone.
#[derive(Debug, Eq, PartialEq)]
pub(super) enum NotADotenv {
    /// It has a zero in it: a binary file, or UTF-16.
    NotText,
    /// A value opens a quote on this line, and where it ends is not clear.
    OpenQuote { line: usize },
    /// Several lines set the variable.
    SetAgain { lines: Vec<usize> },
}

impl NotADotenv {
    /// The same of that file.
    pub(super) fn at(self, path: &Path, variable: &Variable) -> Error {
        let path = path.to_owned();
        match self {
            NotADotenv::NotText => {
                Error::File(Fault::Io(io::ErrorKind::InvalidData.into()).at(&path))
            }
            NotADotenv::OpenQuote { line } => Error::OpenQuote { path, line },
            NotADotenv::SetAgain { lines } => {
                Error::SetAgain { path, variable: variable.clone(), lines }
            }
        }
    }
}

/// UTF-8's, which some editors put in front.
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

#[cfg(test)]
mod tests {
    use super::*;

    fn set_a(content: &[u8]) -> Result<Vec<u8>, NotADotenv> {
        let variable = "A".parse().unwrap();
        set(content, &variable, "k.e_y-1").map(|edited| edited.to_vec())
    }

    #[track_caller]
    fn check(before: &str, after: &str) {
        let edited = set_a(before.as_bytes()).map(|bytes| String::from_utf8(bytes).unwrap());
        assert_eq!(edited, Ok(after.to_owned()), "{before:?}");
        assert_eq!(set_a(after.as_bytes()), Ok(after.as_bytes().to_vec()), "again: {before:?}");
    }

    #[track_caller]
    fn refused(content: &str, why: NotADotenv) {
        assert_eq!(set_a(content.as_bytes()), Err(why), "{content:?}");
    }

    #[test]
    fn a_new_line_goes_to_the_end() {
        check("", "A=k.e_y-1\n");
        check("\n", "\nA=k.e_y-1\n");
        check("B=1\n", "B=1\nA=k.e_y-1\n");
        check("B=1", "B=1\nA=k.e_y-1\n");
        check("B=1\r\nC=2\r\n", "B=1\r\nC=2\r\nA=k.e_y-1\r\n");
        check("B=1\r\nC=2", "B=1\r\nC=2\r\nA=k.e_y-1\r\n");
        check("\u{feff}", "\u{feff}A=k.e_y-1\n");
        check("\u{feff}B=1\n", "\u{feff}B=1\nA=k.e_y-1\n");
    }

    #[test]
    fn the_line_of_the_variable_is_replaced_and_nothing_else() {
        check("A=old\n", "A=k.e_y-1\n");
        check("A=\n", "A=k.e_y-1\n");
        check("A=old", "A=k.e_y-1");
        check("A=old\r\nB=1\n", "A=k.e_y-1\r\nB=1\n");
        check("\u{feff}A=old\n", "\u{feff}A=k.e_y-1\n");
        check("# a\n\n B = 1 # b\nA=old # c\n\tC=\n", "# a\n\n B = 1 # b\nA=k.e_y-1\n\tC=\n");
        check("export A=old\n", "export A=k.e_y-1\n");
        check("  export \t A \t= old\n", "  export \t A \t=k.e_y-1\n");
        check("A=\"o l d\" # c\n", "A=k.e_y-1\n");
        check("A='o\"l\\'d'\n", "A=k.e_y-1\n");
        check("A==x=\n", "A=k.e_y-1\n");
    }

    #[test]
    fn what_only_looks_like_the_variable_stays() {
        for line in [
            "#A=1",
            "# A=1",
            "AA=1",
            "A_=1",
            "a=1",
            "A.B=1",
            "A B=1",
            "A",
            "export A",
            "exportA=1",
            "B=A=1",
            "B='A=1'",
            "A: 1",
            "-A-=1",
            "=1",
            "$A=1",
            "\u{a0}A=1",
        ] {
            check(&format!("{line}\n"), &format!("{line}\nA=k.e_y-1\n"));
            check(&format!("A=1\n{line}\n"), &format!("A=k.e_y-1\n{line}\n"));
        }
    }

    #[test]
    fn bytes_that_are_no_text_stay() {
        let edited = set_a(b"B=\xff\xfe\xe4\nA=\xff\nC=\x80\x01").unwrap();
        assert_eq!(edited, b"B=\xff\xfe\xe4\nA=k.e_y-1\nC=\x80\x01");
        refused("B=1\0\n", NotADotenv::NotText);
    }

    #[test]
    fn several_lines_that_set_the_variable_are_told() {
        refused("A=1\nB=1\nA=2\n", NotADotenv::SetAgain { lines: vec![1, 3] });
        refused("A=1\nexport A=1\nA =1", NotADotenv::SetAgain { lines: vec![1, 2, 3] });
    }

    #[test]
    fn a_quote_that_ends_on_no_line_or_another_is_told() {
        for quote in ["\"", "'", "`"] {
            refused(&format!("B=1\nA={quote}x\n"), NotADotenv::OpenQuote { line: 2 });
            refused(&format!("A={quote}x\ny{quote}\n"), NotADotenv::OpenQuote { line: 1 });
            refused(&format!("A= {quote}x\\{quote}\n"), NotADotenv::OpenQuote { line: 1 });
            refused(&format!("A=1\nB={quote}x\n"), NotADotenv::OpenQuote { line: 2 });
            refused(&format!("B={quote}\nA=1\n{quote}\n"), NotADotenv::OpenQuote { line: 1 });
            // Whoever knows values of several lines and whoever does not reads the same here.
            let several = format!("B={quote}-----BEGIN\nx=y\n-----END{quote}\n");
            check(&several, &format!("{several}A=k.e_y-1\n"));
            check(&format!("A=1\n{several}"), &format!("A=k.e_y-1\n{several}"));
            check(&format!("B=don{quote}t\n"), &format!("B=don{quote}t\nA=k.e_y-1\n"));
        }
    }
}
