package provider

import (
	"encoding/json"
	"errors"
	"path/filepath"
	"testing"

	"golang.org/x/tools/txtar"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	"sigs.k8s.io/yaml"
)

// FuzzAnyPodIsTranslatedOrRefused holds that no pod, however odd, stops the virtual node:
// it becomes a request, or a refusal or a missing object that says something.
func FuzzAnyPodIsTranslatedOrRefused(f *testing.F) {
	paths, err := filepath.Glob("testdata/wire/*.txtar")
	if err != nil || len(paths) == 0 {
		f.Fatalf("no seeds: %v", err)
	}
	for _, path := range paths {
		archive, err := txtar.ParseFile(path)
		if err != nil {
			f.Fatal(err)
		}
		pod := plainPod()
		if err := yaml.Unmarshal(archive.Files[0].Data, pod); err != nil {
			f.Fatal(err)
		}
		seed, err := json.Marshal(pod)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(seed)
	}
	data, where := testData(), testPlacement()
	f.Fuzz(func(t *testing.T, raw []byte) {
		pod := &corev1.Pod{}
		if json.Unmarshal(raw, pod) != nil {
			return
		}
		before := pod.DeepCopy()
		request, _, err := Build(pod, data, where, 1)
		if !equality.Semantic.DeepEqual(before, pod) {
			t.Error("the pod was changed")
		}
		var refusal *Refusal
		var missing *Missing
		switch {
		case errors.As(err, &refusal):
			if refusal.Field == "" || refusal.Reason == "" || refusal.Remedy == "" {
				t.Errorf("a refusal without words: %+v", refusal)
			}
		case errors.As(err, &missing):
			if missing.EventReason == "" || missing.Message == "" {
				t.Errorf("it waits without a word: %+v", missing)
			}
		case err != nil:
			t.Errorf("neither a refusal nor a missing object: %v", err)
		case len(request.Container) == 0:
			t.Error("a group without a container")
		}
	})
}
