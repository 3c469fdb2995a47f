//! `/ui/mail/previews` of the real server (M10).

use std::sync::Arc;

use crate::support::{Folder, Server, callboard, run};

const WELCOME: &str = "{% partialdef subject %}Welcome, {{ name }}{% endpartialdef %}\
    {% partialdef text %}Hello {{ name }}{% endpartialdef %}\
    {% partialdef html %}<p>Hello {{ name }}</p>{% endpartialdef %}\
    {% partialdef headers %}X-Tag: a{% endpartialdef %}";

fn folder(templates: &str) -> Folder {
    let folder = Folder::new();
    std::fs::create_dir_all(folder.path().join("templates/shop")).unwrap();
    folder.write("templates/shop/welcome.email", WELCOME);
    folder.write("templates/shop/welcome.preview.json", r#"{"name": "Ann & Bob"}"#);
    folder.write(
        "callboard.toml",
        &format!(
            "[tasks.default]\nbackend = \"memory\"\n[mail.default]\nbackend = \"memory\"\nfrom = \"shop@example.com\"\n\
             [templates]\ndir = \"templates\"\n{templates}"
        ),
    );
    folder
}

#[test]
fn the_server_shows_mail_where_its_settings_say_so() {
    let server = Server::start_in(Arc::new(folder("previews = true\n")), &[], &[]);
    let list = server.get("/ui/mail/previews");
    assert_eq!(list.status, 200, "{}", list.text);
    assert!(list.text.contains("<a href=\"/ui/mail/previews/shop%2Fwelcome\">shop/welcome</a>"), "{}", list.text);
    let page = server.get("/ui/mail/previews/shop%2Fwelcome").text;
    for shown in [
        "<h1>Welcome, Ann &amp; Bob</h1>",
        "<tr><th>From<td>shop@example.com",
        "<tr><th>X-Tag<td>a",
        "<pre>Hello Ann &amp; Bob\n</pre>",
        "<iframe sandbox title=\"HTML\" width=\"375\" height=\"600\" src=\"/ui/mail/previews/shop%2Fwelcome/html\">",
    ] {
        assert!(page.contains(shown), "no {shown} in {page}");
    }
    let html = server.get("/ui/mail/previews/shop%2Fwelcome/html");
    assert_eq!(html.text, "<p>Hello Ann &amp; Bob</p>");
    assert!(html.header("content-security-policy").starts_with("sandbox; default-src 'none';"));
    let source = server.get("/ui/mail/previews/shop%2Fwelcome/source").text;
    assert!(source.contains("Content-Type: multipart/alternative;"), "{source}");
    assert!(server.stderr().contains("/ui/mail/previews, which is for development"), "{}", server.stderr());

    server.folder.write("templates/shop/welcome.preview.json", r#"{"name": "Carl"}"#);
    server.folder.write("templates/shop/welcome.email", &WELCOME.replace("Welcome", "Hi"));
    let page = server.get("/ui/mail/previews/shop%2Fwelcome").text;
    assert!(page.contains("<h1>Hi, Carl</h1>"), "a look shows what was just written: {page}");
    server.folder.write("templates/shop/welcome.preview.json", "[1");
    let page = server.get("/ui/mail/previews/shop%2Fwelcome").text;
    assert!(page.contains("shop/welcome.preview.json cannot be used: EOF"), "{page}");

    assert_eq!(server.get("/ui/mail/previews/..%2Fcallboard").status, 404);
    assert_eq!(server.get("/ui/").status, 200, "the dashboard is where it was");
    assert_eq!(server.get("/ui/mail").status, 404);
}

#[test]
fn without_that_there_are_no_previews_and_a_check_before_deployment_finds_them() {
    let plain = Arc::new(folder(""));
    let server = Server::start_in(Arc::clone(&plain), &[], &[]);
    for path in ["/ui/mail/previews", "/ui/mail/previews/shop%2Fwelcome", "/ui/mail/previews/shop%2Fwelcome/html"] {
        assert_eq!(server.get(path).status, 404, "{path}");
    }
    let deploy = |folder: &Folder| run(callboard(folder, &["check", "--deploy"], &[])).stdout;
    assert!(!deploy(&plain).contains("previews"), "{}", deploy(&plain));
    let told = deploy(&folder("previews = true\n"));
    assert!(told.contains("templates.previews is for development"), "{told}");
}
