//! Server-sent events as they come over a connection: the WHATWG's `text/event-stream`.

/// How long an event may be, in bytes.
const MAX_EVENT: usize = 16 << 20;

/// One event.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Message {
    pub(crate) event: String,
    pub(crate) data: String,
}

/// Cuts what comes into events.
#[derive(Debug, Default)]
pub(crate) struct Parser {
    /// What came and is no whole line yet.
    rest: Vec<u8>,
    next: Message,
    has_data: bool,
}

/// An event that is longer than any that a server sends.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct TooLong;

impl Parser {
    /// Takes a piece of the stream: the events that are whole with it.
    pub(crate) fn take(&mut self, piece: &[u8]) -> Result<Vec<Message>, TooLong> {
        self.rest.extend_from_slice(piece);
        let mut messages = Vec::new();
        let mut begin = 0;
        // A carriage return that is last may be the first half of a line break.
        while let Some(length) = self.rest[begin..].iter().position(|byte| *byte == b'\n') {
            let line = &self.rest[begin..begin + length];
            let line = line.strip_suffix(b"\r").unwrap_or(line);
            let line = String::from_utf8_lossy(line).into_owned();
            begin += length + 1;
            messages.extend(self.line(&line));
        }
        self.rest.drain(..begin);
        if self.rest.len() + self.next.data.len() > MAX_EVENT {
            return Err(TooLong);
        }
        Ok(messages)
    }

    fn line(&mut self, line: &str) -> Option<Message> {
        if line.is_empty() {
            let message = std::mem::take(&mut self.next);
            return std::mem::take(&mut self.has_data).then_some(message);
        }
        let (field, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match field {
            "data" => {
                if self.has_data {
                    self.next.data.push('\n');
                }
                self.next.data.push_str(value);
                self.has_data = true;
            }
            "event" => value.clone_into(&mut self.next.event),
            // The number of an event is in its data, too; comments keep the connection alive.
            _ => {}
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_are_whole_however_they_are_cut() {
        let text = ": hello\r\nid: 7\r\nevent: task.changed\r\ndata: {\"a\":\r\ndata: 1}\r\n\r\n\
                    : alive\n\nid: 8\ndata:x\n\nid: 9\n";
        let expected = [
            Message {
                event: "task.changed".to_owned(),
                data: "{\"a\":\n1}".to_owned(),
            },
            Message {
                event: String::new(),
                data: "x".to_owned(),
            },
        ];
        for size in 1..text.len() {
            let mut parser = Parser::default();
            let pieces = text.as_bytes().chunks(size);
            let events: Vec<Message> = pieces
                .flat_map(|piece| parser.take(piece).unwrap())
                .collect();
            assert_eq!(events, expected, "in pieces of {size} bytes");
        }
    }

    #[test]
    fn an_event_without_an_end_is_given_up() {
        let mut parser = Parser::default();
        let piece = vec![b'x'; MAX_EVENT / 2];
        assert_eq!(parser.take(&piece), Ok(Vec::new()));
        assert_eq!(parser.take(&piece), Ok(Vec::new()));
        assert_eq!(parser.take(b"y"), Err(TooLong));
    }
}
