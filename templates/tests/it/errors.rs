//! Errors name the file, the line, the partial, and the way there.

use serde_json::json;

use crate::support::{failure, nothing, refusal, refused};

const PAGE: &str = "1\n2 {# c #} é\n{% macro m() %}#}x{% endmacro %}\n{% partialdef row %}\nok\n  {{ bad.y.z }}\n\
                    {% endpartialdef %}\n\n{% partial row %}\n{{ oops.a.b }}\n";

// Django 206
#[test]
fn a_fault_has_the_line_of_the_file_however_it_is_reached() {
    for (name, way) in [("page.html#row", vec![]), ("page.html", vec!["page.html:9"])] {
        let failure = failure(&[("page.html", PAGE)], name, nothing());
        assert_eq!(failure.problem.place.to_string(), "page.html:6 in partial row");
        assert_eq!(failure.problem.code.as_deref(), Some("bad.y"));
        assert_eq!(failure.way.iter().map(ToString::to_string).collect::<Vec<_>>(), way);
    }
    let files = [("page.html", PAGE), ("list.html", "a\n\n{% include 'page.html#row' %}")];
    let failure = failure(&files, "list.html", nothing());
    assert_eq!(failure.to_string(), "page.html:6 in partial row, from list.html:3: undefined value at `bad.y`");
}

// Django 206
#[test]
fn a_fault_behind_partials_has_its_own_line() {
    let failure = failure(&[("page.html", PAGE)], "page.html", json!({"bad": {"y": {"z": 1}}}));
    assert_eq!(failure.problem.place.to_string(), "page.html:10");
    assert_eq!(failure.problem.code.as_deref(), Some("oops.a"));
    let marks = "a\n{%- partialdef x -%}\n\n b \n{%- endpartialdef -%}\n\n{%- partial x\n-%}\n{{ oops.a.b }}";
    let failure = crate::support::failure(&[("page.html", marks)], "page.html", nothing());
    assert_eq!(failure.problem.place.line, Some(9));
}

// Django 208
#[test]
fn an_error_inside_a_partial_is_not_told_as_a_missing_partial() {
    let failing = |_: String| -> Result<String, callboard_templates::minijinja::Error> {
        Err(callboard_templates::minijinja::Error::new(
            callboard_templates::minijinja::ErrorKind::InvalidOperation,
            "key \"row\" is missing",
        ))
    };
    let text = "{% partialdef row %}{{ 'x'|look_up }}{% endpartialdef %}\n{% partial row %}";
    let templates = crate::support::builder(&[("page.html", text)]).filter("look_up", failing).build().unwrap();
    let error = templates.render("page.html", ()).unwrap_err();
    assert!(!error.is_not_found());
    assert_eq!(
        error.to_string(),
        "page.html:1 in partial row, from page.html:2: invalid operation: key \"row\" is missing at `look_up`"
    );
}

#[test]
fn a_fault_inside_a_partial_that_nobody_uses_is_found_at_load() {
    let problem = refusal("a\n{% partialdef x %}\n{{ 1 + }}\n{% endpartialdef %}");
    assert!(problem.starts_with("page.html:3 in partial x: syntax error: "), "{problem}");
    let problem = refusal("a\n{% partialdef x %}\n{{ 1 + }}\n{% endpartialdef %}{% partial x %}");
    assert!(problem.starts_with("page.html:3 in partial x: syntax error: "), "{problem}");
    let problem = refusal("a\n{% partialdef x inline %}\n{{ 1 + }}\n{% endpartialdef %}");
    assert!(problem.starts_with("page.html:3 in partial x: syntax error: "), "{problem}");
    assert!(refusal("a\n{% unknown %}").starts_with("page.html:2: syntax error: unknown statement unknown"));
}

#[test]
fn every_fault_of_calls_and_texts_is_told() {
    let text =
        "{% partialdef a %}{{ 1 + }}{% endpartialdef %}\n{% partialdef b %}{{ 2 + }}{% endpartialdef %}\n{{ 3 + }}";
    let problems = refused(text);
    assert_eq!(problems.len(), 3, "{problems:#?}");
    assert!(problems[0].starts_with("page.html:1 in partial a"), "{problems:#?}");
    assert!(problems[1].starts_with("page.html:2 in partial b"), "{problems:#?}");
    assert!(problems[2].starts_with("page.html:3: "), "{problems:#?}");
}

#[test]
fn the_way_goes_through_parents_and_files() {
    let files = [
        ("base.html", "<\n{% block main %}{% endblock %}>"),
        (
            "child.html",
            "{% extends 'base.html' %}\n{% block main %}\n{% partial a %}{% endblock %}\n\
          {% partialdef a %}\n{% include 'other.html' %}{% endpartialdef %}",
        ),
        ("other.html", "\n{% partialdef b %}{{ x.y.z }}{% endpartialdef %}\n\n{% partial b %}"),
    ];
    let failure = failure(&files, "child.html", nothing());
    assert_eq!(failure.problem.place.to_string(), "other.html:2 in partial b");
    let way: Vec<String> = failure.way.iter().map(ToString::to_string).collect();
    assert_eq!(way[..3], ["other.html:4", "child.html:5 in partial a", "child.html:3"]);
}

#[test]
fn an_include_of_what_is_missing_says_where() {
    let files = [("page.html", "\n{% include name %}"), ("rows.html", "{% partialdef row %}{% endpartialdef %}")];
    let failure = failure(&files, "page.html", json!({"name": "rows.html#rwo"}));
    assert_eq!(failure.problem.place.to_string(), "page.html:2");
    assert!(failure.problem.message.contains("rows.html#rwo"), "{failure}");
}

#[test]
fn messages_never_show_internal_names() {
    let text = "{% partialdef a %}{{ missing_function() }}{% endpartialdef %}{% partial a %}";
    let shown = failure(&[("page.html", text)], "page.html", nothing());
    let everything = format!("{shown} {shown:?}");
    assert!(
        !everything.contains('\0') && !everything.contains("\\0") && !everything.contains("__partial"),
        "{everything}"
    );
}

#[test]
fn more_lines_than_minijinja_counts_are_refused() {
    let long = "\n".repeat(65_534) + "{{ x.y.z }}";
    assert_eq!(failure(&[("page.html", &long)], "page.html", nothing()).problem.place.line, Some(65_535));
    assert_eq!(refusal(&format!("\n{long}")), "page.html: the file has more than 65535 lines: split it");
}
