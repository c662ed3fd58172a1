//! Deduplication ids with next to no memory: all but the last two are in chunks of two.

use stanchion_engine as engine;

use super::script::check_with;
use crate::Options;

/// Keeps so many bits of the ids on disk.
fn tiny(mark_bits: u32) -> Options {
    let engine = engine::Options { originals_max: 2, chunk_originals: 2, mark_bits, ..engine::Options::default() };
    Options { engine, seed: 1 }
}

/// Plays a story with good marks, and with marks that are all alike.
fn check(story: &str) {
    check_with(tiny(24), story);
    check_with(tiny(0), story);
}

#[test]
fn a_duplicate_is_found_in_a_chunk_for_five_minutes_and_no_longer() {
    check(
        "
        0s create q.fifo content=true
        0s send q.fifo a.1 a.2 a.3 => ok ok ok
        10s send q.fifo a.4 a.5 a.6 => ok ok ok
        20s send q.fifo a.1 => duplicate
        20s send q.fifo a.4 => duplicate
        20s send q.fifo a.6 => duplicate
        299999ms send q.fifo a.1 => duplicate
        300s send q.fifo a.1 => ok
        301s send q.fifo a.1 => duplicate
        309999ms send q.fifo a.5 => duplicate
        310s send q.fifo a.5 => ok
        ",
    );
}

#[test]
fn the_ids_of_a_batch_are_found_in_different_chunks() {
    check(
        "
        0s create q.fifo content=true
        0s send q.fifo a.1 a.2 a.3 a.4 a.5 a.6 a.7 a.8 a.9 => ok ok ok ok ok ok ok ok ok
        1s send q.fifo a.1 b.1 a.3 a.5 b.1 a.7 a.9 b.2 => duplicate ok duplicate duplicate duplicate duplicate duplicate ok
        2s send q.fifo b.2 b.1 => duplicate duplicate
        2s count q.fifo => 11/0/0
        ",
    );
}

#[test]
fn an_id_is_free_in_the_older_and_taken_in_the_younger_chunk() {
    check(
        "
        0s create q.fifo content=true
        0s send q.fifo a.1 => ok
        290s send q.fifo b.1 b.2 b.3 => ok ok ok
        300s send q.fifo a.1 => ok
        301s send q.fifo b.4 b.5 b.6 => ok ok ok
        302s send q.fifo a.1 => duplicate
        599999ms send q.fifo a.1 => duplicate
        600s send q.fifo a.1 => ok
        ",
    );
}

#[test]
fn each_queue_and_each_group_has_its_own_ids_in_chunks_too() {
    check(
        "
        0s create p.fifo content=true
        0s create q.fifo content=true
        0s send p.fifo x group=a dedup=1 => ok
        0s send q.fifo x group=a dedup=1 => ok
        0s set q.fifo scope=group throughput=group
        1s send q.fifo x group=a dedup=1 => ok
        1s send q.fifo x group=b dedup=1 => ok
        1s send q.fifo x group=c dedup=1 => ok
        1s send q.fifo x group=d dedup=1 => ok
        2s send p.fifo x group=b dedup=1 => duplicate
        2s send q.fifo x group=a dedup=1 => duplicate
        2s send q.fifo x group=b dedup=1 => duplicate
        2s send q.fifo x group=e dedup=1 => ok
        2s set q.fifo throughput=queue
        2s set q.fifo scope=queue
        2s send q.fifo x group=f dedup=1 => duplicate
        ",
    );
}

#[test]
fn a_purge_keeps_the_ids_in_chunks_and_a_new_queue_of_the_same_name_has_none() {
    check(
        "
        0s create q.fifo content=true
        0s send q.fifo a.1 a.2 a.3 a.4 a.5 => ok ok ok ok ok
        1s purge q.fifo
        1s send q.fifo a.1 a.5 => duplicate duplicate
        2s drop q.fifo
        62s create q.fifo content=true
        62s send q.fifo a.1 a.5 => ok ok
        63s send q.fifo a.1 a.5 => duplicate duplicate
        ",
    );
}
