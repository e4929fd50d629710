package provider

import (
	"os"
	"testing"

	utilruntime "k8s.io/apimachinery/pkg/util/runtime"
)

// TestMain takes away client-go's pause between two reported errors: it is kept for the whole
// process, so after an error outside of a bubble one inside, where it is the year 2000, would
// wait for decades.
func TestMain(m *testing.M) {
	utilruntime.ErrorHandlers = utilruntime.ErrorHandlers[:1]
	os.Exit(m.Run())
}
