//! `openai`, and a model that says its answer piece by piece (server-sent events).

use std::{
    io::{self, Write},
    process::Command,
    sync::{
        Mutex,
        mpsc::{self, Receiver, Sender},
    },
    thread,
    time::Duration,
};

use serde_json::json;

use super::{NOT_VALID, Site, Talking, UNJUDGED, python, script};
use crate::harness::{SOON, in_full};

const CLIENT: &str = "openai==3.54.0";

/// A model behind msb that says the next piece of its answer when it is told to; and is done when
/// it is told nothing.
struct Model {
    site: Site,
    say: Sender<Option<&'static str>>,
}

impl Model {
    fn new() -> Self {
        let (say, told) = mpsc::channel();
        let told = Mutex::new(told);
        Self { site: Site::new("", move |_, to| answer(&told.lock().unwrap(), to)), say }
    }

    fn say(&self, piece: &'static str) {
        self.say.send(Some(piece)).unwrap();
    }

    fn client(&self, key: &str) -> Command {
        let mut command = script(CLIENT, "openai.py").unwrap();
        command.env("OPENAI_BASE_URL", format!("{}/v1", self.site.url()));
        command.env("OPENAI_API_KEY", key);
        command
    }
}

fn answer(told: &Receiver<Option<&'static str>>, to: &mut dyn Write) -> io::Result<()> {
    let head = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\
                Transfer-Encoding: chunked\r\n\r\n";
    to.write_all(head.as_bytes())?;
    let mut event = |data: &str| {
        let length = "data: \n\n".len() + data.len();
        to.write_all(format!("{length:x}\r\ndata: {data}\n\n\r\n").as_bytes())
    };
    while let Some(piece) = told.recv_timeout(SOON).unwrap_or_default() {
        let choice = json!({"index": 0, "delta": {"content": piece}, "finish_reason": null});
        let chunk = json!({
            "id": "1", "object": "chat.completion.chunk", "created": 0, "model": "llama",
            "choices": [choice],
        });
        event(&chunk.to_string())?;
    }
    event("[DONE]")?;
    to.write_all(b"0\r\n\r\n")
}

#[test]
fn every_piece_of_an_answer_arrives_before_the_next_is_sent() {
    if python(CLIENT).is_none() {
        return;
    }
    let model = Model::new();
    let client = Talking::start(&mut model.client(&model.site.home.key("")));
    // Longer than a connection may be silent between requests, and in all longer than a minute.
    let pause = Duration::from_secs(if in_full() { 31 } else { 0 });
    for piece in ["one", "two", "three"] {
        model.say(piece);
        assert_eq!(client.line(), piece);
        assert!(client.said().is_empty());
        thread::sleep(pause);
    }
    model.say.send(None).unwrap();
    assert_eq!(client.line(), "the end");
    let [request] = &model.site.upstream.arrived()[..] else { panic!("one request") };
    assert_eq!((&*request.method, &*request.target), ("POST", "/v1/chat/completions"));
    assert_eq!(request.json()["messages"][0]["content"], "Count");
    assert_eq!(request.header("authorization"), None);
}

#[test]
fn an_answer_is_cut_off_when_its_key_is_revoked() {
    if python(CLIENT).is_none() {
        return;
    }
    let model = Model::new();
    let client = Talking::start(&mut model.client(&model.site.home.key("--name lost")));
    model.say("one");
    assert_eq!(client.line(), "one");
    model.site.home.done("server revoke lost");
    assert_eq!(client.line(), "APIConnectionError: Connection error.");
}

#[test]
fn its_user_reads_why_a_key_is_refused() {
    if python(CLIENT).is_none() {
        return;
    }
    let model = Model::new();
    let limited = model.site.home.key("-n team-alpha");
    for (key, expected) in [
        ("msb_wrong", format!("AuthenticationError: Error code: 401 - {}", NOT_VALID.message)),
        (&limited, format!("PermissionDeniedError: Error code: 403 - {}", UNJUDGED.message)),
    ] {
        assert_eq!(Talking::start(&mut model.client(key)).line(), expected);
    }
    assert!(model.site.upstream.arrived().is_empty());
}
