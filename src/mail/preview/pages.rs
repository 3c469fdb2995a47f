//! What the pages of previews show, and the policies that keep what they show inert.

use std::fmt::Write as _;
use std::sync::LazyLock;

use actix_web::http::StatusCode;
use actix_web::http::header::{self, HeaderName, HeaderValue};
use actix_web::{HttpRequest, HttpResponse, web};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest as _, Sha256};

use super::access::is_local;
use super::{AT, Previews};
use crate::mail::address::Address;
use crate::mail::attachment::Attachment;
use crate::mail::email::Email;
use crate::mail::error::MailError;

const STYLE: &str = "body { font: 1rem sans-serif; margin: 2rem } iframe { border: 1px solid; margin: 0 1rem 1rem 0 } \
                     th { text-align: left; padding-right: 1rem } pre { white-space: pre-wrap }";

/// The policy of our own pages: that one style and a frame, no script.
static PAGE_POLICY: LazyLock<String> = LazyLock::new(|| {
    format!(
        "default-src 'none'; style-src 'sha256-{}'; frame-src 'self'; base-uri 'none'; form-action 'none'; \
         frame-ancestors 'none'",
        STANDARD.encode(Sha256::digest(STYLE))
    )
});

/// The policy of a mail's HTML: nothing runs, nothing is fetched but its own images. Mails have their styles inline, so
/// that these are allowed here, and nowhere else.
const MAIL_POLICY: &str =
    "sandbox; default-src 'none'; img-src 'self' data:; style-src 'unsafe-inline'; frame-ancestors 'self'";

/// The policy of a file that is saved.
const FILE_POLICY: &str = "sandbox; default-src 'none'; frame-ancestors 'none'";

const HTML: &str = "text/html; charset=utf-8";
const TEXT: &str = "text/plain; charset=utf-8";

type Name = web::Path<String>;
type Shown = web::Data<Previews>;

/// All that there is to see.
pub(super) async fn list(req: HttpRequest, previews: Shown) -> HttpResponse {
    if !is_local(&req) {
        return missing();
    }
    let names = match previews.names() {
        Ok(names) => names,
        Err(error) => return failed(&error),
    };
    let item = |name: &String| format!("<li><a href=\"{}\">{}</a>", link(name, ""), escaped(name));
    let items: String = names.iter().map(item).collect();
    let items = if items.is_empty() { "<p>there are no templates of mail; they end in .email".into() } else { items };
    answer(HTML, &PAGE_POLICY, format!("{}<h1>Mail</h1><ul>{items}</ul>", head("Mail")))
}

/// One mail, with everything that is in it.
pub(super) async fn mail(req: HttpRequest, name: Name, previews: Shown) -> HttpResponse {
    show(&req, &previews, &name, |mail| answer(HTML, &PAGE_POLICY, page(&name, mail)))
}

fn page(name: &str, mail: &Email) -> String {
    let html = match &mail.html {
        Some(_) => {
            let at = link(name, "/html");
            let frame = |width: u16| {
                format!("<iframe sandbox title=\"HTML\" width=\"{width}\" height=\"600\" src=\"{at}\"></iframe>")
            };
            format!("{}{}", frame(700), frame(375))
        }
        None => "<p>none".into(),
    };
    format!(
        "{}<p><a href=\"{AT}\">all</a><h1>{}</h1><table>{}</table><h2>Text</h2><pre>{}</pre><h2>HTML</h2>{html}\
         <h2>Files</h2>{}<p><a href=\"{}\">source</a>",
        head(name),
        escaped(&mail.subject),
        headers(mail),
        escaped(&mail.text),
        files(name, mail),
        link(name, "/source")
    )
}

/// Its HTML alone, for the frame.
pub(super) async fn html(req: HttpRequest, name: Name, previews: Shown) -> HttpResponse {
    show(&req, &previews, &name, |mail| match &mail.html {
        Some(html) => answer(HTML, MAIL_POLICY, with_images(html, &mail.attachments)),
        None => missing(),
    })
}

/// The mail as it travels.
pub(super) async fn source(req: HttpRequest, name: Name, previews: Shown) -> HttpResponse {
    show(&req, &previews, &name, |mail| match previews.mailer.build(mail) {
        Ok(message) => answer(TEXT, &PAGE_POLICY, message.source.text()),
        Err(error) => failed(&error),
    })
}

/// One of its files, counted from 0.
pub(super) async fn attachment(req: HttpRequest, path: web::Path<(String, usize)>, previews: Shown) -> HttpResponse {
    let (name, n) = path.into_inner();
    show(&req, &previews, &name, |mail| {
        let Some(file) = mail.attachments.get(n) else { return missing() };
        let name = encoded(file.name.as_deref().unwrap_or("attachment"));
        let saved_as = HeaderValue::try_from(format!("attachment; filename*=UTF-8''{name}")).expect("it is encoded");
        let mut response = answer("application/octet-stream", FILE_POLICY, file.content.clone());
        response.headers_mut().insert(header::CONTENT_DISPOSITION, saved_as);
        response
    })
}

/// The page about the mail of that name, or the answer that there is none or that it cannot be made.
fn show(req: &HttpRequest, previews: &Previews, name: &str, page: impl FnOnce(&Email) -> HttpResponse) -> HttpResponse {
    if !is_local(req) {
        return missing();
    }
    match previews.mail(name) {
        Ok(Some(mail)) => page(&mail),
        Ok(None) => missing(),
        Err(error) => failed(&error),
    }
}

fn answer(content_type: &'static str, policy: &str, body: impl Into<Vec<u8>>) -> HttpResponse {
    HttpResponse::Ok()
        .insert_header((header::CONTENT_TYPE, content_type))
        .insert_header((header::CONTENT_SECURITY_POLICY, policy))
        .insert_header((header::X_CONTENT_TYPE_OPTIONS, "nosniff"))
        .insert_header((HeaderName::from_static("referrer-policy"), "no-referrer"))
        .insert_header((header::CACHE_CONTROL, "no-store"))
        .body(body.into())
}

fn missing() -> HttpResponse {
    let mut response = answer(TEXT, &PAGE_POLICY, "there is nothing here\n");
    *response.status_mut() = StatusCode::NOT_FOUND;
    response
}

/// What a template that fails says. It is what somebody who writes one wants to see, so it is no failure of ours.
fn failed(error: &MailError) -> HttpResponse {
    let mut told = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        let _ = write!(told, "\n{error}");
        cause = error.source();
    }
    answer(TEXT, &PAGE_POLICY, format!("{told}\n"))
}

/// Who writes to whom, and the headers of the author's own, as rows.
fn headers(mail: &Email) -> String {
    let several = |list: &[Address]| list.iter().map(Address::to_string).collect::<Vec<_>>().join(", ");
    let lists = [
        ("From", several(mail.from.as_slice())),
        ("To", several(&mail.to)),
        ("Cc", several(&mail.cc)),
        ("Bcc", several(&mail.bcc)),
        ("Reply-To", several(&mail.reply_to)),
        ("Subject", mail.subject.clone()),
    ];
    let lists = lists.iter().map(|(name, value)| (*name, value.as_str())).filter(|(_, value)| !value.is_empty());
    let own = mail.headers.iter().map(|(name, value)| (name.as_str(), value.as_str()));
    let unsubscribe = mail.unsubscribe.iter().map(|how| ("List-Unsubscribe", how.url.as_str()));
    let row = |(name, value)| format!("<tr><th>{}<td>{}", escaped(name), escaped(value));
    lists.chain(own).chain(unsubscribe).map(row).collect()
}

/// Its files, with their types and sizes, as links.
fn files(name: &str, mail: &Email) -> String {
    let item = |(n, file): (usize, &Attachment)| {
        let shown = file.name.as_deref().or(file.content_id.as_deref()).unwrap_or("attachment");
        let at = link(name, &format!("/attachments/{n}"));
        let inside = file.content_id.as_ref().map(|id| format!(", cid:{}", escaped(id))).unwrap_or_default();
        let (mime, size) = (escaped(&file.mime_type()), file.content.len());
        format!("<li><a href=\"{at}\">{}</a> ({mime}, {size} bytes{inside})", escaped(shown))
    };
    let items: String = mail.attachments.iter().enumerate().map(item).collect();
    if items.is_empty() { "<p>none".into() } else { format!("<ul>{items}</ul>") }
}

/// The HTML with the images that travel beside it inside of it, as a reader of mail shows them.
fn with_images(html: &str, attachments: &[Attachment]) -> String {
    let mut images: Vec<_> = attachments
        .iter()
        .filter_map(|file| Some((file.content_id.as_ref()?, file)))
        .filter(|(_, file)| file.mime_type().starts_with("image/"))
        .collect();
    // A name may be the beginning of another.
    images.sort_by_key(|(id, _)| std::cmp::Reverse(id.len()));
    images.iter().fold(html.to_owned(), |html, (id, file)| {
        let data = format!("data:{};base64,{}", escaped(&file.mime_type()), STANDARD.encode(&file.content));
        html.replace(&format!("cid:{id}"), &data)
    })
}

fn head(title: &str) -> String {
    format!(
        "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><title>{}</title><style>{STYLE}</style>",
        escaped(title)
    )
}

/// The path of a page about the mail of that name, whatever letters that has.
fn link(name: &str, page: &str) -> String {
    format!("{AT}/{}{page}", encoded(name))
}

/// A text as part of a path or a header: everything but letters, digits and `-._~` as `%20`.
fn encoded(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => safe.push(byte.into()),
            byte => {
                let _ = write!(safe, "%{byte:02X}");
            }
        }
    }
    safe
}

fn escaped(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '&' => safe.push_str("&amp;"),
            '"' => safe.push_str("&quot;"),
            '\'' => safe.push_str("&#39;"),
            c => safe.push(c),
        }
    }
    safe
}
