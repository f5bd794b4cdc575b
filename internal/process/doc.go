// Package process runs child processes that are meant to be killed, stopped and
// started again: servers and workers under tests, and under `make torture`. A child
// ends with this process at the latest.
//
// Tests reach it through testenv, which fails them where this returns errors.
package process
