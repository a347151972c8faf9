//! Draws a board's lines at the bottom of a terminal.

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};

/// How often a second lines are drawn at most.
pub(super) const HERTZ: u8 = 30;

/// The lines on the terminal.
pub(super) struct Screen {
    multi: MultiProgress,
    rows: Vec<ProgressBar>,
}

impl Screen {
    pub(super) fn new(target: ProgressDrawTarget) -> Self {
        Screen { multi: MultiProgress::with_draw_target(target), rows: Vec::new() }
    }

    /// What others have to suspend while they print.
    pub(super) fn multi(&self) -> MultiProgress {
        self.multi.clone()
    }

    /// Shows these lines, each cut to the terminal's width.
    pub(super) fn draw(&mut self, lines: &[String]) {
        while self.rows.len() > lines.len() {
            if let Some(row) = self.rows.pop() {
                row.finish_and_clear();
                self.multi.remove(&row);
            }
        }
        for (place, line) in lines.iter().enumerate() {
            if place == self.rows.len() {
                let row = ProgressBar::no_length();
                if let Ok(style) = ProgressStyle::with_template("{wide_msg}") {
                    row.set_style(style);
                }
                self.rows.push(self.multi.add(row));
            }
            if self.rows[place].message() != *line {
                self.rows[place].set_message(line.clone());
            }
        }
    }

    /// Leaves nothing behind.
    pub(super) fn clear(&mut self) {
        self.draw(&[]);
    }
}
