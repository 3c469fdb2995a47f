//! The dashboard in a real browser, with scripts switched on and none to run. Needs chromium and chromedriver; where they
//! are missing this does not run, and the end of `cargo test` says so.

use std::net::TcpListener;

use super::*;
use crate::csp::tests::browser::driver::{self, Browser};

/// How long the whole may take.
const WHOLE: Duration = Duration::from_secs(90);

#[actix_web::test]
async fn ui_in_a_browser_tasks_and_queues_are_steered_by_clicks_and_hostile_text_does_nothing() {
    let Some(programs) = driver::programs() else { return };
    let whole = async {
        let (board, _) = board().await;
        let app = serve(&board, HttpConfig::default()).await;
        let hostile =
            r#"{"task": "fail", "args": ["<img src=x onerror='window.evil = 1'><script>window.evil = 1</script>"]}"#;
        let failed = ask(&app, enqueue(hostile)).await.id();
        finished(&board, &failed).await;
        let waiting = ask(&app, enqueue(r#"{"task": "add", "args": [1, 2], "run_after": "1h"}"#)).await.id();

        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let root = format!("http://{}", listener.local_addr().unwrap());
        let config = HttpConfig { workers: Some(1), ..HttpConfig::default() };
        let server = crate::server(&board, config, listener).unwrap();
        let handle = server.handle();
        actix_web::rt::spawn(server);
        let browser = Browser::start(&programs).await;

        for path in ["/ui/", "/ui/tasks", &format!("/ui/tasks/{failed}"), "/ui/queues", "/docs"].into_iter().chain([
            "/ui/schedules",
            "/ui/workers",
            "/ui/csp",
            "/ui/audit",
            "/problems/",
            "/problems/csrf",
        ]) {
            browser.open(&format!("{root}{path}")).await;
            let title = browser.js("return document.title").await;
            assert!(title.as_str().unwrap().ends_with("– Callboard"), "{path}: {title}");
            // The style is there, so the policy let it in.
            assert_eq!(browser.js("return getComputedStyle(document.querySelector('header')).display").await, "flex");
            assert_eq!(
                browser.js("return window.evil === undefined && document.scripts.length === 0").await,
                true,
                "{path}"
            );
            assert_eq!(browser.js("return document.images.length").await, 0, "{path}");
            // What does not fit scrolls within its own box.
            let fits = "return document.documentElement.scrollWidth <= document.documentElement.clientWidth";
            assert_eq!(browser.js(fits).await, true, "{path}");
        }
        browser.open(&format!("{root}/ui/tasks/{failed}")).await;
        assert!(browser.text("main").await.contains("<script>window.evil = 1</script>"), "it is shown as it is");

        browser.open(&format!("{root}/ui/tasks?phase=scheduled")).await;
        browser.click("tbody th a").await;
        browser.until("form[action$='/cancel']").await;
        assert!(browser.text("main").await.contains(&waiting));
        browser.click("form[action$='/cancel'] button").await;
        browser.until("[role=status]").await;
        assert_eq!(browser.text("[role=status]").await, "The task was cancelled.");
        assert_eq!(ask(&app, get(&format!("/tasks/{waiting}"))).await.json()["phase"], "cancelled");

        browser.click("nav a[href$='/ui/queues']").await;
        browser.click("form[action*='/math/pause?backend=default'] button").await;
        browser.until("form[action*='/math/resume?backend=default'] button").await;
        assert_eq!(ask(&app, get("/queues/math")).await.json()["paused"], true);
        browser.click("form[action*='/math/resume?backend=default'] button").await;
        browser.until("form[action*='/math/pause?backend=default'] button").await;
        assert_eq!(ask(&app, get("/queues/math")).await.json()["paused"], false);

        browser.close().await;
        handle.stop(false).await;
        board.shutdown().await;
    };
    tokio::time::timeout(WHOLE, whole).await.expect("the test took too long");
}
