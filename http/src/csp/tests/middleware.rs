//! The rules of the middleware, each by its name.

use std::time::Duration;

use actix_web::http::header::{self, HeaderValue};
use actix_web::middleware::{ErrorHandlerResponse, ErrorHandlers, Next, from_fn};
use actix_web::{App, HttpResponse, error, web};

use super::*;

const BASE: &str = "default-src 'self'; frame-ancestors 'none'";
const DATA: &str = "default-src 'none'; frame-ancestors 'none'";

fn base() -> Policy {
    policy([("default-src", "'self'"), ("frame-ancestors", "'none'")])
}

fn with_nonce() -> Policy {
    policy([("script-src", "nonce")])
}

/// An app of one route, `/`.
macro_rules! app {
    ($csp:expr, $handler:expr) => {
        actix_web::test::init_service(App::new().route("/", web::route().to($handler)).wrap($csp)).await
    };
}

async fn page() -> HttpResponse {
    html("<p>")
}

#[actix_web::test]
async fn each_policy_has_its_header_and_none_has_none() {
    // Django 162
    let try_out = policy([("default-src", "'none'"), ("report-uri", "/r")]);
    let (both, reports) = (Policies::from(base()).and_report_only(try_out.clone()), Policies::report_only(try_out));
    for (policies, enforced, reported) in [
        (Policies::default(), None, None),
        (base().into(), Some(BASE), None),
        (reports, None, Some("default-src 'none'; report-uri /r")),
        (both, Some(BASE), Some("default-src 'none'; report-uri /r")),
    ] {
        let answer = get(&app!(Csp::new(policies), page), "/").await;
        assert_eq!((answer.enforced(), answer.reported()), (enforced, reported));
    }
}

#[actix_web::test]
async fn a_header_that_the_answer_brings_is_kept_and_the_other_one_is_added() {
    // Django 163; R4, R5
    let live = LivePolicy::new(Policies::from(base()).and_report_only(base()));
    for name in ["content-security-policy", "Content-Security-Policy", "CONTENT-SECURITY-POLICY"] {
        let handler = move || async move {
            HttpResponse::Ok().insert_header((name, "sandbox")).content_type("text/html").finish()
        };
        let answer = get(&app!(Csp::live(&live), handler), "/").await;
        assert_eq!((answer.enforced(), answer.reported()), (Some("sandbox"), Some(BASE)));
    }
    assert_eq!(live.counts().header_conflicts, 3);
    // One that says the same is no conflict.
    let same = || async { HttpResponse::Ok().insert_header(("content-security-policy", DATA)).finish() };
    get(&app!(Csp::live(&live), same), "/").await;
    assert_eq!(live.counts().header_conflicts, 3);
}

#[actix_web::test]
async fn no_header_is_ever_empty() {
    // Django 164: the policy says 'none' there, and is not sent as nothing.
    let answer = get(&app!(Csp::new(with_nonce()), page), "/").await;
    assert_eq!(answer.enforced(), Some("script-src 'none'"));
}

#[actix_web::test]
async fn pages_have_the_policy_and_everything_else_a_stricter_one() {
    // R10
    for (kind, expected) in [
        ("text/html", BASE),
        ("TEXT/HTML; charset=utf-8", BASE),
        ("application/xhtml+xml", BASE),
        ("image/svg+xml", BASE),
        ("text/xml", BASE),
        ("application/json", DATA),
        ("application/problem+json", DATA),
        ("text/plain", DATA),
        ("image/png", DATA),
        ("", DATA),
    ] {
        let handler = move || async move {
            let mut answer = HttpResponse::Ok();
            if !kind.is_empty() {
                answer.insert_header((header::CONTENT_TYPE, kind));
            }
            answer.body("x")
        };
        let csp = Csp::new(Policies::from(base()).and_report_only(base()));
        let answer = get(&app!(csp, handler), "/").await;
        assert_eq!(answer.enforced(), Some(expected), "{kind}");
        assert_eq!(answer.reported().is_some(), expected == BASE, "{kind}");
    }
    let answer = get(&app!(Csp::new(base()).for_data(None), || async { "text" }), "/").await;
    assert_eq!(answer.enforced(), None);
}

#[actix_web::test]
async fn every_status_has_the_header_but_304() {
    // R7
    for status in [200, 201, 204, 301, 302, 307, 400, 401, 403, 404, 405, 410, 418, 429, 500, 503] {
        let handler = move || async move {
            HttpResponse::build(StatusCode::from_u16(status).unwrap()).content_type("text/html").body("x")
        };
        assert_eq!(get(&app!(Csp::new(base()), handler), "/").await.enforced(), Some(BASE), "{status}");
    }
    let unchanged = |nonce: Nonce| async move {
        nonce.get().unwrap();
        HttpResponse::NotModified().insert_header((header::ETAG, "\"1\"")).content_type("text/html").finish()
    };
    let answer = get(&app!(Csp::new(Policies::from(with_nonce()).and_report_only(with_nonce())), unchanged), "/").await;
    assert_eq!((answer.status.as_u16(), answer.enforced(), answer.reported()), (304, None, None));
    assert_eq!(answer.header("etag"), Some("\"1\""));
    let head = ask(&app!(Csp::new(base()), page), TestRequest::default().method(actix_web::http::Method::HEAD)).await;
    assert_eq!(head.enforced(), Some(BASE));
}

#[actix_web::test]
async fn answers_of_errors_have_the_header_wherever_they_come_from() {
    // R9
    let app = App::new()
        .route("/handler", web::get().to(async || Err::<HttpResponse, _>(error::ErrorBadRequest("no"))))
        .route("/extractor/{n}", web::get().to(async |_: web::Path<u32>| HttpResponse::Ok()))
        .service(web::resource("/method").route(web::get().to(page)))
        .wrap(from_fn(async |req: actix_web::dev::ServiceRequest, next: Next<BoxBody>| {
            if req.path() == "/middleware" {
                return Err(error::ErrorUnauthorized("the inner middleware said no"));
            }
            next.call(req).await
        }))
        .wrap(Csp::new(base()));
    let app = actix_web::test::init_service(app).await;
    for (path, status) in [("/handler", 400), ("/extractor/x", 404), ("/missing", 404), ("/middleware", 401)] {
        let answer = get(&app, path).await;
        assert_eq!((answer.status.as_u16(), answer.enforced()), (status, Some(DATA)), "{path}");
        assert_eq!(answer.header("x-content-type-options"), Some("nosniff"), "{path}");
    }
    assert_eq!(get(&app, "/middleware").await.body, "the inner middleware said no");
    assert_eq!(ask(&app, TestRequest::post().uri("/method")).await.enforced(), Some(DATA));
}

#[actix_web::test]
async fn a_page_with_a_nonce_is_kept_by_no_cache() {
    // R8
    let live = LivePolicy::new(with_nonce());
    for (said, expected, warned) in [
        (vec![], "no-store", false),
        (vec![("cache-control", "max-age=60")], "no-store", false),
        (vec![("cache-control", "private, max-age=60")], "private, max-age=60", false),
        (vec![("cache-control", "No-Store")], "No-Store", false),
        (vec![("cache-control", "public, max-age=60")], "no-store", true),
        (vec![("cache-control", "private, s-maxage=60")], "no-store", true),
        (vec![("cache-control", "private"), ("etag", "\"1\"")], "private", true),
        (vec![("last-modified", "Wed, 21 Oct 2015 07:28:00 GMT")], "no-store", true),
    ] {
        let before = live.counts().caching_prevented;
        let headers = said.clone();
        let handler = move |nonce: Nonce| {
            let headers = headers.clone();
            async move {
                nonce.get().unwrap();
                let mut answer = html("x");
                for (name, value) in headers {
                    answer.headers_mut().insert(name.parse().unwrap(), HeaderValue::from_static(value));
                }
                answer
            }
        };
        let answer = get(&app!(Csp::live(&live), handler), "/").await;
        assert_eq!(answer.header("cache-control"), Some(expected), "{said:?}");
        assert_eq!((answer.header("etag"), answer.header("last-modified")), (None, None), "{said:?}");
        assert_eq!(live.counts().caching_prevented - before, u64::from(warned), "{said:?}");
    }
    let unused = async || {
        let mut answer = html("x");
        answer.headers_mut().insert(header::ETAG, HeaderValue::from_static("\"1\""));
        answer
    };
    let answer = get(&app!(Csp::live(&live), unused), "/").await;
    assert_eq!((answer.header("cache-control"), answer.header("etag")), (None, Some("\"1\"")));
}

#[actix_web::test]
async fn named_endpoints_are_for_encrypted_connections() {
    // R11
    let policy = || Policy::strict().report("/csp/reports").build().unwrap();
    let other = Policy::strict().report_as("other", "https://r.example/x").build().unwrap();
    let clash = Policy::strict().report("/elsewhere").build().unwrap();
    let plain = get(&app!(Csp::new(policy()), page), "/").await;
    assert!(plain.enforced().unwrap().ends_with("; report-uri /csp/reports"), "{plain:?}");
    assert_eq!(plain.header("reporting-endpoints"), None);

    let by_proxy = || {
        let peer = "10.0.0.7:5000".parse().unwrap();
        TestRequest::get().uri("/").peer_addr(peer).insert_header(("x-forwarded-proto", "https"))
    };
    let trusting = |csp: Csp| csp.trusted_proxies(vec!["10.0.0.0/8".parse().unwrap()]);
    let secure = ask(&app!(trusting(Csp::new(policy())), page), by_proxy()).await;
    assert!(secure.enforced().unwrap().ends_with("; report-uri /csp/reports; report-to csp"), "{secure:?}");
    assert_eq!(secure.header("reporting-endpoints"), Some("csp=\"/csp/reports\""));
    let distrusted = ask(&app!(Csp::new(policy()), page), by_proxy()).await;
    assert_eq!(distrusted.header("reporting-endpoints"), None);

    let two = |policies: Policies| async move {
        let answer = ask(&app!(trusting(Csp::new(policies)), page), by_proxy()).await;
        let endpoints: Vec<String> =
            answer.headers.get_all("reporting-endpoints").map(|value| value.to_str().unwrap().to_owned()).collect();
        (endpoints, answer.reported().unwrap().contains("report-to"))
    };
    let own = "csp=\"/csp/reports\"".to_owned();
    assert_eq!(
        two(Policies::from(policy()).and_report_only(other)).await,
        (vec![own.clone(), "other=\"https://r.example/x\"".into()], true)
    );
    assert_eq!(two(Policies::from(policy()).and_report_only(policy())).await, (vec![own.clone()], true));
    assert_eq!(two(Policies::from(policy()).and_report_only(clash)).await, (vec![own], false));
}

#[test]
fn a_header_that_is_not_ascii_is_never_sent() {
    // R12: nothing that can be built is so; a directive is made by hand here.
    use crate::csp::compiled::Template;
    use crate::csp::policy::{Name, Part, Value};
    let part = |word: &str| Part { name: Name::Other("x".into()), value: Value::Words(vec![word.into()]) };
    assert!(Template::of([part("ok")].iter()).is_ok());
    for wrong in ["ü", "a\nb", "\u{7f}"] {
        assert!(Template::of([part(wrong)].iter()).is_err(), "{wrong:?}");
    }
}

#[actix_web::test]
async fn headers_stand_beside_the_policy_that_belong_there() {
    // R13
    let answer = get(&app!(Csp::new(base()), page), "/").await;
    for (name, value) in [
        ("x-content-type-options", Some("nosniff")),
        ("x-frame-options", Some("DENY")),
        ("referrer-policy", Some("same-origin")),
        ("cross-origin-opener-policy", Some("same-origin")),
        ("permissions-policy", Some("camera=(), microphone=(), geolocation=(), payment=(), usb=()")),
        ("strict-transport-security", None),
    ] {
        assert_eq!(answer.header(name), value, "{name}");
    }
    let json = get(&app!(Csp::new(base()), || async { HttpResponse::Ok().json(1) }), "/").await;
    assert_eq!((json.header("x-frame-options"), json.header("referrer-policy")), (Some("DENY"), None));

    let framed = |ancestors| Csp::new(policy([("frame-ancestors", ancestors)]));
    let option = |csp| async { get(&app!(csp, page), "/").await.header("x-frame-options").map(str::to_owned) };
    assert_eq!(option(framed("'self'")).await.as_deref(), Some("SAMEORIGIN"));
    assert_eq!(option(framed("https://partner.example")).await, None);
    assert_eq!(option(Csp::new(policy([("img-src", "'self'")]))).await, None);

    let own = || async {
        HttpResponse::Ok().insert_header(("referrer-policy", "no-referrer")).content_type("text/html").finish()
    };
    assert_eq!(get(&app!(Csp::new(base()), own), "/").await.header("referrer-policy"), Some("no-referrer"));
    let none = get(&app!(Csp::new(base()).pairs(Pairs::none()), page), "/").await;
    assert_eq!((none.header("x-content-type-options"), none.header("x-frame-options")), (None, None));

    let year = Pairs { strict_transport: Some(Duration::from_secs(31_536_000)), ..Pairs::default() };
    let csp = Csp::new(base()).pairs(year).trusted_proxies(vec!["10.0.0.7".parse().unwrap()]);
    let app = app!(csp, page);
    let by = |scheme| {
        TestRequest::get()
            .uri("/")
            .peer_addr("10.0.0.7:1".parse().unwrap())
            .insert_header(("x-forwarded-proto", scheme))
    };
    assert_eq!(ask(&app, by("https")).await.header("strict-transport-security"), Some("max-age=31536000"));
    assert_eq!(ask(&app, by("http")).await.header("strict-transport-security"), None);
}

#[actix_web::test]
async fn a_nonce_that_the_policy_has_no_place_for_is_noticed() {
    let live = LivePolicy::new(base());
    let used = |nonce: Nonce| async move { html(nonce.attr().unwrap()) };
    get(&app!(Csp::live(&live), used), "/").await;
    assert_eq!(live.counts().nonces_without_place, 1);
    live.set(&SetPolicy::enforce(with_nonce()));
    get(&app!(Csp::live(&live), used), "/").await;
    assert_eq!((live.counts().nonces_without_place, live.counts().nonces_unused), (1, 0));
    get(&app!(Csp::live(&live), page), "/").await;
    assert_eq!(live.counts().nonces_unused, 1);
}

#[actix_web::test]
async fn of_two_the_inner_one_writes_the_header_and_both_know_one_nonce() {
    let used = async |nonce: Nonce| html(nonce.get().unwrap().to_string());
    let inner = web::scope("/in").route("", web::get().to(used)).wrap(Csp::new(with_nonce()));
    let app = App::new().service(inner).wrap(Csp::new(base()));
    let app = actix_web::test::init_service(app).await;
    let response = actix_web::test::call_service(&app, TestRequest::get().uri("/in").to_request()).await;
    let headers = response.headers().clone();
    let body = actix_web::test::read_body(response).await;
    let expected = format!("script-src 'nonce-{}'", std::str::from_utf8(&body).unwrap());
    assert_eq!(headers.get_all("content-security-policy").collect::<Vec<_>>(), [expected.as_str()]);
}

#[actix_web::test]
async fn a_page_about_an_error_has_the_policy_of_pages() {
    // Django 165, 177: no page of ours is without one, and one about an error may use the nonce.
    let handlers = ErrorHandlers::new().handler(StatusCode::NOT_FOUND, |response: ServiceResponse<BoxBody>| {
        use actix_web::HttpMessage as _;
        let request = response.request().clone();
        let nonce = request.extensions().get::<crate::csp::slot::Slot>().unwrap().nonce().clone();
        let page = html(format!("<style{}>", nonce.attr().unwrap()));
        let page = HttpResponse::build(StatusCode::NOT_FOUND).content_type("text/html").body(body_of(page));
        Ok(ErrorHandlerResponse::Response(ServiceResponse::new(request, page).map_into_left_body()))
    });
    let app = App::new().wrap(handlers).wrap(Csp::new(policy([("style-src", "nonce")])));
    let app = actix_web::test::init_service(app).await;
    let response = actix_web::test::call_service(&app, TestRequest::get().uri("/lost").to_request()).await;
    let header = response.headers().get("content-security-policy").unwrap().to_str().unwrap().to_owned();
    let body = actix_web::test::read_body(response).await;
    assert_eq!(format!("<style nonce=\"{}\">", Answer::nonce_in(Some(&header))), std::str::from_utf8(&body).unwrap());
}

fn body_of(page: HttpResponse) -> BoxBody {
    page.into_body()
}
