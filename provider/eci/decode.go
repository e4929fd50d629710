package eci

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

// decodeAnswer turns an HTTP answer into out, or into an *Error. Field names match without
// regard to case, because the API's own documentation doesn't agree on them.
func decodeAnswer(action string, status int, body []byte, out any) error {
	var head struct{ Code, Message, RequestId text }
	isObject := bytes.HasPrefix(bytes.TrimSpace(body), []byte("{"))
	parseErr := json.Unmarshal(body, &head)
	e := &Error{Action: action, Code: string(head.Code), Message: hideStringToSign(string(head.Message)), RequestID: string(head.RequestId), HTTPStatus: status}
	switch {
	case status < 200 || status > 299:
		if parseErr != nil || !isObject || (head.Code == "" && head.Message == "") {
			e.Code, e.Message = "", "not the API's error format: "+excerpt(body)
		}
		return e
	case parseErr != nil || !isObject:
		e.Code, e.Message, e.Err = codeBadAnswer, "the answer is not a JSON object: "+excerpt(body), parseErr
		return e
	case head.Code != "" && !isSuccess(string(head.Code)):
		return e
	}
	if err := json.Unmarshal(body, out); err != nil {
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

// text is a string; a number or a bool is taken as it is written.
type text string

func (t *text) UnmarshalJSON(b []byte) error {
	switch {
	case len(b) > 0 && b[0] == '"':
		return json.Unmarshal(b, (*string)(t))
	case string(b) == "null":
		*t = ""
	case len(b) > 0 && (b[0] == '{' || b[0] == '['):
		return fmt.Errorf("want a string, have %s", excerpt(b))
	default:
		*t = text(b)
	}
	return nil
}

// number is a float64; "" and null are 0.
type number float64

func (n *number) UnmarshalJSON(b []byte) error {
	var t text
	if err := t.UnmarshalJSON(b); err != nil {
		return err
	}
	s := strings.TrimSpace(string(t))
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

func (v *boolean) UnmarshalJSON(b []byte) error {
	var t text
	if err := t.UnmarshalJSON(b); err != nil {
		return err
	}
	switch strings.ToLower(strings.TrimSpace(string(t))) {
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

func (i *instant) UnmarshalJSON(b []byte) error {
	var t text
	if err := t.UnmarshalJSON(b); err != nil {
		return err
	}
	i.Time = time.Time{}
	s := strings.TrimSpace(string(t))
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

func (l *list[T]) UnmarshalJSON(b []byte) error {
	*l = nil
	if isNothing(b) {
		return nil
	}
	return json.Unmarshal(b, (*[]T)(l))
}

// object is a nested object; null, "" and [] are the zero one.
type object[T any] struct{ V T }

func (o *object[T]) UnmarshalJSON(b []byte) error {
	var zero T
	o.V = zero
	if isNothing(b) {
		return nil
	}
	return json.Unmarshal(b, &o.V)
}

func isNothing(b []byte) bool {
	switch string(bytes.TrimSpace(b)) {
	case "null", `""`, "{}", "[]":
		return true
	}
	return false
}
