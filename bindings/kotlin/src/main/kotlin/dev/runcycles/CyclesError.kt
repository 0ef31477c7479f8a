package dev.runcycles

/** What the core says of an error; the same fields in every language. */
internal data class ErrorReport(
    val kind: String,
    val message: String,
    val code: String? = null,
    val status: Int? = null,
    val reasonCode: String? = null,
    val requestId: String? = null,
    val traceId: String? = null,
    val retryAfterMs: Long? = null,
    val details: Map<String, Any?>? = null,
    val cause: Throwable? = null,
)

/**
 * Everything this package throws.
 *
 * @property code the authority's error code, such as `BUDGET_EXCEEDED`
 * @property status the HTTP status, or what it would have been in process
 * @property reasonCode why a decision was a denial
 * @property requestId names the request in the authority's logs
 * @property traceId names the operation across systems
 * @property retryAfterMs when a further try makes sense, milliseconds
 * @property details further fields of the authority's answer
 */
public sealed class CyclesError(report: ErrorReport) : RuntimeException(report.message, report.cause) {
    public val code: String? = report.code
    public val status: Int? = report.status
    public val reasonCode: String? = report.reasonCode
    public val requestId: String? = report.requestId
    public val traceId: String? = report.traceId
    public val retryAfterMs: Long? = report.retryAfterMs
    public val details: Map<String, Any?>? = report.details
}

/** The authority refused; the subclasses are the refusals that callers act upon. */
public open class CyclesProtocolError internal constructor(report: ErrorReport) : CyclesError(report)

/** A budget does not have the estimate; the guarded block did not run. */
public class BudgetExceededError internal constructor(report: ErrorReport) : CyclesProtocolError(report)

/** A budget's debt is above its overdraft limit. */
public class OverdraftLimitExceededError internal constructor(report: ErrorReport) : CyclesProtocolError(report)

/** A budget has debt and no overdraft limit; it must be funded first. */
public class DebtOutstandingError internal constructor(report: ErrorReport) : CyclesProtocolError(report)

/** The tenant is closed for good. */
public class TenantClosedError internal constructor(report: ErrorReport) : CyclesProtocolError(report)

/** The reservation's time and grace are over. */
public class ReservationExpiredError internal constructor(report: ErrorReport) : CyclesProtocolError(report)

/** The reservation was committed or released before. */
public class ReservationFinalizedError internal constructor(report: ErrorReport) : CyclesProtocolError(report)

/** The authority could not be reached, or its answer did not arrive. */
public class CyclesTransportError internal constructor(report: ErrorReport) : CyclesError(report)

/** The request breaks the protocol's rules; nothing was sent. */
public class CyclesValidationError internal constructor(report: ErrorReport) : CyclesError(report) {
    /** For frameworks, which find out on their own what cannot be used. */
    @JvmOverloads
    public constructor(message: String, cause: Throwable? = null) : this(ErrorReport("Validation", message, cause = cause))
}

/** The configuration or a seed cannot be used. */
public class CyclesConfigError internal constructor(report: ErrorReport) : CyclesError(report) {
    /** For frameworks, which find out on their own what cannot be used. */
    @JvmOverloads
    public constructor(message: String, cause: Throwable? = null) : this(ErrorReport("Config", message, cause = cause))
}

/** A defect in this SDK; please report it. */
public class CyclesInternalError internal constructor(report: ErrorReport) : CyclesError(report)

internal fun cyclesError(report: ErrorReport): CyclesError = when (report.kind) {
    "Protocol" -> CyclesProtocolError(report)
    "BudgetExceeded" -> BudgetExceededError(report)
    "OverdraftLimitExceeded" -> OverdraftLimitExceededError(report)
    "DebtOutstanding" -> DebtOutstandingError(report)
    "TenantClosed" -> TenantClosedError(report)
    "ReservationExpired" -> ReservationExpiredError(report)
    "ReservationFinalized" -> ReservationFinalizedError(report)
    "Transport" -> CyclesTransportError(report)
    "Validation" -> CyclesValidationError(report)
    "Config" -> CyclesConfigError(report)
    else -> CyclesInternalError(report)
}

internal fun cyclesError(report: Map<String, Any?>, cause: Throwable? = null): CyclesError = cyclesError(
    ErrorReport(
        kind = report.text("kind").orEmpty(),
        message = report.text("message").orEmpty(),
        code = report.text("code"),
        status = report.integer("status")?.toInt(),
        reasonCode = report.text("reason_code"),
        requestId = report.text("request_id"),
        traceId = report.text("trace_id"),
        retryAfterMs = report.integer("retry_after_ms"),
        details = report.fields("details"),
        cause = cause,
    ),
)
