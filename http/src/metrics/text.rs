//! The text format of Prometheus, written by hand: a family of series after the other, without a global recorder, so
//! that several boards of one process do not meet.

use std::fmt::Write as _;

use callboard_actors::Spread;

/// The names of all families start so.
const PREFIX: &str = "callboard_";

/// What kind of numbers a family has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sort {
    Counter,
    Gauge,
    Histogram,
}

/// A page of metrics that is being written.
#[derive(Debug, Default)]
pub(super) struct Page(String);

impl Page {
    /// Begins a family; its series follow.
    pub(super) fn family(&mut self, name: &'static str, sort: Sort, help: &str) -> Family<'_> {
        let sort = match sort {
            Sort::Counter => "counter",
            Sort::Gauge => "gauge",
            Sort::Histogram => "histogram",
        };
        let name = if name.starts_with("process_") { name.to_owned() } else { format!("{PREFIX}{name}") };
        let _ = writeln!(self.0, "# HELP {name} {help}\n# TYPE {name} {sort}");
        Family { page: &mut self.0, name }
    }

    /// The whole page.
    pub(super) fn into_text(self) -> String {
        self.0
    }
}

/// A family whose series are being written.
pub(super) struct Family<'a> {
    page: &'a mut String,
    name: String,
}

impl Family<'_> {
    /// A series with these labels.
    pub(super) fn series<N: Number + Copy>(&mut self, labels: &[(&str, &str)], value: N) -> &mut Self {
        self.line("", labels, None, &value);
        self
    }

    /// The series of a histogram.
    pub(super) fn spread(&mut self, labels: &[(&str, &str)], spread: &Spread) -> &mut Self {
        let mut so_far = 0;
        for (bound, within) in Spread::BOUNDS.iter().zip(spread.within) {
            so_far += within;
            self.line("_bucket", labels, Some(&bound.to_string()), &so_far);
        }
        self.line("_bucket", labels, Some("+Inf"), &spread.count);
        self.line("_sum", labels, None, &spread.sum);
        self.line("_count", labels, None, &spread.count);
        self
    }

    fn line(&mut self, suffix: &str, labels: &[(&str, &str)], bound: Option<&str>, value: &dyn Number) {
        self.page.push_str(&self.name);
        self.page.push_str(suffix);
        let mut open = '{';
        for (name, value) in labels.iter().copied().chain(bound.map(|bound| ("le", bound))) {
            self.page.push(open);
            self.page.push_str(name);
            self.page.push_str("=\"");
            escape(self.page, value);
            self.page.push('"');
            open = ',';
        }
        if open == ',' {
            self.page.push('}');
        }
        self.page.push(' ');
        value.write(self.page);
        self.page.push('\n');
    }
}

fn escape(out: &mut String, value: &str) {
    for c in value.chars() {
        match c {
            '\\' => out.push_str("\\\\"),
            '"' => out.push_str("\\\""),
            '\n' => out.push_str("\\n"),
            c => out.push(c),
        }
    }
}

/// A value of a series.
pub(super) trait Number {
    fn write(&self, out: &mut String);
}

macro_rules! numbers {
    ($($number:ty)*) => {$(
        impl Number for $number {
            fn write(&self, out: &mut String) {
                let _ = write!(out, "{self}");
            }
        }
    )*};
}

numbers!(u64 usize f64);

impl Number for bool {
    fn write(&self, out: &mut String) {
        out.push(if *self { '1' } else { '0' });
    }
}
