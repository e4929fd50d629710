package eci

import (
	"bytes"
	"errors"
	"strings"
	"testing"
)

func TestASieveKeepsOnlyTheExitCode(t *testing.T) {
	for _, c := range []struct {
		name   string
		writes []string
		out    string
		code   int
		ok     bool
	}{
		{"at once", []string{"output\nMARK 7]"}, "output\n", 7, true},
		{"byte by byte", strings.Split("output\nMARK 130]", ""), "output\n", 130, true},
		{"no output", []string{"MARK 0]"}, "", 0, true},
		{"output that looks like it", []string{"MA", "MAR", "x MARK", "MARK 3]"}, "MAMARx MARK", 3, true},
		{"none", []string{"output MAR"}, "output MAR", 0, false},
		{"cut", []string{"output MARK 1"}, "output MARK 1", 0, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			var out bytes.Buffer
			s := &sieve{out: &out, mark: "MARK "}
			for _, text := range c.writes {
				if n, err := s.Write([]byte(text)); n != len(text) || err != nil {
					t.Fatal(n, err)
				}
			}
			code, ok := s.end()
			if out.String() != c.out || code != c.code || ok != c.ok {
				t.Errorf("got %q, %d, %v", out.String(), code, ok)
			}
		})
	}
	broken := &sieve{out: failing{}, mark: "MARK "}
	if _, err := broken.Write([]byte("x")); err == nil {
		t.Error("a reader that went away is not told")
	}
}

type failing struct{}

func (failing) Write([]byte) (int, error) { return 0, errors.New("gone") }
