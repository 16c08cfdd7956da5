//! JSON-RPC 2.0 and MCP: which calls a body holds, and what each of them asks of the key. A body is
//! judged as a whole, and only if every reader reads the same in it.

mod value;

use std::borrow::Cow;

use base64::{Engine, prelude::BASE64_STANDARD};

use crate::{
    gate::{Ask, Wanted},
    namespace::Namespaces,
    scope::{Scope, ScopeWord},
};
use value::{Members, Value};

/// By which door a body came.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Door {
    /// MCP, where clients answer calls of the server too.
    Mcp,
    /// JSON-RPC and nothing else.
    Rpc,
}

/// Why a body is not passed on.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum NotCalls {
    /// The head says something else than the body (-32600).
    Contradicted,
    /// It is not JSON (-32700).
    NotJson,
    /// Its parameters are no object, or name a namespace that is none (-32602).
    NotParameters,
    /// It is JSON, and no request as JSON-RPC 2.0 has them, nested deeper than 128 levels, or one
    /// that another reader could take for something else (-32600).
    NotRequests,
}

/// What the head of a request says about its calls, for those who read no bodies (MCP 2026-07-28,
/// standard request headers).
#[derive(Clone, Copy, Debug, Default)]
pub struct Said<'h> {
    /// Which method they call.
    pub method: Option<&'h str>,
    /// Which tool, prompt or resource.
    pub name: Option<&'h str>,
    /// In which namespace.
    pub namespace: Option<&'h str>,
}

/// What a body asks for.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Calls {
    calls: Vec<Call>,
    /// Of a single call.
    id: Option<Id>,
}

/// How a client names a call, where that can be said again without harm.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Id {
    /// A whole number.
    Number(i64),
    /// 1 to 64 letters, digits and `.`, `_`, `:`, `-`.
    Text(String),
}

/// A call, as far as it matters to a key.
#[derive(Clone, Debug, Eq, PartialEq)]
struct Call {
    /// The namespaces that its parameters name.
    namespaces: Vec<Namespaces>,
    operation: Operation,
}

/// What a call does.
#[derive(Clone, Debug, Eq, PartialEq)]
enum Operation {
    /// What every client has to do, whatever its key allows.
    Free,
    /// This.
    Named(ScopeWord),
    /// Something whose name is no word of a scope.
    Other,
}

/// Reads the calls of a body, of which the head may have said something: that must be true of each.
/// Where a call is one and asks for nothing sensible, its name is told too.
pub fn calls(body: &[u8], door: Door, said: &Said<'_>) -> Result<Calls, (NotCalls, Option<Id>)> {
    let nameless = |why| (why, None);
    match value::read(body).map_err(nameless)? {
        Value::Object(members) => {
            let id = members.get("id").and_then(Id::of);
            match call(&members, door, said) {
                Ok(call) => Ok(Calls { calls: vec![call], id }),
                Err(NotCalls::NotParameters) => Err((NotCalls::NotParameters, id)),
                Err(why) => Err(nameless(why)),
            }
        }
        Value::Array(batch) if (1..=BATCH).contains(&batch.len()) => {
            let one = |value: &Value<'_>| match value {
                Value::Object(members) => call(members, door, said),
                Value::Array(_) | Value::Number(_) | Value::Text(_) | Value::Other => {
                    Err(NotCalls::NotRequests)
                }
            };
            let calls = batch.iter().map(one).collect::<Result<_, _>>().map_err(nameless)?;
            Ok(Calls { calls, id: None })
        }
        Value::Array(_) | Value::Number(_) | Value::Text(_) | Value::Other => {
            Err(nameless(NotCalls::NotRequests))
        }
    }
}

impl Calls {
    /// What all of these calls ask of the key, beside what the request names elsewhere.
    pub fn ask(&self, elsewhere: &Wanted<Namespaces>) -> Ask {
        let namespaces = self.calls.iter().map(|call| call.namespaces(elsewhere));
        let namespaces = namespaces.fold(Wanted::Any, |all, one| all.and(one, both_namespaces));
        Ask { namespaces, own_namespace: false, scope: self.scope() }
    }

    fn scope(&self) -> Wanted<Scope> {
        let mut words = vec![];
        for call in &self.calls {
            match &call.operation {
                Operation::Free => {}
                Operation::Named(word) => words.push(word.clone()),
                Operation::Other => return Wanted::Unsaid,
            }
        }
        if words.is_empty() { Wanted::Any } else { Wanted::These(Scope::of(words)) }
    }

    /// How the client names its call, if it is one.
    pub fn id(&self) -> Option<&Id> {
        self.id.as_ref()
    }
}

impl Call {
    fn namespaces(&self, elsewhere: &Wanted<Namespaces>) -> Wanted<Namespaces> {
        let named = self.namespaces.iter().cloned().map(Wanted::These);
        // A call that names one has said enough; one that need not name any has too.
        let elsewhere = match elsewhere {
            Wanted::Unsaid if self.operation == Operation::Free || !self.namespaces.is_empty() => {
                Wanted::Any
            }
            elsewhere => elsewhere.clone(),
        };
        named.fold(elsewhere, |all, one| all.and(one, both_namespaces))
    }
}

fn both_namespaces(one: Namespaces, other: Namespaces) -> Wanted<Namespaces> {
    // All beside names is all, and more than any key can name are asked of a key for all.
    Namespaces::union(vec![one, other]).map_or(Wanted::These(Namespaces::All), Wanted::These)
}

impl Id {
    fn of(value: &Value<'_>) -> Option<Self> {
        let plain = |c: char| c.is_ascii_alphanumeric() || "._:-".contains(c);
        match value {
            Value::Number(Some(number)) => Some(Self::Number(*number)),
            Value::Text(text) if (1..=64).contains(&text.len()) && text.chars().all(plain) => {
                Some(Self::Text(text.clone().into_owned()))
            }
            Value::Array(_) | Value::Object(_) | Value::Other => None,
            Value::Number(None) | Value::Text(_) => None,
        }
    }
}

/// Reads one call.
fn call(members: &Members<'_>, door: Door, said: &Said<'_>) -> Result<Call, NotCalls> {
    check_names(members)?;
    let version = members.get("jsonrpc").and_then(Value::text);
    let nameless = matches!(members.get("id"), Some(Value::Array(_) | Value::Object(_)));
    if version != Some("2.0") || nameless {
        return Err(NotCalls::NotRequests);
    }
    let method = match members.get("method") {
        Some(Value::Text(method)) => method,
        // An answer to a call of the server: it does nothing by itself.
        None if door == Door::Mcp && is_answer(members) => {
            let nothing = said.method.is_none() && said.name.is_none() && said.namespace.is_none();
            let answer = Call { namespaces: vec![], operation: Operation::Free };
            return if nothing { Ok(answer) } else { Err(NotCalls::Contradicted) };
        }
        Some(_) | None => return Err(NotCalls::NotRequests),
    };
    let mut namespaces = vec![];
    let parameters = match members.get("params") {
        Some(Value::Object(parameters)) => Some(parameters),
        None => None,
        Some(_) => return Err(NotCalls::NotParameters),
    };
    if let Some(parameters) = parameters {
        check_names(parameters)?;
        namespaces.extend(named(parameters)?);
    }
    let member = |name| parameters.and_then(|parameters| parameters.get(name));
    let arguments = match member("arguments") {
        Some(Value::Object(arguments)) => Some(arguments),
        Some(_) | None => None,
    };
    let is = |said: Option<&str>, value: Option<&Value<'_>>| {
        said.is_none_or(|said| {
            decoded(said).is_some_and(|said| value.and_then(Value::text) == Some(&said))
        })
    };
    let named_thing = member("name").or_else(|| member("uri"));
    let argued = arguments.and_then(|arguments| arguments.get("namespace"));
    let true_of_it = said.method.is_none_or(|said| said == method)
        && is(said.name, named_thing)
        && is(said.namespace, argued);
    if !true_of_it {
        return Err(NotCalls::Contradicted);
    }
    let calls_tool = method == "tools/call";
    // Others may be read as `tools/call`, or take arguments in the same way.
    match arguments {
        Some(arguments) => {
            check_names(arguments)?;
            namespaces.extend(named(arguments)?);
        }
        None if calls_tool && member("arguments").is_some() => {
            return Err(NotCalls::NotParameters);
        }
        None => {}
    }
    let operation = if calls_tool {
        let tool = member("name").and_then(Value::text);
        word(&format!("tools.{}", tool.ok_or(NotCalls::NotParameters)?))
    } else if method.contains(char::is_control) || folded(method).starts_with("tools/call") {
        // Some readers would take it for a call of a tool, or for less than it is.
        return Err(NotCalls::NotRequests);
    } else if is_free(method) {
        Operation::Free
    } else {
        word(method)
    };
    Ok(Call { namespaces, operation })
}

/// What a header says: as it stands there, or in base64 where it could not (MCP 2026-07-28, value
/// encoding).
fn decoded(said: &str) -> Option<Cow<'_, str>> {
    let encoded = said.strip_prefix("=?base64?").and_then(|rest| rest.strip_suffix("?="));
    let Some(encoded) = encoded else { return Some(Cow::Borrowed(said)) };
    let bytes = BASE64_STANDARD.decode(encoded).ok()?;
    String::from_utf8(bytes).ok().map(Cow::Owned)
}

/// What every client of MCP has to do.
fn is_free(method: &str) -> bool {
    let plain = matches!(word(method), Operation::Named(_));
    matches!(method, "initialize" | "logging/setLevel" | "ping" | "server/discover")
        || plain && (method.starts_with("notifications/") || method.ends_with("/list"))
}

/// The word of scopes for a method or a tool, if there is one that is not too long to be one.
fn word(text: &str) -> Operation {
    match text.parse::<ScopeWord>() {
        Ok(word) if !text.ends_with('*') && text.len() <= WORD => Operation::Named(word),
        Ok(_) | Err(_) => Operation::Other,
    }
}

fn is_answer(members: &Members<'_>) -> bool {
    let has = |name| members.get(name).is_some();
    has("id") && has("result") != has("error") && !has("params")
}

/// The namespace that parameters name, if they do.
fn named(parameters: &Members<'_>) -> Result<Option<Namespaces>, NotCalls> {
    match parameters.get("namespace") {
        None => Ok(None),
        Some(Value::Text(name)) => {
            Namespaces::word(name).map(Some).map_err(|_| NotCalls::NotParameters)
        }
        Some(_) => Err(NotCalls::NotParameters),
    }
}

/// Refuses what a laxer reader would take for one of the members that we judge by.
fn check_names(members: &Members<'_>) -> Result<(), NotCalls> {
    const JUDGED: [&str; 7] =
        ["jsonrpc", "id", "method", "params", "name", "arguments", "namespace"];
    let alike = |name: &str| !JUDGED.contains(&name) && JUDGED.contains(&&*folded(name));
    if members.names().any(alike) { Err(NotCalls::NotRequests) } else { Ok(()) }
}

/// A text as a lax reader may have it: without the difference between upper and lower case (`ſ` is
/// `s`) and between wide and narrow letters, and without what is not seen.
fn folded(text: &str) -> Cow<'_, str> {
    // As nearly everything is written.
    if text.bytes().all(|byte| byte.is_ascii_graphic() && !byte.is_ascii_uppercase()) {
        return Cow::Borrowed(text);
    }
    let unseen = |c: char| {
        c.is_whitespace()
            || c.is_control()
            || matches!(c, '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{2060}'..='\u{2064}' | '\u{feff}')
    };
    let narrow = |c: char| match c {
        '\u{ff01}'..='\u{ff5e}' => char::from_u32(u32::from(c) - 0xfee0).unwrap_or(c),
        c => c,
    };
    let seen: String = text.chars().filter(|c| !unseen(*c)).map(narrow).collect();
    Cow::Owned(seen.to_uppercase().to_lowercase())
}

/// How long the word for an operation may be, in bytes.
const WORD: usize = 128;

/// How many calls a batch may have.
const BATCH: usize = 100;

#[cfg(test)]
mod tests {
    use super::*;

    fn told(ask: &Ask) -> String {
        fn word<T>(wanted: &Wanted<T>, told: impl Fn(&T) -> String) -> String {
            match wanted {
                Wanted::Any => "any".to_owned(),
                Wanted::Unclear => "unclear".to_owned(),
                Wanted::Unsaid => "unsaid".to_owned(),
                Wanted::These(words) => told(words),
            }
        }
        let namespaces = word(&ask.namespaces, ToString::to_string);
        format!("{namespaces}; {}", word(&ask.scope, Scope::told))
    }

    fn asked(body: &str, door: Door) -> Result<String, NotCalls> {
        calls(body.as_bytes(), door, &Said::default())
            .map(|calls| told(&calls.ask(&Wanted::Unsaid)))
            .map_err(|(why, _)| why)
    }

    /// A body: the namespaces and operations that it asks for.
    #[track_caller]
    fn asks(body: &str, expected: &str) {
        for door in [Door::Mcp, Door::Rpc] {
            assert_eq!(asked(body, door).as_deref(), Ok(expected), "{body}");
        }
    }

    #[track_caller]
    fn refused(body: &str, expected: NotCalls) {
        for door in [Door::Mcp, Door::Rpc] {
            assert_eq!(asked(body, door), Err(expected), "{body}");
        }
    }

    /// A call of a method with the members of its parameters.
    fn of(method: &str, members: &str) -> String {
        format!(r#"{{"jsonrpc":"2.0","method":"{method}","params":{{{members}}},"id":1}}"#)
    }

    #[test]
    fn a_call_asks_for_its_namespace_and_its_method() {
        asks(&of("sandbox.start", r#""namespace":"a""#), "a; sandbox.start");
        asks(&of("sandbox.start", r#""namespace":"*""#), "*; sandbox.start");
        asks(&of("sandbox.start", ""), "unsaid; sandbox.start");
        asks(r#"{"jsonrpc":"2.0","method":"x"}"#, "unsaid; x");
        asks(&of("x", r#""namespace":"\u0061""#), "a; x");
        asks(&of("a method", r#""namespace":"a""#), "a; unsaid");
        asks(&of("x.*", r#""namespace":"a""#), "a; unsaid");
        asks(&of("*", r#""namespace":"a""#), "a; unsaid");
    }

    #[test]
    fn a_tool_is_an_operation_and_its_arguments_name_a_namespace() {
        let tool = |rest: &str| of("tools/call", &format!(r#""name":"stop"{rest}"#));
        asks(&tool(r#","arguments":{"namespace":"a"}"#), "a; tools.stop");
        asks(&tool(r#","arguments":{"namespace":"a"},"namespace":"b""#), "a b; tools.stop");
        asks(&tool(r#","arguments":{}"#), "unsaid; tools.stop");
        asks(&tool(""), "unsaid; tools.stop");
        refused(&tool(r#","arguments":[]"#), NotCalls::NotParameters);
        refused(&tool(r#","arguments":null"#), NotCalls::NotParameters);
        refused(&of("tools/call", ""), NotCalls::NotParameters);
        refused(&of("tools/call", r#""name":1"#), NotCalls::NotParameters);
        refused(r#"{"jsonrpc":"2.0","method":"tools/call"}"#, NotCalls::NotParameters);
        refused(&of("Tools/Call", r#""name":"stop","namespace":"a""#), NotCalls::NotRequests);
        asks(&of("prompts/get", r#""name":"x","arguments":{"namespace":"b"}"#), "b; prompts/get");
        asks(&of("x", r#""arguments":[]"#), "unsaid; x");
    }

    #[test]
    fn what_every_client_does_needs_a_key_only() {
        for method in [
            "initialize",
            "server/discover",
            "notifications/initialized",
            "tools/list",
            "logging/setLevel",
        ] {
            asks(&of(method, ""), "any; any");
            asks(&of(method, r#""namespace":"a""#), "a; any");
        }
        for method in ["tools/call/list", "x\\u0000/list", "Tools/Call /list", "\u{ff54}ools/call"]
        {
            refused(&of(method, ""), NotCalls::NotRequests);
        }
        asks(&of("notifications/../x", ""), "unsaid; unsaid");
        asks(&of("x y/list", ""), "unsaid; unsaid");
        asks(&of(&"x".repeat(128), ""), &format!("unsaid; {}", "x".repeat(128)));
        asks(&of(&"x".repeat(129), ""), "unsaid; unsaid");
        asks(&of("initialized", ""), "unsaid; initialized");
        asks(&of("list", ""), "unsaid; list");
    }

    #[test]
    fn an_answer_is_for_mcp_alone() {
        for answer in
            [r#"{"jsonrpc":"2.0","id":1,"result":{}}"#, r#"{"jsonrpc":"2.0","id":"x","error":{}}"#]
        {
            assert_eq!(asked(answer, Door::Mcp).as_deref(), Ok("any; any"));
            assert_eq!(asked(answer, Door::Rpc), Err(NotCalls::NotRequests));
        }
        refused(r#"{"jsonrpc":"2.0","result":{}}"#, NotCalls::NotRequests);
        refused(r#"{"jsonrpc":"2.0","id":1}"#, NotCalls::NotRequests);
        refused(r#"{"jsonrpc":"2.0","id":1,"result":1,"error":1}"#, NotCalls::NotRequests);
    }

    #[test]
    fn a_batch_asks_for_all_of_its_calls() {
        let batch = |calls: &[String]| format!("[{}]", calls.join(","));
        let [a, b] = ["a", "b"].map(|name| of("x", &format!(r#""namespace":"{name}""#)));
        asks(&batch(&[a.clone(), b.clone()]), "a b; x");
        asks(&batch(&[a.clone(), of("ping", "")]), "a; x");
        asks(&batch(&[a.clone(), of("y", "")]), "unsaid; x y");
        asks(&batch(&[a.clone(), of("a method", r#""namespace":"*""#)]), "*; unsaid");
        asks(&batch(&vec![a.clone(); 100]), "a; x");
        refused(&batch(&vec![a.clone(); 101]), NotCalls::NotRequests);
        refused("[]", NotCalls::NotRequests);
        refused(&format!("[[{a}]]"), NotCalls::NotRequests);
        refused(&format!("[{a},1]"), NotCalls::NotRequests);
        let many: Vec<_> = (0..33).map(|n| of("x", &format!(r#""namespace":"n{n}""#))).collect();
        asks(&batch(&many), "*; x");
        assert!(asked(&batch(&many[..32]), Door::Rpc).unwrap().starts_with("n0 n1 "));
    }

    #[test]
    fn the_head_of_a_request_can_only_narrow() {
        let asks = |body: &str, elsewhere: &str, expected: &str| {
            let elsewhere = match elsewhere {
                "unclear" => Wanted::Unclear,
                names => Wanted::These(names.parse().unwrap()),
            };
            let calls = calls(body.as_bytes(), Door::Rpc, &Said::default()).unwrap();
            assert_eq!(told(&calls.ask(&elsewhere)), expected);
        };
        asks(&of("x", r#""namespace":"a""#), "b", "a b; x");
        asks(&of("x", r#""namespace":"a""#), "*", "*; x");
        asks(&of("x", ""), "b", "b; x");
        asks(&of("ping", ""), "b", "b; any");
        asks(&of("ping", ""), "unclear", "unclear; any");
    }

    #[test]
    fn what_the_head_says_is_true_of_every_call() {
        let check = |body: &str, method, name, namespace, expected: bool| {
            let said = Said { method, name, namespace };
            let found =
                calls(body.as_bytes(), Door::Mcp, &said).map(|_| ()).map_err(|(why, _)| why);
            let expected = if expected { Ok(()) } else { Err(NotCalls::Contradicted) };
            assert_eq!(found, expected, "{body} {said:?}");
        };
        let call = of("tools/call", r#""name":"stop","arguments":{"namespace":"a"}"#);
        let read = of("resources/read", r#""uri":"x:y""#);
        let both = format!("[{call},{read}]");
        let answer = r#"{"jsonrpc":"2.0","id":1,"result":{}}"#;
        check(&call, Some("tools/call"), Some("stop"), Some("a"), true);
        check(&call, Some("tools/list"), None, None, false);
        check(&call, Some("Tools/Call"), None, None, false);
        check(&call, None, Some("start"), None, false);
        check(&call, None, None, Some("b"), false);
        check(&call, None, None, Some(""), false);
        check(&read, Some("resources/read"), Some("x:y"), None, true);
        check(&read, None, None, Some("a"), false);
        check(&both, None, None, None, true);
        check(&both, Some("tools/call"), None, None, false);
        let size = of("tools/call", r#""name":"größe","arguments":{"namespace":"a"}"#);
        check(&size, None, Some("=?base64?Z3LDtsOfZQ==?="), Some("=?base64?YQ==?="), true);
        check(&size, None, Some("=?base64?Z3LDtsOfZQ?="), None, false);
        check(&size, None, Some("=?base64?Z3LDtsOfZR==?="), None, false);
        check(&size, None, Some("=?base64?w7Y=?="), None, false);
        check(&size, None, None, Some("=?base64?Yg==?="), false);
        check(&read, None, None, Some("=?base64?/w==?="), false);
        check(answer, None, None, None, true);
        check(answer, Some("tools/call"), None, None, false);
    }

    #[test]
    fn what_two_readers_read_differently_is_refused() {
        for body in [
            r#"{"jsonrpc":"2.0","method":"x","method":"x"}"#,
            r#"{"jsonrpc":"2.0","method":"x","m\u0065thod":"x"}"#,
            r#"{"jsonrpc":"2.0","Method":"x"}"#,
            r#"{"jsonrpc":"2.0","method":"x","METHOD":"y"}"#,
            r#"{"jsonrpc":"2.0","method":"x","Params":{}}"#,
        ] {
            refused(body, NotCalls::NotRequests);
        }
        for members in [
            r#""namespace":"a","namespace":"a""#,
            r#""a":{"b":[{"c":1,"c":1}]}"#,
            r#""namespace":"a","Namespace":"b""#,
            r#""nameſpace":"b""#,
            r#""name\u017fpace":"b""#,
            r#""arguments":{"NAMESPACE":"b"}"#,
            r#""Arguments":{}"#,
            r#""namespace":"a","namespace\u0000":"b""#,
            r#""a":[{"b\u0000":1}]"#,
            r#""namespace\u001f":"b""#,
            r#""namespace ":"b""#,
            "\"\u{feff}namespace\":\"b\"",
            "\"name\u{ad}space\":\"b\"",
            "\"\u{ff4e}amespace\":\"b\"",
        ] {
            refused(&of("x", members), NotCalls::NotRequests);
        }
        asks(
            &of("x", r#""namespaces":"b","name_space":1,"one\nline":2,"data":{"Namespace":"b"}"#),
            "unsaid; x",
        );
    }

    #[test]
    fn what_is_no_call_is_told_apart() {
        let deep = |levels: usize| {
            of("x", &format!(r#""a":{}{}"#, "[".repeat(levels), "]".repeat(levels)))
        };
        asks(&deep(126), "unsaid; x");
        refused(&deep(127), NotCalls::NotRequests);
        refused(&of("x", &format!(r#""a":{}"#, "[".repeat(10_000))), NotCalls::NotRequests);
        for body in [
            "",
            "{",
            "\u{feff}{}",
            "{}{}",
            r#"{"jsonrpc":"2.0","method":"x"} x"#,
            r#"{"a":"\ud800"}"#,
            "{\"a\":\"\n\"}",
            "{a:1}",
        ] {
            refused(body, NotCalls::NotJson);
        }
        let no_text = calls(b"{\"a\":\"\xff\"}", Door::Rpc, &Said::default());
        assert_eq!(no_text, Err((NotCalls::NotJson, None)));
        for body in [
            "1",
            "null",
            "{}",
            r#"{"method":"x"}"#,
            r#"{"jsonrpc":2.0,"method":"x"}"#,
            r#"{"jsonrpc":"1.0","method":"x"}"#,
            r#"{"jsonrpc":"2.0","method":1}"#,
            r#"{"jsonrpc":"2.0","method":"x","id":{}}"#,
            r#"{"jsonrpc":"2.0","method":"x","id":[]}"#,
        ] {
            refused(body, NotCalls::NotRequests);
        }
        for params in ["[]", "null", "1", r#""a""#] {
            let body = format!(r#"{{"jsonrpc":"2.0","method":"x","params":{params}}}"#);
            refused(&body, NotCalls::NotParameters);
        }
        for name in [r#""""#, r#""a b""#, r#""-a""#, "1", "null", r#"["a"]"#] {
            refused(&of("x", &format!(r#""namespace":{name}"#)), NotCalls::NotParameters);
        }
    }

    #[test]
    fn an_id_is_said_again_only_if_it_is_harmless() {
        let id = |id: &str| {
            let body = format!(r#"{{"jsonrpc":"2.0","method":"x","id":{id}}}"#);
            calls(body.as_bytes(), Door::Rpc, &Said::default()).unwrap().id().cloned()
        };
        assert_eq!(id("7"), Some(Id::Number(7)));
        assert_eq!(id("-7"), Some(Id::Number(-7)));
        assert_eq!(id(r#""a-1""#), Some(Id::Text("a-1".to_owned())));
        for harmful in
            ["null", "true", "1.5", "18446744073709551615", r#""""#, r#""a b""#, r#""<""#]
        {
            assert_eq!(id(harmful), None, "{harmful}");
        }
        let fault = |body: &str| {
            calls(body.as_bytes(), Door::Rpc, &Said::default()).map(|_| ()).unwrap_err()
        };
        let id = Some(Id::Number(1));
        assert_eq!(fault(&of("x", r#""namespace":1"#)), (NotCalls::NotParameters, id));
        assert_eq!(fault(&of("x", r#""Namespace":1"#)), (NotCalls::NotRequests, None));
    }
}
