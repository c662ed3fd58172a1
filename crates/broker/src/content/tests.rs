use data_encoding::HEXLOWER;
use proptest::prelude::*;

use super::*;

fn message() -> NewMessage {
    NewMessage {
        body: "{\"é\":1}\r".into(),
        attributes: vec![
            MessageAttribute {
                name: "Count".into(),
                data_type: "Number.int".into(),
                value: AttributeValue::Text("42".into()),
            },
            MessageAttribute {
                name: "blob".into(),
                data_type: "Binary.png".into(),
                value: AttributeValue::Binary(vec![0, 1, 2, 255]),
            },
        ],
        attributes_md5: None,
        trace_header: Some("Root=1-5759e988-bd862e3fe1be46a994272793".into()),
        system_attributes_md5: None,
        delay_seconds: None,
        group_id: Some("g1".into()),
        deduplication_id: None,
    }
}

fn encode(message: &NewMessage, sender_id: &str, deduplication_id: Option<&str>) -> Bytes {
    Draft::new(message, sender_id, deduplication_id).with(&Md5([7; 16]))
}

fn bare(body: &str) -> NewMessage {
    NewMessage { body: body.into(), attributes: Vec::new(), trace_header: None, group_id: None, ..message() }
}

#[test]
fn what_was_encoded_decodes_to_the_same_parts() {
    let message = message();
    let bytes = encode(&message, "000000000000", Some("d1"));
    let content = decode(&bytes).unwrap();
    assert_eq!(
        (content.sender_id, content.group_id, content.deduplication_id),
        ("000000000000", Some("g1"), Some("d1"))
    );
    assert_eq!((content.body, content.body_md5), (message.body.as_str(), Md5([7; 16])));
    assert_eq!(content.trace_header, message.trace_header.as_deref());
    let attributes: Vec<_> = content.attributes.iter().copied().map(Attribute::to_owned).collect();
    assert_eq!(attributes, message.attributes);
}

#[test]
fn parts_that_a_message_does_not_have_stay_absent() {
    let bytes = encode(&bare("x"), "", None);
    let content = decode(&bytes).unwrap();
    assert_eq!((content.group_id, content.deduplication_id, content.trace_header), (None, None, None));
    assert!(content.attributes.is_empty());
}

#[test]
fn the_digest_of_a_body_is_over_its_utf_8_bytes() {
    let known = [
        ("This is a test message", "fafb00f5732ab283681e124bf8747ed1"),
        ("test message body 1", "0e024d309850c78cba5eabbeff7cae71"),
        ("{\"foo\":20}", "d6cf0f93237ada70daf9b6e75cfff2e6"),
    ];
    // Whatever stands before the body does not count.
    let drafts = known.map(|(body, _)| Draft::new(&NewMessage { body: body.into(), ..message() }, "sender", Some("d")));
    let digests: Vec<String> = Draft::complete(drafts.into()).map(|(_, digest)| HEXLOWER.encode(&digest.0)).collect();
    assert_eq!(digests, known.map(|(_, digest)| digest));
}

/// The bytes of version 1. They are on disks: this test may gain versions, it never changes one.
#[test]
fn version_one_is_written_and_read_as_it_was_released() {
    const GOLDEN: &str = concat!(
        "0107",
        "07070707070707070707070707070707",
        "0c303030303030303030303030",
        "026731",
        "026431",
        "28526f6f743d312d35373539653938382d626438363265336665316265343661393934323732373933",
        "02",
        "05436f756e740a4e756d6265722e696e7400023432",
        "04626c6f620a42696e6172792e706e670104000102ff",
        "097b22c3a9223a317d0d",
    );
    let golden = HEXLOWER.decode(GOLDEN.as_bytes()).unwrap();
    assert_eq!(HEXLOWER.encode(&encode(&message(), "000000000000", Some("d1"))), GOLDEN);
    assert_eq!(decode(&golden).unwrap().body, message().body);
}

#[test]
fn a_body_of_a_mebibyte_survives() {
    let message = bare(&"é".repeat(1 << 19));
    assert_eq!(decode(&encode(&message, "000000000000", None)).unwrap().body, message.body);
}

#[test]
fn every_truncation_and_every_surplus_is_refused() {
    let bytes = encode(&message(), "000000000000", Some("d1"));
    for end in 0..bytes.len() {
        assert!(decode(&bytes[..end]).is_err(), "cut at {end}");
    }
    assert!(decode(&[&bytes[..], &[0]].concat()).is_err());
}

#[test]
fn an_unknown_version_or_flag_is_refused() {
    let mut bytes = encode(&bare("x"), "", None).to_vec();
    bytes[0] = 2;
    assert_eq!(decode(&bytes).unwrap_err().what, "version");
    bytes[0] = 1;
    bytes[1] = 8;
    assert_eq!(decode(&bytes).unwrap_err().what, "flags");
}

proptest! {
    #[test]
    fn no_bytes_make_the_decoder_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = decode(&bytes);
        let mut head = vec![1, 7];
        head.extend(bytes);
        let _ = decode(&head);
    }

    #[test]
    fn a_flipped_byte_never_panics(at in 0..100usize, flip in 1..=255u8) {
        let mut bytes = encode(&message(), "000000000000", Some("d1")).to_vec();
        let index = at % bytes.len();
        bytes[index] ^= flip;
        let _ = decode(&bytes);
    }
}
