// A runaway agent: it would never stop by itself, so its budget stops it.
//
//	CYCLES_BASE_URL=http://127.0.0.1:7878 CYCLES_API_KEY=cyc_... CYCLES_TENANT=acme go run .
//
// Every call reserves one cent before it runs and commits it afterwards. The call
// that no longer fits is refused before it starts.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log"
	"os"
	"time"

	cycles "github.com/runcycles/cycles/bindings/go"
)

func main() {
	price, err := cycles.USD("0.01")
	if err != nil {
		log.Fatal(err)
	}
	client, err := cycles.FromEnv()
	if err != nil {
		log.Fatal(err)
	}
	draft, calls, spent := "a draft", 0, int64(0)
	for {
		draft, err = improve(client, draft, price)
		if errors.Is(err, cycles.ErrBudgetExceeded) {
			break
		}
		if err != nil {
			log.Fatal(err)
		}
		calls++
		spent += price.Amount
		fmt.Printf("go: call %d, $%.2f spent\n", calls, float64(spent)/1e8)
	}
	if _, err := client.Close(context.Background(), 10*time.Second); err != nil {
		log.Fatal(err)
	}
	report := map[string]any{"language": "go", "calls": calls, "denials": 1, "spent_microcents": spent}
	if err := json.NewEncoder(os.Stdout).Encode(report); err != nil {
		log.Fatal(err)
	}
}

// improve pretends to ask a model; the real call would stand here.
func improve(client *cycles.Client, draft string, price cycles.Amount) (string, error) {
	call := cycles.Call{
		Estimate: price,
		Subject:  cycles.Subject{Agent: "go"},
		Action:   cycles.Action{Kind: "llm.completion", Name: "pretend-model"},
	}
	return cycles.With(context.Background(), client, call,
		func(ctx context.Context, guard *cycles.Guard) (string, int64, error) {
			time.Sleep(150 * time.Millisecond)
			return draft + "!", price.Amount, nil
		})
}
