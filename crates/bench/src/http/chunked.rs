//! Bodies in chunks, which some servers send.

use super::malformed;
use std::io;

/// This function puts the chunks of `input` together in `joined` and says
/// whether the last one is there; if not, call it again with more input.
pub(super) fn join(mut input: &[u8], joined: &mut Vec<u8>) -> io::Result<bool> {
    joined.clear();
    loop {
        let (consumed, size) = match httparse::parse_chunk_size(input) {
            Ok(httparse::Status::Complete(found)) => found,
            Ok(httparse::Status::Partial) => return Ok(false),
            Err(_) => return Err(malformed("unreadable chunk size")),
        };
        input = &input[consumed..];
        if size == 0 {
            return trailer_is_complete(input);
        }
        let size = usize::try_from(size).map_err(|_| malformed("a chunk is too large"))?;
        let Some((chunk, rest)) = input.split_at_checked(size) else { return Ok(false) };
        joined.extend_from_slice(chunk);
        match rest {
            [b'\r', b'\n', rest @ ..] => input = rest,
            [] | [b'\r'] => return Ok(false),
            _ => return Err(malformed("a chunk does not end where it says")),
        }
    }
}

/// Trailers are read over; an empty line ends them.
fn trailer_is_complete(mut input: &[u8]) -> io::Result<bool> {
    loop {
        match memchr::memchr(b'\n', input) {
            None => return Ok(false),
            Some(0) => return Ok(true),
            Some(1) if input[0] == b'\r' => return Ok(true),
            Some(end) => input = &input[end + 1..],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::join;

    #[test]
    fn chunks_are_complete_with_their_last_byte_and_not_before() {
        let input = b"4\r\nabcd\r\nA;x=y\r\n0123456789\r\n0\r\nt: 1\r\n\r\n";
        let mut joined = Vec::new();
        for end in 0..input.len() {
            assert!(!join(&input[..end], &mut joined).expect("a valid prefix"), "prefix of {end}");
        }
        assert!(join(input, &mut joined).expect("valid chunks"));
        assert_eq!(joined, b"abcd0123456789");
    }

    #[test]
    fn a_chunk_longer_than_it_says_is_malformed() {
        assert!(join(b"1\r\nabc", &mut Vec::new()).is_err());
        assert!(join(b"zz\r\n", &mut Vec::new()).is_err());
    }
}
