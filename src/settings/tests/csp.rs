//! `[csp]`.

use callboard_http::csp::Policies;

use super::*;

#[test]
fn policies_are_read_in_the_shape_of_djangos() {
    let settings = good(&format!(
        "{MEMORY}[csp]\nenforce = {{ default-src = [\"'self'\"], script-src = [\"'self'\", \"nonce\"] }}\n\
         report_only = {{ default-src = \"'none'\", upgrade-insecure-requests = true, sandbox = false }}\n"
    ));
    assert_eq!(settings.csp.enforce.unwrap().to_string(), "default-src 'self'; script-src 'self' 'nonce'");
    assert_eq!(settings.csp.report_only.unwrap().to_string(), "default-src 'none'; upgrade-insecure-requests");
    assert_eq!(good(MEMORY).csp, Policies::default());
    assert_eq!(good(&format!("{MEMORY}[csp]\nenforce = {{}}\nreport_only = {{}}\n")).csp, Policies::default());
}

#[test]
fn a_variable_says_it_as_a_header_does() {
    let variables =
        [("CALLBOARD__CSP__ENFORCE__SCRIPT-SRC", "'self' nonce"), ("CALLBOARD__CSP__ENFORCE__SANDBOX", "true")];
    let settings = read_with(MEMORY, &variables).unwrap();
    assert_eq!(settings.csp.enforce.unwrap().to_string(), "sandbox; script-src 'self' 'nonce'");
}

#[test]
fn what_is_no_map_of_directives_is_a_problem_for_each() {
    // Django 175
    for wrong in ["false", "0", "\"\"", "[]", "\"'self'\""] {
        let found = problems(&format!("{MEMORY}[csp]\nenforce = {wrong}\nreport_only = {wrong}\n"));
        assert_eq!(found.len(), 2, "{found:?}");
        for (found, key) in found.iter().zip(["enforce", "report_only"]) {
            assert!(found.contains(&format!("csp.{key} is ")) && found.contains("write a table"), "{found}");
        }
    }
}

#[test]
fn every_mistake_is_reported_with_its_line() {
    let text = "[csp.enforce]\nscript-src = [\"self\", \"'slef'\"]\nscript-scr = [\"'self'\"]\nimg-src = 5\n\
                font-src = [1]\n[csp.report_only]\nreport-to = \"csp\"\n[csp]\nreports = 1\n";
    let found = problems(&format!("{MEMORY}{text}"));
    let expected = [
        "callboard.toml:4: csp.enforce.script-src \"self\" is a keyword without its quotes; write \"'self'\"",
        "callboard.toml:4: csp.enforce.script-src \"'slef'\" is no keyword; did you mean \"'self'\"?",
        "callboard.toml:5: csp.enforce.script-scr is no directive; did you mean script-src?",
        "callboard.toml:6: csp.enforce.img-src is 5; write a list of texts such as [\"'self'\"], true or false",
        "callboard.toml:7: csp.enforce.font-src is a list; write a list of texts such as [\"'self'\"], true or false",
        "callboard.toml:9: csp.report_only.report-to names an endpoint without an address",
        "callboard.toml:11: csp.reports is no setting; did you mean report_only?",
    ];
    assert_eq!(found.len(), expected.len(), "{found:#?}");
    for (found, expected) in found.iter().zip(expected) {
        assert!(found.starts_with(expected), "{found}\nis not\n{expected}");
    }
}
