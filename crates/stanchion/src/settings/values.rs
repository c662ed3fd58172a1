//! Reading the values of settings.

use std::net::SocketAddr;
use std::time::Duration;

use stanchion_http::PlainHttp;
use stanchion_policy::Network;

/// When an answer may leave.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Durability {
    /// When what it says is on disk.
    Sync,
    /// Before that; the disk follows within this time.
    Interval(Duration),
    /// Before that; the operating system decides.
    Memory,
}

/// How log lines look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LogFormat {
    /// For people.
    Text,
    /// For programs.
    Json,
}

/// Reads a size: bytes, or a number with KiB, MiB or GiB.
pub(crate) fn size(text: &str) -> Result<u64, String> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at(digits);
    let factor = match unit.trim_start() {
        "" | "B" => 1,
        "KiB" => 1 << 10,
        "MiB" => 1 << 20,
        "GiB" => 1 << 30,
        _ => return Err("is no size such as 64MiB, 512KiB or 1048576".to_owned()),
    };
    let number: Option<u64> = number.parse().ok();
    let bytes = number.and_then(|number| number.checked_mul(factor));
    bytes.ok_or_else(|| "is no size such as 64MiB, 512KiB or 1048576".to_owned())
}

/// Reads a size within bounds.
pub(crate) fn size_within(text: &str, low: u64, high: u64) -> Result<u64, String> {
    let bytes = size(text)?;
    if (low..=high).contains(&bytes) {
        return Ok(bytes);
    }
    Err(format!("must be between {} and {}", show_size(low), show_size(high)))
}

/// Writes a size in the largest unit that divides it.
pub(crate) fn show_size(bytes: u64) -> String {
    let units = [(30, "GiB"), (20, "MiB"), (10, "KiB")];
    match units.into_iter().find(|(shift, _)| bytes >= 1 << shift && bytes.is_multiple_of(1 << shift)) {
        Some((shift, unit)) => format!("{}{unit}", bytes >> shift),
        None => bytes.to_string(),
    }
}

/// Reads a whole number within bounds.
pub(crate) fn count(text: &str, low: usize, high: usize) -> Result<usize, String> {
    let count = text.parse().ok().filter(|count| (low..=high).contains(count));
    count.ok_or_else(|| format!("must be a whole number between {low} and {high}"))
}

/// Reads a switch.
pub(crate) fn switch(text: &str) -> Result<bool, String> {
    match text {
        "on" | "true" => Ok(true),
        "off" | "false" => Ok(false),
        _ => Err("must be on or off".to_owned()),
    }
}

/// Reads an address to listen on.
pub(crate) fn address(text: &str) -> Result<SocketAddr, String> {
    let text = match text.strip_prefix("localhost:") {
        Some(port) => format!("127.0.0.1:{port}"),
        None => text.to_owned(),
    };
    text.parse().map_err(|_| "is no address with a port, such as 127.0.0.1:9324 or [::1]:9324".to_owned())
}

/// Reads a base of queue URLs.
pub(crate) fn base_url(text: &str) -> Result<String, String> {
    let rest = text.strip_prefix("http://").or_else(|| text.strip_prefix("https://"));
    let host = rest.map(|rest| rest.strip_suffix('/').unwrap_or(rest));
    // Some clients take a queue URL with more than two path segments for broken.
    let legal = |host: &str| !host.is_empty() && host.bytes().all(|b| b.is_ascii_graphic() && !b"/?#\\".contains(&b));
    match host {
        Some(host) if legal(host) => Ok(text.trim_end_matches('/').to_owned()),
        _ => Err("must be http:// or https://, a host and perhaps a port, without a path".to_owned()),
    }
}

/// Reads how durable answers are.
pub(crate) fn durability(text: &str) -> Result<Durability, String> {
    match text.split_once('=') {
        None if text == "sync" => Ok(Durability::Sync),
        None if text == "memory" => Ok(Durability::Memory),
        Some(("interval", millis)) => {
            let millis =
                count(millis, 1, 60_000).map_err(|_| "takes an interval of 1 to 60000 milliseconds".to_owned())?;
            Ok(Durability::Interval(Duration::from_millis(millis as u64)))
        }
        _ => Err("must be sync, interval=MS or memory".to_owned()),
    }
}

/// Reads what becomes of plain HTTP.
pub(crate) fn plain_http(text: &str) -> Result<PlainHttp, String> {
    match text {
        "refuse" => Ok(PlainHttp::Refuse),
        "redirect" => Ok(PlainHttp::Redirect),
        "serve" => Ok(PlainHttp::Serve),
        _ => Err("must be refuse, redirect or serve".to_owned()),
    }
}

/// Reads networks between commas.
pub(crate) fn networks(text: &str) -> Result<Vec<Network>, String> {
    let read = |text: &str| Network::parse(text.trim());
    let networks: Option<Vec<Network>> = text.split(',').map(read).collect();
    networks.ok_or_else(|| "must be networks such as 10.0.0.0/8 or 192.0.2.7, with commas between them".to_owned())
}

/// Reads how log lines look.
pub(crate) fn log_format(text: &str) -> Result<LogFormat, String> {
    match text {
        "text" => Ok(LogFormat::Text),
        "json" => Ok(LogFormat::Json),
        _ => Err("must be text or json".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_read_with_and_without_units() {
        for (text, bytes) in
            [("0", 0), ("17", 17), ("17B", 17), ("4KiB", 4096), ("64 MiB", 64 << 20), ("2GiB", 2 << 30)]
        {
            assert_eq!(size(text), Ok(bytes), "{text}");
        }
        for text in ["", "MiB", "4 kb", "1.5GiB", "-1", "99999999999GiB"] {
            assert!(size(text).is_err(), "{text}");
        }
        for bytes in [0, 17, 4096, 64 << 20, (64 << 20) + 1] {
            assert_eq!(size(&show_size(bytes)), Ok(bytes));
        }
    }

    #[test]
    fn durability_has_three_modes() {
        assert_eq!(durability("sync"), Ok(Durability::Sync));
        assert_eq!(durability("memory"), Ok(Durability::Memory));
        assert_eq!(durability("interval=20"), Ok(Durability::Interval(Duration::from_millis(20))));
        for wrong in ["", "fast", "interval", "interval=", "interval=0", "interval=1s", "sync=1"] {
            assert!(durability(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn the_base_of_queue_urls_has_no_path() {
        assert_eq!(base_url("https://q.example.com/"), Ok("https://q.example.com".to_owned()));
        assert_eq!(base_url("http://localhost:9324"), Ok("http://localhost:9324".to_owned()));
        for wrong in ["", "q.example.com", "ftp://q", "http://", "http://q/path", "http://q?x", "http://a b"] {
            assert!(base_url(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn networks_have_commas_between_them() {
        assert_eq!(networks("10.0.0.0/8, ::1").map(|networks| networks.len()), Ok(2));
        for wrong in ["", "10.0.0.0/8,", "10.0.0.0/33", "proxy.example.com", "10.0.0.0/8 192.0.2.7"] {
            assert!(networks(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn addresses_have_a_port() {
        assert_eq!(address("localhost:0"), Ok(SocketAddr::from(([127, 0, 0, 1], 0))));
        assert!(address("[::1]:9324").is_ok());
        for wrong in ["127.0.0.1", "9324", "example.com:80", ":9324"] {
            assert!(address(wrong).is_err(), "{wrong}");
        }
    }
}
