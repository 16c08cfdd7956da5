//! Proxy: what it costs to pass on what is long, beside nginx; and streams, how much memory they
//! take, and how soon a reset cuts them.

use std::{
    net::SocketAddr,
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    runtime::Builder,
    sync::Semaphore,
    task::JoinSet,
    time::{timeout, timeout_at},
};

use crate::{
    Extent,
    figure::{Figures, compare, median, quantile},
    load::{Ask, Line},
    process::{self, Msb, Nginx, Scratch, Server},
    service::{EVENTS, GIVE},
};

pub fn measure(scratch: &Scratch, extent: &Extent, figures: &mut Figures) {
    let service = Server::play(process::SERVICE, &[]);
    transfers(scratch, &service, extent, figures);
    streams(scratch, &service, extent, figures);
}

/// A long answer and a long request, beside nginx.
fn transfers(scratch: &Scratch, service: &Server, extent: &Extent, figures: &mut Figures) {
    if Nginx::version().is_none() {
        println!("SKIPPED proxy, transfers: nginx is not installed");
        return;
    }
    let Extent { transfers, length, .. } = *extent;
    println!("proxy: {transfers} transfers of {} MiB, each way", length >> 20);
    let msb = Msb::new(scratch, "transfers");
    let ours = msb.start_before(service);
    let servers = [
        &ours,
        &Nginx::start_before(scratch, service, true),
        &Nginx::start_before(scratch, service, false),
    ];
    let key = msb.key(&ALL);
    let down = Ask::new(&format!("{GIVE}{length}"), Some(&key), 200);
    let up = Ask::upload(length, &key);
    for (way, ask) in [("down", &down), ("up", &up)] {
        let mut costs = servers.map(|_| vec![]);
        let [before, _] = ours.memory();
        ours.forget_peak();
        for _ in 0..transfers {
            for (server, costs) in servers.iter().zip(&mut costs) {
                let began = server.processor_time();
                let mut line = Line::open(server.address).unwrap();
                assert_eq!(line.ask(ask).unwrap(), 200);
                costs.push((server.processor_time() - began).as_secs_f64() * 1e3);
            }
        }
        let names = ["msb", "nginx", "nginx without buffering"];
        let size = format!("{} MiB {way}", length >> 20);
        for (name, costs) in names.iter().zip(&costs) {
            let more = format!("p25 {:.0}", quantile(costs, 0.25));
            figures.add(&format!("ms, {size}, {name}"), "", format!("{:.0}", median(costs)), more);
        }
        let [msb, peers @ ..] = &costs;
        for (name, peer) in names[1..].iter().zip(peers) {
            compare(&format!("{size} / {name}"), "1.20", msb, peer, figures);
        }
        let more = format!("{before:.1} before");
        let what = format!("MiB at most, {size}");
        figures.add(&what, "", format!("{:.1}", ours.peak()), more);
    }
}

/// Streams that are open at once, and a reset.
fn streams(scratch: &Scratch, service: &Server, extent: &Extent, figures: &mut Figures) {
    let count = extent.streams.min(process::room_for_streams());
    println!("proxy: {} resets with {count} streams", extent.resets);
    if count < extent.streams {
        println!("  {} have no room in the limit on open files", extent.streams);
    }
    let msb = Msb::new(scratch, "streams");
    let runtime = Builder::new_current_thread().enable_all().build().unwrap();
    let [mut open, mut peaks, mut since_start, mut since_return, mut spent] = [const { vec![] }; 5];
    let mut before = 0.0;
    let mut left = 0;
    for round in 0..extent.resets {
        let key = msb.key(&ALL);
        let server = msb.start_before(service);
        [before, _] = server.memory();
        let ask = Ask::new(EVENTS, Some(&key), 200);
        let streams = runtime.block_on(open_streams(server.address, ask, count));
        // What it took to open them may go.
        thread::sleep(Duration::from_secs(1));
        open.push(server.memory()[0]);
        let before_cut = server.processor_time();
        let (began, took, ends) = thread::scope(|scope| {
            let began = Instant::now();
            let reset = scope.spawn(|| msb.run(&["server", "start", "--reset-key"]));
            let ends = runtime.block_on(ends(streams, began + PATIENCE));
            (began, reset.join().unwrap(), ends)
        });
        spent.push((server.processor_time() - before_cut).as_secs_f64() * 1e3);
        left += count - ends.len();
        let last = ends.into_iter().max().unwrap_or(began).duration_since(began);
        since_start.push(last.as_secs_f64() * 1e3);
        since_return.push((last.as_secs_f64() - took.as_secs_f64()) * 1e3);
        peaks.push(server.peak());
        let [open, last, took] = [open[round], since_start[round], took.as_secs_f64() * 1e3];
        println!("  round {}: {open:.1} MiB, {last:.0} ms, reset {took:.0} ms", round + 1);
    }
    let wanted = format!("{:.0}", 200.0 * count as f64 / STREAMS as f64);
    let most = |values: &[f64]| quantile(values, 1.0);
    let more = format!("{before:.1} before; {:.1} while they idle", median(&open));
    let what = format!("MiB at most, {count} streams");
    figures.add(&what, &wanted, format!("{:.1}", most(&peaks)), more);
    for (since, took, wanted) in [("start", &since_start, "1000"), ("return", &since_return, "")] {
        let what = format!("ms, {count} streams cut, since the {since} of the reset");
        let more = format!("at most {:.0}", most(took));
        figures.add(&what, wanted, format!("{:.0}", median(took)), more);
    }
    let what = format!("ms of processor time, {count} streams cut");
    figures.add(&what, "", format!("{:.0}", median(&spent)), "");
    let of = format!("of {}", count * extent.resets);
    figures.promise("streams that a reset left open", left, &of);
}

/// Opens streams, and waits until each has told two events.
async fn open_streams(address: SocketAddr, ask: Ask, count: usize) -> Vec<TcpStream> {
    let (ask, turns) = (Arc::new(ask), Arc::new(Semaphore::new(AT_ONCE)));
    let mut opening = JoinSet::new();
    for _ in 0..count {
        let (ask, turns) = (Arc::clone(&ask), Arc::clone(&turns));
        opening.spawn(async move {
            let turn = turns.acquire().await.unwrap();
            let mut stream = TcpStream::connect(address).await.unwrap();
            stream.write_all(ask.bytes()).await.unwrap();
            let mut heard = Vec::with_capacity(1 << 10);
            hear_events(1, &mut stream, &mut heard).await;
            drop(turn);
            hear_events(2, &mut stream, &mut heard).await;
            stream
        });
    }
    timeout(OPEN_WITHIN, opening.join_all()).await.unwrap()
}

async fn hear_events(count: usize, stream: &mut TcpStream, heard: &mut Vec<u8>) {
    while heard.windows(5).filter(|five| five == b"data:").count() < count {
        let some = stream.read_buf(heard).await.unwrap();
        assert!(some > 0, "no stream: {}", String::from_utf8_lossy(heard));
    }
}

/// When each of them ended that did so in time.
async fn ends(streams: Vec<TcpStream>, due: Instant) -> Vec<Instant> {
    let mut open = JoinSet::new();
    for mut stream in streams {
        open.spawn(timeout_at(due.into(), async move {
            let mut buffer = [0; 256];
            while stream.read(&mut buffer).await.is_ok_and(|some| some > 0) {}
            Instant::now()
        }));
    }
    open.join_all().await.into_iter().filter_map(Result::ok).collect()
}

/// What a key opens with which a transfer passes: nobody says which scope that would need.
const ALL: [&str; 2] = ["-n", "*"];

/// How many streams take 200 MiB at most.
const STREAMS: usize = 10_000;

/// How many streams are opened at once.
const AT_ONCE: usize = 64;

/// How long all of them may take to open.
const OPEN_WITHIN: Duration = Duration::from_secs(60);

/// How long a stream may outlive the beginning of a reset before it counts as left open.
const PATIENCE: Duration = Duration::from_secs(20);
