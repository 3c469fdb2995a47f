//! The text and the numbers of the kernel.

use super::process::{most_files, processor_seconds, resident_bytes};
use super::text::{Page, Sort};
use callboard_actors::SpreadCounter;
use std::time::Duration;

#[test]
fn labels_are_escaped_and_families_begin_with_what_they_are() {
    let mut page = Page::default();
    page.family("queue_depth", Sort::Gauge, "Tasks.").series(&[("queue", "a\"b\\c\nd"), ("phase", "ready")], 7_u64);
    page.family("ready", Sort::Gauge, "Ready.").series(&[], true);
    let expected = "# HELP callboard_queue_depth Tasks.\n# TYPE callboard_queue_depth gauge\n\
                    callboard_queue_depth{queue=\"a\\\"b\\\\c\\nd\",phase=\"ready\"} 7\n\
                    # HELP callboard_ready Ready.\n# TYPE callboard_ready gauge\ncallboard_ready 1\n";
    assert_eq!(page.into_text(), expected);
}

#[test]
fn buckets_hold_all_that_is_smaller() {
    let counter = SpreadCounter::default();
    for took in [Duration::from_millis(1), Duration::from_millis(7), Duration::from_secs(9_999)] {
        counter.note(took);
    }
    let mut page = Page::default();
    page.family("x", Sort::Histogram, "X.").spread(&[("a", "b")], &counter.so_far());
    let text = page.into_text();
    for line in [
        "callboard_x_bucket{a=\"b\",le=\"0.005\"} 1",
        "callboard_x_bucket{a=\"b\",le=\"0.01\"} 2",
        "callboard_x_bucket{a=\"b\",le=\"1800\"} 2",
        "callboard_x_bucket{a=\"b\",le=\"+Inf\"} 3",
        "callboard_x_sum{a=\"b\"} 9999.008",
        "callboard_x_count{a=\"b\"} 3",
    ] {
        assert!(text.lines().any(|found| found == line), "{line} is not in\n{text}");
    }
}

#[test]
fn the_kernels_lines_are_read() {
    let stat = "42 (a ) b) R 1 2 3 4 5 6 7 8 9 10 250 50 0 0 20 0 1";
    assert_eq!(processor_seconds(stat), Some(3.0));
    assert_eq!(resident_bytes("Name:\tx\nVmRSS:\t    2048 kB\n"), Some(2048 * 1024));
    assert_eq!(most_files("Max cpu time  unlimited\nMax open files            1024   4096   files\n"), Some(1024));
    assert_eq!((processor_seconds("x"), resident_bytes(""), most_files("")), (None, None, None));
}
