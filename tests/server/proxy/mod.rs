//! The proxy on the wire. One question is behind every test: did anything reach the upstream that
//! was not judged as it stands there?

mod client;
mod judge;
mod lax;
mod site;
mod table;
mod upstream;
