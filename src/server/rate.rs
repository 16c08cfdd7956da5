//! How often somebody without a key may ask.

use std::{
    collections::HashMap,
    net::{IpAddr, Ipv6Addr, SocketAddr},
    sync::{Mutex, PoisonError},
    time::Duration,
};

use hyper::{HeaderMap, header::HeaderName};

use crate::config::{Network, Rate};

/// Who has asked how often. Clients are told apart by address, IPv6 by /64.
#[derive(Default)]
pub(super) struct Rates {
    /// When all that a client has asked for is forgotten, since the machine started.
    clients: Mutex<HashMap<IpAddr, Duration>>,
}

impl Rates {
    /// Lets a client ask once more; otherwise, after how many seconds it may, at least 1. A client
    /// that has not asked for a while may ask as often as the rate says at once.
    pub(super) fn take(&self, client: IpAddr, rate: Rate, now: Duration) -> Result<(), u64> {
        let mut clients = self.clients.lock().unwrap_or_else(PoisonError::into_inner);
        let client = network(client);
        if clients.len() >= MOST && !clients.contains_key(&client) {
            forget(&mut clients, now);
        }
        // Nobody owes more than the rate allows at once, whatever rate counted before.
        let most = now + rate.per();
        let forgotten = clients.get(&client).map_or(now, |forgotten| (*forgotten).clamp(now, most));
        let next = forgotten + rate.per() / rate.count();
        let over = next.saturating_sub(now).saturating_sub(rate.per());
        if over.is_zero() {
            clients.insert(client, next);
            Ok(())
        } else {
            clients.insert(client, forgotten);
            Err(over.as_secs() + u64::from(over.subsec_nanos() > 0))
        }
    }
}

/// Makes room: for whoever is forgotten by now, or else for the half that would be soonest.
fn forget(clients: &mut HashMap<IpAddr, Duration>, now: Duration) {
    clients.retain(|_, forgotten| *forgotten > now);
    if clients.len() >= MOST {
        let mut times: Vec<_> = clients.values().copied().collect();
        let (_, median, _) = times.select_nth_unstable(MOST / 2);
        let median = *median;
        clients.retain(|_, forgotten| *forgotten > median);
    }
}

/// Who shares a rate with this address.
fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0).into()
        }
        address @ IpAddr::V4(_) => address,
    }
}

/// Whose address counts: of the peer, or of whom a proxy that is trusted names, which is the last
/// one in `X-Forwarded-For` that is not trusted itself.
pub(super) fn client(peer: IpAddr, headers: &HeaderMap, trusted: &[Network]) -> IpAddr {
    let trusts = |address: IpAddr| trusted.iter().any(|network| network.contains(address));
    let mut nearest = peer;
    if !trusts(nearest) {
        return nearest;
    }
    let lines = headers.get_all(FORWARDED_FOR).iter().rev();
    for hop in lines.flat_map(|line| line.to_str().unwrap_or_default().rsplit(',')) {
        // What cannot be read was not written by who is trusted.
        let Some(address) = address(hop.trim()) else { break };
        nearest = address;
        if !trusts(nearest) {
            break;
        }
    }
    nearest
}

/// An address, behind which some write a port.
fn address(hop: &str) -> Option<IpAddr> {
    hop.parse().ok().or_else(|| hop.parse::<SocketAddr>().ok().map(|socket| socket.ip()))
}

const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// How many clients are told apart at once.
const MOST: usize = 1 << 16;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::server::head::tests::headers;

    fn address(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    const HOUR: Duration = Duration::from_secs(3600);

    #[test]
    fn a_client_may_ask_as_often_as_the_rate_says() {
        let rates = Rates::default();
        let rate: Rate = "100/h".parse().unwrap();
        let take = |client: &str, now| rates.take(address(client), rate, now);
        for _ in 0..100 {
            assert_eq!(take("192.0.2.1", HOUR), Ok(()));
        }
        assert_eq!(take("192.0.2.1", HOUR), Err(36));
        assert_eq!(take("192.0.2.2", HOUR), Ok(()));
        assert_eq!(take("192.0.2.1", HOUR + Duration::from_millis(35_500)), Err(1));
        assert_eq!(take("192.0.2.1", HOUR + Duration::from_secs(36)), Ok(()));
        assert_eq!(take("192.0.2.1", HOUR + Duration::from_secs(36)), Err(36));
        for _ in 0..100 {
            assert_eq!(take("192.0.2.1", 3 * HOUR), Ok(()));
        }
        assert_eq!(take("192.0.2.1", 3 * HOUR), Err(36));
    }

    #[test]
    fn nobody_pays_for_what_another_rate_allowed() {
        let rates = Rates::default();
        let take = |rate: &str, now| {
            rates.take(address("192.0.2.1"), rate.parse().unwrap(), Duration::from_millis(now))
        };
        assert_eq!(take("1/h", 0), Ok(()));
        assert_eq!(take("1/h", 0), Err(3600));
        assert_eq!(take("10/s", 0), Err(1));
        assert_eq!(take("10/s", 100), Ok(()));
        assert_eq!(take("10/s", 100), Err(1));
        // And the other way round, what is left of it is left.
        assert_eq!(take("2/h", 100), Ok(()));
        assert_eq!(take("2/h", 100), Err(1));
    }

    #[test]
    fn ipv6_shares_a_rate_by_64() {
        let rates = Rates::default();
        let once: Rate = "1/h".parse().unwrap();
        let take = |client: &str| rates.take(address(client), once, HOUR);
        assert_eq!(take("2001:db8::1"), Ok(()));
        assert_eq!(take("2001:db8::2"), Err(3600));
        assert_eq!(take("2001:db8:0:1::1"), Ok(()));
        assert_eq!(take("192.0.2.1"), Ok(()));
        assert_eq!(take("::ffff:192.0.2.1"), Err(3600));
    }

    #[test]
    fn the_table_is_bounded() {
        let rates = Rates::default();
        let once: Rate = "1/h".parse().unwrap();
        for client in 0..3 * MOST as u32 {
            let now = HOUR + Duration::from_micros(client.into());
            assert_eq!(rates.take(IpAddr::V4(client.into()), once, now), Ok(()));
        }
        assert!(rates.clients.lock().unwrap().len() <= MOST);
        let last = IpAddr::V4((3 * MOST as u32 - 1).into());
        assert_eq!(rates.take(last, once, HOUR + Duration::from_secs(1)), Err(3600));
    }

    #[test]
    fn only_a_trusted_proxy_says_who_asks() {
        let trusted: Vec<Network> = ["10.0.0.0/8", "::1"].map(|text| text.parse().unwrap()).into();
        let check = |peer: &str, lines: &str, expected: &str| {
            assert_eq!(client(address(peer), &headers(lines), &trusted), address(expected));
        };
        check("192.0.2.1", "x-forwarded-for: 192.0.2.9", "192.0.2.1");
        check("10.0.0.1", "", "10.0.0.1");
        check("10.0.0.1", "x-forwarded-for: 192.0.2.9", "192.0.2.9");
        check("::ffff:10.0.0.1", "x-forwarded-for: 192.0.2.9", "192.0.2.9");
        check("10.0.0.1", "x-forwarded-for: 192.0.2.8, 192.0.2.9, 10.0.0.2", "192.0.2.9");
        check("10.0.0.1", "x-forwarded-for: 192.0.2.8|x-forwarded-for: 192.0.2.9", "192.0.2.9");
        check("10.0.0.1", "x-forwarded-for: 192.0.2.9:80", "192.0.2.9");
        check("10.0.0.1", "x-forwarded-for: [2001:db8::1]:80", "2001:db8::1");
        check("10.0.0.1", "x-forwarded-for: 192.0.2.8, unknown", "10.0.0.1");
        check("10.0.0.1", "x-forwarded-for: 192.0.2.8, x, 10.0.0.2", "10.0.0.2");
        check("10.0.0.1", "x-forwarded-for: 10.0.0.3", "10.0.0.3");
    }
}
