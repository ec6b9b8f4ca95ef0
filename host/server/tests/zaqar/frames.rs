//! The answers beside those of a real Zaqar: byte for byte over the websocket, and as JSON to what
//! executions ask over HTTP.

use std::collections::{HashMap, HashSet};
use std::fmt::Write as _;
use std::sync::Arc;

use ostro_core::{Method, RelativePath, ServiceRequest};
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::Message;

use crate::recorded::{FOLDER, Masks, deviations, steps};
use crate::world::{Client, NoCloud, PROJECT, World, with_tokens};

/// A frame as the recorder writes it down.
fn written(frame: Message, masks: &mut Masks) -> Value {
    match frame {
        Message::Text(text) => {
            let masked = masks.masked(text.as_bytes());
            json!({"text": String::from_utf8(masked).unwrap()})
        }
        Message::Binary(bytes) => {
            let mut hex = String::new();
            for byte in masks.masked(&bytes) {
                let _ = write!(hex, "{byte:02x}");
            }
            json!({"hex": hex})
        }
        other => panic!("{other:?}"),
    }
}

fn frame(step: &Value, masks: &Masks) -> Message {
    if let Some(hex) = step["hex"].as_str() {
        let byte = |index| u8::from_str_radix(&hex[index..index + 2], 16).unwrap();
        let bytes: Vec<u8> = (0..hex.len()).step_by(2).map(byte).collect();
        return Message::binary(bytes);
    }
    if let Some(text) = step["text"].as_str() {
        return Message::text(text);
    }
    let sent = masks.filled(&step["send"]);
    if step["binary"] == true {
        Message::binary(rmp_serde::to_vec(&sent).unwrap())
    } else {
        Message::text(sent.to_string())
    }
}

async fn answer(
    world: &World,
    clients: &mut HashMap<String, Client>,
    step: &Value,
    masks: &mut Masks,
) -> Value {
    let name = step["by"].as_str().unwrap_or("one").to_owned();
    if step["close"] == true {
        let mut client = clients.remove(&name).unwrap();
        client.socket.close(None).await.unwrap();
        client.closed().await;
        return json!({});
    }
    if !clients.contains_key(&name) {
        clients.insert(name.clone(), world.client().await);
    }
    let client = clients.get_mut(&name).unwrap();
    client.put(frame(step, masks)).await;
    let answered = client.next(false).await;
    if step.get("save").is_some() {
        let value = match &answered {
            Message::Text(text) => serde_json::from_str(text).unwrap(),
            other => rmp_serde::from_slice(&other.clone().into_data()).unwrap(),
        };
        masks.save(step, &value);
    }
    let mut found = json!({"answer": written(answered, masks)});
    for (target, count) in step["pushed"].as_object().into_iter().flatten() {
        let mut pushed = Vec::new();
        for _ in 0..count.as_u64().unwrap() {
            let push = clients.get_mut(target).unwrap().next(true).await;
            pushed.push(written(push, masks));
        }
        found["pushed"][target] = pushed.into();
    }
    found
}

/// What differs from what was recorded, but for what is listed.
fn check(topic: &str, found: &[(Value, Value)]) {
    let listed = deviations(topic);
    let mut alike = 0;
    for (found, recorded) in found {
        let step = recorded["step"].as_u64().unwrap();
        let mut recorded = recorded.clone();
        recorded.as_object_mut().unwrap().remove("step");
        let is_alike = *found == recorded;
        alike += usize::from(is_alike);
        assert_eq!(
            is_alike,
            !listed.contains_key(&step),
            "{topic}, step {step}:\n   found {found}\nrecorded {recorded}"
        );
    }
    println!(
        "{topic}: {alike} of {} alike, the rest as listed",
        found.len()
    );
}

#[tokio::test]
async fn frames_are_those_of_zaqar_byte_for_byte() {
    let mut topics = HashSet::new();
    for file in std::fs::read_dir(format!("{FOLDER}/frames")).unwrap() {
        let path = file.unwrap().path();
        let topic = path.file_stem().unwrap().to_str().unwrap().to_owned();
        if topic == "rest" || !topics.insert(topic.clone()) {
            continue;
        }
        let world = World::new(with_tokens()).await;
        let (mut clients, mut masks) = (HashMap::new(), Masks::new());
        let mut found = Vec::new();
        for (step, recorded) in steps(&topic) {
            let answered = answer(&world, &mut clients, &step, &mut masks).await;
            found.push((answered, recorded));
        }
        for client in clients.values_mut() {
            assert!(client.is_quiet().await, "{topic}");
        }
        check(&topic, &found);
    }
    assert_eq!(topics.len(), 7, "{topics:?}");
}

#[tokio::test]
async fn executions_get_the_answers_of_zaqar() {
    let world = World::new(with_tokens()).await;
    let cloud = world.zaqar.cloud(PROJECT, Arc::new(NoCloud));
    let (mut found, mut masks) = (Vec::new(), Masks::new());
    for (step, recorded) in steps("rest") {
        let call = masks.text(step["call"].as_str().unwrap());
        let (method, url) = call.split_once(' ').unwrap();
        let (path, query) = url.split_once('?').unwrap_or((url, ""));
        let path = RelativePath::parse(path).unwrap();
        let mut request = ServiceRequest::new("messaging", Method::parse(method).unwrap(), path);
        let pairs = query.split('&').filter_map(|pair| pair.split_once('='));
        request.query = pairs
            .map(|(key, value)| (key.into(), value.into()))
            .collect();
        if let Some(body) = step.get("json") {
            request.body = masks.filled(body).to_string().into_bytes();
        }
        let answer = cloud.send(request).await.unwrap();
        let mut one = json!({"status": answer.status});
        if let Some(at) = answer.header("location") {
            let masked = masks.masked(at.as_bytes());
            one["location"] = String::from_utf8(masked).unwrap().into();
        }
        if !answer.body.is_empty() {
            let body: Value = serde_json::from_slice(&answer.body).unwrap();
            masks.save(&step, &body);
            // In the order and with the spaces in which the recorder masks.
            let text = body.to_string().replace("\"age\":", "\"age\": ");
            one["json"] = serde_json::from_slice(&masks.masked(text.as_bytes())).unwrap();
        }
        found.push((one, recorded));
    }
    check("rest", &found);
}
