//! `[tasks.<alias>.work]`: which queues this process works, and with how many permits.

use callboard_actors::Work;
use callboard_tasks::check_name;

use super::section::Section;
use super::tree::Value;

/// The most attempts of a queue at once.
const MOST: i64 = 1_000_000;

/// Reads the table; `known` are the queues of the backend, empty if it takes any name.
pub(super) fn read(mut section: Section<'_>, known: &[String]) -> Option<Work> {
    let work = section.section("queues").map(|queues| read_queues(queues, known));
    if work.is_none() {
        section
            .missing_unless_wrong("queues", "write queues = { mail = 4, default = 50 }, or queues = {} to work none");
    }
    section.finish();
    work
}

fn read_queues(mut queues: Section<'_>, known: &[String]) -> Work {
    let mut work = Vec::new();
    for name in queues.names() {
        let Some(found) = queues.value(&name) else { continue };
        if let Err(problem) = check_name(&name) {
            queues.note(found.problem(format!("is the entry of a queue whose name {problem}")));
            continue;
        }
        if !known.is_empty() && !known.contains(&name) {
            let detail = format!("is no queue of this backend, which has {}; add it to its queues", known.join(", "));
            queues.note(found.problem(detail));
            continue;
        }
        let number = match &found.value {
            Value::Integer(number) => Some(*number),
            Value::Loose(text) => text.trim().parse().ok(),
            _ => None,
        };
        match number.filter(|number| (1..=MOST).contains(number)).and_then(|number| usize::try_from(number).ok()) {
            Some(most) => work.push((name, most)),
            None => {
                let shown = found.value.shown();
                let detail = format!(
                    "is {shown}; write how many attempts run at once, from 1 to {MOST}, or leave the queue out"
                );
                queues.note(found.problem(detail));
            }
        }
    }
    Work::of(work)
}
