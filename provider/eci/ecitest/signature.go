package ecitest

import (
	"crypto/hmac"
	"crypto/sha1" // the RPC protocol's signature version 1 is HMAC-SHA1
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
)

// validity is how far a request's timestamp may be from the gateway's clock.
const validity = 15 * time.Minute

// verifyV1 checks the RPC protocol's signature version 1: HMAC-SHA1 over all parameters of
// query and form.
func (e *Emulator) verifyV1(method string, all map[string]string) (*call, *refusal) {
	for _, name := range []string{"Action", "Version", "AccessKeyId", "Timestamp", "SignatureNonce", "SignatureMethod", "SignatureVersion", "Signature"} {
		if all[name] == "" {
			return nil, badRequest("MissingParameter", "The input parameter "+name+" that is mandatory for processing this request is not supplied.")
		}
	}
	if all["SignatureMethod"] != "HMAC-SHA1" || all["SignatureVersion"] != "1.0" {
		return nil, badRequest("IncompleteSignature", "The request signature does not conform to Aliyun standards: want HMAC-SHA1, version 1.0.")
	}
	if r := e.checkIdentity(all["Version"], all["AccessKeyId"], all["Timestamp"]); r != nil {
		return nil, r
	}
	stringToSign := stringToSignV1(method, all)
	mac := hmac.New(sha1.New, []byte(e.options.AccessKeySecret+"&"))
	mac.Write([]byte(stringToSign))
	want := base64.StdEncoding.EncodeToString(mac.Sum(nil))
	if !hmac.Equal([]byte(want), []byte(all["Signature"])) {
		return nil, badRequest("SignatureDoesNotMatch", "Specified signature is not matched with our calculation. server string to sign is:"+stringToSign)
	}
	if r := e.useNonce(all["SignatureNonce"]); r != nil {
		return nil, r
	}
	return newCall(all["Action"], all["Version"], method, all), nil
}

func stringToSignV1(method string, all map[string]string) string {
	// Sorted by name and not by pair: "." and digits come before "=".
	var pairs []string
	for _, name := range slices.Sorted(maps.Keys(all)) {
		if name != "Signature" {
			pairs = append(pairs, percent(name)+"="+percent(all[name]))
		}
	}
	return method + "&%2F&" + percent(strings.Join(pairs, "&"))
}

// percent is the vendor's URL encoding, RFC 3986's.
func percent(s string) string {
	s = strings.ReplaceAll(url.QueryEscape(s), "+", "%20")
	return strings.ReplaceAll(strings.ReplaceAll(s, "*", "%2A"), "%7E", "~")
}

// checkIdentity checks what both kinds of signature carry. Timestamps are compared with
// real time: clients don't know the emulated one.
func (e *Emulator) checkIdentity(version, accessKeyID, timestamp string) *refusal {
	if !isVersion(version) {
		return badRequest("InvalidVersion", "Specified parameter Version is not valid.")
	}
	if !e.knownKey(accessKeyID) {
		return &refusal{http.StatusNotFound, "InvalidAccessKeyId.NotFound", "Specified access key is not found."}
	}
	at, err := time.Parse("2006-01-02T15:04:05Z", timestamp)
	if err != nil {
		return badRequest("InvalidTimeStamp.Format", "Specified time stamp or date value is not well formatted.")
	}
	if age := time.Since(at); age > validity || age < -validity {
		return badRequest("InvalidTimeStamp.Expired", "Specified time stamp or date value is expired.")
	}
	return nil
}

// useNonce refuses one that was used while a request with it could still be valid. Two
// generations, each as long as a timestamp is valid, hold them without growing.
func (e *Emulator) useNonce(nonce string) *refusal {
	e.mu.Lock()
	defer e.mu.Unlock()
	if now := time.Now(); now.Sub(e.rotated) > 2*validity {
		e.nonces = [2]map[string]bool{{}, e.nonces[0]}
		e.rotated = now
	}
	if e.nonces[0][nonce] || e.nonces[1][nonce] {
		return badRequest("SignatureNonceUsed", "Specified signature nonce was used already.")
	}
	e.nonces[0][nonce] = true
	return nil
}

const acs3Algorithm = "ACS3-HMAC-SHA256"

// verifyACS3 checks the signature of the vendor's newer SDKs, which is in the headers.
// https://help.aliyun.com/zh/sdk/product-overview/v3-request-structure-and-signature
func (e *Emulator) verifyACS3(r *http.Request, body []byte, all map[string]string) (*call, *refusal) {
	incomplete := badRequest("IncompleteSignature", "The Authorization header does not conform to Aliyun standards.")
	fields := map[string]string{}
	for field := range strings.SplitSeq(strings.TrimSpace(strings.TrimPrefix(r.Header.Get("Authorization"), acs3Algorithm)), ",") {
		name, value, ok := strings.Cut(strings.TrimSpace(field), "=")
		if !ok {
			return nil, incomplete
		}
		fields[name] = value
	}
	if fields["Credential"] == "" || fields["SignedHeaders"] == "" || fields["Signature"] == "" {
		return nil, incomplete
	}
	if r := e.checkIdentity(r.Header.Get("x-acs-version"), fields["Credential"], r.Header.Get("x-acs-date")); r != nil {
		return nil, r
	}
	sum := sha256.Sum256(body)
	payload := hex.EncodeToString(sum[:])
	if r.Header.Get("x-acs-content-sha256") != payload {
		return nil, badRequest("SignatureDoesNotMatch", "The header x-acs-content-sha256 is not the digest of the body.")
	}
	signed := strings.Split(fields["SignedHeaders"], ";")
	slices.Sort(signed)
	var headers strings.Builder
	for _, name := range signed {
		value := strings.TrimSpace(strings.Join(r.Header.Values(name), ","))
		if name == "host" {
			value = r.Host
		}
		headers.WriteString(name + ":" + value + "\n")
	}
	query, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return nil, incomplete
	}
	var pairs []string
	for _, name := range slices.Sorted(maps.Keys(query)) {
		for _, value := range query[name] {
			pairs = append(pairs, percent(name)+"="+percent(value))
		}
	}
	path := r.URL.EscapedPath()
	if path == "" {
		path = "/"
	}
	canonical := strings.Join([]string{r.Method, path, strings.Join(pairs, "&"), headers.String(), strings.Join(signed, ";"), payload}, "\n")
	digest := sha256.Sum256([]byte(canonical))
	mac := hmac.New(sha256.New, []byte(e.options.AccessKeySecret))
	mac.Write([]byte(acs3Algorithm + "\n" + hex.EncodeToString(digest[:])))
	if want := hex.EncodeToString(mac.Sum(nil)); !hmac.Equal([]byte(want), []byte(strings.ToLower(fields["Signature"]))) {
		return nil, badRequest("SignatureDoesNotMatch", "Specified signature is not matched with our calculation. server canonical request is:"+canonical)
	}
	nonce, action := r.Header.Get("x-acs-signature-nonce"), r.Header.Get("x-acs-action")
	if nonce == "" || action == "" {
		return nil, badRequest("MissingParameter", "The headers x-acs-signature-nonce and x-acs-action are mandatory.")
	}
	if r := e.useNonce(nonce); r != nil {
		return nil, r
	}
	return newCall(action, r.Header.Get("x-acs-version"), r.Method, all), nil
}
