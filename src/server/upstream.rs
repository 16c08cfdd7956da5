//! What lies behind the proxy: connections to it, which are used again.

use std::{cell::RefCell, fmt, io, rc::Rc, time::Duration};

use http_body_util::Either;
use hyper::{
    Request, Response, Version,
    body::{Body, Incoming},
    client::conn::http1::{Builder, SendRequest},
    header::{self, HeaderValue},
};
use hyper_util::rt::TokioIo;
use tokio::{
    net::TcpStream,
    task::{AbortHandle, spawn_local},
    time::{Instant, sleep, sleep_until, timeout},
};

use super::exchange::{Onward, Upload};
use crate::{
    config::{self, Host},
    error::{Turned, Unreadable},
    key::KeyId,
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

/// A connection; it ends when this is dropped.
struct Connection {
    sender: SendRequest<Onward>,
    carries: AbortHandle,
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.carries.abort();
    }
}

/// A connection that is, or is about to be, without a request.
struct Idle {
    connection: Connection,
    /// Whose requests it carried: an answer too many would go to nobody else.
    caller: Option<KeyId>,
    since: Instant,
}

impl Idle {
    fn is_fresh(&self) -> bool {
        self.since.elapsed() < IDLE_FOR && !self.connection.sender.is_closed()
    }
}

/// The connection by which an answer comes.
pub(super) struct Line {
    upstream: Rc<Upstream>,
    connection: Connection,
    caller: Option<KeyId>,
    /// Whether it may be used again.
    again: bool,
}

impl Line {
    /// The answer has come to its end.
    pub(super) fn hang_up(self) {
        let Self { upstream, connection, caller, again } = self;
        let mut idle = upstream.idle.borrow_mut();
        if again {
            // The first is the oldest.
            if idle.len() >= MOST_IDLE {
                idle.remove(0);
            }
            idle.push(Idle { connection, caller, since: Instant::now() });
        }
    }
}

/// Why there is no answer, and what is told to the log alone.
pub(super) struct Fault {
    pub(super) turned: Turned,
    pub(super) cause: Option<String>,
}

impl Fault {
    fn down(error: impl fmt::Display) -> Self {
        Self { turned: Turned::UpstreamDown, cause: Some(error.to_string()) }
    }
}

impl From<Turned> for Fault {
    fn from(turned: Turned) -> Self {
        Self { turned, cause: None }
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

    /// Ends connections that nobody has used for a while, for as long as the thread lives.
    pub(super) async fn tidy(self: Rc<Self>) {
        loop {
            sleep(IDLE_FOR / 2).await;
            self.idle.borrow_mut().retain(Idle::is_fresh);
        }
    }

    /// Sends a request of a caller on, and waits for the head of its answer.
    pub(super) async fn ask(
        self: &Rc<Self>,
        mut request: Request<Onward>,
        upload: &Upload,
        caller: Option<KeyId>,
    ) -> Result<(Response<Incoming>, Line), Fault> {
        // A body that nobody judged could be taken for the next request by who does not read it.
        let again = matches!(request.body(), Either::Left(_)) || request.body().is_end_stream();
        if !again {
            let close = HeaderValue::from_static("close");
            request.headers_mut().insert(header::CONNECTION, close);
        }
        loop {
            let used = self.used(caller);
            let fresh = used.is_none();
            let mut connection = match used {
                Some(connection) => connection,
                None => self.connect().await?,
            };
            let answer = tokio::select! {
                biased;
                answer = connection.sender.try_send_request(request) => answer,
                () = self.too_late(upload) => {
                    let client = Turned::Unreadable(Unreadable::Body);
                    let slow = if upload.waits() { client } else { Turned::UpstreamSlow };
                    return Err(slow.into());
                }
            };
            match answer {
                Ok(answer) => {
                    let upstream = Rc::clone(self);
                    // Who answers in HTTP/1.0 is spoken to in that, which has no chunks.
                    let again = again && answer.version() == Version::HTTP_11;
                    return Ok((answer, Line { upstream, connection, caller, again }));
                }
                Err(_) if upload.is_broken() => {
                    return Err(Turned::Unreadable(Unreadable::Body).into());
                }
                // It was closed in the meantime, and nothing of the request has gone out.
                Err(mut error) => match error.take_message() {
                    Some(unsent) if !fresh => request = unsent,
                    Some(_) | None => return Err(Fault::down(error.into_error())),
                },
            }
        }
    }

    /// A connection that this caller used before and can use again.
    fn used(&self, caller: Option<KeyId>) -> Option<Connection> {
        let mut idle = self.idle.borrow_mut();
        let ready = |idle: &Idle| {
            idle.caller == caller && idle.connection.sender.is_ready() && idle.is_fresh()
        };
        let ready = idle.iter().rposition(ready)?;
        Some(idle.remove(ready).connection)
    }

    async fn connect(&self) -> Result<Connection, Fault> {
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
            io::ErrorKind::TimedOut => Turned::UpstreamSlow.into(),
            _ => Fault::down(error),
        })?;
        let _ = stream.set_nodelay(true);
        let opened = Builder::new().handshake(TokioIo::new(stream)).await;
        let (sender, connection) = opened.map_err(Fault::down)?;
        let carries = spawn_local(async move {
            // Whoever waits for an answer hears of what goes wrong.
            let _ = connection.with_upgrades().await;
        });
        Ok(Connection { sender, carries: carries.abort_handle() })
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
