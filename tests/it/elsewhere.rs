//! `docs/verify-elsewhere.md`: its programs judge as msb does, but for what the page says.

use std::{
    fmt::Write as _,
    fs,
    io::Write,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::{SystemTime, UNIX_EPOCH},
};

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use msb::signing::ServerKey;
use serde_json::Value;

use crate::{
    harness::{Msb, Scratch, first_seed, jose, python_has},
    managed::{Running, address, msb, told},
    properties::Dice,
};

/// Prints for each line whether the key may do what it is asked for; the JWK Set may change.
const PYJWT: &str = r#"
import shutil, sys
from from_file import may

for line in sys.stdin:
    jwks, namespace, operation, key = line.rstrip("\n").split("\t")
    shutil.copy(jwks, "jwks.json")
    print(may(key, namespace, operation))
"#;

const FASTMCP: &str = r#"
import asyncio, shutil, sys
from types import SimpleNamespace
from msb_fastmcp import operation
from offline import verifier

async def judge():
    before = None
    for line in sys.stdin:
        jwks, verifier.namespace, asked, key = line.rstrip("\n").split("\t")
        shutil.copy(jwks, "jwks.json")
        if jwks != before:
            before, verifier.made = jwks, float("-inf")
        token = await verifier.verify_token(key)
        print(operation(asked)(SimpleNamespace(token=token)))

asyncio.run(judge())
"#;

const JOSE: &str = r#"
import { copyFileSync, readFileSync } from "node:fs";
import { may } from "./msb_keys.mjs";

for (const line of readFileSync(0, "utf8").trimEnd().split("\n")) {
  const [jwks, namespace, operation, key] = line.split("\t");
  copyFileSync(jwks, "jwks.json");
  console.log((await may(key, namespace, operation)) ? "True" : "False");
}
"#;

#[test]
fn pyjwt_judges_as_msb_does_but_for_what_the_page_says() {
    if python_has("jwt, cryptography") {
        Judged::all().check("python3", "judge.py", PYJWT);
    }
}

#[test]
fn fastmcp_judges_as_msb_does_but_for_what_the_page_says() {
    if python_has("fastmcp") {
        Judged::all().check("python3", "judge.py", FASTMCP);
    }
}

#[test]
fn jose_judges_as_msb_does_but_for_what_the_page_says() {
    if let Some(modules) = jose() {
        let judged = Judged::all();
        std::os::unix::fs::symlink(modules, judged.scratch.path("node_modules")).unwrap();
        judged.check("node", "judge.mjs", JOSE);
    }
}

/// Keys, each with what it is asked for and what it is elsewhere.
struct Judged {
    msb: Msb,
    scratch: Scratch,
    /// The name of the JWK Set that verifiers have now.
    jwks: &'static str,
    /// What the programs of the page are given.
    lines: String,
    /// What they must answer, and about which key.
    expected: Vec<(bool, String)>,
}

/// What nearly every key here is asked for.
const ASKED: &str = "project-web sums.add";

impl Judged {
    fn new() -> Self {
        let mut msb = Msb::new();
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
        msb.now = now.as_secs() as i64;
        msb.key("");
        let scratch = Scratch::new();
        write_programs(&scratch, "");
        let mut judged =
            Self { msb, scratch, jwks: "", lines: String::new(), expected: Vec::new() };
        judged.fetch("first.json");
        judged
    }

    fn all() -> Self {
        let mut judged = Self::new();
        judged.namespaces_and_operations();
        judged.times();
        judged.forgeries();
        judged.spellings();
        judged.random_limits();
        judged.what_is_not_known_elsewhere();
        judged
    }

    /// Gives verifiers the JWK Set as it is now.
    fn fetch(&mut self, name: &'static str) {
        let jwks = self.msb.ends("server key show --quiet --format jwks", 0).stdout;
        fs::write(self.scratch.path(name), jwks).unwrap();
        self.jwks = name;
    }

    /// A key with this exit code here is good elsewhere if and only if it is good here.
    #[track_caller]
    fn key(&mut self, key: &str, asked: &str, exit: u8) {
        self.differs(key, asked, exit, exit == 0);
    }

    /// A key that is issued with these flags has this exit code here, and the same elsewhere.
    #[track_caller]
    fn issued(&mut self, flags: &str, asked: &str, exit: u8) {
        let key = self.msb.key(flags);
        self.key(&key, asked, exit);
    }

    /// A key has this exit code here, and is good elsewhere or not.
    #[track_caller]
    fn differs(&mut self, key: &str, asked: &str, exit: u8, elsewhere: bool) {
        let (namespace, operation) = asked.split_once(' ').unwrap();
        self.msb.stdin = key.as_bytes().to_vec();
        let ran = self.msb.run_words(&["verify", "-", "-n", namespace, "--scope", operation]);
        assert_eq!(ran.exit, exit, "{key} for {asked}: {}{}", ran.stdout, ran.stderr);
        writeln!(self.lines, "{}\t{namespace}\t{operation}\t{key}", self.jwks).unwrap();
        self.expected.push((elsewhere, format!("exit {exit}, {asked}: {key}")));
    }

    /// Runs a program beside those of the page, and holds it to what is expected of each key.
    fn check(&self, interpreter: &str, name: &str, program: &str) {
        let told = run(&self.scratch, interpreter, name, program, &self.lines);
        let told: Vec<_> = told.lines().collect();
        assert_eq!(told.len(), self.expected.len(), "{told:#?}");
        for (told, (expected, key)) in told.iter().zip(&self.expected) {
            assert_eq!(*told, if *expected { "True" } else { "False" }, "{key}");
        }
        let good = self.expected.iter().filter(|(good, _)| *good).count();
        assert!(good > 30 && self.expected.len() - good > 50, "{good} are good");
    }

    fn namespaces_and_operations(&mut self) {
        self.issued("-n project-web", ASKED, 0);
        self.issued("-n a -n project-web", ASKED, 0);
        self.issued("", ASKED, 0);
        self.issued("-n project-web --scope sums.add", ASKED, 0);
        self.issued("-n project-web --scope a --scope sums.*", ASKED, 0);
        self.issued("-n project-web --scope '*'", ASKED, 0);
        self.issued("--scope sums.*", "project-web sums.of.all", 0);

        self.issued("-n project", ASKED, 15);
        self.issued("-n project-web-2", ASKED, 15);
        self.issued("-n a -n web", ASKED, 15);
        self.issued("-n project-web", "* sums.add", 15);
        self.issued("--scope sums", ASKED, 15);
        self.issued("--scope sums.add.all", ASKED, 15);
        self.issued("--scope sum.*", ASKED, 15);
        self.issued("--scope sums.*", "project-web sums", 15);
    }

    fn times(&mut self) {
        self.issued("-n project-web --expire 1h", ASKED, 0);
        self.msb.now -= 7_200;
        let ended = self.msb.key("-n project-web --expire 1h");
        let begun = self.msb.key("-n project-web --not-before 1h");
        self.msb.now += 7_200;
        self.key(&ended, ASKED, 12);
        self.key(&begun, ASKED, 0);
        self.issued("-n project-web --not-before 1h", ASKED, 13);
        let ahead = format!(
            r#"{{"jti":"40h24gs8awjptfkg","iat":{},"namespace":"project-web"}}"#,
            self.msb.now + 3_600
        );
        self.key(&sign(&first(), &header(), &ahead), ASKED, 13);
    }

    fn forgeries(&mut self) {
        let claims = self.claims();
        self.key(&sign(&first(), &header(), &claims), ASKED, 0);
        let other = ServerKey::from_seed(&[7; 32]);
        self.key(&sign(&other, &header(), &claims), ASKED, 11);
        let kid = other.public().kid().to_string();
        let theirs = header().replace(&first().public().kid().to_string(), &kid);
        self.key(&sign(&other, &theirs, &claims), ASKED, 11);

        let good = self.msb.key("-n other");
        let [head, _, signature] = parts(&good);
        self.key(&format!("msb_{head}.{}.{signature}", encode(&claims)), ASKED, 11);

        // Signed with what is public, as if that were a secret; 64 bytes are as long as ours.
        let jwk: Value = serde_json::from_str(&first().public().to_jwk()).unwrap();
        let x = jwk["x"].as_str().unwrap();
        let raw = BASE64_URL_SAFE_NO_PAD.decode(x).unwrap();
        let pem = first().public().to_pem();
        for secret in [raw.as_slice(), x.as_bytes(), pem.as_bytes(), pem.trim_end().as_bytes()] {
            for algorithm in [Algorithm::HS256, Algorithm::HS512] {
                self.key(&hashed(algorithm, secret, &claims), ASKED, 10);
            }
        }
        let none = header().replace("EdDSA", "none");
        let unsigned = format!("msb_{}.{}.", encode(&none), encode(&claims));
        self.key(&unsigned, ASKED, 10);
        self.key(&format!("{unsigned}{signature}"), ASKED, 10);
        self.key(&sign(&first(), &none, &claims), ASKED, 10);
        let [head, body, _] = parts(&sign(&first(), &header(), &claims));
        self.key(&format!("msb_{head}.{body}.{}", encode([0; 64])), ASKED, 11);

        // Well signed by our server key, and yet no key.
        for (from, to) in [
            ("msb+jwt", "JWT"),
            (",\"typ\":\"msb+jwt\"", ""),
            ("\"typ\"", "\"crit\":[\"new\"],\"new\":1,\"typ\""),
        ] {
            self.key(&sign(&first(), &header().replace(from, to), &claims), ASKED, 10);
        }
        let aud = claims.replace('}', r#","aud":"another-service"}"#);
        self.key(&sign(&first(), &header(), &aud), ASKED, 15);
    }

    /// One key is good in one spelling only.
    fn spellings(&mut self) {
        let key = self.msb.key("-n project-web");
        let jws = key.strip_prefix("msb_").unwrap();
        let last = jws.chars().last().unwrap();
        let alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
        let twin = alphabet.chars().nth(alphabet.find(last).unwrap() + 1).unwrap();
        self.key(&key, ASKED, 0);
        self.key(&format!("{}{twin}", &key[..key.len() - 1]), ASKED, 10);
        for text in [
            jws.to_owned(),
            format!("msb_{key}"),
            format!("MSB_{jws}"),
            format!("mbx_{jws}"),
            format!("Bearer {key}"),
            format!(" {key}"),
            format!("{key} "),
            format!("{key}="),
            format!("{key}=="),
            format!("{key}."),
            format!("{key}\u{301}"),
            key.replacen('.', "..", 1),
            key[..key.len() - 1].to_owned(),
            "msb_".to_owned(),
            "msb_a.b.c".to_owned(),
        ] {
            self.key(&text, ASKED, 10);
        }
    }

    fn random_limits(&mut self) {
        let mut dice = Dice(4);
        let mut draw = |words: &[&str]| words[dice.below(words.len() as u64) as usize].to_owned();
        let namespaces = ["", "-n a", "-n b", "-n ab", "-n a -n b", "-n a -n ab -n a-b"];
        let operations = ["a", "a.b", "a.b.c", "ab", "a:b", "b"];
        let held = ["", "*", "a", "a.*", "a:*", "a/*", "a.b", "a.b.*", "ab.*", "b a.*"];
        for _ in 0..150 {
            let scope: String =
                draw(&held).split_whitespace().map(|word| format!(" --scope '{word}'")).collect();
            let key = self.msb.key(&(draw(&namespaces) + &scope));
            let asked = format!("{} {}", draw(&["a", "b", "ab", "a-b"]), draw(&operations));
            let (namespace, operation) = asked.split_once(' ').unwrap();
            self.msb.stdin = key.as_bytes().to_vec();
            let exit =
                self.msb.run_words(&["verify", "-", "-n", namespace, "--scope", operation]).exit;
            assert!(exit == 0 || exit == 15, "{exit}");
            self.key(&key, &asked, exit);
        }
    }

    fn what_is_not_known_elsewhere(&mut self) {
        let revoked = self.msb.key("-n project-web --name leaked");
        self.key(&revoked, ASKED, 0);
        self.msb.ends("server revoke leaked", 0);
        self.differs(&revoked, ASKED, 14, true);

        let endless = self.msb.key("-n project-web");
        fs::write(self.msb.file("config.toml"), "[policy]\nrequire_expire = true\n").unwrap();
        self.differs(&endless, ASKED, 6, true);
        fs::remove_file(self.msb.file("config.toml")).unwrap();

        let before = self.msb.key("-n project-web");
        self.msb.ends("server key rotate --overlap 1d", 0);
        let rotated = self.msb.key("-n project-web");
        self.key(&before, ASKED, 0);
        self.differs(&rotated, ASKED, 0, false);
        self.fetch("rotated.json");
        self.key(&before, ASKED, 0);
        self.key(&rotated, ASKED, 0);

        // Who has the retired server key still signs with it.
        self.msb.now += 1;
        let late = self.claims();
        self.differs(&sign(&first(), &header(), &late), ASKED, 14, true);

        self.msb.ends("server key reset --yes", 0);
        for dead in [&before, &rotated] {
            self.differs(dead, ASKED, 14, true);
        }
        self.fetch("reset.json");
        for dead in [&before, &rotated, &revoked] {
            self.key(dead, ASKED, 14);
        }
        self.issued("-n project-web", ASKED, 0);
    }

    /// Claims of a good key.
    fn claims(&self) -> String {
        let now = self.msb.now;
        format!(r#"{{"jti":"40h24gs8awjptfkg","iat":{now},"namespace":"project-web"}}"#)
    }
}

fn first() -> ServerKey {
    ServerKey::from_seed(&first_seed())
}

fn header() -> String {
    format!(r#"{{"alg":"EdDSA","kid":"{}","typ":"msb+jwt"}}"#, first().public().kid())
}

fn sign(server_key: &ServerKey, header: &str, claims: &str) -> String {
    let input = format!("{}.{}", encode(header), encode(claims));
    format!("msb_{input}.{}", encode(server_key.sign(input.as_bytes())))
}

/// A JWT whose signature is a hash with a secret.
fn hashed(algorithm: Algorithm, secret: &[u8], claims: &str) -> String {
    let mut header = Header::new(algorithm);
    header.typ = Some("msb+jwt".to_owned());
    header.kid = Some(first().public().kid().to_string());
    let claims: Value = serde_json::from_str(claims).unwrap();
    let secret = EncodingKey::from_secret(secret);
    format!("msb_{}", jsonwebtoken::encode(&header, &claims, &secret).unwrap())
}

fn encode(bytes: impl AsRef<[u8]>) -> String {
    BASE64_URL_SAFE_NO_PAD.encode(bytes)
}

/// Header, claims and signature, as they stand in a key.
fn parts(key: &str) -> [String; 3] {
    let parts: Vec<_> = key["msb_".len()..].split('.').map(str::to_owned).collect();
    parts.try_into().unwrap()
}

/// Puts the programs of the page where their first lines say. If the server answers somewhere,
/// they ask there.
fn write_programs(scratch: &Scratch, server: &str) {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/verify-elsewhere.md");
    let page = fs::read_to_string(page).unwrap();
    let mut programs = 0;
    for (fence, comment) in [("```python\n", "# "), ("```js\n", "// ")] {
        for block in page.split(fence).skip(1) {
            let program = block.split("```").next().unwrap();
            let name = program.lines().next().unwrap().strip_prefix(comment).unwrap();
            let program = match server {
                "" => program.to_owned(),
                server => program.replace("http://127.0.0.1:5555", server),
            };
            fs::write(scratch.path(name), program).unwrap();
            programs += 1;
        }
    }
    assert_eq!(programs, 9, "the programs of the page were not found");
}

/// What a program beside those of the page prints about this input.
fn run(scratch: &Scratch, interpreter: &str, name: &str, program: &str, input: &str) -> String {
    fs::write(scratch.path(name), program).unwrap();
    let mut child = Command::new(interpreter)
        .arg(name)
        .current_dir(&scratch.0)
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let (mut stdin, input) = (child.stdin.take().unwrap(), input.to_owned());
    let feeder = std::thread::spawn(move || stdin.write_all(input.as_bytes()));
    let ran = child.wait_with_output().unwrap();
    let told = String::from_utf8(ran.stdout).unwrap();
    assert!(ran.status.success(), "{told}{}", String::from_utf8_lossy(&ran.stderr));
    feeder.join().unwrap().unwrap();
    told
}

/// Prints whether the list has each key.
const REVOKED: &str = r#"
import sys
from from_file import server_key
from msb_pyjwt import claims_of
from revoked import is_revoked

for line in sys.stdin:
    print(is_revoked(claims_of(line.rstrip("\n"), server_key)))
"#;

#[test]
fn a_list_of_revoked_keys_has_those_that_a_rule_covers() {
    if !python_has("jwt, cryptography") {
        return;
    }
    let Judged { mut msb, scratch, .. } = Judged::new();
    let keys = ["--name leaked", "--owner ann@example.org", "", "--owner bob@example.org"]
        .map(|flags| msb.key(flags));
    msb.ends("server revoke leaked", 0);
    msb.ends("server revoke --owner ann@example.org --yes", 0);
    let list = command_of_the_page(&mut msb, "server list --state revoked");
    fs::write(scratch.path("revoked.json"), list).unwrap();
    let jwks = command_of_the_page(&mut msb, "server key show");
    fs::write(scratch.path("jwks.json"), jwks).unwrap();
    let told = run(&scratch, "python3", "judge.py", REVOKED, &(keys.join("\n") + "\n"));
    assert_eq!(told, "True\nTrue\nFalse\nFalse\n");
}

/// What the one command of the page that begins so prints.
fn command_of_the_page(msb: &mut Msb, begins: &str) -> String {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/verify-elsewhere.md");
    let page = fs::read_to_string(page).unwrap();
    let found: Vec<_> =
        page.lines().filter(|line| line.starts_with(&format!("msb {begins}"))).collect();
    assert_eq!(found.len(), 1, "msb {begins}: {found:?}");
    let command = found[0].strip_prefix("msb ").unwrap().split(" > ").next().unwrap();
    msb.ends(command, 0).stdout
}

/// Prints what a client sees of the server on the page, with each key.
const SERVER: &str = r#"
import asyncio, sys
import httpx2, server
from fastmcp import Client
from fastmcp.client.transports import StreamableHttpTransport

async def see(app, key):
    def inside(**told):
        return httpx2.AsyncClient(**{**told, "transport": httpx2.ASGITransport(app)})
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    initialize = {"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": {
        "protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "a", "version": "1"}}}
    async with inside() as client:
        accept = {"Accept": "application/json, text/event-stream"}
        answer = await client.post("http://inside/mcp", headers={**headers, **accept}, json=initialize)
    if answer.status_code != 200:
        return [answer.status_code]
    transport = StreamableHttpTransport(
        "http://inside/mcp", headers=headers, httpx_client_factory=inside)
    async with Client(transport) as client:
        tools = [tool.name for tool in await client.list_tools()]
        try:
            called = (await client.call_tool("add", {"a": 1, "b": 2})).data
        except Exception as refused:
            called = type(refused).__name__
        return [200, tools, called]

async def all():
    app = server.mcp.http_app()
    async with app.router.lifespan_context(app):
        for line in sys.stdin:
            print(*await see(app, line.rstrip("\n")), sep=" ")

asyncio.run(all())
"#;

#[test]
fn an_mcp_server_lets_keys_in_and_its_tools_ask_for_operations() {
    if !python_has("fastmcp") {
        return;
    }
    let served = Served::start();
    let mut keys = String::new();
    for limits in ["-n project-web", "-n project-web --scope sums.*", "-n project-web --scope a"] {
        keys += &(served.key(limits) + "\n");
    }
    keys += &(served.key("-n other") + "\n\n");
    let told = run(&served.scratch, "python3", "judge.py", SERVER, &keys);
    let expected = ["200 ['add'] 3", "200 ['add'] 3", "200 [] ToolError", "401", "401"];
    assert_eq!(told.lines().collect::<Vec<_>>(), expected);
    served.server.stop();
}

/// Prints whether the server's JWK Set has what signed a key.
const FROM_SERVER: &str = r#"
import sys
import jwt
from from_server import server_key
from msb_pyjwt import claims_of

for line in sys.stdin:
    try:
        print(claims_of(line.rstrip("\n"), server_key)["namespace"])
    except jwt.PyJWTError as error:
        print(type(error).__name__)
"#;

#[test]
fn the_server_hands_out_the_jwk_set() {
    if !python_has("jwt, cryptography") {
        return;
    }
    let served = Served::start();
    let judge =
        |key: &str| run(&served.scratch, "python3", "judge.py", FROM_SERVER, &format!("{key}\n"));
    let first = served.key("-n first");
    assert_eq!(judge(&first), "first\n");
    told(&served.home, "server key rotate --yes");
    let second = served.key("-n second");
    assert_eq!(judge(&first), "first\n");
    assert_eq!(judge(&second), "second\n");
    told(&served.home, "server key reset --yes");
    assert_eq!(judge(&first), "PyJWKClientError\n");
    assert_eq!(judge(&second), "PyJWKClientError\n");
    assert_eq!(judge(&served.key("-n third")), "third\n");
    served.server.stop();
    assert_eq!(judge(&second), "PyJWKClientConnectionError\n");
}

/// A server, and the programs of the page that ask it.
struct Served {
    scratch: Scratch,
    home: PathBuf,
    server: Running,
}

impl Served {
    fn start() -> Self {
        let scratch = Scratch::new();
        let home = scratch.path("home");
        told(&home, "server keygen --quiet");
        let server = Running::start(msb(&home).args(["server", "start", "--port", "0"]));
        write_programs(&scratch, &format!("http://{}", address(&home)));
        Self { scratch, home, server }
    }

    fn key(&self, limits: &str) -> String {
        told(&self.home, &format!("server keygen --quiet {limits}"))
    }
}
