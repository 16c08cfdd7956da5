//! What is counted, in the words of Prometheus: by decision, reason and route, never by key,
//! namespace or path.

use std::{
    collections::BTreeMap,
    convert::Infallible,
    fmt::Write,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use bytes::Bytes;
use http_body_util::Full;
use hyper::{
    Method, Request, Response, StatusCode,
    body::Incoming,
    header::{self, HeaderValue},
    server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::TokioIo;
use tokio::{
    net::TcpListener,
    sync::Semaphore,
    time::{sleep, timeout},
};

use super::{desk::Desk, live::Standing};

/// How many requests were answered how, and how many connections there are.
#[derive(Default)]
pub(super) struct Metrics {
    counts: Mutex<BTreeMap<[&'static str; 3], u64>>,
    open: AtomicUsize,
}

/// A connection, which is counted until dropped.
pub(super) struct Open(Arc<Desk>);

impl Drop for Open {
    fn drop(&mut self) {
        self.0.metrics.open.fetch_sub(1, Relaxed);
    }
}

impl Desk {
    /// Counts a connection.
    pub(super) fn open(self: &Arc<Self>) -> Open {
        self.metrics.open.fetch_add(1, Relaxed);
        Open(Arc::clone(self))
    }
}

impl Metrics {
    /// Counts a request.
    pub(super) fn count(&self, decision: &'static str, reason: &'static str, route: &'static str) {
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        *counts.entry([decision, reason, route]).or_default() += 1;
    }

    /// Everything, in the text format of Prometheus.
    pub(super) fn told(&self, standing: &Standing, up: Duration) -> String {
        let mut text = "# HELP msb_requests_total Requests that were answered.\n\
                        # TYPE msb_requests_total counter\n"
            .to_owned();
        let counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let connections = self.open.load(Relaxed);
        for ([decision, reason, route], count) in counts {
            let _ = writeln!(
                text,
                "msb_requests_total{{decision=\"{decision}\",reason=\"{reason}\",route=\"{route}\"}} {count}",
            );
        }
        let gauges = [
            ("msb_ready", "Whether keys can be checked.", f64::from(u8::from(standing.decides))),
            (
                "msb_store_fault",
                "Whether what is kept cannot be read now.",
                f64::from(u8::from(standing.fault.is_some())),
            ),
            ("msb_trust_age_seconds", "How old trust is.", standing.age.as_secs_f64()),
            ("msb_trust_seq", "The last change of trust that is known.", standing.seq as f64),
            ("msb_connections", "Open connections.", connections as f64),
            ("msb_up_seconds", "How long the server has been running.", up.as_secs_f64()),
        ];
        for (name, help, value) in gauges {
            let _ = writeln!(text, "# HELP {name} {help}\n# TYPE {name} gauge\n{name} {value}");
        }
        text
    }
}

/// Serves what is counted, and nothing else.
pub(super) async fn serve(listener: std::net::TcpListener, desk: Arc<Desk>) {
    let listener = listener.set_nonblocking(true).and_then(|()| TcpListener::from_std(listener));
    let listener = listener.expect("a listener of ours, in a runtime");
    let few = Arc::new(Semaphore::new(FEW));
    let began = Instant::now();
    loop {
        let Ok(permit) = Arc::clone(&few).acquire_owned().await else { return };
        let Ok((stream, _)) = listener.accept().await else {
            sleep(Duration::from_millis(50)).await;
            continue;
        };
        let desk = Arc::clone(&desk);
        tokio::spawn(async move {
            let service = service_fn(async |request: Request<Incoming>| {
                Ok::<_, Infallible>(answer(&request, &desk, began.elapsed()))
            });
            let served = http1::Builder::new()
                .keep_alive(false)
                .serve_connection(TokioIo::new(stream), service);
            let _ = timeout(PATIENCE, served).await;
            drop(permit);
        });
    }
}

fn answer<B>(request: &Request<B>, desk: &Desk, up: Duration) -> Response<Full<Bytes>> {
    let found = request.uri().path() == "/metrics" && request.method() == Method::GET;
    if !found {
        let mut answer = Response::new(Full::from("only GET /metrics\n"));
        *answer.status_mut() = StatusCode::NOT_FOUND;
        return answer;
    }
    let told = desk.metrics.told(&desk.live.standing(), up);
    let mut answer = Response::new(Full::from(told));
    let text = HeaderValue::from_static("text/plain; version=0.0.4");
    answer.headers_mut().insert(header::CONTENT_TYPE, text);
    answer
}

/// How many may ask at once.
const FEW: usize = 16;

/// How long one may take.
const PATIENCE: Duration = Duration::from_secs(10);
