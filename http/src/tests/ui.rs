//! The dashboard, as a browser without scripts sees it.

use actix_web::web;

use super::*;

const LATER: &str = r#"{"task": "add", "args": [1, 2], "run_after": "1h", "tags": ["signup"]}"#;

/// A form that a browser sends from a page of this very origin.
pub(super) fn form(path: &str, body: &str) -> TestRequest {
    let request = post(path).insert_header(("content-type", "application/x-www-form-urlencoded"));
    request.insert_header(("sec-fetch-site", "same-origin")).set_payload(body.to_owned())
}

pub(super) fn text(answer: &Answer) -> String {
    String::from_utf8(answer.body.clone()).unwrap()
}

/// A page, after a look at what all pages have.
#[track_caller]
pub(super) fn page(answer: &Answer) -> String {
    assert_eq!(answer.header("content-type"), Some("text/html; charset=utf-8"), "{answer:?}");
    assert_eq!((answer.header("cache-control"), answer.header("x-robots-tag")), (Some("no-store"), Some("noindex")));
    let policy = answer.header("content-security-policy").unwrap();
    for part in ["default-src 'none'", "frame-ancestors 'none'", "form-action 'self'", "base-uri 'none'"] {
        assert!(policy.contains(part), "{part} is not in {policy}");
    }
    assert!(!policy.contains("unsafe"), "{policy}");
    assert!(answer.header("x-request-id").is_some());
    let text = text(answer);
    assert!(text.starts_with("<!doctype html>") && text.matches("<h1>").count() == 1, "{text}");
    // The policy would not let it work.
    for inline in ["style=\"", "<style", "<script", " onclick", "javascript:"] {
        assert!(!text.contains(inline), "{inline} in {text}");
    }
    text
}

#[actix_web::test]
async fn every_page_is_there_and_all_links_stay_below_the_prefix() {
    let (board, _) = board().await;
    let app = App::new().service(web::scope("/a/ui").configure(crate::routes(&board)));
    let app = actix_web::test::init_service(app).await;
    let request = post("/a/ui/enqueue").insert_header(("content-type", "application/json"));
    let id = ask(&app, request.set_payload(LATER)).await.id();
    let task = format!("/a/ui/ui/tasks/{id}");
    for path in ["/a/ui/ui/", "/a/ui/ui/tasks", &task, "/a/ui/ui/queues", "/a/ui/docs"].into_iter().chain([
        "/a/ui/ui/schedules",
        "/a/ui/ui/workers",
        "/a/ui/ui/csp",
        "/a/ui/ui/audit",
        "/a/ui/problems/",
    ]) {
        let answer = ask(&app, get(path)).await;
        assert_eq!(answer.status, 200, "{path}: {answer:?}");
        let text = page(&answer).replace("&#x2f;", "/");
        for link in text.split(['"', '\'']).filter(|part| part.starts_with('/')) {
            assert!(link.starts_with("/a/ui/"), "{link} on {path}");
        }
        let style = text.split('"').find(|part| part.ends_with("/ui.css")).unwrap();
        let style = ask(&app, get(style)).await;
        assert_eq!((style.status.as_u16(), style.header("content-type")), (200, Some("text/css; charset=utf-8")));
        assert_eq!(style.header("cache-control"), Some("public, max-age=31536000, immutable"));
        let head = local(TestRequest::default().method(actix_web::http::Method::HEAD).uri(path));
        assert_eq!(ask(&app, head).await.status, 200);
    }
    let front = ask(&app, get("/a/ui/ui")).await;
    assert_eq!((front.status.as_u16(), front.header("location")), (308, Some("/a/ui/ui/")));
    assert_eq!(ask(&app, get("/a/ui/ui/static/other/ui.css")).await.status, 404);
}

#[test]
fn the_style_is_small() {
    assert!(include_str!("../ui/ui.css").len() <= 14 * 1024);
}

#[actix_web::test]
async fn the_overview_says_what_there_is() {
    let (board, _) = board().await;
    let app = serve(&board, HttpConfig::default()).await;
    let empty = page(&ask(&app, get("/ui/")).await);
    assert!(empty.contains("Nothing was ever enqueued here") && empty.contains("curl"), "{empty}");
    ask(&app, enqueue(LATER)).await;
    let id = ask(&app, enqueue(r#"{"task": "fail", "args": ["out of ink"]}"#)).await.id();
    finished(&board, &id).await;
    let text = page(&ask(&app, get("/ui/")).await);
    assert!(!text.contains("Nothing was ever enqueued"), "{text}");
    for part in ["out of ink", &format!("/ui/tasks/{id}"), "<strong>1</strong>", "Nothing runs", "tasks?status=FAILED"]
    {
        assert!(text.contains(part), "{part} is not in {text}");
    }
}

#[actix_web::test]
async fn the_list_is_filtered_and_goes_on() {
    let (board, _) = board().await;
    let app = serve(&board, HttpConfig::default()).await;
    for _ in 0..55 {
        ask(&app, enqueue(LATER)).await;
    }
    ask(&app, enqueue(r#"{"task": "greet", "args": ["Ann"], "run_after": "1h"}"#)).await;
    let rows = |text: &str| text.matches("<tr id=\"task-").count();
    let first = page(&ask(&app, get("/ui/tasks")).await);
    assert_eq!(rows(&first), 50);
    let older = first.split('"').find(|part| part.starts_with("/ui/tasks?cursor=")).unwrap().replace("&#x2f;", "/");
    let second = page(&ask(&app, get(&older)).await);
    assert_eq!(rows(&second), 6);
    assert!(second.contains(">Newest<") && !second.contains(">Older<"), "{second}");
    let greet = page(&ask(&app, get("/ui/tasks?task=greet&status=&phase=scheduled&queue=&tag=&since=&until=")).await);
    assert_eq!(rows(&greet), 1);
    assert!(greet.contains("value=\"greet\"") && greet.contains("Clear filters"), "{greet}");
    let none = page(&ask(&app, get("/ui/tasks?tag=nothing")).await);
    assert!(none.contains("No task fits these filters"), "{none}");
    let wrong = ask(&app, get("/ui/tasks?phase=nonsense&task=add")).await;
    assert_eq!(wrong.status, 400);
    let wrong = page(&wrong);
    assert!(wrong.contains("phase is &quot;nonsense&quot;") && wrong.contains("value=\"add\""), "{wrong}");
}

#[actix_web::test]
async fn a_task_can_be_steered_from_its_page() {
    let (board, _) = board().await;
    let app = serve(&board, HttpConfig::default()).await;
    let id = ask(&app, enqueue(LATER)).await.id();
    let path = format!("/ui/tasks/{id}");
    let text = page(&ask(&app, get(&path)).await);
    assert!(text.contains("scheduled") && text.contains("&quot;a&quot;: 1"), "{text}");
    assert!(text.contains(&format!("action=\"{path}/cancel\"><button>")), "{text}");
    assert!(text.contains(&format!("action=\"{path}/retry\"><button disabled")), "{text}");

    let answer = ask(&app, form(&format!("{path}/cancel"), "")).await;
    assert_eq!(
        (answer.status.as_u16(), answer.header("location")),
        (303, Some(format!("{path}?done=cancelled").as_str()))
    );
    let text = page(&ask(&app, get(&format!("{path}?done=cancelled"))).await);
    assert!(text.contains("The task was cancelled") && text.contains("/retry\"><button>"), "{text}");
    assert_eq!(ask(&app, form(&format!("{path}/retry"), "")).await.status, 303);
    finished(&board, &id).await;
    let text = page(&ask(&app, get(&path)).await);
    assert!(text.contains("Return value") && text.contains("<pre>3</pre>"), "{text}");

    let refused = ask(&app, form(&format!("{path}/run-now"), "")).await;
    assert_eq!(refused.status, 409);
    assert!(page(&refused).contains("The task is in another phase"));
    assert_eq!(ask(&app, form(&format!("{path}/explode"), "")).await.status, 404);
    let gone = ask(&app, form(&format!("{path}/delete"), "")).await;
    assert_eq!((gone.status.as_u16(), gone.header("location")), (303, Some("/ui/tasks")));
    page(&ask(&app, get(&path)).await);
    assert_eq!(ask(&app, get("/ui/tasks/x")).await.status, 400);
}

#[actix_web::test]
async fn a_queue_is_paused_and_resumed_from_its_page() {
    let (board, _) = board().await;
    let app = serve(&board, HttpConfig::default()).await;
    let text = page(&ask(&app, get("/ui/queues")).await);
    let paths: Vec<_> = text.split('"').filter(|part| part.contains("/pause?backend=")).collect();
    assert_eq!(paths.len(), 3, "{text}");
    let answer = ask(&app, form("/ui/queues/math/pause?backend=default", "")).await;
    assert_eq!((answer.status.as_u16(), answer.header("location")), (303, Some("/ui/queues")));
    assert_eq!(ask(&app, get("/queues/math")).await.json()["paused"], true);
    let text = page(&ask(&app, get("/ui/queues")).await);
    assert!(text.contains("/ui/queues/math/resume?backend=default"), "{text}");
    ask(&app, form("/ui/queues/math/resume?backend=default", "")).await;
    assert_eq!(ask(&app, get("/queues/math")).await.json()["paused"], false);
    assert_eq!(ask(&app, form("/ui/queues/nothing/pause?backend=default", "")).await.status, 404);
}

#[actix_web::test]
async fn what_others_have_written_is_shown_and_does_nothing() {
    let (board, _) = board().await;
    let app = serve(&board, HttpConfig::default()).await;
    for hostile in [
        "<script>alert(1)</script>",
        "\"><img src=x onerror=alert(1)>",
        "'><svg/onload=alert(1)>",
        "</pre><script>alert(1)</script>",
        "{{ 7 * 7 }}{% raw %}",
        "\u{202e}\0<b>",
    ] {
        let body = serde_json::json!({"task": "fail", "args": [hostile], "metadata": {hostile: hostile}});
        let id = ask(&app, enqueue(&body.to_string())).await.id();
        finished(&board, &id).await;
        for path in [format!("/ui/tasks/{id}"), "/ui/".to_owned(), "/ui/tasks".to_owned()] {
            let text = page(&ask(&app, get(&path)).await);
            for part in ["<script>", "<img", "<svg", "</pre><script", "<b>"] {
                assert!(!text.contains(part), "{part} in {text}");
            }
            assert!(!text.contains("\n49") && !text.contains(">49<"), "{text}");
        }
    }
    let tag = ask(&app, get("/ui/tasks?tag=%22%3E%3Cscript%3E")).await;
    page(&tag);
}

#[actix_web::test]
async fn pages_of_other_sites_change_nothing() {
    let (board, _) = board().await;
    let app = serve(&board, HttpConfig::default()).await;
    let id = ask(&app, enqueue(LATER)).await.id();
    let path = format!("/ui/tasks/{id}/cancel");
    for (name, value) in [("sec-fetch-site", "cross-site"), ("origin", "http://evil.test"), ("cookie", "a=b")] {
        let answer = ask(&app, post(&path).insert_header((name, value))).await;
        assert_eq!(answer.status, 403, "{name}");
        page(&answer);
    }
    assert_eq!(ask(&app, get(&format!("/tasks/{id}"))).await.json()["phase"], "scheduled");
}

#[actix_web::test]
async fn a_server_that_only_reads_has_no_buttons() {
    let (board, _) = board().await;
    let plain = serve(&board, HttpConfig::default()).await;
    let id = ask(&plain, enqueue(LATER)).await.id();
    let app = serve(&board, HttpConfig { read_only: true, ..HttpConfig::default() }).await;
    for path in [format!("/ui/tasks/{id}"), "/ui/queues".into(), "/ui/schedules".into(), "/ui/".into()] {
        let text = page(&ask(&app, get(&path)).await);
        assert!(!text.contains("method=\"post\"") && text.contains("read only"), "{text}");
    }
    assert_eq!(ask(&app, form(&format!("/ui/tasks/{id}/cancel"), "")).await.status, 403);
}

/// The cookie of an answer, as a browser sends it back.
fn cookie(answer: &Answer) -> String {
    answer.header("set-cookie").unwrap().split(';').next().unwrap().to_owned()
}

#[actix_web::test]
async fn with_tokens_somebody_logs_in_and_out() {
    let (board, _) = board().await;
    let (reading, reader) = super::tokens::token("readread", &["tasks:read"]);
    let (writing, writer) = super::tokens::token("writewri", &["tasks:read", "tasks:write"]);
    let config = HttpConfig { tokens: vec![reader, writer], ..HttpConfig::default() };
    let app = serve(&board, config).await;
    let later = ask(&app, super::tokens::with(enqueue(LATER), &writing)).await;
    assert_eq!(later.status, 403, "neither may enqueue");
    let call = board.call_named(add::NAME, "[1, 2]").await.unwrap();
    let mut call = call;
    call.options_mut().run_after = Duration::from_secs(3_600).into();
    let id = board.enqueue_any(call).await.unwrap().id().to_string();

    let outside = ask(&app, get("/ui/")).await;
    assert_eq!((outside.status.as_u16(), outside.header("location")), (303, Some("/ui/login")));
    page(&ask(&app, get("/ui/login")).await);
    let wrong = ask(&app, form("/ui/login", "token=tk_nonsense")).await;
    assert_eq!(wrong.status, 401);
    assert!(!page(&wrong).contains("tk_nonsense"));

    let sessions = async |token: &str| {
        let answer = ask(&app, form("/ui/login", &format!("token={token}"))).await;
        assert_eq!((answer.status.as_u16(), answer.header("location")), (303, Some("/ui/")), "{answer:?}");
        let set = answer.header("set-cookie").unwrap();
        assert!(set.contains("HttpOnly") && set.contains("SameSite=Lax") && set.contains("Path=/"), "{set}");
        assert!(!set.contains(token), "the token travels as cookie");
        cookie(&answer)
    };
    let (reads, writes) = (sessions(&reading).await, sessions(&writing).await);
    assert_ne!(reads, writes);
    let as_user = |request: TestRequest, session: &str| request.insert_header(("cookie", format!("x=1; {session}")));

    let path = format!("/ui/tasks/{id}");
    let text = page(&ask(&app, as_user(get(&path), &reads)).await);
    assert!(text.contains("name of readread") && !text.contains("/cancel"), "{text}");
    assert_eq!(ask(&app, as_user(form(&format!("{path}/cancel"), ""), &reads)).await.status, 403);
    assert!(page(&ask(&app, as_user(get(&path), &writes)).await).contains("/cancel"));

    // A cookie is sent whoever makes the browser ask, so where that comes from counts.
    let forged = as_user(post(&format!("{path}/cancel")), &writes);
    assert_eq!(ask(&app, forged.insert_header(("sec-fetch-site", "cross-site"))).await.status, 403);
    assert_eq!(ask(&app, as_user(post(&format!("{path}/cancel")), &writes)).await.status, 403);
    assert_eq!(ask(&app, as_user(post(&format!("/tasks/{id}/cancel")), &writes)).await.problem(), "csrf");
    assert_eq!(ask(&app, as_user(form(&format!("{path}/cancel"), ""), &writes)).await.status, 303);

    let left = ask(&app, as_user(form("/ui/logout", ""), &writes)).await;
    assert_eq!((left.status.as_u16(), left.header("location")), (303, Some("/ui/login")));
    assert_eq!(ask(&app, as_user(get(&path), &writes)).await.status, 303);
    assert_eq!(ask(&app, as_user(get(&path), &reads)).await.status, 200);
}

#[actix_web::test]
async fn tokens_cannot_be_tried_out_one_after_the_other() {
    let (board, _) = board().await;
    let (_, token) = super::tokens::token("readread", &["tasks:read"]);
    let app = serve(&board, HttpConfig { tokens: vec![token], ..HttpConfig::default() }).await;
    for _ in 0..5 {
        assert_eq!(ask(&app, form("/ui/login", "token=tk_x")).await.status, 401);
    }
    let answer = ask(&app, form("/ui/login", "token=tk_x")).await;
    assert_eq!(answer.status, 429);
    assert!(answer.header("retry-after").is_some());
}

#[actix_web::test]
async fn the_page_of_the_interface_names_every_operation() {
    let (board, _) = board().await;
    let app = serve(&board, HttpConfig::default()).await;
    let text = page(&ask(&app, get("/docs")).await);
    for (method, path, _) in crate::openapi::rules() {
        let path = path.replace('/', "&#x2f;");
        let shown = format!("<span class=\"method\">{}</span><code>{path}</code>", method.to_uppercase());
        assert!(text.contains(&shown), "{shown} is not in the page");
    }
    assert!(text.contains(&format!("Call.{}", add::NAME)), "the tasks are not in the page");
}
