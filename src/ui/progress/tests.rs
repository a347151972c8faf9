use std::fmt;
use std::io::{self, Write};

use indicatif::TermLike;

use super::*;
use crate::resource::Kind;
use crate::ui::{Buffer, Options, Terminal};

/// A clock that a test moves, and a display on it.
struct Bench {
    now: Arc<Mutex<Instant>>,
    progress: Progress,
    /// What was printed as lines.
    said: Buffer,
    /// What was drawn on the terminal.
    drawn: Buffer,
}

/// A terminal that remembers what was written to it.
struct Tape(Mutex<Buffer>);

impl fmt::Debug for Tape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Tape")
    }
}

impl TermLike for Tape {
    fn width(&self) -> u16 {
        60
    }
    fn move_cursor_up(&self, _: usize) -> io::Result<()> {
        Ok(())
    }
    fn move_cursor_down(&self, _: usize) -> io::Result<()> {
        Ok(())
    }
    fn move_cursor_right(&self, _: usize) -> io::Result<()> {
        Ok(())
    }
    fn move_cursor_left(&self, _: usize) -> io::Result<()> {
        Ok(())
    }
    fn write_line(&self, s: &str) -> io::Result<()> {
        writeln!(lock(&self.0), "{s}")
    }
    fn write_str(&self, s: &str) -> io::Result<()> {
        write!(lock(&self.0), "{s}")
    }
    fn clear_line(&self) -> io::Result<()> {
        Ok(())
    }
    fn flush(&self) -> io::Result<()> {
        Ok(())
    }
}

impl Bench {
    fn new(live: bool, quiet: bool, steps: Option<usize>) -> Self {
        let options = Options { quiet, ..Options::default() };
        let (ui, _, said) = Ui::for_test(options, Terminal { live, ..Terminal::default() }, "");
        let (now, drawn) = (Arc::new(Mutex::new(Instant::now())), Buffer::default());
        let (clock, tape) = (Arc::clone(&now), drawn.clone());
        let target = move || ProgressDrawTarget::term_like(Box::new(Tape(Mutex::new(tape.clone()))));
        let progress = Progress::quiet(&ui, steps, Box::new(move || *lock(&clock)), Box::new(target));
        Bench { now, progress, said, drawn }
    }

    fn after(&self, ms: u64) {
        *lock(&self.now) += Duration::from_millis(ms);
        self.progress.shared.tick();
    }
}

fn nat(zone: &str) -> Addr {
    Addr::new(Kind::NatGateway, zone)
}

/// A pipe gets a line for each thing that ended and a heartbeat every 10 s for one that takes long.
#[test]
fn a_pipe_gets_plain_lines() {
    let bench = Bench::new(false, false, Some(3));
    bench.progress.started(&nat("a"), Op::Create);
    bench.progress.started(&nat("b"), Op::Delete);
    bench.after(400);
    bench.progress.finished(&nat("b"), Op::Delete, Duration::from_millis(400), None);
    bench.after(9_700);
    bench.after(5_000);
    bench.after(5_000);
    let error = Error::failed("create nat-gateway/a: quota reached");
    bench.progress.finished(&nat("a"), Op::Create, Duration::from_secs(72), Some(&error));
    insta::assert_snapshot!(bench.said.take(), @r"
    deleted nat-gateway/b (0.4s)
    still creating nat-gateway/a (10s)
    still creating nat-gateway/a (20s)
    failed to create nat-gateway/a (1m 12s): quota reached
    ");
    assert_eq!(bench.drawn.take(), "");
}

/// A command that is done within 250 ms never flickers; after that one line runs, and it is gone at the end.
#[test]
fn a_terminal_shows_nothing_in_the_first_250_ms() {
    let bench = Bench::new(true, false, Some(2));
    bench.progress.started(&nat("a"), Op::Create);
    bench.after(249);
    bench.progress.finished(&nat("a"), Op::Create, Duration::from_millis(249), None);
    assert_eq!((bench.drawn.take(), bench.said.take()), (String::new(), String::new()));
    bench.progress.started(&nat("b"), Op::Create);
    bench.after(3_000);
    let drawn = bench.drawn.take();
    assert!(drawn.contains("creating nat-gateway/b  3s"), "{drawn}");
    assert!(drawn.contains("1/2  3s"), "{drawn}");
}

/// More things than a screen is good for are counted; names are aligned.
#[test]
fn many_running_things_are_counted() {
    let start = Instant::now();
    let mut board = Board::new(start, Some(40));
    for n in 8..20 {
        board.begin(start, if n % 2 == 0 { "creating" } else { "updating" }, &format!("subnet/{n}"));
    }
    board.end("creating", "subnet/8", true);
    board.retried(start, "AWS throttles CreateSubnet");
    let frame = board.frame(start + Duration::from_secs(75)).join("\n");
    insta::assert_snapshot!(anstream::adapter::strip_str(&frame).to_string(), @r"
    updating subnet/9   1m 15s
    creating subnet/10  1m 15s
    updating subnet/11  1m 15s
    creating subnet/12  1m 15s
    updating subnet/13  1m 15s
    creating subnet/14  1m 15s
    updating subnet/15  1m 15s
    and 4 more
    ────────────────────────────── 1/40  1m 15s  1 failed  tried again 1 time
    ");
}

/// A single wait has no bar; a pipe hears of it only when it takes long.
#[test]
fn a_wait_is_one_line() {
    let bench = Bench::new(true, false, None);
    bench.progress.begin("reading AWS", "");
    bench.after(2_000);
    assert!(bench.drawn.take().contains("reading AWS  2s"));
    let pipe = Bench::new(false, false, None);
    pipe.progress.begin("reading AWS", "");
    pipe.after(9_999);
    assert_eq!(pipe.said.take(), "");
    pipe.after(1);
    assert_eq!(pipe.said.take(), "still reading AWS (10s)\n");
}

/// Retries are said at once, then counted: throttling does not flood a log.
#[test]
fn retries_do_not_flood() {
    let bench = Bench::new(false, false, Some(1));
    for _ in 0..50 {
        bench.progress.shared.retried("AWS throttles CreateTags");
    }
    bench.after(10_000);
    bench.progress.shared.retried("AWS throttles CreateTags");
    insta::assert_snapshot!(bench.said.take(), @r"
    AWS throttles CreateTags: trying again (1 time so far)
    AWS throttles CreateTags: trying again (51 times so far)
    ");
}

/// `--quiet` says nothing of what goes well or takes long.
#[test]
fn quiet_is_quiet() {
    let bench = Bench::new(false, true, Some(1));
    bench.progress.started(&nat("a"), Op::Create);
    bench.after(30_000);
    bench.progress.finished(&nat("a"), Op::Create, Duration::from_secs(30), None);
    assert_eq!(bench.said.take(), "");
}
