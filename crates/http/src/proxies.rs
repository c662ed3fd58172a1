//! Proxies in front of the server, and what they say of whom they speak for.

use std::net::{IpAddr, SocketAddr};

use hyper::HeaderMap;
use hyper::header::HeaderName;
use stanchion_policy::Network;

use crate::api::{Scheme, Way};

const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");

/// Proxies that are believed. Anybody else could write their headers, so nobody else is.
#[derive(Clone, Debug, Default)]
pub struct Proxies(Vec<Network>);

impl Proxies {
    /// Believes those in these networks.
    pub fn new(networks: Vec<Network>) -> Self {
        Proxies(networks)
    }

    /// Tells whether an address is that of a proxy.
    pub fn trusts(&self, address: IpAddr) -> bool {
        self.0.iter().any(|network| network.contains(address.to_canonical()))
    }

    /// Returns how a request came from its client, if its connection is a proxy's; else how its connection did.
    pub(crate) fn way(&self, way: Way, headers: &HeaderMap) -> Way {
        if self.0.is_empty() || !self.trusts(way.source) {
            return way;
        }
        Way {
            source: self.client(headers).unwrap_or(way.source),
            scheme: forwarded_scheme(headers).unwrap_or(way.scheme),
        }
    }

    /// Returns the last address that is no proxy's: every proxy writes behind the others who called it, and what stands
    /// before that a client may have made up. `None` if what has to be read is no list of addresses.
    fn client(&self, headers: &HeaderMap) -> Option<IpAddr> {
        let values = headers.get_all(FORWARDED_FOR).iter().rev();
        let mut farthest = None;
        for entry in values.flat_map(|value| value.as_bytes().rsplit(|byte| *byte == b',')) {
            let address = read_address(std::str::from_utf8(entry).ok()?.trim())?;
            if !self.trusts(address) {
                return Some(address);
            }
            farthest = Some(address);
        }
        farthest
    }
}

/// Reads an address; some proxies write the port behind it.
fn read_address(text: &str) -> Option<IpAddr> {
    let bare = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(text);
    let address = bare.parse().or_else(|_| text.parse::<SocketAddr>().map(|address| address.ip()));
    address.ok().map(|address: IpAddr| address.to_canonical())
}

/// Returns what a proxy says its client spoke: one word, or nothing that is believed.
fn forwarded_scheme(headers: &HeaderMap) -> Option<Scheme> {
    let mut values = headers.get_all(FORWARDED_PROTO).iter();
    let (Some(value), None) = (values.next(), values.next()) else { return None };
    match value.as_bytes() {
        word if word.eq_ignore_ascii_case(b"https") => Some(Scheme::Https),
        word if word.eq_ignore_ascii_case(b"http") => Some(Scheme::Http),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use hyper::header::HeaderValue;

    use super::*;

    fn ask(peer: &str, headers: &[(&'static str, &[u8])]) -> (String, Scheme) {
        let networks = ["10.0.0.0/8", "2001:db8::/32"].map(|text| Network::parse(text).expect("a network"));
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(*name, HeaderValue::from_bytes(value).expect("a value"));
        }
        let way = Way { scheme: Scheme::Http, source: peer.parse().expect("an address") };
        let Way { scheme, source } = Proxies::new(networks.to_vec()).way(way, &map);
        (source.to_string(), scheme)
    }

    #[test]
    fn the_last_address_that_is_no_proxys_is_the_clients() {
        for (peer, values, expected) in [
            ("10.0.0.1", vec!["203.0.113.7"], "203.0.113.7"),
            ("10.0.0.1", vec!["1.2.3.4, 203.0.113.7"], "203.0.113.7"),
            ("10.0.0.1", vec!["203.0.113.7,10.0.0.2 ,\t10.1.2.3"], "203.0.113.7"),
            ("10.0.0.1", vec!["1.2.3.4", "203.0.113.7, 10.0.0.2"], "203.0.113.7"),
            ("::ffff:10.0.0.1", vec!["203.0.113.7:4711"], "203.0.113.7"),
            ("2001:db8::1", vec!["[2001:db9::1]:4711"], "2001:db9::1"),
            ("10.0.0.1", vec!["[2001:db9::1]"], "2001:db9::1"),
            ("10.0.0.1", vec!["::ffff:203.0.113.7"], "203.0.113.7"),
            // A client within the trusted networks.
            ("10.0.0.1", vec!["10.0.0.9, 10.0.0.2"], "10.0.0.9"),
            ("10.0.0.1", vec![], "10.0.0.1"),
            // What a client has written before is not looked at.
            ("10.0.0.1", vec!["unknown, 203.0.113.7"], "203.0.113.7"),
        ] {
            let headers: Vec<_> = values.iter().map(|value| ("x-forwarded-for", value.as_bytes())).collect();
            assert_eq!(ask(peer, &headers).0, expected, "{values:?}");
        }
        let strange: &[u8] = b"\xe9, 203.0.113.7";
        assert_eq!(ask("10.0.0.1", &[("x-forwarded-for", strange)]).0, "203.0.113.7");
    }

    #[test]
    fn who_is_no_proxy_is_not_believed() {
        let headers: [(&str, &[u8]); 2] = [("x-forwarded-for", b"203.0.113.7"), ("x-forwarded-proto", b"https")];
        assert_eq!(ask("192.0.2.1", &headers), ("192.0.2.1".to_owned(), Scheme::Http));
        assert_eq!(ask("10.0.0.1", &headers), ("203.0.113.7".to_owned(), Scheme::Https));
        let way = Way { scheme: Scheme::Http, source: [10, 0, 0, 1].into() };
        let map = HeaderMap::from_iter([(FORWARDED_FOR, HeaderValue::from_static("203.0.113.7"))]);
        assert_eq!(Proxies::default().way(way, &map).source, way.source, "nobody is trusted unless told so");
    }

    #[test]
    fn malformed_headers_are_not_believed() {
        for value in ["", "203.0.113.7, unknown", "203.0.113.7,", "203.0.113", "localhost, 10.0.0.2", "[10.0.0.2"] {
            assert_eq!(ask("10.0.0.1", &[("x-forwarded-for", value.as_bytes())]).0, "10.0.0.1", "{value}");
        }
        for values in [vec!["https,http"], vec!["httpss"], vec![""], vec!["https", "https"]] {
            let headers: Vec<_> = values.iter().map(|value| ("x-forwarded-proto", value.as_bytes())).collect();
            assert_eq!(ask("10.0.0.1", &headers).1, Scheme::Http, "{values:?}");
        }
        assert_eq!(ask("10.0.0.1", &[("x-forwarded-proto", b"HTTPS")]).1, Scheme::Https);
    }
}
