use crate::names::Key;
use crate::page::Page;

fn page_of(source: &str) -> (Page, Key) {
    let key = Key::new();
    let page = Page::new("page.html", &source.into(), &key, false);
    assert!(page.problems.is_empty(), "{:?}", page.problems);
    (page, key)
}

#[test]
fn an_inline_partial_costs_its_page_nothing_but_comments() {
    let (page, _) = page_of("a{% partialdef x inline %}b{% endpartialdef %}c");
    assert_eq!(page.main, "a{#  #}b{#  #}c");
    assert_eq!(page.partials["x"].public, "b");
}

#[test]
fn what_is_left_out_leaves_its_line_ends() {
    let (page, _) = page_of("1\n{% partialdef x -%}\n3\n{%- endpartialdef\n+%}\n6");
    assert_eq!(page.main, "1\n{# \n\n\n +#}\n6");
    assert_eq!(page.partials["x"].public, "{# \n -#}\n3\n{#- #}");
}

#[test]
fn only_what_a_partial_needs_is_live_before_it() {
    let source = "{% import 'a' as a %}\n{% if b %}{% import 'c' as c %}{% endif %}{% macro m() %}{% import 'd' as d %}\
                  {% endmacro %}\n{% partialdef x %}x{% endpartialdef %}{% import 'e' as e %}";
    let (page, _) = page_of(source);
    let expected = "{% import 'a' as a %}{# \n #}{% macro m() %}{% import 'd' as d %}{% endmacro %}{# \n #}x";
    assert_eq!(page.partials["x"].public, expected);
    assert_eq!(page.partials["x"].bare, "{# \n\n #}x");
}

#[test]
fn names_of_files_are_quoted_for_the_include() {
    let key = Key::new();
    let page =
        Page::new("we\"ird\\\n.html", &"{% partialdef x %}{% endpartialdef %}{% partial x %}".into(), &key, false);
    assert!(page.main.contains(r#"include "we\"ird\\\u000a.html#x\u0000"#), "{}", page.main);
    assert_eq!(page.main.matches('\n').count(), 0);
}
