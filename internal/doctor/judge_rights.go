package doctor

import "fmt"

func judgeRights(all []right) []Finding {
	if len(all) == 0 {
		return nil // nobody tried
	}
	c := check{name: "nats-permissions"}
	for _, r := range all {
		does := "publish to"
		if r.Listens {
			does = "subscribe to"
		}
		switch {
		case r.Err != nil:
			c.find(Unknown, r.Subject, "could not be tried: "+r.Err.Error(), "run the doctor again once NATS answers")
			return c.all
		case r.Denied:
			c.find(Error, r.Subject, fmt.Sprintf("these credentials may not %s it: a worker could not %s", does, r.For),
				"allow it; `worker permissions --role worker` prints all that a worker needs. For an operator's credentials say --role operator")
		}
	}
	return c.or(fmt.Sprintf("all %d things that a worker does are allowed", len(all)))
}
