//! Second readings: each says again, in another way, how one kind of input is read. Nothing here
//! uses a reader of msb's; the targets hold the two against each other.

pub mod base64;
pub mod calls;
pub mod claims;
pub mod der;
pub mod json;
pub mod jwks;
pub mod paths;
pub mod words;
