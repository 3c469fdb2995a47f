//! `[tasks.<alias>.limits.<queue>]`: how much of a queue runs at once and how fast, over all processes.

use std::collections::BTreeMap;

use callboard_tasks::{QueueLimits, Rate, check_name};

use super::section::Section;

/// The most of anything at once.
const MOST: usize = 1_000_000;
/// The most that may wait.
const DEEPEST: usize = 1_000_000_000;

/// Reads the tables; `known` are the queues of the backend, empty if it takes any name.
pub(super) fn read(mut section: Section<'_>, known: &[String]) -> BTreeMap<String, QueueLimits> {
    let mut limits = BTreeMap::new();
    for name in section.names() {
        let Some(mut queue) = section.named_section(&name) else { continue };
        if let Err(problem) = check_name(&name) {
            queue.note_self(format!("are the limits of a queue whose name {problem}"));
        } else if !known.is_empty() && !known.contains(&name) {
            let known = known.join(", ");
            queue.note_self(format!("are limits of no queue of this backend, which has {known}; add it to its queues"));
        }
        let count = |queue: &mut Section<'_>, key| {
            queue.number(key, 1..=MOST).and_then(|found| u32::try_from(found.value).ok())
        };
        let rate = |queue: &mut Section<'_>, key| {
            queue
                .read(key, "100/1m", |text| text.parse::<Rate>().map_err(|problem| format!("is no rate: {problem}")))
                .map(|found| found.value)
        };
        let of_queue = QueueLimits {
            concurrency: count(&mut queue, "concurrency"),
            rate: rate(&mut queue, "rate"),
            key_concurrency: count(&mut queue, "key_concurrency"),
            key_rate: rate(&mut queue, "key_rate"),
            depth: queue.number("depth", 1..=DEEPEST).map(|found| found.value as u64),
        };
        queue.finish();
        limits.insert(name, of_queue);
    }
    limits
}
