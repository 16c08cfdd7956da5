//! The desk: what is answered to a request.

use std::{
    net::IpAddr,
    rc::Rc,
    sync::{
        Arc, LazyLock,
        atomic::{AtomicBool, Ordering::SeqCst},
    },
};

use bytes::Bytes;
use http_body_util::{Either, Full};
use hyper::{
    HeaderMap, Method, Request, Response, StatusCode,
    body::Incoming,
    header::{self, HeaderName, HeaderValue},
};

use super::{
    Settings, entry::admit, exchange::Answered, guard::guard, head::Policy, hop, leave::Watch,
    listen::Slot, live::Live, log::Log, metrics::Metrics, pulse::Pulse, rate::Rates,
    record::Record, route::Route, upstream::Upstream, usage::Used,
};
use crate::{
    config::ErrorFormat,
    error::{Hearer, Turned, Unreadable},
    gate::{Admission, Denial},
    signing::PublicKey,
    time::UnixTime,
};

/// What answers requests, for every connection.
pub(super) struct Desk {
    pub(super) live: Arc<Live>,
    pub(super) log: Arc<Log>,
    pub(super) metrics: Metrics,
    pub(super) used: Arc<Used>,
    /// How often who asks without a key.
    pub(super) rates: Rates,
    pub(super) clock: fn() -> UnixTime,
    /// Whether the server is about to stop.
    pub(super) draining: AtomicBool,
}

/// Whose requests they are, as far as the connection tells.
pub(super) struct Visit {
    /// The other end.
    pub(super) peer: IpAddr,
    pub(super) pulse: Arc<Pulse>,
    pub(super) watch: Rc<Watch>,
    /// What lies behind us, if anything does.
    pub(super) upstream: Option<Rc<Upstream>>,
    /// Its place among the connections, for whoever outlives it.
    pub(super) slot: Rc<Slot>,
}

type Answer = Response<Full<Bytes>>;

/// How a request ended.
enum Outcome {
    /// It passes, says whoever was asked.
    Admitted(Box<Admission>),
    /// It was passed on, and this came back.
    Passed(Response<Answered>),
    /// It gets what anybody may have.
    Told(Answer),
    /// It gets an error.
    Turned(Turned, Hearer),
}

impl Desk {
    /// Answers a request.
    pub(super) async fn answer(
        self: &Arc<Self>,
        request: Request<Incoming>,
        visit: &Visit,
    ) -> Response<Answered> {
        let now = (self.clock)();
        let settings = self.live.settings();
        let route = Route::of(request.uri().path(), visit.upstream.is_some());
        let mut record = Record::new(self, route, now);
        let outcome = self.outcome(request, route, visit, &settings, &mut record).await;
        let mut answer = match outcome {
            Outcome::Admitted(admission) => {
                record.allowed(&admission);
                record.told(if admission.id().is_some() { "valid" } else { "dev" });
                admitted(&admission).map(Either::Left)
            }
            Outcome::Passed(answer) => answer,
            Outcome::Told(answer) => {
                record.public();
                answer.map(Either::Left)
            }
            Outcome::Turned(turned, hearer) => {
                record.turned(&turned);
                turned_away(&turned, &hearer, settings.error_format)
            }
        };
        if matches!(answer.body(), Either::Left(_)) {
            visit.pulse.answered();
        }
        if settings.dev {
            answer.headers_mut().insert(DEV, HeaderValue::from_static("keys are not required"));
        }
        record.sent(answer.status().as_u16());
        answer
    }

    async fn outcome(
        self: &Arc<Self>,
        request: Request<Incoming>,
        route: Route,
        visit: &Visit,
        settings: &Arc<Settings>,
        record: &mut Record,
    ) -> Outcome {
        let (headers, now) = (request.headers(), record.now());
        let hearer = match route {
            Route::Auth | Route::ExtAuthz => Hearer::FrontEnd,
            Route::Door(_) => Hearer::Rpc(None),
            Route::Health | Route::Jwks | Route::None | Route::Proxied | Route::Ready => {
                Hearer::Client
            }
        };
        if headers.len() > MOST_HEADERS {
            let turned = match hearer {
                Hearer::FrontEnd => Denial::Unclear { id: None }.into(),
                Hearer::Client | Hearer::Rpc(_) => Turned::Unreadable(Unreadable::Headers),
            };
            return Outcome::Turned(turned, hearer);
        }
        if settings.dev
            && let Err(turned) = guard(headers, request.uri(), settings)
        {
            return Outcome::Turned(turned, hearer);
        }
        let policy = match (route, &visit.upstream) {
            (Route::Auth, _) => Policy::of_query(request.uri().query()),
            (Route::ExtAuthz, _) if !settings.dev => Policy::of_headers(headers),
            (Route::Health | Route::Jwks | Route::Ready, _) => {
                if !matches!(*request.method(), Method::GET | Method::HEAD) {
                    return Outcome::Turned(Turned::WrongMethod { allow: "GET, HEAD" }, hearer);
                }
                return match self.public(route, headers, now).await {
                    Ok(answer) => Outcome::Told(answer),
                    Err(turned) => Outcome::Turned(turned, hearer),
                };
            }
            (Route::Door(_) | Route::Proxied, Some(upstream)) => {
                // Its state is large, and is not needed any more while an answer comes, which may
                // take hours.
                let passes = Box::pin(self.pass(request, visit, upstream, settings, record));
                return match passes.await {
                    Ok(answer) => Outcome::Passed(answer),
                    Err((turned, hearer)) => Outcome::Turned(turned, hearer),
                };
            }
            (Route::Door(_) | Route::ExtAuthz | Route::None | Route::Proxied, _) => {
                return Outcome::Turned(Turned::NotFound, hearer);
            }
        };
        let judged = match policy {
            Ok(policy) => self.judge(headers, policy, settings, now).await,
            Err(denial) => Err(denial),
        };
        match judged {
            Ok(admission) => Outcome::Admitted(Box::new(admission)),
            Err(denial) => Outcome::Turned(denial.into(), hearer),
        }
    }

    async fn judge(
        &self,
        headers: &HeaderMap,
        policy: Policy,
        settings: &Settings,
        now: UnixTime,
    ) -> Result<Admission, Denial> {
        let bearer = self.bearer(headers, settings, now).await?;
        let (admission, _) = admit(bearer, &policy.ask(headers, &settings.sources))?;
        Ok(admission)
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
            Route::Auth
            | Route::Door(_)
            | Route::ExtAuthz
            | Route::Health
            | Route::None
            | Route::Proxied => Ok(json(StatusCode::OK, HEALTHY)),
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
    let mut answer = Response::new(Full::default());
    let headers = answer.headers_mut();
    hop::stamp(headers, admission.identity());
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    answer
}

fn turned_away(turned: &Turned, hearer: &Hearer, format: ErrorFormat) -> Response<Answered> {
    let no_key = matches!(turned, Turned::Denied(denial) if **denial == Denial::NoKey);
    let usual = no_key && !matches!(hearer, Hearer::Rpc(_));
    let mut ready = NO_KEY.iter().filter(|(ready, _)| usual && *ready == format);
    let answer = ready.next().map(|(_, answer)| answer.clone());
    answer.unwrap_or_else(|| told(turned, hearer, format)).map(Either::Left)
}

/// What a request without a key is answered is always the same, and nothing is answered more often:
/// so it is made once, in every format.
static NO_KEY: LazyLock<[(ErrorFormat, Answer); 3]> = LazyLock::new(|| {
    let no_key = Denial::NoKey.into();
    ErrorFormat::ALL.map(|format| (format, told(&no_key, &Hearer::FrontEnd, format)))
});

fn told(turned: &Turned, hearer: &Hearer, format: ErrorFormat) -> Answer {
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
    if let Some(allow) = told.allow {
        headers.insert(header::ALLOW, HeaderValue::from_static(allow));
    }
    if let Some(secs) = told.retry_after {
        headers.insert(header::RETRY_AFTER, secs.into());
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

const REASON: HeaderName = HeaderName::from_static("x-msb-reason");
const DEV: HeaderName = HeaderName::from_static("x-msb-dev");

/// How many lines of headers a request may have.
const MOST_HEADERS: usize = 64;

const HEALTHY: &str = r#"{"message":"Service is healthy"}"#;
const READY: &str = r#"{"message":"Service is ready"}"#;
const READY_FOR_NOW: &str = r#"{"message":"Service is ready, and cannot read its store"}"#;
