use super::*;

#[test]
fn the_managed_key_needs_no_service_under_any_of_its_names() {
    let choice = |key: &str| {
        let mut attributes = QueueAttributes::new(false);
        attributes.kms_key = Some(key.to_owned());
        KeyChoice::of(&attributes)
    };
    assert_eq!(KeyChoice::of(&QueueAttributes::new(false)), None);
    for managed in ["alias/aws/sqs", "arn:aws:kms:us-east-1:000000000000:alias/aws/sqs"] {
        assert_eq!(choice(managed), None, "{managed}");
    }
    for own in ["alias/aws/sqs2", "aws/sqs", "key", "arn:aws:kms:us-east-1:000000000000:key/alias/aws/sqs"] {
        let expected = KeyChoice { key: own.to_owned(), period: Duration::from_secs(300) };
        assert_eq!(choice(own).as_ref(), Some(&expected), "{own}");
    }
}

#[test]
fn a_data_key_seals_up_to_its_bounds_and_a_new_one_takes_any_request() {
    let sealer = || Sealer {
        head: Bytes::new(),
        key: Arc::new(DataKey::new([1; 32].into())),
        messages: AtomicU64::new(0),
        bytes: AtomicU64::new(0),
    };
    let bounds = KeyBounds { messages: 5, bytes: 100 };
    let by_count = sealer();
    let taken = [3, 2, 1].map(|count| by_count.reserve(count, 1, bounds));
    assert_eq!(taken, [Some(0), Some(3), None], "numbers follow each other, and end");
    let by_bytes = sealer();
    let taken = [60, 40, 1].map(|bytes| by_bytes.reserve(1, bytes, bounds));
    assert_eq!(taken, [Some(0), Some(1), None]);
    assert_eq!(sealer().reserve(9, 1000, bounds), Some(0));
}
