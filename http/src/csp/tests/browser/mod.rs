//! What a real browser makes of it. Needs chromium and chromedriver; where they are missing these tests do not run,
//! and the end of `cargo test` says so.

pub(crate) mod driver;
mod site;

use std::time::Duration;

use driver::Browser;
use site::{Ask, Site};

use super::*;

/// How long one of these tests may take.
const WHOLE: Duration = Duration::from_secs(90);

/// Runs a test against a site and a browser of its own.
macro_rules! in_a_browser {
    ($browser:ident, $site:ident, $test:block) => {{
        let Some(programs) = driver::programs() else { return };
        let whole = async {
            let $site = Site::start().await;
            let $browser = Browser::start(&programs).await;
            $test
            $browser.close().await;
            $site.stop().await;
        };
        tokio::time::timeout(WHOLE, whole).await.expect("the test took too long");
    }};
}

#[actix_web::test]
async fn csp_in_a_browser_what_has_the_nonce_runs_and_what_was_injected_does_not_and_is_reported() {
    in_a_browser!(browser, site, {
        browser.open(&site.url("/page?name=<script>evil=1</script><p id=p style=color:red>x</p>&token=secret")).await;
        assert_eq!(browser.text("#state").await, "script ran");
        assert_eq!(browser.color("#state").await, "rgb(1, 2, 3)", "the style with the nonce holds");
        assert_eq!(browser.js("return window.evil === undefined && window.clicked === undefined").await, true);
        assert_eq!(browser.color("#p").await, "rgb(0, 0, 0)", "the injected style does not hold");

        let heard = site.heard(2).await;
        let find = |directive: &str| heard.iter().find(|violation| violation.directive == directive);
        for directive in ["script-src-elem", "style-src-attr"] {
            let violation = find(directive).unwrap_or_else(|| panic!("no {directive} in {heard:?}"));
            assert_eq!(violation.blocked, Blocked::Inline);
            assert_eq!((violation.page.as_str(), violation.browser), ("/page", "Chrome"));
            assert_eq!(violation.disposition, Disposition::Enforce);
            assert_eq!(violation.status, Some(200));
            assert_eq!(violation.policy.len(), 16);
        }
        let summary = site.reports().await;
        assert_eq!(summary.counts.received, heard.iter().map(|violation| violation.count).sum::<u64>());
        let kept = format!("{heard:?} {summary:?}");
        assert!(!kept.contains("secret"), "a query was kept: {kept}");
        assert!(!kept.contains(&site.last_nonce()), "the nonce was kept");

        // Another visit is the same violation by another nonce: counted, not told again.
        browser.open(&site.url("/page?name=<script>evil=1</script>")).await;
        site.until("the repetition is counted", |summary| summary.counts.repeated >= 1).await;
    });
}

#[actix_web::test]
async fn csp_in_a_browser_a_page_that_is_asked_for_again_still_works() {
    in_a_browser!(browser, site, {
        // The page without a nonce may be kept: its 304 has no policy, so the one that was kept with it stays.
        browser.open(&site.url("/kept")).await;
        assert_eq!(browser.text("#state").await, "script ran");
        browser.reload().await;
        assert_eq!(browser.text("#state").await, "script ran");
        assert_eq!(site.asked(), [Ask { path: "/kept", status: 200 }, Ask { path: "/kept", status: 304 }]);
        let late = "const late = document.createElement('script'); late.textContent = 'window.late = 1'; \
                    document.body.append(late); return window.late === undefined";
        assert_eq!(browser.js(late).await, true, "the policy that was kept holds");

        // The page with a nonce wanted to be kept and is not: each visit has a nonce of its own.
        browser.open(&site.url("/kept-nonce")).await;
        let first = site.last_nonce();
        browser.reload().await;
        assert_eq!(browser.text("#state").await, "script ran");
        assert_ne!(site.last_nonce(), first);
        let asked = site.asked();
        assert_eq!(asked[2..], [Ask { path: "/kept-nonce", status: 200 }; 2], "{asked:?}");
        // Also by the button that goes back.
        browser.open(&site.url("/kept")).await;
        browser.back().await;
        assert_eq!(browser.text("#state").await, "script ran");
    });
}

#[actix_web::test]
async fn csp_in_a_browser_a_304_with_a_new_nonce_would_break_the_page() {
    in_a_browser!(browser, site, {
        browser.open(&site.url("/wrong-304")).await;
        assert_eq!(browser.text("#state").await, "script ran");
        browser.reload().await;
        assert_eq!(browser.text("#state").await, "not run", "the rule about 304 is not needed any more");
    });
}

#[actix_web::test]
async fn csp_in_a_browser_overrides_hold_for_their_route_alone() {
    in_a_browser!(browser, site, {
        for (path, runs) in [("/inline", false), ("/off", true), ("/hashed", true), ("/inline", false)] {
            browser.open(&site.url(path)).await;
            let expected = if runs { "script ran" } else { "not run" };
            assert_eq!(browser.text("#state").await, expected, "{path}");
        }
    });
}

#[actix_web::test]
async fn csp_in_a_browser_a_policy_that_only_reports_blocks_nothing_and_reports() {
    in_a_browser!(browser, site, {
        browser.open(&site.url("/report-only")).await;
        assert_eq!(browser.text("#state").await, "script ran");
        let heard = site.heard(1).await;
        assert_eq!(heard[0].disposition, Disposition::Report, "{heard:?}");
        assert_eq!((heard[0].directive.as_str(), heard[0].page.as_str()), ("script-src-elem", "/report-only"));
        assert_eq!(heard[0].sample, "document.getElementById('state').textCon");
    });
}

#[actix_web::test]
async fn csp_in_a_browser_a_policy_that_is_set_holds_from_the_next_page_on() {
    in_a_browser!(browser, site, {
        browser.open(&site.url("/inline")).await;
        assert_eq!(browser.text("#state").await, "not run");
        let wide = Policy::builder().script_src(Source::Dangerous(Unsafe::Inline)).build().unwrap();
        site.set(SetPolicy::enforce(wide)).await;
        browser.reload().await;
        assert_eq!(browser.text("#state").await, "script ran");
        site.set(SetPolicy::enforce(Policy::strict().build().unwrap())).await;
        browser.reload().await;
        assert_eq!(browser.text("#state").await, "not run");
    });
}
