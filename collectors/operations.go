package collectors

import (
	"cmp"
	"context"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/ecideck/ecideck/collectors/fleet"
	"github.com/ecideck/ecideck/provider/migrate"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/client-go/kubernetes"
)

// operationsEvery is how often the journals are read: who runs an operation sees its steps
// live, the others a little later.
const operationsEvery = 5 * time.Second

// eventsOfOperations is how old a step of an operation may be and still stand in the timeline;
// the API server forgets its own events after an hour.
const eventsOfOperations = 24 * time.Hour

// Operations polls the journals of migrations and drains: the ConfigMaps of the cluster, and
// the local ones of operations that may not write any. An operation that can't be read is
// named and leaves the others.
func Operations(client kubernetes.Interface, audit migrate.AuditDir, scope Scope) Collector {
	roam, reader := &roamer{scope: scope}, &migrate.Reader{Client: client, Audit: audit}
	var last fleet.Operations // reported again while it says the same, so that nothing is built anew for it
	return Poll(operationsEvery, func(ctx context.Context) (fleet.Part, error) {
		ctx, cancel := context.WithTimeout(ctx, clusterTimeout)
		defer cancel()
		part := fleet.Operations{}
		var broken []string
		note, err := roam.each(ctx, func(namespace string) error {
			all, err := reader.Load(ctx, namespace)
			for _, o := range all {
				part.Items = append(part.Items, operationRecord(ctx, client, o, all))
				part.Events = append(part.Events, operationEvents(o, time.Now())...)
			}
			if err != nil && len(all) > 0 && !apierrors.IsForbidden(err) {
				broken = append(broken, err.Error())
				return nil
			}
			return err
		})
		if err != nil {
			return nil, explainKubernetes("reading the operations' journals", err)
		}
		slices.SortStableFunc(part.Events, fleet.CompareEvents)
		if reflect.DeepEqual(part, last) {
			part = last
		}
		last = part
		partial := note != ""
		if len(broken) > 0 {
			note = strings.TrimPrefix(note+"; "+strings.Join(broken, "; "), "; ")
		}
		return fleet.Noted{Source: "operations", Part: part, Note: note, Partial: partial || len(broken) > 0}, nil
	})
}

func operationRecord(ctx context.Context, client kubernetes.Interface, o *migrate.Operation, all []*migrate.Operation) *fleet.Operation {
	states := o.Count()
	reason := o.Reason
	if o.State == migrate.Running || o.State == migrate.Aborting {
		reason = "" // it is of the time before somebody went on
	}
	r := &fleet.Operation{
		ID: o.ID, Kind: o.Kind(), Target: o.Subject(all), To: string(o.Plan.To), Namespace: o.Plan.Home,
		State: string(o.State), Message: reason, Done: states[migrate.Done], Failed: states[migrate.Failed], Total: o.Plan.Moves(),
		By: o.By, Runner: o.Runner, Undoes: o.Undoes, Began: o.Began, Ended: o.Ended, Local: o.Local,
	}
	later := func(steps []migrate.Step) {
		for i := range steps {
			if steps[i].At.After(r.Changed) {
				r.Changed = steps[i].At
			}
		}
	}
	later(o.Steps)
	var now []string
	for i := range o.Plan.Items {
		x := &o.Plan.Items[i]
		later(x.Steps)
		if !x.State.Ended() && x.State != migrate.Planned && x.State != "" {
			text := x.Pod.Name + " " + string(x.State)
			if x.Reason != "" {
				text += ": " + x.Reason
			}
			now = append(now, text)
		}
	}
	if r.Message == "" && len(now) > 0 && !o.State.Ended() {
		r.Message = now[0]
		if len(now) > 1 {
			r.Message += fmt.Sprintf(" and %d more", len(now)-1)
		}
	}
	if !o.State.Ended() {
		alive, err := migrate.Alive(ctx, client, o)
		r.Resumable = err == nil && !alive
	}
	return r
}

// operationEvents are an operation's begin, its end, and how each pod ended.
func operationEvents(o *migrate.Operation, now time.Time) []*fleet.Event {
	var out []*fleet.Event
	add := func(at time.Time, bad bool, reason, message, kind, namespace, name, uid string) {
		if at.IsZero() || now.Sub(at) > eventsOfOperations {
			return
		}
		e := &fleet.Event{Time: at, First: at, Count: 1, Source: "ecideck", Type: "Normal", Reason: reason, Message: message, Kind: kind, Namespace: namespace, Name: name, UID: uid}
		if bad {
			e.Type = "Warning"
		}
		out = append(out, e)
	}
	what := strings.Join(o.Plan.Targets, ", ")
	add(o.Began, false, "OperationBegan", fmt.Sprintf("%s moves %d pods of %s to %s", cmp.Or(o.By, "somebody"), o.Plan.Moves(), what, o.Plan.To), fleet.KindOperation, o.Plan.Home, o.ID, "")
	add(o.Ended, o.State == migrate.Failed, "Operation"+title(string(o.State)), cmp.Or(o.Reason, string(o.State)), fleet.KindOperation, o.Plan.Home, o.ID, "")
	for i := range o.Plan.Items {
		x := &o.Plan.Items[i]
		if x.State == migrate.Stays {
			continue
		}
		add(x.Ended, x.State == migrate.Failed, "Move"+title(string(x.State)), cmp.Or(x.Reason, string(x.Strategy)+" to "+string(o.Plan.To)), cmp.Or(x.Pod.Kind, "Pod"), x.Pod.Namespace, x.Pod.Name, string(x.Pod.UID))
	}
	return out
}

func title(word string) string {
	if word == "" {
		return ""
	}
	return strings.ToUpper(word[:1]) + word[1:]
}
