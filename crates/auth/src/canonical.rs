//! The one form in which client and server write a request before they hash it.
//!
//! ```text
//! method
//! path, without dots, every segment encoded once more
//! query, sorted
//! header:value          for each signed header, in the order of the list
//!
//! list of signed headers
//! hash of the body
//! ```

use std::borrow::Cow;

use http::HeaderMap;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};

use crate::message::Message;
use crate::refusal::Refusal;

/// What stands for itself: letters, digits, and these four.
const RESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// Writes the canonical request piece by piece. `payload` is the hash of the body in hexadecimal digits.
///
/// # Errors
/// `Mismatch` if a signed header is not there, or is no name: then nothing that a client could have signed has this form.
pub(crate) fn write(
    message: &Message<'_>,
    signed_headers: &str,
    payload: &[u8; 64],
    out: &mut impl FnMut(&[u8]),
) -> Result<(), Refusal> {
    out(message.method.as_bytes());
    out(b"\n");
    write_path(message.path, out);
    out(b"\n");
    if let Some(query) = message.query {
        write_query(query, out);
    }
    out(b"\n");
    for name in signed_headers.split(';') {
        match message.authority {
            // Signers write the header that HTTP/1.1 would have. Where there are both, the header means nothing.
            Some(authority) if name == "host" => {
                [b"host:", authority.as_bytes(), b"\n"].into_iter().for_each(&mut *out);
            }
            _ => write_header(message.headers, name, out)?,
        }
    }
    out(b"\n");
    out(signed_headers.as_bytes());
    out(b"\n");
    out(payload);
    Ok(())
}

fn write_path(path: &str, out: &mut impl FnMut(&[u8])) {
    if matches!(path, "/" | "") {
        return out(b"/");
    }
    let mut kept: Vec<&str> = Vec::new();
    for segment in path.split('/') {
        match segment {
            "" | "." => {}
            ".." => drop(kept.pop()),
            segment => kept.push(segment),
        }
    }
    if kept.is_empty() {
        return out(b"/");
    }
    for segment in kept {
        out(b"/");
        utf8_percent_encode(segment, RESERVED).for_each(|piece| out(piece.as_bytes()));
    }
    if path.ends_with('/') {
        out(b"/");
    }
}

fn write_query(query: &str, out: &mut impl FnMut(&[u8])) {
    let parameters = query.split('&').filter(|parameter| !parameter.is_empty());
    let mut encoded: Vec<(Cow<'_, str>, Cow<'_, str>)> = parameters
        .map(|parameter| parameter.split_once('=').unwrap_or((parameter, "")))
        // Written otherwise it is not where the signature is looked for, and nothing that may come along unsigned.
        .filter(|(name, _)| *name != "X-Amz-Signature")
        .map(|(name, value)| (recode(name), recode(value)))
        .collect();
    encoded.sort_unstable();
    for (index, (name, value)) in encoded.iter().enumerate() {
        if index > 0 {
            out(b"&");
        }
        out(name.as_bytes());
        out(b"=");
        out(value.as_bytes());
    }
}

/// Decodes and encodes again, so that every way to write a text becomes one. A plus sign is a blank, as it is to whoever
/// reads the parameters: as anything else it could be put in the place of what was signed.
fn recode(text: &str) -> Cow<'_, str> {
    if text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~')) {
        return text.into();
    }
    let decoded: Vec<u8> = percent_decode_str(&text.replace('+', " ")).collect();
    percent_encoding::percent_encode(&decoded, RESERVED).to_string().into()
}

fn write_header(headers: &HeaderMap, name: &str, out: &mut impl FnMut(&[u8])) -> Result<(), Refusal> {
    // Header maps find names in any case; signers write them in lower case.
    if name.bytes().any(|byte| byte.is_ascii_uppercase()) {
        return Err(Refusal::Mismatch);
    }
    let mut values = headers.get_all(name).iter();
    out(name.as_bytes());
    out(b":");
    write_words(values.next().ok_or(Refusal::Mismatch)?.as_bytes(), out);
    for value in values {
        out(b",");
        write_words(value.as_bytes(), out);
    }
    out(b"\n");
    Ok(())
}

/// Writes a value without blanks at its ends and with single ones inside.
fn write_words(value: &[u8], out: &mut impl FnMut(&[u8])) {
    let words = value.split(|byte| matches!(byte, b' ' | b'\t')).filter(|word| !word.is_empty());
    for (index, word) in words.enumerate() {
        if index > 0 {
            out(b" ");
        }
        out(word);
    }
}

#[cfg(test)]
mod tests {
    use http::header::HOST;

    use super::*;

    fn canonical(path: &str, query: Option<&str>) -> String {
        let mut text = Vec::new();
        let headers = HeaderMap::from_iter([(HOST, "x  y ".parse().expect("a value"))]);
        let message = Message { method: "GET", path, query, authority: None, headers: &headers, body: b"" };
        write(&message, "host", &[b'0'; 64], &mut |piece| text.extend_from_slice(piece)).expect("a canonical form");
        String::from_utf8(text).expect("ASCII")
    }

    #[test]
    fn paths_lose_dots_and_are_encoded_once_more() {
        for (path, expected) in [
            ("/", "/"),
            ("/123/queue", "/123/queue"),
            ("/123/queue/", "/123/queue/"),
            ("/a//b/./c/../d", "/a/b/d"),
            ("/../..", "/"),
            ("/a/..", "/"),
            ("/a%3Ab/c d", "/a%253Ab/c%20d"),
            ("/a~b_c-d.e", "/a~b_c-d.e"),
        ] {
            assert_eq!(canonical(path, None).lines().nth(1), Some(expected), "{path}");
        }
    }

    #[test]
    fn queries_are_sorted_after_encoding() {
        for (query, expected) in [
            ("", ""),
            ("b=2&a=1", "a=1&b=2"),
            ("a=2&a=1&a", "a=&a=1&a=2"),
            ("a=%2f%c3%a9&A=%20", "A=%20&a=%2F%C3%A9"),
            ("a=b+c&a+b=%2B&&x=y=z", "a=b%20c&a%20b=%2B&x=y%3Dz"),
            ("X-Amz-Signature=1&X-Amz-Date=2", "X-Amz-Date=2"),
            ("X%2DAmz-Signature=1", "X-Amz-Signature=1"),
        ] {
            assert_eq!(canonical("/", Some(query)).lines().nth(2), Some(expected), "{query}");
        }
    }

    #[test]
    fn values_of_headers_are_trimmed_and_single_spaced() {
        assert_eq!(canonical("/", None).lines().nth(3), Some("host:x y"));
    }

    #[test]
    fn the_host_of_the_request_line_counts_before_the_one_of_the_header() {
        for headers in [HeaderMap::new(), HeaderMap::from_iter([(HOST, "y:2".parse().expect("a value"))])] {
            let message =
                Message { method: "GET", path: "/", query: None, authority: Some("x:1"), headers: &headers, body: b"" };
            let mut text = Vec::new();
            write(&message, "host", &[b'0'; 64], &mut |piece| text.extend_from_slice(piece)).expect("a canonical form");
            assert_eq!(String::from_utf8(text).expect("ASCII").lines().nth(3), Some("host:x:1"));
        }
    }

    #[test]
    fn a_signed_header_that_is_not_there_fits_nothing() {
        let headers = HeaderMap::new();
        let message = Message { method: "GET", path: "/", query: None, authority: None, headers: &headers, body: b"" };
        for list in ["host", "", "Host", "a b", ";"] {
            assert_eq!(write(&message, list, &[b'0'; 64], &mut |_| {}), Err(Refusal::Mismatch), "{list}");
        }
    }
}
