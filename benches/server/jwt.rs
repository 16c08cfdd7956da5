//! The peer: the same server, built of the same parts, that asks for a JWT signed with HS256 where
//! msb asks for a key: at `/auth`, and before a service.

use std::{
    cell::RefCell,
    convert::Infallible,
    fs::File,
    io::{BufWriter, Write},
    net::{SocketAddr, TcpListener},
    path::Path,
    rc::Rc,
    thread,
};

use bytes::Bytes;
use http_body_util::{BodyExt, Either, Full};
use hyper::{
    HeaderMap, Request, Response, StatusCode, Uri,
    body::Incoming,
    client::conn::http1::{self as client, SendRequest},
    header::{self, HeaderName, HeaderValue},
    server::conn::http1 as server,
    service::service_fn,
};
use hyper_util::rt::TokioIo;
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation, decode, encode};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::{net::TcpStream, task::spawn_local};

use crate::service;

/// What a JWT says: as much as a limited key.
#[derive(Deserialize, Serialize)]
struct Claims {
    jti: String,
    namespace: String,
    scope: String,
    exp: u64,
}

/// A JWT with which calls pass.
pub fn token() -> String {
    let claims = Claims {
        jti: "8f14e45fceea167a".to_owned(),
        namespace: "team-alpha".to_owned(),
        scope: "sandbox.start".to_owned(),
        exp: jsonwebtoken::get_current_timestamp() + 86_400,
    };
    encode(&Header::new(Algorithm::HS256), &claims, &EncodingKey::from_secret(SECRET)).unwrap()
}

/// Plays it before a service, until it is killed: a thread for each processor, as msb has.
pub fn play(listener: &TcpListener, behind: SocketAddr, log: &Path) {
    let log = File::create(log).unwrap();
    let workers = thread::available_parallelism().map_or(1, usize::from);
    thread::scope(|scope| {
        for _ in 0..workers {
            let (listener, log) = (listener.try_clone().unwrap(), log.try_clone().unwrap());
            scope.spawn(move || {
                let proxy = Rc::new(Proxy::new(behind, log));
                service::each(listener, move |stream| Rc::clone(&proxy).serve(stream));
            });
        }
    });
}

/// The proxy, as one thread has it.
struct Proxy {
    key: DecodingKey,
    validation: Validation,
    behind: SocketAddr,
    authority: HeaderValue,
    idle: RefCell<Vec<Sender>>,
    log: RefCell<BufWriter<File>>,
}

type Sender = SendRequest<Full<Bytes>>;

type Answer = Response<Either<Incoming, Full<Bytes>>>;

impl Proxy {
    fn new(behind: SocketAddr, log: File) -> Self {
        Self {
            key: DecodingKey::from_secret(SECRET),
            validation: Validation::new(Algorithm::HS256),
            behind,
            authority: behind.to_string().try_into().unwrap(),
            idle: RefCell::default(),
            log: RefCell::new(BufWriter::new(log)),
        }
    }

    async fn serve(self: Rc<Self>, stream: TcpStream) {
        let service = service_fn(|request| async {
            let (answer, jti) = match self.pass(request).await {
                Ok((answer, jti)) => (answer, jti),
                Err(status) => (refusal(status), "-".to_owned()),
            };
            let status = answer.status().as_u16();
            let mut log = self.log.borrow_mut();
            writeln!(log, "{{\"key_id\":\"{jti}\",\"status\":{status}}}").unwrap();
            Ok::<_, Infallible>(answer)
        });
        // Whoever asked may have gone away.
        let _ = server::Builder::new().serve_connection(TokioIo::new(stream), service).await;
    }

    /// Judges a call, and passes it on if it may; otherwise the status that refuses it.
    async fn pass(&self, request: Request<Incoming>) -> Result<(Answer, String), StatusCode> {
        let (head, body) = request.into_parts();
        let token = head.headers.get(header::AUTHORIZATION).and_then(|line| line.to_str().ok());
        let token = token.and_then(|line| line.strip_prefix("Bearer "));
        let token = token.ok_or(StatusCode::UNAUTHORIZED)?;
        let claims = decode::<Claims>(token, &self.key, &self.validation);
        let claims = claims.map_err(|_| StatusCode::UNAUTHORIZED)?.claims;
        if head.uri.path() == "/auth" {
            return Ok((allowed(head.uri.query(), &claims)?, claims.jti));
        }
        let body = body.collect().await.map_err(|_| StatusCode::BAD_REQUEST)?.to_bytes();
        let call: Value = serde_json::from_slice(&body).map_err(|_| StatusCode::BAD_REQUEST)?;
        let opens = call["params"]["namespace"] == claims.namespace.as_str();
        let allows = call["method"] == claims.scope.as_str();
        if !opens || !allows {
            return Err(StatusCode::FORBIDDEN);
        }
        let mut onward = Request::new(Full::new(body));
        *onward.method_mut() = head.method;
        *onward.uri_mut() = head.uri.path_and_query().cloned().map_or_else(Uri::default, Uri::from);
        *onward.headers_mut() = self.onward(&head.headers, &claims);
        let mut sender = self.sender().await.map_err(|_| StatusCode::BAD_GATEWAY)?;
        let answer = sender.send_request(onward).await.map_err(|_| StatusCode::BAD_GATEWAY)?;
        self.idle.borrow_mut().push(sender);
        Ok((answer.map(Either::Left), claims.jti))
    }

    fn onward(&self, headers: &HeaderMap, claims: &Claims) -> HeaderMap {
        let mut onward = HeaderMap::with_capacity(headers.len() + 3);
        for (name, value) in headers {
            if !HOPS.contains(name) && *name != header::AUTHORIZATION {
                onward.append(name, value.clone());
            }
        }
        stamp(&mut onward, claims);
        onward.insert(header::HOST, self.authority.clone());
        onward
    }

    /// A connection that was used before, or else a new one.
    async fn sender(&self) -> Result<Sender, Box<dyn std::error::Error>> {
        let used = {
            let mut idle = self.idle.borrow_mut();
            idle.retain(|sender| !sender.is_closed());
            let ready = idle.iter().rposition(SendRequest::is_ready);
            ready.map(|ready| idle.swap_remove(ready))
        };
        if let Some(sender) = used {
            return Ok(sender);
        }
        let stream = TcpStream::connect(self.behind).await?;
        stream.set_nodelay(true)?;
        let (sender, connection) = client::handshake(TokioIo::new(stream)).await?;
        spawn_local(connection);
        Ok(sender)
    }
}

/// What a front end is answered that asks whether a request may pass.
fn allowed(query: Option<&str>, claims: &Claims) -> Result<Answer, StatusCode> {
    let parameters = query.unwrap_or_default().split('&').filter_map(|one| one.split_once('='));
    for (name, value) in parameters {
        match name {
            "namespace" if value == claims.namespace => {}
            "scope" if value == claims.scope => {}
            _ => return Err(StatusCode::FORBIDDEN),
        }
    }
    let mut answer = Response::new(Either::Right(Full::default()));
    stamp(answer.headers_mut(), claims);
    Ok(answer)
}

fn stamp(headers: &mut HeaderMap, claims: &Claims) {
    for (name, value) in
        [("x-key-id", &claims.jti), ("x-namespace", &claims.namespace), ("x-scope", &claims.scope)]
    {
        headers.insert(HeaderName::from_static(name), value.try_into().unwrap());
    }
}

fn refusal(status: StatusCode) -> Answer {
    let mut answer = Response::new(Either::Right(Full::default()));
    *answer.status_mut() = status;
    answer
}

const HOPS: [HeaderName; 5] = [
    header::CONNECTION,
    header::CONTENT_LENGTH,
    header::HOST,
    header::TE,
    header::TRANSFER_ENCODING,
];

const SECRET: &[u8] = b"thirty-two bytes, known to both.";
