//! What is escaped, and how: by the file part of the name, and by the place of a call.

use callboard_templates::context;

use crate::support::templates;

const DEF: &str = "{% partialdef row %}{{ v }}{% endpartialdef %}{% partial row %}";

#[test]
fn a_partial_is_escaped_as_its_file() {
    let html = "&lt;b&gt;&amp;&quot;&#x27;";
    for (file, expected) in [
        ("page.html", html),
        ("page.htm", html),
        ("page.xml", html),
        ("page.html.j2", html),
        ("page.txt", "<b>&\"'"),
        ("page", "<b>&\"'"),
        ("data.json", "\"<b>&\\\"'\""),
        ("code.js", "\"<b>&\\\"'\""),
    ] {
        let templates = templates(&[(file, DEF), ("any.txt", "{% include name %}")]);
        let context = context! { v => "<b>&\"'", name => format!("{file}#row") };
        assert_eq!(templates.render(&format!("{file}#row"), &context).unwrap(), expected, "{file}");
        assert_eq!(templates.render(file, &context).unwrap(), expected, "{file}");
        assert_eq!(templates.render("any.txt", &context).unwrap(), expected, "{file}");
    }
}

#[test]
fn a_name_cannot_smuggle_an_ending_in() {
    let templates = templates(&[("page.html", "{% partialdef txt %}{{ v }}{% endpartialdef %}")]);
    assert_eq!(templates.render("page.html#txt", context! { v => "<" }).unwrap(), "&lt;");
    assert!(templates.get("page.html#a.txt").is_err());
    assert_eq!(templates.render("page.html#", context! { v => "<" }).unwrap(), "");
}

#[test]
fn mail_has_plain_and_html_partials_in_one_file() {
    let mail = "{% partialdef subject %}Hi {{ v }}{% endpartialdef %}{% partialdef who %}{{ v }}{% endpartialdef %}\
                {% partialdef text %}{{ v }} {% partial who %}{% endpartialdef %}\
                {% partialdef foot_text %}{{ v }}{% endpartialdef %}\
                {% partialdef html %}{{ v }} {% partial who %}{% endpartialdef %}";
    let templates = templates(&[("welcome.email", mail)]);
    let render = |name: &str| templates.render(&format!("welcome.email#{name}"), context! { v => "A & B" }).unwrap();
    assert_eq!(render("subject"), "Hi A & B");
    assert_eq!(render("text"), "A & B A & B");
    assert_eq!(render("foot_text"), "A & B");
    assert_eq!(render("html"), "A &amp; B A &amp; B");
    assert_eq!(render("who"), "A &amp; B");
}

#[test]
fn a_child_with_another_ending_escapes_in_its_own_way_through_its_parents() {
    // Neither parent has a block, an autoescape or anything else that would make one ask at run time.
    let text = "{{ v }}{% partialdef row %}{{ v }}{% endpartialdef %}{% partial row %}{% partialdef i inline %}{{ v }}{% endpartialdef %}";
    let files = [
        ("base.txt", text),
        ("base.html", text),
        ("middle.txt", "{% extends 'base.html' %}"),
        ("one.html", "{% extends 'base.txt' %}"),
        ("two.html", "{% extends 'middle.txt' %}"),
        ("three.txt", "{% extends 'middle.txt' %}"),
    ];
    let templates = templates(&files);
    let render = |name: &str| templates.render(name, context! { v => "<" }).unwrap();
    assert_eq!([render("base.html"), render("one.html"), render("two.html")], ["&lt;&lt;&lt;"; 3]);
    assert_eq!([render("base.txt"), render("middle.txt"), render("three.txt")], ["<<<"; 3]);
}

#[test]
fn a_parent_that_is_missing_or_broken_is_told_by_its_name() {
    let files = [("one.txt", "{% extends parent %}"), ("ring.html", "{% extends 'ring.html' ~ '' %}")];
    let templates = templates(&files);
    let told = |parent: &str| templates.render("one.txt", context! { parent }).unwrap_err().to_string();
    assert_eq!(told("gone.html"), "one.txt:1: template not found: template \"gone.html\" does not exist");
    assert!(told("ring.html").contains("cycle in template inheritance"), "{}", told("ring.html"));
    assert!(!told("ring.html").contains('\0'));
}
