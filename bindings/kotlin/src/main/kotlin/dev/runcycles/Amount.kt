package dev.runcycles

/** What an [Amount] counts. */
public enum class CyclesUnit {
    /** 10⁻⁸ US dollars: $1.00 is 100,000,000. */
    USD_MICROCENTS,

    /** Model tokens. */
    TOKENS,

    /** Generic credits. */
    CREDITS,

    /** Points of risk. */
    RISK_POINTS,
}

/**
 * A non-negative whole [amount] of a [unit].
 *
 * Never a fraction: $0.01 is 1,000,000 [CyclesUnit.USD_MICROCENTS]. The authority refuses a
 * negative amount with [CyclesValidationError].
 */
public data class Amount(val unit: CyclesUnit, val amount: Long) {
    internal fun document(): Map<String, Any?> = mapOf("unit" to unit.name, "amount" to amount)

    public companion object {
        /** 10⁻⁸ US dollars. */
        @JvmStatic
        public fun usdMicrocents(amount: Long): Amount = Amount(CyclesUnit.USD_MICROCENTS, amount)

        /** Model tokens. */
        @JvmStatic
        public fun tokens(amount: Long): Amount = Amount(CyclesUnit.TOKENS, amount)

        /** Generic credits. */
        @JvmStatic
        public fun credits(amount: Long): Amount = Amount(CyclesUnit.CREDITS, amount)

        /** Points of risk. */
        @JvmStatic
        public fun riskPoints(amount: Long): Amount = Amount(CyclesUnit.RISK_POINTS, amount)

        /**
         * US dollars from decimal text, exactly: `Amount.usd("0.02")` is 2,000,000
         * [CyclesUnit.USD_MICROCENTS].
         *
         * @throws CyclesValidationError for anything but digits with at most eight decimals
         */
        @JvmStatic
        public fun usd(text: String): Amount = usdMicrocents(native { Natives.chosen.usdMicrocents(text) })

        internal fun of(document: Any?): Amount? {
            val fields = document as? Map<*, *> ?: return null
            val unit = CyclesUnit.entries.find { it.name == fields["unit"] } ?: return null
            return Amount(unit, fields["amount"] as? Long ?: return null)
        }
    }
}

/** The seed that holds [budgets] and no more. */
internal fun seedOf(budgets: Map<String, Amount>): String =
    Json.write(mapOf("budgets" to budgets.mapValues { (_, allocated) -> allocated.document() }))
