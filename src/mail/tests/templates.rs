//! Mail from one file (M1).

use callboard_templates::{Templates, context};

use super::*;

fn templates(files: &[(&str, &str)]) -> Templates {
    let builder = files.iter().fold(Templates::builder(), |builder, (name, text)| builder.source(*name, *text));
    builder.reload(true).build().unwrap()
}

const WELCOME: &str = "{% partialdef subject %}Welcome,\n  {{ name }}{% endpartialdef %}
{% partialdef text %}
Hello {{ name }}, confirm at {{ url }}
{% endpartialdef %}
{% partialdef button %}<a href=\"{{ url }}\">Confirm</a>{% endpartialdef %}
{% partialdef html %}<html lang=\"en\"><body><p>Hello {{ name }}</p>{% partial button %}</body></html>{% endpartialdef %}
";

#[test]
fn one_file_is_the_whole_mail_each_part_escaped_as_it_must_be() {
    let templates = templates(&[("mail/welcome.email", WELCOME)]);
    let context = context! { name => "Ann & Bob", url => "https://example.com/?a=1&b=2" };
    for name in ["mail/welcome.email", "mail/welcome"] {
        let mail = render(&templates, name, &context).unwrap();
        assert_eq!(mail.subject, "Welcome, Ann & Bob");
        assert_eq!(mail.text, "Hello Ann & Bob, confirm at https://example.com/?a=1&b=2\n");
        assert!(mail.html.unwrap().contains("<p>Hello Ann &amp; Bob</p>"));
    }
}

#[test]
fn text_is_made_from_the_html_where_there_is_none() {
    let file = "{% partialdef subject %}S{% endpartialdef %}{% partialdef html %}<h1>Hi {{ name }}</h1>\
        <p>See <a href=\"https://example.com/a\">this</a>.</p><ul><li>one<li>two</ul>{% endpartialdef %}";
    let mail = render(&templates(&[("a.email", file)]), "a.email", context! { name => "<Ann>" }).unwrap();
    assert!(mail.text.contains("Hi <Ann>") && mail.text.contains("* one"), "{}", mail.text);
    assert!(mail.text.contains("https://example.com/a"), "{}", mail.text);
    assert!(!mail.text.contains("<p>"), "{}", mail.text);
}

#[test]
fn a_preheader_is_the_first_text_of_the_html_and_headers_are_plain() {
    let file = "{% partialdef subject %}S{% endpartialdef %}{% partialdef text %}T{% endpartialdef %}\
        {% partialdef preheader %}Read {{ x }}{% endpartialdef %}{% partialdef html %}<html><BODY class=a><p>x</p></BODY></html>{% endpartialdef %}\
        {% partialdef headers %}\nX-Campaign: {{ x }}\n\nX-B: 2\n{% endpartialdef %}";
    let mail = render(&templates(&[("a.email", file)]), "a", context! { x => "a&b" }).unwrap();
    let html = mail.html.unwrap();
    assert!(html.starts_with("<html><BODY class=a><div style=\"display:none"), "{html}");
    assert!(html.contains(">Read a&amp;b</div><p>"), "{html}");
    assert_eq!(mail.headers, [("X-Campaign".to_owned(), "a&b".to_owned()), ("X-B".to_owned(), "2".to_owned())]);
}

#[test]
fn what_makes_no_mail_is_an_error_that_says_what_is_missing() {
    let subject = "{% partialdef subject %}{{ s }}{% endpartialdef %}";
    let text = "{% partialdef text %}T{% endpartialdef %}";
    let files = templates(&[
        ("no_subject.email", text),
        ("no_body.email", subject),
        ("ok.email", &format!("{subject}{text}")),
        ("headers.email", &format!("{subject}{text}{{% partialdef headers %}}nonsense{{% endpartialdef %}}")),
        (
            "strict.email",
            "{% partialdef subject %}{{ a.b.c }}{% endpartialdef %}{% partialdef text %}{% endpartialdef %}",
        ),
    ]);
    let failure = |name: &str, s: &str| render(&files, name, context! { s }).unwrap_err();
    let chain = |error: MailError| match std::error::Error::source(&error) {
        Some(source) => format!("{error}: {source}"),
        None => error.to_string(),
    };
    assert!(chain(failure("no_subject", "S")).contains("has no subject"));
    assert!(chain(failure("no_body", "S")).contains("neither text nor html"));
    assert!(chain(failure("ok", " \n ")).contains("subject is empty"));
    assert!(chain(failure("ok", &"x".repeat(256))).contains("at most 255"));
    assert!(chain(failure("ok", "a\u{0}b")).contains("control character"));
    assert!(chain(failure("headers", "S")).contains("a name, a colon and a value"));
    assert!(chain(failure("strict", "S")).contains("strict.email"));
    assert!(chain(failure("missing", "S")).contains("there is no template \"missing\""));
}

#[test]
fn the_check_names_each_file_with_what_is_wrong() {
    let files = templates(&[
        ("a.email", "{% partialdef subject %}S{% endpartialdef %}"),
        ("b.email", "{% partialdef text %}{{ 1 + }}{% endpartialdef %}"),
        ("c.email", WELCOME),
    ]);
    let problems = check_templates(&files);
    assert!(problems.iter().any(|problem| problem.starts_with("a.email: has neither text nor html")), "{problems:?}");
    assert!(problems.iter().any(|problem| problem.starts_with("b.email:1")), "{problems:?}");
    assert!(!problems.iter().any(|problem| problem.contains("c.email")), "{problems:?}");
}
