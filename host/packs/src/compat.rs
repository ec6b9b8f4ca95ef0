//! Whether values of one type still fit where values of another one were.

use std::fmt;

use crate::types::{Labels, Name, Record, Type, Variant};

/// Which way values go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    /// From workflows to the action: what was taken has to be taken.
    In,
    /// From the action to workflows: what was known to come is all that may come.
    Out,
}

/// What of a type does not fit any more: where in it, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Misfit {
    /// The field, item or case, as `nodes[].driver_info`; empty for the whole.
    pub(crate) place: String,
    pub(crate) reason: String,
}

impl fmt::Display for Misfit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.place.is_empty() {
            f.write_str(&self.reason)
        } else {
            write!(f, "{}: {}", self.place.trim_start_matches('.'), self.reason)
        }
    }
}

/// All that keeps a value which goes `way` from fitting, now that what was `old` is `new`.
pub(crate) fn misfits(old: &Type, new: &Type, way: Way) -> Vec<Misfit> {
    let mut walk = Walk {
        way,
        place: String::new(),
        found: Vec::new(),
    };
    walk.types(old, new);
    walk.found
}

struct Walk {
    way: Way,
    place: String,
    found: Vec<Misfit>,
}

impl Walk {
    fn types(&mut self, old: &Type, new: &Type) {
        if old == new {
            return;
        }
        match (old, new, self.way) {
            // Any value is taken now; or nothing was known of what comes.
            (_, Type::Json, Way::In) | (Type::Json, _, Way::Out) => {}
            (Type::Option(old), Type::Option(new), _) => self.types(old, new),
            (_, Type::Option(new), Way::In) => self.types(old, new),
            (Type::Option(old), _, Way::Out) => self.types(old, new),
            (Type::Option(old), _, Way::In) => {
                self.misfit("null was taken, and is not any more".to_owned());
                self.types(old, new);
            }
            (_, Type::Option(new), Way::Out) => {
                self.misfit("it may be null now".to_owned());
                self.types(old, new);
            }
            (Type::List(old), Type::List(new), _) => self.within("[]", |walk| walk.types(old, new)),
            (Type::Tuple(old), Type::Tuple(new), _) if old.len() == new.len() => {
                for (index, (old, new)) in old.iter().zip(new.iter()).enumerate() {
                    self.within(&format!("[{index}]"), |walk| walk.types(old, new));
                }
            }
            (Type::Result(old), Type::Result(new), _) => {
                self.within(".ok", |walk| walk.payloads(old.0.as_ref(), new.0.as_ref()));
                self.within(".err", |walk| walk.payloads(old.1.as_ref(), new.1.as_ref()));
            }
            (Type::Record(old), Type::Record(new), _) => self.records(old, new),
            (Type::Variant(old), Type::Variant(new), _) => self.variants(old, new),
            (Type::Enum(old), Type::Enum(new), _) | (Type::Flags(old), Type::Flags(new), _) => {
                self.labels(old, new);
            }
            _ if self.holds(old, new) => {}
            _ => self.misfit(format!("it was {old}, and is {new}")),
        }
    }

    /// Whether each plain value of the one type is one of the other.
    fn holds(&self, old: &Type, new: &Type) -> bool {
        let (narrow, wide) = match self.way {
            Way::In => (old, new),
            Way::Out => (new, old),
        };
        match (range(narrow), range(wide)) {
            (Some(narrow), Some(wide)) => wide.0 <= narrow.0 && narrow.1 <= wide.1,
            _ => matches!(
                (narrow, wide),
                (Type::Char, Type::String) | (Type::F32, Type::F64)
            ),
        }
    }

    fn records(&mut self, old: &Record, new: &Record) {
        for field in &old.fields {
            let place = format!(".{}", field.name);
            match new.fields.iter().find(|other| other.name == field.name) {
                Some(other) => self.within(&place, |walk| walk.types(&field.ty, &other.ty)),
                None => self.within(&place, |walk| walk.misfit("it is gone".to_owned())),
            }
        }
        if self.way == Way::Out {
            return;
        }
        let is_new = |name: &Name| !old.fields.iter().any(|field| field.name == *name);
        for field in new.fields.iter().filter(|field| is_new(&field.name)) {
            if !field.ty.is_optional() {
                let reason = "it is new, and has to be given".to_owned();
                self.within(&format!(".{}", field.name), |walk| walk.misfit(reason));
            }
        }
    }

    fn variants(&mut self, old: &Variant, new: &Variant) {
        for case in &old.cases {
            match new.cases.iter().find(|other| other.name == case.name) {
                Some(other) => self.within(&format!(".{}", case.name), |walk| {
                    walk.payloads(case.ty.as_ref(), other.ty.as_ref());
                }),
                None if self.way == Way::In => {
                    self.misfit(format!("the case {} is gone", case.name));
                }
                None => {}
            }
        }
        let known = |name: &Name| old.cases.iter().any(|case| case.name == *name);
        if self.way == Way::Out {
            for case in new.cases.iter().filter(|case| !known(&case.name)) {
                self.misfit(format!("it may be {} now", case.name));
            }
        }
    }

    fn labels(&mut self, old: &Labels, new: &Labels) {
        let lacks =
            |labels: &Labels, name: &Name| !labels.labels.iter().any(|label| label.name == *name);
        match self.way {
            Way::In => {
                for label in old.labels.iter().filter(|label| lacks(new, &label.name)) {
                    self.misfit(format!("{} is not taken any more", label.name));
                }
            }
            Way::Out => {
                for label in new.labels.iter().filter(|label| lacks(old, &label.name)) {
                    self.misfit(format!("it may be {} now", label.name));
                }
            }
        }
    }

    fn payloads(&mut self, old: Option<&Type>, new: Option<&Type>) {
        match (old, new) {
            (Some(old), Some(new)) => self.types(old, new),
            (None, None) => {}
            (Some(old), None) => self.misfit(format!("it carried {old}, and carries nothing")),
            (None, Some(new)) => self.misfit(format!("it carried nothing, and carries {new}")),
        }
    }

    fn within(&mut self, place: &str, walk: impl FnOnce(&mut Self)) {
        let length = self.place.len();
        self.place.push_str(place);
        walk(self);
        self.place.truncate(length);
    }

    fn misfit(&mut self, reason: String) {
        let place = self.place.clone();
        self.found.push(Misfit { place, reason });
    }
}

/// The least and the greatest value of a type of whole numbers.
fn range(ty: &Type) -> Option<(i128, i128)> {
    Some(match ty {
        Type::U8 => (0, u8::MAX.into()),
        Type::U16 => (0, u16::MAX.into()),
        Type::U32 => (0, u32::MAX.into()),
        Type::U64 => (0, u64::MAX.into()),
        Type::S8 => (i8::MIN.into(), i8::MAX.into()),
        Type::S16 => (i16::MIN.into(), i16::MAX.into()),
        Type::S32 => (i32::MIN.into(), i32::MAX.into()),
        Type::S64 => (i64::MIN.into(), i64::MAX.into()),
        _ => return None,
    })
}
