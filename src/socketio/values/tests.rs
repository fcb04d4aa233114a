use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::json;

use super::*;

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Upload {
    name: String,
    #[serde(default)]
    parts: Vec<Bytes>,
    more: Option<Box<Upload>>,
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Choice {
    None,
    One(u8),
    Pair(u8, Bytes),
    Named { a: i64 },
}

fn bytes(bytes: &'static [u8]) -> Bytes {
    Bytes::from_static(bytes)
}

fn written(value: &(impl Serialize + ?Sized)) -> (Value, usize) {
    let args = Args::of(value).unwrap();
    (Value::Array(args.values), args.attachments.len())
}

#[test]
fn tuples_are_several_arguments_and_all_else_is_one() {
    assert_eq!(written(&()), (json!([]), 0));
    assert_eq!(written(&(1, "two", [3])), (json!([1, "two", [3]]), 0));
    assert_eq!(written(&["a", "b"]), (json!(["a", "b"]), 0));
    assert_eq!(written(&vec!["a", "b"]), (json!([["a", "b"]]), 0));
    assert_eq!(written("é"), (json!(["é"]), 0));
    assert_eq!(written(&None::<u8>), (json!([null]), 0));
    assert_eq!(written(&((1, 2),)), (json!([[1, 2]]), 0));
    assert_eq!(written(&json!([1, 2])), (json!([[1, 2]]), 0));
    assert_eq!(written(&f64::NAN), (json!([null]), 0));
    assert_eq!(written(&BTreeMap::from([(7, true)])), (json!([{ "7": true }]), 0));
    assert!(Args::of(&BTreeMap::from([(vec![1], true)])).is_err());
}

#[test]
fn numbers_keep_their_digits() {
    for text in ["1.0", "12345678901234567890123", "-1.50", "1e+400", "9007199254740993"] {
        let value: Value = serde_json::from_str(text).unwrap();
        let args = Args::of(&value).unwrap();
        assert_eq!(args.values[0].to_string(), text);
        assert_eq!(args.parse::<Value>().unwrap().to_string(), text);
    }
}

#[test]
fn binary_is_in_place_both_ways() {
    let more = Some(Box::new(Upload { name: "b".into(), parts: vec![], more: None }));
    let upload = Upload { name: "a".into(), parts: vec![bytes(b"\x01"), bytes(b"")], more };
    let args = Args::of(&(bytes(b"first"), &upload)).unwrap();
    let part = |num| json!({ "_placeholder": true, "num": num });
    let more = json!({ "name": "b", "parts": [], "more": null });
    let object = json!({ "name": "a", "parts": [part(1), part(2)], "more": more });
    assert_eq!(args.values, [part(0), object]);
    assert_eq!(args.attachments, [&b"first"[..], b"\x01", b""]);
    assert_eq!(args.parse::<(Bytes, Upload)>().unwrap(), (bytes(b"first"), upload));
    let text = "invalid type: byte array, expected a string";
    assert_eq!(args.get::<String>(0).unwrap_err().to_string(), format!("argument 1: {text}"));
}

#[test]
fn variants_come_back() {
    for choice in
        [Choice::None, Choice::One(1), Choice::Pair(2, bytes(b"x")), Choice::Named { a: -3 }]
    {
        let args = Args::of(&choice).unwrap();
        assert_eq!(args.parse::<Choice>().unwrap(), choice);
    }
    assert_eq!(written(&Choice::Named { a: 1 }), (json!([{ "named": { "a": 1 } }]), 0));
    for wrong in [json!("other"), json!({}), json!(1), json!({ "one": 1, "none": 2 })] {
        assert!(Args::from(vec![wrong]).parse::<Choice>().is_err());
    }
}

#[test]
fn what_is_missing_is_none_and_what_is_too_much_is_left_out() {
    let args = Args::from(vec![json!("a"), json!(2), json!([3])]);
    assert_eq!(args.parse::<(String, u8)>().unwrap(), ("a".into(), 2));
    assert_eq!(args.parse::<String>().unwrap(), "a");
    assert_eq!(args.parse::<()>(), Ok(()));
    let (_, _, list, none) = args.parse::<(String, u8, Vec<u8>, Option<u8>)>().unwrap();
    assert_eq!((list, none), (vec![3], None));
    let missing = args.parse::<(String, u8, Value, u8)>().unwrap_err();
    assert_eq!(missing.to_string(), "argument 4: it is missing");
    let wrong = args.parse::<(u8,)>().unwrap_err().to_string();
    assert_eq!(wrong, "argument 1: invalid type: string \"a\", expected u8");
    assert_eq!(Args::default().parse::<Option<u8>>(), Ok(None));
    assert!(Args::default().parse::<u8>().is_err());
}

#[test]
fn an_object_that_looks_like_an_attachment_is_one_only_if_there_is_one() {
    let object = json!({ "_placeholder": true, "num": 0 });
    assert_eq!(Args::from(vec![object.clone()]).parse::<Value>(), Ok(object));
}

#[test]
fn other_formats_have_binary_in_place() {
    let args = Args::of(&(1, -2, 1.5, "x", bytes(b"\x01"), json!({ "a": [null, true] }))).unwrap();
    // A format that has binary: our own values.
    let written = Args::of(&args.in_place()).unwrap();
    assert_eq!(written.values, [Value::Array(args.values.clone())]);
    assert_eq!(written.attachments, args.attachments);
    struct Whole(Args);
    impl<'de> Deserialize<'de> for Whole {
        fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
            Args::from_in_place(from).map(Whole)
        }
    }
    assert_eq!(written.get::<Whole>(0).unwrap().0, args);
    assert!(Args::from(vec![json!(1)]).get::<Whole>(0).is_err());
}
