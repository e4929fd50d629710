package eci

import (
	"bytes"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// decoding says how an answer is read: names without regard to case, because the API's own
// documentation doesn't agree on them; a name that comes twice and text that isn't UTF-8
// are no reason to lose an answer.
func decoding() json.Options {
	return json.JoinOptions(json.MatchCaseInsensitiveNames(true), jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true))
}

// A head is what every answer may have beside its content. Each answer's type embeds it, so
// that one pass over the body reads both.
type head struct {
	Code      text
	Message   text
	RequestId text
}

func (h *head) header() *head { return h }

// An answer is a struct that an answer's body is decoded into.
type answer interface{ header() *head }

// decodeAnswer turns an HTTP answer into out, or into an *Error.
func decodeAnswer(action string, status int, body []byte, out answer) error {
	isObject := bytes.HasPrefix(bytes.TrimSpace(body), []byte("{"))
	var err error
	h := &head{}
	refused := status < 200 || status > 299
	if !refused {
		err = json.Unmarshal(body, out, decoding())
		h = out.header()
	}
	var notJSON bool
	if refused || err != nil {
		h = &head{}
		notJSON = json.Unmarshal(body, h, decoding()) != nil
	}
	e := &Error{Action: action, Code: string(h.Code), Message: hideStringToSign(string(h.Message)), RequestID: string(h.RequestId), HTTPStatus: status}
	switch {
	case refused:
		if notJSON || !isObject || (h.Code == "" && h.Message == "") {
			e.Code, e.Message = "", "not the API's error format: "+excerpt(body)
		}
		return e
	case notJSON || !isObject:
		e.Code, e.Message, e.Err = codeBadAnswer, "the answer is not a JSON object: "+excerpt(body), err
		return e
	case h.Code != "" && !isSuccess(string(h.Code)):
		return e
	case err != nil:
		e.Code, e.Message, e.Err = codeBadAnswer, "decoding the answer: "+err.Error(), err
		return e
	}
	return nil
}

// isSuccess reports that a 200's Code says that all is well, as other products' answers do.
func isSuccess(code string) bool {
	return code == "200" || strings.EqualFold(code, "OK") || strings.EqualFold(code, "Success")
}

// hideStringToSign cuts what the gateway adds to SignatureDoesNotMatch: the string that it
// signed, which is the whole request with its passwords and config files.
func hideStringToSign(message string) string {
	if i := strings.Index(message, "server string to sign is:"); i >= 0 {
		return message[:i] + "(the string to sign is left out, it has secrets)"
	}
	return message
}

// excerpt is the start of a body that isn't what it should be, for an error text.
func excerpt(body []byte) string {
	const most = 200
	s := strings.ToValidUTF8(strings.TrimSpace(string(body)), "?")
	if s == "" {
		return "(empty)"
	}
	if len(s) > most {
		s = strings.ToValidUTF8(s[:most], "") + "…"
	}
	return strconv.Quote(s)
}

// The API sends numbers as strings, empty strings for numbers, times and lists, and null
// for anything. These types accept all of that; what they can't read is an error.

// scalar reads a string, a number, a boolean or null as its text; null is "". The text is
// good until the decoder is used again.
func scalar(dec *jsontext.Decoder) ([]byte, error) {
	value, err := dec.ReadValue()
	if err != nil {
		return nil, err
	}
	switch value.Kind() {
	case 'n':
		return nil, nil
	case '"':
		if bytes.IndexByte(value, '\\') < 0 && utf8.Valid(value) {
			return value[1 : len(value)-1], nil
		}
		// Invalid UTF-8 becomes replacement characters, which is an error only to those who
		// didn't allow it.
		plain, err := jsontext.AppendUnquote(nil, value)
		if err != nil && plain == nil {
			return nil, err
		}
		return plain, nil
	case '{', '[':
		return nil, fmt.Errorf("want a string, a number or a boolean, have %s", excerpt(value))
	}
	return value, nil
}

// text is a string; a number or a bool is taken as it is written.
type text string

// UnmarshalJSONFrom implements json.UnmarshalerFrom.
func (t *text) UnmarshalJSONFrom(dec *jsontext.Decoder) error {
	b, err := scalar(dec)
	if err == nil {
		*t = text(b)
	}
	return err
}

// number is a float64; "" and null are 0.
type number float64

// UnmarshalJSONFrom implements json.UnmarshalerFrom.
func (n *number) UnmarshalJSONFrom(dec *jsontext.Decoder) error {
	b, err := scalar(dec)
	if err != nil {
		return err
	}
	s := strings.TrimSpace(string(b))
	if s == "" {
		*n = 0
		return nil
	}
	f, err := strconv.ParseFloat(s, 64)
	if err != nil || math.IsNaN(f) || math.IsInf(f, 0) {
		return fmt.Errorf("want a number, have %s", excerpt(b))
	}
	*n = number(f)
	return nil
}

func (n number) int32() int32 {
	return int32(max(math.MinInt32, min(math.MaxInt32, float64(n))))
}

// boolean is a bool; "" and null are false.
type boolean bool

// UnmarshalJSONFrom implements json.UnmarshalerFrom.
func (v *boolean) UnmarshalJSONFrom(dec *jsontext.Decoder) error {
	b, err := scalar(dec)
	if err != nil {
		return err
	}
	switch strings.ToLower(strings.TrimSpace(string(b))) {
	case "true", "1":
		*v = true
	case "false", "0", "":
		*v = false
	default:
		return fmt.Errorf("want true or false, have %s", excerpt(b))
	}
	return nil
}

// instant is a time in UTC; "" and null are the zero time.
type instant struct{ time.Time }

// UnmarshalJSONFrom implements json.UnmarshalerFrom.
func (i *instant) UnmarshalJSONFrom(dec *jsontext.Decoder) error {
	b, err := scalar(dec)
	if err != nil {
		return err
	}
	i.Time = time.Time{}
	s := strings.TrimSpace(string(b))
	if s == "" {
		return nil
	}
	for _, layout := range []string{time.RFC3339, "2006-01-02T15:04Z07:00"} {
		if parsed, err := time.Parse(layout, s); err == nil {
			i.Time = parsed.UTC()
			return nil
		}
	}
	return fmt.Errorf("want an RFC 3339 time, have %s", excerpt(b))
}

// list is a list; null, "" and {} are none.
type list[T any] []T

// UnmarshalJSONFrom implements json.UnmarshalerFrom.
func (l *list[T]) UnmarshalJSONFrom(dec *jsontext.Decoder) error {
	*l = nil
	if dec.PeekKind() == '[' {
		return json.UnmarshalDecode(dec, (*[]T)(l))
	}
	return nothing(dec, "a list")
}

// object is a nested object; null, "" and [] are the zero one.
type object[T any] struct{ V T }

// UnmarshalJSONFrom implements json.UnmarshalerFrom.
func (o *object[T]) UnmarshalJSONFrom(dec *jsontext.Decoder) error {
	var zero T
	o.V = zero
	if dec.PeekKind() == '{' {
		return json.UnmarshalDecode(dec, &o.V)
	}
	return nothing(dec, "an object")
}

// nothing reads a value that stands for nothing; any other is an error.
func nothing(dec *jsontext.Decoder, want string) error {
	value, err := dec.ReadValue()
	if err != nil {
		return err
	}
	switch string(value) {
	case "null", `""`, "{}", "[]":
		return nil
	}
	return fmt.Errorf("want %s, have %s", want, excerpt(value))
}
