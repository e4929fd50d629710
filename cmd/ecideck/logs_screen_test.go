package main

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/ecideck/ecideck/provider/kubetest/fakeapi"
	"github.com/ecideck/ecideck/provider/lastwords"
)

// TestTheConsoleShowsLastWords presses l on a pod whose log the API server can't give any more,
// since its group is gone: what ecideck-node kept of it is shown, and that it is no live log.
func TestTheConsoleShowsLastWords(t *testing.T) {
	l := newLab(t)
	store := fakeapi.New()
	if err := lastwords.NewStore(store.CoreV1()).Keep(t.Context(), lastwords.Record{
		Namespace: "shop", Pod: "web-5d8f-x", UID: "uid-web", Node: "virtual-1", Group: "eci-web", At: time.Now().Add(-3 * time.Minute).UTC(), Why: lastwords.Gone,
		Phase: "Failed", Reason: "GroupGone", Message: "its container group is gone",
		Containers: []lastwords.Container{{Name: "app", State: "Terminated", ExitCode: 137, Reason: "OOMKilled", Log: "2026-11-25T20:00:00Z the last line before the end\n"}},
	}); err != nil {
		t.Fatal(err)
	}
	secret, err := store.CoreV1().Secrets("shop").Get(t.Context(), lastwords.SecretName, metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	secret.Kind, secret.APIVersion = "Secret", "v1"
	raw, err := json.Marshal(secret)
	if err != nil {
		t.Fatal(err)
	}
	l.lists["/api/v1/namespaces/shop/secrets/"+lastwords.SecretName] = string(raw)

	console := openConsole(t)
	console.See(20*time.Second, "web-5d8f-x")
	console.Type("/web-5d8f")
	console.Press("Enter")
	console.Until(10*time.Second, "shows one pod", func(s string) bool { return rowsOf(s, "web-5d8f") == 1 && rowsOf(s, "new") == 0 })
	console.Type("l")
	console.Until(20*time.Second, "shows the last words", func(s string) bool {
		for _, want := range []string{"the log is not there any more", "last words of pod shop/web-5d8f-x", "group eci-web", "exit code 137, OOMKilled", "the last line before the end"} {
			if !strings.Contains(s, want) {
				return false
			}
		}
		return true
	})
}
