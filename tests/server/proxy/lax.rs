//! A reader that is as lax as any upstream: whatever one of them could take for a method, a path, a
//! header or a call, it finds. It takes nothing for the only truth, so it answers every reading.

use base64::{Engine, prelude::BASE64_STANDARD};

use super::upstream::Seen;

/// All that a request could be taken for.
#[derive(Debug)]
pub struct Reading {
    pub methods: Vec<String>,
    pub paths: Vec<String>,
    /// Names in lower case, with `-` for whatever stands between letters; behind the body as well.
    pub fields: Vec<(String, String)>,
    pub calls: Vec<Call>,
}

/// All that a JSON-RPC call could be taken for.
#[derive(Debug, Default)]
pub struct Call {
    pub methods: Vec<Json>,
    /// `params.name`.
    pub names: Vec<Json>,
    /// `params.namespace` and `params.arguments.namespace`.
    pub namespaces: Vec<Json>,
    /// Whether it has a result or an error: it is an answer if it has no method.
    pub answers: bool,
}

/// A value, with every member that it has, be it doubled.
#[derive(Clone, Debug, PartialEq)]
pub enum Json {
    Array(Vec<Json>),
    Object(Vec<(String, Json)>),
    Other(String),
    Text(String),
}

impl Reading {
    pub fn of(seen: &Seen) -> Self {
        let mut fields = seen.fields();
        fields.extend(seen.trailing_fields());
        for (name, _) in &mut fields {
            *name = field_name(name);
        }
        let told = |names: &[&str]| -> Vec<String> {
            let found = fields.iter().filter(|(name, _)| names.contains(&name.as_str()));
            found.map(|(_, value)| value.clone()).collect()
        };
        let mut methods = vec![seen.method()];
        methods.extend(told(&METHODS));
        methods.extend(methods.clone().iter().map(|method| method.to_uppercase()));
        let mut paths = vec![seen.target()];
        paths.extend(told(&PATHS));
        paths.extend(paths.clone().iter().map(|target| path(target)));
        let mut calls = calls(&seen.body);
        // Some believe of a call what the head says of it.
        for call in &mut calls {
            call.methods.extend(told(&["mcp-method"]).iter().map(|method| said(method)));
            call.namespaces.extend(told(&["mcp-param-namespace"]).iter().map(|name| said(name)));
            if !call.names.is_empty() {
                call.names.extend(told(&["mcp-name"]).iter().map(|name| said(name)));
            }
        }
        Self { methods, paths, calls, fields }
    }

    /// The values under a name, which is in lower case.
    pub fn all(&self, name: &str) -> Vec<&str> {
        let found = self.fields.iter().filter(|(found, _)| found == name);
        found.map(|(_, value)| value.as_str()).collect()
    }
}

/// What a header of MCP says, which may be in base64.
fn said(value: &str) -> Json {
    let encoded = value.strip_prefix("=?base64?").and_then(|rest| rest.strip_suffix("?="));
    let bytes = encoded.and_then(|encoded| BASE64_STANDARD.decode(encoded).ok());
    let text = bytes.and_then(|bytes| String::from_utf8(bytes).ok());
    Json::Text(text.unwrap_or_else(|| value.to_owned()))
}

/// A header's name as CGI and its like take it.
pub fn field_name(name: &str) -> String {
    let plain = name.trim().replace(|c: char| !c.is_ascii_alphanumeric(), "-");
    plain.to_ascii_lowercase()
}

/// A path as somebody reads it who means well: decoded twice, without parameters, dots and doubled
/// slashes. Whether case counts is for whoever compares it.
pub fn path(target: &str) -> String {
    let target = match target.split_once("://") {
        Some((_, rest)) => rest.find('/').map_or("/", |at| &rest[at..]),
        None => target,
    };
    let path = target.split(['?', '#']).next().unwrap_or_default();
    let path = decoded(&decoded(path)).replace('\\', "/");
    let path = path.split(['?', '#', '\0']).next().unwrap_or_default();
    // Some file systems cut these off.
    let path = path.trim_end_matches([' ', '/']);
    let mut segments = vec![];
    for segment in path.split('/') {
        match segment.split(';').next().unwrap_or_default() {
            "" | "." => {}
            ".." => drop(segments.pop()),
            segment => segments.push(segment.to_owned()),
        }
    }
    format!("/{}", segments.join("/"))
}

/// Escapes become what they stand for; what is none stays.
fn decoded(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut decoded = vec![];
    let mut at = 0;
    while at < bytes.len() {
        let digits = bytes.get(at + 1..at + 3).and_then(|digits| str::from_utf8(digits).ok());
        let byte = digits.and_then(|digits| u8::from_str_radix(digits, 16).ok());
        match (bytes[at], byte) {
            (b'%', Some(byte)) => {
                decoded.push(byte);
                at += 3;
            }
            (byte, _) => {
                decoded.push(byte);
                at += 1;
            }
        }
    }
    String::from_utf8_lossy(&decoded).into_owned()
}

/// Letters without their case, as Unicode has it.
pub fn folded(text: &str) -> String {
    text.to_uppercase().to_lowercase()
}

/// The same up to whatever some take for an end, without what is not seen, and with wide letters as
/// narrow ones.
fn plain(text: &str) -> String {
    let unseen = |c: &char| c.is_whitespace() || matches!(c, '\u{ad}' | '\u{200b}' | '\u{feff}');
    let narrow = |c: char| match c {
        '\u{ff01}'..='\u{ff5e}' => char::from_u32(c as u32 - 0xfee0).unwrap(),
        c => c,
    };
    let seen = text.chars().take_while(|c| !c.is_control()).filter(|c| !unseen(c)).map(narrow);
    folded(&seen.collect::<String>())
}

/// Every call in a body, in batches of batches, and one behind the other.
pub fn calls(body: &[u8]) -> Vec<Call> {
    // Whoever reads it as UTF-16 would find letters between zeros.
    let plain: Vec<_> = body.iter().copied().filter(|byte| *byte != 0).collect();
    let text: Vec<_> = String::from_utf8_lossy(&plain).chars().collect();
    let mut parser = Parser { text, at: 0 };
    let mut calls = vec![];
    while let Some(value) = parser.value(0) {
        gather(&value, &mut calls);
    }
    calls
}

fn gather(value: &Json, calls: &mut Vec<Call>) {
    match value {
        Json::Array(values) => values.iter().for_each(|value| gather(value, calls)),
        Json::Object(_) => {
            let mut call = Call { methods: members(value, "method"), ..Call::default() };
            for params in members(value, "params") {
                call.names.extend(members(&params, "name"));
                call.namespaces.extend(members(&params, "namespace"));
                for arguments in members(&params, "arguments") {
                    call.namespaces.extend(members(&arguments, "namespace"));
                }
            }
            let has = |name| !members(value, name).is_empty();
            call.answers = has("result") || has("error");
            calls.push(call);
        }
        Json::Other(_) | Json::Text(_) => {}
    }
}

/// Every member that could be taken for this one.
fn members(value: &Json, name: &str) -> Vec<Json> {
    let Json::Object(members) = value else { return vec![] };
    let found = members.iter().filter(|(found, _)| plain(found) == name);
    found.map(|(_, value)| value.clone()).collect()
}

/// Reads JSON and what is nearly JSON.
struct Parser {
    text: Vec<char>,
    at: usize,
}

impl Parser {
    fn peek(&self) -> Option<char> {
        self.text.get(self.at).copied()
    }

    fn next(&mut self) -> Option<char> {
        let c = self.peek()?;
        self.at += 1;
        Some(c)
    }

    /// Passes over what stands between values, and over whatever else is none.
    fn blank(&mut self, also: &str) {
        while let Some(c) = self.peek() {
            match (c, self.text.get(self.at + 1)) {
                ('/', Some('/')) => while self.next().is_some_and(|c| c != '\n') {},
                ('/', Some('*')) => {
                    self.at += 2;
                    while self.next().is_some_and(|c| c != '*' || self.peek() != Some('/')) {}
                    self.at += 1;
                }
                (c, _) if c.is_whitespace() || c.is_control() || c == '\u{feff}' => self.at += 1,
                (c, _) if also.contains(c) => self.at += 1,
                _ => return,
            }
        }
    }

    fn value(&mut self, depth: usize) -> Option<Json> {
        self.blank(if depth == 0 { ",;]}:" } else { "" });
        match self.peek()? {
            '{' | '[' if depth > DEEPEST => {
                self.at = self.text.len();
                None
            }
            '{' => {
                self.at += 1;
                let mut members = vec![];
                loop {
                    self.blank(",");
                    if self.peek().is_none_or(|c| c == '}') {
                        self.at += 1;
                        return Some(Json::Object(members));
                    }
                    let name = match self.value(depth + 1) {
                        Some(Json::Text(name) | Json::Other(name)) => name,
                        Some(Json::Array(_) | Json::Object(_)) | None => String::new(),
                    };
                    self.blank(":=");
                    let value = self.value(depth + 1).unwrap_or(Json::Other(String::new()));
                    members.push((name, value));
                }
            }
            '[' => {
                self.at += 1;
                let mut values = vec![];
                loop {
                    self.blank(",");
                    if self.peek().is_none_or(|c| c == ']') {
                        self.at += 1;
                        return Some(Json::Array(values));
                    }
                    match self.value(depth + 1) {
                        Some(value) => values.push(value),
                        None => self.at += 1,
                    }
                }
            }
            quote @ ('"' | '\'') => {
                self.at += 1;
                Some(Json::Text(self.text_up_to(quote)))
            }
            _ => {
                let from = self.at;
                while self.peek().is_some_and(|c| !c.is_whitespace() && !"{}[],:\"'".contains(c)) {
                    self.at += 1;
                }
                // What nobody could read is passed over.
                self.at = self.at.max(from + 1);
                Some(Json::Other(self.text[from..self.at.min(self.text.len())].iter().collect()))
            }
        }
    }

    fn text_up_to(&mut self, quote: char) -> String {
        let mut text = String::new();
        while let Some(c) = self.next().filter(|c| *c != quote) {
            if c != '\\' {
                text.push(c);
                continue;
            }
            match self.next() {
                Some('u') => {
                    let end = (self.at + 4).min(self.text.len());
                    let digits: String = self.text[self.at..end].iter().collect();
                    let c = u32::from_str_radix(&digits, 16).ok().and_then(char::from_u32);
                    text.push(c.unwrap_or(char::REPLACEMENT_CHARACTER));
                    self.at = end;
                }
                Some('n') => text.push('\n'),
                Some('t') => text.push('\t'),
                Some('r') => text.push('\r'),
                Some(c) => text.push(c),
                None => {}
            }
        }
        text
    }
}

/// Headers by which some say another method.
const METHODS: [&str; 3] = ["x-http-method-override", "x-http-method", "x-method-override"];
/// Headers by which some say another path.
const PATHS: [&str; 6] = [
    "x-original-uri",
    "x-original-url",
    "x-rewrite-url",
    "x-forwarded-uri",
    "x-forwarded-path",
    "x-forwarded-prefix",
];
const DEEPEST: usize = 300;

/// A reader that finds nothing would hold everything to be good.
#[test]
fn a_lax_reader_finds_what_any_reader_could() {
    #[track_caller]
    fn reads(target: &str, expected: &str) {
        assert_eq!(folded(&path(target)), expected, "{target}");
    }
    for target in [
        "/mcp",
        "/MCP",
        "/mcp/",
        "//mcp",
        "/./mcp",
        "/x/../mcp",
        "/mcp;x=1",
        "/%6dcp",
        "/%256dcp",
        "/mcp?x",
        "/mcp#x",
        "/mcp%3fx",
        "\\mcp",
        "/%5cmcp",
        "/mcp%00x",
        "http://a/mcp",
        "/mcp%2f",
    ] {
        reads(target, "/mcp");
    }
    reads("/%C5%BFpaces/Beta", "/spaces/beta");
    reads("/..", "/");
    reads("/100%", "/100%");
    assert_eq!(field_name("X_Msb.Key_Id"), "x-msb-key-id");
    #[track_caller]
    fn finds(body: &str, methods: &[&str], namespaces: &[&str]) {
        let text = |values: Vec<Json>| -> Vec<String> {
            let texts = values.into_iter().map(|value| match value {
                Json::Text(text) => text,
                other => format!("{other:?}"),
            });
            texts.collect()
        };
        let calls = calls(body.as_bytes());
        let found: Vec<_> = calls.iter().flat_map(|call| text(call.methods.clone())).collect();
        assert_eq!(found, methods, "{body}");
        let found: Vec<_> = calls.iter().flat_map(|call| text(call.namespaces.clone())).collect();
        assert_eq!(found, namespaces, "{body}");
    }
    let a = r#"{"method":"m","params":{"namespace":"a"}}"#;
    let b = r#"{"Method":"n","PARAM\u017f":{"arguments":{"name\u017fpace":"b"}}}"#;
    finds(a, &["m"], &["a"]);
    finds(b, &["n"], &["b"]);
    finds(&format!("\u{feff}{a}{b}"), &["m", "n"], &["a", "b"]);
    finds(&format!("[{a},[{b}]]"), &["m", "n"], &["a", "b"]);
    finds(&format!("{a}\n{b}]"), &["m", "n"], &["a", "b"]);
    finds(
        r#"{"method":"m","method":"n","params":{},"params":{"namespace":"a"}}"#,
        &["m", "n"],
        &["a"],
    );
    finds("{'method':'m',/* x */params:{namespace:'a'}}", &["m"], &["a"]);
    finds(&format!("{a}}}{b}"), &["m", "n"], &["a", "b"]);
    finds(&a.replace('{', "\0{\0"), &["m"], &["a"]);
    finds("{\"ｍethod \":\"m\",\"params\":{\"name\u{ad}space\\u0000x\":\"a\"}}", &["m"], &["a"]);
}
