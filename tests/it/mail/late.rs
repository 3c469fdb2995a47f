//! Mail whose template is rendered when it is sent (M1).

use std::sync::Arc;

use serde_json::{Value, json};

use super::server::{Act, Smtp};
use crate::support::{Folder, Server};

const OFFER: &str = "{% partialdef subject %}Only {{ price }}{% endpartialdef %}\
                     {% partialdef text %}It costs {{ price }}{% endpartialdef %}";

fn server(smtp: &Smtp) -> Server {
    let folder = Folder::new();
    std::fs::create_dir(folder.path().join("templates")).unwrap();
    folder.write("templates/offer.email", OFFER);
    folder.write(
        "callboard.toml",
        &format!(
            "[tasks.default]\nurl = \"jobs.db\"\n[mail.default]\nbackend = \"smtp\"\nhost = \"127.0.0.1\"\nport = {}\n\
             from = \"shop@example.com\"\n[templates]\ndir = \"templates\"\npreviews = true\n",
            smtp.port()
        ),
    );
    Server::start_in(Arc::new(folder), &[], &[])
}

fn offer(render: &str) -> Value {
    json!({"task": "send_templated_email", "run_after": "1h", "args":
        {"template": "offer", "to": "ann@example.com", "context": {"price": 5}, "render": render}})
}

#[test]
fn a_call_that_asks_for_it_is_rendered_by_each_attempt_under_one_id() {
    let smtp = Smtp::with(|moment| (moment.verb == "END" && moment.nth == 1).then_some(Act::Say("451 4.3.0 later")));
    let server = server(&smtp);
    let id = server.enqueue(&offer("send"));
    let args = server.get(&format!("/tasks/{id}")).json()["args"].clone();
    assert_eq!((&args["template"], &args["context"]), (&json!("offer"), &json!({"price": 5})));
    assert!(args["rendered"].is_null(), "{args}");
    let run = || assert_eq!(server.post(&format!("/tasks/{id}/run-now"), &json!({})).status, 200);
    run();
    server.until_phase(&id, "retry_wait");
    server.folder.write("templates/offer.email", &OFFER.replace("Only", "Now only"));
    run();
    assert_eq!(server.until_finished(&id)["status"], "SUCCESSFUL");
    let text = smtp.until_mails(1)[0].text();
    assert!(text.contains("Subject: Now only 5\r\n"), "{text}");
    assert!(text.contains(&format!("Message-ID: <{id}@example.com>\r\n")), "{text}");
}

#[test]
fn what_does_not_render_now_is_refused_now_and_what_was_rendered_stays() {
    let smtp = Smtp::start();
    let server = server(&smtp);
    let mut wrong = offer("send");
    wrong["args"]["template"] = json!("missing");
    let reply = server.post("/enqueue", &wrong);
    assert_eq!((reply.status, reply.json()["errors"][0]["pointer"].clone()), (422, json!("#/args/template")));
    let mut wrong = offer("later");
    wrong["args"]["render"] = json!("later");
    let reply = server.post("/enqueue", &wrong);
    assert_eq!(reply.status, 422, "{}", reply.text);
    assert!(reply.text.contains("render"), "{}", reply.text);

    let id = server.enqueue(&offer("enqueue"));
    server.folder.write("templates/offer.email", &OFFER.replace("Only", "Now only"));
    assert_eq!(server.post(&format!("/tasks/{id}/run-now"), &json!({})).status, 200);
    assert_eq!(server.until_finished(&id)["status"], "SUCCESSFUL");
    assert!(smtp.until_mails(1)[0].text().contains("Subject: Only 5\r\n"));
}
