//! What serde hands to the [`Writer`]: each kind of value, one method each.

use serde::ser::{self, Impossible, Serialize};

use super::{Array, NotJson, Object, Writer, Written};

fn no_variants<T>() -> Result<T, NotJson> {
    Err(NotJson("requests have no enums with content".to_owned()))
}

impl<'a> ser::Serializer for &'a mut Writer {
    type Ok = ();
    type Error = NotJson;
    type SerializeSeq = Array<'a>;
    type SerializeTuple = Array<'a>;
    type SerializeTupleStruct = Impossible<(), NotJson>;
    type SerializeTupleVariant = Impossible<(), NotJson>;
    type SerializeMap = Object<'a>;
    type SerializeStruct = Object<'a>;
    type SerializeStructVariant = Impossible<(), NotJson>;

    fn serialize_bool(self, value: bool) -> Written {
        self.out.extend_from_slice(if value { b"true" } else { b"false" });
        Ok(())
    }

    fn serialize_i8(self, value: i8) -> Written {
        self.integer(value);
        Ok(())
    }

    fn serialize_i16(self, value: i16) -> Written {
        self.integer(value);
        Ok(())
    }

    fn serialize_i32(self, value: i32) -> Written {
        self.integer(value);
        Ok(())
    }

    fn serialize_i64(self, value: i64) -> Written {
        self.integer(value);
        Ok(())
    }

    fn serialize_u8(self, value: u8) -> Written {
        self.integer(value);
        Ok(())
    }

    fn serialize_u16(self, value: u16) -> Written {
        self.integer(value);
        Ok(())
    }

    fn serialize_u32(self, value: u32) -> Written {
        self.integer(value);
        Ok(())
    }

    fn serialize_u64(self, value: u64) -> Written {
        self.integer(value);
        Ok(())
    }

    fn serialize_f32(self, value: f32) -> Written {
        self.serialize_f64(f64::from(value))
    }

    fn serialize_f64(self, value: f64) -> Written {
        self.out.extend_from_slice(ryu_js::Buffer::new().format(value).as_bytes());
        Ok(())
    }

    fn serialize_char(self, value: char) -> Written {
        self.string(value.encode_utf8(&mut [0; 4]))
    }

    fn serialize_str(self, value: &str) -> Written {
        self.string(value)
    }

    fn serialize_bytes(self, value: &[u8]) -> Written {
        value.serialize(self)
    }

    fn serialize_none(self) -> Written {
        self.serialize_unit()
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Written {
        value.serialize(self)
    }

    fn serialize_unit(self) -> Written {
        self.out.extend_from_slice(b"null");
        Ok(())
    }

    fn serialize_unit_struct(self, _name: &'static str) -> Written {
        self.serialize_unit()
    }

    fn serialize_unit_variant(
        self,
        _name: &'static str,
        _index: u32,
        variant: &'static str,
    ) -> Written {
        self.string(variant)
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(
        self,
        _name: &'static str,
        value: &T,
    ) -> Written {
        value.serialize(self)
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _name: &'static str,
        _index: u32,
        _variant: &'static str,
        _value: &T,
    ) -> Written {
        no_variants()
    }

    fn serialize_seq(self, _length: Option<usize>) -> Result<Array<'a>, NotJson> {
        self.out.push(b'[');
        Ok(Array { writer: self, is_first: true })
    }

    fn serialize_tuple(self, length: usize) -> Result<Array<'a>, NotJson> {
        self.serialize_seq(Some(length))
    }

    fn serialize_tuple_struct(
        self,
        _name: &'static str,
        _length: usize,
    ) -> Result<Self::SerializeTupleStruct, NotJson> {
        no_variants()
    }

    fn serialize_tuple_variant(
        self,
        _name: &'static str,
        _index: u32,
        _variant: &'static str,
        _length: usize,
    ) -> Result<Self::SerializeTupleVariant, NotJson> {
        no_variants()
    }

    fn serialize_map(self, _length: Option<usize>) -> Result<Object<'a>, NotJson> {
        let (start, first) = (self.out.len(), self.members.len());
        Ok(Object { writer: self, start, first, is_ordered: true, name: String::new() })
    }

    fn serialize_struct(self, _name: &'static str, length: usize) -> Result<Object<'a>, NotJson> {
        self.serialize_map(Some(length))
    }

    fn serialize_struct_variant(
        self,
        _name: &'static str,
        _index: u32,
        _variant: &'static str,
        _length: usize,
    ) -> Result<Self::SerializeStructVariant, NotJson> {
        no_variants()
    }
}
