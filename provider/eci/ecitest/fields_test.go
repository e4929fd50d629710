package ecitest

import (
	"reflect"
	"testing"
)

func TestEveryFieldOfTheStateIsSaved(t *testing.T) {
	seen := map[reflect.Type]bool{}
	var check func(reflect.Type)
	check = func(typ reflect.Type) {
		switch typ.Kind() {
		case reflect.Slice, reflect.Pointer, reflect.Map:
			check(typ.Elem())
		case reflect.Struct:
			if seen[typ] || typ.PkgPath() != reflect.TypeFor[group]().PkgPath() {
				return
			}
			seen[typ] = true
			for f := range typ.Fields() {
				switch {
				case f.IsExported():
					check(f.Type)
				case typ == reflect.TypeFor[Fault](): // savedFault has them
				case typ == reflect.TypeFor[group]() && f.Name == "cached": // is computed
				default:
					t.Errorf("%s.%s is lost: encoding/json doesn't see it", typ, f.Name)
				}
			}
		}
	}
	check(reflect.TypeFor[savedState]())
	if !seen[reflect.TypeFor[container]()] {
		t.Error("the containers were not looked at")
	}
}
