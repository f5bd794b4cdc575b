package handlers

import (
	"cmp"

	"github.com/regrant/regrant/api"
)

// sentences say the reasons of courses to people.
var sentences = map[string]string{
	reasonStale:                   "the bearer that it is about was replaced since",
	reasonBusy:                    "the link or its provider cannot be had at the moment",
	reasonCollapsed:               "the same report is being handled already",
	"older_than_announced":        "the link's record is older than what was announced: it is taken for restored from a backup",
	"older_than_its_bearer":       "it was reported before the bearer that it names was issued",
	"heard_already":               "the link waits for something else than reports, and this one was heard before",
	"future_generation":           "it names a generation that the link has not reached",
	"due":                         "the bearer was refused or is about to expire: the link would be refreshed",
	"minimum_interval":            "the link was refreshed a moment ago: it would be looked at again after the minimum interval",
	"bearer_not_expiring":         "the bearer is far from its expiry, and no 401 was seen",
	"bearer_lives_on":             "nobody answers for the user's session, and the bearer still lives",
	"retry_is_scheduled":          "a retry is on the link's timer",
	"repeat_is_scheduled":         "a repetition is on the link's timer",
	"attempt_under_way":           "an attempt is under way",
	"exchange_open":               "a consent to the link is being exchanged",
	"replay_allowed":              "an attempt's outcome is unknown, and the provider allows another: it would be presented again",
	"another_grant":               "an attempt's outcome is unknown, and the link has another grant: that would be presented",
	"provider_may_have_recovered": "a verdict was held, and the provider may answer again: the grant would be presented",
	"session_may_be_back":         "the user's session may be back: its credentials would be asked for and presented",
	"ambiguous_again":             "an attempt's outcome is unknown once more: its repetition would be put on the timer",
	"outcome_unknown":             "an attempt's outcome is unknown and may not be repeated: the link would be judged",
	"store_clock_unknown":         "an attempt's outcome is unknown, and the store's clock, by which it would be judged, does not answer",
	"answer_kept":                 "an answer was kept: it would take the place of the one that was lost",
	"bearer_refused":              "the record would note that the bearer was refused",
	"not_sent":                    "an attempt was never sent: it would be taken out",
	"no_attempt_listed":           "the record lists no attempt: it would be mended",
	"token_rejected":              "fresh bearers are refused again and again: refreshing would be stopped for a while",
	"grant_dead":                  "nothing is left to present: the link would need its user's consent",
	"no_refresh_token":            "there is nothing to present: the link would need its user's consent",
	"refresh_expired":             "the refresh token has expired: the link would need its user's consent",
	"uncertain":                   "an attempt's outcome is unknown, and nothing is due",
	"unverified":                  "an answer is saved and waits to be verified",
	"consent_required":            "only the link's user can help",
	"quarantined":                 "the provider's answer must not be used",
	"revoked":                     "the link was logged out",
	"replaced":                    "another link has this one's place",
	"superseded":                  "another user has this link's login",

	"code_is_new":         "nobody has shown the code yet: it would be exchanged",
	"code_under_way":      "the code was shown, and its answer is awaited",
	"consent_not_applied": "the code is exchanged, and the consent would be applied",
	"consent_applied":     "the code is spent, and the consent applied",
	"consent_held":        "the code is spent, and the consent waits for a decision",
	"consent_failed":      "the consent came to nothing",

	"not_held":            "the consent that it names is not held",
	"older_than_its_hold": "it was decided before that consent was held",
	"approved":            "the held consent would take the link's place",
	"rejected":            "the held consent would be dropped",

	"logged_out":               "the link would be logged out",
	"logged_out_already":       "the link is logged out already",
	"logged_out_again":         "the link is logged out already: the record would note the later logout",
	"consented_since":          "its user has consented since",
	"made_since":               "the link was made since",
	"another_link_of_the_user": "another link of the user would be logged out",
}

// sentence says a course to people.
func (c course) sentence() string {
	if c.verdict == api.Refused {
		return cmp.Or(sentences[c.reason], "no worker takes it") + " (" + c.field + ")"
	}
	return sentences[c.reason]
}
