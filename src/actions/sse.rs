//! Server-sent events, as they come (WHATWG HTML, section 9.2).

/// An event's data is not kept beyond this.
const LONGEST: usize = 1024 * 1024;

/// One event.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Event {
    /// Its type; `message` where the server gives none.
    pub(super) event: String,
    /// Its lines of data.
    pub(super) data: String,
    /// The id that is then the last one seen.
    pub(super) id: String,
}

/// Makes events of bytes.
#[derive(Debug, Default)]
pub(super) struct Parser {
    line: Vec<u8>,
    /// The last byte was a carriage return, so that a line feed belongs to it.
    after_return: bool,
    begun: bool,
    event: String,
    data: String,
    has_data: bool,
    last_id: String,
}

impl Parser {
    /// A parser that goes on after the event with this id.
    pub(super) fn after(id: &str) -> Self {
        Self {
            last_id: id.to_owned(),
            ..Self::default()
        }
    }

    /// The id of the last event seen.
    pub(super) fn last_id(&self) -> &str {
        &self.last_id
    }

    /// Takes bytes; gives the events that they complete. What is left when the stream ends is no
    /// event.
    pub(super) fn feed(&mut self, bytes: &[u8]) -> Vec<Event> {
        let mut events = Vec::new();
        for &byte in bytes {
            let after_return = std::mem::take(&mut self.after_return);
            match byte {
                b'\n' if after_return => {}
                b'\n' | b'\r' => {
                    self.after_return = byte == b'\r';
                    let line = std::mem::take(&mut self.line);
                    events.extend(self.line(&String::from_utf8_lossy(&line)));
                }
                _ if self.line.len() < LONGEST => self.line.push(byte),
                _ => {}
            }
        }
        events
    }

    fn line(&mut self, line: &str) -> Option<Event> {
        let line = if std::mem::replace(&mut self.begun, true) {
            line
        } else {
            line.trim_start_matches('\u{feff}')
        };
        if line.is_empty() {
            let event = std::mem::take(&mut self.event);
            let data = std::mem::take(&mut self.data);
            return std::mem::take(&mut self.has_data).then(|| Event {
                event: if event.is_empty() {
                    "message".to_owned()
                } else {
                    event
                },
                data,
                id: self.last_id.clone(),
            });
        }
        let (field, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match field {
            "event" => value.clone_into(&mut self.event),
            "data" => {
                if self.has_data {
                    self.data.push('\n');
                }
                self.has_data = true;
                if self.data.len() + value.len() <= LONGEST {
                    self.data.push_str(value);
                }
            }
            "id" if !value.contains('\0') => value.clone_into(&mut self.last_id),
            // `retry` is for clients that reconnect by themselves; a comment has no name.
            _ => {}
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::{Event, Parser};

    #[test]
    fn events_are_the_same_however_the_bytes_come() {
        let stream = "\u{feff}: hello\n\ndata: a\ndata:b\nid: 7\n\nevent: end\r\ndata\r\n\r\nid: 8\n\
                      data: cut";
        let expected = [
            Event {
                event: "message".to_owned(),
                data: "a\nb".to_owned(),
                id: "7".to_owned(),
            },
            Event {
                event: "end".to_owned(),
                data: String::new(),
                id: "7".to_owned(),
            },
        ];
        for size in [1, 2, 7, 1000] {
            let mut parser = Parser::default();
            let events: Vec<Event> = stream
                .as_bytes()
                .chunks(size)
                .flat_map(|chunk| parser.feed(chunk))
                .collect();
            assert_eq!(events, expected, "in pieces of {size}");
            assert_eq!(parser.last_id(), "8");
        }
    }
}
