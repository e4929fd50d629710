package wire

import (
	"testing"
	"time"
)

func TestEveryValueIsReadHoweverItIsWritten(t *testing.T) {
	type answer struct {
		T Text
		N Number
		I Integer
		B Boolean
		W Instant
		L List[Text]
		O Object[struct{ Name Text }]
	}
	at := time.Date(2024, 5, 1, 2, 3, 4, 0, time.UTC)
	tests := []struct {
		body    string
		ok      func(answer) bool
		wantErr bool
	}{
		{body: `{"T":"a\u00e4\"b"}`, ok: func(a answer) bool { return a.T == `aä"b` }},
		{body: "{\"T\":\"a\xffb\"}", ok: func(a answer) bool { return a.T == "a\uFFFDb" }},
		{body: `{"T":1.50}`, ok: func(a answer) bool { return a.T == "1.50" }},
		{body: `{"T":true}`, ok: func(a answer) bool { return a.T == "true" }},
		{body: `{"T":null}`, ok: func(a answer) bool { return a.T == "" }},
		{body: `{"T":{}}`, wantErr: true},
		{body: `{"t":"first","T":"second"}`, ok: func(a answer) bool { return a.T == "second" }},
		{body: `{"N":" 2.5 "}`, ok: func(a answer) bool { return a.N == 2.5 }},
		{body: `{"N":""}`, ok: func(a answer) bool { return a.N == 0 }},
		{body: `{"N":"NaN"}`, wantErr: true},
		{body: `{"N":1e999}`, wantErr: true},
		{body: `{"N":"two"}`, wantErr: true},
		{body: `{"N":1e300}`, ok: func(a answer) bool { return a.N.Int32() == 1<<31-1 }},
		{body: `{"I":9007199254740993}`, ok: func(a answer) bool { return a.I == 9007199254740993 }},
		{body: `{"I":"9223372036854775807"}`, ok: func(a answer) bool { return a.I == 1<<63-1 }},
		{body: `{"I":9223372036854775808}`, wantErr: true},
		{body: `{"I":-9223372036854775808}`, ok: func(a answer) bool { return a.I == -1<<63 }},
		{body: `{"I":12.9}`, ok: func(a answer) bool { return a.I == 12 }},
		{body: `{"I":null}`, ok: func(a answer) bool { return a.I == 0 }},
		{body: `{"I":"many"}`, wantErr: true},
		{body: `{"B":"True"}`, ok: func(a answer) bool { return bool(a.B) }},
		{body: `{"B":0}`, ok: func(a answer) bool { return !bool(a.B) }},
		{body: `{"B":"perhaps"}`, wantErr: true},
		{body: `{"W":"2024-05-01T10:03:04+08:00"}`, ok: func(a answer) bool { return a.W.Equal(at) }},
		{body: `{"W":"2024-05-01T02:03Z"}`, ok: func(a answer) bool { return a.W.Equal(at.Truncate(time.Minute)) }},
		{body: `{"W":""}`, ok: func(a answer) bool { return a.W.IsZero() }},
		{body: `{"W":"yesterday"}`, wantErr: true},
		{body: `{"L":["a",1,null]}`, ok: func(a answer) bool { return len(a.L) == 3 && a.L[1] == "1" && a.L[2] == "" }},
		{body: `{"L":""}`, ok: func(a answer) bool { return len(a.L) == 0 }},
		{body: `{"L":{}}`, ok: func(a answer) bool { return len(a.L) == 0 }},
		{body: `{"L":{"a":1}}`, wantErr: true},
		{body: `{"O":{"NAME":"x"}}`, ok: func(a answer) bool { return a.O.V.Name == "x" }},
		{body: `{"O":[]}`, ok: func(a answer) bool { return a.O.V.Name == "" }},
		{body: `{"O":[1]}`, wantErr: true},
		{body: `{"X":{"Y":[1]}}`, ok: func(answer) bool { return true }},
		{body: `{"T":"a"`, wantErr: true},
		{body: ``, wantErr: true},
	}
	for _, test := range tests {
		var got answer
		err := Unmarshal([]byte(test.body), &got)
		if (err != nil) != test.wantErr || err == nil && !test.ok(got) {
			t.Errorf("%s: %+v, %v", test.body, got, err)
		}
	}
}
