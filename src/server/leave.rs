//! Leave to go on: it is judged again for as long as an exchange is open.

use std::{
    cell::RefCell,
    future::{pending, poll_fn},
    mem,
    pin::Pin,
    sync::Arc,
    task::Poll,
    time::Duration,
};

use tokio::time::sleep;

use super::desk::Desk;
use crate::gate::{Admission, Denial, Gate};

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

    /// An answer begins.
    pub(super) fn begin(&self, leave: Leave) {
        *self.0.borrow_mut() = Carried::Begun(Box::new(leave));
    }

    /// The answer has come to its end.
    pub(super) fn end(&self) {
        *self.0.borrow_mut() = Carried::Nothing;
    }
}

/// How often it is looked whether leave has ended, at least.
const LOOKS_AT_CLOCK: Duration = Duration::from_secs(5);

/// How often that is in the last second.
const LAST_SECOND_IN: Duration = Duration::from_millis(100);
