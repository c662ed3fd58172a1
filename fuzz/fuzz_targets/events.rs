//! Decodes arbitrary bytes as the events of a record, and as the list of a page. What can be read is written again
//! and has to read the same: a format with two spellings of one event would make replay depend on the writer.
#![no_main]

use bytes::Bytes;
use libfuzzer_sys::fuzz_target;
use stanchion_engine::event::codec::{self, Damage};

fuzz_target!(|data: &[u8]| {
    let mut payload = vec![codec::VERSION];
    payload.extend_from_slice(data);
    let payload = Bytes::from(payload);
    let mut events = Vec::new();
    let decoded = codec::decode(&payload, |event, span| {
        let end = u64::from(span.offset) + u64::from(span.length);
        assert!(end <= payload.len() as u64, "{span:?} is outside the payload");
        events.push(event);
        Ok::<(), Damage>(())
    });
    if let Ok(count) = decoded {
        assert_eq!(count as usize, events.len());
        let mut again = vec![codec::VERSION];
        for event in &events {
            codec::encode(event, &mut again);
        }
        let mut read = Vec::new();
        codec::decode(&Bytes::from(again), |event, _| {
            read.push(event);
            Ok::<(), Damage>(())
        })
        .expect("what was written reads back");
        assert_eq!(read, events);
    }
    // Whether it is a page is up to chance; reading must not panic.
    let _ = codec::decode_page(data);
});
