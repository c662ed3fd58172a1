//! A client of one connection that asks for one thing at a time.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

/// Callgrind makes everything some fifty times slower, and the machine may be busy.
const PATIENCE: Duration = Duration::from_secs(120);

/// A connection to the server.
pub(super) struct Client {
    stream: BufReader<TcpStream>,
    host: String,
}

impl Client {
    /// This function connects to the server at `endpoint`.
    ///
    /// # Errors
    ///
    /// A sentence with the system's reason.
    pub(super) fn open(endpoint: &str) -> Result<Self, String> {
        let host = endpoint.trim_start_matches("http://").to_owned();
        let failed = |source: std::io::Error| format!("connecting to {endpoint}: {source}");
        let stream = TcpStream::connect(&host).map_err(failed)?;
        stream.set_read_timeout(Some(PATIENCE)).map_err(failed)?;
        stream.set_nodelay(true).map_err(failed)?;
        Ok(Self { stream: BufReader::new(stream), host })
    }

    /// This function asks for an action in the JSON protocol and gives the body of the answer.
    ///
    /// # Errors
    ///
    /// A sentence with the refusal, or with what broke.
    pub(super) fn json(&mut self, action: &str, body: &str) -> Result<String, String> {
        let headers = format!("x-amz-target: AmazonSQS.{action}\r\ncontent-type: application/x-amz-json-1.0\r\n");
        self.exchange(action, &headers, body)
    }

    /// This function sends a form of the Query protocol and gives the body of the answer.
    ///
    /// # Errors
    ///
    /// As [`Client::json`].
    pub(super) fn query(&mut self, form: &str) -> Result<String, String> {
        self.exchange("a form", "content-type: application/x-www-form-urlencoded\r\n", form)
    }

    fn exchange(&mut self, action: &str, headers: &str, body: &str) -> Result<String, String> {
        let failed = |source: std::io::Error| format!("{action}: {source}");
        let (host, length) = (&self.host, body.len());
        let request = format!("POST / HTTP/1.1\r\nhost: {host}\r\n{headers}content-length: {length}\r\n\r\n{body}");
        self.stream.get_mut().write_all(request.as_bytes()).map_err(failed)?;
        let (mut status, mut length) = (String::new(), 0);
        self.stream.read_line(&mut status).map_err(failed)?;
        let mut line = String::new();
        loop {
            line.clear();
            if self.stream.read_line(&mut line).map_err(failed)? == 0 {
                return Err(format!("{action}: the server has closed the connection"));
            }
            let Some((name, value)) = line.trim_end().split_once(':') else { break };
            if name.eq_ignore_ascii_case("content-length") {
                length = value.trim().parse().map_err(|_| format!("{action}: content-length is {value}"))?;
            }
        }
        let mut body = vec![0; length];
        self.stream.read_exact(&mut body).map_err(failed)?;
        let body = String::from_utf8_lossy(&body).into_owned();
        if status.starts_with("HTTP/1.1 200") {
            Ok(body)
        } else {
            Err(format!("{action}: {} {body}", status.trim_end()))
        }
    }
}

/// This function gives the values of all members of this name in a JSON text, as they stand between their quotes.
pub(super) fn values<'t>(text: &'t str, name: &str) -> Vec<&'t str> {
    let mark = format!("\"{name}\":\"");
    text.split(&mark).skip(1).filter_map(|rest| rest.split('"').next()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpListener;
    use std::thread;

    fn answering(reply: &'static str) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("an address");
        thread::spawn(move || {
            let (mut stream, _) = listener.accept().expect("a client");
            let mut request = [0; 4096];
            // The whole request, which is short: its body ends with a brace.
            let mut length = 0;
            while !request[..length].ends_with(b"}") {
                length += stream.read(&mut request[length..]).expect("a request");
            }
            stream.write_all(reply.as_bytes()).expect("the client listens");
        });
        format!("http://{address}")
    }

    #[test]
    fn the_body_of_an_answer_is_read_to_its_end_and_a_refusal_is_an_error() {
        let ask = |reply| Client::open(&answering(reply)).and_then(|mut client| client.json("Send", "{}"));
        assert_eq!(ask("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"), Ok("hello".to_owned()));
        let refusal = ask("HTTP/1.1 400 Bad Request\r\ncontent-length: 3\r\n\r\nbad").expect_err("refused");
        assert!(refusal.contains("400") && refusal.contains("bad"), "{refusal}");
        assert!(ask("HTTP/1.1 200 OK\r\n").expect_err("cut off").contains("closed"));
    }

    #[test]
    fn values_are_found_by_their_name() {
        let text = r#"{"Messages":[{"Body":"x","ReceiptHandle":"a+/="},{"ReceiptHandle":"b"}]}"#;
        assert_eq!(values(text, "ReceiptHandle"), ["a+/=", "b"]);
        assert_eq!(values("{}", "ReceiptHandle"), [""; 0]);
    }
}
