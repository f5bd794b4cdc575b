package permissions

import "github.com/regrant/regrant/events"

// Crossing is a subject that one account offers and the other takes. A service is asked,
// a stream is listened to.
type Crossing struct {
	From, To Account
	Subject  string
	// Local is what the subject is called in the account that takes it.
	Local  string
	Stream bool
	// Many: a request is answered by several messages.
	Many bool
}

// Crossings are what services have of the cell, and the cell of them.
func Crossings(s Scope) []Crossing {
	if s.Together {
		return nil
	}
	at, out := s.subjects(), s.names().Out()
	all := []Crossing{
		{Subject: at.InAll()},
		{Subject: at.APIAny()},
		{Subject: at.DeadOf(at.OutAll())},
		{Subject: at.LiveAll(), Stream: true},
	}
	for _, words := range [][]string{{"CONSUMER.INFO", out, "*"}, {"CONSUMER.CREATE", out, ">"}, {"CONSUMER.MSG.NEXT", out, "*"}} {
		all = append(all, Crossing{Subject: ownAPI.at(words...), Local: servicesAPI.at(words...), Many: words[0] == "CONSUMER.MSG.NEXT"})
	}
	for _, subject := range acks(out) {
		all = append(all, Crossing{Subject: subject})
	}
	for i := range all {
		all[i].From, all[i].To = Cell, Services
	}
	return append(all, Crossing{From: Services, To: Cell, Subject: at.CredentialsFilter(events.Address{}), Many: true})
}
