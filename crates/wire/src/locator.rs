//! How requests name a queue: a URL, whose host says nothing, or a bare name.

use memchr::{memchr, memchr_iter, memchr2, memrchr};
use stanchion_types::{AccountId, Code, Error, QueueLocator, QueueName};

/// Reads a queue URL: the last two segments of its path are the account and the name. Host, query string, fragment
/// and a slash at the end do not matter, and a bare name means a queue of the caller's account.
///
/// # Errors
/// `InvalidAddress` if the URL has no such path, `QueueDoesNotExist` if it cannot name a queue.
pub(crate) fn from_url(url: &str) -> Result<QueueLocator, Error> {
    let bytes = url.as_bytes();
    let end = memchr2(b'?', b'#', bytes).unwrap_or(url.len());
    let scheme = memchr_iter(b':', &bytes[..end]).find(|at| bytes[*at..end].starts_with(b"://"));
    let path = match scheme {
        None => &url[..end],
        Some(at) => memchr(b'/', &bytes[at + 3..end]).map_or("", |slash| &url[at + 3 + slash + 1..end]),
    };
    let (before, name) = split_last(path.trim_end_matches('/'));
    if name.is_empty() {
        return Err(invalid_address(url));
    }
    match before.map(|before| split_last(before).1).filter(|account| !account.is_empty()) {
        Some(account) => queue(Some(AccountId::new(account).ok_or_else(Error::no_such_queue)?), name),
        None if scheme.is_some() => Err(invalid_address(url)),
        None => queue(None, name),
    }
}

/// Splits a path into what comes before its last segment, if anything does, and that segment.
fn split_last(path: &str) -> (Option<&str>, &str) {
    match memrchr(b'/', path.as_bytes()) {
        None => (None, path),
        Some(at) => (Some(&path[..at]), &path[at + 1..]),
    }
}

/// Reads the path of a request: `None` at the endpoint itself, else the queue whose path it is.
///
/// # Errors
/// As for [`from_url`].
pub(crate) fn from_path(path: &str) -> Option<Result<QueueLocator, Error>> {
    let mut segments = path.rsplit('/').skip_while(|segment| segment.is_empty());
    let name = segments.next()?;
    let account = segments.next().and_then(AccountId::new);
    Some(account.ok_or_else(|| invalid_address(path)).and_then(|account| queue(Some(account), name)))
}

/// Names a queue by its parts, as `GetQueueUrl` gives them.
///
/// # Errors
/// `QueueDoesNotExist` if no queue can have this name or owner.
pub(crate) fn from_parts(owner: Option<&str>, name: &str) -> Result<QueueLocator, Error> {
    let account = match owner {
        None | Some("") => None,
        Some(owner) => Some(AccountId::new(owner).ok_or_else(Error::no_such_queue)?),
    };
    queue(account, name)
}

fn queue(account: Option<AccountId>, name: &str) -> Result<QueueLocator, Error> {
    let name = QueueName::new(name).ok_or_else(Error::no_such_queue)?;
    Ok(QueueLocator { account, name })
}

fn invalid_address(address: &str) -> Error {
    Error::new(Code::InvalidAddress, format!("The address {address} is not valid for this endpoint."))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(url: &str, expected: Result<(Option<&str>, &str), Code>) {
        let locator = from_url(url);
        let locator = locator.as_ref().map(|l| (l.account.as_ref().map(AccountId::as_str), l.name.as_str()));
        assert_eq!(locator.map_err(|error| error.code), expected, "{url}");
    }

    #[test]
    fn the_last_two_segments_of_a_queue_url_count() {
        let queue = Ok((Some("123456789012"), "MyQueue"));
        check("https://sqs.us-east-1.amazonaws.com/123456789012/MyQueue", queue);
        check("http://localhost:9324/123456789012/MyQueue/", queue);
        check("http://proxy/sqs/123456789012/MyQueue?x=y", queue);
        check("http://host/123456789012/MyQueue#virtual", queue);
        check("/123456789012/MyQueue", queue);
        check("123456789012/MyQueue", queue);
        check("a:b/c:/123456789012/MyQueue//", queue);
        check("sqs://http://host/123456789012/MyQueue", queue);
        check("http://host/123456789012/MyQueue.fifo", Ok((Some("123456789012"), "MyQueue.fifo")));
        check("MyQueue", Ok((None, "MyQueue")));
    }

    #[test]
    fn a_url_that_cannot_name_a_queue_is_refused() {
        check("https://queue.amazonaws.com/", Err(Code::InvalidAddress));
        check("https://queue.amazonaws.com", Err(Code::InvalidAddress));
        check("https://queue.amazonaws.com/MyQueue", Err(Code::InvalidAddress));
        check("/", Err(Code::InvalidAddress));
        check("", Err(Code::InvalidAddress));
        check("http://host//MyQueue", Err(Code::InvalidAddress));
        check("https://host/12345/MyQueue", Err(Code::QueueDoesNotExist));
        check("https://host/123456789012/My%20Queue", Err(Code::QueueDoesNotExist));
        check("no.such", Err(Code::QueueDoesNotExist));
    }

    #[test]
    fn a_path_names_a_queue_or_none() {
        assert_eq!(from_path("/"), None);
        assert_eq!(from_path(""), None);
        assert!(from_path("/123456789012/q/").is_some_and(|queue| queue.is_ok()));
        assert!(from_path("/q").is_some_and(|queue| queue.is_err_and(|error| error.code == Code::InvalidAddress)));
    }
}
