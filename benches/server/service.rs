//! The service that lies behind every proxy: it answers calls, takes and gives as many bytes as it is
//! asked to, and tells events. It is to cost little, so it reads heads only as far as it must.

use std::{io, net::TcpListener, rc::Rc, time::Duration};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    runtime::{Builder, LocalOptions},
    task::spawn_local,
    time::sleep,
};

/// Plays it, until it is killed.
pub fn play(listener: TcpListener) {
    let plenty: Rc<[u8]> = vec![b'x'; 256 << 10].into();
    each(listener, move |stream| {
        let plenty = Rc::clone(&plenty);
        async move {
            // Whoever asked may have gone away.
            let _ = serve(stream, &plenty).await;
        }
    });
}

/// Serves each connection to a listener, in this thread alone.
pub fn each<S: Future<Output = ()> + 'static>(
    listener: TcpListener,
    serve: impl Fn(TcpStream) -> S,
) {
    let runtime = Builder::new_current_thread().enable_all().build_local(LocalOptions::default());
    runtime.unwrap().block_on(async {
        listener.set_nonblocking(true).unwrap();
        let listener = tokio::net::TcpListener::from_std(listener).unwrap();
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            stream.set_nodelay(true).unwrap();
            spawn_local(serve(stream));
        }
    });
}

async fn serve(mut stream: TcpStream, plenty: &[u8]) -> io::Result<()> {
    let mut heard = Vec::with_capacity(4 << 10);
    loop {
        let end = loop {
            if let Some(end) = heard.windows(4).position(|four| four == b"\r\n\r\n") {
                break end + 4;
            }
            if stream.read_buf(&mut heard).await? == 0 {
                return Ok(());
            }
        };
        let head = String::from_utf8_lossy(&heard[..end]).into_owned();
        let target = head.split(' ').nth(1).unwrap_or_default();
        take(&mut stream, length(&head), &heard[end..]).await?;
        heard.clear();
        if target == EVENTS {
            return tell_events(stream).await;
        }
        match target.strip_prefix(GIVE).map(|count| count.parse::<usize>().unwrap()) {
            Some(count) => give(&mut stream, count, plenty).await?,
            None => stream.write_all(ANSWER).await?,
        }
    }
}

/// Takes a body of this length, of which a part is there already.
async fn take(stream: &mut TcpStream, length: usize, there: &[u8]) -> io::Result<()> {
    let mut left = length - there.len();
    if left > 0 {
        let mut buffer = vec![0; left.min(256 << 10)];
        while left > 0 {
            match stream.read(&mut buffer).await? {
                0 => return Err(io::ErrorKind::UnexpectedEof.into()),
                some => left -= some,
            }
        }
    }
    Ok(())
}

async fn give(stream: &mut TcpStream, count: usize, plenty: &[u8]) -> io::Result<()> {
    let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {count}\r\n\r\n");
    stream.write_all(head.as_bytes()).await?;
    let mut left = count;
    while left > 0 {
        let some = &plenty[..left.min(plenty.len())];
        stream.write_all(some).await?;
        left -= some.len();
    }
    Ok(())
}

/// Two events, a while apart, then silence until whoever asked goes away.
async fn tell_events(mut stream: TcpStream) -> io::Result<()> {
    stream.write_all(STREAM).await?;
    stream.write_all(EVENT).await?;
    sleep(Duration::from_millis(200)).await;
    stream.write_all(EVENT).await?;
    stream.read_u8().await.map(|_| ())
}

fn length(head: &str) -> usize {
    let line = head.lines().find_map(|line| {
        let (name, value) = line.split_once(": ")?;
        name.eq_ignore_ascii_case("content-length").then_some(value)
    });
    line.map_or(0, |length| length.parse().unwrap())
}

/// Where events are told.
pub const EVENTS: &str = "/events";

/// Where so many bytes as follow are given.
pub const GIVE: &str = "/give/";

/// An event, in a chunk of its own.
const EVENT: &[u8] = b"11\r\ndata: {\"n\": 10}\n\n\r\n";

const STREAM: &[u8] =
    b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n";

const ANSWER: &[u8] =
    b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 69\r\n\r\n\
    {\"jsonrpc\":\"2.0\",\"result\":\"Sandbox started successfully\",\"id\":\"1234\"}";
