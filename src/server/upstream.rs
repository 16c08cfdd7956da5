//! What lies behind the proxy: connections to it, which are used again.

use std::{cell::RefCell, io, rc::Rc, time::Duration};

use hyper::{
    Request, Response,
    body::Incoming,
    client::conn::http1::{Builder, SendRequest},
    header::HeaderValue,
};
use hyper_util::rt::TokioIo;
use tokio::{
    net::TcpStream,
    task::spawn_local,
    time::{Instant, sleep_until, timeout},
};

use super::exchange::{Onward, Upload};
use crate::{
    config::{self, Host},
    error::{Turned, Unreadable},
};

/// What lies behind us, as one thread reaches it.
pub(super) struct Upstream {
    at: config::Upstream,
    /// What it is called in `Host`.
    pub(super) authority: HeaderValue,
    connect_within: Duration,
    answer_within: Duration,
    idle: RefCell<Vec<Idle>>,
}

/// A connection that is, or is about to be, without a request.
struct Idle {
    sender: SendRequest<Onward>,
    since: Instant,
}

/// The connection by which an answer comes.
pub(super) struct Line {
    upstream: Rc<Upstream>,
    sender: SendRequest<Onward>,
}

impl Line {
    /// It may be used again: the answer has come to its end.
    pub(super) fn hang_up(self) {
        let Self { upstream, sender } = self;
        let mut idle = upstream.idle.borrow_mut();
        if idle.len() < MOST_IDLE {
            idle.push(Idle { sender, since: Instant::now() });
        }
    }
}

impl Upstream {
    pub(super) fn new(server: &config::Server, at: config::Upstream) -> Self {
        let authority = format!("{}:{}", at.host, at.port);
        Self {
            authority: authority.try_into().expect("hosts and ports are ASCII without controls"),
            at,
            connect_within: server.connect_timeout,
            answer_within: server.answer_timeout,
            idle: RefCell::default(),
        }
    }

    /// Sends a request on, and waits for the head of its answer.
    pub(super) async fn ask(
        self: &Rc<Self>,
        mut request: Request<Onward>,
        upload: &Upload,
    ) -> Result<(Response<Incoming>, Line), Turned> {
        loop {
            let used = self.used();
            let fresh = used.is_none();
            let mut sender = match used {
                Some(sender) => sender,
                None => self.connect().await?,
            };
            let answer = tokio::select! {
                biased;
                answer = sender.try_send_request(request) => answer,
                () = self.too_late(upload) => return Err(Turned::UpstreamSlow),
            };
            match answer {
                Ok(answer) => return Ok((answer, Line { upstream: Rc::clone(self), sender })),
                Err(_) if upload.is_broken() => return Err(Turned::Unreadable(Unreadable::Body)),
                // It was closed in the meantime, and nothing of the request has gone out.
                Err(mut error) => match error.take_message() {
                    Some(unsent) if !fresh => request = unsent,
                    Some(_) | None => return Err(Turned::UpstreamDown),
                },
            }
        }
    }

    /// A connection that was used before and can be again.
    fn used(&self) -> Option<SendRequest<Onward>> {
        let mut idle = self.idle.borrow_mut();
        idle.retain(|idle| idle.since.elapsed() < IDLE_FOR && !idle.sender.is_closed());
        let ready = idle.iter().rposition(|idle| idle.sender.is_ready())?;
        Some(idle.swap_remove(ready).sender)
    }

    async fn connect(&self) -> Result<SendRequest<Onward>, Turned> {
        let port = self.at.port;
        let connect = async {
            match &self.at.host {
                Host::Address(address) => TcpStream::connect((*address, port)).await,
                Host::Name(name) => TcpStream::connect((name.as_str(), port)).await,
            }
        };
        let connected = timeout(self.connect_within, connect).await;
        let stream = connected.map_err(|_| Turned::UpstreamSlow)?;
        let stream = stream.map_err(|error| match error.kind() {
            io::ErrorKind::TimedOut => Turned::UpstreamSlow,
            _ => Turned::UpstreamDown,
        })?;
        let _ = stream.set_nodelay(true);
        let opened = Builder::new().handshake(TokioIo::new(stream)).await;
        let (sender, connection) = opened.map_err(|_| Turned::UpstreamDown)?;
        spawn_local(async move {
            // Whoever waits for an answer hears of what goes wrong.
            let _ = connection.with_upgrades().await;
        });
        Ok(sender)
    }

    /// Returns when nothing has moved for as long as an answer may take to begin.
    async fn too_late(&self, upload: &Upload) {
        let mut due = Instant::now() + self.answer_within;
        while due > Instant::now() {
            sleep_until(due).await;
            due = upload.moved() + self.answer_within;
        }
    }
}

/// For how long a connection without a request is kept: for less than most services do.
const IDLE_FOR: Duration = Duration::from_secs(1);

/// How many connections without a request a thread keeps.
const MOST_IDLE: usize = 64;
