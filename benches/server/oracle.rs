//! Oracle: how long it takes to hear that a key does not hold, by why it does not. All of the answers
//! are the same bytes; the clock is to tell as little as they do.

use std::{
    fs,
    time::{Instant, SystemTime, UNIX_EPOCH},
};

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use msb::signing::ServerKey;

use crate::{
    Extent,
    figure::{Figures, median, quantile},
    load::{Ask, Line},
    process::{Msb, Scratch},
};

/// Whom keys are for here, and how long they may live.
const SETTINGS: &str = "audience = \"here\"\n[policy]\nmax_expire = \"2d\"\n";

/// Why a key does not hold.
const CLASSES: [&str; 7] = [
    "malformed",
    "unknown server key",
    "forged",
    "revoked",
    "wrong audience",
    "not yet valid",
    "policy",
];

/// The class that others are held against: from it on a signature is checked.
const FORGED: usize = 2;

pub fn measure(scratch: &Scratch, extent: &Extent, figures: &mut Figures) {
    println!("oracle: one connection, {} keys of each of {} kinds", extent.guesses, CLASSES.len());
    let msb = Msb::new(scratch, "oracle");
    msb.keys(1, &[]);
    msb.configure(SETTINGS);
    msb.run(&["server", "revoke", "-y", "--owner", "gone"]);
    let forge = Forge {
        ours: ServerKey::from_pem(&fs::read_to_string(msb.file("server.key")).unwrap()).unwrap(),
        other: ServerKey::from_seed(&[7; 32]),
        now: SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs(),
    };
    let server = msb.start();
    let mut line = Line::open(server.address).unwrap();
    let mut times = CLASSES.map(|_| vec![]);
    for number in 0..extent.guesses {
        // Nobody is always the one who follows another.
        for class in (0..CLASSES.len()).map(|turn| (turn + number) % CLASSES.len()) {
            let ask = Ask::new("/auth", Some(&forge.key(class, number)), 401);
            let asked = Instant::now();
            assert_eq!(line.ask(&ask).unwrap(), 401);
            times[class].push(asked.elapsed().as_secs_f64() * 1e6);
        }
    }
    let forged = median(&times[FORGED]);
    for (class, times) in CLASSES.iter().zip(&times) {
        // What two halves of one class differ by is noise.
        let halves = [0, 1].map(|odd| {
            let half: Vec<_> = times.iter().skip(odd).step_by(2).copied().collect();
            median(&half)
        });
        let more = format!(
            "p25 {:.1}; {:+.1} beside forged; its halves differ by {:.1}",
            quantile(times, 0.25),
            median(times) - forged,
            (halves[0] - halves[1]).abs()
        );
        figures.add(&format!("us, {class}"), "", format!("{:.1}", median(times)), more);
    }
}

/// Makes keys that do not hold, each of them once.
struct Forge {
    ours: ServerKey,
    other: ServerKey,
    now: u64,
}

impl Forge {
    fn key(&self, class: usize, number: usize) -> String {
        let now = self.now;
        let jti = format!("{number:016}");
        let (mut nbf, mut exp, mut sub, mut aud) = (String::new(), now + 86_400, "alice", "here");
        let mut signer = &self.ours;
        match CLASSES[class] {
            "unknown server key" => signer = &self.other,
            "revoked" => sub = "gone",
            "wrong audience" => aud = "else",
            "not yet valid" => nbf = format!(r#","nbf":{}"#, now + 3600),
            "policy" => exp = now + 3 * 86_400,
            _ => {}
        }
        let claims = format!(
            r#"{{"jti":"{jti}","iat":{},"exp":{exp}{nbf},"namespace":"*","sub":"{sub}","aud":"{aud}"}}"#,
            now - 10
        );
        let kid = signer.public().kid();
        let header = format!(r#"{{"alg":"EdDSA","kid":"{kid}","typ":"msb+jwt"}}"#);
        let [header, claims] = [header, claims].map(|said| BASE64_URL_SAFE_NO_PAD.encode(said));
        let signed = format!("{header}.{claims}");
        let signature = BASE64_URL_SAFE_NO_PAD.encode(signer.sign(signed.as_bytes()));
        let text = format!("msb_{signed}.{signature}");
        match CLASSES[class] {
            "malformed" => text.replace("msb_ey", "msb_fy"),
            "forged" => {
                let (front, signature) = text.rsplit_once('.').unwrap();
                let swapped = if signature.starts_with('A') { "B" } else { "A" };
                format!("{front}.{swapped}{}", &signature[1..])
            }
            _ => text,
        }
    }
}
