//! The pages that show what templates make (M10, S23).

use actix_web::http::header;
use actix_web::{App, test};
use callboard_templates::Templates;
use serde_json::json;

use super::*;

const WELCOME: &str = "{% partialdef subject %}Hi {{ name }}{% endpartialdef %}\
    {% partialdef text %}Dear {{ name }}{% endpartialdef %}\
    {% partialdef html %}<p>{{ name }}</p><script>alert(1)</script>{% endpartialdef %}";

fn previews() -> Previews {
    let templates =
        Templates::builder().source("welcome.email", WELCOME).source("broken.email", "{{ 1 + }}").reload(true);
    let options = MailerOptions::new(Transport::Memory);
    let mailers = Mailers::builder().mailer("default", options).templates(templates.build().unwrap()).build().unwrap();
    let evil = || json!({"name": "<script>alert(1)</script>"});
    let invoice = |mailer: &Mailer| {
        let logo = Attachment::inline("logo@shop", b"PNG".to_vec()).mime("image/png");
        let html = "<img src=\"cid:logo@shop\"><img src=\"https://example.com/spy.png\">";
        let mail = mailer.templated("welcome", json!({"name": "Ann"}))?.html(html).cc("bob@example.com");
        Ok(mail.attach(logo).attach(Attachment::new("grö\"ße.svg", "<svg/>")).header("X-Tag", "<b>"))
    };
    Previews::new(&mailers.default().unwrap())
        .with("welcome", evil)
        .with("broken", || json!({}))
        .email("shop/invoice 1", invoice)
}

/// The answer to a GET of this machine: its status, its policy and its body.
async fn get(path: &str, host: &str, peer: &str, more: Option<(&'static str, &'static str)>) -> (u16, String, String) {
    let app = test::init_service(App::new().configure(previews().routes())).await;
    let mut request =
        test::TestRequest::get().uri(path).peer_addr(peer.parse().unwrap()).insert_header((header::HOST, host));
    if let Some(header) = more {
        request = request.insert_header(header);
    }
    let response = test::call_service(&app, request.to_request()).await;
    let policy =
        response.headers().get(header::CONTENT_SECURITY_POLICY).map(|policy| policy.to_str().unwrap().to_owned());
    let status = response.status().as_u16();
    let body = String::from_utf8(test::read_body(response).await.to_vec()).unwrap();
    (status, policy.unwrap_or_default(), body)
}

async fn local(path: &str) -> (u16, String, String) {
    get(path, "127.0.0.1:8000", "127.0.0.1:5000", None).await
}

#[actix_web::test]
async fn a_preview_shows_the_parts_and_nothing_of_them_runs() {
    let (status, _, list) = local("/ui/mail/previews").await;
    assert_eq!(status, 200);
    assert!(list.contains("<a href=\"/ui/mail/previews/welcome\">welcome</a>"), "{list}");
    let (status, policy, page) = local("/ui/mail/previews/welcome").await;
    assert_eq!(status, 200);
    assert!(policy.starts_with("default-src 'none'") && !policy.contains("script"), "{policy}");
    assert!(!policy.contains("unsafe"), "styles are inline in mails alone: {policy}");
    assert!(page.contains("<h1>Hi &lt;script&gt;alert(1)&lt;/script&gt;</h1>"), "{page}");
    assert!(page.contains("<iframe sandbox title=\"HTML\" width=\"700\"") && !page.contains("<script"), "{page}");
    let (_, policy, html) = local("/ui/mail/previews/welcome/html").await;
    assert!(policy.starts_with("sandbox; default-src 'none';"), "the script in it is inert: {policy}");
    assert!(html.starts_with("<p>&lt;script"), "{html}");
    let (_, _, source) = local("/ui/mail/previews/welcome/source").await;
    assert!(source.contains("Content-Type: multipart/alternative;"), "{source}");
}

#[actix_web::test]
async fn a_whole_mail_shows_its_headers_its_files_and_its_own_images() {
    let at = "/ui/mail/previews/shop%2Finvoice%201";
    let (_, _, list) = local("/ui/mail/previews").await;
    assert!(list.contains(&format!("<a href=\"{at}\">shop/invoice 1</a>")), "{list}");
    let (status, _, page) = local(at).await;
    assert_eq!(status, 200, "{page}");
    for shown in [
        "<tr><th>From<td>somebody@example.com",
        "<tr><th>Cc<td>bob@example.com",
        "<tr><th>X-Tag<td>&lt;b&gt;",
        &format!("<li><a href=\"{at}/attachments/0\">logo@shop</a> (image/png, 3 bytes, cid:logo@shop)"),
        &format!("<li><a href=\"{at}/attachments/1\">grö&quot;ße.svg</a> (image/svg+xml, 6 bytes)"),
        &format!("src=\"{at}/html\""),
    ] {
        assert!(page.contains(shown), "no {shown} in {page}");
    }
    let (_, policy, html) = local(&format!("{at}/html")).await;
    assert_eq!(html, "<img src=\"data:image/png;base64,UE5H\"><img src=\"https://example.com/spy.png\">");
    assert!(policy.contains("img-src 'self' data:;"), "what stands elsewhere is not fetched: {policy}");
    let (status, policy, file) = local(&format!("{at}/attachments/1")).await;
    assert_eq!((status, policy.starts_with("sandbox; default-src 'none'"), file.as_str()), (200, true, "<svg/>"));
    assert_eq!(local(&format!("{at}/attachments/2")).await.0, 404);
    assert_eq!(local(&format!("{at}/attachments/x")).await.0, 404);
}

#[actix_web::test]
async fn a_template_that_fails_says_why_and_one_that_is_not_there_is_not_found() {
    let (_, _, body) = local("/ui/mail/previews/broken").await;
    assert!(body.contains("broken.email:1"), "{body}");
    assert_eq!(local("/ui/mail/previews/missing").await.0, 404);
    assert_eq!(local("/ui/mail/previews/..%2fetc").await.0, 404);
}

#[actix_web::test]
async fn only_programs_of_this_machine_see_previews() {
    let path = "/ui/mail/previews/welcome";
    assert_eq!(get(path, "localhost", "[::1]:5000", None).await.0, 200);
    assert_eq!(get(path, "127.0.0.1", "192.0.2.1:5000", None).await.0, 404);
    assert_eq!(get(path, "evil.test", "127.0.0.1:5000", None).await.0, 404);
    assert_eq!(get(path, "127.0.0.1", "127.0.0.1:5000", Some(("x-forwarded-for", "192.0.2.1"))).await.0, 404);
}
