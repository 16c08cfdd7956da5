//! Whole processes: from the start of a program to its end, beside others that do as much.

use std::{
    env, fs,
    os::unix::fs::symlink,
    path::{Path, PathBuf},
    process::Command,
};

use crate::{
    Extent, Skipped,
    figure::Figures,
    program::{self, find},
    scratch::Scratch,
    turn::{Case, Spent, alternate, tell},
};

/// Everybody's programs, each with the processor time and the time of one run.
pub fn measure(
    msb: &Path,
    scratch: &Scratch,
    extent: &Extent,
    figures: &mut Figures,
    skipped: &mut Skipped,
) {
    let place = Place::new(scratch);
    let mut cases = ours(msb, &place, false);
    if extent.fixed {
        cases.extend(ours(&program::msb_static(), &place, true));
    }
    for (name, peer, hint) in PEERS {
        match peer(&place) {
            Some(peer) => cases.extend(peer),
            None => skipped.note(&format!("processes of {name}"), hint),
        }
    }
    alternate(&mut cases, extent.rounds, extent.turn);
    for case in &cases {
        tell(
            figures,
            &format!("{}, processor time", case.name),
            "",
            &millis(case.processor()),
            " ms",
        );
        tell(figures, &format!("{}, wall", case.name), "", &millis(case.wall()), " ms");
    }
    let of = |name: &str| cases.iter().find(|case| case.name == name);
    for (ours, theirs, wanted) in PAIRS {
        let (Some(ours), Some(theirs)) = (of(ours), of(theirs)) else { continue };
        tell(figures, &format!("{} / {}", ours.name, theirs.name), wanted, &ours.over(theirs), "");
        let walls: Vec<_> =
            ours.wall().iter().zip(&theirs.wall()).map(|(ours, theirs)| ours / theirs).collect();
        tell(figures, &format!("{} / {}, wall", ours.name, theirs.name), "", &walls, "");
    }
}

/// Who is set beside whom, and how many times as much ours may take, if that was said.
const PAIRS: [(&str, &str, &str); 18] = [
    (KEYGEN, JWT_ENCODE, "0.70"),
    (KEYGEN, "jwt encode HS256", "0.70"),
    (KEYGEN, "openssl genpkey", ""),
    (KEYGEN, "ssh-keygen", ""),
    (KEYGEN, "age-keygen", ""),
    (KEYGEN, "PyJWT encode", ""),
    (KEYGEN, "jose sign", ""),
    (VERIFY, JWT_DECODE, "1.00"),
    (VERIFY, "jwt decode HS256", "1.00"),
    (VERIFY_OFFLINE, JWT_DECODE, "1.00"),
    (VERIFY_OFFLINE, "jwt decode HS256", "1.00"),
    (VERIFY_OFFLINE, "openssl pkeyutl -verify", ""),
    (VERIFY_OFFLINE, "ssh-keygen -Y verify", ""),
    (VERIFY_OFFLINE, "PyJWT decode", ""),
    (VERIFY_OFFLINE, "jose verify", ""),
    (KEYGEN_STATIC, JWT_ENCODE, ""),
    (VERIFY_STATIC, JWT_DECODE, ""),
    (VERIFY_OFFLINE_STATIC, JWT_DECODE, ""),
];

type Peer = (&'static str, fn(&Place) -> Option<Vec<Case<'static>>>, &'static str);

const PEERS: [Peer; 6] = [
    ("jwt", jwt, "cargo install jwt-cli"),
    ("openssl", openssl, "apt-get install openssl"),
    ("ssh-keygen", ssh_keygen, "apt-get install openssh-client"),
    ("age-keygen", age_keygen, "apt-get install age"),
    ("PyJWT", pyjwt, "pip install 'pyjwt[crypto]' for the python3 on PATH"),
    ("jose", jose, "npm install jose@6, and MSB_TEST_NODE_MODULES names its node_modules"),
];

/// The files that all of them read.
struct Place {
    directory: PathBuf,
    /// An Ed25519 pair, for those who take PEM.
    secret: PathBuf,
    public: PathBuf,
    /// What is signed.
    claims: PathBuf,
}

impl Place {
    fn new(scratch: &Scratch) -> Self {
        let directory = scratch.path("processes");
        fs::create_dir(&directory).unwrap();
        let at = |name| directory.join(name);
        fs::write(at("claims.json"), CLAIMS).unwrap();
        fs::write(at("secret.bytes"), SECRET).unwrap();
        Self {
            secret: at("secret.pem"),
            public: at("public.pem"),
            claims: at("claims.json"),
            directory,
        }
    }

    fn at(&self, name: &str) -> PathBuf {
        self.directory.join(name)
    }

    /// The server key of a home, for all who sign.
    fn take_server_key(&self, home: &Path, public: &str) {
        fs::copy(home.join("server.key"), &self.secret).unwrap();
        fs::write(&self.public, public).unwrap();
    }
}

/// keygen, verify with a home, and with a public key.
fn ours(msb: &Path, place: &Place, fixed: bool) -> Vec<Case<'static>> {
    let home = place.at(if fixed { "home-static" } else { "home" });
    let at_home = {
        let (msb, home) = (msb.to_owned(), home.clone());
        move |words: &[&str]| {
            let mut command = Command::new(&msb);
            command.env_clear().env("MSB_HOME", &home).args(words);
            command
        }
    };
    let limits =
        ["server", "keygen", "--expire", "1d", "-n", "team-alpha", "--scope", "sandbox.start"];
    let key = program::output(&mut at_home(&limits)).trim_end().to_owned();
    let public = program::output(&mut at_home(&["server", "key", "show", "--format", "pem"]));
    place.take_server_key(&home, &public);
    let public = home.join("public.pem");
    fs::copy(&place.public, &public).unwrap();
    let public = public.to_str().unwrap().to_owned();
    let names = match fixed {
        false => [KEYGEN, VERIFY, VERIFY_OFFLINE],
        true => [KEYGEN_STATIC, VERIFY_STATIC, VERIFY_OFFLINE_STATIC],
    };
    let verify = {
        let (at_home, key) = (at_home.clone(), key.clone());
        move || {
            let mut command = at_home(&["verify"]);
            command.env("MSB_API_KEY", &key);
            command
        }
    };
    let offline = {
        let at_home = at_home.clone();
        move || {
            let mut command = at_home(&["verify", "--public-key", &public]);
            command.env("MSB_API_KEY", &key);
            command
        }
    };
    vec![
        case(names[0], move || at_home(&limits), b""),
        case(names[1], verify, b""),
        case(names[2], offline, b""),
    ]
}

fn jwt(place: &Place) -> Option<Vec<Case<'static>>> {
    let jwt = find("jwt")?;
    let mut cases = vec![];
    for (algorithm, names, signs, verifies) in [
        ("EDDSA", [JWT_ENCODE, JWT_DECODE], &place.secret, &place.public),
        (
            "HS256",
            ["jwt encode HS256", "jwt decode HS256"],
            &place.at("secret.bytes"),
            &place.at("secret.bytes"),
        ),
    ] {
        let at = |path: &Path| format!("@{}", path.display());
        let (signs, verifies) = (at(signs), at(verifies));
        let encode = {
            let jwt = jwt.clone();
            move || {
                let mut command = Command::new(&jwt);
                command.env_clear().args(["encode", "-A", algorithm, "-S", &signs, "-e=+1day"]);
                command.arg(CLAIMS);
                command
            }
        };
        let token = program::output(&mut encode()).trim_end().to_owned();
        let jwt = jwt.clone();
        let decode = move || {
            let mut command = Command::new(&jwt);
            command.env_clear().args(["decode", "-A", algorithm, "-S", &verifies, &token]);
            command
        };
        cases.extend([case(names[0], encode, b""), case(names[1], decode, b"")]);
    }
    Some(cases)
}

fn openssl(place: &Place) -> Option<Vec<Case<'static>>> {
    let openssl = find("openssl")?;
    let files = ["new.pem", "signature"].map(|name| place.at(name));
    let files = [&place.secret, &place.public, &place.claims, &files[0], &files[1]];
    let [secret, public, claims, new, signature] =
        files.map(|path| path.to_str().unwrap().to_owned());
    let sign =
        ["pkeyutl", "-sign", "-rawin", "-inkey", &secret, "-in", &claims, "-out", &signature];
    let check = ["pkeyutl", "-verify", "-rawin", "-pubin", "-inkey", &public, "-in", &claims];
    let check = [&check[..], &["-sigfile", &signature]].concat();
    Some(vec![
        fixed(
            "openssl genpkey",
            &openssl,
            &["genpkey", "-algorithm", "ed25519", "-out", &new],
            b"",
        ),
        fixed("openssl pkeyutl -sign", &openssl, &sign, b""),
        fixed("openssl pkeyutl -verify", &openssl, &check, b""),
    ])
}

fn ssh_keygen(place: &Place) -> Option<Vec<Case<'static>>> {
    let ssh_keygen = find("ssh-keygen")?;
    let new = place.at("ssh");
    let generate = {
        let (ssh_keygen, new) = (ssh_keygen.clone(), new.clone());
        move || {
            // It asks before it writes over one.
            let _ = fs::remove_file(&new);
            let mut command = Command::new(&ssh_keygen);
            command.args(["-q", "-t", "ed25519", "-N", "", "-C", "me", "-f"]).arg(&new);
            command
        }
    };
    let signs = place.at("ssh-signs");
    program::run(generate().arg("-f").arg(&signs), b"");
    let public = fs::read_to_string(signs.with_extension("pub")).unwrap();
    let allowed = place.at("ssh-allowed");
    fs::write(&allowed, format!("me {public}")).unwrap();
    let [signs, allowed] = [&signs, &allowed].map(|path| path.to_str().unwrap());
    let sign = ["-q", "-Y", "sign", "-n", "file", "-f", signs];
    program::run(Command::new(&ssh_keygen).args(sign).arg(&place.claims), b"");
    let signature = format!("{}.sig", place.claims.display());
    let check = ["-Y", "verify", "-n", "file", "-I", "me", "-f", allowed, "-s", &signature];
    Some(vec![
        case("ssh-keygen", generate, b""),
        fixed("ssh-keygen -Y sign", &ssh_keygen, &sign, CLAIMS.as_bytes()),
        fixed("ssh-keygen -Y verify", &ssh_keygen, &check, CLAIMS.as_bytes()),
    ])
}

fn age_keygen(_: &Place) -> Option<Vec<Case<'static>>> {
    Some(vec![fixed("age-keygen", &find("age-keygen")?, &[], b"")])
}

fn pyjwt(place: &Place) -> Option<Vec<Case<'static>>> {
    let python = find("python3")?;
    let known = Command::new(&python).args(["-c", "import jwt, cryptography"]).output();
    known.ok().filter(|output| output.status.success())?;
    let script = place.at("pyjwt.py");
    fs::write(&script, PYJWT).unwrap();
    let words = [&script, &place.secret, &place.public].map(|path| path.to_str().unwrap());
    Some(signs_and_verifies(&python, &words, ["PyJWT encode", "PyJWT decode"]))
}

fn jose(place: &Place) -> Option<Vec<Case<'static>>> {
    let (node, modules) = (find("node")?, env::var_os("MSB_TEST_NODE_MODULES")?);
    symlink(fs::canonicalize(modules).ok()?, place.at("node_modules")).unwrap();
    let script = place.at("jose.mjs");
    fs::write(&script, JOSE).unwrap();
    let words = [&script, &place.secret, &place.public].map(|path| path.to_str().unwrap());
    Some(signs_and_verifies(&node, &words, ["jose sign", "jose verify"]))
}

/// A script that signs, and verifies what it is given.
fn signs_and_verifies(
    program: &Path,
    words: &[&str],
    names: [&'static str; 2],
) -> Vec<Case<'static>> {
    let token = program::output(Command::new(program).args(words));
    vec![
        fixed(names[0], program, words, b""),
        fixed(names[1], program, &[words, &[token.trim_end()]].concat(), b""),
    ]
}

/// A program that is run with the same words each time.
fn fixed(
    name: &'static str,
    program: &Path,
    words: &[&str],
    input: &'static [u8],
) -> Case<'static> {
    let program = program.to_owned();
    let words: Vec<_> = words.iter().map(|&word| word.to_owned()).collect();
    let command = move || {
        let mut command = Command::new(&program);
        command.args(&words);
        command
    };
    case(name, command, input)
}

fn case(
    name: &'static str,
    mut command: impl FnMut() -> Command + 'static,
    input: &'static [u8],
) -> Case<'static> {
    Case::new(name, move |times| (0..times).map(|_| program::run(&mut command(), input)).sum())
}

impl std::iter::Sum for Spent {
    fn sum<I: Iterator<Item = Self>>(all: I) -> Self {
        let none = Self { processor: 0.0, wall: 0.0 };
        all.fold(none, |sum, one| Self {
            processor: sum.processor + one.processor,
            wall: sum.wall + one.wall,
        })
    }
}

fn millis(nanos: Vec<f64>) -> Vec<f64> {
    nanos.iter().map(|nanos| nanos / 1e6).collect()
}

const KEYGEN: &str = "msb server keygen";
const VERIFY: &str = "msb verify";
const VERIFY_OFFLINE: &str = "msb verify --public-key";
const KEYGEN_STATIC: &str = "msb server keygen, static build";
const VERIFY_STATIC: &str = "msb verify, static build";
const VERIFY_OFFLINE_STATIC: &str = "msb verify --public-key, static build";
const JWT_ENCODE: &str = "jwt encode EdDSA";
const JWT_DECODE: &str = "jwt decode EdDSA";

/// What a JWT says beside `iat` and `exp`: as much as a limited key.
const CLAIMS: &str =
    r#"{"jti":"8f14e45fceea167a","namespace":"team-alpha","scope":"sandbox.start"}"#;

const SECRET: &[u8] = b"thirty-two bytes, known to both.";

const PYJWT: &str = r#"
import sys, time
import jwt
secret, public, *token = sys.argv[1:]
if token:
    said = jwt.decode(token[0], open(public).read(), algorithms=["EdDSA"])
    assert said["namespace"] == "team-alpha" and said["scope"] == "sandbox.start"
else:
    now = int(time.time())
    said = {"jti": "8f14e45fceea167a", "iat": now, "exp": now + 86400,
            "namespace": "team-alpha", "scope": "sandbox.start"}
    print(jwt.encode(said, open(secret).read(), algorithm="EdDSA"))
"#;

const JOSE: &str = r#"
import { readFileSync } from "node:fs";
import { SignJWT, importPKCS8, importSPKI, jwtVerify } from "jose";
const [secret, pub, token] = process.argv.slice(2);
if (token) {
  const key = await importSPKI(readFileSync(pub, "utf8"), "EdDSA");
  const { payload } = await jwtVerify(token, key);
  if (payload.namespace !== "team-alpha" || payload.scope !== "sandbox.start") process.exit(1);
} else {
  const key = await importPKCS8(readFileSync(secret, "utf8"), "EdDSA");
  const said = { jti: "8f14e45fceea167a", namespace: "team-alpha", scope: "sandbox.start" };
  const jwt = new SignJWT(said).setProtectedHeader({ alg: "EdDSA", typ: "JWT" });
  console.log(await jwt.setIssuedAt().setExpirationTime("1d").sign(key));
}
"#;
