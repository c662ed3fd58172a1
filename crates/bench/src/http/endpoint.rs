//! The place to send requests to.

use crate::Error;

/// Host and port, and the value of the `Host` header.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Endpoint {
    host: String,
    port: u16,
    authority: String,
}

impl Endpoint {
    /// This function reads `http://host[:port][/]`; the error names the option.
    pub(crate) fn parse(url: &str) -> Result<Self, Error> {
        let refuse = |why: &str| Error::Option(format!("--endpoint {url:?}: {why}"));
        if url.starts_with("https://") {
            return Err(refuse("TLS is not spoken here, use the server's plain port"));
        }
        let authority =
            url.strip_prefix("http://").ok_or_else(|| refuse("must begin with http://"))?.trim_end_matches('/');
        if authority.is_empty() || authority.contains(['/', '@', '?', '#', ' ', '\r', '\n']) {
            return Err(refuse("must be http://host:port and nothing more"));
        }
        let (host, port) = match authority.rsplit_once(':') {
            // Colons inside brackets belong to an IPv6 address.
            Some((host, port)) if !port.contains(']') => {
                let port = port.parse().map_err(|_| refuse("the port is not a number up to 65535"))?;
                (host, port)
            }
            _ => (authority, 80),
        };
        let host = host.trim_start_matches('[').trim_end_matches(']');
        if host.is_empty() {
            return Err(refuse("the host is missing"));
        }
        Ok(Self { host: host.to_owned(), port, authority: authority.to_owned() })
    }

    /// Host and port to connect to.
    pub(crate) fn address(&self) -> (&str, u16) {
        (&self.host, self.port)
    }

    /// The value of the `Host` header.
    pub(crate) fn authority(&self) -> &str {
        &self.authority
    }
}

#[cfg(test)]
mod tests {
    use super::Endpoint;

    #[test]
    fn host_and_port_are_told_apart() {
        for (url, host, port, authority) in [
            ("http://127.0.0.1:9324", "127.0.0.1", 9324, "127.0.0.1:9324"),
            ("http://queue.local/", "queue.local", 80, "queue.local"),
            ("http://[::1]:9324", "::1", 9324, "[::1]:9324"),
            ("http://[::1]", "::1", 80, "[::1]"),
        ] {
            let endpoint = Endpoint::parse(url).expect(url);
            assert_eq!(endpoint.address(), (host, port), "{url}");
            assert_eq!(endpoint.authority(), authority, "{url}");
        }
    }

    #[test]
    fn a_url_that_cannot_be_used_is_refused_by_name() {
        for url in
            ["", "https://x", "127.0.0.1:1", "http://", "http://x/y", "http://x:70000", "http://:1", "http://a\r\nb"]
        {
            let error = Endpoint::parse(url).expect_err(url);
            assert!(error.to_string().contains("--endpoint"), "{error}");
        }
    }
}
