package events_test

import (
	"fmt"
	"time"

	"github.com/regrant/regrant/events"
)

// A service got a 401 and says which bearer it was, without sending it.
func ExampleSubjects_InputMessage() {
	e, err := events.NewInput("https://shop.example.com", "01JQ8ZB0003", time.Now(), events.Trace{}, events.TokenExpired{
		Address:     events.Address{Tenant: "default", Provider: "op", Link: "01JQ8ZC6T2M5X9V3K7N4R0WHBD"},
		Fingerprint: events.Fingerprint("the bearer that failed"),
		Reason:      events.ReasonUnauthorized,
		Status:      401,
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	message, err := events.Subjects{}.InputMessage(e)
	fmt.Println(message.Subject, err)
	// Output: regrant.in.default.op.01JQ8ZC6T2M5X9V3K7N4R0WHBD.token-expired <nil>
}

// A worker opens what came on a subject. Whatever is wrong with it, the error
// names a field and a reason, and can be stored as they are.
func ExampleCheck() {
	var s events.Subjects
	subject := "regrant.in.default.op.L1.token-expired"
	body := []byte(`{"specversion":"1.0","id":"1","source":"shop","type":"dev.regrant.token-expired.v1",
		"subject":"L1","data":{"tenant":"default","provider":"op","link":"L2","generation":7,"reason":"expired"}}`)

	address, name, err := s.ParseIn(subject)
	if err != nil {
		fmt.Println(err)
		return
	}
	e, err := events.Decode(nil, body)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(events.Check(e, address, name))
	// Output: invalid event: wrong_subject in data.link
}
