package eci

import (
	"fmt"
	"reflect"
	"strconv"
)

// Values of the tag `eci` on a request's fields.
const (
	appOnly = "app"    // the API has it for app containers and not for init containers
	always  = "always" // sent when it is empty too
)

// A request is a pointer to a struct of one action's parameters, under their names on the
// wire. A test finds every type that has this method and checks its fields against the
// vendor's schema.
type request interface{ action() string }

// flatten writes a request as wire parameters: field names joined by dots, list positions
// counted from 1; the fields of an embedded struct are the request's own. What is zero is left
// out; what a pointer or a list holds is sent also when it is zero, because an empty variable
// or argument is not a missing one.
func flatten(r request) (map[string]string, error) {
	params := map[string]string{}
	if err := flattenStruct(params, "", reflect.ValueOf(r).Elem(), false); err != nil {
		return nil, err
	}
	return params, nil
}

func flattenStruct(params map[string]string, prefix string, v reflect.Value, inInit bool) error {
	for i := range v.NumField() {
		field, value := v.Type().Field(i), v.Field(i)
		if field.Anonymous {
			if err := flattenStruct(params, prefix, value, inInit); err != nil {
				return err
			}
			continue
		}
		tag := field.Tag.Get("eci")
		if value.IsZero() && tag != always {
			continue
		}
		name := prefix + field.Name
		if inInit && tag == appOnly {
			return fmt.Errorf("%s: ECI has no %s for init containers", name, field.Name)
		}
		if err := flattenValue(params, name, value, inInit || field.Name == "InitContainer"); err != nil {
			return err
		}
	}
	return nil
}

func flattenValue(params map[string]string, name string, v reflect.Value, inInit bool) error {
	switch v.Kind() {
	case reflect.Pointer:
		if v.IsNil() {
			return nil
		}
		return flattenValue(params, name, v.Elem(), inInit)
	case reflect.Struct:
		return flattenStruct(params, name+".", v, inInit)
	case reflect.Slice:
		for i := range v.Len() {
			if err := flattenValue(params, name+"."+strconv.Itoa(i+1), v.Index(i), inInit); err != nil {
				return err
			}
		}
		return nil
	case reflect.String:
		params[name] = v.String()
	case reflect.Bool:
		params[name] = strconv.FormatBool(v.Bool())
	case reflect.Int, reflect.Int32, reflect.Int64:
		params[name] = strconv.FormatInt(v.Int(), 10)
	case reflect.Float64:
		params[name] = strconv.FormatFloat(v.Float(), 'f', -1, 64)
	default:
		return fmt.Errorf("%s: a %s has no form on the wire", name, v.Kind())
	}
	return nil
}
