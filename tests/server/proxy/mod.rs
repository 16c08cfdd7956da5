//! The proxy on the wire. One question is behind every test: did anything reach the upstream that
//! was not judged as it stands there?

mod answers;
mod client;
mod cuts;
mod dev;
mod judge;
mod lax;
mod lines;
mod mutants;
mod rates;
mod records;
mod site;
mod table;
mod upstream;
mod websockets;
