//! What the calls of a body ask of a key: out of a tree of JSON, as section 6 of the design has it.

use std::collections::BTreeSet;

use crate::{
    base64,
    json::{self, Json},
    words,
};

/// What the head of the request says of its calls.
#[derive(Clone, Copy, Debug, Default)]
pub struct Said<'h> {
    pub method: Option<&'h str>,
    pub name: Option<&'h str>,
    pub namespace: Option<&'h str>,
}

/// What is asked for: nothing, what nobody said, or all of these.
#[derive(Clone, Debug, PartialEq)]
pub enum Asked {
    Any,
    Unsaid,
    These(BTreeSet<String>),
}

/// A call.
#[derive(Debug)]
pub struct Call {
    namespaces: BTreeSet<String>,
    operation: Asked,
    free: bool,
}

/// Whether a body is JSON, with numbers that can be held.
pub fn is_json(body: &[u8]) -> bool {
    json::read(body).is_some_and(|tree| !tree.any(&Json::overflows))
}

/// The calls of a body, and the id of a single one; none where it is to be refused.
pub fn calls(body: &[u8], mcp: bool, said: &Said<'_>) -> Option<(Vec<Call>, Option<String>)> {
    let tree = json::read(body)?;
    let odd = |value: &Json| {
        let names = value.members().unwrap_or_default();
        value.overflows() || value.doubles() || names.iter().any(|(name, _)| name.contains('\0'))
    };
    if tree.depth() > 128 || tree.any(&odd) {
        return None;
    }
    match &tree {
        Json::Object(_) => Some((vec![call(&tree, mcp, said)?], id(&tree))),
        Json::Array(batch) if (1..=100).contains(&batch.len()) => {
            let calls = batch.iter().map(|one| call(one, mcp, said)).collect::<Option<_>>()?;
            Some((calls, None))
        }
        _ => None,
    }
}

/// What all of them ask for, where another place names this namespace or none.
pub fn asked(calls: &[Call], elsewhere: Option<&str>) -> (Asked, Asked) {
    let elsewhere: BTreeSet<_> = elsewhere.into_iter().map(str::to_owned).collect();
    let unnamed = |call: &Call| call.namespaces.is_empty() && elsewhere.is_empty() && !call.free;
    let names = calls.iter().flat_map(|call| &call.namespaces).chain(&elsewhere);
    let mut names: BTreeSet<_> = names.cloned().collect();
    if names.contains("*") || names.len() > 32 {
        names = BTreeSet::from(["*".to_owned()]);
    }
    let namespaces = match calls.iter().any(unnamed) {
        true => Asked::Unsaid,
        false if names.is_empty() => Asked::Any,
        false => Asked::These(names),
    };
    let mut operations = BTreeSet::new();
    for call in calls {
        match &call.operation {
            Asked::Any => {}
            Asked::Unsaid => return (namespaces, Asked::Unsaid),
            Asked::These(more) => operations.extend(more.iter().cloned()),
        }
    }
    let any = operations.is_empty();
    (namespaces, if any { Asked::Any } else { Asked::These(operations) })
}

fn call(tree: &Json, mcp: bool, said: &Said<'_>) -> Option<Call> {
    let members = tree.members()?;
    plain_names(members)?;
    let version = tree.get("jsonrpc")?.text()? == "2.0";
    let id = matches!(tree.get("id"), Some(Json::Array(_) | Json::Object(_)));
    (version && !id).then_some(())?;
    let parameters = match tree.get("params") {
        None => &[][..],
        Some(parameters) => parameters.members()?,
    };
    let Some(method) = tree.get("method") else {
        let has = |name| tree.get(name).is_some();
        let answers = has("id") && has("result") != has("error") && !has("params");
        let silent = said.method.is_none() && said.name.is_none() && said.namespace.is_none();
        let free = Call { namespaces: BTreeSet::new(), operation: Asked::Any, free: true };
        return (mcp && answers && silent).then_some(free);
    };
    let method = method.text()?;
    plain_names(parameters)?;
    let parameter =
        |name: &str| parameters.iter().find(|(found, _)| found == name).map(|(_, value)| value);
    let arguments = parameter("arguments");
    plain_names(arguments.and_then(Json::members).unwrap_or_default())?;
    let argued = arguments.and_then(|arguments| arguments.get("namespace"));
    let namespaces = [parameter("namespace"), argued].into_iter().flatten().map(|name| {
        let name = name.text()?;
        (name == "*" || words::is_namespace(name)).then(|| name.to_owned())
    });
    let namespaces = namespaces.collect::<Option<_>>()?;
    let tool = method == "tools/call";
    if tool && arguments.is_some_and(|arguments| arguments.members().is_none()) {
        return None;
    }
    let agrees = |said: Option<&str>, value: Option<&Json>| match said {
        None => true,
        Some(said) => plain(said).is_some_and(|said| value.and_then(Json::text) == Some(&said)),
    };
    let agrees = said.method.is_none_or(|said| said == method)
        && agrees(said.name, parameter("name").or(parameter("uri")))
        && agrees(said.namespace, argued);
    agrees.then_some(())?;
    let operation = match tool {
        true => format!("tools.{}", parameter("name")?.text()?),
        false if method.chars().any(char::is_control) => return None,
        false if lax(method).starts_with("tools/call") => return None,
        false => method.to_owned(),
    };
    let word =
        words::is_scope_word(&operation) && !operation.ends_with('*') && operation.len() <= 128;
    let free = match method {
        "initialize" | "logging/setLevel" | "ping" | "server/discover" => true,
        method => word && (method.starts_with("notifications/") || method.ends_with("/list")),
    };
    let operation = match word {
        _ if free => Asked::Any,
        true => Asked::These(BTreeSet::from([operation])),
        false => Asked::Unsaid,
    };
    Some(Call { namespaces, operation, free })
}

/// A whole number or a harmless text.
fn id(tree: &Json) -> Option<String> {
    match tree.get("id")? {
        Json::Number(digits) if digits != "-0" => {
            digits.parse::<i64>().ok().map(|number| number.to_string())
        }
        Json::Text(text) => {
            let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"._:-".contains(&byte);
            let harmless = (1..=64).contains(&text.len()) && text.bytes().all(plain);
            harmless.then(|| format!("{text:?}"))
        }
        _ => None,
    }
}

/// That no name is nearly one of those that are judged.
fn plain_names(members: &[(String, Json)]) -> Option<()> {
    let judged = ["jsonrpc", "id", "method", "params", "name", "arguments", "namespace"];
    let nearly = |name: &str| judged.iter().any(|one| *one != name && *one == lax(name));
    let exact = |name: &str| judged.contains(&name);
    members.iter().all(|(name, _)| exact(name) || !nearly(name)).then_some(())
}

/// A text as lax readers have it: no upper case, nothing wide, nothing that is not seen.
fn lax(text: &str) -> String {
    let mut lax = String::new();
    for c in text.chars() {
        let c = u32::from(c);
        let c = if (0xff01..=0xff5e).contains(&c) { c - 0xff01 + 0x21 } else { c };
        let c = char::from_u32(c).unwrap_or(' ');
        let unseen = [
            '\u{ad}', '\u{200b}', '\u{200c}', '\u{200d}', '\u{200e}', '\u{200f}', '\u{2060}',
            '\u{2061}', '\u{2062}', '\u{2063}', '\u{2064}', '\u{feff}',
        ];
        if c.is_whitespace() || c.is_control() || unseen.contains(&c) {
            continue;
        }
        for upper in c.to_uppercase() {
            lax.extend(upper.to_lowercase());
        }
    }
    lax
}

/// What a header of MCP says, out of base64 where it is in that.
fn plain(said: &str) -> Option<String> {
    match said.strip_prefix("=?base64?").and_then(|said| said.strip_suffix("?=")) {
        Some(said) => String::from_utf8(base64::standard(said.as_bytes())?).ok(),
        None => Some(said.to_owned()),
    }
}
