//! No template can take all memory, all time or all of the stack.

use callboard_templates::{Error, Limit, context};
use serde_json::json;

use crate::support::builder;

const REPEAT: &str =
    "{% partialdef row %}{{ s }}{% endpartialdef %}{% for i in range(1000) %}{% partial row %}{% endfor %}";

#[test]
fn output_is_bounded() {
    let templates = builder(&[("page.html", REPEAT)]).max_output(10_000).build().unwrap();
    assert_eq!(templates.render("page.html", context! { s => "x".repeat(10) }).unwrap().len(), 10_000);
    let error = templates.render("page.html", context! { s => "x".repeat(11) }).unwrap_err();
    assert!(matches!(error, Error::TooLarge { limit: 10_000, .. }), "{error}");
    assert!(error.to_string().contains("Builder::max_output"), "{error}");
}

#[test]
fn work_is_bounded_through_partials() {
    let templates = builder(&[("page.html", REPEAT)]).fuel(Some(500)).build().unwrap();
    let Err(Error::Render(failure)) = templates.render("page.html", context! { s => 1 }) else { panic!() };
    assert_eq!(failure.limit, Some(Limit::Fuel));
    assert_eq!(failure.problem.place.file, "page.html");
}

#[test]
fn memory_that_is_never_output_is_bounded_by_default() {
    let doubling = "{% set ns = namespace(s='x') %}{% for i in range(64) %}{% set ns.s = ns.s ~ ns.s %}{% endfor %}";
    let Err(Error::Render(failure)) = builder(&[("page.html", doubling)]).build().unwrap().render("page.html", ())
    else {
        panic!()
    };
    assert_eq!(failure.limit, Some(Limit::Fuel));
}

#[test]
fn depth_is_bounded_and_deep_trees_go_as_deep_as_promised() {
    let text = "{% partialdef node %}{{ n.v }}{% for n in n.c %}{% partial node %}{% endfor %}{% endpartialdef %}";
    let templates = builder(&[("tree.html", text)]).build().unwrap();
    let tree = |depth: usize| (1..depth).fold(json!({"v": 0, "c": []}), |n, i| json!({"v": i, "c": [n]}));
    assert!(templates.render("tree.html#node", json!({"n": tree(40)})).is_ok());
    let Err(Error::Render(failure)) = templates.render("tree.html#node", json!({"n": tree(80)})) else { panic!() };
    assert_eq!(failure.limit, Some(Limit::Depth));
    let shallow = builder(&[("tree.html", text)]).recursion(100).build().unwrap();
    assert!(shallow.render("tree.html#node", json!({"n": tree(5)})).is_ok());
    assert!(shallow.render("tree.html#node", json!({"n": tree(20)})).is_err());
}

#[test]
fn files_that_include_each_other_end() {
    let files = [("a.html", "{% include 'b.html' %}"), ("b.html", "{% include 'a.html' %}")];
    let Err(Error::Render(failure)) = builder(&files).build().unwrap().render("a.html", ()) else { panic!() };
    assert_eq!(failure.limit, Some(Limit::Depth));
}
