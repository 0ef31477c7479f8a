//! One operation of the contract and what it may answer.

use std::collections::BTreeMap;

use http::HeaderMap;
use jsonschema::{Draft, Validator};
use serde_json::{Map, Value, json};

/// What the prose has every answer carry ("CORRELATION AND TRACING"); the
/// header objects themselves do not say `required`.
const ALWAYS: [&str; 2] = ["x-request-id", "x-cycles-trace-id"];

/// What it has every 429 carry ("ERROR SEMANTICS").
const THROTTLED: [&str; 2] = ["retry-after", "x-ratelimit-reset"];

/// An operation: a method on a path.
#[derive(Debug)]
pub(crate) struct Operation {
    pub(crate) id: String,
    pub(crate) method: String,
    /// The path's segments; `None` takes any.
    segments: Vec<Option<String>>,
    pub(crate) answers: BTreeMap<u16, Answer>,
}

/// What one status carries.
#[derive(Debug)]
pub(crate) struct Answer {
    headers: Vec<Header>,
    body: Validator,
}

#[derive(Debug)]
struct Header {
    name: String,
    integer: bool,
    schema: Validator,
}

impl Operation {
    pub(crate) fn read(
        root: &Value,
        path: &str,
        method: &str,
        item: &Value,
    ) -> Result<Self, String> {
        let id = item["operationId"].as_str().ok_or("operation has no operationId")?.to_owned();
        let mut answers = BTreeMap::new();
        for (status, response) in object(&item["responses"]) {
            let context = |error| format!("{error} operation={id} status={status}");
            let number = status.parse().map_err(|_| context("status is no number".to_owned()))?;
            answers.insert(number, Answer::read(root, response).map_err(context)?);
        }
        let segment = |text: &str| (!text.starts_with('{')).then(|| text.to_owned());
        let segments = path.split('/').map(segment).collect();
        Ok(Self { id, method: method.to_ascii_uppercase(), segments, answers })
    }

    /// Whether `path`, without a query, is one of this operation's.
    pub(crate) fn is_at(&self, path: &str) -> bool {
        let mut given = path.split('/');
        let fits = self.segments.iter().all(|segment| {
            given.next().is_some_and(|text| match segment {
                Some(literal) => literal == text,
                None => !text.is_empty(),
            })
        });
        fits && given.next().is_none()
    }
}

impl Answer {
    pub(crate) fn read(root: &Value, response: &Value) -> Result<Self, String> {
        let response = resolve(root, response)?;
        let schema = &response["content"]["application/json"]["schema"];
        if schema.is_null() {
            return Err("response has no JSON schema".to_owned());
        }
        let headers = object(&response["headers"])
            .map(|(name, header)| Header::read(root, name, header))
            .collect::<Result<_, _>>()?;
        Ok(Self { headers, body: compile(root, schema)? })
    }

    /// The first header that is missing or wrong, and what it should be.
    pub(crate) fn wrong_header(
        &self,
        status: u16,
        headers: &HeaderMap,
    ) -> Option<(String, String)> {
        let value = |name: &str| Some(headers.get(name)?.to_str().unwrap_or_default());
        let throttled = THROTTLED.iter().filter(|_| status == 429);
        let mut required = ALWAYS.iter().chain(throttled);
        if let Some(missing) = required.find(|name| value(name).is_none_or(str::is_empty)) {
            return Some(((*missing).to_owned(), "the answer has to carry this header".to_owned()));
        }
        let json = value("content-type").is_some_and(|value| value == "application/json");
        if !json {
            return Some(("content-type".to_owned(), "application/json".to_owned()));
        }
        self.headers.iter().find_map(|header| {
            let problem = header.problem(value(&header.name)?)?;
            Some((header.name.clone(), problem))
        })
    }

    /// The first place where the body is wrong, and what it should be.
    pub(crate) fn wrong_body(&self, body: &Value) -> Option<(String, String)> {
        let error = self.body.iter_errors(body).next()?;
        Some((error.instance_path().to_string(), error.to_string()))
    }
}

impl Header {
    fn read(root: &Value, name: &str, header: &Value) -> Result<Self, String> {
        let schema = &resolve(root, header)?["schema"];
        let integer = schema["type"] == "integer";
        let name = name.to_ascii_lowercase();
        Ok(Self { name, integer, schema: compile(root, schema)? })
    }

    fn problem(&self, value: &str) -> Option<String> {
        let number = self.integer.then(|| value.parse::<i64>().ok()).flatten();
        let value = number.map_or_else(|| json!(value), |number| json!(number));
        self.schema.validate(&value).err().map(|error| error.to_string())
    }
}

/// A validator of `schema`, whose references lead into the contract's components.
fn compile(root: &Value, schema: &Value) -> Result<Validator, String> {
    let mut document = schema.as_object().cloned().unwrap_or_default();
    document.insert("components".to_owned(), root["components"].clone());
    jsonschema::options()
        .with_draft(Draft::Draft202012) // what OpenAPI 3.1 schemas are
        .should_validate_formats(true)
        .build(&Value::Object(document))
        .map_err(|error| error.to_string())
}

/// What `node` is, or what its `$ref` leads to.
fn resolve<'a>(root: &'a Value, node: &'a Value) -> Result<&'a Value, String> {
    let Some(reference) = node["$ref"].as_str() else { return Ok(node) };
    reference
        .strip_prefix('#')
        .and_then(|pointer| root.pointer(pointer))
        .ok_or_else(|| format!("reference leads nowhere ref={reference}"))
}

pub(crate) fn object(node: &Value) -> impl Iterator<Item = (&String, &Value)> {
    node.as_object().into_iter().flat_map(Map::iter)
}
