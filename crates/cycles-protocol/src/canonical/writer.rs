//! Writes canonical JSON in one pass: members are written as they come, and put
//! in order when their object ends, where they did not come in order.

mod serializer;

use std::borrow::Cow;
use std::cmp::Ordering;
use std::fmt::{self, Display};
use std::mem;

use serde::ser::{self, Serialize};
use serde_json::Value;

/// Something that JSON has no form for.
#[derive(Debug)]
pub(super) struct NotJson(String);

impl fmt::Display for NotJson {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for NotJson {}

impl ser::Error for NotJson {
    fn custom<T: Display>(message: T) -> Self {
        Self(message.to_string())
    }
}

type Written = Result<(), NotJson>;

/// Canonical JSON as it grows.
#[derive(Debug)]
pub(super) struct Writer {
    out: Vec<u8>,
    /// Members of the objects that are open, the innermost last.
    members: Vec<Member>,
    /// What the outermost object has where it does not say otherwise.
    defaults: Vec<(&'static str, Value)>,
    scratch: Vec<u8>,
}

/// One `"name":value`, and where it stands.
#[derive(Debug)]
struct Member {
    name: Cow<'static, str>,
    start: usize,
    end: usize,
}

/// Nearly every request is shorter, and has fewer members open at once.
const USUAL_BYTES: usize = 1024;
const USUAL_MEMBERS: usize = 16;

impl Writer {
    pub(super) fn new() -> Self {
        Self {
            out: Vec::with_capacity(USUAL_BYTES),
            members: Vec::with_capacity(USUAL_MEMBERS),
            defaults: Vec::new(),
            scratch: Vec::with_capacity(USUAL_BYTES),
        }
    }

    /// Gives back what an unusually long text has taken.
    pub(super) fn shrink(&mut self) {
        for buffer in [&mut self.out, &mut self.scratch] {
            buffer.clear();
            buffer.shrink_to(USUAL_BYTES);
        }
    }

    /// The text of `value`. The next one is written into the same memory.
    pub(super) fn write<const N: usize>(
        &mut self,
        value: &impl Serialize,
        defaults: [(&'static str, Value); N],
    ) -> &[u8] {
        self.out.clear();
        self.members.clear();
        self.defaults.clear();
        self.defaults.extend(defaults);
        value.serialize(&mut *self).expect("requests are plain JSON");
        &self.out
    }

    fn string(&mut self, text: &str) -> Written {
        if is_plain(text) {
            self.quoted(text);
            return Ok(());
        }
        // serde_json escapes exactly what RFC 8785 section 3.2.2.2 asks for.
        serde_json::to_writer(&mut self.out, text).map_err(ser::Error::custom)
    }

    /// A text that holds nothing to escape.
    fn quoted(&mut self, text: &str) {
        self.out.reserve(text.len() + 2);
        self.out.push(b'"');
        self.out.extend_from_slice(text.as_bytes());
        self.out.push(b'"');
    }

    fn integer(&mut self, value: impl itoa::Integer) {
        self.out.extend_from_slice(itoa::Buffer::new().format(value).as_bytes());
    }

    /// Ends the object whose members are those from `first` on, and have come out of
    /// order.
    fn sort(&mut self, first: usize, start: usize) {
        self.members[first..].sort_unstable_by(|a, b| in_order(&a.name, &b.name));
        let mut ordered = mem::take(&mut self.scratch);
        ordered.clear();
        for member in self.members.drain(first..) {
            ordered.push(if ordered.is_empty() { b'{' } else { b',' });
            ordered.extend_from_slice(&self.out[member.start..member.end]);
        }
        if start == 0 {
            mem::swap(&mut self.out, &mut ordered);
        } else {
            self.out.truncate(start);
            self.out.extend_from_slice(&ordered);
        }
        self.scratch = ordered;
    }
}

/// Whether a text stands in JSON as it is.
fn is_plain(text: &str) -> bool {
    let escapes = |byte: &u8| *byte < b' ' || *byte == b'"' || *byte == b'\\';
    // Without an early end, so that many bytes are looked at in one step.
    !text.as_bytes().iter().fold(false, |found, byte| found | escapes(byte))
}

/// RFC 8785 section 3.2.3: by UTF-16 code units. That is the order of the bytes,
/// but for characters above U+FFFF: their surrogates come before U+E000.
fn in_order(a: &str, b: &str) -> Ordering {
    const U_E000: u8 = 0xee;
    const ABOVE_U_FFFF: u8 = 0xf0;
    let (a, b) = (a.as_bytes(), b.as_bytes());
    let differing = (0..a.len().min(b.len())).find(|index| a[*index] != b[*index]);
    let Some((one, other)) = differing.map(|index| (a[index], b[index])) else {
        return a.len().cmp(&b.len());
    };
    let is_swapped = one.min(other) >= U_E000 && (one >= ABOVE_U_FFFF) != (other >= ABOVE_U_FFFF);
    if is_swapped { other.cmp(&one) } else { one.cmp(&other) }
}

/// An array that is open.
pub(super) struct Array<'a> {
    writer: &'a mut Writer,
    is_first: bool,
}

impl Array<'_> {
    fn item(&mut self, value: &(impl Serialize + ?Sized)) -> Written {
        if !mem::take(&mut self.is_first) {
            self.writer.out.push(b',');
        }
        value.serialize(&mut *self.writer)
    }

    fn close(self) {
        self.writer.out.push(b']');
    }
}

impl ser::SerializeSeq for Array<'_> {
    type Ok = ();
    type Error = NotJson;

    fn serialize_element<T: Serialize + ?Sized>(&mut self, value: &T) -> Written {
        self.item(value)
    }

    fn end(self) -> Written {
        self.close();
        Ok(())
    }
}

impl ser::SerializeTuple for Array<'_> {
    type Ok = ();
    type Error = NotJson;

    fn serialize_element<T: Serialize + ?Sized>(&mut self, value: &T) -> Written {
        self.item(value)
    }

    fn end(self) -> Written {
        self.close();
        Ok(())
    }
}

/// An object that is open.
pub(super) struct Object<'a> {
    writer: &'a mut Writer,
    /// Where it starts.
    start: usize,
    /// Its first member.
    first: usize,
    /// Whether the members have come in order so far.
    is_ordered: bool,
    /// The name of the value that comes next, in a map.
    name: String,
}

impl Object<'_> {
    /// Writes one member; `begin` writes its name.
    fn member(
        &mut self,
        name: Cow<'static, str>,
        value: &(impl Serialize + ?Sized),
        begin: impl FnOnce(&mut Writer, &str) -> Written,
    ) -> Written {
        let writer = &mut *self.writer;
        let last = writer.members[self.first..].last();
        self.is_ordered &= last.is_none_or(|last| in_order(&last.name, &name).is_lt());
        writer.out.push(if last.is_none() { b'{' } else { b',' });
        let start = writer.out.len();
        begin(writer, &name)?;
        writer.out.push(b':');
        value.serialize(&mut *writer)?;
        let end = writer.out.len();
        writer.members.push(Member { name, start, end });
        Ok(())
    }

    /// Writes one member whose name is a field's, so that nothing is to be escaped in it.
    fn field(&mut self, name: &'static str, value: &(impl Serialize + ?Sized)) -> Written {
        debug_assert!(is_plain(name), "{name}");
        self.member(Cow::Borrowed(name), value, |writer, name| {
            writer.quoted(name);
            Ok(())
        })
    }

    /// Adds what the outermost object leaves out.
    fn fill(&mut self) -> Written {
        while let Some((name, value)) = self.writer.defaults.pop() {
            if self.writer.members[self.first..].iter().all(|member| member.name != name) {
                self.field(name, &value)?;
            }
        }
        Ok(())
    }

    fn close(mut self) -> Written {
        if self.start == 0 {
            self.fill()?;
        }
        if self.writer.members.len() == self.first {
            self.writer.out.push(b'{');
        } else if self.is_ordered {
            self.writer.members.truncate(self.first);
        } else {
            self.writer.sort(self.first, self.start);
        }
        self.writer.out.push(b'}');
        Ok(())
    }
}

impl ser::SerializeMap for Object<'_> {
    type Ok = ();
    type Error = NotJson;

    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Written {
        match serde_json::to_value(key) {
            Ok(Value::String(name)) => self.name = name,
            _ => return Err(NotJson("a member's name must be a string".to_owned())),
        }
        Ok(())
    }

    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Written {
        let name = mem::take(&mut self.name);
        self.member(Cow::Owned(name), value, Writer::string)
    }

    fn end(self) -> Written {
        self.close()
    }
}

impl ser::SerializeStruct for Object<'_> {
    type Ok = ();
    type Error = NotJson;

    fn serialize_field<T: Serialize + ?Sized>(&mut self, name: &'static str, value: &T) -> Written {
        self.field(name, value)
    }

    fn end(self) -> Written {
        self.close()
    }
}
