package dev.runcycles

import dev.runcycles.testing.Transport
import org.junit.jupiter.api.Assertions.assertEquals
import org.junit.jupiter.api.Assertions.assertTrue
import org.junit.jupiter.api.Assumptions
import org.junit.jupiter.api.DynamicTest
import org.junit.jupiter.api.DynamicTest.dynamicTest
import org.junit.jupiter.api.Test
import org.junit.jupiter.api.TestFactory
import org.junit.jupiter.api.assertThrows
import java.nio.file.Files
import java.nio.file.Path
import kotlin.io.path.extension
import kotlin.io.path.nameWithoutExtension

/** Runs every file of tests/scenarios, once over HTTP and once in process. */
class ScenarioTest {
    private val tests: Path = Path.of(System.getProperty("cycles.tests", "../../tests"))
    private val files: List<Path> =
        Files.list(tests.resolve("scenarios")).use { all -> all.filter { it.extension == "yaml" }.sorted().toList() }
    private val skipped: Map<String, String> = parityExceptions(tests.resolve("parity.toml"), language = "kotlin")

    @TestFactory
    fun scenarios(): List<DynamicTest> {
        assertTrue(files.isNotEmpty(), "no scenarios in $tests")
        return files.flatMap { file -> Transport.entries.map { transport -> scenario(file, transport) } }
    }

    @Test
    fun `every exception names a scenario`() {
        assertEquals(emptySet<String>(), skipped.keys - files.map { it.nameWithoutExtension }.toSet())
    }

    @Test
    fun `the runner refuses what it does not know`() {
        val seed = "{tenants: [{tenant_id: acme}], keys: [{name: d, secret: cyc_test_d, tenant_id: acme}]}"
        val call = "- call: {operation: get_reservation, reservation_id: r}"
        fun scenario(steps: String) = Scenario.parse("x", "id: x\ntitle: t\nseed: $seed\nsteps:\n  $steps")
        assertThrows<IllegalArgumentException> { scenario("- gaurd: {}").run(Transport.LOCAL) }
        assertThrows<IllegalArgumentException> { scenario("- advance_ms: 1\n    expect: {}").run(Transport.LOCAL) }
        assertThrows<IllegalArgumentException> { scenario("$call\n    expect: {stat: 404}").run(Transport.LOCAL) }
        assertThrows<AssertionError> { scenario("$call\n    expect: {status: 200}").run(Transport.LOCAL) }
        assertThrows<IllegalArgumentException> { Scenario.parse("y", "id: x\ntitle: t\nseed: {}\nsteps: []") }
    }

    private fun scenario(file: Path, transport: Transport): DynamicTest {
        val id = file.nameWithoutExtension
        return dynamicTest("$id over $transport", file.toUri()) {
            skipped[id]?.let { reason ->
                println("SKIP $id: $reason")
                Assumptions.abort<Unit>(reason)
            }
            Scenario.parse(id, Files.readString(file)).run(transport)
        }
    }
}

/** The `[[exception]]` tables of parity.toml for one language: scenario to reason. */
internal fun parityExceptions(file: Path, language: String): Map<String, String> {
    if (!Files.exists(file)) return emptyMap()
    val tables = mutableListOf<MutableMap<String, String>>()
    for (line in Files.readAllLines(file).map(String::trim)) {
        val field = Regex("""(\w+)\s*=\s*"([^"]*)"""").matchEntire(line)
        when {
            line.isEmpty() || line.startsWith("#") -> {}
            line == "[[exception]]" -> tables += mutableMapOf<String, String>()
            field != null && tables.isNotEmpty() -> tables.last()[field.groupValues[1]] = field.groupValues[2]
            else -> throw IllegalArgumentException("parity.toml: not understood: $line")
        }
    }
    return tables.filter { it["language"] == language }.associate { it.getValue("scenario") to it.getValue("reason") }
}
