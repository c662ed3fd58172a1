use super::*;

fn text(name: &str, data_type: &str, value: &str) -> MessageAttribute {
    MessageAttribute { name: name.into(), data_type: data_type.into(), value: AttributeValue::Text(value.into()) }
}

fn binary(name: &str, data_type: &str, value: &[u8]) -> MessageAttribute {
    MessageAttribute { name: name.into(), data_type: data_type.into(), value: AttributeValue::Binary(value.into()) }
}

fn attributes_md5(attributes: &[MessageAttribute]) -> String {
    md5_text(&md5_of_attributes(attributes).expect("there are attributes"))
}

#[test]
fn an_attribute_digest_is_over_lengths_names_types_and_values() {
    let first = text("my_attribute_name_1", "String", "my_attribute_value_1");
    let second = text("my_attribute_name_2", "String", "my_attribute_value_2");
    assert_eq!(attributes_md5(&[first.clone(), second]), "c48838208d2b4e14e3ca0093a8443f09");
    assert_eq!(attributes_md5(&[first]), "8ef4d60dbc8efda9f260e1dfd09d29f3");
    let test = text("test_attribute_name_1", "String", "test_attribute_value_1");
    assert_eq!(attributes_md5(&[test]), "ba056227cfd9533dba1f72ad9816d233");
    assert_eq!(attributes_md5(&[text("baz", "String", "qux")]), "16bd0283a5b4962721ccd3efe4bc6257");
    let trace = "Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=1";
    assert_eq!(attributes_md5(&[text("AWSTraceHeader", "String", trace)]), "5ae4d5d7636402d80f4eb6d213245a88");
}

#[test]
fn an_attribute_digest_takes_labels_multibyte_text_and_raw_bytes() {
    let mixed = [
        text("Count", "Number.int", "42"),
        text("a", "String", "é"),
        binary("blob", "Binary.png", &[0x00, 0x01, 0x02, 0xff]),
    ];
    assert_eq!(attributes_md5(&mixed), "b304a10c89ca9d80a53b51b7c3a5b46e");
}

#[test]
fn no_attributes_have_no_digest() {
    assert_eq!(md5_of_attributes([]), None);
}
