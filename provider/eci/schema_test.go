package eci_test

import (
	"reflect"
	"testing"

	"github.com/ecideck/ecideck/provider/eci"
	"github.com/ecideck/ecideck/provider/eci/ecitest"
)

func TestEveryParameterIsInTheVendorsSchema(t *testing.T) {
	schema, err := ecitest.LoadSchema()
	if err != nil {
		t.Fatal(err)
	}
	leaves := 0
	var walk func(typ reflect.Type, name string, inInit bool)
	walk = func(typ reflect.Type, name string, inInit bool) {
		switch typ.Kind() {
		case reflect.Pointer:
			walk(typ.Elem(), name, inInit)
		case reflect.Slice:
			walk(typ.Elem(), name+".1", inInit)
		case reflect.Struct:
			for field := range fields(typ) {
				if inInit && field.Tag.Get("eci") == "app" {
					continue
				}
				child := field.Name
				if name != "" {
					child = name + "." + field.Name
				}
				walk(field.Type, child, inInit || field.Name == "InitContainer")
			}
		default:
			leaves++
			value := map[reflect.Kind]string{reflect.Bool: "true"}[typ.Kind()]
			if value == "" {
				value = "1" // a number is a string too
			}
			if err := schema.Check("CreateContainerGroup", name, value); err != nil {
				t.Error(err)
			}
		}
	}
	walk(reflect.TypeFor[eci.CreateRequest](), "", false)
	if leaves < 150 {
		t.Errorf("only %d parameters were checked", leaves)
	}
}

func fields(typ reflect.Type) func(yield func(reflect.StructField) bool) {
	return func(yield func(reflect.StructField) bool) {
		for i := range typ.NumField() {
			if !yield(typ.Field(i)) {
				return
			}
		}
	}
}

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
