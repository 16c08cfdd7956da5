//! The proxy: passes on what was let in, and what comes back.

use std::{rc::Rc, sync::Arc};

use http_body_util::{Either, Full};
use hyper::{
    Method, Request, Response, StatusCode, Uri, Version,
    body::{Body, Incoming},
    header::{self, HeaderValue},
    http::request::Parts,
    upgrade::{self, OnUpgrade},
};
use hyper_util::rt::TokioIo;
use tokio::{io::copy_bidirectional, task::spawn_local};

use super::{
    Settings,
    desk::{Desk, Visit},
    entry::Entered,
    exchange::{Answered, Passed},
    hop,
    leave::Leave,
    record::Record,
    route::Route,
    upstream::Upstream,
};
use crate::error::{Hearer, Turned};

impl Desk {
    /// Judges a request, and passes it on if it may.
    pub(super) async fn pass(
        self: &Arc<Self>,
        request: Request<Incoming>,
        visit: &Visit,
        upstream: &Rc<Upstream>,
        settings: &Arc<Settings>,
        record: &mut Record,
    ) -> Result<Response<Answered>, (Turned, Hearer)> {
        let (head, body) = request.into_parts();
        let entered = match Route::door(head.uri.path()) {
            Some(door) => self.enter_door(door, &head, body, visit, settings, record).await?,
            None => {
                let entered = self.enter(&head, body, visit, settings, record).await;
                entered.map_err(|turned| (turned, Hearer::Client))?
            }
        };
        let hearer = entered.hearer.clone();
        let answer = self.forward(head, entered, visit, upstream, settings, record).await;
        answer.map_err(|turned| (turned, hearer))
    }

    /// Passes on what was let in, and what comes back.
    async fn forward(
        self: &Arc<Self>,
        head: Parts,
        entered: Entered,
        visit: &Visit,
        upstream: &Rc<Upstream>,
        settings: &Settings,
        record: &mut Record,
    ) -> Result<Response<Answered>, Turned> {
        let Entered { admission, gate, body, upload, hearer, public } = entered;
        let switches = hop::switches(&head)?;
        // Nobody judges what is called by a websocket, nor where its request ends.
        if switches && (hearer != Hearer::Client || !body.is_end_stream()) {
            return Err(Turned::Upgrade);
        }
        let identity = admission.identity();
        let mut headers = hop::onward(&head.headers, identity, &settings.sources, public)?;
        headers.insert(header::HOST, upstream.authority.clone());
        if switches {
            hop::switch(&mut headers);
        }
        // hyper takes it that what asks with GET or HEAD has no body, unless it is told.
        if body.size_hint().exact().is_none() {
            headers.insert(header::TRANSFER_ENCODING, HeaderValue::from_static("chunked"));
        }
        let mut onward = Request::new(body);
        *onward.method_mut() = head.method.clone();
        *onward.uri_mut() = head.uri.path_and_query().cloned().map_or_else(Uri::default, Uri::from);
        *onward.headers_mut() = headers;
        let (caller, version) = (admission.id(), head.version);
        record.allowed(&admission);
        let mut leave = Leave::new(Arc::clone(self), admission, gate);
        let (mut answer, line) = tokio::select! {
            biased;
            answer = upstream.ask(onward, &upload, caller) => match answer {
                Ok(answer) => answer,
                Err(fault) => {
                    if let Some(cause) = fault.cause {
                        self.log.event("upstream_fault", &[("fault", &cause)]);
                    }
                    return Err(fault.turned);
                }
            },
            denial = leave.lost() => {
                leave.tell(&denial);
                return Err(denial.into());
            }
        };
        record.told(match caller {
            Some(_) => "valid",
            None if public => "public",
            None => "dev",
        });
        let status = answer.status();
        let switched = status == StatusCode::SWITCHING_PROTOCOLS;
        if switched && !(switches && hop::is_websocket(answer.headers())) {
            return Err(Turned::UpstreamDown);
        }
        hop::homeward(answer.headers_mut(), &upstream.authority);
        *answer.version_mut() = Version::HTTP_11;
        if switched {
            hop::switch(answer.headers_mut());
            let client = upgrade::on(Request::from_parts(head, ()));
            let tunnel = tunnel(client, upgrade::on(&mut answer));
            let (connection, pulse) = (Rc::clone(&visit.slot), Arc::clone(&visit.pulse));
            spawn_local(async move {
                tokio::select! {
                    () = tunnel => {}
                    denial = leave.lost() => {
                        pulse.cut();
                        leave.tell(&denial);
                    }
                }
                drop((connection, line));
            });
            return Ok(answer.map(|_| Either::Left(Full::default())));
        }
        // A body is as long as it turns out to be; where there is none, its length is told.
        if head.method != Method::HEAD && status != StatusCode::NOT_MODIFIED {
            answer.headers_mut().remove(header::CONTENT_LENGTH);
        }
        let passed = |body| Passed::new(body, leave, line, visit, version);
        Ok(answer.map(|body| Either::Right(Box::new(passed(body)))))
    }
}

/// Carries the bytes of a websocket in both directions. Whoever hangs up says so by hanging up.
async fn tunnel(client: OnUpgrade, upstream: OnUpgrade) {
    if let (Ok(client), Ok(upstream)) = (client.await, upstream.await) {
        let (mut client, mut upstream) = (TokioIo::new(client), TokioIo::new(upstream));
        let _ = copy_bidirectional(&mut client, &mut upstream).await;
    }
}
