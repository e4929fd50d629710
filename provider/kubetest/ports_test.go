package kubetest

import "testing"

func TestTwoLabsThatStartAtOnceHaveNoPortInCommon(t *testing.T) {
	seen := map[int]bool{}
	for range 100 {
		ports, held, err := freePorts(20)
		if err != nil {
			t.Fatal(err)
		}
		defer held.Close()
		for _, port := range ports {
			if seen[port] {
				t.Fatalf("port %d was given to two", port)
			}
			if seen[port] = true; port < firstPort || port >= lastPort {
				t.Errorf("port %d is out of the range", port)
			}
		}
	}
}
