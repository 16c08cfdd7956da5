//! What an outsider is told over HTTP: less than the log is. The only place that knows statuses.

mod words;

use crate::{
    config::ErrorFormat,
    gate::Denial,
    rpc::{Id, NotCalls},
    verify::Refusal,
};

/// Who hears the answer.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Hearer {
    /// The client itself.
    Client,
    /// A front end that asks for a client, and understands 401, 403 and 503 alone.
    FrontEnd,
    /// A client that speaks JSON-RPC, and how it names its call.
    Rpc(Option<Id>),
}

/// Why a request is not answered with what it asked for.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Turned {
    /// It does not pass the gate.
    Denied(Box<Denial>),
    /// It comes through a proxy, where only this machine may ask.
    Forwarded,
    /// It is meant for another host.
    Misdirected,
    /// Its body holds no calls.
    NotCalls(NotCalls),
    /// There is nothing of this name.
    NotFound,
    /// A web page asks, of another origin.
    Origin,
    /// Somebody without a key asks too often; the next time is after so many seconds.
    TooOften {
        /// At least 1.
        wait: u64,
    },
    /// It cannot be read, or can be in two ways.
    Unreadable(Unreadable),
    /// It would go on in another protocol.
    Upgrade,
    /// What is behind us cannot be reached, or does not speak HTTP.
    UpstreamDown,
    /// What is behind us takes too long.
    UpstreamSlow,
    /// Not with this method.
    WrongMethod {
        /// With which.
        allow: &'static str,
    },
}

/// What of a request cannot be read, or can be in two ways.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Unreadable {
    /// Its body breaks off, takes too long, or is where none belongs.
    Body,
    /// `Connection` names a header that is not between us and the client alone.
    Connection,
    /// It has too many headers.
    Headers,
    /// There is no `Host`, or there are several.
    Host,
    /// Its body is not said to be plain JSON.
    Media,
    /// Its path, or what stands in the place of one.
    Path,
    /// Its body is too long.
    TooLong,
}

/// An answer: status, code, challenge and body.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Told {
    /// The status (RFC 9110 section 15).
    pub status: u16,
    /// `X-Msb-Reason`: the word by which programs know it.
    pub code: &'static str,
    /// `WWW-Authenticate` (RFC 6750 section 3), where a key would help.
    pub challenge: Option<String>,
    /// `Allow` (RFC 9110 section 10.2.1), where the method is wrong.
    pub allow: Option<&'static str>,
    /// `Retry-After` (RFC 9110 section 10.2.3), in seconds, where waiting helps.
    pub retry_after: Option<u64>,
    /// JSON.
    pub body: String,
}

impl From<Denial> for Turned {
    fn from(denial: Denial) -> Self {
        Self::Denied(Box::new(denial))
    }
}

impl Turned {
    /// What is told about it.
    pub fn told(&self, hearer: &Hearer, format: ErrorFormat) -> Told {
        let words = self.words(hearer);
        let (mut allow, mut retry_after) = (None, None);
        match self {
            Turned::TooOften { wait } => retry_after = Some(*wait),
            Turned::WrongMethod { allow: allowed } => allow = Some(*allowed),
            Turned::Denied(_)
            | Turned::Forwarded
            | Turned::Misdirected
            | Turned::NotCalls(_)
            | Turned::NotFound
            | Turned::Origin
            | Turned::Unreadable(_)
            | Turned::Upgrade
            | Turned::UpstreamDown
            | Turned::UpstreamSlow => {}
        }
        Told {
            status: self.status(hearer),
            code: words.code,
            challenge: self.challenge(hearer),
            allow,
            retry_after,
            body: match hearer {
                Hearer::Client | Hearer::FrontEnd => words.body(format),
                Hearer::Rpc(id) => words.rpc(self.rpc_code(), id.as_ref()),
            },
        }
    }

    /// The word by which the log knows it.
    pub fn reason(&self) -> &'static str {
        match self {
            Turned::Denied(denial) => denial.reason(),
            Turned::Forwarded => "forwarded",
            Turned::Misdirected => "misdirected",
            Turned::NotCalls(_) => "no_calls",
            Turned::NotFound => "not_found",
            Turned::Origin => "origin",
            Turned::TooOften { .. } => "too_often",
            Turned::Unreadable(why) => match why {
                Unreadable::Body => "body_broken",
                Unreadable::Connection => "connection",
                Unreadable::Headers => "headers",
                Unreadable::Host => "host",
                Unreadable::Media => "no_json",
                Unreadable::Path => "path",
                Unreadable::TooLong => "body_too_long",
            },
            Turned::Upgrade => "upgrade",
            Turned::UpstreamDown => "upstream_down",
            Turned::UpstreamSlow => "upstream_slow",
            Turned::WrongMethod { .. } => "wrong_method",
        }
    }

    fn status(&self, hearer: &Hearer) -> u16 {
        match self {
            Turned::Denied(denial) => match &**denial {
                Denial::NoKey => 401,
                Denial::Unclear { .. } if *hearer == Hearer::FrontEnd => 401,
                Denial::Unclear { .. } => 400,
                Denial::Refused { refusal, .. } if is_forbidden(refusal) => 403,
                Denial::Refused { .. } => 401,
                Denial::NamespaceUnjudged { .. }
                | Denial::PolicyUnclear
                | Denial::ScopeUnjudged { .. } => 403,
                Denial::Undecided => 503,
            },
            Turned::Forwarded | Turned::Origin => 403,
            Turned::Misdirected => 421,
            Turned::NotCalls(_) | Turned::Unreadable(_) => 400,
            Turned::NotFound => 404,
            Turned::TooOften { .. } => 429,
            Turned::Upgrade => 501,
            Turned::UpstreamDown => 502,
            Turned::UpstreamSlow => 504,
            Turned::WrongMethod { .. } => 405,
        }
    }

    /// The code of JSON-RPC 2.0, section 5.1.
    fn rpc_code(&self) -> i16 {
        match self {
            Turned::NotCalls(NotCalls::NotJson) => -32700,
            Turned::NotCalls(NotCalls::NotParameters) => -32602,
            Turned::NotCalls(NotCalls::Contradicted | NotCalls::NotRequests)
            | Turned::Misdirected
            | Turned::NotFound
            | Turned::Unreadable(_)
            | Turned::Upgrade
            | Turned::WrongMethod { .. } => -32600,
            Turned::Denied(denial) => match &**denial {
                Denial::Unclear { .. } => -32600,
                Denial::Undecided => -32000,
                Denial::NoKey => -32001,
                Denial::Refused { refusal, .. } if !is_forbidden(refusal) => -32001,
                Denial::Refused { .. }
                | Denial::NamespaceUnjudged { .. }
                | Denial::PolicyUnclear
                | Denial::ScopeUnjudged { .. } => -32003,
            },
            Turned::Forwarded | Turned::Origin => -32003,
            Turned::TooOften { .. } | Turned::UpstreamDown | Turned::UpstreamSlow => -32000,
        }
    }

    fn challenge(&self, hearer: &Hearer) -> Option<String> {
        let denial = match self {
            Turned::Denied(denial) => &**denial,
            Turned::Forwarded
            | Turned::Misdirected
            | Turned::NotCalls(_)
            | Turned::NotFound
            | Turned::Origin
            | Turned::TooOften { .. }
            | Turned::Unreadable(_)
            | Turned::Upgrade
            | Turned::UpstreamDown
            | Turned::UpstreamSlow
            | Turned::WrongMethod { .. } => return None,
        };
        let why = match denial {
            Denial::NoKey => return Some(BEARER.to_owned()),
            Denial::PolicyUnclear | Denial::Undecided => return None,
            Denial::Unclear { .. } => "invalid_request".to_owned(),
            Denial::NamespaceUnjudged { .. } | Denial::ScopeUnjudged { .. } => {
                "insufficient_scope".to_owned()
            }
            // Of a call, the client says what it is: that is not said again in a header.
            Denial::Refused { refusal: Refusal::WrongScope { required, .. }, .. }
                if !matches!(hearer, Hearer::Rpc(_)) =>
            {
                let words = required.claim().unwrap_or_else(|| "*".to_owned());
                format!("insufficient_scope\", scope=\"{words}")
            }
            Denial::Refused { refusal, .. } if is_forbidden(refusal) => {
                "insufficient_scope".to_owned()
            }
            Denial::Refused { .. } => "invalid_token".to_owned(),
        };
        Some(format!("{BEARER}, error=\"{why}\""))
    }
}

/// Whether the key holds, and does not open what is asked for.
fn is_forbidden(refusal: &Refusal) -> bool {
    matches!(refusal, Refusal::WrongNamespace { .. } | Refusal::WrongScope { .. })
}

const BEARER: &str = "Bearer realm=\"msb\"";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{key::Malformed, label::Label, revocations, time::UnixTime, verify};

    fn refused(refusal: Refusal) -> Turned {
        Denial::Refused { id: None, refusal }.into()
    }

    fn at() -> UnixTime {
        "2026-12-01T00:00:00Z".parse().unwrap()
    }

    #[track_caller]
    fn check(turned: &Turned, statuses: [u16; 2], code: &str, challenge: &str) {
        for (hearer, status) in [Hearer::Client, Hearer::FrontEnd].into_iter().zip(statuses) {
            let told = turned.told(&hearer, ErrorFormat::Default);
            assert_eq!((told.status, told.code), (status, code), "{turned:?} {hearer:?}");
            let expected = match challenge {
                "" => None,
                "-" => Some("Bearer realm=\"msb\"".to_owned()),
                error => Some(format!("Bearer realm=\"msb\", error=\"{error}")),
            };
            assert_eq!(told.challenge, expected, "{turned:?}");
        }
    }

    fn wrong_namespace() -> Turned {
        refused(Refusal::WrongNamespace {
            required: "team-beta".parse().unwrap(),
            opens: "team-alpha".parse().unwrap(),
        })
    }

    #[test]
    fn each_case_has_its_status_code_and_challenge() {
        check(&Denial::NoKey.into(), [401, 401], "MISSING_TOKEN", "-");
        let unclear = Denial::Unclear { id: None }.into();
        check(&unclear, [400, 401], "INVALID_TOKEN", "invalid_request\"");
        let malformed = refused(Refusal::Malformed(Malformed::Parts));
        check(&malformed, [401, 401], "INVALID_TOKEN", "invalid_token\"");
        let expired = refused(Refusal::Expired { at: at() });
        check(&expired, [401, 401], "EXPIRED_TOKEN", "invalid_token\"");
        check(&wrong_namespace(), [403, 403], "FORBIDDEN", "insufficient_scope\"");
        let wrong_scope = refused(Refusal::WrongScope {
            required: Box::new("b a".parse().unwrap()),
            allows: Box::new("c".parse().unwrap()),
        });
        check(&wrong_scope, [403, 403], "FORBIDDEN", "insufficient_scope\", scope=\"a b\"");
        check(&Denial::PolicyUnclear.into(), [403, 403], "FORBIDDEN", "");
        check(&Denial::Undecided.into(), [503, 503], "UNAVAILABLE", "");
        check(&Turned::Misdirected, [421, 421], "MISDIRECTED", "");
        check(&Turned::Origin, [403, 403], "FORBIDDEN", "");
        check(&Turned::Forwarded, [403, 403], "FORBIDDEN", "");
        check(&Turned::NotFound, [404, 404], "NOT_FOUND", "");
        check(&Turned::WrongMethod { allow: "GET" }, [405, 405], "METHOD_NOT_ALLOWED", "");
        for why in [Unreadable::Body, Unreadable::Host, Unreadable::Path, Unreadable::TooLong] {
            check(&Turned::Unreadable(why), [400, 400], "BAD_REQUEST", "");
        }
        check(&Turned::NotCalls(NotCalls::NotJson), [400, 400], "BAD_REQUEST", "");
        check(&Turned::TooOften { wait: 1 }, [429, 429], "RATE_LIMITED", "");
        check(&Turned::Upgrade, [501, 501], "NOT_IMPLEMENTED", "");
        check(&Turned::UpstreamDown, [502, 502], "BAD_GATEWAY", "");
        check(&Turned::UpstreamSlow, [504, 504], "GATEWAY_TIMEOUT", "");
    }

    #[test]
    fn waiting_and_other_methods_are_told_where_they_help() {
        let told = |turned: Turned| {
            let told = turned.told(&Hearer::Client, ErrorFormat::Default);
            (told.allow, told.retry_after)
        };
        assert_eq!(told(Turned::WrongMethod { allow: "GET" }), (Some("GET"), None));
        assert_eq!(told(Turned::TooOften { wait: 36 }), (None, Some(36)));
        assert_eq!(told(Turned::NotFound), (None, None));
    }

    /// What is told to whoever speaks JSON-RPC: the status, the code, and the code of HTTP.
    #[track_caller]
    fn calls(turned: &Turned, status: u16, code: i16, word: &str) {
        for format in ErrorFormat::ALL {
            let told = turned.told(&Hearer::Rpc(None), format);
            let body: serde_json::Value = serde_json::from_str(&told.body).unwrap();
            assert_eq!((told.status, told.code), (status, word), "{turned:?}");
            assert_eq!(body["error"]["code"], code, "{turned:?}");
            assert_eq!(body["error"]["data"]["code"], word);
            assert_eq!((&body["jsonrpc"], &body["id"]), (&"2.0".into(), &serde_json::Value::Null));
        }
    }

    #[test]
    fn a_caller_is_told_in_json_rpc() {
        calls(&Turned::NotCalls(NotCalls::NotJson), 400, -32700, "BAD_REQUEST");
        calls(&Turned::NotCalls(NotCalls::NotRequests), 400, -32600, "BAD_REQUEST");
        calls(&Turned::NotCalls(NotCalls::NotParameters), 400, -32602, "BAD_REQUEST");
        calls(&Turned::Unreadable(Unreadable::Media), 400, -32600, "BAD_REQUEST");
        calls(&Denial::Unclear { id: None }.into(), 400, -32600, "INVALID_TOKEN");
        calls(&Denial::NoKey.into(), 401, -32001, "MISSING_TOKEN");
        calls(&refused(Refusal::BadSignature), 401, -32001, "INVALID_TOKEN");
        calls(&refused(Refusal::Expired { at: at() }), 401, -32001, "EXPIRED_TOKEN");
        calls(&wrong_namespace(), 403, -32003, "FORBIDDEN");
        calls(&Denial::Undecided.into(), 503, -32000, "UNAVAILABLE");
        calls(&Turned::UpstreamDown, 502, -32000, "BAD_GATEWAY");
        calls(&Turned::UpstreamSlow, 504, -32000, "GATEWAY_TIMEOUT");
        let named = |id| wrong_namespace().told(&Hearer::Rpc(Some(id)), ErrorFormat::Default).body;
        assert_eq!(
            named(Id::Text("a-1".to_owned())),
            r#"{"jsonrpc":"2.0","error":{"code":-32003,"message":"API key does not open this namespace. Ask for a key that does","data":{"code":"FORBIDDEN","hint":"Ask for a key that does","details":[{"issue":"wrong_namespace","required":["team-beta"],"current":["team-alpha"]}]}},"id":"a-1"}"#
        );
        assert!(named(Id::Number(-7)).ends_with(r#","id":-7}"#));
    }

    #[test]
    fn whoever_guesses_keys_learns_nothing() {
        let (kid, at) = ("abcdefghijk".parse().unwrap(), at());
        let cause = revocations::Cause::Operator(None::<Label>);
        let revoked = revocations::Revoked { at, cause };
        let id = "0123456789abcdef".parse().unwrap();
        let invalid = [
            Refusal::BadSignature,
            Refusal::Malformed(Malformed::TooLong),
            Refusal::NotYetValid { from: at },
            Refusal::Revoked { id, revoked },
            Refusal::ServerKeyReset { kid, at },
            Refusal::ServerKeyRetired { kid, at },
            Refusal::UnknownServerKey { kid },
            Refusal::WrongAudience { expected: None },
            Refusal::WrongIssuer { expected: None },
            Refusal::Policy(crate::policy::Breach::OpensAll),
        ];
        for format in ErrorFormat::ALL {
            let told: Vec<_> = invalid
                .iter()
                .map(|refusal| refused(refusal.clone()).told(&Hearer::FrontEnd, format))
                .collect();
            assert!(told.windows(2).all(|pair| pair[0] == pair[1]), "{told:?}");
            let unclear = Turned::from(Denial::Unclear { id: None });
            assert_eq!(unclear.told(&Hearer::FrontEnd, format).body, told[0].body);
        }
        // Every verdict but those that a good signature must come before.
        let verdicts: std::collections::BTreeSet<_> =
            invalid.iter().map(verify::Refusal::verdict).collect();
        assert_eq!(verdicts.len(), 7, "{verdicts:?}");
    }

    #[track_caller]
    fn says(turned: &Turned, format: ErrorFormat, expected: &str) {
        assert_eq!(turned.told(&Hearer::Client, format).body, expected);
    }

    #[test]
    fn bodies_are_as_clients_read_them() {
        let expired = refused(Refusal::Expired { at: at() });
        says(
            &expired,
            ErrorFormat::Default,
            r#"{"success":false,"message":"API key has expired","error":{"code":"EXPIRED_TOKEN","message":"API key has expired","hint":"Ask for a new key","details":[{"issue":"expired","expiredAt":"2026-12-01T00:00:00Z"}]}}"#,
        );
        says(
            &expired,
            ErrorFormat::Superbox,
            r#"{"success":false,"message":"API key has expired","error":{"code":"EXPIRED_TOKEN","message":"API key has expired","details":{"reason":"expired","hint":"Ask for a new key","expiredAt":"2026-12-01T00:00:00Z"}}}"#,
        );
        says(&expired, ErrorFormat::Microsandbox, r#"{"error":"Token expired","code":1004}"#);
        says(
            &wrong_namespace(),
            ErrorFormat::Default,
            r#"{"success":false,"message":"API key does not open this namespace","error":{"code":"FORBIDDEN","message":"API key does not open this namespace","hint":"Ask for a key that does","details":[{"issue":"wrong_namespace","required":["team-beta"],"current":["team-alpha"]}]}}"#,
        );
        says(
            &wrong_namespace(),
            ErrorFormat::Microsandbox,
            r#"{"error":"Access denied","code":3001}"#,
        );
        says(
            &Denial::NoKey.into(),
            ErrorFormat::Microsandbox,
            r#"{"error":"Invalid credentials","code":1001}"#,
        );
    }
}
