//! Calling partials: what they see, and that a call and an inline partial do the same.

use serde_json::json;

use crate::support::{failure, nothing, page, refusal, render, row};

/// The same body, called three times in a loop and inline in one.
fn both(body: &str, context: &serde_json::Value) -> (String, String) {
    let called =
        format!("{{% partialdef p %}}{body}{{% endpartialdef %}}{{% for x in xs %}}{{% partial p %}}{{% endfor %}}");
    let inline = format!("{{% for x in xs %}}{{% partialdef p inline %}}{body}{{% endpartialdef %}}{{% endfor %}}");
    (page(&called, context.clone()), page(&inline, context.clone()))
}

// Django 191
#[test]
fn a_call_sees_what_is_around_it_and_not_what_was_around_the_definition() {
    let text = "{% with w = 'def' %}{% partialdef p %}[{{ x }}{{ w }}]{% endpartialdef %}{% endwith %}\
                {% for x in xs %}{% partial p %}{% endfor %}{% with w = 'call' %}{% partial p %}{% endwith %}";
    assert_eq!(page(text, json!({"xs": [1, 2]})), "[1][2][call]");
}

// Django 192
#[test]
fn a_variable_that_a_partial_sets_stays_set() {
    let called = "{% partialdef p %}{% set a = 2 %}{{ a }}{% endpartialdef %}{% set a = 1 %}{% partial p %}{{ a }}";
    let inline = "{% set a = 1 %}{% partialdef p inline %}{% set a = 2 %}{{ a }}{% endpartialdef %}{{ a }}";
    assert_eq!(page(called, nothing()), "22");
    assert_eq!(page(inline, nothing()), "22");
}

// Django 193
#[test]
fn escaping_is_that_of_the_call() {
    let context = json!({"v": "<"});
    let def = "{% partialdef p %}{{ v }}{% endpartialdef %}";
    let off = |inside: &str| format!("{{% autoescape false %}}{inside}{{% endautoescape %}}");
    assert_eq!(page(&format!("{def}{}{{% partial p %}}", off("{% partial p %}")), context.clone()), "<&lt;");
    assert_eq!(page(&format!("{}{{% partial p %}}", off(def)), context.clone()), "&lt;");
    assert_eq!(page(&off("{% partialdef p inline %}{{ v }}{% endpartialdef %}"), context.clone()), "<");
    let json = "{% autoescape 'json' %}{% partial p %}{% endautoescape %}";
    assert_eq!(page(&format!("{def}{json}"), context), "\"<\"");
}

#[test]
fn escaping_goes_down_through_calls() {
    let text = "{% partialdef a %}{% partial b %}{% endpartialdef %}{% partialdef b %}{{ v }}{% endpartialdef %}\
                {% autoescape false %}{% partial a %}{% endautoescape %}{% partial a %}";
    assert_eq!(page(text, json!({"v": "<"})), "<&lt;");
}

// Django 194: one rule where Django has two. What cycles, does so by the loop.
#[test]
fn a_cycle_goes_on_in_a_called_partial_as_in_an_inline_one() {
    let (called, inline) = both("{{ loop.cycle('a', 'b') }}", &json!({"xs": [1, 2, 3]}));
    assert_eq!(called, "aba");
    assert_eq!(inline, called);
}

// Django 194
#[test]
fn what_changed_in_a_loop_is_remembered_by_called_and_inline_partials_alike() {
    let (called, inline) = both("{% if loop.changed(x) %}{{ x }}{% endif %}", &json!({"xs": [1, 1, 2, 2, 1]}));
    assert_eq!(called, "121");
    assert_eq!(inline, called);
}

#[test]
fn loops_sets_and_macros_mean_the_same_in_called_and_inline_partials() {
    let bodies = [
        "{{ loop.index }}{{ loop.first }}{{ x }}",
        "{% set y = x %}{{ y }}{{ loop.last }}",
        "{% macro m(a) %}<{{ a }}>{% endmacro %}{{ m(x) }}",
        "{% for x in [x, x] %}{{ loop.index0 }}{{ x }}{% endfor %}{{ x }}",
        "{% with z = x %}{{ z }}{% endwith %}{{ z }}",
        "{% filter upper %}a{{ x }}{% endfilter %}",
        "{% set z %}<{{ x }}>{% endset %}{{ z }}",
        "{% if x == 2 %}two{% else %}{{ x }}{% endif %}",
    ];
    for body in bodies {
        let (called, inline) = both(body, &json!({"xs": [1, 2, 3]}));
        assert!(!called.is_empty());
        assert_eq!(called, inline, "{body}");
    }
}

// Django 196
#[test]
fn a_partial_that_calls_itself_renders_a_tree() {
    let text = "{% partialdef node %}({{ n.v }}{% for n in n.c %}{% partial node %}{% endfor %}){% endpartialdef %}\
                {% partial node %}";
    let tree = json!({"n": {"v": 1, "c": [{"v": 2, "c": []}, {"v": 3, "c": [{"v": 4, "c": []}]}]}});
    assert_eq!(page(text, tree), "(1(2)(3(4)))");
}

// Django 196
#[test]
fn a_partial_that_calls_itself_for_ever_is_an_error() {
    let text = "\n{% partialdef p %}x{% partial p %}{% endpartialdef %}\n{% partial p %}";
    let failure = failure(&[("page.html", text)], "page.html", nothing());
    assert_eq!(failure.limit, Some(callboard_templates::Limit::Depth));
    assert_eq!(failure.problem.place.to_string(), "page.html:2 in partial p");
    assert_eq!(failure.way.last().unwrap().to_string(), "page.html:3");
    assert!(failure.to_string().contains(", and "), "{failure}");
    assert!(failure.to_string().len() < 400, "{failure}");
}

#[test]
fn macros_and_call_blocks_call_no_partial() {
    let def = "{% partialdef p %}x{% endpartialdef %}";
    for around in ["{% macro m() %}?{% endmacro %}", "{% call m() %}?{% endcall %}"] {
        let problem = refusal(&format!("{def}\n{}", around.replace('?', "{% partial p %}")));
        assert!(problem.starts_with("page.html:2: a partial cannot be called inside 'macro' or 'call'"), "{problem}");
    }
    // What is only defined inside of a call block is not executed there.
    let text = "{% macro m() %}<{{ caller() }}>{% endmacro %}{% call m() %}{% partialdef a %}{% partial p %}\
                {% endpartialdef %}c{% endcall %}{% partialdef p %}x{% endpartialdef %}{% partial a %}";
    assert_eq!(page(text, nothing()), "<c>x");
}

#[test]
fn imports_and_macros_before_a_partial_come_with_it() {
    let files = [
        ("lib.html", "{% macro b(x) %}<b>{{ x }}</b>{% endmacro %}"),
        (
            "page.html",
            "{% from 'lib.html' import b %}text{% import 'lib.html' as lib %}\
             {% macro own(x) %}({{ b(x) }}){% endmacro %}\
             {% partialdef row %}{{ own(v) }}{{ lib.b(v) }}{% endpartialdef %}{% partial row %}",
        ),
    ];
    let context = json!({"v": "<"});
    assert_eq!(render(&files, "page.html", context.clone()), "text(<b>&lt;</b>)<b>&lt;</b>");
    assert_eq!(render(&files, "page.html#row", context), "(<b>&lt;</b>)<b>&lt;</b>");
}

#[test]
fn so_do_those_that_a_called_partial_needs() {
    let text = "{% partialdef inner %}{{ m(1) }}{% endpartialdef %}{% macro m(x) %}<{{ x }}>{% endmacro %}\
                {% block c %}{% macro n(x) %}[{{ x }}]{% endmacro %}{% partialdef two %}{{ n(2) }}{% endpartialdef %}\
                {% endblock %}{% partialdef row %}{% partial two %}{% endpartialdef %}";
    assert_eq!(row(text, nothing()), "[2]");
    assert_eq!(page(text, nothing()), "");
}

#[test]
fn a_block_that_a_parent_does_not_escape_hands_that_to_its_calls() {
    let files = [
        (
            "base.html",
            "{% autoescape false %}{% block b %}{% endblock %}{% endautoescape %}{% block c %}{% endblock %}",
        ),
        (
            "child.html",
            "{% extends 'base.html' %}{% partialdef p %}{{ v }}{% partial q %}{% endpartialdef %}\
             {% partialdef q %}{{ v }}{% endpartialdef %}\
             {% block b %}{% partial p %}{% endblock %}{% block c %}{% partial p %}{% endblock %}",
        ),
    ];
    assert_eq!(render(&files, "child.html", json!({"v": "<"})), "<<&lt;&lt;");
}
