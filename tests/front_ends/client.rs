//! A client that says exactly what it is told to, header for header, and reads the answer.

use std::{
    fmt,
    io::{self, BufRead, BufReader, Read, Write},
    net::{SocketAddr, TcpStream},
    time::Duration,
};

/// A request, in the words in which it goes out.
#[derive(Clone, Debug)]
pub struct Ask {
    method: &'static str,
    target: String,
    host: &'static str,
    headers: Vec<(String, String)>,
    body: Body,
}

#[derive(Clone, Debug)]
enum Body {
    None,
    Sized(Vec<u8>),
    Chunked(Vec<u8>),
}

/// What came back.
#[derive(Clone, PartialEq)]
pub struct Answer {
    pub status: u16,
    pub headers: Headers,
    pub body: Vec<u8>,
}

/// The header lines of a message, in their order.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Headers(pub Vec<(String, String)>);

impl Ask {
    pub fn new(method: &'static str, target: impl Into<String>) -> Self {
        let target = target.into();
        Self { method, target, host: "front.example", headers: vec![], body: Body::None }
    }

    pub fn get(target: impl Into<String>) -> Self {
        Self::new("GET", target)
    }

    pub fn post(target: impl Into<String>, body: Vec<u8>) -> Self {
        Self { body: Body::Sized(body), ..Self::new("POST", target) }
    }

    /// Posts a body whose length is not told beforehand.
    pub fn post_in_chunks(target: impl Into<String>, body: Vec<u8>) -> Self {
        Self { body: Body::Chunked(body), ..Self::new("POST", target) }
    }

    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    pub fn bearer(self, key: &str) -> Self {
        self.header("Authorization", &format!("Bearer {key}"))
    }

    pub fn host(self, host: &'static str) -> Self {
        Self { host, ..self }
    }

    pub fn upgrade(self) -> Self {
        self.header("Upgrade", "websocket")
            .header("Connection", "Upgrade")
            .header("Sec-WebSocket-Version", "13")
            .header("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ==")
    }

    /// The same request to another place, with the headers that are named only.
    pub fn readdressed(&self, target: &str, names: &[&str]) -> Self {
        let mut ask = Self::get(target);
        let kept = self
            .headers
            .iter()
            .filter(|(name, _)| names.iter().any(|kept| kept.eq_ignore_ascii_case(name)));
        ask.headers = kept.cloned().collect();
        ask
    }

    pub fn target(&self) -> &str {
        &self.target
    }

    pub fn method(&self) -> &'static str {
        self.method
    }

    pub fn body(&self) -> &[u8] {
        match &self.body {
            Body::None => &[],
            Body::Sized(body) | Body::Chunked(body) => body,
        }
    }

    /// Asks on a connection of its own.
    pub fn send(&self, to: SocketAddr) -> io::Result<Answer> {
        let mut stream = connect(to)?;
        let last = !self.headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("connection"));
        self.write(&mut stream, last)?;
        Answer::read(&mut BufReader::new(stream), self.method)
    }

    /// Writes the request; the last one on its connection says so.
    pub fn write(&self, stream: &mut TcpStream, last: bool) -> io::Result<()> {
        let mut head =
            format!("{} {} HTTP/1.1\r\nHost: {}\r\n", self.method, self.target, self.host);
        for (name, value) in &self.headers {
            head += &format!("{name}: {value}\r\n");
        }
        if last {
            head += "Connection: close\r\n";
        }
        match &self.body {
            Body::None => stream.write_all(format!("{head}\r\n").as_bytes()),
            Body::Sized(body) => {
                head += &format!("Content-Length: {}\r\n\r\n", body.len());
                stream.write_all(head.as_bytes())?;
                refusable(stream.write_all(body))
            }
            Body::Chunked(body) => {
                head += "Transfer-Encoding: chunked\r\n\r\n";
                stream.write_all(head.as_bytes())?;
                for chunk in body.chunks(65536) {
                    let written = write!(stream, "{:x}\r\n", chunk.len())
                        .and_then(|()| stream.write_all(chunk))
                        .and_then(|()| stream.write_all(b"\r\n"));
                    refusable(written)?;
                }
                refusable(stream.write_all(b"0\r\n\r\n"))
            }
        }
    }
}

/// A server may answer before it has read the body, and hang up: then the answer counts.
fn refusable(written: io::Result<()>) -> io::Result<()> {
    match written {
        Err(error) if HUNG_UP.contains(&error.kind()) => Ok(()),
        other => other,
    }
}

/// Connects, with patience for whatever is hung.
pub fn connect(to: SocketAddr) -> io::Result<TcpStream> {
    let stream = TcpStream::connect_timeout(&to, PATIENCE)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

impl Answer {
    /// Reads an answer to a request with this method; interim answers are passed over.
    pub fn read(stream: &mut impl BufRead, method: &str) -> io::Result<Self> {
        loop {
            let first = line(stream)?;
            let status = first.split(' ').nth(1).and_then(|status| status.parse().ok());
            let status: u16 = status.ok_or_else(|| garbled(&first))?;
            let headers = Headers::read(stream)?;
            if status == 101 {
                return Ok(Self { status, headers, body: vec![] });
            }
            if status < 200 {
                continue;
            }
            let none = method == "HEAD" || status == 204 || status == 304;
            let body = if none { vec![] } else { body(stream, &headers, true)? };
            return Ok(Self { status, headers, body });
        }
    }

    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

impl fmt::Debug for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {:?} {:.300}", self.status, self.headers, self.text())
    }
}

impl Headers {
    /// Reads header lines up to the empty one.
    pub fn read(stream: &mut impl BufRead) -> io::Result<Self> {
        let mut headers = vec![];
        loop {
            let line = line(stream)?;
            if line.is_empty() {
                return Ok(Self(headers));
            }
            let (name, value) = line.split_once(':').ok_or_else(|| garbled(&line))?;
            headers.push((name.to_owned(), value.trim().to_owned()));
        }
    }

    /// The values under this name, in any case.
    pub fn all(&self, name: &str) -> Vec<&str> {
        let found = self.0.iter().filter(|(found, _)| found.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.as_str()).collect()
    }

    /// The value under this name, if there is one and no other.
    pub fn one(&self, name: &str) -> Option<&str> {
        match self.all(name)[..] {
            [value] => Some(value),
            _ => None,
        }
    }
}

/// Reads a body; one without a length goes on until the end if that is its sender's to say.
pub fn body(stream: &mut impl BufRead, headers: &Headers, to_end: bool) -> io::Result<Vec<u8>> {
    let mut body = vec![];
    if headers.all("transfer-encoding").iter().any(|coding| coding.contains("chunked")) {
        loop {
            let size = line(stream)?;
            let size = size.split(';').next().unwrap_or_default().trim();
            let size = usize::from_str_radix(size, 16).map_err(|_| garbled(size))?;
            let from = body.len();
            body.resize(from + size, 0);
            stream.read_exact(&mut body[from..])?;
            line(stream)?;
            if size == 0 {
                return Ok(body);
            }
        }
    }
    match headers.one("content-length").map(str::parse) {
        Some(Ok(length)) => {
            body.resize(length, 0);
            stream.read_exact(&mut body)?;
        }
        Some(Err(_)) => return Err(garbled("content-length")),
        None if to_end => drop(stream.read_to_end(&mut body)?),
        None => {}
    }
    Ok(body)
}

/// Reads a line and takes its end off.
pub fn line(stream: &mut impl BufRead) -> io::Result<String> {
    let mut line = String::new();
    if stream.take(LONGEST_LINE).read_line(&mut line)? == 0 {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    Ok(line.trim_end_matches(['\r', '\n']).to_owned())
}

fn garbled(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("this is not HTTP: {what:?}"))
}

/// How long anything on loopback may take.
pub const PATIENCE: Duration = Duration::from_secs(20);
const LONGEST_LINE: u64 = 65536;
const HUNG_UP: [io::ErrorKind; 3] =
    [io::ErrorKind::BrokenPipe, io::ErrorKind::ConnectionReset, io::ErrorKind::ConnectionAborted];
