//! The wire format of Protocol Buffers, as far as ONNX files need it: fields one after the other, each with its number and kind.

/// A message in the making.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Message(Vec<u8>);

/// How a value is written.
#[derive(Clone, Copy)]
enum Kind {
    Varint = 0,
    Bytes = 2,
    Float = 5,
}

impl Message {
    fn varint(&mut self, mut value: u64) {
        while value >= 0x80 {
            self.0.push(value as u8 | 0x80);
            value >>= 7;
        }
        self.0.push(value as u8);
    }

    fn key(&mut self, field: u32, kind: Kind) {
        self.varint(u64::from(field << 3 | kind as u32));
    }

    /// An integer; a negative one takes ten bytes.
    pub fn int(mut self, field: u32, value: i64) -> Self {
        self.key(field, Kind::Varint);
        self.varint(value as u64);
        self
    }

    /// Several integers, each as a field of its own.
    pub fn ints(self, field: u32, values: &[i64]) -> Self {
        values.iter().fold(self, |message, value| message.int(field, *value))
    }

    pub fn float(mut self, field: u32, value: f32) -> Self {
        self.key(field, Kind::Float);
        self.0.extend(value.to_le_bytes());
        self
    }

    /// The beginning of a field of so many bytes that follow.
    pub fn beginning(mut self, field: u32, len: usize) -> Self {
        self.key(field, Kind::Bytes);
        self.varint(len as u64);
        self
    }

    pub fn bytes(self, field: u32, value: &[u8]) -> Self {
        let mut message = self.beginning(field, value.len());
        message.0.extend(value);
        message
    }

    pub fn text(self, field: u32, value: &str) -> Self {
        self.bytes(field, value.as_bytes())
    }

    pub fn texts<'a>(self, field: u32, values: impl IntoIterator<Item = &'a str>) -> Self {
        values.into_iter().fold(self, |message, value| message.text(field, value))
    }

    pub fn message(self, field: u32, value: &Self) -> Self {
        self.bytes(field, &value.0)
    }

    /// What has been written.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The examples of the format's documentation, protobuf.dev/programming-guides/encoding.
    #[test]
    fn fields_are_written_as_the_format_says() {
        assert_eq!(Message::default().int(1, 150).as_bytes(), [0x08, 0x96, 0x01]);
        assert_eq!(Message::default().text(2, "testing").as_bytes(), b"\x12\x07testing");
        let inner = Message::default().int(1, 150);
        assert_eq!(Message::default().message(3, &inner).as_bytes(), [0x1a, 0x03, 0x08, 0x96, 0x01]);
        assert_eq!(Message::default().int(1, -2).as_bytes(), [0x08, 0xfe, 255, 255, 255, 255, 255, 255, 255, 255, 1]);
        assert_eq!(Message::default().float(2, 1.0).as_bytes(), [0x15, 0, 0, 0x80, 0x3f]);
        assert_eq!(Message::default().ints(16, &[1, 300]).as_bytes(), [0x80, 1, 1, 0x80, 1, 0xac, 2]);
    }
}
