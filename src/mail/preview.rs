//! Pages that show what templates make, for whoever works on them: text, HTML in a frame where nothing runs, headers and
//! source. For development: they answer programs of this machine alone.

use std::collections::BTreeMap;
use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

use actix_web::http::header::{self, HeaderName, HeaderValue};
use actix_web::{HttpRequest, HttpResponse, web};
use serde_json::Value;

use super::address::Address;
use super::email::Email;
use super::error::MailError;
use super::mailer::Mailer;

/// The policy of our own pages: a style and a frame, no script.
const PAGE_POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; frame-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// The policy of a mail's HTML: nothing runs, nothing is fetched but its own images; mails have their styles inline.
const MAIL_POLICY: &str = "sandbox; default-src 'none'; img-src 'self' data:; style-src 'unsafe-inline'";

type Context = Arc<dyn Fn() -> Value + Send + Sync>;

/// Pages that show what templates make with values for trying.
///
/// ```no_run
/// use actix_web::App;
/// use callboard::mail::{Mailer, Previews};
/// use serde_json::json;
///
/// # fn example(mailer: &Mailer) {
/// let previews = Previews::new(mailer)
///     .with("welcome", || json!({"name": "Ann", "url": "https://example.com"}))
///     .with("invoice", || json!({"total": "9.90"}));
/// // At /ui/mail/previews:
/// let app = App::new().configure(previews.routes());
/// # }
/// ```
#[derive(Clone)]
pub struct Previews {
    mailer: Mailer,
    contexts: BTreeMap<String, Context>,
}

impl Previews {
    /// Of the templates of that mailer; none yet.
    #[must_use]
    pub fn new(mailer: &Mailer) -> Self {
        Self { mailer: mailer.clone(), contexts: BTreeMap::new() }
    }

    /// Adds a template with the values that it is tried with, asked for each time.
    #[must_use]
    pub fn with(mut self, template: impl Into<String>, context: impl Fn() -> Value + Send + Sync + 'static) -> Self {
        self.contexts.insert(template.into(), Arc::new(context));
        self
    }

    /// The routes, below `/ui/mail/previews`.
    pub fn routes(self) -> impl FnOnce(&mut web::ServiceConfig) + Clone + Send + 'static {
        let previews = web::Data::new(self);
        move |config| {
            config.app_data(previews).service(
                web::scope("/ui/mail/previews")
                    .route("", web::get().to(list))
                    .route("/{name}", web::get().to(page))
                    .route("/{name}/html", web::get().to(html))
                    .route("/{name}/source", web::get().to(source)),
            );
        }
    }

    fn mail(&self, name: &str) -> Option<Result<Email, MailError>> {
        let context = self.contexts.get(name)?;
        Some(self.mailer.templated(name, context()).map(|mail| {
            let from = mail.from.clone().or_else(|| self.mailer.options().from.clone());
            let nobody = Address::from("somebody@example.com");
            Email { from: Some(from.unwrap_or_else(|| nobody.clone())), ..mail }.to(nobody)
        }))
    }
}

impl fmt::Debug for Previews {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.contexts.keys()).finish()
    }
}

/// Whether a request is of this machine, by a name of it: a page of another site could have a name of its own for us.
fn is_local(req: &HttpRequest) -> bool {
    let host = req.headers().get(header::HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
    let name = host
        .rsplit_once(':')
        .filter(|(_, port)| port.bytes().all(|b| b.is_ascii_digit()))
        .map_or(host, |(name, _)| name);
    let is_loopback = |ip: IpAddr| ip.to_canonical().is_loopback();
    let named = name.eq_ignore_ascii_case("localhost")
        || name.trim_start_matches('[').trim_end_matches(']').parse().is_ok_and(is_loopback);
    let forwarded = ["forwarded", "x-forwarded-for", "x-forwarded-host", "x-real-ip", "via"];
    let is_direct = !forwarded.iter().any(|name| req.headers().contains_key(*name));
    named && is_direct && req.peer_addr().is_some_and(|peer| is_loopback(peer.ip()))
}

fn answer(content_type: &'static str, policy: &'static str, body: String) -> HttpResponse {
    HttpResponse::Ok()
        .insert_header((header::CONTENT_TYPE, content_type))
        .insert_header((header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(policy)))
        .insert_header((header::X_CONTENT_TYPE_OPTIONS, "nosniff"))
        .insert_header((HeaderName::from_static("referrer-policy"), "no-referrer"))
        .insert_header((header::CACHE_CONTROL, "no-store"))
        .body(body)
}

const HTML: &str = "text/html; charset=utf-8";
const TEXT: &str = "text/plain; charset=utf-8";

fn missing() -> HttpResponse {
    HttpResponse::NotFound().insert_header((header::CONTENT_TYPE, TEXT)).body("there is nothing here\n")
}

/// What a template that fails says, as a page.
fn failed(error: &MailError) -> HttpResponse {
    let mut told = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        told += &format!("\n{error}");
        cause = error.source();
    }
    answer(TEXT, PAGE_POLICY, format!("{told}\n"))
}

async fn list(req: HttpRequest, previews: web::Data<Previews>) -> HttpResponse {
    if !is_local(&req) {
        return missing();
    }
    let item = |name: &String| format!("<li><a href=\"/ui/mail/previews/{0}\">{0}</a>", escaped(name));
    let items: String = previews.contexts.keys().map(item).collect();
    answer(HTML, PAGE_POLICY, format!("{}<h1>Mail</h1><ul>{items}</ul>", head("Mail")))
}

async fn page(req: HttpRequest, name: web::Path<String>, previews: web::Data<Previews>) -> HttpResponse {
    let mail = match previews.mail(&name).filter(|_| is_local(&req)) {
        None => return missing(),
        Some(Err(error)) => return failed(&error),
        Some(Ok(mail)) => mail,
    };
    let headers: String =
        mail.headers.iter().map(|(name, value)| format!("<p>{}: {}", escaped(name), escaped(value))).collect();
    let frame = |width: u16| {
        format!(
            "<iframe sandbox width=\"{width}\" height=\"600\" src=\"/ui/mail/previews/{}/html\"></iframe>",
            escaped(&name)
        )
    };
    let html = match &mail.html {
        Some(_) => format!("<h2>HTML</h2>{}{}", frame(700), frame(375)),
        None => "<p>no HTML".into(),
    };
    let body = format!(
        "{}<h1>{}</h1>{headers}<h2>Text</h2><pre>{}</pre>{html}<p><a href=\"/ui/mail/previews/{}/source\">source</a>",
        head(&name),
        escaped(&mail.subject),
        escaped(&mail.text),
        escaped(&name)
    );
    answer(HTML, PAGE_POLICY, body)
}

async fn html(req: HttpRequest, name: web::Path<String>, previews: web::Data<Previews>) -> HttpResponse {
    match previews.mail(&name).filter(|_| is_local(&req)) {
        None => missing(),
        Some(Err(error)) => failed(&error),
        Some(Ok(mail)) => mail.html.map_or_else(missing, |html| answer(HTML, MAIL_POLICY, html)),
    }
}

async fn source(req: HttpRequest, name: web::Path<String>, previews: web::Data<Previews>) -> HttpResponse {
    match previews.mail(&name).filter(|_| is_local(&req)) {
        None => missing(),
        Some(Err(error)) => failed(&error),
        Some(Ok(mail)) => match previews.mailer.build(&mail) {
            Ok(message) => answer(TEXT, PAGE_POLICY, message.source.text()),
            Err(error) => failed(&error),
        },
    }
}

fn head(title: &str) -> String {
    format!(
        "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><title>{}</title>\
         <style>body {{ font: 1rem sans-serif; margin: 2rem }} iframe {{ border: 1px solid; margin: 0 1rem 1rem 0 }}</style>",
        escaped(title)
    )
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
