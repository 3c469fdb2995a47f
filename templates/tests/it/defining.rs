//! Defining partials: what is one, what it is called, what is refused.

use serde_json::json;

use crate::support::{nothing, page, refusal, refused, render, row};

// Django 178
#[test]
fn a_partial_is_printed_where_it_is_called_and_an_inline_one_in_its_place_too() {
    assert_eq!(page("[{% partialdef row %}x{% endpartialdef %}]{% partial row %}", nothing()), "[]x");
    assert_eq!(page("[{% partialdef row inline %}x{% endpartialdef %}]", nothing()), "[x]");
    assert_eq!(page("[{% partialdef row inline %}x{% endpartialdef %}]{% partial row %}", nothing()), "[x]x");
}

// Django 179
#[test]
fn a_partial_can_be_called_before_it_is_defined() {
    assert_eq!(page("{% partial row %}|{% partialdef row %}x{% endpartialdef %}", nothing()), "x|");
}

// Django 180
#[test]
fn inline_alone_is_a_name() {
    assert_eq!(page("[{% partialdef inline %}x{% endpartialdef %}]{% partial inline %}", nothing()), "[]x");
    assert_eq!(page("[{% partialdef inline inline %}x{% endpartialdef %}]", nothing()), "[x]");
}

// Django 181, 182: here names are plain.
#[test]
fn a_name_is_a_letter_and_then_letters_digits_and_hyphens() {
    for name in ["row", "Row", "_", "_row", "table-row", "row2", "a-b-c_d"] {
        let text = format!("{{% partialdef {name} %}}x{{% endpartialdef {name} %}}{{% partial {name} %}}");
        assert_eq!(page(&text, nothing()), "x", "{name}");
    }
    for name in ["a.b", "a/b", "a!", "@a", "a%", "2a", "-a", "a:b", "ä", "a#b"] {
        let text = format!("{{% partialdef {name} %}}x{{% endpartialdef %}}");
        assert!(refusal(&text).contains("cannot be the name of a partial"), "{name}");
    }
    let quoted = refusal("{% partialdef 'row' %}x{% endpartialdef %}");
    assert_eq!(
        quoted,
        "page.html:1: \"'row'\" cannot be the name of a partial: names of partials are not quoted at \
         `{% partialdef 'row' %}`"
    );
}

// Django 183
#[test]
fn the_second_word_is_inline_or_nothing() {
    for second in ["INLINE", "inline=true", "Inline", "'inline'", "x"] {
        let problem = refusal(&format!("{{% partialdef row {second} %}}x{{% endpartialdef %}}"));
        assert!(problem.contains("the word inline, which has no parameters"), "{problem}");
        assert!(problem.contains(second), "{problem}");
    }
    assert!(refusal("{% partialdef row inline x %}x{% endpartialdef %}").contains("at most two words"));
}

// Django 184
#[test]
fn what_is_missing_or_does_not_fit_is_told_with_its_line() {
    let cases = [
        ("\n{% partialdef %}{% endpartialdef %}", "page.html:2: 'partialdef' needs a name"),
        ("\n\n{% partialdef row %}", "page.html:3: 'partialdef' is not closed: {% endpartialdef %} is missing"),
        (
            "{% partialdef row %}\n{% endpartialdef rwo %}",
            "page.html:2: 'endpartialdef rwo' does not close partial \"row\" of line 1",
        ),
        ("\n{% endpartialdef %}", "page.html:2: 'endpartialdef' closes nothing"),
        ("{% partialdef foo\nbar %}{% endpartialdef %}", "page.html:1: 'partialdef' takes a name and perhaps"),
        ("{% partialdef row %}{% endpartialdef %}\n{% partial %}", "page.html:2: 'partial' takes exactly one name"),
        ("{% partialdef row %}{% endpartialdef %}\n{% partial row row %}", "page.html:2: 'partial' takes exactly one"),
    ];
    for (text, expected) in cases {
        let problem = refusal(text);
        assert!(problem.starts_with(expected), "{problem}");
    }
}

// Django 185
#[test]
fn crossed_nesting_is_refused_by_the_name_that_is_still_open() {
    let problem = refusal("{% partialdef a %}\n{% partialdef b %}{% endpartialdef a %}{% endpartialdef b %}");
    assert!(problem.contains("'endpartialdef a' does not close partial \"b\" of line 2"), "{problem}");
    let problem = refusal("{% if x %}\n{% partialdef a %}{% endif %}{% endpartialdef %}");
    assert!(problem.contains("'endif' does not belong to partial \"a\" of line 2, which is still open"), "{problem}");
    let problem = refusal("{% partialdef a %}{% if x %}\n{% endpartialdef %}{% endif %}");
    assert!(problem.contains("page.html:2: 'endpartialdef' does not belong to the 'if' of line 1"), "{problem}");
}

#[test]
fn a_branch_that_crosses_a_definition_is_refused() {
    for branch in ["else", "elif y"] {
        let text =
            format!("{{% if x %}}{{% partialdef a inline %}}1\n{{% {branch} %}}2{{% endpartialdef %}}{{% endif %}}");
        let problem = refusal(&text);
        assert!(problem.starts_with("page.html:2: 'el") && problem.contains("partial \"a\" of line 1"), "{problem}");
    }
    let within = "{% partialdef a inline %}{% if x %}1{% elif y %}2{% else %}3{% endif %}{% endpartialdef %}";
    assert_eq!(page(within, nothing()), "3");
    let loops = "{% for x in xs %}{% partialdef a inline %}{{ x }}{% endpartialdef %}{% else %}none{% endfor %}";
    assert_eq!(page(loops, json!({"xs": []})), "none");
}

// Django 186
#[test]
fn a_name_is_defined_once_in_a_file_wherever() {
    let cases = [
        "{% partialdef a %}{% endpartialdef %}\n{% partialdef a %}{% endpartialdef %}",
        "{% partialdef a %}\n{% partialdef a %}{% endpartialdef %}{% endpartialdef %}",
        "{% if x %}{% partialdef a %}{% endpartialdef %}\n{% else %}{% partialdef a %}{% endpartialdef %}{% endif %}",
    ];
    for text in cases {
        let problem = refusal(text);
        assert!(
            problem.starts_with("page.html:2: partial \"a\" is already defined in page.html, in line 1"),
            "{problem}"
        );
    }
}

// Django 187: here it is found at load, whatever the condition.
#[test]
fn a_call_of_what_is_not_defined_is_found_at_load() {
    let problem = refusal("{% partialdef row %}{% endpartialdef %}\n{% if never %}{% partial rwo %}{% endif %}");
    assert_eq!(
        problem,
        "page.html:2: partial \"rwo\" is not defined in page.html; did you mean \"row\"? at `{% partial rwo %}`"
    );
    assert_eq!(refused("{% partial a %}\n{% partial b %}").len(), 2);
}

// Django 188
#[test]
fn a_definition_inside_a_condition_that_is_false_can_be_called() {
    assert_eq!(
        page("{% if never %}{% partialdef row %}x{% endpartialdef %}{% endif %}{% partial row %}", nothing()),
        "x"
    );
}

// Django 189
#[test]
fn a_definition_inside_raw_verbatim_or_a_comment_does_not_exist() {
    let text = "{% raw %}{% partialdef row %}{% endraw %}{%- verbatim -%} {% partialdef row %} {% endverbatim %}\
                {# {% partialdef row %} #}{{ '{% partialdef row %}' }}{% partialdef row %}x{% endpartialdef %}";
    assert_eq!(row(text, nothing()), "x");
    let tag = "{% partialdef row %}";
    assert_eq!(page(text, nothing()), format!("{tag}{tag} {tag}"));
    let none = render(&[("page.html", "{% verbatim x %}{% endverbatim %}{% endverbatim x %}")], "page.html", nothing());
    assert_eq!(none, "{% endverbatim %}");
}

// Django 190
#[test]
fn a_false_end_inside_raw_ends_nothing() {
    for (open, close) in [("raw", "endraw"), ("verbatim", "endverbatim")] {
        let text =
            format!("{{% partialdef row %}}a{{% {open} %}}{{% endpartialdef %}}{{% {close} %}}b{{% endpartialdef %}}c");
        assert_eq!(row(&text, nothing()), "a{% endpartialdef %}b");
        assert_eq!(page(&text, nothing()), "c");
    }
}

#[test]
fn brackets_and_strings_do_not_end_a_tag() {
    let text = "{{ {'a': {'b': 1}}.a.b }}{{ '%}' ~ \"}}\" ~ '\\'' }}{% set q = '%} {% partialdef v %}' %}\
                {% partialdef row %}{{ q }}{% endpartialdef %}{% partial row %}";
    assert_eq!(render(&[("page.txt", text)], "page.txt", nothing()), "1%}}}'%} {% partialdef v %}");
}

#[test]
fn a_macro_holds_no_definition() {
    let problem = refusal("{% macro m() %}\n{% partialdef a %}{% endpartialdef %}{% endmacro %}");
    assert!(problem.starts_with("page.html:2: a partial cannot be defined inside a macro"), "{problem}");
}

#[test]
fn definitions_nest_so_deep_and_no_deeper() {
    let nested = |depth: usize| {
        let open: String = (0..depth).map(|n| format!("{{% partialdef p{n} inline %}}")).collect();
        open + "x" + &"{% endpartialdef %}".repeat(depth)
    };
    assert_eq!(page(&nested(32), nothing()), "x");
    assert!(refusal(&nested(33)).contains("nested more than 32 deep"));
}

#[test]
fn tags_that_are_not_closed_are_told_with_their_line() {
    let cases = [
        ("a\n{% if x %}", "page.html:2: 'if' is not closed: {% endif %} is missing"),
        ("a\n{{ x", "page.html:2: this expression is not closed: '}}' is missing"),
        ("a\n{% if x", "page.html:2: this tag is not closed: '%}' is missing"),
        ("a\n{# x", "page.html:2: this comment is not closed: '#}' is missing"),
        ("a\n{% raw %}", "page.html:2: 'raw' is not closed: {% endraw %} is missing"),
        ("a\n{% verbatim %}{% endraw %}", "page.html:2: 'verbatim' is not closed: {% endverbatim %} is missing"),
        ("a\n{% partialdef r %}{% for x in y %}{% endpartialdef %}", "page.html:2: 'endpartialdef' does not belong to"),
    ];
    for (text, expected) in cases {
        let problem = refusal(text);
        assert!(problem.starts_with(expected), "{problem}");
    }
}
