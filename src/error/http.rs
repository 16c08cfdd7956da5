//! What an outsider is told over HTTP: less than the log is. The only place that knows statuses.

use serde::Serialize;

use crate::{config::ErrorFormat, gate::Denial, json, scope::Scope, verify::Refusal};

/// Who hears the answer.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Hearer {
    /// The client itself.
    Client,
    /// A front end that asks for a client, and understands 401, 403 and 503 alone.
    FrontEnd,
}

/// Why a request is not answered with what it asked for.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Turned {
    /// It does not pass the gate.
    Denied(Box<Denial>),
    /// It comes through a proxy, where only this machine may ask.
    Forwarded,
    /// A web page asks, of another origin.
    Origin,
    /// It is meant for another host.
    Misdirected,
    /// There is nothing of this name.
    NotFound,
    /// Not with this method.
    WrongMethod,
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
    pub fn told(&self, hearer: Hearer, format: ErrorFormat) -> Told {
        let words = self.words();
        Told {
            status: self.status(hearer),
            code: words.code,
            challenge: self.challenge(),
            body: words.body(format),
        }
    }

    /// The word by which the log knows it.
    pub fn reason(&self) -> &'static str {
        match self {
            Turned::Denied(denial) => denial.reason(),
            Turned::Forwarded => "forwarded",
            Turned::Misdirected => "misdirected",
            Turned::NotFound => "not_found",
            Turned::Origin => "origin",
            Turned::WrongMethod => "wrong_method",
        }
    }

    fn status(&self, hearer: Hearer) -> u16 {
        match self {
            Turned::Denied(denial) => match &**denial {
                Denial::NoKey => 401,
                Denial::Unclear { .. } if hearer == Hearer::Client => 400,
                Denial::Unclear { .. } => 401,
                Denial::Refused { refusal, .. } if is_forbidden(refusal) => 403,
                Denial::Refused { .. } => 401,
                Denial::NamespaceUnjudged { .. }
                | Denial::PolicyUnclear
                | Denial::ScopeUnjudged { .. } => 403,
                Denial::Undecided => 503,
            },
            Turned::Forwarded | Turned::Origin => 403,
            Turned::Misdirected => 421,
            Turned::NotFound => 404,
            Turned::WrongMethod => 405,
        }
    }

    fn challenge(&self) -> Option<String> {
        let denial = match self {
            Turned::Denied(denial) => &**denial,
            Turned::Forwarded
            | Turned::Misdirected
            | Turned::NotFound
            | Turned::Origin
            | Turned::WrongMethod => return None,
        };
        let why = match denial {
            Denial::NoKey => return Some(BEARER.to_owned()),
            Denial::PolicyUnclear | Denial::Undecided => return None,
            Denial::Unclear { .. } => "invalid_request".to_owned(),
            Denial::NamespaceUnjudged { .. } | Denial::ScopeUnjudged { .. } => {
                "insufficient_scope".to_owned()
            }
            Denial::Refused { refusal: Refusal::WrongScope { required, .. }, .. } => {
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

    fn words(&self) -> Words {
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
            Turned::WrongMethod => {
                return words("METHOD_NOT_ALLOWED", "Only GET and HEAD", "Use GET", "method");
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
                    "Name one with `namespace=` in the policy, leave it to the backend with \
                     `any_namespace=1`, or use a key for every namespace",
                    "namespace_unjudged",
                )
            },
            Denial::ScopeUnjudged { allows, .. } => Words {
                facts: Facts { current: Some(operations(allows)), ..NO_FACTS },
                ..words(
                    "FORBIDDEN",
                    "API key is limited to operations, and none was asked for here",
                    "Name one with `scope=` in the policy, leave it to the backend with \
                     `any_scope=1`, or use a key for every operation",
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

/// Whether the key holds, and does not open what is asked for.
fn is_forbidden(refusal: &Refusal) -> bool {
    matches!(refusal, Refusal::WrongNamespace { .. } | Refusal::WrongScope { .. })
}

fn operations(scope: &Scope) -> Vec<String> {
    let words = scope.claim().unwrap_or_else(|| "*".to_owned());
    words.split(' ').map(str::to_owned).collect()
}

/// What is wrong, and what to do.
struct Words {
    code: &'static str,
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
    fn body(&self, format: ErrorFormat) -> String {
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

    /// The words and numbers of microsandbox, as far as it has any.
    fn microsandbox(&self) -> Option<(&'static str, u16)> {
        match self.code {
            "MISSING_TOKEN" => Some(("Invalid credentials", 1001)),
            "INVALID_TOKEN" => Some(("Invalid token", 1004)),
            "EXPIRED_TOKEN" => Some(("Token expired", 1004)),
            "NOT_FOUND" | "METHOD_NOT_ALLOWED" => Some(("Invalid request", 2001)),
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
struct Microsandbox {
    error: &'static str,
    code: u16,
}

const BEARER: &str = "Bearer realm=\"msb\"";

const NO_FACTS: Facts = Facts { expired_at: None, required: None, current: None };

const INVALID: Words = Words {
    code: "INVALID_TOKEN",
    message: "API key is not valid",
    hint: "Send the whole key, once, or ask for a new one",
    issue: "invalid",
    facts: NO_FACTS,
};

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
            let told = turned.told(hearer, ErrorFormat::Default);
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
            required: "b a".parse().unwrap(),
            allows: "c".parse().unwrap(),
        });
        check(&wrong_scope, [403, 403], "FORBIDDEN", "insufficient_scope\", scope=\"a b\"");
        check(&Denial::PolicyUnclear.into(), [403, 403], "FORBIDDEN", "");
        check(&Denial::Undecided.into(), [503, 503], "UNAVAILABLE", "");
        check(&Turned::Misdirected, [421, 421], "MISDIRECTED", "");
        check(&Turned::Origin, [403, 403], "FORBIDDEN", "");
        check(&Turned::Forwarded, [403, 403], "FORBIDDEN", "");
        check(&Turned::NotFound, [404, 404], "NOT_FOUND", "");
        check(&Turned::WrongMethod, [405, 405], "METHOD_NOT_ALLOWED", "");
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
                .map(|refusal| refused(refusal.clone()).told(Hearer::FrontEnd, format))
                .collect();
            assert!(told.windows(2).all(|pair| pair[0] == pair[1]), "{told:?}");
            let unclear = Turned::from(Denial::Unclear { id: None });
            assert_eq!(unclear.told(Hearer::FrontEnd, format).body, told[0].body);
        }
        // Every verdict but those that a good signature must come before.
        let verdicts: std::collections::BTreeSet<_> =
            invalid.iter().map(verify::Refusal::verdict).collect();
        assert_eq!(verdicts.len(), 7, "{verdicts:?}");
    }

    #[track_caller]
    fn says(turned: &Turned, format: ErrorFormat, expected: &str) {
        assert_eq!(turned.told(Hearer::Client, format).body, expected);
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
