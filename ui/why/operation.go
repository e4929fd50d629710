package why

import (
	"fmt"
	"time"

	"github.com/ecideck/ecideck/collectors/fleet"
	"github.com/ecideck/ecideck/ui/format"
)

// operation says how far a migration or a drain has come.
func operation(s *fleet.Snapshot, id string, now time.Time) (Answer, bool) {
	for _, o := range s.Operations {
		if o.ID != id {
			continue
		}
		a := Answer{Head: fmt.Sprintf("%s of %s: %s, %d of %d pods moved.", o.Kind, o.Target, o.State, o.Done, o.Total)}
		a.say("%s began it %s ago (%s)", unknown(o.By), format.Age(o.Began, now), o.ID)
		if o.Undoes != "" {
			a.say("it takes back operation %s", o.Undoes)
		}
		switch {
		case o.HasEnded():
			a.say("it ended %s ago", format.Age(o.Ended, now))
		case o.Resumable:
			a.say("nobody is at work on it; %s was last", unknown(o.Runner))
		case o.Runner != "":
			a.say("%s is at work on it", o.Runner)
		}
		if o.Failed > 0 {
			a.say("%d pods need a look", o.Failed)
		}
		a.tell(o.Message)
		if o.Local {
			a.say("its journal is on one machine only: ConfigMaps could not be written")
		}
		a.help("ecideck ops show " + o.ID + " lists its steps")
		return a, true
	}
	return Answer{}, false
}
