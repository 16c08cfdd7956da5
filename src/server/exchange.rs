//! An exchange with what lies behind us: bodies on their way, and the leave under which they are.

use std::{
    cell::{Cell, RefCell},
    error::Error,
    future::{pending, poll_fn},
    mem,
    pin::Pin,
    rc::Rc,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::Bytes;
use http_body_util::Full;
use hyper::body::{Body, Frame, Incoming, SizeHint};
use tokio::time::{Instant, sleep};

use super::{
    Settings,
    desk::{Desk, Visit},
    hop,
    pulse::Pulse,
    upstream::Line,
};
use crate::gate::{Admission, Denial, Gate};

/// The body of an answer.
pub(super) enum Answered {
    /// It was there before it was sent.
    Whole(Full<Bytes>),
    /// It comes from behind us.
    Passed(Box<Passed>),
}

/// The body of a request that is sent on.
pub(super) enum Onward {
    /// It was judged as a whole.
    Whole(Full<Bytes>),
    /// It goes on as it comes.
    Passed(Incoming, Rc<Upload>),
}

impl From<Full<Bytes>> for Answered {
    fn from(body: Full<Bytes>) -> Self {
        Self::Whole(body)
    }
}

/// How a request body fares.
pub(super) struct Upload {
    settings: Arc<Settings>,
    broken: Cell<bool>,
    ended: Cell<bool>,
    moved: Cell<Instant>,
}

impl Upload {
    /// One that has or has not come to its end already.
    pub(super) fn new(ended: bool, settings: Arc<Settings>) -> Rc<Self> {
        let (ended, moved) = (Cell::new(ended), Cell::new(Instant::now()));
        Rc::new(Self { settings, broken: Cell::new(false), ended, moved })
    }

    /// Whether it broke off on the side of the client.
    pub(super) fn is_broken(&self) -> bool {
        self.broken.get()
    }

    /// When a part of it last went on.
    pub(super) fn moved(&self) -> Instant {
        self.moved.get()
    }
}

impl Body for Onward {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        match self.get_mut() {
            Self::Whole(body) => Pin::new(body).poll_frame(cx).map_err(|never| match never {}),
            Self::Passed(body, upload) => {
                let mut frame = ready!(Pin::new(&mut *body).poll_frame(cx));
                if let Some(Ok(frame)) = &mut frame
                    && let Some(trailers) = frame.trailers_mut()
                {
                    hop::trail(trailers, &upload.settings.sources);
                }
                upload.moved.set(Instant::now());
                upload.broken.set(matches!(frame, Some(Err(_))));
                upload.ended.set(frame.is_none() || body.is_end_stream());
                Poll::Ready(frame)
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Whole(body) => body.is_end_stream(),
            Self::Passed(body, _) => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Whole(body) => body.size_hint(),
            Self::Passed(body, _) => body.size_hint(),
        }
    }
}

/// Leave to go on, which is judged again when there is something else to judge by, and when it
/// ends.
pub(super) struct Leave {
    desk: Arc<Desk>,
    admission: Admission,
    /// By what it was judged last.
    judged_by: Option<Arc<Gate>>,
}

impl Leave {
    pub(super) fn new(desk: Arc<Desk>, admission: Admission, judged_by: Option<Arc<Gate>>) -> Self {
        Self { desk, admission, judged_by }
    }

    /// Returns when it is lost, and why.
    pub(super) async fn lost(&mut self) -> Denial {
        if self.admission.id().is_none() {
            return pending().await;
        }
        let mut changes = self.desk.live.changes();
        loop {
            let known = self.desk.live.known();
            let same = match (&known, &self.judged_by) {
                (Some(known), Some(before)) => Arc::ptr_eq(known, before),
                (Some(_), None) | (None, _) => false,
            };
            let now = (self.desk.clock)();
            let over = self.admission.ends().is_some_and(|ends| ends <= now);
            if !same || over {
                let Some(gate) = known else { return Denial::Undecided };
                if let Err(denial) = self.admission.again(&gate, now) {
                    return denial;
                }
                self.judged_by = Some(gate);
            }
            let ends = self.admission.ends().map(|ends| now.until(ends));
            let sleeps = async {
                match ends {
                    // The clock tells whole seconds, and may be set in between.
                    Some(secs) => {
                        let before = Duration::from_secs(secs.saturating_sub(1));
                        sleep(before.clamp(LAST_SECOND_IN, LOOKS_AT_CLOCK)).await;
                    }
                    None => pending().await,
                }
            };
            tokio::select! {
                _ = changes.changed() => {}
                () = sleeps => {}
            }
        }
    }

    /// Tells the log that an exchange was cut.
    pub(super) fn tell(&self, denial: &Denial) {
        let id = self.admission.id().map_or("-".to_owned(), |id| id.to_string());
        self.desk.log.event("cut", &[("key_id", &id), ("reason", denial.reason())]);
    }
}

/// Whether there still is leave for what a connection carries. Whoever reads slowly is cut as well,
/// so the connection looks, not the answer.
#[derive(Default)]
pub(super) struct Watch(RefCell<Carried>);

/// What a connection carries, as far as there must be leave for it.
#[derive(Default)]
enum Carried {
    #[default]
    Nothing,
    /// An answer that began a moment ago: most are over before anybody looks.
    Begun(Box<Leave>),
    /// One that goes on; this ends when leave does.
    GoesOn(Pin<Box<dyn Future<Output = ()>>>),
}

impl Watch {
    /// Returns when there is no leave any more for what is carried. To be asked whenever the
    /// connection has been served.
    pub(super) async fn lost(&self) {
        poll_fn(|cx| {
            let mut carried = self.0.borrow_mut();
            if let Carried::Begun(_) = *carried
                && let Carried::Begun(mut leave) = mem::take(&mut *carried)
            {
                *carried = Carried::GoesOn(Box::pin(async move {
                    let denial = leave.lost().await;
                    leave.tell(&denial);
                }));
            }
            match &mut *carried {
                Carried::Nothing | Carried::Begun(_) => Poll::Pending,
                Carried::GoesOn(lost) => lost.as_mut().poll(cx),
            }
        })
        .await;
    }

    fn carry(&self, carried: Carried) {
        *self.0.borrow_mut() = carried;
    }
}

/// An answer that comes from behind us.
pub(super) struct Passed {
    body: Incoming,
    line: Option<Line>,
    upload: Rc<Upload>,
    pulse: Arc<Pulse>,
    watch: Rc<Watch>,
}

impl Passed {
    pub(super) fn new(
        body: Incoming,
        leave: Leave,
        line: Line,
        upload: Rc<Upload>,
        visit: &Visit,
    ) -> Self {
        let watch = Rc::clone(&visit.watch);
        watch.carry(Carried::Begun(Box::new(leave)));
        Self { body, line: Some(line), upload, pulse: Arc::clone(&visit.pulse), watch }
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
        self.watch.carry(Carried::Nothing);
        self.pulse.answered(self.upload.ended.get());
    }
}

impl Body for Answered {
    type Data = Bytes;
    type Error = Cut;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Cut>>> {
        match self.get_mut() {
            Self::Whole(body) => Pin::new(body).poll_frame(cx).map_err(|never| match never {}),
            Self::Passed(body) => Pin::new(body.as_mut()).poll_frame(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Whole(body) => body.is_end_stream(),
            Self::Passed(body) => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Whole(body) => body.size_hint(),
            Self::Passed(body) => body.size_hint(),
        }
    }
}

/// An answer does not come to its end: what is behind us broke off.
#[derive(Debug)]
pub(super) struct Cut;

impl std::fmt::Display for Cut {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("the answer was cut off")
    }
}

impl Error for Cut {}

/// How often it is looked whether leave has ended, at least.
const LOOKS_AT_CLOCK: Duration = Duration::from_secs(5);

/// How often that is in the last second.
const LAST_SECOND_IN: Duration = Duration::from_millis(100);
