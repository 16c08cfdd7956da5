//! The words and bodies of what an outsider is told.

use serde::Serialize;

use super::{Hearer, Turned, Unreadable};
use crate::{
    config::ErrorFormat,
    gate::Denial,
    json,
    rpc::{Id, NotCalls},
    scope::Scope,
    verify::Refusal,
};

impl Turned {
    pub(super) fn words(&self, hearer: &Hearer) -> Words {
        let words =
            |code, message, hint, issue| Words { code, message, hint, issue, facts: NO_FACTS };
        let denial = match self {
            Turned::Denied(denial) => &**denial,
            Turned::Forwarded => {
                return words(
                    "FORBIDDEN",
                    "Development mode answers this machine alone, and the request came through a proxy",
                    "Start the server without `--dev`",
                    "forwarded",
                );
            }
            Turned::Misdirected => {
                return words(
                    "MISDIRECTED",
                    "This server does not answer to the name in the Host header",
                    "Ask for it as localhost, or add the name to `hosts` in config.toml",
                    "host",
                );
            }
            Turned::NotFound => {
                return words(
                    "NOT_FOUND",
                    "There is nothing here",
                    "Look at the path",
                    "not_found",
                );
            }
            Turned::Origin => {
                return words(
                    "FORBIDDEN",
                    "Web pages of other origins may not ask without a key",
                    "Send a key from a program of yours, not from a page",
                    "origin",
                );
            }
            Turned::NotCalls(why) => return not_calls(*why),
            Turned::TooOften { .. } => {
                return words(
                    "RATE_LIMITED",
                    "Too many requests without a key",
                    "Wait for as many seconds as Retry-After says, or send a key",
                    "too_often",
                );
            }
            Turned::Unreadable(why) => return unreadable(*why),
            Turned::Upgrade => {
                return words(
                    "NOT_IMPLEMENTED",
                    "Only websockets are passed on, and not where calls are judged",
                    "Ask without Upgrade",
                    "upgrade",
                );
            }
            Turned::UpstreamDown => {
                return words(
                    "BAD_GATEWAY",
                    "The service behind this server does not answer",
                    "Try again later, and tell its operator",
                    "upstream_down",
                );
            }
            Turned::UpstreamSlow => {
                return words(
                    "GATEWAY_TIMEOUT",
                    "The service behind this server takes too long to answer",
                    "Try again later, and tell its operator",
                    "upstream_slow",
                );
            }
            Turned::WrongMethod { .. } => {
                return words(
                    "METHOD_NOT_ALLOWED",
                    "Not with this method",
                    "Use one that Allow names",
                    "method",
                );
            }
        };
        match denial {
            Denial::NoKey => words(
                "MISSING_TOKEN",
                "API key is missing",
                "Send it as `Authorization: Bearer KEY` or `X-API-Key: KEY`",
                "missing",
            ),
            // All alike, byte for byte: whoever guesses keys learns nothing.
            Denial::Unclear { .. } => INVALID,
            Denial::NamespaceUnjudged { opens, .. } => Words {
                facts: Facts { current: Some(opens.words()), ..NO_FACTS },
                ..words(
                    "FORBIDDEN",
                    "API key is limited to namespaces, and none was asked for here",
                    match hearer {
                        Hearer::Client => {
                            "Name one in the header that is judged here (X-Namespace, say), give the \
                             path a `[[route]]` with `namespace`, or use a key for every namespace"
                        }
                        Hearer::FrontEnd => {
                            "Name one with `namespace=` in the policy, leave it to the backend \
                             with `any_namespace=1`, or use a key for every namespace"
                        }
                        Hearer::Rpc(_) => {
                            "Name one in X-Namespace or as `namespace` in the arguments, or use a key \
                             for every namespace"
                        }
                    },
                    "namespace_unjudged",
                )
            },
            Denial::ScopeUnjudged { allows, .. } => Words {
                facts: Facts { current: Some(operations(allows)), ..NO_FACTS },
                ..words(
                    "FORBIDDEN",
                    "API key is limited to operations, and none was asked for here",
                    match hearer {
                        Hearer::Client => {
                            "Give the path a `[[route]]` with `scope`, or use a key for every \
                             operation"
                        }
                        Hearer::FrontEnd => {
                            "Name one with `scope=` in the policy, leave it to the backend with \
                             `any_scope=1`, or use a key for every operation"
                        }
                        Hearer::Rpc(_) => {
                            "Call a method whose name is a word of scopes, or use a key for every \
                             operation"
                        }
                    },
                    "scope_unjudged",
                )
            },
            Denial::PolicyUnclear => words(
                "FORBIDDEN",
                "What is asked of keys here cannot be read",
                "Look at the parameters: `namespace=`, `scope=`, `any_namespace=1`, `any_scope=1`",
                "policy_unclear",
            ),
            Denial::Undecided => words(
                "UNAVAILABLE",
                "API keys cannot be checked now",
                "Try again later",
                "undecided",
            ),
            Denial::Refused { refusal, .. } => match refusal {
                Refusal::Expired { at } => Words {
                    facts: Facts { expired_at: Some(at.to_string()), ..NO_FACTS },
                    ..words("EXPIRED_TOKEN", "API key has expired", "Ask for a new key", "expired")
                },
                Refusal::WrongNamespace { required, opens } => Words {
                    facts: Facts {
                        required: Some(required.words()),
                        current: Some(opens.words()),
                        ..NO_FACTS
                    },
                    ..words(
                        "FORBIDDEN",
                        "API key does not open this namespace",
                        "Ask for a key that does",
                        "wrong_namespace",
                    )
                },
                Refusal::WrongScope { required, allows } => Words {
                    facts: Facts {
                        required: Some(operations(required)),
                        current: Some(operations(allows)),
                        ..NO_FACTS
                    },
                    ..words(
                        "FORBIDDEN",
                        "API key does not allow this operation",
                        "Ask for a key that does",
                        "wrong_scope",
                    )
                },
                Refusal::BadSignature
                | Refusal::Malformed(_)
                | Refusal::NotYetValid { .. }
                | Refusal::Policy(_)
                | Refusal::Revoked { .. }
                | Refusal::ServerKeyReset { .. }
                | Refusal::ServerKeyRetired { .. }
                | Refusal::UnknownServerKey { .. }
                | Refusal::WrongAudience { .. }
                | Refusal::WrongIssuer { .. } => INVALID,
            },
        }
    }
}

fn bad_request(message: &'static str, hint: &'static str, issue: &'static str) -> Words {
    Words { code: "BAD_REQUEST", message, hint, issue, facts: NO_FACTS }
}

fn unreadable(why: Unreadable) -> Words {
    match why {
        Unreadable::Body => bad_request(
            "The body of the request cannot be read",
            "Send all of it in time, framed by Content-Length or in chunks, and none with GET",
            "body",
        ),
        Unreadable::Connection => bad_request(
            "Connection names a header that is judged or passed on",
            "Take it out of Connection",
            "connection",
        ),
        Unreadable::Headers => {
            bad_request("There are too many headers", "Send 64 at most", "headers")
        }
        Unreadable::Host => bad_request("There must be one Host header", "Send one", "host"),
        Unreadable::Media => bad_request(
            "The body is not plain JSON",
            "Send it as Content-Type: application/json, and without Content-Encoding",
            "media",
        ),
        Unreadable::Path => bad_request(
            "The path can be read in two ways",
            "Write it without // /./ ; \\ and escapes that are not needed, and doors as they are",
            "path",
        ),
        Unreadable::TooLong => bad_request(
            "The body is too long",
            "Send less, or raise `rpc_body` in config.toml",
            "length",
        ),
    }
}

fn not_calls(why: NotCalls) -> Words {
    match why {
        NotCalls::Contradicted => bad_request(
            "Mcp-Method, Mcp-Name or Mcp-Param-Namespace says something else than the body",
            "Send them as the body has them, or leave them out",
            "contradicted",
        ),
        NotCalls::NotJson => {
            bad_request("The body is not JSON", "Send one JSON text in UTF-8", "json")
        }
        NotCalls::NotParameters => bad_request(
            "The parameters are not an object, or name a namespace that is none",
            "Send `params` as an object, and `namespace` in it as a name",
            "params",
        ),
        NotCalls::NotRequests => bad_request(
            "The body is no request of JSON-RPC 2.0 that can be read in one way only",
            "Send one request, or an array of 1 to 100, with each member once and in lower case",
            "request",
        ),
    }
}

fn operations(scope: &Scope) -> Vec<String> {
    let words = scope.claim().unwrap_or_else(|| "*".to_owned());
    words.split(' ').map(str::to_owned).collect()
}

/// What is wrong, and what to do.
pub(super) struct Words {
    pub(super) code: &'static str,
    message: &'static str,
    hint: &'static str,
    issue: &'static str,
    facts: Facts,
}

/// What is told besides, of what has passed the grammar of names.
#[derive(Serialize)]
struct Facts {
    #[serde(rename = "expiredAt", skip_serializing_if = "Option::is_none")]
    expired_at: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    required: Option<Vec<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    current: Option<Vec<String>>,
}

impl Words {
    pub(super) fn body(&self, format: ErrorFormat) -> String {
        let Self { code, message, hint, issue, facts } = self;
        match (format, self.microsandbox()) {
            (ErrorFormat::Microsandbox, Some((error, code))) => {
                json::write(&Microsandbox { error, code })
            }
            (ErrorFormat::Default | ErrorFormat::Microsandbox, _) => {
                let details = [Issue { issue, facts }];
                let error = Explained { code, message, hint: Some(hint), details };
                json::write(&Body { success: false, message, error })
            }
            (ErrorFormat::Superbox, _) => {
                let details = Reason { reason: issue, hint, facts };
                let error = Explained { code, message, hint: None, details };
                json::write(&Body { success: false, message, error })
            }
        }
    }

    /// An object of JSON-RPC 2.0, section 5. Some clients show nothing but the message, so it says
    /// what to do as well.
    pub(super) fn rpc(&self, code: i16, id: Option<&Id>) -> String {
        let Self { code: word, message, hint, issue, facts } = self;
        let data = Data { code: word, hint, details: [Issue { issue, facts }] };
        let error = RpcError { code, message: format!("{message}. {hint}"), data };
        let id = id.map(|id| match id {
            Id::Number(number) => RpcId::Number(*number),
            Id::Text(text) => RpcId::Text(text),
        });
        json::write(&RpcAnswer { jsonrpc: "2.0", error, id })
    }

    /// The words and numbers of microsandbox, as far as it has any.
    fn microsandbox(&self) -> Option<(&'static str, u16)> {
        match self.code {
            "MISSING_TOKEN" => Some(("Invalid credentials", 1001)),
            "INVALID_TOKEN" => Some(("Invalid token", 1004)),
            "EXPIRED_TOKEN" => Some(("Token expired", 1004)),
            "BAD_REQUEST" | "NOT_FOUND" | "METHOD_NOT_ALLOWED" => Some(("Invalid request", 2001)),
            "FORBIDDEN" => Some(("Access denied", 3001)),
            _ => None,
        }
    }
}

#[derive(Serialize)]
struct Body<'a, D> {
    success: bool,
    message: &'a str,
    error: Explained<'a, D>,
}

/// An object: some published clients fail on anything else.
#[derive(Serialize)]
struct Explained<'a, D> {
    code: &'a str,
    message: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    hint: Option<&'a str>,
    details: D,
}

#[derive(Serialize)]
struct Issue<'a> {
    issue: &'a str,
    #[serde(flatten)]
    facts: &'a Facts,
}

#[derive(Serialize)]
struct Reason<'a> {
    reason: &'a str,
    hint: &'a str,
    #[serde(flatten)]
    facts: &'a Facts,
}

#[derive(Serialize)]
struct RpcAnswer<'a> {
    jsonrpc: &'static str,
    error: RpcError<'a>,
    id: Option<RpcId<'a>>,
}

#[derive(Serialize)]
struct RpcError<'a> {
    code: i16,
    message: String,
    data: Data<'a>,
}

#[derive(Serialize)]
struct Data<'a> {
    code: &'a str,
    hint: &'a str,
    details: [Issue<'a>; 1],
}

#[derive(Serialize)]
#[serde(untagged)]
enum RpcId<'a> {
    Number(i64),
    Text(&'a str),
}

#[derive(Serialize)]
struct Microsandbox {
    error: &'static str,
    code: u16,
}

const NO_FACTS: Facts = Facts { expired_at: None, required: None, current: None };

const INVALID: Words = Words {
    code: "INVALID_TOKEN",
    message: "API key is not valid",
    hint: "Send the whole key, once, or ask for a new one",
    issue: "invalid",
    facts: NO_FACTS,
};
