package clients

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"reflect"
	"sort"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/signer/v4"
)

const vectorsDirectory = "../../crates/auth/tests/vectors"

// signerCase is a request to sign.
type signerCase struct {
	Name, Method, Target, Body, Region, Token string
	Headers                                   [][2]string
	Expires                                   int
	Unsigned                                  bool
	Unlike                                    map[string]string
}

// signerCases is the file of requests, and what all of them are signed with.
type signerCases struct {
	Now       int64
	AccessKey string `json:"access_key"`
	SecretKey string `json:"secret_key"`
	Host      string
	Cases     []signerCase
}

// signedRequest is everything that goes over the wire.
type signedRequest struct {
	Name    string      `json:"name"`
	Method  string      `json:"method"`
	Target  string      `json:"target"`
	Headers [][2]string `json:"headers"`
	Body    string      `json:"body"`
}

func signRequest(t *testing.T, given *signerCases, one signerCase) signedRequest {
	t.Helper()
	body, err := hex.DecodeString(one.Body)
	must(t, err)
	request, err := http.NewRequest(one.Method, "http://"+given.Host+one.Target, bytes.NewReader(body))
	must(t, err)
	for _, header := range one.Headers {
		request.Header.Add(header[0], header[1])
	}
	sum := sha256.Sum256(body)
	hash := hex.EncodeToString(sum[:])
	if one.Unsigned {
		hash = "UNSIGNED-PAYLOAD"
		request.Header.Set("X-Amz-Content-Sha256", hash)
	}
	region := one.Region
	if region == "" {
		region = "us-east-1"
	}
	key := aws.Credentials{AccessKeyID: given.AccessKey, SecretAccessKey: given.SecretKey, SessionToken: one.Token}
	now, signer, ctx := time.Unix(given.Now, 0).UTC(), v4.NewSigner(), context.Background()
	if one.Expires > 0 {
		query := request.URL.Query()
		query.Set("X-Amz-Expires", strconv.Itoa(one.Expires))
		request.URL.RawQuery = query.Encode()
		url, header, err := signer.PresignHTTP(ctx, key, request, hash, "sqs", region, now)
		must(t, err)
		return written(one, strings.TrimPrefix(url, "http://"+given.Host), given.Host, header)
	}
	must(t, signer.SignHTTP(ctx, key, request, hash, "sqs", region, now))
	return written(one, request.URL.RequestURI(), given.Host, request.Header)
}

func written(one signerCase, target, host string, header http.Header) signedRequest {
	headers := [][2]string{{"Host", host}}
	// The client writes it when it sends, and the signer knows.
	if length := len(one.Body) / 2; length > 0 {
		headers = append(headers, [2]string{"Content-Length", strconv.Itoa(length)})
	}
	var names []string
	for name := range header {
		if name != "Host" {
			names = append(names, name)
		}
	}
	sort.Strings(names)
	for _, name := range names {
		for _, value := range header[name] {
			headers = append(headers, [2]string{name, value})
		}
	}
	return signedRequest{one.Name, one.Method, target, headers, one.Body}
}

// The requests that the server's own tests hold as signed by this SDK are what it signs. With BLESS=1 the file is
// written anew.
func TestTheSignerSignsAsItDid(t *testing.T) {
	text, err := os.ReadFile(filepath.Join(vectorsDirectory, "cases.json"))
	must(t, err)
	var given signerCases
	must(t, json.Unmarshal(text, &given))
	var vectors []signedRequest
	for _, one := range given.Cases {
		if one.Unlike["go"] == "" {
			vectors = append(vectors, signRequest(t, &given, one))
		}
	}
	file := filepath.Join(vectorsDirectory, "go.json")
	if os.Getenv("BLESS") == "1" {
		lines := []string{}
		for _, vector := range vectors {
			line := &strings.Builder{}
			encoder := json.NewEncoder(line)
			encoder.SetEscapeHTML(false)
			must(t, encoder.Encode(vector))
			lines = append(lines, "  "+strings.TrimSpace(line.String()))
		}
		text := "{\n \"made_by\": \"aws-sdk-go-v2 " + aws.SDKVersion + "\",\n \"vectors\": [\n" + strings.Join(lines, ",\n") + "\n ]\n}\n"
		must(t, os.WriteFile(file, []byte(text), 0o644))
	}
	var kept struct{ Vectors []signedRequest }
	text, err = os.ReadFile(file)
	must(t, err)
	must(t, json.Unmarshal(text, &kept))
	if !reflect.DeepEqual(vectors, kept.Vectors) {
		t.Fatalf("the signer signs otherwise:\n%v\nnot\n%v", vectors, kept.Vectors)
	}
}
