//! The pages of the dashboard for those who operate a server: schedules, reports of browsers, the audit log.

use super::schedules::board_with_schedules;
use super::tokens::{token, with};
use super::ui::{form, page};
use super::*;

fn shown(text: &str) -> String {
    text.replace("&#x2f;", "/").replace("&quot;", "\"").replace("&#x27;", "'")
}

#[actix_web::test]
async fn schedules_are_shown_with_their_next_five_times_in_their_own_time_zone() {
    let board = board_with_schedules().await;
    let app = serve(&board, HttpConfig::default()).await;
    let text = shown(&page(&ask(&app, get("/ui/schedules")).await));
    for part in ["nightly", "hourly", "30 2 * * *", "Europe/Berlin", "missed: one", "{\"a\":1,\"b\":2}", "queue math"] {
        assert!(text.contains(part), "{part} is not in {text}");
    }
    // Of five nights one at most has no such time, because clocks are put forward.
    assert!(text.matches(" 02:30 <small>").count() >= 4, "{text}");
    assert_eq!(text.matches("<small><time").count(), 10, "{text}");
    assert_eq!(text.matches("<ol class=\"ticks\">").count(), 2, "{text}");
    assert!(text.contains("href=\"/ui/tasks?backend=other&amp;tag=schedule%3Ahourly\""), "{text}");
}

#[actix_web::test]
async fn a_schedule_is_paused_resumed_and_run_from_its_page() {
    let board = board_with_schedules().await;
    let app = serve(&board, HttpConfig::default()).await;
    for (verb, paused, offered) in [("pause", true, "resume"), ("resume", false, "pause")] {
        let answer = ask(&app, form(&format!("/ui/schedules/nightly/{verb}"), "")).await;
        assert_eq!((answer.status.as_u16(), answer.header("location")), (303, Some("/ui/schedules")), "{answer:?}");
        assert_eq!(board.schedule("nightly").await.unwrap().record.paused, paused);
        let text = shown(&page(&ask(&app, get("/ui/schedules")).await));
        assert!(text.contains(&format!("action=\"/ui/schedules/nightly/{offered}\"")), "{text}");
        assert_eq!(text.contains("if it is resumed"), paused, "{text}");
    }
    let answer = ask(&app, form("/ui/schedules/nightly/run", "")).await;
    assert_eq!(answer.status, 303);
    let task = answer.header("location").unwrap().to_owned();
    let text = page(&ask(&app, get(&task)).await);
    assert!(text.contains("The task was enqueued.") && text.contains("schedule:nightly"), "{text}");
    for (path, status) in [("/ui/schedules/daily/pause", 404), ("/ui/schedules/nightly/explode", 404)] {
        let answer = ask(&app, form(path, "")).await;
        assert_eq!(answer.status.as_u16(), status, "{path}");
        page(&answer);
    }
    let forged = post("/ui/schedules/nightly/pause").insert_header(("sec-fetch-site", "cross-site"));
    assert_eq!(ask(&app, forged).await.status, 403);
    assert!(!board.schedule("nightly").await.unwrap().record.paused);
}

#[actix_web::test]
async fn a_server_without_schedules_says_how_to_make_one() {
    let (board, _) = board().await;
    let app = serve(&board, HttpConfig::default()).await;
    let text = page(&ask(&app, get("/ui/schedules")).await);
    assert!(text.contains("There are no schedules") && text.contains("[[schedules]]"), "{text}");
}

/// A report as a browser sends it.
fn report(directive: &str, blocked: &str, disposition: &str) -> TestRequest {
    let body = serde_json::json!({"csp-report": {
        "document-uri": "http://127.0.0.1:8000/ui/tasks?secret=1", "effective-directive": directive,
        "blocked-uri": blocked, "disposition": disposition, "status-code": 200,
    }});
    post("/csp/reports").insert_header(("content-type", "application/csp-report")).set_payload(body.to_string())
}

#[actix_web::test]
async fn reports_of_browsers_are_shown_together_with_their_count() {
    let (board, _) = board().await;
    let app = serve(&board, HttpConfig::default()).await;
    let text = page(&ask(&app, get("/ui/csp")).await);
    assert!(text.contains("No browser has reported a violation"), "{text}");
    for _ in 0..3 {
        assert_eq!(ask(&app, report("img-src", "https://cdn.example/x.png?secret=1", "enforce")).await.status, 204);
    }
    ask(&app, report("script-src-elem", "inline", "report")).await;
    ask(&app, report("img-src", "https://<img src=x>.example/", "enforce")).await;
    let text = shown(&page(&ask(&app, get("/ui/csp")).await));
    for part in [
        "<code>img-src</code>",
        "https://cdn.example",
        "<code>/ui/tasks</code>",
        "data-label=\"Count\" class=\"number\">3<",
        "</span> blocked</span>",
        "</span> would be blocked</span>",
        "<dt>Received</dt><dd>5</dd>",
    ] {
        assert!(text.contains(part), "{part} is not in {text}");
    }
    assert!(!text.contains("secret") && !text.contains("<img"), "{text}");
}

#[actix_web::test]
async fn the_audit_log_names_who_asked_for_what_and_how_it_came_out() {
    let (board, _) = board().await;
    let (admin, may_all) = token("adminadm", &["admin"]);
    let (reader, may_read) = token("readerre", &["tasks:read"]);
    let config = HttpConfig { tokens: vec![may_all, may_read], ..HttpConfig::default() };
    let app = serve(&board, config).await;
    let empty = page(&ask(&app, with(get("/ui/audit"), &admin)).await);
    assert!(empty.contains("Nobody has asked for a change") && empty.contains("Nobody was refused"), "{empty}");

    let later = r#"{"task": "add", "args": [1, 2], "run_after": "1h"}"#;
    let id = ask(&app, with(enqueue(later), &admin)).await.id();
    ask(&app, with(post("/queues/math/pause"), &admin)).await;
    ask(&app, with(post(&format!("/tasks/{id}/run-now")), &admin)).await;
    ask(&app, with(post(&format!("/tasks/{id}/cancel")), &reader)).await;
    ask(&app, post(&format!("/tasks/{id}/retry"))).await;
    ask(&app, with(get("/tasks"), &admin)).await;
    let text = shown(&page(&ask(&app, with(get("/ui/audit"), &admin)).await));
    let (done, refused) = text.split_once("<h2>Refused</h2>").unwrap();
    for part in
        ["token adminadm (\"name of adminadm\")", "POST /queues/math/pause", &format!("POST /tasks/{id}/run-now")]
    {
        assert!(done.contains(part), "{part} is not in {done}");
    }
    assert_eq!(done.matches("<code>POST ").count(), 2, "neither reading nor enqueuing is listed: {done}");
    for part in ["token readerre", &format!("POST /tasks/{id}/cancel"), &format!("POST /tasks/{id}/retry")] {
        assert!(refused.contains(part), "{part} is not in {refused}");
    }
    assert!(!text.contains(&admin) && !text.contains(&reader), "a token is shown");
}

#[actix_web::test]
async fn what_was_refused_pushes_nothing_out_of_the_audit_log() {
    let (board, _) = board().await;
    let (admin, may_all) = token("adminadm", &["admin"]);
    let app = serve(&board, HttpConfig { tokens: vec![may_all], ..HttpConfig::default() }).await;
    ask(&app, with(post("/queues/math/pause"), &admin)).await;
    for n in 0..600 {
        ask(&app, post(&format!("/queues/q{n}/pause"))).await;
    }
    let text = shown(&page(&ask(&app, with(get("/ui/audit"), &admin)).await));
    assert!(text.contains("POST /queues/math/pause"), "it is gone");
    assert_eq!(text.matches("POST /queues/q").count(), 100);
    assert!(text.contains("POST /queues/q599/pause") && !text.contains("POST /queues/q499/pause"), "{text}");
}

#[actix_web::test]
async fn who_may_not_see_a_page_has_no_link_to_it() {
    let (board, _) = board().await;
    let scopes = [("readread", "tasks:read"), ("metrmetr", "metrics:read"), ("adminadm", "admin")];
    let tokens: Vec<_> = scopes.iter().map(|(id, scope)| token(id, &[scope])).collect();
    let config =
        HttpConfig { tokens: tokens.iter().map(|(_, token)| token.clone()).collect(), ..HttpConfig::default() };
    let app = serve(&board, config).await;
    for ((text, _), seen) in tokens.iter().zip([["tasks"].as_slice(), &["csp"], &["tasks", "csp", "audit"]]) {
        for path in ["tasks", "csp", "audit"] {
            let answer = ask(&app, with(get(&format!("/ui/{path}")), text)).await;
            assert_eq!(answer.status.as_u16(), if seen.contains(&path) { 200 } else { 403 }, "{path} {seen:?}");
            let text = shown(&page(&answer));
            for linked in ["csp", "audit"] {
                let link = format!("<a href=\"/ui/{linked}\"");
                assert_eq!(text.contains(&link), seen.contains(&linked), "{linked} on {path} for {seen:?}");
            }
        }
    }
}
