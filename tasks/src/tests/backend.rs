use crate::QueueNames;

// Django 13, 14
#[test]
fn no_list_of_queues_means_default_alone_and_an_empty_one_means_any() {
    let unsaid = QueueNames::default();
    assert_eq!(unsaid, QueueNames::standard());
    assert!(unsaid.allow("default") && !unsaid.allow("mail"));

    let any = QueueNames::from_list(Vec::<String>::new());
    assert_eq!(any, QueueNames::Any);
    assert!(any.allow("mail"));
}

#[test]
fn a_list_of_queues_allows_those_and_no_others() {
    let queues = QueueNames::from_list(["mail", "math", "mail"]);
    assert!(queues.allow("mail") && queues.allow("math"));
    assert!(!queues.allow("default") && !queues.allow("Mail") && !queues.allow(""));
}
