//! Digests of the ids that senders choose. They are part of what is stored, so they never change.

use data_encoding::HEXLOWER;
use sha2::{Digest, Sha256};
use stanchion_engine::ids::{DeduplicationHash, GroupKey};

/// Returns the key of a message group: the first 64 bits of the SHA-256 of its id.
pub(crate) fn group_key(id: &str) -> GroupKey {
    GroupKey((first_128_bits(id) >> 64) as u64)
}

/// Returns the hash of a deduplication id or an attempt id: the first 128 bits of its SHA-256.
pub(crate) fn id_hash(id: &str) -> DeduplicationHash {
    DeduplicationHash(first_128_bits(id))
}

/// Returns the deduplication id that stands for a body: its SHA-256 in lower-case hexadecimal digits.
///
/// It is an id like any other: a sender that gives the same text as an explicit id means the same message.
pub(crate) fn content_id(body: &str) -> String {
    HEXLOWER.encode(&Sha256::digest(body.as_bytes()))
}

fn first_128_bits(text: &str) -> u128 {
    let digest = Sha256::digest(text.as_bytes());
    let (head, _) = digest.split_first_chunk::<16>().expect("a SHA-256 has 32 bytes");
    u128::from_be_bytes(*head)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_content_id_is_the_hexadecimal_sha_256_of_the_body() {
        assert_eq!(content_id("hello"), "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824");
    }

    #[test]
    fn digests_stay_what_they_were_when_the_first_message_was_stored() {
        assert_eq!(id_hash("hello"), DeduplicationHash(0x2cf2_4dba_5fb0_a30e_26e8_3b2a_c5b9_e29e));
        assert_eq!(group_key("hello"), GroupKey(0x2cf2_4dba_5fb0_a30e));
    }
}
