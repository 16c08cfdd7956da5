//! JSON (RFC 8259), read into a tree that forgets nothing that matters: the order of members, and
//! those that stand twice.

/// A value.
#[derive(Clone, Debug, PartialEq)]
pub enum Json {
    Null,
    Bool(bool),
    /// As it is written.
    Number(String),
    Text(String),
    Array(Vec<Json>),
    Object(Vec<(String, Json)>),
}

/// Reads a text of JSON and nothing behind it.
pub fn read(bytes: &[u8]) -> Option<Json> {
    let text = str::from_utf8(bytes).ok()?;
    let mut reader = Reader { rest: text, levels: 2000 };
    let value = reader.value()?;
    reader.blanks();
    reader.rest.is_empty().then_some(value)
}

impl Json {
    /// The member of this name that stands last, as most readers have it.
    pub fn get(&self, name: &str) -> Option<&Json> {
        self.members()?.iter().rev().find(|(found, _)| found == name).map(|(_, value)| value)
    }

    pub fn members(&self) -> Option<&[(String, Json)]> {
        if let Json::Object(members) = self { Some(members) } else { None }
    }

    pub fn elements(&self) -> Option<&[Json]> {
        if let Json::Array(elements) = self { Some(elements) } else { None }
    }

    pub fn text(&self) -> Option<&str> {
        if let Json::Text(text) = self { Some(text) } else { None }
    }

    /// How many arrays and objects lie in each other.
    pub fn depth(&self) -> usize {
        match self {
            Json::Array(elements) => 1 + elements.iter().map(Json::depth).max().unwrap_or(0),
            Json::Object(members) => {
                1 + members.iter().map(|(_, value)| value.depth()).max().unwrap_or(0)
            }
            Json::Null | Json::Bool(_) | Json::Number(_) | Json::Text(_) => 0,
        }
    }

    /// Whether this, or anything in it, is so.
    pub fn any(&self, is_so: &dyn Fn(&Json) -> bool) -> bool {
        is_so(self)
            || match self {
                Json::Array(elements) => elements.iter().any(|value| value.any(is_so)),
                Json::Object(members) => members.iter().any(|(_, value)| value.any(is_so)),
                Json::Null | Json::Bool(_) | Json::Number(_) | Json::Text(_) => false,
            }
    }

    /// Whether it is an object with a name that stands twice.
    pub fn doubles(&self) -> bool {
        let members = self.members().unwrap_or_default();
        members
            .iter()
            .enumerate()
            .any(|(index, (name, _))| members[..index].iter().any(|(other, _)| other == name))
    }

    /// Whether it is a number that no double can hold.
    pub fn overflows(&self) -> bool {
        let Json::Number(text) = self else { return false };
        text.parse::<f64>().is_ok_and(f64::is_infinite)
    }
}

struct Reader<'t> {
    rest: &'t str,
    levels: usize,
}

impl Reader<'_> {
    fn blanks(&mut self) {
        self.rest = self.rest.trim_start_matches([' ', '\t', '\n', '\r']);
    }

    fn eat(&mut self, word: &str) -> Option<()> {
        self.rest = self.rest.strip_prefix(word)?;
        Some(())
    }

    /// Blanks, then this.
    fn mark(&mut self, mark: &str) -> Option<()> {
        self.blanks();
        self.eat(mark)
    }

    fn value(&mut self) -> Option<Json> {
        self.blanks();
        match self.rest.bytes().next()? {
            b'n' => self.eat("null").map(|()| Json::Null),
            b't' => self.eat("true").map(|()| Json::Bool(true)),
            b'f' => self.eat("false").map(|()| Json::Bool(false)),
            b'"' => self.string().map(Json::Text),
            b'[' => self.inside("[", "]", Self::value).map(Json::Array),
            b'{' => self.inside("{", "}", Self::member).map(Json::Object),
            _ => self.number(),
        }
    }

    fn member(&mut self) -> Option<(String, Json)> {
        self.blanks();
        let name = self.string()?;
        self.mark(":")?;
        Some((name, self.value()?))
    }

    fn inside<T>(
        &mut self,
        open: &str,
        close: &str,
        one: impl Fn(&mut Self) -> Option<T>,
    ) -> Option<Vec<T>> {
        self.eat(open)?;
        self.levels = self.levels.checked_sub(1)?;
        let mut all = vec![];
        if self.mark(close).is_none() {
            loop {
                all.push(one(self)?);
                if self.mark(",").is_none() {
                    self.mark(close)?;
                    break;
                }
            }
        }
        self.levels += 1;
        Some(all)
    }

    fn number(&mut self) -> Option<Json> {
        let whole = self.rest;
        let _ = self.eat("-");
        if self.eat("0").is_none() {
            self.digits()?;
        }
        if self.eat(".").is_some() {
            self.digits()?;
        }
        if self.rest.starts_with(['e', 'E']) {
            self.rest = &self.rest[1..];
            if self.eat("+").is_none() {
                let _ = self.eat("-");
            }
            self.digits()?;
        }
        Some(Json::Number(whole[..whole.len() - self.rest.len()].to_owned()))
    }

    fn digits(&mut self) -> Option<()> {
        let rest = self.rest.trim_start_matches(|c: char| c.is_ascii_digit());
        let some = rest.len() < self.rest.len();
        self.rest = rest;
        some.then_some(())
    }

    fn string(&mut self) -> Option<String> {
        self.eat("\"")?;
        let mut text = String::new();
        loop {
            let c = self.rest.chars().next()?;
            self.rest = &self.rest[c.len_utf8()..];
            match c {
                '"' => return Some(text),
                '\\' => text.push(self.escape()?),
                c if c < ' ' => return None,
                c => text.push(c),
            }
        }
    }

    fn escape(&mut self) -> Option<char> {
        let c = self.rest.chars().next()?;
        self.rest = &self.rest[c.len_utf8()..];
        Some(match c {
            '"' | '\\' | '/' => c,
            'b' => '\u{8}',
            'f' => '\u{c}',
            'n' => '\n',
            'r' => '\r',
            't' => '\t',
            'u' => {
                let mut units = vec![self.unit()?];
                if (0xd800..0xdc00).contains(&units[0]) {
                    self.eat("\\u")?;
                    units.push(self.unit()?);
                }
                let mut read = char::decode_utf16(units);
                let c = read.next()?.ok()?;
                return read.next().is_none().then_some(c);
            }
            _ => return None,
        })
    }

    fn unit(&mut self) -> Option<u16> {
        let digits = self.rest.get(..4)?;
        self.rest = &self.rest[4..];
        let plain = digits.bytes().all(|byte| byte.is_ascii_hexdigit());
        plain.then(|| u16::from_str_radix(digits, 16).ok())?
    }
}
