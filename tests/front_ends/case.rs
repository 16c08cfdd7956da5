//! One request through a front end, and what must become of it.

use std::net::SocketAddr;

use crate::{
    back_end::{OWN_WORDS, Seen},
    client::{Answer, Ask, Headers},
    msb::Key,
    site::Site,
};

pub struct Case<'a> {
    pub name: &'static str,
    pub ask: Ask,
    pub outcome: Outcome<'a>,
}

pub enum Outcome<'a> {
    /// The back end got it, with the identity of this key and these namespaces judged.
    Allowed(&'a Key, &'a str),
    /// It was allowed, and the client got the back end's own answer with this status.
    Own(u16),
    /// The client got what msb says about it, with this status.
    Refused(u16),
    /// The front end or msb turned it away; who and why does not matter.
    TurnedAway,
    /// Turned away; or written in a way that nobody reads as another place than was judged.
    Clear,
}

/// Whether all is as it must be; if not, what is.
pub type Verdict = Result<(), String>;

pub fn allowed<'a>(name: &'static str, ask: Ask, key: &'a Key, judged: &'a str) -> Case<'a> {
    Case { name, ask, outcome: Outcome::Allowed(key, judged) }
}

pub fn refused(name: &'static str, ask: Ask, status: u16) -> Case<'static> {
    Case { name, ask, outcome: Outcome::Refused(status) }
}

pub fn turned_away(name: &'static str, ask: Ask) -> Case<'static> {
    Case { name, ask, outcome: Outcome::TurnedAway }
}

pub fn clear(name: &'static str, ask: Ask) -> Case<'static> {
    Case { name, ask, outcome: Outcome::Clear }
}

impl Case<'_> {
    pub fn judge(&self, site: &Site, front: SocketAddr) -> Verdict {
        site.back_end.arrived();
        let answer = self.ask.send(front).map_err(|error| format!("no answer: {error}"))?;
        let arrived = site.back_end.arrived();
        match self.outcome {
            Outcome::Allowed(key, judged) => {
                holds(answer.status == 200, || format!("not allowed: {answer:?}"))?;
                let words = if self.ask.method() == "HEAD" { "" } else { OWN_WORDS };
                holds(answer.text() == words, || format!("another body: {answer:?}"))?;
                let [seen] = &arrived[..] else { return Err(format!("arrived: {arrived:?}")) };
                whole(&self.ask, seen)?;
                identity(&seen.headers, key, judged)
            }
            Outcome::Own(status) => {
                let own = answer.status == status && answer.text() == OWN_WORDS;
                holds(own && arrived.len() == 1, || format!("not its own: {answer:?}"))
            }
            Outcome::Refused(status) => {
                holds(arrived.is_empty(), || format!("arrived: {arrived:?}"))?;
                holds(answer.status == status, || format!("not {status}: {answer:?}"))?;
                let told = self.told_directly(site)?;
                for (what, same) in [
                    ("status", answer.status == told.status),
                    ("body", answer.body == told.body),
                    ("challenge", answer.headers.one(CHALLENGE) == told.headers.one(CHALLENGE)),
                    ("reason", answer.headers.one(REASON) == told.headers.one(REASON)),
                ] {
                    holds(same, || format!("another {what}: {answer:?}\nmsb said {told:?}"))?;
                }
                holds(told.headers.one(CHALLENGE).is_some(), || "no challenge".to_owned())?;
                holds(told.headers.one(REASON).is_some(), || "no reason".to_owned())
            }
            Outcome::Clear if answer.status == 200 => {
                let [seen] = &arrived[..] else { return Err(format!("arrived: {arrived:?}")) };
                let twice = ["..", "//", "%2e", "%2f", "\\"].map(|way| seen.target.contains(way));
                let judged = seen.headers.one("x-msb-namespace").unwrap_or("");
                let there = seen.target.starts_with(&format!("/teams/{judged}/"));
                holds(there && twice == [false; 5], || format!("arrived: {seen:?}"))
            }
            Outcome::TurnedAway | Outcome::Clear => {
                let away = arrived.is_empty() && (400..500).contains(&answer.status);
                holds(away, || format!("arrived: {arrived:?}, answered: {answer:?}"))
            }
        }
    }

    /// What msb answers to a client that asks it without a front end.
    fn told_directly(&self, site: &Site) -> Result<Answer, String> {
        let ask = self.ask.readdressed(&(site.directly)(self.ask.target()), &READ_BY_MSB);
        ask.send(site.msb.address).map_err(|error| format!("msb: {error}"))
    }
}

/// The back end got what the client sent.
fn whole(ask: &Ask, seen: &Seen) -> Verdict {
    let same = seen.method == ask.method() && seen.target == ask.target();
    holds(same, || format!("arrived as {} {}", seen.method, seen.target))?;
    holds(seen.body == ask.body(), || format!("{} bytes arrived", seen.body.len()))
}

/// The back end got who asks from msb, and nothing like it from the client; and not the key.
pub fn identity(headers: &Headers, key: &Key, judged: &str) -> Verdict {
    let expected = [
        ("x-msb-key-id", key.id.as_str()),
        ("x-msb-namespace", judged),
        ("x-msb-namespaces", &key.namespaces),
        ("x-msb-scope", &key.scope),
        ("x-msb-subject", &key.owner),
        ("x-msb-expires", &key.expires),
    ];
    for (name, value) in expected {
        holds(headers.one(name) == Some(value), || format!("{name} is not {value}: {headers:?}"))?;
    }
    for (name, value) in &headers.0 {
        // As CGI and its like read it.
        let read_as = name.to_ascii_lowercase().replace(|c: char| !c.is_ascii_alphanumeric(), "-");
        let ours = expected.iter().any(|(ours, _)| name.eq_ignore_ascii_case(ours));
        holds(ours || !read_as.starts_with("x-msb-"), || format!("{name} arrived"))?;
        holds(!value.contains("msb_ey"), || format!("the key arrived in {name}"))?;
        let named = read_as == "connection" && value.to_ascii_lowercase().contains("msb");
        holds(!named, || format!("Connection: {value} arrived"))?;
    }
    Ok(())
}

pub fn holds(so: bool, otherwise: impl FnOnce() -> String) -> Verdict {
    if so { Ok(()) } else { Err(otherwise()) }
}

const CHALLENGE: &str = "www-authenticate";
const REASON: &str = "x-msb-reason";
/// What of a request counts for msb.
const READ_BY_MSB: [&str; 4] = ["authorization", "x-api-key", "x-workspace-id", "x-namespace"];
