//! One table of the settings, read setting by setting: what is left when all are read is unknown.
//! The only file that knows TOML.

use std::{fmt::Display, ops::RangeInclusive, str::FromStr};

use toml::{
    Spanned,
    de::{DeTable, DeValue},
};

use super::{Kind, Mistake, Setting};

/// A mistake, and where it is.
pub(super) struct Found {
    /// Which line, from 1.
    pub(super) line: usize,
    /// What is wrong.
    pub(super) mistake: Box<Mistake>,
}

impl Mistake {
    pub(super) fn at(self, line: usize) -> Found {
        Found { line, mistake: Box::new(self) }
    }
}

/// A table of which some settings are read already.
pub(super) struct Table<'t> {
    text: &'t str,
    name: &'static str,
    line: usize,
    settings: DeTable<'t>,
    /// Those that have been read, with their lines.
    read: Vec<(&'static str, usize)>,
}

impl<'t> Table<'t> {
    /// The top of a file.
    pub(super) fn parse(text: &'t str) -> Result<Self, Found> {
        let settings = DeTable::parse(text).map_err(|error| {
            let start = error.span().map_or(0, |span| span.start);
            let message = error.message().to_owned();
            Mistake::NotToml { message }.at(line_at(text, start))
        })?;
        Ok(Self { text, name: "", line: 1, settings: settings.into_inner(), read: vec![] })
    }

    /// Where it begins.
    pub(super) fn line(&self) -> usize {
        self.line
    }

    /// Where a setting stands that has been read; where the table begins if it is not there.
    pub(super) fn line_of(&self, name: &str) -> usize {
        let read = self.read.iter().find(|(read, _)| *read == name);
        read.map_or(self.line, |(_, line)| *line)
    }

    /// The setting of this name in such a table.
    pub(super) fn setting(&self, name: &str) -> &'static Setting {
        Setting::of(self.name, name).expect("every setting that is read is listed")
    }

    /// One of our words.
    pub(super) fn word<T>(&mut self, name: &'static str) -> Result<Option<T>, Found>
    where
        T: FromStr<Err: Display>,
    {
        self.word_by(name, str::parse)
    }

    /// What a reader of ours makes of a text.
    pub(super) fn word_by<T, E: Display>(
        &mut self,
        name: &'static str,
        reader: impl Fn(&str) -> Result<T, E>,
    ) -> Result<Option<T>, Found> {
        self.take(name).map(|value| value.word(Kind::Text, reader)).transpose()
    }

    /// One of our words, which may be written as a whole number.
    pub(super) fn word_or_number<T>(&mut self, name: &'static str) -> Result<Option<T>, Found>
    where
        T: FromStr<Err: Display>,
    {
        let Some(value) = self.take(name) else { return Ok(None) };
        let word = match value.number() {
            Some(number) => value.parse(&number.to_string(), str::parse),
            None => value.word(Kind::TextOrNumber, str::parse),
        };
        word.map(Some)
    }

    /// Several of our words; none when the setting is not there.
    pub(super) fn words<T>(&mut self, name: &'static str) -> Result<Option<Vec<T>>, Found>
    where
        T: FromStr<Err: Display>,
    {
        let Some(list) = self.take(name) else { return Ok(None) };
        let DeValue::Array(values) = list.value else { return Err(list.not_a(Kind::List)) };
        let words = values
            .into_iter()
            .map(|value| self.value(list.setting, value).word(Kind::List, str::parse));
        words.collect::<Result<_, _>>().map(Some)
    }

    /// `true` or `false`; it is the latter when the setting is not there.
    pub(super) fn flag(&mut self, name: &'static str) -> Result<bool, Found> {
        let Some(value) = self.take(name) else { return Ok(false) };
        value.value.as_bool().ok_or_else(|| value.not_a(Kind::Flag))
    }

    /// A whole number in these bounds.
    pub(super) fn number(
        &mut self,
        name: &'static str,
        bounds: RangeInclusive<u16>,
    ) -> Result<Option<u16>, Found> {
        let Some(value) = self.take(name) else { return Ok(None) };
        let number = value.number().and_then(|number| u16::try_from(number).ok());
        match number.filter(|number| bounds.contains(number)) {
            Some(number) => Ok(Some(number)),
            None => Err(value.not_a(Kind::Number { least: *bounds.start(), most: *bounds.end() })),
        }
    }

    /// A table in this one.
    pub(super) fn table(&mut self, name: &'static str) -> Result<Option<Self>, Found> {
        let Some(value) = self.take(name) else { return Ok(None) };
        self.inner(value, Kind::Table).map(Some)
    }

    /// Several tables of one name; none when there is none.
    pub(super) fn tables(&mut self, name: &'static str) -> Result<Vec<Self>, Found> {
        let Some(list) = self.take(name) else { return Ok(vec![]) };
        let DeValue::Array(values) = list.value else { return Err(list.not_a(Kind::Tables)) };
        let tables = values
            .into_iter()
            .map(|value| self.inner(self.value(list.setting, value), Kind::Tables));
        tables.collect()
    }

    fn inner(&self, value: Value<'t>, kind: Kind) -> Result<Self, Found> {
        let Value { setting: Setting { name, .. }, line, .. } = value;
        match value.value {
            DeValue::Table(settings) => {
                Ok(Self { text: self.text, name, line, settings, read: vec![] })
            }
            _ => Err(value.not_a(kind)),
        }
    }

    /// An error if there is anything that was not read.
    pub(super) fn end(&self) -> Result<(), Found> {
        match self.settings.keys().min_by_key(|name| name.span().start) {
            None => Ok(()),
            Some(unknown) => {
                let name = unknown.get_ref().to_string();
                let nearest = Setting::nearest(self.name, &name);
                let line = line_at(self.text, unknown.span().start);
                Err(Mistake::Unknown { name, table: self.name, nearest }.at(line))
            }
        }
    }

    fn take(&mut self, name: &'static str) -> Option<Value<'t>> {
        let setting = self.setting(name);
        let value = self.settings.remove(name)?;
        let value = self.value(setting, value);
        self.read.push((name, value.line));
        Some(value)
    }

    fn value(&self, setting: &'static Setting, value: Spanned<DeValue<'t>>) -> Value<'t> {
        let line = line_at(self.text, value.span().start);
        Value { setting, line, value: value.into_inner() }
    }
}

/// What a setting is set to, or a part of that.
struct Value<'t> {
    setting: &'static Setting,
    line: usize,
    value: DeValue<'t>,
}

impl Value<'_> {
    fn word<T, E: Display>(
        &self,
        expected: Kind,
        reader: impl Fn(&str) -> Result<T, E>,
    ) -> Result<T, Found> {
        match &self.value {
            DeValue::String(text) => self.parse(text, reader),
            _ => Err(self.not_a(expected)),
        }
    }

    fn parse<T, E: Display>(
        &self,
        text: &str,
        reader: impl Fn(&str) -> Result<T, E>,
    ) -> Result<T, Found> {
        reader(text).map_err(|why| {
            let (value, why) = (text.to_owned(), why.to_string());
            Mistake::Value { setting: self.setting, value, why }.at(self.line)
        })
    }

    /// A whole number that is not negative.
    fn number(&self) -> Option<u64> {
        let number = self.value.as_integer()?;
        u64::from_str_radix(number.as_str(), number.radix()).ok()
    }

    fn not_a(&self, expected: Kind) -> Found {
        Mistake::Kind { setting: self.setting, expected }.at(self.line)
    }
}

/// Which line, from 1, an offset lies in.
fn line_at(text: &str, offset: usize) -> usize {
    1 + text[..offset].matches('\n').count()
}
