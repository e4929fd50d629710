// Package wire reads the JSON of Alibaba Cloud's answers, which is not what their
// documentation says: names differ in case, numbers come as strings, empty strings stand for
// numbers, times, lists and objects, and null for anything.
//
// Who calls it: provider/eci and provider/billing, for their answers. It calls nobody.
package wire

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

// Unmarshal reads a body into out: names match without regard to case; a name that comes
// twice and text that isn't UTF-8 are no reason to lose an answer. Unknown names are skipped.
func Unmarshal(body []byte, out any) error {
	return json.Unmarshal(body, out, json.MatchCaseInsensitiveNames(true), jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true))
}

// Excerpt is the start of a body that isn't what it should be, for an error text.
func Excerpt(body []byte) string {
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
		return nil, fmt.Errorf("want a string, a number or a boolean, have %s", Excerpt(value))
	}
	return value, nil
}

// A Text is a string; a number or a bool is taken as it is written.
type Text string

// UnmarshalJSONFrom implements json.UnmarshalerFrom.
func (t *Text) UnmarshalJSONFrom(dec *jsontext.Decoder) error {
	b, err := scalar(dec)
	if err == nil {
		*t = Text(b)
	}
	return err
}

// A Number is a float64; "" and null are 0.
type Number float64

// UnmarshalJSONFrom implements json.UnmarshalerFrom.
func (n *Number) UnmarshalJSONFrom(dec *jsontext.Decoder) error {
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
		return fmt.Errorf("want a number, have %s", Excerpt(b))
	}
	*n = Number(f)
	return nil
}

// Int32 is n as far as it fits.
func (n Number) Int32() int32 {
	return int32(max(math.MinInt32, min(math.MaxInt32, float64(n))))
}

// An Integer is a whole number, for counters that a float64 would round; what is behind a
// decimal point is dropped, "" and null are 0.
type Integer int64

// UnmarshalJSONFrom implements json.UnmarshalerFrom.
func (n *Integer) UnmarshalJSONFrom(dec *jsontext.Decoder) error {
	b, err := scalar(dec)
	if err != nil {
		return err
	}
	s := strings.TrimSpace(string(b))
	*n = 0
	if s == "" {
		return nil
	}
	if i, err := strconv.ParseInt(s, 10, 64); err == nil {
		*n = Integer(i)
		return nil
	}
	f, err := strconv.ParseFloat(s, 64)
	// The bounds are the floats next to the least and the greatest int64.
	if err != nil || math.IsNaN(f) || f < -9223372036854775808 || f >= 9223372036854775808 {
		return fmt.Errorf("want a whole number, have %s", Excerpt(b))
	}
	*n = Integer(f)
	return nil
}

// A Boolean is a bool; "" and null are false.
type Boolean bool

// UnmarshalJSONFrom implements json.UnmarshalerFrom.
func (v *Boolean) UnmarshalJSONFrom(dec *jsontext.Decoder) error {
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
		return fmt.Errorf("want true or false, have %s", Excerpt(b))
	}
	return nil
}

// An Instant is a time in UTC; "" and null are the zero time.
type Instant struct{ time.Time }

// UnmarshalJSONFrom implements json.UnmarshalerFrom.
func (i *Instant) UnmarshalJSONFrom(dec *jsontext.Decoder) error {
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
	return fmt.Errorf("want an RFC 3339 time, have %s", Excerpt(b))
}

// A List is a list; null, "" and {} are none.
type List[T any] []T

// UnmarshalJSONFrom implements json.UnmarshalerFrom.
func (l *List[T]) UnmarshalJSONFrom(dec *jsontext.Decoder) error {
	*l = nil
	if dec.PeekKind() == '[' {
		return json.UnmarshalDecode(dec, (*[]T)(l))
	}
	return nothing(dec, "a list")
}

// An Object is a nested object; null, "" and [] are the zero one.
type Object[T any] struct{ V T }

// UnmarshalJSONFrom implements json.UnmarshalerFrom.
func (o *Object[T]) UnmarshalJSONFrom(dec *jsontext.Decoder) error {
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
	return fmt.Errorf("want %s, have %s", want, Excerpt(value))
}
