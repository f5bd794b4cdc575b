// Package clitest runs the scripts that test the two commands. Each script has
// a configuration, $WORK/regrant.yaml, and a prefix of its own on a NATS and a
// lock server that all scripts of a test share. Beside the commands of testscript
// it knows:
//
//	cell          provision a cell around a simulated provider and import a link;
//	              sets $LINK, $BEARER, $REFRESH, $SUB and rewrites regrant.yaml
//	work          start a worker of that cell in the test's process
//	dump STREAM   write what a stream holds (IN, OUT, DEAD, KV_links) to $WORK/STREAM
//	expand FILE   replace $VARIABLES in a file by their values
//	exits CODE COMMAND...
//	              run a command that must end with exactly this exit code
//	mode FILE OCTAL
//	              check a file's permissions
//	await FILE TEXT
//	              wait until a file holds the text
package clitest
