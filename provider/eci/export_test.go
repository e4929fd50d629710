package eci

import "reflect"

// ParametersOf are the names that a request type can send, with N for list positions.
func ParametersOf(typ reflect.Type) []string {
	var names []string
	parameters(typ, "", false, func(name string, _ reflect.Kind) { names = append(names, name) })
	return names
}
