//! The query part of a request: which rows of a list are wanted, how they are filtered, sorted and
//! shown. As in `mistral/utils/rest_utils.py` and `mistral/utils/filter_utils.py`.

mod stored;

use std::cmp::Ordering;

use indexmap::IndexMap;
use ostro_journal::{Direction, MAX_LIMIT};
use serde_json::{Map, Value};

pub(crate) use self::stored::uuid;
use crate::fault::Fault;

/// What a kind of resource allows in its lists.
#[derive(Debug)]
pub(crate) struct Resource {
    /// Its name in addresses, and in answers with several.
    pub(crate) plural: &'static str,
    /// What one has, in the order of Mistral's answers. `id` is among them.
    pub(crate) fields: &'static [&'static str],
    /// Those of its fields by which its lists cannot be filtered.
    pub(crate) unfiltered: &'static [&'static str],
    /// What else a list takes.
    pub(crate) options: &'static [&'static str],
}

/// The pairs of a query, in order.
#[derive(Debug, Default)]
pub(crate) struct Pairs(Vec<(String, String)>);

/// How a field is compared with what.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Test {
    Eq(String),
    Neq(String),
    Gt(String),
    Gte(String),
    Lt(String),
    Lte(String),
    In(Vec<String>),
    Nin(Vec<String>),
    Has(String),
}

/// What a list is to have.
#[derive(Clone, Debug)]
pub(crate) struct Listing {
    pub(crate) marker: Option<String>,
    /// At most so many; none where the caller said nothing.
    pub(crate) limit: Option<usize>,
    /// As the caller wants it, and then by id.
    pub(crate) sort: Vec<(String, Direction)>,
    /// Which fields are shown, `id` among them; empty for all.
    pub(crate) fields: Vec<String>,
    pub(crate) filters: Vec<(String, Test)>,
}

impl Resource {
    /// Whether its lists can be filtered by `name`.
    fn filters(&self, name: &str) -> bool {
        self.fields.contains(&name) && !self.unfiltered.contains(&name)
    }
}

impl Pairs {
    /// The pairs of a query as it stands in an address.
    pub(crate) fn parse(query: Option<&str>) -> Self {
        let pairs = url::form_urlencoded::parse(query.unwrap_or_default().as_bytes());
        Self(pairs.into_owned().collect())
    }

    /// The value of `name`; the last one of several.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        let mut pairs = self.0.iter().rev();
        pairs
            .find(|(key, _)| key == name)
            .map(|(_, value)| value.as_str())
    }

    /// Whether `name` is there and does not say no.
    pub(crate) fn is_wanted(&self, name: &str) -> bool {
        self.get(name).is_some_and(|text| {
            let text = text.to_ascii_lowercase();
            !matches!(text.as_str(), "" | "false" | "f" | "no" | "n" | "off" | "0")
        })
    }

    /// The whole number that `name` is, or `default`.
    pub(crate) fn number(&self, name: &str, default: i64) -> Result<i64, Fault> {
        let Some(text) = self.get(name) else {
            return Ok(default);
        };
        text.trim().parse().map_err(|_| {
            Fault::invalid(format!(
                "Invalid input for field/attribute {name}. Value: '{text}'. \
                 unable to convert to int. \
                 Error: invalid literal for int() with base 10: '{text}'"
            ))
        })
    }

    /// The fields of one row that are wanted, `id` among them; empty for all. Unknown ones too.
    pub(crate) fn field_names(&self) -> Vec<String> {
        let mut fields = names(self.get("fields").unwrap_or_default());
        if !fields.is_empty() && !fields.iter().any(|name| name == "id") {
            fields.insert(0, "id".to_owned());
        }
        fields
    }

    /// An error if there is anything but `known`.
    pub(crate) fn only(&self, known: &[&str]) -> Result<(), Fault> {
        match self
            .0
            .iter()
            .find(|(name, _)| !known.contains(&name.as_str()))
        {
            Some((name, _)) => Err(Fault::invalid(format!("Unknown argument: \"{name}\""))),
            None => Ok(()),
        }
    }

    /// What a list of `resource` is to have whose rows have `value` as their `field`, which nobody
    /// can ask for otherwise.
    pub(crate) fn listing_of(
        &self,
        resource: &Resource,
        field: &str,
        value: &str,
    ) -> Result<Listing, Fault> {
        if self.get(field).is_some() {
            return Err(Fault::invalid(format!("Unknown argument: \"{field}\"")));
        }
        let mut listing = self.listing(resource)?;
        let value = uuid(field, value)?.to_owned();
        listing.filters.push((field.to_owned(), Test::Eq(value)));
        Ok(listing)
    }

    /// What a list of `resource` is to have.
    pub(crate) fn listing(&self, resource: &Resource) -> Result<Listing, Fault> {
        const COMMON: [&str; 5] = ["marker", "limit", "sort_keys", "sort_dirs", "fields"];
        for (name, _) in &self.0 {
            let name = name.as_str();
            let known = COMMON.contains(&name)
                || resource.filters(name)
                || resource.options.contains(&name);
            if !known {
                return Err(Fault::invalid(format!("Unknown argument: \"{name}\"")));
            }
        }
        let mut filters = IndexMap::new();
        for (name, value) in &self.0 {
            // The last one of several counts.
            if resource.filters(name) {
                filters.insert(name.clone(), Test::parse(name, value)?);
            }
        }
        Ok(Listing {
            marker: self.marker()?,
            limit: self.limit()?,
            sort: self.sort(resource)?,
            fields: self.fields(resource)?,
            filters: filters.into_iter().collect(),
        })
    }

    fn marker(&self) -> Result<Option<String>, Fault> {
        let Some(text) = self.get("marker") else {
            return Ok(None);
        };
        Ok(Some(uuid("marker", text)?.to_owned()))
    }

    fn limit(&self) -> Result<Option<usize>, Fault> {
        let Some(text) = self.get("limit") else {
            return Ok(None);
        };
        if self.0.iter().filter(|(name, _)| name == "limit").count() > 1 {
            return Err(Fault::invalid("The limit is given more than once."));
        }
        let Ok(number) = text.trim().parse::<i64>() else {
            return Err(Fault::invalid(format!(
                "Invalid input for field/attribute limit. Value: '{text}'. \
                 unable to convert to int. \
                 Error: invalid literal for int() with base 10: '{text}'"
            )));
        };
        match usize::try_from(number) {
            Ok(limit) if limit > 0 => Ok(Some(limit.min(MAX_LIMIT))),
            _ => Err(Fault::invalid("Limit must be positive.")),
        }
    }

    fn sort(&self, resource: &Resource) -> Result<Vec<(String, Direction)>, Fault> {
        let keys = names(self.get("sort_keys").unwrap_or("created_at"));
        let dirs = names(self.get("sort_dirs").unwrap_or("asc"));
        if dirs.len() > keys.len() {
            return Err(Fault::invalid(
                "Length of sort_keys must be equal or greater than sort_dirs.",
            ));
        }
        let mut sort: Vec<(String, Direction)> = Vec::new();
        for (place, key) in keys.into_iter().enumerate() {
            let direction = match dirs.get(place).map(String::as_str) {
                Some("asc") | None => Direction::Ascending,
                Some("desc") => Direction::Descending,
                Some(_) => {
                    return Err(Fault::invalid(
                        "Unknown sort direction, must be 'desc' or 'asc'.",
                    ));
                }
            };
            if !resource.fields.contains(&key.as_str()) {
                return Err(Fault::invalid(format!(
                    "Sort key supplied is invalid: {key}"
                )));
            }
            if !sort.iter().any(|(known, _)| *known == key) {
                sort.push((key, direction));
            }
        }
        if !sort.iter().any(|(key, _)| key == "id") {
            sort.push(("id".to_owned(), Direction::Ascending));
        }
        Ok(sort)
    }

    /// The fields of which one row, or a list, shows some.
    pub(crate) fn fields(&self, resource: &Resource) -> Result<Vec<String>, Fault> {
        let mut fields = names(self.get("fields").unwrap_or_default());
        let unknown: Vec<&str> = fields
            .iter()
            .map(String::as_str)
            .filter(|name| !resource.fields.contains(name))
            .collect();
        if !unknown.is_empty() {
            return Err(Fault::invalid(format!(
                "Some fields do not exist  [{}], please choose from [{}]",
                unknown.join(", "),
                resource.fields.join(", ")
            )));
        }
        if !fields.is_empty() && !fields.iter().any(|name| name == "id") {
            fields.insert(0, "id".to_owned());
        }
        Ok(fields)
    }
}

/// The names of a list with commas, in lower case as WSME's lists have them.
fn names(text: &str) -> Vec<String> {
    let names = text.split(',').map(|name| name.trim().to_lowercase());
    names.filter(|name| !name.is_empty()).collect()
}

impl Test {
    /// What stands after the name of a filter: `op:value`, or a value that is to be the same.
    fn parse(name: &str, text: &str) -> Result<Self, Fault> {
        let wanted = Self::read(text);
        if name == "project_id" {
            for value in wanted.values() {
                uuid(name, value)?;
            }
        }
        Ok(wanted)
    }

    fn values(&self) -> &[String] {
        match self {
            Self::Eq(value)
            | Self::Neq(value)
            | Self::Gt(value)
            | Self::Gte(value)
            | Self::Lt(value)
            | Self::Lte(value)
            | Self::Has(value) => std::slice::from_ref(value),
            Self::In(values) | Self::Nin(values) => values,
        }
    }

    fn read(text: &str) -> Self {
        let list = |text: &str| text.split(',').map(str::to_owned).collect();
        match text.split_once(':') {
            Some(("eq", value)) => Self::Eq(value.to_owned()),
            Some(("neq", value)) => Self::Neq(value.to_owned()),
            Some(("gt", value)) => Self::Gt(value.to_owned()),
            Some(("gte", value)) => Self::Gte(value.to_owned()),
            Some(("lt", value)) => Self::Lt(value.to_owned()),
            Some(("lte", value)) => Self::Lte(value.to_owned()),
            Some(("in", value)) => Self::In(list(value)),
            Some(("nin", value)) => Self::Nin(list(value)),
            Some(("has", value)) => Self::Has(value.to_owned()),
            _ => Self::Eq(text.to_owned()),
        }
    }

    /// As it stands in an address.
    pub(crate) fn written(&self) -> String {
        match self {
            Self::Eq(value) => format!("eq:{value}"),
            Self::Neq(value) => format!("neq:{value}"),
            Self::Gt(value) => format!("gt:{value}"),
            Self::Gte(value) => format!("gte:{value}"),
            Self::Lt(value) => format!("lt:{value}"),
            Self::Lte(value) => format!("lte:{value}"),
            Self::In(values) => format!("in:{}", values.join(",")),
            Self::Nin(values) => format!("nin:{}", values.join(",")),
            Self::Has(value) => format!("has:{value}"),
        }
    }

    /// Whether a row's field passes. Nothing is in no order, and differs from nothing.
    fn passes(&self, field: &Value) -> bool {
        if let Value::Array(tags) = field {
            return self.passes_tags(tags);
        }
        let text = match field {
            Value::Null => return matches!(self, Self::Eq(wanted) if wanted == "null"),
            Value::String(text) => text.clone(),
            other => other.to_string(),
        };
        match self {
            Self::Eq(value) => text == *value,
            Self::Neq(value) => text != *value,
            Self::Gt(value) => text > *value,
            Self::Gte(value) => text >= *value,
            Self::Lt(value) => text < *value,
            Self::Lte(value) => text <= *value,
            Self::In(values) => values.contains(&text),
            Self::Nin(values) => !values.contains(&text),
            Self::Has(value) => text.contains(value.as_str()),
        }
    }

    /// Tags are wanted all at once: `tags=a,b`.
    fn passes_tags(&self, tags: &[Value]) -> bool {
        let has = |wanted: &str| tags.iter().any(|tag| tag == wanted);
        match self {
            Self::Eq(wanted) => wanted.split(',').all(has),
            Self::Neq(wanted) => !wanted.split(',').all(has),
            Self::In(wanted) => wanted.iter().any(|tag| has(tag)),
            Self::Nin(wanted) => !wanted.iter().any(|tag| has(tag)),
            Self::Has(part) => tags
                .iter()
                .any(|tag| tag.as_str().is_some_and(|tag| tag.contains(part.as_str()))),
            Self::Gt(_) | Self::Gte(_) | Self::Lt(_) | Self::Lte(_) => false,
        }
    }
}

impl Listing {
    /// The rows that are wanted, in their order, each with the fields that are wanted. `unknown`
    /// says that there is no row that the marker names.
    pub(crate) fn page(
        &self,
        rows: impl IntoIterator<Item = Map<String, Value>>,
        unknown: impl FnOnce(&str) -> Fault,
    ) -> Result<Vec<Map<String, Value>>, Fault> {
        let null = Value::Null;
        let mut rows: Vec<Map<String, Value>> = rows.into_iter().collect();
        let marker = match &self.marker {
            None => None,
            Some(id) => {
                let found = rows
                    .iter()
                    .find(|row| row.get("id") == Some(&id.as_str().into()));
                Some(found.cloned().ok_or_else(|| unknown(id))?)
            }
        };
        rows.retain(|row| {
            let field = |name: &str| row.get(name).unwrap_or(&null);
            self.filters
                .iter()
                .all(|(name, test)| test.passes(field(name)))
        });
        rows.sort_by(|a, b| self.order(a, b));
        if let Some(marker) = marker {
            rows.retain(|row| self.order(row, &marker) == Ordering::Greater);
        }
        rows.truncate(self.limit.unwrap_or(MAX_LIMIT));
        Ok(rows)
    }

    fn order(&self, a: &Map<String, Value>, b: &Map<String, Value>) -> Ordering {
        let orders = self.sort.iter().map(|(key, direction)| {
            let order = compare(a.get(key), b.get(key));
            match direction {
                Direction::Ascending => order,
                Direction::Descending => order.reverse(),
            }
        });
        orders.fold(Ordering::Equal, Ordering::then)
    }

    /// `row` with the fields that are wanted.
    pub(crate) fn show(&self, row: Map<String, Value>) -> Map<String, Value> {
        show(&self.fields, row)
    }

    /// The answer with a page: `rows` under the resource's name, and where the next page is if
    /// there may be one.
    pub(crate) fn answer(
        &self,
        resource: &Resource,
        at: &str,
        rows: Vec<Map<String, Value>>,
    ) -> Value {
        let full = self.limit.is_some_and(|limit| limit == rows.len());
        let last = rows.last().and_then(|row| row.get("id")).cloned();
        let rows: Vec<Value> = rows
            .into_iter()
            .map(|row| Value::Object(self.show(row)))
            .collect();
        let mut answer = Map::from_iter([(resource.plural.to_owned(), Value::Array(rows))]);
        if let (true, Some(Value::String(marker))) = (full, last) {
            answer.insert("next".to_owned(), self.next(at, &marker).into());
        }
        Value::Object(answer)
    }

    /// The address of the page after the row `marker`.
    fn next(&self, at: &str, marker: &str) -> String {
        let keys: Vec<&str> = self.sort.iter().map(|(key, _)| key.as_str()).collect();
        let dirs: Vec<&str> = self
            .sort
            .iter()
            .map(|(_, direction)| match direction {
                Direction::Ascending => "asc",
                Direction::Descending => "desc",
            })
            .collect();
        let mut next = format!(
            "{at}?sort_keys={}&sort_dirs={}",
            keys.join(","),
            dirs.join(",")
        );
        let mut add = |name: &str, value: &str| {
            let value: String = url::form_urlencoded::byte_serialize(value.as_bytes()).collect();
            // Python's clients take these as they are.
            let value = value.replace("%2C", ",").replace("%3A", ":");
            next.extend(["&", name, "=", &value]);
        };
        for (name, test) in &self.filters {
            add(name, &test.written());
        }
        add("limit", &self.limit.unwrap_or(MAX_LIMIT).to_string());
        add("marker", marker);
        if !self.fields.is_empty() {
            add("fields", &self.fields.join(","));
        }
        next
    }
}

/// `row` with these fields only, if there are any.
pub(crate) fn show(fields: &[String], mut row: Map<String, Value>) -> Map<String, Value> {
    if !fields.is_empty() {
        row.retain(|name, _| fields.iter().any(|field| field == name));
    }
    row
}

/// Nothing comes first.
fn compare(a: Option<&Value>, b: Option<&Value>) -> Ordering {
    match (a, b) {
        (Some(Value::Number(a)), Some(Value::Number(b))) => {
            let (a, b) = (a.as_f64(), b.as_f64());
            a.partial_cmp(&b).unwrap_or(Ordering::Equal)
        }
        (Some(Value::String(a)), Some(Value::String(b))) => a.cmp(b),
        (None | Some(Value::Null), None | Some(Value::Null)) => Ordering::Equal,
        (None | Some(Value::Null), Some(_)) => Ordering::Less,
        (Some(_), None | Some(Value::Null)) => Ordering::Greater,
        (Some(a), Some(b)) => a.to_string().cmp(&b.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const THINGS: Resource = Resource {
        plural: "things",
        fields: &["id", "name", "tags", "created_at"],
        unfiltered: &["id", "created_at"],
        options: &["namespace"],
    };

    fn rows() -> Vec<Map<String, Value>> {
        let ids =
            ["a", "b", "c"].map(|id| uuid::Uuid::new_v5(&uuid::Uuid::NAMESPACE_OID, id.as_bytes()));
        let names = ["one", "two", "one"];
        std::iter::zip(ids, names)
            .map(|(id, name)| {
                let row = serde_json::json!({
                    "id": id.to_string(), "name": name, "tags": [name, "all"], "created_at": "2026",
                });
                row.as_object().unwrap().clone()
            })
            .collect()
    }

    fn names_of(query: &str) -> Result<Vec<String>, Fault> {
        let listing = Pairs::parse(Some(query)).listing(&THINGS)?;
        let page = listing.page(rows(), |id| Fault::not_found(id))?;
        Ok(page
            .iter()
            .map(|row| row["name"].as_str().unwrap().to_owned())
            .collect())
    }

    #[test]
    fn rows_are_filtered_and_sorted() {
        assert_eq!(names_of("sort_keys=name").unwrap(), ["one", "one", "two"]);
        assert_eq!(
            names_of("sort_keys=name&sort_dirs=desc&limit=1").unwrap(),
            ["two"]
        );
        assert_eq!(names_of("name=has:w").unwrap(), ["two"]);
        assert_eq!(names_of("name=neq:one").unwrap(), ["two"]);
        assert_eq!(names_of("tags=two,all").unwrap(), ["two"]);
        assert_eq!(names_of("name=nin:one,two").unwrap().len(), 0);
    }

    #[test]
    fn pages_follow_each_other_without_a_gap() {
        let mut seen = Vec::new();
        let mut query = "sort_keys=name&limit=1".to_owned();
        loop {
            let listing = Pairs::parse(Some(&query)).listing(&THINGS).unwrap();
            let page = listing.page(rows(), |id| Fault::not_found(id)).unwrap();
            let answer = listing.answer(&THINGS, "http://host/v2/things", page.clone());
            seen.extend(page.iter().map(|row| row["id"].to_string()));
            let Some(next) = answer.get("next").and_then(Value::as_str) else {
                break;
            };
            query = next.split_once('?').unwrap().1.to_owned();
        }
        seen.dedup();
        assert_eq!(seen.len(), 3);
    }

    #[test]
    fn what_no_list_has_is_refused() {
        for query in [
            "x=1",
            "limit=0",
            "limit=x",
            "marker=x",
            "sort_keys=x",
            "sort_dirs=up",
            "fields=x",
        ] {
            assert!(names_of(query).is_err(), "{query}");
        }
    }
}
