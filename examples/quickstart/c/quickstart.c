#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cycles.h"

static const char *CALL =
    "{\"estimate\": {\"unit\": \"TOKENS\", \"amount\": 600},"
    " \"action\": {\"kind\": \"llm.completion\", \"name\": \"gpt-4o\"}}";

/* Waits for a task and frees it; prints and frees what it came to. */
static int finish(cycles_task *task, const char *what) {
    char *error = NULL;
    char *result = cycles_task_result(task, &error);
    cycles_task_free(task);
    if (result == NULL) {
        int refused = strstr(error, "\"kind\":\"BudgetExceeded\"") != NULL;
        if (!refused) fprintf(stderr, "%s failed: %s\n", what, error);
        cycles_string_free(error);
        return refused ? 1 : -1;
    }
    cycles_string_free(result);
    return 0;
}

static int ask(cycles_client *client, const char *prompt) {
    char *error = NULL;
    cycles_guard *guard = cycles_guard_new(client, CALL, NULL, &error);
    if (guard == NULL) {
        fprintf(stderr, "%s\n", error);
        cycles_string_free(error);
        return -1;
    }
    int outcome = finish(cycles_guard_reserve(guard), "reserve");
    if (outcome == 0) {
        printf("an answer to %s\n", prompt); /* your model call, and its cost */
        const char *report = "{\"actual\": {\"unit\": \"TOKENS\", \"amount\": 420}}";
        outcome = finish(cycles_guard_commit(guard, report), "commit");
    }
    cycles_guard_free(guard);
    return outcome;
}

int main(void) {
    char *error = NULL;
    cycles_client *client = cycles_client_embedded("budgets: {tenant:acme: 1000 TOKENS}", NULL, NULL, &error);
    if (client == NULL) {
        fprintf(stderr, "%s\n", error);
        cycles_string_free(error);
        return EXIT_FAILURE;
    }
    int answered = ask(client, "What is a budget?");
    int refused = ask(client, "And another one?");
    if (refused == 1) printf("denied before the model was called\n");
    finish(cycles_client_close(client, 10000), "close");
    cycles_client_free(client);
    return answered == 0 && refused == 1 ? EXIT_SUCCESS : EXIT_FAILURE;
}
