package eci_test

import (
	"testing"

	"github.com/ecideck/ecideck/provider/eci/ecitest"
)

func TestTheSchemaRefusesWhatIsNotInIt(t *testing.T) {
	schema, err := ecitest.LoadSchema()
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct{ action, name, value string }{
		{"CreateContainerGroup", "Volume.1.ConfigFileVolume.DefaultModel", "0644"}, // the vendor's Go SDK's typo
		{"CreateContainerGroup", "Container.0.Name", "x"},
		{"CreateContainerGroup", "Container.Name", "x"},
		{"CreateContainerGroup", "Tag.999999999.Key", "x"},
		{"CreateContainerGroup", "Container.1", "x"},
		{"CreateContainerGroup", "Container.1.Name.1", "x"},
		{"CreateContainerGroup", "Container.+1.Name", "x"},
		{"CreateContainerGroup", "Cpu", "two"},
		{"CreateContainerGroup", "ShareProcessNamespace", "yes"},
		{"CreateContainerGroup", "InitContainer.1.Tty", "true"},
		{"DeleteEverything", "RegionId", "x"},
	} {
		if err := schema.Check(test.action, test.name, test.value); err == nil {
			t.Errorf("%s %s=%s is accepted", test.action, test.name, test.value)
		}
	}
}
