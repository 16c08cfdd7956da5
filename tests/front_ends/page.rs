//! The pages of `docs/`: what they show is what is run.

use std::{fs, path::Path};

/// The blocks of a page that are in this language, in their order.
pub fn blocks(page: &str, language: &str) -> Vec<String> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs").join(page);
    let text = fs::read_to_string(path).unwrap();
    let fence = format!("```{language}\n");
    let blocks = text.split(&fence).skip(1).map(|rest| rest.split("```").next().unwrap());
    blocks.map(str::to_owned).collect()
}

/// The one block of a page in this language, with other addresses and paths than it shows.
pub fn block(page: &str, language: &str, changes: &[(&str, String)]) -> String {
    let blocks = blocks(page, language);
    assert_eq!(blocks.len(), 1, "{page} has one block of {language}");
    changed(&blocks[0], changes)
}

/// The text with every change made; each of them is one that can be made.
pub fn changed(text: &str, changes: &[(&str, String)]) -> String {
    changes.iter().fold(text.to_owned(), |text, (from, to)| {
        assert!(text.contains(from), "`{from}` is not in the recipe");
        text.replace(from, to)
    })
}
