//! Reading a request's body within bounds.

use std::fmt;
use std::future::{Future as _, poll_fn};
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt;
use hyper::HeaderMap;
use hyper::body::Body;
use hyper::header::EXPECT;

/// How long, and for how many bytes, a client is listened to that has been refused.
const LINGER: Duration = Duration::from_secs(2);
const LINGER_BYTES_MAX: usize = 256 << 10;

/// Why a body could not be read.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum BodyError {
    /// It is larger than the limit; not all of it was read.
    TooLarge,
    /// The client took too long.
    TooSlow,
    /// The connection broke, or the body's framing is wrong.
    Broken(String),
}

impl fmt::Display for BodyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            BodyError::TooLarge => f.write_str("the body is too large"),
            BodyError::TooSlow => f.write_str("the body took too long"),
            BodyError::Broken(why) => write!(f, "the body broke off: {why}"),
        }
    }
}

impl std::error::Error for BodyError {}

/// Reads a whole body.
///
/// A body that announces more than `max` bytes is refused before any of it is read; one that does not say (chunked)
/// as soon as it has exceeded them. A body that arrives in one piece, as most do, is not copied.
pub(crate) async fn read<B>(body: B, max: usize, timeout: Duration) -> Result<Bytes, BodyError>
where
    B: Body<Data = Bytes> + Unpin,
    B::Error: fmt::Display,
{
    if body.size_hint().lower() > max as u64 {
        return Err(BodyError::TooLarge);
    }
    if body.is_end_stream() {
        return Ok(Bytes::new());
    }
    let mut collecting = pin!(collect(body, max));
    // Most bodies come with their head: nobody waits for those, so they need no timer.
    if let Poll::Ready(read) = poll_fn(|context| Poll::Ready(collecting.as_mut().poll(context))).await {
        return read;
    }
    tokio::time::timeout(timeout, collecting).await.unwrap_or(Err(BodyError::TooSlow))
}

/// Takes what a client still sends after it was refused, up to a bound, so that it gets to read its answer: a connection
/// that is closed over unread bytes is reset, and the answer may be lost. Must be called within a tokio runtime.
pub(crate) fn linger<B>(mut body: B, headers: &HeaderMap)
where
    B: Body<Data = Bytes> + Send + Unpin + 'static,
    B::Error: Send,
{
    // Who asks first whether to send anything gets the answer instead of a word to go on.
    if body.is_end_stream() || headers.contains_key(EXPECT) {
        return;
    }
    tokio::spawn(tokio::time::timeout(LINGER, async move {
        let mut taken = 0;
        while taken < LINGER_BYTES_MAX
            && let Some(Ok(frame)) = body.frame().await
        {
            taken += frame.data_ref().map_or(0, Bytes::len);
        }
    }));
}

async fn collect<B>(mut body: B, max: usize) -> Result<Bytes, BodyError>
where
    B: Body<Data = Bytes> + Unpin,
    B::Error: fmt::Display,
{
    let mut read = Pieces::default();
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| BodyError::Broken(error.to_string()))?;
        // Anything else is a trailer, which means nothing here.
        let Ok(data) = frame.into_data() else { continue };
        // The announced length was checked; a client that then sends less has cost no more than this.
        let announced = usize::try_from(body.size_hint().lower()).unwrap_or(0).min(max);
        read.push(data, announced);
        if read.len() > max {
            return Err(BodyError::TooLarge);
        }
    }
    Ok(read.into_bytes())
}

/// The pieces of a body: none, one as it came, or several copied together.
#[derive(Default)]
struct Pieces {
    first: Bytes,
    joined: BytesMut,
}

impl Pieces {
    fn push(&mut self, data: Bytes, still_to_come: usize) {
        if self.len() == 0 {
            self.first = data;
            return;
        }
        if self.joined.is_empty() {
            self.joined.reserve(self.first.len() + data.len() + still_to_come);
            self.joined.extend_from_slice(&std::mem::take(&mut self.first));
        }
        self.joined.extend_from_slice(&data);
    }

    fn len(&self) -> usize {
        self.first.len() + self.joined.len()
    }

    fn into_bytes(self) -> Bytes {
        if self.joined.is_empty() { self.first } else { self.joined.freeze() }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;
    use std::convert::Infallible;
    use std::pin::Pin;
    use std::task::Context;

    use hyper::body::{Frame, SizeHint};

    use super::*;

    /// A body that arrives in these pieces and then, perhaps, never ends.
    struct Arriving {
        pieces: VecDeque<&'static [u8]>,
        announced: u64,
        stalls: bool,
    }

    impl Body for Arriving {
        type Data = Bytes;
        type Error = Infallible;

        fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
            match self.pieces.pop_front() {
                Some(piece) => Poll::Ready(Some(Ok(Frame::data(Bytes::from_static(piece))))),
                None if self.stalls => Poll::Pending,
                None => Poll::Ready(None),
            }
        }

        fn size_hint(&self) -> SizeHint {
            let mut hint = SizeHint::new();
            hint.set_lower(self.announced);
            hint
        }
    }

    fn arriving(pieces: &[&'static [u8]]) -> Arriving {
        Arriving { pieces: pieces.iter().copied().collect(), announced: 0, stalls: false }
    }

    const SECOND: Duration = Duration::from_secs(1);

    #[tokio::test]
    async fn pieces_are_joined_in_order() {
        let cases: [(&[&'static [u8]], &[u8]); 4] =
            [(&[], b""), (&[b"abc"], b"abc"), (&[b"a", b"", b"bc", b"d"], b"abcd"), (&[b"", b"a"], b"a")];
        for (pieces, whole) in cases {
            assert_eq!(read(arriving(pieces), 4, SECOND).await.as_deref(), Ok(whole), "{pieces:?}");
        }
    }

    #[tokio::test]
    async fn a_body_past_the_limit_is_refused_whether_or_not_it_says_so() {
        let announced = Arriving { announced: 5, ..arriving(&[]) };
        assert_eq!(read(announced, 4, SECOND).await, Err(BodyError::TooLarge));
        assert_eq!(read(arriving(&[b"abc", b"de"]), 4, SECOND).await, Err(BodyError::TooLarge));
        assert_eq!(read(arriving(&[b"abcde"]), 4, SECOND).await, Err(BodyError::TooLarge));
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_that_stalls_is_given_up() {
        let stalled = Arriving { stalls: true, ..arriving(&[b"abc"]) };
        assert_eq!(read(stalled, 4, SECOND).await, Err(BodyError::TooSlow));
    }
}
