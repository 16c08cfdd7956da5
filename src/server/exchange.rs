//! Bodies on their way, from a client to what lies behind us and back.

use std::{
    cell::Cell,
    error::Error,
    fmt,
    pin::Pin,
    rc::Rc,
    sync::Arc,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use http_body_util::{Either, Full};
use hyper::{
    Version,
    body::{Body, Frame, Incoming, SizeHint},
};
use tokio::time::Instant;

use super::{
    Settings,
    desk::Visit,
    hop,
    leave::{Leave, Watch},
    pulse::Pulse,
    upstream::Line,
};

/// The body of an answer: there before it was sent, or from behind us.
pub(super) type Answered = Either<Full<Bytes>, Box<Passed>>;

/// The body of a request that is sent on: judged as a whole, or going on as it comes.
pub(super) type Onward = Either<Full<Bytes>, Uploaded>;

/// How a request body fares.
pub(super) struct Upload {
    settings: Arc<Settings>,
    broken: Cell<bool>,
    waits: Cell<bool>,
    pulse: Arc<Pulse>,
    moved: Cell<Instant>,
}

impl Upload {
    pub(super) fn new(visit: &Visit, settings: &Arc<Settings>) -> Rc<Self> {
        Rc::new(Self {
            settings: Arc::clone(settings),
            broken: Cell::new(false),
            waits: Cell::new(false),
            pulse: Arc::clone(&visit.pulse),
            moved: Cell::new(Instant::now()),
        })
    }

    /// Whether it broke off on the side of the client.
    pub(super) fn is_broken(&self) -> bool {
        self.broken.get()
    }

    /// Whether it waits for the client.
    pub(super) fn waits(&self) -> bool {
        self.waits.get()
    }

    /// When a part of it last went on.
    pub(super) fn moved(&self) -> Instant {
        self.moved.get()
    }
}

/// A request body that goes on as it comes.
pub(super) struct Uploaded {
    body: Incoming,
    upload: Rc<Upload>,
}

impl Uploaded {
    pub(super) fn new(body: Incoming, upload: Rc<Upload>) -> Self {
        Self { body, upload }
    }
}

impl Body for Uploaded {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let Self { body, upload } = self.get_mut();
        let frame = Pin::new(&mut *body).poll_frame(cx);
        upload.waits.set(frame.is_pending());
        let mut frame = ready!(frame);
        if let Some(Ok(frame)) = &mut frame
            && let Some(trailers) = frame.trailers_mut()
        {
            hop::trail(trailers, &upload.settings.sources);
        }
        upload.moved.set(Instant::now());
        upload.broken.set(matches!(frame, Some(Err(_))));
        if frame.is_none() || body.is_end_stream() {
            upload.pulse.read_body();
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// An answer that comes from behind us.
pub(super) struct Passed {
    body: Incoming,
    /// Gone once it has come to its end.
    line: Option<Line>,
    /// Whether its client takes any end for the right one.
    old_client: bool,
    pulse: Arc<Pulse>,
    watch: Rc<Watch>,
}

impl Passed {
    /// The body of an answer to a client that speaks this version.
    pub(super) fn new(
        body: Incoming,
        leave: Leave,
        line: Line,
        visit: &Visit,
        version: Version,
    ) -> Self {
        let watch = Rc::clone(&visit.watch);
        watch.begin(leave);
        let (pulse, old_client) = (Arc::clone(&visit.pulse), version < Version::HTTP_11);
        Self { body, line: Some(line), old_client, pulse, watch }
    }

    /// The connection behind us is free once the answer has come to its end.
    fn hang_up(&mut self, ended: bool) {
        if (ended || self.body.is_end_stream())
            && let Some(line) = self.line.take()
        {
            line.hang_up();
        }
    }
}

impl Body for Passed {
    type Data = Bytes;
    type Error = Cut;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Cut>>> {
        let this = self.get_mut();
        let frame = Pin::new(&mut this.body).poll_frame(cx);
        this.hang_up(matches!(frame, Poll::Ready(None)));
        if this.old_client && matches!(frame, Poll::Ready(Some(Err(_)))) {
            this.pulse.cut();
        }
        frame.map_err(|_| Cut).map_ok(|mut frame| {
            if let Some(trailers) = frame.trailers_mut() {
                hop::trail(trailers, &[]);
            }
            frame
        })
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl Drop for Passed {
    fn drop(&mut self) {
        self.hang_up(false);
        self.watch.end();
        self.pulse.answered();
    }
}

/// An answer does not come to its end: what is behind us broke off.
#[derive(Debug)]
pub(super) struct Cut;

impl fmt::Display for Cut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the answer was cut off")
    }
}

impl Error for Cut {}
