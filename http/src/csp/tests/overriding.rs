//! What routes say in place of the application's policies.

use actix_web::{App, HttpRequest, HttpResponse, error, web};

use super::*;

const BASE: &str = "default-src 'self'";
const TRIED: &str = "default-src 'none'";
const OTHER: &str = "default-src https://other.example";

fn base() -> Policies {
    Policies::from(policy([("default-src", "'self'")])).and_report_only(policy([("default-src", "'none'")]))
}

fn other() -> Policy {
    policy([("default-src", "https://other.example")])
}

async fn page() -> HttpResponse {
    html("<p>")
}

/// What an app says at `/`, in both headers, when its route is wrapped so.
macro_rules! headers {
    ($override:expr) => {{
        let app = App::new().route("/", web::get().to(page).wrap($override)).wrap(Csp::new(base()));
        let answer = get(&actix_web::test::init_service(app).await, "/").await;
        [answer.enforced().map(str::to_owned), answer.reported().map(str::to_owned)]
    }};
}

fn of(enforced: &str, reported: &str) -> [Option<String>; 2] {
    [enforced, reported].map(|text| (!text.is_empty()).then(|| text.to_owned()))
}

#[actix_web::test]
async fn a_policy_is_switched_off_alone_or_with_the_other() {
    // Django 166
    assert_eq!(headers!(CspOverride::enforce_off("a reason")), of("", TRIED));
    assert_eq!(headers!(CspOverride::report_only_off("a reason")), of(BASE, ""));
    assert_eq!(headers!(CspOverride::off("a reason")), of("", ""));
}

#[actix_web::test]
async fn a_policy_is_replaced_as_a_whole() {
    // Django 167, 168: what is no policy does not compile here.
    assert_eq!(headers!(CspOverride::enforce(other())), of(OTHER, TRIED));
    assert_eq!(headers!(CspOverride::report_only(other())), of(BASE, OTHER));
    assert_eq!(headers!(CspOverride::enforce(other()).and(&CspOverride::report_only_off("x"))), of(OTHER, ""));
}

#[actix_web::test]
async fn of_several_the_nearest_to_the_handler_wins() {
    // Django 171: there the outermost wins.
    let outer = CspOverride::enforce(other());
    let last = policy([("img-src", "'self'")]);
    let by_hand = CspOverride::enforce(last.clone());
    let app = App::new()
        .service(
            web::scope("/scope")
                .service(
                    web::resource("/resource")
                        .route(web::get().to(page).wrap(CspOverride::enforce_off("the route says so")))
                        .wrap(CspOverride::report_only_off("the resource says so")),
                )
                .route("/plain", web::get().to(page))
                .route(
                    "/hand",
                    web::get()
                        .to(move |req: HttpRequest| {
                            by_hand.set(&req);
                            page()
                        })
                        .wrap(CspOverride::enforce_off("the handler says otherwise")),
                )
                .wrap(outer),
        )
        .route("/beside", web::get().to(page))
        .wrap(Csp::new(base()));
    let app = actix_web::test::init_service(app).await;
    for (path, expected) in [
        ("/scope/resource", of("", "")),
        ("/scope/plain", of(OTHER, TRIED)),
        ("/scope/hand", of(&last.to_string(), TRIED)),
        ("/beside", of(BASE, TRIED)),
    ] {
        let answer = get(&app, path).await;
        assert_eq!([answer.enforced().map(str::to_owned), answer.reported().map(str::to_owned)], expected, "{path}");
    }
}

#[actix_web::test]
async fn an_override_holds_for_async_handlers_of_every_kind() {
    // Django 169: handlers are async here; one that answers at once and one that waits are alike.
    let waits = async || {
        actix_web::rt::task::yield_now().await;
        html("<p>")
    };
    let at_once = || std::future::ready(html("<p>"));
    let app = App::new()
        .route("/waits", web::get().to(waits).wrap(CspOverride::enforce(other())))
        .route("/at-once", web::get().to(at_once).wrap(CspOverride::enforce(other())))
        .wrap(Csp::new(base()));
    let app = actix_web::test::init_service(app).await;
    for path in ["/waits", "/at-once"] {
        assert_eq!(get(&app, path).await.enforced(), Some(OTHER));
    }
}

#[actix_web::test]
async fn the_page_about_an_error_of_a_route_has_the_policy_of_the_application() {
    // Django 170
    let fails = async || {
        let page = html("<h1>It failed</h1>");
        Err::<HttpResponse, _>(error::InternalError::from_response("it failed", page))
    };
    let app =
        App::new().route("/", web::get().to(fails).wrap(CspOverride::off("it needs none"))).wrap(Csp::new(base()));
    let app = actix_web::test::init_service(app).await;
    let answer = get(&app, "/").await;
    assert_eq!((answer.enforced(), answer.reported()), (Some(BASE), Some(TRIED)));
}

#[actix_web::test]
async fn an_override_is_for_answers_of_every_type() {
    let app = App::new()
        .route("/file", web::get().to(async || "text").wrap(CspOverride::enforce(other())))
        .route("/open", web::get().to(async || "text").wrap(CspOverride::enforce_off("a worker's script")))
        .wrap(Csp::new(base()));
    let app = actix_web::test::init_service(app).await;
    assert_eq!(get(&app, "/file").await.enforced(), Some(OTHER));
    assert_eq!(get(&app, "/open").await.enforced(), None);
}

#[actix_web::test]
async fn the_reason_of_each_exemption_is_kept_by_its_route() {
    let live = LivePolicy::new(base());
    let app = App::new()
        .route("/old/{id}", web::get().to(page).wrap(CspOverride::off("old scripts, until spring")))
        .wrap(Csp::live(&live));
    let app = actix_web::test::init_service(app).await;
    assert!(live.exemptions().is_empty());
    get(&app, "/old/1").await;
    get(&app, "/old/2").await;
    let expected = [("/old/{id}".to_owned(), "old scripts, until spring".to_owned())];
    assert_eq!(live.exemptions().into_iter().collect::<Vec<_>>(), expected);
}

#[actix_web::test]
async fn without_the_middleware_an_override_is_no_error() {
    let app = App::new().route("/", web::get().to(page).wrap(CspOverride::enforce(other())));
    let answer = get(&actix_web::test::init_service(app).await, "/").await;
    assert_eq!((answer.status.as_u16(), answer.enforced()), (200, None));
}

#[actix_web::test]
async fn changes_stay_on_top_of_what_holds() {
    let live = LivePolicy::new(base());
    let delta = Delta::new().append(Directive::ImgSrc, host("https://tiles.example"));
    let changed = CspOverride::merge(&live, delta.clone()).unwrap().and(
        &CspOverride::merge_report_only(&live, Delta::new().append(Directive::FontSrc, Source::SelfOrigin)).unwrap(),
    );
    let app = App::new().route("/", web::get().to(page).wrap(changed)).wrap(Csp::live(&live));
    let app = actix_web::test::init_service(app).await;
    let both = async || {
        let answer = get(&app, "/").await;
        [answer.enforced().map(str::to_owned), answer.reported().map(str::to_owned)]
    };
    let reported = "default-src 'none'; font-src 'self'";
    let of_base = "default-src 'self'; img-src 'self' https://tiles.example";
    assert_eq!(both().await, of(of_base, reported));
    live.set(&SetPolicy::enforce(other()));
    let of_other = "default-src https://other.example; img-src https://other.example https://tiles.example";
    for _ in 0..2 {
        assert_eq!(both().await, of(of_other, reported));
    }
    // Changes that do not fit any more leave what holds as it is.
    live.set(&SetPolicy::enforce(policy([("script-src", "'self'")])));
    assert_eq!(both().await, of("script-src 'self'", reported));
    live.set(&SetPolicy::enforce(None));
    assert_eq!(both().await, of("", reported));

    let error = CspOverride::merge(&live, delta.clone()).unwrap_err();
    assert_eq!(error.to_string(), "the policy has a problem: the policy is not there, so nothing can be changed in it");
    live.set(&SetPolicy::enforce(policy([("script-src", "'self'")])));
    assert!(CspOverride::merge(&live, delta).is_err());
}
