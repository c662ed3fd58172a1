//! MD5 of several bodies at once, one in each lane of a vector.
//!
//! One MD5 is a chain in which every step waits for the one before, so most of the processor idles. Chains of different
//! texts need not wait for each other.

use fearless_simd::{Level, Simd, dispatch, prelude::*, u32x16};
use md5::{Digest as _, Md5 as Md5Hasher};
use stanchion_types::message::Md5;

/// How many bodies are hashed at once. With narrower vectors a step is taken by several of them, which wait for each
/// other as little as the lanes of one do.
pub(crate) const LANES: usize = 16;
const BLOCK: usize = 64;

/// What a step of all lanes costs, in steps of one text alone. Measured: 10 texts of 1 KiB take as long as 2.4 of them one
/// by one with AVX-512, 2.6 with AVX2 and 3 with SSE2, which every x86-64 has; 2 texts as long as 2.0, 2.3 and 2.7.
const COST: usize = 2;

/// The state before the first block.
const START: [u32; 4] = [0x6745_2301, 0xefcd_ab89, 0x98ba_dcfe, 0x1032_5476];

/// What is added in each step.
#[rustfmt::skip]
const ADDED: [u32; 64] = [
    0xd76a_a478, 0xe8c7_b756, 0x2420_70db, 0xc1bd_ceee, 0xf57c_0faf, 0x4787_c62a, 0xa830_4613, 0xfd46_9501,
    0x6980_98d8, 0x8b44_f7af, 0xffff_5bb1, 0x895c_d7be, 0x6b90_1122, 0xfd98_7193, 0xa679_438e, 0x49b4_0821,
    0xf61e_2562, 0xc040_b340, 0x265e_5a51, 0xe9b6_c7aa, 0xd62f_105d, 0x0244_1453, 0xd8a1_e681, 0xe7d3_fbc8,
    0x21e1_cde6, 0xc337_07d6, 0xf4d5_0d87, 0x455a_14ed, 0xa9e3_e905, 0xfcef_a3f8, 0x676f_02d9, 0x8d2a_4c8a,
    0xfffa_3942, 0x8771_f681, 0x6d9d_6122, 0xfde5_380c, 0xa4be_ea44, 0x4bde_cfa9, 0xf6bb_4b60, 0xbebf_bc70,
    0x289b_7ec6, 0xeaa1_27fa, 0xd4ef_3085, 0x0488_1d05, 0xd9d4_d039, 0xe6db_99e5, 0x1fa2_7cf8, 0xc4ac_5665,
    0xf429_2244, 0x432a_ff97, 0xab94_23a7, 0xfc93_a039, 0x655b_59c3, 0x8f0c_cc92, 0xffef_f47d, 0x8584_5dd1,
    0x6fa8_7e4f, 0xfe2c_e6e0, 0xa301_4314, 0x4e08_11a1, 0xf753_7e82, 0xbd3a_f235, 0x2ad7_d2bb, 0xeb86_d391,
];

/// Returns the MD5 of each text.
pub(crate) fn md5_of_each(texts: &[&[u8]]) -> Vec<Md5> {
    let level = Level::new();
    let mut digests = vec![Md5([0; 16]); texts.len()];
    // A lane idles when its text has ended, so those of about one length go together.
    let mut order: Vec<usize> = (0..texts.len()).collect();
    order.sort_unstable_by_key(|&index| texts[index].len());
    for mut group in order.chunks(LANES) {
        // A text that is much longer than all others together goes alone.
        while let Some((&longest, others)) = group.split_last() {
            let steps: usize = group.iter().map(|&index| blocks(texts[index])).sum();
            if steps > COST * blocks(texts[longest]) {
                md5_in_lanes(level, texts, group, &mut digests);
                break;
            }
            digests[longest] = Md5(Md5Hasher::digest(texts[longest]).into());
            group = others;
        }
    }
    digests
}

/// Returns how many blocks a text has, padding included.
const fn blocks(text: &[u8]) -> usize {
    (text.len() + 8) / BLOCK + 1
}

/// Returns a block of a text: of its bytes, and after their end of a bit, zeros, and in the last eight bytes the length in
/// bits.
fn block(text: &[u8], number: usize) -> [u8; BLOCK] {
    let rest = text.get(number * BLOCK..).unwrap_or_default();
    if let Some(block) = rest.first_chunk() {
        return *block;
    }
    let mut block = [0; BLOCK];
    block[..rest.len()].copy_from_slice(rest);
    if text.len() / BLOCK == number {
        block[rest.len()] = 0x80;
    }
    if number + 1 == blocks(text) {
        block[BLOCK - 8..].copy_from_slice(&(text.len() as u64 * 8).to_le_bytes());
    }
    block
}

/// Computes the MD5 of up to as many texts as there are lanes, with the widest vectors that a processor has.
fn md5_in_lanes(level: Level, texts: &[&[u8]], group: &[usize], digests: &mut [Md5]) {
    dispatch!(level, simd => simd.vectorize(#[inline(always)] || in_lanes(simd, texts, group, digests)));
}

// Inlined, as all that it calls, because what is not would be compiled for every processor.
#[inline(always)]
fn in_lanes<S: Simd>(simd: S, texts: &[&[u8]], group: &[usize], digests: &mut [Md5]) {
    let mut state = START.map(|word| u32x16::splat(simd, word));
    let last = group.iter().map(|&index| blocks(texts[index])).max().unwrap_or(0);
    for number in 0..last {
        let mut words = [[0; LANES]; 16];
        for (lane, &index) in group.iter().enumerate() {
            let block = block(texts[index], number);
            for (word, bytes) in words.iter_mut().zip(block.as_chunks::<4>().0) {
                word[lane] = u32::from_le_bytes(*bytes);
            }
        }
        state = compress(simd, state, &words);
        for (lane, &index) in group.iter().enumerate() {
            if number + 1 == blocks(texts[index]) {
                for (part, bytes) in state.iter().zip(digests[index].0.as_chunks_mut::<4>().0) {
                    *bytes = part[lane].to_le_bytes();
                }
            }
        }
    }
}

/// Takes one block of each lane into the state.
#[inline(always)]
fn compress<S: Simd>(simd: S, state: [u32x16<S>; 4], words: &[[u32; LANES]; 16]) -> [u32x16<S>; 4] {
    type V<S> = u32x16<S>;
    let [mut a, mut b, mut c, mut d] = state;
    // Written out, because a loop over the steps would keep the state in memory.
    macro_rules! step {
        ($mixed:expr, $word:expr, $by:expr, $step:expr) => {
            let sum = a + $mixed(b, c, d) + ADDED[$step] + V::simd_from(simd, words[$word($step) % 16]);
            (a, d, c, b) = (d, c, b, b + ((sum << $by) | (sum >> (32 - $by))));
        };
    }
    macro_rules! four {
        ($mixed:expr, $word:expr, $by:expr, $step:expr) => {
            step!($mixed, $word, $by[0], $step);
            step!($mixed, $word, $by[1], $step + 1);
            step!($mixed, $word, $by[2], $step + 2);
            step!($mixed, $word, $by[3], $step + 3);
        };
    }
    macro_rules! round {
        ($first:literal, $mixed:expr, $word:expr, $by:expr) => {
            four!($mixed, $word, $by, $first);
            four!($mixed, $word, $by, $first + 4);
            four!($mixed, $word, $by, $first + 8);
            four!($mixed, $word, $by, $first + 12);
        };
    }
    round!(0, |b: V<S>, c: V<S>, d: V<S>| ((c ^ d) & b) ^ d, |step: usize| step, [7u32, 12, 17, 22]);
    round!(16, |b: V<S>, c: V<S>, d: V<S>| ((b ^ c) & d) ^ c, |step: usize| 5 * step + 1, [5u32, 9, 14, 20]);
    round!(32, |b: V<S>, c: V<S>, d: V<S>| b ^ c ^ d, |step: usize| 3 * step + 5, [4u32, 11, 16, 23]);
    round!(48, |b: V<S>, c: V<S>, d: V<S>| (b | !d) ^ c, |step: usize| 7 * step, [6u32, 10, 15, 21]);
    let [a0, b0, c0, d0] = state;
    [a0 + a, b0 + b, c0 + c, d0 + d]
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What this processor has, and what every other of its kind has.
    fn levels() -> Vec<Level> {
        let widest = Level::new();
        #[cfg(target_arch = "x86_64")]
        return [Some(widest), widest.as_avx2().map(Level::Avx2), widest.as_sse2().map(Level::Sse2)]
            .into_iter()
            .flatten()
            .collect();
        #[cfg(not(target_arch = "x86_64"))]
        vec![widest]
    }

    fn check(texts: &[&[u8]]) {
        let alone: Vec<Md5> = texts.iter().map(|text| Md5(Md5Hasher::digest(text).into())).collect();
        assert_eq!(md5_of_each(texts), alone, "{:?}", texts.iter().map(|text| text.len()).collect::<Vec<_>>());
        for level in levels().into_iter().filter(|_| texts.len() <= LANES) {
            let mut digests = vec![Md5([0; 16]); texts.len()];
            md5_in_lanes(level, texts, &(0..texts.len()).collect::<Vec<_>>(), &mut digests);
            assert_eq!(digests, alone, "in lanes of {level:?}, whether or not that pays");
        }
    }

    #[test]
    fn texts_of_every_length_up_to_three_blocks_have_the_digests_they_have_alone() {
        let bytes: Vec<u8> = (0..200).map(|at| (at * 37 % 251) as u8).collect();
        for length in 0..bytes.len() {
            let texts: Vec<&[u8]> = (0..20).map(|text| &bytes[text..(text + length).min(bytes.len())]).collect();
            check(&texts);
            check(&texts[..10]);
        }
    }

    #[test]
    fn texts_of_different_lengths_stay_apart() {
        let bytes: Vec<u8> = (0..10_000).map(|at| (at * 131 % 241) as u8).collect();
        let lengths = [0, 1, 55, 56, 63, 64, 65, 1024, 9999, 10_000];
        check(&lengths.map(|length| &bytes[..length]));
        check(&lengths.map(|length| &bytes[bytes.len() - length..])[2..]);
        check(&[]);
    }
}
