package eci

import (
	"fmt"
	"reflect"
	"strconv"
)

// appOnly is the value of the tag `eci` on fields of a ContainerRequest that the API has for
// app containers and not for init containers.
const appOnly = "app"

// flatten writes a request as wire parameters: field names joined by dots, list positions
// counted from 1. What is zero is left out; what a pointer or a list holds is sent also when
// it is zero, because an empty variable or argument is not a missing one.
func flatten(r *CreateRequest) (map[string]string, error) {
	params := map[string]string{}
	if err := flattenStruct(params, "", reflect.ValueOf(r).Elem(), false); err != nil {
		return nil, err
	}
	return params, nil
}

func flattenStruct(params map[string]string, prefix string, v reflect.Value, inInit bool) error {
	for i := range v.NumField() {
		field, value := v.Type().Field(i), v.Field(i)
		if value.IsZero() {
			continue
		}
		name := prefix + field.Name
		if inInit && field.Tag.Get("eci") == appOnly {
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
