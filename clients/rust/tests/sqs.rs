fn main() { let _ = aws_smithy_http_client::Builder::new().build_http(); }
