//! Gives back what it takes: every WIT type that a workflow value can be.

wit_bindgen::generate!({
    path: ["../../../wit/ostro-host", "wit"],
    world: "test:types/guest",
    generate_all,
});

use exports::test::types::echo::{
    BootDevice, Guest, Json, Node, PortAddress, PortTraits, PowerSource,
};

struct Component;

macro_rules! echo {
    ($($name:ident: $ty:ty;)*) => {$(
        fn $name(value: $ty) -> $ty {
            value
        }
    )*};
}

impl Guest for Component {
    echo! {
        of_bool: bool;
        of_u8: u8;
        of_u16: u16;
        of_u32: u32;
        of_u64: u64;
        of_s8: i8;
        of_s16: i16;
        of_s32: i32;
        of_s64: i64;
        of_f32: f32;
        of_f64: f64;
        of_char: char;
        of_string: String;
        of_json: Json;
        of_list: Vec<String>;
        of_bytes: Vec<u8>;
        of_option: Option<u32>;
        of_nested_option: Option<Option<u32>>;
        of_result: Vec<Result<u32, String>>;
        of_bare_result: Vec<Result<(), ()>>;
        of_tuple: (String, u32, bool);
        of_record: PortAddress;
        of_variant: PowerSource;
        of_enum: BootDevice;
        of_flags: PortTraits;
        of_nodes: Vec<Node>;
    }

    fn given(value: Option<Option<u32>>) -> String {
        match value {
            None => "nothing",
            Some(None) => "null",
            Some(Some(_)) => "a value",
        }
        .to_owned()
    }

    fn nothing() {}

    fn greet(name: String, count: Option<u32>) -> Result<String, String> {
        match count.unwrap_or(1) {
            0 => Err(format!("nobody greets {name}")),
            count => Ok(vec![format!("hello {name}"); count as usize].join(", ")),
        }
    }

    fn fail(why: Json) -> Result<(), Json> {
        Err(why)
    }

    fn fail_silently() -> Result<(), ()> {
        Err(())
    }
}

export!(Component);
