package main

import (
	"context"
	"errors"
	"fmt"
	"log"

	cycles "github.com/runcycles/cycles/bindings/go"
)

func main() {
	client, err := cycles.Embedded(cycles.Budgets{"tenant:acme": cycles.Tokens(1000)})
	if err != nil {
		log.Fatal(err)
	}
	answer, err := ask(client, "What is a budget?")
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(answer)
	if _, err = ask(client, "And another one?"); errors.Is(err, cycles.ErrBudgetExceeded) {
		fmt.Println("denied before the model was called")
	}
}

func ask(client *cycles.Client, prompt string) (string, error) {
	call := cycles.Call{Estimate: cycles.Tokens(600), Action: cycles.Action{Kind: "llm.completion", Name: "gpt-4o"}}
	return cycles.With(context.Background(), client, call,
		func(ctx context.Context, guard *cycles.Guard) (string, int64, error) {
			return "an answer to " + prompt, 420, nil // your model call, and its cost
		})
}
