//! Short ways to make templates and to see what they do.

use callboard_templates::{Builder, Error, Templates};
use serde_json::{Value, json};

pub fn builder(files: &[(&str, &str)]) -> Builder {
    files.iter().fold(Templates::builder().reload(false), |builder, (name, text)| builder.source(*name, *text))
}

pub fn templates(files: &[(&str, &str)]) -> Templates {
    builder(files).build().unwrap_or_else(|error| panic!("{error}"))
}

/// What `page.html` with this text renders to.
pub fn page(text: &str, context: Value) -> String {
    render(&[("page.html", text)], "page.html", context)
}

/// What the partial `row` of a `page.html` with this text renders to.
pub fn row(text: &str, context: Value) -> String {
    render(&[("page.html", text)], "page.html#row", context)
}

pub fn render(files: &[(&str, &str)], name: &str, context: Value) -> String {
    templates(files).render(name, context).unwrap_or_else(|error| panic!("{error}"))
}

/// Why a `page.html` with this text is refused, each problem as a line.
pub fn refused(text: &str) -> Vec<String> {
    let error = builder(&[("page.html", text)]).build().unwrap_err();
    assert!(matches!(error, Error::Broken(_)), "{error}");
    error.problems().iter().map(ToString::to_string).collect()
}

/// The one problem for which a `page.html` with this text is refused.
pub fn refusal(text: &str) -> String {
    let mut problems = refused(text);
    assert_eq!(problems.len(), 1, "{problems:#?}");
    problems.remove(0)
}

/// How rendering fails.
pub fn failure(files: &[(&str, &str)], name: &str, context: Value) -> callboard_templates::Failure {
    match templates(files).render(name, context).unwrap_err() {
        Error::Render(failure) => *failure,
        other => panic!("{other}"),
    }
}

pub fn nothing() -> Value {
    json!({})
}
