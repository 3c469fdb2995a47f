//! The plain text of a mail that has HTML alone.

/// The width of its lines.
const WIDTH: usize = 78;

/// What a reader without HTML gets: paragraphs, lists and tables as text, and the addresses of links below.
///
/// # Errors
///
/// What the HTML has that cannot be shown as text.
pub fn text_from_html(html: &str) -> Result<String, String> {
    let text = html2text::config::plain()
        .allow_width_overflow()
        .string_from_read(html.as_bytes(), WIDTH)
        .map_err(|error| format!("cannot be shown as text: {error}"))?;
    let text: Vec<&str> = text.lines().map(str::trim_end).collect();
    let text = text.join("\n");
    Ok(format!("{}\n", text.trim_matches('\n')))
}
