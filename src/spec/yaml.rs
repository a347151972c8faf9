//! YAML as a tree in which every key and value knows its line and column.
//!
//! Nothing is interpreted here: a scalar keeps its text and whether it was quoted, so that `1.10` in a string field
//! and `yes` in a flag can be judged by what the field wants.

use std::collections::BTreeMap;

use granit_parser::{Event, Parser, ScalarStyle, ScanError, Span};

/// A place in the text; both count from 1.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Mark {
    pub(crate) line: usize,
    pub(crate) column: usize,
}

/// A value and where it starts.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Node {
    pub(crate) mark: Mark,
    pub(crate) content: Content,
}

/// What a value is.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Content {
    Scalar { text: String, plain: bool },
    Seq(Vec<Node>),
    Map(Vec<Entry>),
}

/// A key with its value.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Entry {
    pub(crate) key: String,
    pub(crate) key_mark: Mark,
    pub(crate) value: Node,
}

/// A text that is not YAML, or YAML that no spec needs.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct SyntaxError {
    pub(crate) mark: Mark,
    pub(crate) message: String,
}

/// Most values of a text, aliases counted as often as they are used: stops a few lines from growing into gigabytes.
const MAX_NODES: usize = 200_000;

impl Node {
    /// Whether it stands for "nothing": empty, `~` or `null`.
    pub(crate) fn is_null(&self) -> bool {
        matches!(&self.content, Content::Scalar { text, plain: true } if matches!(text.as_str(), "" | "~" | "null" | "Null" | "NULL"))
    }

    /// The text of a scalar.
    pub(crate) fn text(&self) -> Option<&str> {
        match &self.content {
            Content::Scalar { text, .. } => Some(text),
            Content::Seq(_) | Content::Map(_) => None,
        }
    }

    /// The value of a key.
    pub(crate) fn get(&self, key: &str) -> Option<&Node> {
        match &self.content {
            Content::Map(entries) => entries.iter().find(|e| e.key == key).map(|e| &e.value),
            Content::Scalar { .. } | Content::Seq(_) => None,
        }
    }

    /// The entries of a mapping, to change.
    pub(crate) fn entries_mut(&mut self) -> Option<&mut Vec<Entry>> {
        match &mut self.content {
            Content::Map(entries) => Some(entries),
            Content::Scalar { .. } | Content::Seq(_) => None,
        }
    }

    /// Takes a key out of a mapping.
    pub(crate) fn remove(&mut self, key: &str) -> Option<Entry> {
        let entries = self.entries_mut()?;
        let i = entries.iter().position(|e| e.key == key)?;
        Some(entries.remove(i))
    }

    fn size(&self) -> usize {
        1 + match &self.content {
            Content::Scalar { .. } => 0,
            Content::Seq(items) => items.iter().map(Node::size).sum(),
            Content::Map(entries) => entries.iter().map(|e| e.value.size()).sum(),
        }
    }
}

impl From<Span> for Mark {
    fn from(span: Span) -> Self {
        Mark { line: span.start.line(), column: span.start.col() + 1 }
    }
}

/// The documents of a text, empty ones left out, and the error that ended reading, if any.
pub(crate) fn documents(text: &str) -> (Vec<Node>, Option<SyntaxError>) {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let options = granit_parser::options! { emit_comments: false, block_nesting_limit: 64, flow_nesting_limit: 64 };
    let mut reader =
        Reader { events: Parser::new_from_str_with_options(text, options), anchors: BTreeMap::new(), size: 0 };
    let mut found = Vec::new();
    let end = reader.all(&mut found).err();
    (found, end)
}

struct Reader<E> {
    events: E,
    anchors: BTreeMap<usize, Node>,
    size: usize,
}

impl<'t, E: Iterator<Item = Result<(Event<'t>, Span), ScanError>>> Reader<E> {
    fn all(&mut self, found: &mut Vec<Node>) -> Result<(), SyntaxError> {
        while let Some((event, span)) = self.next()? {
            match event {
                Event::StreamStart | Event::StreamEnd | Event::DocumentEnd => {}
                Event::DocumentStart(..) => self.anchors.clear(),
                event => {
                    let node = self.node(event, span)?;
                    if !node.is_null() {
                        found.push(node);
                    }
                }
            }
        }
        Ok(())
    }

    fn next(&mut self) -> Result<Option<(Event<'t>, Span)>, SyntaxError> {
        self.events.next().transpose().map_err(|e| {
            let mark = Mark { line: e.marker().line(), column: e.marker().col() + 1 };
            SyntaxError { mark, message: e.info() }
        })
    }

    fn expect_next(&mut self, mark: Mark) -> Result<(Event<'t>, Span), SyntaxError> {
        self.next()?.ok_or_else(|| SyntaxError { mark, message: "the text ends inside this value".to_owned() })
    }

    /// The value that starts with this event.
    fn node(&mut self, event: Event<'t>, span: Span) -> Result<Node, SyntaxError> {
        let mark = Mark::from(span);
        self.grow(1, mark)?;
        let (content, anchor) = match event {
            Event::Alias(id) => return self.alias(id, mark),
            Event::Scalar(text, style, anchor, tag) => {
                let plain = matches!(style, ScalarStyle::Plain) && tag.is_none();
                (Content::Scalar { text: text.into_owned(), plain }, anchor)
            }
            Event::SequenceStart(_, anchor, _) => (self.sequence(mark)?, anchor),
            Event::MappingStart(_, anchor, _) => (self.mapping(mark)?, anchor),
            _ => return Err(SyntaxError { mark, message: "expected a value".to_owned() }),
        };
        let node = Node { mark, content };
        if anchor > 0 {
            self.anchors.insert(anchor, node.clone());
        }
        Ok(node)
    }

    fn alias(&mut self, id: usize, mark: Mark) -> Result<Node, SyntaxError> {
        let unknown = || SyntaxError { mark, message: "this alias stands inside the value it names".to_owned() };
        let node = Node { mark, ..self.anchors.get(&id).cloned().ok_or_else(unknown)? };
        self.grow(node.size(), mark)?;
        Ok(node)
    }

    fn sequence(&mut self, mark: Mark) -> Result<Content, SyntaxError> {
        let mut items = Vec::new();
        loop {
            match self.expect_next(mark)? {
                (Event::SequenceEnd, _) => return Ok(Content::Seq(items)),
                (event, span) => items.push(self.node(event, span)?),
            }
        }
    }

    fn mapping(&mut self, mark: Mark) -> Result<Content, SyntaxError> {
        let mut entries = Vec::new();
        loop {
            let (event, span) = self.expect_next(mark)?;
            if event == Event::MappingEnd {
                return Ok(Content::Map(entries));
            }
            let key_node = self.node(event, span)?;
            let key_mark = key_node.mark;
            let Content::Scalar { text: key, .. } = key_node.content else {
                return Err(SyntaxError { mark: key_mark, message: "a key must be a plain word".to_owned() });
            };
            let (event, span) = self.expect_next(key_mark)?;
            let value = self.node(event, span)?;
            entries.push(Entry { key, key_mark, value });
        }
    }

    fn grow(&mut self, by: usize, mark: Mark) -> Result<(), SyntaxError> {
        self.size += by;
        match self.size <= MAX_NODES {
            true => Ok(()),
            false => Err(SyntaxError { mark, message: format!("the text holds more than {MAX_NODES} values") }),
        }
    }
}
