//! The one question: whatever reached the upstream, and however it is read there, was it judged as
//! it stands, and does its key allow it?

use std::collections::BTreeMap;

use super::{
    lax::{self, Call, Json, Reading, folded},
    site::{Key, ROUTES, Route, Site},
    upstream::Seen,
};

/// Whether all is as it must be; if not, what is.
pub type Verdict = Result<(), String>;

/// Holds a request that reached the upstream to what its key allows. `sent` is all that the client
/// said.
pub fn hold(site: &Site, sent: &[u8], seen: &Seen) -> Verdict {
    plain(site, seen)?;
    let reading = Reading::of(seen);
    let key = identity(site, sent, &reading)?;
    for method in &reading.methods {
        for path in &reading.paths {
            for case in [Case::Counts, Case::Folded] {
                let place = match Place::of(method, path, case) {
                    // Some put a slash behind a path that they would not know without it.
                    Place::Elsewhere => Place::of(method, &format!("{path}/"), case),
                    place => place,
                };
                covered(key, &place, &reading)
                    .map_err(|why| format!("read as {method} {path}, which is {place:?}: {why}"))?;
            }
        }
    }
    Ok(())
}

/// What arrived can be taken apart in one way only, and bears nothing that a client could lie with.
fn plain(site: &Site, seen: &Seen) -> Verdict {
    let head = &seen.head;
    so(head.ends_with(b"\r\n\r\n"), || format!("no head: {:?}", String::from_utf8_lossy(head)))?;
    let lines: Vec<_> = head[..head.len() - 4].split(|byte| *byte == b'\n').collect();
    for (index, line) in lines.iter().enumerate() {
        let last = index + 1 == lines.len();
        let line = if last { line } else { line.strip_suffix(b"\r").ok_or("a bare line feed")? };
        let shown = String::from_utf8_lossy(line).into_owned();
        let control = |byte: &u8| (*byte < b' ' && *byte != b'\t') || *byte == 0x7f;
        so(!line.iter().any(control), || format!("a control character: {shown:?}"))?;
        if index == 0 {
            let words: Vec<_> = shown.split(' ').collect();
            let good = words.len() == 3
                && !words[0].is_empty()
                && words[1].starts_with('/')
                && words[2] == "HTTP/1.1"
                && !words[1].contains('#');
            so(good, || format!("an odd first line: {shown:?}"))?;
        } else {
            let name = shown.split(':').next().unwrap_or_default();
            let token = |c: char| c.is_ascii_alphanumeric() || "!#$%&'*+-.^`|~".contains(c);
            let good = shown.contains(':') && !name.is_empty() && name.chars().all(token);
            so(good, || format!("an odd header: {shown:?}"))?;
        }
    }
    let upstream = site.upstream.address.to_string();
    so(seen.all("host") == [upstream], || format!("another host: {:?}", seen.all("host")))?;
    let (lengths, codings) = (seen.all("content-length"), seen.all("transfer-encoding"));
    let framed = match (&lengths[..], &codings[..]) {
        ([], []) => true,
        ([length], []) => length.bytes().all(|byte| byte.is_ascii_digit()),
        ([], [coding]) => coding == "chunked",
        _ => false,
    };
    so(framed, || format!("framed by {lengths:?} and {codings:?}"))?;
    let websocket = seen.one("upgrade").as_deref() == Some("websocket");
    for value in seen.all("connection") {
        let known = ["close", "keep-alive", "te"];
        let hop = value.split(',').map(str::trim).all(|word| {
            known.contains(&word) || (websocket && word.eq_ignore_ascii_case("upgrade"))
        });
        so(hop, || format!("Connection: {value}"))?;
    }
    so(websocket || seen.all("upgrade").is_empty(), || "another upgrade".to_owned())?;
    for (name, value) in seen.fields().into_iter().chain(seen.trailing_fields()) {
        let read_as = lax::field_name(&name);
        let never = NEVER.contains(&read_as.as_str()) || read_as.starts_with("x-forwarded-");
        so(!never && !name.contains('_'), || format!("{name} arrived"))?;
        so(!value.contains(SPOOFED), || format!("{name}: {value} arrived"))?;
        let te = read_as == "te" && value != "trailers";
        so(!te, || format!("{name}: {value} arrived"))?;
    }
    for key in &site.keys {
        let shown = String::from_utf8_lossy(head);
        // What signs a key is secret wherever it stands.
        let signature = key.text.rsplit('.').next().unwrap_or_default();
        so(!shown.contains(signature), || format!("the key `{}` arrived", key.name))?;
    }
    Ok(())
}

/// Whose request it is, as msb stamped it: a good key that the client sent, or nobody.
fn identity<'s>(site: &'s Site, sent: &[u8], reading: &Reading) -> Result<Option<&'s Key>, String> {
    let mut told = BTreeMap::new();
    // Paths of files are in those of one client, and nobody's identity.
    let ours = |name: &str| name.starts_with("x-msb-") && !name.starts_with("x-msb-file-");
    for (name, value) in reading.fields.iter().filter(|(name, _)| ours(name)) {
        let twice = told.insert(name.as_str(), value.as_str());
        so(twice.is_none(), || format!("{name} twice"))?;
    }
    let names: Vec<_> = told.keys().copied().collect();
    so(names == IDENTITY, || format!("stamped with {names:?}"))?;
    if told["x-msb-key-id"] == "-" {
        let nobody = told.values().all(|value| *value == "-");
        so(nobody, || format!("nobody, stamped with {told:?}"))?;
        for name in ["authorization", "x-api-key", "x-namespace", "x-workspace-id"] {
            let kept = reading.all(name).into_iter().find(|value| !value.starts_with("Basic "));
            so(kept.is_none(), || format!("nobody, with {name}: {kept:?}"))?;
        }
        return Ok(None);
    }
    let key = site.keys.iter().find(|key| key.id == told["x-msb-key-id"]);
    let key = key.ok_or_else(|| format!("nobody's key id: {told:?}"))?;
    so(key.good, || format!("`{}` is no good key", key.name))?;
    let bears = sent.windows(key.text.len()).any(|bytes| bytes == key.text.as_bytes());
    so(bears, || format!("stamped as `{}`, which the client did not send", key.name))?;
    let or = |text: Option<String>, otherwise: &str| text.unwrap_or_else(|| otherwise.to_owned());
    let expected = [
        ("x-msb-namespaces", or(key.namespaces.as_ref().map(|all| all.join(" ")), "*")),
        ("x-msb-scope", or(key.scope.as_ref().map(|words| words.join(" ")), "*")),
        ("x-msb-subject", or(key.owner.clone(), "-")),
        ("x-msb-expires", or(key.expires.clone(), "-")),
    ];
    for (name, value) in expected {
        so(told[name] == value, || format!("{name}: {} instead of {value}", told[name]))?;
    }
    for judged in told["x-msb-namespace"].split(' ') {
        let opened = judged == "-" || key.opens(judged);
        so(opened, || format!("judged in {judged}, which `{}` does not open", key.name))?;
    }
    Ok(Some(key))
}

/// Whether case counts for whoever compares paths.
#[derive(Clone, Copy)]
enum Case {
    Counts,
    Folded,
}

/// What the settings and the design ask for somewhere.
#[derive(Debug)]
enum Place {
    /// A key for all that is asked for.
    Elsewhere,
    Mcp,
    Rpc,
    /// What this route asks for; with the namespace that the path names.
    Route(&'static Route, Option<String>),
}

impl Place {
    /// Where a reader of this method and path is: written a second time, apart from the server.
    fn of(method: &str, target: &str, case: Case) -> Self {
        let path = target.split('?').next().unwrap_or_default();
        let alike = |one: &str, other: &str| match case {
            Case::Counts => one == other,
            Case::Folded => folded(one) == folded(other),
        };
        if alike(path, "/mcp") {
            return Self::Mcp;
        }
        if alike(path, "/api/v1/rpc") {
            return Self::Rpc;
        }
        let mut best: Option<(Vec<u8>, Self)> = None;
        for route in ROUTES {
            if !route.1.is_empty() && route.1 != method {
                continue;
            }
            let (mut rank, mut named) = (vec![], None);
            let mut segments = path.split('/').skip(1);
            let fits = route.0.split('/').skip(1).all(|part| {
                let (narrow, fits) = match (part, segments.next()) {
                    ("*", Some(_)) => {
                        while segments.next().is_some() {}
                        (2, true)
                    }
                    (part, Some(segment)) if part.starts_with(':') => {
                        if part == ":ns" {
                            named = Some(segment.to_owned());
                        }
                        (1, !segment.is_empty())
                    }
                    (part, Some(segment)) => (0, alike(part, segment)),
                    (_, None) => (0, false),
                };
                rank.push(narrow);
                fits
            });
            let fits = fits && segments.next().is_none();
            if fits && best.as_ref().is_none_or(|(narrowest, _)| rank < *narrowest) {
                best = Some((rank, Self::Route(route, named)));
            }
        }
        let below = |door: &str| folded(path).starts_with(door) && matches!(case, Case::Folded);
        match best {
            Some((_, place)) => place,
            // Some read calls below a door as well.
            None if below("/mcp/") => Self::Mcp,
            None if below("/api/v1/rpc/") => Self::Rpc,
            None => Self::Elsewhere,
        }
    }
}

/// Whether whatever a reader would do here is what the key allows, and was judged.
fn covered(key: Option<&Key>, place: &Place, reading: &Reading) -> Verdict {
    let public = matches!(place, Place::Route((_, _, "public", _, _), _));
    let Some(key) = key else {
        return so(public, || "nobody may ask for that".to_owned());
    };
    let mut namespaces: Vec<&str> = vec![];
    for name in ["x-namespace", "x-workspace-id"] {
        namespaces.extend(reading.all(name));
    }
    let (rule, scope) = match place {
        Place::Route((_, _, _, rule, scope), named) => {
            if let Some(header) = rule.strip_prefix("header:") {
                namespaces.extend(reading.all(&lax::field_name(header)));
            }
            namespaces.extend(rule.strip_prefix("fixed:"));
            namespaces.extend(named.as_deref());
            (*rule, *scope)
        }
        Place::Elsewhere | Place::Mcp | Place::Rpc => ("", ""),
    };
    let judged = reading.all("x-msb-namespace").concat();
    let judged: Vec<_> = judged.split(' ').collect();
    for namespace in &namespaces {
        opened(key, &judged, namespace)?;
    }
    match place {
        Place::Mcp | Place::Rpc => {
            let elsewhere =
                reading.calls.is_empty() && !reading.all("mcp-param-namespace").is_empty();
            so(!elsewhere, || "a namespace of no call".to_owned())?;
            let free = reading.methods[0] != "POST" && matches!(place, Place::Mcp);
            so(free || !reading.calls.is_empty(), || "there is no call to judge".to_owned())?;
            let named = judged != ["-"];
            for call in &reading.calls {
                call_covered(key, call, &judged, named, matches!(place, Place::Mcp))?;
            }
            Ok(())
        }
        Place::Route(..) if public => Ok(()),
        Place::Elsewhere | Place::Route(..) => {
            match scope {
                "any" => {}
                "" => so(key.scope.is_none(), || "nobody judged the scope".to_owned())?,
                word => so(key.allows(word), || format!("`{}` does not allow {word}", key.name))?,
            }
            match (rule, &key.namespaces) {
                ("any", _) | (_, None) => Ok(()),
                (_, Some(_)) => so(judged != ["-"], || "nobody judged the namespace".to_owned()),
            }
        }
    }
}

fn call_covered(key: &Key, call: &Call, judged: &[&str], named: bool, mcp: bool) -> Verdict {
    let mut named = named;
    for namespace in &call.namespaces {
        let Json::Text(namespace) = namespace else {
            return Err(format!("a namespace that is none: {namespace:?}"));
        };
        opened(key, judged, namespace)?;
        named = true;
    }
    if call.methods.is_empty() {
        return so(mcp && call.answers, || "a call without a method".to_owned());
    }
    for method in &call.methods {
        let Json::Text(method) = method else {
            return Err(format!("a method that is none: {method:?}"));
        };
        if is_free(method) {
            continue;
        }
        so(named || key.namespaces.is_none(), || format!("{method} in no namespace"))?;
        let mut operations = vec![method.clone()];
        if folded(method).starts_with("tools/call") {
            operations.clear();
            for name in &call.names {
                let Json::Text(name) = name else {
                    return Err(format!("a name that is none: {name:?}"));
                };
                operations.push(format!("tools.{name}"));
            }
            so(!operations.is_empty(), || "a tool without a name".to_owned())?;
        }
        for operation in operations {
            so(key.allows(&operation), || format!("`{}` does not allow {operation}", key.name))?;
        }
    }
    Ok(())
}

fn opened(key: &Key, judged: &[&str], namespace: &str) -> Verdict {
    so(key.opens(namespace), || format!("`{}` does not open {namespace}", key.name))?;
    let known = judged.contains(&namespace) || judged == ["*"];
    so(known, || format!("{namespace} was not judged, but {judged:?}"))
}

/// What needs a key and nothing else.
fn is_free(method: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || "_-/".contains(c);
    ["initialize", "ping", "logging/setLevel", "server/discover"].contains(&method)
        || method.chars().all(plain)
            && (method.starts_with("notifications/") || method.ends_with("/list"))
}

pub fn so(so: bool, otherwise: impl FnOnce() -> String) -> Verdict {
    if so { Ok(()) } else { Err(otherwise()) }
}

/// What a client says where it lies; it never reaches the upstream in a header.
pub const SPOOFED: &str = "spoofed";

/// In the order of the alphabet.
pub const IDENTITY: [&str; 6] = [
    "x-msb-expires",
    "x-msb-key-id",
    "x-msb-namespace",
    "x-msb-namespaces",
    "x-msb-scope",
    "x-msb-subject",
];

/// What never passes, beside `X-Forwarded-*` and `X-Msb-*`.
const NEVER: [&str; 12] = [
    "expect",
    "forwarded",
    "keep-alive",
    "proxy-authorization",
    "proxy-connection",
    "x-api-key",
    "x-http-method",
    "x-http-method-override",
    "x-method-override",
    "x-original-url",
    "x-real-ip",
    "x-rewrite-url",
];
