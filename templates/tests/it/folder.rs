//! Folders of templates: what is read, when it is read again, and what is checked.

use std::fs;
use std::path::Path;

use callboard_templates::{Error, Templates};
use tempfile::TempDir;

fn folder(files: &[(&str, &str)]) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    files.iter().for_each(|(name, text)| write(folder.path(), name, text));
    folder
}

fn write(folder: &Path, name: &str, text: &str) {
    let path = folder.join(name);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
}

fn watched(folder: &TempDir) -> Templates {
    Templates::builder().dir(folder.path()).reload(true).build().unwrap()
}

#[test]
fn files_are_named_by_their_path_and_leftovers_are_none() {
    let files = [
        ("page.html", "p"),
        ("jobs/list.html", "l"),
        ("jobs/parts/row.html", "r"),
        (".hidden.html", "{%"),
        (".git/x.html", "{%"),
        ("page.html~", "{%"),
        ("#page.html#", "{%"),
    ];
    let templates = Templates::builder().dir(folder(&files).path()).reload(false).build().unwrap();
    assert_eq!(templates.names().unwrap(), ["jobs/list.html", "jobs/parts/row.html", "page.html"]);
    assert_eq!(templates.render("jobs/parts/row.html", ()).unwrap(), "r");
}

#[test]
fn the_first_folder_wins_and_texts_of_the_program_come_last() {
    let (one, two) = (folder(&[("a.html", "one")]), folder(&[("a.html", "two"), ("b.html", "two")]));
    let builder = || Templates::builder().source("b.html", "own").source("c.html", "own").reload(false);
    let templates = builder().dir(one.path()).dir(two.path()).build().unwrap();
    let render = |name: &str| templates.render(name, ()).unwrap();
    assert_eq!([render("a.html"), render("b.html"), render("c.html")], ["one", "two", "own"]);
}

#[test]
fn a_change_is_seen_at_the_next_use_in_pages_and_partials_alike() {
    let folder = folder(&[("page.html", "1{% partialdef row %}a{% endpartialdef %}{% partial row %}")]);
    let templates = watched(&folder);
    assert_eq!(templates.render("page.html", ()).unwrap(), "1a");
    // The same length, and as soon as can be: time and size alone would not tell.
    for letter in ["b", "c", "d", "e"] {
        write(
            folder.path(),
            "page.html",
            &format!("1{{% partialdef row %}}{letter}{{% endpartialdef %}}{{% partial row %}}"),
        );
        assert_eq!(templates.render("page.html#row", ()).unwrap(), letter);
        assert_eq!(templates.render("page.html", ()).unwrap(), format!("1{letter}"));
    }
    write(folder.path(), "new.html", "new");
    assert_eq!(templates.render("new.html", ()).unwrap(), "new");
    fs::remove_file(folder.path().join("page.html")).unwrap();
    assert!(templates.render("page.html#row", ()).unwrap_err().is_not_found());
}

#[test]
fn a_template_that_was_looked_up_stays_as_it_is() {
    let folder = folder(&[("page.html", "{% partialdef row %}old{% endpartialdef %}")]);
    let templates = watched(&folder);
    let (row, clone) = (templates.get("page.html#row").unwrap(), templates.clone());
    write(folder.path(), "page.html", "{% partialdef row %}newer{% endpartialdef %}");
    assert_eq!(clone.render("page.html#row", ()).unwrap(), "newer");
    assert_eq!(row.render(()).unwrap(), "old");
}

#[test]
fn a_file_that_breaks_harms_those_who_use_it_and_heals() {
    let folder = folder(&[("a.html", "a"), ("b.html", "b"), ("c.html", "\n{% include 'a.html' %}")]);
    let templates = watched(&folder);
    write(folder.path(), "a.html", "a\n{% partialdef row %}{{ 1 + }}{% endpartialdef %}");
    for name in ["a.html", "a.html#row"] {
        let error = templates.render(name, ()).unwrap_err();
        assert!(error.to_string().starts_with("a.html:2 in partial row: syntax error"), "{error}");
    }
    let error = templates.render("c.html", ()).unwrap_err();
    assert!(error.to_string().starts_with("a.html:2 in partial row, from c.html:2: syntax error"), "{error}");
    assert_eq!(templates.render("b.html", ()).unwrap(), "b");
    assert_eq!(templates.names().unwrap(), ["b.html", "c.html"]);
    write(folder.path(), "a.html", "well");
    assert_eq!(templates.render("c.html", ()).unwrap(), "\nwell");
}

// Django 205
#[test]
fn a_file_is_read_once_for_its_page_and_its_partials() {
    let folder = folder(&[("page.html", "{% partialdef row %}x{% endpartialdef %}{% partial row %}")]);
    let templates = Templates::builder().dir(folder.path()).reload(false).build().unwrap();
    // What is read once needs no file any more.
    folder.close().unwrap();
    assert_eq!(templates.render("page.html#row", ()).unwrap(), "x");
    assert_eq!(templates.render("page.html", ()).unwrap(), "x");
}

#[test]
fn every_problem_of_a_folder_is_told_at_once() {
    let folder = folder(&[
        (
            "good.html",
            "{% partialdef row %}x{% endpartialdef %}{% include 'good.html#row' %}{% include 'x' ignore missing %}",
        ),
        ("a.html", "{% partial gone %}\n{% partial away %}"),
        ("b.html", "{% if x %}"),
        ("x/1.html", "\n{% extends 'x/2.html' %}"),
        ("x/2.html", "{% extends 'x/1.html' %}"),
        ("x/3.html", "{% extends 'x/1.html' %}"),
        ("c.html", "{% extends 'god.html' %}\n{% from 'good.html#rwo' import m %}\n{% include 'a.html#any' %}"),
    ]);
    fs::write(folder.path().join("d.html"), [b'a', 0xff]).unwrap();
    fs::write(folder.path().join("e#f.html"), "x").unwrap();
    let expected = [
        "a.html:1: partial \"gone\" is not defined in a.html at `{% partial gone %}`",
        "a.html:2: partial \"away\" is not defined in a.html at `{% partial away %}`",
        "b.html:1: 'if' is not closed: {% endif %} is missing at `{% if x %}`",
        "c.html:1: 'extends' of \"god.html\": there is no file \"god.html\"; did you mean \"good.html\"?",
        "c.html:2: 'from' of \"good.html#rwo\": good.html has no partial \"rwo\"; did you mean \"row\"?",
        "d.html: the file is not UTF-8 text from byte 1 on: keep other files outside of this folder",
        "e#f.html: a file with # in its name cannot be loaded, since page.html#row is a partial",
        "x/1.html:2: 'extends' of \"x/2.html\": x/1.html would be above itself",
        "x/2.html:1: 'extends' of \"x/1.html\": x/2.html would be above itself",
    ];
    let checked = watched(&folder).check().unwrap_err();
    let built = Templates::builder().dir(folder.path()).reload(false).build().unwrap_err();
    for error in [checked, built] {
        let problems: Vec<String> = error.problems().iter().map(ToString::to_string).collect();
        assert_eq!(problems, expected);
        assert!(error.to_string().starts_with("9 problems in templates\n  a.html:1: "), "{error}");
    }
}

#[test]
fn good_templates_pass_the_check() {
    let folder =
        folder(&[("a.html", "{% extends 'b.html' %}"), ("b.html", "{% include n %}{% import 'a.html#' as x %}")]);
    watched(&folder).check().unwrap();
    Templates::builder().dir(folder.path()).reload(false).build().unwrap().check().unwrap();
}

#[test]
fn a_folder_that_is_not_there_is_an_error_that_names_it() {
    for reload in [true, false] {
        let error = Templates::builder().dir("/nowhere/templates").reload(reload).build().unwrap_err();
        assert!(matches!(error, Error::Folder { .. }), "{error}");
        assert_eq!(error.to_string(), "the templates in /nowhere/templates cannot be read");
    }
}

#[test]
fn names_that_no_template_can_have_are_refused() {
    let error = Templates::builder().source("a#b.html", "x").source("", "x").build().unwrap_err();
    assert_eq!(error.problems().len(), 2, "{error}");
}

#[test]
fn strict_templates_refuse_what_does_not_exist() {
    let build = |strict: bool| crate::support::builder(&[("a.txt", "[{{ x }}{% if y %}y{% endif %}]")]).strict(strict);
    assert_eq!(build(false).build().unwrap().render("a.txt", ()).unwrap(), "[]");
    let error = build(true).build().unwrap().render("a.txt", ()).unwrap_err();
    assert!(error.to_string().starts_with("a.txt:1: undefined value"), "{error}");
}
