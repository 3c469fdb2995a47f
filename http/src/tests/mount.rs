//! The routes in an application of somebody else.

use actix_web::{HttpResponse, ResponseError as _, web};

use super::*;

#[actix_web::test]
async fn routes_work_at_the_root_beside_the_applications_own() {
    let (board, _) = board().await;
    let app = App::new()
        .configure(crate::routes(&board))
        .route("/", web::get().to(|| async { HttpResponse::Ok().body("home") }))
        .default_service(web::to(|| async { HttpResponse::NotFound().body("lost") }));
    let app = actix_web::test::init_service(app).await;
    assert_eq!(ask(&app, enqueue(r#"{"task": "add", "args": [1, 2]}"#)).await.status, 202);
    let home = ask(&app, get("/")).await;
    assert_eq!((home.body.as_slice(), home.header("x-request-id")), (b"home".as_slice(), None));
    assert_eq!(ask(&app, get("/elsewhere")).await.body, b"lost");
}

#[actix_web::test]
async fn routes_work_under_a_prefix_and_name_it_in_their_links() {
    let (board, _) = board().await;
    let app = App::new().service(web::scope("/api/tasks").configure(crate::routes(&board)));
    let app = actix_web::test::init_service(app).await;
    let request = post("/api/tasks/enqueue").insert_header(("content-type", "application/json"));
    let answer = ask(&app, request.set_payload(r#"{"task": "add", "args": [1, 2], "run_after": "1h"}"#)).await;
    let path = format!("/api/tasks/tasks/{}", answer.id());
    assert_eq!(answer.header("location"), Some(path.as_str()));
    assert_eq!(answer.json()["links"]["cancel"], format!("{path}/cancel"));

    let found = ask(&app, get(&path)).await;
    assert_eq!(found.json()["links"]["self"], path);
    let listed = ask(&app, get("/api/tasks/tasks?limit=1")).await;
    assert_eq!(listed.json()["items"][0]["links"]["self"], path);
    assert_eq!(ask(&app, post(&format!("{path}/cancel"))).await.json()["links"]["self"], path);
    assert_eq!(ask(&app, get("/api/tasks/healthz")).await.status, 200);
    assert_eq!(ask(&app, get(&format!("{path}/nothing"))).await.problem(), "not-found");
}

#[actix_web::test]
async fn an_application_may_guard_the_routes_itself() {
    let (board, _) = board().await;
    let config = HttpConfig { guard: crate::Guard::Application, ..HttpConfig::default() };
    let app = actix_web::test::init_service(App::new().configure(crate::routes_with(&board, config))).await;
    let remote =
        |request: TestRequest| request.peer_addr("192.0.2.1:5000".parse().unwrap()).insert_header(("host", "app.test"));
    assert_eq!(ask(&app, remote(get("/registry"))).await.status, 200);
    let forged = remote(enqueue(r#"{"task": "add", "args": [1, 2]}"#)).insert_header(("origin", "http://evil.test"));
    assert_eq!(ask(&app, forged).await.problem(), "csrf");
}

#[actix_web::test]
async fn a_handler_of_ones_own_hands_a_boards_refusal_on() {
    async fn own(board: web::Data<Callboard>, queue: web::Path<String>) -> Result<HttpResponse, crate::Refused> {
        let result = board.enqueue(add::with(1, 2).queue(queue.into_inner())).await?;
        Ok(HttpResponse::Accepted().body(result.id().to_string()))
    }
    let (board, _) = board().await;
    let app = App::new().app_data(web::Data::new(board.clone())).route("/own/{queue}", web::post().to(own));
    let app = actix_web::test::init_service(app).await;
    assert_eq!(ask(&app, post("/own/math")).await.status, 202);

    let refused = ask(&app, post("/own/nowhere")).await;
    assert_eq!((refused.status.as_u16(), refused.header("content-type")), (422, Some("application/problem+json")));
    assert_eq!(refused.json()["type"], "/problems/queue-not-allowed");
    assert_eq!(refused.json()["errors"][0]["pointer"], "#/queue");

    board.shutdown().await;
    let late = ask(&app, post("/own/math")).await;
    assert_eq!((late.status.as_u16(), late.header("retry-after")), (503, Some("5")));
    assert_eq!(late.json()["type"], "/problems/draining");
}

#[actix_web::test]
async fn what_is_the_programs_own_fault_is_not_told() {
    let error = std::io::Error::other("the password of the database is wrong");
    let answer = crate::Refused::internal(&error).error_response();
    assert_eq!(answer.status(), 500);
    let body = actix_web::body::to_bytes(answer.into_body()).await.unwrap();
    let body = String::from_utf8(body.to_vec()).unwrap();
    assert!(body.contains("/problems/internal") && !body.contains("password"), "{body}");
}
