//! Whitespace marks at the tags of partials do what they do at any tag.

use serde_json::json;

use crate::support::{nothing, page, row};

const MARKS: [&str; 3] = ["", "-", "+"];

/// Every choice of marks for four places.
fn choices() -> impl Iterator<Item = [&'static str; 4]> {
    MARKS.into_iter().flat_map(|a| {
        MARKS
            .into_iter()
            .flat_map(move |b| MARKS.into_iter().flat_map(move |c| MARKS.into_iter().map(move |d| [a, b, c, d])))
    })
}

#[test]
fn marks_at_an_inline_definition_are_those_of_any_block() {
    for [a, b, c, d] in choices() {
        let wrap = |open: &str, close: &str| format!("a \n {{%{a} {open} {b}%}} \n b \n {{%{c} {close} {d}%}} \n d\n");
        let expected = page(&wrap("if true", "endif"), nothing());
        assert_eq!(page(&wrap("partialdef row inline", "endpartialdef"), nothing()), expected, "{a}{b}{c}{d}");
        // Alone it is what stands between the tags.
        let inner = row(&wrap("partialdef row inline", "endpartialdef"), nothing());
        let start = if b == "-" { "" } else { " \n " };
        let end = if c == "-" { "" } else { " \n " };
        assert_eq!(inner, format!("{start}b{end}"), "{a}{b}{c}{d}");
    }
}

#[test]
fn marks_at_a_definition_are_those_of_a_block_that_prints_nothing() {
    for [a, b, c, d] in choices() {
        let wrap = |open: &str, close: &str| format!("a \n {{%{a} {open} {b}%}} \n b \n {{%{c} {close} {d}%}} \n d\n");
        let expected = page(&wrap("if false", "endif"), nothing());
        assert_eq!(page(&wrap("partialdef row", "endpartialdef"), nothing()), expected, "{a}{b}{c}{d}");
    }
}

#[test]
fn marks_at_a_call_are_those_of_any_tag() {
    for [a, b, ..] in choices() {
        let call = format!("{{% partialdef row %}}x{{% endpartialdef %}}a \n {{%{a} partial row {b}%}} \n b");
        let same = format!("a \n {{%{a} if true +%}}x{{%+ endif {b}%}} \n b");
        assert_eq!(page(&call, nothing()), page(&same, nothing()), "{a}{b}");
    }
}

#[test]
fn the_last_line_end_is_kept() {
    assert_eq!(page("a\n", nothing()), "a\n");
    assert_eq!(page("{% partialdef row %}x\n{% endpartialdef %}{% partial row %}", nothing()), "x\n");
    assert_eq!(row("{% partialdef row %}x\n{% endpartialdef %}", nothing()), "x\n");
    assert_eq!(row("{% partialdef row inline %}{{ x }}\r\n{% endpartialdef %}\n", json!({"x": 1})), "1\r\n");
}
