package dev.runcycles

import kotlinx.serialization.json.JsonArray
import kotlinx.serialization.json.JsonElement
import kotlinx.serialization.json.JsonNull
import kotlinx.serialization.json.JsonObject
import kotlinx.serialization.json.JsonPrimitive
import kotlinx.serialization.json.booleanOrNull
import kotlinx.serialization.json.Json as KotlinxJson

/** JSON as plain values: maps, lists, text, booleans, [Long] for every integer that fits. */
internal object Json {
    fun write(value: Any?): String = element(value).toString()

    fun read(text: String): Any? = value(KotlinxJson.parseToJsonElement(text))

    @Suppress("UNCHECKED_CAST") // a JSON object's keys are text
    fun readObject(text: String): Map<String, Any?> = read(text) as Map<String, Any?>

    private fun element(value: Any?): JsonElement = when (value) {
        null -> JsonNull
        is Map<*, *> -> JsonObject(value.entries.associate { (name, field) -> name.toString() to element(field) })
        is Iterable<*> -> JsonArray(value.map(::element))
        is Array<*> -> JsonArray(value.map(::element))
        is Amount -> element(value.document())
        is String -> JsonPrimitive(value)
        is Boolean -> JsonPrimitive(value)
        is Double -> if (value.isFinite()) JsonPrimitive(value) else JsonPrimitive("$value")
        is Float -> element(value.toDouble())
        is Number -> JsonPrimitive(value)
        // Ids, instants, enums: as they print. A commit must not fail for its metadata.
        else -> JsonPrimitive(value.toString())
    }

    private fun value(element: JsonElement): Any? = when (element) {
        is JsonNull -> null
        is JsonObject -> element.mapValues { (_, field) -> value(field) }
        is JsonArray -> element.map(::value)
        is JsonPrimitive -> if (element.isString) element.content else literal(element)
    }

    private fun literal(primitive: JsonPrimitive): Any =
        primitive.booleanOrNull
            ?: primitive.content.toLongOrNull()
            ?: primitive.content.toBigIntegerOrNull()
            ?: primitive.content.toDouble()
}

internal fun Map<String, Any?>.withoutNulls(): Map<String, Any?> = filterValues { it != null }

internal fun Map<String, Any?>.text(name: String): String? = this[name] as? String

internal fun Map<String, Any?>.integer(name: String): Long? = this[name] as? Long

@Suppress("UNCHECKED_CAST") // a JSON object's keys are text
internal fun Map<String, Any?>.fields(name: String): Map<String, Any?>? = this[name] as? Map<String, Any?>

@Suppress("UNCHECKED_CAST") // the protocol's lists are of one kind each
internal fun <T> Map<String, Any?>.list(name: String): List<T>? = this[name] as? List<T>
