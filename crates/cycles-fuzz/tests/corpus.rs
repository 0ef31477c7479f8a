//! Replays `fuzz/corpus`: what the fuzzer starts from, and what it has found.

use std::fs;
use std::panic::catch_unwind;
use std::path::{Path, PathBuf};

use cycles_fuzz::TARGETS;

#[test]
fn every_input_of_the_corpus_keeps_its_promises() {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus");
    let mut failing = Vec::new();
    for (target, check) in TARGETS {
        let folder = corpus.join(target);
        let mut inputs: Vec<_> =
            fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()).collect();
        inputs.sort();
        assert!(!inputs.is_empty(), "{target} has no corpus");
        for input in inputs {
            let bytes = fs::read(&input).unwrap();
            if catch_unwind(|| check(&bytes)).is_err() {
                failing.push(input);
            }
        }
    }
    assert_eq!(failing, Vec::<PathBuf>::new());
}
