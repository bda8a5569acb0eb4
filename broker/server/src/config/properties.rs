//! The syntax of Java's properties files. Reads a text into keys and values and knows nothing of either.

/// A line that is not a property.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: \\u must be followed by four hexadecimal digits")]
pub struct PropertiesError {
    /// The line, from 1, on which the property begins.
    pub line: usize,
}

/// One property.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Property {
    /// The key, unescaped.
    pub key: String,
    /// The value, unescaped; blanks at its end are part of it.
    pub value: String,
    /// The line, from 1, on which it begins.
    pub line: usize,
}

/// Reads the properties of `text` in their order. A key may come again; the last one counts.
///
/// # Errors
/// An escape that Java refuses too.
pub fn parse(text: &str) -> Result<Vec<Property>, PropertiesError> {
    let mut properties = Vec::new();
    // A byte order mark is nobody's first key.
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut lines = text.split('\n').map(|line| line.strip_suffix('\r').unwrap_or(line)).enumerate();
    while let Some((index, first)) = lines.next() {
        let line = index + 1;
        let mut logical = blank_trimmed(first).to_owned();
        if logical.is_empty() || logical.starts_with(['#', '!']) {
            continue;
        }
        while continues(&logical) {
            logical.pop();
            let Some((_, next)) = lines.next() else { break };
            logical.push_str(blank_trimmed(next));
        }
        let (key, value) = split(&logical);
        let unescape = |text| unescape(text).ok_or(PropertiesError { line });
        properties.push(Property { key: unescape(key)?, value: unescape(value)?, line });
    }
    Ok(properties)
}

fn is_blank(letter: char) -> bool {
    matches!(letter, ' ' | '\t' | '\u{c}')
}

fn blank_trimmed(line: &str) -> &str {
    line.trim_start_matches(is_blank)
}

/// A line goes on where an odd number of backslashes ends it.
fn continues(line: &str) -> bool {
    line.chars().rev().take_while(|letter| *letter == '\\').count() % 2 == 1
}

/// Splits at the first `=`, `:` or blank that no backslash protects; blanks around a separator go.
fn split(line: &str) -> (&str, &str) {
    let mut escaped = false;
    let end = line.find(|letter: char| {
        let ends = !escaped && (matches!(letter, '=' | ':') || is_blank(letter));
        escaped = !escaped && letter == '\\';
        ends
    });
    let (key, rest) = line.split_at(end.unwrap_or(line.len()));
    let rest = blank_trimmed(rest);
    (key, blank_trimmed(rest.strip_prefix(['=', ':']).unwrap_or(rest)))
}

fn unescape(text: &str) -> Option<String> {
    // Java's escapes are UTF-16 units, and two of them may make one letter.
    let mut units: Vec<u16> = Vec::with_capacity(text.len());
    let mut letters = text.chars();
    let mut buffer = [0; 2];
    while let Some(letter) = letters.next() {
        let letter = match letter {
            '\\' => match letters.next() {
                None => break,
                Some('t') => '\t',
                Some('n') => '\n',
                Some('r') => '\r',
                Some('f') => '\u{c}',
                Some('u') => {
                    let mut unit = 0;
                    for _ in 0..4 {
                        unit = unit << 4 | letters.next()?.to_digit(16)?;
                    }
                    units.push(unit as u16);
                    continue;
                }
                Some(other) => other,
            },
            letter => letter,
        };
        units.extend_from_slice(letter.encode_utf16(&mut buffer));
    }
    Some(String::from_utf16_lossy(&units))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pairs(text: &str) -> Vec<(String, String)> {
        parse(text).unwrap().into_iter().map(|property| (property.key, property.value)).collect()
    }

    fn one(text: &str) -> (String, String) {
        let mut pairs = pairs(text);
        assert_eq!(pairs.len(), 1, "{text:?}");
        pairs.remove(0)
    }

    #[test]
    fn separators_are_equals_colons_and_blanks() {
        for text in ["key=value", "key:value", "key value", "  key \t = value", "key  :value", "\u{feff}key=value\r\n"]
        {
            assert_eq!(one(text), ("key".into(), "value".into()), "{text:?}");
        }
        assert_eq!(one("listeners=PLAINTEXT://:9092"), ("listeners".into(), "PLAINTEXT://:9092".into()));
        assert_eq!(one("key=a=b"), ("key".into(), "a=b".into()));
        assert_eq!(one("key"), ("key".into(), String::new()));
        assert_eq!(one("key= value  "), ("key".into(), "value  ".into()), "blanks at the end stay");
    }

    #[test]
    fn comments_and_empty_lines_are_passed_over() {
        assert_eq!(pairs("# one\n\n  ! two \\\na=1\n   \n#b=2"), [("a".into(), "1".into())]);
    }

    #[test]
    fn a_backslash_at_the_end_continues_the_line() {
        assert_eq!(one("key=a,\\\n    b,\\\r\n\tc"), ("key".into(), "a,b,c".into()));
        assert_eq!(pairs("key=a\\\\\nnext=b").len(), 2, "an even number of backslashes does not");
        assert_eq!(one("key=a\\"), ("key".into(), "a".into()));
        assert_eq!(one("key=a\\\n# not a comment"), ("key".into(), "a# not a comment".into()));
    }

    #[test]
    fn escapes_are_javas() {
        assert_eq!(one(r"a\ b\=c=d\te\\f"), ("a b=c".into(), "d\te\\f".into()));
        assert_eq!(one(r"key=\u00e9\ud83d\ude00\q"), ("key".into(), "é😀q".into()));
        assert_eq!(parse("a=1\nb=\\u12").unwrap_err(), PropertiesError { line: 2 });
        assert_eq!(parse("b=\\uzzzz").unwrap_err(), PropertiesError { line: 1 });
    }

    #[test]
    fn lines_are_counted_where_a_property_begins() {
        let lines: Vec<usize> = parse("\na=1\\\n2\nb=3").unwrap().iter().map(|property| property.line).collect();
        assert_eq!(lines, [2, 4]);
    }
}
