//! `rate_limit`.

use super::*;

#[actix_web::test]
async fn who_asks_too_often_is_told_when_to_ask_again() {
    let (board, _) = board().await;
    let rate_limit = Some("3/1h".parse().unwrap());
    let app = serve(&board, HttpConfig { rate_limit, ..HttpConfig::default() }).await;
    for _ in 0..3 {
        assert_eq!(ask(&app, get("/tasks")).await.status, 200);
    }
    let answer = ask(&app, get("/registry")).await;
    assert_eq!((answer.status.as_u16(), answer.problem().as_str()), (429, "rate-limited"));
    let pause: u64 = answer.header("retry-after").unwrap().parse().unwrap();
    assert!((1_100..=1_201).contains(&pause), "{pause}");
    assert_eq!(ask(&app, get("/healthz")).await.status, 200);
    let other = TestRequest::get().uri("/healthz").peer_addr("[::1]:5000".parse().unwrap());
    assert_eq!(ask(&app, other).await.status, 200);
    let other = TestRequest::get().uri("/tasks").peer_addr("[::1]:5000".parse().unwrap());
    assert_eq!(ask(&app, other.insert_header(("host", "localhost"))).await.status, 200);
}

#[actix_web::test]
async fn each_token_has_a_rate_of_its_own() {
    let (board, _) = board().await;
    let (ann, one) = super::tokens::token("annannan", &["tasks:read"]);
    let (bob, other) = super::tokens::token("bobbobbo", &["tasks:read"]);
    let rate_limit = Some("2/1h".parse().unwrap());
    let app = serve(&board, HttpConfig { rate_limit, tokens: vec![one, other], ..HttpConfig::default() }).await;
    let statuses = async |text: &str| {
        let mut statuses = Vec::new();
        for _ in 0..3 {
            statuses.push(ask(&app, super::tokens::with(get("/tasks"), text)).await.status.as_u16());
        }
        statuses
    };
    assert_eq!(statuses(&ann).await, [200, 200, 429]);
    assert_eq!(statuses(&bob).await, [200, 200, 429]);
    // Wrong tokens are counted by where they come from.
    assert_eq!(statuses("tk_wrong").await, [401, 401, 429]);
}
