package collectors

import (
	"context"
	"strings"
	"time"

	"github.com/ecideck/ecideck/collectors/fleet"
	"github.com/ecideck/ecideck/provider/billing"
	"github.com/ecideck/ecideck/provider/eci"
	"github.com/ecideck/ecideck/provider/money"
)

// billsEvery is how often the days that may still grow are read again.
const billsEvery = time.Hour

// Bills reads the daily bills of this month so far, each day until it is final. The newest
// is of yesterday: a bill is written a day late.
func Bills(client billing.Caller, site func() billing.Site) Collector {
	final := map[time.Time]fleet.BillDay{}
	return Poll(billsEvery, func(ctx context.Context) (fleet.Part, error) {
		now := time.Now()
		china := time.FixedZone("UTC+8", 8*60*60)
		today := now.In(china)
		part := fleet.Bills{}
		for day := time.Date(today.Year(), today.Month(), 1, 0, 0, 0, 0, china); day.AddDate(0, 0, 1).Before(now); day = day.AddDate(0, 0, 1) {
			if done, ok := final[day]; ok {
				part.Days = append(part.Days, done)
				continue
			}
			bill, err := billing.Bills(ctx, client, billing.Query{Site: site(), Day: day}, now)
			if err != nil {
				return nil, explainCloud("reading the bills", err)
			}
			read := billDay(day, &bill)
			if read.Final {
				final[day] = read
			}
			part.Days = append(part.Days, read)
		}
		return part, nil
	})
}

// billDay adds up the items of each group.
func billDay(day time.Time, bill *billing.Bill) fleet.BillDay {
	out := fleet.BillDay{Day: day, Final: bill.Final}
	at := map[string]int{}
	for i := range bill.Items {
		item := &bill.Items[i]
		key := item.InstanceID + "\x00" + string(item.Amount.Currency)
		j, there := at[key]
		if !there {
			tags := billTags(item.Tags)
			at[key] = len(out.Groups)
			out.Groups = append(out.Groups, fleet.BilledGroup{ID: item.InstanceID, ClusterID: intern(tags[eci.TagClusterID]), Namespace: intern(tags[eci.TagNamespace]), Amount: item.Amount})
			continue
		}
		sum, err := out.Groups[j].Amount.Add(item.Amount)
		if err != nil {
			sum = money.Money{} // one of them has no amount: then their sum is not known
		}
		out.Groups[j].Amount = sum
	}
	return out
}

// billTags reads tags as bills have them: key:a value:b; key:c value:d.
func billTags(text string) map[string]string {
	tags := map[string]string{}
	for pair := range strings.SplitSeq(text, ";") {
		key, value, ok := strings.Cut(strings.TrimSpace(pair), " value:")
		if key, isKey := strings.CutPrefix(key, "key:"); ok && isKey {
			tags[key] = value
		}
	}
	return tags
}
