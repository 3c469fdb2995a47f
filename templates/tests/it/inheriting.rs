//! Partials and inheritance.

use callboard_templates::Error;
use serde_json::json;

use crate::support::{nothing, refusal, render, templates};

const BASE: (&str, &str) = ("base.html", "<{% block main %}base{% endblock %}>");

// Django 195: one rule where Django has two; what would differ is refused.
#[test]
fn a_block_in_an_inline_partial_is_overridden_in_its_place() {
    let files = [
        ("base.html", "{% partialdef box inline %}<{% block main %}base{% endblock %}>{% endpartialdef %}"),
        ("child.html", "{% extends 'base.html' %}{% block main %}child{% endblock %}"),
    ];
    assert_eq!(render(&files, "base.html", nothing()), "<base>");
    assert_eq!(render(&files, "child.html", nothing()), "<child>");
    assert_eq!(render(&files, "base.html#box", nothing()), "<base>");
}

// Django 195
#[test]
fn a_partial_with_a_block_cannot_be_called() {
    let def = "{% partialdef box inline %}{% block main %}{% endblock %}{% endpartialdef %}";
    let problem = refusal(&format!("{def}\n{{% partial box %}}"));
    assert!(problem.starts_with("page.html:2: partial \"box\" holds the block \"main\""), "{problem}");
    let nested = format!("{{% partialdef out inline %}}{def}{{% endpartialdef %}}\n{{% partial out %}}");
    assert!(refusal(&nested).contains("partial \"out\" holds the block \"main\""));
}

// Django 195
#[test]
fn a_partial_that_is_not_inline_holds_no_block() {
    let problem = refusal("{% partialdef box %}\n{% block main %}{% endblock %}{% endpartialdef %}");
    assert!(
        problem.starts_with("page.html:2: block \"main\" stands inside partial \"box\", which is not"),
        "{problem}"
    );
}

// Django 195
#[test]
fn super_does_not_cross_a_partial() {
    let problem = refusal("{% block a %}\n{% partialdef p inline %}{{ super() }}{% endpartialdef %}{% endblock %}");
    assert!(problem.starts_with("page.html:2: super() stands inside partial \"p\""), "{problem}");
    let files = [
        BASE,
        (
            "child.html",
            "{% extends 'base.html' %}{% partialdef p inline %}{% block main %}{{ super() }}!{% endblock %}\
             {% endpartialdef %}{% set o = {'super': 1} %}{% partialdef q %}{{ o.super }}{% endpartialdef %}",
        ),
    ];
    assert_eq!(render(&files, "child.html", nothing()), "<base!>");
}

// Django 197
#[test]
fn a_child_calls_its_partials_in_its_blocks_beside_those_of_its_parent() {
    let child = "{% extends 'base.html' %}{% partialdef x inline %}X{{ v }}{% endpartialdef %}\
                 {% block main %}{% partial x %}{{ super() }}{% partial x %}{% endblock %}";
    let files = [BASE, ("child.html", child)];
    assert_eq!(render(&files, "child.html", json!({"v": 1})), "<X1baseX1>");
    assert_eq!(render(&files, "child.html#x", json!({"v": 1})), "X1");
}

// Django 198
#[test]
fn a_file_has_its_own_partials_and_no_others() {
    let base = ("base.html", "{% partialdef foot %}f{% endpartialdef %}<{% block main %}{% endblock %}>");
    let child = "{% extends 'base.html' %}{% block main %}{% partial foot %}{% endblock %}";
    let error = crate::support::builder(&[base, ("child.html", child)]).build().unwrap_err();
    assert!(error.to_string().contains("partial \"foot\" is not defined in child.html"), "{error}");
    let outer = "{% partialdef foot %}f{% endpartialdef %}{% include 'inner.html' %}";
    let error =
        crate::support::builder(&[("a.html", outer), ("inner.html", "{% partial foot %}")]).build().unwrap_err();
    assert!(error.to_string().contains("partial \"foot\" is not defined in inner.html"), "{error}");
    let child = "{% extends 'base.html' %}{% block main %}{% include 'base.html#foot' %}{% endblock %}";
    let files = templates(&[base, ("child.html", child)]);
    assert_eq!(files.render("child.html", ()).unwrap(), "<f>");
    assert!(files.get("child.html#foot").unwrap_err().is_not_found());
}

// Django 200
#[test]
fn nested_partials_of_a_child_are_loaded_each_for_itself() {
    let child = "{% extends 'base.html' %}{% block main %}{% partialdef outer inline %}(\
                 {% partialdef inner inline %}i{% endpartialdef %}){% endpartialdef %}{% endblock %}";
    let files = [BASE, ("child.html", child)];
    assert_eq!(render(&files, "child.html#inner", nothing()), "i");
    assert_eq!(render(&files, "child.html#outer", nothing()), "(i)");
    assert_eq!(render(&files, "child.html", nothing()), "<(i)>");
}

// Django 204
#[test]
fn a_partial_is_no_parent() {
    let files = [("base.html", "{% partialdef p %}x{% endpartialdef %}"), ("child.html", "\n{% extends parent %}")];
    for parent in ["base.html#p", "base.html#", "#p"] {
        let error = templates(&files).render("child.html", json!({"parent": parent})).unwrap_err();
        let Error::Render(failure) = error else { panic!("{error}") };
        assert_eq!(failure.problem.place.to_string(), "child.html:2");
        assert!(failure.problem.message.starts_with("template not found: there is no file"), "{failure}");
    }
    assert_eq!(render(&files, "child.html", json!({"parent": "base.html"})), "\n");
    let problem = refusal("{% extends 'page.html#p' %}{% partialdef p %}x{% endpartialdef %}");
    assert_eq!(problem, "page.html:1: 'extends' of \"page.html#p\": only a whole file can be a parent");
}

#[test]
fn only_a_whole_file_has_a_parent() {
    let problem = refusal("{% partialdef p %}\n{% extends 'page.html' %}{% endpartialdef %}");
    assert!(problem.starts_with("page.html:2: 'extends' stands inside partial \"p\""), "{problem}");
}
