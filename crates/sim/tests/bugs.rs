//! The bugs that are planted still fit the sources.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use stanchion_sim::bugs::Bug;

#[test]
fn every_planted_bug_applies_to_the_sources_exactly_once() {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let root = here.ancestors().nth(2).expect("the crate is two levels below the root");
    let mut count = 0;
    for entry in fs::read_dir(here.join("bugs")).expect("there are bugs") {
        let path = entry.expect("an entry").path();
        let name = path.file_stem().expect("a name").to_string_lossy().into_owned();
        let text = fs::read_to_string(&path).expect("a description");
        let bug = Bug::parse(&name, &text).expect("a good description");
        let mut texts: BTreeMap<&str, String> = BTreeMap::new();
        for edit in &bug.edits {
            let read = || fs::read_to_string(root.join(&edit.file)).expect("the file of the edit");
            let before = texts.entry(&edit.file).or_insert_with(read);
            *before = edit.apply(before).unwrap_or_else(|error| {
                panic!("bug `{name}` does not fit the sources any more, see {}: {error}", path.display())
            });
        }
        count += 1;
    }
    assert!(count >= 15, "there are only {count} bugs");
}
