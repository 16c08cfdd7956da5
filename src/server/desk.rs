//! The desk: what is answered to a request.

use std::{
    mem,
    sync::{
        Arc, LazyLock,
        atomic::{AtomicBool, Ordering::SeqCst},
    },
    time::Instant,
};

use bytes::Bytes;
use http_body_util::Full;
use hyper::{
    HeaderMap, Method, Request, Response, StatusCode,
    header::{self, HeaderName, HeaderValue},
};

use super::{
    Settings,
    guard::guard,
    head::{Policy, credential},
    live::Live,
    log::{Entry, Log},
    metrics::Metrics,
    route::Route,
    usage::Used,
};
use crate::{
    config::ErrorFormat,
    error::{Hearer, Turned},
    gate::{Admission, Credential, Denial},
    signing::PublicKey,
    time::UnixTime,
};

/// What answers requests, for every connection.
pub(super) struct Desk {
    pub(super) live: Arc<Live>,
    pub(super) log: Arc<Log>,
    pub(super) metrics: Metrics,
    pub(super) used: Arc<Used>,
    pub(super) clock: fn() -> UnixTime,
    /// Whether the server is about to stop.
    pub(super) draining: AtomicBool,
}

pub(super) type Answer = Response<Full<Bytes>>;

/// How a request ended.
enum Outcome {
    /// It passes.
    Admitted(Box<Admission>),
    /// It gets what anybody may have.
    Told(Answer),
    /// It gets an error.
    Turned(Turned),
}

impl Desk {
    /// Answers a request. Its body is never read.
    pub(super) async fn answer<B>(&self, request: &Request<B>) -> Answer {
        let began = Instant::now();
        let now = (self.clock)();
        let settings = self.live.settings();
        let route = Route::of(request.uri().path());
        let mut outcome = self.outcome(request, route, &settings, now).await;
        let mut answer = match &mut outcome {
            Outcome::Admitted(admission) => admitted(admission),
            Outcome::Told(answer) => mem::take(answer),
            Outcome::Turned(turned) => turned_away(turned, route, settings.error_format),
        };
        let (decision, reason, id, namespace) = match &outcome {
            Outcome::Admitted(admission) => {
                let reason = if admission.id().is_some() { "valid" } else { "dev" };
                let namespace = admission.identity().namespace.as_str();
                ("allowed", reason, admission.id(), Some(namespace))
            }
            Outcome::Told(_) => ("answered", "public", None, None),
            Outcome::Turned(Turned::Denied(denial)) => {
                ("refused", denial.reason(), denial.id(), None)
            }
            Outcome::Turned(turned) => ("refused", turned.reason(), None, None),
        };
        if let Outcome::Admitted(admission) = &outcome
            && let Some(id) = admission.id()
        {
            self.used.note(id, now);
        }
        if settings.dev {
            answer.headers_mut().insert(DEV, HeaderValue::from_static("keys are not required"));
        }
        self.metrics.count(decision, reason, route.name());
        let entry = Entry {
            route: route.name(),
            id,
            namespace,
            decision,
            reason,
            status: answer.status().as_u16(),
            latency: began.elapsed(),
        };
        self.log.request(&entry, now);
        answer
    }

    async fn outcome<B>(
        &self,
        request: &Request<B>,
        route: Route,
        settings: &Settings,
        now: UnixTime,
    ) -> Outcome {
        let headers = request.headers();
        if headers.len() > MOST_HEADERS {
            return Outcome::Turned(Denial::Unclear { id: None }.into());
        }
        if settings.dev
            && let Err(turned) = guard(headers, request.uri(), settings)
        {
            return Outcome::Turned(turned);
        }
        let policy = match route {
            Route::Auth => Policy::of_query(request.uri().query()),
            Route::ExtAuthz if settings.dev => return Outcome::Turned(Turned::NotFound),
            Route::ExtAuthz => Policy::of_headers(headers),
            Route::None => return Outcome::Turned(Turned::NotFound),
            Route::Health | Route::Jwks | Route::Ready => {
                if !matches!(*request.method(), Method::GET | Method::HEAD) {
                    return Outcome::Turned(Turned::WrongMethod);
                }
                return match self.public(route, headers, now).await {
                    Ok(answer) => Outcome::Told(answer),
                    Err(turned) => Outcome::Turned(turned),
                };
            }
        };
        let judged = match policy {
            Ok(policy) => self.judge(headers, policy, settings, now).await,
            Err(denial) => Err(denial),
        };
        match judged {
            Ok(admission) => Outcome::Admitted(Box::new(admission)),
            Err(denial) => Outcome::Turned(denial.into()),
        }
    }

    async fn judge(
        &self,
        headers: &HeaderMap,
        policy: Policy,
        settings: &Settings,
        now: UnixTime,
    ) -> Result<Admission, Denial> {
        match credential(headers) {
            Credential::Absent if settings.dev => Admission::without_key(&policy.ask(headers)),
            Credential::Absent => Err(Denial::NoKey),
            Credential::Unclear => Err(Denial::Unclear { id: None }),
            Credential::Key(key) => self.live.gate().await?.admit(&key, &policy.ask(headers), now),
        }
    }

    /// What needs no key.
    async fn public(
        &self,
        route: Route,
        headers: &HeaderMap,
        now: UnixTime,
    ) -> Result<Answer, Turned> {
        match route {
            Route::Jwks => {
                let gate = self.live.gate().await?;
                let mut keys: Vec<_> = gate.verifier.ring.counting(now).collect();
                keys.sort_by_key(|key| key.kid().to_string());
                Ok(jwks(&keys, headers))
            }
            Route::Ready if self.draining.load(SeqCst) => Err(Denial::Undecided.into()),
            // Nobody may have asked for a while, so this looks for itself.
            Route::Ready => {
                let _: Arc<_> = self.live.gate().await?;
                let reads = self.live.standing().fault.is_none();
                Ok(json(StatusCode::OK, if reads { READY } else { READY_FOR_NOW }))
            }
            Route::Auth | Route::ExtAuthz | Route::Health | Route::None => {
                Ok(json(StatusCode::OK, HEALTHY))
            }
        }
    }
}

fn jwks(keys: &[&PublicKey], headers: &HeaderMap) -> Answer {
    let kids: Vec<_> = keys.iter().map(|key| key.kid().to_string()).collect();
    // A kid is a hash of its key, so these tell what is in the set.
    let tag = format!("\"{}\"", kids.join("."));
    let known = headers.get_all(header::IF_NONE_MATCH).iter().any(|line| {
        let tags = line.to_str().unwrap_or_default().split(',').map(str::trim);
        let mut tags = tags.map(|known| known.strip_prefix("W/").unwrap_or(known));
        tags.any(|known| known == tag || known == "*")
    });
    let mut answer = if known {
        let mut answer = Response::new(Full::default());
        *answer.status_mut() = StatusCode::NOT_MODIFIED;
        answer
    } else {
        json(StatusCode::OK, PublicKey::to_jwks(keys.iter().copied()))
    };
    let fields = answer.headers_mut();
    fields.insert(header::CACHE_CONTROL, HeaderValue::from_static("public, max-age=60"));
    if let Ok(tag) = tag.try_into() {
        fields.insert(header::ETAG, tag);
    }
    answer
}

/// Exactly 200, nothing else, and all of the identity.
fn admitted(admission: &Admission) -> Answer {
    let identity = admission.identity();
    let mut answer = Response::new(Full::default());
    let headers = answer.headers_mut();
    for (name, value) in [
        (KEY_ID, &identity.key_id),
        (NAMESPACE, &identity.namespace),
        (NAMESPACES, &identity.namespaces),
        (SCOPE, &identity.scope),
        (SUBJECT, &identity.subject),
        (EXPIRES, &identity.expires),
    ] {
        let value = HeaderValue::from_str(value).expect("our words are ASCII without controls");
        headers.insert(name, value);
    }
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    answer
}

fn turned_away(turned: &Turned, route: Route, format: ErrorFormat) -> Answer {
    let no_key = matches!(turned, Turned::Denied(denial) if **denial == Denial::NoKey);
    let mut ready = NO_KEY.iter().filter(|(ready, _)| no_key && *ready == format);
    ready.next().map_or_else(|| told(turned, route, format), |(_, answer)| answer.clone())
}

/// What a request without a key is answered is always the same, and nothing is answered more often:
/// so it is made once, in every format.
static NO_KEY: LazyLock<[(ErrorFormat, Answer); 3]> = LazyLock::new(|| {
    let no_key = Denial::NoKey.into();
    ErrorFormat::ALL.map(|format| (format, told(&no_key, Route::Auth, format)))
});

fn told(turned: &Turned, route: Route, format: ErrorFormat) -> Answer {
    let hearer = match route {
        Route::Auth | Route::ExtAuthz => Hearer::FrontEnd,
        Route::Health | Route::Jwks | Route::None | Route::Ready => Hearer::Client,
    };
    let told = turned.told(hearer, format);
    let status = StatusCode::from_u16(told.status).expect("every status is one of HTTP");
    let mut answer = json(status, told.body);
    let headers = answer.headers_mut();
    headers.insert(REASON, HeaderValue::from_static(told.code));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    if let Some(challenge) = told.challenge {
        let challenge = challenge.try_into().expect("scope words are ASCII without controls");
        headers.insert(header::WWW_AUTHENTICATE, challenge);
    }
    if *turned == Turned::WrongMethod {
        headers.insert(header::ALLOW, HeaderValue::from_static("GET, HEAD"));
    }
    answer
}

fn json(status: StatusCode, body: impl Into<Bytes>) -> Answer {
    let mut answer = Response::new(Full::new(body.into()));
    *answer.status_mut() = status;
    let json = HeaderValue::from_static("application/json");
    answer.headers_mut().insert(header::CONTENT_TYPE, json);
    answer
}

const KEY_ID: HeaderName = HeaderName::from_static("x-msb-key-id");
const NAMESPACE: HeaderName = HeaderName::from_static("x-msb-namespace");
const NAMESPACES: HeaderName = HeaderName::from_static("x-msb-namespaces");
const SCOPE: HeaderName = HeaderName::from_static("x-msb-scope");
const SUBJECT: HeaderName = HeaderName::from_static("x-msb-subject");
const EXPIRES: HeaderName = HeaderName::from_static("x-msb-expires");
const REASON: HeaderName = HeaderName::from_static("x-msb-reason");
const DEV: HeaderName = HeaderName::from_static("x-msb-dev");

/// How many lines of headers a request may have.
const MOST_HEADERS: usize = 64;

const HEALTHY: &str = r#"{"message":"Service is healthy"}"#;
const READY: &str = r#"{"message":"Service is ready"}"#;
const READY_FOR_NOW: &str = r#"{"message":"Service is ready, and cannot read its store"}"#;
