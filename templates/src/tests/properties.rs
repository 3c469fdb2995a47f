//! Properties over sources that nobody would write.

use minijinja::machinery::{Token, tokenize};
use minijinja::syntax::SyntaxConfig;
use proptest::prelude::*;

use crate::lines::Lines;
use crate::names::Key;
use crate::page::Page;
use crate::scan::scan;
use crate::split::Split;

/// What sources are made of: everything that the lexer or the splitter looks at.
const ATOMS: [&str; 58] = [
    "{%",
    "%}",
    "{{",
    "}}",
    "{#",
    "#}",
    "-",
    "+",
    " ",
    "\n",
    "\r\n",
    "raw",
    "endraw",
    "{% raw %}",
    "{% endraw %}",
    "{%- raw -%}",
    "x",
    "'",
    "\"",
    "\\",
    "(",
    ")",
    "{",
    "}",
    "[",
    "]",
    "=",
    "==",
    "é",
    "1",
    "#",
    "%",
    ".",
    "super()",
    "{{ super() }}",
    "{% if a %}",
    "{% else %}",
    "{% endif %}",
    "{% for a in b %}",
    "{% endfor %}",
    "{{ a }}",
    "{{ a.b }}",
    "{% partialdef a %}",
    "{% partialdef b inline %}",
    "{%- partialdef c -%}",
    "{% endpartialdef %}",
    "{%- endpartialdef +%}",
    "{% partial a %}",
    "{% partial b -%}",
    "{% block a %}",
    "{% endblock %}",
    "{% set a = 1 %}",
    "{% macro m() %}",
    "{% endmacro %}",
    "{% import 'x' as y %}",
    "{% extends 'x' %}",
    "{% partialdef",
    "partial a %}",
];

fn sources() -> impl Strategy<Value = String> {
    prop::collection::vec(prop::sample::select(&ATOMS[..]), 0..24).prop_map(|atoms| atoms.concat())
}

/// Sources whose tags are closed, more often than chance would close them.
fn closed() -> impl Strategy<Value = String> {
    let leaf = prop::sample::select(vec![
        "text",
        "{{ a }}",
        "\n",
        " ",
        "{# c\n #}",
        "{% partial a %}",
        "{% partial b %}",
        "{%- set a = 1 -%}",
        "{{ x.y.z }}",
        "{% raw %}{% endpartialdef %}{% endraw %}",
        "{% verbatim %}{{{% endverbatim %}",
        "é",
        "{% import 'x' as y %}",
    ]);
    let wraps = prop::sample::select(vec![
        ("{% if a %}", "{% endif %}"),
        ("{% for a in b %}\n", "{% else %}{% endfor %}"),
        ("{% partialdef a %}", "{% endpartialdef a %}"),
        ("{%- partialdef b inline -%}\n", "{%- endpartialdef +%}"),
        ("{% partialdef c\n%}", "{% endpartialdef %}"),
        ("{% block q %}", "{% endblock %}"),
        ("{% with a = 1 %}", "{% endwith %}"),
        ("{% macro m() %}", "{% endmacro %}"),
        ("{% autoescape false %}", "{% endautoescape %}"),
    ]);
    leaf.prop_map(str::to_owned).prop_recursive(5, 40, 6, move |inner| {
        (wraps.clone(), prop::collection::vec(inner, 0..6))
            .prop_map(|((open, close), inner)| open.to_owned() + &inner.concat() + close)
    })
}

/// Where minijinja's own lexer finds tags; `None` where it finds a fault.
fn tags_of_minijinja(source: &str) -> Option<Vec<(usize, usize)>> {
    let syntax = SyntaxConfig::builder().keep_trailing_newline(true).build().unwrap();
    let (mut tags, mut open) = (Vec::new(), None);
    let mut expressions = 0;
    for token in tokenize(source, false, syntax) {
        match token.ok()? {
            (Token::BlockStart, span) => open = Some(span.start_offset as usize),
            (Token::BlockEnd, span) => tags.push((open.take()?, span.end_offset as usize)),
            (Token::VariableStart, _) => expressions += 1,
            (Token::VariableEnd, _) => expressions -= 1,
            _ => {}
        }
    }
    (open.is_none() && expressions == 0).then_some(tags)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: cases(), failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_scanner_finds_the_tags_of_minijinja_s_lexer(source in sources()) {
        let theirs = tags_of_minijinja(&source);
        match scan(&source) {
            Ok(found) => {
                let ours: Vec<_> = found.tags.iter().map(|tag| (tag.span.start, tag.span.end)).collect();
                // Characters that are no token are faults to the lexer alone, and are found when it compiles.
                if let Some(theirs) = theirs {
                    prop_assert_eq!(ours, theirs);
                }
            }
            Err(fault) => prop_assert!(theirs.is_none(), "{:?}", fault),
        }
    }

    #[test]
    fn no_text_makes_the_splitter_panic(source in "\\PC*|(\\{[%{#]|[%}#]\\}|partialdef a|end|'|\\n|\u{1F418}|.){0,40}") {
        let page = Page::new("page.html", &source.into(), &Key::new(), false);
        prop_assert!(page.problems.iter().all(|problem| problem.place.line.is_some()));
    }

    #[test]
    fn no_nest_of_tags_makes_the_splitter_panic(source in prop_oneof![sources(), closed()]) {
        let page = Page::new("page.html", &source.clone().into(), &Key::new(), false);
        for problem in &page.problems {
            prop_assert!(problem.place.line.unwrap() <= source.matches('\n').count() + 1);
        }
    }

    #[test]
    fn every_text_has_the_lines_of_its_file(source in closed()) {
        let Ok(split) = Split::of("page.html", &source) else { return Ok(()) };
        let page = Page::new("page.html", &source.as_str().into(), &Key::new(), false);
        prop_assert_eq!(page.main.matches('\n').count(), source.matches('\n').count());
        let lines = Lines::of(&source);
        for definition in &split.definitions {
            let partial = &page.partials[definition.name];
            for text in [&partial.public, &partial.bare] {
                prop_assert_eq!(text.matches('\n').count() + 1, lines.line(definition.body.end));
            }
        }
        // And a text that was split has no tag left that only the splitter knows.
        let left: Vec<&str> = scan(&page.main).unwrap().tags.iter().map(|tag| tag.keyword).collect();
        prop_assert!(!left.iter().any(|keyword| keyword.contains("partial")), "{:?}", left);
    }
}

/// `PROPTEST_CASES` of the long version, or more than the usual number: these are cheap.
fn cases() -> u32 {
    let asked = std::env::var("PROPTEST_CASES").ok().and_then(|cases| cases.parse::<u32>().ok());
    asked.map_or(2_000, |cases| cases.saturating_mul(4))
}
