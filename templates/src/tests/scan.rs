use crate::scan::{Tag, scan};

fn tags(source: &str) -> Vec<(String, String)> {
    let text = |tag: &Tag<'_>| (tag.keyword.to_owned(), source[tag.args.clone()].to_owned());
    scan(source).unwrap().tags.iter().map(text).collect()
}

#[test]
fn a_tag_has_its_keyword_its_arguments_and_its_marks() {
    let source = "a{%- partialdef  row   inline +%}b{%x%}{% %}{%-%}";
    let scan = scan(source).unwrap();
    let tag = &scan.tags[0];
    assert_eq!((tag.left, tag.keyword, &source[tag.args.clone()], tag.right), ("-", "partialdef", "row   inline", "+"));
    assert_eq!(&source[tag.span.clone()], "{%- partialdef  row   inline +%}");
    assert_eq!(tags("{%x%}{% %}{%-%}"), [("x", ""), ("", ""), ("", "")].map(|(a, b)| (a.to_owned(), b.to_owned())));
}

#[test]
fn an_assignment_is_an_equals_sign_outside_of_brackets_and_strings() {
    let assigns = |source: &str| scan(source).unwrap().tags[0].assigns;
    assert!(assigns("{% set x = 1 %}"));
    assert!(assigns("{% set x=y==z %}"));
    assert!(!assigns("{% set x | default(a=1) %}"));
    assert!(!assigns("{% set x | join('=') %}"));
    assert!(!assigns("{% if a == b and c <= d or e != f >= g %}"));
}

#[test]
fn only_a_call_of_super_is_one() {
    let supers = |source: &str| scan(source).unwrap().supers;
    assert_eq!(supers("ab{{ super() }}"), [5]);
    assert_eq!(supers("{% set x = super () %}"), [11]);
    for other in ["{{ x.super() }}", "{{ 'super()' }}", "{{ superb() }}", "super()", "{{ super }}", "{# super() #}"] {
        assert_eq!(supers(other), [0; 0], "{other}");
    }
}

#[test]
fn verbatim_ends_at_the_end_tag_with_its_label() {
    let keywords = |source: &str| tags(source).into_iter().map(|(keyword, _)| keyword).collect::<Vec<_>>();
    assert_eq!(keywords("{% verbatim %}{% x %}{{ {# {% endverbatim %}{% y %}"), ["verbatim", "endverbatim", "y"]);
    assert_eq!(keywords("{% verbatim a %}{% endverbatim %}{%- endverbatim a -%}"), ["verbatim", "endverbatim"]);
    assert!(scan("{% verbatim a %}{% endverbatim %}").is_err());
    assert!(scan("{% verbatim %}{%-%}{%").is_err());
}
