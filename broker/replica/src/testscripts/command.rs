//! One line of a script: a name and arguments. Panics on what it does not know.

use std::collections::BTreeMap;

use barnabas_types::{BrokerId, Offset, Uuid};

/// One line of a script.
pub(super) struct Command<'a> {
    pub(super) name: &'a str,
    /// In the order of the line, for commands whose arguments are partitions.
    pub(super) words: Vec<&'a str>,
    arguments: BTreeMap<&'a str, &'a str>,
}

impl<'a> Command<'a> {
    pub(super) fn parse(line: &'a str) -> Self {
        let mut words = line.split_whitespace();
        let name = words.next().unwrap();
        let words: Vec<_> = words.collect();
        let arguments = words.iter().filter_map(|word| word.split_once('=')).collect();
        Self { name, words, arguments }
    }

    pub(super) fn text(&self, name: &str) -> Option<&'a str> {
        self.arguments.get(name).copied()
    }

    pub(super) fn number<T: std::str::FromStr>(&self, name: &str, default: T) -> T {
        self.text(name).map_or(default, |text| text.parse().ok().expect(text))
    }

    pub(super) fn offset(&self, name: &str, default: i64) -> Offset {
        Offset(self.number(name, default))
    }

    /// `1,2,3`; nothing for none.
    pub(super) fn brokers(&self, name: &str) -> Vec<BrokerId> {
        self.list(name).map(|text| BrokerId(text.parse().expect(text))).collect()
    }

    /// `11,12,13`, the numbers of ids; nothing for none.
    pub(super) fn ids(&self, name: &str) -> Vec<Uuid> {
        self.list(name).map(|text| Uuid::from_u128(text.parse().expect(text))).collect()
    }

    fn list(&self, name: &str) -> impl Iterator<Item = &'a str> + use<'a> {
        self.text(name).unwrap_or_default().split(',').filter(|text| !text.is_empty())
    }
}
