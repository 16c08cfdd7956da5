//! `table.txt`, read and tried: row by row on the wire, with the lax reader behind each.

use serde_json::Value;

use super::{
    client::{Client, Reply},
    judge::{self, Verdict, so},
    lax,
    site::Site,
    upstream::Seen,
};

/// A line of the table.
#[derive(Clone, Debug)]
pub struct Row {
    /// Where it stands in the file.
    pub number: usize,
    pub section: &'static str,
    /// What the client says, before words are replaced.
    pub asks: Asks,
    answers: Vec<Answer>,
    demands: Vec<Demand>,
}

/// What a client says.
#[derive(Clone, Debug)]
pub enum Asks {
    Raw(&'static str),
    Request {
        /// With the version.
        line: String,
        headers: Vec<String>,
        body: Option<&'static str>,
    },
}

#[derive(Clone, Debug, Default)]
struct Answer {
    status: u16,
    /// The code of JSON-RPC.
    rpc: Option<i64>,
    /// The word for it.
    code: Option<&'static str>,
    id: Option<&'static str>,
    own: bool,
    closed: bool,
}

#[derive(Clone, Debug)]
enum Demand {
    Absent(&'static str),
    Answered(&'static str),
    Body(&'static str),
    Target(&'static str),
    There(&'static str),
    Trailer(&'static str),
    Unanswered(&'static str),
}

/// Follows whatever is tried on a connection. Its answer, which nothing else has, tells that both
/// ends still agree on where requests begin.
const LAST: &str = "DELETE /healthz HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";

#[test]
fn what_reaches_the_upstream_was_judged_as_it_stands() {
    let site = Site::with("hosts = [\"api.example.org\"]").with_keys();
    let rows = rows();
    assert!(rows.len() >= 150, "{} rows", rows.len());
    let (mut faults, mut sent) = (vec![], vec![]);
    for row in &rows {
        if let Err(why) = row.hold(&site, &mut sent) {
            let sent = row.asks.bytes(&site);
            let sent = String::from_utf8_lossy(&sent).into_owned();
            let (number, section) = (row.number, row.section);
            faults.push(format!("table.txt:{number} [{section}] {sent:.200?}\n    {why}"));
            // What came late is not for the next row to answer for.
            site.upstream.arrived();
        }
    }
    let mut late = site.upstream.arrived();
    late.retain(Seen::is_whole);
    assert!(late.is_empty(), "it arrived late: {late:?}");
    let (count, of) = (faults.len(), rows.len());
    assert!(faults.is_empty(), "{count} of {of} rows do not hold:\n{}", faults.join("\n"));
}

/// The table, without what is said about it.
pub fn rows() -> Vec<Row> {
    let mut section = "";
    let mut rows = vec![];
    for (index, line) in include_str!("table.txt").lines().enumerate() {
        if let Some(rest) = line.strip_prefix('[') {
            section = rest.split(']').next().unwrap();
        } else if !line.is_empty() && !line.starts_with('#') {
            rows.push(Row::read(index + 1, section, line));
        }
    }
    rows
}

impl Row {
    fn read(number: usize, section: &'static str, line: &'static str) -> Self {
        let (asks, told) =
            line.split_once(" => ").unwrap_or_else(|| panic!("line {number}: {line}"));
        let mut told = told.split(" | ");
        let answers = told.next().unwrap().split(" then ").flat_map(Answer::read).collect();
        let demands = told.map(Demand::read).collect();
        Self { number, section, asks: Asks::read(asks.trim_end()), answers, demands }
    }

    /// Tries it, and adds what it says to what was said before.
    fn hold(&self, site: &Site, before: &mut Vec<u8>) -> Verdict {
        let sent = self.asks.bytes(site);
        before.extend(&sent);
        let mut client = site.client();
        client.send([&sent[..], LAST.as_bytes()].concat());
        let method = self.asks.method();
        let mut expected_to_arrive = 0;
        let mut replies = vec![];
        for answer in &self.answers {
            let reply = client.reply(method).ok_or("no answer")?;
            answer.fits(&reply, site)?;
            expected_to_arrive += usize::from(answer.passes());
            replies.push(reply);
        }
        self.ends(&mut client)?;
        let mut arrived = site.upstream.arrived();
        // Whatever came, it must be good; that it came at all is the next question. What msb gave
        // up in the middle may come late.
        for seen in &arrived {
            let sent = if seen.is_whole() { &sent } else { &*before };
            let head = String::from_utf8_lossy(&seen.head).into_owned();
            judge::hold(site, sent, seen).map_err(|why| format!("{why}\n    in {head:?}"))?;
        }
        arrived.retain(Seen::is_whole);
        let count = arrived.len();
        so(count == expected_to_arrive, || format!("{count} arrived: {arrived:?}"))?;
        if let ([seen], [_]) = (&arrived[..], &self.answers[..]) {
            self.same(seen, site)?;
        }
        self.demands.iter().try_for_each(|demand| demand.holds(&arrived, &replies, site))
    }

    /// What becomes of the connection behind the last answer.
    fn ends(&self, client: &mut Client) -> Verdict {
        let Some(last) = self.answers.last() else {
            let more = client.reply("DELETE");
            return so(more.is_none(), || format!("an answer: {more:?}"));
        };
        if last.status == 101 {
            // Behind the switch both ends are heard as they are; the last request as well.
            client.send("and more");
            let heard = client.exactly(LAST.len() + 8).unwrap_or_default();
            let echo = heard == [LAST.as_bytes(), b"and more"].concat();
            return so(echo, || format!("heard {:?}", String::from_utf8_lossy(&heard)));
        }
        let more = client.reply("DELETE");
        match more.map(|reply| reply.status) {
            Some(405) if !last.closed => Ok(()),
            None if last.closed => Ok(()),
            // Whoever refuses a request need not read its body.
            None if !last.passes() && self.asks.has_body() => Ok(()),
            Some(status) => Err(format!("answered {status} behind it")),
            None => Err("closed behind it".to_owned()),
        }
    }

    /// The one that arrived is the one that was sent.
    fn same(&self, seen: &Seen, site: &Site) -> Verdict {
        let Asks::Request { line, headers, body } = &self.asks else { return Ok(()) };
        let mut words = line.split(' ');
        let (method, target) = (words.next().unwrap(), words.next().unwrap());
        so(seen.method() == method, || format!("arrived as {}", seen.method()))?;
        let told = self.demands.iter().any(|demand| matches!(demand, Demand::Target(_)));
        so(told || seen.target() == target, || format!("arrived as {}", seen.target()))?;
        let told = self.demands.iter().any(|demand| matches!(demand, Demand::Body(_)));
        let body = expand(body.unwrap_or_default(), site);
        let switched = seen.one("upgrade").is_some();
        so(told || switched || seen.body == body, || "another body arrived".to_owned())?;
        let bytes = |header: &String| header_bytes(header, body.len(), site);
        let headers: Vec<_> = headers.iter().map(bytes).collect();
        let headers: Vec<_> = headers
            .iter()
            .flat_map(|header| header.split(|byte| *byte == b'\n'))
            .map(|header| String::from_utf8_lossy(header).trim_end().to_owned())
            .collect();
        let pairs = || headers.iter().filter_map(|header| header.split_once(':'));
        let named: Vec<_> = pairs()
            .filter(|(name, _)| name.eq_ignore_ascii_case("connection"))
            .flat_map(|(_, value)| value.split(',').map(|word| word.trim().to_ascii_lowercase()))
            .collect();
        let nobody = seen.one("x-msb-key-id").as_deref() == Some("-");
        for (name, value) in pairs() {
            let lower = name.to_ascii_lowercase();
            let namespace = nobody && ["x-namespace", "x-workspace-id"].contains(&lower.as_str());
            if named.contains(&lower) || namespace || !passes_on(&lower, value.trim()) {
                continue;
            }
            let values = seen.all(name);
            let there = values.iter().any(|found| found == value.trim());
            so(there, || format!("{name}: {value} did not arrive, but {values:?}"))?;
        }
        Ok(())
    }
}

/// Whether a header of a client is none of msb's business.
fn passes_on(lower: &str, value: &str) -> bool {
    const CONSUMED: [&str; 18] = [
        "connection",
        "content-length",
        "expect",
        "forwarded",
        "host",
        "keep-alive",
        "proxy-authorization",
        "proxy-connection",
        "te",
        "transfer-encoding",
        "upgrade",
        "x-api-key",
        "x-http-method",
        "x-http-method-override",
        "x-method-override",
        "x-original-url",
        "x-real-ip",
        "x-rewrite-url",
    ];
    let ours = lower.starts_with("x-msb-") || lower.starts_with("x-forwarded-");
    let key = lower == "authorization" && value.to_ascii_lowercase().starts_with("bearer");
    let plain = lax::field_name(lower) == lower;
    plain && !ours && !key && !CONSUMED.contains(&lower)
}

impl Answer {
    /// None for `none`.
    fn read(text: &'static str) -> Option<Self> {
        let mut answer = Self::default();
        for (index, word) in text.split_whitespace().enumerate() {
            match word {
                "none" => return None,
                "own" => answer.own = true,
                "closed" => answer.closed = true,
                word if index == 0 => answer.status = word.parse().expect(text),
                word if word.starts_with("id=") => answer.id = word.strip_prefix("id="),
                word if word.starts_with('-') => answer.rpc = Some(word.parse().expect(text)),
                word => answer.code = Some(word),
            }
        }
        Some(answer)
    }

    /// Whether it is the upstream's.
    fn passes(&self) -> bool {
        self.status < 400 && !self.own
    }

    fn fits(&self, reply: &Reply, site: &Site) -> Verdict {
        let shown = || {
            let reason = reply.all("x-msb-reason").concat();
            let own = if reply.stub().is_some() { "the upstream's" } else { "our" };
            format!("{own} {} {reason} {:.300}", reply.status, reply.text())
        };
        so(reply.status == self.status, || format!("answered {}", shown()))?;
        so(reply.whole, || format!("cut off: {}", shown()))?;
        for key in &site.keys {
            let signature = key.text.rsplit('.').next().unwrap_or_default();
            so(!shown().contains(signature), || format!("the answer tells a key: {}", shown()))?;
        }
        so(reply.stub().is_some() == self.passes(), || format!("whose answer is {}", shown()))?;
        if self.passes() {
            let stamped = reply.headers.iter().find(|(name, _)| name.starts_with("x-msb-"));
            return so(stamped.is_none(), || format!("told {stamped:?}"));
        }
        let json = || serde_json::from_slice::<Value>(&reply.body).map_err(|_| shown());
        match (self.rpc, self.code) {
            (Some(rpc), code) => {
                let body = json()?;
                let error = &body["error"];
                let data = &error["data"];
                so(body["jsonrpc"] == "2.0" && error["code"] == rpc, shown)?;
                let word = |value: &Value| value.as_str().is_some_and(|text| !text.is_empty());
                so(word(&error["message"]) && word(&data["code"]) && word(&data["hint"]), shown)?;
                so(data["details"].is_array(), shown)?;
                so(code.is_none_or(|code| data["code"] == code), shown)?;
                let id = self.id.map(|id| expand(id, site));
                let id = id.map(|id| serde_json::from_slice::<Value>(&id).expect("an id"));
                so(id.is_none_or(|id| body["id"] == id), shown)?;
                so(body.get("id").is_some() && body.get("result").is_none(), shown)?;
                json_alone(reply)
            }
            (None, Some(code)) => {
                so(reply.one("x-msb-reason") == Some(code), shown)?;
                let body = json()?;
                so(body["error"]["code"] == code && body["success"] == false, shown)?;
                json_alone(reply)
            }
            // What cannot be read at all is answered by the HTTP library.
            (None, None) => Ok(()),
        }
    }
}

fn json_alone(reply: &Reply) -> Verdict {
    let kind = reply.one("content-type");
    so(kind == Some("application/json"), || format!("an error in {kind:?}"))?;
    let kept = reply.one("cache-control");
    so(kept == Some("no-store"), || format!("an error that may be kept: {kept:?}"))
}

impl Demand {
    fn read(text: &'static str) -> Self {
        let text = text.trim();
        if let Some(name) = text.strip_prefix(">-") {
            Self::Unanswered(name)
        } else if let Some(rest) = text.strip_prefix('>') {
            Self::Answered(rest)
        } else if let Some(name) = text.strip_prefix('-') {
            Self::Absent(name)
        } else if let Some(target) = text.strip_prefix("target ") {
            Self::Target(target)
        } else if let Some(body) = text.strip_prefix("body") {
            Self::Body(body.trim_start())
        } else if let Some(trailer) = text.strip_prefix("trailer ") {
            Self::Trailer(trailer)
        } else {
            Self::There(text)
        }
    }

    fn holds(&self, arrived: &[Seen], replies: &[Reply], site: &Site) -> Verdict {
        let reply = replies.first().ok_or("no answer")?;
        if let Self::Answered(text) | Self::Unanswered(text) = self {
            let (name, value) = text.split_once(": ").unwrap_or((text, ""));
            let found = reply.all(&name.to_ascii_lowercase());
            let fits = match self {
                Self::Unanswered(_) => found.is_empty(),
                _ => found.len() == 1 && (value.is_empty() || found == [value]),
            };
            return so(fits, || format!("{self:?}, but {found:?}"));
        }
        let [seen] = arrived else { return Err(format!("{} arrived", arrived.len())) };
        let holds = match self {
            Self::Absent(name) => seen.all(name).is_empty(),
            Self::Body(body) => seen.body == expand(body, site),
            Self::Target(target) => seen.target() == *target,
            Self::There(text) => {
                let (name, value) = text.split_once(": ").expect(text);
                seen.all(name) == [value]
            }
            Self::Trailer(text) => {
                let (name, value) = text.split_once(": ").expect(text);
                let trailers = seen.trailing_fields();
                trailers.iter().any(|(n, v)| n.eq_ignore_ascii_case(name) && v == value)
            }
            Self::Answered(_) | Self::Unanswered(_) => true,
        };
        let head = String::from_utf8_lossy(&seen.head).into_owned();
        so(holds, || format!("{self:?} does not hold of {head:?} {:?}", seen.trailing_fields()))
    }
}

impl Asks {
    fn read(text: &'static str) -> Self {
        if let Some(raw) = text.strip_prefix("RAW ") {
            return Self::Raw(raw);
        }
        let (head, body) = match text.split_once(" || ") {
            Some((head, body)) => (head, Some(body)),
            None => (text, None),
        };
        let mut lines = head.split(" | ");
        let mut first = lines.next().unwrap();
        let mut headers: Vec<String> = lines.map(str::to_owned).collect();
        // A door's name may have that of a key behind it.
        if let Some((door @ ("RPC" | "MCP"), key)) = first.split_once(' ') {
            first = door;
            headers.insert(0, key.to_owned());
        }
        let named = |headers: &[String], name: &str| {
            headers.iter().any(|header| header.to_ascii_lowercase().starts_with(name))
        };
        let mut line = match first {
            "RPC" => "POST /api/v1/rpc".to_owned(),
            "MCP" => "POST /mcp".to_owned(),
            line => line.to_owned(),
        };
        let door = line != first;
        if !line.contains(" HTTP/") {
            line += " HTTP/1.1";
        }
        if door && !named(&headers, "content-type:") && !named(&headers, "no content-type") {
            headers.push("Content-Type: application/json".to_owned());
        }
        if !named(&headers, "host:") && !named(&headers, "no host") {
            headers.insert(0, "Host: $(here)".to_owned());
        }
        let framed = ["content-length", "transfer-encoding:", "transfer-encoding ", "no length"];
        if (body.is_some() || door) && !framed.iter().any(|name| named(&headers, name)) {
            headers.push("Content-Length: $(length)".to_owned());
        }
        headers.retain(|header| !header.starts_with("no "));
        Self::Request { line, headers, body }
    }

    fn method(&self) -> &str {
        match self {
            Asks::Raw(_) => "GET",
            Asks::Request { line, .. } => line.split(' ').next().unwrap(),
        }
    }

    fn has_body(&self) -> bool {
        matches!(self, Self::Request { body: Some(_), .. })
    }

    /// The very bytes.
    pub fn bytes(&self, site: &Site) -> Vec<u8> {
        match self {
            Asks::Raw(raw) => expand(raw, site),
            Asks::Request { line, headers, body } => {
                let body = expand(body.unwrap_or_default(), site);
                let mut bytes = expand(line, site);
                for header in headers {
                    bytes.extend(b"\r\n");
                    bytes.extend(header_bytes(header, body.len(), site));
                }
                bytes.extend(b"\r\n\r\n");
                bytes.extend(body);
                bytes
            }
        }
    }
}

/// A header line with its words replaced.
pub fn header_bytes(header: &str, length: usize, site: &Site) -> Vec<u8> {
    if site.keys.iter().any(|key| key.name == header) {
        return format!("Authorization: Bearer {}", site.key(header).text).into_bytes();
    }
    expand(&header.replace("$(length)", &length.to_string()), site)
}

/// The bytes of a text, with every `$(word)` replaced by what it stands for.
pub fn expand(text: &str, site: &Site) -> Vec<u8> {
    let mut bytes = vec![];
    let mut filled = None;
    let mut rest = text;
    while let Some((before, from)) = rest.split_once("$(") {
        bytes.extend(before.as_bytes());
        // A word may have words in it.
        let mut depth = 0;
        let end = from.find(|c| {
            depth += match c {
                '(' => 1,
                ')' => -1,
                _ => 0,
            };
            depth < 0
        });
        let end = end.unwrap_or_else(|| panic!("no end: {text}"));
        let word = &from[..end];
        match word.strip_prefix("fill ") {
            Some(length) => filled = Some((bytes.len(), length.parse::<usize>().unwrap())),
            None => bytes.extend(meaning(word, site)),
        }
        rest = &from[end + 1..];
    }
    bytes.extend(rest.as_bytes());
    if let Some((at, length)) = filled {
        let missing = length - bytes.len();
        bytes.splice(at..at, std::iter::repeat_n(b'a', missing));
    }
    bytes
}

fn meaning(word: &str, site: &Site) -> Vec<u8> {
    let (first, rest) = word.split_once(' ').unwrap_or((word, ""));
    let words = || rest.split_once(' ').unwrap_or_else(|| panic!("$({word})"));
    let text = match first {
        "calls" => {
            let (count, namespace) = words();
            let call = format!(
                r#"{{"jsonrpc":"2.0","id":"1","method":"sandbox.start","params":{{"namespace":"{namespace}"}}}}"#
            );
            vec![call; count.parse().unwrap()].join(",")
        }
        "chunked" => {
            let body = expand(rest, site);
            let (one, other) = body.split_at(body.len() / 2);
            let chunk =
                |part: &[u8]| [format!("{:x}\r\n", part.len()).as_bytes(), part, b"\r\n"].concat();
            return [chunk(one), chunk(other), b"0\r\n\r\n".to_vec()].concat();
        }
        "cr" => "\r".to_owned(),
        "crlf" => "\r\n".to_owned(),
        "get" => {
            let (target, key) = rest.split_once(' ').unwrap_or((rest, ""));
            let key = match key {
                "" => String::new(),
                key => format!("X-API-Key: {}\r\n", site.key(key).text),
            };
            format!("GET {target} HTTP/1.1\r\nHost: a\r\n{key}\r\n")
        }
        "here" => site.server.address.to_string(),
        "lf" => "\n".to_owned(),
        "tab" => "\t".to_owned(),
        "upstream" => site.upstream.address.to_string(),
        "v" => r#""jsonrpc":"2.0","id":"1""#.to_owned(),
        "ws" => {
            "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==".to_owned()
        }
        word => {
            if let Some(depth) = word.strip_prefix("deep") {
                let depth = depth.parse().unwrap();
                "[".repeat(depth) + &"]".repeat(depth)
            } else if let Some(count) = word.strip_prefix("headers") {
                // `Host` and the key are two; these fill up to the others that are told.
                let lines: Vec<_> =
                    (0..count.parse().unwrap()).map(|n: usize| format!("X-{n}: y")).collect();
                lines.join("\r\n")
            } else if let Some(Ok(count)) = word.strip_prefix('a').map(str::parse) {
                "a".repeat(count)
            } else if let Some(byte) = word.strip_prefix('x').filter(|hex| hex.len() == 2) {
                return vec![u8::from_str_radix(byte, 16).unwrap()];
            } else {
                site.key(word).text.clone()
            }
        }
    };
    text.into_bytes()
}

#[test]
fn no_row_asks_for_what_cannot_be_seen() {
    for row in rows() {
        for answer in &row.answers {
            assert!((100..600).contains(&answer.status), "line {}", row.number);
            let told = answer.rpc.is_some() || answer.code.is_some();
            assert!(!(told && answer.passes()), "line {}", row.number);
        }
    }
}
