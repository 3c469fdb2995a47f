//! What somebody may have meant who wrote a name that does not exist.

/// `; did you mean "row"?`, what there is if that is little, or nothing.
pub(crate) fn did_you_mean(name: &str, names: &[&str]) -> String {
    const FEW: usize = 8;
    let near = names.iter().map(|known| (strsim::osa_distance(name, known), *known)).min();
    let like = |known: &str| strsim::jaro_winkler(name, known) > 0.8;
    match near {
        // A letter wrong in a short name, a few in a long one.
        Some((distance, known)) if distance <= (name.chars().count() / 3).max(1) || like(known) => {
            format!("; did you mean \"{known}\"?")
        }
        Some(_) if names.len() <= FEW => format!("; it has {}", names.join(", ")),
        _ => String::new(),
    }
}
