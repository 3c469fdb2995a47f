//! `GET /problems/` and `GET /problems/{slug}`: a page for each kind, for people and for terminals.

use actix_web::web;

use super::ui::{page, text};
use super::*;
use crate::problem::Kind;

/// A request as a browser sends it.
fn browse(path: &str) -> TestRequest {
    get(path).insert_header(("accept", "text/html,application/xhtml+xml,*/*;q=0.8"))
}

fn shown(text: &str) -> String {
    text.replace("&#x2f;", "/").replace("&quot;", "\"").replace("&#x27;", "'")
}

#[actix_web::test]
async fn every_kind_of_problem_has_a_page_that_says_what_happened_and_what_to_do() {
    let (board, _) = board().await;
    let app = serve(&board, HttpConfig::default()).await;
    let index = shown(&page(&ask(&app, browse("/problems/")).await));
    for kind in Kind::ALL {
        let path = format!("/problems/{}", kind.slug());
        assert!(index.contains(&format!("href=\"{path}\"")), "{path} is not in the index");
        for request in [browse(&path), get(&path), get(&path).insert_header(("accept", "*/*"))] {
            let answer = ask(&app, request).await;
            assert_eq!((answer.status.as_u16(), answer.header("vary")), (200, Some("Accept")), "{path}");
            let text = shown(&page(&answer));
            let status = kind.status().as_u16();
            let [happened, advice] = [kind.happened(), kind.advice()].map(|text| text.replace('`', ""));
            let plain = text.replace("<code>", "").replace("</code>", "");
            for part in [
                &format!("<h1>{}</h1>", kind.title()),
                &format!("<strong>{status}</strong>"),
                &happened,
                &advice,
                &format!("\"type\": \"{path}\""),
                &format!("\"status\": {status}"),
            ] {
                assert!(plain.contains(part.as_str()), "{part} is not in {text}");
            }
            assert!(text.contains("href=\"/problems/\"") && text.contains("href=\"/docs\""), "{text}");
        }
    }
    assert!(page(&ask(&app, get("/docs")).await).contains("href=\"/problems/\""));
}

#[actix_web::test]
async fn terminals_may_have_the_words_alone() {
    let (board, _) = board().await;
    let app = serve(&board, HttpConfig::default()).await;
    let plain = |path: &str| get(path).insert_header(("accept", "text/plain"));
    let one = ask(&app, plain("/problems/csrf")).await;
    assert_eq!(one.header("content-type"), Some("text/plain; charset=utf-8"));
    assert_eq!(one.header("content-security-policy"), Some("default-src 'none'; frame-ancestors 'none'"));
    assert!(text(&one).starts_with("The request comes from another site (403)\n"), "{}", text(&one));
    let all = ask(&app, plain("/problems/")).await;
    assert_eq!(text(&all).lines().count(), Kind::ALL.len());
}

#[actix_web::test]
async fn what_is_no_problem_is_not_found_as_a_page_for_people_and_a_problem_for_programs() {
    let (board, _) = board().await;
    let app = serve(&board, HttpConfig::default()).await;
    let program = ask(&app, get("/problems/none")).await;
    assert_eq!(program.problem(), "not-found");
    assert_eq!(program.header("content-security-policy"), Some("default-src 'none'; frame-ancestors 'none'"));
    let person = ask(&app, browse("/problems/none")).await;
    assert_eq!(person.status, 404);
    let text = shown(&page(&person));
    assert!(text.contains("/problems/ lists all") && text.contains("href=\"/problems/not-found\""), "{text}");
}

#[actix_web::test]
async fn the_pages_are_open_to_everybody_and_stand_where_the_routes_do() {
    let (board, _) = board().await;
    let (_, token) = super::tokens::token("readread", &["tasks:read"]);
    let config = HttpConfig { tokens: vec![token], ..HttpConfig::default() };
    let app = App::new().service(web::scope("/a").configure(crate::routes_with(&board, config)));
    let app = actix_web::test::init_service(app).await;
    let front = ask(&app, browse("/a/problems")).await;
    assert_eq!((front.status.as_u16(), front.header("location")), (308, Some("/a/problems/")));
    for path in ["/a/problems/", "/a/problems/unauthorized"] {
        let text = page(&ask(&app, browse(path)).await).replace("&#x2f;", "/");
        for link in text.split('"').filter(|part| part.starts_with('/')) {
            assert!(link.starts_with("/a/"), "{link} on {path}");
        }
    }
    assert_eq!(ask(&app, browse("/a/docs")).await.status, 303, "the others want a token");
}
