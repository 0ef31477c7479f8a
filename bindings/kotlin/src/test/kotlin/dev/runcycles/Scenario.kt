package dev.runcycles

import dev.runcycles.testing.FaultKind
import dev.runcycles.testing.ManualClock
import dev.runcycles.testing.TestServer
import dev.runcycles.testing.Transport
import kotlinx.coroutines.runBlocking
import org.junit.jupiter.api.Assertions.assertEquals
import org.junit.jupiter.api.Assertions.fail
import org.yaml.snakeyaml.LoaderOptions
import org.yaml.snakeyaml.Yaml
import org.yaml.snakeyaml.constructor.SafeConstructor

private typealias Fields = Map<String, Any?>

/** One file of tests/scenarios. */
internal class Scenario private constructor(private val seed: Fields, private val steps: List<Fields>) {

    fun run(transport: Transport) {
        val clock = ManualClock()
        TestServer(Json.write(seed), clock).use { server ->
            val run = ScenarioRun(server, clock, transport)
            runBlocking { run.steps(steps) }
            assertEquals(emptyList<Fields>(), server.pendingFaults(), "faults have not fired")
        }
    }

    companion object {
        fun parse(id: String, yaml: String): Scenario {
            val document = plain(Yaml(SafeConstructor(LoaderOptions())).load(yaml)).fields()
            document.only("id", "title", "seed", "steps")
            require(document["id"] == id) { "id ${document["id"]} is not the file's name $id" }
            return Scenario(document["seed"].fields(), document["steps"].list())
        }

        /** YAML's integers are of three sizes, JSON's of two. */
        private fun plain(value: Any?): Any? = when (value) {
            is Map<*, *> -> value.entries.associate { (name, field) -> name.toString() to plain(field) }
            is List<*> -> value.map(::plain)
            is Int -> value.toLong()
            else -> value
        }
    }
}

private class ScenarioRun(
    private val server: TestServer,
    private val clock: ManualClock,
    private val transport: Transport,
) {
    private val clients = mutableMapOf<String?, CyclesClient>()
    private val saved = mutableMapOf<String, Any?>()

    suspend fun steps(steps: List<Fields>) {
        for ((index, step) in steps.withIndex()) {
            try {
                step(step)
            } catch (failure: AssertionError) {
                throw AssertionError("step ${index + 1} $step: ${failure.message}", failure)
            }
        }
    }

    private suspend fun step(step: Fields) {
        val expect = step["expect"]?.fields() ?: emptyMap()
        when {
            "guard" in step -> {
                step.only("guard", "expect")
                guard(resolve(step["guard"]).fields(), resolve(expect).fields())
            }
            "stream" in step -> {
                step.only("stream", "expect")
                stream(resolve(step["stream"]).fields(), resolve(expect).fields())
            }
            "call" in step -> {
                step.only("call", "expect", "save")
                call(resolve(step["call"]).fields(), resolve(expect).fields(), step["save"]?.fields() ?: emptyMap())
            }
            else -> {
                step.only("advance_ms", "wait_for", "fault", "wait_for_faults", "budgets")
                require(step.size == 1) { "a step does one thing: $step" }
                step["advance_ms"]?.let { clock.advance(it as Long) }
                step["wait_for"]?.let { waitFor(it.fields()) }
                step["fault"]?.let { fault(it.fields()) }
                step["wait_for_faults"]?.let { server.waitForFaults(it as String) }
                step["budgets"]?.let { budgets -> budgets.list().forEach(::budget) }
            }
        }
    }

    /** `$name`, wherever it is a whole string, is what an earlier call saved. */
    private fun resolve(value: Any?): Any? = when (value) {
        is Map<*, *> -> value.mapValues { (_, field) -> resolve(field) }
        is List<*> -> value.map(::resolve)
        is String -> if (value.startsWith("$")) {
            require(value.drop(1) in saved) { "nothing was saved as $value" }
            saved[value.drop(1)]
        } else {
            value
        }
        else -> value
    }

    private fun client(key: Any?): CyclesClient =
        clients.getOrPut(key as String?) { server.client(key, transport) }

    private suspend fun guard(guard: Fields, expect: Fields) {
        guard.only("key", "request", "actual", "raises", "during")
        expect.only("ran", "error", "raised", "decision")
        val request = guard["request"].fields()
        val options = options(request)
        val raises = guard["raises"] as String?
        var ran = false
        var decision: Decision? = null
        var error: CyclesError? = null
        var raised: String? = null
        try {
            if (request["dry_run"] == true) {
                decision = client(guard["key"]).dryRun(options).decision
            } else {
                val actual = guard["actual"]?.let { Amount(options.estimate.unit, it as Long) }
                client(guard["key"]).withCycles(options, actual?.let { { _: Unit -> it } }) { context ->
                    ran = true
                    decision = context.decision
                    guard["during"]?.let { steps(it.list()) }
                    raises?.let { throw RaisedByScenario(it) }
                    Unit
                }
            }
        } catch (typed: CyclesError) {
            error = typed
        } catch (thrown: RaisedByScenario) {
            raised = thrown.message
        }
        val code = if (error is CyclesValidationError) "VALIDATION" else error?.code
        if (code != expect["error"]) fail<Unit>("error is $code ($error)", error)
        if (error != null && "error" !in expect) throw error
        assertEquals(expect["raised"], raised, "raised")
        assertEquals(expect["ran"] ?: true, ran, "ran")
        expect["decision"]?.let { assertEquals(it, decision?.name, "decision") }
    }

    private suspend fun stream(stream: Fields, expect: Fields) {
        stream.only("key", "request", "on_limit", "extend_by", "pieces", "actual", "raises", "during")
        expect.only("pieces", "cut", "refused", "error", "raised")
        val pieces = (stream["pieces"] as List<*>?).orEmpty().map { it as Long }
        var flowed = 0L
        var cut = false
        var refused: CyclesError? = null
        var error: CyclesError? = null
        val opened = try {
            client(stream["key"]).reserveStream(
                options(stream["request"].fields()),
                (stream["on_limit"] as String?)?.let { OnLimit.valueOf(it.uppercase()) } ?: OnLimit.FINISH,
                stream["extend_by"] as Long?,
            )
        } catch (typed: CyclesError) {
            error = typed
            null
        }
        opened?.use {
            for (tokens in pieces) {
                val goes = try {
                    it.proceed()
                } catch (typed: CyclesError) {
                    refused = typed
                    false
                }
                if (!goes) break
                it.addOutputTokens(tokens)
                flowed += 1
            }
            stream["during"]?.let { during -> it.within { steps(during.list()) } }
            (stream["actual"] as Long?)?.let(it::setActual)
            cut = it.isCut
            (stream["raises"] as String?)?.let { reason -> it.abort(reason) } ?: it.finish()
        }
        assertEquals(expect["error"], error?.code, "error; $error")
        assertEquals(expect["refused"], refused?.code, "refused; $refused")
        assertEquals(expect["raised"], stream["raises"], "raised")
        assertEquals(expect["cut"] ?: false, cut, "cut")
        assertEquals(expect["pieces"] ?: if (error == null) pieces.size.toLong() else 0L, flowed, "pieces")
    }

    private fun options(request: Fields): CyclesOptions {
        request.only(
            "subject", "action", "estimate", "ttl_ms", "grace_period_ms", "overage_policy", "dry_run",
            "metadata", "idempotency_key", "nested",
        )
        return CyclesOptions(
            estimate = requireNotNull(Amount.of(request["estimate"])) { "estimate" },
            action = request["action"]?.fields()?.let {
                it.only("kind", "name", "tags")
                Action(it["kind"] as String, it["name"] as String, it.list("tags"))
            },
            subject = request["subject"]?.fields()?.let(::subject),
            ttlMs = request["ttl_ms"] as Long?,
            gracePeriodMs = request["grace_period_ms"] as Long?,
            overagePolicy = (request["overage_policy"] as String?)?.let(OveragePolicy::valueOf),
            metadata = request["metadata"]?.fields(),
            idempotencyKey = request["idempotency_key"] as String?,
            nested = (request["nested"] as String?)?.let { Nested.valueOf(it.uppercase()) },
        )
    }

    @Suppress("UNCHECKED_CAST") // a scenario's dimensions are text
    private fun subject(fields: Fields): Subject {
        fields.only("tenant", "workspace", "app", "workflow", "agent", "toolset", "dimensions")
        return Subject(
            tenant = fields.text("tenant"),
            workspace = fields.text("workspace"),
            app = fields.text("app"),
            workflow = fields.text("workflow"),
            agent = fields.text("agent"),
            toolset = fields.text("toolset"),
            dimensions = fields["dimensions"] as Map<String, String>?,
        )
    }

    private suspend fun call(call: Fields, expect: Fields, save: Fields) {
        call.only("key", "operation", "reservation_id", "query", "body")
        expect.only("status", "body")
        val answer = answer(client(call["key"]), call)
        expect["status"]?.let { assertEquals(it, answer.status.toLong(), "status; $answer") }
        if ("body" in expect) assertSubset(expect["body"], answer.body, "body")
        for ((name, path) in save) saved[name] = dig(answer.body, path as String)
    }

    private suspend fun answer(client: CyclesClient, call: Fields): CyclesResponse {
        val id = call["reservation_id"] as String?
        val body = call["body"]?.fields() ?: emptyMap()
        val query = call["query"]?.fields() ?: emptyMap()
        return when (val operation = call["operation"]) {
            "create_reservation" -> client.createReservation(body)
            "commit" -> client.commitReservation(id!!, body)
            "release" -> client.releaseReservation(id!!, body)
            "extend" -> client.extendReservation(id!!, body)
            "decide" -> client.decide(body)
            "create_event" -> client.createEvent(body)
            "get_balances" -> client.getBalances(query)
            "list_reservations" -> client.listReservations(query)
            "get_reservation" -> client.getReservation(id!!)
            else -> throw IllegalArgumentException("no operation $operation")
        }
    }

    private suspend fun waitFor(wait: Fields) {
        wait.only("operation", "count")
        server.waitFor(wait["operation"] as String, wait["count"] as Long)
    }

    private fun fault(fault: Fields) {
        fault.only("operation", "kind", "times", "skip", "status", "code", "retry_after_ms", "delay_ms", "body")
        server.inject(
            operation = fault["operation"] as String,
            kind = FaultKind.valueOf((fault["kind"] as String).uppercase()),
            times = fault.integer("times")?.toInt() ?: 1,
            skip = fault.integer("skip")?.toInt() ?: 0,
            status = fault.integer("status")?.toInt(),
            code = fault.text("code"),
            retryAfterMs = fault.integer("retry_after_ms"),
            delayMs = fault.integer("delay_ms"),
            body = fault.text("body"),
        )
    }

    private fun budget(expected: Fields) {
        val scope = expected["scope"] as String
        val unit = CyclesUnit.valueOf(expected["unit"] as String)
        val state = server.budget(scope, unit)
        val actual = mapOf(
            "scope" to scope,
            "unit" to unit.name,
            "allocated" to state.allocated,
            "remaining" to state.remaining,
            "reserved" to state.reserved,
            "spent" to state.spent,
            "debt" to state.debt,
            "overdraft_limit" to state.overdraftLimit,
            "is_over_limit" to state.isOverLimit,
            "status" to state.status,
        )
        expected.only(*actual.keys.toTypedArray())
        for ((name, value) in expected) assertEquals(value, actual[name], "$scope $unit $name; $state")
    }

    private fun dig(body: Any?, path: String): Any? = path.split('.').fold(body) { value, name ->
        when (value) {
            is Map<*, *> -> if (name in value) value[name] else fail("no $path in $body")
            is List<*> -> value.getOrNull(name.toInt()) ?: fail("no $path in $body")
            else -> fail("no $path in $body")
        }
    }

    private fun assertSubset(expected: Any?, actual: Any?, path: String) {
        when {
            expected is Map<*, *> && actual is Map<*, *> -> for ((name, value) in expected) {
                if (name !in actual && value != null) fail<Unit>("$path has no $name: $actual")
                assertSubset(value, actual[name], "$path.$name")
            }
            expected is List<*> && actual is List<*> -> {
                assertEquals(expected.size, actual.size, "length of $path: $actual")
                expected.zip(actual).forEachIndexed { index, (want, have) -> assertSubset(want, have, "$path.$index") }
            }
            else -> assertEquals(expected, actual, path)
        }
    }
}

private class RaisedByScenario(message: String) : Exception(message)

@Suppress("UNCHECKED_CAST") // a scenario's keys are text
private fun Any?.fields(): Fields = requireNotNull(this as? Fields) { "not a mapping: $this" }

@Suppress("UNCHECKED_CAST") // a scenario's steps are mappings
private fun Any?.list(): List<Fields> = requireNotNull(this as? List<Fields>) { "not a list: $this" }

private fun Fields.only(vararg known: String) {
    val unknown = keys - known.toSet()
    require(unknown.isEmpty()) { "unknown $unknown in $this; known are ${known.toList()}" }
}
