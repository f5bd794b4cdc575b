// Package provider is the token endpoint that all contestants of the benchmark
// call. It does as little as a provider with one-time refresh tokens can: it
// counts presentations, waits as long as the path says, and answers. The
// simulator of package providertest knows far more and would be the bottleneck.
//
// Its tokens name what they are of, so that nothing has to be issued: r.C.L.G is
// the refresh token of generation G of link L in cell C.
package provider
