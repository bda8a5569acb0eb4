//! Text in the format of Java's properties files. Escapes whatever the format gives a meaning to.

use std::fmt::Write as _;

/// One `key=value` line per entry, in the order given.
pub fn render<'a>(entries: impl IntoIterator<Item = (&'a str, &'a str)>) -> String {
    let mut text = String::new();
    for (key, value) in entries {
        for character in key.chars() {
            escape(&mut text, character, matches!(character, '=' | ':' | '#' | '!' | ' '));
        }
        text.push('=');
        for (index, character) in value.chars().enumerate() {
            escape(&mut text, character, index == 0 && character == ' ');
        }
        text.push('\n');
    }
    text
}

fn escape(text: &mut String, character: char, with_backslash: bool) {
    match character {
        '\\' => text.push_str("\\\\"),
        '\n' => text.push_str("\\n"),
        '\r' => text.push_str("\\r"),
        '\t' => text.push_str("\\t"),
        '\u{c}' => text.push_str("\\f"),
        _ if with_backslash => {
            text.push('\\');
            text.push(character);
        }
        // The format's own way for what is not ASCII: one \u per UTF-16 unit.
        _ if !character.is_ascii() => {
            for unit in character.encode_utf16(&mut [0; 2]) {
                // Writing into a String cannot fail.
                let _ = write!(text, "\\u{unit:04X}");
            }
        }
        _ => text.push(character),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_format_gives_a_meaning_to_is_escaped() {
        let text = render([("a b=c", " x\ny\\z"), ("plain", "p:1,q=2 # no comment")]);
        assert_eq!(text, "a\\ b\\=c=\\ x\\ny\\\\z\nplain=p:1,q=2 # no comment\n");
    }

    #[test]
    fn a_value_cannot_smuggle_in_a_second_key() {
        assert_eq!(render([("k", "v\nnode.id=7")]).lines().count(), 1);
    }

    #[test]
    fn other_scripts_are_written_in_ascii() {
        assert_eq!(render([("k", "é😀")]), "k=\\u00E9\\uD83D\\uDE00\n");
    }
}
