package eci

import (
	"encoding/json"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"maps"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"
)

// requestTypes is one of every request type; a test finds the types that are missing.
func requestTypes() []request {
	return []request{
		&CreateRequest{}, &UpdateRequest{}, &deleteRequest{}, &restartRequest{}, &groupsRequest{}, &statusRequest{}, &eventsRequest{},
		&logRequest{}, &execRequest{}, &priceRequest{}, &historyRequest{}, &latestRequest{}, &resourcesRequest{}, &regionsRequest{},
		&imageCachesRequest{}, &tagRequest{}, &untagRequest{}, &tagsRequest{}, &usageRequest{},
	}
}

func TestTheListOfRequestsIsComplete(t *testing.T) {
	source := func(f fs.FileInfo) bool { return !strings.HasSuffix(f.Name(), "_test.go") }
	packages, err := parser.ParseDir(token.NewFileSet(), ".", source, 0) //nolint:staticcheck // one package, no build tags
	if err != nil {
		t.Fatal(err)
	}
	have := map[string]bool{}
	for _, r := range requestTypes() {
		have[reflect.TypeOf(r).Elem().Name()] = true
	}
	found := 0
	for _, file := range packages["eci"].Files {
		for _, d := range file.Decls {
			f, ok := d.(*ast.FuncDecl)
			if !ok || f.Name.Name != "action" || f.Recv == nil {
				continue
			}
			found++
			star, ok := f.Recv.List[0].Type.(*ast.StarExpr)
			if !ok {
				t.Fatalf("%v has the method action, but not on its pointer", f.Recv.List[0].Type)
			}
			if name := star.X.(*ast.Ident).Name; !have[name] {
				t.Errorf("%s is a request that no test checks: add it to requestTypes", name)
			}
		}
	}
	if found != len(have) {
		t.Errorf("%d request types are in the source, %d in the list", found, len(have))
	}
}

// A parameter is one that a request type can send, with N for every list position.
func parameters(typ reflect.Type, name string, inInit bool, visit func(name string, kind reflect.Kind)) {
	switch typ.Kind() {
	case reflect.Pointer:
		parameters(typ.Elem(), name, inInit, visit)
	case reflect.Slice:
		parameters(typ.Elem(), name+".N", inInit, visit)
	case reflect.Struct:
		for i := range typ.NumField() {
			field := typ.Field(i)
			if inInit && field.Tag.Get("eci") == appOnly {
				continue
			}
			child := strings.TrimPrefix(name+"."+field.Name, ".")
			if field.Anonymous {
				child = name
			}
			parameters(field.Type, child, inInit || field.Name == "InitContainer", visit)
		}
	default:
		visit(name, typ.Kind())
	}
}

// vendorParameters are the leaves of the vendor's schema and its overlay, by action.
func vendorParameters(t *testing.T) map[string]map[string]string {
	t.Helper()
	out := map[string]map[string]string{}
	var walk func(action, name string, node any)
	walk = func(action, name string, node any) {
		switch n := node.(type) {
		case map[string]any:
			for key, child := range n {
				walk(action, strings.TrimPrefix(name+"."+key, "."), child)
			}
		case []any:
			walk(action, name+".N", n[0])
		case string:
			out[action][name] = n
		}
	}
	var vendor map[string]struct{ Request map[string]any }
	readJSON(t, "ecitest/schema/eci-20180808.json", &vendor)
	for action, v := range vendor {
		out[action] = map[string]string{}
		walk(action, "", v.Request)
	}
	var overlay map[string]map[string]struct{ Type any }
	readJSON(t, "ecitest/schema/overlay.json", &overlay)
	for action, params := range overlay {
		if out[action] == nil {
			out[action] = map[string]string{}
		}
		for name, p := range params {
			walk(action, name, p.Type)
		}
	}
	return out
}

func readJSON(t *testing.T, path string, out any) {
	t.Helper()
	body, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(body, out); err != nil {
		t.Fatal(err)
	}
}

func TestEveryParameterIsInTheVendorsSchema(t *testing.T) {
	vendor := vendorParameters(t)
	leaves := 0
	for _, r := range requestTypes() {
		known := vendor[r.action()]
		if known == nil {
			t.Errorf("the vendor has no action %s", r.action())
		}
		parameters(reflect.TypeOf(r).Elem(), "", false, func(name string, kind reflect.Kind) {
			leaves++
			want := map[reflect.Kind]string{reflect.String: "string", reflect.Bool: "boolean"}[kind]
			if want == "" {
				want = "number"
			}
			if strings.HasSuffix(name, "Mode") && strings.Contains(name, ".ConfigFileVolume.") {
				want = "number" // of octal digits, which lose their leading zero in any number type
			}
			if have := known[name]; have != want {
				t.Errorf("%s sends %s as a %s; the vendor has %q", r.action(), name, want, have)
			}
		})
	}
	if leaves < 300 {
		t.Errorf("only %d parameters were checked", leaves)
	}
}

func TestEveryFieldOfARequestCanBeWritten(t *testing.T) {
	for _, r := range requestTypes() {
		parameters(reflect.TypeOf(r).Elem(), r.action(), false, func(name string, kind reflect.Kind) {
			switch kind {
			case reflect.String, reflect.Bool, reflect.Int, reflect.Int32, reflect.Int64, reflect.Float64:
			default:
				t.Errorf("%s is a %s, which the flattener doesn't know", name, kind)
			}
		})
	}
}

// filled is a request with every field set, two of everything in lists.
func filled(v reflect.Value, inInit bool) {
	switch v.Kind() {
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		filled(v.Elem(), inInit)
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 2, 2))
		filled(v.Index(0), inInit)
		filled(v.Index(1), inInit)
	case reflect.Struct:
		for i := range v.NumField() {
			if field := v.Type().Field(i); !inInit || field.Tag.Get("eci") != appOnly {
				filled(v.Field(i), inInit || field.Name == "InitContainer")
			}
		}
	case reflect.String:
		v.SetString("x")
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Int, reflect.Int32, reflect.Int64:
		v.SetInt(7)
	case reflect.Float64:
		v.SetFloat(0.25)
	}
}

// TestWhatIsFlattenedIsInTheVendorsSchema is about the names that really are written, where
// the test above is about those that the types say.
func TestWhatIsFlattenedIsInTheVendorsSchema(t *testing.T) {
	vendor := vendorParameters(t)
	for _, r := range requestTypes() {
		if r.action() == "DescribeRegions" || r.action() == "ListUsage" {
			continue // they send nothing of their own
		}
		// An embedded struct of an unexported type can't be set through reflection.
		switch r := r.(type) {
		case *groupsRequest:
			filled(reflect.ValueOf(&r.selection).Elem(), false)
			filled(reflect.ValueOf(&r.paging).Elem(), false)
			r.ContainerGroupName, r.Status, r.SecurityGroupId, r.WithEvent = "x", "x", "x", true
		case *statusRequest:
			filled(reflect.ValueOf(&r.selection).Elem(), false)
			filled(reflect.ValueOf(&r.paging).Elem(), false)
			r.SinceSecond = 60
		case *eventsRequest:
			filled(reflect.ValueOf(&r.selection).Elem(), false)
			filled(reflect.ValueOf(&r.paging).Elem(), false)
			r.SinceSecond, r.EventSource = 60, "x"
		case *imageCachesRequest:
			filled(reflect.ValueOf(&r.paging).Elem(), false)
			r.ImageCacheId, r.ImageCacheName, r.SnapshotId, r.Image, r.Tag = "x", "x", "x", "x", []Tag{{"x", "x"}, {"x", "x"}}
		default:
			filled(reflect.ValueOf(r).Elem(), false)
		}
		params, err := flatten(r)
		if err != nil {
			t.Fatal(err)
		}
		written := map[string]bool{}
		for name := range params {
			parts := strings.Split(name, ".")
			for i, part := range parts {
				if part == "1" || part == "2" {
					parts[i] = "N"
				}
			}
			written[strings.Join(parts, ".")] = true
		}
		var want []string
		parameters(reflect.TypeOf(r).Elem(), "", false, func(name string, _ reflect.Kind) { want = append(want, name) })
		slices.Sort(want)
		if got := slices.Sorted(maps.Keys(written)); !slices.Equal(got, want) {
			t.Errorf("%s writes %v, want %v", r.action(), got, want)
		}
		for name := range written {
			if vendor[r.action()][name] == "" {
				t.Errorf("%s writes %s, which the vendor doesn't have", r.action(), name)
			}
		}
	}
}
