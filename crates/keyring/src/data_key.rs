//! A key that encrypts content, with AES-256-GCM.

use std::fmt;

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use zeroize::Zeroizing;

use crate::KEY_BYTES;

/// Bytes of a nonce.
pub const NONCE_BYTES: usize = 12;
/// Bytes that prove that content is as it was sealed.
pub const TAG_BYTES: usize = 16;

/// A key that encrypts content.
///
/// Two different contents must never be sealed under one key with the same nonce: that would betray both, and the key's
/// tags. Whoever seals makes nonces from something that does not repeat.
pub struct DataKey {
    cipher: LessSafeKey,
    secret: Zeroizing<[u8; KEY_BYTES]>,
}

impl DataKey {
    /// Draws a key.
    ///
    /// # Errors
    /// The system's, if it has no random numbers.
    pub fn draw() -> std::io::Result<DataKey> {
        let mut secret = Zeroizing::new([0; KEY_BYTES]);
        getrandom::fill(&mut *secret).map_err(|error| std::io::Error::other(error.to_string()))?;
        Ok(DataKey::new(secret))
    }

    /// Returns the key with some bytes.
    pub fn new(secret: Zeroizing<[u8; KEY_BYTES]>) -> DataKey {
        let cipher = UnboundKey::new(&AES_256_GCM, &*secret).expect("the key has the length that the cipher asks for");
        DataKey { cipher: LessSafeKey::new(cipher), secret }
    }

    /// Encrypts bytes in place and returns their tag. `bound` is not encrypted, but the tag proves it too: who opens must
    /// have the same.
    pub fn seal(&self, nonce: [u8; NONCE_BYTES], bound: &[u8], bytes: &mut [u8]) -> [u8; TAG_BYTES] {
        let nonce = Nonce::assume_unique_for_key(nonce);
        // Only more bytes than the cipher allows under one nonce can fail, and nobody has 64 GiB of them in memory.
        let tag = self.cipher.seal_in_place_separate_tag(nonce, Aad::from(bound), bytes).expect("not too long");
        let mut copy = [0; TAG_BYTES];
        copy.copy_from_slice(tag.as_ref());
        copy
    }

    /// Decrypts bytes into `out`, which must be as long. `false` if they, their tag, `bound` or the nonce are not those of
    /// the sealing, or the key is another one: then `out` holds nothing of use.
    #[must_use]
    pub fn open(&self, nonce: [u8; NONCE_BYTES], bound: &[u8], sealed: &[u8], tag: &[u8], out: &mut [u8]) -> bool {
        assert_eq!(sealed.len(), out.len(), "encryption keeps the length");
        let nonce = Nonce::assume_unique_for_key(nonce);
        self.cipher.open_separate_gather(nonce, Aad::from(bound), sealed, tag, out).is_ok()
    }

    /// Decrypts bytes in place that are followed by their tag, and returns how many there are without it; `None` as
    /// [`open`](DataKey::open) says `false`.
    #[must_use]
    pub fn open_in_place(&self, nonce: [u8; NONCE_BYTES], bound: &[u8], sealed: &mut [u8]) -> Option<usize> {
        let nonce = Nonce::assume_unique_for_key(nonce);
        self.cipher.open_in_place(nonce, Aad::from(bound), sealed).ok().map(|plain| plain.len())
    }

    /// Returns its bytes. Whoever stores them tells them.
    pub fn secret(&self) -> &[u8; KEY_BYTES] {
        &self.secret
    }
}

impl fmt::Debug for DataKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("DataKey")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(byte: u8) -> DataKey {
        DataKey::new(Zeroizing::new([byte; KEY_BYTES]))
    }

    #[test]
    fn it_is_aes_256_gcm_as_published() {
        // Test case 14 of the proposal of GCM to NIST, by McGrew and Viega.
        let mut block = [0; 16];
        let tag = key(0).seal([0; NONCE_BYTES], &[], &mut block);
        let hex = |bytes: &[u8]| data_encoding::HEXLOWER.encode(bytes);
        assert_eq!(hex(&block), "cea7403d4d606b6e074ec5d3baf39d18");
        assert_eq!(hex(&tag), "d0d1c8a799996bf0265b98b5d48ab919");
    }

    #[test]
    fn what_was_sealed_opens_and_nothing_else_does() {
        let (nonce, bound) = ([7; NONCE_BYTES], *b"header");
        let plain = *b"a body";
        let mut sealed = plain;
        let tag = key(1).seal(nonce, &bound, &mut sealed);
        assert_ne!(sealed, plain);
        let opens = |key: &DataKey, nonce, bound: &[u8], sealed: &[u8], tag: &[u8]| {
            let mut out = vec![0; sealed.len()];
            key.open(nonce, bound, sealed, tag, &mut out).then_some(out)
        };
        assert_eq!(opens(&key(1), nonce, &bound, &sealed, &tag).as_deref(), Some(&plain[..]));
        assert_eq!(opens(&key(2), nonce, &bound, &sealed, &tag), None, "another key");
        assert_eq!(opens(&key(1), nonce, &bound, &sealed[1..], &tag), None, "cut");
        assert_eq!(opens(&key(1), nonce, &bound, &sealed, &tag[1..]), None, "a tag cut");
        for bit in 0..8 * NONCE_BYTES {
            let mut nonce = nonce;
            nonce[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(opens(&key(1), nonce, &bound, &sealed, &tag), None, "bit {bit} of the nonce");
        }
        for bit in 0..8 * plain.len() {
            let (mut bytes, mut head) = (sealed, bound);
            bytes[bit / 8] ^= 1 << (bit % 8);
            head[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(opens(&key(1), nonce, &bound, &bytes, &tag), None, "bit {bit} of the bytes");
            assert_eq!(opens(&key(1), nonce, &head, &sealed, &tag), None, "bit {bit} of what is bound");
        }
        let mut whole = [&sealed[..], &tag].concat();
        assert_eq!(key(1).open_in_place(nonce, &bound, &mut whole), Some(plain.len()));
        assert_eq!(whole[..plain.len()], plain);
        assert_eq!(key(1).open_in_place(nonce, &bound, &mut [0; 3]), None, "shorter than a tag");
    }

    #[test]
    fn two_drawn_keys_differ_and_none_shows() {
        let (one, two) = (DataKey::draw().expect("drawn"), DataKey::draw().expect("drawn"));
        assert_ne!(one.secret(), two.secret());
        assert_eq!(format!("{one:?}"), "DataKey");
    }
}
