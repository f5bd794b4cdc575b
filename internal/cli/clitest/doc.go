// Package clitest runs the scripts that test the two commands. Each script has
// a configuration, $WORK/regrant.yaml, and a prefix of its own on a NATS and a
// lock server that all scripts of a test share. Beside the commands of testscript
// it knows:
//
//	cell          provision a cell around a simulated provider and import a link;
//	              sets $LINK, $BEARER, $REFRESH, $SUB, $KEY and rewrites regrant.yaml
//	work          start a worker of that cell in the test's process
//	respond VERB FILE
//	              answer the API's verb with a file, in place of a worker; a file of a
//	              code and a message is a refusal. What was asked is written to
//	              VERB.request, after the tenant
//	react NAME FILE
//	              answer the next input, which must have this name, in place of a
//	              worker: with the CloudEvent in a file, in which $CAUSE is the input's
//	              id, or with a dead letter, where the file has but a reason and a field
//	dump STREAM   write what a stream holds (IN, OUT, DEAD, KV_links) to $WORK/STREAM
//	empty STREAM  purge a stream, as if all in it had aged out
//	lose STREAM   delete a stream
//	grows STREAM N
//	              wait until a stream holds so many messages
//	expand FILE   replace $VARIABLES in a file by their values
//	exits CODE COMMAND...
//	              run a command that must end with exactly this exit code
//	mode FILE OCTAL
//	              check a file's permissions
//	await FILE TEXT
//	              wait until a file holds the text
package clitest
