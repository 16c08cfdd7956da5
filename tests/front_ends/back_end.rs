//! The service behind the front end: it records what reaches it, and answers.

use std::{
    fmt,
    io::{self, BufReader, Read, Write},
    net::{SocketAddr, TcpStream},
    sync::{Arc, Mutex},
};

use crate::{
    client::{self, Headers},
    door::Door,
};

/// A back end that listens until it is dropped.
pub struct BackEnd {
    door: Door,
    seen: Arc<Mutex<Vec<Seen>>>,
}

/// A request that reached the back end.
pub struct Seen {
    pub method: String,
    pub target: String,
    pub headers: Headers,
    pub body: Vec<u8>,
}

impl fmt::Debug for Seen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} {:?}, {} bytes", self.method, self.target, self.headers, self.body.len())
    }
}

impl BackEnd {
    pub fn start() -> Self {
        Self::that_says(own_words)
    }

    /// One that answers what is not about an upgrade or events with these words.
    pub fn that_says(says: fn(&Seen) -> String) -> Self {
        let seen = Arc::new(Mutex::new(vec![]));
        let record = Arc::clone(&seen);
        Self { door: Door::open(move |stream| serve(stream, &record, says)), seen }
    }

    pub fn address(&self) -> SocketAddr {
        self.door.address
    }

    /// What has arrived since the last time.
    pub fn arrived(&self) -> Vec<Seen> {
        std::mem::take(&mut self.seen.lock().unwrap())
    }

    pub fn stop(&mut self) {
        self.door.shut();
    }
}

/// Serves one connection until it is closed.
fn serve(
    stream: TcpStream,
    record: &Mutex<Vec<Seen>>,
    says: fn(&Seen) -> String,
) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let mut answers = stream.try_clone()?;
    let mut requests = BufReader::new(stream);
    loop {
        let first = client::line(&mut requests)?;
        let mut words = first.split(' ').map(str::to_owned);
        let (Some(method), Some(target)) = (words.next(), words.next()) else { return Ok(()) };
        let headers = Headers::read(&mut requests)?;
        let upgrade = headers.one("upgrade") == Some("websocket") && first.ends_with("HTTP/1.1");
        let body = client::body(&mut requests, &headers, false)?;
        let seen = Seen { method, target, headers, body };
        let (own, goes_on) = (says(&seen), seen.target.ends_with("/events"));
        record.lock().unwrap().push(seen);
        if upgrade {
            answers.write_all(SWITCHED)?;
            return echo(&mut requests, &mut answers);
        }
        if goes_on {
            return events(&mut requests, &mut answers);
        }
        answers.write_all(own.as_bytes())?;
    }
}

/// `/status/401` asks for an answer of the back end's own.
fn own_words(seen: &Seen) -> String {
    let status = seen.target.rsplit_once("/status/").map_or("200", |(_, status)| status);
    let text = if seen.method == "HEAD" { "" } else { OWN_WORDS };
    format!("HTTP/1.1 {status} Own\r\nContent-Length: {}\r\n\r\n{text}", OWN_WORDS.len())
}

/// Sends back what comes, until no more does.
fn echo(from: &mut impl Read, to: &mut impl Write) -> io::Result<()> {
    let mut bytes = [0; 1024];
    loop {
        match from.read(&mut bytes)? {
            0 => return Ok(()),
            length => to.write_all(&bytes[..length])?,
        }
    }
}

/// Says one event, and nothing more until the other side hangs up.
fn events(from: &mut impl Read, to: &mut impl Write) -> io::Result<()> {
    to.write_all(FIRST_EVENT)?;
    from.read_to_end(&mut vec![]).map(drop)
}

/// What the back end says.
pub const OWN_WORDS: &str = "the back end's own words";
const SWITCHED: &[u8] =
    b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
      Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";
const FIRST_EVENT: &[u8] =
    b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n\
      d\r\ndata: first\n\n\r\n";
