//! Text in columns.

use super::output::bold;

/// The space between two columns.
const GAP: &str = "  ";

/// Rows under a heading; each column is as wide as its widest cell. Cells may be coloured.
pub(super) fn table(heading: &[&str], rows: &[Vec<String>]) -> String {
    let widths: Vec<usize> = heading
        .iter()
        .enumerate()
        .map(|(n, name)| {
            let cells = rows.iter().map(|row| row.get(n).map_or(0, |cell| width(cell)));
            cells.max().unwrap_or(0).max(width(name))
        })
        .collect();
    let heading: Vec<String> = heading.iter().map(bold).collect();
    std::iter::once(&heading).chain(rows).map(|row| line(row, &widths)).collect()
}

fn line(cells: &[String], widths: &[usize]) -> String {
    let padded = cells.iter().zip(widths).map(|(cell, wide)| format!("{cell}{}", " ".repeat(wide - width(cell))));
    format!("{}\n", padded.collect::<Vec<_>>().join(GAP).trim_end())
}

/// How many characters of a cell are shown.
fn width(cell: &str) -> usize {
    anstream::adapter::strip_str(cell).to_string().chars().count()
}
