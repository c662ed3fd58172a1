package clients;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Clock;
import java.time.Duration;
import java.time.Instant;
import java.time.ZoneOffset;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import software.amazon.awssdk.core.util.VersionInfo;
import software.amazon.awssdk.http.SdkHttpMethod;
import software.amazon.awssdk.http.SdkHttpRequest;
import software.amazon.awssdk.http.auth.aws.signer.AwsV4HttpSigner;
import software.amazon.awssdk.http.auth.spi.signer.SignRequest;
import software.amazon.awssdk.identity.spi.AwsCredentialsIdentity;
import software.amazon.awssdk.identity.spi.AwsSessionCredentialsIdentity;
import software.amazon.awssdk.protocols.jsoncore.JsonNode;
import software.amazon.awssdk.utils.BinaryUtils;
import software.amazon.awssdk.utils.http.SdkHttpUtils;

/**
 * The requests that the server's own tests hold as signed by this SDK are what it signs. With BLESS=1 the file is
 * written anew.
 */
class SignerTest {
    private static final Path DIRECTORY = Path.of("../../crates/auth/tests/vectors");

    @Test
    void theSignerSignsAsItDid() throws IOException {
        JsonNode given = read("cases.json");
        List<String> vectors = new ArrayList<>();
        for (JsonNode one : given.field("cases").get().asArray()) {
            if (one.field("unlike").flatMap(unlike -> unlike.field("java")).isEmpty()) {
                vectors.add("  " + sign(given, one));
            }
        }
        String text = "{\n \"made_by\": \"http-auth-aws " + VersionInfo.SDK_VERSION + "\",\n \"vectors\": [\n"
                + String.join(",\n", vectors) + "\n ]\n}\n";
        if ("1".equals(System.getenv("BLESS"))) {
            Files.writeString(DIRECTORY.resolve("java.json"), text);
        }
        assertEquals(read("java.json").field("vectors").get(), JsonNode.parser().parse(text).field("vectors").get());
    }

    private static JsonNode read(String name) throws IOException {
        return JsonNode.parser().parse(Files.readString(DIRECTORY.resolve(name)));
    }

    private static String text(JsonNode node, String name) {
        return node.field(name).get().text();
    }

    /** Everything that goes over the wire for one case. */
    private static String sign(JsonNode given, JsonNode one) {
        String[] target = text(one, "target").split("\\?", 2);
        String[] host = text(given, "host").split(":");
        boolean unsigned = one.field("unsigned").isPresent();
        SdkHttpRequest.Builder request = SdkHttpRequest.builder()
                .method(SdkHttpMethod.fromValue(text(one, "method")))
                // By plain HTTP it signs every payload.
                .protocol(unsigned ? "https" : "http")
                .host(host[0])
                .port(Integer.parseInt(host[1]))
                .encodedPath(target[0]);
        for (String parameter : target.length == 2 ? target[1].split("&") : new String[0]) {
            String[] pair = parameter.split("=", 2);
            if (!parameter.isEmpty()) {
                request.appendRawQueryParameter(SdkHttpUtils.urlDecode(pair[0]),
                        pair.length == 2 ? SdkHttpUtils.urlDecode(pair[1]) : null);
            }
        }
        for (JsonNode header : one.field("headers").get().asArray()) {
            request.appendHeader(header.index(0).get().text(), header.index(1).get().text());
        }
        byte[] body = BinaryUtils.fromHex(text(one, "body"));
        AwsCredentialsIdentity key = AwsCredentialsIdentity.create(text(given, "access_key"), text(given, "secret_key"));
        if (one.field("token").isPresent()) {
            key = AwsSessionCredentialsIdentity.create(key.accessKeyId(), key.secretAccessKey(), text(one, "token"));
        }
        Instant now = Instant.ofEpochSecond(Long.parseLong(text(given, "now")));
        SignRequest.Builder<AwsCredentialsIdentity> asked = SignRequest.builder(key)
                .request(request.build())
                .payload(() -> new ByteArrayInputStream(body))
                .putProperty(AwsV4HttpSigner.SERVICE_SIGNING_NAME, "sqs")
                .putProperty(AwsV4HttpSigner.REGION_NAME, one.field("region").map(JsonNode::text).orElse("us-east-1"))
                .putProperty(AwsV4HttpSigner.SIGNING_CLOCK, Clock.fixed(now, ZoneOffset.UTC));
        if (unsigned) {
            asked.putProperty(AwsV4HttpSigner.PAYLOAD_SIGNING_ENABLED, false);
        }
        if (one.field("expires").isPresent()) {
            asked.putProperty(AwsV4HttpSigner.AUTH_LOCATION, AwsV4HttpSigner.AuthLocation.QUERY_STRING);
            asked.putProperty(AwsV4HttpSigner.EXPIRATION_DURATION,
                    Duration.ofSeconds(Long.parseLong(text(one, "expires"))));
        }
        SdkHttpRequest signed = AwsV4HttpSigner.create().sign(asked.build()).request();
        String query = signed.encodedQueryParameters().map(parameters -> "?" + parameters).orElse("");
        List<String> headers = new ArrayList<>();
        if (signed.firstMatchingHeader("Host").isEmpty()) {
            headers.add("[\"Host\", " + quote(text(given, "host")) + "]");
        }
        for (Map.Entry<String, List<String>> header : signed.headers().entrySet()) {
            for (String value : header.getValue()) {
                headers.add("[" + quote(header.getKey()) + ", " + quote(value) + "]");
            }
        }
        return "{\"name\": " + quote(text(one, "name")) + ", \"method\": " + quote(text(one, "method"))
                + ", \"target\": " + quote(signed.encodedPath() + query)
                + ", \"headers\": [" + String.join(", ", headers) + "], \"body\": " + quote(text(one, "body")) + "}";
    }

    private static String quote(String text) {
        return '"' + text.replace("\\", "\\\\").replace("\"", "\\\"") + '"';
    }
}
