//! What fuzzers feed on, and what they have found: each file of `tests/corpus` is replayed, as it is and changed a little.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;

use proptest::prelude::*;
use proptest::sample::Index;
use proptest::strategy::ValueTree as _;
use proptest::test_runner::{Config, RngSeed, TestRunner};

use crate::fuzzing;

/// Where the files of a target are.
fn folder(target: &str) -> PathBuf {
    [env!("CARGO_MANIFEST_DIR"), "..", "tests", "corpus", target].iter().collect()
}

/// The files of a target, with their names.
fn files(target: &str) -> Vec<(String, Vec<u8>)> {
    let entries = std::fs::read_dir(folder(target)).unwrap_or_else(|error| panic!("{target} has no files: {error}"));
    let mut files: Vec<_> = entries
        .map(|entry| {
            let path = entry.unwrap().path();
            (path.file_name().unwrap().to_string_lossy().into_owned(), std::fs::read(path).unwrap())
        })
        .collect();
    files.sort();
    assert!(files.len() >= 5, "{target} has {} files", files.len());
    files
}

/// One small change of some bytes.
#[derive(Debug, Clone)]
enum Change {
    Set(Index, u8),
    Remove(Index, usize),
    Insert(Index, Vec<u8>),
    Repeat(Index, usize),
    Cut(Index),
}

fn changes() -> impl Strategy<Value = Vec<Change>> {
    let piece = prop_oneof![
        prop::collection::vec(any::<u8>(), 1..4),
        prop::sample::select(vec![
            "\"", "\\", "{", "}", "[", "]", ",", ":", "&", "=", "%", "\0", "\u{202e}", "null", "-1e9", "%00"
        ])
        .prop_map(|text| text.as_bytes().to_vec()),
    ];
    let one = prop_oneof![
        (any::<Index>(), any::<u8>()).prop_map(|(at, byte)| Change::Set(at, byte)),
        (any::<Index>(), 1..8_usize).prop_map(|(at, length)| Change::Remove(at, length)),
        (any::<Index>(), piece).prop_map(|(at, bytes)| Change::Insert(at, bytes)),
        (any::<Index>(), 1..200_usize).prop_map(|(at, times)| Change::Repeat(at, times)),
        any::<Index>().prop_map(Change::Cut),
    ];
    prop::collection::vec(one, 1..5)
}

fn changed(mut bytes: Vec<u8>, changes: &[Change]) -> Vec<u8> {
    for change in changes {
        let at = |index: &Index, bytes: &[u8]| index.index(bytes.len() + 1);
        match change {
            Change::Set(index, byte) => {
                let place = at(index, &bytes);
                if let Some(here) = bytes.get_mut(place) {
                    *here = *byte;
                }
            }
            Change::Remove(index, length) => {
                let start = at(index, &bytes);
                bytes.drain(start..(start + length).min(bytes.len()));
            }
            Change::Insert(index, piece) => {
                let start = at(index, &bytes);
                bytes.splice(start..start, piece.iter().copied());
            }
            Change::Repeat(index, times) => {
                let start = at(index, &bytes);
                let piece = bytes[start..(start + 4).min(bytes.len())].repeat(*times);
                bytes.splice(start..start, piece);
            }
            Change::Cut(index) => bytes.truncate(at(index, &bytes)),
        }
    }
    bytes
}

/// Feeds a target with its files, and with changes of them: as many as `PROPTEST_CASES` says, the same in every run.
fn replay(target: &str, feed: fn(&[u8])) {
    let feed = |name: &str, bytes: &[u8]| {
        if catch_unwind(AssertUnwindSafe(|| feed(bytes))).is_err() {
            panic!("{target} broke a rule (above) with {name}: {:?}", String::from_utf8_lossy(bytes));
        }
    };
    let files = files(target);
    for (name, bytes) in &files {
        feed(name, bytes);
    }
    let mut config = Config { failure_persistence: None, ..Config::default() };
    config.rng_seed = RngSeed::Fixed(11);
    let (cases, strategy) = (config.cases, changes());
    let mut runner = TestRunner::new(config);
    for n in 0..cases as usize {
        let (name, bytes) = &files[n % files.len()];
        let changes = strategy.new_tree(&mut runner).unwrap().current();
        feed(name, &changed(bytes.clone(), &changes));
    }
}

#[test]
fn corpus_of_calls() {
    replay("call", fuzzing::call);
}

#[test]
fn corpus_of_cursors() {
    replay("cursor", fuzzing::cursor);
}

#[test]
fn corpus_of_reports() {
    replay("csp_reports", fuzzing::csp_reports);
}

#[test]
fn corpus_of_filters() {
    replay("filter", fuzzing::filter);
}

/// The programs of `fuzz/` are those that are replayed here.
#[test]
fn every_corpus_has_its_fuzzer() {
    let mut corpora: Vec<_> =
        std::fs::read_dir(folder("")).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    corpora.sort();
    assert_eq!(corpora, ["call", "csp_reports", "cursor", "filter"]);
    for target in corpora {
        let program = folder("").join(format!("../../fuzz/fuzz_targets/{target}.rs"));
        let text = std::fs::read_to_string(&program).unwrap_or_else(|error| panic!("{}: {error}", program.display()));
        assert!(text.contains(&format!("callboard_http::fuzzing::{target}(")), "{text}");
    }
}
