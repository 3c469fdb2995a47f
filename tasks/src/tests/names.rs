use crate::{MAX_NAME, check_name};

#[test]
fn letters_digits_and_four_signs_are_allowed_and_no_other_character_is() {
    let allowed: String =
        (0..=char::MAX as u32).filter_map(char::from_u32).filter(|c| check_name(&c.to_string()).is_ok()).collect();
    assert_eq!(allowed, "-.0123456789:ABCDEFGHIJKLMNOPQRSTUVWXYZ_abcdefghijklmnopqrstuvwxyz");
}

#[test]
fn a_name_has_1_to_128_bytes() {
    assert_eq!(check_name("").unwrap_err(), "is empty; give 1 to 128 characters");
    assert!(check_name("a").is_ok());
    assert!(check_name(&"a".repeat(MAX_NAME)).is_ok());
    assert_eq!(check_name(&"a".repeat(129)).unwrap_err(), "is 129 bytes long; at most 128 are allowed");
}

#[test]
fn the_problem_names_the_first_character_that_is_not_allowed() {
    let problem = |name| check_name(name).unwrap_err();
    assert_eq!(problem("my queue/2"), "contains ' '; use letters, digits, `_`, `.`, `:` and `-`");
    assert_eq!(problem("a\0"), "contains '\\0'; use letters, digits, `_`, `.`, `:` and `-`");
    assert_eq!(problem("größe"), "contains 'ö'; use letters, digits, `_`, `.`, `:` and `-`");
}
