package dev.runcycles

import dev.runcycles.ffi.NativeResponse

/**
 * The authority's answer to a low-level call, refusals included.
 *
 * @property status the HTTP status; -1 when no answer came
 * @property text the answer's body as received
 * @property errorMessage what went wrong on the way, when [isTransportError]
 */
public class CyclesResponse internal constructor(
    public val status: Int,
    public val text: String,
    private val headers: List<Pair<String, String>>,
    public val errorMessage: String?,
) {
    /** The JSON object that [text] holds, integers as [Long]; null if it holds none. */
    @Suppress("UNCHECKED_CAST") // a JSON object's keys are text
    public val body: Map<String, Any?>? by lazy { runCatching { Json.read(text) }.getOrNull() as? Map<String, Any?> }

    public val isSuccess: Boolean get() = status in 200..299
    public val isClientError: Boolean get() = status in 400..499
    public val isServerError: Boolean get() = status in 500..599
    public val isTransportError: Boolean get() = status == -1

    /** Names the request in the authority's logs. */
    public val requestId: String? get() = header("X-Request-Id")

    /** Names the operation across systems. */
    public val traceId: String? get() = header("X-Cycles-Trace-Id")

    /** The first header called [name], whatever its case. */
    public fun header(name: String): String? = headers.find { it.first.equals(name, ignoreCase = true) }?.second

    override fun toString(): String = "CyclesResponse(status=$status, body=$text, errorMessage=$errorMessage)"

    internal companion object {
        fun of(response: NativeResponse): CyclesResponse = CyclesResponse(
            response.status,
            response.body,
            response.headers.map { it.name to it.value },
            response.errorMessage,
        )
    }
}
