//! `[[route]]`: what is asked for on which path, and by which method.

use std::str::FromStr;

use super::{
    Mistake, NamespaceRule, Overlap, Pattern, ScopeRule,
    table::{Found, Table},
};

/// What is asked for on some paths. Of those that a request fits the narrowest counts, and there
/// always is one.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Route {
    /// Which paths.
    pub path: Pattern,
    /// Which methods.
    pub methods: Methods,
    /// Who is let in.
    pub access: Access,
}

/// Who is let in.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Access {
    /// Whoever has a key that holds.
    Key {
        /// Which namespace it must open, if that is judged here.
        namespace: Option<NamespaceRule>,
        /// What it must allow, if that is judged here.
        scope: Option<ScopeRule>,
    },
    /// Everybody.
    Public,
}

impl Route {
    /// Whether it says where a request names its namespace, or which that is.
    pub fn names_a_namespace(&self) -> bool {
        match &self.access {
            Access::Key { namespace: Some(namespace), .. } => match namespace {
                NamespaceRule::Fixed(_) | NamespaceRule::Header(_) | NamespaceRule::Path(_) => true,
                NamespaceRule::Any | NamespaceRule::Key => false,
            },
            Access::Key { namespace: None, .. } | Access::Public => false,
        }
    }

    /// Of these routes, those for requests with this method whose paths `fits` says are meant.
    pub fn fitting<'r>(
        routes: &'r [Self],
        method: &str,
        fits: impl Fn(&Pattern) -> bool,
    ) -> impl Iterator<Item = &'r Self> {
        routes.iter().filter(move |route| route.methods.include(method) && fits(&route.path))
    }

    /// The one of [`fitting`](Self::fitting) that counts: the narrowest.
    pub fn narrowest<'r>(
        routes: &'r [Self],
        method: &str,
        fits: impl Fn(&Pattern) -> bool,
    ) -> Option<&'r Self> {
        Self::fitting(routes, method, fits).reduce(|one, other| match other.path.lies(&one.path) {
            Overlap::Narrower => other,
            Overlap::Apart | Overlap::Crossing | Overlap::Same | Overlap::Wider => one,
        })
    }
}

pub(super) fn read_all(tables: Vec<Table<'_>>) -> Result<Vec<Route>, Found> {
    let mut routes: Vec<(usize, Route)> = Vec::with_capacity(tables.len());
    for table in tables {
        let line = table.line();
        let route = read(table)?;
        for (other_line, other) in &routes {
            let same = match route.path.lies(&other.path) {
                Overlap::Same => true,
                Overlap::Crossing => false,
                Overlap::Apart | Overlap::Narrower | Overlap::Wider => continue,
            };
            if route.methods.overlap(&other.methods) {
                let (path, other) = (route.path.to_string(), other.path.to_string());
                return Err(Mistake::Tie { path, other, line: *other_line, same }.at(line));
            }
        }
        routes.push((line, route));
    }
    Ok(routes.into_iter().map(|(_, route)| route).collect())
}

fn read(mut table: Table<'_>) -> Result<Route, Found> {
    let path: Option<Pattern> = table.word("path")?;
    let methods = table.words("methods")?.map(Methods::of);
    let public = table.word("access")? == Some(Word::Public);
    let namespace: Option<NamespaceRule> = table.word("namespace")?;
    let scope: Option<ScopeRule> = table.word("scope")?;
    table.end()?;
    let at = |name, mistake: Mistake| mistake.at(table.line_of(name));
    let Some(path) = path else {
        return Err(at("path", Mistake::Missing(table.setting("path"))));
    };
    let methods = methods
        .unwrap_or(Ok(Methods::Every))
        .map_err(|why| at("methods", Mistake::Methods(why)))?;
    if let Some(NamespaceRule::Path(name)) = &namespace
        && !path.names(name)
    {
        let (name, path) = (name.to_string(), path.to_string());
        return Err(at("namespace", Mistake::NoSuchName { name, path }));
    }
    let asks = [("namespace", namespace.is_some()), ("scope", scope.is_some())];
    if let Some((name, _)) = asks.into_iter().find(|(_, asks)| public && *asks) {
        return Err(at(name, Mistake::PublicAsks(table.setting(name))));
    }
    let access = if public { Access::Public } else { Access::Key { namespace, scope } };
    Ok(Route { path, methods, access })
}

/// Which methods a route is for.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Methods {
    /// Every one.
    Every,
    /// These only: at least one, each once.
    Only(Vec<Method>),
}

impl Methods {
    /// These together.
    pub fn of(methods: Vec<Method>) -> Result<Self, NotMethods> {
        let twice = |(index, method)| methods[..index].contains(method);
        if methods.is_empty() {
            Err(NotMethods::None)
        } else if methods.iter().enumerate().any(twice) {
            Err(NotMethods::Twice)
        } else {
            Ok(Self::Only(methods))
        }
    }

    /// Whether this method is one of these.
    pub fn include(&self, word: &str) -> bool {
        match self {
            Self::Every => true,
            Self::Only(these) => these.iter().any(|method| method.word() == word),
        }
    }

    /// Whether there is a method that both are for.
    pub fn overlap(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Every, _) | (_, Self::Every) => true,
            (Self::Only(these), Self::Only(those)) => these.iter().any(|one| those.contains(one)),
        }
    }
}

/// A method of HTTP (RFC 9110, section 9; RFC 5789). CONNECT and TRACE are never passed on.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Method {
    /// DELETE.
    Delete,
    /// GET. It is not HEAD.
    Get,
    /// HEAD.
    Head,
    /// OPTIONS.
    Options,
    /// PATCH.
    Patch,
    /// POST.
    Post,
    /// PUT.
    Put,
}

impl Method {
    /// All of them.
    pub const ALL: [Method; 7] = [
        Method::Get,
        Method::Head,
        Method::Post,
        Method::Put,
        Method::Patch,
        Method::Delete,
        Method::Options,
    ];

    /// The word for it, which is case-sensitive.
    pub fn word(&self) -> &'static str {
        match self {
            Method::Delete => "DELETE",
            Method::Get => "GET",
            Method::Head => "HEAD",
            Method::Options => "OPTIONS",
            Method::Patch => "PATCH",
            Method::Post => "POST",
            Method::Put => "PUT",
        }
    }
}

impl FromStr for Method {
    type Err = NotAMethod;

    fn from_str(text: &str) -> Result<Self, NotAMethod> {
        Self::ALL.into_iter().find(|method| method.word() == text).ok_or(NotAMethod)
    }
}

/// The word of `access`, which the rest of a route must fit.
#[derive(Eq, PartialEq)]
enum Word {
    Key,
    Public,
}

impl FromStr for Word {
    type Err = NotAccess;

    fn from_str(text: &str) -> Result<Self, NotAccess> {
        match text {
            "key" => Ok(Self::Key),
            "public" => Ok(Self::Public),
            _ => Err(NotAccess),
        }
    }
}

/// A text that names no method.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct NotAMethod;

/// A text that is neither of the two words of `access`.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct NotAccess;

/// Why methods do not go together.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum NotMethods {
    /// There is none.
    None,
    /// One stands there twice.
    Twice,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn methods_overlap_where_they_share_one() {
        let methods = |text: &str| {
            Methods::of(text.split_whitespace().map(|word| word.parse().unwrap()).collect())
        };
        let overlap = |one: &str, other: &str, expected| {
            assert_eq!(methods(one).unwrap().overlap(&methods(other).unwrap()), expected);
        };
        overlap("GET", "GET", true);
        overlap("GET HEAD", "HEAD POST", true);
        overlap("GET", "HEAD", false);
        assert!(Methods::Every.overlap(&methods("PUT").unwrap()));
        assert!(methods("PUT").unwrap().overlap(&Methods::Every));
        assert_eq!(methods(""), Err(NotMethods::None));
        assert_eq!(methods("GET PUT GET"), Err(NotMethods::Twice));
        for text in ["get", "CONNECT", "TRACE", "GTE", ""] {
            assert_eq!(text.parse::<Method>(), Err(NotAMethod));
        }
    }
}
