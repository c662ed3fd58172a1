//! The token that continues a listing: opaque to clients, it holds the name of the last queue they have.

use data_encoding::BASE64URL_NOPAD;
use stanchion_types::{Error, QueueName};

/// Which listing a token belongs to; the letter is part of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Listing {
    Queues = b'q',
    DeadLetterSources = b'd',
}

/// Version of the token's form, its first byte.
const VERSION: u8 = 1;

/// Makes the token for what follows a queue.
pub(crate) fn encode(listing: Listing, last: &QueueName) -> String {
    let mut bytes = vec![VERSION, listing as u8];
    bytes.extend_from_slice(last.as_str().as_bytes());
    BASE64URL_NOPAD.encode(&bytes)
}

/// Reads a token of the same listing, whose queues' names all start with the prefix.
///
/// # Errors
/// `InvalidParameterValue` if this is no such token.
pub(crate) fn decode(listing: Listing, prefix: &str, token: &str) -> Result<QueueName, Error> {
    let bytes = BASE64URL_NOPAD.decode(token.as_bytes()).unwrap_or_default();
    let last = match bytes.as_slice() {
        [VERSION, kind, name @ ..] if *kind == listing as u8 => std::str::from_utf8(name).ok(),
        _ => None,
    };
    let last = last.filter(|name| name.starts_with(prefix)).and_then(QueueName::new);
    last.ok_or_else(|| Error::invalid_parameter("Invalid or expired next token."))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_good_for_its_own_listing_and_prefix_only() {
        let name = QueueName::new("orders-7").expect("a legal name");
        let token = encode(Listing::Queues, &name);
        assert_eq!(decode(Listing::Queues, "orders", &token), Ok(name));
        for (listing, prefix, token) in [
            (Listing::DeadLetterSources, "", token.as_str()),
            (Listing::Queues, "bills", &token),
            (Listing::Queues, "", ""),
            (Listing::Queues, "", "!"),
            (Listing::Queues, "", &token[1..]),
        ] {
            let error = decode(listing, prefix, token).expect_err("no such token");
            assert_eq!(error.message, "Invalid or expired next token.");
        }
    }
}
