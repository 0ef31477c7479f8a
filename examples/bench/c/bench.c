/* What a guarded call costs in C. See `cargo xtask bench`. */
#define _POSIX_C_SOURCE 200809L

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "cycles.h"

static const char *SEED = "budgets: {tenant:acme: 1_000_000_000 TOKENS}";
static const char *CALL = "{\"estimate\":{\"unit\":\"TOKENS\",\"amount\":10},\"subject\":{\"tenant\":\"acme\"}}";
static const char *SPENT = "{\"actual\":{\"unit\":\"TOKENS\",\"amount\":10}}";

static void fail(const char *error) {
    fprintf(stderr, "%s\n", error);
    exit(EXIT_FAILURE);
}

static void finish(cycles_task *task) {
    char *error = NULL;
    char *result = cycles_task_result(task, &error);
    if (result == NULL) fail(error);
    cycles_string_free(result);
    cycles_task_free(task);
}

static void call(const cycles_client *client) {
    char *error = NULL;
    cycles_guard *guard = cycles_guard_new(client, CALL, NULL, &error);
    if (guard == NULL) fail(error);
    finish(cycles_guard_reserve(guard));
    finish(cycles_guard_commit(guard, SPENT));
    cycles_guard_free(guard);
}

static long setting(const char *name, long usual) {
    const char *value = getenv(name);
    long number = value == NULL ? 0 : strtol(value, NULL, 10);
    return number > 0 ? number : usual;
}

static double now_us(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec * 1e6 + (double)now.tv_nsec / 1e3;
}

static int ascending(const void *left, const void *right) {
    double a = *(const double *)left, b = *(const double *)right;
    return (a > b) - (a < b);
}

/* Prints p50 and p99 of each run; the first run only warms up. */
static void measure(const cycles_client *client) {
    long runs = setting("BENCH_RUNS", 5), calls = setting("BENCH_CALLS", 1000);
    double *times = calloc((size_t)calls, sizeof *times);
    if (times == NULL) fail("no memory");
    for (long run = 0; run <= runs; run++) {
        for (long index = 0; index < calls; index++) {
            double start = now_us();
            call(client);
            times[index] = now_us() - start;
        }
        qsort(times, (size_t)calls, sizeof *times, ascending);
        if (run == 0) continue;
        printf("%s{\"p50_us\":%.3f,\"p99_us\":%.3f}", run == 1 ? "" : ",", times[calls / 2], times[calls * 99 / 100]);
    }
    free(times);
}

int main(void) {
    char *error = NULL;
    cycles_client *embedded = cycles_client_embedded(SEED, "{}", NULL, &error);
    if (embedded == NULL) fail(error);
    printf("{\"language\":\"c\",\"embedded\":[");
    measure(embedded);
    cycles_client_free(embedded);
    cycles_server *server = cycles_server_start(SEED, NULL, &error);
    if (server == NULL) fail(error);
    cycles_client *remote = cycles_server_client(server, NULL, "http", "{\"journal_enabled\":false}", &error);
    if (remote == NULL) fail(error);
    printf("],\"http\":[");
    measure(remote);
    printf("]}\n");
    cycles_client_free(remote);
    cycles_server_free(server);
    return EXIT_SUCCESS;
}
