//! Who gets in where something lies behind us: by path and key, or by what a body calls.

use std::{error::Error, rc::Rc, sync::Arc, time::Duration};

use bytes::{Bytes, BytesMut};
use http_body_util::{BodyExt, Either, Full, LengthLimitError, Limited};
use hyper::{
    HeaderMap, Method, Version,
    body::{Body, Incoming},
    header::{self, HeaderName},
    http::request::Parts,
};
use tokio::time::timeout;

use super::{
    Settings,
    desk::{Desk, Visit},
    exchange::{Onward, Upload, Uploaded},
    guard::guard,
    head::{Policy, Twice, credential, only},
    path::{Ambiguous, Plain},
    rate,
    record::Record,
};
use crate::{
    config::Access,
    error::{Hearer, Turned, Unreadable},
    gate::{Admission, Ask, Credential, Denial, Gate},
    key::KeyId,
    rpc::{self, Door, NotCalls, Said},
    time::UnixTime,
    verify::VerifiedKey,
};

/// A request that was let in.
pub(super) struct Entered {
    pub(super) admission: Admission,
    /// By what it was judged.
    pub(super) gate: Option<Arc<Gate>>,
    pub(super) body: Onward,
    pub(super) upload: Rc<Upload>,
    pub(super) hearer: Hearer,
    pub(super) public: bool,
}

/// A key that holds, and by what that was judged; none where none is needed.
pub(super) type Bearer = Option<(VerifiedKey, Arc<Gate>)>;

impl Desk {
    /// Lets a request in by its path and its key.
    pub(super) async fn enter(
        &self,
        head: &Parts,
        body: Incoming,
        visit: &Visit,
        settings: &Arc<Settings>,
        record: &mut Record,
    ) -> Result<Entered, Turned> {
        let headers = &head.headers;
        check_head(head)?;
        if matches!(head.method, Method::CONNECT | Method::TRACE) {
            return Err(Turned::WrongMethod {
                allow: "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS",
            });
        }
        let path = head.uri.path();
        let unreadable = |Ambiguous| Turned::Unreadable(Unreadable::Path);
        let plain = Plain::of(path).map_err(unreadable)?;
        let route = plain.route(&settings.routes, head.method.as_str()).map_err(unreadable)?;
        let upload = Upload::new(visit, settings);
        let body = Either::Right(Uploaded::new(body, Rc::clone(&upload)));
        let entered = |admission, gate, public| Entered {
            admission,
            gate,
            body,
            upload,
            hearer: Hearer::Client,
            public,
        };
        let policy = match route.map(|route| (&route.access, &route.path)) {
            None => Ok(Policy::default()),
            Some((Access::Key { namespace, scope }, pattern)) => {
                Policy::of_route(namespace.as_ref(), scope.as_ref(), pattern, path)
            }
            Some((Access::Public, _)) => {
                guard(headers, &head.uri, settings)?;
                let client = rate::client(visit.peer, headers, &settings.trusted_proxies);
                let taken = self.rates.take(client, settings.public_rate, self.live.uptime());
                taken.map_err(|wait| Turned::TooOften { wait })?;
                return Ok(entered(Admission::public(), None, true));
            }
        };
        let bearer = self.bearer(headers, settings, record.now()).await?;
        record.bears(id(&bearer));
        let (admission, gate) = admit(bearer, &policy?.ask(headers, &settings.sources))?;
        Ok(entered(admission, gate, false))
    }

    /// Lets calls in, each of which is judged.
    pub(super) async fn enter_door(
        &self,
        door: Door,
        head: &Parts,
        body: Incoming,
        visit: &Visit,
        settings: &Arc<Settings>,
        record: &mut Record,
    ) -> Result<Entered, (Turned, Hearer)> {
        let nameless = |turned: Turned| (turned, Hearer::Rpc(None));
        check_head(head).map_err(nameless)?;
        let has_calls = match (door, &head.method) {
            (_, &Method::POST) => true,
            (Door::Mcp, &Method::GET | &Method::DELETE) => false,
            (Door::Mcp, _) => {
                return Err(nameless(Turned::WrongMethod { allow: "GET, POST, DELETE" }));
            }
            (Door::Rpc, _) => return Err(nameless(Turned::WrongMethod { allow: "POST" })),
        };
        // Whoever has no key that holds sends us no body.
        let bearer = self.bearer(&head.headers, settings, record.now()).await;
        let bearer = bearer.map_err(|denial| nameless(denial.into()))?;
        record.bears(id(&bearer));
        let (body, calls) = if has_calls {
            let body = whole(head, body, settings.rpc_body).await.map_err(nameless)?;
            visit.pulse.read_body();
            let said = said(&head.headers).map_err(|why| nameless(Turned::NotCalls(why)))?;
            let calls = rpc::calls(&body, door, &said);
            let named = |(why, id)| (Turned::NotCalls(why), Hearer::Rpc(id));
            (body, Some(calls.map_err(named)?))
        } else if MCP_SAID.iter().any(|name| head.headers.contains_key(name)) {
            return Err(nameless(Turned::NotCalls(NotCalls::Contradicted)));
        } else if body.is_end_stream() {
            (Bytes::new(), None)
        } else {
            return Err(nameless(Turned::Unreadable(Unreadable::Body)));
        };
        let hearer = Hearer::Rpc(calls.as_ref().and_then(|calls| calls.id().cloned()));
        let denied = |denial: Denial| (denial.into(), hearer.clone());
        let ask = match calls {
            Some(calls) => {
                let elsewhere = Policy::default().ask(&head.headers, &settings.sources);
                calls.ask(&elsewhere.namespaces)
            }
            None => Policy::anything().ask(&head.headers, &settings.sources),
        };
        // It may have taken a while to come.
        let bearer = self.still(bearer).await.map_err(denied)?;
        let (admission, gate) = admit(bearer, &ask).map_err(denied)?;
        let upload = Upload::new(visit, settings);
        let body = Either::Left(Full::new(body));
        Ok(Entered { admission, gate, body, upload, hearer, public: false })
    }

    /// The key of a request, if it holds, whatever it opens.
    pub(super) async fn bearer(
        &self,
        headers: &HeaderMap,
        settings: &Settings,
        now: UnixTime,
    ) -> Result<Bearer, Denial> {
        match credential(headers) {
            Credential::Absent if settings.dev => Ok(None),
            Credential::Absent => Err(Denial::NoKey),
            Credential::Unclear => Err(Denial::Unclear { id: None }),
            Credential::Key(key) => {
                let gate = self.live.gate().await?;
                Ok(Some((gate.check(&key, now)?, gate)))
            }
        }
    }

    /// The same key, if it still holds.
    async fn still(&self, bearer: Bearer) -> Result<Bearer, Denial> {
        let Some((key, before)) = bearer else { return Ok(None) };
        let (gate, now) = (self.live.gate().await?, (self.clock)());
        let over = key.ends(&gate.verifier.ring).is_some_and(|ends| ends <= now);
        if Arc::ptr_eq(&gate, &before) && !over {
            return Ok(Some((key, gate)));
        }
        Ok(Some((gate.check_again(key, now)?, gate)))
    }
}

/// Whose key it is.
fn id(bearer: &Bearer) -> Option<KeyId> {
    bearer.as_ref().map(|(key, _)| key.claims().jti)
}

/// Lets in whoever bears a key that opens what is asked for.
pub(super) fn admit(bearer: Bearer, ask: &Ask) -> Result<(Admission, Option<Arc<Gate>>), Denial> {
    match bearer {
        Some((key, gate)) => Ok((gate.enter(key, ask)?, Some(gate))),
        None => Ok((Admission::without_key(ask)?, None)),
    }
}

/// There is one `Host`, as HTTP/1.1 has it (RFC 9112 section 3.2), and the body is coded in no way
/// but in chunks, once (section 6.1): any other coding would be taken off in name only.
fn check_head(head: &Parts) -> Result<(), Turned> {
    let coding = only(&head.headers, header::TRANSFER_ENCODING);
    let chunked = |coding: &[u8]| coding.eq_ignore_ascii_case(b"chunked");
    if !coding.is_ok_and(|coding| coding.is_none_or(chunked)) {
        return Err(Turned::Unreadable(Unreadable::Body));
    }
    match only(&head.headers, header::HOST) {
        Ok(Some(_)) => Ok(()),
        Ok(None) if head.version < Version::HTTP_11 => Ok(()),
        Ok(None) | Err(Twice) => Err(Turned::Unreadable(Unreadable::Host)),
    }
}

/// What the head says about the calls in the body.
fn said(headers: &HeaderMap) -> Result<Said<'_>, NotCalls> {
    let text = |name| match only(headers, name) {
        Ok(value) => value.map(str::from_utf8).transpose().map_err(|_| NotCalls::Contradicted),
        Err(Twice) => Err(NotCalls::Contradicted),
    };
    Ok(Said { method: text(MCP_METHOD)?, name: text(MCP_NAME)?, namespace: text(MCP_NAMESPACE)? })
}

/// Reads a body that is plain JSON, to its end.
async fn whole(head: &Parts, body: Incoming, most: usize) -> Result<Bytes, Turned> {
    let headers = &head.headers;
    let media = only(headers, header::CONTENT_TYPE).ok().flatten().is_some_and(is_json);
    if !media || headers.contains_key(header::CONTENT_ENCODING) {
        return Err(Turned::Unreadable(Unreadable::Media));
    }
    if body.size_hint().lower() > most as u64 {
        return Err(Turned::Unreadable(Unreadable::TooLong));
    }
    let gathered = async {
        let mut body = Limited::new(body, most);
        // Not as the parts in which it comes: each may be a byte, and take many.
        let mut whole = BytesMut::with_capacity(body.size_hint().lower() as usize);
        while let Some(frame) = body.frame().await {
            if let Some(part) = frame?.data_ref() {
                whole.extend_from_slice(part);
            }
        }
        Ok(whole.freeze())
    };
    match timeout(BODY_WITHIN, gathered).await {
        Ok(Ok(body)) => Ok(body),
        Ok(Err::<_, Box<dyn Error + Send + Sync>>(error)) if error.is::<LengthLimitError>() => {
            Err(Turned::Unreadable(Unreadable::TooLong))
        }
        Ok(Err(_)) | Err(_) => Err(Turned::Unreadable(Unreadable::Body)),
    }
}

/// `application/json`, perhaps with `charset=utf-8` (RFC 8259 section 8.1, RFC 9110 section 8.3.1).
fn is_json(media: &[u8]) -> bool {
    if media == b"application/json" {
        return true;
    }
    let media = String::from_utf8_lossy(media).to_ascii_lowercase();
    let (kind, parameters) = media.split_once(';').unwrap_or((&media, "charset=utf-8"));
    let charset = parameters.trim();
    kind.trim() == "application/json" && matches!(charset, "charset=utf-8" | "charset=\"utf-8\"")
}

const MCP_SAID: [HeaderName; 3] = [MCP_METHOD, MCP_NAME, MCP_NAMESPACE];
const MCP_METHOD: HeaderName = HeaderName::from_static("mcp-method");
const MCP_NAME: HeaderName = HeaderName::from_static("mcp-name");
const MCP_NAMESPACE: HeaderName = HeaderName::from_static("mcp-param-namespace");

/// How long the body of calls may take to come.
const BODY_WITHIN: Duration = Duration::from_secs(30);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_are_plain_json() {
        for media in [
            "application/json",
            "Application/JSON",
            "application/json; charset=utf-8",
            "application/json;charset=UTF-8",
            "application/json ; charset=\"utf-8\"",
        ] {
            assert!(is_json(media.as_bytes()), "{media}");
        }
        for media in [
            "",
            "text/json",
            "application/jsonp",
            "application/json; charset=utf-16",
            "application/json; charset=utf-8; a=b",
            "application/json;",
            "application/json, text/plain",
            "application/mcp+json",
        ] {
            assert!(!is_json(media.as_bytes()), "{media}");
        }
    }
}
