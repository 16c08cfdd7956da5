//! A stub upstream. It records every request byte for byte as it arrives, and does what the target
//! asks of it: `/play/NAME` and `?play=NAME` are plays below, and everything else is answered 200.

use std::{
    io::{self, Read, Write},
    net::{Shutdown, SocketAddr, TcpListener, TcpStream},
    sync::{
        Arc, Mutex, MutexGuard,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use crate::harness::{SOON, wait_for};

/// An upstream that listens until it is stopped.
pub struct Upstream {
    pub address: SocketAddr,
    book: Arc<Book>,
    porter: Option<JoinHandle<()>>,
}

/// What has arrived, and on which connections.
struct Book {
    seen: Mutex<Vec<Seen>>,
    serial: AtomicUsize,
    connections: AtomicUsize,
    open: Mutex<Vec<TcpStream>>,
    stopped: AtomicBool,
}

/// A request as it arrived.
#[derive(Clone, Debug, Default)]
pub struct Seen {
    /// The answer bears it in `X-Stub`.
    pub serial: usize,
    /// Counts connections.
    pub connection: usize,
    /// Up to the empty line and with it.
    pub head: Vec<u8>,
    /// The body as it was framed.
    pub framed: Vec<u8>,
    /// The body alone.
    pub body: Vec<u8>,
    /// Header lines behind the body.
    pub trailers: Vec<u8>,
    pub end: End,
    /// When the other side hung up on a play that waits for that.
    pub gone: Option<Instant>,
}

/// How far a request came.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum End {
    /// Its connection ended before it did.
    CutOff,
    /// More of it may come.
    #[default]
    Open,
    Whole,
}

impl Upstream {
    pub fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        Self { porter: None, address, book: Arc::new(Book::new()) }.listen(listener)
    }

    fn listen(mut self, listener: TcpListener) -> Self {
        let book = Arc::clone(&self.book);
        self.porter = Some(thread::spawn(move || {
            for stream in listener.incoming() {
                let (false, Ok(stream)) = (book.stopped.load(Ordering::SeqCst), stream) else {
                    return;
                };
                book.open.lock().unwrap().push(stream.try_clone().unwrap());
                let book = Arc::clone(&book);
                // Whoever hangs up in the middle has had enough; the book tells what came.
                thread::spawn(move || {
                    let _ = serve(&stream, &book);
                    let _ = stream.shutdown(Shutdown::Both);
                });
            }
        }));
        self
    }

    /// All that arrived since this was asked last.
    pub fn arrived(&self) -> Vec<Seen> {
        std::mem::take(&mut self.book.seen())
    }

    /// The first request for this path, as far as it has come.
    pub fn seen(&self, path: &str) -> Option<Seen> {
        self.book.seen().iter().find(|seen| seen.target() == path).cloned()
    }

    /// How many requests for this path came.
    pub fn count(&self, path: &str) -> usize {
        self.book.seen().iter().filter(|seen| seen.target() == path).count()
    }

    /// Waits until there is something to tell of the first request for this path.
    #[track_caller]
    pub fn when<T>(&self, path: &str, what: impl Fn(&Seen) -> Option<T>) -> T {
        wait_for(path, SOON, || self.seen(path).as_ref().and_then(&what))
    }

    /// Waits until this path is asked for.
    #[track_caller]
    pub fn called(&self, path: &str) -> Seen {
        self.when(path, |seen| Some(seen.clone()))
    }

    /// Listens no more, and hangs up on everybody.
    pub fn stop(&mut self) {
        let Some(porter) = self.porter.take() else { return };
        self.book.stopped.store(true, Ordering::SeqCst);
        // The porter waits for a connection, and looks up when one comes.
        let _ = TcpStream::connect(self.address);
        let _ = porter.join();
        for stream in self.book.open.lock().unwrap().drain(..) {
            let _ = stream.shutdown(Shutdown::Both);
        }
    }
}

impl Drop for Upstream {
    fn drop(&mut self) {
        self.stop();
    }
}

impl Seen {
    /// The lines of the head, as text; bytes that are none are replaced.
    pub fn lines(&self) -> Vec<String> {
        let head = String::from_utf8_lossy(&self.head);
        head.trim_end_matches("\r\n").split("\r\n").map(str::to_owned).collect()
    }

    pub fn method(&self) -> String {
        self.lines()[0].split(' ').next().unwrap_or_default().to_owned()
    }

    pub fn target(&self) -> String {
        self.lines()[0].split(' ').nth(1).unwrap_or_default().to_owned()
    }

    /// The names and values of the head.
    pub fn fields(&self) -> Vec<(String, String)> {
        fields(&self.lines()[1..])
    }

    /// The names and values behind the body.
    pub fn trailing_fields(&self) -> Vec<(String, String)> {
        let text = String::from_utf8_lossy(&self.trailers).into_owned();
        let lines: Vec<_> = text.split("\r\n").filter(|line| !line.is_empty()).collect();
        fields(&lines)
    }

    /// The values under this name, in any case.
    pub fn all(&self, name: &str) -> Vec<String> {
        let fields = self.fields().into_iter();
        fields.filter(|(found, _)| found.eq_ignore_ascii_case(name)).map(|(_, v)| v).collect()
    }

    /// The value under this name, if there is one and no other.
    pub fn one(&self, name: &str) -> Option<String> {
        let mut all = self.all(name);
        if all.len() == 1 { all.pop() } else { None }
    }

    pub fn is_whole(&self) -> bool {
        self.end == End::Whole
    }
}

fn fields(lines: &[impl AsRef<str>]) -> Vec<(String, String)> {
    let lines =
        lines.iter().map(|line| line.as_ref().split_once(':').unwrap_or((line.as_ref(), "")));
    lines.map(|(name, value)| (name.to_owned(), value.trim().to_owned())).collect()
}

impl Book {
    fn new() -> Self {
        Self {
            seen: Mutex::default(),
            serial: AtomicUsize::new(0),
            connections: AtomicUsize::new(0),
            open: Mutex::default(),
            stopped: AtomicBool::new(false),
        }
    }

    fn seen(&self) -> MutexGuard<'_, Vec<Seen>> {
        self.seen.lock().unwrap()
    }
}

/// One request, and the connection that it is on.
struct Call<'a> {
    stream: &'a TcpStream,
    book: &'a Book,
    /// As it was when its head had come.
    current: Seen,
    /// What has come and was not read yet.
    ahead: Vec<u8>,
    /// Whether nothing more is said on this connection.
    last: bool,
}

/// Serves one connection until it is closed.
fn serve(stream: &TcpStream, book: &Book) -> io::Result<()> {
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(SOON))?;
    stream.set_write_timeout(Some(SOON))?;
    let connection = book.connections.fetch_add(1, Ordering::SeqCst);
    let current = Seen { connection, ..Seen::default() };
    let mut call = Call { stream, book, current, ahead: vec![], last: false };
    while !call.last {
        call.head()?;
        call.play()?;
    }
    Ok(())
}

impl Call<'_> {
    /// Reads a head. Bytes that are not a whole one are recorded as well.
    fn head(&mut self) -> io::Result<()> {
        let end = loop {
            if let Some(end) = self.ahead.windows(4).position(|bytes| bytes == b"\r\n\r\n") {
                break end + 4;
            }
            if let Err(error) = self.more() {
                let rest = std::mem::take(&mut self.ahead);
                if !rest.is_empty() {
                    self.open(rest);
                    self.note(|seen| seen.end = End::CutOff);
                }
                return Err(error);
            }
        };
        let rest = self.ahead.split_off(end);
        let head = std::mem::replace(&mut self.ahead, rest);
        self.open(head);
        Ok(())
    }

    fn open(&mut self, head: Vec<u8>) {
        self.current = Seen {
            serial: self.book.serial.fetch_add(1, Ordering::SeqCst) + 1,
            connection: self.current.connection,
            head,
            framed: vec![],
            body: vec![],
            trailers: vec![],
            end: End::Open,
            gone: None,
        };
        self.book.seen().push(self.current.clone());
    }

    /// Changes what is recorded, unless somebody has taken the record away.
    fn note(&self, change: impl FnOnce(&mut Seen)) {
        let mut seen = self.book.seen();
        if let Some(seen) = seen.iter_mut().find(|seen| seen.serial == self.current.serial) {
            change(seen);
        }
    }

    /// Waits for more bytes.
    fn more(&mut self) -> io::Result<()> {
        let mut bytes = [0; 65536];
        match (&mut &*self.stream).read(&mut bytes)? {
            0 => Err(io::ErrorKind::UnexpectedEof.into()),
            length => {
                self.ahead.extend(&bytes[..length]);
                Ok(())
            }
        }
    }

    /// Reads the body to its end, and records it as it comes.
    fn body(&mut self) -> io::Result<()> {
        self.body_by_pieces(|_, _| Ok(()))
    }

    fn body_by_pieces(
        &mut self,
        mut each: impl FnMut(&mut Self, &[u8]) -> io::Result<()>,
    ) -> io::Result<()> {
        let read = self.framed_body(&mut each);
        let end = if read.is_ok() { End::Whole } else { End::CutOff };
        self.note(|seen| seen.end = end);
        read
    }

    fn framed_body(
        &mut self,
        each: &mut impl FnMut(&mut Self, &[u8]) -> io::Result<()>,
    ) -> io::Result<()> {
        let seen = self.current.clone();
        if seen.all("transfer-encoding").iter().any(|coding| coding.contains("chunked")) {
            loop {
                let size = self.line()?;
                let size = String::from_utf8_lossy(&size).into_owned();
                let size = size.split(';').next().unwrap_or_default().trim();
                let size = usize::from_str_radix(size, 16)
                    .map_err(|_| io::Error::from(io::ErrorKind::InvalidData))?;
                if size == 0 {
                    break;
                }
                self.exactly(size, each)?;
                self.line()?;
            }
            loop {
                let line = self.line()?;
                if line.is_empty() {
                    return Ok(());
                }
                self.note(|seen| {
                    seen.trailers.extend(&line);
                    seen.trailers.extend(b"\r\n");
                });
            }
        }
        let length = seen.all("content-length").pop().and_then(|length| length.parse().ok());
        self.exactly(length.unwrap_or(0), each)
    }

    /// Reads so many bytes of a body, in whichever pieces they come.
    fn exactly(
        &mut self,
        length: usize,
        each: &mut impl FnMut(&mut Self, &[u8]) -> io::Result<()>,
    ) -> io::Result<()> {
        let mut left = length;
        while left > 0 {
            if self.ahead.is_empty() {
                self.more()?;
            }
            let rest = self.ahead.split_off(left.min(self.ahead.len()));
            let piece = std::mem::replace(&mut self.ahead, rest);
            left -= piece.len();
            self.note(|seen| {
                seen.framed.extend(&piece);
                seen.body.extend(&piece);
            });
            each(self, &piece)?;
        }
        Ok(())
    }

    /// Reads a line of a framed body, without its end.
    fn line(&mut self) -> io::Result<Vec<u8>> {
        loop {
            if let Some(end) = self.ahead.windows(2).position(|bytes| bytes == b"\r\n") {
                let rest = self.ahead.split_off(end + 2);
                let mut line = std::mem::replace(&mut self.ahead, rest);
                self.note(|seen| seen.framed.extend(&line));
                line.truncate(end);
                return Ok(line);
            }
            self.more()?;
        }
    }

    fn say(&mut self, bytes: impl AsRef<[u8]>) -> io::Result<()> {
        (&mut &*self.stream).write_all(bytes.as_ref())
    }

    /// Answers with these lines behind the status; `STUB` in them is the one that tells requests
    /// apart.
    fn answer(&mut self, head: &str, body: impl AsRef<[u8]>) -> io::Result<()> {
        let head =
            head.replace("STUB", &format!("X-Stub: {}", self.current.serial)).replace('\n', "\r\n");
        let mut bytes = format!("HTTP/1.1 {head}\r\n\r\n").into_bytes();
        bytes.extend(body.as_ref());
        self.say(bytes)
    }

    /// The answer to everything that asks for no play.
    fn usual(&mut self) -> io::Result<()> {
        let head = format!("200 OK\nSTUB\nContent-Length: {}", WORDS.len());
        let body = if self.current.method() == "HEAD" { "" } else { WORDS };
        self.answer(&head, body)
    }

    /// Waits until the other side hangs up or this upstream does, saying something now and then if
    /// there is anything to say, and records when that was.
    fn until_gone(&mut self, now_and_then: Option<&str>) -> io::Result<()> {
        self.stream.set_read_timeout(now_and_then.map(|_| Duration::from_millis(20)))?;
        loop {
            match self.more() {
                Err(error) if WAITING.contains(&error.kind()) => {
                    if let Some(words) = now_and_then
                        && self.say(words).is_err()
                    {
                        break;
                    }
                }
                Err(_) => break,
                Ok(()) => {}
            }
        }
        self.note(|seen| seen.gone = Some(Instant::now()));
        self.last = true;
        Ok(())
    }

    fn play(&mut self) -> io::Result<()> {
        let target = self.current.target();
        let asked = target.strip_prefix("/play/").or(target.split_once("?play=").map(|(_, it)| it));
        let asked = asked.map_or("", |it| it.split(['?', '&']).next().unwrap_or_default());
        let (play, what) = asked.split_once('/').unwrap_or((asked, ""));
        // Whoever asks for a websocket anywhere else gets one.
        if play.is_empty() && self.current.one("upgrade").is_some() {
            return self.websocket();
        }
        match play {
            "" => {
                self.body()?;
                self.usual()
            }
            // An answer before the body is there, which is read all the same, or is not.
            "early" => {
                self.answer("413 Own\nSTUB\nContent-Length: 5", "early")?;
                if what != "closed" {
                    return self.body();
                }
                // Whoever closes on bytes that it has not read takes back what it said (RFC 9112
                // section 9.6).
                self.stream.shutdown(Shutdown::Write)?;
                self.until_gone(None)
            }
            "echo" => self.echo(),
            "hang" => {
                self.note(|seen| seen.end = End::Whole);
                self.until_gone(None)
            }
            "slow" => {
                self.body()?;
                thread::sleep(Duration::from_millis(what.parse().unwrap_or(0)));
                self.usual()
            }
            // Reads and does not answer, however much comes.
            "sink" => {
                self.body()?;
                self.until_gone(None)
            }
            // Events without an end, or one of them if it shall be quiet.
            "stream" => {
                self.body()?;
                self.answer(
                    "200 OK\nSTUB\nContent-Type: text/event-stream\nTransfer-Encoding: chunked",
                    "",
                )?;
                let event = "d\r\ndata: event\n\n\r\n";
                if what == "quiet" {
                    self.say(event)?;
                    return self.until_gone(None);
                }
                self.until_gone(Some(event))
            }
            "stream-of-length" => {
                self.body()?;
                self.answer("200 OK\nSTUB\nContent-Length: 1000000", "")?;
                self.until_gone(Some("some bytes"))
            }
            // So many events, one after another, and then an end.
            "events" => {
                self.body()?;
                self.answer(
                    "200 OK\nSTUB\nContent-Type: text/event-stream\nTransfer-Encoding: chunked",
                    "",
                )?;
                for _ in 0..what.parse().unwrap_or(1) {
                    self.say("d\r\ndata: event\n\n\r\n")?;
                    thread::sleep(Duration::from_millis(100));
                }
                self.say("0\r\n\r\n")
            }
            "websocket" => match what {
                "refused" => self.answer("403 Own\nSTUB\nContent-Length: 2", "no"),
                "ignored" => self.usual(),
                "other" => {
                    self.last = true;
                    self.answer(
                        "101 Switching Protocols\nSTUB\nConnection: upgrade\nUpgrade: other",
                        "",
                    )?;
                    self.until_gone(None)
                }
                "slow" => {
                    thread::sleep(Duration::from_millis(300));
                    self.websocket()
                }
                "bye" => {
                    self.answer(SWITCHED, "first and last words")?;
                    self.last = true;
                    Ok(())
                }
                _ => self.websocket(),
            },
            "status" => {
                self.body()?;
                match what {
                    "204" | "304" => self.answer(&format!("{what} Own\nSTUB\nETag: \"a\""), ""),
                    _ => self.answer(&format!("{what} Own\nSTUB\nContent-Length: 3"), "own"),
                }
            }
            "says" => {
                self.body()?;
                let (words, goes_on) = said(what);
                self.last = !goes_on;
                let here = format!("http://{}", self.stream.local_addr()?);
                let words = words.replace("HERE", &here).replace('\n', "\r\n");
                let words = words.replace("STUB", &format!("X-Stub: {}", self.current.serial));
                let first = if words.is_empty() { "" } else { "HTTP/1.1 " };
                self.say(format!("{first}{words}"))
            }
            _ => {
                self.body()?;
                self.answer("500 No such play\nContent-Length: 0", "")
            }
        }
    }

    /// Sends back each piece of the body as soon as it is there.
    fn echo(&mut self) -> io::Result<()> {
        self.answer("200 OK\nSTUB\nTransfer-Encoding: chunked", "")?;
        self.body_by_pieces(|call, piece| {
            call.say(format!("{:x}\r\n", piece.len()))?;
            call.say(piece)?;
            call.say("\r\n")
        })?;
        self.say("0\r\n\r\n")
    }

    /// Sends back whatever comes, until no more does.
    fn websocket(&mut self) -> io::Result<()> {
        self.note(|seen| seen.end = End::Whole);
        self.answer(SWITCHED, "")?;
        self.last = true;
        loop {
            let piece = std::mem::take(&mut self.ahead);
            self.note(|seen| seen.body.extend(&piece));
            self.say(&piece)?;
            if let Err(error) = self.more() {
                self.note(|seen| seen.gone = Some(Instant::now()));
                return Err(error);
            }
        }
    }
}

/// What is said word for word after a whole request, and whether the connection goes on behind it.
fn said(what: &str) -> (&'static str, bool) {
    match what {
        "chunks" => (
            "200 OK\nSTUB\nTransfer-Encoding: chunked\nTrailer: X-Sum, X-Msb-Key-Id\n\n\
             5\nhello\n6;a=b\n, you!\n0\nX-Sum: 11\nX-Msb-Key-Id: stub\n\n",
            true,
        ),
        "closing" => ("200 OK\nSTUB\nConnection: close\n\nuntil the end", false),
        "and-hangs-up" => ("200 OK\nSTUB\nContent-Length: 4\n\nword", false),
        "continue" => ("100 Continue\n\nHTTP/1.1 200 OK\nSTUB\nContent-Length: 4\n\nword", true),
        "hints" => (
            "103 Early Hints\nLink: </a>; rel=preload\nX-Msb-Key-Id: stub\n\n\
             HTTP/1.1 102 Processing\n\nHTTP/1.1 200 OK\nSTUB\nContent-Length: 4\n\nword",
            true,
        ),
        "identity" => (
            "200 OK\nSTUB\nX-Msb-Key-Id: stub\nX-Msb-Reason: stub\nX_Msb_Namespace: stub\n\
             x-msb-dev: stub\nX-Own: kept\nSet-Cookie: a=1\nSet-Cookie: b=2\nContent-Length: 4\n\nword",
            true,
        ),
        "hop-by-hop" => (
            "200 OK\nSTUB\nConnection: X-Drop, Keep-Alive\nX-Drop: stub\nKeep-Alive: timeout=9\n\
             Proxy-Connection: keep-alive\nUpgrade: h2c\nX-Own: kept\nContent-Length: 4\n\nword",
            true,
        ),
        "location" => {
            ("302 Own\nSTUB\nLocation: HERE/login?a=b#c\nContent-Length: 4\n\nword", true)
        }
        "location-elsewhere" => {
            ("302 Own\nSTUB\nLocation: http://other.example/\nContent-Length: 4\n\nword", true)
        }
        "switch" => ("101 Switching Protocols\nConnection: upgrade\nUpgrade: websocket\n\n", true),
        "twice" | "head-with-body" => (
            "200 OK\nSTUB\nContent-Length: 4\n\n\
             wordHTTP/1.1 200 OK\nX-Stub: stray\nContent-Length: 5\n\nstray",
            true,
        ),
        "204-with-body" => (
            "204 Own\nSTUB\nContent-Length: 5\n\n\
             HTTP/1.1 200 OK\nX-Stub: stray\nContent-Length: 5\n\nstray",
            true,
        ),
        "not-modified" => ("304 Own\nSTUB\nETag: \"a\"\nContent-Length: 100\n\n", true),
        "nothing" => ("", false),
        "cut-in-head" => ("200 OK\nSTUB\nContent-Le", false),
        "cut-in-length" => ("200 OK\nSTUB\nContent-Length: 100\n\nword", false),
        "cut-in-chunk" => ("200 OK\nSTUB\nTransfer-Encoding: chunked\n\n64\nword", false),
        "cut-between-chunks" => ("200 OK\nSTUB\nTransfer-Encoding: chunked\n\n4\nword\n", false),
        "bad-chunk" => ("200 OK\nSTUB\nTransfer-Encoding: chunked\n\n4\nword\nxyz\n", false),
        "two-lengths" => ("200 OK\nContent-Length: 4\nContent-Length: 5\n\nwords", false),
        "bad-header" => ("200 OK\nX y: z\nContent-Length: 4\n\nword", false),
        "no-status" => ("OK\n\nword", false),
        "no-http" => ("\nSSH-2.0-OpenSSH\n\n", false),
        _ => ("500 No such words\nContent-Length: 0\n\n", false),
    }
}

/// What the upstream says when nothing else is asked of it.
pub const WORDS: &str = "the upstream's own words";

const SWITCHED: &str = "101 Switching Protocols\nSTUB\nUpgrade: websocket\nConnection: Upgrade\n\
     Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";

const WAITING: [io::ErrorKind; 2] = [io::ErrorKind::WouldBlock, io::ErrorKind::TimedOut];
