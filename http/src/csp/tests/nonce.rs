//! The nonce: one for each response, only where it is used.

use std::collections::HashSet;

use actix_web::web::{self, Bytes};
use actix_web::{App, HttpResponse, dev::ServiceFactory};

use super::*;

fn app() -> App<
    impl ServiceFactory<
        actix_web::dev::ServiceRequest,
        Config = (),
        Response = ServiceResponse<BoxBody>,
        Error = Error,
        InitError = (),
    >,
> {
    let policy = policy([("default-src", ["'self'", "nonce"])]);
    let try_out = Policy::strict().script_src([Source::Nonce, Source::SelfOrigin]).build().unwrap();
    App::new()
        .route(
            "/used",
            web::get().to(async |nonce: Nonce| html(format!("{} {}", nonce.get().unwrap(), nonce.get().unwrap()))),
        )
        .route("/unused", web::get().to(async |nonce: Nonce| html(format!("{:?} {}", nonce, nonce.is_used()))))
        .route(
            "/attr",
            web::get()
                .to(async |nonce: Option<Nonce>| html(format!("<script{}>", nonce_attr(nonce.as_ref()).unwrap()))),
        )
        .route("/late", web::get().to(async |nonce: Nonce| stream(nonce)))
        .route(
            "/early",
            web::get().to(async |nonce: Nonce| {
                nonce.get().unwrap();
                stream(nonce)
            }),
        )
        .wrap(Csp::new(Policies::from(policy).and_report_only(try_out)))
}

/// An answer whose body asks for the nonce while it is sent.
fn stream(nonce: Nonce) -> HttpResponse {
    let body = futures::stream::once(async move {
        let attr = nonce.attr().map_err(actix_web::error::ErrorInternalServerError)?;
        Ok::<_, Error>(Bytes::from(attr))
    });
    HttpResponse::Ok().content_type("text/html").streaming(Box::pin(body))
}

#[test]
fn a_nonce_is_made_when_it_is_first_asked_for_and_stays() {
    // Django 154
    let nonce = Nonce::new();
    assert!(!nonce.is_used());
    let first = nonce.get().unwrap();
    assert!(nonce.is_used());
    assert_eq!(nonce.get(), Ok(first));
    assert_eq!(first.as_str().len(), 22);
    assert!(first.as_str().bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_'), "{first}");
    assert_eq!(nonce.attr().unwrap(), format!(" nonce=\"{first}\""));
}

#[test]
fn looking_at_a_nonce_neither_makes_nor_tells_it() {
    // Django 155
    let nonce = Nonce::new();
    assert_eq!(format!("{nonce:?}"), "Nonce(unused)");
    assert!(!nonce.is_used());
    let text = nonce.get().unwrap();
    assert_eq!(format!("{nonce:?} {text:?}"), "Nonce(used) NonceText(…)");
}

#[test]
fn no_two_nonces_are_the_same_and_every_bit_of_them_counts() {
    // Django 156
    let texts: HashSet<String> = (0..2_000).map(|_| text_of_nonce().to_string()).collect();
    assert_eq!(texts.len(), 2_000);
    // 2,000 of them show nearly all 64 letters at each of the first 21 places; the last one holds 2 bits.
    for place in 0..22 {
        let letters: HashSet<u8> = texts.iter().map(|text| text.as_bytes()[place]).collect();
        assert!(letters.len() > if place < 21 { 60 } else { 3 }, "place {place}: {} letters", letters.len());
    }
}

#[actix_web::test]
async fn a_nonce_is_in_the_page_and_in_both_headers() {
    let app = actix_web::test::init_service(app()).await;
    let (one, other) = (get(&app, "/used").await, get(&app, "/used").await);
    for answer in [&one, &other] {
        let nonce = Answer::nonce_in(answer.enforced());
        // Django 158
        assert_eq!(answer.body, format!("{nonce} {nonce}"));
        // Django 161
        assert_eq!(Answer::nonce_in(answer.reported()), nonce);
        assert_eq!(answer.enforced().unwrap(), format!("default-src 'self' 'nonce-{nonce}'"));
    }
    // Django 156
    assert_ne!(one.body, other.body);
}

#[actix_web::test]
async fn a_nonce_that_nobody_used_is_in_no_header() {
    // Django 159
    let app = actix_web::test::init_service(app()).await;
    let answer = get(&app, "/unused").await;
    assert_eq!(answer.body, "Nonce(unused) false");
    assert_eq!(answer.enforced(), Some("default-src 'self'"));
    assert!(answer.reported().unwrap().ends_with("script-src 'self'"), "{answer:?}");
    assert_eq!(answer.header("cache-control"), None, "there is no nonce to protect");
}

#[actix_web::test]
async fn a_page_asks_whether_there_is_a_nonce_without_making_the_answer_no() {
    // Django 157: what guards the tag is whether the middleware is there, and not whether the nonce was used before.
    let app = actix_web::test::init_service(app()).await;
    let answer = get(&app, "/attr").await;
    let nonce = Answer::nonce_in(answer.enforced());
    assert_eq!(answer.body, format!("<script nonce=\"{nonce}\">"));
}

#[actix_web::test]
async fn a_nonce_that_is_asked_for_too_late_is_an_error() {
    // Django 160
    let app = actix_web::test::init_service(app()).await;
    let late = get(&app, "/late").await;
    assert_eq!(late.enforced(), Some("default-src 'self'"));
    assert!(late.body.starts_with("broke off: the nonce was asked for after the header was written"), "{late:?}");
    let early = get(&app, "/early").await;
    assert_eq!(early.body, format!(" nonce=\"{}\"", Answer::nonce_in(early.enforced())));
}

#[actix_web::test]
async fn without_the_middleware_there_is_no_nonce_and_nothing_is_printed() {
    let app = App::new()
        .route("/attr", web::get().to(async |nonce: Option<Nonce>| nonce_attr(nonce.as_ref()).unwrap()))
        .route("/must", web::get().to(async |nonce: Nonce| nonce.attr().unwrap()));
    let app = actix_web::test::init_service(app).await;
    // Django 172, 173
    assert_eq!(get(&app, "/attr").await.body, "");
    let must = get(&app, "/must").await;
    assert_eq!(must.status, 500);
    assert!(must.body.contains("no Csp middleware is wrapped around this application"), "{must:?}");
}

#[test]
fn the_attribute_needs_no_escape() {
    // Django 173
    for _ in 0..200 {
        let attr = Nonce::new().attr().unwrap();
        let value = attr.strip_prefix(" nonce=\"").and_then(|rest| rest.strip_suffix('"')).unwrap();
        assert!(!value.contains(['"', '\'', '<', '>', '&', ' ']), "{attr}");
    }
}

#[test]
fn a_nonce_may_be_used_on_another_thread() {
    let nonce = Nonce::new();
    let there = std::thread::spawn({
        let nonce = nonce.clone();
        move || nonce.get().unwrap()
    });
    assert_eq!(there.join().unwrap(), nonce.get().unwrap());
}
