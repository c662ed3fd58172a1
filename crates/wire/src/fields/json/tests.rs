use super::*;

#[test]
fn unpaired_surrogates_alone_are_repaired() {
    let repaired =
        |text: &str| without_unpaired_surrogates(text.as_bytes()).map(|bytes| String::from_utf8(bytes).expect("text"));
    for whole in ["", "plain", r"\ud83d\ude00", r"\\ud800", r"\", r"\u", r"\ud8", r"\u00e9\n"] {
        assert_eq!(repaired(whole), None, "{whole}");
    }
    assert_eq!(repaired(r"\ud800").as_deref(), Some(r"\ufffe"));
    assert_eq!(repaired(r"\uDC00\ud83d\ude00").as_deref(), Some(r"\ufffe\ud83d\ude00"));
    assert_eq!(repaired(r"\ud800\ud800\udc00").as_deref(), Some(r"\ufffe\ud800\udc00"));
    assert_eq!(repaired(r"\\\ud800\").as_deref(), Some(r"\\\ufffe\"));
}

#[test]
fn nested_values_are_skipped_as_a_whole() {
    let body = br#"{"a":{"b":[{"name":"inner"},[1,[2]]]},"name":"outer","list":[null,"x",null,"y"]}"#;
    let document = Document::parse(body).expect("JSON");
    let fields = document.members();
    assert_eq!(fields.text(Name::same("name")), Ok(Some("outer")));
    assert_eq!(fields.texts(Name::same("list")), Ok(vec!["x", "y"]));
    assert_eq!(fields.text(Name::same("b")), Ok(None));
}

#[test]
fn the_last_of_repeated_keys_counts() {
    let document = Document::parse(br#"{"m":{"a":"1","b":"2","a":"3"},"x":"1","x":null}"#).expect("JSON");
    let map = MapName::named("m", "m");
    assert_eq!(document.members().pairs(map), Ok(vec![("b", "2"), ("a", "3")]));
    assert_eq!(document.members().text(Name::same("x")), Ok(None));
}
