// Package cycles asks an authority before an agent spends: it reserves budget
// before the work, commits what the work really cost, and gives the rest back.
//
//	client, err := cycles.New(cycles.Config{BaseURL: "http://localhost:7878", APIKey: key, Tenant: "acme"})
//	answer, err := cycles.With(ctx, client, cycles.Call{Estimate: cycles.Tokens(1000)},
//		func(ctx context.Context, hold *cycles.Guard) (string, int64, error) {
//			answer, tokens, err := ask(ctx, prompt)
//			return answer, tokens, err
//		})
//
// Everything is done by the same native core as in the other languages: keys,
// retries, heartbeats, and the settlement journal. This package converts.
//
// A client may be used by any number of goroutines. While a call waits it costs
// no thread.
package cycles
