//! How the binary deals with memory.

use crate::harness::stanchion;

/// The allocator takes this setting from the environment of the build, where it is easily lost.
#[test]
fn free_memory_goes_back_to_the_system_after_a_second() {
    let output = stanchion(&["--version"]).env("_RJEM_MALLOC_CONF", "stats_print:true").output();
    let output = output.expect("the binary runs");
    let told = String::from_utf8_lossy(&output.stderr);
    for setting in ["opt.background_thread: true", "opt.dirty_decay_ms: 1000 "] {
        assert!(told.contains(setting), "{setting:?} is missing in {told:?}");
    }
}
