use super::*;

fn read(text: &str) -> Result<Directory, FileError> {
    Directory::read(text, &mut |reference| match reference {
        Reference::Variable(name) if name == "SECRET" => Ok(Secret::new("from-the-environment".into())),
        Reference::File(path) if path.ends_with("secret") => Ok(Secret::new("from-a-file-of-its-own".into())),
        Reference::Variable(name) => Err(format!("there is no variable {name}")),
        Reference::File(path) => Err(format!("there is no file {}", path.display())),
    })
}

const FILE: &str = r#"
regions = ["eu-west-1"]

[policies]
produce = '''{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"sqs:SendMessage","Resource":"*"}}'''

[[accounts]]
id = "111122223333"

[[accounts.keys]]
id = "AKIAROOT"
secret = "file:/run/secret"

[[accounts.users]]
name = "producer"
policies = ["produce"]
tags = { team = "orders" }

[[accounts.users.keys]]
id = "AKIAPRODUCER"
secret = "env:SECRET"

[[accounts.users.keys]]
id = "AKIAOLD"
secret = "0123456789abcdef"
active = false

[[accounts.roles]]
name = "worker"
trust = '''{"Statement":{"Effect":"Allow","Principal":{"AWS":"444455556666"},"Action":"sts:AssumeRole"}}'''
policies = ["produce"]
tags = { team = "orders" }

[[accounts]]
id = "444455556666"
"#;

#[test]
fn a_file_says_who_has_which_key() {
    let directory = read(FILE).expect("a directory");
    assert_eq!(directory.len(), 2);
    let root = directory.find("AKIAROOT").expect("a key");
    assert_eq!(root.secret.reveal(), "from-a-file-of-its-own");
    assert_eq!((&*root.principal.arn, &*root.principal.id), ("arn:aws:iam::111122223333:root", "111122223333"));
    let producer = directory.find("AKIAPRODUCER").expect("a key");
    assert_eq!(producer.secret.reveal(), "from-the-environment");
    assert_eq!(&*producer.principal.arn, "arn:aws:iam::111122223333:user/producer");
    assert_eq!((producer.principal.id.len(), &producer.principal.id[..4]), (21, "AIDA"));
    assert_eq!(producer.principal.tags, [("team".to_owned(), "orders".to_owned())]);
    assert_eq!(&*producer.principal.policies[0].0, "produce");
    assert!(directory.find("AKIAOLD").is_none(), "it is switched off");
}

#[test]
fn a_file_says_which_roles_there_are() {
    let directory = read(FILE).expect("a directory");
    let account = AccountId::new("111122223333").expect("an account");
    let role = directory.role(account, "worker").expect("a role");
    assert_eq!(&*role.arn, "arn:aws:iam::111122223333:role/worker");
    assert_eq!((role.id.len(), &role.id[..4], role.session_seconds_max), (21, "AROA", 3600));
    assert_eq!((&*role.policies[0].0, role.tags.len()), ("produce", 1));
    assert!(directory.role(AccountId::new("444455556666").expect("an account"), "worker").is_none());
    for (wanted, session) in
        [("worker", "simulated"), (&role.arn, "simulated"), ("arn:aws:sts::111122223333:assumed-role/worker/s1", "s1")]
    {
        let callers = directory.callers(wanted, 5);
        let [caller] = callers.as_slice() else { panic!("{wanted}: {callers:?}") };
        assert_eq!(*caller.arn, format!("arn:aws:sts::111122223333:assumed-role/worker/{session}"));
        assert_eq!(caller.session.as_ref().map(|session| session.issued), Some(5));
    }
}

#[test]
fn what_is_wrong_is_said_without_the_secret() {
    let key = |id: &str, secret: &str| {
        format!("[[accounts]]\nid = \"111122223333\"\nkeys = [{{ id = \"{id}\", secret = \"{secret}\" }}]")
    };
    let user = |user: &str| format!("[[accounts]]\nid = \"111122223333\"\nusers = [{user}]");
    let role = |role: &str| format!("[[accounts]]\nid = \"111122223333\"\nroles = [{role}]");
    let trust = r#"'{"Statement":{"Effect":"Allow","Principal":"*","Action":"*"}}'"#;
    for (text, expected) in [
        (role("{ name = \"r\" }"), "missing field `trust`"),
        (role("{ name = \"r\", trust = \"{}\" }"), "role r: trust: Statement must be an object or a list of objects"),
        (role(&format!("{{ name = \"a b\", trust = {trust} }}")), "\"a b\" is no name for a role"),
        (role(&format!("{{ name = \"r\", trust = {trust}, policies = [\"p\"] }}")), "role r: there is no policy p"),
        (
            role(&format!("{{ name = \"r\", trust = {trust}, max_session_seconds = 900 }}")),
            "role r: max_session_seconds must be between 3600 and 43200",
        ),
        (
            role(&format!("{{ name = \"r\", trust = {trust} }}, {{ name = \"r\", trust = {trust} }}")),
            "role r is there twice",
        ),
        ("[[accounts]]\nid = \"1\"".to_owned(), "account \"1\": the id must be 12 digits"),
        (format!("{0}\n{0}", "[[accounts]]\nid = \"111122223333\""), "account 111122223333 is there twice"),
        (key("AKIA!", "0123456789abcdef"), "the id must be 4 to 128 letters, digits and underscores"),
        (key("AKIAX", "hunter2hunter2"), "the secret must be 16 characters or longer"),
        (key("AKIAX", "env:OTHER"), "access key \"AKIAX\": there is no variable OTHER"),
        (user("{ name = \"a b\" }"), "\"a b\" is no name for a user"),
        (user("{ name = \"a\" }, { name = \"a\" }"), "user a is there twice"),
        (user("{ name = \"a\", policies = [\"p\"] }"), "user a: there is no policy p"),
        ("[policies]\np = \"{}\"".to_owned(), "policy p: Statement must be an object or a list of objects"),
        ("regions = [\"EU\"]".to_owned(), "\"EU\" is no region"),
        ("accounts = 1".to_owned(), "line 1: "),
        (key("AKIAX", "hunter2\", sekret = \"hunter2"), "line 3: unknown field `sekret`"),
        (key("AKIAX", "hunter2\" \""), "line 3: "),
    ] {
        let error = read(&text).expect_err(expected).to_string();
        assert!(error.contains(expected), "{error} is not {expected}");
        assert!(!error.contains("hunter2"), "{error}");
    }
}

#[test]
fn the_same_key_cannot_be_two_peoples() {
    let text = "[[accounts]]\nid = \"111122223333\"\nkeys = [{ id = \"AKIAX\", secret = \"0123456789abcdef\" }]\n\
                users = [{ name = \"a\", keys = [{ id = \"AKIAX\", secret = \"0123456789abcdef\" }] }]";
    assert_eq!(read(text).expect_err("twice").to_string(), "access key \"AKIAX\": it is there twice");
}

#[test]
fn nothing_that_holds_a_secret_shows_it() {
    let inline = FILE.replace("env:SECRET", "a-secret-in-the-file");
    let directory = read(&inline).expect("a directory");
    let shown = format!("{directory:?}");
    assert!(shown.contains("AKIAPRODUCER"), "{shown}");
    let authenticator = crate::Authenticator::new(directory, AccountId::DEFAULT, Region::new("r").expect("a region"));
    let key = crate::NewKey::generate(&[7; crate::RANDOM_BYTES]);
    let secrets = ["a-secret-in-the-file", "from-a-file-of-its-own", "0123456789abcdef", key.secret.reveal()];
    // A line that cannot be read is not shown either, nor a value of another kind.
    let mut wrong = vec![inline.replace("active = false", "active = ")];
    wrong.push(inline.replace("active = false", "activ = false"));
    wrong.push(inline.replace("secret = \"a-secret-in-the-file\"", "secret = [\"a-secret-in-the-file\"]"));
    wrong.push(inline.replace("secret = \"0123456789abcdef\"", "secret = \"0123456789abcdef"));
    let mut texts = vec![shown, format!("{authenticator:?}"), format!("{key:?}")];
    for text in wrong {
        let error = read(&text).expect_err("it cannot be read");
        texts.extend([format!("{error:?}"), error.to_string()]);
    }
    for text in texts {
        assert!(!secrets.iter().any(|secret| text.contains(secret)), "{text}");
    }
}
