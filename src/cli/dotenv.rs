//! The one line of a `.env` file that sets a variable: bytes in, bytes out. Nothing here opens a
//! file.

use std::{io, ops::Range, path::Path};

use zeroize::Zeroizing;

use crate::{
    error::{Error, UnclearLine},
    files::Fault,
    variable::Variable,
};

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
    let unclear = |line, why| Err(NotADotenv::Unclear { line, why });
    let mut next = if content.starts_with(BYTE_ORDER_MARK) { BYTE_ORDER_MARK.len() } else { 0 };
    for (line, whole) in (1..).zip(content[next..].split_inclusive(|byte| *byte == b'\n')) {
        let (start, text) = (next, without_end(whole));
        next += whole.len();
        // Some readers end a line there, and some do not.
        if text.contains(&b'\r') {
            return unclear(line, UnclearLine::LoneReturn);
        }
        let assigned = assignment(text);
        let is_ours = assigned.is_some_and(|(found, _)| found == name);
        // What follows the line of the variable does not change how that is read.
        let matters = is_ours || settings.is_empty();
        let begun = open.map_or(line, |(_, line)| line);
        let in_shell = match (open, assigned) {
            // Readers that know no values of several lines find the variable here.
            (Some(_), _) if is_ours => return unclear(begun, UnclearLine::OpenQuote),
            (Some((quote, _)), _) => {
                let in_shell = left_open_by_shell(text, Some(quote));
                open = open.filter(|_| !closes(text, quote));
                in_shell
            }
            (None, Some((_, value))) => {
                open = left_open(&text[value..]).map(|quote| (quote, line));
                if is_ours && open.is_some() {
                    return unclear(line, UnclearLine::OpenQuote);
                }
                if is_ours {
                    settings.push(Setting { line, value: start + value..start + text.len() });
                }
                left_open_by_shell(text, None)
            }
            (None, None) => left_open_by_shell(text, None),
        };
        if matters && in_shell != open.map(|(quote, _)| quote) {
            return unclear(begun, UnclearLine::OpenQuote);
        }
        if matters && open.is_none() && goes_on(text) {
            return unclear(line, UnclearLine::GoesOn);
        }
    }
    match open {
        Some((_, line)) => unclear(line, UnclearLine::OpenQuote),
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

/// The quote that a shell still waits for at the end of this line, which begins within one or none:
/// there a quote may open anywhere, nothing escapes in `'`, and `#` at the beginning or behind a
/// blank begins a comment.
fn left_open_by_shell(text: &[u8], mut open: Option<u8>) -> Option<u8> {
    let (mut escaped, mut blank, mut command) = (false, true, false);
    for byte in text {
        match (open, *byte) {
            _ if escaped => escaped = false,
            (Some(b'\''), b'\'') => open = None,
            (Some(b'\''), _) => {}
            (_, b'\\') => escaped = true,
            // A command within a text; what is quoted in it is not looked at.
            (Some(b'"'), b'`') => command = !command,
            // A quote within a command has an end of its own, which is not looked for.
            (Some(b'`'), b'"' | b'\'') => return open,
            (Some(quote), byte) if byte == quote && !command => open = None,
            (Some(_), _) => {}
            (None, b'#') if blank => break,
            (None, quote @ (b'"' | b'\'' | b'`')) => open = Some(quote),
            (None, _) => {}
        }
        blank = byte.is_ascii_whitespace();
    }
    if command { Some(b'`') } else { open }
}

/// Whether a line ends in `\` that nothing escapes: for a shell the next one is part of it.
fn goes_on(text: &[u8]) -> bool {
    let backslashes = text.iter().rev().take_while(|byte| **byte == b'\\').count();
    backslashes % 2 == 1
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
    /// Several lines set the variable.
    SetAgain { lines: Vec<usize> },
    /// Readers differ on where this line ends.
    Unclear { line: usize, why: UnclearLine },
}

impl NotADotenv {
    /// The same of that file.
    pub(super) fn at(self, path: &Path, variable: &Variable) -> Error {
        let path = path.to_owned();
        match self {
            NotADotenv::NotText => {
                Error::File(Fault::Io(io::ErrorKind::InvalidData.into()).at(&path))
            }
            NotADotenv::SetAgain { lines } => {
                Error::SetAgain { path, variable: variable.clone(), lines }
            }
            NotADotenv::Unclear { line, why } => Error::Unclear { path, line, why },
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

    #[track_caller]
    fn open_quote(content: &str, line: usize) {
        refused(content, NotADotenv::Unclear { line, why: UnclearLine::OpenQuote });
    }

    #[track_caller]
    fn goes_on(content: &str, line: usize) {
        refused(content, NotADotenv::Unclear { line, why: UnclearLine::GoesOn });
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
        check("A='o\"l'\\''d'\n", "A=k.e_y-1\n");
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
            open_quote(&format!("B=1\nA={quote}x\n"), 2);
            open_quote(&format!("A={quote}x\ny{quote}\n"), 1);
            open_quote(&format!("A= {quote}x\\{quote}\n"), 1);
            open_quote(&format!("A=1\nB={quote}x\n"), 2);
            open_quote(&format!("B={quote}\nA=1\n{quote}\n"), 1);
            // Whoever knows values of several lines and whoever does not reads the same here.
            let several = format!("B={quote}-----BEGIN\nx=y\n-----END{quote}\n");
            check(&several, &format!("{several}A=k.e_y-1\n"));
            check(&format!("A=1\n{several}"), &format!("A=k.e_y-1\n{several}"));
        }
    }

    #[test]
    fn a_line_that_a_shell_goes_on_with_is_told() {
        for before in ["B=x\\", "B=x\\\\\\", "# x\\", "B='x'\\", "x\\"] {
            for after in ["", "\n", "\nA=1\n", "\r\nA=1"] {
                goes_on(&format!("C=1\n{before}{after}"), 2);
            }
            let behind = format!("\n{before}\nC=1\n");
            check(&format!("A=1{behind}"), &format!("A=k.e_y-1{behind}"));
        }
        goes_on("A=x\\\ny\n", 1);
        for clear in ["B=x\\\\", "B=x\\ ", "B=\\x", "B=\"x\\\ny\""] {
            check(&format!("{clear}\nA=1\n"), &format!("{clear}\nA=k.e_y-1\n"));
            check(&format!("{clear}\n"), &format!("{clear}\nA=k.e_y-1\n"));
        }
    }

    #[test]
    fn a_quote_that_only_a_shell_finds_open_is_told() {
        for before in [
            "B=x\"y",
            "B=don't",
            "B=`x",
            "B='x\\'",
            "B=\"x\"'y",
            "B=\"x`y\"",
            "B=x\\\\\"y",
            "B=x#'",
            "B don't",
            "B=`it's`",
            "export B=1 C='",
            "B=\"\nx\" \"y",
        ] {
            open_quote(&format!("C=1\n{before}\n"), 2);
            open_quote(&format!("C=1\n{before}\nA=1\nz\"'`\n"), 2);
            let behind = format!("\n{before}\n");
            if left_open(&before.as_bytes()[2..]).is_none() {
                check(&format!("A=1{behind}"), &format!("A=k.e_y-1{behind}"));
            }
        }
        open_quote("A=x\"y\nz\"\n", 1);
        open_quote("A='o\"l\\'d'\n", 1);
        for clear in [
            "B=don\\'t",
            "B=\"don't\"",
            "B=1 # don't",
            "B= # don't",
            "# don't",
            "B=x\"y\"'z'`e`",
            "B='x\"y`z'",
            "B=\"x`y`z\"",
            "B=\"x\\\"y\"",
            "B='a'\\''b'",
            "\t # don't",
        ] {
            check(&format!("{clear}\nA=1\n"), &format!("{clear}\nA=k.e_y-1\n"));
            check(&format!("{clear}\n"), &format!("{clear}\nA=k.e_y-1\n"));
        }
    }

    #[test]
    fn a_return_that_stands_alone_is_told() {
        for (content, line) in [
            ("A=1\rSECRET=precious\r", 1),
            ("B=1\nA=1\r", 2),
            ("A=1\nB=1\n#\r\r\n", 3),
            ("\r", 1),
            ("B='\r'\n", 1),
        ] {
            refused(content, NotADotenv::Unclear { line, why: UnclearLine::LoneReturn });
        }
    }
}
