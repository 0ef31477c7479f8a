package dev.runcycles

import dev.runcycles.ffi.Guard
import dev.runcycles.ffi.Parent
import kotlinx.coroutines.ThreadContextElement
import java.util.concurrent.Callable
import kotlin.coroutines.CoroutineContext

/**
 * The reservation that a guarded block runs under.
 *
 * [metrics] and [commitMetadata] may be set inside the block; they travel with the commit.
 *
 * @property response the authority's whole answer
 * @property settlement how the call was settled; null until the block has ended
 */
public class CyclesContext internal constructor(hold: Hold) {
    internal constructor(guard: Guard) : this(Hold(guard::context, guard::parent))

    private val text: String = native { hold.context() }

    /** Most blocks do not ask. */
    private val context: Map<String, Any?> by lazy { Json.readObject(text) }

    @Volatile
    private var live: Hold? = hold

    /** This block, for those inside it; null once it has settled. */
    internal val parent: Parent? get() = live?.let { native { it.parent() } }

    public val reservationId: String? get() = context.text("reservation_id")
    public val decision: Decision get() = Decision.of(context.text("decision"))
    public val estimate: Amount? get() = Amount.of(context["estimate"])
    public val caps: Caps? get() = context.fields("caps")?.let(::Caps)
    public val affectedScopes: List<String> get() = context.list("affected_scopes") ?: emptyList()
    public val scopePath: String? get() = context.text("scope_path")
    public val reserved: Amount? get() = Amount.of(context["reserved"])
    public val balances: List<Map<String, Any?>> get() = context.list("balances") ?: emptyList()
    public val traceId: String? get() = context.text("trace_id")

    // The text is looked into first: where it does not say so, nothing has to be read.
    internal val cancelsWhenLost: Boolean get() = "\"cancels\":true" in text && context["cancels"] == true

    /** Whether nothing is held, because the authority could not be asked ([CyclesConfig.onUnreachable]). */
    public val isUnseen: Boolean get() = context["unseen"] == true

    /** The reservation of the guarded block that this one is inside of. */
    public val parentReservationId: String? get() = context.text("parent_reservation_id")
    public val response: Map<String, Any?> get() = context.fields("response") ?: emptyMap()

    /** When the reservation expires, Unix milliseconds; the heartbeat moves it while the block runs. */
    public val expiresAtMs: Long?
        get() = (live?.let { Json.readObject(native { it.context() }) } ?: context).integer("expires_at_ms")

    @Volatile
    public var metrics: CyclesMetrics? = null

    @Volatile
    public var commitMetadata: Map<String, Any?>? = null

    @Volatile
    public var settlement: Settlement? = null
        internal set

    internal fun end() {
        live = null
    }

    /** What a guard and a stream of the native side have in common. */
    internal class Hold(val context: () -> String, val parent: () -> Parent?)

    /**
     * Runs [block] inside this reservation: it is [current] there. For threads that the SDK does not know of, such
     * as those that run the later stages of a Java future; coroutines keep it by themselves.
     */
    @Throws(Exception::class)
    public fun <T> call(block: Callable<T>): T {
        val outer = current.get()
        current.set(this)
        try {
            return block.call()
        } finally {
            restore(outer)
        }
    }

    /**
     * Keeps this reservation [current] in the coroutines that carry it. For coroutines that the SDK does not start itself;
     * those inside [withCycles] have it.
     */
    public fun asCoroutineContext(): CoroutineContext = Element(this)

    override fun toString(): String = "CyclesContext(reservationId=$reservationId, decision=$decision)"

    public companion object {
        private val current = ThreadLocal<CyclesContext?>()

        /** The guarded block that the calling coroutine or thread is in, or null outside of one. */
        @JvmStatic
        public fun current(): CyclesContext? = current.get()

        private fun restore(outer: CyclesContext?): Unit = if (outer == null) current.remove() else current.set(outer)
    }

    /** Carries the context through a coroutine's suspensions and thread changes. */
    internal class Element(private val context: CyclesContext) : ThreadContextElement<CyclesContext?> {
        override val key: CoroutineContext.Key<Element> get() = Key

        override fun updateThreadContext(context: CoroutineContext): CyclesContext? =
            current.get().also { current.set(this.context) }

        override fun restoreThreadContext(context: CoroutineContext, oldState: CyclesContext?): Unit = restore(oldState)

        companion object Key : CoroutineContext.Key<Element>
    }
}

/** Measurements that travel with a commit; [latencyMs] is milliseconds. */
public data class CyclesMetrics @JvmOverloads constructor(
    var tokensInput: Long? = null,
    var tokensOutput: Long? = null,
    var latencyMs: Long? = null,
    var modelVersion: String? = null,
    var custom: Map<String, Any?>? = null,
) {
    internal fun document(): Map<String, Any?> = mapOf(
        "tokens_input" to tokensInput,
        "tokens_output" to tokensOutput,
        "latency_ms" to latencyMs,
        "model_version" to modelVersion,
        "custom" to custom,
    ).withoutNulls()
}

/**
 * How a guarded call ended at the authority. The block's result is the caller's either way.
 *
 * @property response the authority's answer, if there was one
 * @property error why the outcome is not the expected one
 */
public class Settlement internal constructor(text: String) {
    /** Most callers do not ask. */
    private val settlement: Map<String, Any?> by lazy { Json.readObject(text) }

    public val outcome: Outcome get() = Outcome.of(settlement.text("outcome"))
    public val response: Map<String, Any?>? get() = settlement.fields("response")
    public val error: CyclesError? by lazy { settlement.fields("error")?.let { cyclesError(it) } }

    override fun toString(): String = "Settlement(outcome=$outcome, error=$error)"

    /** Where the reserved amount went. */
    public enum class Outcome {
        /** Spent, as reported. */
        COMMITTED,

        /** On its way in the background. */
        QUEUED,

        /** The guarded block around this one pays, and commits it. */
        INHERITED,

        /** Given back. */
        RELEASED,

        /** Spent, recorded as an event because the reservation had expired. */
        RECOVERED_VIA_EVENT,

        /** Not answered yet; the SDK keeps trying with the same key. */
        PENDING,

        /** Refused for good; see [Settlement.error]. */
        REFUSED,

        /** Settled before. */
        ALREADY_SETTLED,

        /** There was no reservation. */
        NOTHING_TO_SETTLE,

        /** An outcome that this version does not know. */
        UNKNOWN,
        ;

        internal companion object {
            fun of(name: String?): Outcome = entries.find { it.name.equals(name, ignoreCase = true) } ?: UNKNOWN
        }
    }
}
