//! Names: which there are, what is found under them, and what is not.

use callboard_templates::{Error, Templates, context};
use serde_json::json;

use crate::support::{nothing, render, row, templates};

const PAGE: &str = "a{% partialdef row %}[{{ v }}]{% endpartialdef %}b{% partial row %}";

fn reason(templates: &Templates, name: &str) -> String {
    let error = templates.get(name).unwrap_err();
    assert!(error.is_not_found(), "{error}");
    assert!(templates.render(name, ()).unwrap_err().is_not_found());
    error.to_string()
}

// Django 199
#[test]
fn an_include_takes_a_partial_by_a_name_or_a_variable() {
    let files = [
        ("rows.html", "no{% partialdef row %}[{{ v }}]{% endpartialdef %}no"),
        ("page.html", "{% include 'rows.html#row' %}{% with v = 2 %}{% include name %}{% endwith %}"),
        ("maybe.html", "<{% include 'rows.html#gone' ignore missing %}{% include ['x.html', 'rows.html#row'] %}>"),
    ];
    assert_eq!(render(&files, "page.html", json!({"v": 1, "name": "rows.html#row"})), "[1][2]");
    assert_eq!(render(&files, "maybe.html", json!({"v": 1})), "<[1]>");
}

// Django 201
#[test]
fn the_first_hash_counts_and_none_after_it_is_the_file() {
    let templates = templates(&[("page.html", PAGE)]);
    assert_eq!(templates.render("page.html#", context! { v => 1 }).unwrap(), "ab[1]");
    assert_eq!(templates.get("page.html#").unwrap().partial(), None);
    assert_eq!(
        reason(&templates, "page.html#row#b"),
        "there is no template \"page.html#row#b\": page.html has no partial \"row#b\"; did you mean \"row\"?"
    );
    for name in ["", "#", "#row", "##", "page.html##row", "page.html#row ", " page.html", "PAGE.html", "page.html#ROW"]
    {
        reason(&templates, name);
    }
}

// Django 202
#[test]
fn what_is_missing_is_told_the_file_or_its_partial() {
    let templates = templates(&[("page.html", PAGE)]);
    assert_eq!(
        reason(&templates, "page.html#rwo"),
        "there is no template \"page.html#rwo\": page.html has no partial \"rwo\"; did you mean \"row\"?"
    );
    assert_eq!(
        reason(&templates, "pages.html#row"),
        "there is no template \"pages.html#row\": there is no file \"pages.html\"; did you mean \"page.html\"?"
    );
}

// Django 203
#[test]
fn the_first_that_exists_is_selected() {
    let templates = templates(&[("page.html", PAGE)]);
    let found = templates.select(["page.html#gone", "gone.html", "page.html#row", "page.html"]).unwrap();
    assert_eq!((found.name(), found.file(), found.partial()), ("page.html#row", "page.html", Some("row")));
    assert!(templates.select(["page.html#gone", "gone.html"]).unwrap_err().to_string().contains("gone.html"));
    assert!(templates.select([]).unwrap_err().is_not_found());
}

// Django 207: here the source is always there.
#[test]
fn the_source_of_a_partial_is_what_its_author_wrote() {
    let text = "x{% partialdef a %}1{% endpartialdef %}{%- partialdef b inline -%}\n{% partialdef c %}{% endpartialdef c %}\
                {% raw %}{% endpartialdef %}{% endraw %}{% endpartialdef b +%}{% partial a %}";
    let templates = templates(&[("page.html", text)]);
    let source = |name: &str| templates.get(name).unwrap().source().to_owned();
    assert_eq!(source("page.html#a"), "{% partialdef a %}1{% endpartialdef %}");
    assert_eq!(source("page.html#c"), "{% partialdef c %}{% endpartialdef c %}");
    assert_eq!(
        source("page.html#b"),
        "{%- partialdef b inline -%}\n{% partialdef c %}{% endpartialdef c %}{% raw %}{% endpartialdef %}{% endraw %}\
         {% endpartialdef b +%}"
    );
    assert_eq!(source("page.html"), text);
}

// Django 209
#[test]
fn an_answer_of_a_page_and_a_partial_has_both() {
    let templates = templates(&[("page.html", PAGE)]);
    let answer = templates.render("page.html", context! { v => 1 }).unwrap()
        + &templates.render("page.html#row", context! { v => 2 }).unwrap();
    assert_eq!(answer, "ab[1][2]");
}

#[test]
fn names_are_listed_in_order() {
    let files = [
        ("b.html", PAGE),
        ("a/x.txt", "x"),
        ("c.html", "{% partialdef z %}{% partialdef a %}{% endpartialdef %}{% endpartialdef %}"),
    ];
    let names = templates(&files).names().unwrap();
    assert_eq!(names, ["a/x.txt", "b.html", "b.html#row", "c.html", "c.html#a", "c.html#z"]);
}

#[test]
fn names_of_called_partials_are_known_to_nobody() {
    // A template can ask for its own name while a partial is called, as an attacker might.
    let text = "{% partialdef row %}{{ name() }}{% endpartialdef %}{% partial row %}";
    let name = |state: &mut callboard_templates::minijinja::State<'_, '_>| state.name().to_owned();
    let build =
        || crate::support::builder(&[("page.html", text), ("any.html", "{% include n %}")]).function("name", name);
    let (one, other) = (build().build().unwrap(), build().build().unwrap());
    let internal = one.render("page.html", ()).unwrap();
    assert!(internal.starts_with("page.html#row\0"), "{internal:?}");
    assert!(reason(&one, &internal).contains("has no partial"));
    assert!(!one.names().unwrap().contains(&internal));
    // And by chance nobody finds it: another set of the same templates has other names.
    assert!(other.render("any.html", context! { n => internal }).is_err());
}

#[test]
fn paths_that_leave_the_folder_are_not_found() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("secret.html"), "secret").unwrap();
    std::fs::create_dir(folder.path().join("in")).unwrap();
    std::fs::write(folder.path().join("in/page.html"), "page").unwrap();
    let templates = Templates::builder().dir(folder.path().join("in")).build().unwrap();
    let absolute = folder.path().join("secret.html").display().to_string();
    for name in [
        "../secret.html",
        "/../secret.html",
        "./page.html",
        "x/../page.html",
        "..\\secret.html",
        "page.html\0",
        &absolute,
    ] {
        reason(&templates, name);
    }
    assert_eq!(templates.render("page.html", ()).unwrap(), "page");
}

#[test]
fn a_context_is_a_map_a_struct_or_nothing() {
    #[derive(serde::Serialize)]
    struct Row {
        v: Vec<u8>,
    }
    assert_eq!(templates(&[("a.txt", "{{ v[1] }}")]).render("a.txt", Row { v: vec![1, 2] }).unwrap(), "2");
    assert_eq!(templates(&[("a.txt", "x")]).render("a.txt", ()).unwrap(), "x");
    assert_eq!(templates(&[("a.txt", "x")]).render("a.txt", None::<Row>).unwrap(), "x");
    for context in [json!("text"), json!([1]), json!(1)] {
        let error = templates(&[("a.txt", "x")]).render("a.txt", context).unwrap_err();
        assert!(matches!(error, Error::Context { .. }), "{error}");
        assert!(error.to_string().contains("must be a map or a struct"), "{error}");
    }
}

#[test]
fn crlf_and_text_outside_of_ascii_stay() {
    let text = "é\r\n{% partialdef row %}\r\nß{{ v }}\r\n{% endpartialdef %}\r\n🐘{% partial row %}\r\n";
    assert_eq!(row(text, json!({"v": "ü"})), "\r\nßü\r\n");
    assert_eq!(crate::support::page(text, json!({"v": "ü"})), "é\r\n\r\n🐘\r\nßü\r\n\r\n");
    assert_eq!(row("{% partialdef row %}{% endpartialdef %}", nothing()), "");
}
