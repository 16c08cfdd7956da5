//! What the targets of `fuzz/` ask of this room, of which the server is the only other user.
//! Compiled for them alone.

use hyper::{HeaderMap, Uri};

use super::{
    Settings,
    control::Say,
    guard,
    head::{self, Policy, sources},
    hop,
    path::Plain,
};
use crate::{
    config::Route,
    gate::{Admission, Ask, Credential},
    json,
};

/// The key that a request bears.
pub fn credential(headers: &HeaderMap) -> Credential {
    head::credential(headers)
}

/// What is asked for at `/auth`; none where that cannot be read.
pub fn asked_in_query(query: Option<&str>, headers: &HeaderMap) -> Option<Ask> {
    Some(Policy::of_query(query).ok()?.ask(headers, &sources(&[])))
}

/// What is asked for at `/ext-authz`; none where that cannot be read.
pub fn asked_in_headers(headers: &HeaderMap) -> Option<Ask> {
    Some(Policy::of_headers(headers).ok()?.ask(headers, &sources(&[])))
}

/// The route of a path, if it has one; none at all where it can be read in two ways.
pub fn route<'r>(path: &str, routes: &'r [Route], method: &str) -> Option<Option<&'r Route>> {
    Plain::of(path).ok()?.route(routes, method).ok()
}

/// What goes on to what lies behind, on a public route or not; none where that is refused.
pub fn onward(headers: &HeaderMap, public: bool) -> Option<HeaderMap> {
    hop::onward(headers, Admission::public().identity(), &sources(&[]), public).ok()
}

/// Whether somebody without a key may ask this, where none is asked for.
pub fn guarded(headers: &HeaderMap, uri: &Uri, settings: &Settings) -> bool {
    guard::guard(headers, uri, settings).is_ok()
}

/// What a command says to the server on this line, written again.
pub fn said(line: &str) -> Option<String> {
    serde_json::from_str::<Say>(line).ok().map(|said| json::write(&said))
}
