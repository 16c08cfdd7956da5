//! Where others are: hosts, networks, and what lies behind a proxy.

use std::{
    fmt,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    str::FromStr,
};

/// Who is meant by a URL or a `Host` header: a name in lower case, or an address.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Host {
    /// An address; in brackets where it is IPv6.
    Address(IpAddr),
    /// A name of the domain name system (RFC 1123, section 2.1).
    Name(String),
}

impl FromStr for Host {
    type Err = NotAHost;

    fn from_str(text: &str) -> Result<Self, NotAHost> {
        if let Some(inside) = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
            return match inside.parse() {
                Ok(address) => Ok(Self::Address(IpAddr::V6(address))),
                Err(_) => Err(NotAHost::Address),
            };
        }
        if let Ok(address) = text.parse() {
            return Ok(Self::Address(IpAddr::V4(address)));
        }
        if text.parse::<Ipv6Addr>().is_ok() {
            return Err(NotAHost::Brackets);
        }
        let inner = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        let label = |label: &str| {
            (1..=63).contains(&label.len())
                && label.chars().all(inner)
                && !label.starts_with('-')
                && !label.ends_with('-')
        };
        if text.contains(|c: char| c.is_ascii_uppercase()) {
            return Err(NotAHost::Case);
        }
        if text.is_empty() || text.len() > 253 || !text.split('.').all(label) {
            return Err(NotAHost::Shape);
        }
        // Others read such a name as an address: `127.1` is 127.0.0.1 to many.
        let last = text.rsplit('.').next().unwrap_or_default();
        let number = last.bytes().all(|byte| byte.is_ascii_digit()) || last.starts_with("0x");
        if number { Err(NotAHost::Address) } else { Ok(Self::Name(text.to_owned())) }
    }
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Host::Address(IpAddr::V4(address)) => address.fmt(f),
            Host::Address(IpAddr::V6(address)) => write!(f, "[{address}]"),
            Host::Name(name) => f.write_str(name),
        }
    }
}

/// What a reverse proxy stands before: `http://HOST:PORT`.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Upstream {
    /// Where it is.
    pub host: Host,
    /// On which port, from 1.
    pub port: u16,
}

impl Upstream {
    /// Whether this is the address on which we listen ourselves.
    pub fn is(&self, address: SocketAddr) -> bool {
        let host = match &self.host {
            Host::Address(host) => host.to_canonical(),
            Host::Name(name) if name == "localhost" => IpAddr::V4(Ipv4Addr::LOCALHOST),
            Host::Name(_) => return false,
        };
        let ours = address.ip().to_canonical();
        // Who connects to no address in particular reaches this machine.
        let here = |address: IpAddr| address.is_unspecified() || address.is_loopback();
        let meets = here(ours) && here(host) && (ours.is_unspecified() || host.is_unspecified());
        self.port == address.port() && (ours == host || meets)
    }
}

impl FromStr for Upstream {
    type Err = NotAnUpstream;

    fn from_str(text: &str) -> Result<Self, NotAnUpstream> {
        let rest = text.strip_prefix("http://").ok_or_else(|| match text {
            text if text.starts_with("https://") => NotAnUpstream::Tls,
            _ => NotAnUpstream::Scheme,
        })?;
        if rest.contains('@') {
            return Err(NotAnUpstream::User);
        }
        if rest.contains(['/', '?', '#']) {
            return Err(NotAnUpstream::Path);
        }
        let bracket = rest.rfind(']').unwrap_or(0);
        let colon = rest[bracket..].rfind(':').ok_or(NotAnUpstream::Port)? + bracket;
        let (host, port) = (&rest[..colon], &rest[colon + 1..]);
        let digits = port.bytes().all(|byte| byte.is_ascii_digit()) && !port.starts_with('0');
        let port = port.parse().ok().filter(|_| digits).ok_or(NotAnUpstream::Port)?;
        Ok(Self { host: host.parse().map_err(NotAnUpstream::Host)?, port })
    }
}

impl fmt::Display for Upstream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "http://{}:{}", self.host, self.port)
    }
}

/// Addresses that begin alike: `10.0.0.0/8`, or one alone.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Network {
    first: IpAddr,
    /// How many bits are alike.
    bits: u32,
}

impl Network {
    /// Whether an address lies in it. An IPv4 address that is written as IPv6 is IPv4.
    pub fn contains(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        address.is_ipv4() == self.first.is_ipv4()
            && masked(address, self.bits) == bits_of(self.first)
    }
}

impl FromStr for Network {
    type Err = NotANetwork;

    fn from_str(text: &str) -> Result<Self, NotANetwork> {
        let (first, bits) = match text.split_once('/') {
            Some((first, bits)) => (first, Some(bits)),
            None => (text, None),
        };
        let first: IpAddr = first.parse().map_err(|_| NotANetwork::Shape)?;
        if first != first.to_canonical() {
            return Err(NotANetwork::Mapped);
        }
        let most = width(first);
        let bits = match bits {
            None => most,
            Some(bits) => {
                let plain =
                    bits.bytes().all(|byte| byte.is_ascii_digit()) && !bits.starts_with('0');
                let everybody =
                    if bits == "0" { NotANetwork::Everybody } else { NotANetwork::Bits };
                let bits = bits.parse().ok().filter(|_| plain).ok_or(everybody)?;
                if bits > most {
                    return Err(NotANetwork::Bits);
                }
                bits
            }
        };
        if masked(first, bits) != bits_of(first) {
            return Err(NotANetwork::Rest);
        }
        Ok(Self { first, bits })
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.bits {
            bits if bits == width(self.first) => self.first.fmt(f),
            bits => write!(f, "{}/{bits}", self.first),
        }
    }
}

/// How many bits such an address has.
fn width(address: IpAddr) -> u32 {
    match address {
        IpAddr::V4(_) => 32,
        IpAddr::V6(_) => 128,
    }
}

/// The bits of an address, the first one on top.
fn bits_of(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(address) => u128::from(address.to_bits()) << 96,
        IpAddr::V6(address) => address.to_bits(),
    }
}

/// The first so many bits of an address, which are at least one.
fn masked(address: IpAddr, bits: u32) -> u128 {
    bits_of(address) & (u128::MAX << (128 - bits))
}

/// Why a text names no host.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum NotAHost {
    /// It looks like an address, and is none.
    Address,
    /// An IPv6 address without brackets.
    Brackets,
    /// An upper-case letter.
    Case,
    /// Not labels of letters, digits and `-` with points between.
    Shape,
}

/// Why a text names no network.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum NotANetwork {
    /// There are not so many bits.
    Bits,
    /// Every address lies in it.
    Everybody,
    /// IPv4 written as IPv6.
    Mapped,
    /// The address goes on behind the bits that count.
    Rest,
    /// Not an address, with `/` and a number of bits or without.
    Shape,
}

/// Why a text names no upstream.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum NotAnUpstream {
    /// What stands before the port is no host.
    Host(NotAHost),
    /// Something stands behind the port.
    Path,
    /// No port, or one that is no number from 1 to 65535.
    Port,
    /// It does not begin with `http://`.
    Scheme,
    /// It begins with `https://`.
    Tls,
    /// A user name.
    User,
}

/// Why a text does not say where to listen.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum NotSomewhere {
    /// It is no address.
    Address,
    /// It is no address with a port.
    Socket,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn host(text: &str, expected: Result<(), NotAHost>) {
        let found = text.parse::<Host>();
        assert_eq!(found.as_ref().map(|_| ()).map_err(|why| *why), expected, "{text:?}");
        if let Ok(host) = found {
            assert_eq!(host.to_string(), text);
        }
    }

    #[test]
    fn a_host_is_a_name_or_an_address() {
        for text in ["localhost", "a.example.org", "x-1.y", "1a", "127.0.0.1", "[::1]", "0xa.b"] {
            host(text, Ok(()));
        }
        host(&"a".repeat(63), Ok(()));
        host(&"a".repeat(64), Err(NotAHost::Shape));
        host(&["abcdefg"; 31].join("."), Ok(()));
        host(&["abcdefg"; 32].join("."), Err(NotAHost::Shape));
        for text in
            ["", ".", "a.", ".a", "a..b", "-a", "a-", "a_b", "a b", "a:80", "ä", "a/b", "*.a"]
        {
            host(text, Err(NotAHost::Shape));
        }
        for text in
            ["127.1", "256.0.0.1", "1.2.3.4.5", "0x7f.1", "0x7f000001", "[::g]", "[127.0.0.1]"]
        {
            host(text, Err(NotAHost::Address));
        }
        host("::1", Err(NotAHost::Brackets));
        host("Example.org", Err(NotAHost::Case));
    }

    fn upstream(text: &str, expected: Result<(), NotAnUpstream>) {
        let found = text.parse::<Upstream>();
        assert_eq!(found.as_ref().map(|_| ()).map_err(|why| *why), expected, "{text:?}");
        if let Ok(upstream) = found {
            assert_eq!(upstream.to_string(), text);
        }
    }

    #[test]
    fn an_upstream_is_a_host_and_a_port() {
        for text in ["http://127.0.0.1:1", "http://[::1]:65535", "http://backend.local:8080"] {
            upstream(text, Ok(()));
        }
        for text in [
            "http://a",
            "http://[::1]",
            "http://a:",
            "http://a:0",
            "http://a:080",
            "http://a:65536",
            "http://a:+1",
        ] {
            upstream(text, Err(NotAnUpstream::Port));
        }
        for text in ["http://a:1/", "http://a:1/x", "http://a:1?x", "http://a:1#x"] {
            upstream(text, Err(NotAnUpstream::Path));
        }
        for text in ["", "a:1", "HTTP://a:1", "ftp://a:1", "//a:1", "unix:/run/a.sock"] {
            upstream(text, Err(NotAnUpstream::Scheme));
        }
        upstream("https://a:1", Err(NotAnUpstream::Tls));
        upstream("http://me@a:1", Err(NotAnUpstream::User));
        upstream("http://:1", Err(NotAnUpstream::Host(NotAHost::Shape)));
        upstream("http://::1:80", Err(NotAnUpstream::Host(NotAHost::Brackets)));
    }

    fn network(text: &str, inside: &[&str], outside: &[&str]) {
        let network: Network = text.parse().unwrap();
        assert_eq!(network.to_string(), text);
        for (addresses, expected) in [(inside, true), (outside, false)] {
            for address in addresses {
                assert_eq!(
                    network.contains(address.parse().unwrap()),
                    expected,
                    "{address} {text}"
                );
            }
        }
    }

    #[test]
    fn a_network_has_its_first_and_last_address_and_no_other() {
        network(
            "10.0.0.0/8",
            &["10.0.0.0", "10.255.255.255"],
            &["9.255.255.255", "11.0.0.0", "::"],
        );
        network("10.0.0.1", &["10.0.0.1", "::ffff:10.0.0.1"], &["10.0.0.0", "10.0.0.2"]);
        network("128.0.0.0/1", &["128.0.0.0", "255.255.255.255"], &["127.255.255.255"]);
        network("fd00::/8", &["fd00::", "fdff::1"], &["fc00::", "fe00::", "10.0.0.1"]);
        network("::1", &["::1"], &["::", "::2", "127.0.0.1"]);
        network("192.0.2.128/25", &["192.0.2.128", "192.0.2.255"], &["192.0.2.127", "192.0.3.0"]);
        assert_eq!("10.0.0.1/32".parse::<Network>(), "10.0.0.1".parse());
    }

    #[test]
    fn what_is_no_network_is_told_apart() {
        let not =
            |text: &str, expected| assert_eq!(text.parse::<Network>(), Err(expected), "{text}");
        for text in ["", "10", "10.0.0/8", "localhost", "/8", "[::1]/128", " 10.0.0.0/8"] {
            not(text, NotANetwork::Shape);
        }
        for text in [
            "10.0.0.0/33",
            "::/129",
            "10.0.0.0/",
            "10.0.0.0/08",
            "10.0.0.0/-1",
            "10.0.0.0/8/8",
            "10.0.0.0/255.0.0.0",
            "10.0.0.0/00",
        ] {
            not(text, NotANetwork::Bits);
        }
        for text in ["0.0.0.0/0", "::/0"] {
            not(text, NotANetwork::Everybody);
        }
        for text in ["10.0.0.1/8", "::1/127", "255.255.255.255/31"] {
            not(text, NotANetwork::Rest);
        }
        not("::ffff:10.0.0.0/104", NotANetwork::Mapped);
    }
}
