//! The palette: few colours, each with one meaning. Whatever is printed must be understandable without them.

use std::fmt;

use anstyle::{AnsiColor, Style};

/// What a piece of text is; its look follows from that.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Comes into being, or is well: green.
    Add,
    /// Changes, or wants attention: yellow.
    Change,
    /// Goes away, or is broken: red.
    Delete,
    /// The name of a thing: cyan.
    Name,
    /// Said beside the point: dim.
    Dim,
    /// Headings: bold.
    Strong,
    /// The word `error`: bold red.
    Error,
    /// The word `warning`: bold yellow.
    Warning,
    /// The word `hint`, and what can be typed next: bold cyan.
    Hint,
}

impl Role {
    fn style(self) -> Style {
        let color = |c: AnsiColor| Style::new().fg_color(Some(c.into()));
        match self {
            Role::Add => color(AnsiColor::Green),
            Role::Change => color(AnsiColor::Yellow),
            Role::Delete => color(AnsiColor::Red),
            Role::Name => color(AnsiColor::Cyan),
            Role::Dim => Style::new().dimmed(),
            Role::Strong => Style::new().bold(),
            Role::Error => color(AnsiColor::Red).bold(),
            Role::Warning => color(AnsiColor::Yellow).bold(),
            Role::Hint => color(AnsiColor::Cyan).bold(),
        }
    }

    /// The text in this role's look. Streams without colour take the look out again.
    pub fn paint<T: fmt::Display>(self, text: T) -> Painted<T> {
        Painted { role: self, text }
    }
}

/// Text with a look.
#[derive(Clone, Copy, Debug)]
pub struct Painted<T> {
    role: Role,
    text: T,
}

impl<T: fmt::Display> fmt::Display for Painted<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let style = self.role.style();
        write!(f, "{style}{}{style:#}", self.text)
    }
}
