use super::*;

fn form(text: &str) -> Form<'_> {
    Form::parse([text.as_bytes(), b""]).expect("a good form")
}

const LIST: Name = Name::new("Names", "Name");

#[test]
fn lists_are_sorted_by_number_without_minding_gaps() {
    let form = form("Name.10=c&Name.2=b&Other.1=x&Name.01=a&Names=x");
    assert_eq!(form.members().texts(LIST), Ok(vec!["a", "b", "c"]));
}

#[test]
fn a_single_element_needs_no_number_and_an_empty_one_is_none() {
    assert_eq!(form("Name=a").members().texts(LIST), Ok(vec!["a"]));
    assert_eq!(form("Name=").members().texts(LIST), Ok(vec![]));
    assert_eq!(form("").members().texts(LIST), Ok(vec![]));
}

#[test]
fn structures_are_told_apart_by_their_numbers() {
    let form = form("E.2.Id=b&E.1.Id=a&E.1.M.1.Name=x&E.1.M.1.Value=y&E.1.M.Name=z&E.1.M.Value=w&E=");
    let entries = form.members().objects(Name::same("E")).expect("entries");
    let map = MapName::named("M", "M");
    let read = entries.into_iter().map(|entry| {
        let id = entry.text(Name::same("Id")).map(Option::unwrap_or_default);
        (id, entry.pairs(map).map(|pairs| pairs.len()))
    });
    let read: Vec<_> = read.collect();
    assert_eq!(read, [(Ok("a"), Ok(2)), (Ok("b"), Ok(0))]);
}

#[test]
fn a_key_that_comes_twice_counts_last_and_a_pair_needs_a_key() {
    let map = MapName::tags("Tags");
    let twice = form("Tag.1.Key=a&Tag.1.Value=1&Tag.2.Key=a&Tag.2.Value=2&Tag.3.Key=b");
    assert_eq!(twice.members().pairs(map), Ok(vec![("a", "2"), ("b", "")]));
    let keyless = form("Tag.1.Value=1");
    assert_eq!(keyless.members().pairs(map).map_err(|error| error.code), Err(Code::MissingParameter));
}

#[test]
fn names_and_values_are_unescaped_once() {
    let form = form("N%61me=%252B%2B+%C3%A9&flag&=x&&a=b=c");
    assert_eq!(form.members().text(LIST), Ok(Some("%2B+ é")));
    assert_eq!(form.members().text(Name::same("flag")), Ok(Some("")));
    assert_eq!(form.members().text(Name::same("a")), Ok(Some("b=c")));
}

#[test]
fn the_order_of_names_is_total() {
    let names = ["", "a", "a.", "a.1", "a.01", "a.2", "a.10", "a.10.x", "a.b", "a.99999999999999999999999", "1", "b"];
    for one in names {
        for other in names {
            assert_eq!(compare_names(one, other), compare_names(other, one).reverse(), "{one} {other}");
            for third in names {
                if compare_names(one, other).is_le() && compare_names(other, third).is_le() {
                    assert!(compare_names(one, third).is_le(), "{one} {other} {third}");
                }
            }
        }
    }
}

#[test]
fn thousands_of_parameters_are_read_in_a_moment() {
    let text: String = (0..9_000).map(|n| format!("E.{n}.Id={n}&")).collect();
    let form = form(&text);
    let started = std::time::Instant::now();
    assert_eq!(form.members().objects(Name::same("E")).map(|entries| entries.len()), Ok(9_000));
    assert!(started.elapsed() < std::time::Duration::from_secs(2), "{:?}", started.elapsed());
}
