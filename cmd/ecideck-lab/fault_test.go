package main

import (
	"regexp"
	"testing"

	"github.com/ecideck/ecideck/provider/eci/ecitest"
)

func TestTheHelpNamesEveryKindOfFault(t *testing.T) {
	for _, kind := range ecitest.FaultKinds() {
		if !regexp.MustCompile(`\b` + regexp.QuoteMeta(kind) + `\b`).MatchString(faultHelp) {
			t.Errorf("%s is not in the help", kind)
		}
	}
}
