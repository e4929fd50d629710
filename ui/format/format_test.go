package format

import (
	"testing"
	"time"
)

func TestAgeIsWrittenAsKubectlWritesIt(t *testing.T) {
	now := time.Date(2026, 11, 23, 3, 12, 0, 0, time.UTC)
	for _, c := range []struct {
		ago  time.Duration
		want string
	}{
		{-time.Minute, "0s"}, {0, "0s"}, {90 * time.Second, "90s"}, {6*time.Minute + time.Second, "6m1s"},
		{3*time.Hour + 5*time.Minute, "3h5m"}, {50 * time.Hour, "2d2h"}, {400 * 24 * time.Hour, "400d"},
	} {
		if got := Age(now.Add(-c.ago), now); got != c.want {
			t.Errorf("Age of %v is %q, want %q", c.ago, got, c.want)
		}
	}
	if got := Age(time.Time{}, now); got != Unknown {
		t.Errorf("the age of an unknown time is %q, want %q", got, Unknown)
	}
}

func TestSizes(t *testing.T) {
	for _, c := range []struct{ name, got, want string }{
		{"a quarter core", Cores(250), "0.25"},
		{"one and a half cores", Cores(1500), "1.5"},
		{"many cores", Cores(96000), "96"},
		{"half a Gi", GiB(1 << 29), "0.5"},
		{"many Gi", GiB(502 << 30), "502"},
		{"a spec", Spec(2, 4), "2c 4Gi"},
		{"a small spec", Spec(0.25, 0.5), "0.25c 0.5Gi"},
		{"an unknown spec", Spec(0, 0), Unknown},
		{"a share", Percent(181, 192), "94%"},
		{"a share of nothing", Percent(1, 0), Unknown},
	} {
		if c.got != c.want {
			t.Errorf("%s is %q, want %q", c.name, c.got, c.want)
		}
	}
}

func TestPlainLeavesNothingThatDrivesATerminal(t *testing.T) {
	for in, want := range map[string]string{
		"nothing to do":                     "nothing to do",
		"\x1b[31mERROR\x1b[0m":              "ERROR",
		"\x1b]52;c;ZXZpbA==\x07after":       "after",
		"\x1b]0;title\x1b\\after":           "after",
		"\x1bPtmux;\x1b\x1b]52;c;eA==\x07z": "z",
		"a\tb":                              "a       b",
		"bell\x07 back\x08 return\r":        "bell back return",
		"c1 \u009b31m csi":                  "c1 31m csi",
		"unfinished \x1b[31":                "unfinished ",
		"lone \x1b":                         "lone ",
		"日本語":                               "日本語",
		"broken \xff utf8":                  "broken \ufffd utf8",
	} {
		if got := Plain(in); got != want {
			t.Errorf("Plain(%q) is %q, want %q", in, got, want)
		}
	}
}
